use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use serde::{Serialize, de::DeserializeOwned};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    BySemantics, Classify, Guard, Held, Key, KeyError, Lease, Outcome, Skipped,
    error::{After, GuardError, HandlerFailed},
    store::Store,
};

/// Puts a [`Guard`] around a service, such as the handler of a Lambda function.
///
/// It belongs around the handler, before `lambda_runtime::Runtime::new`. A layer of the runtime
/// itself comes too late: there the response has been posted already, and there is nothing left to
/// replay.
///
#[cfg_attr(feature = "lambda", doc = "```no_run")]
#[cfg_attr(not(feature = "lambda"), doc = "```ignore")]
/// use std::sync::Arc;
/// use lambda_runtime::{Error, LambdaEvent, Runtime};
/// use setpiece_envelope::FixedClock;
/// use setpiece_idempotency::{Guard, IdempotencyLayer, Key, Lease, MemoryStore};
/// use setpiece_policy::{Deadline, InstantSleep, SeededRandom};
/// use tower::{ServiceBuilder, service_fn};
///
/// #[derive(serde::Deserialize)]
/// struct Order {
///     number: Option<String>,
/// }
///
/// async fn charge(order: LambdaEvent<Order>) -> Result<u32, Error> {
///     Ok(29)
/// }
///
/// # async fn main_() -> Result<(), Error> {
/// # let clock = FixedClock::default();
/// # let sleep = InstantSleep::new(clock.clone());
/// # let store = Arc::new(MemoryStore::new(clock.clone()));
/// # let builder = Guard::builder(store, "shop", "charge", clock, SeededRandom::new(1), sleep);
/// # let guard = builder.build()?;
/// let layer = IdempotencyLayer::new(
///     guard,
///     |event: &LambdaEvent<Order>| Key::of(&event.payload.number),
///     |event: &LambdaEvent<Order>| {
///         Lease::until(Deadline::from_unix_millis(event.context.deadline))
///     },
/// );
/// let guarded = ServiceBuilder::new().layer(layer).service(service_fn(charge));
/// Runtime::new(guarded).run().await
/// # }
/// ```
///
/// A request without a key is an error, and the handler is not called. The error of the service is
/// a [`GuardError`] of the handler's; with the feature `lambda` it tells Lambda its
/// [name](GuardError::name) as the error's type.
///
/// # The claim in the handler
///
/// A handler that calls others needs [`Held::downstream_key`], or the fence. It gets them
/// [with the request](Self::with_held), in whatever form it takes it:
///
/// ```
/// use setpiece_idempotency::{Guard, Held, IdempotencyLayer, Key, KeyError, Lease};
/// # use std::{pin::pin, sync::Arc, task::{Context, Poll, Waker}, time::Duration};
/// # use setpiece_envelope::FixedClock;
/// # use setpiece_idempotency::{MemoryStore};
/// # use setpiece_policy::{Deadline, Fault, InstantSleep, SeededRandom};
/// # use tower::{ServiceBuilder, ServiceExt, service_fn};
/// # let clock = FixedClock::default();
/// # let sleep = InstantSleep::new(clock.clone());
/// # let store = Arc::new(MemoryStore::new(clock.clone()));
/// # let deadline = Deadline::after(&clock, Duration::from_secs(3));
/// # let guard = Guard::builder(store, "shop", "charge", clock, SeededRandom::new(1), sleep).build()?;
///
/// let layer = IdempotencyLayer::new(
///     guard,
///     |order: &String| Key::of(order),
///     move |_: &String| Lease::until(deadline),
/// )
/// .with_held(|order: String, held: Held| (order, held));
/// let guarded = ServiceBuilder::new().layer(layer).service_fn(|(_, held): (String, Held)| async move {
///     Ok::<_, Fault>(held.downstream_key("card").len())
/// });
/// # let mut call = pin!(guarded.oneshot("17".to_owned()));
/// # let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
/// # assert!(matches!(polled, Poll::Ready(Ok(64))));
/// # Ok::<_, setpiece_idempotency::ConfigError>(())
/// ```
///
/// # Where there is no answer
///
/// A guard that [keeps nothing](crate::Keep::nothing) has no answer for a duplicate, and one that
/// [skips](crate::OnBusy::Skip) has none for a call that is busy. That is the error
/// [`Skipped`](GuardError::Skipped), unless the layer is [told](Self::with_skipped) what to answer.
pub struct IdempotencyLayer<S: Store + ?Sized, K, L, C = BySemantics, H = AsItIs, A = NoAnswer> {
    guard: Guard<S, C>,
    how: How<K, L, H, A>,
}

/// A service behind an [`IdempotencyLayer`].
pub struct Idempotent<S: Store + ?Sized, K, L, C, I, H = AsItIs, A = NoAnswer> {
    guard: Guard<S, C>,
    how: How<K, L, H, A>,
    inner: I,
}

/// Settings for guarding a request.
#[derive(Clone)]
struct How<K, L, H, A> {
    key: K,
    lease: L,
    hand_over: H,
    answer: A,
}

/// Makes what the service behind an [`IdempotencyLayer`] is called with.
///
/// Any function of the request and what [`Held`] says of its claim is one. A layer without one
/// hands the request over [as it is](AsItIs).
pub trait HandOver<R>: Send {
    /// Request that the service is called with.
    type Request;

    /// Makes it, once the key is claimed.
    fn hand_over(self, request: R, held: Held) -> Self::Request;
}

/// Hands the request over as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsItIs;

impl<R> HandOver<R> for AsItIs {
    type Request = R;

    fn hand_over(self, request: R, _: Held) -> R {
        request
    }
}

impl<R, Q, F: FnOnce(R, Held) -> Q + Send> HandOver<R> for F {
    type Request = Q;

