//! What is in a delivery, and what its transport says.

use std::time::Duration;

use serde_json::json;
use setpiece_envelope::{Clock as _, FixedClock, Timestamp};
use setpiece_handler::{Change, Content, Invocation, MessageAttribute, Unreadable, Wrapping};
use setpiece_policy::{Disposition, Fault, FaultKind};
use setpiece_testing::{
    StreamRecord, event_array, kinesis_event, sqs_event, sqs_fifo_event, stream_event,
};

use crate::{only, order, order_number, refused, text, told};

#[test]
fn an_event_comes_out_of_every_wrapping() {
    let event = order("7");
    let raw_sns = {
        // A topic that delivers raw sends what it was sent.
        sqs_event([text(event.event_bridge())])
    };
    for (bytes, by_bus) in [
        (event.event_bridge(), true),
        (event_array([event.event_bridge()]), true),
        (event.sqs(), true),
        (event.sns(), true),
        (event.sns_in_sqs(), true),
        (raw_sns, true),
        (event.kinesis(), true),
        (event.detail(), false),
        (sqs_event([event.detail()]), false),
        (kinesis_event([event.detail()]), false),
    ] {
        let delivery = only(&bytes);
        let opened = delivery.open().unwrap();
        assert_eq!(order_number(&opened), "7");
        assert_eq!(opened.bus.is_some(), by_bus);
        // Opening changes nothing.
        assert_eq!(order_number(&delivery.open().unwrap()), "7");
    }
}

#[test]
fn a_batch_of_notifications_keeps_its_events_apart() {
    let events = ["1", "2", "3"].map(order);
    let batch = sqs_event(events.each_ref().map(|event| event.sns_notification()));
    let invocation = Invocation::read(&batch).unwrap();
    let numbers = invocation.deliveries.iter().map(|one| order_number(&one.open().unwrap()));
    assert_eq!(numbers.collect::<Vec<_>>(), ["1", "2", "3"]);
}

#[test]
fn the_bus_says_who_published_and_whether_it_is_live() {
    let bytes = order("7").at("2026-11-20T12:10:21.5Z").replayed_by("again").sqs();
    let delivery = only(&bytes);
    let bus = delivery.open().unwrap().bus.unwrap();
    assert_eq!((&*bus.source, &*bus.detail_type), ("retail.checkout.orders", "order_submitted"));
    assert_eq!(bus.account.as_deref(), Some("123456789012"));
    assert_eq!(bus.region.as_deref(), Some("us-east-1"));
    assert_eq!(bus.time, "2026-11-20T12:10:21Z".parse().ok());
    assert_eq!(bus.replay_name.as_deref(), Some("again"));
    assert!(bus.id.is_some() && bus.replayed);

    let bytes = order("7").event_bridge();
    let delivery = only(&bytes);
    assert!(!delivery.open().unwrap().bus.unwrap().replayed);
}

#[test]
fn the_newer_bus_says_so_beside_the_event() {
    let wrapped = |kind: &str| {
        let event = text(order("7").event_bridge());
        format!(
            r#"{{"Data":{event},"Metadata":{{}},"SystemMetadata":{{"aws:DeliveryType":"{kind}"}}}}"#
        )
    };
    for (kind, replayed) in [("LIVE", false), ("REPLAY", true)] {
        let one = wrapped(kind);
        let array = event_array([&one]);
        for bytes in [one.as_bytes(), &array, &sqs_event([&one])] {
            let delivery = only(bytes);
            let opened = delivery.open().unwrap();
            assert_eq!(order_number(&opened), "7");
            assert_eq!(opened.bus.unwrap().replayed, replayed);
        }
    }
}

#[test]
fn a_queue_says_how_often_and_when() {
    let bytes = order("7").at("2026-01-01T00:00:00Z").sqs();
    let facts = only(&bytes).facts;
    assert!(facts.item_id.is_some());
    assert_eq!(facts.receive_count, Some(1));
    assert_eq!(facts.message_group, None);
    assert_eq!(
        facts.source_arn.as_deref(),
        Some("arn:aws:sqs:us-east-1:123456789012:sample-queue")
    );
    let sent = FixedClock::default().now();
    assert_eq!(facts.sent_at, Some(sent));
    let after = |seconds| sent.saturating_add(Duration::from_secs(seconds));
    assert_eq!(facts.age(after(90)), Some(Duration::from_secs(90)));
    // Clocks differ.
    assert_eq!(facts.age(Timestamp::UNIX_EPOCH), Some(Duration::ZERO));
}

