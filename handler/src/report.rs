use std::fmt;

use setpiece_envelope::EventId;
use setpiece_policy::Fault;

use crate::{Facts, Reason};

/// One thing that an app has to say about a delivery, for metrics.
///
/// There is one for each handler that a delivery has, and then one for the delivery as a whole.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Report<'a> {
    /// End of the delivery.
    pub ending: Ending<'a>,
    /// The handler that it is about. Without one, it is about the delivery.
    pub handler: Option<&'a str>,
    /// The event's id, if there is one.
    pub event_id: Option<&'a EventId>,
    /// Facts of the transport.
    pub facts: &'a Facts,
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report")
            .field("ending", &self.ending)
            .field("handler", &self.handler)
            .field("event_id", &self.event_id)
            .finish_non_exhaustive()
    }
}

/// End of a delivery, or of one handler of it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Ending<'a> {
    /// All of its handlers are done, so the delivery is acknowledged.
    Acknowledged,
    /// A handler ran, and its effects are durable.
    Done,
    /// The effects of a handler were durable before.
    Again,
    /// A handler ran, and something newer was there, so its effects were dropped.
    Stale,
    /// No handler takes it, and it was acknowledged.
    Ignored,
    /// It was put aside.
    Quarantined {
        /// The reason.
        reason: Reason,
        /// More about the reason.
        fault: &'a Fault,
    },
    /// It is an event in the outbox that belongs to another service or bus. It was left alone, for
    /// its owner's relay.
    Foreign,
    /// It is an event in the outbox that the bus refuses for good, and there is no quarantine. It
    /// stays in the outbox, and its stream goes on.
    Unpublished(&'a Fault),
    /// It has to come again.
    Failed(&'a Fault),
    /// It has to come again, since there was too little time to begin.
    NoTime,
}

impl<'a> Ending<'a> {
    /// Its name, for metrics. It stays as it is.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Acknowledged => "Acknowledged",
            Self::Done => "Done",
            Self::Again => "Again",
            Self::Stale => "Stale",
            Self::Ignored => "Ignored",
            Self::Quarantined { .. } => "Quarantined",
            Self::Foreign => "Foreign",
            Self::Unpublished(_) => "Unpublished",
            Self::Failed(_) => "Failed",
            Self::NoTime => "NoTime",
        }
    }

    /// The fault that it ended with, if it did.
    #[must_use]
    pub fn fault(&self) -> Option<&'a Fault> {
        match self {
            Self::Quarantined { fault, .. } | Self::Failed(fault) | Self::Unpublished(fault) => {
                Some(fault)
            }
            _ => None,
        }
    }

    /// More about it: a constant, never a value of an event.
    #[must_use]
    pub fn context(&self) -> &'static str {
        match self {
            Self::Quarantined { reason, .. } => reason.name(),
            Self::Failed(fault) | Self::Unpublished(fault) => fault.context(),
            _ => "",
        }
    }
}

/// All that is known about a fault and may be shown, with what to do about it.
pub(crate) fn told(fault: &Fault) -> String {
    format!("{fault}; to do: {}", fault.remedy())
}
