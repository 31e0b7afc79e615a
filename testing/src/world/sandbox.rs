use std::{fmt, sync::Arc};

use setpiece_bus::{Bus, Publisher};
use setpiece_envelope::{ServiceId, Stamp};
use setpiece_handler::{
    App, AppBuilder, AppError, BoxFuture, EffectStore, Handlers, InMemoryQuarantine, MemoryEffects,
};
use setpiece_policy::{Deadline, Retry, SeededRandom};

use super::{
    Core, WorldIds,
    ledger::Ledger,
    ports::{
        CoreHandle, WorldBus, WorldCalls, WorldClock, WorldEffects, WorldQuarantine, WorldSleep,
    },
};
use crate::{FakeBus, must::must};

/// Surroundings that a process in a [`World`](super::World) is started with.
///
/// Everything that leaves the process goes through what it gets here, so that it takes time, can
/// fail, and is a point at which the process can end.
#[derive(Clone)]
pub struct Sandbox {
    pub(super) core: Arc<Core>,
    pub(super) bus: FakeBus,
    pub(super) buses: Vec<FakeBus>,
    pub(super) memory: MemoryEffects,
    pub(super) ledger: Arc<Ledger>,
    pub(super) kept: InMemoryQuarantine,
    /// By how many milliseconds its clock is wrong.
    pub(super) skew: i64,
    pub(super) seed: u64,
    pub(super) function: Arc<str>,
    #[cfg(feature = "dynamodb")]
    pub(super) client: Option<aws_sdk_dynamodb::Client>,
}

impl Sandbox {
    /// Begins an app with everything of this process: effects in memory, bus, time, chance and
    /// quarantine. Its name is that of the function.
    pub fn app<S: Send + Sync + 'static>(
        &self,
        service: ServiceId,
        handlers: Handlers<S>,
    ) -> AppBuilder<S, WorldEffects, WorldBus> {
        self.app_with(service, handlers, self.effects())
    }

    /// Makes an app with other effects, such as those in DynamoDB.
    pub fn app_with<S: Send + Sync + 'static, X: EffectStore>(
        &self,
        service: ServiceId,
        handlers: Handlers<S>,
        effects: X,
    ) -> AppBuilder<S, X, WorldBus> {
        let (clock, random, sleep) = (self.clock(), self.random(), self.sleep());
        App::builder(service, handlers, effects, self.publisher(), clock, random, sleep)
            .named(&*self.function)
            .quarantine(self.quarantine())
    }

    /// Returns the process with another bus to publish on.
    ///
    /// # Panics
    ///
    /// When the world [has no such bus](super::World::add_bus).
    #[must_use]
    #[track_caller]
    pub fn on_bus(&self, name: &str) -> Self {
        let bus = self.buses.iter().find(|bus| bus.name() == name).cloned();
        Self { bus: must("a bus", bus.ok_or("the world does not have it")), ..self.clone() }
    }

    /// The clock of this process.
    #[must_use]
    pub fn clock(&self) -> WorldClock {
        WorldClock { core: Arc::clone(&self.core), skew: self.skew }
    }

    /// Waiting, for this process.
    #[must_use]
    pub fn sleep(&self) -> WorldSleep {
        WorldSleep(Arc::clone(&self.core))
    }

    /// The chance of this process. Each call begins the same sequence.
    #[must_use]
    pub fn random(&self) -> SeededRandom {
        SeededRandom::new(self.seed)
    }

    /// The way to the bus.
    #[must_use]
    pub fn bus(&self) -> WorldBus {
        WorldBus { core: Arc::clone(&self.core), bus: self.bus.clone() }
    }

    /// A publisher on the bus.
    #[must_use]
    pub fn publisher(&self) -> Publisher<WorldBus> {
        // Another sequence than that of the app, whose retries are others.
        let random = SeededRandom::new(!self.seed);
        let ids = WorldIds(SeededRandom::new(!self.seed ^ 1));
        Publisher::new(self.bus(), Retry::new(self.clock(), random, self.sleep()))
            .with_stamp(Stamp::new(self.clock(), ids))
    }

    /// The way to the effects in memory.
    #[must_use]
    pub fn effects(&self) -> WorldEffects {
        WorldEffects::new(&self.core, &self.memory, &self.ledger)
    }

    /// The way to services outside of the world, for handlers that call them.
    #[must_use]
    pub fn calls(&self) -> WorldCalls {
        WorldCalls(CoreHandle(Arc::clone(&self.core)))
    }

    /// The way to the quarantine of the function.
    #[must_use]
    pub fn quarantine(&self) -> WorldQuarantine {
        WorldQuarantine { core: CoreHandle(Arc::clone(&self.core)), kept: self.kept.clone() }
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("function", &self.function)
            .field("skew", &self.skew)
            .finish_non_exhaustive()
    }
}

/// Answer of a function, or the reason that it failed.
pub(super) type Invoked = BoxFuture<'static, Result<String, String>>;

/// An [`App`] of any type.
pub(super) trait Invoke {
    fn invoke(&self, payload: Arc<[u8]>, deadline: Deadline) -> Invoked;
}

impl<S, X, B> Invoke for App<S, X, B>
where
    S: Send + Sync + 'static,
    X: EffectStore,
    B: Bus,
{
    fn invoke(&self, payload: Arc<[u8]>, deadline: Deadline) -> Invoked {
        let app = self.clone();
        Box::pin(async move {
            let answer = Self::invoke(&app, &payload, deadline).await;
            answer.map_err(|error| error.to_string())
        })
    }
}

/// Starts processes of a function.
pub(super) type Start = Box<dyn Fn(&Sandbox) -> Result<Box<dyn Invoke>, AppError>>;
