//! The port to where records are kept.

use std::{error::Error as StdError, fmt, pin::Pin, sync::Arc};

use setpiece_envelope::Timestamp;
use setpiece_policy::{Call, Fault, ValueFree};

use crate::{
    digest,
    prepared::Prepared,
    record::{Fingerprint, Owner, Record, Salt, SpillRef, Status, Stored},
};

/// Future that a method of a [`Store`] returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Keeps one [`Record`] per key, and writes it under conditions.
///
/// A store holds no policy. Each method is one conditional write or one read, made once; the
/// condition is evaluated and the write is applied as one step that nobody can come between. When
/// the condition does not hold, the store answers with the record that it found, and
/// [one function for all stores](crate::verdict) says what that means. Whether to try again is the
/// guard's decision as well, and it sends the very same request then. So a client under a store
/// should not try again by itself; if it does, its own writes are still recognised by their owner.
///
/// The moment is part of each request. A store that lives elsewhere has another clock, and two
/// stores that are asked the same must answer the same.
///
/// # Faults
///
/// A [`Fault`] says that there is no answer, or none that was expected, and
/// [`Fault::may_have_happened`] that the write may have been applied. A condition that does not
/// hold is no fault.
///
/// # Writes
///
/// [`commit`](Self::commit) writes to the same store what the caller wants to have written exactly
/// once. What such a write looks like is the store's affair, so it has a type of its own for them,
/// and the guard passes them through without looking. A port behind `dyn` names it:
/// `Arc<dyn Store<Write = MemoryWrite>>`.
pub trait Store: Send + Sync + 'static {
    /// A write of the caller's that can be part of a [`commit`](Self::commit).
    type Write: Send + Sync + 'static;

    /// Names itself for the faults of requests that get no answer: the service and the table.
    fn target(&self) -> Option<Call> {
        None
    }

    /// Returns the largest number of bytes of a result that fit on a record. A larger result is
    /// spilled.
    fn max_inline(&self) -> usize;

    /// Claims a key: makes the record in progress for the owner and counts attempt and tries up,
    /// if [`Acquire::may_take`] allows it. The previous result goes; what the store does not know
    /// stays, and so does the fingerprint where the request has none. The request's salt is kept if
    /// the record has none yet, and the answer says which one it has.
    fn acquire<'a>(&'a self, acquire: &'a Acquire)
    -> BoxFuture<'a, Result<Reply<Acquired>, Fault>>;

    /// Ends a claim with a result or an error, if the record is in progress and the owner's, and at
    /// its attempt where the request names one. The tries are counted anew then.
    fn settle<'a>(&'a self, settle: &'a Settle) -> BoxFuture<'a, Result<Reply<()>, Fault>>;

    /// Gives a claim back, if the record is in progress and the owner's. Attempt and owner stay; the
    /// fingerprint goes, since nothing was done with its payload.
    fn release<'a>(&'a self, release: &'a Release) -> BoxFuture<'a, Result<Reply<()>, Fault>>;

    /// Makes the lease longer, if the record is in progress and the owner's, and the lease ends
    /// earlier than it would: a request that comes late makes no lease shorter.
    fn extend<'a>(&'a self, extend: &'a Extend) -> BoxFuture<'a, Result<Reply<()>, Fault>>;

    /// Does what [`settle`](Self::settle) does and all of `writes`, or nothing.
    ///
    /// The guard may call it again with the same request. The store builds the same transaction
    /// from it then, with the owner as its token.
    fn commit<'a>(
        &'a self,
        settle: &'a Settle,
        writes: &'a [Self::Write],
    ) -> BoxFuture<'a, Result<CommitReply, Fault>>;

    /// Claims and settles in one step, with all of `writes`, if [`Once::may_take`] allows it; or
    /// does nothing. Without writes it need not be a transaction.
    fn commit_once<'a>(
        &'a self,
        once: &'a Once,
        writes: &'a [Self::Write],
    ) -> BoxFuture<'a, Result<CommitReply, Fault>>;

    /// Reads a record as it is now, expired or not.
    fn read<'a>(&'a self, key: &'a RecordKey) -> BoxFuture<'a, Result<Option<Box<Record>>, Fault>>;

    /// Changes a record for somebody on call, if it is still the one that was [seen](Seen).
    fn amend<'a>(&'a self, amend: &'a Amend) -> BoxFuture<'a, Result<Reply<()>, Fault>>;

    /// Keeps a large result beside the record. Written again, it is the same.
    fn put_spill<'a>(&'a self, spill: &'a Spill) -> BoxFuture<'a, Result<(), Fault>>;

    /// Reads a large result. `None` says that it is not there, or not all of it.
    fn get_spill<'a>(
        &'a self,
        key: &'a RecordKey,
        spill: &'a SpillRef,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, Fault>>;
}

