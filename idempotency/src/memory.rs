use std::{
    collections::HashMap,
    fmt,
    future::ready,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use setpiece_envelope::{Clock, Timestamp};
use setpiece_policy::Fault;

use crate::{
    record::{Fingerprint, Owner, Record, SpillRef, Status, Stored},
    store::{
        Acquire, Acquired, Amend, BoxFuture, Change, CommitReply, Extend, Once, RecordKey, Release,
        Reply, Seen, Settle, Spill, Store, Unwritten,
    },
};

/// Keeps records in memory, for tests and for programs of one process. Clones are the same store.
///
/// It answers as DynamoDB does, and the same suite of tests says so. Beside its records it has what
/// writes change in the same step as a record: named [`Numbers`], or something [else](Beside).
///
/// ```
/// use setpiece_envelope::FixedClock;
/// use setpiece_idempotency::{MemoryStore, MemoryWrite};
///
/// let store = MemoryStore::new(FixedClock::default());
/// let write = MemoryWrite::add("points", 100);
/// assert_eq!(store.number("points"), None);
/// # _ = write;
/// ```
///
/// # Forgetting
///
/// What has expired by the store's clock is deleted now and then, when it has grown: expired
/// records stay for a while, as they do in DynamoDB. [`sweep`](Self::sweep) does it at once.
pub struct MemoryStore<T = Numbers> {
    state: Arc<Mutex<State<T>>>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct State<T> {
    records: HashMap<RecordKey, Record>,
    spills: HashMap<(RecordKey, SpillRef), (Vec<u8>, Timestamp)>,
    beside: T,
    requests: u64,
    /// Number of records from which it is worth looking for expired ones.
    sweep_at: usize,
}

/// State of a [`MemoryStore`] beside its records.
pub trait Beside: Default + Send + 'static {
    /// A write to it.
    type Write: Send + Sync + 'static;

    /// Makes all of these writes, or none of them.
    ///
    /// # Errors
    ///
    /// The reason why none of them was made. A condition that does not hold goes before a write
    /// that can never be made.
    fn write(&mut self, writes: &[Self::Write]) -> Result<(), Unwritten>;
}

/// Numbers with names.
#[derive(Debug, Default)]
pub struct Numbers(HashMap<String, i64>);

impl Beside for Numbers {
    type Write = MemoryWrite;

    fn write(&mut self, writes: &[MemoryWrite]) -> Result<(), Unwritten> {
        let refused = writes.iter().position(|write| {
            matches!(write.change, NumberChange::PutNew(_)) && self.0.contains_key(&write.name)
        });
        if let Some(index) = refused {
            return Err(Unwritten::Refused(index));
        }
        for write in writes {
            let number = self.0.entry(write.name.clone()).or_default();
            match write.change {
                NumberChange::Add(more) => *number = number.saturating_add(more),
                NumberChange::Put(value) | NumberChange::PutNew(value) => *number = value,
            }
        }
        Ok(())
    }
}

/// A write to a [`MemoryStore`] beside its records: to a number with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryWrite {
    name: String,
    change: NumberChange,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NumberChange {
    Add(i64),
    Put(i64),
    PutNew(i64),
}

impl MemoryWrite {
    /// Adds to a number, which is 0 if it is not there.
    #[must_use]
    pub fn add(name: impl Into<String>, number: i64) -> Self {
        Self { name: name.into(), change: NumberChange::Add(number) }
    }

    /// Sets a number.
    #[must_use]
    pub fn put(name: impl Into<String>, number: i64) -> Self {
        Self { name: name.into(), change: NumberChange::Put(number) }
    }

    /// Sets a number on the condition that it is not there.
    #[must_use]
    pub fn put_new(name: impl Into<String>, number: i64) -> Self {
        Self { name: name.into(), change: NumberChange::PutNew(number) }
    }
}

impl MemoryStore {
    /// A store without records, in which things expire by `clock`.
    #[must_use]
    pub fn new(clock: impl Clock) -> Self {
        Self::empty(clock)
    }

    /// The number with that name, if it is there.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        self.beside(|numbers| numbers.0.get(name).copied())
    }
}

impl<T: Beside> MemoryStore<T> {
    const SWEEP_AT: usize = 1024;