    fn hand_over(self, request: R, held: Held) -> Q {
        self(request, held)
    }
}

/// Answers where the work was not run and there is nothing to replay.
///
/// Any function of why that is is one. A layer without one has [no answer](NoAnswer).
pub trait AnswerSkipped<T>: Send {
    /// The answer; `None` makes it an error.
    fn answer(self, why: Skipped) -> Option<T>;
}

/// Makes it an error.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAnswer;

impl<T> AnswerSkipped<T> for NoAnswer {
    fn answer(self, _: Skipped) -> Option<T> {
        None
    }
}

impl<T, F: FnOnce(Skipped) -> T + Send> AnswerSkipped<T> for F {
    fn answer(self, why: Skipped) -> Option<T> {
        Some(self(why))
    }
}

impl<S: Store + ?Sized, K, L, C> IdempotencyLayer<S, K, L, C> {
    /// Guards with `guard`; `key` and `lease` say how a request is guarded.
    pub fn new<R>(guard: Guard<S, C>, key: K, lease: L) -> Self
    where
        K: Fn(&R) -> Result<Key, KeyError>,
        L: Fn(&R) -> Lease,
    {
        Self { guard, how: How { key, lease, hand_over: AsItIs, answer: NoAnswer } }
    }
}

impl<S: Store + ?Sized, K, L, C, H, A> IdempotencyLayer<S, K, L, C, H, A> {
    /// Calls the service with what `hand_over` makes of the request and its claim.
    #[must_use]
    pub fn with_held<R, Q, F>(self, hand_over: F) -> IdempotencyLayer<S, K, L, C, F, A>
    where
        F: Fn(R, Held) -> Q + Clone + Send,
    {
        let Self { guard, how: How { key, lease, hand_over: _, answer } } = self;
        IdempotencyLayer { guard, how: How { key, lease, hand_over, answer } }
    }

    /// Answers with what `answer` returns where the work was not run and there is nothing to
    /// replay.
    #[must_use]
    pub fn with_skipped<T, F>(self, answer: F) -> IdempotencyLayer<S, K, L, C, H, F>
    where
        F: Fn(Skipped) -> T + Clone + Send,
    {
        let Self { guard, how: How { key, lease, hand_over, answer: _ } } = self;
        IdempotencyLayer { guard, how: How { key, lease, hand_over, answer } }
    }
}

impl<S, K, L, C, H, A> Clone for IdempotencyLayer<S, K, L, C, H, A>
where
    S: Store + ?Sized,
    K: Clone,
    L: Clone,
    C: Clone,
    H: Clone,
    A: Clone,
{
    fn clone(&self) -> Self {
        Self { guard: self.guard.clone(), how: self.how.clone() }
    }
}

impl<S, K, L, C, I, H, A> Clone for Idempotent<S, K, L, C, I, H, A>
where
    S: Store + ?Sized,
    K: Clone,
    L: Clone,
    C: Clone,
    I: Clone,
    H: Clone,
    A: Clone,
{
    fn clone(&self) -> Self {
        let Self { guard, how, inner } = self;
        Self { guard: guard.clone(), how: how.clone(), inner: inner.clone() }
    }
}

impl<S, K, L, C, I, H, A> Layer<I> for IdempotencyLayer<S, K, L, C, H, A>
where
    S: Store + ?Sized,
    K: Clone,
    L: Clone,
    C: Clone,
    H: Clone,
    A: Clone,
{
    type Service = Idempotent<S, K, L, C, I, H, A>;

    fn layer(&self, inner: I) -> Self::Service {
        let Self { guard, how } = self.clone();
        Idempotent { guard, how, inner }
    }
}

impl<S, K, L, C, I, R, H, A> Service<R> for Idempotent<S, K, L, C, I, H, A>
where
    S: Store + ?Sized,
    K: Fn(&R) -> Result<Key, KeyError>,
    L: Fn(&R) -> Lease,
    C: Classify<I::Error> + Clone + 'static,
    I: Service<H::Request> + Clone + Send + 'static,
    I::Response: Serialize + DeserializeOwned + Send,
    I::Error: Send,
    I::Future: Send,
    R: Send + 'static,
    H: HandOver<R> + Clone + 'static,
    A: AnswerSkipped<I::Response> + Clone + 'static,
{
    type Response = I::Response;
    type Error = GuardError<I::Error>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner
            .poll_ready(cx)
            .map_err(|error| GuardError::Handler(HandlerFailed { error, after: After::Unclaimed }))
    }

    fn call(&mut self, request: R) -> Self::Future {
        // The service that has said it is ready is the one to be called.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let guard = self.guard.clone();
        let key = (self.how.key)(&request).inspect_err(|_| guard.keyless());
        let lease = (self.how.lease)(&request);
        let (hand_over, answer) = (self.how.hand_over.clone(), self.how.answer.clone());
        Box::pin(async move {
            let work = |held| inner.call(hand_over.hand_over(request, held));
            match guard.run(&key?, lease, work).await? {
                Outcome::Fresh(response)
                | Outcome::Replayed(response)
                | Outcome::Unguarded(response) => Ok(response),
                Outcome::Skipped(why) => answer.answer(why).ok_or(GuardError::Skipped(why)),
            }
        })
    }
}

impl<S: Store + ?Sized, K, L, C, H, A> fmt::Debug for IdempotencyLayer<S, K, L, C, H, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyLayer").field("guard", &self.guard).finish_non_exhaustive()
    }
}

impl<S: Store + ?Sized, K, L, C, I, H, A> fmt::Debug for Idempotent<S, K, L, C, I, H, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idempotent").field("guard", &self.guard).finish_non_exhaustive()
    }
}
