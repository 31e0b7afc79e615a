//! JSON of somebody else: the type that asks for it judges it, whichever way it came.

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use setpiece_handler::{Content, HttpRequest, Json, OtherEvent, Payload};
use setpiece_testing::{HttpEvent, kinesis_event, sns_event, sqs_event};

use crate::{only, told};

#[derive(Debug, PartialEq, Deserialize)]
struct Job {
    id: u64,
    #[serde(default)]
    total: f64,
}

/// A document, by each of the ways on which it may come.
fn by_every_way(document: &str) -> Vec<Vec<u8>> {
    let notification =
        json!({ "Type": "Notification", "TopicArn": "t", "Message": document }).to_string();
    vec![
        document.as_bytes().to_vec(),
        sqs_event([document]),
        sqs_event([notification]),
        sns_event(document),
        kinesis_event([document]),
    ]
}

fn read<P: Payload>(bytes: &[u8]) -> Result<P, String> {
    let delivery = only(bytes);
    let opened = delivery.open().map_err(|error| told(&error))?;
    P::read(opened.content).map_err(|fault| told(&fault))
}

#[track_caller]
fn job_of(bytes: &[u8]) -> Job {
    read::<Json<Job>>(bytes).unwrap().0
}

#[test]
fn an_integer_beyond_64_bits_with_a_sign_is_for_who_can_hold_it() {
    for bytes in by_every_way(r#"{"id":18446744073709551615,"other":18446744073709551616}"#) {
        assert_eq!(job_of(&bytes).id, u64::MAX);
    }
    for bytes in by_every_way(r#"{"id":18446744073709551616}"#) {
        let error = read::<Json<Job>>(&bytes).unwrap_err();
        assert_eq!(
            error,
            "contract: the JSON is not of the type it should be: `id` expected u64, found a number"
        );
    }
}

