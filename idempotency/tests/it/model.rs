//! Several callers, clocks that differ, lost and late requests and lapsed leases, at random and from
//! a seed: the guard says what a [small model](reference) says.
//!
//! What holds whatever the model says, at any step of a history:
//!
//! - At most one caller works on the key, but for those whom somebody on call took it away from.
//! - A result does not change until it has expired, but by the hand of somebody on call.
//! - Attempts rise for as long as there is a record.
//! - Who has no claim changes nothing.
//! - Work that must not be run twice is begun once, until somebody gives the key back.
//! - The writes of a commit are applied once if it says so, never if it says so, and otherwise once
//!   at most; also by a request that arrives when nobody waits for it any more.
//!
//! In one history of five, Powertools shares the record, which completes and deletes without looking
//! at whose it is. What it deletes is forgotten, and what it writes over is changed, so of the above
//! only the fourth and the last hold there; and that it is as the model says.
//!
//! A request arrives within the retention if it arrives at all. What was committed is not committed
//! again by one that comes when the record is another's, after it has expired or was forgotten: the
//! store does not know any more. Nor does it know, when the result is gone that was the answer to a
//! commit in one request, that this was answered. And a commit that was given up is not fenced where
//! its record was forgotten and its claim arrives once more, since attempts are counted anew.

mod reference;

use std::{collections::BTreeMap, time::Duration};

use setpiece_envelope::{Clock, FixedClock, Timestamp};
use setpiece_idempotency::{
    Amended, Claim, Claimed, Completed, Guard, GuardError, Inspected, Key, Lease, Outcome,
    RecordedError, Semantics, Sighting, Skipped,
    record::{Record, Status},
    store::Store,
};
use setpiece_policy::{Deadline, Fault, Random as _, Retry, RetryBudget, SeededRandom};

use self::reference::{
    Change, Ending, Entry, Mishap, RETENTION, Reference, Sent, State, Verdict, millis,
};
use crate::support::{Harness, Op, Powertools, Probe, Request, SECOND, TestGuard, Trouble, World};

const ACTORS: u64 = 4;
const STEPS: i64 = 30;

#[test]
fn guard_says_what_the_model_says() {
    crate::support::run(async |world| histories(world, 0..seeds(4000)).await);
}

/// How many histories there are to be: so many, unless the environment asks for another number.
pub(crate) fn seeds(count: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "how long a test runs is no configuration")]
    let asked = std::env::var("SETPIECE_HISTORIES");
    asked.map_or(count, |asked| asked.parse().unwrap())
}

/// Histories in one store, each on a key of its own: the same from the same seeds.
pub(crate) async fn histories<H: Harness>(world: &World<H>, seeds: impl Iterator<Item = u64>) {
    let taken = Key::of("taken").unwrap();
    let take = async |_| Ok::<_, Fault>((0, vec![world.harness.put_new("taken")]));
    _ = world.guard().commit_once(&taken, world.deadline(), take).await.unwrap();
    for seed in seeds {
        let mut history = History::new(world, seed);
        for step in 0..STEPS {
            history.step(step).await;
        }
        history.end().await;
        world.probe.asked();
        world.events();
    }
}

struct History<'a, H: Harness> {
    world: &'a World<H>,
    seed: u64,
    key: Key,
    random: SeededRandom,
    actors: Vec<Actor<H>>,
    model: Reference,
    invariants: Invariants,
    /// Whether Powertools writes to the record as well.
    is_shared: bool,
    /// The number of the last request.
    id: u64,
    late: Vec<Late<H>>,
    /// What somebody on call has seen.
    seen: Option<(Inspected, Entry)>,
    /// What was said of the writes of each request.
    told: BTreeMap<u64, Told>,
    before: Option<Record>,
}

/// A request that is still on its way.
struct Late<H: Harness> {
    id: u64,
    sent: Sent,
    since: Timestamp,
    request: Request<<H::Store as Store>::Write>,
}

/// What was said of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Written,
    NotWritten,
    Unknown,
}