#[test]
fn a_fifo_queue_names_the_group() {
    let batch = sqs_fifo_event([("order/7", "{}"), ("order/8", "{}")]);
    let deliveries = Invocation::read(&batch).unwrap().deliveries;
    let groups: Vec<_> =
        deliveries.iter().map(|one| one.facts.message_group.as_deref().unwrap()).collect();
    assert_eq!(groups, ["order/7", "order/8"]);
    assert!(deliveries.iter().all(|one| one.facts.sequence_number.is_some()));
}

#[test]
fn attributes_are_texts_numbers_and_bytes() {
    let batch = json!({ "Records": [{
        "eventSource": "aws:sqs",
        "messageId": "m",
        "body": "{}",
        "attributes": { "AWSTraceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793" },
        "messageAttributes": {
            "tenant": { "stringValue": "acme", "dataType": "String", "binaryListValues": [] },
            "cents": { "stringValue": "2999", "dataType": "Number.cents" },
            "raw": { "binaryValue": "AQI=", "dataType": "Binary", "stringValue": null },
            "broken": { "binaryValue": "?", "dataType": "Binary" },
            "unknown": { "stringValue": "x", "dataType": "Other" },
        },
    }]});
    let batch = batch.to_string();
    let facts = only(batch.as_bytes()).facts;
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793";
    assert_eq!(facts.trace_header.as_deref(), Some(trace));
    assert_eq!(facts.attribute("tenant"), Some(&MessageAttribute::String("acme".into())));
    assert_eq!(facts.attribute("cents"), Some(&MessageAttribute::Number("2999".into())));
    assert_eq!(facts.attribute("raw"), Some(&MessageAttribute::Binary(vec![1, 2])));
    assert_eq!(facts.attributes.len(), 3);
    assert!(!format!("{facts:?}").contains("acme"));
}

#[test]
fn a_topic_says_what_it_knows_with_and_without_a_queue() {
    let attributes = json!({ "tenant": { "Type": "String", "Value": "acme" } });
    let tenant = MessageAttribute::String("acme".into());
    let direct = json!({ "Records": [{
        "EventSource": "aws:sns",
        "EventSubscriptionArn": "arn:of:subscription",
        "Sns": { "MessageId": "n-1", "TopicArn": "arn:of:topic", "Message": text(order("7").event_bridge()),
            "Timestamp": "2026-01-01T00:00:00.000Z", "MessageAttributes": attributes },
    }]});
    let direct = direct.to_string();
    let facts = only(direct.as_bytes()).facts;
    assert_eq!(facts.item_id.as_deref(), Some("n-1"));
    assert_eq!(facts.sent_at, Some(FixedClock::default().now()));
    assert_eq!(facts.attribute("tenant"), Some(&tenant));

    let notification = json!({ "Type": "Notification", "MessageId": "n-1", "TopicArn": "arn:of:topic",
        "Message": text(order("7").event_bridge()), "Timestamp": "2026-01-01T00:00:00.000Z",
        "MessageAttributes": attributes });
    let batch = sqs_event([notification.to_string()]);
    let delivery = only(&batch);
    let opened = delivery.open().unwrap();
    assert_eq!(order_number(&opened), "7");
    let facts = opened.notification.unwrap();
    assert_eq!(facts.message_id.as_deref(), Some("n-1"));
    assert_eq!(facts.topic_arn.as_deref(), Some("arn:of:topic"));
    assert_eq!(facts.sent_at, Some(FixedClock::default().now()));
    assert_eq!(facts.attributes, [("tenant".into(), tenant)]);
}

#[test]
fn a_shard_numbers_its_records() {
    let batch = kinesis_event(["{}", "{}"]);
    let deliveries = Invocation::read(&batch).unwrap().deliveries;
    for delivery in &deliveries {
        assert_eq!(delivery.facts.item_id, delivery.facts.sequence_number);
        assert_eq!(delivery.facts.shard.as_deref(), Some("shardId-000000000006"));
        assert_eq!(delivery.facts.partition_key.as_deref(), Some("1"));
        assert_eq!(delivery.facts.sent_at, Some(FixedClock::default().now()));
        assert_eq!(delivery.bytes(), b"{}");
    }
    assert!(deliveries[0].facts.item_id < deliveries[1].facts.item_id);
}