#[test]
fn what_nobody_reads_is_not_judged() {
    for unread in ["1e400", r#""\udead""#, r#"{"x":1,"x":"\ud800"}"#, "123456789012345678901234"] {
        for bytes in by_every_way(&format!(r#"{{"id":7,"unread":{unread},"unread":{unread}}}"#)) {
            assert_eq!(job_of(&bytes).id, 7, "{unread}");
        }
    }
}

#[test]
fn what_the_type_refuses_is_refused_with_its_path() {
    for (document, expected) in [
        (r#"{"id":1,"total":1e400}"#, "`total` is not a finite number"),
        (r#"{"id":4111,"id":4111}"#, "`id` appears more than once"),
        (r#"{"id":"4111"}"#, "`id` expected u64, found a string"),
        (r#"{"total":4111}"#, "`id` is missing"),
    ] {
        for bytes in by_every_way(document) {
            let error = read::<Json<Job>>(&bytes).unwrap_err();
            assert!(error.ends_with(&format!(": {expected}")), "{error}");
            assert!(!error.contains("4111"), "{error}");
        }
    }
}

#[test]
fn an_event_of_somebody_else_has_a_detail_of_any_json() {
    for source in ["aws.thing", "acme.things"] {
        let event = |detail: &str| {
            format!(
                r#"{{"version":"0","id":"e-1","detail-type":"Thing Happened","source":"{source}",
                "account":"111122223333","time":"2024-01-01T00:00:00Z","region":"eu-west-1",
                "resources":[],"detail":{detail}}}"#
            )
        };
        for unread in ["18446744073709551615", "1e400", r#""\ud800""#, r#"{"a":1,"a":2}"#] {
            let event = event(&format!(r#"{{"unread":{unread},"id":18446744073709551615}}"#));
            for bytes in [event.clone().into_bytes(), sqs_event([&event])] {
                let detail = read::<OtherEvent>(&bytes).unwrap().detail::<Job>().unwrap();
                assert_eq!(detail.id, u64::MAX, "{unread}");
            }
        }
        let other: OtherEvent = read(event(r#"{"\ud800":1,"id":"4111"}"#).as_bytes()).unwrap();
        assert_eq!(other.detail_json(), r#"{"\ud800":1,"id":"4111"}"#);
        let error = read::<OtherEvent>(event(r#"{"id":"4111"}"#).as_bytes()).unwrap();
        let error = told(&error.detail::<Job>().unwrap_err());
        assert!(error.ends_with("`id` expected u64, found a string"), "{error}");
    }
}

#[test]
fn the_body_of_a_request_is_any_json() {
    let request = |body: &str| HttpRequest::new("POST", "/jobs").with_body(body);
    let job = request(r#"{"id":18446744073709551615,"x":1e400,"x":"\ud800"}"#).json::<Job>();
    assert_eq!(job.unwrap().id, u64::MAX);
    assert_eq!(request("7").json::<u64>().unwrap(), 7);
    for body in [r#"{"id":"4111"}"#, r#"{"id":4111,"id":4111}"#, r#"{"4111":4111}"#, "4111 x"] {
        let error = request(body).json::<Job>().unwrap_err();
        assert!(!format!("{error:?} {}", told(&error)).contains("4111"), "{error:?}");
    }
    let error = request(r#"{"id":"4111"}"#).json::<Job>().unwrap_err();
    assert_eq!(error.to_string(), "`id` expected u64, found a string");

    // As it comes from its entrance, with text and with bytes.
    let event = HttpEvent::new("POST", "/jobs");
    let request: HttpRequest = read(&event.clone().with_body(r#"{"id":7}"#).to_json()).unwrap();
    assert_eq!(request.json::<Job>().unwrap().id, 7);
    let request: HttpRequest = read(&event.with_body([0xff, b'{']).to_json()).unwrap();
    assert_eq!(request.body, [0xff, b'{']);
    let error = request.json::<Job>().unwrap_err();
    assert_eq!(error.to_string(), "`$` is not UTF-8 at byte 0");
}

/// Lambda hands over 6 MB, of which an event may have one.
#[test]
fn a_document_may_be_as_large_as_an_invocation() {
    let filling = "x".repeat(3 << 20);
    let document = format!(r#"{{"filling":"{filling}","id":7}}"#);
    for bytes in by_every_way(&document) {
        assert_eq!(job_of(&bytes).id, 7);
    }
    let request = HttpRequest::new("POST", "/").with_body(document);
    assert_eq!(request.json::<Job>().unwrap().id, 7);
}

#[test]
fn nesting_is_bounded_also_where_nobody_looks() {
    let levels = 100_000;
    let deep = format!(r#"{{"id":7,"unread":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
    let error = read::<Json<Job>>(deep.as_bytes()).unwrap_err();
    assert!(error.ends_with("is nested deeper than 128 levels"), "{error}");
    for bytes in &by_every_way(&deep)[1..] {
        // Whoever takes text can have it.
        let delivery = only(bytes);
        let opened = delivery.open().unwrap();
        assert!(matches!(opened.content, Content::Text(text) if text == deep));
        let error = told(&*opened.suspect.unwrap());
        assert!(error.ends_with("is nested deeper than 128 levels"), "{error}");
    }
    let request = HttpRequest::new("POST", "/").with_body(deep);
    request.json::<Job>().unwrap_err();
}

/// The body is what the key was used with, byte by byte: what a type does not read, or reads as the
/// same, may still be another request.
#[test]
fn the_fingerprint_of_a_request_is_of_its_bytes() {
    let key = |body: &str| {
        let request = HttpRequest::new("POST", "/").with_header("Idempotency-Key", "k");
        request.with_body(body).idempotency_key().unwrap()
    };
    let bodies = [
        r#"{"id":18446744073709551616}"#,
        r#"{"id":18446744073709551617}"#,
        r#"{"id":1e400}"#,
        r#"{"id":"\ud800"}"#,
        r#"{"id":"\ud801"}"#,
        r#"{"id":1}"#,
        r#"{"id":2,"id":1}"#,
    ];
    for (index, body) in bodies.iter().enumerate() {
        assert_eq!(key(body), key(body));
        assert!(bodies[..index].iter().all(|other| key(other) != key(body)), "{body}");
    }
}

/// JSON by its grammar, with all that readers disagree on.
fn document() -> impl Strategy<Value = String> {
    let text = r#""([ -!#-\[\]-~äß]|\\["\\/bfnrt]|\\u00[0-9a-f]{2}|\\ud[89a-f][0-9a-f]{2}){0,6}""#;
    let number = r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?";
    let leaf = prop_oneof!["null|true|false", number, text];
    leaf.prop_recursive(6, 40, 5, move |inner| {
        let name = prop_oneof![r#""[a-c]""#, text];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|elements| format!("[{}]", elements.join(","))),
            prop::collection::vec((name, inner), 0..5).prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(name, value)| format!("{name} : {value}")).collect();
                format!("{{ {} }}", members.join(", "))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn json_in_a_queue_is_what_serde_json_reads(document in document()) {
        let batch = sqs_event([&document]);
        let theirs = serde_json::from_str::<Value>(&document);
        let delivery = only(&batch);
        let content = delivery.open().unwrap().content;
        prop_assert!(matches!(content, Content::Json(_)), "{}", document);
        let ours = Json::<Value>::read(content.clone());
        prop_assert_eq!(ours.map(|Json(value)| value).ok(), theirs.ok(), "{}", document);
        // Whoever asks for the text is given it.
        let Json(raw) = Json::<Box<RawValue>>::read(content).unwrap();
        prop_assert_eq!(raw.get(), document.trim());
    }
}