impl<'a, H: Harness> History<'a, H> {
    fn new(world: &'a World<H>, seed: u64) -> Self {
        let random = SeededRandom::new(seed);
        let semantics =
            if seed.is_multiple_of(3) { Semantics::AtMostOnce } else { Semantics::AtLeastOnce };
        let actors = (0..ACTORS)
            .map(|_| Actor::new(world, semantics, pick(&random, 2001).cast_signed() - 1000))
            .collect();
        Self {
            world,
            seed,
            key: Key::of(&seed).unwrap(),
            random,
            actors,
            model: Reference { semantics, ..Reference::default() },
            invariants: Invariants::default(),
            is_shared: seed % 5 == 4,
            id: 0,
            late: Vec::new(),
            seen: None,
            told: BTreeMap::new(),
            before: None,
        }
    }

    fn pick(&self, below: u64) -> u64 {
        pick(&self.random, below)
    }

    async fn step(&mut self, step: i64) {
        let actor = usize::try_from(self.pick(ACTORS)).unwrap();
        let mishap = self.mishap();
        let (said, expected, mishap) = match self.pick(if self.is_shared { 22 } else { 20 }) {
            0..4 if self.actors[actor].claim.is_none() => self.acquire(actor, mishap).await,
            0..9 => self.go_on(actor, step, mishap).await,
            9 => self.once(actor, step, mishap).await,
            10 => self.sight(actor, mishap).await,
            11 => self.inspect(actor).await,
            12 => self.amend(actor, step, mishap).await,
            13 => {
                self.world.harness.sweep().await;
                self.model.sweep(self.world.now().unix_millis());
                (Verdict::Arrived, Verdict::Arrived, Mishap::None)
            }
            14..16 if !self.late.is_empty() => self.deliver().await,
            14..16 => (Verdict::Nothing, Verdict::Nothing, Mishap::None),
            16 => {
                self.world.clock.advance(Duration::from_secs(10 + self.pick(100)));
                (Verdict::Nothing, Verdict::Nothing, Mishap::None)
            }
            17..20 => {
                self.world.clock.advance(Duration::from_millis(self.pick(9000)));
                (Verdict::Nothing, Verdict::Nothing, Mishap::None)
            }
            _ => self.powertools(step).await,
        };
        self.world.probe.calm();
        let context = format!("seed {}, step {step}, {mishap:?}: {:?}", self.seed, self.model);
        assert_eq!(said, expected, "{context}");
        self.check(said, &|| context.clone()).await;
        self.retire();
    }

    /// What comes late arrives in the end, and then it is told apart who was told the truth.
    async fn end(&mut self) {
        while !self.late.is_empty() {
            self.deliver().await;
            let context = || format!("seed {}, at the end", self.seed);
            let record = self.world.record(&self.key).await;
            self.model.check(record.as_ref(), &context);
            self.retire();
        }
        for (id, told) in &self.told {
            let context = || format!("seed {}, request {id}, {told:?}", self.seed);
            let count = self.world.harness.number(&self.number(*id)).await;
            let expected = self.model.written.get(id).copied().unwrap_or_default();
            assert_eq!(count, expected, "{}", context());
            match told {
                Told::Written => assert_eq!(count, 1, "{}", context()),
                Told::NotWritten => assert_eq!(count, 0, "{}", context()),
                Told::Unknown => assert!(count <= 1, "{}", context()),
            }
        }
    }

    async fn check(&mut self, said: Verdict, context: &dyn Fn() -> String) {
        let record = match said {
            Verdict::Nothing => self.before.take(),
            _ => self.world.record(&self.key).await,
        };
        self.model.check(record.as_ref(), context);
        let refused = matches!(
            said,
            Verdict::Lost
                | Verdict::Superseded
                | Verdict::Busy
                | Verdict::Interrupted
                | Verdict::Mismatch
                | Verdict::Done(_)
                | Verdict::Live
        );
        if refused {
            assert_eq!(record, self.before, "who has no claim changes nothing; {}", context());
        }
        if !self.is_shared {
            if said == Verdict::Amended {
                self.invariants.completed = None;
            }
            let latest = self.world.now().saturating_add(SECOND);
            self.invariants.check(record.as_ref(), latest, context);
            let live = self.actors.iter().filter(|actor| actor.is_live(&self.model)).count();
            assert!(live <= 1, "{live} at the same time; {}", context());
        }
        self.before = record;
    }