    /// Creates an empty store, like [`new`](MemoryStore::new), with something else beside the
    /// records.
    #[must_use]
    pub fn empty(clock: impl Clock) -> Self {
        let state = State { sweep_at: Self::SWEEP_AT, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), clock: Arc::new(clock) }
    }

    /// Looks at or changes what is beside the records. It does not count as a request.
    pub fn beside<R>(&self, look: impl FnOnce(&mut T) -> R) -> R {
        look(&mut self.state().beside)
    }

    /// The record of a key, if it is there. It does not count as a request.
    #[must_use]
    pub fn record(&self, key: &RecordKey) -> Option<Record> {
        self.state().records.get(key).cloned()
    }

    /// Puts a record in place of what is there, as another program could have written it.
    pub fn put_record(&self, key: RecordKey, record: Record) {
        self.state().records.insert(key, record);
    }

    /// Deletes what was put beside records, as a wrong rule for deletion would.
    pub fn lose_spills(&self) {
        self.state().spills.clear();
    }

    /// Returns the number of requests that the store has answered.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.state().requests
    }

    /// Deletes what has expired.
    pub fn sweep(&self) {
        let now = self.clock.now();
        self.state().sweep(now);
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Nothing panics while it is held, but for want of memory.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn request<R: Send + 'static>(
        &self,
        answer: impl FnOnce(&mut State<T>) -> R,
    ) -> BoxFuture<'static, Result<R, Fault>> {
        let mut state = self.state();
        state.requests += 1;
        if state.records.len() >= state.sweep_at {
            let now = self.clock.now();
            state.sweep(now);
            state.sweep_at = (2 * state.records.len()).max(Self::SWEEP_AT);
        }
        Box::pin(ready(Ok(answer(&mut state))))
    }
}

impl<T> State<T> {
    fn sweep(&mut self, now: Timestamp) {
        self.records.retain(|_, record| !record.has_expired(now));
        self.spills.retain(|_, (_, expires_at)| *expires_at >= now.truncate_to_seconds());
    }

    /// The record of a claim that is still its owner's, or what was found in its place.
    fn claimed(
        &mut self,
        key: &RecordKey,
        owner: &Owner,
    ) -> Result<&mut Record, Option<Box<Record>>> {
        match self.records.get_mut(key) {
            Some(record)
                if record.status == Status::InProgress && record.owner.as_ref() == Some(owner) =>
            {
                Ok(record)
            }
            Some(record) => Err(Some(Box::new(record.clone()))),
            None => Err(None),
        }
    }

    /// Returns the claimed record for a request that may name its attempt.
    fn settled(&mut self, settle: &Settle) -> Result<&mut Record, Option<Box<Record>>> {
        match self.claimed(&settle.key, &settle.owner) {
            Ok(record) if settle.attempt.is_some_and(|attempt| attempt != record.attempt) => {
                Err(Some(Box::new(record.clone())))
            }
            answer => answer,
        }
    }

    /// Makes the record claimed by `owner`, and counts.
    fn claim(
        &mut self,
        key: &RecordKey,
        owner: &Owner,
        fingerprint: Option<&Fingerprint>,
        now: Timestamp,
    ) -> &mut Record {
        let record =
            self.records.entry(key.clone()).or_insert_with(|| Record::new(Status::InProgress));
        record.schema = Record::SCHEMA;
        record.owner = Some(owner.clone());
        if let Some(fingerprint) = fingerprint {
            record.fingerprint = Some(fingerprint.clone());
        }
        record.attempt += 1;
        record.created_at.get_or_insert(now);
        record.updated_at = Some(now);
        record
    }
}

fn end(record: &mut Record, status: Status, result: Stored, expires_at: Timestamp, now: Timestamp) {
    record.status = status;
    record.result = Some(result);
    record.tries = 0;
    record.lease_until = None;
    record.expires_at = Some(expires_at);
    record.updated_at = Some(now);
}

impl<T: Beside> Store for MemoryStore<T> {
    type Write = T::Write;

    /// Returns as many bytes as an item of DynamoDB has room for, less some for the rest of the
    /// record.
    fn max_inline(&self) -> usize {
        350 * 1024
    }

