//! A whole choreography in one process: functions, queues and a bus in a time of their own.

mod check;
#[cfg(feature = "dynamodb")]
mod database;
mod faults;
mod flow;
mod function;
mod kernel;
mod ledger;
mod outcome;
mod ports;
mod queue;
mod request;
mod run;
mod sandbox;
mod stream;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use serde::Serialize;
use setpiece_bus::{Bus, OutgoingEvent};
use setpiece_envelope::{Correlation, DomainEvent, EventId, IdSource, Stamp, Timestamp};
use setpiece_handler::{App, AppError, EffectStore, MemoryEffects, OutboxKey};
use setpiece_policy::{Random as _, SeededRandom};
use ulid::Ulid;

pub use self::{
    check::WorldFailure,
    faults::WorldFaults,
    flow::{WorldDelivery, WorldEnding},
    function::{FunctionTally, WorldFunction},
    outcome::{Outcome, Percentiles},
    ports::{
        WorldBus, WorldCalls, WorldClock, WorldEffects, WorldQuarantine, WorldRecords, WorldSleep,
    },
    queue::Queue,
    request::{RequestFault, WorldResource},
    sandbox::Sandbox,
};
use self::{
    flow::Letter,
    function::FunctionState,
    kernel::{Kernel, RunId},
    ledger::Ledger,
    queue::QueueState,
    request::Late,
    run::Run,
    sandbox::Start,
    stream::StreamState,
};
use crate::{FakeBus, PutEventsAnswer, PutEventsEntry, PutEventsResult, must::must};

/// Acts of the cloud.
#[derive(Debug)]
enum Act {
    /// Somebody outside publishes an event on a bus.
    Publish(usize, Box<OutgoingEvent>),
    /// Somebody outside invokes a function with an event.
    Request(usize, Box<OutgoingEvent>),
    /// An event arrives at a function or in a queue.
    Arrive(Route, Letter),
    /// Lambda invokes a function with an event, for the how manieth time.
    Invoke(usize, Letter, u32),
    /// Lambda looks what is in a queue.
    Receive(usize),
    /// A message comes back into its queue.
    Return(usize, u64),
    /// Lambda looks what is in a stream.
    Read(usize),
    /// The time of an invocation is up.
    TimeUp(RunId),
    /// A process that stood still goes on.
    Thaw(RunId),
    /// A function gets new code.
    Deploy(usize),
    /// A table does what was asked for a while ago.
    Late(Late),
}

type Core = Kernel<Act>;

/// To whom an event is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Function(usize),
    Queue(usize),
}

