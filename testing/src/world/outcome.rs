use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use serde::de::DeserializeOwned;
use serde_dynamo::AttributeValue;
use setpiece_envelope::{DomainEvent, Envelope};
use setpiece_handler::{MemoryEffects, Quarantined, Reason};
use setpiece_idempotency::record::Status;

use super::{FunctionTally, World, WorldDelivery, WorldEnding};
use crate::{FakeBus, fingerprint::fingerprint, must::must};

/// Outcome of a [`World`] that has come to rest.
///
/// Its verdicts are about what the bus has recorded and what is in the tables. What the code under
/// test says about itself counts for nothing.
pub struct Outcome {
    deliveries: Vec<WorldDelivery>,
    functions: BTreeMap<String, FunctionTally>,
    quarantined: BTreeMap<String, Vec<Quarantined>>,
    faults: BTreeMap<&'static str, u64>,
    requests: BTreeMap<String, u64>,
    buses: Vec<FakeBus>,
    memory: MemoryEffects,
    /// Number of commits of effects, by the part of the key that may be shown.
    commits: BTreeMap<String, u64>,
    /// Guards' records that are in progress.
    claims: usize,
    outbox: usize,
    units: (f64, f64),
    latencies: Vec<Duration>,
    /// Expected number of items in quarantine for each reason.
    expected: BTreeMap<&'static str, usize>,
    #[cfg(feature = "dynamodb")]
    database: Option<crate::LocalDynamoDb>,
}

impl Outcome {
    pub(super) fn new(world: &World) -> Self {
        let commits = world.ledger.commits();
        let store = setpiece_handler::EffectStore::records(&world.memory);
        let is_claimed = |status| status == Some(Status::InProgress);
        let statuses = commits.keys().map(|key| store.record(key).map(|record| record.status));
        let claims = statuses.filter(|status| is_claimed(*status)).count();
        #[cfg(feature = "dynamodb")]
        let (more_claims, more_outbox, units) =
            world.database.as_ref().map_or((0, 0, (0.0, 0.0)), super::database::Database::look);
        #[cfg(not(feature = "dynamodb"))]
        let (more_claims, more_outbox, units) = (0, 0, (0.0, 0.0));
        #[cfg(feature = "dynamodb")]
        let engine_commits =
            world.database.as_ref().map(|it| it.local.commits()).unwrap_or_default();
        #[cfg(not(feature = "dynamodb"))]
        let engine_commits = BTreeMap::<String, u64>::new();
        let functions = || world.functions.iter();
        Self {
            deliveries: world.deliveries.clone(),
            functions: functions().map(|it| ((*it.name).to_owned(), it.tally)).collect(),
            quarantined: functions().map(|it| ((*it.name).to_owned(), it.kept.items())).collect(),
            faults: world.core.faults_by_name(),
            requests: world.core.requests(),
            buses: world.buses.clone(),
            memory: world.memory.clone(),
            commits: commits
                .into_iter()
                .map(|(key, count)| (key.shown(), count))
                .chain(engine_commits)
                .collect(),
            claims: claims + more_claims,
            outbox: world.memory.outbox().len() + more_outbox,
            units,
            latencies: latencies(world),
            expected: BTreeMap::new(),
            #[cfg(feature = "dynamodb")]
            database: world.database.as_ref().map(|it| it.local.clone()),
        }
    }

    /// All deliveries, in the order in which the bus made them.
    #[must_use]
    pub fn deliveries(&self) -> &[WorldDelivery] {
        &self.deliveries
    }

    /// Those to one function.
    pub fn deliveries_to(&self, function: &str) -> impl Iterator<Item = &WorldDelivery> {
        self.deliveries.iter().filter(move |delivery| delivery.function == function)
    }

    /// Those that nobody asked for.
    #[must_use]
    pub fn duplicates(&self) -> usize {
        self.deliveries.iter().filter(|delivery| delivery.is_duplicate).count()
    }

