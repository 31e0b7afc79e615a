use std::{error::Error as StdError, fmt};

use setpiece_envelope::Timestamp;
use setpiece_policy::{Fault, ValueFree};

use crate::{
    RecordedError,
    keep::UnreadableWhy,
    record::Record,
    store::{Impossible, RecordKey, Unwritten},
};

/// Error of a guarded call that has no result.
///
/// Each variant is something else to do. What they have in common is
/// [`may_have_happened`](Self::may_have_happened): whether this call's effect may have happened all
/// the same.
///
/// `E` is the error of the work; calls that run nothing have [`Never`] in its place.
#[derive(Debug)]
#[non_exhaustive]
pub enum GuardError<E = Never> {
    /// The work returned an error. What became of the key is in [`HandlerFailed::after`].
    Handler(HandlerFailed<E>),
    /// The work failed for good before, and this is the error that was recorded then. Where that
    /// was while this call ran the work as well, the effect may have happened.
    Recorded(RecordedError),
    /// Somebody else works on it. Come again when the lease is over.
    Busy(Busy),
    /// The key was used before with another payload: the caller has a mistake.
    Mismatch(Box<Inspected>),
    /// The work was begun once and did not come back, and it must not be run again. Somebody has to
    /// find out how far it was, and [resolve](crate::Guard::resolve) or
    /// [release](crate::Guard::release) it, before the record expires a
    /// [retention](crate::GuardBuilder::retention) after the lease: then the work is run again.
    Interrupted(Box<Inspected>),
    /// The work was begun as often as it may be.
    Exhausted(Exhausted),
    /// There is too little time left to claim the key. Nothing was done.
    NoTime,
    /// The claim was lost while the work went on. The work was cancelled, or what it returned was
    /// not recorded.
    LeaseLost(LeaseLost),
    /// The condition of one of the caller's writes did not hold, and nothing was written. The key
    /// was given back, or held where the work must not be run twice.
    WriteRefused(WriteRefused),
    /// One of the caller's writes can never be made, and nothing was written. The key was given
    /// back, or held where the work must not be run twice.
    WriteImpossible(WriteImpossible),
    /// The result could not be written as JSON, or is none that the store can keep. The work is
    /// done, and will not be run again; but there is nothing to replay.
    NotKept(NotKept),
    /// The work panicked, in a batch that went on without it. What the panic said can be anything,
    /// and is for the panic hook.
    Panicked,
    /// The result of before cannot be read.
    Unreadable(Unreadable),
    /// A newer version of this crate wrote the record. Deploy it here, too.
    Newer(Box<Inspected>),
    /// The record is not one.
    Corrupt(Box<Inspected>, &'static str),
    /// It is done, or somebody works on it, and there is nothing to answer with where an answer is
    /// needed.
    Skipped(crate::Skipped),
    /// There is no key for the request, so it was not run.
    Key(crate::KeyError),
    /// The store did not do what was asked of it.
    Store(StoreFailed),
}

/// The error of work that was not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Never {}

/// The work returned an error.
#[derive(Debug)]
#[non_exhaustive]
pub struct HandlerFailed<E> {
    /// The error.
    pub error: E,
    /// State of the key after the error.
    pub after: After,
}

/// State of a key after the work on it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum After {
    /// It was given back: the next call runs the work again.
    Released,
    /// The error is kept: the next call gets it.
    Recorded,
    /// It is left as it is, by decision, until the lease is over.
    Held,
    /// It could be neither given back nor recorded, because the store did not answer. It is locked
    /// until the lease is over.
    Stuck,
    /// It belongs to somebody else by now.
    Lost,
    /// There was no claim, since the store was down: the work was run unguarded.
    Unguarded,
    /// There was no claim, and nothing has happened: what failed was a decision on what is to be
    /// written, or it came before the work.
    Unclaimed,
}

impl After {
    /// Returns true if another try here would only find the key held.
    fn is_locked(self) -> bool {
        match self {
            Self::Held | Self::Stuck | Self::Lost => true,
            Self::Released | Self::Recorded | Self::Unguarded | Self::Unclaimed => false,
        }
    }
}

