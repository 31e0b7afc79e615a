mod facts;
mod open;
mod stream;

pub use facts::{BusFacts, Facts, MessageAttribute, NotificationFacts};
pub(crate) use facts::{attributes, fact};

use std::{
    borrow::Cow,
    error::Error as StdError,
    fmt,
    sync::{Arc, OnceLock},
};

use serde_dynamo::Item;
use setpiece_bus::OutgoingEvent;
use setpiece_envelope::{RawEnvelope, ReadError, Reason, Violation};
use setpiece_policy::{Fault, ValueFree};

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
    /// Facts of the transport.
    pub facts: Facts,
    body: Body<'a>,
    /// The text of a notification in the body, once it was opened.
    notification: OnceLock<Box<str>>,
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
    /// Record whose body could not be taken out: the JSON text that stands there, and what is wrong
    /// at this path.
    Broken(Wrapping, &'a str, Box<str>, Reason),
}

impl Body<'_> {
    pub(crate) fn wrapping(&self) -> Wrapping {
        match self {
            Self::Bus(_) => Wrapping::EventBridge,
            Self::Message(_) => Wrapping::Message,
            Self::Notification(_) => Wrapping::Topic,
            Self::Data(_) => Wrapping::Kinesis,
            Self::Stream(_) => Wrapping::DynamoDbStream,
            Self::S3(_) => Wrapping::S3,
            Self::Http(..) => Wrapping::Http,
            Self::Direct(_) => Wrapping::Direct,
            Self::Broken(wrapping, ..) => *wrapping,
        }
    }
}

impl<'a> Delivery<'a> {
    pub(crate) fn new(facts: Facts, body: Body<'a>) -> Self {
        Self { facts, body, notification: OnceLock::new() }
    }

    /// Reads the body, whatever it is wrapped in.
    ///
    /// # Errors
    ///
    /// [`Unreadable`], which is about this delivery alone.
    pub fn open(&self) -> Result<Opened<'_>, Unreadable> {
        open::open(&self.body, &self.notification)
    }

    /// Returns the bytes of a delivery that are kept when it is put aside: the text of a message,
    /// the data of a Kinesis record, or the JSON of any other record, event or request.
    ///
    /// Where the text or the data could not be taken out of the record, it is the JSON value that
    /// stands in its place; of a record with a member that is there twice, it is all of its JSON.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.body {
            Body::Message(text) | Body::Notification(text) => text.as_bytes(),
            Body::Data(bytes) => bytes,
            Body::Bus(json)
            | Body::Stream(json)
            | Body::S3(json)
            | Body::Http(json, _)
            | Body::Direct(json)
            | Body::Broken(_, json, _, _) => json.as_bytes(),
        }
    }
}

impl fmt::Debug for Delivery<'_> {
    /// Shows nothing of the body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("facts", &self.facts).finish_non_exhaustive()
    }
}

/// A delivery whose body was read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Opened<'a> {
    /// Facts of the bus, if the delivery came by EventBridge.
    ///
    /// It is only known of what was opened; that there are none does not make a delivery authentic.
    pub bus: Option<BusFacts>,
    /// Facts of the topic, if the delivery came by a topic into a queue. Those of a delivery
    /// without a queue are in its [`Facts`].
    pub notification: Option<NotificationFacts>,
    /// Content that was delivered.
    pub content: Content<'a>,
    /// Sign that plain content is an event that broke on its way: it begins as an object or an
    /// array and is no JSON, or it was encoded twice. Where no handler takes it, it is unreadable,
    /// whatever is [unhandled](crate::Unhandled) otherwise.
    pub suspect: Option<Arc<Unreadable>>,
}

/// Content of a delivery.
#[derive(Clone)]
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
    /// Any other JSON, as it came: a whole document of any kind in a message or a record, and an
    /// object in a direct invocation.
    Json(&'a str),
    /// A message or a record that is text and no JSON.
    Text(&'a str),
    /// A record that is not even text.
    Bytes(&'a [u8]),
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
    /// [`Content::Text`].
    Text,
    /// [`Content::Bytes`].
    Bytes,
    /// [`Content::Test`].
    Test,
}

impl ContentKind {
    /// The kind as which content of this one can be taken as well, if nobody takes it as what it is.
    pub(crate) fn plainer(self) -> Option<Self> {
        match self {
            Self::Json => Some(Self::Text),
            Self::Text => Some(Self::Bytes),
            _ => None,
        }
    }

    /// Says whether only its type says what it is, so that one handler takes all of it.
    pub(crate) fn is_plain(self) -> bool {
        self == Self::Json || self.is_raw()
    }

    /// Says whether it is not even JSON.
    pub(crate) fn is_raw(self) -> bool {
        matches!(self, Self::Text | Self::Bytes)
    }
}

impl Content<'_> {
    /// Returns the kind of the content.
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
            Self::Text(_) => ContentKind::Text,
            Self::Bytes(_) => ContentKind::Bytes,
            Self::Test => ContentKind::Test,
        }
    }
}

