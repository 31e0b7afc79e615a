//! Several callers, clocks that differ, lost answers and lapsed leases, at random and from a seed:
//! the guard says what a small model says.
//!
//! The model knows neither owners nor conditions. It has one record and asks who claimed it last.

use std::time::Duration;

use setpiece_envelope::{Clock, FixedClock, Timestamp};
use setpiece_idempotency::{
    Claim, Claimed, Completed, Guard, GuardError, Key, Lease, Semantics,
    record::{Record, Status},
};
use setpiece_policy::{Random as _, Retry, RetryBudget, SeededRandom};

use crate::support::{Harness, KEY, Op, Probe, SECOND, TestGuard, Trouble, World};

const ACTORS: usize = 4;
const STEPS: usize = 40;
const RETENTION: Duration = Duration::from_mins(1);

#[test]
fn guard_says_what_the_model_says() {
    for seed in 0..4000 {
        crate::support::run(async |world| history(world, seed).await);
    }
}

/// One history: the same from the same seed, on any store.
pub(crate) async fn history<H: Harness>(world: &World<H>, seed: u64) {
    let random = SeededRandom::new(seed);
    let semantics =
        if seed.is_multiple_of(3) { Semantics::AtMostOnce } else { Semantics::AtLeastOnce };
    let mut actors: Vec<_> = (0..ACTORS)
        .map(|_| Actor::new(world, semantics, pick(&random, 2001).cast_signed() - 1000))
        .collect();
    let mut model = Model { semantics, ..Model::default() };
    let mut invariants = Invariants::default();
    for step in 0..STEPS {
        let actor = usize::try_from(pick(&random, ACTORS as u64)).unwrap();
        let mut trouble = Mishap::pick(&random);
        let before = world.record(&KEY).await;
        let (expected, said) = match pick(&random, 12) {
            0..4 if actors[actor].claim.is_none() => {
                let length = Duration::from_secs(5 + pick(&random, 6));
                trouble.set(world, Op::Acquire);
                let now = actors[actor].clock.now();
                let (said, claim) = actors[actor].acquire(length).await;
                let id = model.claims + 1;
                let expected = model.acquire(now, length, trouble);
                if let Some(claim) = claim {
                    invariants.granted(&claim, before.as_ref(), now, &model);
                    actors[actor].claim = Some((id, claim));
                }
                (expected, said)
            }
            0..8 => {
                let Some((id, claim)) = actors[actor].claim.take() else { continue };
                let now = actors[actor].clock.now();
                let result = i64::try_from(step).unwrap();
                let action = pick(&random, 5);
                let end = if action == 3 { claim.work_until() } else { claim.lease_until() };
                trouble = trouble.within(end.saturating_duration_since(now));
                match action {
                    0 => {
                        trouble.set(world, Op::Settle);
                        let said = completed(claim.complete(&result).await);
                        (model.settle(id, now, result, trouble), said)
                    }
                    1 => {
                        trouble.set(world, Op::Release);
                        let said = match claim.release().await {
                            Ok(()) => Verdict::Freed,
                            Err(error) => refused(error),
                        };
                        (model.release(id, now, trouble), said)
                    }
                    2 => {
                        trouble.set(world, Op::Commit);
                        let writes = [world.harness.add("sum", 1)];
                        let said = completed(claim.commit(&result, &writes).await);
                        (model.commit(id, now, result, trouble), said)
                    }
                    3 => {
                        trouble.set(world, Op::Extend);
                        let mut claim = claim;
                        let (said, length) = (claim.extend().await, actors[actor].length);
                        let said = said.map_or_else(refused, |()| Verdict::Extended);
                        let expected = model.extend(id, now, length, trouble);
                        // One who was told that it is lost stops, and one who was told nothing
                        // knows the lease as it was.
                        if matches!(said, Verdict::Extended | Verdict::Unknown(_)) {
                            actors[actor].claim = Some((id, claim));
                        }
                        (expected, said)
                    }
                    _ => {
                        drop(claim);
                        (Verdict::Crashed, Verdict::Crashed)
                    }
                }
            }
            8 => {
                world.harness.sweep().await;
                model.sweep(world.now());
                (Verdict::Crashed, Verdict::Crashed)
            }
            9 => {
                world.clock.advance(Duration::from_secs(10 + pick(&random, 200)));
                (Verdict::Crashed, Verdict::Crashed)
            }
            _ => {
                world.clock.advance(Duration::from_millis(pick(&random, 9000)));
                (Verdict::Crashed, Verdict::Crashed)
            }
        };
        world.probe.calm();
        let state = format!("{model:?}");
        let context = || format!("seed {seed}, step {step}, {trouble:?}: {state}");
        assert_eq!(said, expected, "{}", context());
        let record = world.record(&KEY).await;
        model.check(record.as_ref(), &context);
        assert_eq!(world.harness.number("sum").await, model.sum, "{}", context());
        if matches!(said, Verdict::Lost | Verdict::Superseded | Verdict::Busy | Verdict::Done(_)) {
            assert_eq!(record, before, "who has no claim changes nothing; {}", context());
        }
        invariants.check(record.as_ref(), world.now().saturating_add(SECOND), &context);
        let live = actors.iter().filter(|actor| actor.is_live()).count();
        assert!(live <= 1, "{live} at the same time; {}", context());
    }
}