/// Somebody else works on a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Busy {
    /// The key.
    pub key: RecordKey,
    /// Number of the attempt that is under way. 0 if it is not known.
    pub attempt: u64,
    /// When its lease ends. A heartbeat may make it longer.
    pub until: Option<Timestamp>,
    /// Time from the call until the lease ends.
    pub retry_after: Option<std::time::Duration>,
}

/// A record, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspected {
    /// The key.
    pub key: RecordKey,
    /// The record.
    pub record: Record,
}

impl Inspected {
    pub(crate) fn boxed(key: &RecordKey, record: Record) -> Box<Self> {
        Box::new(Self { key: key.clone(), record })
    }
}

/// The work was begun as often as it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exhausted {
    /// The key.
    pub key: RecordKey,
    /// Limit on the number of times that the work may be begun.
    pub max_attempts: u64,
}

/// A claim was lost while the work went on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseLost {
    /// The key.
    pub key: RecordKey,
    /// Number of the attempt.
    pub attempt: u64,
    /// Way in which the claim was lost.
    pub why: LostHow,
    /// True if the effect may have happened. False if it was in writes that were refused.
    pub may_have_happened: bool,
}

/// Way in which a claim was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LostHow {
    /// Somebody else has claimed the key, or has given it back for us.
    Taken,
    /// The work took longer than the lease. It was cancelled.
    TimeUp,
    /// The store did not answer until the lease was nearly over. The work was cancelled.
    StoreSilent,
}

/// The condition of one of the caller's writes did not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteRefused {
    /// Index of the write, from 0.
    pub index: usize,
    /// State of the key after the error.
    pub after: After,
}

/// One of the caller's writes can never be made, whoever asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteImpossible {
    /// The write and the reason.
    pub write: Impossible,
    /// State of the key after the error.
    pub after: After,
}

impl<E> GuardError<E> {
    /// The error of a call whose writes were not made.
    pub(crate) fn unwritten(unwritten: Unwritten, after: After) -> Self {
        match unwritten {
            Unwritten::Refused(index) => Self::WriteRefused(WriteRefused { index, after }),
            Unwritten::Impossible(write) => Self::WriteImpossible(WriteImpossible { write, after }),
        }
    }
}

/// A result could not be kept, because of what it is.
#[derive(Debug)]
#[non_exhaustive]
pub struct NotKept {
    /// The type of the result.
    pub type_name: &'static str,
    /// True if the work is done. False if its effect is in writes that were not sent.
    pub may_have_happened: bool,
}

/// A result of before cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unreadable {
    /// The record.
    pub found: Box<Inspected>,
    /// Reason for which the result cannot be read.
    pub why: UnreadableWhy,
    /// The type that was expected. The one that was stored is on the record.
    pub expected: Box<str>,
    /// True if this call has run the work before it found the result of somebody else.
    pub may_have_happened: bool,
}

/// The store did not do what was asked of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct StoreFailed {
    /// Request that the store was asked for.
    pub phase: Phase,
    /// Its fault, after all tries.
    pub fault: Fault,
    /// True if the work was run, or the caller's writes may have been written.
    pub may_have_happened: bool,
}

/// Request to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// To claim a key. The work was not run.
    Acquire,
    /// To read a record or a result.
    Read,
    /// To keep a result. The work was run.
    Complete,
    /// To keep a result and the caller's writes.
    Commit,
    /// To give a key back.
    Release,
    /// To make a lease longer.
    Extend,
    /// To change a record for somebody on call.
    Amend,
}

