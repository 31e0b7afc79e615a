//! What AWS puts around an event on its way to a Lambda function, member by member.
//!
//! The forms are those of
//! <https://docs.aws.amazon.com/eventbridge/latest/ref/overview-event-structure.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html> and
//! <https://docs.aws.amazon.com/sns/latest/dg/http-notification-json.html>.

use serde::Serialize;
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
    attributes: SqsAttributes,
    message_attributes: NoAttributes,
    md5_of_body: String,
    event_source: &'static str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: String,
    aws_region: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SqsAttributes {
    approximate_receive_count: &'static str,
    sent_timestamp: String,
    sender_id: &'static str,
    approximate_first_receive_timestamp: String,
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
                approximate_receive_count: "1",
                sent_timestamp: sent.unix_millis().to_string(),
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

/// What a Lambda function gets from a standard SQS queue: one record for each of `bodies`.
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

#[track_caller]
pub(crate) fn sqs_event_at<B: AsRef<[u8]>>(
    sent: Timestamp,
    bodies: impl IntoIterator<Item = B>,
) -> Vec<u8> {
    let bodies: Vec<B> = bodies.into_iter().collect();
    let mut records = Vec::with_capacity(bodies.len());
    for (index, body) in bodies.iter().enumerate() {
        let body = must("the body of an SQS message", std::str::from_utf8(body.as_ref()));
        records.push(SqsRecord::new(index, sent, body));
    }
    must("an SQS event", serde_json::to_vec(&Records { records }))
}

/// What the two forms of an SNS notification have in common.
struct Notification<'a> {
    id: u128,
    sent: Timestamp,
    message: &'a str,
}

impl<'a> Notification<'a> {
    fn new(sent: Timestamp, message: &'a str) -> Self {
        Self { id: fingerprint(&[b"sns", message.as_bytes()]), sent, message }
    }

    /// Of the right length and alphabet, and no more: nobody can sign for SNS.
    fn signature(&self) -> String {
        format!("{:032x}", self.id).repeat(10) + "0123456789abcdefghijkl=="
    }
}

const SIGNING_CERT: &str = "https://sns.us-east-1.amazonaws.com/\
                            SimpleNotificationService-0123456789abcdef0123456789abcdef.pem";

fn topic_arn() -> String {
    format!("arn:aws:sns:{REGION}:{ACCOUNT}:sample-topic")
}

fn subscription_arn() -> String {
    format!("{}:21be56ed-a058-49f5-8c98-aedd2564c486", topic_arn())
}

fn unsubscribe_url() -> String {
    let arn = subscription_arn();
    format!("https://sns.{REGION}.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={arn}")
}

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

/// What a Lambda function gets from a topic.
pub(crate) fn sns_event(sent: Timestamp, message: &str) -> Vec<u8> {
    let notification = Notification::new(sent, message);
    let record = SnsRecord {
        event_version: "1.0",
        event_subscription_arn: subscription_arn(),
        event_source: "aws:sns",
        sns: SnsOfLambda {
            kind: "Notification",
            message_id: uuid(notification.id),
            topic_arn: topic_arn(),
            subject: None,
            message: notification.message,
            timestamp: notification.sent.truncate_to_millis().to_string(),
            signature_version: "1",
            signature: notification.signature(),
            signing_cert_url: SIGNING_CERT,
            unsubscribe_url: unsubscribe_url(),
            message_attributes: NoAttributes {},
        },
    };
    must("an SNS event", serde_json::to_vec(&Records { records: [record] }))
}

/// What a queue gets from a topic, unless the subscription asks for raw delivery.
pub(crate) fn sns_notification(sent: Timestamp, message: &str) -> Vec<u8> {
    let notification = Notification::new(sent, message);
    let body = SnsOfQueue {
        kind: "Notification",
        message_id: uuid(notification.id),
        topic_arn: topic_arn(),
        message: notification.message,
        timestamp: notification.sent.truncate_to_millis().to_string(),
        signature_version: "1",
        signature: notification.signature(),
        signing_cert_url: SIGNING_CERT,
        unsubscribe_url: unsubscribe_url(),
    };
    must("an SNS notification", serde_json::to_vec(&body))
}

#[cfg(test)]
mod tests;
