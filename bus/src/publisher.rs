mod error;
mod pack;
mod publication;
mod work;

use std::{any::Any, fmt, pin::pin, sync::Arc, time::Duration};

use futures_util::future::{Either, select};
use serde::Serialize;
use setpiece_envelope::{Correlation, DomainEvent, EventId, Stamp};
use setpiece_policy::{Deadline, Fault, Retry};

use self::error::Kept;
pub use self::{
    error::{PublishError, Unaccepted},
    publication::{Publication, PublicationOutput},
};
#[cfg(feature = "schema")]
use crate::written_schemas::WrittenSchemas;
use crate::{Acceptance, Accepted, Bus, ClaimCheck, InvalidEvent, OutgoingEvent, Preflight};

/// Publishes events, and loses none of them.
///
/// ```
/// # use std::{pin::pin, task::{Context, Poll, Waker}};
/// # fn block_on<T>(future: impl IntoFuture<Output = T>) -> T {
/// #     let mut future = pin!(future.into_future());
/// #     match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
/// #         Poll::Ready(output) => output,
/// #         Poll::Pending => unreachable!("nothing here waits"),
/// #     }
/// # }
/// # use serde::{Deserialize, Serialize};
/// # use setpiece_envelope::{DomainEvent, EventVersion, First, ServiceId};
/// # #[derive(Serialize, Deserialize)]
/// # struct OrderSubmitted { order_number: String }
/// # impl DomainEvent for OrderSubmitted {
/// #     type Previous = First;
/// #     const SERVICE: ServiceId = ServiceId::new("retail", "checkout", "orders");
/// #     const NAME: &'static str = "order_submitted";
/// #     const VERSION: EventVersion = EventVersion::new(1);
/// # }
/// use std::time::Duration;
/// use setpiece_bus::Publisher;
/// use setpiece_envelope::{Correlation, FixedClock};
/// use setpiece_policy::{Deadline, InstantSleep, Retry, SeededRandom};
/// use setpiece_testing::FakeBus;
///
/// // In a Lambda function: `Publisher::system(EventBridge::new(client, "orders"))`.
/// let clock = FixedClock::default();
/// let retry = Retry::new(clock.clone(), SeededRandom::new(7), InstantSleep::new(clock.clone()));
/// let bus = FakeBus::new();
/// let publisher = Publisher::new(bus.clone(), retry);
///
/// let deadline = Deadline::after(&clock, Duration::from_secs(3));
/// let order = OrderSubmitted { order_number: "7".to_owned() };
/// let published = block_on(publisher.publish(order, &Correlation::root(), deadline))?;
///
/// assert_eq!(bus.published::<OrderSubmitted>()[0].metadata.event_id, published.event_id);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # What it does
///
/// Each event is stamped with its id, its time and its place in the flow when it is given to the
/// publisher; whatever happens afterwards, it keeps that id. Then all events are packed, in order,
/// into as few requests as the [limits](Bus::limits) of the bus allow, and a few requests are in
/// flight at a time. Of what fails, only the entries that are worth it are sent again, together,
/// until the deadline. How long it waits in between and what retries may cost is up to the
/// [`Retry`]; how often it tries is not: it tries as long as there is time.
///
/// # What may still happen
///
/// A bus may get an event twice: when the answer to the first request is lost, nobody knows whether
/// it was taken, and it is sent again under the same id. Consumers compare ids.
///
/// # When it is cancelled
///
/// See [`Publication`]: what publishing returns is the future and holds the events.
///
/// # Clones
///
/// A clone shares the clock, the budget and, where its clones do, the bus.
#[derive(Clone)]
pub struct Publisher<B> {
    bus: B,
    retry: Retry,
    stamp: Stamp,
    max_in_flight: usize,
    request_timeout: Duration,
    claim_check: Option<ClaimCheck>,
    #[cfg(feature = "schema")]
    schemas: WrittenSchemas,
}

