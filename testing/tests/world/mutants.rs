//! Services whose stores or buses lack one of the safeties. The world finds all of them out.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
};

use setpiece_bus::{Accepted, Bus, EntryResult, Limits, OutgoingEvent, Preflight, Publisher};
use setpiece_handler::{
    App, BoxFuture, EffectLimits, EffectStore, Handlers, InvalidWrite, OutboxEntry, OutboxItem,
    OutboxKey, TableWrite, Write,
};
use setpiece_idempotency::{
    Beside as _,
    record::{Record, SpillRef},
    store::{
        Acquire, Acquired, Amend, CommitReply, Extend, Once, RecordKey, Release, Reply, Settle,
        Spill, Store,
    },
};
use setpiece_policy::{Fault, Retry};
use setpiece_testing::{Queue, Sandbox, World, WorldBus, WorldEffects, WorldFaults, WorldRecords};

use crate::shop::{LOYALTY, MAILING, PointsAwarded, ProductRegistered, award, mail, registered};

/// What is missing.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    /// Nothing: the wrapper itself changes nothing.
    None,
    /// The condition that the record is still the owner's.
    NoOwner,
    /// The transaction: effects are written first, and then the record.
    NoTransaction,
    /// The redelivery after a crash does not publish what is left.
    NoRelay,
}

#[derive(Clone)]
struct Flawed {
    inner: WorldEffects,
    records: Arc<FlawedRecords>,
    flaw: Flaw,
}

struct FlawedRecords {
    inner: Arc<WorldRecords>,
    effects: WorldEffects,
    flaw: Flaw,
}

impl Flawed {
    fn new(inner: WorldEffects, flaw: Flaw) -> Self {
        let records = Arc::clone(inner.records());
        let records = FlawedRecords { inner: records, effects: inner.clone(), flaw };
        Self { inner, records: Arc::new(records), flaw }
    }
}

impl FlawedRecords {
    /// Writes whatever the record says.
    fn write(&self, writes: &[TableWrite]) {
        let records = self.effects.memory().records();
        _ = records.beside(|tables| tables.write(writes));
    }
}

impl EffectStore for Flawed {
    type Records = FlawedRecords;

    fn records(&self) -> &Arc<FlawedRecords> {
        &self.records
    }

    fn limits(&self) -> EffectLimits {
        self.inner.limits()
    }

    fn write(&self, write: &Write) -> Result<TableWrite, InvalidWrite> {
        self.inner.write(write)
    }

    fn stage(&self, entry: &OutboxEntry) -> Result<TableWrite, InvalidWrite> {
        self.inner.stage(entry)
    }

    fn read_outbox<'a>(
        &'a self,
        keys: &'a [OutboxKey],
    ) -> BoxFuture<'a, Result<Vec<Option<OutboxItem>>, Fault>> {
        if self.flaw == Flaw::NoRelay {
            return Box::pin(std::future::ready(Ok(vec![None; keys.len()])));
        }
        self.inner.read_outbox(keys)
    }

    fn remove_outbox<'a>(&'a self, keys: &'a [OutboxKey]) -> BoxFuture<'a, Result<(), Fault>> {
        self.inner.remove_outbox(keys)
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

impl Store for FlawedRecords {
    type Write = TableWrite;

    fn max_inline(&self) -> usize {
        self.inner.max_inline()
    }

    fn acquire<'a>(&'a self, acquire: &'a Acquire) -> Answer<'a, Reply<Acquired>> {
        self.inner.acquire(acquire)
    }

    fn settle<'a>(&'a self, settle: &'a Settle) -> Answer<'a, Reply<()>> {
        self.inner.settle(settle)
    }

    fn release<'a>(&'a self, release: &'a Release) -> Answer<'a, Reply<()>> {
        self.inner.release(release)
    }

    fn extend<'a>(&'a self, extend: &'a Extend) -> Answer<'a, Reply<()>> {
        self.inner.extend(extend)
    }

    fn commit<'a>(
        &'a self,
        settle: &'a Settle,
        writes: &'a [TableWrite],
    ) -> Answer<'a, CommitReply> {
        Box::pin(async move {
            match self.flaw {
                Flaw::NoOwner => match self.inner.commit(settle, writes).await? {
                    CommitReply::Refused(_) => {
                        self.write(writes);
                        Ok(CommitReply::Applied)
                    }
                    reply => Ok(reply),
                },
                Flaw::NoTransaction => {
                    self.write(writes);
                    Ok(match self.inner.settle(settle).await? {
                        Reply::Refused(found) => CommitReply::Refused(found),
                        Reply::Contended => CommitReply::Contended,
                        _ => CommitReply::Applied,
                    })
                }
                Flaw::None | Flaw::NoRelay => self.inner.commit(settle, writes).await,
            }
        })
    }

    fn commit_once<'a>(
        &'a self,
        once: &'a Once,
        writes: &'a [TableWrite],
    ) -> Answer<'a, CommitReply> {
        self.inner.commit_once(once, writes)
    }

    fn read<'a>(&'a self, key: &'a RecordKey) -> Answer<'a, Option<Box<Record>>> {
        self.inner.read(key)
    }

    fn amend<'a>(&'a self, amend: &'a Amend) -> Answer<'a, Reply<()>> {
        self.inner.amend(amend)
    }

    fn put_spill<'a>(&'a self, spill: &'a Spill) -> Answer<'a, ()> {
        self.inner.put_spill(spill)
    }

    fn get_spill<'a>(
        &'a self,
        key: &'a RecordKey,
        spill: &'a SpillRef,
    ) -> Answer<'a, Option<Vec<u8>>> {
        self.inner.get_spill(key, spill)
    }
}

