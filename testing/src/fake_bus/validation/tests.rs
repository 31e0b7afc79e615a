use proptest::{collection::vec, prelude::*};
use setpiece_bus::{InvalidEvent, Limits, OutgoingEvent};

use super::{MAX_NESTING, check_entry, check_request};
use crate::{
    PutEventsEntry, PutEventsResult,
    fixtures::{InvoiceIssued, order},
    sample,
};

fn entry() -> PutEventsEntry {
    PutEventsEntry::new("retail.orders", "order_submitted", "{}")
}

fn detail(detail: impl Into<String>) -> PutEventsEntry {
    PutEventsEntry { detail: Some(detail.into()), ..entry() }
}

/// Checks the code and the message by which an entry is refused; both are empty if it is not.
fn check(entry: &PutEventsEntry, code: &str, message: &str) {
    let found = match check_entry(entry) {
        Ok(_) => (String::new(), String::new()),
        Err(PutEventsResult::Failed { code, message }) => (code, message),
        Err(PutEventsResult::Accepted { .. }) => unreachable!("an error is a failure"),
    };
    assert_eq!((found.0.as_str(), found.1.as_str()), (code, message), "{entry:?}");
}

#[test]
fn a_part_that_is_missing_or_empty_is_named() {
    for empty in [None, Some(String::new())] {
        for (entry, name) in [
            (PutEventsEntry { source: empty.clone(), ..entry() }, "Source"),
            (PutEventsEntry { detail_type: empty.clone(), ..entry() }, "DetailType"),
            (PutEventsEntry { detail: empty.clone(), ..entry() }, "Detail"),
        ] {
            let message =
                format!("Parameter {name} is not valid. Reason: {name} is a required argument.");
            check(&entry, "InvalidArgument", &message);
        }
    }
}

