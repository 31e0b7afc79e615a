//! Wrappings of AWS around an event on its way to a Lambda function, member by member.
//!
//! The forms are those of
//! <https://docs.aws.amazon.com/eventbridge/latest/ref/overview-event-structure.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html> and
//! <https://docs.aws.amazon.com/sns/latest/dg/http-notification-json.html>.

mod http;

pub use self::http::HttpEvent;

use std::{borrow::Cow, fmt};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;
use serde_json::value::RawValue;
use setpiece_envelope::{Clock as _, FixedClock, Timestamp};

use crate::{
    fingerprint::{fingerprint, uuid},
    must::must,
};

/// The AWS account in which sample events take place; it is the one of AWS's own documentation.
pub const ACCOUNT: &str = "123456789012";

/// The AWS region in which sample events take place.
pub const REGION: &str = "us-east-1";

/// An event as EventBridge delivers it.
#[derive(Clone, Copy)]
pub(crate) struct EventBridge<'a> {
    pub(crate) id: &'a str,
    pub(crate) source: &'a str,
    pub(crate) detail_type: &'a str,
    pub(crate) time: Timestamp,
    pub(crate) resources: &'a [String],
    /// JSON, which is delivered as it came.
    pub(crate) detail: &'a str,
    pub(crate) replay_name: Option<&'a str>,
}

impl EventBridge<'_> {
    /// The members are in the order in which EventBridge writes them.
    #[track_caller]
    pub(crate) fn to_json(self) -> String {
        let Self { id, source, detail_type, time, resources, detail, replay_name } = self;
        let time = time.truncate_to_seconds().to_string();
        let mut json = Vec::with_capacity(512 + detail.len());
        let mut put = |name: &str, text: &str| {
            json.extend_from_slice(name.as_bytes());
            must("an EventBridge event", serde_json::to_writer(&mut json, text));
        };
        put("{\"version\":\"0\",\"id\":", id);
        put(",\"detail-type\":", detail_type);
        put(",\"source\":", source);
        put(",\"account\":", ACCOUNT);
        put(",\"time\":", &time);
        put(",\"region\":", REGION);
        if let Some(replay_name) = replay_name {
            put(",\"replay-name\":", replay_name);
        }
        json.extend_from_slice(b",\"resources\":");
        must("an EventBridge event", serde_json::to_writer(&mut json, resources));
        json.extend_from_slice(b",\"detail\":");
        json.extend_from_slice(detail.as_bytes());
        json.push(b'}');
        must("an EventBridge event", String::from_utf8(json))
    }
}

/// The message attributes of a message without any: rules set none.
#[derive(Serialize)]
struct NoAttributes {}

#[derive(Serialize)]
struct Records<R> {
    #[serde(rename = "Records")]
    records: R,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SqsRecord<'a> {
    message_id: String,
    receipt_handle: String,
    body: &'a str,
    attributes: SqsAttributes<'a>,
    message_attributes: NoAttributes,
    md5_of_body: String,
    event_source: &'static str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: String,
    aws_region: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SqsAttributes<'a> {
    approximate_receive_count: Cow<'static, str>,
    sent_timestamp: String,
    #[serde(flatten)]
    fifo: Option<FifoAttributes<'a>>,
    sender_id: &'static str,
    approximate_first_receive_timestamp: String,
}

/// Attributes that only the messages of FIFO queues have.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FifoAttributes<'a> {
    sequence_number: String,
    message_group_id: &'a str,
    message_deduplication_id: String,
}

