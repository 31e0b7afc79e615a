//! EventBridge in memory, with what it refuses, drops, repeats and loses.

mod archive;
mod delivery;
mod faults;
mod input;
mod port;
mod put_events;
mod record;
mod routing;
mod rule;
mod validation;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use setpiece_bus::EventPattern;
use setpiece_envelope::{
    Clock as _, DomainEvent, Envelope, FixedClock, IdSource, Metadata, SequentialIds, Timestamp,
};

use self::{
    archive::Archive,
    faults::{CallTrouble, FaultPlan},
    record::Record,
    routing::Routing,
    validation::{MAX_ARCHIVE_NAME_CHARS, MAX_NAME_CHARS, check_name},
};
pub use self::{
    archive::Replay,
    delivery::{Delivery, QueueMessage, Undelivered},
    faults::{CallFault, EntryFault, Faults},
    input::Input,
    put_events::{CallError, PutEventsAnswer, PutEventsEntry, PutEventsResult},
    record::{PutEventsRequest, RecordedEvent, RequestOutcome, Tally},
    rule::{Exhausted, RetryPolicy, Rule, Target},
};
use crate::{
    Gate,
    fingerprint::{fingerprint, uuid},
    pauses::Pauses,
    wrap::{ACCOUNT, REGION},
};

/// EventBridge in memory.
///
/// It takes `PutEvents` requests as EventBridge does: with its limits, its error codes and its
/// silence about a bus that does not exist. A [`Publisher`](setpiece_bus::Publisher) publishes to
/// it; a server can put [requests as they are on the wire](Self::put_events) to it.
///
/// Clones are handles of the same bus. Nothing in it depends on the machine: the clock stands still
/// until it is moved, ids count, and chance comes from a [seed](Faults::seeded).
///
/// ```
/// # use std::{pin::pin, task::{Context, Poll, Waker}};
/// # fn block_on<T>(future: impl IntoFuture<Output = T>) -> T {
/// #     let mut future = pin!(future.into_future());
/// #     match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
/// #         Poll::Ready(output) => output,
/// #         Poll::Pending => unreachable!("nothing here waits"),
/// #     }
/// # }
/// # use serde::{Deserialize, Serialize};
/// # use setpiece_envelope::{DomainEvent, EventVersion, First, ServiceId};
/// # #[derive(Serialize, Deserialize)]
/// # struct OrderSubmitted { order_number: String }
/// # impl DomainEvent for OrderSubmitted {
/// #     type Previous = First;
/// #     const SERVICE: ServiceId = ServiceId::new("retail", "checkout", "orders");
/// #     const NAME: &'static str = "order_submitted";
/// #     const VERSION: EventVersion = EventVersion::new(1);
/// # }
/// use std::time::Duration;
/// use setpiece_bus::Publisher;
/// use setpiece_envelope::Correlation;
/// use setpiece_policy::{Deadline, InstantSleep, Retry, SeededRandom};
/// use setpiece_testing::{EntryFault, FakeBus};
///
/// let bus = FakeBus::named("orders");
/// bus.fail_entries(EntryFault::throttled().nth(0));
///
/// let clock = bus.clock();
/// let retry = Retry::new(clock.clone(), SeededRandom::new(7), InstantSleep::new(clock.clone()));
/// let publisher = Publisher::new(bus.clone(), retry);
/// let deadline = Deadline::after(&clock, Duration::from_secs(30));
/// let order = OrderSubmitted { order_number: "7".to_owned() };
/// block_on(publisher.publish(order, &Correlation::root(), deadline))?;
///
/// assert_eq!(bus.published::<OrderSubmitted>()[0].data.order_number, "7");
/// assert_eq!(bus.requests().len(), 2); // the first one was throttled
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # What it takes from where
///
/// What AWS answers was recorded where that was possible: that a missing part fails one entry, that
/// a detail which is no object is malformed, that too many or too large entries fail the whole
/// call, and that a bus which does not exist takes events and drops them. The lengths of fields and
/// the codes are documented. The wording of the other messages, and the order in which an entry is
/// checked, are from memory.
#[derive(Clone)]
pub struct FakeBus {
    shared: Arc<Mutex<State>>,
    /// The bus to which this handle sends.
    address: Arc<str>,
    /// Gate that this handle's calls go through.
    gate: Gate,
}

