use std::{
    error::Error as StdError,
    sync::{Arc, Mutex},
};

use aws_sdk_eventbridge::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
};
use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector,
            http_client_fn,
        },
        orchestrator::{HttpRequest, HttpResponse},
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use setpiece_envelope::Reason;
use setpiece_policy::{Disposition, Fault, FaultKind};

use super::EventBridge;
use crate::{Bus as _, OutgoingEvent, Preflight, Proof};

/// An EventBridge that gives the answers of a function, and remembers what it was asked.
#[derive(Clone)]
struct Script {
    answer: fn(&str) -> (u16, Value),
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Script {
    fn new(answer: fn(&str) -> (u16, Value)) -> Self {
        Self { answer, asked: Arc::default() }
    }

    /// What was asked: the operation, and its input.
    fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().clone()
    }

    fn bus(&self, name: &str) -> EventBridge {
        let connector = SharedHttpConnector::new(self.clone());
        let http: SharedHttpClient = http_client_fn(move |_, _| connector.clone());
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-west-1"))
            .credentials_provider(Credentials::new("x", "x", None, None, "test"))
            .http_client(http)
            // What a user gets who does not think of it.
            .retry_config(RetryConfig::standard())
            .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
            .build();
        EventBridge::new(Client::from_conf(config), name)
    }
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Script")
    }
}

impl HttpConnector for Script {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap();
        let operation = target.strip_prefix("AWSEvents.").unwrap().to_owned();
        let input = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let (status, body) = (self.answer)(&operation);
        self.asked.lock().unwrap().push((operation, input));
        let status = StatusCode::try_from(status).unwrap();
        let response = HttpResponse::new(status, SdkBody::from(body.to_string()));
        HttpConnectorFuture::ready(Ok(response))
    }
}

/// Runs with a clock that goes on when everybody waits, so that retries, if there were any, would
/// take no time.
fn run<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(future)
}