impl<E> GuardError<E> {
    /// Returns true if the effect of this call may have happened.
    ///
    /// For [an error of the work](Self::Handler) only the work itself knows; the answer is yes
    /// unless nothing was run that has an effect by itself.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Handler(failed) => failed.after != After::Unclaimed,
            Self::Recorded(error) => error.was_run,
            Self::Unreadable(unreadable) => unreadable.may_have_happened,
            Self::Interrupted(_) | Self::Panicked => true,
            Self::NotKept(not_kept) => not_kept.may_have_happened,
            Self::LeaseLost(lost) => lost.may_have_happened,
            Self::Store(failed) => failed.may_have_happened,
            Self::Busy(_)
            | Self::Mismatch(_)
            | Self::Exhausted(_)
            | Self::NoTime
            | Self::WriteRefused(_)
            | Self::WriteImpossible(_)
            | Self::Newer(_)
            | Self::Corrupt(..)
            | Self::Skipped(_)
            | Self::Key(_) => false,
        }
    }

    /// Its name for metrics and for the error types of Lambda. It stays as it is.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Handler(_) => "Handler",
            Self::Recorded(_) => "Recorded",
            Self::Busy(_) => "InProgress",
            Self::Mismatch(_) => "Mismatch",
            Self::Interrupted(_) => "Interrupted",
            Self::Exhausted(_) => "Exhausted",
            Self::NoTime => "NoTime",
            Self::LeaseLost(_) => "LeaseLost",
            Self::WriteRefused(_) => "WriteRefused",
            Self::WriteImpossible(_) => "WriteImpossible",
            Self::NotKept(_) => "NotKept",
            Self::Panicked => "Panicked",
            Self::Unreadable(_) => "Unreadable",
            Self::Newer(_) => "Newer",
            Self::Corrupt(..) => "Corrupt",
            Self::Skipped(_) => "Skipped",
            Self::Key(_) => "Key",
            Self::Store(_) => "Store",
        }
    }

    /// Converts the error to one with another error type; `handler` converts an error of the work.
    pub(crate) fn widen<F>(
        self,
        handler: impl FnOnce(HandlerFailed<E>) -> GuardError<F>,
    ) -> GuardError<F> {
        match self {
            Self::Handler(failed) => handler(failed),
            Self::Recorded(error) => GuardError::Recorded(error),
            Self::Busy(busy) => GuardError::Busy(busy),
            Self::Mismatch(found) => GuardError::Mismatch(found),
            Self::Interrupted(found) => GuardError::Interrupted(found),
            Self::Exhausted(exhausted) => GuardError::Exhausted(exhausted),
            Self::NoTime => GuardError::NoTime,
            Self::LeaseLost(lost) => GuardError::LeaseLost(lost),
            Self::WriteRefused(refused) => GuardError::WriteRefused(refused),
            Self::WriteImpossible(impossible) => GuardError::WriteImpossible(impossible),
            Self::NotKept(not_kept) => GuardError::NotKept(not_kept),
            Self::Panicked => GuardError::Panicked,
            Self::Unreadable(unreadable) => GuardError::Unreadable(unreadable),
            Self::Newer(found) => GuardError::Newer(found),
            Self::Corrupt(found, why) => GuardError::Corrupt(found, why),
            Self::Skipped(why) => GuardError::Skipped(why),
            Self::Key(error) => GuardError::Key(error),
            Self::Store(failed) => GuardError::Store(failed),
        }
    }
}

impl GuardError<Never> {
    /// Marks the error as one of a call that has run the work before.
    pub(crate) fn after_run(mut self) -> Self {
        match &mut self {
            Self::Recorded(error) => error.was_run = true,
            Self::Unreadable(unreadable) => unreadable.may_have_happened = true,
            Self::Store(failed) => failed.may_have_happened = true,
            _ => {}
        }
        self
    }

    /// Converts the error to one whose work has errors of type `E`.
    #[must_use]
    pub fn into_any<E>(self) -> GuardError<E> {
        self.widen(|failed| match failed.error {})
    }
}

