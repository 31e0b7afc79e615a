//! Lambda's runtime around an app.

mod entrance;
#[cfg(feature = "shutdown")]
mod shutdown;

use std::{
    fmt,
    panic::AssertUnwindSafe,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use lambda_runtime::{Diagnostic, Error, LambdaEvent, Runtime, layers::TracingLayer};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use setpiece_bus::Bus;
use setpiece_envelope::{Clock, Reason, Violation};
use setpiece_policy::{Deadline, Fault};
use tower_service::Service;

use self::entrance::Cloakroom;
#[cfg(feature = "shutdown")]
pub use self::shutdown::run_until_shutdown;
use crate::{App, EffectStore, Ending, InvokeError, UnknownShape, app::log};

/// Runs `app` as a Lambda function, one invocation after the other.
///
/// The deadline of each is Lambda's. Before it is over, all deliveries have ended or are cancelled,
/// and the answer says which have failed. Nothing but the bytes of the invocation and the
/// configuration of the app decides what it is, so it can be tried
/// [without Lambda](App::invoke).
///
/// ```no_run
/// # use setpiece_handler::{App, EffectStore};
/// # use setpiece_bus::Bus;
/// # fn app() -> App<(), impl EffectStore, impl Bus> {
/// #     use std::{future::ready, sync::Arc};
/// #     use setpiece_bus::{EntryResult, Limits, OutgoingEvent, Preflight, Publisher};
/// #     use setpiece_envelope::{FixedClock, ServiceId};
/// #     use setpiece_handler::{Handlers, MemoryEffects};
/// #     use setpiece_policy::{Fault, Retry, InstantSleep, SeededRandom};
/// #     struct Nowhere;
/// #     impl Bus for Nowhere {
/// #         fn limits(&self) -> Limits { Limits::EVENT_BRIDGE }
/// #         async fn put(&self, _: &[&OutgoingEvent]) -> Result<Vec<EntryResult>, Fault> { Err(Fault::permanent("")) }
/// #         async fn preflight(&self) -> Result<Preflight, Fault> { Err(Fault::permanent("")) }
/// #     }
/// #     let clock = FixedClock::default();
/// #     let sleep = InstantSleep::new(clock.clone());
/// #     let publisher = Publisher::new(Nowhere, Retry::new(clock.clone(), SeededRandom::new(1), sleep.clone()));
/// #     let effects = MemoryEffects::new(clock.clone());
/// #     App::builder(ServiceId::new("a", "b", "c"), Handlers::new(()), effects, publisher, clock, SeededRandom::new(1), sleep).build().unwrap()
/// # }
/// fn main() -> Result<(), lambda_runtime::Error> {
///     // One thread is enough for what waits most of the time, and starts sooner.
///     let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
///     runtime.block_on(setpiece_handler::run(app()))
/// }
/// ```
///
/// # Layers, and a runtime of one's own
///
/// An app is a `tower` service of [invocations](RawInvocation), so layers go around it, and what
/// comes of it into `lambda_runtime::Runtime::new`:
///
/// ```no_run
/// # use setpiece_bus::Bus;
/// # use setpiece_handler::{App, EffectStore};
/// use lambda_runtime::{Error, Runtime, layers::TracingLayer};
/// use tower::{ServiceBuilder, limit::ConcurrencyLimitLayer};
///
/// # async fn example(app: App<(), impl EffectStore, impl Bus>) -> Result<(), Error> {
/// let service = ServiceBuilder::new().layer(ConcurrencyLimitLayer::new(4)).service(app);
/// Runtime::new(service).layer(TracingLayer::new()).run_concurrent().await
/// # }
/// ```
///
/// A layer around an app sees invocations; one around
/// [handlers](crate::Handlers) sees each run of a handler.
///
/// Then `lambda_runtime` reads the JSON before the app does, and writes it to its log at the level
/// `TRACE`. Whoever has personal data in events leaves that level off. `run` does neither.
///
/// # On a desk
///
/// `cargo lambda watch` sends how much time there is where Lambda sends when it is over. A deadline
/// in the year 1970 is taken for that.
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
    let cloakroom = Cloakroom::default();
    let runtime = Runtime::new(cloakroom.behind(app)).layer(cloakroom);
    runtime.layer(TracingLayer::new()).run().await
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
    let cloakroom = Cloakroom::default();
    let runtime = Runtime::new(cloakroom.behind(app)).layer(cloakroom);
    runtime.layer(TracingLayer::new()).run_concurrent().await
}