impl<B: Bus> Publisher<B> {
    /// Requests that are in flight at a time, unless
    /// [`with_max_in_flight`](Self::with_max_in_flight) says otherwise.
    pub const DEFAULT_MAX_IN_FLIGHT: usize = 8;

    /// Time that an answer is waited for, unless
    /// [`with_request_timeout`](Self::with_request_timeout) says otherwise.
    pub const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

    /// Publishes to `bus`, and waits and pays as `retry` does.
    ///
    /// How often it tries is up to the deadline and not to `retry`. Under a `retry` that is [at most
    /// once](Retry::at_most_once), no event is sent again that may have been accepted.
    ///
    /// The retries of a client below `bus` must be off: see [`Retry`].
    #[must_use]
    pub fn new(bus: B, retry: Retry) -> Self {
        Self {
            bus,
            // It is the deadline that ends it. The budget is paid for each request, below.
            retry: retry.with_max_attempts(u32::MAX),
            stamp: Stamp::system(),
            max_in_flight: Self::DEFAULT_MAX_IN_FLIGHT,
            request_timeout: Self::DEFAULT_REQUEST_TIMEOUT,
            claim_check: None,
            #[cfg(feature = "schema")]
            schemas: WrittenSchemas::default(),
        }
    }

    /// Publishes to `bus` with time, ids and randomness of the operating system, and waits on
    /// tokio's timer.
    ///
    /// Publishing then panics outside of a tokio runtime whose timer is enabled.
    #[cfg(feature = "tokio")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
    #[must_use]
    pub fn system(bus: B) -> Self {
        Self::new(bus, Retry::system())
    }

    /// Stamps events with the times and ids of `stamp`.
    #[must_use]
    pub fn with_stamp(self, stamp: Stamp) -> Self {
        Self { stamp, ..self }
    }

    /// Has at most so many requests in flight at a time for each publication; at least one. As many
    /// payloads may be on their way to a store.
    #[must_use]
    pub fn with_max_in_flight(self, requests: usize) -> Self {
        Self { max_in_flight: requests.max(1), ..self }
    }

    /// Waits so long for the answer to a request, and for a payload store. Then the answer counts as
    /// lost, and the events are sent again.
    #[must_use]
    pub fn with_request_timeout(self, timeout: Duration) -> Self {
        Self { request_timeout: timeout, ..self }
    }

    /// Sends large events by reference.
    #[must_use]
    pub fn with_claim_check(self, claim_check: ClaimCheck) -> Self {
        Self { claim_check: Some(claim_check), ..self }
    }

    /// Refuses events of `E` that break the schema which `E` [writes](setpiece_envelope::EventSchema).
    ///
    /// A type can promise more than it keeps, such as a smallest value or a form of text. What
    /// breaks the promise is refused here, before all consumers have to cope with it.
    #[cfg(feature = "schema")]
    #[cfg_attr(docsrs, doc(cfg(feature = "schema")))]
    #[must_use]
    pub fn with_schema<E>(mut self) -> Self
    where
        E: DomainEvent + serde::de::DeserializeOwned + schemars::JsonSchema + 'static,
    {
        self.schemas.insert::<E>();
        self
    }

    /// The bus that it publishes to.
    #[must_use]
    pub fn bus(&self) -> &B {
        &self.bus
    }

    /// Finds out whether the bus is there and takes events, without publishing one: see
    /// [`Bus::preflight`].
    ///
    /// # Errors
    ///
    /// When the bus does not exist, when it refuses this caller, or when nobody answered until the
    /// deadline.
    pub async fn preflight(&self, deadline: Deadline) -> Result<Preflight, Fault> {
        let asked = pin!(self.retry.run(deadline, |_| self.bus.preflight()));
        let timer = pin!(self.retry.sleep(deadline.remaining(self.retry.clock())));
        match select(asked, timer).await {
            Either::Left((answer, _)) => answer,
            Either::Right(((), _)) => {
                Err(unanswered(&self.bus, Fault::deadline("the bus did not answer in time")))
            }
        }
    }