    /// Those that were given up.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<&WorldDelivery> {
        self.deliveries.iter().filter(|it| it.ending == WorldEnding::Dead).collect()
    }

    /// Those that no function has acknowledged, dead letters among them.
    #[must_use]
    pub fn unacknowledged(&self) -> Vec<&WorldDelivery> {
        self.deliveries.iter().filter(|it| it.ending != WorldEnding::Acknowledged).collect()
    }

    /// Those that were dead letters at any time, also where they were sent once more, though no fault
    /// struck any attempt at the event.
    #[must_use]
    pub fn unexplained(&self) -> Vec<&WorldDelivery> {
        let is_of = |dead: &WorldDelivery, it: &WorldDelivery| {
            it.function == dead.function && it.event_id == dead.event_id
        };
        let is_struck = |dead| self.deliveries.iter().any(|it| is_of(dead, it) && it.struck > 0);
        self.deliveries.iter().filter(|it| it.was_dead && !is_struck(it)).collect()
    }

    /// Says that so many different items are in quarantine for this reason, of all functions
    /// together. Without it, [`assert_sound`](Self::assert_sound) takes each for a mistake.
    #[must_use]
    pub fn expect_quarantined(mut self, items: usize, reason: Reason) -> Self {
        *self.expected.entry(reason.name()).or_default() += items;
        self
    }

    /// Returns the counts of a function.
    #[must_use]
    pub fn function(&self, name: &str) -> FunctionTally {
        self.functions.get(name).copied().unwrap_or_default()
    }

    /// Returns the number of processes that ended in the middle of an invocation, of all functions
    /// together.
    #[must_use]
    pub fn crashes(&self) -> u64 {
        self.functions.values().map(|tally| tally.crashed).sum()
    }

    /// Returns the items that a function has put into quarantine.
    #[must_use]
    pub fn quarantined(&self, function: &str) -> &[Quarantined] {
        self.quarantined.get(function).map(Vec::as_slice).unwrap_or_default()
    }

    /// Counts the faults that struck by chance or for a time, by what each is called:
    /// `cancellation`, `crash`, `delay`, `duplicate`, `failure`, `freeze`, `late write`,
    /// `lost answer`, `missing resource`, `outage`, `partial failure`, `refused event`,
    /// `refused permission`, `replacement` and `throttling`. One that did not strike is not there,
    /// and what is out of order for a time strikes once.
    #[must_use]
    pub fn faults(&self) -> &BTreeMap<&'static str, u64> {
        &self.faults
    }

    /// Returns the number of requests of each operation.
    #[must_use]
    pub fn requests(&self) -> &BTreeMap<String, u64> {
        &self.requests
    }

    /// The write capacity units that the database has counted.
    #[must_use]
    pub fn write_units(&self) -> f64 {
        self.units.0
    }

    /// The read capacity units that the database has counted.
    #[must_use]
    pub fn read_units(&self) -> f64 {
        self.units.1
    }

    /// The bus of everybody who names none, with all that it has recorded.
    ///
    /// # Panics
    ///
    /// Never: each world has it.
    #[must_use]
    pub fn bus(&self) -> &FakeBus {
        must("the bus", self.buses.first().ok_or("there is none"))
    }

    /// The bus of that name, with all that it has recorded.
    ///
    /// # Panics
    ///
    /// When the world does not have it.
    #[must_use]
    #[track_caller]
    pub fn bus_named(&self, name: &str) -> &FakeBus {
        let bus = self.buses.iter().find(|bus| setpiece_bus::Bus::name(*bus) == name);
        must("the bus", bus.ok_or_else(|| format!("there is no bus {name}")))
    }

    /// The events of one type that were published on any bus, each once however often it was.
    ///
    /// # Panics
    ///
    /// When one of them cannot be read as `E`.
    #[must_use]
    #[track_caller]
    pub fn published<E: DomainEvent + DeserializeOwned>(&self) -> Vec<Envelope<E>> {
        let mut seen = BTreeSet::new();
        let mut events: Vec<_> = self.buses.iter().flat_map(FakeBus::published::<E>).collect();
        events.retain(|event| seen.insert(event.metadata.event_id.as_str().to_owned()));
        events
    }

    /// All items of a table, that of the database if it has it.
    #[must_use]
    pub fn items(&self, table: &str) -> Vec<serde_dynamo::Item> {
        #[cfg(feature = "dynamodb")]
        if let Some(database) = self.database.as_ref().filter(|it| it.has_table(table)) {
            return database.items(table);
        }
        let items = self.memory.items(table).into_iter();
        items.map(serde_dynamo::Item::from).collect()
    }

    /// The sum of an attribute over all items of a table, where it is a whole number.
    #[must_use]
    pub fn sum(&self, table: &str, attribute: &str) -> i64 {
        let number = |item: &serde_dynamo::Item| match item.get(attribute) {
            Some(AttributeValue::N(number)) => number.parse::<i64>().ok(),
            _ => None,
        };
        self.items(table).iter().filter_map(number).sum()
    }

    /// Counts the commits for each record that a guard has claimed, by what the store did. A record
    /// in a table is named by the table and its key.
    #[must_use]
    pub fn commits(&self) -> &BTreeMap<String, u64> {
        &self.commits
    }

    /// Returns the number of events in outboxes.
    #[must_use]
    pub fn outbox(&self) -> usize {
        self.outbox
    }

    /// Returns the number of guards' records in progress: for ever, since nobody has them any more.
    #[must_use]
    pub fn claims(&self) -> usize {
        self.claims
    }

    /// Returns the times of flows: from the moment at which the bus took the first event of one, to
    /// the last acknowledgement of any of its events.
    #[must_use]
    pub fn latency(&self) -> Percentiles {
        Percentiles::of(self.latencies.clone())
    }

    /// Returns these times flow by flow, for those who put several worlds together.
    #[must_use]
    pub fn latencies(&self) -> &[Duration] {
        &self.latencies
    }

    /// Everything is as it should be: all that follows.
    ///
    /// # Panics
    ///
    /// When it is not.
    #[track_caller]
    pub fn assert_sound(&self) {
        self.assert_nothing_twice();
        self.assert_all_acknowledged();
        self.assert_outbox_empty();
        self.assert_no_claims();
        self.assert_quarantine();
        self.assert_explained();
    }

    /// In quarantine is as much as was [expected](Self::expect_quarantined), for each reason. An
    /// item that was put there twice counts once.
    ///
    /// # Panics
    ///
    /// When there is more or less.
    #[track_caller]
    pub fn assert_quarantine(&self) {
        let mut found: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for (function, item) in self
            .quarantined
            .iter()
            .flat_map(|(function, all)| all.iter().map(move |it| (function, it)))
        {
            let id = item.event_id.as_ref().map(|id| id.as_str().to_owned());
            let id = id.unwrap_or_else(|| format!("{:x}", fingerprint(&[&item.bytes])));
            found.entry(item.reason.name()).or_default().insert(format!("{function} {id}"));
        }
        let found: BTreeMap<&str, usize> = found.iter().map(|(it, ids)| (*it, ids.len())).collect();
        assert!(
            found == self.expected,
            "in quarantine is {found:?}, and {:?} was expected",
            self.expected
        );
    }

    /// No delivery was given up without a fault.
    ///
    /// # Panics
    ///
    /// When one was.
    #[track_caller]
    pub fn assert_explained(&self) {
        let left = self.unexplained();
        let first =
            left.first().map(|it| format!("{} {} to {}", it.name, it.event_id, it.function));
        let first = first.unwrap_or_default();
        assert!(
            left.is_empty(),
            "{} deliveries were given up without a fault, such as {first}",
            left.len()
        );
    }

    /// Each delivery of each event was acknowledged.
    ///
    /// # Panics
    ///
    /// When one was not.
    #[track_caller]
    pub fn assert_all_acknowledged(&self) {
        let left = self.unacknowledged();
        let first = left
            .first()
            .map(|it| format!("{} {} to {}: {:?}", it.name, it.event_id, it.function, it.ending));
        let first = first.unwrap_or_default();
        assert!(
            left.is_empty(),
            "{} deliveries were not acknowledged, such as {first}",
            left.len()
        );
    }

    /// No event waits to be published.
    ///
    /// # Panics
    ///
    /// When one does.
    #[track_caller]
    pub fn assert_outbox_empty(&self) {
        assert!(self.outbox == 0, "{} events are left in the outbox", self.outbox);
    }

    /// No record of a guard is in progress.
    ///
    /// # Panics
    ///
    /// When one is.
    #[track_caller]
    pub fn assert_no_claims(&self) {
        assert!(self.claims == 0, "{} records of guards are left in progress", self.claims);
    }

    /// No store has committed effects twice for one record of a guard, by what the store did and not
    /// by what the guard says.
    ///
    /// What tables ought to hold in the end, only their service knows: see [`items`](Self::items)
    /// and [`sum`](Self::sum).
    ///
    /// # Panics
    ///
    /// When one has.
    #[track_caller]
    pub fn assert_nothing_twice(&self) {
        let twice = self.commits.iter().find(|(_, count)| **count > 1);
        let (key, count) = twice.map_or(("", 0), |(key, count)| (key.as_str(), *count));
        assert!(twice.is_none(), "effects were committed {count} times for the key {key}");
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome")
            .field("deliveries", &self.deliveries.len())
            .field("unacknowledged", &self.unacknowledged().len())
            .field("functions", &self.functions)
            .field("requests", &self.requests)
            .field("outbox", &self.outbox)
            .field("claims", &self.claims)
            .finish_non_exhaustive()
    }
}