impl<S, X, B> Service<LambdaEvent<RawInvocation>> for App<S, X, B>
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

    fn call(&mut self, event: LambdaEvent<RawInvocation>) -> Self::Future {
        let app = self.clone();
        Box::pin(async move {
            let deadline = deadline(event.context.deadline, app.clock());
            let answer = app.invoke(event.payload.read()?, deadline);
            // A panic within a delivery is the end of that delivery. Should one get here, the runtime
            // would tell Lambda what it says, which can be anything.
            let Ok(answer) = AssertUnwindSafe(answer).catch_unwind().await else {
                let fault = Fault::permanent("the app panicked")
                    .with_remedy("look at the message of the panic in the log before this line")
                    .with_may_have_happened(true);
                return Err(failed(fault));
            };
            RawValue::from_string(answer?).map_err(|error| {
                failed(Fault::permanent("an answer that is not JSON").with_source(error))
            })
        })
    }
}

/// The failure of an invocation after its deliveries.
fn failed(fault: Fault) -> InvokeError {
    log::ended(Ending::Failed(&fault), None);
    InvokeError::Failed { failed: 1, of: 1, fault }
}

/// When Lambda ends the function.
fn deadline(millis: u64, clock: &dyn Clock) -> Deadline {
    const YEAR_1971: u64 = 365 * 24 * 60 * 60 * 1000;
    if millis < YEAR_1971 {
        // `cargo lambda watch` says how much time there is, not when it is over.
        return Deadline::after(clock, Duration::from_millis(millis));
    }
    Deadline::from_unix_millis(millis)
}

/// Payload of an invocation, as bytes that an [`App`] has not looked into.
///
/// Where `lambda_runtime` makes it, which reads JSON, what is none comes as well: so that the app
/// refuses it with the [type](InvokeError::error_type) of all that it cannot read, and not
/// `lambda_runtime` with the name of a type in Rust. `lambda_runtime` stops after the first JSON
/// value; what follows it is not noticed.
#[derive(Clone)]
pub struct RawInvocation(Option<Arc<dyn AsRef<[u8]> + Send + Sync>>);

impl RawInvocation {
    /// The bytes, for layers. There are none if `lambda_runtime` could not read them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |bytes| (**bytes).as_ref())
    }

    fn read(&self) -> Result<&[u8], InvokeError> {
        if self.0.is_none() {
            let violation = Violation::new(Reason::NotOfForm { form: "JSON" });
            return Err(UnknownShape::Malformed(violation).into());
        }
        Ok(self.as_bytes())
    }
}

impl From<Vec<u8>> for RawInvocation {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Some(Arc::new(bytes)))
    }
}

impl<'de> Deserialize<'de> for RawInvocation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer).ok();
        Ok(json
            .map_or(Self(None), |json| Box::<str>::from(json).into_boxed_bytes().into_vec().into()))
    }
}

impl fmt::Debug for RawInvocation {
    /// Shows how much there is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawInvocation({} bytes)", self.as_bytes().len())
    }
}

impl From<InvokeError> for Diagnostic {
    /// Has a [type](InvokeError::error_type) that stays as it is, and no data of events.
    fn from(error: InvokeError) -> Self {
        Self { error_type: error.error_type().to_owned(), error_message: error.to_string() }
    }
}
