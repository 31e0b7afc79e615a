//! Time, chance, and whose turn it is.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use setpiece_envelope::{Clock as _, FixedClock};
use setpiece_policy::{Random as _, SeededRandom};

use super::{
    faults::{Placed, WorldFaults, longest_latency},
    request::{RequestFault, Trouble, WorldResource, is_table_write},
};
use crate::chance::unit;

/// When something is due: the moment, then chance, then the order in which it was asked for.
pub(super) type Turn = (u64, u64, u64);

/// The number of an invocation.
pub(super) type RunId = usize;

/// Acts that are due.
#[derive(Debug)]
pub(super) enum Due<A> {
    /// An invocation has something to do.
    Poll(RunId),
    /// Something that an invocation waits for is over.
    Timer(u64),
    /// Something happens in the cloud.
    Act(A),
}

/// Questions to chance. Each has a sequence of its own, so that one more question of one kind
/// changes no answer of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Question {
    Order,
    Latency,
    Pick,
    Length,
    Transit,
    Skew,
    Duplicate,
    Late,
    Crash,
    Freeze,
    Replace,
    Throttle,
    LoseAnswer,
    Fail,
    Cancel,
    Partial,
    LateWrite,
    RefuseEvent,
    Outage,
    Denial,
    Absence,
    /// Details that are left to chance about a fault that strikes.
    Detail,
}

impl Question {
    /// Returns the name of the fault that the answer can be.
    pub(super) fn fault(self) -> Option<&'static str> {
        Some(match self {
            Self::Duplicate => "duplicate",
            Self::Late => "delay",
            Self::Crash => "crash",
            Self::Freeze => "freeze",
            Self::Replace => "replacement",
            Self::Throttle => "throttling",
            Self::LoseAnswer => "lost answer",
            Self::Fail => "failure",
            Self::Cancel => "cancellation",
            Self::Partial => "partial failure",
            Self::LateWrite => "late write",
            Self::RefuseEvent => "refused event",
            Self::Outage => "outage",
            Self::Denial => "refused permission",
            Self::Absence => "missing resource",
            Self::Detail
            | Self::Order
            | Self::Latency
            | Self::Pick
            | Self::Length
            | Self::Transit
            | Self::Skew => return None,
        })
    }
}

/// Subject of a question, so that what happens elsewhere does not change the answer.
pub(super) type Subject = u64;

/// One fault: which kind, what it is about, and the how manieth question about that.
pub(super) type Strike = (Question, Subject, u64);

/// By what a world is simpler than its seed and its faults say.
#[derive(Clone, Debug, Default)]
pub(super) struct Simpler {
    /// No other faults strike by chance.
    pub(super) only: Option<BTreeSet<Strike>>,
    /// Deliveries do not overtake each other.
    pub(super) in_order: bool,
}

/// Fate of the invocation that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Crash,
    Freeze,
}

/// The part of a world that everything in it shares.
pub(super) struct Kernel<A> {
    pub(super) clock: FixedClock,
    seed: u64,
    state: Mutex<State<A>>,
}

struct State<A> {
    start: u64,
    agenda: BTreeMap<Turn, Due<A>>,
    turns: u64,
    /// Number of questions about each subject.
    asked: HashMap<(Question, Subject), u64>,
    faults: WorldFaults,
    /// Requests that have a fault placed and were made.
    placed: BTreeSet<usize>,
    /// The events that were put to a bus, and the codes with which they are refused for good.
    judged: HashMap<String, Option<String>>,
    simpler: Simpler,
    struck: Vec<(Strike, String)>,
    /// Without it, nothing is written down.
    trace: Option<Vec<Line>>,
    running: Option<Running>,
    scheduled: BTreeSet<RunId>,
    timers: BTreeMap<u64, Timer>,
    next_timer: u64,
    requests: BTreeMap<String, u64>,
}

struct Timer {
    turn: Turn,
    waker: Waker,
}

struct Line {
    at: u64,
    text: String,
}

