//! A store with what tests must see of it, a guard on a clock that is moved by hand, and trouble on
//! demand.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use setpiece_envelope::{Clock, FixedClock, Timestamp};
use setpiece_idempotency::{
    Event, Guard, GuardBuilder, Key, Lease, MemoryStore, MemoryWrite, Semantics,
    record::{Record, SpillRef, Status, Stored},
    store::{
        Acquire, Acquired, Amend, BoxFuture, Change, CommitReply, Extend, Once, RecordKey, Release,
        Reply, Seen, Settle, Spill, Store,
    },
};
use setpiece_policy::{Deadline, Fault, SeededRandom, Sleep};

/// A store under test. The suites take one of these and know nothing else about it.
pub(crate) trait Harness: Sized + 'static {
    type Store: Store<Write: Clone>;

    /// A store without records.
    async fn new(clock: FixedClock) -> Self;
    fn store(&self) -> Arc<Self::Store>;
    /// A write that adds to a number.
    fn add(&self, name: &str, number: i64) -> <Self::Store as Store>::Write;
    /// A write that sets a number to 1 on the condition that it is not there.
    fn put_new(&self, name: &str) -> <Self::Store as Store>::Write;
    /// A number that was written; 0 if it is not there.
    async fn number(&self, name: &str) -> i64;
    /// Deletes what has expired, as the store does some time.
    async fn sweep(&self);
    /// Puts a record there as another program would have written it.
    async fn put_record(&self, key: &RecordKey, record: Record);
    /// Deletes what was put beside records.
    async fn lose_spills(&self);
    /// Does what Powertools does, and says whether its condition held, if it has one.
    async fn powertools(&self, key: &RecordKey, request: Powertools) -> bool;
}

/// A request of Powertools, which knows no owners.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Powertools {
    /// Replaces what is not there, has expired or has lapsed, by its own clock.
    Put { now: Timestamp, lease_until: Timestamp, expires_at: Timestamp },
    /// Writes a result over whatever is there.
    Complete { result: i64, expires_at: Timestamp },
    /// Deletes whatever is there.
    Delete,
}

pub(crate) struct Memory(Arc<MemoryStore>);

impl Harness for Memory {
    type Store = MemoryStore;

    async fn new(clock: FixedClock) -> Self {
        Self(Arc::new(MemoryStore::new(clock)))
    }

    fn store(&self) -> Arc<MemoryStore> {
        Arc::clone(&self.0)
    }

    fn add(&self, name: &str, number: i64) -> MemoryWrite {
        MemoryWrite::add(name, number)
    }

    fn put_new(&self, name: &str) -> MemoryWrite {
        MemoryWrite::put_new(name, 1)
    }

    async fn number(&self, name: &str) -> i64 {
        self.0.number(name).unwrap_or_default()
    }

    async fn sweep(&self) {
        self.0.sweep();
    }

    async fn put_record(&self, key: &RecordKey, record: Record) {
        self.0.put_record(key.clone(), record);
    }

    async fn lose_spills(&self) {
        self.0.lose_spills();
    }

    async fn powertools(&self, key: &RecordKey, request: Powertools) -> bool {
        let found = self.0.record(key);
        match request {
            Powertools::Put { now, lease_until, expires_at } => {
                let is_free = found.is_none_or(|it| {
                    it.has_expired(now) || it.status == Status::Released || it.has_lapsed(now)
                });
                if is_free {
                    let mut record = Record::new(Status::InProgress);
                    record.schema = 0;
                    record.lease_until = Some(lease_until);
                    record.expires_at = Some(expires_at);
                    self.0.put_record(key.clone(), record);
                }
                is_free
            }
            Powertools::Complete { result, expires_at } => {
                let mut record = found.unwrap_or_else(|| Record::new(Status::Completed));
                record.status = Status::Completed;
                record.result = Some(Stored::json(result.to_string()));
                record.expires_at = Some(expires_at);
                self.0.put_record(key.clone(), record);
                true
            }
            Powertools::Delete => {
                if let Some(found) = found {
                    let seen = Seen::of(&found);
                    let amend =
                        Amend::new(key.clone(), seen, Timestamp::UNIX_EPOCH, Change::Forget);
                    self.0.amend(&amend).await.unwrap();
                }
                true
            }
        }
    }
}

