use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use setpiece_envelope::{ReadError, WriteError};

use crate::GiveUp;

#[cfg(feature = "aws-sdk")]
mod aws_sdk;
mod codes;

/// What went wrong, and what is to be done about it.
///
/// Every operation of Setpiece that can fail says so with a fault, and handlers do, too. It does
/// not tell all there is to know, but what the caller decides by: its [kind](Self::kind), what is
/// [to be done](Self::disposition), and whether the effect [may have
/// happened](Self::may_have_happened) all the same.
///
/// ```
/// use setpiece_policy::{Disposition, Fault};
///
/// fn charge(balance: i64, amount: i64) -> Result<i64, Fault> {
///     if amount <= 0 {
///         return Err(Fault::permanent("cannot charge a negative amount"));
///     }
///     balance.checked_sub(amount).ok_or_else(|| Fault::conflict("the balance is too low"))
/// }
///
/// assert_eq!(charge(10, -1).unwrap_err().disposition(), Disposition::Quarantine);
/// ```
///
/// # What it shows
///
/// Its texts hold a constant and the service's error code, never a value of an event. The error
/// that led here is kept as its [source](StdError::source), which others wrote: `Display` and
/// `Debug` do not show it, since the messages of services quote what they were sent. Whoever logs
/// the chain of sources decides to log that.
///
/// Clones share the source, so that one fault can be told about each of many items.
#[derive(Clone)]
pub struct Fault(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: FaultKind,
    context: &'static str,
    code: Option<Box<str>>,
    retry_after: Option<Duration>,
    max_retries: Option<u32>,
    may_have_happened: bool,
    handed_back: bool,
    gave_up: Option<GiveUp>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// What kind of trouble it is: how the same call would fare if it were made again.
///
/// Its text is one lower-case word that stays as it is, for metrics to be grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// It may well succeed in a moment: try again here.
    Transient,
    /// It was refused because there is too much to do: try again here, later and with less.
    Throttled,
    /// The state is not what the decision was based on, so the same call fails again. Read and
    /// decide anew, which the redelivery of the item does.
    Conflict,
    /// The item is not what was agreed on: its bytes cannot be read as the event they should be.
    Contract,
    /// It fails however often it is tried.
    Permanent,
    /// The time is up. What was not done must be done in another invocation.
    Deadline,
}

/// What is to be done about a fault.
///
/// There are no others: whoever adds one has to look at all places that decide by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// Make the same call again from here, under a [`Retry`](crate::Retry).
    RetryHere {
        /// Not before so much time has passed: the service asked for it.
        after: Option<Duration>,
    },
    /// Report the item as failed, so that its source delivers it again.
    FailItem,
    /// Put the item aside with its bytes. Delivering it again would only fail again, and hold up
    /// what stands behind it.
    Quarantine,
}

impl Fault {
    /// Something that may well succeed in a moment, such as a lost connection.
    ///
    /// It is taken to be one after which the effect [may have
    /// happened](Self::may_have_happened).
    #[must_use]
    pub fn transient(context: &'static str) -> Self {
        Self::new(FaultKind::Transient, context).with_may_have_happened(true)
    }

    /// A refusal because there is too much to do.
    #[must_use]
    pub fn throttled(context: &'static str) -> Self {
        Self::new(FaultKind::Throttled, context)
    }

    /// A state that is not what the decision was based on.
    #[must_use]
    pub fn conflict(context: &'static str) -> Self {
        Self::new(FaultKind::Conflict, context)
    }

    /// An item that is not what was agreed on.
    #[must_use]
    pub fn contract(context: &'static str) -> Self {
        Self::new(FaultKind::Contract, context)
    }

    /// Something that fails however often it is tried, because of the item.
    ///
    /// The item is quarantined. Where the surroundings are to blame and not the item (a missing
    /// table, a missing permission), [hand it back](Self::hand_back), or else a mistake in a
    /// deployment quarantines one good item after another.
    #[must_use]
    pub fn permanent(context: &'static str) -> Self {
        Self::new(FaultKind::Permanent, context)
    }

    /// No time is left.
    #[must_use]
    pub fn deadline(context: &'static str) -> Self {
        Self::new(FaultKind::Deadline, context)
    }

    fn new(kind: FaultKind, context: &'static str) -> Self {
        Self(Box::new(Inner {
            kind,
            context,
            code: None,
            retry_after: None,
            max_retries: None,
            may_have_happened: false,
            handed_back: false,
            gave_up: None,
            source: None,
        }))
    }

    /// Says what was being done, in place of what was said before.
    #[must_use]
    pub fn with_context(mut self, context: &'static str) -> Self {
        self.0.context = context;
        self
    }