    /// Publishes one event.
    ///
    /// A [view](DomainEvent::VIEW) is another team's reading of an event and does not compile:
    ///
    /// ```compile_fail,E0080
    /// # use serde::Serialize;
    /// # use setpiece_bus::{Bus, Publisher};
    /// # use setpiece_envelope::{Correlation, DomainEvent, EventVersion, First, ServiceId};
    /// # use setpiece_policy::Deadline;
    /// # #[derive(Serialize)]
    /// # struct OrderView { order_number: String }
    /// # impl DomainEvent for OrderView {
    /// #     type Previous = First;
    /// #     const SERVICE: ServiceId = ServiceId::new("retail", "checkout", "orders");
    /// #     const NAME: &'static str = "order_submitted";
    /// #     const VERSION: EventVersion = EventVersion::new(1);
    /// #     const VIEW: bool = true;
    /// # }
    /// # fn publish(publisher: &Publisher<impl Bus>, deadline: Deadline) {
    /// let view = OrderView { order_number: "7".to_owned() };
    /// let publication = publisher.publish(view, &Correlation::root(), deadline);
    /// # }
    /// # let clock = setpiece_envelope::FixedClock::default();
    /// # let sleep = setpiece_policy::InstantSleep::new(clock.clone());
    /// # let random = setpiece_policy::SeededRandom::new(1);
    /// # let retry = setpiece_policy::Retry::new(clock.clone(), random, sleep);
    /// # let publisher = Publisher::new(setpiece_testing::FakeBus::new(), retry);
    /// # publish(&publisher, Deadline::after(&clock, std::time::Duration::from_secs(1)));
    /// ```
    pub fn publish<E>(
        &self,
        event: E,
        correlation: &Correlation,
        deadline: Deadline,
    ) -> Publication<'_, B, Published>
    where
        E: DomainEvent + Serialize + Send + Sync + 'static,
    {
        Publication::new(self, deadline, [self.draft(event, correlation)])
    }

    /// Publishes events of one type, all at the same place in the flow.
    ///
    /// For events of several types, [prepare](Self::prepare) each and [send](Self::send_all) all.
    pub fn publish_all<E>(
        &self,
        events: impl IntoIterator<Item = E>,
        correlation: &Correlation,
        deadline: Deadline,
    ) -> Publication<'_, B>
    where
        E: DomainEvent + Serialize + Send + Sync + 'static,
    {
        let drafts = events.into_iter().map(|event| self.draft(event, correlation));
        Publication::new(self, deadline, drafts)
    }

    /// Sends events that have their ids already: those of several types, those that came back in a
    /// [`PublishError`], or those of an outbox.
    ///
    /// They are sent as they are, and not checked against the schemas of their types.
    pub fn send_all(
        &self,
        events: impl IntoIterator<Item = OutgoingEvent>,
        deadline: Deadline,
    ) -> Publication<'_, B> {
        Publication::new(self, deadline, events.into_iter().map(Draft::from))
    }

    /// Stamps and writes an event without sending it.
    ///
    /// # Errors
    ///
    /// The event itself, as the value that it was, with the reason why it cannot be sent.
    pub fn prepare<E>(
        &self,
        event: E,
        correlation: &Correlation,
    ) -> Result<OutgoingEvent, (E, InvalidEvent)>
    where
        E: DomainEvent + Serialize,
    {
        self.write(event, correlation).map_err(|(event, _, invalid)| (event, invalid))
    }

    /// Checks that an event can be sent, as far as that is known without sending it.
    ///
    /// It is for those who promise that it will be, such as an outbox.
    ///
    /// # Errors
    ///
    /// [`InvalidEvent::TooLarge`]: it is larger than what the bus takes, and there is no [claim
    /// check](Self::with_claim_check).
    pub fn check(&self, event: &OutgoingEvent) -> Result<(), InvalidEvent>
    where
        B: Bus,
    {
        let limits = self.bus.limits();
        let size = (limits.size)(event);
        if size > limits.max_bytes && self.claim_check.is_none() {
            return Err(InvalidEvent::TooLarge { size, limit: limits.max_bytes });
        }
        Ok(())
    }

    fn draft<E>(&self, event: E, correlation: &Correlation) -> Draft
    where
        E: DomainEvent + Serialize + Send + Sync + 'static,
    {
        match self.write(event, correlation) {
            Ok(outgoing) => Draft::from(outgoing),
            Err((event, event_id, invalid)) => Draft {
                event_id,
                name: E::NAME.into(),
                event: Kept::Typed(Box::new(event) as Box<dyn Any + Send + Sync>),
                fault: Some(fault(invalid)),
            },
        }
    }

    fn write<E: DomainEvent + Serialize>(
        &self,
        event: E,
        correlation: &Correlation,
    ) -> Result<OutgoingEvent, (E, EventId, InvalidEvent)> {
        const { assert!(!E::VIEW, "a view is read, never published: publish the owner's own event") };
        let envelope = self.stamp.envelope(event, correlation);
        let written = OutgoingEvent::new(&envelope);
        #[cfg(feature = "schema")]
        let written = written.and_then(|outgoing| self.schemas.check::<E>(outgoing));
        written.map_err(|invalid| (envelope.data, envelope.metadata.event_id, invalid))
    }
}

