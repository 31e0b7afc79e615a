use std::{fmt, sync::Arc};

use setpiece_policy::{Call, Fault};

use crate::OutgoingEvent;

/// Takes events and hands them on to whoever listens. The port between a
/// [`Publisher`](crate::Publisher) and a bus.
///
/// An implementation makes one request for one call, and does not try again by itself: it says what
/// went wrong, and the publisher decides. Calls are made at the same time, and events that were not
/// accepted come later than those behind them, also within a group.
pub trait Bus: Send + Sync + 'static {
    /// Returns the limits of one call.
    fn limits(&self) -> Limits;

    /// The name of the bus, the same in every process that publishes to it. Events that wait in an
    /// outbox are told by it from those for other buses. A bus that is the only one needs none.
    #[expect(clippy::unnecessary_literal_bound, reason = "others have their name in them")]
    fn name(&self) -> &str {
        ""
    }

    /// Names itself for the faults of requests that get no answer: the service and the bus.
    fn target(&self) -> Option<Call> {
        None
    }

    /// Sends `entries` in one request.
    ///
    /// There is one result for each entry, in their order. An entry is accepted when the bus has
    /// taken it over, not before.
    ///
    /// # Errors
    ///
    /// When there is no answer about any entry. The fault says whether they may have been accepted
    /// [all the same](Fault::may_have_happened).
    fn put(
        &self,
        entries: &[&OutgoingEvent],
    ) -> impl Future<Output = Result<Vec<EntryResult>, Fault>> + Send;

    /// Finds out, without publishing anything, whether the bus exists and takes events of this
    /// caller.
    ///
    /// EventBridge answers with success and drops the events when there is no bus of the name that
    /// it was given. So this is to be called before the first event, and after each deployment.
    ///
    /// # Errors
    ///
    /// When the bus does not exist, when it refuses this caller, or when nobody answers.
    fn preflight(&self) -> impl Future<Output = Result<Preflight, Fault>> + Send;
}

/// Result of one entry.
pub type EntryResult = Result<Accepted, Fault>;

impl<B: Bus> Bus for Arc<B> {
    fn limits(&self) -> Limits {
        (**self).limits()
    }

    fn name(&self) -> &str {
        (**self).name()
    }

    fn target(&self) -> Option<Call> {
        (**self).target()
    }

    fn put(
        &self,
        entries: &[&OutgoingEvent],
    ) -> impl Future<Output = Result<Vec<EntryResult>, Fault>> + Send {
        (**self).put(entries)
    }

    fn preflight(&self) -> impl Future<Output = Result<Preflight, Fault>> + Send {
        (**self).preflight()
    }
}

/// Limits of one call to a [`Bus`].
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Limits {
    /// The most entries.
    pub max_entries: usize,
    /// The most bytes of all entries together.
    pub max_bytes: usize,
    /// Function that counts the bytes of these that an entry takes.
    pub size: fn(&OutgoingEvent) -> usize,
}

impl Limits {
    /// `PutEvents` of EventBridge: 10 entries that have less than 1 MiB together. An entry has the
    /// bytes of its source, detail-type, detail and resources, and 14 if it has a time. See
    /// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html>.
    pub const EVENT_BRIDGE: Self = Self::new(10, 1024 * 1024 - 1, event_bridge_size);

    /// Describes another bus.
    #[must_use]
    pub const fn new(
        max_entries: usize,
        max_bytes: usize,
        size: fn(&OutgoingEvent) -> usize,
    ) -> Self {
        Self { max_entries, max_bytes, size }
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { max_entries, max_bytes, size: _ } = self;
        f.debug_struct("Limits")
            .field("max_entries", max_entries)
            .field("max_bytes", max_bytes)
            .finish_non_exhaustive()
    }
}

fn event_bridge_size(event: &OutgoingEvent) -> usize {
    const TIME_BYTES: usize = 14;
    let time = if event.time().is_some() { TIME_BYTES } else { 0 };
    let resources: usize = event.resources().iter().map(String::len).sum();
    time + event.source().len() + event.detail_type().len() + event.detail().len() + resources
}

/// Answer of a bus about an entry that it has taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// Acceptance of the entry: new, or seen before.
    pub acceptance: Acceptance,
    /// The id under which the bus delivers it, if the bus says it. It is not the event's own id,
    /// and changes when the event is sent again.
    pub bus_event_id: Option<String>,
    /// Its place in its group, on buses that keep an order.
    pub sequence_number: Option<String>,
}

impl Accepted {
    /// An entry that the bus delivers under `bus_event_id`.
    #[must_use]
    pub fn published(bus_event_id: impl Into<String>) -> Self {
        Self {
            acceptance: Acceptance::Published,
            bus_event_id: Some(bus_event_id.into()),
            sequence_number: None,
        }
    }

    /// An entry that the bus had taken over before.
    #[must_use]
    pub fn deduplicated() -> Self {
        Self { acceptance: Acceptance::Deduplicated, bus_event_id: None, sequence_number: None }
    }
}

/// Acceptance of an entry: new to the bus, or seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Acceptance {
    /// It is delivered.
    Published,
    /// The bus knew its id already, and does not deliver it again. Only buses that compare ids say
    /// this.
    Deduplicated,
}

/// Findings of a [`preflight`](Bus::preflight) about a bus that did not fail it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preflight {
    /// Proof that the bus exists.
    pub exists: Proof,
    /// Proof that this caller may write to it.
    pub may_write: Proof,
}

impl Preflight {
    /// Both are proven.
    pub const PROVEN: Self = Self { exists: Proof::Proven, may_write: Proof::Proven };

    /// Makes the findings of proofs of existence and permission.
    #[must_use]
    pub const fn new(exists: Proof, may_write: Proof) -> Self {
        Self { exists, may_write }
    }
}

/// Proof that a preflight could have of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proof {
    /// It is so.
    Proven,
    /// The caller is not allowed to look.
    Unseen,
}