    /// Keeps the error that led here.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into().into());
        self
    }

    /// Asks for the next try not to come before `delay` has passed.
    #[must_use]
    pub fn with_retry_after(mut self, delay: Duration) -> Self {
        self.0.retry_after = Some(delay);
        self
    }

    /// Allows no more than `retries` after the first try, for trouble about which little is known.
    #[must_use]
    pub fn with_max_retries(mut self, retries: u32) -> Self {
        self.0.max_retries = Some(retries);
        self
    }

    /// Says whether the effect may have happened in spite of the fault.
    #[must_use]
    pub fn with_may_have_happened(mut self, may_have_happened: bool) -> Self {
        self.0.may_have_happened = may_have_happened;
        self
    }

    /// Leaves it to the source: the disposition becomes [`Disposition::FailItem`], whatever the
    /// kind.
    ///
    /// A [`Retry`](crate::Retry) hands back what it gives up on, so that another one around it does
    /// not begin again: three tries within three tries are nine.
    #[must_use]
    pub fn hand_back(mut self) -> Self {
        self.0.handed_back = true;
        self
    }

    /// What kind of trouble it is.
    #[must_use]
    pub fn kind(&self) -> FaultKind {
        self.0.kind
    }

    /// What was being done, as a constant.
    #[must_use]
    pub fn context(&self) -> &'static str {
        self.0.context
    }

    /// The error code of the service that refused, without namespace. `*` stands for a text that
    /// does not look like a code.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// How long the service asked to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// How often it may be tried again at most. `None` leaves that to the policy.
    #[must_use]
    pub fn max_retries(&self) -> Option<u32> {
        self.0.max_retries
    }

    /// Whether the effect may have happened in spite of the fault: the answer was lost, or the
    /// service failed at an unknown point.
    ///
    /// Then only an operation that is idempotent may be made again. After a
    /// [`Retry`](crate::Retry) it speaks of all tries: a condition that failed on the second one
    /// may have been broken by the first.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        self.0.may_have_happened
    }

    /// Why a [`Retry`](crate::Retry) gave up, if one did before the fault was final.
    #[must_use]
    pub fn gave_up(&self) -> Option<GiveUp> {
        self.0.gave_up
    }

    /// What is to be done about it.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        if self.0.handed_back {
            return Disposition::FailItem;
        }
        match self.0.kind {
            FaultKind::Transient | FaultKind::Throttled => {
                Disposition::RetryHere { after: self.0.retry_after }
            }
            FaultKind::Conflict | FaultKind::Deadline => Disposition::FailItem,
            FaultKind::Contract | FaultKind::Permanent => Disposition::Quarantine,
        }
    }

    /// What remains of it when it is given up: a fault that nobody tries again from here.
    ///
    /// A [`Retry`](crate::Retry) does this by itself. It is for those who try again in a loop of
    /// their own. Unless the fault is final by itself, it is [handed back](Self::hand_back);
    /// without time it becomes a [deadline](FaultKind::Deadline) fault with this one as its
    /// source.
    #[must_use]
    pub fn given_up(mut self, why: GiveUp) -> Self {
        match why {
            GiveUp::NotRetryable => self,
            GiveUp::NoTime if self.0.kind == FaultKind::Deadline => {
                self.0.gave_up = Some(why);
                self
            }
            GiveUp::NoTime => {
                let mut late = Self::deadline(self.0.context);
                late.0.code.clone_from(&self.0.code);
                late.0.may_have_happened = self.0.may_have_happened;
                late.0.gave_up = Some(why);
                late.with_source(self)
            }
            GiveUp::AttemptsSpent
            | GiveUp::CapReached
            | GiveUp::BudgetSpent
            | GiveUp::MayHaveHappened => {
                self.0.gave_up = Some(why);
                self.hand_back()
            }
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transient => "transient",
            Self::Throttled => "throttled",
            Self::Conflict => "conflict",
            Self::Contract => "contract",
            Self::Permanent => "permanent",
            Self::Deadline => "deadline",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, context, code, gave_up, .. } = &*self.0;
        write!(f, "{kind}: {context}")?;
        if let Some(code) = code {
            write!(f, " ({code})")?;
        }
        if let Some(why) = gave_up {
            write!(f, "; gave up: {why}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            kind,
            context,
            code,
            retry_after,
            max_retries,
            may_have_happened,
            handed_back: _,
            gave_up,
            source,
        } = &*self.0;
        f.debug_struct("Fault")
            .field("kind", kind)
            .field("context", context)
            .field("code", code)
            .field("disposition", &self.disposition())
            .field("retry_after", retry_after)
            .field("max_retries", max_retries)
            .field("may_have_happened", may_have_happened)
            .field("gave_up", gave_up)
            .field("source", &source.as_ref().map(|_| format_args!("withheld")))
            .finish()
    }
}

impl StdError for Fault {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<ReadError> for Fault {
    /// A [contract](FaultKind::Contract) fault: the item is quarantined, since no program reads
    /// the same bytes differently tomorrow.
    ///
    /// But a version that is newer than the reader knows is [handed back](Fault::hand_back). The
    /// bytes are good, the producer was deployed first, and the reader may follow in minutes.
    /// Until then redelivery holds the item, and on an ordered source also those behind it; if the
    /// reader never follows, the source's own limit puts it into its dead-letter queue.
    fn from(error: ReadError) -> Self {
        match &error {
            ReadError::UnsupportedVersion(unsupported) => {
                let newer = unsupported.found() > *unsupported.supported().end();
                if newer {
                    Self::contract("the event has a newer version than this reader").hand_back()
                } else {
                    Self::contract("the event has an older version than this reader supports")
                }
            }
            ReadError::AnotherEvent(_) => {
                Self::contract("the event was routed to a reader of another one")
            }
            ReadError::Upcast(_) => Self::contract("the event cannot be brought up to date"),
            // `ReadError` may grow. What cannot be read for a new reason cannot be read.
            ReadError::Malformed(_) | _ => Self::contract("the event cannot be read"),
        }
        .with_source(error)
    }
}

impl From<WriteError> for Fault {
    /// A [permanent](FaultKind::Permanent) fault: the same data would be refused again.
    fn from(error: WriteError) -> Self {
        Self::permanent("the event cannot be written").with_source(error)
    }
}

#[cfg(test)]
mod tests;
