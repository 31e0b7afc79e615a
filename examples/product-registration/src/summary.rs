use std::ops::Range;

use serde::{Serialize, Serializer};

use crate::{
    choreography::{EVENTS, SERVICES},
    day::Day,
    effect::Effect,
    tally::Tally,
    verdict::Verdict,
};

/// The totals of a run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// The seeds of the worlds.
    pub seeds: Range<u64>,
    /// Lines that were registrations, each counted in every world that it passed through.
    pub registrations: u64,
    /// Lines that were not.
    pub rejected: u64,
    /// Events by their names.
    pub events: Counts,
    /// Effects of the services, by their names.
    pub effects: Counts,
    /// The points that were awarded.
    pub points: u64,
    /// Counts of the worlds, and their cost.
    pub tally: Tally,
    /// Verdict on the promises.
    pub verdict: Verdict,
}

impl Summary {
    /// Nothing yet.
    pub(crate) fn new(seeds: Range<u64>) -> Self {
        Self {
            seeds,
            registrations: 0,
            rejected: 0,
            events: Counts::new(&EVENTS),
            effects: Counts::new(&SERVICES.map(|service| service.service())),
            points: 0,
            tally: Tally::default(),
            verdict: Verdict::default(),
        }
    }

    pub(crate) fn add(&mut self, day: Day) {
        let Day { flows, tally, verdict } = day;
        self.registrations += flows.len() as u64;
        for (_, flow) in &flows {
            for event in &flow.events {
                self.events.add(&event.name);
            }
            for effect in &flow.effects {
                self.effects.add(&effect.service);
                if let Effect::PointsAwarded { points } = effect.effect {
                    self.points += u64::from(points);
                }
            }
        }
        self.tally.add(tally);
        self.verdict.add(verdict);
    }
}

/// Numbers of effects by name, in the order of the business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts(Vec<(String, u64)>);

impl Counts {
    fn new(names: &[&str]) -> Self {
        Self(names.iter().map(|name| ((*name).to_owned(), 0)).collect())
    }

    fn add(&mut self, name: &str) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, count)) => *count += 1,
            None => self.0.push((name.to_owned(), 1)),
        }
    }

    /// Returns the number of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.iter().find(|(known, _)| *known == name).map_or(0, |(_, count)| count)
    }

    /// All names with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, count)| (name.as_str(), *count))
    }
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}
