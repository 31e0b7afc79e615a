//! What a process in the world has of the world: everything passes its points.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use setpiece_bus::{Bus, EntryResult, Limits, OutgoingEvent, Preflight};
use setpiece_envelope::{Clock, Timestamp};
use setpiece_handler::{
    BoxFuture, EffectLimits, EffectStore, InMemoryQuarantine, InvalidWrite, MemoryEffects,
    OutboxEntry, OutboxItem, OutboxKey, Poison, Quarantine, TableWrite, Tables, Write,
};
use setpiece_idempotency::{
    MemoryStore,
    record::{Record, SpillRef},
    store::{
        Acquire, Acquired, Amend, CommitReply, Extend, Once, RecordKey, Release, Reply, Settle,
        Spill, Store,
    },
};
use setpiece_policy::{Fault, Sleep};

use super::{Core, kernel::Trouble, ledger::Ledger};
use crate::{CallFault, EntryFault, FakeBus};

/// The clock of a sandbox, which may be wrong.
#[derive(Clone)]
pub struct WorldClock {
    pub(super) core: Arc<Core>,
    /// By how many milliseconds.
    pub(super) skew: i64,
}

impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        let millis = self.core.clock.now().unix_millis().saturating_add(self.skew);
        Timestamp::from_unix_millis(millis).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

impl fmt::Debug for WorldClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorldClock").field("skew", &self.skew).finish_non_exhaustive()
    }
}

/// Lets the time of the world pass.
#[derive(Clone)]
pub struct WorldSleep(pub(super) Arc<Core>);

impl Sleep for WorldSleep {
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send {
        // A timer is never early.
        let whole = Duration::from_millis(
            u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX),
        );
        self.0.wait(whole)
    }
}

impl fmt::Debug for WorldSleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorldSleep").finish_non_exhaustive()
    }
}

/// The bus of a world, as one of its processes reaches it.
#[derive(Clone)]
pub struct WorldBus {
    pub(super) core: Arc<Core>,
    pub(super) bus: FakeBus,
}

impl Bus for WorldBus {
    fn name(&self) -> &str {
        self.bus.name()
    }

    fn limits(&self) -> Limits {
        self.bus.limits()
    }

    async fn put(&self, entries: &[&OutgoingEvent]) -> Result<Vec<EntryResult>, Fault> {
        let put = async |trouble| {
            match trouble {
                Some(Trouble::Throttled) => {
                    self.bus.fail_entries(EntryFault::throttled().in_next_call(0));
                }
                Some(Trouble::AnswerLost) => self.bus.fail_calls(CallFault::answer_lost()),
                Some(Trouble::Unreachable) => self.bus.fail_calls(CallFault::unreachable()),
                None => {}
            }
            self.bus.put(entries).await
        };
        self.core.request("PutEvents", put).await
    }

    async fn preflight(&self) -> Result<Preflight, Fault> {
        self.core.request("DescribeEventBus", async |_| self.bus.preflight().await).await
    }
}

impl fmt::Debug for WorldBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WorldBus").field(&self.bus).finish()
    }
}

/// The effects of a world in memory, as one of its processes reaches them.
#[derive(Clone)]
pub struct WorldEffects {
    records: Arc<WorldRecords>,
    memory: MemoryEffects,
}

impl WorldEffects {
    pub(super) fn new(core: &Arc<Core>, memory: &MemoryEffects, ledger: &Arc<Ledger>) -> Self {
        let records = WorldRecords {
            core: Arc::clone(core),
            store: Arc::clone(memory.records()),
            ledger: Arc::clone(ledger),
        };
        Self { records: Arc::new(records), memory: memory.clone() }
    }

    /// What they are in, without anything in between.
    #[must_use]
    pub fn memory(&self) -> &MemoryEffects {
        &self.memory
    }
}

impl EffectStore for WorldEffects {
    type Records = WorldRecords;

    fn records(&self) -> &Arc<WorldRecords> {
        &self.records
    }

    fn limits(&self) -> EffectLimits {
        self.memory.limits()
    }

    fn write(&self, write: &Write) -> Result<TableWrite, InvalidWrite> {
        self.memory.write(write)
    }

    fn stage(&self, entry: &OutboxEntry) -> Result<TableWrite, InvalidWrite> {
        self.memory.stage(entry)
    }

    fn read_outbox<'a>(
        &'a self,
        keys: &'a [OutboxKey],
    ) -> BoxFuture<'a, Result<Vec<Option<OutboxItem>>, Fault>> {
        self.records.ask("BatchGetItem", || self.memory.read_outbox(keys))
    }

    fn remove_outbox<'a>(&'a self, keys: &'a [OutboxKey]) -> BoxFuture<'a, Result<(), Fault>> {
        self.records.ask("BatchWriteItem", || self.memory.remove_outbox(keys))
    }

    fn outbox_key(
        &self,
        primary_key: &HashMap<String, serde_dynamo::AttributeValue>,
    ) -> Option<OutboxKey> {
        self.memory.outbox_key(primary_key)
    }
}

impl fmt::Debug for WorldEffects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WorldEffects").field(&self.memory).finish()
    }
}

/// The records of guards in a world, as one of its processes reaches them.
pub struct WorldRecords {
    core: Arc<Core>,
    store: Arc<MemoryStore<Tables>>,
    ledger: Arc<Ledger>,
}

type Answer<'a, T> = BoxFuture<'a, Result<T, Fault>>;