/// A region in which services live that are tested together: buses, queues, functions and their
/// processes, and a time that passes only when nothing else is to be done.
///
/// Everything happens in one thread, without a runtime, a network or a pause, and follows from the
/// seed: which process goes on next, how long each request takes, and which of the
/// [faults](WorldFaults) strike when. The same seed does the same again, step for step.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use setpiece_envelope::{DomainEvent, EventVersion, First, ServiceId};
/// # use setpiece_handler::{Cx, Effects, Handlers, Received, Write};
/// # use setpiece_policy::Fault;
/// # use setpiece_testing::{Queue, World, WorldFaults};
/// # const CATALOG: ServiceId = ServiceId::new("shop", "catalog", "products");
/// # const LOYALTY: ServiceId = ServiceId::new("shop", "customers", "loyalty");
/// # const MAILING: ServiceId = ServiceId::new("shop", "customers", "mailing");
/// # #[derive(Serialize, Deserialize)]
/// # struct ProductRegistered { customer: String }
/// # impl DomainEvent for ProductRegistered {
/// #     type Previous = First;
/// #     const SERVICE: ServiceId = CATALOG;
/// #     const NAME: &'static str = "product_registered";
/// #     const VERSION: EventVersion = EventVersion::new(1);
/// # }
/// # #[derive(Serialize, Deserialize)]
/// # struct PointsAwarded { customer: String }
/// # impl DomainEvent for PointsAwarded {
/// #     type Previous = First;
/// #     const SERVICE: ServiceId = LOYALTY;
/// #     const NAME: &'static str = "points_awarded";
/// #     const VERSION: EventVersion = EventVersion::new(1);
/// # }
/// # fn registered(customer: &str) -> ProductRegistered {
/// #     ProductRegistered { customer: customer.to_owned() }
/// # }
/// # async fn award(_: &Cx<()>, event: Received<ProductRegistered>) -> Result<Effects, Fault> {
/// #     let customer = event.data.customer;
/// #     Ok(Effects::new()
/// #         .write(Write::update("points", ("customer", customer.as_str())).add("points", 100))
/// #         .emit(PointsAwarded { customer }))
/// # }
/// # async fn mail(_: &Cx<()>, event: Received<PointsAwarded>) -> Result<Effects, Fault> {
/// #     let customer = event.data.customer;
/// #     Ok(Effects::new().write(Write::update("mails", ("customer", customer)).add("sent", 1)))
/// # }
/// // Two services, one event from outside and one between them, on twenty bad days:
/// World::check(0..20, |world| {
///     world.set_faults(WorldFaults::usual());
///     world
///         .function("loyalty", |it| it.app(LOYALTY, Handlers::new(()).on(award)).build())
///         .on::<ProductRegistered>();
///     world
///         .function("mailing", |it| it.app(MAILING, Handlers::new(()).on(mail)).build())
///         .queue::<PointsAwarded>(Queue::standard());
///     world.publish_all(["c1", "c2", "c3"].map(registered));
///     let outcome = world.run_and_recover();
///     outcome.assert_sound();
///     assert_eq!(outcome.published::<PointsAwarded>().len(), 3);
///     assert_eq!(outcome.sum("mails", "sent"), 3);
/// });
/// ```
///
/// # The database
///
/// Processes that have their effects in DynamoDB reach a real engine through the real client (see
/// `create_table`, behind the feature `dynamodb`). That follows from the seed as well: what the
/// client takes from the machine, such as its name in a user agent, is part of no answer, and the
/// trace shows nothing of it.
///
/// # What it is not
///
/// It has one shard of everything, no limits on throughput but [concurrency](WorldFunction), and
/// no cold starts that take time. Time passes in whole milliseconds.
pub struct World {
    core: Arc<Core>,
    /// The first is that of everybody who names none.
    buses: Vec<FakeBus>,
    memory: MemoryEffects,
    ledger: Arc<Ledger>,
    stamp: Stamp,
    functions: Vec<FunctionState>,
    queues: Vec<QueueState>,
    streams: Vec<StreamState>,
    /// Number of transactions when the streams were looked after last, and the items that they had
    /// put into the outbox.
    seen_commits: Option<u64>,
    seen_outbox: BTreeSet<OutboxKey>,
    /// By the id of the target.
    routes: BTreeMap<String, Route>,
    deploys: Vec<Option<(usize, Start)>>,
    runs: BTreeMap<RunId, Run>,
    next_run: RunId,
    next_sandbox: u64,
    next_message: u64,
    deliveries: Vec<WorldDelivery>,
    dead: Vec<(Route, Letter)>,
    #[cfg(feature = "dynamodb")]
    database: Option<database::Database>,
}