/// Answer to a conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply<T> {
    /// It was applied.
    Applied(T),
    /// Its condition did not hold. This is the record as it was then, or `None` if there was none.
    Refused(Option<Box<Record>>),
    /// A transaction holds the record at this moment, so it was not applied. Ask again.
    Contended,
}

/// Answer to a [`Store::commit`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitReply {
    /// All of it was applied.
    Applied,
    /// The condition on the record did not hold, and nothing was applied. This is the record as it
    /// was then.
    Refused(Option<Box<Record>>),
    /// The condition of the caller's write with that index did not hold, while that of the record
    /// did, and nothing was applied.
    WriteRefused(usize),
    /// The caller's writes can never be made, while the condition on the record held or nobody has
    /// completed it, and nothing was applied.
    WriteImpossible(Impossible),
    /// Another transaction holds one of the items at this moment, and nothing was applied. Ask
    /// again.
    Contended,
}

/// The reason why none of the caller's writes was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unwritten {
    /// The condition of the write with that index does not hold.
    Refused(usize),
    /// A write can never be made.
    Impossible(Impossible),
}

impl From<Unwritten> for CommitReply {
    fn from(unwritten: Unwritten) -> Self {
        match unwritten {
            Unwritten::Refused(index) => Self::WriteRefused(index),
            Unwritten::Impossible(impossible) => Self::WriteImpossible(impossible),
        }
    }
}

/// A write that a store refuses however often it is asked, because of what is in it or of the item
/// that it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Impossible {
    /// The index of the caller's write, from 0, if the store says it.
    pub index: Option<usize>,
    /// The reason, as far as the store says it.
    pub reason: ImpossibleReason,
}

/// A reason for which a write can never be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImpossibleReason {
    /// The item would be larger than an item may be.
    ItemTooLarge,
    /// The update needs another type of attribute than the item has.
    WrongType,
    /// The table or one of its indexes has another key than the write.
    WrongKey,
    /// The number would be out of range, or have too many digits.
    Number,
    /// The store calls the write invalid, for a reason that has no name here.
    Invalid,
}

impl Impossible {
    /// Creates one from the index of the caller's write and the reason.
    #[must_use]
    pub fn new(index: Option<usize>, reason: ImpossibleReason) -> Self {
        Self { index, reason }
    }
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "write {index} can never be made: {}", self.reason),
            None => write!(f, "one of the writes can never be made: {}", self.reason),
        }
    }
}

impl StdError for Impossible {}

impl ValueFree for Impossible {}

impl StdError for ImpossibleReason {}

impl ValueFree for ImpossibleReason {}

impl fmt::Display for ImpossibleReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ItemTooLarge => "the item would be larger than an item may be",
            Self::WrongType => "the item has another type of attribute than the update needs",
            Self::WrongKey => "the table has another key than the write",
            Self::Number => "a number would be out of range or have too many digits",
            Self::Invalid => "the store calls it invalid",
        })
    }
}