impl WorldRecords {
    /// Makes a request as a service would answer it.
    fn ask<'a, T: Send + 'a>(
        &'a self,
        operation: &'static str,
        make: impl FnOnce() -> Answer<'a, T> + Send + 'a,
    ) -> Answer<'a, T> {
        Box::pin(self.core.request(operation, async move |trouble| match trouble {
            Some(Trouble::Throttled) => Err(Fault::throttled("the table is throttled")),
            Some(Trouble::Unreachable) => {
                Err(Fault::transient("the table cannot be reached").with_may_have_happened(false))
            }
            Some(Trouble::AnswerLost) => {
                _ = make().await;
                Err(Fault::transient("the answer of the table was lost"))
            }
            None => make().await,
        }))
    }
}

impl Store for WorldRecords {
    type Write = TableWrite;

    fn max_inline(&self) -> usize {
        self.store.max_inline()
    }

    fn acquire<'a>(&'a self, acquire: &'a Acquire) -> Answer<'a, Reply<Acquired>> {
        self.ask("UpdateItem", || {
            self.ledger.claimed(&acquire.key);
            self.store.acquire(acquire)
        })
    }

    fn settle<'a>(&'a self, settle: &'a Settle) -> Answer<'a, Reply<()>> {
        self.ask("UpdateItem", || self.store.settle(settle))
    }

    fn release<'a>(&'a self, release: &'a Release) -> Answer<'a, Reply<()>> {
        self.ask("UpdateItem", || self.store.release(release))
    }

    fn extend<'a>(&'a self, extend: &'a Extend) -> Answer<'a, Reply<()>> {
        self.ask("UpdateItem", || self.store.extend(extend))
    }

    fn commit<'a>(
        &'a self,
        settle: &'a Settle,
        writes: &'a [TableWrite],
    ) -> Answer<'a, CommitReply> {
        self.ask("TransactWriteItems", move || {
            let commit = self.store.commit(settle, writes);
            let key = settle.key.clone();
            Box::pin(async move {
                let reply = commit.await;
                if let Ok(CommitReply::Applied) = reply {
                    self.ledger.committed(&key);
                }
                reply
            })
        })
    }

    fn commit_once<'a>(
        &'a self,
        once: &'a Once,
        writes: &'a [TableWrite],
    ) -> Answer<'a, CommitReply> {
        self.ask("TransactWriteItems", move || {
            self.ledger.claimed(&once.key);
            let commit = self.store.commit_once(once, writes);
            let key = once.key.clone();
            Box::pin(async move {
                let reply = commit.await;
                if let Ok(CommitReply::Applied) = reply {
                    self.ledger.committed(&key);
                }
                reply
            })
        })
    }

    fn read<'a>(&'a self, key: &'a RecordKey) -> Answer<'a, Option<Box<Record>>> {
        self.ask("GetItem", || self.store.read(key))
    }

    fn amend<'a>(&'a self, amend: &'a Amend) -> Answer<'a, Reply<()>> {
        self.ask("UpdateItem", || self.store.amend(amend))
    }

    fn put_spill<'a>(&'a self, spill: &'a Spill) -> Answer<'a, ()> {
        self.ask("PutItem", || self.store.put_spill(spill))
    }

    fn get_spill<'a>(
        &'a self,
        key: &'a RecordKey,
        spill: &'a SpillRef,
    ) -> Answer<'a, Option<Vec<u8>>> {
        self.ask("GetItem", || self.store.get_spill(key, spill))
    }
}

impl fmt::Debug for WorldRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorldRecords").finish_non_exhaustive()
    }
}

/// The quarantine of a function, as one of its processes reaches it.
#[derive(Clone, Debug)]
pub struct WorldQuarantine {
    pub(super) core: CoreHandle,
    pub(super) kept: InMemoryQuarantine,
}

/// The core, without its contents in a debug text.
#[derive(Clone)]
pub(super) struct CoreHandle(pub(super) Arc<Core>);

impl fmt::Debug for CoreHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Core")
    }
}

impl Quarantine for WorldQuarantine {
    fn put<'a>(&'a self, poison: &'a Poison<'a>) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(self.core.0.request("SendMessage", async move |trouble| match trouble {
            Some(Trouble::Throttled) => Err(Fault::throttled("the quarantine is throttled")),
            Some(Trouble::Unreachable) => Err(Fault::transient("the quarantine cannot be reached")),
            Some(Trouble::AnswerLost) => {
                _ = self.kept.put(poison).await;
                Err(Fault::transient("the answer of the quarantine was lost"))
            }
            None => self.kept.put(poison).await,
        }))
    }
}

/// Services outside of the world, as a process calls them.
#[derive(Clone, Debug)]
pub struct WorldCalls(pub(super) CoreHandle);

impl WorldCalls {
    /// Calls somebody, who does `work` when the call arrives. It takes a while, may be throttled,
    /// and its answer may get lost after the work is done.
    ///
    /// # Errors
    ///
    /// What is wrong with the call.
    pub async fn call<T: Send>(
        &self,
        operation: &str,
        work: impl FnOnce() -> T + Send,
    ) -> Result<T, Fault> {
        let ask = async move |trouble| match trouble {
            Some(Trouble::Throttled) => Err(Fault::throttled("the call was throttled")),
            Some(Trouble::Unreachable) => Err(Fault::transient("nobody can be reached")),
            Some(Trouble::AnswerLost) => {
                _ = work();
                Err(Fault::transient("the answer to the call was lost"))
            }
            None => Ok(work()),
        };
        self.0.0.request(operation, ask).await
    }
}