#[test]
fn facts_without_their_form_are_left_out_and_fail_nothing() {
    let batch = r#"{"Records":[
        {"eventSource":"aws:sqs","messageId":"a","body":"{}","eventSourceARN":7,"messageAttributes":7,
            "attributes":{"ApproximateReceiveCount":"many","SentTimestamp":"9999999999999999999"}},
        {"eventSource":"aws:sqs","messageId":"b","body":"{}","eventSourceARN":null,
            "attributes":{"ApproximateReceiveCount":7,"MessageGroupId":"g"}},
        {"eventSource":"aws:sqs","messageId":"c","body":"{}","attributes":null}]}"#;
    let invocation = Invocation::read(batch.as_bytes()).unwrap();
    for delivery in invocation.deliveries {
        assert!(delivery.facts.item_id.is_some());
        assert_eq!(delivery.facts.receive_count, None);
        assert_eq!(delivery.facts.sent_at, None);
        delivery.open().unwrap();
    }
}

#[test]
fn a_message_that_cannot_be_read_fails_alone_and_keeps_its_bytes() {
    let broken = text(order("2").event_bridge()).replace("\"event_id\":", "\"id\":");
    let batch = sqs_event([
        text(order("1").event_bridge()),
        broken.clone(),
        text(order("3").event_bridge()),
    ]);
    let deliveries = Invocation::read(&batch).unwrap().deliveries;
    assert_eq!(order_number(&deliveries[0].open().unwrap()), "1");
    assert!(deliveries[1].open().is_err());
    assert_eq!(deliveries[1].bytes(), broken.as_bytes());
    assert_eq!(order_number(&deliveries[2].open().unwrap()), "3");
}

