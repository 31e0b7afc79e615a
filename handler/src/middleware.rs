//! `tower` around handlers.

use std::{
    fmt,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use setpiece_policy::Fault;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    Handlers,
    handlers::{Around, Decision, Handling, Middleware},
};

impl<S: Send + Sync + 'static> Handlers<S> {
    /// Wraps all handlers in `layer`: timing, limits, authorisation, whatever `tower` has.
    ///
    /// The layer stands between the guard and the handler, so it sees each run and no replay. The
    /// last one that is added is the outermost, around all handlers, whenever those are added. Its
    /// service is cloned for each run.
    ///
    /// A fault that a layer makes is treated as one of the handler: what it says decides whether
    /// the delivery comes again or is put aside. So layers whose errors are others say what these
    /// mean:
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use setpiece_handler::Handlers;
    /// # use setpiece_policy::Fault;
    /// use tower::{BoxError, ServiceBuilder, timeout::error::Elapsed};
    ///
    /// fn fault(error: BoxError) -> Fault {
    ///     match error.downcast::<Fault>() {
    ///         // The handler's own.
    ///         Ok(fault) => *fault,
    ///         Err(error) if error.is::<Elapsed>() => Fault::deadline("the handler took too long"),
    ///         Err(error) => Fault::transient("a layer has failed").with_source(error),
    ///     }
    /// }
    ///
    /// let layers = ServiceBuilder::new()
    ///     .concurrency_limit(4)
    ///     .map_err(fault)
    ///     .timeout(Duration::from_secs(2))
    ///     .into_inner();
    /// let handlers = Handlers::new(()).layer(layers);
    /// ```
    ///
    /// A handler that is cancelled in the middle is run again with its next delivery. What it has
    /// decided by then is not written: only what it returns is.
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Next<S>>,
        L::Service: Service<Handling<S>, Response = Decision, Error = Fault>
            + Clone
            + Send
            + Sync
            + 'static,
        <L::Service as Service<Handling<S>>>::Future: Send,
    {
        let service = layer.layer(Next(self.middleware));
        self.middleware = Middleware::of(Arc::new(Wrapped(service)));
        self
    }
}

/// The service that a [layer](Handlers::layer) wraps: it runs the handler.
pub struct Next<S>(Middleware<S>);

impl<S> Clone for Next<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> fmt::Debug for Next<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").finish_non_exhaustive()
    }
}

impl<S: Send + Sync + 'static> Service<Handling<S>> for Next<S> {
    type Response = Decision;
    type Error = Fault;
    type Future = BoxFuture<'static, Result<Decision, Fault>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, handling: Handling<S>) -> Self::Future {
        self.0.run(handling)
    }
}

struct Wrapped<T>(T);

impl<S, T> Around<S> for Wrapped<T>
where
    S: Send + Sync + 'static,
    T: Service<Handling<S>, Response = Decision, Error = Fault> + Clone + Send + Sync + 'static,
    T::Future: Send,
{
    fn call(&self, handling: Handling<S>) -> BoxFuture<'static, Result<Decision, Fault>> {
        let mut service = self.0.clone();
        Box::pin(async move {
            poll_fn(|cx| service.poll_ready(cx)).await?;
            service.call(handling).await
        })
    }
}
