//! Loop of a world: acts that are due are done, one after the other.

use std::{
    collections::BTreeSet,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use serde::Deserialize;
use setpiece_envelope::Clock as _;
use setpiece_policy::Deadline;

use super::{
    Act, Outcome, Route, Sandbox, World, WorldDelivery, WorldEnding,
    flow::Letter,
    function::SandboxState,
    kernel::{Due, Fate, Question, RunId, Running, Subject, Turn, drawn, in_millis},
    queue::Message,
    request::Late,
    sandbox::Invoked,
};
use crate::{
    FakeBus,
    fingerprint::fingerprint,
    must::must,
    wrap::{QueuedMessage, queued_event},
};

/// An invocation.
pub(super) struct Run {
    function: usize,
    /// The id of its process.
    sandbox: u64,
    who: Arc<str>,
    /// The name of the function, and which of its invocations it is.
    name: Arc<str>,
    invocation: u64,
    about: Subject,
    future: Invoked,
    waker: Waker,
    task: Task,
    /// When its time is up, unless it was.
    time_up: Option<Turn>,
    passed: u32,
    fated: Option<(u32, Fate)>,
    frozen: Frozen,
    struck: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frozen {
    No,
    Until(Turn),
}

/// Task of an invocation.
#[derive(Clone, Debug)]
pub(super) enum Task {
    Event(Letter, u32),
    Batch(usize, Vec<u64>),
    /// So many records from the beginning of a stream.
    Records(usize, usize),
}

/// Time that Lambda needs until it looks into a queue.
const POLLING: Duration = Duration::from_millis(20);

/// Time that an event needs from the bus to a subscriber, when nothing is in its way.
const TRANSIT: Duration = Duration::from_millis(10);

/// Longer than any test takes, in the time of the world: who gets there goes on for ever.
const LONGEST: Duration = Duration::from_hours(24 * 365);

/// More than happens in any one moment.
const MOST_STEPS: u32 = 10_000_000;

impl World {
    /// Lets time pass until nothing is left to be done, and says what has become of everything.
    ///
    /// It forgives nothing: events that functions failed with too often are dead letters, and
    /// [`assert_sound`](Outcome::assert_sound) finds them. So it is for services that are to bear
    /// their faults by themselves, with as many deliveries as their sources make.
    ///
    /// # Panics
    ///
    /// When services go on for ever.
    #[track_caller]
    pub fn run(&mut self) -> Outcome {
        let begin = self.core.age();
        let (mut moment, mut steps) = (begin, 0);
        loop {
            self.route();
            self.watch_outboxes();
            let Some(due) = self.core.next() else { break };
            match due {
                Due::Poll(run) => self.poll(run),
                Due::Timer(timer) => self.core.fire(timer),
                Due::Act(act) => self.act(act),
            }
            let age = self.core.age();
            steps = if age == moment { steps + 1 } else { 0 };
            moment = age;
            if age.saturating_sub(begin) > LONGEST || steps > MOST_STEPS {
                must("running the world", Err::<(), _>("it does not come to rest"));
            }
        }
        Outcome::new(self)
    }

    /// Sends all dead letters once more, and says how many there were: what an operator does when
    /// the cause has been repaired. From now on nothing goes wrong any more.
    pub fn redrive(&mut self) -> usize {
        self.core.set_faults(super::WorldFaults::none());
        let dead = std::mem::take(&mut self.dead);
        let count = dead.len() + self.redrive_streams();
        for (route, letter) in dead {
            self.note_delivery(&letter, "is sent once more");
            self.set_ending(&letter, WorldEnding::Open);
            self.core.in_order(Duration::ZERO, Act::Arrive(route, letter));
        }
        count
    }

    /// Runs, and if there are dead letters, [sends them once more](Self::redrive) and runs again:
    /// what is left then is left for good.
    ///
    /// It forgives dead letters that a fault explains, as an operator does who knows of the outage.
    /// Those that no fault has struck, [`assert_sound`](Outcome::assert_sound) finds all the same.
    /// Whatever takes longer than the deliveries of a source, such as a lease that outlives the
    /// retries of Lambda, is forgiven as well: [`run`](Self::run) finds it.
    #[track_caller]
    pub fn run_and_recover(&mut self) -> Outcome {
        let outcome = self.run();
        if self.redrive() == 0 { outcome } else { self.run() }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Publish(bus, event) => {
                let id = event.event_id();
                self.core.note("outside", format_args!("publishes {} {id}", event.name()));
                self.put(bus, &event);
            }
            Act::Request(function, event) => {
                let (name, id) = (event.name(), event.event_id());
                self.core.note("outside", format_args!("invokes with {name} {id}"));
                let known = Known {
                    name: name.to_owned(),
                    event_id: id.as_str().to_owned(),
                    correlation_id: None,
                };
                self.deliver(Route::Function(function), &known, &event.detail().into());
            }
            Act::Arrive(Route::Function(function), letter) => self.attempt(function, letter, 1),
            Act::Arrive(Route::Queue(queue), letter) => self.enqueue(queue, letter),
            Act::Invoke(function, letter, attempt) => self.attempt(function, letter, attempt),
            Act::Receive(queue) => self.receive(queue),
            Act::Return(queue, message) => self.come_back(queue, message),
            Act::Read(stream) => self.read(stream),
            Act::TimeUp(run) => self.time_up(run),
            Act::Thaw(run) => self.thaw(run),
            Act::Deploy(index) => self.deploy(index),
            Act::Late(Late(make)) => {
                self.core.note("a table", "does what came late");
                make();
                // It may have put something into an outbox.
                self.seen_commits = None;
            }
        }
    }

    /// Sends what the bus has taken on its way.
    fn route(&mut self) {
        while let Some(delivery) = self.buses.iter().find_map(FakeBus::next_delivery) {
            let route = self.routes.get(delivery.target()).copied();
            let text: Arc<str> = delivery.text().into();
            let known = match delivery.event() {
                Ok(event) => {
                    let metadata = &event.envelope.metadata;
                    let flow = metadata.correlation.correlation_id.as_ref();
                    Known {
                        name: metadata.name.clone(),
                        event_id: metadata.event_id.as_str().to_owned(),
                        correlation_id: flow.map(|id| id.as_str().to_owned()),
                    }
                }
                Err(_) => Known {
                    name: "?".to_owned(),
                    event_id: delivery.bus_event_id().to_owned(),
                    correlation_id: None,
                },
            };
            delivery.succeed();
            if let Some(route) = route {
                self.deliver(route, &known, &text);
            }
        }
    }

    /// Sends an event to a function or a queue, and perhaps twice.
    fn deliver(&mut self, route: Route, known: &Known, text: &Arc<str>) {
        let Known { name, event_id, correlation_id } = known;
        let function = match route {
            Route::Function(function) => Some(function),
            Route::Queue(queue) => self.queues.get(queue).map(|queue| queue.function),
        };
        let function = function.and_then(|it| self.functions.get(it));
        let Some(function) = function.map(|it| Arc::clone(&it.name)) else { return };
        let faults = self.core.faults();
        // A FIFO queue takes what is the same only once.
        let is_fifo = matches!(route, Route::Queue(queue)
            if self.queues.get(queue).is_some_and(|it| it.settings.group.is_some()));
        let about = subject(&[function.as_bytes(), event_id.as_bytes()]);
        let twice = !is_fifo
            && self.core.strikes(
                Question::Duplicate,
                about,
                faults.duplicate,
                format_args!("{name} {event_id} comes to {function} twice"),
            );
        for is_duplicate in [false, true] {
            if is_duplicate && !twice {
                continue;
            }
            let late = self.core.strikes(
                Question::Late,
                about ^ u64::from(is_duplicate),
                faults.late,
                format_args!("{name} {event_id} comes late to {function}"),
            );
            let about = about ^ u64::from(is_duplicate);
            let mut transit = TRANSIT;
            if late {
                transit += self.core.draw_up_to(Question::Length, about, faults.longest_delay);
            }
            let entry = self.deliveries.len();
            self.deliveries.push(WorldDelivery {
                function: (*function).to_owned(),
                name: name.clone(),
                event_id: event_id.clone(),
                correlation_id: correlation_id.clone(),
                is_duplicate,
                attempts: 0,
                ending: WorldEnding::Open,
                struck: 0,
                was_dead: false,
                acknowledged_at: None,
            });
            let letter = Letter { entry, text: Arc::clone(text) };
            if faults.reorder.is_zero() || is_fifo {
                self.core.in_order(transit, Act::Arrive(route, letter));
            } else {
                transit += self.core.draw_up_to(Question::Transit, about, faults.reorder);
                self.core.after(transit, Act::Arrive(route, letter));
            }
        }
    }

    // Asynchronous invocations.

    fn attempt(&mut self, function: usize, letter: Letter, attempt: u32) {
        let Some(state) = self.functions.get_mut(function) else { return };
        if state.running() >= state.concurrency {
            state.tally.throttled += 1;
            self.core.after(Duration::from_secs(1), Act::Invoke(function, letter, attempt));
            return;
        }
        let payload = letter.text.as_bytes().into();
        self.start(function, payload, Task::Event(letter, attempt));
    }

    // Queues.

    fn enqueue(&mut self, queue: usize, letter: Letter) {
        let now = self.core.now();
        let id = self.next_message;
        self.next_message += 1;
        let Some(state) = self.queues.get_mut(queue) else { return };
        let message = Message { letter, sent: now, first_received: 0, receives: 0, held: None };
        state.messages.insert(id, message);
        state.visible.insert(id);
        self.watch(queue, POLLING);
    }

    fn watch(&mut self, queue: usize, soon: Duration) {
        if let Some(state) = self.queues.get_mut(queue)
            && !std::mem::replace(&mut state.is_watched, true)
        {
            self.core.after(soon, Act::Receive(queue));
        }
    }

    fn come_back(&mut self, queue: usize, message: u64) {
        let Some(state) = self.queues.get_mut(queue) else { return };
        if let Some(found) = state.messages.get_mut(&message) {
            found.held = None;
            state.visible.insert(message);
            self.watch(queue, POLLING);
        }
    }

    fn receive(&mut self, queue: usize) {
        let now = self.core.now();
        let reorders = !self.core.faults().reorder.is_zero();
        let Some(state) = self.queues.get_mut(queue) else { return };
        state.is_watched = false;
        let function = state.function;
        let mut visible = state.receivable();
        if visible.is_empty() {
            return;
        }
        if let Some(wait) = state.waits(&visible, now) {
            return self.watch(queue, wait);
        }
        let Some(of) = self.functions.get_mut(function) else { return };
        if of.running() >= of.concurrency {
            of.tally.throttled += 1;
            return self.watch(queue, Duration::from_secs(1));
        }
        if reorders && state.settings.group.is_none() {
            shuffle(&mut visible, || self.core.draw(Question::Pick, 1));
        }
        let timeout = state.settings.visibility_timeout.unwrap_or(of.timeout * 6);
        let (name, is_fifo) = (Arc::clone(&state.name), state.settings.group.clone());
        let (mut batch, mut dead) = (Vec::new(), Vec::new());
        let has_more = visible.len() > state.settings.batch_size;
        for id in visible {
            let Some(message) = state.messages.get_mut(&id) else { continue };
            state.visible.remove(&id);
            if message.receives >= state.settings.max_receive_count {
                dead.extend(state.messages.remove(&id));
                continue;
            }
            message.receives += 1;
            if message.receives == 1 {
                message.first_received = now;
            }
            let back = self.core.after(timeout, Act::Return(queue, id));
            message.held = Some(back);
            batch.push(id);
            if batch.len() >= state.settings.batch_size {
                break;
            }
        }
        let records = batch.iter().filter_map(|id| state.messages.get(id).map(|it| (*id, it)));
        let records = records.map(|(id, message)| QueuedMessage {
            id,
            body: &message.letter.text,
            sent: message.sent,
            first_received: message.first_received,
            receives: message.receives,
            group: is_fifo.as_deref(),
        });
        let payload = queued_event(&name, records);
        for message in dead {
            self.bury(Route::Queue(queue), message.letter);
        }
        if has_more {
            self.watch(queue, Duration::ZERO);
        }
        if !batch.is_empty() {
            self.start(function, payload.into(), Task::Batch(queue, batch));
        }
    }

    // Invocations.

    pub(super) fn start(&mut self, function: usize, payload: Arc<[u8]>, task: Task) {
        let sandbox = self.sandbox(function);
        let run = self.next_run;
        self.next_run += 1;
        let mut about = 0;
        for letter in self.letters(&task).into_iter().rev() {
            if let Some(delivery) = self.deliveries.get_mut(letter.entry) {
                delivery.attempts += 1;
                let WorldDelivery { function, event_id, .. } = &delivery;
                about = subject(&[function.as_bytes(), event_id.as_bytes()])
                    ^ u64::from(delivery.is_duplicate)
                    ^ u64::from(delivery.attempts) << 1;
            }
        }
        let faults = self.core.faults();
        let Some(state) = self.functions.get_mut(function) else { return };
        let invocation = state.tally.invocations;
        state.tally.invocations += 1;
        let (timeout, points) = (state.timeout, state.points);
        let Some(sandbox) = state.sandboxes.get_mut(sandbox) else { return };
        sandbox.busy = Some(run);
        let who = Arc::clone(&sandbox.who);
        let deadline = Deadline::at(self.core.clock.now().saturating_add(timeout));
        let future = sandbox.app.invoke(payload, deadline);
        let sandbox = sandbox.id;

        let point = u32::try_from(self.core.draw(Question::Length, about) % u64::from(points + 1));
        let point = point.unwrap_or(0);
        let crash = self.core.strikes(
            Question::Crash,
            about,
            faults.crash,
            format_args!("{who} crashes after {point} points"),
        );
        let freeze = self.core.strikes(
            Question::Freeze,
            about,
            faults.freeze,
            format_args!("{who} stands still after {point} points"),
        );
        let name = self.name_of(function);
        let placed = self.core.placed(&name, invocation);
        let fated = match (placed, crash, freeze) {
            (Some(placed), ..) => Some(placed),
            (None, true, _) => Some((point, Fate::Crash)),
            (None, false, true) => Some((point, Fate::Freeze)),
            (None, false, false) => None,
        };
        self.core.note(&who, format_args!("is invoked with {}", self.describe(&task)));
        let time_up = self.core.after(timeout, Act::TimeUp(run));
        let waker = self.core.waker(run);
        let run_state = Run {
            function,
            sandbox,
            who,
            name,
            invocation,
            about,
            future,
            waker,
            task,
            time_up: Some(time_up),
            passed: 0,
            fated,
            frozen: Frozen::No,
            struck: false,
        };
        self.runs.insert(run, run_state);
        self.core.schedule(run);
        self.wake_frozen(function, run);
    }

    /// Half of those that stand still go on when another process of the function begins.
    fn wake_frozen(&self, function: usize, new: RunId) {
        let frozen: Vec<(RunId, Turn)> = self
            .runs
            .iter()
            .filter(|(id, run)| run.function == function && **id != new)
            .filter_map(|(id, run)| match run.frozen {
                Frozen::Until(turn) => Some((*id, turn)),
                Frozen::No => None,
            })
            .collect();
        for (id, turn) in frozen {
            if self.core.draw(Question::Pick, 2).is_multiple_of(2) {
                self.core.cancel(turn);
                let soon = self.core.draw_up_to(Question::Length, 2, Duration::from_millis(50));
                self.core.after(soon, Act::Thaw(id));
            }
        }
    }

    fn poll(&mut self, id: RunId) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        if run.frozen != Frozen::No {
            return;
        }
        self.core.begin(Running {
            who: Arc::clone(&run.who),
            function: Arc::clone(&run.name),
            invocation: run.invocation,
            about: run.about,
            passed: run.passed,
            fated: run.fated,
            fate: None,
            struck: run.struck,
        });
        let polled = run.future.as_mut().poll(&mut Context::from_waker(&run.waker));
        let Some(after) = self.core.end() else { return };
        run.passed = after.passed;
        run.fated = after.fated;
        run.struck = after.struck || after.fate.is_some();
        match (after.fate, polled) {
            (Some(Fate::Crash), _) => self.crash(id),
            // It did everything and nobody heard of it.
            (None, Poll::Ready(_)) if run.fated == Some((run.passed, Fate::Crash)) => {
                self.crash(id);
            }
            (_, Poll::Ready(answer)) => self.finish(id, answer),
            (Some(Fate::Freeze), Poll::Pending) => self.freeze(id),
            (None, Poll::Pending) => {}
        }
    }

    fn freeze(&mut self, id: RunId) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let pause = self.core.draw_up_to(Question::Length, run.about, Duration::from_mins(3));
        self.core.note(&run.who, "stands still");
        let turn = self.core.after(pause, Act::Thaw(id));
        run.frozen = Frozen::Until(turn);
        if let Some(function) = self.functions.get_mut(run.function) {
            function.tally.frozen += 1;
        }
    }

    fn thaw(&mut self, id: RunId) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        run.frozen = Frozen::No;
        self.core.note(&run.who, "goes on");
        self.core.schedule(id);
    }

    fn finish(&mut self, id: RunId, answer: Result<String, String>) {
        let Some(run) = self.take(id) else { return };
        let now = self.core.now();
        if let Some(function) = self.functions.get_mut(run.function) {
            function.points = run.passed.max(1);
            let mut sandboxes = function.sandboxes.iter_mut();
            if let Some(sandbox) = sandboxes.find(|sandbox| sandbox.id == run.sandbox) {
                sandbox.busy = None;
                sandbox.idle_since = now;
            }
        }
        match &answer {
            Ok(answer) => self.core.note(&run.who, format_args!("answers {answer}")),
            Err(error) => self.core.note(&run.who, format_args!("fails: {error}")),
        }
        self.explain(&run);
        // The cloud no longer waits for one whose time was up.
        if run.time_up.is_none() {
            return;
        }
        let Some(function) = self.functions.get_mut(run.function) else { return };
        match &answer {
            Ok(_) => function.tally.succeeded += 1,
            Err(_) => function.tally.failed += 1,
        }
        match (run.task, answer) {
            (Task::Event(letter, _), Ok(_)) => self.acknowledge(&letter),
            (task, Err(_)) => self.failed(run.function, task),
            (Task::Batch(queue, batch), Ok(answer)) => self.settle(queue, &batch, &answer),
            (Task::Records(stream, count), Ok(answer)) => self.advance(stream, count, &answer),
        }
    }

    /// Deletes of a batch what has not failed.
    fn settle(&mut self, queue: usize, batch: &[u64], answer: &str) {
        let Some(failures) = Failures::read(answer, batch) else { return };
        let Some(state) = self.queues.get_mut(queue) else { return };
        let mut done = Vec::new();
        for id in batch.iter().filter(|id| !failures.contains(id)) {
            if let Some(message) = state.messages.remove(id) {
                state.visible.remove(id);
                if let Some(turn) = message.held {
                    self.core.cancel(turn);
                }
                done.push(message.letter);
            }
        }
        for letter in done {
            self.acknowledge(&letter);
        }
        // A group goes on without waiting.
        self.watch(queue, POLLING);
    }

    fn crash(&mut self, id: RunId) {
        let Some(mut run) = self.take(id) else { return };
        self.core.note(&run.who, format_args!("crashes after {} points", run.passed));
        run.struck = true;
        self.explain(&run);
        self.remove_sandbox(run.function, run.sandbox);
        if let Some(function) = self.functions.get_mut(run.function) {
            function.tally.crashed += 1;
        }
        if run.time_up.is_some() {
            self.failed(run.function, run.task);
        }
    }

    /// Notes on its deliveries that a fault struck an invocation.
    fn explain(&mut self, run: &Run) {
        if !run.struck {
            return;
        }
        for letter in self.letters(&run.task) {
            if let Some(delivery) = self.deliveries.get_mut(letter.entry) {
                delivery.struck += 1;
            }
        }
    }

    fn time_up(&mut self, id: RunId) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        run.time_up = None;
        let (function, sandbox, task) = (run.function, run.sandbox, run.task.clone());
        self.core.note(&run.who, "has no time left");
        // One that stands still cannot be ended; it goes on some day, and nobody listens.
        if run.frozen == Frozen::No {
            if let Some(run) = self.runs.remove(&id) {
                self.explain(&run);
            }
        } else {
            for letter in self.letters(&task) {
                if let Some(delivery) = self.deliveries.get_mut(letter.entry) {
                    delivery.struck += 1;
                }
            }
        }
        self.remove_sandbox(function, sandbox);
        if let Some(function) = self.functions.get_mut(function) {
            function.tally.timed_out += 1;
        }
        self.failed(function, task);
    }

    fn failed(&mut self, function: usize, task: Task) {
        let (letter, attempt) = match task {
            Task::Event(letter, attempt) => (letter, attempt),
            // The messages come back by themselves.
            Task::Batch(..) => return,
            Task::Records(stream, _) => return self.read_again(stream),
        };
        let retries = self.functions.get(function).map_or(0, |it| it.retries);
        if attempt > retries {
            return self.bury(Route::Function(function), letter);
        }
        let pause = Duration::from_mins(1) * attempt;
        self.core.after(pause, Act::Invoke(function, letter, attempt + 1));
    }

    fn take(&mut self, id: RunId) -> Option<Run> {
        let run = self.runs.remove(&id)?;
        if let Some(turn) = run.time_up {
            self.core.cancel(turn);
        }
        if let Frozen::Until(turn) = run.frozen {
            self.core.cancel(turn);
        }
        Some(run)
    }

    pub(super) fn acknowledge(&mut self, letter: &Letter) {
        let now = self.core.now();
        if let Some(delivery) = self.deliveries.get_mut(letter.entry) {
            delivery.ending = WorldEnding::Acknowledged;
            delivery.acknowledged_at = Some(now);
        }
    }

    fn bury(&mut self, route: Route, letter: Letter) {
        self.note_delivery(&letter, "is a dead letter");
        self.set_ending(&letter, WorldEnding::Dead);
        self.dead.push((route, letter));
    }

    pub(super) fn set_ending(&mut self, letter: &Letter, ending: WorldEnding) {
        if let Some(delivery) = self.deliveries.get_mut(letter.entry) {
            delivery.ending = ending;
            delivery.was_dead |= ending == WorldEnding::Dead;
        }
    }

    fn note_delivery(&self, letter: &Letter, what: &str) {
        if let Some(delivery) = self.deliveries.get(letter.entry) {
            let WorldDelivery { name, event_id, .. } = delivery;
            self.core.note(&delivery.function, format_args!("{name} {event_id} {what}"));
        }
    }

    fn letters(&self, task: &Task) -> Vec<Letter> {
        match task {
            Task::Event(letter, _) => vec![letter.clone()],
            Task::Batch(queue, batch) => {
                let messages = self.queues.get(*queue).map(|queue| &queue.messages);
                let letters = batch.iter().filter_map(|id| messages?.get(id));
                letters.map(|message| message.letter.clone()).collect()
            }
            Task::Records(stream, count) => {
                let records = self.streams.get(*stream).into_iter().flat_map(|it| &it.records);
                records.take(*count).map(|record| record.letter.clone()).collect()
            }
        }
    }

    fn describe(&self, task: &Task) -> String {
        let letters = self.letters(task);
        let deliveries = letters.iter().filter_map(|letter| self.deliveries.get(letter.entry));
        let texts: Vec<String> = deliveries
            .map(|it| {
                let twice = if it.is_duplicate { " (a copy)" } else { "" };
                format!("{} {}{twice} for the {}. time", it.name, it.event_id, it.attempts)
            })
            .collect();
        texts.join(", ")
    }

    // Processes.

    /// The place of an idle process, which is started if there is none.
    fn sandbox(&mut self, function: usize) -> usize {
        let now = self.core.now();
        let faults = self.core.faults();
        let bus = self.bus().clone();
        let Some(state) = self.functions.get_mut(function) else { return 0 };
        let keep = in_millis(state.keep_alive);
        state.sandboxes.retain(|it| it.busy.is_some() || now.saturating_sub(it.idle_since) <= keep);
        let idle: Vec<usize> = (0..state.sandboxes.len())
            .filter(|place| state.sandboxes.get(*place).is_some_and(|it| it.busy.is_none()))
            .collect();
        if !idle.is_empty() {
            let chosen = self.core.draw(Question::Pick, 3) % idle.len() as u64;
            let chosen = usize::try_from(chosen).ok().and_then(|it| idle.get(it));
            let place = chosen.copied().unwrap_or_default();
            let who = state.sandboxes.get(place).map(|it| Arc::clone(&it.who));
            let who = who.as_deref().unwrap_or_default();
            let what = format_args!("{who} is replaced");
            if !self.core.strikes(Question::Replace, 0, faults.replace, what) {
                return place;
            }
            state.sandboxes.remove(place);
        }
        let id = self.next_sandbox;
        self.next_sandbox += 1;
        state.tally.sandboxes += 1;
        let most = i64::try_from(in_millis(faults.skew)).unwrap_or(0);
        let skew = match u64::try_from(2 * most + 1) {
            Ok(range) if most > 0 => {
                i64::try_from(self.core.draw(Question::Skew, 0) % range).unwrap_or(0) - most
            }
            _ => 0,
        };
        let who: Arc<str> = format!("{}.{id}", state.name).into();
        let sandbox = Sandbox {
            core: Arc::clone(&self.core),
            bus,
            buses: self.buses.clone(),
            memory: self.memory.clone(),
            ledger: Arc::clone(&self.ledger),
            kept: state.kept.clone(),
            skew,
            // Beside the streams of the world.
            seed: drawn(self.core.seed(), 1 << 32, id),
            function: Arc::clone(&state.name),
            #[cfg(feature = "dynamodb")]
            client: self.database.as_ref().map(|it| it.client.clone()),
        };
        let app = must("starting a function", (state.start)(&sandbox));
        self.core.note(&who, "is started");
        state.sandboxes.push(SandboxState { id, who, app, busy: None, idle_since: now });
        state.sandboxes.len() - 1
    }

    fn remove_sandbox(&mut self, function: usize, id: u64) {
        if let Some(function) = self.functions.get_mut(function) {
            function.sandboxes.retain(|sandbox| sandbox.id != id);
        }
    }

    fn deploy(&mut self, index: usize) {
        let deploy = self.deploys.get_mut(index).and_then(Option::take);
        let Some((function, start)) = deploy else { return };
        let Some(state) = self.functions.get_mut(function) else { return };
        self.core.note(&state.name, "gets new code");
        state.start = start;
        // Those that are busy answer, and are not asked again.
        state.sandboxes.clear();
    }

    fn name_of(&self, function: usize) -> Arc<str> {
        let name = self.functions.get(function).map(|it| Arc::clone(&it.name));
        name.unwrap_or_else(|| "".into())
    }
}

