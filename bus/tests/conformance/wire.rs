//! Requests as they are on the wire, with all that an event cannot have.

use setpiece_testing::{PutEventsAnswer, PutEventsEntry, PutEventsResult};

use crate::worlds::{RawBus, World};

on_each_bus! {
    a_missing_part_fails_its_entry,
    a_detail_that_is_not_json_fails_its_entry,
    a_detail_that_is_no_object_fails_its_entry,
    eleven_entries_are_refused,
    a_source_of_aws_fails_its_entry,
    an_entry_without_a_bus_goes_to_the_default_one,
    a_trace_header_that_is_too_long_is_refused,
}

/// The code and the message of an entry, or nothing if it was accepted.
fn failures(answer: PutEventsAnswer) -> Vec<Option<(String, String)>> {
    let PutEventsAnswer::Results(results) = answer else { panic!("{answer:?}") };
    let failure = |result| match result {
        PutEventsResult::Accepted { event_id } => {
            assert!(!event_id.is_empty());
            None
        }
        PutEventsResult::Failed { code, message } => Some((code, message)),
    };
    results.into_iter().map(failure).collect()
}

fn failed(code: &str, message: &str) -> (String, String) {
    (code.to_owned(), message.to_owned())
}

fn good() -> PutEventsEntry {
    PutEventsEntry::new("retail.orders", "order_submitted", "{}")
}

pub(crate) async fn a_missing_part_fails_its_entry<B: RawBus>(bus: B) {
    let entries = vec![
        PutEventsEntry { source: None, ..good() },
        good(),
        PutEventsEntry { detail_type: None, ..good() },
        PutEventsEntry { detail: None, ..good() },
        good(),
    ];

    let failures = failures(bus.put_raw(entries).await);

    let missing = |part: &str| {
        let reason =
            format!("Parameter {part} is not valid. Reason: {part} is a required argument.");
        Some(failed("InvalidArgument", &reason))
    };
    let expected = [missing("Source"), None, missing("DetailType"), missing("Detail"), None];
    assert_eq!(failures, expected);
}

pub(crate) async fn a_detail_that_is_not_json_fails_its_entry<B: RawBus>(bus: B) {
    let details = ["{", "{}", "not JSON", "{\"a\":1,}", "{'a':1}"];
    let entries = details.map(|detail| PutEventsEntry::new("retail.orders", "n", detail));

    let failures = failures(bus.put_raw(entries.into()).await);

    let malformed = || Some(failed("MalformedDetail", "Detail is malformed."));
    assert_eq!(failures, [malformed(), None, malformed(), malformed(), malformed()]);
}

async fn a_detail_that_is_no_object_fails_its_entry<B: RawBus>(bus: B) {
    let details = ["[]", "1", "null", "{}", r#""{}""#];
    let entries = details.map(|detail| PutEventsEntry::new("retail.orders", "n", detail));

    let failures = failures(bus.put_raw(entries.into()).await);

    let malformed = || Some(failed("MalformedDetail", "Detail is malformed."));
    assert_eq!(failures, [malformed(), malformed(), malformed(), None, malformed()]);
}

pub(crate) async fn eleven_entries_are_refused<B: RawBus>(bus: B) {
    let answer = bus.put_raw(vec![good(); 11]).await;
    let PutEventsAnswer::Refused(error) = answer else { panic!("{answer:?}") };
    assert_eq!((error.status, &error.code[..]), (400, "ValidationException"));
    assert_eq!(failures(bus.put_raw(vec![good(); 10]).await), vec![None; 10]);
}

async fn a_source_of_aws_fails_its_entry<B: RawBus>(bus: B) {
    let entry = PutEventsEntry { source: Some("aws.s3".to_owned()), ..good() };
    let failures = failures(bus.put_raw(vec![entry]).await);
    assert_eq!(failures[0].as_ref().unwrap().0, "NotAuthorizedForSourceException");
}

async fn an_entry_without_a_bus_goes_to_the_default_one<W: World>(world: W) {
    assert_eq!(failures(world.put_raw(vec![good()]).await), [None]);
    assert!(world.fake().events().is_empty());
    assert_eq!(world.fake().dropped().len(), 1);
}

async fn a_trace_header_that_is_too_long_is_refused<B: RawBus>(bus: B) {
    let entry = PutEventsEntry { trace_header: Some("x".repeat(501)), ..good() };
    let answer = bus.put_raw(vec![entry, good()]).await;
    let PutEventsAnswer::Refused(error) = answer else { panic!("{answer:?}") };
    assert_eq!((error.status, &error.code[..]), (400, "ValidationException"));
}
