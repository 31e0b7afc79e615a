use std::{ops::Range, time::Duration};

use setpiece_envelope::DomainEvent;

use super::{
    kernel::{Fate, Question},
    request::{RequestFault, WorldResource},
};

/// Faults that strike those who live in a [`World`](super::World): by chance, and as placed by
/// hand.
///
/// ```
/// use std::time::Duration;
/// use setpiece_testing::{RequestFault, WorldFaults, WorldResource};
///
/// let faults = WorldFaults::usual()
///     .freeze(0.02)
///     .skew(Duration::from_millis(400))
///     .partial(0.1)
///     .outage_of(WorldResource::EveryBus, Duration::from_secs(5)..Duration::from_secs(20))
///     .crash_at("loyalty", 0, 4)
///     .request_at("loyalty", 1, "TransactWriteItems", RequestFault::Cancelled);
/// # _ = faults;
/// ```
#[derive(Clone, Debug)]
#[must_use = "hand it to a world"]
pub struct WorldFaults {
    pub(super) duplicate: f64,
    pub(super) reorder: Duration,
    pub(super) late: f64,
    pub(super) longest_delay: Duration,
    pub(super) crash: f64,
    pub(super) freeze: f64,
    pub(super) replace: f64,
    pub(super) requests: RequestRates,
    pub(super) latest: Duration,
    pub(super) refuse_events: f64,
    /// The names of events that are refused for good, each with the code.
    pub(super) refused: Vec<(&'static str, String)>,
    pub(super) skew: Duration,
    pub(super) windows: Vec<Window>,
    pub(super) until: Option<Duration>,
    pub(super) placed: Vec<Placed>,
    pub(super) placed_requests: Vec<PlacedRequest>,
}

/// The probabilities of faults of single requests.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RequestRates {
    pub(super) throttle: f64,
    pub(super) lose_answers: f64,
    pub(super) fail: f64,
    pub(super) cancel: f64,
    pub(super) partial: f64,
    pub(super) late: f64,
}

/// A time in which something is out of order.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) of: WorldResource,
    pub(super) when: Range<Duration>,
    pub(super) fault: RequestFault,
}

impl Window {
    pub(super) fn question(&self) -> Question {
        match self.fault {
            RequestFault::Denied => Question::Denial,
            RequestFault::Missing => Question::Absence,
            _ => Question::Outage,
        }
    }
}

/// A fault of the first request for an operation of one invocation.
#[derive(Clone, Debug)]
pub(super) struct PlacedRequest {
    pub(super) function: String,
    pub(super) invocation: u64,
    pub(super) operation: String,
    pub(super) fault: RequestFault,
}

/// A fault at one point of one invocation.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) function: String,
    pub(super) invocation: u64,
    pub(super) point: u32,
    pub(super) fate: Fate,
}