#[test]
fn what_is_wrong_with_a_message_says_where_and_no_value() {
    let event = text(order("7").event_bridge());
    for (body, expected) in [
        (
            event.replace(r#""event_id":"#, r#""event_id_":"#),
            "what came in a message cannot be read at `detail.metadata.event_id`: `detail.metadata.event_id` is missing",
        ),
        (
            event.replace(r#""detail":{"#, r#""detail":"secret","x":{"#),
            "what came in a message cannot be read at `detail`: `detail` expected an object, found a string",
        ),
        (
            event.replace(r#""source":"#, r#""source_":"#),
            "what came in a message cannot be read at `source`: `source` is missing",
        ),
        (
            event.replace(r#""time":"2"#, r#""time":"x"#),
            "what came in a message cannot be read at `time`: `time` is not a timestamp of RFC 3339",
        ),
        (
            event.replace(r#""account":"#, r#""source":"again","account":"#),
            "what came in a message cannot be read at `source`: `source` appears more than once",
        ),
        (
            text(order("7").detail())
                .replace(r#""data":"#, r#""data":{"secret":1,"secret":2},"x":"#),
            "what came in a message cannot be read at `data.secret`: `data.secret` appears more than once",
        ),
    ] {
        let error = refused(&body);
        assert_eq!(told(&error), expected, "{body}");
        assert!(matches!(error, Unreadable::Malformed { wrapping: Wrapping::Message, .. }));
        let fault = Fault::from(error);
        assert_eq!(fault.kind(), FaultKind::Contract);
        assert_eq!(fault.disposition(), Disposition::Quarantine);
    }
}

#[test]
fn a_body_that_is_no_text_fails_alone() {
    let batch = r#"{"Records":[
        {"eventSource":"aws:sqs","messageId":"a","body":7},
        {"eventSource":"aws:sqs","messageId":"b"},
        {"eventSource":"aws:sqs","messageId":"c","body":"\ud800"},
        {"eventSource":"aws:sqs","messageId":"d","body":"{}"}]}"#;
    let deliveries = Invocation::read(batch.as_bytes()).unwrap().deliveries;
    let tell = |index: usize| told(&deliveries[index].open().unwrap_err());
    let at = "what came in a message cannot be read at `body`: `body`";
    assert_eq!(tell(0), format!("{at} expected a string, found a number"));
    assert_eq!(tell(1), format!("{at} is missing"));
    assert!(tell(2).starts_with(at), "{}", tell(2));
    assert_eq!(deliveries[2].bytes(), br#""\ud800""#);
    assert!(matches!(deliveries[3].open().unwrap().content, Content::Json("{}")));
}

#[test]
fn aggregated_kinesis_records_are_refused_clearly() {
    let batch = kinesis_event([&[0xf3, 0x89, 0x9a, 0xc2, 0x0a][..], b"{}", &[0xff, 0xfe]]);
    let deliveries = Invocation::read(&batch).unwrap().deliveries;
    let error = deliveries[0].open().unwrap_err();
    assert!(matches!(error, Unreadable::Aggregated));
    assert_eq!(
        told(&error),
        "the Kinesis record holds several that were aggregated, expected them one by one"
    );
    deliveries[1].open().unwrap();
    let content = deliveries[2].open().unwrap().content;
    assert!(matches!(content, Content::Bytes([0xff, 0xfe])));
    assert_eq!(deliveries[2].bytes(), [0xff, 0xfe]);

    let broken = text(kinesis_event(["{}"])).replace("e30=", "e30");
    let delivery = only(broken.as_bytes());
    assert_eq!(
        told(&delivery.open().unwrap_err()),
        "what came in a Kinesis record cannot be read at `kinesis.data`: `kinesis.data` does not have the form of Base64"
    );
}

#[test]
fn a_notification_within_a_notification_is_refused() {
    let inner = text(order("7").sns_notification());
    let outer = json!({ "Type": "Notification", "TopicArn": "a", "Message": inner }).to_string();
    assert!(matches!(refused(&outer), Unreadable::NestedNotification));

    let broken = json!({ "Type": "Notification", "TopicArn": "a", "Message": 7 });
    assert_eq!(
        told(&refused(&broken.to_string())),
        "what came in a message cannot be read at `Message`: `Message` expected a string, found a number"
    );
}

#[test]
fn one_broken_event_of_an_array_fails_alone() {
    let events = [text(order("1").event_bridge()), r#"{"no":"event"}"#.into(), "7".into()];
    let bytes = event_array(events);
    let deliveries = Invocation::read(&bytes).unwrap().deliveries;
    assert_eq!(order_number(&deliveries[0].open().unwrap()), "1");
    assert_eq!(
        told(&deliveries[1].open().unwrap_err()),
        "what came in EventBridge cannot be read at `detail-type`: `detail-type` is missing"
    );
    assert_eq!(deliveries[1].bytes(), br#"{"no":"event"}"#);
    assert!(deliveries[2].open().is_err());
}

#[test]
fn events_without_an_envelope_are_told_from_broken_ones() {
    let event = |source: &str, detail: &str| {
        format!(r#"{{"source":"{source}","detail-type":"x","detail":{detail},"id":"e"}}"#)
    };
    // AWS may name a member as we do, and write what we would not take.
    for (source, detail) in [
        ("aws.ec2", r#"{"metadata":{"secret":1},"big":123456789012345678901,"a":1,"a":2}"#),
        ("partner", r#"{"order":{"data":{}}}"#),
        ("partner", r#"{"big":123456789012345678901}"#),
    ] {
        let json = event(source, detail);
        for bytes in [json.clone().into_bytes(), sqs_event([&json])] {
            let delivery = only(&bytes);
            let opened = delivery.open().unwrap();
            let Content::Other(other) = &opened.content else { panic!("{opened:?}") };
            assert_eq!(other.detail_json(), detail);
            assert_eq!(&*other.source, source);
            assert!(opened.bus.is_some());
        }
    }
    assert_eq!(
        told(&refused(&event("ours", r#"{"metadata":{"name":"secret"}}"#))),
        "what came in a message cannot be read at `detail.metadata.event_id`: `detail.metadata.event_id` is missing"
    );
    // The source may come last.
    let json = r#"{"detail":{"metadata":1},"detail-type":"x","source":"aws.s3"}"#;
    let delivery = only(json.as_bytes());
    assert!(matches!(delivery.open().unwrap().content, Content::Other(_)));
}

/// Straight from the bus, it was sent when it was published.
#[test]
fn an_event_of_the_bus_is_as_old_as_the_bus_says() {
    let event = order("7").event_bridge();
    let published = FixedClock::default().now();
    let later = published.saturating_add(Duration::from_secs(90));
    for bytes in [&event[..], &event_array([&event])] {
        let facts = only(bytes).facts;
        assert_eq!(facts.sent_at, Some(published));
        assert_eq!(facts.age(later), Some(Duration::from_secs(90)));
    }
    for json in [
        r#"{"detail-type":"x","source":"a","detail":{}}"#,
        r#"{"detail-type":"x","source":"a","detail":{},"time":"yesterday"}"#,
        r#"{"detail-type":"x","source":"a","detail":{},"time":7}"#,
        r#"{"time":"2026-01-01T00:00:00Z"}"#,
    ] {
        assert_eq!(only(json.as_bytes()).facts.age(later), None, "{json}");
    }
}

/// An ARN can name a customer, as that of an object in a bucket.
#[test]
fn what_an_event_is_about_is_not_shown() {
    let json = r#"{"version":"0","id":"53dc4d37","detail-type":"x","source":"aws.s3",
        "account":"123456789012","resources":["arn:aws:s3:::bucket/secret"],"detail":{}}"#;
    let delivery = only(json.as_bytes());
    let opened = delivery.open().unwrap();
    let bus = opened.bus.as_ref().unwrap();
    assert_eq!(&*bus.resources[0], "arn:aws:s3:::bucket/secret");
    let debug = format!("{opened:?}");
    assert!(debug.contains("53dc4d37") && !debug.contains("secret"), "{debug}");
}

#[test]
fn other_json_is_taken_as_it_is() {
    let delivery = only(br#"{"command":"secret"}"#);
    assert!(!format!("{delivery:?} {:?}", delivery.open()).contains("secret"));
    for json in [r#"{ "command": "rebuild" }"#, r#"{"id":7,"source":{},"time":"yesterday"}"#] {
        for bytes in [json.as_bytes(), &sqs_event([json]), &kinesis_event([json])] {
            let delivery = only(bytes);
            let opened = delivery.open().unwrap();
            assert!(matches!(opened.content, Content::Json(found) if found == json), "{opened:?}");
            assert_eq!(delivery.bytes(), json.as_bytes());
        }
    }
}

#[test]
fn the_outbox_is_told_from_other_items() {
    let event = text(order("7").detail());
    let outgoing = json!({ "source": "retail.checkout.orders", "detail_type": "order_submitted", "detail": event });
    let key = r#"{"pk":{"S":"outbox/7"}}"#;
    let item = json!({ "pk": { "S": "outbox/7" }, "outbox_event": { "S": outgoing.to_string() } })
        .to_string();
    let user = r#"{"pk":{"S":"outbox/7"},"cents":{"N":"1"}}"#;
    let newer = r#"{"pk":{"S":"outbox/7"},"outbox_event":{"S":"{\"secret\":1}"}}"#;
    let other = r#"{"pk":{"S":"outbox/7"},"outbox_event":{"M":{"secret":{"N":"1"}}}}"#;
    let batch = stream_event([
        StreamRecord::insert(key, &item),
        StreamRecord::modify(key, &item, &item),
        StreamRecord::remove(key, &item),
        StreamRecord::insert(key, user),
        StreamRecord::insert(key, newer),
        StreamRecord::insert(key, other),
    ]);
    let deliveries = Invocation::read(&batch).unwrap().deliveries;
    for (delivery, expected) in
        deliveries.iter().zip([Change::Insert, Change::Modify, Change::Remove])
    {
        let opened = delivery.open().unwrap();
        // The number of the order.
        assert!(!format!("{opened:?}").contains("outbox/7"));
        let Content::Outbox(change) = opened.content else { panic!("{opened:?}") };
        assert_eq!(change.change, expected);
        assert_eq!(change.event.unwrap().event_id(), &order("7").metadata().event_id);
        assert_eq!(serde_json::to_string(&change.key).unwrap(), key);
    }
    assert!(matches!(deliveries[3].open().unwrap().content, Content::Item(_)));
    // What another version of the service put there is in the outbox all the same.
    for delivery in &deliveries[4..] {
        let opened = delivery.open().unwrap();
        assert!(!format!("{opened:?}").contains("secret"));
        let Content::Outbox(change) = opened.content else { panic!("{opened:?}") };
        assert_eq!((change.change, change.event), (Change::Insert, None));
        assert!(delivery.bytes().starts_with(br#"{"eventID":""#));
    }
}