impl<'a> SqsRecord<'a> {
    fn new(index: usize, sent: Timestamp, body: &'a str) -> Self {
        // The same body twice in a queue is two messages.
        let id = fingerprint(&[b"sqs", index.to_string().as_bytes(), body.as_bytes()]);
        Self {
            message_id: uuid(id),
            receipt_handle: format!("AQEB{id:032x}"),
            body,
            attributes: SqsAttributes {
                approximate_receive_count: Cow::Borrowed("1"),
                sent_timestamp: sent.unix_millis().to_string(),
                fifo: None,
                sender_id: "AIDAIENQZJOLO23YVJ4VO",
                approximate_first_receive_timestamp: sent
                    .unix_millis()
                    .saturating_add(2)
                    .to_string(),
            },
            message_attributes: NoAttributes {},
            md5_of_body: format!("{:x}", md5::compute(body)),
            event_source: "aws:sqs",
            event_source_arn: format!("arn:aws:sqs:{REGION}:{ACCOUNT}:sample-queue"),
            aws_region: REGION,
        }
    }
}

/// Returns the payload of a Lambda function behind a standard SQS queue: one record for each of
/// `bodies`.
///
/// A body is the text of a message. [`Sample::event_bridge`](crate::Sample::event_bridge) makes
/// that of an event which a rule sent to the queue, and
/// [`Sample::sns_notification`](crate::Sample::sns_notification) that of one which came by a topic.
/// Anything else is a poison message:
///
/// ```
/// # use setpiece_testing::sqs_event;
/// let batch = sqs_event(["{}", "not JSON"]);
/// # assert!(String::from_utf8(batch).unwrap().contains(r#""body":"not JSON""#));
/// ```
///
/// # Panics
///
/// When a body is not UTF-8: SQS carries text only.
#[track_caller]
#[must_use]
pub fn sqs_event<B: AsRef<[u8]>>(bodies: impl IntoIterator<Item = B>) -> Vec<u8> {
    sqs_event_at(FixedClock::default().now(), bodies)
}

/// Records of the queue of that name, for handlers that are bound to it; otherwise as
/// [`sqs_event`].
///
/// ```
/// # use setpiece_testing::sqs_event_of;
/// let batch = sqs_event_of("jobs", ["{}", "[1, 2]", "Hello world"]);
/// # let batch = String::from_utf8(batch).unwrap();
/// # assert!(batch.contains(r#""eventSourceARN":"arn:aws:sqs:us-east-1:123456789012:jobs""#));
/// ```
///
/// # Panics
///
/// When a body is not UTF-8: SQS carries text only.
#[track_caller]
#[must_use]
pub fn sqs_event_of<B: AsRef<[u8]>>(queue: &str, bodies: impl IntoIterator<Item = B>) -> Vec<u8> {
    sqs_records(FixedClock::default().now(), queue, bodies)
}

#[track_caller]
pub(crate) fn sqs_event_at<B: AsRef<[u8]>>(
    sent: Timestamp,
    bodies: impl IntoIterator<Item = B>,
) -> Vec<u8> {
    sqs_records(sent, "sample-queue", bodies)
}

#[track_caller]
fn sqs_records<B: AsRef<[u8]>>(
    sent: Timestamp,
    queue: &str,
    bodies: impl IntoIterator<Item = B>,
) -> Vec<u8> {
    let bodies: Vec<B> = bodies.into_iter().collect();
    let mut records = Vec::with_capacity(bodies.len());
    for (index, body) in bodies.iter().enumerate() {
        let body = must("the body of an SQS message", std::str::from_utf8(body.as_ref()));
        let mut record = SqsRecord::new(index, sent, body);
        record.event_source_arn = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}");
        records.push(record);
    }
    must("an SQS event", serde_json::to_vec(&Records { records }))
}