struct State {
    name: Arc<str>,
    clock: FixedClock,
    ids: Arc<dyn IdSource>,
    max_depth: u32,
    pauses: Pauses,
    denied: Denied,
    faults: FaultPlan,
    record: Record,
    routing: Routing,
}

#[derive(Clone, Copy, Default)]
struct Denied {
    put_events: bool,
    describe: bool,
}

/// An event that the bus has taken.
pub(crate) struct Taken {
    event_id: String,
    entry: PutEventsEntry,
    metadata: Option<Metadata>,
    /// When the bus took it.
    received: Timestamp,
}

impl FakeBus {
    /// The deepest event that is taken, unless [`with_max_depth`](Self::with_max_depth) says
    /// otherwise.
    pub const DEFAULT_MAX_DEPTH: u32 = 16;

    /// The most targets of a rule (documented).
    pub const MAX_TARGETS: usize = 5;

    /// The name of the bus that each account has.
    pub const DEFAULT_NAME: &'static str = "default";

    /// The error code of an entry that is too deep in its flow. EventBridge has no such guard, and
    /// no such code.
    pub const FLOW_TOO_DEEP: &'static str = "FlowTooDeep";

    /// The bus `default`, without rules.
    #[must_use]
    pub fn new() -> Self {
        Self::named(Self::DEFAULT_NAME)
    }

