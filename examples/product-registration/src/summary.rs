use serde::{Serialize, Serializer};

use crate::flow::Flow;

/// The totals of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Lines that were registrations.
    pub registrations: u64,
    /// Lines that were not.
    pub rejected: u64,
    /// Events by their names.
    pub events: Counts,
    /// What services did, by their names.
    pub effects: Counts,
}

impl Summary {
    /// Nothing yet of any of `events` and `services`.
    pub(crate) fn new(events: &[&str], services: &[&str]) -> Self {
        Self {
            registrations: 0,
            rejected: 0,
            events: Counts::new(events),
            effects: Counts::new(services),
        }
    }

    pub(crate) fn count(&mut self, flow: &Flow) {
        self.registrations += 1;
        for event in &flow.events {
            self.events.add(&event.name);
        }
        for effect in &flow.effects {
            self.effects.add(&effect.service);
        }
    }
}

/// How many there are of each, in the order of the business.
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

    /// How many there are of `name`.
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