/// Answer of a store to a claim that it granted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Acquired {
    /// Number of claims of the key, this one included.
    pub attempt: u64,
    /// Number of claims since the work was done last, this one included.
    pub tries: u64,
    /// The salt of the record: that of its first claim.
    pub salt: Option<Salt>,
}

impl Acquired {
    /// A claim that is the `attempt`-th of all, and the `tries`-th since the key was done last.
    #[must_use]
    pub fn new(attempt: u64, tries: u64) -> Self {
        Self { attempt, tries, salt: None }
    }

    /// Sets the salt of the record.
    #[must_use]
    pub fn with_salt(self, salt: Option<Salt>) -> Self {
        Self { salt, ..self }
    }
}

/// Rule for running the work of one key again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Semantics {
    /// Again after a lease has lapsed, since nobody knows how far the work was.
    #[default]
    AtLeastOnce,
    /// Never again once it has begun, for as long as there is a record of that. A lease that has
    /// lapsed must be looked at by somebody, and before the record expires: that is a
    /// [retention](crate::GuardBuilder::retention) after the lease, and then the key is a new one. A
    /// table that functions of Powertools claim the same keys in does not promise even that, since
    /// they take over what has lapsed.
    ///
    /// Work whose claim got no answer counts as begun, since the claim may still arrive; the guard
    /// tries once to give it back. Work that ended in writes which were
    /// [refused](crate::GuardError::WriteRefused) counts as well: nothing was written, but the guard
    /// does not know what it did beside its writes. Where it did nothing, somebody on call can
    /// [release](crate::Guard::release) it; where all of its effects are in its writes, those happen
    /// at most once in any case, and at least once is what it wants.
    AtMostOnce,
}

/// A request to claim a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Acquire {
    /// The key.
    pub key: RecordKey,
    /// Owner of the claim.
    pub owner: Owner,
    /// The fingerprint of the payload.
    pub fingerprint: Option<Fingerprint>,
    /// Salt for the record, if it has none yet.
    pub salt: Option<Salt>,
    /// The present moment.
    pub now: Timestamp,
    /// The present moment less what clocks may differ by: a lease that ended before has lapsed.
    pub stale_before: Timestamp,
    /// End of the lease.
    pub lease_until: Timestamp,
    /// When the record may be forgotten, in whole seconds.
    pub expires_at: Timestamp,
    /// Rule for claiming the key after a lapsed lease.
    pub semantics: Semantics,
}

impl Acquire {
    /// A claim on `key` from `now` to `lease_until`, without skew, at least once.
    #[must_use]
    pub fn new(
        key: RecordKey,
        owner: Owner,
        now: Timestamp,
        lease_until: Timestamp,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            key,
            owner,
            fingerprint: None,
            salt: None,
            now,
            stale_before: now,
            lease_until,
            expires_at,
            semantics: Semantics::default(),
        }
    }

    /// The condition of [`Store::acquire`]: whether `found` may be claimed.
    ///
    /// Stores that evaluate conditions themselves call it; others write it in their own language,
    /// and the conformance suite shows that they said the same.
    #[must_use]
    pub fn may_take(&self, found: Option<&Record>) -> bool {
        let Self { owner, fingerprint, now, stale_before, semantics, .. } = self;
        may_take(found, owner, fingerprint.as_ref(), *now, *stale_before, *semantics)
    }
}

/// A request to end a claim with what is to be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settle {
    /// The key.
    pub key: RecordKey,
    /// Owner of the claim.
    pub owner: Owner,
    /// Number of the attempt, where the record must still be at that one. A commit needs it: its
    /// owner's request to claim can arrive a second time, after others, and the commit after that.
    pub attempt: Option<u64>,
    /// The present moment.
    pub now: Timestamp,
    /// Kind of end.
    pub end: End,
    /// Result or error that is replayed.
    pub result: Stored,
    /// When the record may be forgotten, in whole seconds.
    pub expires_at: Timestamp,
    pub(crate) prepared: Prepared,
}

