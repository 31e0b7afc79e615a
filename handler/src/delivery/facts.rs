//! Facts of transports about what they deliver.

use std::{fmt, sync::Arc, time::Duration};

use setpiece_envelope::{Timestamp, json::AnyEvent};

pub(crate) mod attributes;

/// A fact, if it says anything.
pub(crate) fn fact(text: &str) -> Option<Box<str>> {
    (!text.is_empty()).then(|| text.into())
}

/// Facts of a transport about a delivery. None of them is the event's own: the same event may be
/// delivered again with other facts.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// Name of the delivery in an answer that reports it as failed: the message id in SQS, the
    /// sequence number in streams. Never empty, since an empty one means the whole batch. A topic
    /// names its messages, too, but takes no such answer.
    pub item_id: Option<Box<str>>,
    /// Number of times that the message was received, this time included.
    pub receive_count: Option<u32>,
    /// The message group, within which a FIFO queue keeps the order.
    pub message_group: Option<Box<str>>,
    /// The sequence number in a FIFO queue or in a stream.
    pub sequence_number: Option<Box<str>>,
    /// The shard of a Kinesis stream, within which the order is kept. The records of a DynamoDB
    /// stream do not name theirs; each invocation has those of one shard.
    pub shard: Option<Box<str>>,
    /// The partition key of a Kinesis record.
    pub partition_key: Option<Box<str>>,
    /// The ARN of the queue, topic or stream.
    pub source_arn: Option<Arc<str>>,
    /// When it was sent to the queue, topic or stream, or written to the table; straight from the
    /// bus, when it was published, to the second.
    pub sent_at: Option<Timestamp>,
    /// The X-Ray trace header that came with the message.
    pub trace_header: Option<Box<str>>,
    /// The attributes that the sender gave to the message.
    pub attributes: Vec<(Box<str>, MessageAttribute)>,
}

impl Facts {
    /// The table whose stream it came by, as the ARN of the stream names it.
    pub(crate) fn table(&self) -> Option<&str> {
        let (_, resource) = self.source_arn.as_deref()?.split_once(":table/")?;
        resource.split('/').next()
    }

    /// About how long ago it was sent.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> Option<Duration> {
        let millis = now.unix_millis().saturating_sub(self.sent_at?.unix_millis());
        Some(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
    }

    /// The attribute of this name.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&MessageAttribute> {
        self.attributes.iter().find(|(of, _)| **of == *name).map(|(_, value)| value)
    }
}

impl fmt::Debug for Facts {
    /// Shows neither groups nor keys nor attributes, which can be personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts")
            .field("item_id", &self.item_id)
            .field("receive_count", &self.receive_count)
            .field("sequence_number", &self.sequence_number)
            .field("shard", &self.shard)
            .field("source_arn", &self.source_arn)
            .field("sent_at", &self.sent_at)
            .finish_non_exhaustive()
    }
}

/// The value of an attribute of a message.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageAttribute {
    /// A text.
    String(Box<str>),
    /// A number, in the digits in which it was sent.
    Number(Box<str>),
    /// Bytes.
    Binary(Vec<u8>),
}

impl fmt::Debug for MessageAttribute {
    /// Shows the kind only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::String(_) => "String",
            Self::Number(_) => "Number",
            Self::Binary(_) => "Binary",
        })
    }
}

/// Facts of the bus about an event that came by EventBridge, on whatever way from there.
///
/// A publisher on a classic bus cannot forge `account`, `region` and `id`, as long as the event is
/// delivered as it is. It can where a rule makes something else of it, as with an `InputPath`; on
/// the newer bus, if it may use `PutRawEvents`; and so can whoever may send to a queue or a topic on
/// the way, or invoke the function. [`Allow`](crate::Allow) says what to do about that.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BusFacts {
    /// The publisher, as it named itself.
    pub source: Box<str>,
    /// Detail-type of the event, on which most rules match.
    pub detail_type: Box<str>,
    /// Identifier that EventBridge gave to the event when it took it. New when the same event is
    /// sent again.
    pub id: Option<Box<str>>,
    /// The account of the publisher.
    pub account: Option<Box<str>>,
    /// The region of the publisher.
    pub region: Option<Box<str>>,
    /// When it was published, to the second.
    pub time: Option<Timestamp>,
    /// The ARNs that the event is about.
    pub resources: Vec<Box<str>>,
    /// The replay that the event comes from, where it has a name.
    pub replay_name: Option<Box<str>>,
    /// True if the event is delivered anew from an archive or from a bus that stores events.
    pub replayed: bool,
    /// True if the event came with the metadata of the newer bus.
    pub(crate) has_system_metadata: bool,
}

impl fmt::Debug for BusFacts {
    /// Shows no resources: an ARN can name a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusFacts")
            .field("source", &self.source)
            .field("detail_type", &self.detail_type)
            .field("id", &self.id)
            .field("account", &self.account)
            .field("region", &self.region)
            .field("time", &self.time)
            .field("replay_name", &self.replay_name)
            .field("replayed", &self.replayed)
            .finish_non_exhaustive()
    }
}

impl From<&AnyEvent<'_>> for BusFacts {
    fn from(event: &AnyEvent<'_>) -> Self {
        let AnyEvent {
            source, detail_type, id, account, region, time, resources, replay_name, ..
        } = event;
        let owned = |text: &Option<_>| text.as_deref().map(Into::into);
        Self {
            source: source.as_ref().into(),
            detail_type: detail_type.as_ref().into(),
            id: owned(id),
            account: owned(account),
            region: owned(region),
            time: *time,
            resources: resources.iter().map(|arn| arn.as_ref().into()).collect(),
            replay_name: owned(replay_name),
            replayed: replay_name.is_some(),
            has_system_metadata: false,
        }
    }
}

/// Facts of a topic about a notification that it sent to a queue.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotificationFacts {
    /// The id of the message in the topic.
    pub message_id: Option<Box<str>>,
    /// The ARN of the topic.
    pub topic_arn: Option<Box<str>>,
    /// When it was published.
    pub sent_at: Option<Timestamp>,
    /// The attributes that the publisher gave to the message.
    pub attributes: Vec<(Box<str>, MessageAttribute)>,
}

impl fmt::Debug for NotificationFacts {
    /// Shows no attributes, which can be personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotificationFacts")
            .field("message_id", &self.message_id)
            .field("topic_arn", &self.topic_arn)
            .field("sent_at", &self.sent_at)
            .finish_non_exhaustive()
    }
}