    /// Forgets the requests that will not arrive any more.
    fn retire(&mut self) {
        let oldest = self.world.now().unix_millis() - millis(RETENTION) / 2;
        let (model, told, record) = (&self.model, &self.told, self.model.record);
        let is_done = record.is_some_and(|entry| matches!(entry.state, State::Done(_)));
        self.late.retain(|late| {
            let is_another = record.is_none_or(|entry| entry.claim != late.id);
            let is_answered = matches!(late.sent, Sent::Once { .. })
                && told.get(&late.id) == Some(&Told::NotWritten);
            let is_unfenced = matches!(late.sent, Sent::Commit { .. })
                && told.get(&late.id) == Some(&Told::NotWritten)
                && record.is_none();
            let is_over = (is_another && model.written.contains_key(&late.id))
                || (is_answered && !is_done)
                || is_unfenced;
            late.since.unix_millis() >= oldest && !is_over
        });
    }

    fn mishap(&self) -> Mishap {
        match self.pick(14) {
            0 => Mishap::OneAnswerLost,
            1 => Mishap::OneRequestLost,
            2 => Mishap::OneLate,
            3 => Mishap::AllAnswersLost,
            4 => Mishap::AllRequestsLost,
            5 => Mishap::AllLate,
            _ => Mishap::None,
        }
    }

    /// Makes trouble for the requests of the call that follows.
    fn trouble(&self, op: Op, mishap: Mishap) {
        let probe = &self.world.probe;
        match mishap {
            Mishap::None => {}
            Mishap::OneAnswerLost => probe.next(op, Trouble::AnswerLost),
            Mishap::OneRequestLost => probe.next(op, Trouble::RequestLost),
            Mishap::OneLate => probe.next(op, Trouble::Late),
            Mishap::AllAnswersLost => probe.always(Some(op), Trouble::AnswerLost),
            Mishap::AllRequestsLost => probe.always(Some(op), Trouble::RequestLost),
            Mishap::AllLate => probe.always(Some(op), Trouble::Late),
        }
    }

    /// What the model says to a call that was made, some of which may be late.
    fn expected(&mut self, id: u64, sent: Sent, mishap: Mishap) -> Verdict {
        let since = self.world.now();
        if let Some(request) = self.world.probe.late() {
            self.late.push(Late { id, sent, since, request });
        }
        self.model.call(id, sent, mishap)
    }

    fn next_id(&mut self) -> u64 {
        self.id += 1;
        self.id
    }

    /// The number that the writes of a request count up.
    fn number(&self, id: u64) -> String {
        format!("{}-{id}", self.seed)
    }

    /// Writes of a request, of which one is refused where they do not fit.
    fn writes(&self, id: u64, fits: bool) -> Vec<<H::Store as Store>::Write> {
        let mut writes = vec![self.world.harness.add(&self.number(id), 1)];
        if !fits {
            writes.push(self.world.harness.put_new("taken"));
        }
        writes
    }

    /// The payload of a call, most have the same or none, and the key with it.
    fn payload(&self) -> (Option<u64>, Key) {
        match self.pick(8) {
            payload @ 0..4 => {
                let payload = u64::from(payload == 0);
                (Some(payload), self.key.clone().with_fingerprint(&payload).unwrap())
            }
            _ => (None, self.key.clone()),
        }
    }

