use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc, time::Duration};

use setpiece_bus::OutgoingEvent;
use setpiece_envelope::{RawEnvelope, ReadError, Timestamp};
use setpiece_policy::Fault;

use crate::{
    payload::{HttpRequest, ItemChange, OtherEvent, S3Change, ScheduledEvent},
    source::HttpForm,
};

/// One thing to do: a message, a record or an event, with what its transport says about it.
///
/// Nothing in its body is read before [`open`](Self::open), so that one that cannot be read fails
/// alone.
#[non_exhaustive]
pub struct Delivery<'a> {
    /// What the transport says.
    pub facts: Facts,
    body: Body<'a>,
}

pub(crate) enum Body<'a> {
    /// An event as EventBridge delivers it.
    Bus(&'a str),
    /// The text of a message in a queue.
    Message(Cow<'a, str>),
    /// The text of a message of a topic.
    Notification(Cow<'a, str>),
    /// The data of a Kinesis record.
    Data(Vec<u8>),
    /// A record of a DynamoDB stream.
    Stream(&'a str),
    /// A record of an S3 notification.
    S3(&'a str),
    /// A request.
    Http(&'a str, HttpForm),
    /// A direct invocation.
    Direct(&'a str),
}

impl Delivery<'_> {
    /// Reads the body, whatever it is wrapped in.
    ///
    /// # Errors
    ///
    /// [`Unreadable`], which is about this delivery alone.
    pub fn open(&self) -> Result<Opened<'_>, Unreadable> {
        todo!()
    }

    /// What is kept of a delivery that is put aside: the text of a message, the data of a Kinesis
    /// record, the JSON of any other record, or all of a direct invocation.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.body {
            Body::Message(text) | Body::Notification(text) => text.as_bytes(),
            Body::Data(bytes) => bytes,
            Body::Bus(json)
            | Body::Stream(json)
            | Body::S3(json)
            | Body::Http(json, _)
            | Body::Direct(json) => json.as_bytes(),
        }
    }
}

impl fmt::Debug for Delivery<'_> {
    /// Shows nothing of the body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("facts", &self.facts).finish_non_exhaustive()
    }
}

/// What a transport says about a delivery. None of it is the event's own: the same event may be
/// delivered again with other facts.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// What the answer names the delivery by when it failed: the message id in SQS, the sequence
    /// number in streams. Never empty.
    pub item_id: Option<Box<str>>,
    /// How often the message was received, this time included.
    pub receive_count: Option<u32>,
    /// The message group, within which a FIFO queue keeps the order.
    pub message_group: Option<Box<str>>,
    /// The sequence number in a FIFO queue or in a stream.
    pub sequence_number: Option<Box<str>>,
    /// The shard of a stream, within which the order is kept.
    pub shard: Option<Box<str>>,
    /// The ARN of the queue, topic or stream.
    pub source_arn: Option<Arc<str>>,
    /// When it was sent to the queue, topic or stream, or written to the table.
    pub sent_at: Option<Timestamp>,
    /// The X-Ray trace header that came with the message.
    pub trace_header: Option<Box<str>>,
    /// The attributes that the sender gave to the message.
    pub attributes: Vec<(Box<str>, MessageAttribute)>,
}

impl Facts {
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
    /// Shows neither the message group nor the values of attributes, which can be personal.
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

/// What the bus says about an event that came by EventBridge, on whatever way from there.
///
/// A publisher cannot forge `account` and `region`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BusFacts {
    /// The publisher, as it named itself.
    pub source: Box<str>,
    /// What rules mostly match on.
    pub detail_type: Box<str>,
    /// What EventBridge named the event when it took it. New when the same event is sent again.
    pub id: Option<Box<str>>,
    /// The account of the publisher.
    pub account: Option<Box<str>>,
    /// The region of the publisher.
    pub region: Option<Box<str>>,
    /// When it was published, to the second.
    pub time: Option<Timestamp>,
    /// The ARNs that the event is about.
    pub resources: Vec<Box<str>>,
    /// The replay that the event comes from. Without one, the event is live.
    pub replay_name: Option<Box<str>>,
}

/// A delivery whose body was read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Opened<'a> {
    /// What the bus says, if the delivery came by EventBridge.
    pub bus: Option<BusFacts>,
    /// What was delivered.
    pub content: Content<'a>,
}

/// What a delivery holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Content<'a> {
    /// An event in an envelope.
    Event(RawEnvelope<'a>),
    /// A change of an item in the outbox.
    Outbox(OutboxChange),
    /// A change of any other item of a table.
    Item(ItemChange),
    /// A change of an object in a bucket.
    S3(S3Change),
    /// The time has come.
    Scheduled(ScheduledEvent),
    /// An event of EventBridge without an envelope: of AWS, of a partner or of anybody.
    Other(OtherEvent),
    /// An HTTP request.
    Http(HttpRequest),
    /// Any other JSON object, as it came.
    Json(&'a str),
    /// A message by which a service tries whether it may deliver. There is nothing to do.
    Test,
}

/// The kinds of [`Content`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContentKind {
    /// [`Content::Event`].
    Event,
    /// [`Content::Outbox`].
    Outbox,
    /// [`Content::Item`].
    Item,
    /// [`Content::S3`].
    S3,
    /// [`Content::Scheduled`].
    Scheduled,
    /// [`Content::Other`].
    Other,
    /// [`Content::Http`].
    Http,
    /// [`Content::Json`].
    Json,
    /// [`Content::Test`].
    Test,
}

impl Content<'_> {
    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> ContentKind {
        match self {
            Self::Event(_) => ContentKind::Event,
            Self::Outbox(_) => ContentKind::Outbox,
            Self::Item(_) => ContentKind::Item,
            Self::S3(_) => ContentKind::S3,
            Self::Scheduled(_) => ContentKind::Scheduled,
            Self::Other(_) => ContentKind::Other,
            Self::Http(_) => ContentKind::Http,
            Self::Json(_) => ContentKind::Json,
            Self::Test => ContentKind::Test,
        }
    }
}

/// A change of an item in the outbox, as the table's stream tells it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OutboxChange {
    /// What happened to the item.
    pub change: Change,
    /// The key of the item.
    pub key: serde_dynamo::Item,
    /// The event that is to be published. `None` if the stream does not show it.
    pub event: Option<OutgoingEvent>,
}

/// What happened to an item of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// It was written, and was not there before.
    Insert,
    /// It was there and was changed.
    Modify,
    /// It was deleted, by somebody or by its time to live.
    Remove,
}

/// Why the body of a delivery could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unreadable {
    /// What is wrong is said by the source.
    Malformed {
        /// What the body was wrapped in.
        wrapping: &'static str,
        /// What is wrong there.
        error: ReadError,
    },
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { wrapping, error } => write!(f, "{wrapping}: {error}"),
        }
    }
}

impl StdError for Unreadable {}

impl From<Unreadable> for Fault {
    /// A [contract](setpiece_policy::FaultKind::Contract) fault: the delivery is quarantined.
    fn from(error: Unreadable) -> Self {
        Self::contract("the delivery cannot be read").with_source(error)
    }
}