    /// A bus of this name, without rules. It is the only one that exists, beside the bus `default`
    /// of the account, on which nobody listens.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let name: Arc<str> = name.into();
        let state = State {
            name: Arc::clone(&name),
            clock: FixedClock::default(),
            ids: Arc::new(SequentialIds::new()),
            max_depth: Self::DEFAULT_MAX_DEPTH,
            pauses: Pauses::default(),
            denied: Denied::default(),
            faults: FaultPlan::default(),
            record: Record::default(),
            routing: Routing::default(),
        };
        Self { shared: Arc::new(Mutex::new(state)), address: name, gate: Gate::new() }
    }

    /// A handle that sends to the bus of another name or ARN, as a service does that was given the
    /// wrong one.
    ///
    /// What is sent there is accepted and [dropped](Self::dropped), unless it is the name or the
    /// [ARN](Self::arn) of this bus.
    #[must_use]
    pub fn at(&self, name: &str) -> Self {
        Self { address: name.into(), ..self.clone() }
    }

    /// Tells the time of `clock`, which is that of the bus from now on.
    #[must_use]
    pub fn with_clock(self, clock: FixedClock) -> Self {
        self.lock().clock = clock;
        self
    }

    /// Makes the ids of accepted events from those of `ids`.
    #[must_use]
    pub fn with_ids(self, ids: impl IdSource) -> Self {
        self.lock().ids = Arc::new(ids);
        self
    }

    /// Takes events that are up to `max_depth` events below the first of their flow.
    ///
    /// A deeper one fails with [`FLOW_TOO_DEEP`](Self::FLOW_TOO_DEEP): services that answer each
    /// other for ever come to an end in a test. EventBridge lets them go on.
    #[must_use]
    pub fn with_max_depth(self, max_depth: u32) -> Self {
        self.lock().max_depth = max_depth;
        self
    }

    /// Forgets events and requests as soon as they are dealt with, and only
    /// [counts](Self::tally) them, so that millions of them take no memory.
    #[must_use]
    pub fn without_recording(self) -> Self {
        self.lock().record.stop();
        self
    }

    /// Remembers of each event all but its detail, so that thousands of large ones fit into memory.
    ///
    /// What is [recorded](Self::events) then tells ids, and cannot be [decoded](Self::published).
    #[must_use]
    pub fn without_details(self) -> Self {
        self.lock().record.leaves_out_details = true;
        self
    }

    /// Has trouble by chance.
    #[must_use]
    pub fn with_faults(self, faults: Faults) -> Self {
        self.lock().faults.seeded = Some(faults);
        self
    }

    /// Lets a [`put`](setpiece_bus::Bus::put) wait so many times before it takes the entries, and
    /// so many times before it answers.
    ///
    /// A future that waits is polled again at once. These are the points at which it can be
    /// dropped.
    #[must_use]
    pub fn with_pauses(self, before: u32, after: u32) -> Self {
        self.lock().pauses = Pauses { before, after };
        self
    }

    /// A handle whose [`put`](setpiece_bus::Bus::put) goes through `gate`, before it takes the
    /// entries and again before it answers: that of one process.
    #[must_use]
    pub fn with_gate(&self, gate: &Gate) -> Self {
        Self { gate: gate.clone(), ..self.clone() }
    }

    /// Fails entries that are put from now on.
    pub fn fail_entries(&self, fault: EntryFault) {
        self.lock().faults.entries.push(fault);
    }

    /// Fails calls that are made from now on.
    pub fn fail_calls(&self, fault: CallFault) {
        self.lock().faults.calls.push_back(fault);
    }

    /// Refuses `PutEvents` for want of permission.
    pub fn deny_put_events(&self) {
        self.lock().denied.put_events = true;
    }

    /// Refuses `DescribeEventBus` for want of permission, which most publishers do not have.
    pub fn deny_describe(&self) {
        self.lock().denied.describe = true;
    }

    /// The clock by which the bus lives. Clones of it are the same clock.
    #[must_use]
    pub fn clock(&self) -> FixedClock {
        self.lock().clock.clone()
    }

    /// The name or ARN of the bus to which this handle sends.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The ARN of the bus, as AWS names the one of that name in [`ACCOUNT`] and [`REGION`].
    #[must_use]
    pub fn arn(&self) -> String {
        bus_arn(&self.lock().name)
    }

    /// Deals with a `PutEvents` request as it is on the wire.
    ///
    /// ```
    /// use setpiece_testing::{FakeBus, PutEventsAnswer, PutEventsEntry, PutEventsResult};
    ///
    /// let bus = FakeBus::new();
    /// let entries = vec![
    ///     PutEventsEntry::new("retail.orders", "order_submitted", "{}"),
    ///     PutEventsEntry::new("retail.orders", "order_submitted", "[]"),
    /// ];
    /// let PutEventsAnswer::Results(results) = bus.put_events(entries) else { unreachable!() };
    /// assert!(matches!(&results[0], PutEventsResult::Accepted { .. }));
    /// assert_eq!(
    ///     results[1],
    ///     PutEventsResult::Failed {
    ///         code: "MalformedDetail".to_owned(),
    ///         message: "Detail is malformed.".to_owned(),
    ///     },
    /// );
    /// ```
    #[must_use = "entries that failed are the caller's to send again"]
    pub fn put_events(&self, entries: Vec<PutEventsEntry>) -> PutEventsAnswer {
        self.lock().put_events(entries)
    }

    /// Deals with a `DescribeEventBus` request: the ARN of the bus of this name or ARN, or of the
    /// bus `default` without one.
    ///
    /// # Errors
    ///
    /// `ResourceNotFoundException` when there is no such bus, and `AccessDeniedException` after
    /// [`deny_describe`](Self::deny_describe).
    pub fn describe_event_bus(&self, name: Option<&str>) -> Result<String, CallError> {
        let state = self.lock();
        let name = name.unwrap_or(Self::DEFAULT_NAME);
        if state.denied.describe {
            return Err(state.access_denied("events:DescribeEventBus"));
        }
        // Recorded, of other operations on a bus.
        let missing = || {
            let message = format!("Event bus {name} does not exist.");
            CallError::new(400, "ResourceNotFoundException", message)
        };
        state.named(name).map(bus_arn).ok_or_else(missing)
    }

    /// Adds a rule, or changes the one of that name. The targets of a rule stay.
    ///
    /// # Errors
    ///
    /// `ValidationException` when no rule can have that name.
    pub fn put_rule(&self, rule: Rule) -> Result<(), CallError> {
        rule.check()?;
        self.lock().put_rule(rule);
        Ok(())
    }

    /// Adds targets to a rule, or changes those of their ids.
    ///
    /// # Errors
    ///
    /// `ResourceNotFoundException` when there is no such rule, `ValidationException` when a target
    /// is not valid, and `LimitExceededException` for more than
    /// [`MAX_TARGETS`](Self::MAX_TARGETS). Then all targets of the rule are what they were.
    pub fn put_targets(
        &self,
        rule: &str,
        targets: impl IntoIterator<Item = Target>,
    ) -> Result<(), CallError> {
        let targets: Vec<Target> = targets.into_iter().collect();
        Target::check_all(&targets)?;
        let mut state = self.lock();
        let rule = state.rule(rule)?;
        let mut all = rule.targets.clone();
        for target in targets {
            let target = Arc::new(target);
            match all.iter_mut().find(|known| known.id == target.id) {
                Some(known) => *known = target,
                None => all.push(target),
            }
        }
        if all.len() > Self::MAX_TARGETS {
            let message = "The requested resource exceeds the maximum number allowed.";
            return Err(CallError::new(400, "LimitExceededException", message));
        }
        rule.targets = all;
        Ok(())
    }

    /// Enables a rule.
    ///
    /// # Errors
    ///
    /// `ResourceNotFoundException` when there is no such rule.
    pub fn enable_rule(&self, rule: &str) -> Result<(), CallError> {
        self.lock().rule(rule).map(|rule| rule.is_enabled = true)
    }

    /// Disables a rule: it matches nothing until it is enabled.
    ///
    /// # Errors
    ///
    /// `ResourceNotFoundException` when there is no such rule.
    pub fn disable_rule(&self, rule: &str) -> Result<(), CallError> {
        self.lock().rule(rule).map(|rule| rule.is_enabled = false)
    }

    /// Lets `consumer` have the events of `E`'s source and detail-type, whatever their version: by
    /// a rule for these, named `consumer.event_name`, and a target of the consumer's name.
    ///
    /// ```
    /// # use std::{pin::pin, task::{Context, Poll, Waker}};
    /// # fn block_on<T>(future: impl IntoFuture<Output = T>) -> T {
    /// #     let mut future = pin!(future.into_future());
    /// #     match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
    /// #         Poll::Ready(output) => output,
    /// #         Poll::Pending => unreachable!("nothing here waits"),
    /// #     }
    /// # }
    /// # use serde::{Deserialize, Serialize};
    /// # use setpiece_bus::{Bus, OutgoingEvent};
    /// # use setpiece_envelope::{DomainEvent, EventVersion, First, ServiceId};
    /// # #[derive(Serialize, Deserialize)]
    /// # struct OrderSubmitted { order_number: String }
    /// # impl DomainEvent for OrderSubmitted {
    /// #     type Previous = First;
    /// #     const SERVICE: ServiceId = ServiceId::new("retail", "checkout", "orders");
    /// #     const NAME: &'static str = "order_submitted";
    /// #     const VERSION: EventVersion = EventVersion::new(1);
    /// # }
    /// use setpiece_testing::{FakeBus, sample};
    ///
    /// let bus = FakeBus::new();
    /// bus.subscribe::<OrderSubmitted>("billing");
    ///
    /// let order = sample(OrderSubmitted { order_number: "7".to_owned() });
    /// block_on(bus.put(&[&OutgoingEvent::new(order.envelope())?]))?;
    ///
    /// while let Some(delivery) = bus.next_delivery() {
    ///     assert_eq!(delivery.target(), "billing");
    ///     let order = delivery.decode::<OrderSubmitted>()?;
    ///     assert_eq!(order.data.order_number, "7");
    ///     delivery.succeed();
    /// }
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn subscribe<E: DomainEvent>(&self, consumer: &str) {
        let name = format!("{consumer}.{}", E::NAME);
        let mut state = self.lock();
        state.put_rule(Rule::of::<E>(&name));
        if let Some(rule) = state.routing.rule(&name) {
            rule.targets = vec![Arc::new(Target::new(consumer))];
        }
    }

    /// The delivery whose turn it is; `None` when nothing is to be delivered any more.
    ///
    /// Nobody waits: when nothing is due but something will be, as a retry or a delivery that is
    /// late, the [clock](Self::clock) of the bus moves ahead to that moment.
    #[must_use = "a delivery that is dropped has failed"]
    pub fn next_delivery(&self) -> Option<Delivery> {
        let mut state = self.lock();
        let pending = state.next_pending()?;
        state.record.tally.deliveries += 1;
        Some(Delivery::new(self.clone(), pending))
    }

    /// The messages in a queue, which is where [targets](Target::queue) and
    /// [dead letters](Target::with_dead_letter_queue) go.
    #[must_use]
    pub fn messages(&self, queue: &str) -> Vec<QueueMessage> {
        self.lock().queue(queue).clone()
    }

    /// Takes the messages out of a queue.
    #[must_use]
    pub fn receive(&self, queue: &str) -> Vec<QueueMessage> {
        std::mem::take(self.lock().queue(queue))
    }

    /// Returns the events that the bus gave up to deliver to a target that has no dead-letter
    /// queue, and those that it did not try to deliver.
    #[must_use]
    pub fn undelivered(&self) -> Vec<Undelivered> {
        self.lock().routing.undelivered.clone()
    }

    /// Keeps what the bus takes from now on, or what of it matches a pattern.
    ///
    /// # Errors
    ///
    /// `ResourceAlreadyExistsException` when there is an archive of that name, and
    /// `ValidationException` when none can have it.
    pub fn create_archive(
        &self,
        name: &str,
        pattern: Option<EventPattern>,
    ) -> Result<(), CallError> {
        check_name("archiveName", name, MAX_ARCHIVE_NAME_CHARS)?;
        let archives = &mut self.lock().routing.archives;
        if archives.iter().any(|archive| archive.name == name) {
            // Recorded.
            let message = format!("Archive {name} already exists.");
            return Err(CallError::new(400, "ResourceAlreadyExistsException", message));
        }
        archives.push(Archive { name: name.to_owned(), pattern, events: Vec::new() });
        Ok(())
    }

    /// Sends what an archive has kept once more.
    ///
    /// # Errors
    ///
    /// `ValidationException` when there is no such archive or the time ends before it begins,
    /// `ResourceAlreadyExistsException` when there was a replay of that name, and
    /// `ResourceNotFoundException` when there is no rule of a name that was given.
    pub fn start_replay(&self, replay: &Replay) -> Result<(), CallError> {
        check_name("replayName", &replay.name, MAX_NAME_CHARS)?;
        replay.check()?;
        let mut state = self.lock();
        for rule in replay.rules.iter().flatten() {
            state.rule(rule)?;
        }
        let routing = &mut state.routing;
        // The wording of both is recorded.
        let Some(archive) = routing.archives.iter().find(|it| it.name == replay.archive) else {
            return Err(CallError::validation(format!(
                "Parameter EventSourceArn is not valid. Reason: Archive {} does not exist.",
                replay.archive
            )));
        };
        if routing.replays.contains(&replay.name) {
            let message = format!("Replay {} already exists.", replay.name);
            return Err(CallError::new(400, "ResourceAlreadyExistsException", message));
        }
        routing.replays.push(replay.name.clone());
        let events = archive.events.iter().filter(|event| replay.is_of(event.received));
        let events: Vec<_> = events.map(Arc::clone).collect();
        for event in events {
            state.route(&event, Some(replay));
        }
        Ok(())
    }

    /// All events that the bus has accepted, in that order; each as often as it was.
    ///
    /// An event whose answer was lost is among them, and when it was sent again, twice.
    #[must_use]
    pub fn events(&self) -> Vec<RecordedEvent> {
        self.lock().record.events.clone()
    }

    /// Events that were accepted for a bus of another name, which nobody ever sees on AWS.
    #[must_use]
    pub fn dropped(&self) -> Vec<RecordedEvent> {
        self.lock().record.dropped.clone()
    }

    /// The events of `E`'s source and detail-type that the bus has accepted, in that order.
    ///
    /// # Panics
    ///
    /// When one of them cannot be read as `E`. Then a consumer with this type could not read it
    /// either.
    #[must_use]
    #[track_caller]
    pub fn published<E>(&self) -> Vec<Envelope<E>>
    where
        E: DomainEvent + serde::de::DeserializeOwned,
    {
        let events = self.events();
        events.iter().filter(|event| event.is::<E>()).map(RecordedEvent::must_be).collect()
    }

    /// The `PutEvents` calls, in their order.
    #[must_use]
    pub fn requests(&self) -> Vec<PutEventsRequest> {
        self.lock().record.requests.clone()
    }

    /// Returns the counts of all that has happened, also [without
    /// recording](Self::without_recording).
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.lock().record.tally
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panics with the lock is over, and what others still ask about is consistent.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for FakeBus {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for FakeBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("FakeBus")
            .field("name", &state.name)
            .field("address", &self.address)
            .field("tally", &state.record.tally)
            .finish_non_exhaustive()
    }
}