#[test]
fn a_detail_is_a_json_object() {
    for malformed in [
        "[]",
        "1",
        "null",
        "\"text\"",
        r#""{\"a\":1}""#,
        "{",
        "{]",
        "{} {}",
        "{'a': 1}",
        "{a: 1}",
        "{\"a\": 01}",
        "{\"a\": NaN}",
        "text",
        " ",
        "{\"a\": \"\u{1}\"}",
    ] {
        check(&detail(malformed), "MalformedDetail", "Detail is malformed.");
    }
    for fine in
        ["{}", " { } ", r#"{"a": [1, -2.5e3, null, true, "é\u00e9\\\""]}"#, r#"{"a":1,"a":2}"#]
    {
        check(&detail(fine), "", "");
    }
}

#[test]
fn integers_fit_in_64_bits() {
    for fine in ["9223372036854775807", "-9223372036854775808", "1e400", "9223372036854775808.0"] {
        check(&detail(format!(r#"{{"a":[{fine}]}}"#)), "", "");
    }
    for malformed in ["9223372036854775808", "-9223372036854775809", "18446744073709551616"] {
        check(
            &detail(format!(r#"{{"a":[0,{malformed}]}}"#)),
            "MalformedDetail",
            "Detail is malformed.",
        );
    }
    // What is in a text is no number.
    check(&detail(r#"{"a":"\"9223372036854775808"}"#), "", "");
}

#[test]
fn details_are_nested_a_thousand_levels_at_most() {
    let nested =
        |levels: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(levels - 1), "]".repeat(levels - 1));
    check(&detail(nested(MAX_NESTING)), "", "");
    check(&detail(nested(MAX_NESTING + 1)), "MalformedDetail", "Detail is malformed.");
    // Brackets in a text are not levels.
    check(&detail(format!(r#"{{"a":"{}"}}"#, "[".repeat(2 * MAX_NESTING))), "", "");
}

#[test]
fn nobody_publishes_in_the_name_of_aws() {
    let of = |source: &str| PutEventsEntry { source: Some(source.to_owned()), ..entry() };
    check(&of("aws.s3"), "NotAuthorizedForSourceException", "Not authorized for the source.");
    check(&of("awsome.service"), "", "");
}

#[test]
fn fields_have_the_lengths_that_are_documented() {
    let text = |length: usize| "é".repeat(length);
    let source = |length| PutEventsEntry { source: Some("x".repeat(length)), ..entry() };
    let detail_type = |length| PutEventsEntry { detail_type: Some(text(length)), ..entry() };
    let resource = |length| PutEventsEntry { resources: vec![text(length)], ..entry() };
    for (entry, name, limit) in [
        (&source as &dyn Fn(usize) -> PutEventsEntry, "Source", 256),
        (&detail_type, "DetailType", 128),
        (&resource, "Resources", 2048),
    ] {
        check(&entry(limit), "", "");
        let reason = format!("{name} is longer than {limit} characters.");
        let message = format!("Parameter {name} is not valid. Reason: {reason}");
        check(&entry(limit + 1), "InvalidArgument", &message);
    }
}

#[test]
fn what_an_envelope_says_about_itself_is_known() {
    let event = sample(order());
    let detail = detail(String::from_utf8(event.detail()).unwrap());
    assert_eq!(check_entry(&detail).unwrap().as_ref(), Some(event.metadata()));
    // Others send other objects.
    assert_eq!(check_entry(&entry()).unwrap(), None);
}

fn request_error(entries: &[PutEventsEntry]) -> String {
    check_request(entries)
        .map_or_else(|error| format!("{} {error}", error.status), |()| String::new())
}

#[test]
fn a_request_has_one_to_ten_entries() {
    let with = |count| request_error(&vec![entry(); count]);
    assert_eq!((with(1), with(10)), (String::new(), String::new()));
    let prefix = "400 ValidationException: 1 validation error detected: Value \
                  '[PutEventsRequestEntry]' at 'entries' failed to satisfy constraint: ";
    let error = |bound| format!("{prefix}Member must have length {bound}");
    assert_eq!(with(0), error("greater than or equal to 1"));
    assert_eq!(with(11), error("less than or equal to 10"));
}

#[test]
fn names_and_trace_headers_have_the_lengths_of_the_service_model() {
    let bus = |length| PutEventsEntry { event_bus_name: Some("x".repeat(length)), ..entry() };
    let trace = |length| PutEventsEntry { trace_header: Some("x".repeat(length)), ..entry() };
    for (with, limit) in [(&bus as &dyn Fn(usize) -> PutEventsEntry, 1600), (&trace, 500)] {
        assert_eq!(request_error(&[with(1), with(limit)]), "");
        for length in [0, limit + 1] {
            let error = request_error(&[entry(), with(length)]);
            assert!(error.starts_with("400 ValidationException: "), "{error}");
            assert!(error.contains("'entries.2.member."), "{error}");
        }
    }
}

#[test]
fn a_request_has_less_than_a_mebibyte() {
    let rest = entry().size() - 2;
    let of_size = |size: usize| detail("x".repeat(size - rest));
    let half = 512 * 1024;
    assert_eq!(request_error(&[of_size(half), of_size(half - 1)]), "");
    let expected = "400 ValidationException: Total size of the entries in the request is over the \
                    limit.";
    assert_eq!(request_error(&[of_size(half), of_size(half)]), expected);
    assert_eq!(request_error(&[of_size(2 * half)]), expected);
}

proptest! {
    /// The publisher counts before it sends, and the bus when it receives.
    #[test]
    fn an_entry_has_the_size_that_its_publisher_counted(
        resources in vec("[a-zé]{1,20}", 0..3),
        total in 0.0..1e6,
        has_time: bool,
    ) {
        let mut event = sample(InvoiceIssued { total }).into_envelope();
        if !has_time {
            event.metadata.occurred_at = None;
        }
        let event = OutgoingEvent::new(&event)
            .and_then(|event| event.with_resources(resources))
            .unwrap();

        let entry = PutEventsEntry::of(&event, "orders");

        prop_assert_eq!(entry.size(), (Limits::EVENT_BRIDGE.size)(&event));
        prop_assert_eq!(check_entry(&entry).is_ok(), true);
    }

    /// Both know the same limits: what one lets pass, the other takes.
    #[test]
    fn the_bus_takes_what_an_outgoing_event_may_be(
        source in "(aws\\.)?[a-zé]{0,300}",
        detail_type in "[a-zé]{0,200}",
    ) {
        let detail = String::from_utf8(sample(order()).detail()).unwrap();
        let entry = PutEventsEntry::new(&source, &detail_type, &detail);
        let outgoing: Result<OutgoingEvent, InvalidEvent> =
            OutgoingEvent::from_detail(source, detail_type, detail);
        prop_assert_eq!(outgoing.is_ok(), check_entry(&entry).is_ok());
    }
}