/// Returns the payload of a Lambda function behind a FIFO queue: one record for each message, which
/// is a message group and a body.
///
/// ```
/// # use setpiece_testing::sqs_fifo_event;
/// let batch = sqs_fifo_event([("order/7", "{}"), ("order/8", "{}"), ("order/7", "not JSON")]);
/// # assert!(String::from_utf8(batch).unwrap().contains(r#""MessageGroupId":"order/8""#));
/// ```
///
/// # Panics
///
/// When a body is not UTF-8: SQS carries text only.
#[track_caller]
#[must_use]
pub fn sqs_fifo_event<G: AsRef<str>, B: AsRef<[u8]>>(
    messages: impl IntoIterator<Item = (G, B)>,
) -> Vec<u8> {
    let messages: Vec<(G, B)> = messages.into_iter().collect();
    let mut records = Vec::with_capacity(messages.len());
    for (index, (group, body)) in messages.iter().enumerate() {
        let body = must("the body of an SQS message", std::str::from_utf8(body.as_ref()));
        let mut record = SqsRecord::new(index, FixedClock::default().now(), body);
        record.event_source_arn.push_str(".fifo");
        record.attributes.fifo = Some(FifoAttributes {
            // They rise by 256 at a time, and have 20 digits.
            sequence_number: format!("{}", 18_849_496_460_467_696_128 + 256 * index as u128),
            message_group_id: group.as_ref(),
            message_deduplication_id: record.md5_of_body.clone(),
        });
        records.push(record);
    }
    must("an SQS event", serde_json::to_vec(&Records { records }))
}

/// A message that a queue keeps until it is done.
#[derive(Clone, Copy)]
pub(crate) struct QueuedMessage<'a> {
    pub(crate) id: u64,
    pub(crate) body: &'a str,
    /// In milliseconds since 1970.
    pub(crate) sent: u64,
    pub(crate) first_received: u64,
    pub(crate) receives: u32,
    pub(crate) group: Option<&'a str>,
}

impl QueuedMessage<'_> {
    /// It stays the same however often the message is received.
    pub(crate) fn message_id(id: u64) -> String {
        uuid(fingerprint(&[b"queued", &id.to_be_bytes()]))
    }
}

/// Returns the payload of a Lambda function behind the queue of that name, with these messages.
#[track_caller]
pub(crate) fn queued_event<'a>(
    queue: &str,
    messages: impl IntoIterator<Item = QueuedMessage<'a>>,
) -> Vec<u8> {
    let record = |message: QueuedMessage<'a>| {
        let digest = format!("{:x}", md5::compute(message.body));
        SqsRecord {
            message_id: QueuedMessage::message_id(message.id),
            receipt_handle: format!("AQEB{:016x}{:016x}", message.id, message.receives),
            body: message.body,
            attributes: SqsAttributes {
                approximate_receive_count: message.receives.to_string().into(),
                sent_timestamp: message.sent.to_string(),
                fifo: message.group.map(|group| FifoAttributes {
                    sequence_number: format!(
                        "{}",
                        18_849_496_460_467_696_128 + 256 * u128::from(message.id)
                    ),
                    message_group_id: group,
                    message_deduplication_id: digest.clone(),
                }),
                sender_id: "AIDAIENQZJOLO23YVJ4VO",
                approximate_first_receive_timestamp: message.first_received.to_string(),
            },
            message_attributes: NoAttributes {},
            md5_of_body: digest,
            event_source: "aws:sqs",
            event_source_arn: format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"),
            aws_region: REGION,
        }
    };
    let records: Vec<_> = messages.into_iter().map(record).collect();
    must("an SQS event", serde_json::to_vec(&Records { records }))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KinesisRecord {
    kinesis: KinesisData,
    event_source: &'static str,
    event_version: &'static str,
    #[serde(rename = "eventID")]
    event_id: String,
    event_name: &'static str,
    invoke_identity_arn: String,
    aws_region: &'static str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KinesisData {
    kinesis_schema_version: &'static str,
    partition_key: &'static str,
    sequence_number: String,
    data: String,
    approximate_arrival_timestamp: f64,
}

/// Returns the payload of a Lambda function behind a Kinesis stream: one record for each of `data`,
/// all of one shard.
///
/// ```
/// # use setpiece_testing::kinesis_event;
/// let batch = kinesis_event([&b"{}"[..], b"not JSON", &[0xff]]);
/// # assert!(String::from_utf8(batch).unwrap().contains(r#""data":"/w==""#));
/// ```
#[track_caller]
#[must_use]
pub fn kinesis_event<D: AsRef<[u8]>>(data: impl IntoIterator<Item = D>) -> Vec<u8> {
    kinesis_event_at(FixedClock::default().now(), data)
}