/// A store, guards on it, and the time in which all of it happens.
pub(crate) struct World<H: Harness> {
    pub(crate) harness: H,
    pub(crate) clock: FixedClock,
    pub(crate) sleep: Timers,
    pub(crate) probe: Arc<Probe<H::Store>>,
    events: Arc<Mutex<Vec<Event>>>,
}

pub(crate) type TestGuard<H> = Guard<Probe<<H as Harness>::Store>>;
pub(crate) type TestBuilder<H> = GuardBuilder<Probe<<H as Harness>::Store>>;

impl<H: Harness> World<H> {
    pub(crate) async fn new() -> Self {
        let clock = FixedClock::default();
        let harness = H::new(clock.clone()).await;
        let probe = Arc::new(Probe::new(harness.store()));
        let sleep = Timers::new(clock.clone());
        Self { harness, clock, sleep, probe, events: Arc::default() }
    }

    pub(crate) fn builder(&self) -> TestBuilder<H> {
        self.builder_at(self.clock.clone())
    }

    /// A guard with a clock of its own.
    pub(crate) fn builder_at(&self, clock: impl Clock) -> TestBuilder<H> {
        let events = Arc::clone(&self.events);
        Guard::builder(
            Arc::clone(&self.probe),
            "tests",
            "work",
            clock,
            SeededRandom::new(7),
            self.sleep.clone(),
        )
        .retention(HOUR)
        .observer(move |report| events.lock().unwrap().push(report.event))
    }

    pub(crate) fn guard(&self) -> TestGuard<H> {
        self.builder().build().unwrap()
    }

    pub(crate) fn at_most_once(&self) -> TestGuard<H> {
        self.builder().semantics(Semantics::AtMostOnce).build().unwrap()
    }

    pub(crate) fn deadline(&self) -> Deadline {
        self.deadline_in(30 * SECOND)
    }

    pub(crate) fn deadline_in(&self, duration: Duration) -> Deadline {
        Deadline::at(self.clock.now().saturating_add(duration))
    }

    /// Until 30 seconds from now, and a second of grace.
    pub(crate) fn lease(&self) -> Lease {
        Lease::until(self.deadline())
    }

    pub(crate) async fn sleep_for(&self, duration: Duration) {
        self.sleep.sleep(duration).await;
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What was reported since it was asked last.
    pub(crate) fn events(&self) -> Vec<Event> {
        std::mem::take(&mut self.events.lock().unwrap())
    }

    /// The record of a key, which does not count as a request.
    pub(crate) async fn record(&self, key: &Key) -> Option<Record> {
        let key = self.guard().record_key(key);
        self.harness.store().read(&key).await.unwrap().map(|record| *record)
    }

    pub(crate) async fn put_record(&self, key: &Key, record: Record) {
        self.harness.put_record(&self.guard().record_key(key), record).await;
    }
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const HOUR: Duration = Duration::from_hours(1);

pub(crate) static KEY: LazyLock<Key> = LazyLock::new(key);

pub(crate) fn key() -> Key {
    Key::of("order-17").unwrap()
}

/// Runs a test on the store in memory, where nothing ever waits for the outside.
pub(crate) fn run(test: impl AsyncFnOnce(&World<Memory>)) {
    let mut test = pin!(async {
        let world = World::<Memory>::new().await;
        drive(&world, test(&world)).await;
    });
    match test.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(()) => {}
        Poll::Pending => panic!("everybody waits for somebody else"),
    }
}

/// Polls, and lets time pass to the next timer whenever nothing else is to be waited for.
pub(crate) async fn drive<H: Harness, F: Future>(world: &World<H>, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        loop {
            let before = world.sleep.fired();
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
            // Whoever was woken within the same poll is polled again, too.
            let idle = world.probe.in_flight.load(Ordering::SeqCst) == 0;
            if world.sleep.fired() == before && !(idle && world.sleep.advance()) {
                return Poll::Pending;
            }
        }
    })
    .await
}

