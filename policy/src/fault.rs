#[cfg(feature = "aws-sdk")]
mod aws_sdk;
mod call;
mod codes;
mod remedy;
mod value_free;

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use setpiece_envelope::{ReadError, WriteError};

pub use self::{call::Call, value_free::ValueFree};
use crate::GiveUp;

/// Fault of a call, with what to do about it.
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
/// Its texts hold constants, the service's error code, the [call](Self::call) and the text of a
/// source that is [value-free](ValueFree), never a value of an event. Any other error that led here
/// is kept as its [source](StdError::source), which others wrote: `Display` and `Debug` do not show
/// it, since the messages of services quote what they were sent. Whoever logs the chain of sources
/// decides to log that.
///
/// ```
/// use std::time::Duration;
/// use setpiece_policy::{Call, Fault, GiveUp};
///
/// let fault = Fault::from_code("ThrottlingException", Some(400))
///     .with_context("claiming a key")
///     .with_call(Call::to("DynamoDB").operation("UpdateItem").on("records"))
///     .with_tries(3, Duration::from_millis(2104))
///     .given_up(GiveUp::AttemptsSpent);
/// assert_eq!(
///     fault.to_string(),
///     "throttled: claiming a key: a service is being asked too much \
///      (DynamoDB UpdateItem on `records`: ThrottlingException); \
///      gave up after 3 tries in 2104 ms: all tries are spent"
/// );
/// assert_eq!(
///     fault.remedy(),
///     "raise the capacity of `records` or make it on-demand, and look for a hot key"
/// );
/// ```
///
/// Clones share the source, so that one fault can be told about each of many items.
#[derive(Clone)]
pub struct Fault(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: FaultKind,
    context: &'static str,
    /// The first of all contexts, if it was replaced.
    reason: Option<&'static str>,
    code: Option<Box<str>>,
    call: Option<Call>,
    remedy: Option<&'static str>,
    tries: Option<(u32, Duration)>,
    shown_source: Option<Arc<str>>,
    retry_after: Option<Duration>,
    max_retries: Option<u32>,
    may_have_happened: bool,
    handed_back: bool,
    gave_up: Option<GiveUp>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// Kinds of faults: how the same call would fare if it were made again.
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

/// Actions to take about a fault.
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
            reason: None,
            code: None,
            call: None,
            remedy: None,
            tries: None,
            shown_source: None,
            retry_after: None,
            max_retries: None,
            may_have_happened: false,
            handed_back: false,
            gave_up: None,
            source: None,
        }))
    }

    /// Says what was being done, in place of what was said before. The first of all that was said
    /// is kept as the [reason](Self::reason).
    #[must_use]
    pub fn with_context(mut self, context: &'static str) -> Self {
        let before = std::mem::replace(&mut self.0.context, context);
        if before != context {
            self.0.reason.get_or_insert(before);
        }
        self
    }

    /// Keeps the error that led here, without showing it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into().into());
        self
    }

    /// Keeps the error that led here, and shows its text.
    #[must_use]
    pub fn with_shown_source(mut self, source: impl ValueFree) -> Self {
        self.0.shown_source = Some(source.to_string().into());
        self.with_source(source)
    }

    /// Says which request it is about, in place of what was said before.
    #[must_use]
    pub fn with_call(mut self, call: Call) -> Self {
        self.0.call = Some(call);
        self
    }

    /// Advises somebody on call, in place of what is [advised](Self::remedy) otherwise: one short
    /// sentence without a capital and a full stop.
    #[must_use]
    pub fn with_remedy(mut self, remedy: &'static str) -> Self {
        self.0.remedy = Some(remedy);
        self
    }

    /// Says how often it was tried, and how long that took in all.
    #[must_use]
    pub fn with_tries(mut self, tries: u32, elapsed: Duration) -> Self {
        self.0.tries = Some((tries, elapsed));
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

    /// Returns the kind of the fault.
    #[must_use]
    pub fn kind(&self) -> FaultKind {
        self.0.kind
    }

    /// Returns the step that failed, as a constant.
    #[must_use]
    pub fn context(&self) -> &'static str {
        self.0.context
    }

    /// The constant that says what went wrong, if the [context](Self::context) says only what was
    /// being done.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        self.0.reason
    }

    /// The text of the source, if that holds [no value](ValueFree) of an event.
    #[must_use]
    pub fn shown_source(&self) -> Option<&str> {
        self.0.shown_source.as_deref()
    }

    /// The request that it is about, if it is about one.
    #[must_use]
    pub fn call(&self) -> Option<&Call> {
        self.0.call.as_ref()
    }

    /// The number of tries, if they were counted.
    #[must_use]
    pub fn tries(&self) -> Option<u32> {
        self.0.tries.map(|(tries, _)| tries)
    }

    /// The time that all tries took, with the waits between them.
    #[must_use]
    pub fn elapsed(&self) -> Option<Duration> {
        self.0.tries.map(|(_, elapsed)| elapsed)
    }

    /// Advice for somebody on call: one short sentence without a capital and a full stop.
    ///
    /// It is what [was said](Self::with_remedy), or follows from the code and the call, or else from
    /// the kind.
    #[must_use]
    pub fn remedy(&self) -> String {
        let Inner { kind, code, call, remedy, .. } = &*self.0;
        let of_code = || codes::remedy(code.as_deref()?, call.as_ref().map(Call::service));
        let template = remedy.or_else(of_code).unwrap_or_else(|| remedy::of_kind(*kind));
        remedy::filled(template, call.as_ref())
    }

    /// The error code of the service that refused, without namespace. `*` stands for a text that
    /// does not look like a code.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// Returns the time that the service asked to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns the limit on further tries. `None` leaves it to the policy.
    #[must_use]
    pub fn max_retries(&self) -> Option<u32> {
        self.0.max_retries
    }

    /// Returns true if the effect may have happened in spite of the fault: the answer was lost, or
    /// the service failed at an unknown point.
    ///
    /// Then only an operation that is idempotent may be made again. After a
    /// [`Retry`](crate::Retry) it speaks of all tries: a condition that failed on the second one
    /// may have been broken by the first.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        self.0.may_have_happened
    }

    /// Returns the reason that a [`Retry`](crate::Retry) gave up, if one did before the fault was
    /// final.
    #[must_use]
    pub fn gave_up(&self) -> Option<GiveUp> {
        self.0.gave_up
    }

    /// Returns the action to take.
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

    /// Returns the fault as it is after it was given up: nobody tries it again from here.
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
                let mut late = self.clone();
                late.0.kind = FaultKind::Deadline;
                late.0.retry_after = None;
                late.0.max_retries = None;
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
        let Inner {
            kind,
            context,
            reason,
            code,
            call,
            shown_source,
            tries,
            gave_up,
            may_have_happened,
            ..
        } = &*self.0;
        write!(f, "{kind}: {context}")?;
        if let Some(reason) = reason {
            write!(f, ": {reason}")?;
        }
        if let Some(source) = shown_source {
            write!(f, ": {source}")?;
        }
        match (call, code) {
            (Some(call), Some(code)) => write!(f, " ({call}: {code})")?,
            (Some(call), None) => write!(f, " ({call})")?,
            (None, Some(code)) => write!(f, " ({code})")?,
            (None, None) => {}
        }
        if let Some(why) = gave_up {
            f.write_str("; gave up")?;
            if let Some((tries, elapsed)) = tries {
                let s = if *tries == 1 { "y" } else { "ies" };
                write!(f, " after {tries} tr{s} in {} ms", elapsed.as_millis())?;
            }
            write!(f, ": {why}")?;
        }
        if *may_have_happened {
            f.write_str("; it may have happened")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            kind,
            context,
            reason,
            code,
            call,
            remedy: _,
            tries,
            shown_source,
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
            .field("reason", reason)
            .field("code", code)
            .field("call", call)
            .field("disposition", &self.disposition())
            .field("retry_after", retry_after)
            .field("max_retries", max_retries)
            .field("may_have_happened", may_have_happened)
            .field("tries", tries)
            .field("gave_up", gave_up)
            .field("shown_source", shown_source)
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
        let (mut fault, shown) = match &error {
            ReadError::UnsupportedVersion(unsupported) => {
                let newer = unsupported.found() > *unsupported.supported().end();
                let fault = if newer {
                    Self::contract("the event has a newer version than this reader")
                        .with_remedy("deploy a version of this service that reads it")
                        .hand_back()
                } else {
                    Self::contract("the event has an older version than this reader supports")
                        .with_remedy("give the event's type a `previous` version to read")
                };
                (fault, Some(unsupported.to_string()))
            }
            // The name that was found is the producer's.
            ReadError::AnotherEvent(_) => {
                let fault = Self::contract("the event was routed to a reader of another one");
                (fault.with_remedy("look at the rule that delivers it"), None)
            }
            ReadError::Upcast(failed) => {
                let fault = Self::contract("the event cannot be brought up to date")
                    .with_remedy("look at the `Upcast` of the event's type");
                (fault, Some(format!("{failed}: {}", failed.error().reason())))
            }
            ReadError::Malformed(violation) => {
                let fault = Self::contract("the event cannot be read");
                (fault, Some(violation.to_string()))
            }
            // `ReadError` may grow. What cannot be read for a new reason cannot be read.
            _ => (Self::contract("the event cannot be read"), None),
        };
        fault.0.shown_source = shown.map(Into::into);
        fault.with_source(error)
    }
}

impl From<WriteError> for Fault {
    /// A [permanent](FaultKind::Permanent) fault: the same data would be refused again.
    fn from(error: WriteError) -> Self {
        Self::permanent("the event cannot be written")
            .with_remedy("look at the code that makes the event")
            .with_shown_source(error)
    }
}

#[cfg(test)]
mod tests;