impl State {
    /// A rule that must be there; the wording is from memory.
    fn rule(&mut self, name: &str) -> Result<&mut Rule, CallError> {
        let message = || {
            let bus = &self.name;
            format!("Rule {name} does not exist on EventBus {bus}.")
        };
        let error = CallError::new(400, "ResourceNotFoundException", message());
        self.routing.rule(name).ok_or(error)
    }

    fn put_rule(&mut self, rule: Rule) {
        match self.routing.rule(&rule.name) {
            Some(known) => *known = Rule { targets: std::mem::take(&mut known.targets), ..rule },
            None => self.routing.rules.push(rule),
        }
    }

    fn put_events(&mut self, entries: Vec<PutEventsEntry>) -> PutEventsAnswer {
        let (count, bytes) = (entries.len(), entries.iter().map(PutEventsEntry::size).sum());
        let request =
            |outcome, accepted| PutEventsRequest { entries: count, bytes, accepted, outcome };
        let trouble = self.faults.next_call();
        let refusal = match &trouble {
            Some(CallTrouble::Unreachable) => {
                self.record.request(request(RequestOutcome::Unreachable, 0));
                return PutEventsAnswer::Unreachable;
            }
            Some(CallTrouble::Refused(error)) => Some(error.clone()),
            Some(CallTrouble::Lost) | None if self.denied.put_events => {
                Some(self.access_denied("events:PutEvents"))
            }
            Some(CallTrouble::Lost) | None => validation::check_request(&entries).err(),
        };
        if let Some(error) = refusal {
            self.record.request(request(RequestOutcome::Refused, 0));
            return match trouble {
                Some(CallTrouble::Lost) => PutEventsAnswer::Lost,
                _ => PutEventsAnswer::Refused(error),
            };
        }
        let results: Vec<PutEventsResult> =
            entries.into_iter().enumerate().map(|(index, it)| self.put(index, it)).collect();
        let is_accepted = |result: &&PutEventsResult| match result {
            PutEventsResult::Accepted { .. } => true,
            PutEventsResult::Failed { .. } => false,
        };
        let accepted = results.iter().filter(is_accepted).count();
        let (outcome, answer) = match trouble {
            Some(CallTrouble::Lost) => (RequestOutcome::Lost, PutEventsAnswer::Lost),
            _ => (RequestOutcome::Answered, PutEventsAnswer::Results(results)),
        };
        self.record.request(request(outcome, accepted));
        answer
    }