    async fn acquire(&mut self, actor: usize, mishap: Mishap) -> (Verdict, Verdict, Mishap) {
        let (id, length) = (self.next_id(), Duration::from_secs(5 + self.pick(6)));
        let (payload, key) = self.payload();
        self.trouble(Op::Acquire, mishap);
        let now = self.actors[actor].clock.now();
        let (said, claim) = self.actors[actor].acquire(&key, length).await;
        let now = now.unix_millis();
        let sent = Sent::Acquire { now, until: now + millis(length), payload };
        let expected = self.expected(id, sent, mishap);
        if let Some(claim) = claim {
            if !self.is_shared {
                let context = || format!("seed {}, request {id}", self.seed);
                self.invariants.granted(&claim, &mut self.model, &context);
            }
            self.actors[actor].claim = Some((id, claim));
        }
        (said, expected, mishap)
    }

    /// What an actor does with its claim, if it has one.
    async fn go_on(
        &mut self,
        actor: usize,
        step: i64,
        mishap: Mishap,
    ) -> (Verdict, Verdict, Mishap) {
        let Some((id, mut claim)) = self.actors[actor].claim.take() else {
            return (Verdict::Nothing, Verdict::Nothing, Mishap::None);
        };
        let now = self.actors[actor].clock.now();
        let action = self.pick(7);
        let end = if action == 5 { claim.work_until() } else { claim.lease_until() };
        let mishap = mishap.within(end.saturating_duration_since(now));
        let moment = now.unix_millis();
        let (said, sent) = match action {
            0 => {
                self.trouble(Op::Settle, mishap);
                let sent = Sent::Settle { now: moment, ending: Ending::Value(step) };
                (completed(claim.complete(&step).await), sent)
            }
            1 => {
                self.trouble(Op::Settle, mishap);
                let sent = Sent::Settle { now: moment, ending: Ending::Failed };
                (completed(claim.fail(&RecordedError::new("No", "no")).await), sent)
            }
            2 => {
                self.trouble(Op::Release, mishap);
                let said = claim.release().await.map_or_else(refused, |()| Verdict::Freed);
                (said, Sent::Release { now: moment })
            }
            3 | 4 => {
                self.trouble(Op::Commit, mishap);
                let (attempt, fits) = (claim.attempt(), self.pick(4) > 0);
                let answer = claim.commit(&step, &self.writes(id, fits)).await;
                self.tell(id, &answer, |completed| *completed == Completed::Kept);
                (completed(answer), Sent::Commit { now: moment, attempt, result: step, fits })
            }
            5 => {
                self.trouble(Op::Extend, mishap);
                let longest = claim.lease_until().unix_millis();
                let until = (moment + millis(self.actors[actor].length)).max(longest);
                let said = claim.extend().await.map_or_else(refused, |()| Verdict::Extended);
                // One who was told that it is lost stops, and one who was told nothing knows the
                // lease as it was.
                if matches!(said, Verdict::Extended | Verdict::Unknown(_)) {
                    self.actors[actor].claim = Some((id, claim));
                }
                (said, Sent::Extend { until })
            }
            _ => {
                drop(claim);
                return (Verdict::Nothing, Verdict::Nothing, mishap);
            }
        };
        let expected = self.expected(id, sent, mishap);
        (said, expected, mishap)
    }

    async fn once(
        &mut self,
        actor: usize,
        step: i64,
        mishap: Mishap,
    ) -> (Verdict, Verdict, Mishap) {
        let (id, fits) = (self.next_id(), self.pick(4) > 0);
        let (payload, key) = self.payload();
        self.trouble(Op::CommitOnce, mishap);
        let now = self.actors[actor].clock.now();
        let work = async |_| Ok::<_, Fault>((step, self.writes(id, fits)));
        let guard = &self.actors[actor].guard;
        let answer = guard.commit_once(&key, far(now), work).await;
        self.tell(id, &answer, Outcome::was_run);
        let said = match answer {
            Ok(Outcome::Fresh(_)) => Verdict::Kept,
            Ok(Outcome::Replayed(result)) => Verdict::Done(Ending::Value(result)),
            Ok(Outcome::Skipped(Skipped::NotKept)) => Verdict::Done(Ending::Nothing),
            Ok(other) => panic!("{other:?}"),
            Err(error) => refused(error),
        };
        let sent = Sent::Once { now: now.unix_millis(), result: step, fits, payload };
        (said, self.expected(id, sent, mishap), mishap)
    }

