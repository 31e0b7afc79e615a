mod build;
mod deliver;
mod lease;
pub(crate) mod log;

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use setpiece_bus::Bus;
use setpiece_envelope::Clock;
use setpiece_idempotency::Guard;
use setpiece_policy::{Deadline, Fault};

pub use self::build::{AppBuilder, AppError};
use crate::{
    Allow, Applier, Binding, Delivery, EffectStore, Invocation, InvokeError, Quarantine, Report,
    answer::Answer,
    apply::Answering,
    batch,
    handlers::{Middleware, Route, Unhandled},
};

/// The consumer's side of a service: takes what Lambda is invoked with, runs the handlers, and
/// answers when everything that they decided is durable.
///
/// An app does not change after it is built, and a clone is the same app, so one of them serves all
/// invocations of a process, one after another or at the same time.
///
/// # What is promised
///
/// - What is acknowledged is done: its writes are written, its events are published, or it is in
///   quarantine with its bytes.
/// - The writes of a handler are written once for each event, however often it is delivered within
///   [15 days](AppBuilder::guards).
/// - Each event that a handler emits is published at least once, always with the same id.
/// - One delivery that fails, panics or takes too long fails alone; where the source has an order,
///   together with those behind it.
pub struct App<S, X: EffectStore, B> {
    inner: Arc<Inner<S, X, B>>,
}

struct Inner<S, X: EffectStore, B> {
    state: Arc<S>,
    routes: Vec<Guarded<S, X>>,
    middleware: Middleware<S>,
    unhandled: Unhandled,
    applier: Applier<X, B>,
    answering: Answering<X, B>,
    quarantine: Option<Arc<dyn Quarantine>>,
    allow: Allow,
    max_depth: u32,
    concurrency: usize,
    reserve: Duration,
    whole_batches: bool,
    clock: Arc<dyn Clock>,
    sleep: SleepFn,
    observer: Option<Observer>,
}

type Observer = Box<dyn Fn(&Report<'_>) + Send + Sync>;

type SleepFn = Box<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

/// A handler with a guard of its own.
struct Guarded<S, X: EffectStore> {
    route: Arc<dyn Route<S>>,
    bound_to: Option<Binding>,
    guard: Guard<X::Records>,
    /// Guard that waits for a busy key, for sources that give up soon.
    patient: Guard<X::Records>,
}

impl<S, X, B> App<S, X, B>
where
    S: Send + Sync + 'static,
    X: EffectStore,
    B: Bus,
{
    /// Handles one invocation: `payload` is what Lambda was invoked with, and `deadline` when it
    /// ends the function.
    ///
    /// The answer is what the source expects, as JSON. Deliveries that failed are named in it where
    /// the source can be told so.
    ///
    /// # Dropping the future
    ///
    /// Nothing is acknowledged then, so everything is delivered again. Work that was done is not done
    /// again. Work that was begun is locked until its lease is over: half a minute after it was last
    /// extended, or a second after the deadline if that is sooner, and for the time by which
    /// [clocks may differ](setpiece_idempotency::GuardBuilder::skew) beyond that.
    ///
    /// # Errors
    ///
    /// When all of the invocation has failed, or a part of it that the source cannot be told of.
    pub async fn invoke(&self, payload: &[u8], deadline: Deadline) -> Result<String, InvokeError> {
        let answer = self.answer(payload, deadline).await;
        if let Err(error) = &answer {
            log::refused(error);
        }
        answer
    }

    async fn answer(&self, payload: &[u8], deadline: Deadline) -> Result<String, InvokeError> {
        let invocation = Invocation::read(payload)?;
        let app = &*self.inner;
        let time = Time::new(app, deadline);
        let opened: Vec<_> = invocation.deliveries.iter().map(Delivery::open).collect();
        let lanes = batch::lanes(
            invocation.source,
            &invocation.deliveries,
            &opened,
            |delivery, content| app.outbox_key(delivery, content).is_some(),
        );
        let last = (app.sleep)(time.answer_by.remaining(&*app.clock));
        let ended = batch::run(lanes, app.concurrency, last, |index| {
            let (delivery, opened) = (&invocation.deliveries[index], &opened[index]);
            app.deliver(invocation.source, delivery, opened, time)
        })
        .await;
        let ended = ended.into_iter().zip(invocation.deliveries.iter().zip(&opened));
        let ended = ended.map(|(ended, (delivery, opened))| {
            ended.unwrap_or_else(|left| app.leave(invocation.source, delivery, opened, time, left))
        });
        let ended = ended.collect();
        let answer = Answer::new(invocation.source, &invocation.deliveries, ended);
        answer.write(app.whole_batches)
    }
}

impl<S, X: EffectStore, B> App<S, X, B> {
    /// Returns the clock of the app.
    #[cfg(feature = "lambda")]
    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.inner.clock
    }
}

/// The fault of a delivery that is not begun.
fn no_time() -> Fault {
    Fault::deadline("too little time is left to begin")
        .with_remedy("give the function more time, or smaller batches")
}

/// Deadlines of one invocation.
#[derive(Clone, Copy)]
struct Time {
    /// When Lambda ends the function, or a little later.
    ends_at: Deadline,
    /// When handlers must have ended, and after which none begins.
    work_until: Deadline,
    /// After which no store and no bus is waited for, so that there is time to say which it was.
    wait_until: Deadline,
    /// When the answer has to be on its way.
    answer_by: Deadline,
}

impl Time {
    fn new<S, X: EffectStore, B>(app: &Inner<S, X, B>, deadline: Deadline) -> Self {
        // A function with little time keeps most of it for its handlers.
        let reserve = app.reserve.min(deadline.remaining(&*app.clock) / 4);
        Self {
            ends_at: deadline,
            work_until: deadline.reserve(reserve),
            wait_until: deadline.reserve(reserve * 3 / 8),
            answer_by: deadline.reserve(reserve / 4),
        }
    }
}

impl<S, X: EffectStore, B> Clone for App<S, X, B> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<S, X: EffectStore, B> fmt::Debug for App<S, X, B> {
    /// Shows the names of the handlers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.inner.routes.iter().map(|it| it.route.name()).collect();
        f.debug_struct("App").field("handlers", &names).finish_non_exhaustive()
    }
}
