use std::{
    convert::Infallible,
    future::{self, Future},
    pin::pin,
    task::{Context, Poll, Waker},
};

use lambda_runtime::{LambdaInvocation, service_fn};
use serde_json::json;
use tower_layer::Layer as _;
use tower_service::Service;
use tracing::{debug, info};

use super::InvocationLayer;
use crate::{
    Config, Invocation, Scope,
    captured::Captured,
    metrics::{Metric, Unit, record},
};

const TRACE: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

fn invocation(id: &str) -> LambdaInvocation {
    let mut context = lambda_runtime::Context::default();
    context.request_id = id.to_owned();
    context.tenant_id = Some("t-1".to_owned());
    context.xray_trace_id = Some(TRACE.to_owned());
    let (parts, ()) = http::Response::new(()).into_parts();
    LambdaInvocation { parts, body: bytes::Bytes::new(), context }
}

fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn each_invocation_has_a_scope_of_its_own() {
    const CALLS: Metric = Metric::new("Calls", Unit::Count);
    let (captured, telemetry, _default) = Captured::telemetry(Config::new("orders"));
    let inner = service_fn(|_: LambdaInvocation| async {
        info!("handled");
        record(CALLS, 1.0).unwrap();
        Ok::<_, Infallible>(())
    });
    let mut service = InvocationLayer::new(telemetry).layer(inner);
    // As `run_concurrent` does it.
    let mut clone = service.clone();
    let (first, second) = (service.call(invocation("1")), clone.call(invocation("2")));
    ready(second).unwrap();
    ready(first).unwrap();
    assert!(Scope::current().is_none());
    let lines = captured.lines();
    let ids: Vec<_> = lines.iter().map(|line| (&line["requestId"], &line["cold_start"])).collect();
    let expected = [("2", false), ("2", false), ("1", true), ("1", true)];
    let expected = expected.map(|(id, is_cold)| (json!(id), json!(is_cold)));
    assert!(ids.iter().zip(&expected).all(|(id, it)| (id.0, id.1) == (&it.0, &it.1)), "{ids:?}");
    assert_eq!(lines[0]["tenantId"], "t-1");
    assert_eq!(lines[0]["xray_trace_id"], "1-5759e988-bd862e3fe1be46a994272793");
    assert_eq!((&lines[1]["Calls"], lines.len()), (&json!(1), 4));
}

#[test]
fn an_error_writes_what_was_kept() {
    let (captured, telemetry, _default) = Captured::telemetry(Config::new("orders"));
    let inner = service_fn(|_: LambdaInvocation| {
        debug!("kept");
        future::ready(Err::<(), _>("no"))
    });
    let mut service = InvocationLayer::new(telemetry).layer(inner);
    assert_eq!(ready(service.call(invocation("1"))), Err("no"));
    assert_eq!(captured.messages(), ["kept"]);
}

#[test]
fn a_direct_call_names_its_flow() {
    let mut context = serde_json::to_value(&invocation("1").context).unwrap();
    let named = json!({"setpiece-context": r#"{"correlation_id":"flow-1","depth":2}"#});
    context["client_context"] = json!({ "custom": named });
    let call: lambda_runtime::Context = serde_json::from_value(context).unwrap();
    let correlation = Invocation::from(&call).correlation;
    assert_eq!(correlation.correlation_id.unwrap().as_str(), "flow-1");
    let trace = correlation.traceparent.unwrap();
    assert_eq!(trace.trace_id(), "5759e988bd862e3fe1be46a994272793");
}