/// Facts about the invocation that is polled.
pub(super) struct Running {
    pub(super) who: Arc<str>,
    /// The name of the function, and which of its invocations it is.
    pub(super) function: Arc<str>,
    pub(super) invocation: u64,
    pub(super) about: Subject,
    /// Number of points that it has passed.
    pub(super) passed: u32,
    /// After how many points something happens to it.
    pub(super) fated: Option<(u32, Fate)>,
    /// Fate that has just struck it.
    pub(super) fate: Option<Fate>,
    /// True if one of its requests had a fault.
    pub(super) struck: bool,
}

impl<A: Send + 'static> Kernel<A> {
    pub(super) fn new(seed: u64) -> Self {
        let clock = FixedClock::default();
        let start = millis(&clock);
        let state = State {
            start,
            agenda: BTreeMap::new(),
            turns: 0,
            asked: HashMap::new(),
            faults: WorldFaults::none(),
            placed: BTreeSet::new(),
            judged: HashMap::new(),
            simpler: Simpler::default(),
            struck: Vec::new(),
            trace: Some(Vec::new()),
            running: None,
            scheduled: BTreeSet::new(),
            timers: BTreeMap::new(),
            next_timer: 0,
            requests: BTreeMap::new(),
        };
        Self { clock, seed, state: Mutex::new(state) }
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    fn state(&self) -> MutexGuard<'_, State<A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // Time.

    pub(super) fn now(&self) -> u64 {
        millis(&self.clock)
    }

    /// Returns the time for which the world has existed.
    pub(super) fn age(&self) -> Duration {
        Duration::from_millis(self.now().saturating_sub(self.state().start))
    }

    /// Lets `act` happen after a while.
    pub(super) fn after(&self, duration: Duration, act: A) -> Turn {
        let due = self.now().saturating_add(in_millis(duration));
        self.state().enter(self.seed, due, Due::Act(act))
    }

    /// Adds an act behind all that are due in the same moment and were entered before.
    pub(super) fn in_order(&self, duration: Duration, act: A) -> Turn {
        let due = self.now().saturating_add(in_millis(duration));
        let state = &mut *self.state();
        state.turns += 1;
        let turn = (due, 0, state.turns);
        state.agenda.insert(turn, Due::Act(act));
        turn
    }

    pub(super) fn cancel(&self, turn: Turn) {
        self.state().agenda.remove(&turn);
    }

    /// Returns the act that is due next, letting time pass until it is.
    pub(super) fn next(&self) -> Option<Due<A>> {
        let ((at, ..), due) = self.state().agenda.pop_first()?;
        self.clock.advance(Duration::from_millis(at.saturating_sub(self.now())));
        if let Due::Poll(run) = &due {
            self.state().scheduled.remove(run);
        }
        Some(due)
    }

    /// Lets a timer be over.
    pub(super) fn fire(&self, timer: u64) {
        let timer = self.state().timers.remove(&timer);
        if let Some(Timer { waker, .. }) = timer {
            waker.wake();
        }
    }

    pub(super) fn wait(self: &Arc<Self>, duration: Duration) -> Wait<A> {
        Wait { kernel: Arc::clone(self), duration, timer: None }
    }

    pub(super) fn schedule(&self, run: RunId) {
        let now = self.now();
        let state = &mut *self.state();
        if state.scheduled.insert(run) {
            state.enter(self.seed, now, Due::Poll(run));
        }
    }

    pub(super) fn waker(self: &Arc<Self>, run: RunId) -> Waker {
        Waker::from(Arc::new(RunWaker { kernel: Arc::downgrade(self), run }))
    }

    // Chance.

    /// A number that follows from the seed and from how often it was asked for the same thing.
    pub(super) fn draw(&self, question: Question, about: Subject) -> u64 {
        self.state().draw(self.seed, question, about).0
    }

    /// A duration up to `longest`.
    pub(super) fn draw_up_to(
        &self,
        question: Question,
        about: Subject,
        longest: Duration,
    ) -> Duration {
        longest.mul_f64(unit(self.draw(question, about)))
    }

    /// Returns true if a fault strikes now, which it does with that probability.
    pub(super) fn strikes(
        &self,
        question: Question,
        about: Subject,
        probability: f64,
        what: impl fmt::Display,
    ) -> bool {
        let age = self.age();
        let state = &mut *self.state();
        let (drawn, number) = state.draw(self.seed, question, about);
        let strike = (question, about, number);
        if state.faults.are_over(age)
            || unit(drawn) >= probability
            || state.simpler.only.as_ref().is_some_and(|only| !only.contains(&strike))
        {
            return false;
        }
        // Only those who look at what happened want to know in words.
        let is_told = state.trace.is_some();
        let told = is_told.then(|| format!("{:10.3} {what}", age.as_secs_f64()));
        state.struck.push((strike, told.unwrap_or_default()));
        true
    }

    pub(super) fn faults(&self) -> WorldFaults {
        let state = self.state();
        let faults = state.faults.clone();
        if state.simpler.in_order { faults.reorder(Duration::ZERO) } else { faults }
    }

    pub(super) fn set_faults(&self, faults: WorldFaults) {
        let state = &mut *self.state();
        state.faults = faults;
        state.placed.clear();
        state.judged.clear();
    }

    /// A fault that was placed by hand for this invocation.
    pub(super) fn placed(&self, function: &str, invocation: u64) -> Option<(u32, Fate)> {
        let state = self.state();
        let mut placed = state.faults.placed.iter();
        let is_meant = |it: &&Placed| it.function == function && it.invocation == invocation;
        placed.find(is_meant).map(|it| (it.point, it.fate))
    }

    pub(super) fn simplify(&self, simpler: Simpler) {
        self.state().simpler = simpler;
    }

    /// The faults that have struck, in order, and what each was, if there is a trace.
    pub(super) fn struck(&self) -> Vec<(Strike, String)> {
        self.state().struck.clone()
    }

    // The invocation that runs.

    pub(super) fn begin(&self, running: Running) {
        self.state().running = Some(running);
    }

    pub(super) fn end(&self) -> Option<Running> {
        self.state().running.take()
    }

    /// Makes a request of the invocation that runs: it takes a while until it arrives, and until
    /// its answer does, and both are points at which the invocation may end. `is_for` says which
    /// resources a request is for, and `make` makes it.
    pub(super) async fn request<R, T>(
        self: &Arc<Self>,
        operation: &str,
        request: R,
        is_for: impl Fn(&R, &WorldResource) -> bool,
        make: impl AsyncFnOnce(R, Option<Trouble>) -> T,
    ) -> T {
        self.point(operation).await;
        let trouble = self.trouble(operation, |resource| is_for(&request, resource));
        let answer = make(request, trouble).await;
        self.point(operation).await;
        answer
    }

    async fn point(self: &Arc<Self>, operation: &str) {
        let about = {
            let state = &mut *self.state();
            match &mut state.running {
                None => None,
                Some(running) => {
                    if running.fated.is_some_and(|(point, _)| point == running.passed) {
                        running.fate = running.fated.take().map(|(_, fate)| fate);
                    }
                    running.passed += 1;
                    Some(running.about)
                }
            }
        };
        // A test that asks between two turns does not wait.
        if let Some(about) = about {
            let longest = longest_latency(operation);
            self.wait(self.draw_up_to(Question::Latency, about, longest)).await;
        }
    }

    fn trouble(&self, operation: &str, is_for: impl Fn(&WorldResource) -> bool) -> Option<Trouble> {
        let age = self.age();
        let (who, about, rates, latest, placed) = {
            let state = &mut *self.state();
            *state.requests.entry(operation.to_owned()).or_default() += 1;
            let placed = state.placed_request(operation);
            let running = state.running.as_ref()?;
            let (who, about) = (Arc::clone(&running.who), running.about);
            (who, about, state.faults.requests, state.faults.latest, placed)
        };
        let by_chance = |question, probability: f64, what: fmt::Arguments<'_>| {
            // What is off asks nothing.
            probability > 0.0 && self.strikes(question, about, probability, what)
        };
        let throttled = by_chance(
            Question::Throttle,
            rates.throttle,
            format_args!("{operation} of {who} is throttled"),
        );
        let lost = by_chance(
            Question::LoseAnswer,
            rates.lose_answers,
            format_args!("the answer to {operation} of {who} is lost"),
        );
        let failed =
            by_chance(Question::Fail, rates.fail, format_args!("{operation} of {who} fails"));
        let cancelled = operation == "TransactWriteItems"
            && by_chance(
                Question::Cancel,
                rates.cancel,
                format_args!("{operation} of {who} is cancelled"),
            );
        let partial = operation == "PutEvents"
            && by_chance(
                Question::Partial,
                rates.partial,
                format_args!("some entries of {operation} of {who} fail"),
            );
        let late = is_table_write(operation)
            && by_chance(
                Question::LateWrite,
                rates.late,
                format_args!("{operation} of {who} is done late"),
            );
        let chances = [
            (throttled, RequestFault::Throttled),
            (cancelled, RequestFault::Cancelled),
            (partial, RequestFault::Partial),
            (failed, RequestFault::Failed),
            (late, RequestFault::Late),
            (lost, RequestFault::AnswerLost),
        ];
        let mut chances = chances.into_iter();
        let chosen = placed
            .or_else(|| self.out_of_order(age, is_for))
            .or_else(|| chances.find_map(|(strikes, fault)| strikes.then_some(fault)));
        let Some(mut fault) = chosen else {
            self.note(&who, format_args!("{operation}"));
            return None;
        };
        if let Some(running) = &mut self.state().running {
            running.struck = true;
        }
        let chance = self.draw(Question::Detail, about);
        if fault == RequestFault::Failed && failed && chance.is_multiple_of(2) {
            fault = RequestFault::FailedThoughDone;
        }
        self.note(&who, format_args!("{operation}: {fault:?}"));
        let delay = self.draw_up_to(Question::Detail, about, latest);
        Some(Trouble { fault, chance, delay })
    }

    /// The fault of everything that a request is for, if there is one at this time.
    fn out_of_order(
        &self,
        age: Duration,
        is_for: impl Fn(&WorldResource) -> bool,
    ) -> Option<RequestFault> {
        let state = &mut *self.state();
        if state.faults.windows.is_empty() {
            return None;
        }
        for (index, window) in state.faults.windows.iter().enumerate() {
            if !window.when.contains(&age) || !is_for(&window.of) {
                continue;
            }
            // It strikes as a whole, or not at all.
            let strike = (window.question(), index as Subject, 0);
            if state.simpler.only.as_ref().is_some_and(|only| !only.contains(&strike)) {
                continue;
            }
            if !state.struck.iter().any(|(struck, _)| *struck == strike) {
                let is_told = state.trace.is_some();
                let told = is_told.then(|| {
                    let (at, end) = (age.as_secs_f64(), window.when.end.as_secs_f64());
                    format!("{at:10.3} {}: {:?} until {end:.3}", window.of, window.fault)
                });
                state.struck.push((strike, told.unwrap_or_default()));
            }
            return Some(window.fault);
        }
        None
    }

    /// The code with which an event is refused for good, if it is.
    pub(super) fn refusal(&self, name: &str, event_id: &str, about: Subject) -> Option<String> {
        const CODES: [&str; 3] =
            ["InvalidArgument", "MalformedDetail", "NotAuthorizedForDetailTypeException"];
        let probability = {
            let state = self.state();
            let refused = state.faults.refused.iter().find(|(refused, _)| *refused == name);
            if let Some((_, code)) = refused {
                return Some(code.clone());
            }
            if let Some(judged) = state.judged.get(event_id) {
                return judged.clone();
            }
            state.faults.refuse_events
        };
        if probability == 0.0 {
            return None;
        }
        let what = format_args!("{name} {event_id} is refused for good");
        let code = self.strikes(Question::RefuseEvent, about, probability, what).then(|| {
            let drawn = self.draw(Question::Detail, about) % CODES.len() as u64;
            let code = usize::try_from(drawn).ok().and_then(|drawn| CODES.get(drawn));
            (*code.unwrap_or(&CODES[0])).to_owned()
        });
        self.state().judged.insert(event_id.to_owned(), code.clone());
        code
    }

    /// Returns the number of faults that have struck by chance, by their names.
    pub(super) fn faults_by_name(&self) -> BTreeMap<&'static str, u64> {
        let state = self.state();
        let names = state.struck.iter().filter_map(|((question, ..), _)| question.fault());
        names.fold(BTreeMap::new(), |mut counts, name| {
            *counts.entry(name).or_default() += 1;
            counts
        })
    }

    /// Returns the number of transactions that were asked for.
    pub(super) fn commits(&self) -> u64 {
        self.state().requests.get("TransactWriteItems").copied().unwrap_or_default()
    }

    pub(super) fn requests(&self) -> BTreeMap<String, u64> {
        self.state().requests.clone()
    }

    // The trace.

    pub(super) fn stop_tracing(&self) {
        self.state().trace = None;
    }

    pub(super) fn note(&self, who: &str, what: impl fmt::Display) {
        let now = self.now();
        let state = &mut *self.state();
        let at = now.saturating_sub(state.start);
        if let Some(trace) = &mut state.trace {
            trace.push(Line { at, text: format!("{who:<16} {what}") });
        }
    }

    /// Returns the story of the world, a line for each step.
    pub(super) fn trace(&self) -> String {
        let state = self.state();
        let lines = state.trace.iter().flatten();
        lines.fold(String::new(), |text, Line { at, text: line }| {
            let (seconds, millis) = (at / 1000, at % 1000);
            text + &format!("{seconds:6}.{millis:03} {line}\n")
        })
    }
}

