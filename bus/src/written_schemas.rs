use std::{collections::HashMap, sync::Arc};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use setpiece_envelope::{DomainEvent, EventSchema, EventVersion, RawEnvelope};

use crate::{InvalidEvent, OutgoingEvent};

/// The schemas by which events are checked before they are sent.
#[derive(Clone, Default)]
pub(crate) struct WrittenSchemas(HashMap<Key, Arc<EventSchema>>);

/// Source, name and version.
type Key = (&'static str, &'static str, EventVersion);

fn key<E: DomainEvent>() -> Key {
    (E::SOURCE, E::NAME, E::VERSION)
}

impl WrittenSchemas {
    pub(crate) fn insert<E>(&mut self)
    where
        E: DomainEvent + DeserializeOwned + JsonSchema + 'static,
    {
        self.0.insert(key::<E>(), EventSchema::of::<E>());
    }

    /// Gives the event back if it keeps the promise of its type, or if there is none.
    pub(crate) fn check<E: DomainEvent>(
        &self,
        event: OutgoingEvent,
    ) -> Result<OutgoingEvent, InvalidEvent> {
        let Some(schema) = self.0.get(&key::<E>()) else { return Ok(event) };
        let detail = event.detail().as_bytes();
        let envelope = RawEnvelope::parse_within(detail, detail.len());
        let data = envelope.map_err(InvalidEvent::Read)?.data().as_bytes();
        let validated = schema.written().validate_within(data, data.len());
        validated.map_err(InvalidEvent::Schema)?;
        Ok(event)
    }
}