/// Runs what returns a future beside others, in the order in which they are given.
pub(crate) async fn join<T>(futures: Vec<Pin<Box<dyn Future<Output = T> + '_>>>) -> Vec<T> {
    let mut running: Vec<_> = futures.into_iter().map(|future| (Some(future), None)).collect();
    poll_fn(|cx| {
        for (future, output) in &mut running {
            if let Some(running) = future
                && let Poll::Ready(ready) = running.as_mut().poll(cx)
            {
                *output = Some(ready);
                *future = None;
            }
        }
        if running.iter().all(|(future, _)| future.is_none()) {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}

/// A sleep that ends when the clock has come to its end, and not before.
#[derive(Clone)]
pub(crate) struct Timers {
    clock: FixedClock,
    pending: Arc<Mutex<Vec<(u64, Timestamp, Waker)>>>,
    next: Arc<AtomicU64>,
    fired: Arc<AtomicU64>,
}

impl Timers {
    fn new(clock: FixedClock) -> Self {
        Self { clock, pending: Arc::default(), next: Arc::default(), fired: Arc::default() }
    }

    fn fired(&self) -> u64 {
        self.fired.load(Ordering::SeqCst)
    }

    /// Moves the clock to the end of the next sleep: whether there is one.
    fn advance(&self) -> bool {
        let next = self.pending.lock().unwrap().iter().map(|(_, end, _)| *end).min();
        let Some(next) = next else { return false };
        self.clock.advance(next.saturating_duration_since(self.clock.now()));
        self.fired.fetch_add(1, Ordering::SeqCst);
        for (_, end, waker) in &*self.pending.lock().unwrap() {
            if *end <= next {
                waker.wake_by_ref();
            }
        }
        true
    }
}

impl Sleep for Timers {
    async fn sleep(&self, duration: Duration) {
        let id = self.next.fetch_add(1, Ordering::SeqCst);
        let end = self.clock.now().saturating_add(duration);
        let _cancel = Cancel { timers: self, id };
        poll_fn(|cx| {
            let mut pending = self.pending.lock().unwrap();
            pending.retain(|(other, ..)| *other != id);
            if self.clock.now() >= end {
                self.fired.fetch_add(1, Ordering::SeqCst);
                return Poll::Ready(());
            }
            pending.push((id, end, cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

struct Cancel<'a> {
    timers: &'a Timers,
    id: u64,
}

impl Drop for Cancel<'_> {
    fn drop(&mut self) {
        self.timers.pending.lock().unwrap().retain(|(other, ..)| *other != self.id);
    }
}

/// What a store is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Acquire,
    Settle,
    Release,
    Extend,
    Commit,
    CommitOnce,
    Read,
    Amend,
    PutSpill,
    GetSpill,
}

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It is applied, and the answer is lost.
    AnswerLost,
    /// It is not applied, and nobody can know that.
    RequestLost,
    /// It is refused because there is too much to do.
    Throttled,
    /// A connection could not be made.
    Unconnected,
    /// Another transaction holds the record.
    Contended,
    /// The condition did not hold, and then there is no record.
    Raced,
    /// The table is not there.
    NoTable,
    /// It holds what the store does not take.
    Unfit,
    /// It is not applied now, and nobody can know that; it can be [delivered](Probe::deliver) later.
    Late,
    /// It is applied, and the answer never comes.
    AnswerStalled,
    /// It is not applied, and no answer ever comes.
    Stalled,
}

impl Trouble {
    fn fault(self) -> Fault {
        match self {
            Self::AnswerLost
            | Self::RequestLost
            | Self::Late
            | Self::AnswerStalled
            | Self::Stalled => Fault::transient("the answer was lost"),
            Self::Throttled => Fault::throttled("there is too much to do"),
            Self::Unconnected => {
                Fault::transient("there is no connection").with_may_have_happened(false)
            }
            Self::Contended | Self::Raced => {
                Fault::transient("a transaction holds it").with_may_have_happened(false)
            }
            Self::Unfit => Fault::permanent("it is larger than an item"),
            Self::NoTable => Fault::permanent("there is no table").hand_back(),
        }
    }
}

/// A write that is still on its way.
#[derive(Clone, Debug)]
pub(crate) enum Request<W> {
    Acquire(Acquire),
    Settle(Settle),
    Release(Release),
    Extend(Extend),
    Commit(Settle, Vec<W>),
    CommitOnce(Once, Vec<W>),
    Amend(Amend),
}

/// A store that counts what it is asked, and makes trouble on demand.
pub(crate) struct Probe<S: Store + ?Sized> {
    troubles: Mutex<VecDeque<(Op, Trouble)>>,
    always: Mutex<Option<(Option<Op>, Trouble)>>,
    asked: Mutex<Vec<Op>>,
    late: Mutex<Vec<Request<S::Write>>>,
    pub(crate) in_flight: AtomicUsize,
    store: Arc<S>,
}

impl<S: Store<Write: Clone>> Probe<S> {
    pub(crate) fn new(store: Arc<S>) -> Self {
        Self {
            troubles: Mutex::default(),
            always: Mutex::default(),
            asked: Mutex::default(),
            late: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            store,
        }
    }

    /// Makes trouble for the next request of that kind; it can be said more than once.
    pub(crate) fn next(&self, op: Op, trouble: Trouble) {
        self.troubles.lock().unwrap().push_back((op, trouble));
    }

    /// Makes trouble for all requests of a kind, or of all kinds.
    pub(crate) fn always(&self, op: Option<Op>, trouble: Trouble) {
        *self.always.lock().unwrap() = Some((op, trouble));
    }

    pub(crate) fn calm(&self) {
        *self.always.lock().unwrap() = None;
        self.troubles.lock().unwrap().clear();
    }

    /// What was asked since it was looked at last.
    pub(crate) fn asked(&self) -> Vec<Op> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// The requests that have not arrived since it was looked at last. What was sent again while
    /// the first one was on its way is the same request.
    pub(crate) fn late(&self) -> Option<Request<S::Write>> {
        std::mem::take(&mut *self.late.lock().unwrap()).into_iter().next()
    }

    /// Has a request arrive whose sender does not wait for it any more.
    pub(crate) async fn deliver(&self, request: &Request<S::Write>) {
        let store = &self.store;
        let counted = self.counted(async {
            match request {
                Request::Acquire(request) => store.acquire(request).await.map(drop),
                Request::Settle(request) => store.settle(request).await.map(drop),
                Request::Release(request) => store.release(request).await.map(drop),
                Request::Extend(request) => store.extend(request).await.map(drop),
                Request::Commit(request, writes) => store.commit(request, writes).await.map(drop),
                Request::CommitOnce(request, writes) => {
                    store.commit_once(request, writes).await.map(drop)
                }
                Request::Amend(request) => store.amend(request).await.map(drop),
            }
        });
        counted.await.unwrap();
    }

    fn trouble(&self, op: Op) -> Option<Trouble> {
        self.asked.lock().unwrap().push(op);
        let mut troubles = self.troubles.lock().unwrap();
        if let Some(index) = troubles.iter().position(|(kind, _)| *kind == op) {
            return troubles.remove(index).map(|(_, trouble)| trouble);
        }
        let always = *self.always.lock().unwrap();
        always.filter(|(kind, _)| kind.is_none_or(|kind| kind == op)).map(|(_, trouble)| trouble)
    }

    fn call<'a, T: Send + 'a>(
        &'a self,
        op: Op,
        other: fn(Trouble) -> Option<T>,
        sent: impl FnOnce() -> Option<Request<S::Write>>,
        request: BoxFuture<'a, Result<T, Fault>>,
    ) -> BoxFuture<'a, Result<T, Fault>> {
        let trouble = self.trouble(op);
        if trouble == Some(Trouble::Late) {
            self.late.lock().unwrap().extend(sent());
        }
        Box::pin(async move {
            let Some(trouble) = trouble else { return self.counted(request).await };
            match trouble {
                Trouble::AnswerLost => {
                    self.counted(request).await?;
                    Err(trouble.fault())
                }
                Trouble::AnswerStalled => {
                    self.counted(request).await?;
                    std::future::pending().await
                }
                Trouble::Stalled => std::future::pending().await,
                Trouble::Contended | Trouble::Raced => {
                    other(trouble).ok_or_else(|| trouble.fault())
                }
                Trouble::RequestLost
                | Trouble::Late
                | Trouble::Throttled
                | Trouble::Unconnected
                | Trouble::Unfit
                | Trouble::NoTable => Err(trouble.fault()),
            }
        })
    }

    async fn counted<T>(&self, request: impl Future<Output = T>) -> T {
        struct Landed<'a>(&'a AtomicUsize);
        impl Drop for Landed<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        let _landed = Landed(&self.in_flight);
        request.await
    }
}

fn other_reply<T>(trouble: Trouble) -> Option<Reply<T>> {
    match trouble {
        Trouble::Contended => Some(Reply::Contended),
        Trouble::Raced => Some(Reply::Refused(None)),
        _ => None,
    }
}

fn other_commit(trouble: Trouble) -> Option<CommitReply> {
    match trouble {
        Trouble::Contended => Some(CommitReply::Contended),
        Trouble::Raced => Some(CommitReply::Refused(None)),
        _ => None,
    }
}

// A request is made when its future is polled first, and not when it is built, so that one which is
// lost on the way is not applied.
macro_rules! delegate {
    ($self:ident, $op:ident, $other:expr, $sent:expr, $call:expr) => {
        $self.call(Op::$op, $other, || $sent, Box::pin(async move { $call.await }))
    };
}

impl<S: Store<Write: Clone>> Store for Probe<S> {
    type Write = S::Write;

    fn max_inline(&self) -> usize {
        self.store.max_inline()
    }

    fn acquire<'a>(
        &'a self,
        acquire: &'a Acquire,
    ) -> BoxFuture<'a, Result<Reply<Acquired>, Fault>> {
        delegate!(
            self,
            Acquire,
            other_reply,
            Some(Request::Acquire(acquire.clone())),
            self.store.acquire(acquire)
        )
    }

    fn settle<'a>(&'a self, settle: &'a Settle) -> BoxFuture<'a, Result<Reply<()>, Fault>> {
        delegate!(
            self,
            Settle,
            other_reply,
            Some(Request::Settle(settle.clone())),
            self.store.settle(settle)
        )
    }

    fn release<'a>(&'a self, release: &'a Release) -> BoxFuture<'a, Result<Reply<()>, Fault>> {
        delegate!(
            self,
            Release,
            other_reply,
            Some(Request::Release(release.clone())),
            self.store.release(release)
        )
    }

    fn extend<'a>(&'a self, extend: &'a Extend) -> BoxFuture<'a, Result<Reply<()>, Fault>> {
        delegate!(
            self,
            Extend,
            other_reply,
            Some(Request::Extend(extend.clone())),
            self.store.extend(extend)
        )
    }

    fn commit<'a>(
        &'a self,
        settle: &'a Settle,
        writes: &'a [S::Write],
    ) -> BoxFuture<'a, Result<CommitReply, Fault>> {
        let sent = || Some(Request::Commit(settle.clone(), writes.to_vec()));
        delegate!(self, Commit, other_commit, sent(), self.store.commit(settle, writes))
    }

    fn commit_once<'a>(
        &'a self,
        once: &'a Once,
        writes: &'a [S::Write],
    ) -> BoxFuture<'a, Result<CommitReply, Fault>> {
        let sent = || Some(Request::CommitOnce(once.clone(), writes.to_vec()));
        delegate!(self, CommitOnce, other_commit, sent(), self.store.commit_once(once, writes))
    }

    fn read<'a>(&'a self, key: &'a RecordKey) -> BoxFuture<'a, Result<Option<Box<Record>>, Fault>> {
        delegate!(self, Read, |_| None, None, self.store.read(key))
    }

    fn amend<'a>(&'a self, amend: &'a Amend) -> BoxFuture<'a, Result<Reply<()>, Fault>> {
        delegate!(
            self,
            Amend,
            other_reply,
            Some(Request::Amend(amend.clone())),
            self.store.amend(amend)
        )
    }

    fn put_spill<'a>(&'a self, spill: &'a Spill) -> BoxFuture<'a, Result<(), Fault>> {
        delegate!(self, PutSpill, |_| None, None, self.store.put_spill(spill))
    }

    fn get_spill<'a>(
        &'a self,
        key: &'a RecordKey,
        spill: &'a SpillRef,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, Fault>> {
        delegate!(self, GetSpill, |_| None, None, self.store.get_spill(key, spill))
    }
}
