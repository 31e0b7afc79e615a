#[cfg(feature = "sqs")]
mod sqs;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::future::BoxFuture;
use setpiece_envelope::{EventId, Timestamp};
use setpiece_policy::{Fault, FaultKind};

#[cfg(feature = "sqs")]
pub use self::sqs::SqsQuarantine;
use crate::{Facts, report::told};

/// Takes what can never be handled, with its bytes, so that it holds up nothing behind it and is
/// not lost.
///
/// A delivery is acknowledged after its quarantine has it, and not before. Somebody looks into it,
/// repairs the cause, and sends the bytes again.
///
/// HTTP requests and direct invocations, such as those of Step Functions, never come here: they
/// fail, and whoever waits for the answer is told and has the bytes.
///
/// It is not the dead-letter queue of the source, which gets what has *failed* too often, later and
/// without a reason.
pub trait Quarantine: Send + Sync + 'static {
    /// Puts `poison` aside, durably.
    ///
    /// It may be called again with the same delivery.
    ///
    /// # Errors
    ///
    /// It is not put aside, or nobody knows; the delivery fails then, and comes again.
    fn put<'a>(&'a self, poison: &'a Poison<'a>) -> BoxFuture<'a, Result<(), Fault>>;
}

impl<Q: Quarantine + ?Sized> Quarantine for Arc<Q> {
    fn put<'a>(&'a self, poison: &'a Poison<'a>) -> BoxFuture<'a, Result<(), Fault>> {
        (**self).put(poison)
    }
}

/// A delivery that can never be handled.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Poison<'a> {
    /// The bytes of the delivery, as its producer or its transport sent them.
    pub bytes: &'a [u8],
    /// Reason that the delivery cannot be handled.
    pub reason: Reason,
    /// More about why. Its texts hold no value of the event.
    pub fault: &'a Fault,
    /// The handler that refused it, if it has come as far.
    pub handler: Option<&'a str>,
    /// The event's id, if it could be read.
    pub event_id: Option<&'a EventId>,
    /// Facts of the transport.
    pub facts: &'a Facts,
    /// When it was put aside.
    pub at: Timestamp,
}

impl fmt::Debug for Poison<'_> {
    /// Leaves out the bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poison")
            .field("reason", &self.reason)
            .field("fault", &self.fault)
            .field("handler", &self.handler)
            .field("event_id", &self.event_id)
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

/// Reasons that a delivery cannot be handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// It is no event: not JSON, or without what each event has.
    Unreadable,
    /// The event is not what was agreed on.
    Contract,
    /// A handler has refused it for good.
    Permanent,
    /// It comes from where nothing may come from: see [`Allow`](crate::Allow).
    NotAllowed,
    /// It is the end of a chain of events that is too long to be meant so.
    TooDeep,
    /// There is no handler for it.
    Unhandled,
    /// The bus refuses for good to take an event of the outbox. The bytes are those of the event as
    /// it was in the outbox: to serde an [`OutgoingEvent`](setpiece_bus::OutgoingEvent), so that it
    /// can be sent when the cause is gone.
    Unpublished,
}

impl Reason {
    /// Its name, for metrics and for the messages of a quarantine. It stays as it is.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "Unreadable",
            Self::Contract => "Contract",
            Self::Permanent => "Permanent",
            Self::NotAllowed => "NotAllowed",
            Self::TooDeep => "TooDeep",
            Self::Unhandled => "Unhandled",
            Self::Unpublished => "Unpublished",
        }
    }

    pub(crate) fn of(fault: &Fault) -> Self {
        if fault.kind() == FaultKind::Contract { Self::Contract } else { Self::Permanent }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Keeps what is put aside in memory, for tests. Clones are the same.
#[derive(Clone, Default)]
pub struct InMemoryQuarantine(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    put: Vec<Quarantined>,
    down: bool,
}

/// Delivery that was put into an [`InMemoryQuarantine`].
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quarantined {
    /// The bytes of the delivery.
    pub bytes: Vec<u8>,
    /// Reason that the delivery cannot be handled.
    pub reason: Reason,
    /// Step that failed, as a constant.
    pub context: &'static str,
    /// All that is known about why, with what to do about it.
    pub error: String,
    /// The handler that refused it.
    pub handler: Option<String>,
    /// The event's id.
    pub event_id: Option<EventId>,
    /// The item of the transport that it came in.
    pub item_id: Option<String>,
    /// When it was put aside.
    pub at: Timestamp,
}

impl fmt::Debug for Quarantined {
    /// Leaves out the bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quarantined")
            .field("reason", &self.reason)
            .field("error", &self.error)
            .field("handler", &self.handler)
            .field("event_id", &self.event_id)
            .field("item_id", &self.item_id)
            .finish_non_exhaustive()
    }
}

impl InMemoryQuarantine {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All that was put aside, in order.
    #[must_use]
    pub fn items(&self) -> Vec<Quarantined> {
        self.state().put.clone()
    }

    /// Refuses everything from now on, or no longer.
    pub fn set_down(&self, down: bool) {
        self.state().down = down;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Quarantine for InMemoryQuarantine {
    fn put<'a>(&'a self, poison: &'a Poison<'a>) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            let mut state = self.state();
            if state.down {
                return Err(Fault::transient("the quarantine is down"));
            }
            state.put.push(Quarantined {
                bytes: poison.bytes.to_vec(),
                reason: poison.reason,
                context: poison.fault.context(),
                error: told(poison.fault),
                handler: poison.handler.map(str::to_owned),
                event_id: poison.event_id.cloned(),
                item_id: poison.facts.item_id.as_deref().map(str::to_owned),
                at: poison.at,
            });
            Ok(())
        })
    }
}

impl fmt::Debug for InMemoryQuarantine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InMemoryQuarantine").field(&self.state().put).finish()
    }
}
