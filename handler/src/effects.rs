mod error;
mod store;

use std::{fmt, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use setpiece_bus::{InvalidEvent, OutgoingEvent};
use setpiece_envelope::{
    Correlation, DomainEvent, EventVersion, FixedClock, RawEnvelope, SequentialIds, Stamp,
    Timestamp,
};

pub use self::{
    error::{InvalidEffects, InvalidWrite},
    store::{
        BoxFuture, EffectLimits, EffectStore, EventsOnly, OutboxEntry, OutboxItem, OutboxKey,
        OutboxOwner, WriteOf,
    },
};
use crate::Write;

/// Effects of an event: writes to the service's own tables, and events that others are to hear of.
///
/// A handler returns them, and they are applied all together or not at all. They are data: a test
/// calls the handler and compares what it returns, without a table or a bus.
///
/// ```
/// # use serde::Serialize;
/// # use setpiece_envelope::{DomainEvent, EventVersion, First, ServiceId};
/// # #[derive(Serialize)]
/// # struct PointsAwarded { customer_id: String, points: i64 }
/// # impl DomainEvent for PointsAwarded {
/// #     type Previous = First;
/// #     const SERVICE: ServiceId = ServiceId::new("retail", "marketing", "loyalty");
/// #     const NAME: &'static str = "points_awarded";
/// #     const VERSION: EventVersion = EventVersion::new(1);
/// # }
/// use setpiece_handler::{Effects, Write};
///
/// fn award(customer_id: &str, points: i64) -> Effects {
///     Effects::new()
///         .write(Write::update("loyalty", ("customer_id", customer_id)).add("points", points))
///         .emit(PointsAwarded { customer_id: customer_id.to_owned(), points })
/// }
///
/// assert_eq!(award("cu-101", 100), award("cu-101", 100));
/// assert_ne!(award("cu-101", 100), award("cu-101", 50));
/// assert!(!format!("{:?}", award("cu-101", 100)).contains("cu-101"));
/// ```
///
/// # When they are equal
///
/// When they write the same in the same order, and emit events of the same source, name, version,
/// subject and data in the same order. Data is compared as JSON.
#[derive(Clone, Default, PartialEq)]
#[must_use = "effects do nothing until they are returned from a handler"]
pub struct Effects {
    writes: Vec<Write>,
    emitted: Vec<Emitted>,
}

impl Effects {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing at all: the event was looked at, and there is nothing to do about it.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a write.
    pub fn write(mut self, write: impl Into<Write>) -> Self {
        self.writes.push(write.into());
        self
    }

    /// Adds writes.
    pub fn writes<W: Into<Write>>(mut self, writes: impl IntoIterator<Item = W>) -> Self {
        self.writes.extend(writes.into_iter().map(Into::into));
        self
    }

    /// Adds an event that is to be published.
    ///
    /// It gets its id, its time and its place in the flow when the effects are applied. A value
    /// that no reader could take, such as a float that is not finite, makes the effects
    /// [invalid](InvalidEffects::Event), which shows before anything is written.
    ///
    /// A [view](DomainEvent::VIEW) is another team's reading of an event and does not compile:
    ///
    /// ```compile_fail,E0080
    /// # use serde::Serialize;
    /// # use setpiece_envelope::{DomainEvent, EventVersion, First, ServiceId};
    /// # #[derive(Serialize)]
    /// # struct OrderView { order_number: String }
    /// # impl DomainEvent for OrderView {
    /// #     type Previous = First;
    /// #     const SERVICE: ServiceId = ServiceId::new("retail", "checkout", "orders");
    /// #     const NAME: &'static str = "order_submitted";
    /// #     const VERSION: EventVersion = EventVersion::new(1);
    /// #     const VIEW: bool = true;
    /// # }
    /// # fn main() {
    /// let effects =
    ///     setpiece_handler::Effects::new().emit(OrderView { order_number: "7".to_owned() });
    /// # }
    /// ```
    pub fn emit<E: DomainEvent + Serialize>(mut self, event: E) -> Self {
        const { assert!(!E::VIEW, "a view is read, never emitted: emit an event of your own") };
        self.emitted.push(Emitted::new(event));
        self
    }

    /// Adds all of `other`, behind what is there.
    pub fn and(mut self, other: Self) -> Self {
        self.writes.extend(other.writes);
        self.emitted.extend(other.emitted);
        self
    }

    /// The writes, in their order.
    pub fn written(&self) -> &[Write] {
        &self.writes
    }

    /// The events, in their order.
    #[must_use]
    pub fn emitted(&self) -> &[Emitted] {
        &self.emitted
    }

    /// The events of one type, in their order. Those that are [invalid](Emitted::invalid) are not
    /// among them.
    #[must_use]
    pub fn emitted_as<E: DomainEvent + DeserializeOwned>(&self) -> Vec<E> {
        self.emitted.iter().filter_map(Emitted::decode).collect()
    }

    /// All of it as JSON, for tests and tools.
    ///
    /// Unlike `Debug` it shows values, which can be personal: it is not for logs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let writes: Vec<Value> = self.writes.iter().map(Write::to_json).collect();
        let emitted: Vec<Value> = self.emitted.iter().map(Emitted::to_json).collect();
        json!({ "writes": writes, "emitted": emitted })
    }

    /// Returns true if there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.emitted.is_empty()
    }
}

