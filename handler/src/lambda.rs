//! Lambda's runtime around an app.

use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use lambda_runtime::{Diagnostic, Error, LambdaEvent};
use serde_json::value::RawValue;
use setpiece_bus::Bus;
use setpiece_policy::Deadline;
use tower_service::Service;

use crate::{App, EffectStore, InvokeError};

/// Runs `app` as a Lambda function, one invocation after the other.
///
/// It is a service as well, for who wants layers around it or a runtime of their own:
/// `Runtime::new(app)`.
///
/// # Errors
///
/// The Runtime API cannot be reached. The sandbox ends then.
///
/// # Panics
///
/// Outside of Lambda, where its environment variables are missing.
pub async fn run<S, X, B>(app: App<S, X, B>) -> Result<(), Error>
where
    S: Send + Sync + 'static,
    X: EffectStore,
    B: Bus,
{
    lambda_runtime::run(app).await
}

/// Runs `app` as a Lambda function that takes several invocations at the same time where it is
/// configured to, which is on Lambda Managed Instances. Elsewhere it does the same as [`run`].
///
/// # Errors
///
/// As in [`run`].
///
/// # Panics
///
/// As in [`run`], and outside of a tokio runtime.
pub async fn run_concurrent<S, X, B>(app: App<S, X, B>) -> Result<(), Error>
where
    S: Send + Sync + 'static,
    X: EffectStore,
    B: Bus,
{
    lambda_runtime::run_concurrent(app).await
}

impl<S, X, B> Service<LambdaEvent<Box<RawValue>>> for App<S, X, B>
where
    S: Send + Sync + 'static,
    X: EffectStore,
    B: Bus,
{
    type Response = Box<RawValue>;
    type Error = InvokeError;
    type Future = BoxFuture<'static, Result<Box<RawValue>, InvokeError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), InvokeError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, event: LambdaEvent<Box<RawValue>>) -> Self::Future {
        let app = self.clone();
        Box::pin(async move {
            let deadline = Deadline::from_unix_millis(event.context.deadline);
            let answer = app.invoke(event.payload.get().as_bytes(), deadline).await?;
            // What the app writes is JSON.
            Ok(RawValue::from_string(answer).unwrap_or_else(|_| RawValue::NULL.to_owned()))
        })
    }
}

impl From<InvokeError> for Diagnostic {
    /// Has a [type](InvokeError::error_type) that stays as it is, and no data of events.
    fn from(error: InvokeError) -> Self {
        Self { error_type: error.error_type().to_owned(), error_message: error.to_string() }
    }
}
