//! Many worlds with the same registrations.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use setpiece_testing::{World, WorldFailure};

use crate::{Options, Summary, day::Day, services::products::registration::Registration};

/// A world in which a promise was broken, with as few registrations and faults as that takes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Broken {
    /// Number of the first registrations.
    pub registrations: usize,
    /// Failure of the world.
    pub failure: WorldFailure,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { registrations, failure } = self;
        write!(f, "with the first {registrations} registrations, {failure}")?;
        let seed = failure.seed;
        write!(f, "\nTo see it again: the same options with --seeds {seed}..{}", seed + 1)
    }
}

/// Lets all registrations pass through a world of each seed, on all cores, and adds up what became
/// of them; or tells of the first seed for which a promise was broken.
pub(crate) fn pass(
    seeds: impl IntoIterator<Item = u64>,
    registrations: &[(u64, Registration)],
    options: &Options,
    summary: Summary,
) -> Result<Summary, Box<Broken>> {
    let summary = Mutex::new(summary);
    let failure = find_failure(seeds, registrations, options, |day| {
        summary.lock().unwrap_or_else(PoisonError::into_inner).add(day);
        (options.progress)(1);
    });
    let Some(failure) = failure else {
        return Ok(summary.into_inner().unwrap_or_else(PoisonError::into_inner));
    };
    // Twice as many each time: as few as matters to a person.
    let mut count = 1;
    while count < registrations.len() {
        let first = registrations.get(..count).unwrap_or_default();
        if let Some(failure) = find_failure([failure.seed], first, options, |_| {}) {
            return Err(Box::new(Broken { registrations: count, failure }));
        }
        count *= 2;
    }
    Err(Box::new(Broken { registrations: registrations.len(), failure }))
}

fn find_failure(
    seeds: impl IntoIterator<Item = u64>,
    registrations: &[(u64, Registration)],
    options: &Options,
    passed: impl Fn(Day) + Sync,
) -> Option<WorldFailure> {
    World::find_failure(seeds, |world| {
        world.set_faults(options.faults.clone());
        let day = Day::pass(world, options.store, registrations.iter().cloned());
        assert!(day.verdict.is_kept(), "{}", day.verdict);
        passed(day);
    })
}
