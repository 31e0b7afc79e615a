use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use serde::{Serialize, de::DeserializeOwned};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    BySemantics, Classify, Guard, Key, KeyError, Lease, Outcome,
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
pub struct IdempotencyLayer<S: Store + ?Sized, K, L, C = BySemantics> {
    guard: Guard<S, C>,
    key: K,
    lease: L,
}

/// A service behind an [`IdempotencyLayer`].
pub struct Idempotent<S: Store + ?Sized, K, L, C, I> {
    guard: Guard<S, C>,
    key: K,
    lease: L,
    inner: I,
}

impl<S: Store + ?Sized, K, L, C> IdempotencyLayer<S, K, L, C> {
    /// Guards with `guard`; `key` and `lease` say how a request is guarded.
    pub fn new<R>(guard: Guard<S, C>, key: K, lease: L) -> Self
    where
        K: Fn(&R) -> Result<Key, KeyError>,
        L: Fn(&R) -> Lease,
    {
        Self { guard, key, lease }
    }
}

impl<S: Store + ?Sized, K: Clone, L: Clone, C: Clone> Clone for IdempotencyLayer<S, K, L, C> {
    fn clone(&self) -> Self {
        let Self { guard, key, lease } = self;
        Self { guard: guard.clone(), key: key.clone(), lease: lease.clone() }
    }
}

impl<S, K, L, C, I> Clone for Idempotent<S, K, L, C, I>
where
    S: Store + ?Sized,
    K: Clone,
    L: Clone,
    C: Clone,
    I: Clone,
{
    fn clone(&self) -> Self {
        let Self { guard, key, lease, inner } = self;
        let (guard, key, lease) = (guard.clone(), key.clone(), lease.clone());
        Self { guard, key, lease, inner: inner.clone() }
    }
}

impl<S: Store + ?Sized, K: Clone, L: Clone, C: Clone, I> Layer<I> for IdempotencyLayer<S, K, L, C> {
    type Service = Idempotent<S, K, L, C, I>;

    fn layer(&self, inner: I) -> Self::Service {
        let Self { guard, key, lease } = self.clone();
        Idempotent { guard, key, lease, inner }
    }
}

impl<S, K, L, C, I, R> Service<R> for Idempotent<S, K, L, C, I>
where
    S: Store + ?Sized,
    K: Fn(&R) -> Result<Key, KeyError>,
    L: Fn(&R) -> Lease,
    C: Classify<I::Error> + Clone + 'static,
    I: Service<R> + Clone + Send + 'static,
    I::Response: Serialize + DeserializeOwned + Send,
    I::Error: Send,
    I::Future: Send,
    R: Send + 'static,
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
        let key = (self.key)(&request);
        let lease = (self.lease)(&request);
        Box::pin(async move {
            match guard.run(&key?, lease, |_held| inner.call(request)).await? {
                Outcome::Fresh(response)
                | Outcome::Replayed(response)
                | Outcome::Unguarded(response) => Ok(response),
                Outcome::Skipped(why) => Err(GuardError::Skipped(why)),
            }
        })
    }
}

impl<S: Store + ?Sized, K, L, C> fmt::Debug for IdempotencyLayer<S, K, L, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyLayer").field("guard", &self.guard).finish_non_exhaustive()
    }
}

impl<S: Store + ?Sized, K, L, C, I> fmt::Debug for Idempotent<S, K, L, C, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idempotent").field("guard", &self.guard).finish_non_exhaustive()
    }
}