/// A bus that says yes at once, and sends when it is asked the next time, as clients do that
/// collect what they are given.
struct Hasty {
    inner: WorldBus,
    kept: Mutex<Vec<OutgoingEvent>>,
}

impl Bus for Hasty {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    async fn put(&self, entries: &[&OutgoingEvent]) -> Result<Vec<EntryResult>, Fault> {
        let new: Vec<OutgoingEvent> = entries.iter().map(|entry| (*entry).clone()).collect();
        let before = std::mem::replace(&mut *self.kept.lock().unwrap(), new);
        if !before.is_empty() {
            self.inner.put(&before.iter().collect::<Vec<_>>()).await?;
        }
        Ok(entries.iter().map(|_| Ok(Accepted::published("some day".to_owned()))).collect())
    }

    async fn preflight(&self) -> Result<Preflight, Fault> {
        self.inner.preflight().await
    }
}

fn five_customers(world: &mut World) {
    world
        .function("mailing", |it| it.app(MAILING, Handlers::new(()).on(mail)).build())
        .queue::<PointsAwarded>(Queue::standard());
    for customer in 0..5 {
        world.publish(registered(&format!("c{customer}")));
    }
    let outcome = world.run_and_recover();
    outcome.assert_outbox_empty();
    outcome.assert_all_acknowledged();
    assert_eq!(outcome.published::<PointsAwarded>().len(), 5, "events");
    assert_eq!(outcome.sum("points", "points"), 500, "points");
    assert_eq!(outcome.sum("mails", "sent"), 5, "mails");
}

fn run(flaw: Flaw, world: &mut World) {
    world.set_faults(WorldFaults::usual().freeze(0.2));
    let start = move |it: &Sandbox| {
        it.app_with(LOYALTY, Handlers::new(()).on(award), Flawed::new(it.effects(), flaw)).build()
    };
    world.function("loyalty", start).on::<ProductRegistered>();
    five_customers(world);
}

/// What a world of 1000 days says of it.
fn found(test: impl Fn(&mut World) + Sync) -> String {
    let checked = catch_unwind(AssertUnwindSafe(|| World::check(0..1000, test)));
    *checked.expect_err("it was not found out").downcast::<String>().unwrap()
}

/// How many faults are left when all others were taken away.
fn faults(said: &str) -> u32 {
    let (_, rest) = said.split_once("It takes ").unwrap();
    rest.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn what_lacks_nothing_holds() {
    World::check(0..50, |world| run(Flaw::None, world));
}

#[test]
fn a_commit_without_its_owner_is_found() {
    let said = found(|world| run(Flaw::NoOwner, world));
    assert!(said.contains("points"), "{said}");
}

#[test]
fn effects_beside_the_record_are_found() {
    let said = found(|world| run(Flaw::NoTransaction, world));
    assert!(said.contains("points"), "{said}");
    assert!(faults(&said) <= 3, "{said}");
    assert!(said.contains("SETPIECE_SEEDS="), "{said}");
    assert!(said.contains("mutants::effects_beside_the_record_are_found -- --exact"), "{said}");
}

#[test]
fn a_redelivery_that_publishes_nothing_is_found() {
    let said = found(|world| run(Flaw::NoRelay, world));
    assert!(said.contains("left in the outbox"), "{said}");
    assert!(faults(&said) <= 3, "{said}");
}

#[test]
fn a_bus_that_answers_too_early_is_found() {
    let said = found(|world| {
        world.set_faults(WorldFaults::usual());
        let start = |it: &Sandbox| {
            let bus = Hasty { inner: it.bus(), kept: Mutex::default() };
            let publisher = Publisher::new(bus, Retry::new(it.clock(), it.random(), it.sleep()));
            App::builder(
                LOYALTY,
                Handlers::new(()).on(award),
                it.effects(),
                publisher,
                it.clock(),
                it.random(),
                it.sleep(),
            )
            .build()
        };
        world.function("loyalty", start).on::<ProductRegistered>();
        five_customers(world);
    });
    assert!(said.contains("events"), "{said}");
}

#[test]
fn what_fails_can_be_had_as_a_value() {
    let failure = World::find_failure(0..1000, |world| run(Flaw::NoTransaction, world)).unwrap();
    assert!(failure.message.contains("points"), "{failure}");
    assert!(failure.faults.len() <= failure.struck, "{failure}");
    assert!(failure.trace.contains("is invoked with"), "{failure}");
    assert_eq!(World::find_failure(0..5, |world| run(Flaw::None, world)), None);
}

#[test]
fn what_struck_is_counted_by_its_name() {
    let mut world = World::new(3).without_trace();
    run(Flaw::None, &mut world);
    let outcome = world.run();
    let faults = outcome.faults();
    assert_eq!(faults["crash"], outcome.crashes());
    assert_eq!(faults["duplicate"], u64::try_from(outcome.duplicates()).unwrap());
    assert!(faults.contains_key("throttling"), "{faults:?}");
    assert!(!faults.contains_key("replacement"), "{faults:?}");
    assert_eq!(world.trace(), "");
}