/// The names of an event that is delivered.
struct Known {
    name: String,
    event_id: String,
    correlation_id: Option<String>,
}

/// Answer of a function to a batch.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failures {
    #[serde(default)]
    batch_item_failures: Vec<Failure>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: Option<String>,
}

impl Failures {
    /// Reads the messages that have failed. `None` stands for all of them: an answer that Lambda
    /// cannot read, or with an identifier that it did not give.
    fn read(answer: &str, batch: &[u64]) -> Option<BTreeSet<u64>> {
        if matches!(answer.trim(), "" | "null") {
            return Some(BTreeSet::new());
        }
        let Self { batch_item_failures } = serde_json::from_str(answer).ok()?;
        let ids = batch_item_failures.into_iter().map(|failure| {
            let identifier = failure.item_identifier?;
            batch.iter().copied().find(|id| QueuedMessage::message_id(*id) == identifier)
        });
        ids.collect()
    }
}

/// Returns the subject with these names.
pub(super) fn subject(names: &[&[u8]]) -> Subject {
    // The last bit is for copies, and the next ones for attempts.
    let all = fingerprint(names);
    u64::try_from(all >> 64 ^ all & u128::from(u64::MAX)).unwrap_or_default() << 8
}

fn shuffle<T>(items: &mut [T], mut draw: impl FnMut() -> u64) {
    for end in (1..items.len()).rev() {
        let other = usize::try_from(draw() % (end as u64 + 1)).unwrap_or(end);
        items.swap(end, other);
    }
}
