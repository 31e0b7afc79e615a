use std::{fmt, sync::Arc};

use serde::de::DeserializeOwned;
use setpiece_envelope::{DomainEvent, Envelope, Metadata, RawEnvelope, ReadError, Timestamp};

use super::{PutEventsEntry, Taken};
use crate::must::must;

/// An event that the bus has accepted.
#[derive(Clone)]
pub struct RecordedEvent(Arc<Taken>);

impl RecordedEvent {
    /// The id under which the bus delivers it. It is another one when the event is sent again.
    #[must_use]
    pub fn bus_event_id(&self) -> &str {
        &self.0.event_id
    }

    /// When the bus took it.
    #[must_use]
    pub fn received(&self) -> Timestamp {
        self.0.received
    }

    /// The entry with which it came.
    #[must_use]
    pub fn entry(&self) -> &PutEventsEntry {
        &self.0.entry
    }

    /// Returns the metadata in its detail, if that is an envelope.
    #[must_use]
    pub fn metadata(&self) -> Option<&Metadata> {
        self.0.metadata.as_ref()
    }

    /// Returns true if it has the source and the detail-type of `E`, on which rules match.
    #[must_use]
    pub fn is<E: DomainEvent>(&self) -> bool {
        let PutEventsEntry { source, detail_type, .. } = self.entry();
        source.as_deref() == Some(E::SOURCE) && detail_type.as_deref() == Some(E::DETAIL_TYPE)
    }

    /// Reads it as a consumer does.
    ///
    /// # Errors
    ///
    /// When its detail is not an `E`.
    pub fn decode<E: DomainEvent + DeserializeOwned>(&self) -> Result<Envelope<E>, ReadError> {
        let detail = self.entry().detail.as_deref().unwrap_or_default();
        RawEnvelope::parse_within(detail.as_bytes(), detail.len())?.decode()
    }

    #[track_caller]
    pub(crate) fn must_be<E: DomainEvent + DeserializeOwned>(&self) -> Envelope<E> {
        let what = || format!("the published event {self} cannot be read as a `{}`", E::NAME);
        match self.decode() {
            Ok(envelope) => envelope,
            error @ Err(_) => must(&what(), error),
        }
    }
}

/// The name and the id, as assertions show it.
impl fmt::Display for RecordedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detail_type = self.entry().detail_type.as_deref().unwrap_or_default();
        match self.metadata() {
            Some(metadata) => write!(f, "`{}` {}", metadata.name, metadata.event_id),
            None => write!(f, "`{detail_type}` (no envelope)"),
        }
    }
}

impl fmt::Debug for RecordedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedEvent")
            .field("bus_event_id", &self.bus_event_id())
            .field("entry", self.entry())
            .field("event_id", &self.metadata().map(|metadata| &metadata.event_id))
            .finish()
    }
}

impl Taken {
    fn without_detail(&self) -> Self {
        let Self { event_id, entry, metadata, received } = self;
        let PutEventsEntry { source, detail_type, detail: _, time, resources, .. } = entry;
        Self {
            event_id: event_id.clone(),
            entry: PutEventsEntry {
                source: source.clone(),
                detail_type: detail_type.clone(),
                detail: None,
                time: *time,
                resources: resources.clone(),
                event_bus_name: entry.event_bus_name.clone(),
                trace_header: entry.trace_header.clone(),
            },
            metadata: metadata.clone(),
            received: *received,
        }
    }
}

/// One `PutEvents` call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PutEventsRequest {
    /// Number of entries of the request.
    pub entries: usize,
    /// Their bytes by the [formula](setpiece_bus::Limits::EVENT_BRIDGE) of EventBridge.
    pub bytes: usize,
    /// Number of entries that were accepted.
    pub accepted: usize,
    /// Outcome that the caller got to know.
    pub outcome: RequestOutcome,
}

/// Outcome of `PutEvents` that the caller got to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestOutcome {
    /// One result for each entry.
    Answered,
    /// That the whole call failed.
    Refused,
    /// Nothing, though the entries were dealt with.
    Lost,
    /// That there is no connection.
    Unreachable,
}

/// Counts of all that a bus has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// `PutEvents` calls, those that were refused included.
    pub requests: u64,
    /// Entries that were accepted.
    pub accepted: u64,
    /// Entries that were accepted for a bus of another name, and dropped.
    pub dropped: u64,
    /// Deliveries, those that were made again included.
    pub deliveries: u64,
    /// Deliveries that were [given up](super::FakeBus::undelivered) for good.
    pub undelivered: u64,
}

/// Memory of the bus for assertions.
#[derive(Default)]
pub(super) struct Record {
    is_stopped: bool,
    pub(super) leaves_out_details: bool,
    pub(super) events: Vec<RecordedEvent>,
    pub(super) dropped: Vec<RecordedEvent>,
    pub(super) requests: Vec<PutEventsRequest>,
    pub(super) tally: Tally,
}

impl Record {
    /// Forgets all, and remembers nothing any more.
    pub(super) fn stop(&mut self) {
        *self = Self { is_stopped: true, tally: self.tally, ..Self::default() };
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    pub(super) fn event(&mut self, taken: &Arc<Taken>) {
        self.tally.accepted += 1;
        if !self.is_stopped {
            let event = self.recorded(taken);
            self.events.push(event);
        }
    }

    pub(super) fn dropped(&mut self, taken: &Arc<Taken>) {
        self.tally.accepted += 1;
        self.tally.dropped += 1;
        if !self.is_stopped {
            let event = self.recorded(taken);
            self.dropped.push(event);
        }
    }

    fn recorded(&self, taken: &Arc<Taken>) -> RecordedEvent {
        RecordedEvent(if self.leaves_out_details {
            Arc::new(taken.without_detail())
        } else {
            Arc::clone(taken)
        })
    }

    pub(super) fn request(&mut self, request: PutEventsRequest) {
        self.tally.requests += 1;
        if !self.is_stopped {
            self.requests.push(request);
        }
    }
}
