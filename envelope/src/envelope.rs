use std::{fmt, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Clock, Correlation, CorrelationId, DomainEvent, IdSource, Metadata, RawEnvelope, ReadError,
    SystemClock, SystemIds, WriteError,
    wire::{checked, raw::detail},
};

/// An event with its metadata: what travels from one service to another.
///
/// [`Stamp::envelope`] makes one for a new event.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Envelope<E> {
    /// Metadata of the event: all that is known besides its data.
    ///
    /// Its `name` and `version` are those of `E`, also after reading an older version, and are
    /// written so whatever is put there.
    pub metadata: Metadata,
    /// The event.
    pub data: E,
}

impl<E> Envelope<E> {
    /// Puts `data` into an envelope whose metadata is already known.
    ///
    /// Name and version become those of `E`.
    #[must_use]
    pub fn new(metadata: Metadata, data: E) -> Self
    where
        E: DomainEvent,
    {
        let metadata = Metadata { name: E::NAME.to_owned(), version: E::VERSION, ..metadata };
        Self { metadata, data }
    }

    /// Reads an event's `detail` straight into `E`, whatever version it was written in.
    ///
    /// # Errors
    ///
    /// Those of [`RawEnvelope::parse`] and [`RawEnvelope::decode`].
    pub fn from_detail(detail: &[u8]) -> Result<Self, ReadError>
    where
        E: DomainEvent + DeserializeOwned,
    {
        RawEnvelope::parse(detail)?.decode()
    }

    /// Writes the event as a `detail`: one line of JSON.
    ///
    /// It may be larger than a bus takes; the bus's adapter knows its limits.
    ///
    /// # Errors
    ///
    /// When the event holds what does not survive the way: a float that is not finite, an integer
    /// outside of i64, nesting deeper than [`MAX_NESTING`](crate::MAX_NESTING), or a metadata field
    /// that readers refuse.
    pub fn to_detail(&self) -> Result<Vec<u8>, WriteError>
    where
        E: DomainEvent + Serialize,
    {
        let write = |json: &mut Vec<u8>| checked::write_data(&self.data, json);
        Ok(detail(&self.metadata, E::NAME, E::VERSION, size_of::<E>(), write)?)
    }
}

impl<E> fmt::Debug for Envelope<E> {
    /// Shows the metadata only: the data can be personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope").field("metadata", &self.metadata).finish_non_exhaustive()
    }
}

/// Stamps new events with their id, their time and their place in the flow.
///
/// ```
/// use setpiece_envelope::{Correlation, FixedClock, SequentialIds, Stamp};
/// # use serde::Serialize;
/// # use setpiece_envelope::{DomainEvent, EventVersion, First, ServiceId};
/// # #[derive(Serialize)]
/// # struct OrderSubmitted { order_number: String }
/// # impl DomainEvent for OrderSubmitted {
/// #     type Previous = First;
/// #     const SERVICE: ServiceId = ServiceId::new("retail", "checkout", "orders");
/// #     const NAME: &'static str = "order_submitted";
/// #     const VERSION: EventVersion = EventVersion::new(1);
/// # }
/// # let event = || OrderSubmitted { order_number: "7".to_owned() };
/// let stamp = Stamp::new(FixedClock::default(), SequentialIds::new());
///
/// let first = stamp.envelope(event(), &Correlation::root());
/// let second = stamp.envelope(event(), &Correlation::caused_by(&first.metadata));
/// assert_eq!(second.metadata.correlation.depth, 1);
/// assert_eq!(second.metadata.correlation.causation_id, Some(first.metadata.event_id));
/// ```
#[derive(Clone)]
pub struct Stamp {
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl Stamp {
    /// Takes time and ids from `clock` and `ids`.
    #[must_use]
    pub fn new(clock: impl Clock, ids: impl IdSource) -> Self {
        Self { clock: Arc::new(clock), ids: Arc::new(ids) }
    }

    /// Takes time and ids from the operating system.
    #[must_use]
    pub fn system() -> Self {
        Self::new(SystemClock, SystemIds::new())
    }

    /// Puts `event` into an envelope of its own.
    ///
    /// An event without a flow, that of [`Correlation::root`], begins the flow of its own id.
    #[must_use]
    pub fn envelope<E: DomainEvent>(&self, event: E, correlation: &Correlation) -> Envelope<E> {
        // Ids carry milliseconds. So do events, and both show the same one, unless the clock went back.
        let now = self.clock.now().truncate_to_millis();
        let event_id = self.ids.next_id(now);
        let mut correlation = correlation.clone();
        correlation.correlation_id.get_or_insert_with(|| CorrelationId::from(&event_id));
        let metadata = Metadata {
            domain: Some(E::SERVICE.domain().to_owned()),
            subdomain: Some(E::SERVICE.subdomain().to_owned()),
            service: Some(E::SERVICE.service().to_owned()),
            category: Some(E::CATEGORY),
            event_type: Some(E::TYPE),
            occurred_at: Some(now),
            correlation,
            // An event about nothing has no subject.
            subject: event.subject().filter(|subject| !subject.is_empty()),
            ..Metadata::new(event_id, E::NAME, E::VERSION)
        };
        Envelope { metadata, data: event }
    }
}

impl Default for Stamp {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stamp").finish_non_exhaustive()
    }
}
