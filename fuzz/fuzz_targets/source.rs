//! Whatever a function is invoked with, taking it apart ends, and what is taken out can be used.
#![no_main]

use libfuzzer_sys::fuzz_target;
use setpiece_handler::{Bytes, Content, Invocation, NaturalKey as _, Payload, S3Change, Text};

fuzz_target!(|bytes: &[u8]| {
    let invocation = match Invocation::read(bytes) {
        Ok(invocation) => invocation,
        Err(error) => {
            assert!(error.to_string().len() < 2048, "a message is short");
            return;
        }
    };
    assert!(invocation.deliveries.len() <= Invocation::MAX_RECORDS);
    for delivery in &invocation.deliveries {
        assert_ne!(delivery.facts.item_id.as_deref(), Some(""), "it would mean the whole batch");
        assert!(delivery.bytes().len() <= bytes.len(), "nothing grows");
        let opened = match delivery.open() {
            Ok(opened) => opened,
            Err(error) => {
                assert!(error.to_string().len() < 2048, "a message is short");
                continue;
            }
        };
        match opened.content.clone() {
            Content::Event(event) => {
                event.to_detail().expect("what was read can be written");
            }
            Content::Json(json) => {
                serde_json::from_str::<serde::de::IgnoredAny>(json).expect("it is JSON");
            }
            Content::S3(change) => {
                S3Change::read(Content::S3(change.clone())).expect("it is that");
                assert!(change.natural_key().is_none_or(|key| key.len() == 4));
            }
            Content::Text(text) => {
                Text::read(Content::Text(text)).expect("it is that");
                assert!(serde_json::from_str::<u64>(text).is_err(), "it is no JSON");
            }
            Content::Bytes(bytes) => {
                Bytes::read(Content::Bytes(bytes)).expect("it is that");
                assert!(std::str::from_utf8(bytes).is_err(), "it is no text");
            }
            _ => {}
        }
        if let Some(suspect) = opened.suspect {
            assert!(suspect.to_string().len() < 2048, "a message is short");
        }
    }
});
