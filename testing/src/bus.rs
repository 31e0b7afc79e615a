//! A bus that lives in the memory of one thread.

pub(crate) mod error;

use std::{borrow::Cow, collections::VecDeque, fmt};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use setpiece_envelope::{
    Clock as _, Correlation, DomainEvent, Envelope, EventBridgeEvent, FixedClock, Metadata, Stamp,
    WriteError,
};

use self::error::{DeliveryError, HandlerError, RunError};
use crate::{fingerprint::fingerprint, wrap::EventBridge};

/// Runs services against each other: what one publishes, the others get, in this thread and in
/// order.
///
/// Every event crosses in its wire form. It is encoded when it is published, and each consumer
/// decodes the bytes into its own type, so that a consumer's view is put to the same test as on a
/// real bus. Each handler says what it did as a `T`, which is handed to the caller of
/// [`run_until_quiet`](Self::run_until_quiet); nothing is recorded, so that the bus takes no more
/// memory than the events that wait on it.
///
/// Deliveries are exactly once and in the order of publishing: first all consumers of an event, by
/// the order in which they subscribed, then the next event. The bus shows how services react to
/// each other, and not yet how they stand a real one, which repeats, reorders and retries.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use setpiece_envelope::{Correlation, DomainEvent, EventVersion, First, ServiceId, Stamp};
/// # use setpiece_testing::{FixedClock, InMemoryBus, SequentialIds};
/// # #[derive(Serialize, Deserialize)]
/// # struct OrderSubmitted { order_number: String }
/// # impl DomainEvent for OrderSubmitted {
/// #     type Previous = First;
/// #     const SERVICE: ServiceId = ServiceId::new("retail", "checkout", "orders");
/// #     const NAME: &'static str = "order_submitted";
/// #     const VERSION: EventVersion = EventVersion::new(1);
/// # }
/// let mut bus = InMemoryBus::new(Stamp::new(FixedClock::default(), SequentialIds::new()));
/// bus.subscribe::<OrderSubmitted>("billing", |order, _| {
///     Ok(format!("invoiced order {}", order.data.order_number))
/// });
///
/// bus.publish(OrderSubmitted { order_number: "7".to_owned() }, &Correlation::root())?;
/// let mut done = Vec::new();
/// let tally = bus.run_until_quiet(|dispatch| {
///     done.extend(dispatch.deliveries.iter().filter_map(|it| it.outcome.as_ref().ok()).cloned());
/// })?;
///
/// assert_eq!(done, ["invoiced order 7"]);
/// assert_eq!(tally.deliveries, 1);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct InMemoryBus<'h, T = ()> {
    stamp: Stamp,
    max_depth: u32,
    subscriptions: Vec<Subscription<'h, T>>,
    queue: VecDeque<Queued>,
}

struct Subscription<'h, T> {
    consumer: Cow<'static, str>,
    source: &'static str,
    detail_type: &'static str,
    handle: Handle<'h, T>,
}

type Handle<'h, T> = Box<dyn FnMut(&[u8], &mut Outbox<'_>) -> Result<T, DeliveryError> + 'h>;

impl<'h, T> InMemoryBus<'h, T> {
    /// The deepest event that a handler may emit, unless
    /// [`with_max_depth`](Self::with_max_depth) says otherwise.
    pub const DEFAULT_MAX_DEPTH: u32 = 16;

    /// A bus without consumers, whose events get their ids and times from `stamp`.
    #[must_use]
    pub fn new(stamp: Stamp) -> Self {
        Self {
            stamp,
            max_depth: Self::DEFAULT_MAX_DEPTH,
            subscriptions: Vec::new(),
            queue: VecDeque::new(),
        }
    }

    /// Lets flows go as deep as `max_depth` events below their first one.
    ///
    /// A handler that emits a deeper one fails with [`DeliveryError::TooDeep`]: services that
    /// answer each other for ever come to an end in a test, too.
    #[must_use]
    pub fn with_max_depth(self, max_depth: u32) -> Self {
        Self { max_depth, ..self }
    }

