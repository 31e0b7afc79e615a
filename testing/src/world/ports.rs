//! Ports of a process in the world: everything passes its points.

use std::{
    collections::HashMap,
    fmt,
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

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
use setpiece_policy::{Fault, Random as _, SeededRandom, Sleep};

use super::{
    Act, Core, WorldResource,
    ledger::Ledger,
    request::{Late, RequestFault, Trouble},
    run::subject,
};
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
        let put = async |(), trouble| self.put_in(entries, trouble).await;
        self.core.request("PutEvents", (), |(), it| it.has_bus(self.bus.name()), put).await
    }

    async fn preflight(&self) -> Result<Preflight, Fault> {
        let look = async |(), trouble: Option<Trouble>| match trouble.and_then(Trouble::refusal) {
            Some(fault) => Err(fault),
            None => self.bus.preflight().await,
        };
        self.core.request("DescribeEventBus", (), |(), it| it.has_bus(self.bus.name()), look).await
    }
}

impl WorldBus {
    async fn put_in(
        &self,
        entries: &[&OutgoingEvent],
        trouble: Option<Trouble>,
    ) -> Result<Vec<EntryResult>, Fault> {
        let fail = |index: usize, code: &str| {
            self.bus.fail_entries(EntryFault::code(code).in_next_call(index));
        };
        for (index, entry) in entries.iter().enumerate() {
            let id = entry.event_id();
            let about = subject(&[b"refusal", id.as_str().as_bytes()]);
            if let Some(code) = self.core.refusal(entry.name(), id.as_str(), about) {
                fail(index, &code);
            }
        }
        let Some(Trouble { fault, chance, .. }) = trouble else {
            return self.bus.put(entries).await;
        };
        match fault {
            RequestFault::Throttled => {
                let index = chance % entries.len().max(1) as u64;
                fail(usize::try_from(index).unwrap_or(0), "ThrottlingException");
            }
            RequestFault::Partial => {
                for (index, code) in partial(entries.len(), chance) {
                    fail(index, code);
                }
            }
            RequestFault::Unreachable => self.bus.fail_calls(CallFault::unreachable()),
            RequestFault::AnswerLost => self.bus.fail_calls(CallFault::answer_lost()),
            RequestFault::Failed => {
                self.bus.fail_calls(CallFault::refused(500, "InternalException", "it failed"));
            }
            RequestFault::FailedThoughDone => {
                self.bus.put(entries).await?;
                return Err(Fault::from_code("InternalException", Some(500)));
            }
            RequestFault::Denied => {
                self.bus.fail_calls(CallFault::refused(400, "AccessDeniedException", "not yet"));
            }
            RequestFault::Missing => return self.bus.at("missing").put(entries).await,
            // No bus has these.
            RequestFault::Cancelled | RequestFault::Late => {}
        }
        self.bus.put(entries).await
    }
}

/// The entries of a request that fail, and their codes: at least one, and of several not all.
fn partial(entries: usize, chance: u64) -> Vec<(usize, &'static str)> {
    let random = SeededRandom::new(chance);
    let code = || {
        if random.next_u64().is_multiple_of(2) { "ThrottlingException" } else { "InternalFailure" }
    };
    let mut failed: Vec<_> = (0..entries)
        .filter(|_| random.next_u64().is_multiple_of(2))
        .map(|index| (index, code()))
        .collect();
    if failed.is_empty() && entries > 0 {
        failed.push((entries - 1, code()));
    }
    if failed.len() == entries && entries > 1 {
        failed.pop();
    }
    failed
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

    /// Returns the effects in memory, without anything in between.
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
        let asked = Asked::of_records("BatchGetItem");
        self.records.ask(asked, || self.memory.read_outbox(keys), None)
    }

    fn remove_outbox<'a>(&'a self, keys: &'a [OutboxKey]) -> BoxFuture<'a, Result<(), Fault>> {
        let late = || {
            let (memory, keys) = (self.memory.clone(), keys.to_vec());
            late(move || async move { _ = memory.remove_outbox(&keys).await })
        };
        let asked = Asked::of_records("BatchWriteItem");
        self.records.ask(asked, || self.memory.remove_outbox(keys), Some(Box::new(late)))
    }

    fn is_reserved(&self, write: &Write, record: &RecordKey) -> bool {
        self.memory.is_reserved(write, record)
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

/// A request, and the tables that it is for.
struct Asked<'a> {
    operation: &'static str,
    writes: &'a [TableWrite],
}

impl Asked<'_> {
    fn of_records(operation: &'static str) -> Self {
        Self { operation, writes: &[] }
    }

    fn is_for(&self, resource: &WorldResource) -> bool {
        let is_written = |name: &str| self.writes.iter().any(|write| write.table() == Some(name));
        resource.has_table(|name| name == RECORDS || is_written(name))
    }
}

/// The name of the table in memory that has the records and the outbox.
const RECORDS: &str = "records";

/// Makes a request that is done when nobody waits for it any more.
type MakeLate<'a> = Box<dyn FnOnce() -> Late + Send + 'a>;

/// Runs a request to the memory, which is done at once.
fn late<F: Future<Output = ()>>(request: impl FnOnce() -> F + Send + 'static) -> Late {
    Late(Box::new(move || {
        let mut answer = pin!(request());
        _ = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }))
}

