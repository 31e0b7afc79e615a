use std::{ops::Range, time::Duration};

use super::kernel::Fate;

/// What a [`World`](super::World) does to those who live in it: by chance, and as placed by hand.
///
/// ```
/// use std::time::Duration;
/// use setpiece_testing::WorldFaults;
///
/// let faults = WorldFaults::usual()
///     .freeze(0.02)
///     .skew(Duration::from_millis(400))
///     .outage(Duration::from_secs(5)..Duration::from_secs(20))
///     .crash_at("loyalty", 0, 4);
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
    pub(super) throttle: f64,
    pub(super) lose_answers: f64,
    pub(super) skew: Duration,
    pub(super) outages: Vec<Range<Duration>>,
    pub(super) until: Option<Duration>,
    pub(super) placed: Vec<Placed>,
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
            throttle: 0.0,
            lose_answers: 0.0,
            skew: Duration::ZERO,
            outages: Vec::new(),
            until: None,
            placed: Vec::new(),
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
    pub fn throttle(self, probability: f64) -> Self {
        Self { throttle: checked(probability), ..self }
    }

    /// Loses the answer to each request with this probability, after it was done.
    #[track_caller]
    pub fn lose_answers(self, probability: f64) -> Self {
        Self { lose_answers: checked(probability), ..self }
    }

    /// Lets the clock of each sandbox be wrong by up to `most`, in either direction.
    ///
    /// Guards allow for a second between two clocks, so half of it is what they bear.
    pub fn skew(self, most: Duration) -> Self {
        Self { skew: most, ..self }
    }

    /// Lets no store be reached for a time, counted from the beginning of the world.
    pub fn outage(mut self, when: Range<Duration>) -> Self {
        self.outages.push(when);
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

    fn placed(mut self, function: &str, invocation: u64, point: u32, fate: Fate) -> Self {
        self.placed.push(Placed { function: function.to_owned(), invocation, point, fate });
        self
    }

    pub(super) fn are_over(&self, age: Duration) -> bool {
        self.until.is_some_and(|end| age >= end)
    }

    pub(super) fn is_out(&self, age: Duration) -> bool {
        self.outages.iter().any(|when| when.contains(&age))
    }
}

/// How long a request takes at most to arrive, and its answer.
pub(super) fn longest_latency(operation: &str) -> Duration {
    Duration::from_millis(if operation == "PutEvents" { 15 } else { 5 })
}

#[track_caller]
fn checked(probability: f64) -> f64 {
    assert!((0.0..=1.0).contains(&probability), "{probability} is no probability");
    probability
}