    /// Hands the events of `E`'s source and detail-type, which is what a rule matches on, to
    /// `handler`, on behalf of the service `consumer`. They come whatever their version: reading
    /// brings them up to date or fails, as it does in the service.
    ///
    /// The handler gets the event and an [`Outbox`] for what it publishes in turn. It returns what
    /// it did. When it fails, nothing of its outbox is published; the other consumers of the event
    /// get it none the less.
    pub fn subscribe<E: DomainEvent + DeserializeOwned>(
        &mut self,
        consumer: impl Into<Cow<'static, str>>,
        mut handler: impl FnMut(&Envelope<E>, &mut Outbox<'_>) -> Result<T, HandlerError> + 'h,
    ) {
        self.subscriptions.push(Subscription {
            consumer: consumer.into(),
            source: E::SOURCE,
            detail_type: E::DETAIL_TYPE,
            handle: Box::new(move |bytes, outbox| {
                let event = EventBridgeEvent::parse(bytes).and_then(|it| it.envelope.decode());
                handler(&event.map_err(DeliveryError::Read)?, outbox)
                    .map_err(DeliveryError::Handler)
            }),
        });
    }

    /// Publishes `event` as its service would, and says under which metadata.
    ///
    /// It waits until the bus runs. An event without subscribers is no error.
    ///
    /// A view is another team's reading of an event and is never published:
    ///
    /// ```compile_fail
    /// # use serde::Serialize;
    /// # use setpiece_envelope::{Correlation, DomainEvent, EventVersion, First, ServiceId, Stamp};
    /// # use setpiece_testing::InMemoryBus;
    /// # #[derive(Serialize)]
    /// # struct OrderView { order_number: String }
    /// # impl DomainEvent for OrderView {
    /// #     type Previous = First;
    /// #     const SERVICE: ServiceId = ServiceId::new("retail", "checkout", "orders");
    /// #     const NAME: &'static str = "order_submitted";
    /// #     const VERSION: EventVersion = EventVersion::new(1);
    /// #     const VIEW: bool = true;
    /// # }
    /// # let mut bus = InMemoryBus::<()>::new(Stamp::system());
    /// let view = OrderView { order_number: "7".to_owned() };
    /// bus.publish(view, &Correlation::root())?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the event cannot be written as JSON.
    pub fn publish<E: DomainEvent + Serialize>(
        &mut self,
        event: E,
        correlation: &Correlation,
    ) -> Result<Metadata, WriteError> {
        const { assert_publishable::<E>() };
        let queued = Queued::new(&self.stamp, event, correlation)?;
        let metadata = queued.metadata.clone();
        self.queue.push_back(queued);
        Ok(metadata)
    }

    /// Delivers what waits, and what is published on the way, until nothing is left.
    ///
    /// `observe` is told about each event when all of its consumers have had it: an event comes
    /// before those that it caused.
    ///
    /// # Errors
    ///
    /// When a delivery failed. By then all the others have taken place as well, and nothing waits
    /// any more: a failed delivery is not repeated.
    ///
    /// # Panics
    ///
    /// When a handler does.
    pub fn run_until_quiet(
        &mut self,
        mut observe: impl FnMut(&Dispatch<'_, T>),
    ) -> Result<Tally, RunError> {
        let mut tally = Tally::default();
        let mut first_failure = None;
        while let Some(Queued { metadata, source, detail_type, bytes }) = self.queue.pop_front() {
            let mut deliveries = Vec::new();
            for Subscription { consumer, source: from, detail_type: of, handle } in
                &mut self.subscriptions
            {
                if (*from, *of) != (source, detail_type) {
                    continue;
                }
                let mut outbox = Outbox::new(&self.stamp, &metadata, self.max_depth);
                let outcome = handle(&bytes, &mut outbox).and_then(|done| {
                    self.queue.extend(outbox.close()?);
                    Ok(done)
                });
                deliveries.push(Delivery { consumer, outcome });
            }
            tally.count(&deliveries);
            observe(&Dispatch { event: &metadata, deliveries: &deliveries });
            if first_failure.is_none() {
                first_failure =
                    deliveries.into_iter().find_map(|Delivery { consumer, outcome }| {
                        let event = (metadata.name.as_str(), &metadata.event_id);
                        Some(error::Failure::new(consumer, event, outcome.err()?))
                    });
            }
        }
        match first_failure {
            None => Ok(tally),
            Some(failure) => Err(RunError::new(failure, tally)),
        }
    }
}

impl<T> fmt::Debug for InMemoryBus<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subscribed = self.subscriptions.iter();
        let subscribed = subscribed.map(|it| (&it.consumer, it.source, it.detail_type));
        f.debug_struct("InMemoryBus")
            .field("subscriptions", &subscribed.collect::<Vec<_>>())
            .field("waiting", &self.queue.len())
            .finish_non_exhaustive()
    }
}