impl<B> fmt::Debug for Publisher<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("retry", &self.retry)
            .field("max_in_flight", &self.max_in_flight)
            .field("claim_check", &self.claim_check)
            .finish_non_exhaustive()
    }
}

/// An event that is to be published, or is known not to be.
struct Draft {
    event_id: EventId,
    name: Box<str>,
    event: Kept,
    fault: Option<Fault>,
}

impl From<OutgoingEvent> for Draft {
    fn from(event: OutgoingEvent) -> Self {
        Self {
            event_id: event.event_id().clone(),
            name: event.name().into(),
            event: Kept::Outgoing(Arc::new(event)),
            fault: None,
        }
    }
}

/// Says of a fault of our own which bus it is about.
fn about(bus: &impl Bus, fault: Fault) -> Fault {
    match bus.target() {
        Some(call) => fault.with_call(call),
        None => fault,
    }
}

/// Says the same of a fault after a request that nobody answered.
fn unanswered(bus: &impl Bus, fault: Fault) -> Fault {
    about(bus, fault)
        .with_remedy("look at the latency of {service} and at the timeouts of its client")
}

/// Returns the fault of an event that cannot be sent.
fn fault(invalid: InvalidEvent) -> Fault {
    match &invalid {
        InvalidEvent::Write(_) | InvalidEvent::Read(_) => {
            Fault::contract("the event cannot be written as JSON that readers take")
                .with_remedy("look at the code that makes the event")
        }
        #[cfg(feature = "schema")]
        InvalidEvent::Schema(_) => Fault::contract("the event breaks the schema of its type")
            .with_remedy("look at the code that makes the event, and at the schema of its type"),
        InvalidEvent::Field { .. } => Fault::permanent("the bus takes no such event")
            .with_remedy("look at the code that makes the event"),
        InvalidEvent::TooLarge { .. } => {
            Fault::permanent("the event is larger than a request of the bus may be")
                .with_remedy("make the event smaller, or publish it with a claim check")
        }
    }
    .with_shown_source(invalid)
}

/// An event that the bus has taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// The event's id, which it has had since it was given to the publisher.
    pub event_id: EventId,
    /// Acceptance of the event: new to the bus, or seen before.
    pub acceptance: Acceptance,
    /// The id under which the bus delivers it, if the bus says it.
    pub bus_event_id: Option<String>,
    /// Its place in its group, on buses that keep an order.
    pub sequence_number: Option<String>,
}

impl Published {
    fn new(event_id: EventId, accepted: Accepted) -> Self {
        let Accepted { acceptance, bus_event_id, sequence_number } = accepted;
        Self { event_id, acceptance, bus_event_id, sequence_number }
    }
}
