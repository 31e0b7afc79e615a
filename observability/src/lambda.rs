use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use lambda_runtime::LambdaInvocation;
use setpiece_policy::Deadline;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    InScope, Invocation, Scope, Telemetry, XRayHeader,
    propagation::{Carriers, Trust},
};

/// Gives each invocation of a Lambda function a [`Scope`].
///
/// It is a layer of the runtime, around all others, so that what it writes at the end is written
/// after the response has been posted and costs the caller nothing. It works with `run` and with
/// `run_concurrent`.
///
/// ```no_run
/// use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
/// use setpiece_observability::{Config, InvocationLayer, Telemetry};
///
/// async fn handle(event: LambdaEvent<serde_json::Value>) -> Result<(), Error> {
///     Ok(())
/// }
///
/// # async fn main_of() -> Result<(), Error> {
/// let telemetry = Telemetry::init(Config::from_env())?;
/// Runtime::new(service_fn(handle)).layer(InvocationLayer::new(telemetry)).run().await
/// # }
/// ```
///
/// With the feature `tracing` of `lambda_runtime` an error of the handler is logged within the
/// scope, which makes it fail.
#[derive(Clone, Debug)]
pub struct InvocationLayer {
    telemetry: Telemetry,
}

impl InvocationLayer {
    /// A layer of `telemetry`.
    #[must_use]
    pub fn new(telemetry: Telemetry) -> Self {
        Self { telemetry }
    }
}

impl<S> Layer<S> for InvocationLayer {
    type Service = InvocationService<S>;

    fn layer(&self, inner: S) -> InvocationService<S> {
        InvocationService { telemetry: self.telemetry.clone(), inner }
    }
}

/// A service in the scopes of an [`InvocationLayer`].
#[derive(Clone, Debug)]
pub struct InvocationService<S> {
    telemetry: Telemetry,
    inner: S,
}

impl<S: Service<LambdaInvocation>> Service<LambdaInvocation> for InvocationService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = InInvocation<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        let scope = self.telemetry.invocation(Invocation::from(&invocation.context));
        let future = scope.enter(|| self.inner.call(invocation));
        InInvocation { future: scope.in_scope(future), scope }
    }
}

pin_project_lite::pin_project! {
    /// An invocation in its scope.
    #[must_use = "futures do nothing unless they are polled"]
    pub struct InInvocation<F> {
        #[pin]
        future: InScope<F>,
        scope: Scope,
    }
}

impl<T, E, F: Future<Output = Result<T, E>>> Future for InInvocation<F> {
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, E>> {
        let this = self.project();
        let result = ready!(this.future.poll(cx));
        if result.is_err() {
            this.scope.fail();
        }
        this.scope.end();
        Poll::Ready(result)
    }
}

impl<F> fmt::Debug for InInvocation<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InInvocation").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl From<&lambda_runtime::Context> for Invocation {
    /// Reads what the runtime knows. The flow is that of a direct call whose client context names
    /// one.
    fn from(context: &lambda_runtime::Context) -> Self {
        let mut invocation = Self::new(&context.request_id)
            .with_function_arn(&context.invoked_function_arn)
            .with_deadline(Deadline::from_unix_millis(context.deadline));
        invocation.tenant_id.clone_from(&context.tenant_id);
        let custom = context.client_context.iter().flat_map(|client| &client.custom);
        let mut carriers =
            Carriers::new().with_attributes(custom.map(|(name, value)| (&**name, &**value)));
        if let Some(header) = &context.xray_trace_id {
            carriers = carriers.with_transport_header(header);
            invocation.x_ray = XRayHeader::parse(&**header).ok();
        }
        invocation.with_correlation(carriers.extract(Trust::Internal).correlation)
    }
}

#[cfg(test)]
mod tests;