/// Records of the stream of that name, for handlers that are bound to it; otherwise as
/// [`kinesis_event`].
#[track_caller]
#[must_use]
pub fn kinesis_event_of<D: AsRef<[u8]>>(
    stream: &str,
    data: impl IntoIterator<Item = D>,
) -> Vec<u8> {
    kinesis_records(FixedClock::default().now(), stream, data)
}

#[track_caller]
pub(crate) fn kinesis_event_at<D: AsRef<[u8]>>(
    arrived: Timestamp,
    data: impl IntoIterator<Item = D>,
) -> Vec<u8> {
    kinesis_records(arrived, "sample-stream", data)
}

#[track_caller]
fn kinesis_records<D: AsRef<[u8]>>(
    arrived: Timestamp,
    stream: &str,
    data: impl IntoIterator<Item = D>,
) -> Vec<u8> {
    #[expect(clippy::cast_precision_loss, reason = "as Lambda writes it")]
    let approximate_arrival_timestamp = arrived.unix_millis() as f64 / 1e3;
    let record = |(index, data): (usize, D)| {
        let sequence_number =
            format!("4959033827149025660855969253836157109592157598913658{index:04}");
        KinesisRecord {
            event_id: format!("shardId-000000000006:{sequence_number}"),
            kinesis: KinesisData {
                kinesis_schema_version: "1.0",
                partition_key: "1",
                sequence_number,
                data: BASE64_STANDARD.encode(data),
                approximate_arrival_timestamp,
            },
            event_source: "aws:kinesis",
            event_version: "1.0",
            event_name: "aws:kinesis:record",
            invoke_identity_arn: format!("arn:aws:iam::{ACCOUNT}:role/sample-role"),
            aws_region: REGION,
            event_source_arn: format!("arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{stream}"),
        }
    };
    let records: Vec<_> = data.into_iter().enumerate().map(record).collect();
    must("a Kinesis event", serde_json::to_vec(&Records { records }))
}

/// A change of an item, for [`stream_event`]. Keys and images are items in DynamoDB's JSON, as in
/// `{"id":{"S":"7"}}`.
#[derive(Clone, Copy)]
#[must_use]
pub struct StreamRecord<'a> {
    name: &'static str,
    keys: &'a str,
    old: Option<&'a str>,
    new: Option<&'a str>,
    table: Option<&'a str>,
}

impl<'a> StreamRecord<'a> {
    /// An item that was not there before.
    pub fn insert(keys: &'a str, new: &'a str) -> Self {
        Self { name: "INSERT", keys, old: None, new: Some(new), table: None }
    }

    /// An item that was there.
    pub fn modify(keys: &'a str, old: &'a str, new: &'a str) -> Self {
        Self { name: "MODIFY", keys, old: Some(old), new: Some(new), table: None }
    }

    /// An item that was deleted.
    pub fn remove(keys: &'a str, old: &'a str) -> Self {
        Self { name: "REMOVE", keys, old: Some(old), new: None, table: None }
    }

    /// Says in which table the item is. Without one the record does not name its stream, as if it
    /// were of any table that a function may take it for.
    pub fn of_table(self, table: &'a str) -> Self {
        Self { table: Some(table), ..self }
    }
}

impl fmt::Debug for StreamRecord<'_> {
    /// Shows no item.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamRecord").field("name", &self.name).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DynamoDbRecord<'a> {
    #[serde(rename = "eventID")]
    event_id: String,
    event_name: &'static str,
    event_version: &'static str,
    event_source: &'static str,
    aws_region: &'static str,
    dynamodb: DynamoDbChange<'a>,
    #[serde(rename = "eventSourceARN", skip_serializing_if = "Option::is_none")]
    event_source_arn: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DynamoDbChange<'a> {
    approximate_creation_date_time: i64,
    keys: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_image: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_image: Option<&'a RawValue>,
    sequence_number: String,
    size_bytes: usize,
    stream_view_type: &'static str,
}