fn pick(random: &SeededRandom, below: u64) -> u64 {
    random.next_u64() % below
}

/// What was answered, or should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Granted(u64),
    Done(i64),
    Busy,
    Interrupted,
    Kept,
    Superseded,
    Vanished,
    Lost,
    Freed,
    Extended,
    /// There is no answer; and whether the effect may have happened.
    Unknown(bool),
    /// Nobody was asked.
    Crashed,
}

fn completed(answer: Result<Completed, GuardError>) -> Verdict {
    match answer {
        Ok(Completed::Kept) => Verdict::Kept,
        Ok(Completed::Superseded(_)) => Verdict::Superseded,
        Ok(Completed::Vanished) => Verdict::Vanished,
        Err(error) => refused(error),
    }
}

fn refused(error: GuardError) -> Verdict {
    match error {
        GuardError::Busy(_) => Verdict::Busy,
        GuardError::Interrupted(_) => Verdict::Interrupted,
        GuardError::LeaseLost(_) => Verdict::Lost,
        GuardError::Store(failed) => Verdict::Unknown(failed.may_have_happened),
        other => panic!("{other:?}"),
    }
}

/// What happens to the requests of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mishap {
    None,
    OneAnswerLost,
    OneRequestLost,
    AllAnswersLost,
    AllRequestsLost,
}

impl Mishap {
    fn pick(random: &SeededRandom) -> Self {
        match pick(random, 10) {
            0 => Self::OneAnswerLost,
            1 => Self::OneRequestLost,
            2 => Self::AllAnswersLost,
            3 => Self::AllRequestsLost,
            _ => Self::None,
        }
    }

    fn set<H: Harness>(self, world: &World<H>, op: Op) {
        match self {
            Self::None => {}
            Self::OneAnswerLost => world.probe.next(op, Trouble::AnswerLost),
            Self::OneRequestLost => world.probe.next(op, Trouble::RequestLost),
            Self::AllAnswersLost => world.probe.always(Some(op), Trouble::AnswerLost),
            Self::AllRequestsLost => world.probe.always(Some(op), Trouble::RequestLost),
        }
    }

    /// Whether none of the requests arrives.
    fn is_deaf(self) -> bool {
        self == Self::AllRequestsLost
    }

    /// Whether none of the answers arrives.
    fn is_mute(self) -> bool {
        matches!(self, Self::AllAnswersLost | Self::AllRequestsLost)
    }

    /// What it comes to when so much time is left for another try. A moment that may or may not
    /// suffice is left out.
    fn within(self, left: Duration) -> Self {
        match self {
            _ if left.is_zero() => match self {
                Self::OneAnswerLost => Self::AllAnswersLost,
                Self::OneRequestLost => Self::AllRequestsLost,
                other => other,
            },
            Self::OneAnswerLost | Self::OneRequestLost if left < SECOND / 5 => Self::None,
            other => other,
        }
    }
}

struct Actor<H: Harness> {
    guard: TestGuard<H>,
    clock: Skewed,
    length: Duration,
    claim: Option<(u64, Claim<Probe<H::Store>>)>,
}

impl<H: Harness> Actor<H> {
    fn new(world: &World<H>, semantics: Semantics, ahead: i64) -> Self {
        let clock = Skewed { clock: world.clock.clone(), ahead };
        let retry = Retry::new(clock.clone(), SeededRandom::new(3), world.sleep.clone())
            .with_budget(RetryBudget::new(1_000_000));
        let builder = world.builder_at(clock.clone());
        let guard: Guard<_> =
            builder.retention(RETENTION).semantics(semantics).retry(retry).build().unwrap();
        Self { guard, clock, length: SECOND, claim: None }
    }

