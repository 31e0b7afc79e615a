use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use setpiece_envelope::DomainEvent;
use setpiece_handler::{App, AppError, EffectStore, InMemoryQuarantine};

use super::{
    Queue, Route, Sandbox, World,
    kernel::RunId,
    queue::QueueState,
    sandbox::{Invoke, Start},
    stream::StreamState,
};
use crate::{Rule, Target, must::must};

/// A function that was added to a [`World`], for what else there is to say about it.
#[derive(Debug)]
pub struct WorldFunction<'w> {
    world: &'w mut World,
    index: usize,
    /// On which bus the next rules are.
    bus: usize,
}

/// A function with its processes.
pub(super) struct FunctionState {
    pub(super) name: Arc<str>,
    pub(super) start: Start,
    pub(super) timeout: Duration,
    pub(super) retries: u32,
    pub(super) concurrency: usize,
    pub(super) keep_alive: Duration,
    pub(super) sandboxes: Vec<SandboxState>,
    pub(super) kept: InMemoryQuarantine,
    pub(super) subscriptions: u32,
    pub(super) tally: FunctionTally,
    /// Number of points that an invocation has, as far as is known.
    pub(super) points: u32,
}

/// A process.
pub(super) struct SandboxState {
    pub(super) id: u64,
    pub(super) who: Arc<str>,
    pub(super) app: Box<dyn Invoke>,
    pub(super) busy: Option<RunId>,
    pub(super) idle_since: u64,
}

/// Counts of a function of a world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionTally {
    /// Invocations.
    pub invocations: u64,
    /// Those that succeeded, be it in part.
    pub succeeded: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those whose process ended.
    pub crashed: u64,
    /// Those whose time was up.
    pub timed_out: u64,
    /// Those whose process stood still.
    pub frozen: u64,
    /// Processes that were started.
    pub sandboxes: u64,
    /// Invocations that had to wait, since there were too many at the same time.
    pub throttled: u64,
}

pub(super) fn start<S, X, B>(
    factory: impl Fn(&Sandbox) -> Result<App<S, X, B>, AppError> + 'static,
) -> Start
where
    S: Send + Sync + 'static,
    X: EffectStore,
    B: setpiece_bus::Bus,
{
    Box::new(move |sandbox| Ok(Box::new(factory(sandbox)?)))
}

impl FunctionState {
    pub(super) fn new(name: &str, start: Start) -> Self {
        Self {
            name: name.into(),
            start,
            timeout: Duration::from_secs(10),
            retries: 2,
            concurrency: 1000,
            keep_alive: Duration::from_mins(5),
            sandboxes: Vec::new(),
            kept: InMemoryQuarantine::new(),
            subscriptions: 0,
            tally: FunctionTally::default(),
            points: 8,
        }
    }

    pub(super) fn running(&self) -> usize {
        self.sandboxes.iter().filter(|sandbox| sandbox.busy.is_some()).count()
    }
}

impl<'w> WorldFunction<'w> {
    pub(super) fn new(world: &'w mut World, index: usize) -> Self {
        Self { world, index, bus: 0 }
    }

    /// Puts the rules that follow on the bus of that name.
    ///
    /// # Panics
    ///
    /// When the world [has no such bus](World::add_bus).
    #[track_caller]
    pub fn bus(&mut self, name: &str) -> &mut Self {
        let index = self.world.bus_index(name).ok_or_else(|| format!("there is no bus {name}"));
        self.bus = must("a bus", index);
        self
    }

    /// Is invoked with the events of `E`'s source and detail-type, asynchronously: through Lambda's
    /// own queue, from which an event is tried again after one minute and after two.
    pub fn on<E: DomainEvent>(&mut self) -> &mut Self {
        let name = self.subscription();
        self.subscribe(Rule::of::<E>(&name), None)
    }

    /// Subscribes the function to the events that a rule matches.
    pub fn on_rule(&mut self, rule: Rule) -> &mut Self {
        self.subscribe(rule, None)
    }

    /// Gets the events of `E`'s source and detail-type by way of a queue.
    pub fn queue<E: DomainEvent>(&mut self, queue: Queue) -> &mut Self {
        let name = self.subscription();
        self.subscribe(Rule::of::<E>(&name), Some(queue))
    }

    /// Subscribes a queue of the function to the events that a rule matches.
    pub fn queue_rule(&mut self, rule: Rule, queue: Queue) -> &mut Self {
        self.subscribe(rule, Some(queue))
    }

    /// Reads the streams of the tables in which effects have their outbox, and so publishes what
    /// processes leave there that do not come back.
    ///
    /// What it fails with comes again until it is done.
    pub fn outbox(&mut self) -> &mut Self {
        self.world.streams.push(StreamState::new(self.index));
        self
    }

    /// Limits the time of an invocation; the default is ten seconds.
    pub fn timeout(&mut self, timeout: Duration) -> &mut Self {
        self.change(|state| state.timeout = timeout)
    }

    /// Sets the number of times that an asynchronous invocation that failed is made again, up to
    /// twice; the default is twice. One that failed then is a dead letter.
    pub fn retries(&mut self, retries: u32) -> &mut Self {
        self.change(|state| state.retries = retries.min(2))
    }

    /// Limits the invocations at the same time; the default is 1000.
    pub fn concurrency(&mut self, invocations: usize) -> &mut Self {
        self.change(|state| state.concurrency = invocations.max(1))
    }

    fn change(&mut self, change: impl FnOnce(&mut FunctionState)) -> &mut Self {
        if let Some(state) = self.world.functions.get_mut(self.index) {
            change(state);
        }
        self
    }

    /// The name of the next subscription.
    fn subscription(&self) -> String {
        match self.world.functions.get(self.index) {
            Some(state) => format!("{}.{}", state.name, state.subscriptions),
            None => String::new(),
        }
    }

    #[track_caller]
    fn subscribe(&mut self, rule: Rule, queue: Option<Queue>) -> &mut Self {
        let target = self.subscription();
        let route = match queue {
            None => Route::Function(self.index),
            Some(settings) => {
                let suffix = if settings.group.is_some() { ".fifo" } else { "" };
                self.world.queues.push(QueueState {
                    name: format!("{target}{suffix}").into(),
                    settings,
                    function: self.index,
                    messages: BTreeMap::new(),
                    visible: BTreeSet::new(),
                    is_watched: false,
                });
                Route::Queue(self.world.queues.len() - 1)
            }
        };
        let name = rule.name().to_owned();
        let bus = self.world.buses.get(self.bus).unwrap_or(self.world.bus());
        must("adding a rule", bus.put_rule(rule));
        must("adding a target", bus.put_targets(&name, [Target::new(&target)]));
        self.world.routes.insert(target, route);
        self.change(|state| state.subscriptions += 1)
    }
}