/// The sequence number of the first record of a batch.
pub(crate) const STREAM_BEGIN: u128 = 111_000_000_000_000_000_000;

/// Returns the payload of a Lambda function behind the stream of a table that shows new and old
/// images.
///
/// ```
/// # use setpiece_testing::{StreamRecord, stream_event};
/// let batch = stream_event([
///     StreamRecord::insert(r#"{"id":{"S":"7"}}"#, r#"{"id":{"S":"7"},"cents":{"N":"2999"}}"#),
/// ]);
/// # assert!(String::from_utf8(batch).unwrap().contains(r#""eventName":"INSERT""#));
/// ```
///
/// # Panics
///
/// When keys or images are not JSON.
#[track_caller]
#[must_use]
pub fn stream_event<'a>(records: impl IntoIterator<Item = StreamRecord<'a>>) -> Vec<u8> {
    let json = |text| must("an item in DynamoDB's JSON", serde_json::from_str::<&RawValue>(text));
    let mut of_event = Vec::new();
    for (index, StreamRecord { name, keys, old, new, table }) in records.into_iter().enumerate() {
        let images = [Some(keys), old, new].map(Option::unwrap_or_default);
        let id = fingerprint(&[b"stream", index.to_string().as_bytes(), images[0].as_bytes()]);
        of_event.push(DynamoDbRecord {
            event_id: format!("{id:032x}"),
            event_name: name,
            event_version: "1.1",
            event_source: "aws:dynamodb",
            aws_region: REGION,
            dynamodb: DynamoDbChange {
                approximate_creation_date_time: FixedClock::default().now().unix_millis() / 1000,
                keys: json(keys),
                new_image: new.map(json),
                old_image: old.map(json),
                sequence_number: format!("{}", STREAM_BEGIN + index as u128),
                size_bytes: images.iter().map(|image| image.len()).sum(),
                stream_view_type: "NEW_AND_OLD_IMAGES",
            },
            event_source_arn: table.map(|table| {
                format!(
                    "arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}/stream/2026-01-01T00:00:00.000"
                )
            }),
        });
    }
    must("a DynamoDB event", serde_json::to_vec(&Records { records: of_event }))
}

/// Returns the payload of a Lambda function that is a subscriber of a custom event bus: an array of
/// `events`, such as those of [`Sample::event_bridge`](crate::Sample::event_bridge).
#[must_use]
pub fn event_array<E: AsRef<[u8]>>(events: impl IntoIterator<Item = E>) -> Vec<u8> {
    let mut array = vec![b'['];
    for (index, event) in events.into_iter().enumerate() {
        if index > 0 {
            array.push(b',');
        }
        array.extend_from_slice(event.as_ref());
    }
    array.push(b']');
    array
}

/// Members that the two forms of an SNS notification have in common.
struct Notification<'a> {
    id: u128,
    sent: Timestamp,
    topic: &'a str,
    message: &'a str,
}

impl<'a> Notification<'a> {
    fn new(sent: Timestamp, topic: &'a str, message: &'a str) -> Self {
        Self { id: fingerprint(&[b"sns", message.as_bytes()]), sent, topic, message }
    }

    fn topic_arn(&self) -> String {
        format!("arn:aws:sns:{REGION}:{ACCOUNT}:{}", self.topic)
    }

    fn subscription_arn(&self) -> String {
        format!("{}:21be56ed-a058-49f5-8c98-aedd2564c486", self.topic_arn())
    }

    fn unsubscribe_url(&self) -> String {
        let arn = self.subscription_arn();
        format!("https://sns.{REGION}.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={arn}")
    }

    /// Of the right length and alphabet, and no more: nobody can sign for SNS.
    fn signature(&self) -> String {
        format!("{:032x}", self.id).repeat(10) + "0123456789abcdefghijkl=="
    }
}

const SIGNING_CERT: &str = "https://sns.us-east-1.amazonaws.com/\
                            SimpleNotificationService-0123456789abcdef0123456789abcdef.pem";