    async fn acquire(&mut self, length: Duration) -> (Verdict, Option<Claim<Probe<H::Store>>>) {
        self.length = length;
        let deadline = self.clock.now().saturating_add(100_000 * SECOND);
        let lease = Lease::short(setpiece_policy::Deadline::at(deadline), length);
        let key: &Key = &KEY;
        match self.guard.claim(key, lease).await {
            Ok(Claimed::Owned(claim)) => (Verdict::Granted(claim.attempt()), Some(claim)),
            Ok(Claimed::Done(done)) => (Verdict::Done(done.result().await.unwrap().unwrap()), None),
            Err(error) => (refused(error), None),
        }
    }

    /// Whether it works, by its own clock, and believes that nobody else does.
    fn is_live(&self) -> bool {
        self.claim.as_ref().is_some_and(|(_, claim)| self.clock.now() < claim.work_until())
    }
}

/// A clock that differs from the true one by so many milliseconds.
#[derive(Clone)]
struct Skewed {
    clock: FixedClock,
    ahead: i64,
}

impl Clock for Skewed {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.clock.now().unix_millis() + self.ahead).unwrap()
    }
}

/// One record, and who has claimed it, in milliseconds.
#[derive(Debug, Default)]
struct Model {
    semantics: Semantics,
    record: Option<Entry>,
    claims: u64,
    sum: i64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    claim: u64,
    attempt: u64,
    state: State,
    expires: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Working { until: i64 },
    Done(i64),
    Free,
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}

/// Milliseconds of the first whole second after the retention.
fn expiry(from: i64) -> i64 {
    (from + millis(RETENTION) + 999).div_euclid(1000) * 1000
}

impl Model {
    fn acquire(&mut self, now: Timestamp, length: Duration, mishap: Mishap) -> Verdict {
        let now = now.unix_millis();
        if mishap.is_deaf() {
            return Verdict::Unknown(false);
        }
        let verdict = match self.record {
            None => None,
            Some(Entry { state: State::Working { until }, .. }) if until >= now - 1000 => {
                Some(Verdict::Busy)
            }
            Some(entry) if entry.expires < now.div_euclid(1000) * 1000 => None,
            Some(entry) => match (entry.state, self.semantics) {
                (State::Done(result), _) => Some(Verdict::Done(result)),
                (State::Free, _) | (State::Working { .. }, Semantics::AtLeastOnce) => None,
                (State::Working { .. }, Semantics::AtMostOnce) => Some(Verdict::Interrupted),
            },
        };
        let verdict = verdict.unwrap_or_else(|| {
            self.claims += 1;
            let attempt = self.record.map_or(0, |entry| entry.attempt) + 1;
            let until = now + millis(length);
            let state = State::Working { until };
            let mut entry = Entry { claim: self.claims, attempt, state, expires: expiry(until) };
            if mishap.is_mute() && self.semantics == Semantics::AtMostOnce {
                // Given back once the claim was given up, which only time tells.
                (entry.state, entry.expires) = (State::Free, i64::MAX);
            }
            self.record = Some(entry);
            Verdict::Granted(attempt)
        });
        if mishap.is_mute() { Verdict::Unknown(false) } else { verdict }
    }

    /// The record, if that claim still has it; or what it is told.
    fn claimed(&mut self, claim: u64) -> Result<&mut Entry, Verdict> {
        match &mut self.record {
            None => Err(Verdict::Vanished),
            Some(entry) => match entry.state {
                State::Working { .. } if entry.claim == claim => Ok(entry),
                State::Done(_) => Err(Verdict::Superseded),
                State::Working { .. } | State::Free => Err(Verdict::Lost),
            },
        }
    }

    fn settle(&mut self, claim: u64, now: Timestamp, result: i64, mishap: Mishap) -> Verdict {
        if mishap.is_deaf() {
            return Verdict::Unknown(true);
        }
        let verdict = match self.claimed(claim) {
            Ok(entry) => {
                entry.state = State::Done(result);
                entry.expires = expiry(now.unix_millis());
                Verdict::Kept
            }
            Err(verdict) => verdict,
        };
        if mishap.is_mute() { Verdict::Unknown(true) } else { verdict }
    }

    fn release(&mut self, claim: u64, now: Timestamp, mishap: Mishap) -> Verdict {
        if mishap.is_deaf() {
            return Verdict::Unknown(true);
        }
        let verdict = match self.claimed(claim) {
            Ok(entry) => {
                entry.state = State::Free;
                entry.expires = expiry(now.unix_millis());
                Verdict::Freed
            }
            // Nobody has to wait for it.
            Err(Verdict::Vanished) => Verdict::Freed,
            Err(_) => Verdict::Lost,
        };
        if mishap.is_mute() { Verdict::Unknown(true) } else { verdict }
    }