    /// Takes or refuses the entry that is at `index` of its call.
    fn put(&mut self, index: usize, entry: PutEventsEntry) -> PutEventsResult {
        // Trouble is for those that would be taken, and not for the probe of a preflight.
        let metadata = match validation::check_entry(&entry) {
            Ok(metadata) => metadata,
            Err(failed) => return failed,
        };
        if let Some(failed) = self.faults.next_entry(index, &entry, metadata.as_ref()) {
            return failed;
        }
        if let Some(too_deep) = self.too_deep(metadata.as_ref()) {
            return too_deep;
        }
        let received = self.clock.now();
        let id = self.ids.next_id(received);
        let event_id = uuid(fingerprint(&[b"EventBridge", id.as_str().as_bytes()]));
        let bus = entry.event_bus_name.as_deref().unwrap_or(FakeBus::DEFAULT_NAME);
        let is_ours = self.named(bus).is_some_and(|name| *name == *self.name);
        let taken = Arc::new(Taken { event_id: event_id.clone(), entry, metadata, received });
        if is_ours {
            self.record.event(&taken);
            self.route(&taken, None);
        } else {
            // Recorded: success, and nothing else ever happens.
            self.record.dropped(&taken);
        }
        PutEventsResult::Accepted { event_id }
    }

    fn too_deep(&self, metadata: Option<&Metadata>) -> Option<PutEventsResult> {
        let metadata = metadata?;
        if metadata.correlation.depth <= self.max_depth {
            return None;
        }
        let message = format!(
            "`{}` is more than {} events below its flow's first: do services answer each other \
             for ever?",
            metadata.name, self.max_depth
        );
        Some(PutEventsResult::failed(FakeBus::FLOW_TOO_DEEP, message))
    }

    /// The name of the bus that exists under a name or ARN.
    fn named(&self, name_or_arn: &str) -> Option<&str> {
        let prefix = bus_arn("");
        let name = name_or_arn.strip_prefix(&prefix).unwrap_or(name_or_arn);
        [&*self.name, FakeBus::DEFAULT_NAME].into_iter().find(|known| *known == name)
    }

    fn access_denied(&self, action: &str) -> CallError {
        let arn = bus_arn(&self.name);
        let message = format!(
            "User: arn:aws:sts::{ACCOUNT}:assumed-role/role/session is not authorized to perform: \
             {action} on resource: {arn} because no identity-based policy allows the {action} \
             action"
        );
        CallError::new(400, "AccessDeniedException", message)
    }
}

fn bus_arn(name: &str) -> String {
    format!("arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{name}")
}

#[cfg(test)]
pub(crate) use tests::block_on;

#[cfg(test)]
mod tests;
