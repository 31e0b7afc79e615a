//! Faults of single requests, and of what requests are for.

use std::{fmt, time::Duration};

use setpiece_policy::Fault;

/// A fault of one request: placed by hand with
/// [`WorldFaults::request_at`](super::WorldFaults::request_at), or by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestFault {
    /// Refused, since there is too much to do. Of a `PutEvents` it is one entry that is refused.
    Throttled,
    /// No connection comes about, and nothing is done.
    Unreachable,
    /// Done, and the answer gets lost.
    AnswerLost,
    /// Answered with a status of 500, and not done.
    Failed,
    /// Answered with a status of 500, though it is done.
    FailedThoughDone,
    /// Refused for want of a permission.
    Denied,
    /// Refused, since there is no such table or queue. A bus that does not exist takes events and
    /// drops them, as EventBridge does.
    Missing,
    /// Cancelled, for a transaction: some of its actions meet a throttled partition or another
    /// transaction, at any of the indexes. The reasons of the others are the true ones.
    Cancelled,
    /// Done for some entries only, for a `PutEvents`: the others fail with codes of their own.
    Partial,
    /// Done after its caller has given up waiting. Until then, a transaction that is asked for again
    /// is said to be in progress.
    Late,
}

/// Something that requests are for, and that can be out of order by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorldResource {
    /// Everything but buses.
    EveryStore,
    /// All tables.
    EveryTable,
    /// The table of that name. In memory, the records of guards and the outbox are in `records`.
    Table(String),
    /// All buses.
    EveryBus,
    /// The bus of that name.
    Bus(String),
    /// The quarantines of all functions.
    Quarantine,
}

impl WorldResource {
    /// The table of that name.
    #[must_use]
    pub fn table(name: &str) -> Self {
        Self::Table(name.to_owned())
    }

    /// The bus of that name.
    #[must_use]
    pub fn bus(name: &str) -> Self {
        Self::Bus(name.to_owned())
    }

    /// True if it is or has a table that `is_touched`.
    pub(super) fn has_table(&self, is_touched: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::EveryStore | Self::EveryTable => true,
            Self::Table(name) => is_touched(name),
            Self::EveryBus | Self::Bus(_) | Self::Quarantine => false,
        }
    }

    pub(super) fn has_bus(&self, name: &str) -> bool {
        match self {
            Self::EveryBus => true,
            Self::Bus(bus) => bus == name,
            _ => false,
        }
    }
}

impl fmt::Display for WorldResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EveryStore => f.write_str("every store"),
            Self::EveryTable => f.write_str("every table"),
            Self::Table(name) => write!(f, "the table {name}"),
            Self::EveryBus => f.write_str("every bus"),
            Self::Bus(name) => write!(f, "the bus {name}"),
            Self::Quarantine => f.write_str("the quarantine"),
        }
    }
}

/// A fault that strikes, with what of it is left to chance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trouble {
    pub(super) fault: RequestFault,
    pub(super) chance: u64,
    /// By how much a late one is late.
    pub(super) delay: Duration,
}

impl Trouble {
    /// The fault of a request that was not done, and never will be.
    pub(super) fn refusal(self) -> Option<Fault> {
        Some(match self.fault {
            RequestFault::Throttled => Fault::throttled("a request is throttled"),
            RequestFault::Unreachable => {
                Fault::transient("nobody can be reached").with_may_have_happened(false)
            }
            RequestFault::Failed => Fault::from_code("InternalServerError", Some(500)),
            RequestFault::Denied => Fault::from_code("AccessDeniedException", Some(400)),
            RequestFault::Missing => Fault::from_code("ResourceNotFoundException", Some(400)),
            RequestFault::Cancelled if self.chance.is_multiple_of(2) => {
                Fault::from_code("TransactionConflict", Some(400))
            }
            RequestFault::Cancelled => Fault::from_code("ThrottlingError", Some(400)),
            RequestFault::AnswerLost
            | RequestFault::FailedThoughDone
            | RequestFault::Partial
            | RequestFault::Late => return None,
        })
    }

    /// The fault of a request that is done, or will be, and whose caller is not told so.
    pub(super) fn unknown(self) -> Fault {
        match self.fault {
            RequestFault::FailedThoughDone => Fault::from_code("InternalServerError", Some(500)),
            _ => Fault::transient("the answer to a request was lost"),
        }
    }
}

/// A request that is done when nobody waits for it any more.
pub(super) struct Late(pub(super) Box<dyn FnOnce() + Send>);

impl fmt::Debug for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Late")
    }
}

/// True for what changes a table.
pub(super) fn is_table_write(operation: &str) -> bool {
    matches!(
        operation,
        "BatchWriteItem" | "DeleteItem" | "PutItem" | "TransactWriteItems" | "UpdateItem"
    )
}
