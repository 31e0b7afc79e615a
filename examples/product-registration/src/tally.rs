use std::{collections::BTreeMap, time::Duration};

use setpiece_testing::Outcome;

/// Counts of what worlds did to the services, and their cost.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Tally {
    /// Worlds.
    pub worlds: u64,
    /// Events on their way to a function, copies among them.
    pub deliveries: u64,
    /// Those that nobody had asked for.
    pub duplicates: u64,
    /// Number of times that a process was given one of them.
    pub attempts: u64,
    /// Processes that ended in the middle of an invocation.
    pub crashes: u64,
    /// All faults that struck by chance, by what each is called.
    pub faults: BTreeMap<&'static str, u64>,
    /// Deliveries that were put aside.
    pub quarantined: u64,
    /// Requests to tables, the bus and the quarantine.
    pub requests: u64,
    /// The write capacity units that the engine has counted: whole ones, and none in memory.
    pub write_units: u64,
    /// Number of flows by milliseconds.
    latencies: BTreeMap<u64, u64>,
}

impl Tally {
    pub(crate) fn of(outcome: &Outcome, functions: &[&str]) -> Self {
        let mut latencies = BTreeMap::new();
        for latency in outcome.latencies() {
            *latencies
                .entry(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX))
                .or_default() += 1;
        }
        let quarantined = functions.iter().map(|it| outcome.quarantined(it).len() as u64).sum();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let write_units = outcome.write_units() as u64;
        Self {
            worlds: 1,
            deliveries: outcome.deliveries().len() as u64,
            duplicates: outcome.duplicates() as u64,
            attempts: outcome.deliveries().iter().map(|it| u64::from(it.attempts)).sum(),
            crashes: outcome.crashes(),
            faults: outcome.faults().clone(),
            quarantined,
            requests: outcome.requests().values().sum(),
            write_units,
            latencies,
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        let Self { worlds, deliveries, duplicates, attempts, crashes, faults, .. } = other;
        self.worlds += worlds;
        self.deliveries += deliveries;
        self.duplicates += duplicates;
        self.attempts += attempts;
        self.crashes += crashes;
        for (name, count) in faults {
            *self.faults.entry(name).or_default() += count;
        }
        self.quarantined += other.quarantined;
        self.requests += other.requests;
        self.write_units += other.write_units;
        for (millis, count) in other.latencies {
            *self.latencies.entry(millis).or_default() += count;
        }
    }

    /// Returns the longest time of the fastest `percent` of a hundred flows, in the time of their
    /// world: from the moment at which the bus took the registration to the last acknowledgement of
    /// any event that it led to.
    #[must_use]
    pub fn latency(&self, percent: u64) -> Duration {
        let flows: u64 = self.latencies.values().sum();
        let mut wanted = (flows * percent).div_ceil(100).max(1);
        for (millis, count) in &self.latencies {
            if *count >= wanted {
                return Duration::from_millis(*millis);
            }
            wanted -= count;
        }
        Duration::ZERO
    }

    /// Returns the number of faults of a name that have struck.
    #[must_use]
    pub fn faults_of(&self, name: &str) -> u64 {
        self.faults.get(name).copied().unwrap_or(0)
    }
}
