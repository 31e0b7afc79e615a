use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use lambda_runtime::{Error, LambdaInvocation, Runtime, layers::TracingLayer};
use setpiece_bus::Bus;
use tokio::sync::RwLock;
use tower_layer::Layer;
use tower_service::Service;

use super::entrance::Cloakroom;
use crate::{App, EffectStore};

/// Runs `app` as [`run_concurrent`](crate::run_concurrent) does, until Lambda ends the process.
/// Then it waits for the invocations that are being handled, runs `last`, and exits.
///
/// An app needs none of it: what it has acknowledged is durable, and what it has not comes again.
/// It is for what is kept beside it, such as telemetry that is not sent yet.
///
/// ```no_run
/// # use setpiece_bus::Bus;
/// # use setpiece_handler::{App, EffectStore};
/// # struct Telemetry;
/// # impl Telemetry { async fn flush(&self) {} }
/// # async fn example(app: App<(), impl EffectStore, impl Bus>, telemetry: Telemetry) -> Result<(), lambda_runtime::Error> {
/// setpiece_handler::run_until_shutdown(app, async move || telemetry.flush().await).await
/// # }
/// ```
///
/// # How much time there is
///
/// Lambda sends `SIGTERM` only to functions that have an extension, so this registers one, which
/// does nothing. That is a request to Lambda before the first invocation, and part of every cold
/// start. From the signal on there is half a second, and after that the process is killed. Where
/// invocations take longer than that, `last` may not be run; what must not be lost is sent by the
/// handler, or by the [observer](crate::AppBuilder::observer).
///
/// From the signal on no invocation begins.
///
/// # Errors
///
/// As in [`run`](crate::run).
///
/// # Panics
///
/// As in [`run_concurrent`](crate::run_concurrent), or if the extension cannot be registered.
pub async fn run_until_shutdown<S, X, B, Fut>(
    app: App<S, X, B>,
    last: impl FnOnce() -> Fut + Send + 'static,
) -> Result<(), Error>
where
    S: Send + Sync + 'static,
    X: EffectStore,
    B: Bus,
    Fut: Future<Output = ()> + Send + 'static,
{
    let busy = Busy::default();
    let idle = busy.clone();
    lambda_runtime::spawn_graceful_shutdown_handler(|| async move {
        // It is never given back, and who waits behind it does not begin.
        let _idle = idle.0.write().await;
        last().await;
    })
    .await;
    let cloakroom = Cloakroom::default();
    let runtime = Runtime::new(cloakroom.behind(app)).layer(cloakroom);
    runtime.layer(TracingLayer::new()).layer(busy).run_concurrent().await
}

/// Is read as long as an invocation is handled and its answer is not sent.
#[derive(Clone, Debug, Default)]
struct Busy(Arc<RwLock<()>>);

impl<T> Layer<T> for Busy {
    type Service = Counted<T>;

    fn layer(&self, inner: T) -> Counted<T> {
        Counted { busy: self.clone(), inner }
    }
}

#[derive(Clone, Debug)]
struct Counted<T> {
    busy: Busy,
    inner: T,
}

impl<T> Service<LambdaInvocation> for Counted<T>
where
    T: Service<LambdaInvocation, Response = (), Error = Error>,
    T::Future: Send + 'static,
{
    type Response = ();
    type Error = Error;
    type Future = BoxFuture<'static, Result<(), Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        let busy = Arc::clone(&self.busy.0);
        let answered = self.inner.call(invocation);
        Box::pin(async move {
            let _busy = busy.read().await;
            answered.await
        })
    }
}
