use serde_json::{Value, json};

use super::CloudEvent;
use crate::RawEnvelope;

#[track_caller]
fn back(event: &Value) -> Value {
    let bytes = serde_json::to_vec(event).unwrap();
    let parsed = CloudEvent::parse(&bytes).unwrap();
    // By way of our own form, too.
    let detail = parsed.envelope.to_detail().unwrap();
    let again = CloudEvent::new(&*parsed.source, RawEnvelope::parse(&detail).unwrap());
    assert_eq!(again.to_json().unwrap(), parsed.to_json().unwrap());
    serde_json::from_slice(&parsed.to_json().unwrap()).unwrap()
}

#[test]
fn the_event_of_another_producer_comes_back_as_it_was() {
    let event = json!({
        "specversion": "1.0",
        "type": "com.github.pull_request.opened",
        "source": "https://github.com/cloudevents/spec/pull",
        "subject": "123",
        "id": "A234-1234-1234",
        "time": "2018-04-05T17:31:00Z",
        "datacontenttype": "application/json",
        "dataschema": "https://example.com/schema",
        "comexampleextension1": "value",
        "comexampleothervalue": 5,
        "flag": true,
        "version": "another meaning",
        "name": "another one, too",
        "correlationid": "c-1",
        "causationid": "c-0",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "rojo=00f067aa0ba902b7",
        "partitionkey": "p-1",
        "data": { "a": [1, 2.5, null] },
    });
    assert_eq!(back(&event), event);
}

#[test]
fn the_smallest_event_comes_back_as_it_was() {
    let event = json!({ "specversion": "1.0", "type": "t", "source": "s", "id": "i" });
    assert_eq!(back(&event), event);
}

#[test]
fn attributes_that_are_null_are_unset() {
    let event = json!({
        "specversion": "1.0", "type": "t", "source": "s", "id": "i", "time": null, "other": null,
        "data": null,
    });
    assert_eq!(
        back(&event),
        json!({ "specversion": "1.0", "type": "t", "source": "s", "id": "i" })
    );
}

#[test]
fn members_that_attributes_cannot_hold_travel_together() {
    let detail = br#"{"metadata":{"event_id":"e","name":"n","version":"3","snake_case":1,
        "object":{"a":[1.50]},"fraction":0.5,"plain":"x","id":"not the event's"},"data":1}"#;
    let envelope = RawEnvelope::parse(detail).unwrap();
    let json = CloudEvent::new("shop", envelope.clone()).to_json().unwrap();
    let event: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(event["plain"], "x");
    assert_eq!(event["id"], "e");
    assert_eq!(event["eventversion"], "3");
    assert_eq!(
        event["setpiecemetadata"],
        r#"{"fraction":0.5,"id":"not the event's","object":{"a":[1.50]},"snake_case":1}"#
    );
    assert_eq!(CloudEvent::parse(&json).unwrap().envelope.metadata, envelope.metadata);
}

#[test]
fn texts_that_attributes_cannot_hold_travel_together() {
    let detail = r#"{"metadata":{"event_id":"e","name":"n","version":1,"lines":"a\nb"},"data":1}"#;
    let envelope = RawEnvelope::parse(detail.as_bytes()).unwrap();
    let json = CloudEvent::new("shop", envelope.clone()).to_json().unwrap();
    let event: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(event["setpiecemetadata"], r#"{"lines":"a\nb"}"#);
    assert_eq!(CloudEvent::parse(&json).unwrap().envelope.metadata, envelope.metadata);
}

#[test]
fn what_can_be_read_can_be_written_as_an_event_of_ours() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let event = |levels: usize| {
        let rest = format!(r#"{{"deep":{}}}"#, nested(levels));
        json!({
            "specversion": "1.0", "type": "t", "source": "s", "id": "i", "setpiecemetadata": rest,
        })
    };
    assert_eq!(back(&event(126)), event(126));
    let bytes = serde_json::to_vec(&event(127)).unwrap();
    assert!(CloudEvent::parse(&bytes).is_err());
}

#[test]
fn an_event_that_a_broker_carried_in_headers_has_texts_for_numbers() {
    let event = json!({
        "specversion": "1.0", "type": "t", "source": "s", "id": "i", "depth": "3", "sampled": "true",
    });
    let bytes = serde_json::to_vec(&event).unwrap();
    let correlation = CloudEvent::parse(&bytes).unwrap().envelope.metadata.correlation;
    assert_eq!((correlation.depth, correlation.sampled), (3, Some(true)));
}

#[test]
fn what_is_no_cloud_event_is_told_by_attribute() {
    for (change, expected) in [
        (json!({ "specversion": null }), "`specversion` is missing"),
        (
            json!({ "specversion": "0.3" }),
            "`specversion` expected version 1.0 of CloudEvents, found another version",
        ),
        (json!({ "id": null }), "`id` is missing"),
        (json!({ "id": "" }), "`id` is empty"),
        (json!({ "type": null }), "`type` is missing"),
        (json!({ "source": null }), "`source` is missing"),
        (json!({ "source": "" }), "`source` is empty"),
        (json!({ "time": "noon" }), "`time` is not a timestamp of RFC 3339"),
        (
            json!({ "data_base64": "AAEC" }),
            "`data_base64` expected data as JSON, found binary data",
        ),
        (
            json!({ "Upper": "x" }),
            "`Upper` does not have the form of a CloudEvents attribute, whose name has lower-case \
             letters and digits only",
        ),
        (
            json!({ "other": [] }),
            "`other` expected a string, a boolean or a 32-bit integer, found an array",
        ),
        (
            json!({ "other": 2_147_483_648_i64 }),
            "`other` expected a string, a boolean or a 32-bit integer, found a number",
        ),
        (
            json!({ "setpiecemetadata": "{\"event_id\":1}" }),
            "`setpiecemetadata.event_id` does not have the form of an unknown member's name",
        ),
        (
            json!({ "a": 1, "setpiecemetadata": "{\"a\":1}" }),
            "`setpiecemetadata.a` appears more than once",
        ),
        (
            json!({ "setpiecemetadata": "{" }),
            "`setpiecemetadata` is not JSON at byte 1: expected a member's name",
        ),
    ] {
        let mut event = json!({ "specversion": "1.0", "type": "t", "source": "s", "id": "i" });
        event.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let bytes = serde_json::to_vec(&event).unwrap();
        assert_eq!(CloudEvent::parse(&bytes).unwrap_err().to_string(), expected);
    }
}