    fn acquire<'a>(
        &'a self,
        acquire: &'a Acquire,
    ) -> BoxFuture<'a, Result<Reply<Acquired>, Fault>> {
        self.request(|state| {
            let found = state.records.get(&acquire.key);
            if !acquire.may_take(found) {
                return Reply::Refused(found.cloned().map(Box::new));
            }
            let Acquire { key, owner, fingerprint, salt, now, .. } = acquire;
            let record = state.claim(key, owner, fingerprint.as_ref(), *now);
            record.salt = record.salt.take().or_else(|| salt.clone());
            record.status = Status::InProgress;
            record.lease_until = Some(acquire.lease_until);
            record.expires_at = Some(acquire.expires_at);
            record.result = None;
            record.tries += 1;
            let acquired = Acquired::new(record.attempt, record.tries);
            Reply::Applied(acquired.with_salt(record.salt.clone()))
        })
    }

    fn settle<'a>(&'a self, settle: &'a Settle) -> BoxFuture<'a, Result<Reply<()>, Fault>> {
        self.request(|state| match state.settled(settle) {
            Ok(record) => {
                let result = settle.result.clone();
                end(record, settle.end.into(), result, settle.expires_at, settle.now);
                Reply::Applied(())
            }
            Err(found) => Reply::Refused(found),
        })
    }

    fn release<'a>(&'a self, release: &'a Release) -> BoxFuture<'a, Result<Reply<()>, Fault>> {
        self.request(|state| match state.claimed(&release.key, &release.owner) {
            Ok(record) => {
                record.status = Status::Released;
                record.fingerprint = None;
                record.lease_until = None;
                record.expires_at = Some(release.expires_at);
                record.updated_at = Some(release.now);
                Reply::Applied(())
            }
            Err(found) => Reply::Refused(found),
        })
    }

    fn extend<'a>(&'a self, extend: &'a Extend) -> BoxFuture<'a, Result<Reply<()>, Fault>> {
        self.request(|state| match state.claimed(&extend.key, &extend.owner) {
            Ok(record) if record.lease_until.is_none_or(|end| end >= extend.lease_until) => {
                Reply::Refused(Some(Box::new(record.clone())))
            }
            Ok(record) => {
                record.lease_until = Some(extend.lease_until);
                record.expires_at = Some(extend.expires_at);
                record.updated_at = Some(extend.now);
                Reply::Applied(())
            }
            Err(found) => Reply::Refused(found),
        })
    }

    fn commit<'a>(
        &'a self,
        settle: &'a Settle,
        writes: &'a [T::Write],
    ) -> BoxFuture<'a, Result<CommitReply, Fault>> {
        self.request(|state| {
            if let Err(found) = state.settled(settle) {
                return CommitReply::Refused(found);
            }
            if let Err(unwritten) = state.beside.write(writes) {
                return unwritten.into();
            }
            if let Ok(record) = state.settled(settle) {
                let result = settle.result.clone();
                end(record, settle.end.into(), result, settle.expires_at, settle.now);
            }
            CommitReply::Applied
        })
    }

    fn commit_once<'a>(
        &'a self,
        once: &'a Once,
        writes: &'a [T::Write],
    ) -> BoxFuture<'a, Result<CommitReply, Fault>> {
        self.request(|state| {
            let found = state.records.get(&once.key);
            if !once.may_take(found) {
                return CommitReply::Refused(found.cloned().map(Box::new));
            }
            if let Err(unwritten) = state.beside.write(writes) {
                return unwritten.into();
            }
            let Once { key, owner, fingerprint, now, .. } = once;
            let record = state.claim(key, owner, fingerprint.as_ref(), *now);
            end(record, Status::Completed, once.result.clone(), once.expires_at, once.now);
            CommitReply::Applied
        })
    }

    fn read<'a>(&'a self, key: &'a RecordKey) -> BoxFuture<'a, Result<Option<Box<Record>>, Fault>> {
        self.request(|state| state.records.get(key).cloned().map(Box::new))
    }

    fn amend<'a>(&'a self, amend: &'a Amend) -> BoxFuture<'a, Result<Reply<()>, Fault>> {
        self.request(|state| {
            let Some(record) = state.records.get_mut(&amend.key) else {
                return Reply::Refused(None);
            };
            if Seen::of(record) != amend.seen {
                return Reply::Refused(Some(Box::new(record.clone())));
            }
            match &amend.change {
                Change::Release { expires_at } => {
                    record.status = Status::Released;
                    record.fingerprint = None;
                    record.lease_until = None;
                    record.result = None;
                    record.tries = 0;
                    record.expires_at = Some(*expires_at);
                    record.updated_at = Some(amend.now);
                }
                Change::Resolve { owner, end: how, result, expires_at } => {
                    record.owner = Some(owner.clone());
                    end(record, (*how).into(), result.clone(), *expires_at, amend.now);
                }
                Change::Forget => {
                    state.records.remove(&amend.key);
                }
            }
            Reply::Applied(())
        })
    }

    fn put_spill<'a>(&'a self, spill: &'a Spill) -> BoxFuture<'a, Result<(), Fault>> {
        self.request(|state| {
            let name = (spill.key.clone(), spill.spill.clone());
            state.spills.insert(name, (spill.bytes.clone(), spill.expires_at));
        })
    }

    fn get_spill<'a>(
        &'a self,
        key: &'a RecordKey,
        spill: &'a SpillRef,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, Fault>> {
        self.request(|state| {
            let name = (key.clone(), spill.clone());
            state.spills.get(&name).map(|(bytes, _)| bytes.clone())
        })
    }
}

impl<T> Clone for MemoryStore<T> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), clock: Arc::clone(&self.clock) }
    }
}

impl<T: Beside> fmt::Debug for MemoryStore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("MemoryStore")
            .field("records", &state.records.len())
            .field("requests", &state.requests)
            .finish_non_exhaustive()
    }
}