impl WorldRecords {
    /// Makes a request as a service would answer it.
    fn ask<'a, T: Send + 'a>(
        &'a self,
        asked: Asked<'a>,
        make: impl FnOnce() -> Answer<'a, T> + Send + 'a,
        late: Option<MakeLate<'a>>,
    ) -> Answer<'a, T> {
        Box::pin(async move {
            let ask = async move |(), trouble: Option<Trouble>| {
                let Some(trouble) = trouble else { return make().await };
                if let Some(fault) = trouble.refusal() {
                    return Err(fault);
                }
                match (trouble.fault, late) {
                    (RequestFault::Late, Some(late)) => {
                        self.core.after(trouble.delay, Act::Late(late()));
                    }
                    (RequestFault::AnswerLost | RequestFault::FailedThoughDone, _) => {
                        _ = make().await;
                    }
                    _ => return make().await,
                }
                Err(trouble.unknown())
            };
            self.core.request(asked.operation, (), |(), it| asked.is_for(it), ask).await
        })
    }

    /// Makes a transaction.
    fn transact<'a>(
        &'a self,
        key: &'a RecordKey,
        writes: &'a [TableWrite],
        make: impl FnOnce() -> Answer<'a, CommitReply> + Send + 'a,
        late: MakeLate<'a>,
    ) -> Answer<'a, CommitReply> {
        let asked = Asked { operation: "TransactWriteItems", writes };
        let make = move || -> Answer<'a, CommitReply> {
            let reply = make();
            Box::pin(async move {
                let reply = reply.await;
                self.ledger.replied(key, &reply);
                reply
            })
        };
        let answer = self.ask(asked, make, Some(late));
        Box::pin(async move {
            match answer.await {
                Err(fault) if fault.code() == Some("TransactionConflict") => {
                    Ok(CommitReply::Contended)
                }
                answer => answer,
            }
        })
    }
}

/// A request for a record alone.
macro_rules! ask {
    ($self:ident, $operation:literal, $method:ident, $request:ident) => {{
        let late = || {
            let (store, request) = (Arc::clone(&$self.store), $request.clone());
            late(move || async move { _ = store.$method(&request).await })
        };
        let asked = Asked::of_records($operation);
        $self.ask(asked, || $self.store.$method($request), Some(Box::new(late)))
    }};
}

impl Store for WorldRecords {
    type Write = TableWrite;

    fn max_inline(&self) -> usize {
        self.store.max_inline()
    }

    fn acquire<'a>(&'a self, acquire: &'a Acquire) -> Answer<'a, Reply<Acquired>> {
        self.ledger.claimed(&acquire.key);
        ask!(self, "UpdateItem", acquire, acquire)
    }

    fn settle<'a>(&'a self, settle: &'a Settle) -> Answer<'a, Reply<()>> {
        ask!(self, "UpdateItem", settle, settle)
    }

    fn release<'a>(&'a self, release: &'a Release) -> Answer<'a, Reply<()>> {
        ask!(self, "UpdateItem", release, release)
    }

    fn extend<'a>(&'a self, extend: &'a Extend) -> Answer<'a, Reply<()>> {
        ask!(self, "UpdateItem", extend, extend)
    }

    fn commit<'a>(
        &'a self,
        settle: &'a Settle,
        writes: &'a [TableWrite],
    ) -> Answer<'a, CommitReply> {
        let late = || {
            let (store, ledger) = (Arc::clone(&self.store), Arc::clone(&self.ledger));
            let (settle, writes) = (settle.clone(), writes.to_vec());
            late(move || async move {
                ledger.replied(&settle.key, &store.commit(&settle, &writes).await);
            })
        };
        let make = move || self.store.commit(settle, writes);
        self.transact(&settle.key, writes, make, Box::new(late))
    }

    fn commit_once<'a>(
        &'a self,
        once: &'a Once,
        writes: &'a [TableWrite],
    ) -> Answer<'a, CommitReply> {
        self.ledger.claimed(&once.key);
        let late = || {
            let (store, ledger) = (Arc::clone(&self.store), Arc::clone(&self.ledger));
            let (once, writes) = (once.clone(), writes.to_vec());
            late(move || async move {
                ledger.replied(&once.key, &store.commit_once(&once, &writes).await);
            })
        };
        let make = move || self.store.commit_once(once, writes);
        self.transact(&once.key, writes, make, Box::new(late))
    }

    fn read<'a>(&'a self, key: &'a RecordKey) -> Answer<'a, Option<Box<Record>>> {
        self.ask(Asked::of_records("GetItem"), || self.store.read(key), None)
    }

    fn amend<'a>(&'a self, amend: &'a Amend) -> Answer<'a, Reply<()>> {
        ask!(self, "UpdateItem", amend, amend)
    }

    fn put_spill<'a>(&'a self, spill: &'a Spill) -> Answer<'a, ()> {
        ask!(self, "PutItem", put_spill, spill)
    }

    fn get_spill<'a>(
        &'a self,
        key: &'a RecordKey,
        spill: &'a SpillRef,
    ) -> Answer<'a, Option<Vec<u8>>> {
        self.ask(Asked::of_records("GetItem"), || self.store.get_spill(key, spill), None)
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
        let is_for = |(): &(), it: &WorldResource| {
            matches!(it, WorldResource::EveryStore | WorldResource::Quarantine)
        };
        Box::pin(self.core.0.request("SendMessage", (), is_for, async move |(), trouble| {
            let Some(trouble): Option<Trouble> = trouble else {
                return self.kept.put(poison).await;
            };
            if trouble.fault == RequestFault::Missing {
                return Err(Fault::from_code("QueueDoesNotExist", Some(400)));
            }
            if let Some(fault) = trouble.refusal() {
                return Err(fault);
            }
            self.kept.put(poison).await?;
            Err(trouble.unknown())
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
        let ask = async move |(), trouble: Option<Trouble>| {
            if let Some(fault) = trouble.and_then(Trouble::refusal) {
                return Err(fault);
            }
            let done = work();
            trouble.map_or(Ok(done), |trouble| Err(trouble.unknown()))
        };
        self.0.0.request(operation, (), |(), it| *it == WorldResource::EveryStore, ask).await
    }
}