impl Settle {
    /// The end of the claim of `owner` on `key`.
    #[must_use]
    pub fn new(
        key: RecordKey,
        owner: Owner,
        now: Timestamp,
        end: End,
        result: Stored,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            key,
            owner,
            attempt: None,
            now,
            end,
            result,
            expires_at,
            prepared: Prepared::default(),
        }
    }
}

/// Final end of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// With a result.
    Completed,
    /// With an error that is to be replayed.
    Failed,
}

impl From<End> for Status {
    fn from(end: End) -> Self {
        match end {
            End::Completed => Self::Completed,
            End::Failed => Self::Failed,
        }
    }
}

/// A request to give a claim back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Release {
    /// The key.
    pub key: RecordKey,
    /// Owner of the claim.
    pub owner: Owner,
    /// The present moment.
    pub now: Timestamp,
    /// When the record may be forgotten, in whole seconds.
    pub expires_at: Timestamp,
}

impl Release {
    /// The release of the claim of `owner` on `key`.
    #[must_use]
    pub fn new(key: RecordKey, owner: Owner, now: Timestamp, expires_at: Timestamp) -> Self {
        Self { key, owner, now, expires_at }
    }
}

/// A request to make a lease longer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extend {
    /// The key.
    pub key: RecordKey,
    /// Owner of the claim.
    pub owner: Owner,
    /// The present moment.
    pub now: Timestamp,
    /// The new end of the lease.
    pub lease_until: Timestamp,
    /// When the record may be forgotten, in whole seconds: later than the lease ends.
    pub expires_at: Timestamp,
}

impl Extend {
    /// A lease of `owner` on `key` until `lease_until`.
    #[must_use]
    pub fn new(
        key: RecordKey,
        owner: Owner,
        now: Timestamp,
        lease_until: Timestamp,
        expires_at: Timestamp,
    ) -> Self {
        Self { key, owner, now, lease_until, expires_at }
    }
}

/// A request to claim and settle a key in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Once {
    /// The key.
    pub key: RecordKey,
    /// Owner of the claim.
    pub owner: Owner,
    /// The fingerprint of the payload.
    pub fingerprint: Option<Fingerprint>,
    /// The present moment.
    pub now: Timestamp,
    /// The present moment less what clocks may differ by.
    pub stale_before: Timestamp,
    /// Result that is replayed.
    pub result: Stored,
    /// When the record may be forgotten, in whole seconds.
    pub expires_at: Timestamp,
    /// Rule for claiming the key after a lapsed lease.
    pub semantics: Semantics,
    pub(crate) prepared: Prepared,
}

impl Once {
    /// A result for `key`, without skew, at least once.
    #[must_use]
    pub fn new(
        key: RecordKey,
        owner: Owner,
        now: Timestamp,
        result: Stored,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            key,
            owner,
            fingerprint: None,
            now,
            stale_before: now,
            result,
            expires_at,
            semantics: Semantics::default(),
            prepared: Prepared::default(),
        }
    }

    /// The condition of [`Store::commit_once`]: that of [`Acquire::may_take`].
    #[must_use]
    pub fn may_take(&self, found: Option<&Record>) -> bool {
        let Self { owner, fingerprint, now, stale_before, semantics, .. } = self;
        may_take(found, owner, fingerprint.as_ref(), *now, *stale_before, *semantics)
    }
}

/// A change by somebody on call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Amend {
    /// The key.
    pub key: RecordKey,
    /// State in which the record was seen, and must still be.
    pub seen: Seen,
    /// The present moment.
    pub now: Timestamp,
    /// Change to make.
    pub change: Change,
}

impl Amend {
    /// A `change` to the record of `key` that was `seen`.
    #[must_use]
    pub fn new(key: RecordKey, seen: Seen, now: Timestamp, change: Change) -> Self {
        Self { key, seen, now, change }
    }
}