    /// A commit that is not answered is given back, and so it is known in the end.
    fn commit(&mut self, claim: u64, now: Timestamp, result: i64, mishap: Mishap) -> Verdict {
        match self.claimed(claim) {
            Ok(entry) if mishap.is_deaf() => {
                entry.state = State::Free;
                // Given back once the commit was given up, which only time tells.
                entry.expires = i64::MAX;
                Verdict::Unknown(false)
            }
            Ok(entry) => {
                entry.state = State::Done(result);
                entry.expires = expiry(now.unix_millis());
                self.sum += 1;
                Verdict::Kept
            }
            Err(Verdict::Superseded) => Verdict::Superseded,
            // Whether a commit was applied before the record went, nobody can say.
            Err(Verdict::Vanished) if mishap.is_mute() => Verdict::Unknown(true),
            Err(_) => Verdict::Lost,
        }
    }

    fn extend(&mut self, claim: u64, now: Timestamp, length: Duration, mishap: Mishap) -> Verdict {
        if mishap.is_deaf() {
            return Verdict::Unknown(true);
        }
        let verdict = match self.claimed(claim) {
            Ok(entry) => {
                if let State::Working { until } = &mut entry.state {
                    *until = (*until).max(now.unix_millis() + millis(length));
                    entry.expires = expiry(*until);
                }
                Verdict::Extended
            }
            Err(_) => Verdict::Lost,
        };
        if mishap.is_mute() { Verdict::Unknown(true) } else { verdict }
    }

    fn sweep(&mut self, now: Timestamp) {
        let second = now.unix_millis().div_euclid(1000) * 1000;
        if self.record.is_some_and(|entry| entry.expires < second) {
            self.record = None;
        }
    }

    /// The record is as the model has it.
    fn check(&mut self, record: Option<&Record>, context: &dyn Fn() -> String) {
        let Some(record) = record else {
            assert!(self.record.is_none(), "there is no record; {}", context());
            return;
        };
        let entry = self.record.as_mut().unwrap_or_else(|| panic!("{record:?}; {}", context()));
        if entry.expires == i64::MAX {
            entry.expires = record.expires_at.unwrap().unix_millis();
        }
        let state = match entry.state {
            State::Working { .. } => Status::InProgress,
            State::Done(_) => Status::Completed,
            State::Free => Status::Released,
        };
        assert_eq!((record.status, record.attempt), (state, entry.attempt), "{}", context());
        assert_eq!(record.expires_at.unwrap().unix_millis(), entry.expires, "{}", context());
        if let State::Working { until } = entry.state {
            assert_eq!(record.lease_until.unwrap().unix_millis(), until, "{}", context());
        }
    }
}

/// What holds whatever the model says.
#[derive(Default)]
struct Invariants {
    /// The record with the result that stands until it has expired.
    completed: Option<Record>,
    /// The last attempt, for as long as its record is there.
    attempt: u64,
    /// The runs that nobody gave back, of work that must not be run twice.
    runs: u64,
}

impl Invariants {
    fn granted<S: setpiece_idempotency::Store>(
        &mut self,
        claim: &Claim<S>,
        before: Option<&Record>,
        now: Timestamp,
        model: &Model,
    ) {
        assert!(claim.attempt() > self.attempt, "attempts rise");
        // Given back or forgotten, it may be run again.
        if before.is_none_or(|it| it.status == Status::Released || it.has_expired(now)) {
            self.runs = 0;
        }
        self.attempt = claim.attempt();
        self.runs += 1;
        if model.semantics == Semantics::AtMostOnce {
            assert!(self.runs <= 1, "it was run again");
        }
    }

    /// `latest` is the present by the clock that is ahead of all others.
    fn check(&mut self, record: Option<&Record>, latest: Timestamp, context: &dyn Fn() -> String) {
        let Some(record) = record else {
            *self = Self::default();
            return;
        };
        assert!(record.attempt >= self.attempt, "attempts rise; {}", context());
        if let Some(completed) = self.completed.take_if(|it| it.result != record.result) {
            assert!(completed.has_expired(latest), "a result does not change; {}", context());
        }
        if record.status == Status::Completed {
            self.completed = Some(record.clone());
        }
    }
}
