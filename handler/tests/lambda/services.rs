//! An app as a `tower` service, with layers around it.

use std::{sync::Arc, time::Duration};

use lambda_runtime::{Context, Diagnostic, Error, LambdaEvent, Runtime};
use serde::Deserialize as _;
use serde_json::value::RawValue;
use setpiece_envelope::SystemClock;
use setpiece_handler::RawInvocation;
use setpiece_idempotency::{Guard, IdempotencyLayer, Key, Lease, MemoryStore};
use setpiece_policy::{Deadline, SystemRandom, TokioSleep};
use tower::{Service as _, ServiceBuilder, ServiceExt as _, limit::ConcurrencyLimitLayer};

use crate::{
    function::{Ask, app},
    runtime_api::Function,
};

/// An app whose invocations are guarded as a whole, for 600 seconds.
pub(crate) async fn guarded() -> Result<(), Error> {
    let store = Arc::new(MemoryStore::new(SystemClock));
    let guard = Guard::builder(store, "test", "invocation", SystemClock, SystemRandom, TokioSleep);
    let layer = IdempotencyLayer::new(
        guard.build()?,
        |event: &LambdaEvent<RawInvocation>| {
            Key::of(&String::from_utf8_lossy(event.payload.as_bytes()).into_owned())
        },
        |_: &LambdaEvent<RawInvocation>| {
            Lease::until(Deadline::after(&SystemClock, Duration::from_mins(10)))
        },
    );
    let service = ServiceBuilder::new().layer(layer).service(app());
    Runtime::new(service).run().await
}

#[tokio::test]
async fn an_app_goes_behind_a_guard() {
    let mut function = Function::start("guarded", &[]).await;
    let ask = |ask| serde_json::to_string(&ask).unwrap();
    assert_eq!(function.invoke(ask(Ask::Count {})).await.response(), "0");
    assert_eq!(function.invoke(ask(Ask::Large(3))).await.response(), r#""a""#);
    // It was asked before.
    assert_eq!(function.invoke(ask(Ask::Count {})).await.response(), "0");
    // The app's errors keep their type.
    assert_eq!(function.invoke("[]").await.error().0, "Setpiece.UnknownShape");
}

/// As it is behind a runtime that reads JSON by itself.
#[tokio::test]
async fn what_lambda_runtime_cannot_read_is_refused_by_the_app() {
    let mut app = app();
    for body in [&b""[..], b"jane.doe@example.com", b"{\"jane\":\"\xff\"}", b"{\"jane\":"] {
        let mut json = serde_json::Deserializer::from_slice(body);
        let invocation = RawInvocation::deserialize(&mut json).unwrap();
        let error = app.call(LambdaEvent::new(invocation, Context::default())).await.unwrap_err();
        let Diagnostic { error_type, error_message } = error.into();
        assert_eq!(error_type, "Setpiece.UnknownShape");
        let expected = "the invocation cannot be read: `$` does not have the form of JSON";
        assert!(error_message.starts_with(expected), "{error_message}");
    }
}

#[tokio::test]
async fn layers_go_around_an_app() {
    let mut service = ServiceBuilder::new()
        .map_response(|json: Box<RawValue>| json.get().len())
        .layer(ConcurrencyLimitLayer::new(1))
        .service(app());
    let json = serde_json::to_vec(&Ask::Large(30)).unwrap();
    let mut context = Context::default();
    context.deadline = 600_000;
    let invocation = LambdaEvent::new(RawInvocation::from(json), context);
    assert_eq!(format!("{:?}", invocation.payload), "RawInvocation(12 bytes)");
    let answer = service.ready().await.unwrap().call(invocation).await;
    assert_eq!(answer.unwrap(), 30);
}