impl fmt::Debug for Content<'_> {
    /// Shows no data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(event) => event.fmt(f),
            Self::Outbox(change) => change.fmt(f),
            Self::Item(change) => change.fmt(f),
            Self::S3(change) => change.fmt(f),
            Self::Scheduled(event) => event.fmt(f),
            Self::Other(event) => event.fmt(f),
            Self::Http(request) => request.fmt(f),
            Self::Json(_) | Self::Text(_) | Self::Bytes(_) | Self::Test => self.kind().fmt(f),
        }
    }
}

/// A change of an item in the outbox, as the table's stream tells it.
#[derive(Clone)]
#[non_exhaustive]
pub struct OutboxChange {
    /// Kind of the change of the item.
    pub change: Change,
    /// The key of the item.
    pub key: Item,
    /// The event that is to be published, or was if the item is gone. `None` if it cannot be read
    /// here: then it is one that another version of the service put there.
    pub event: Option<OutgoingEvent>,
}

impl fmt::Debug for OutboxChange {
    /// Shows neither key nor data, which can be personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxChange")
            .field("change", &self.change)
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}

/// Kinds of changes of an item of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// It was written, and was not there before.
    Insert,
    /// It was there and was changed.
    Modify,
    /// It was deleted, by somebody or by its time to live.
    Remove,
}

/// Wrappings of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Wrapping {
    /// An invocation of EventBridge.
    EventBridge,
    /// A message in a queue.
    Message,
    /// A message of a topic.
    Topic,
    /// A notification of a topic in a message.
    NotificationInMessage,
    /// A record of a Kinesis stream.
    Kinesis,
    /// A record of a DynamoDB stream.
    DynamoDbStream,
    /// A notification of a bucket.
    S3,
    /// An HTTP request.
    Http,
    /// An invocation by whoever calls the function itself.
    Direct,
}

impl fmt::Display for Wrapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EventBridge => "EventBridge",
            Self::Message => "a message",
            Self::Topic => "a topic",
            Self::NotificationInMessage => "a notification in a message",
            Self::Kinesis => "a Kinesis record",
            Self::DynamoDbStream => "a record of a DynamoDB stream",
            Self::S3 => "an S3 notification",
            Self::Http => "an HTTP request",
            Self::Direct => "a direct invocation",
        })
    }
}

/// Error of a body that could not be read. It never shows a value.
///
/// Delivering it again changes nothing, so the [`Fault`] of each is a contract fault.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unreadable {
    /// It is not JSON, or not what it seemed to be.
    Malformed {
        /// Wrapping of the body.
        wrapping: Wrapping,
        /// Error with its path within the body.
        error: ReadError,
    },
    /// Several records that the Kinesis Producer Library packed into one. Have the producer send
    /// them one by one, or take them apart in front of the function.
    Aggregated,
    /// A notification of a topic within another one.
    NestedNotification,
    /// Several changes of a bucket in one message, which could not be reported one by one.
    SeveralChanges,
}

impl Unreadable {
    pub(crate) fn new(wrapping: Wrapping, error: impl Into<ReadError>) -> Self {
        Self::Malformed { wrapping, error: error.into() }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { wrapping, error } => {
                let path = error.violation().map_or("$", Violation::path);
                write!(f, "what came in {wrapping} cannot be read at `{path}`")
            }
            Self::Aggregated => f.write_str(
                "the Kinesis record holds several that were aggregated, expected them one by one",
            ),
            Self::NestedNotification => {
                f.write_str("the notification of a topic holds another notification")
            }
            Self::SeveralChanges => f.write_str("the message holds several changes of a bucket"),
        }
    }
}

impl StdError for Unreadable {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Malformed { error, .. } => Some(error),
            Self::Aggregated | Self::NestedNotification | Self::SeveralChanges => None,
        }
    }
}

/// All that an [`Unreadable`] says, with its source.
#[derive(Debug)]
struct Told(String);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Told {}

impl ValueFree for Told {}

impl Unreadable {
    fn told(&self) -> Told {
        Told(match self {
            Self::Malformed { wrapping, error } => match error.violation() {
                Some(violation) => format!("in {wrapping}, {violation}"),
                None => self.to_string(),
            },
            Self::Aggregated | Self::NestedNotification | Self::SeveralChanges => self.to_string(),
        })
    }

    /// The fault of a delivery that cannot be read.
    pub(crate) fn fault(&self) -> Fault {
        let (context, remedy) = match self {
            Self::Malformed { .. } => (
                "the delivery cannot be read",
                "compare what came with what its producer should send, and tell the producer",
            ),
            Self::Aggregated => (
                "the delivery holds aggregated records",
                "have the producer send its records one by one, without aggregation of the KPL",
            ),
            Self::NestedNotification => (
                "the delivery is wrapped in too many notifications",
                "look for a topic that is subscribed to another topic",
            ),
            Self::SeveralChanges => (
                "the delivery holds several changes of a bucket",
                "send the changes through a topic or a bus, one in each message",
            ),
        };
        Fault::contract(context).with_remedy(remedy).with_shown_source(self.told())
    }
}

impl From<Unreadable> for Fault {
    /// A [contract](setpiece_policy::FaultKind::Contract) fault: the delivery is quarantined.
    fn from(error: Unreadable) -> Self {
        error.fault().with_source(error)
    }
}