fn event(id: &str) -> OutgoingEvent {
    let metadata = format!(
        r#"{{"event_id":"{id}","name":"order_submitted","version":"1","occurred_at":"2026-11-20T12:10:21.123Z","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}"#
    );
    let detail = format!(r#"{{ "metadata":{metadata}, "data":{{"note":"ü \u0041\n"}} }}"#);
    OutgoingEvent::from_detail("retail.checkout.orders", "order_submitted", detail).unwrap()
}

fn put(script: &Script, events: &[OutgoingEvent]) -> Result<Vec<crate::EntryResult>, Fault> {
    let bus = script.bus("orders");
    run(bus.put(&events.iter().collect::<Vec<_>>()))
}

fn error(code: &str) -> Value {
    json!({ "__type": code, "message": "alice@example.com is not allowed" })
}

#[test]
fn a_request_holds_all_that_is_known_of_each_event() {
    let script =
        Script::new(|_| (200, json!({ "Entries": [{ "EventId": "1" }, { "EventId": "2" }] })));
    let first = event("one").with_resources(["arn:aws:s3:::a", "b"]).unwrap();
    let second = event("two");
    let (first_detail, second_detail) = (first.detail().to_owned(), second.detail().to_owned());

    let results = put(&script, &[first, second]).unwrap();

    let ids = results.into_iter().map(|it| it.unwrap().bus_event_id.unwrap());
    assert_eq!(ids.collect::<Vec<_>>(), ["1", "2"]);
    let trace = "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1";
    let entry = |detail: String| {
        json!({
            "Time": 1_795_176_621.123, "Source": "retail.checkout.orders",
            "DetailType": "order_submitted", "Detail": detail, "EventBusName": "orders",
            "TraceHeader": trace,
        })
    };
    let mut expected = [entry(first_detail), entry(second_detail)];
    expected[0]["Resources"] = json!(["arn:aws:s3:::a", "b"]);
    assert_eq!(script.asked(), [("PutEvents".to_owned(), json!({ "Entries": expected }))]);
}

#[test]
fn each_entry_gets_its_own_verdict_and_no_message_is_shown() {
    let script = Script::new(|_| {
        let message = "alice@example.com";
        let failed = |code| json!({ "ErrorCode": code, "ErrorMessage": message });
        let entries = json!([
            failed("ThrottlingException"), { "EventId": "2" }, failed("MalformedDetail"),
            failed("NotAuthorizedForSourceException"), failed("InternalFailure"), {},
        ]);
        (200, json!({ "FailedEntryCount": 5, "Entries": entries }))
    });
    let events: Vec<_> = (0..6).map(|id| event(&id.to_string())).collect();

    let results = put(&script, &events).unwrap();

    let verdicts = results.iter().map(|result| {
        let fault = result.as_ref().err()?;
        let withheld = fault.source().map(ToString::to_string);
        let shown = format!("{fault} {fault:?}");
        assert!(!shown.contains("alice"), "{shown}");
        assert_eq!(withheld.is_some(), fault.code().is_some());
        assert!(withheld.is_none_or(|text| text == "alice@example.com"));
        Some((fault.kind(), fault.disposition(), fault.may_have_happened()))
    });
    let again = Disposition::RetryHere { after: None };
    assert_eq!(
        verdicts.collect::<Vec<_>>(),
        [
            Some((FaultKind::Throttled, again, false)),
            None,
            Some((FaultKind::Permanent, Disposition::Quarantine, false)),
            Some((FaultKind::Permanent, Disposition::FailItem, false)),
            Some((FaultKind::Transient, again, true)),
            // It may have been taken, and nobody says so.
            Some((FaultKind::Transient, again, true)),
        ]
    );
}

#[test]
fn an_answer_about_other_entries_is_none() {
    let check = |answer: fn(&str) -> (u16, Value)| {
        let script = Script::new(answer);
        let fault = put(&script, &[event("one"), event("two")]).unwrap_err();
        assert_eq!((fault.kind(), fault.may_have_happened()), (FaultKind::Transient, true));
        assert_eq!(script.asked().len(), 1);
    };
    check(|_| (200, json!({})));
    check(|_| (200, json!({ "Entries": [] })));
    check(|_| (200, json!({ "Entries": [{ "EventId": "1" }] })));
    check(|_| (200, json!({ "Entries": [{ "EventId": "1" }, { "EventId": "2" }, {}] })));
    check(|_| (200, json!("lost in a proxy")));
}

#[test]
fn retries_of_the_client_are_off() {
    let check = |answer: fn(&str) -> (u16, Value), kind| {
        let script = Script::new(answer);
        assert_eq!(put(&script, &[event("one")]).unwrap_err().kind(), kind);
        assert_eq!(script.asked().len(), 1);
        let script = Script::new(answer);
        assert_eq!(run(script.bus("orders").preflight()).unwrap_err().kind(), kind);
        assert_eq!(script.asked().len(), 1);
    };
    check(|_| (500, error("InternalException")), FaultKind::Transient);
    check(|_| (503, json!("no JSON of AWS")), FaultKind::Transient);
    check(|_| (400, error("ThrottlingException")), FaultKind::Throttled);
}

#[test]
fn other_requests_of_the_client_are_tried_again() {
    let script = Script::new(|_| (500, error("InternalException")));
    let client = script.bus("orders").client;
    run(client.list_rules().send()).unwrap_err();
    assert_eq!(script.asked().len(), 3);
}

#[test]
fn a_name_that_no_bus_can_have_is_not_blamed_on_the_events() {
    let check = |name: &str, reason: Option<Reason>| {
        let script = Script::new(|_| (200, json!({ "Entries": [{ "EventId": "1" }] })));
        let bus = script.bus(name);
        let one = event("one");
        let answers = [run(bus.put(&[&one])).err(), run(bus.preflight()).err()];
        for fault in answers {
            assert_eq!(fault.is_some(), reason.is_some(), "{name}");
            let Some(fault) = fault else { continue };
            assert_eq!(
                (fault.kind(), fault.disposition()),
                (FaultKind::Permanent, Disposition::FailItem)
            );
            assert_eq!(fault.source().unwrap().downcast_ref(), reason.as_ref());
        }
        assert_eq!(script.asked().is_empty(), reason.is_some());
    };
    let form = Some(Reason::NotOfForm { form: "the name or the ARN of an event bus" });
    check("default", None);
    check("aws.partner/example.com/123", None);
    check("arn:aws:events:eu-west-1:123456789012:event-bus/orders", None);
    check(&"x".repeat(1600), None);
    check("", Some(Reason::Empty));
    check(&"x".repeat(1601), Some(Reason::TooLong { limit: 1600 }));
    check("orders\n", form.clone());
    check("${EVENT_BUS}", form.clone());
    check("arn:aws:events:eu-west-1:123456789012:event-bus/", form.clone());
    check("arn:aws:sqs:eu-west-1:123456789012:orders", form.clone());
    check("eu-west-1:orders", form);
}

#[test]
fn a_preflight_tells_what_it_could_see() {
    const BUS: Proof = Proof::Proven;
    let check = |answer, expected: Result<Preflight, (FaultKind, Disposition, &str)>| {
        let script = Script::new(answer);
        let seen = run(script.bus("orders").preflight());
        let seen = seen
            .as_ref()
            .map(|seen| *seen)
            .map_err(|fault| (fault.kind(), fault.disposition(), fault.code().unwrap_or_default()));
        assert_eq!(seen, expected);
        script.asked()
    };
    let refused = |code| Err((FaultKind::Permanent, Disposition::FailItem, code));

    // Nothing that it sends can be published: an event has a detail that is JSON.
    assert!(serde_json::from_str::<Value>(super::NOT_AN_EVENT).is_err());
    let asked = check(
        |operation| match operation {
            "DescribeEventBus" => (200, json!({ "Name": "orders" })),
            _ => (200, json!({ "Entries": [{ "ErrorCode": "MalformedDetail" }] })),
        },
        Ok(Preflight::PROVEN),
    );
    let probe = json!({
        "Source": "setpiece.preflight", "DetailType": "preflight", "Detail": super::NOT_AN_EVENT,
        "EventBusName": "orders",
    });
    assert_eq!(
        asked,
        [
            ("DescribeEventBus".to_owned(), json!({ "Name": "orders" })),
            ("PutEvents".to_owned(), json!({ "Entries": [probe] })),
        ]
    );

    let asked =
        check(|_| (400, error("ResourceNotFoundException")), refused("ResourceNotFoundException"));
    assert_eq!(asked.len(), 1);
    check(
        |operation| match operation {
            "DescribeEventBus" => (400, error("AccessDeniedException")),
            _ => (200, json!({ "Entries": [{ "ErrorCode": "MalformedDetail" }] })),
        },
        Ok(Preflight::new(Proof::Unseen, Proof::Proven)),
    );
    check(|_| (400, error("AccessDeniedException")), refused("AccessDeniedException"));
    check(
        |operation| match operation {
            "DescribeEventBus" => (200, json!({})),
            _ => (200, json!({ "Entries": [{ "ErrorCode": "AccessDeniedException" }] })),
        },
        refused("AccessDeniedException"),
    );
    check(
        |operation| match operation {
            "DescribeEventBus" => (200, json!({})),
            _ => (400, error("ValidationException")),
        },
        Ok(Preflight::new(BUS, Proof::Unseen)),
    );
    check(
        |operation| match operation {
            "DescribeEventBus" => (200, json!({})),
            _ => (200, json!({ "Entries": [{ "EventId": "1" }] })),
        },
        Ok(Preflight::PROVEN),
    );
    check(|_| (403, error("UnrecognizedClientException")), refused("UnrecognizedClientException"));
}

#[test]
fn a_preflight_asks_for_the_events_that_a_policy_allows() {
    let script = Script::new(|_| (200, json!({ "Entries": [{ "ErrorCode": "MalformedDetail" }] })));
    let bus = script.bus("orders").with_probe("retail.checkout.orders", "order_submitted");
    assert_eq!(run(bus.preflight()).unwrap(), Preflight::PROVEN);
    let (_, probe) = &script.asked()[1];
    assert_eq!(probe["Entries"][0]["Source"], "retail.checkout.orders");
    assert_eq!(probe["Entries"][0]["DetailType"], "order_submitted");
}
