//! Bytes that were cut or changed.

use proptest::prelude::*;
use setpiece_handler::{Content, Invocation};
use setpiece_testing::{
    StreamRecord, event_array, kinesis_event, sqs_event, sqs_fifo_event, stream_event,
};

use crate::{order, order_number, text};

/// An invocation of each kind.
fn invocations() -> Vec<Vec<u8>> {
    let event = order("7");
    let key = r#"{"id":{"S":"7"}}"#;
    vec![
        event.event_bridge(),
        event_array([event.event_bridge(), event.event_bridge()]),
        event.sqs(),
        sqs_fifo_event([("g", text(event.detail()))]),
        event.sns(),
        event.sns_in_sqs(),
        event.kinesis(),
        stream_event([StreamRecord::modify(key, key, key)]),
        event.detail(),
        br#"{"version":"2.0","rawPath":"/x","rawQueryString":"a=%41","headers":{"a":"b"},"body":"x",
            "isBase64Encoded":false,"requestContext":{"requestId":"r","http":{"method":"GET"}}}"#
            .to_vec(),
        br#"{"Records":[{"eventSource":"aws:s3","eventName":"n","s3":{"bucket":{"name":"b"},
            "object":{"key":"a%20b","size":1,"sequencer":"0"}}}]}"#
            .to_vec(),
        br#"{"Service":"Amazon S3","Event":"s3:TestEvent"}"#.to_vec(),
    ]
}

/// Reads all of it, and must not panic.
fn read(bytes: &[u8]) {
    match Invocation::read(bytes) {
        Ok(invocation) => {
            for delivery in &invocation.deliveries {
                assert_ne!(delivery.facts.item_id.as_deref(), Some(""));
                _ = format!("{delivery:?} {:?}", delivery.open());
                _ = delivery.bytes();
            }
        }
        Err(error) => _ = crate::told(&error),
    }
}

#[test]
fn whatever_is_cut_off_ends_in_an_error() {
    for bytes in invocations() {
        for end in 0..bytes.len() {
            assert!(Invocation::read(&bytes[..end]).is_err(), "{end} bytes");
        }
        read(&bytes);
    }
}

#[test]
fn whatever_byte_is_another_reading_ends() {
    for bytes in invocations() {
        for at in 0..bytes.len() {
            for byte in [b'"', b'\\', b'{', b']', b',', b'0', b'x', 0, 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] = byte;
                read(&bytes);
            }
        }
    }
}

/// The body of an event with some of its characters taken out or replaced.
fn mutated() -> impl Strategy<Value = String> {
    let body = text(order("7").event_bridge());
    (0..body.len(), 0..20_usize, "[ -~\u{0}-\u{1f}äö]{0,10}").prop_map(move |(at, cut, put)| {
        // It is ASCII.
        let end = (at + cut).min(body.len());
        format!("{}{put}{}", &body[..at], &body[end..])
    })
}

proptest! {
    #[test]
    fn a_broken_record_leaves_the_others_alone(body in mutated(), wrapping in 0..3) {
        let good = [text(order("1").event_bridge()), text(order("2").event_bridge())];
        let bodies = [&good[0], &body, &good[1]];
        let bytes = match wrapping {
            0 => sqs_event(bodies),
            1 => sqs_fifo_event(bodies.map(|body| ("g", body))),
            _ => kinesis_event(bodies),
        };
        let deliveries = Invocation::read(&bytes).unwrap().deliveries;
        prop_assert_eq!(deliveries.len(), 3);
        prop_assert_eq!(order_number(&deliveries[0].open().unwrap()), "1");
        prop_assert_eq!(deliveries[1].bytes(), body.as_bytes());
        _ = deliveries[1].open();
        prop_assert_eq!(order_number(&deliveries[2].open().unwrap()), "2");
    }

    #[test]
    fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read(&bytes);
        read(&kinesis_event([&bytes]));
    }

    #[test]
    fn any_json_like_text_is_read_to_an_end(
        text in r#"([{}\[\]:,"\\]|"Records"|"eventSource"|"aws:sqs"|"body"|"messageId"|"detail-type"|"detail"|"source"|"metadata"|"data"|[0-9]|null|\\u[0-9a-f]{4}){0,60}"#
    ) {
        read(text.as_bytes());
        read(&sqs_event([&text]));
    }
}

#[test]
fn a_direct_invocation_is_checked_before_it_is_taken() {
    // By its brackets alone it is an object.
    let bytes = br#"{"a":[}]}"#;
    let invocation = Invocation::read(bytes);
    if let Ok(invocation) = invocation {
        let opened = invocation.deliveries[0].open();
        assert!(!matches!(opened.map(|opened| opened.content), Ok(Content::Json(_))));
    }
}