impl World {
    /// An empty world, in which nothing goes wrong.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with_core(Arc::new(Core::new(seed)))
    }

    fn with_core(core: Arc<Core>) -> Self {
        let bus = FakeBus::new().with_clock(core.clock.clone()).with_max_depth(64);
        let ids = WorldIds(SeededRandom::new(core.seed()));
        Self {
            memory: MemoryEffects::new(core.clock.clone()),
            ledger: Arc::default(),
            stamp: Stamp::new(core.clock.clone(), ids),
            buses: vec![bus],
            core,
            functions: Vec::new(),
            queues: Vec::new(),
            streams: Vec::new(),
            seen_commits: None,
            seen_outbox: BTreeSet::new(),
            routes: BTreeMap::new(),
            deploys: Vec::new(),
            runs: BTreeMap::new(),
            next_run: 0,
            next_sandbox: 0,
            next_message: 0,
            deliveries: Vec::new(),
            dead: Vec::new(),
            #[cfg(feature = "dynamodb")]
            database: None,
        }
    }

    /// Makes a world that writes down nothing of what happens: for millions of events.
    #[must_use]
    pub fn without_trace(self) -> Self {
        self.core.stop_tracing();
        self
    }

    /// Sets the faults that strike from now on.
    pub fn set_faults(&mut self, faults: WorldFaults) {
        self.core.set_faults(faults);
    }

    /// Adds a function whose processes are apps as `start` makes them.
    ///
    /// # Panics
    ///
    /// When there is one of that name, and later when an app cannot be built.
    #[track_caller]
    pub fn function<S, X, B>(
        &mut self,
        name: &str,
        start: impl Fn(&Sandbox) -> Result<App<S, X, B>, AppError> + 'static,
    ) -> WorldFunction<'_>
    where
        S: Send + Sync + 'static,
        X: EffectStore,
        B: Bus,
    {
        assert!(self.index_of(name).is_none(), "there is a function {name} already");
        self.functions.push(FunctionState::new(name, function::start(start)));
        let index = self.functions.len() - 1;
        WorldFunction::new(self, index)
    }

    /// Gives a function new code after a while. Processes that are busy then end their invocation
    /// with the code that they have.
    ///
    /// # Panics
    ///
    /// When there is no such function.
    #[track_caller]
    pub fn deploy_after<S, X, B>(
        &mut self,
        duration: Duration,
        name: &str,
        start: impl Fn(&Sandbox) -> Result<App<S, X, B>, AppError> + 'static,
    ) where
        S: Send + Sync + 'static,
        X: EffectStore,
        B: Bus,
    {
        let index = self.index_of(name).ok_or_else(|| format!("there is no function {name}"));
        let index = must("deploying", index);
        self.deploys.push(Some((index, function::start(start))));
        self.core.after(duration, Act::Deploy(self.deploys.len() - 1));
    }

    /// Adds a bus of this name, beside the one that there is. Functions hear of its events after
    /// [`bus`](WorldFunction::bus), and their processes publish on it after
    /// [`on_bus`](Sandbox::on_bus).
    ///
    /// # Panics
    ///
    /// When there is one of that name.
    #[track_caller]
    pub fn add_bus(&mut self, name: &str) {
        assert!(self.bus_index(name).is_none(), "there is a bus {name} already");
        let count = u64::try_from(self.buses.len()).unwrap_or_default();
        let ids = WorldIds(SeededRandom::new(kernel::drawn(self.core.seed(), 1 << 33, count)));
        let bus = FakeBus::named(name).with_clock(self.core.clock.clone()).with_ids(ids);
        self.buses.push(bus.with_max_depth(64));
    }

    /// Publishes an event now, as somebody outside of the world, and returns its id.
    ///
    /// # Panics
    ///
    /// When it is no event that can be sent.
    #[track_caller]
    pub fn publish<E: DomainEvent + Serialize>(&mut self, event: E) -> EventId {
        self.publish_after(Duration::ZERO, event)
    }

    /// Publishes several events, in this order.
    ///
    /// # Panics
    ///
    /// When one of them is no event that can be sent.
    #[track_caller]
    pub fn publish_all<E: DomainEvent + Serialize>(&mut self, events: impl IntoIterator<Item = E>) {
        for event in events {
            self.publish(event);
        }
    }

    /// Publishes an event as [`publish`](Self::publish) does, after a while.
    ///
    /// # Panics
    ///
    /// When it is no event that can be sent.
    #[track_caller]
    pub fn publish_after<E: DomainEvent + Serialize>(
        &mut self,
        duration: Duration,
        event: E,
    ) -> EventId {
        self.publish_at(0, duration, event)
    }

    /// Publishes an event as [`publish`](Self::publish) does, on the bus of that name.
    ///
    /// # Panics
    ///
    /// When there is no such bus, or it is no event that can be sent.
    #[track_caller]
    pub fn publish_on<E: DomainEvent + Serialize>(&mut self, bus: &str, event: E) -> EventId {
        let index = self.bus_index(bus).ok_or_else(|| format!("there is no bus {bus}"));
        self.publish_at(must("publishing", index), Duration::ZERO, event)
    }

    #[track_caller]
    fn publish_at<E: DomainEvent + Serialize>(
        &self,
        bus: usize,
        duration: Duration,
        event: E,
    ) -> EventId {
        let envelope = self.stamp.envelope(event, &Correlation::root());
        let outgoing = must("an event", OutgoingEvent::new(&envelope));
        self.core.in_order(duration, Act::Publish(bus, Box::new(outgoing)));
        envelope.metadata.event_id
    }

    /// Invokes a function with an event as somebody does who does not wait for an answer, and returns
    /// the id of the event.
    ///
    /// Lambda has taken it then. It can invoke the function [twice](WorldFaults::duplicate), invokes
    /// it again after one minute and after two more, and then gives it up: it is a dead letter.
    ///
    /// # Panics
    ///
    /// When there is no such function, or when it is no event that can be sent.
    #[track_caller]
    pub fn invoke<E: DomainEvent + Serialize>(&mut self, function: &str, event: E) -> EventId {
        let index = self.index_of(function);
        let index = must("invoking", index.ok_or_else(|| format!("there is no {function}")));
        let envelope = self.stamp.envelope(event, &Correlation::root());
        let outgoing = must("an event", OutgoingEvent::new(&envelope));
        self.core.in_order(Duration::ZERO, Act::Request(index, Box::new(outgoing)));
        envelope.metadata.event_id
    }

    /// The bus of everybody who names none.
    ///
    /// # Panics
    ///
    /// Never: each world has it.
    #[must_use]
    pub fn bus(&self) -> &FakeBus {
        must("the bus", self.buses.first().ok_or("there is none"))
    }

    /// The effects in memory.
    #[must_use]
    pub fn effects(&self) -> &MemoryEffects {
        &self.memory
    }

    /// Returns the story of the world, a line for each step: the time in seconds, the process, and
    /// what it did. It is empty [without a trace](Self::without_trace), and in a
    /// [check](Self::check).
    #[must_use]
    pub fn trace(&self) -> String {
        self.core.trace()
    }

    fn bus_index(&self, name: &str) -> Option<usize> {
        self.buses.iter().position(|bus| bus.name() == name)
    }

    fn index_of(&self, name: &str) -> Option<usize> {
        self.functions.iter().position(|function| *function.name == *name)
    }

    #[track_caller]
    fn put(&self, bus: usize, event: &OutgoingEvent) {
        let Some(bus) = self.buses.get(bus) else { return };
        let entry = PutEventsEntry::of(event, bus.address());
        match bus.put_events(vec![entry]) {
            PutEventsAnswer::Results(results)
                if matches!(&results[..], [PutEventsResult::Accepted { .. }]) => {}
            other => must("publishing", Err(format!("the bus answers {other:?}"))),
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let functions: Vec<_> = self.functions.iter().map(|it| &*it.name).collect();
        f.debug_struct("World")
            .field("seed", &self.core.seed())
            .field("functions", &functions)
            .finish_non_exhaustive()
    }
}

/// Ids that follow from the seed of a world.
struct WorldIds(SeededRandom);

impl IdSource for WorldIds {
    fn next_id(&self, now: Timestamp) -> EventId {
        let random = u128::from(self.0.next_u64()) << 16 | u128::from(self.0.next_u64() >> 48);
        let millis = u64::try_from(now.unix_millis()).unwrap_or(0);
        must("an id", EventId::parse(Ulid::from_parts(millis, random).to_string()))
    }
}

#[cfg(test)]
mod tests;
