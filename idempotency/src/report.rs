use setpiece_envelope::Timestamp;

use crate::store::{RecordKey, Unwritten};

/// One thing that a guard has to say about a call, for metrics and logs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report<'a> {
    /// Event that is reported.
    pub event: Event,
    /// The namespace of the guard.
    pub namespace: &'a str,
    /// The operation of the guard.
    pub operation: &'a str,
    /// The key. Its `Debug` text may be logged, and its own text may not. It is empty where there
    /// was [none](Event::Keyless).
    pub key: &'a RecordKey,
    /// Number of the attempt; 0 if there is none.
    pub attempt: u64,
    /// When what is replayed will be forgotten.
    pub expires_at: Option<Timestamp>,
}

/// Event of a guarded call.
///
/// Each call that ends does so with exactly one event that is [final](Self::is_final). What people on
/// call do is no such call, and not reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Event {
    /// The work was run and its result kept.
    Fresh,
    /// A result was replayed.
    Replayed,
    /// A recorded error was replayed.
    ReplayedError,
    /// The work was run without protection, because the store was down.
    Unguarded,
    /// Somebody else works on it.
    Busy,
    /// Somebody else works on it, and the call was skipped.
    Skipped,
    /// It is done, and there is nothing to replay.
    Duplicate,
    /// The key was used with another payload.
    Mismatch,
    /// The work was interrupted before and must not be run again.
    Interrupted,
    /// The work was begun as often as it may be.
    Exhausted,
    /// Too little time was left to begin.
    NoTime,
    /// There was no key, so nothing was asked and nothing run.
    Keyless,
    /// The work failed, and the key is free: it was given back, or nobody had claimed it.
    Released,
    /// The work failed, and the error is kept.
    Recorded,
    /// The work failed, and the key is held.
    Held,
    /// The claim was lost.
    LeaseLost,
    /// The work was run, but another result was there first, and it is the answer.
    Superseded,
    /// The work was run, but the record was gone. The result was returned, and is not kept.
    Vanished,
    /// The work was run, and its result could not be kept.
    CompletionLost,
    /// A condition of the caller's own writes did not hold.
    WriteRefused,
    /// One of the caller's writes can never be made, and nothing was written.
    WriteImpossible,
    /// The record or the result on it cannot be read.
    Unreadable,
    /// The store was down.
    StoreFailed,
    /// A claim was dropped without an end: its key is locked until the lease is over.
    Dropped,
    /// An answer was lost and the own write recognised. Not final.
    OwnWrite,
    /// The call waits for somebody else. Not final.
    Waiting,
}

impl From<Unwritten> for Event {
    fn from(unwritten: Unwritten) -> Self {
        match unwritten {
            Unwritten::Refused(_) => Self::WriteRefused,
            Unwritten::Impossible(_) => Self::WriteImpossible,
        }
    }
}

impl Event {
    /// Returns true if a call ends with this event.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::OwnWrite | Self::Waiting)
    }
}
