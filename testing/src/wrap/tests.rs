use expect_test::{Expect, expect};
use serde_json::Value;

use super::{
    HttpEvent, StreamRecord, kinesis_event, kinesis_event_of, sns_event, sns_event_of,
    sns_notification_of, sqs_event, sqs_event_of, sqs_fifo_event, stream_event,
};
use crate::{
    fixtures::{InvoiceIssued, order},
    json_lines::canonical,
    sample::{Sample, sample},
};

fn check(json: &[u8], expected: &Expect) {
    expected.assert_eq(&canonical(json).unwrap());
}

/// A short event, so that the snapshots show the wrapping.
fn event() -> Sample<InvoiceIssued> {
    sample(InvoiceIssued { total: 1.5 }).at("2026-11-20T12:10:21.12Z").event_id("e-1")
}

#[test]
fn a_queue_hands_over_records_of_text() {
    check(
        &event().sqs(),
        &expect![[r#"
            {
              "Records": [
                {
                  "attributes": {
                    "ApproximateFirstReceiveTimestamp": "1795176621122",
                    "ApproximateReceiveCount": "1",
                    "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                    "SentTimestamp": "1795176621120"
                  },
                  "awsRegion": "us-east-1",
                  "body": "{\"version\":\"0\",\"id\":\"2c354179-ce41-48db-8305-bcd9b985f781\",\"detail-type\":\"invoice_issued\",\"source\":\"retail.finance.billing\",\"account\":\"123456789012\",\"time\":\"2026-11-20T12:10:21Z\",\"region\":\"us-east-1\",\"resources\":[],\"detail\":{\"metadata\":{\"version\":\"1\",\"event_id\":\"e-1\",\"domain\":\"retail\",\"subdomain\":\"finance\",\"service\":\"billing\",\"category\":\"domain-event\",\"type\":\"data\",\"name\":\"invoice_issued\",\"occurred_at\":\"2026-11-20T12:10:21.12Z\",\"correlation_id\":\"e-1\"},\"data\":{\"total\":1.5}}}",
                  "eventSource": "aws:sqs",
                  "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:sample-queue",
                  "md5OfBody": "096db096c45886869ac057f75c571420",
                  "messageAttributes": {},
                  "messageId": "4b275e89-1fba-45db-8d7d-2f22405ac937",
                  "receiptHandle": "AQEB4b275e891fba05db8d7d2f22405ac937"
                }
              ]
            }
        "#]],
    );
}

#[test]
fn a_topic_hands_over_a_notification() {
    check(
        &event().sns(),
        &expect![[r#"
            {
              "Records": [
                {
                  "EventSource": "aws:sns",
                  "EventSubscriptionArn": "arn:aws:sns:us-east-1:123456789012:sample-topic:21be56ed-a058-49f5-8c98-aedd2564c486",
                  "EventVersion": "1.0",
                  "Sns": {
                    "Message": "{\"version\":\"0\",\"id\":\"2c354179-ce41-48db-8305-bcd9b985f781\",\"detail-type\":\"invoice_issued\",\"source\":\"retail.finance.billing\",\"account\":\"123456789012\",\"time\":\"2026-11-20T12:10:21Z\",\"region\":\"us-east-1\",\"resources\":[],\"detail\":{\"metadata\":{\"version\":\"1\",\"event_id\":\"e-1\",\"domain\":\"retail\",\"subdomain\":\"finance\",\"service\":\"billing\",\"category\":\"domain-event\",\"type\":\"data\",\"name\":\"invoice_issued\",\"occurred_at\":\"2026-11-20T12:10:21.12Z\",\"correlation_id\":\"e-1\"},\"data\":{\"total\":1.5}}}",
                    "MessageAttributes": {},
                    "MessageId": "8096ccbc-08b6-4614-9227-40572d5bba83",
                    "Signature": "8096ccbc08b6a614522740572d5bba838096ccbc08b6a614522740572d5bba838096ccbc08b6a614522740572d5bba838096ccbc08b6a614522740572d5bba838096ccbc08b6a614522740572d5bba838096ccbc08b6a614522740572d5bba838096ccbc08b6a614522740572d5bba838096ccbc08b6a614522740572d5bba838096ccbc08b6a614522740572d5bba838096ccbc08b6a614522740572d5bba830123456789abcdefghijkl==",
                    "SignatureVersion": "1",
                    "SigningCertUrl": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
                    "Subject": null,
                    "Timestamp": "2026-11-20T12:10:21.120Z",
                    "TopicArn": "arn:aws:sns:us-east-1:123456789012:sample-topic",
                    "Type": "Notification",
                    "UnsubscribeUrl": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:us-east-1:123456789012:sample-topic:21be56ed-a058-49f5-8c98-aedd2564c486"
                  }
                }
              ]
            }
        "#]],
    );
}

#[test]
fn a_queue_behind_a_topic_hands_over_records_of_notifications() {
    let batch: Value = serde_json::from_slice(&event().sns_in_sqs()).unwrap();
    let body = batch["Records"][0]["body"].as_str().unwrap();
    check(
        body.as_bytes(),
        &expect![[r#"
            {
              "Message": "{\"version\":\"0\",\"id\":\"2c354179-ce41-48db-8305-bcd9b985f781\",\"detail-type\":\"invoice_issued\",\"source\":\"retail.finance.billing\",\"account\":\"123456789012\",\"time\":\"2026-11-20T12:10:21Z\",\"region\":\"us-east-1\",\"resources\":[],\"detail\":{\"metadata\":{\"version\":\"1\",\"event_id\":\"e-1\",\"domain\":\"retail\",\"subdomain\":\"finance\",\"service\":\"billing\",\"category\":\"domain-event\",\"type\":\"data\",\"name\":\"invoice_issued\",\"occurred_at\":\"2026-11-20T12:10:21.12Z\",\"correlation_id\":\"e-1\"},\"data\":{\"total\":1.5}}}",
              "MessageId": "8096ccbc-08b6-4614-9227-40572d5bba83",
              "Signature": "8096ccbc08b6a614522740572d5bba838096ccbc08b6a614522740572d5bba838096ccbc08b6a614522740572d5bba838096ccbc08b6a614522740572d5bba838096ccbc08b6a614522740572d5bba838096ccbc08b6a614522740572d5bba838096ccbc08b6a614522740572d5bba838096ccbc08b6a614522740572d5bba838096ccbc08b6a614522740572d5bba838096ccbc08b6a614522740572d5bba830123456789abcdefghijkl==",
              "SignatureVersion": "1",
              "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem",
              "Timestamp": "2026-11-20T12:10:21.120Z",
              "TopicArn": "arn:aws:sns:us-east-1:123456789012:sample-topic",
              "Type": "Notification",
              "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:us-east-1:123456789012:sample-topic:21be56ed-a058-49f5-8c98-aedd2564c486"
            }
        "#]],
    );
    let notification: Value = serde_json::from_str(body).unwrap();
    assert_eq!(notification["Message"].as_str().unwrap().as_bytes(), event().event_bridge());
}

#[test]
fn a_batch_has_a_message_of_its_own_for_each_body() {
    let event = sample(order());
    let batch = sqs_event([event.event_bridge(), event.event_bridge(), b"poison".to_vec()]);
    let batch: Value = serde_json::from_slice(&batch).unwrap();
    let records = batch["Records"].as_array().unwrap();
    assert_eq!(records.len(), 3);
    assert_eq!(records[0]["body"], records[1]["body"]);
    assert_ne!(records[0]["messageId"], records[1]["messageId"]);
    assert_ne!(records[0]["receiptHandle"], records[1]["receiptHandle"]);
    assert_eq!(records[2]["body"], "poison");
    // The sum that `printf poison | md5sum` prints.
    assert_eq!(records[2]["md5OfBody"], "35393c24384b8862798716628f7bc6f4");
    assert_eq!(
        serde_json::from_slice::<Value>(&sqs_event([[0; 0]; 0])).unwrap()["Records"],
        Value::Array(vec![])
    );
}

#[test]
fn a_fifo_queue_names_groups_and_numbers_messages() {
    let json: Value =
        serde_json::from_slice(&sqs_fifo_event([("g-1", "a"), ("g-2", "b")])).unwrap();
    let of = |index: usize, name: &str| json["Records"][index]["attributes"][name].clone();
    assert_eq!(of(0, "MessageGroupId"), "g-1");
    assert_eq!(of(1, "MessageGroupId"), "g-2");
    assert_eq!(of(0, "SequenceNumber"), "18849496460467696128");
    assert_eq!(of(1, "SequenceNumber"), "18849496460467696384");
    let arn = "arn:aws:sqs:us-east-1:123456789012:sample-queue.fifo";
    assert_eq!(json["Records"][1]["eventSourceARN"], arn);
}

#[test]
fn a_kinesis_stream_hands_over_base64() {
    check(
        &kinesis_event(["{}"]),
        &expect![[r#"
            {
              "Records": [
                {
                  "awsRegion": "us-east-1",
                  "eventID": "shardId-000000000006:49590338271490256608559692538361571095921575989136580000",
                  "eventName": "aws:kinesis:record",
                  "eventSource": "aws:kinesis",
                  "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/sample-stream",
                  "eventVersion": "1.0",
                  "invokeIdentityArn": "arn:aws:iam::123456789012:role/sample-role",
                  "kinesis": {
                    "approximateArrivalTimestamp": 1767225600.0,
                    "data": "e30=",
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "1",
                    "sequenceNumber": "49590338271490256608559692538361571095921575989136580000"
                  }
                }
              ]
            }
        "#]],
    );
}

#[test]
fn a_table_hands_over_images() {
    let key = r#"{"id":{"S":"7"}}"#;
    let removed = StreamRecord::remove(key, r#"{"id":{"S":"7"},"n":{"N":"1"}}"#);
    check(
        &stream_event([removed.of_table("sample-table")]),
        &expect![[r#"
            {
              "Records": [
                {
                  "awsRegion": "us-east-1",
                  "dynamodb": {
                    "ApproximateCreationDateTime": 1767225600,
                    "Keys": {
                      "id": {
                        "S": "7"
                      }
                    },
                    "OldImage": {
                      "id": {
                        "S": "7"
                      },
                      "n": {
                        "N": "1"
                      }
                    },
                    "SequenceNumber": "111000000000000000000",
                    "SizeBytes": 46,
                    "StreamViewType": "NEW_AND_OLD_IMAGES"
                  },
                  "eventID": "ee7081808c12a89aabd7a690deefd9c5",
                  "eventName": "REMOVE",
                  "eventSource": "aws:dynamodb",
                  "eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/sample-table/stream/2026-01-01T00:00:00.000",
                  "eventVersion": "1.1"
                }
              ]
            }
        "#]],
    );
}

/// The member at a path, as text.
fn text_at(json: &[u8], path: &str) -> Option<String> {
    let json: Value = serde_json::from_slice(json).unwrap();
    json.pointer(path).and_then(Value::as_str).map(str::to_owned)
}

#[test]
fn each_place_has_the_name_that_it_is_given() {
    let arn = |service: &str, resource: &str| {
        Some(format!("arn:aws:{service}:us-east-1:123456789012:{resource}"))
    };
    let of_record = "/Records/0/eventSourceARN";
    assert_eq!(text_at(&sqs_event_of("jobs", ["x"]), of_record), arn("sqs", "jobs"));
    assert_eq!(text_at(&sqs_event(["x"]), of_record), arn("sqs", "sample-queue"));
    let stream = kinesis_event_of("clicks", [[0xff]]);
    assert_eq!(text_at(&stream, of_record), arn("kinesis", "stream/clicks"));
    assert_eq!(text_at(&stream, "/Records/0/kinesis/data").as_deref(), Some("/w=="));
    let topic = sns_event_of("alerts", "it burns");
    assert_eq!(text_at(&topic, "/Records/0/Sns/TopicArn"), arn("sns", "alerts"));
    assert_eq!(text_at(&topic, "/Records/0/Sns/Message").as_deref(), Some("it burns"));
    assert_eq!(text_at(&sns_event("x"), "/Records/0/Sns/TopicArn"), arn("sns", "sample-topic"));
    let body = sns_notification_of("alerts", "it burns");
    assert_eq!(text_at(&body, "/TopicArn"), arn("sns", "alerts"));
}

#[test]
fn a_request_has_a_body_of_text_or_of_bytes() {
    let request = HttpEvent::new("POST", "/orders?q=a%20b&q=c")
        .with_header("X-Two", "a")
        .with_header("x-two", "b");
    let text = request.clone().with_body(r#"{"a":1}"#).to_json();
    assert_eq!(text_at(&text, "/rawPath").as_deref(), Some("/orders"));
    assert_eq!(text_at(&text, "/rawQueryString").as_deref(), Some("q=a%20b&q=c"));
    assert_eq!(text_at(&text, "/headers/x-two").as_deref(), Some("a,b"));
    assert_eq!(text_at(&text, "/body").as_deref(), Some(r#"{"a":1}"#));
    assert!(String::from_utf8(text).unwrap().contains(r#""isBase64Encoded":false"#));
    let bytes = request.clone().with_body([0xff]).to_json();
    assert_eq!(text_at(&bytes, "/body").as_deref(), Some("/w=="));
    assert!(String::from_utf8(bytes).unwrap().contains(r#""isBase64Encoded":true"#));
    assert_eq!(text_at(&request.to_json(), "/body"), None);
    assert!(!format!("{:?}", request.with_body("secret")).contains("secret"));
}