/// An event on the bus.
struct Queued {
    /// For the bus's own use; consumers read theirs from the bytes.
    metadata: Metadata,
    source: &'static str,
    detail_type: &'static str,
    /// As EventBridge delivers it.
    bytes: Vec<u8>,
}

impl Queued {
    fn new<E: DomainEvent + Serialize>(
        stamp: &Stamp,
        event: E,
        correlation: &Correlation,
    ) -> Result<Self, WriteError> {
        let envelope = stamp.envelope(event, correlation);
        let detail = envelope.to_detail()?;
        let metadata = envelope.metadata;
        let time = metadata.occurred_at.unwrap_or_else(|| FixedClock::default().now());
        let id = fingerprint(&[b"EventBridge", metadata.event_id.as_str().as_bytes()]);
        #[expect(clippy::expect_used, reason = "the writer of details writes JSON, which is text")]
        let bytes = {
            let detail: &RawValue = serde_json::from_slice(&detail).expect("a detail is JSON");
            let event = EventBridge::new(id, E::SOURCE, E::DETAIL_TYPE, time, detail);
            serde_json::to_vec(&event).expect("texts can be written as JSON")
        };
        Ok(Self { metadata, source: E::SOURCE, detail_type: E::DETAIL_TYPE, bytes })
    }
}

const fn assert_publishable<E: DomainEvent>() {
    assert!(!E::VIEW, "a view is read, never published: publish the owner's own event");
}

/// What a handler publishes in turn: caused by the event that it handles, and sent only if the
/// handler succeeds.
pub struct Outbox<'a> {
    stamp: &'a Stamp,
    cause: &'a Metadata,
    max_depth: u32,
    /// An error stays here until the handler is done, so that no handler can lose it.
    events: Result<Vec<Queued>, DeliveryError>,
}

impl<'a> Outbox<'a> {
    fn new(stamp: &'a Stamp, cause: &'a Metadata, max_depth: u32) -> Self {
        Self { stamp, cause, max_depth, events: Ok(Vec::new()) }
    }

    /// Puts `event` into the outbox.
    ///
    /// It is stamped and encoded now, and published when the handler returns `Ok`. An event that
    /// cannot be written, or is too deep in its flow, fails the delivery then.
    ///
    /// As with [`InMemoryBus::publish`], a view does not compile.
    pub fn emit<E: DomainEvent + Serialize>(&mut self, event: E) {
        const { assert_publishable::<E>() };
        let Ok(events) = &mut self.events else { return };
        let correlation = Correlation::caused_by(self.cause);
        if correlation.depth > self.max_depth {
            let limit = self.max_depth;
            self.events = Err(DeliveryError::TooDeep { name: E::NAME, limit });
            return;
        }
        match Queued::new(self.stamp, event, &correlation) {
            Ok(queued) => events.push(queued),
            Err(error) => self.events = Err(DeliveryError::Write(error)),
        }
    }

    fn close(self) -> Result<Vec<Queued>, DeliveryError> {
        self.events
    }
}

impl fmt::Debug for Outbox<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("cause", &self.cause.event_id)
            .field("events", &self.events.as_ref().map(Vec::len))
            .finish_non_exhaustive()
    }
}

/// One event, and what its consumers made of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Dispatch<'a, T> {
    /// The event. Its cause, if it has one, was dispatched before it.
    pub event: &'a Metadata,
    /// One for each consumer, in the order in which they subscribed; empty if there is none.
    pub deliveries: &'a [Delivery<'a, T>],
}

/// One event at one consumer.
#[derive(Debug)]
#[non_exhaustive]
pub struct Delivery<'a, T> {
    /// The name under which the consumer subscribed.
    pub consumer: &'a str,
    /// What the consumer did, or why it did nothing.
    pub outcome: Result<T, DeliveryError>,
}

/// How much a bus did in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Events.
    pub events: u64,
    /// Deliveries, the failed ones included.
    pub deliveries: u64,
    /// Deliveries that failed.
    pub failed: u64,
    /// Events that nobody had subscribed to.
    pub unrouted: u64,
}

impl Tally {
    fn count<T>(&mut self, deliveries: &[Delivery<'_, T>]) {
        let count = |deliveries: usize| u64::try_from(deliveries).unwrap_or(u64::MAX);
        self.events += 1;
        self.deliveries += count(deliveries.len());
        self.failed += count(deliveries.iter().filter(|it| it.outcome.is_err()).count());
        self.unrouted += u64::from(deliveries.is_empty());
    }
}

#[cfg(test)]
mod tests;