impl<A> State<A> {
    /// A fault that was placed by hand for this request.
    fn placed_request(&mut self, operation: &str) -> Option<RequestFault> {
        let running = self.running.as_ref()?;
        let (index, placed) =
            self.faults.placed_requests.iter().enumerate().find(|(index, it)| {
                it.operation == operation
                    && it.invocation == running.invocation
                    && *it.function == *running.function
                    && !self.placed.contains(index)
            })?;
        let fault = placed.fault;
        self.placed.insert(index);
        Some(fault)
    }

    fn draw(&mut self, seed: u64, question: Question, about: Subject) -> (u64, u64) {
        let asked = self.asked.entry((question, about)).or_default();
        let number = *asked;
        *asked += 1;
        (drawn(seed ^ about, question as u64, number), number)
    }

    fn enter(&mut self, seed: u64, at: u64, due: Due<A>) -> Turn {
        let order = self.draw(seed, Question::Order, 0).0;
        self.turns += 1;
        let turn = (at, order, self.turns);
        self.agenda.insert(turn, due);
        turn
    }
}

/// A number that follows from three.
pub(super) fn drawn(seed: u64, stream: u64, number: u64) -> u64 {
    const ODD: u64 = 0xd134_2543_de82_ef95;
    let stream = SeededRandom::new(seed ^ (stream + 1).wrapping_mul(ODD)).next_u64();
    SeededRandom::new(stream.wrapping_add(number.wrapping_mul(ODD))).next_u64()
}