impl WorldFaults {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self {
            duplicate: 0.0,
            reorder: Duration::ZERO,
            late: 0.0,
            longest_delay: Duration::ZERO,
            crash: 0.0,
            freeze: 0.0,
            replace: 0.0,
            requests: RequestRates::default(),
            latest: Duration::ZERO,
            refuse_events: 0.0,
            refused: Vec::new(),
            skew: Duration::ZERO,
            windows: Vec::new(),
            until: None,
            placed: Vec::new(),
            placed_requests: Vec::new(),
        }
    }

    /// A bad day: 30 % of deliveries come twice and all in any order, 10 % of invocations crash,
    /// 5 % of requests are throttled, and 2 % of answers get lost.
    pub fn usual() -> Self {
        Self::none()
            .duplicate(0.3)
            .reorder(Duration::from_millis(500))
            .crash(0.1)
            .throttle(0.05)
            .lose_answers(0.02)
    }

    /// Delivers an event to a subscriber a second time with this probability.
    ///
    /// # Panics
    ///
    /// When it is no probability, as for all that follow.
    #[track_caller]
    pub fn duplicate(self, probability: f64) -> Self {
        Self { duplicate: checked(probability), ..self }
    }

    /// Lets each delivery take up to `longest`, so that they overtake each other, and batches of
    /// standard queues come in any order.
    pub fn reorder(self, longest: Duration) -> Self {
        Self { reorder: longest, ..self }
    }

    /// Delivers with this probability up to `longest` after its time.
    #[track_caller]
    pub fn delay(self, probability: f64, longest: Duration) -> Self {
        Self { late: checked(probability), longest_delay: longest, ..self }
    }

    /// Ends the process of an invocation with this probability, at any of the points at which it
    /// waits.
    #[track_caller]
    pub fn crash(self, probability: f64) -> Self {
        Self { crash: checked(probability), ..self }
    }

    /// Lets the process of an invocation stand still with this probability, at any of those points,
    /// until after its deadline; then it goes on as if nothing had happened.
    #[track_caller]
    pub fn freeze(self, probability: f64) -> Self {
        Self { freeze: checked(probability), ..self }
    }

    /// Ends an idle sandbox with this probability when an invocation could have had it.
    #[track_caller]
    pub fn replace(self, probability: f64) -> Self {
        Self { replace: checked(probability), ..self }
    }

    /// Throttles each request with this probability.
    #[track_caller]
    pub fn throttle(mut self, probability: f64) -> Self {
        self.requests.throttle = checked(probability);
        self
    }

    /// Loses the answer to each request with this probability, after it was done.
    #[track_caller]
    pub fn lose_answers(mut self, probability: f64) -> Self {
        self.requests.lose_answers = checked(probability);
        self
    }

    /// Answers each request with a status of 500 with this probability. Half of them are done all
    /// the same.
    #[track_caller]
    pub fn fail(mut self, probability: f64) -> Self {
        self.requests.fail = checked(probability);
        self
    }

    /// Cancels each transaction with this probability, for reasons that pass: at some of its
    /// indexes, any of `TransactionConflict`, `ThrottlingError` and
    /// `ProvisionedThroughputExceeded`, and at the others what is true of the action.
    ///
    /// In memory there are no reasons; it is a conflict or a throttled table.
    #[track_caller]
    pub fn cancel(mut self, probability: f64) -> Self {
        self.requests.cancel = checked(probability);
        self
    }

    /// Fails some entries of each `PutEvents` with this probability, each with `ThrottlingException`
    /// or `InternalFailure`. Of several entries, at least one is taken.
    #[track_caller]
    pub fn partial(mut self, probability: f64) -> Self {
        self.requests.partial = checked(probability);
        self
    }

    /// Lets each write to a table be done up to `longest` after its caller was told that the
    /// connection broke, with this probability. A transaction that is asked for again in the
    /// meantime is refused with `TransactionInProgressException`, in the engine.
    #[track_caller]
    pub fn late_writes(mut self, probability: f64, longest: Duration) -> Self {
        self.requests.late = checked(probability);
        self.latest = longest;
        self
    }

    /// Lets buses refuse each event for good with this probability, however often it is sent, with a
    /// code that says so.
    #[track_caller]
    pub fn refuse_events(self, probability: f64) -> Self {
        Self { refuse_events: checked(probability), ..self }
    }

    /// Lets buses refuse all events of a type for good, with this error code of an entry.
    pub fn refuse<E: DomainEvent>(mut self, code: &str) -> Self {
        self.refused.push((E::NAME, code.to_owned()));
        self
    }

    /// Lets the clock of each sandbox be wrong by up to `most`, in either direction.
    ///
    /// Guards allow for a second between two clocks, so half of it is what they bear.
    pub fn skew(self, most: Duration) -> Self {
        Self { skew: most, ..self }
    }

    /// Lets no store be reached for a time, counted from the beginning of the world.
    pub fn outage(self, when: Range<Duration>) -> Self {
        self.outage_of(WorldResource::EveryStore, when)
    }

    /// Lets this alone not be reached for a time, counted from the beginning of the world.
    pub fn outage_of(self, of: WorldResource, when: Range<Duration>) -> Self {
        self.window(of, when, RequestFault::Unreachable)
    }

    /// Refuses requests for this with `AccessDeniedException` for a time, as before a policy is
    /// there.
    pub fn deny(self, of: WorldResource, when: Range<Duration>) -> Self {
        self.window(of, when, RequestFault::Denied)
    }

    /// Lets this not exist for a time: tables and queues say so, and buses take events and drop
    /// them.
    pub fn absent(self, of: WorldResource, when: Range<Duration>) -> Self {
        self.window(of, when, RequestFault::Missing)
    }

    fn window(mut self, of: WorldResource, when: Range<Duration>, fault: RequestFault) -> Self {
        self.windows.push(Window { of, when, fault });
        self
    }

    /// Lets nothing go wrong by chance from this moment on.
    pub fn until(self, end: Duration) -> Self {
        Self { until: Some(end), ..self }
    }

    /// Ends the process of an invocation of `function`, counted from 0, after so many points.
    pub fn crash_at(self, function: &str, invocation: u64, point: u32) -> Self {
        self.placed(function, invocation, point, Fate::Crash)
    }

    /// Lets that process stand still there until after its deadline.
    pub fn freeze_at(self, function: &str, invocation: u64, point: u32) -> Self {
        self.placed(function, invocation, point, Fate::Freeze)
    }

    /// Lets the first request for `operation` of an invocation of `function`, counted from 0, have
    /// this fault. Said twice, it is the first two.
    pub fn request_at(
        mut self,
        function: &str,
        invocation: u64,
        operation: &str,
        fault: RequestFault,
    ) -> Self {
        let (function, operation) = (function.to_owned(), operation.to_owned());
        self.placed_requests.push(PlacedRequest { function, invocation, operation, fault });
        self
    }

    fn placed(mut self, function: &str, invocation: u64, point: u32, fate: Fate) -> Self {
        self.placed.push(Placed { function: function.to_owned(), invocation, point, fate });
        self
    }

    pub(super) fn are_over(&self, age: Duration) -> bool {
        self.until.is_some_and(|end| age >= end)
    }
}

/// Returns the longest time that a request takes to arrive, and its answer.
pub(super) fn longest_latency(operation: &str) -> Duration {
    Duration::from_millis(if operation == "PutEvents" { 15 } else { 5 })
}

#[track_caller]
fn checked(probability: f64) -> f64 {
    assert!((0.0..=1.0).contains(&probability), "{probability} is no probability");
    probability
}