impl<E> fmt::Display for GuardError<E> {
    /// Says what is wrong, without the error of the work, which is its
    /// [source](StdError::source), and without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handler(_) => f.write_str("the guarded work failed"),
            Self::Recorded(error) => write!(f, "the work failed for good before ({})", error.code),
            Self::Busy(busy) => write!(f, "somebody else works on {}", busy.key.shown()),
            Self::Mismatch(found) => {
                write!(f, "{} was used with another payload", found.key.shown())
            }
            Self::Interrupted(found) => write!(
                f,
                "the work on {} was interrupted, and must not be run again",
                found.key.shown()
            ),
            Self::Exhausted(Exhausted { key, max_attempts }) => {
                write!(f, "the work on {} was begun {max_attempts} times", key.shown())
            }
            Self::NoTime => f.write_str("too little time is left to begin"),
            Self::LeaseLost(LeaseLost { key, attempt, why, may_have_happened: _ }) => {
                write!(f, "attempt {attempt} has lost its claim on {}: {why}", key.shown())
            }
            Self::WriteRefused(WriteRefused { index, after: _ }) => {
                write!(f, "the condition of write {index} does not hold")
            }
            Self::WriteImpossible(WriteImpossible { write, after: _ }) => write.fmt(f),
            Self::NotKept(not_kept) => {
                write!(f, "a result of type {} cannot be kept", not_kept.type_name)
            }
            Self::Panicked => f.write_str("the work panicked"),
            Self::Unreadable(Unreadable { found, why, expected, may_have_happened: _ }) => {
                let stored = found.record.result.as_ref().and_then(|it| it.type_name.as_deref());
                let stored = stored.unwrap_or("unknown");
                write!(
                    f,
                    "the result on {} cannot be read: {why} (stored {stored}, expected {expected})",
                    found.key.shown()
                )
            }
            Self::Newer(found) => write!(
                f,
                "the record of {} has the newer schema {}",
                found.key.shown(),
                found.record.schema
            ),
            Self::Corrupt(found, why) => {
                write!(f, "the record of {} cannot be read: {why}", found.key.shown())
            }
            Self::Skipped(_) => f.write_str("there is no result to answer with"),
            Self::Key(error) => error.fmt(f),
            Self::Store(failed) => write!(f, "the store failed to {}", failed.phase),
        }
    }
}

impl<E: StdError + 'static> StdError for GuardError<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Handler(failed) => Some(&failed.error),
            Self::Store(failed) => Some(&failed.fault),
            Self::Recorded(_)
            | Self::Busy(_)
            | Self::Mismatch(_)
            | Self::Interrupted(_)
            | Self::Exhausted(_)
            | Self::NoTime
            | Self::LeaseLost(_)
            | Self::WriteRefused(_)
            | Self::WriteImpossible(_)
            | Self::NotKept(_)
            | Self::Panicked
            | Self::Unreadable(_)
            | Self::Newer(_)
            | Self::Corrupt(..)
            | Self::Skipped(_)
            | Self::Key(_) => None,
        }
    }
}