impl fmt::Debug for Effects {
    /// Shows what is written and emitted, but no values: they can be personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { writes, emitted } = self;
        f.debug_struct("Effects").field("writes", writes).field("emitted", emitted).finish()
    }
}

/// An event that is to be published, as data.
#[derive(Clone)]
pub struct Emitted {
    source: &'static str,
    name: &'static str,
    version: EventVersion,
    subject: Option<String>,
    /// The event with an id and a time that stand for those it will have.
    event: Result<OutgoingEvent, Arc<InvalidEvent>>,
}

impl Emitted {
    fn new<E: DomainEvent + Serialize>(event: E) -> Self {
        let subject = event.subject().filter(|subject| !subject.is_empty());
        let stamp = Stamp::new(FixedClock::at(Timestamp::UNIX_EPOCH), SequentialIds::new());
        let envelope = stamp.envelope(event, &Correlation::root());
        Self {
            source: E::SOURCE,
            name: E::NAME,
            version: E::VERSION,
            subject,
            event: OutgoingEvent::new(&envelope).map_err(Arc::new),
        }
    }

    /// The source under which it is published.
    #[must_use]
    pub fn source(&self) -> &str {
        self.source
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> EventVersion {
        self.version
    }

    /// Returns the subject of the event.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// Its data as JSON, unless it is [invalid](Self::invalid).
    #[must_use]
    pub fn data(&self) -> Option<Value> {
        serde_json::from_str(self.raw()?.data()).ok()
    }

    /// Returns the reason that the event cannot be published, if it cannot.
    #[must_use]
    pub fn invalid(&self) -> Option<&InvalidEvent> {
        self.event.as_ref().err().map(|invalid| &**invalid)
    }

    /// Returns true if the event is an `E`.
    #[must_use]
    pub fn is<E: DomainEvent>(&self) -> bool {
        (self.source, self.name, self.version) == (E::SOURCE, E::NAME, E::VERSION)
    }

    /// All of it as JSON, for tests and tools. It is not for logs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let kind = format!("{} v{} of {}", self.name, self.version, self.source);
        match &self.event {
            Ok(_) => json!({ "event": kind, "subject": self.subject, "data": self.data() }),
            Err(invalid) => json!({ "event": kind, "invalid": invalid.to_string() }),
        }
    }

    /// The event, if it is an `E`.
    #[must_use]
    pub fn decode<E: DomainEvent + DeserializeOwned>(&self) -> Option<E> {
        if !self.is::<E>() {
            return None;
        }
        self.raw()?.data_as().ok()
    }

    fn raw(&self) -> Option<RawEnvelope<'_>> {
        let detail = self.event.as_ref().ok()?.detail().as_bytes();
        RawEnvelope::parse_within(detail, detail.len()).ok()
    }

    /// The event as it is sent.
    pub(crate) fn stamped(
        &self,
        stamp: impl FnOnce(&mut setpiece_envelope::Metadata),
    ) -> Result<OutgoingEvent, Arc<InvalidEvent>> {
        let template = self.event.as_ref().map_err(Arc::clone)?;
        let detail = template.detail().as_bytes();
        let read = RawEnvelope::parse_within(detail, detail.len());
        let mut raw = read.map_err(InvalidEvent::Read)?;
        stamp(&mut raw.metadata);
        let detail = raw.to_detail().map_err(InvalidEvent::Write)?;
        let detail = String::from_utf8(detail).map_err(|error| {
            let offset = error.utf8_error().valid_up_to();
            let reason = setpiece_envelope::Reason::NotUtf8 { offset };
            InvalidEvent::Field { field: "detail", reason }
        })?;
        let (source, kind) = (self.source, template.detail_type().to_owned());
        Ok(OutgoingEvent::from_detail(source, kind, detail)?)
    }
}

impl PartialEq for Emitted {
    fn eq(&self, other: &Self) -> bool {
        let facts = |it: &Self| (it.source, it.name, it.version);
        let same_event = match (&self.event, &other.event) {
            (Ok(_), Ok(_)) => self.data() == other.data(),
            (Err(one), Err(other)) => one.to_string() == other.to_string(),
            (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
        };
        facts(self) == facts(other) && self.subject == other.subject && same_event
    }
}

impl fmt::Debug for Emitted {
    /// Shows what kind of event it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{} of {}", self.name, self.version, self.source)?;
        match &self.event {
            Ok(_) => Ok(()),
            Err(invalid) => write!(f, " (invalid: {invalid})"),
        }
    }
}