    async fn sight(&mut self, actor: usize, mishap: Mishap) -> (Verdict, Verdict, Mishap) {
        let id = self.next_id();
        let (payload, key) = self.payload();
        self.trouble(Op::CommitOnce, mishap);
        let now = self.actors[actor].clock.now();
        let said = match self.actors[actor].guard.seen(&key, far(now)).await {
            Ok(Sighting::First) => Verdict::Kept,
            // By whom, and what for, is not said.
            Ok(Sighting::Again) => Verdict::Done(Ending::Nothing),
            Err(error) => refused(error),
        };
        let sent = Sent::Seen { now: now.unix_millis(), payload };
        let expected = match self.expected(id, sent, mishap) {
            Verdict::Done(_) => Verdict::Done(Ending::Nothing),
            other => other,
        };
        (said, expected, mishap)
    }

    async fn inspect(&mut self, actor: usize) -> (Verdict, Verdict, Mishap) {
        let deadline = far(self.actors[actor].clock.now());
        let seen = self.actors[actor].guard.inspect(&self.key, deadline).await.unwrap();
        assert_eq!(seen.as_ref().map(|seen| &seen.record), self.before.as_ref());
        self.seen = seen.zip(self.model.record);
        (Verdict::Nothing, Verdict::Nothing, Mishap::None)
    }

    async fn amend(
        &mut self,
        actor: usize,
        step: i64,
        mishap: Mishap,
    ) -> (Verdict, Verdict, Mishap) {
        let Some((inspected, seen)) = self.seen.clone() else {
            return (Verdict::Nothing, Verdict::Nothing, Mishap::None);
        };
        let id = self.next_id();
        self.trouble(Op::Amend, mishap);
        let now = self.actors[actor].clock.now();
        let (guard, deadline) = (&self.actors[actor].guard, far(now));
        let (change, answer) = match self.pick(7) {
            0 | 1 => (Change::Release, guard.release(&inspected, deadline).await),
            2 => (Change::ReleaseLive, guard.release_live(&inspected, deadline).await),
            3 | 4 => (Change::Resolve(step), guard.resolve(&inspected, &step, deadline).await),
            5 => (Change::Forget, guard.forget(&inspected, deadline).await),
            _ => (Change::ForgetLive, guard.forget_live(&inspected, deadline).await),
        };
        let said = match answer {
            Ok(Amended::Done) => Verdict::Amended,
            Ok(Amended::Live) => Verdict::Live,
            Ok(Amended::Changed(_)) => Verdict::Changed,
            Err(error) => refused(error),
        };
        let expected =
            self.expected(id, Sent::Amend { now: now.unix_millis(), seen, change }, mishap);
        // It may have been done, whatever was said.
        self.invariants.completed = None;
        (said, expected, mishap)
    }

    /// Has one of the late requests arrive, which may not have been the last time.
    async fn deliver(&mut self) -> (Verdict, Verdict, Mishap) {
        let index = usize::try_from(self.pick(self.late.len() as u64)).unwrap();
        let late = self.late.swap_remove(index);
        self.world.probe.deliver(&late.request).await;
        self.model.apply(late.id, late.sent);
        if let Sent::Amend { .. } = late.sent {
            self.invariants.completed = None;
        }
        if self.pick(3) == 0 {
            self.late.push(late);
        }
        (Verdict::Arrived, Verdict::Arrived, Mishap::None)
    }

    async fn powertools(&mut self, step: i64) -> (Verdict, Verdict, Mishap) {
        let now = self.world.now();
        let expires_at = now.saturating_add(RETENTION).truncate_to_seconds();
        let request = match self.pick(4) {
            0 | 1 => {
                let lease_until = now.saturating_add(Duration::from_secs(5 + self.pick(6)));
                Powertools::Put { now, lease_until, expires_at }
            }
            2 => Powertools::Complete { result: step, expires_at },
            _ => Powertools::Delete,
        };
        let key = self.world.guard().record_key(&self.key);
        let held = self.world.harness.powertools(&key, request).await;
        assert_eq!(held, self.model.powertools(request), "seed {}, {request:?}", self.seed);
        (Verdict::Arrived, Verdict::Arrived, Mishap::None)
    }

