//! A place before and after every request, at which a process can die.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use setpiece_bus::{Bus, EntryResult, Limits, OutgoingEvent, Preflight};
use setpiece_handler::{
    BoxFuture, EffectLimits, EffectStore, InvalidWrite, OutboxEntry, OutboxItem, OutboxKey, Write,
    WriteOf,
};
use setpiece_idempotency::{
    record::{Record, SpillRef},
    store::{
        Acquire, Acquired, Amend, CommitReply, Extend, Once, RecordKey, Release, Reply, Settle,
        Spill, Store,
    },
};
use setpiece_policy::Fault;

/// Counts the places that a process passes, and keeps it for ever at the one where it dies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    passed: AtomicUsize,
    deadly: AtomicUsize,
    dead: tokio::sync::Semaphore,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            passed: AtomicUsize::new(0),
            deadly: AtomicUsize::new(usize::MAX),
            dead: tokio::sync::Semaphore::new(0),
        }
    }
}

impl Gate {
    async fn pass(&self) {
        let place = self.0.passed.fetch_add(1, Ordering::SeqCst);
        if place == self.0.deadly.load(Ordering::SeqCst) {
            self.0.dead.add_permits(1);
            std::future::pending::<()>().await;
        }
    }

    /// How many places were passed.
    pub(crate) fn passed(&self) -> usize {
        self.0.passed.load(Ordering::SeqCst)
    }

    /// Whoever comes to the `place`-th place dies there, counted from now.
    pub(crate) fn die_at(&self, place: usize) {
        self.0.deadly.store(self.passed() + place, Ordering::SeqCst);
    }

    /// Runs a process until it ends or dies, which is `None`.
    pub(crate) async fn life<T>(&self, process: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            ended = process => Some(ended),
            death = self.0.dead.acquire() => {
                death.unwrap().forget();
                None
            }
        }
    }

    async fn around<T>(&self, request: impl Future<Output = T>) -> T {
        self.pass().await;
        let answer = request.await;
        self.pass().await;
        answer
    }
}

/// The same with gates.
#[derive(Clone, Debug)]
pub(crate) struct Gated<T> {
    inner: T,
    gate: Gate,
}

impl<T> Gated<T> {
    pub(crate) fn new(inner: T, gate: Gate) -> Self {
        Self { inner, gate }
    }
}

impl<B: Bus> Bus for Gated<B> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    async fn put(&self, entries: &[&OutgoingEvent]) -> Result<Vec<EntryResult>, Fault> {
        self.gate.around(self.inner.put(entries)).await
    }

    async fn preflight(&self) -> Result<Preflight, Fault> {
        self.inner.preflight().await
    }
}

/// An effect store with gates, of which the records have some as well.
pub(crate) struct GatedEffects<X: EffectStore> {
    inner: X,
    records: Arc<Gated<Arc<X::Records>>>,
    gate: Gate,
}

impl<X: EffectStore> GatedEffects<X> {
    pub(crate) fn new(inner: X, gate: Gate) -> Self {
        let records = Arc::new(Gated::new(Arc::clone(inner.records()), gate.clone()));
        Self { inner, records, gate }
    }
}

impl<X: EffectStore> EffectStore for GatedEffects<X> {
    type Records = Gated<Arc<X::Records>>;

    fn records(&self) -> &Arc<Self::Records> {
        &self.records
    }

    fn limits(&self) -> EffectLimits {
        self.inner.limits()
    }

    fn is_transactional(&self) -> bool {
        self.inner.is_transactional()
    }

    fn write(&self, write: &Write) -> Result<WriteOf<X>, InvalidWrite> {
        self.inner.write(write)
    }

    fn stage(&self, entry: &OutboxEntry) -> Result<WriteOf<X>, InvalidWrite> {
        self.inner.stage(entry)
    }

    fn read_outbox<'a>(
        &'a self,
        keys: &'a [OutboxKey],
    ) -> BoxFuture<'a, Result<Vec<Option<OutboxItem>>, Fault>> {
        Box::pin(self.gate.around(async { self.inner.read_outbox(keys).await }))
    }

    fn remove_outbox<'a>(&'a self, keys: &'a [OutboxKey]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(self.gate.around(async { self.inner.remove_outbox(keys).await }))
    }

    fn is_reserved(&self, write: &Write, record: &RecordKey) -> bool {
        self.inner.is_reserved(write, record)
    }

    fn outbox_key(
        &self,
        primary_key: &HashMap<String, serde_dynamo::AttributeValue>,
    ) -> Option<OutboxKey> {
        self.inner.outbox_key(primary_key)
    }
}

type Answer<'a, T> = BoxFuture<'a, Result<T, Fault>>;

impl<S: Store> Store for Gated<Arc<S>> {
    type Write = S::Write;

    fn max_inline(&self) -> usize {
        self.inner.max_inline()
    }

    fn acquire<'a>(&'a self, acquire: &'a Acquire) -> Answer<'a, Reply<Acquired>> {
        Box::pin(self.gate.around(async { self.inner.acquire(acquire).await }))
    }

    fn settle<'a>(&'a self, settle: &'a Settle) -> Answer<'a, Reply<()>> {
        Box::pin(self.gate.around(async { self.inner.settle(settle).await }))
    }

    fn release<'a>(&'a self, release: &'a Release) -> Answer<'a, Reply<()>> {
        Box::pin(self.gate.around(async { self.inner.release(release).await }))
    }

    fn extend<'a>(&'a self, extend: &'a Extend) -> Answer<'a, Reply<()>> {
        Box::pin(self.gate.around(async { self.inner.extend(extend).await }))
    }

    fn commit<'a>(&'a self, settle: &'a Settle, writes: &'a [S::Write]) -> Answer<'a, CommitReply> {
        Box::pin(self.gate.around(async { self.inner.commit(settle, writes).await }))
    }

    fn commit_once<'a>(
        &'a self,
        once: &'a Once,
        writes: &'a [S::Write],
    ) -> Answer<'a, CommitReply> {
        Box::pin(self.gate.around(async { self.inner.commit_once(once, writes).await }))
    }

    fn read<'a>(&'a self, key: &'a RecordKey) -> Answer<'a, Option<Box<Record>>> {
        Box::pin(self.gate.around(async { self.inner.read(key).await }))
    }

    fn amend<'a>(&'a self, amend: &'a Amend) -> Answer<'a, Reply<()>> {
        Box::pin(self.gate.around(async { self.inner.amend(amend).await }))
    }

    fn put_spill<'a>(&'a self, spill: &'a Spill) -> Answer<'a, ()> {
        Box::pin(self.gate.around(async { self.inner.put_spill(spill).await }))
    }

    fn get_spill<'a>(
        &'a self,
        key: &'a RecordKey,
        spill: &'a SpillRef,
    ) -> Answer<'a, Option<Vec<u8>>> {
        Box::pin(self.gate.around(async { self.inner.get_spill(key, spill).await }))
    }
}
