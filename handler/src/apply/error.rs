use std::{error::Error as StdError, fmt};

use setpiece_bus::PublishError;
use setpiece_idempotency::GuardError;
use setpiece_policy::{Fault, ValueFree};

use crate::{InvalidEffects, request_key::NotServed};

/// Error of a delivery that is not done.
///
/// Its [`Fault`] says what to do about it. Delivered again, it continues where it ended: after a
/// [`Publish`](Self::Publish) or an [`Outbox`](Self::Outbox) error only what is left in the outbox
/// is done.
#[derive(Debug)]
#[non_exhaustive]
pub enum ApplyError {
    /// The guard refused, the handler failed, or the record's store did not answer.
    Guard(GuardError<Fault>),
    /// The effects can never be applied. Nothing was written.
    Invalid(InvalidEffects),
    /// The condition of a write did not hold. Nothing was written.
    Refused(Refused),
    /// The bus did not take all events. In a store with an outbox all writes are made, and the
    /// events that were not taken are still there.
    Publish(PublishError),
    /// The outbox could not be read or cleared. All writes are made, and events that were
    /// published may be published again, with the same ids.
    Outbox(Fault),
    /// The outbox has events at the keys of this record that belong to another service or bus.
    /// They were left alone, and nothing else of the outbox is left.
    Foreign {
        /// The number of them.
        events: usize,
    },
}

/// The condition of a write did not hold.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Refused {
    /// Index of the write, from 0.
    pub index: usize,
    /// Fault that the author of the write gave for it.
    pub fault: Fault,
}

impl ApplyError {
    /// Tells invalid effects from what else a handler can fail with.
    pub(super) fn guard(error: GuardError<Fault>) -> Self {
        let invalid = match &error {
            GuardError::Handler(failed) => {
                failed.error.source().and_then(|source| source.downcast_ref::<InvalidEffects>())
            }
            _ => None,
        };
        match invalid {
            Some(invalid) => Self::Invalid(invalid.clone()),
            None => Self::Guard(error),
        }
    }

    /// Its name for metrics and for the error types of Lambda. It stays as it is.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Guard(error) => error.name(),
            Self::Invalid(_) => "InvalidEffects",
            Self::Refused(_) => "WriteRefused",
            Self::Publish(_) => "NotPublished",
            Self::Outbox(_) => "OutboxFailed",
            Self::Foreign { .. } => "ForeignOutbox",
        }
    }
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Guard(error) => error.fmt(f),
            Self::Invalid(invalid) => invalid.fmt(f),
            Self::Refused(refused) => {
                write!(
                    f,
                    "the condition of write {} did not hold: {}",
                    refused.index, refused.fault
                )
            }
            Self::Publish(error) => error.fmt(f),
            Self::Outbox(fault) => write!(f, "the outbox is not cleared: {fault}"),
            Self::Foreign { events } => {
                write!(f, "{events} events in the outbox belong to another service or bus")
            }
        }
    }
}

impl StdError for ApplyError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Guard(error) => error.source(),
            Self::Invalid(_) | Self::Foreign { .. } => None,
            Self::Refused(refused) => refused.fault.source(),
            Self::Publish(error) => error.source(),
            Self::Outbox(fault) => fault.source(),
        }
    }
}

/// The write whose condition did not hold.
#[derive(Debug)]
struct NotHeld(usize);

impl fmt::Display for NotHeld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "write {}", self.0)
    }
}

impl StdError for NotHeld {}

impl ValueFree for NotHeld {}

impl From<ApplyError> for Fault {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Guard(error) => {
                let reason = match &error {
                    GuardError::Mismatch(_) => Some(NotServed::Reused),
                    GuardError::Busy(_) => Some(NotServed::InProgress),
                    _ => None,
                };
                let fault = Self::from(error);
                match reason {
                    Some(reason) => fault.with_source(reason),
                    None => fault,
                }
            }
            ApplyError::Invalid(invalid) => invalid.into(),
            ApplyError::Refused(Refused { index, fault }) => {
                if fault.source().is_some() {
                    fault
                } else {
                    fault.with_shown_source(NotHeld(index))
                }
            }
            // What is wrong with an event in the outbox is not wrong with the one that caused it,
            // which must come again for as long as anything is there.
            ApplyError::Publish(error) => {
                Self::from(error).with_context("publishing events").hand_back()
            }
            ApplyError::Outbox(fault) => fault.hand_back(),
            ApplyError::Foreign { .. } => {
                let context = "events in the outbox belong to another service or bus";
                Self::permanent(context)
                    .with_remedy("look for another service with the same table and the same keys")
                    .with_may_have_happened(true)
                    .hand_back()
            }
        }
    }
}