/// Counts of everything, in a few lines.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attempts: u32 = self.deliveries.iter().map(|delivery| delivery.attempts).sum();
        let (all, open) = (self.deliveries.len(), self.unacknowledged().len());
        let (twice, crashes) = (self.duplicates(), self.crashes());
        let aside: usize = self.quarantined.values().map(Vec::len).sum();
        let requests: u64 = self.requests.values().sum();
        writeln!(
            f,
            "{all} deliveries ({twice} duplicates), {attempts} attempts, {crashes} crashes"
        )?;
        writeln!(f, "{open} unacknowledged, {aside} in quarantine, {} in the outbox", self.outbox)?;
        writeln!(f, "{requests} requests, {} write units", self.units.0)?;
        write!(f, "{}", self.latency())
    }
}

/// Percentiles of the times of flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Percentiles {
    /// Number of flows.
    pub flows: usize,
    /// Half of them took no longer.
    pub p50: Duration,
    /// Nine of ten took no longer.
    pub p90: Duration,
    /// 99 of a hundred took no longer.
    pub p99: Duration,
    /// None took longer.
    pub p100: Duration,
}

impl Percentiles {
    /// Those of these durations.
    #[must_use]
    pub fn of(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        let flows = durations.len();
        // The smallest one that so many of a hundred do not exceed.
        let at = |percent: usize| {
            let place = (flows * percent).div_ceil(100).saturating_sub(1);
            durations.get(place).copied().unwrap_or_default()
        };
        Self { flows, p50: at(50), p90: at(90), p99: at(99), p100: at(100) }
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { flows, p50, p90, p99, p100 } = self;
        write!(f, "P50 {p50:?}, P90 {p90:?}, P99 {p99:?}, P100 {p100:?} of {flows} flows")
    }
}

fn latencies(world: &World) -> Vec<Duration> {
    let mut flows: BTreeMap<String, (u64, Option<u64>)> = BTreeMap::new();
    for event in world.buses.iter().flat_map(FakeBus::events) {
        let Some(metadata) = event.metadata() else { continue };
        let Some(flow) = &metadata.correlation.correlation_id else { continue };
        let at = u64::try_from(event.received().unix_millis()).unwrap_or(0);
        flows.entry(flow.as_str().to_owned()).or_insert((at, None));
    }
    for delivery in &world.deliveries {
        let Some(flow) = &delivery.correlation_id else { continue };
        if let Some((_, last)) = flows.get_mut(flow) {
            *last = (*last).max(delivery.acknowledged_at);
        }
    }
    let ended = flows.into_values().filter_map(|(first, last)| Some(last?.saturating_sub(first)));
    ended.map(Duration::from_millis).collect()
}
