//! What is in a message or a record and is no event: JSON, text, bytes.

use serde_json::json;
use setpiece_handler::{Bytes, Content, ContentKind, Json, Payload, Text};
use setpiece_testing::{kinesis_event, sns_event, sqs_event};

use crate::{only, order, text, told};

fn sns_in_sqs(message: &str) -> Vec<u8> {
    let notification = json!({ "Type": "Notification", "TopicArn": "t", "Message": message });
    sqs_event([notification.to_string()])
}

/// The kind of what was delivered, and what makes it suspicious.
fn kind_of(bytes: &[u8]) -> (ContentKind, Option<String>) {
    let delivery = only(bytes);
    let opened = delivery.open().unwrap();
    (opened.content.kind(), opened.suspect.map(|error| told(&*error)))
}

#[test]
fn a_message_is_json_or_text() {
    for (body, expected) in [
        (r#"{"a":1}"#, ContentKind::Json),
        (" [1, 2] ", ContentKind::Json),
        ("[]", ContentKind::Json),
        ("42", ContentKind::Json),
        ("-1e400", ContentKind::Json),
        ("null", ContentKind::Json),
        ("true", ContentKind::Json),
        (r#""quoted""#, ContentKind::Json),
        ("Hello world", ContentKind::Text),
        ("", ContentKind::Text),
        (" ", ContentKind::Text),
        ("42 is a number", ContentKind::Text),
        ("01", ContentKind::Text),
        (r#""open"#, ContentKind::Text),
        ("<xml/>", ContentKind::Text),
        ("eyJhIjoxfQ==", ContentKind::Text),
    ] {
        for bytes in [sqs_event([body]), sns_event(body), sns_in_sqs(body), kinesis_event([body])] {
            assert_eq!(kind_of(&bytes), (expected, None), "{body}");
        }
    }
}

#[test]
fn data_of_a_stream_may_be_bytes() {
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3, 0xab, 0x56];
    for data in [&gzip[..], &[0xff, 0xfe], &[0xc3, b'(']] {
        assert_eq!(kind_of(&kinesis_event([data])), (ContentKind::Bytes, None));
    }
}

#[test]
fn what_is_given_to_a_handler_is_what_came() {
    let read = |body: &str| {
        let batch = sqs_event([body]);
        let delivery = only(&batch);
        let content = delivery.open().unwrap().content;
        let Text(text) = Text::read(content.clone()).unwrap();
        let Bytes(bytes) = Bytes::read(content).unwrap();
        assert_eq!((&*text, &*bytes), (body, body.as_bytes()));
    };
    for body in ["Hello world", " {\"a\": 1}\n", "[1]", "\u{feff}{", "{broken"] {
        read(body);
    }
    let batch = kinesis_event([[0xff, 0]]);
    let delivery = only(&batch);
    let content = delivery.open().unwrap().content;
    assert_eq!(Bytes::read(content.clone()).unwrap(), Bytes(vec![0xff, 0]));
    assert!(Text::read(content.clone()).is_err() && Json::<u8>::read(content).is_err());

    let batch = sqs_event(["[1,2]"]);
    let delivery = only(&batch);
    let Json(numbers) = Json::<Vec<u8>>::read(delivery.open().unwrap().content).unwrap();
    assert_eq!(numbers, [1, 2]);

    for shown in [format!("{:?}", Text("secret".into())), format!("{:?}", Bytes(b"secret".into()))]
    {
        assert!(!shown.contains("secret") && !shown.contains("115"), "{shown}");
    }
}

/// Nobody may ignore it.
#[test]
fn what_looks_like_a_broken_event_is_suspicious() {
    let event = text(order("7").event_bridge());
    let cut = &event[..event.len() - 20];
    let twice = json!(event).to_string();
    for (body, kind, expected) in [
        (cut, ContentKind::Text, "expected a closing quote"),
        (
            &event.replace(r#""detail":{"#, r#""detail":{{"#),
            ContentKind::Text,
            "expected a member's name",
        ),
        (&format!("\u{feff}{event}"), ContentKind::Text, "expected a value"),
        (&format!("[{cut}"), ContentKind::Text, "expected a closing quote"),
        ("[INFO] started", ContentKind::Text, "expected a value"),
        (&twice, ContentKind::Json, "it was encoded twice"),
    ] {
        for (bytes, wrapping) in [
            (sqs_event([body]), "a message"),
            (sns_event(body), "a topic"),
            (sns_in_sqs(body), "a notification in a message"),
            (kinesis_event([body]), "a Kinesis record"),
        ] {
            let (found, suspect) = kind_of(&bytes);
            let suspect = suspect.unwrap();
            assert_eq!(found, kind, "{body}");
            assert!(suspect.starts_with(&format!("what came in {wrapping} cannot be read")));
            assert!(suspect.ends_with(expected), "{suspect}");
            assert!(!suspect.contains("order_number\":"), "{suspect}");
        }
    }
    let mut broken = event.into_bytes();
    let end = broken.len() - 10;
    broken[end] = 0xff;
    let (kind, suspect) = kind_of(&kinesis_event([broken]));
    assert_eq!(kind, ContentKind::Bytes);
    assert!(suspect.unwrap().ends_with(&format!("is not UTF-8 at byte {end}")));
}

#[test]
fn what_is_known_is_not_plain() {
    for body in [order("7").event_bridge(), order("7").detail()] {
        let batch = sqs_event([&body]);
        let delivery = only(&batch);
        let opened = delivery.open().unwrap();
        assert!(matches!(opened.content, Content::Event(_)));
        assert!(Text::read(opened.content).is_err());
    }
}