fn millis(clock: &FixedClock) -> u64 {
    u64::try_from(clock.now().unix_millis()).unwrap_or(0)
}

pub(super) fn in_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Is over after a while. Dropped before, it leaves nothing behind.
pub(super) struct Wait<A: Send + 'static> {
    kernel: Arc<Kernel<A>>,
    duration: Duration,
    timer: Option<u64>,
}

impl<A: Send + 'static> Future for Wait<A> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let due = self.kernel.now().saturating_add(in_millis(self.duration));
        let kernel = Arc::clone(&self.kernel);
        let state = &mut *kernel.state();
        match self.timer {
            None => {
                let id = state.next_timer;
                state.next_timer += 1;
                let turn = state.enter(kernel.seed, due, Due::Timer(id));
                state.timers.insert(id, Timer { turn, waker: context.waker().clone() });
                self.timer = Some(id);
                Poll::Pending
            }
            Some(id) => match state.timers.get_mut(&id) {
                None => Poll::Ready(()),
                Some(timer) => {
                    timer.waker.clone_from(context.waker());
                    Poll::Pending
                }
            },
        }
    }
}

impl<A: Send + 'static> Drop for Wait<A> {
    fn drop(&mut self) {
        let Some(id) = self.timer else { return };
        // The waker is dropped without the lock.
        let timer = {
            let state = &mut *self.kernel.state();
            let timer = state.timers.remove(&id);
            if let Some(timer) = &timer {
                state.agenda.remove(&timer.turn);
            }
            timer
        };
        drop(timer);
    }
}

struct RunWaker<A> {
    kernel: Weak<Kernel<A>>,
    run: RunId,
}

impl<A: Send + 'static> Wake for RunWaker<A> {
    fn wake(self: Arc<Self>) {
        if let Some(kernel) = self.kernel.upgrade() {
            kernel.schedule(self.run);
        }
    }
}