    fn tell<T>(
        &mut self,
        id: u64,
        answer: &Result<T, GuardError<impl std::fmt::Debug>>,
        written: impl Fn(&T) -> bool,
    ) {
        let told = match answer {
            Ok(answer) if written(answer) => Told::Written,
            Err(error) if error.may_have_happened() => Told::Unknown,
            Ok(_) | Err(_) => Told::NotWritten,
        };
        self.told.insert(id, told);
    }
}

fn pick(random: &SeededRandom, below: u64) -> u64 {
    random.next_u64() % below
}

fn far(now: Timestamp) -> Deadline {
    Deadline::at(now.saturating_add(100_000 * SECOND))
}

fn completed(answer: Result<Completed, GuardError>) -> Verdict {
    match answer {
        Ok(Completed::Kept) => Verdict::Kept,
        Ok(Completed::Superseded(_)) => Verdict::Superseded,
        Ok(Completed::Vanished) => Verdict::Vanished,
        Err(error) => refused(error),
    }
}

fn refused<E: std::fmt::Debug>(error: GuardError<E>) -> Verdict {
    match error {
        GuardError::Busy(_) => Verdict::Busy,
        GuardError::Interrupted(_) => Verdict::Interrupted,
        GuardError::Mismatch(_) => Verdict::Mismatch,
        GuardError::LeaseLost(_) => Verdict::Lost,
        GuardError::WriteRefused(_) => Verdict::WriteRefused,
        GuardError::Recorded(_) => Verdict::Done(Ending::Failed),
        GuardError::Store(failed) => Verdict::Unknown(failed.may_have_happened),
        other => panic!("{other:?}"),
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

    async fn acquire(
        &mut self,
        key: &Key,
        length: Duration,
    ) -> (Verdict, Option<Claim<Probe<H::Store>>>) {
        self.length = length;
        let lease = Lease::short(far(self.clock.now()), length);
        let done = match self.guard.claim(key, lease).await {
            Ok(Claimed::Owned(claim)) => return (Verdict::Granted(claim.attempt()), Some(claim)),
            Ok(Claimed::Done(done)) => done,
            Err(error) => return (refused(error), None),
        };
        let said = match done.result().await {
            Ok(Some(result)) => Verdict::Done(Ending::Value(result)),
            Ok(None) => Verdict::Done(Ending::Nothing),
            Err(error) => refused(error),
        };
        (said, None)
    }

    /// Whether it works, by its own clock, and may believe that nobody else does.
    fn is_live(&self, model: &Reference) -> bool {
        self.claim.as_ref().is_some_and(|(id, claim)| {
            self.clock.now() < claim.work_until() && !model.revoked.contains(id)
        })
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
    fn granted<S: Store>(
        &mut self,
        claim: &Claim<S>,
        model: &mut Reference,
        context: &dyn Fn() -> String,
    ) {
        assert!(claim.attempt() > self.attempt, "attempts rise; {}", context());
        // Given back or forgotten, it may be run again.
        if std::mem::take(&mut model.given_back) {
            self.runs = 0;
        }
        self.attempt = claim.attempt();
        self.runs += 1;
        if model.semantics == Semantics::AtMostOnce {
            assert!(self.runs <= 1, "it was run again; {}", context());
        }
    }

    /// `latest` is the present by the clock that is ahead of all others.
    fn check(&mut self, record: Option<&Record>, latest: Timestamp, context: &dyn Fn() -> String) {
        let Some(record) = record else {
            *self = Self::default();
            return;
        };
        assert!(record.attempt >= self.attempt, "attempts rise; {}", context());
        self.attempt = record.attempt;
        if let Some(completed) = self.completed.take_if(|it| it.result != record.result) {
            assert!(completed.has_expired(latest), "a result does not change; {}", context());
        }
        if matches!(record.status, Status::Completed | Status::Failed) {
            self.completed = Some(record.clone());
        }
    }
}
