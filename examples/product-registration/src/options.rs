use std::{fmt, num::NonZero, sync::Arc};

use setpiece_policy::{Random as _, SystemRandom};
use setpiece_testing::WorldFaults;

use crate::Store;

/// For whom the report is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// A person: a tree for each registration, then totals.
    Tree,
    /// A program: one JSON document.
    Json,
}

/// Options of a run.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// For whom the report is.
    pub format: Format,
    /// The seed of the first world; each that follows has the next one. Everything in a world
    /// follows from it.
    pub seed: u64,
    /// Faults that strike.
    pub faults: WorldFaults,
    /// Place of the services' tables.
    pub store: Store,
    /// Number of registrations that share a world.
    pub per_world: NonZero<usize>,
    pub(crate) progress: Arc<dyn Fn(u64) + Send + Sync>,
}

impl Options {
    /// Number of registrations that share a world, unless it is said otherwise.
    pub const DEFAULT_PER_WORLD: NonZero<usize> = NonZero::new(100).unwrap();

    /// A report in `format` about worlds in which nothing goes wrong, with another seed each time.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self {
            format,
            // Short enough to be typed.
            seed: SystemRandom.next_u64() >> 32,
            faults: WorldFaults::none(),
            store: Store::default(),
            per_world: Self::DEFAULT_PER_WORLD,
            progress: Arc::new(|_| {}),
        }
    }

    /// Sets the seed.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Sets the faults.
    #[must_use]
    pub fn with_faults(self, faults: WorldFaults) -> Self {
        Self { faults, ..self }
    }

    /// Sets the place of the tables.
    #[must_use]
    pub fn with_store(self, store: Store) -> Self {
        Self { store, ..self }
    }

    /// Sets the number of registrations in each world.
    #[must_use]
    pub fn with_per_world(self, per_world: NonZero<usize>) -> Self {
        Self { per_world, ..self }
    }

    /// Tells how it gets on: with the registrations that are done since the last call, or with the
    /// worlds, where there are many for the same registrations.
    #[must_use]
    pub fn with_progress(self, progress: impl Fn(u64) + Send + Sync + 'static) -> Self {
        Self { progress: Arc::new(progress), ..self }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { format, seed, faults, store, per_world, progress: _ } = self;
        f.debug_struct("Options")
            .field("format", format)
            .field("seed", seed)
            .field("faults", faults)
            .field("store", store)
            .field("per_world", per_world)
            .finish_non_exhaustive()
    }
}