impl fmt::Display for Never {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl StdError for Never {}

impl From<Never> for Fault {
    fn from(never: Never) -> Self {
        match never {}
    }
}

impl<E> From<crate::KeyError> for GuardError<E> {
    fn from(error: crate::KeyError) -> Self {
        Self::Key(error)
    }
}

impl From<crate::KeyError> for Fault {
    /// A [contract](setpiece_policy::FaultKind::Contract) fault: the same item has no key tomorrow
    /// either.
    fn from(error: crate::KeyError) -> Self {
        Self::contract("there is no idempotency key")
            .with_remedy("look at what the key is made of, and at the caller")
            .with_shown_source(error)
    }
}

impl<E: Into<Self>> From<GuardError<E>> for Fault {
    /// Converts the error of a guard to the fault that a handler returns.
    ///
    /// An error of the work stays what it is. Where the record is at fault and not the item, it is
    /// [handed back](Fault::hand_back), since somebody can repair the record.
    fn from(error: GuardError<E>) -> Self {
        let may_have_happened = error.may_have_happened();
        let fault = match error {
            GuardError::Handler(failed) => {
                let fault: Self = failed.error.into();
                let may_have_happened = fault.may_have_happened();
                return if failed.after.is_locked() {
                    fault.with_may_have_happened(may_have_happened).hand_back()
                } else {
                    fault
                };
            }
            GuardError::Store(failed) => {
                let fault = match failed.fault.reason() {
                    Some(_) => failed.fault,
                    None => failed.fault.with_context(failed.phase.context()),
                };
                fault.hand_back()
            }
            GuardError::NoTime => Self::deadline("too little time is left to begin"),
            GuardError::Busy(busy) => {
                let fault = Self::conflict("somebody else works on it").with_remedy(
                    "wait until the lease is over; if it stays, look for a process that died or \
                     for two that get the same item",
                );
                match busy.retry_after {
                    Some(delay) => fault.with_retry_after(delay),
                    None => fault,
                }
                .with_shown_source(UnderWay { attempt: busy.attempt, until: busy.until })
            }
            GuardError::LeaseLost(lost) => Self::conflict("the claim was lost during the work")
                .with_remedy("compare the lease with the time that the work takes")
                .with_shown_source(lost.why),
            GuardError::WriteRefused(refused) => {
                let fault = Self::conflict("the condition of a write did not hold");
                if refused.after.is_locked() { fault.hand_back() } else { fault }
            }
            GuardError::WriteImpossible(impossible) => {
                let fault = Self::permanent("a write can never be made")
                    .with_remedy("look at the write in the handler, and at the item that is there")
                    .with_shown_source(impossible.write);
                if impossible.after.is_locked() { fault.hand_back() } else { fault }
            }
            GuardError::Skipped(_) => Self::conflict("there is no result to answer with"),
            GuardError::Recorded(error) => {
                Self::permanent("the work failed for good before").with_source(Replayed(error))
            }
            GuardError::Mismatch(_) => Self::permanent("the key was used with another payload")
                .with_remedy("look at the caller: it sends another payload under a used key"),
            GuardError::Interrupted(_) => {
                Self::permanent("the work was interrupted, and must not be run again")
                    .with_remedy("find out how far the work was, then resolve or release its key")
            }
            GuardError::Exhausted(_) => Self::permanent("the work was begun as often as it may be")
                .with_remedy("find out why no attempt came back, then release the key"),
            GuardError::NotKept(_) => Self::permanent("the result cannot be kept")
                .with_remedy("look at the type of the result: it must be written as JSON"),
            GuardError::Panicked => Self::permanent("the work panicked")
                .with_remedy("look at the message of the panic in the log before this line")
                .hand_back(),
            GuardError::Unreadable(unreadable) => {
                Self::contract("the stored result cannot be read")
                    .with_remedy(OF_RECORD)
                    .with_shown_source(unreadable.why)
                    .hand_back()
            }
            GuardError::Newer(_) => Self::contract("the record has a newer schema")
                .with_remedy("deploy the newer version of this function here, too")
                .hand_back(),
            GuardError::Corrupt(_, why) => Self::contract("the record cannot be read")
                .with_remedy(OF_RECORD)
                .with_shown_source(NotARecord(why))
                .hand_back(),
            GuardError::Key(error) => error.into(),
        };
        fault.with_may_have_happened(may_have_happened)
    }
}

const OF_RECORD: &str =
    "inspect the record; release its key, or delete it if the work may be repeated";

/// The attempt that has a key.
#[derive(Debug)]
struct UnderWay {
    attempt: u64,
    until: Option<Timestamp>,
}

impl fmt::Display for UnderWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attempt {} is under way", self.attempt)?;
        self.until.map_or(Ok(()), |until| write!(f, " until {until}"))
    }
}

impl StdError for UnderWay {}

impl ValueFree for UnderWay {}

/// The reason why a record is none.
#[derive(Debug)]
struct NotARecord(&'static str);

impl fmt::Display for NotARecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl StdError for NotARecord {}

impl ValueFree for NotARecord {}

/// An error of before, as the source of a fault.
#[derive(Debug)]
struct Replayed(RecordedError);

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)
    }
}

impl StdError for Replayed {}

impl fmt::Display for LostHow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Taken => "it is no longer ours",
            Self::TimeUp => "the work took longer than the lease",
            Self::StoreSilent => "the store did not answer",
        })
    }
}

impl StdError for LostHow {}

impl ValueFree for LostHow {}

impl StdError for UnreadableWhy {}

impl ValueFree for UnreadableWhy {}

impl ValueFree for crate::KeyError {}

impl Phase {
    /// Returns the description of the request that a fault has as its context.
    fn context(self) -> &'static str {
        match self {
            Self::Acquire => "claiming a key",
            Self::Read => "reading a record",
            Self::Complete => "completing a record",
            Self::Commit => "committing",
            Self::Release => "releasing a record",
            Self::Extend => "extending a lease",
            Self::Amend => "changing a record",
        }
    }
}

impl fmt::Display for UnreadableWhy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Corrupt => "it is corrupt",
            Self::TooLarge => "it unpacks to more than is ever kept packed",
            Self::AnotherType => "it is of another type",
            Self::UnknownEncoding => "its encoding is not known",
            Self::Missing => "it is missing",
        })
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Acquire => "claim the key",
            Self::Read => "read",
            Self::Complete => "keep the result",
            Self::Commit => "commit",
            Self::Release => "release the key",
            Self::Extend => "extend the lease",
            Self::Amend => "amend the record",
        })
    }
}