/// State of a record, which differs from any other state of it: if all of this is equal, then
/// nobody has claimed, ended or extended the record in between.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seen {
    /// Its status.
    pub status: Status,
    /// Its owner; a record of another program has none.
    pub owner: Option<Owner>,
    /// Its attempt.
    pub attempt: u64,
    /// The end of its lease, which a heartbeat moves.
    pub lease_until: Option<Timestamp>,
    /// When it expires, in whole seconds.
    pub expires_at: Option<Timestamp>,
}

impl Seen {
    /// Returns the state of `record`.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        Self {
            status: record.status,
            owner: record.owner.clone(),
            attempt: record.attempt,
            lease_until: record.lease_until,
            expires_at: record.expires_at,
        }
    }
}

/// Change that somebody on call makes to a record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Give it back, so that it may be claimed at once, with any payload.
    Release {
        /// When the record may be forgotten, in whole seconds.
        expires_at: Timestamp,
    },
    /// Say how it ended.
    Resolve {
        /// Owner of the change: one of its own, so that no claim takes the result for its own.
        owner: Owner,
        /// Kind of end.
        end: End,
        /// Result or error that is replayed.
        result: Stored,
        /// When the record may be forgotten, in whole seconds.
        expires_at: Timestamp,
    },
    /// Delete it. The attempts are counted anew then.
    Forget,
}

/// A large result, to be kept beside its record.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spill {
    /// The key of the record.
    pub key: RecordKey,
    /// Name of the result.
    pub spill: SpillRef,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// When it may be forgotten, in whole seconds: not before its record.
    pub expires_at: Timestamp,
}

impl Spill {
    /// The result `bytes` of `key`, named `spill`.
    #[must_use]
    pub fn new(key: RecordKey, spill: SpillRef, bytes: Vec<u8>, expires_at: Timestamp) -> Self {
        Self { key, spill, bytes, expires_at }
    }
}

impl fmt::Debug for Spill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, spill, bytes: _, expires_at } = self;
        f.debug_struct("Spill")
            .field("key", key)
            .field("spill", spill)
            .field("expires_at", expires_at)
            .finish_non_exhaustive()
    }
}

/// The key of a record, as the store has it: namespace, operation and the caller's key in one text.
///
/// Its texts may hold what identifies a person, so `Debug` shows a digest of it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordKey(Arc<str>);

impl RecordKey {
    /// The key with that text.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text, for stores. It is not to be logged.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the part of the key that may be shown: the first 16 hexadecimal digits of its
    /// SHA-256.
    #[must_use]
    pub fn shown(&self) -> String {
        let mut digest = digest::hex(&digest::sha256(self.0.as_bytes()));
        digest.truncate(16);
        digest
    }
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordKey({})", self.shown())
    }
}

/// Returns true if a record may be claimed: there is none, it has expired, it was released, or its
/// lease has lapsed and that is enough.
///
/// An owner claims a key once. A request that comes again when its claim is over, because it was
/// held up on the way, would lock the key for somebody who is gone.
///
/// A record that has expired while somebody holds a lease on it is not free. That cannot come from
/// this crate, whose records expire after their leases end.
fn may_take(
    found: Option<&Record>,
    owner: &Owner,
    fingerprint: Option<&Fingerprint>,
    now: Timestamp,
    stale_before: Timestamp,
    semantics: Semantics,
) -> bool {
    let Some(record) = found else { return true };
    if record.owner.as_ref() == Some(owner) {
        return false;
    }
    let lapsed = record.has_lapsed(stale_before);
    if record.has_expired(now) {
        let held = record.status == Status::InProgress && record.lease_until.is_some() && !lapsed;
        return !held;
    }
    // What a newer version wrote may mean something else.
    if record.schema > Record::SCHEMA {
        return false;
    }
    let free = match record.status {
        Status::Released => true,
        Status::InProgress => lapsed && semantics == Semantics::AtLeastOnce,
        Status::Completed | Status::Failed | Status::Unreadable(_) => false,
    };
    free && Fingerprint::fits(fingerprint, record.fingerprint.as_ref())
}