const SAMPLE_TOPIC: &str = "sample-topic";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SnsRecord<'a> {
    event_version: &'static str,
    event_subscription_arn: String,
    event_source: &'static str,
    sns: SnsOfLambda<'a>,
}

/// Lambda spells `…Url` and shows the members that are not set.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SnsOfLambda<'a> {
    #[serde(rename = "Type")]
    kind: &'static str,
    message_id: String,
    topic_arn: String,
    subject: Option<&'static str>,
    message: &'a str,
    timestamp: String,
    signature_version: &'static str,
    signature: String,
    signing_cert_url: &'static str,
    unsubscribe_url: String,
    message_attributes: NoAttributes,
}

/// Queues and web hooks get `…URL` and only the members that are set.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SnsOfQueue<'a> {
    #[serde(rename = "Type")]
    kind: &'static str,
    message_id: String,
    topic_arn: String,
    message: &'a str,
    timestamp: String,
    signature_version: &'static str,
    signature: String,
    #[serde(rename = "SigningCertURL")]
    signing_cert_url: &'static str,
    #[serde(rename = "UnsubscribeURL")]
    unsubscribe_url: String,
}

/// Returns the payload of a Lambda function behind a topic, which is invoked for each message. A
/// message is text.
///
/// ```
/// # use setpiece_testing::sns_event;
/// let invocation = sns_event("it burns");
/// # assert!(String::from_utf8(invocation).unwrap().contains(r#""Message":"it burns""#));
/// ```
#[must_use]
pub fn sns_event(message: &str) -> Vec<u8> {
    sns_event_of(SAMPLE_TOPIC, message)
}

/// An invocation by the topic of that name, for handlers that are bound to it; otherwise as
/// [`sns_event`].
#[must_use]
pub fn sns_event_of(topic: &str, message: &str) -> Vec<u8> {
    sns_record(&Notification::new(FixedClock::default().now(), topic, message))
}

pub(crate) fn sns_event_at(sent: Timestamp, message: &str) -> Vec<u8> {
    sns_record(&Notification::new(sent, SAMPLE_TOPIC, message))
}

fn sns_record(notification: &Notification<'_>) -> Vec<u8> {
    let record = SnsRecord {
        event_version: "1.0",
        event_subscription_arn: notification.subscription_arn(),
        event_source: "aws:sns",
        sns: SnsOfLambda {
            kind: "Notification",
            message_id: uuid(notification.id),
            topic_arn: notification.topic_arn(),
            subject: None,
            message: notification.message,
            timestamp: notification.sent.truncate_to_millis().to_string(),
            signature_version: "1",
            signature: notification.signature(),
            signing_cert_url: SIGNING_CERT,
            unsubscribe_url: notification.unsubscribe_url(),
            message_attributes: NoAttributes {},
        },
    };
    must("an SNS event", serde_json::to_vec(&Records { records: [record] }))
}

/// Returns the body that a queue gets from the topic of that name, unless the subscription asks for
/// raw delivery, for [`sqs_event`].
#[must_use]
pub fn sns_notification_of(topic: &str, message: &str) -> Vec<u8> {
    sns_body(&Notification::new(FixedClock::default().now(), topic, message))
}

pub(crate) fn sns_notification_at(sent: Timestamp, message: &str) -> Vec<u8> {
    sns_body(&Notification::new(sent, SAMPLE_TOPIC, message))
}

fn sns_body(notification: &Notification<'_>) -> Vec<u8> {
    let body = SnsOfQueue {
        kind: "Notification",
        message_id: uuid(notification.id),
        topic_arn: notification.topic_arn(),
        message: notification.message,
        timestamp: notification.sent.truncate_to_millis().to_string(),
        signature_version: "1",
        signature: notification.signature(),
        signing_cert_url: SIGNING_CERT,
        unsubscribe_url: notification.unsubscribe_url(),
    };
    must("an SNS notification", serde_json::to_vec(&body))
}

#[cfg(test)]
mod tests;
