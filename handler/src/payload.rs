mod http;
mod plain;
mod s3;

pub use self::{
    http::{Authorizer, HttpRequest, HttpResponse, IamIdentity, InvalidResponse, RequestContext},
    plain::{Bytes, Text},
    s3::S3Change,
};

pub(crate) use self::http::phrase;

use std::fmt;

use serde::de::DeserializeOwned;
use serde_dynamo::Item;
use setpiece_envelope::{ReadError, Reason, Timestamp, Violation};
use setpiece_policy::Fault;

use crate::delivery::{BusFacts, Change, Content, ContentKind};

/// Input of a handler that is not an event.
///
/// Types of the service come as [`Json`], and as the `detail` of [`OtherEvent`].
pub trait Payload: Sized + Send + 'static {
    /// Of which content it is made.
    const KIND: ContentKind;

    /// Makes it of `content`, which is of that kind.
    ///
    /// # Errors
    ///
    /// A contract fault when the content is not what this payload is made of.
    fn read(content: Content<'_>) -> Result<Self, Fault>;
}

/// Payloads that say themselves which of them are the same.
///
/// Others need somebody who says it: [`Handlers::on_payload_by`](crate::Handlers::on_payload_by).
pub trait NaturalKey: Payload {
    /// Returns the parts of a name that stays the same for ever, also when the payload is delivered
    /// again: the guard's key is made of them.
    ///
    /// `None` if this one has lost its name on the way. Then it is not handled.
    fn natural_key(&self) -> Option<Vec<String>>;
}

/// Payloads that are a content as it is.
macro_rules! payload {
    ($type:ident, $kind:ident) => {
        impl Payload for $type {
            const KIND: ContentKind = ContentKind::$kind;

            fn read(content: Content<'_>) -> Result<Self, Fault> {
                match content {
                    Content::$kind(payload) => Ok(payload),
                    _ => Err(other_kind()),
                }
            }
        }
    };
    ($type:ident, $kind:ident, $this:ident => $key:expr) => {
        payload!($type, $kind);

        impl NaturalKey for $type {
            fn natural_key(&self) -> Option<Vec<String>> {
                let $this = self;
                $key
            }
        }
    };
}

payload!(HttpRequest, Http);
payload!(ItemChange, Item, change => Some(vec![change.event_id.to_string()]));
payload!(OtherEvent, Other, event => {
    event.id.as_deref().map(|id| vec![event.source.to_string(), id.to_owned()])
});
payload!(ScheduledEvent, Scheduled, event => Some(vec![event.id.to_string()]));

impl Payload for S3Change {
    const KIND: ContentKind = ContentKind::S3;

    /// A change that came by EventBridge is an event of another publisher, which is read as what
    /// the bucket itself would have sent.
    fn read(content: Content<'_>) -> Result<Self, Fault> {
        match content {
            Content::S3(change) => Ok(change),
            Content::Other(event) => Self::of_event(&event).map_err(|violation| {
                Fault::contract("the event of S3 cannot be read")
                    .with_shown_source(violation.clone())
                    .with_source(violation)
            }),
            _ => Err(other_kind()),
        }
    }
}

impl NaturalKey for S3Change {
    fn natural_key(&self) -> Option<Vec<String>> {
        self.key_parts()
    }
}

fn other_kind() -> Fault {
    Fault::contract("the delivery was routed to a reader of another kind")
}

/// The time of a rule or of a schedule has come.
///
/// Of rules: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html>.
/// EventBridge Scheduler sends the same, unless it was given another input.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduledEvent {
    /// Names this time; the same when it is delivered again.
    pub id: Box<str>,
    /// When it was due, to the second.
    pub time: Option<Timestamp>,
    /// The ARN of the rule or of the schedule.
    pub schedule: Option<Box<str>>,
}

impl ScheduledEvent {
    pub(crate) fn is_one(bus: &BusFacts) -> bool {
        matches!(&*bus.source, "aws.events" | "aws.scheduler")
            && &*bus.detail_type == "Scheduled Event"
    }

    pub(crate) fn new(bus: &BusFacts) -> Result<Self, Violation> {
        let id = bus.id.clone().filter(|id| !id.is_empty());
        Ok(Self {
            id: id.ok_or_else(|| Violation::at("id", Reason::Missing))?,
            time: bus.time,
            schedule: bus.resources.first().cloned(),
        })
    }
}

/// An event of EventBridge that is in no envelope: of AWS, of a partner or of anybody.
///
/// One whose source and detail-type are those of an event of ours is most likely that event, and
/// broken.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OtherEvent {
    /// Identifier that EventBridge gave to the event. It is new when the same event is published
    /// again.
    pub id: Option<Box<str>>,
    /// The publisher, such as `aws.ec2`.
    pub source: Box<str>,
    /// Detail-type of the event: the kind of what happened.
    pub detail_type: Box<str>,
    /// The account of the publisher.
    pub account: Option<Box<str>>,
    /// The region of the publisher.
    pub region: Option<Box<str>>,
    /// Time of publication, to the second.
    pub time: Option<Timestamp>,
    /// ARNs that the event is about.
    pub resources: Vec<Box<str>>,
    detail: Box<str>,
}

impl OtherEvent {
    pub(crate) fn new(bus: &BusFacts, detail: &str) -> Self {
        let BusFacts { id, source, detail_type, account, region, time, resources, .. } =
            bus.clone();
        Self { id, source, detail_type, account, region, time, resources, detail: detail.into() }
    }

    /// Decodes the detail.
    ///
    /// # Errors
    ///
    /// [`ReadError::Malformed`] with the first thing that is wrong.
    pub fn detail<T: DeserializeOwned>(&self) -> Result<T, ReadError> {
        setpiece_envelope::from_json(self.detail.as_bytes())
    }

    /// The JSON text of the detail, as it came.
    #[must_use]
    pub fn detail_json(&self) -> &str {
        &self.detail
    }
}

impl fmt::Debug for OtherEvent {
    /// Shows no detail.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtherEvent")
            .field("id", &self.id)
            .field("source", &self.source)
            .field("detail_type", &self.detail_type)
            .finish_non_exhaustive()
    }
}

/// A change of an item of a table, as its stream tells it.
///
/// Which images there are is up to the [view
/// type](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_StreamSpecification.html)
/// of the stream.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ItemChange {
    /// Names the change for ever.
    pub event_id: Box<str>,
    /// Kind of the change.
    pub change: Change,
    /// The key of the item.
    pub keys: Item,
    /// The item after the change, if there is one and the stream shows it.
    pub new_image: Option<Item>,
    /// The item before the change, if there was one and the stream shows it.
    pub old_image: Option<Item>,
    /// Author of the change, where the stream names one: DynamoDB itself, for items that expire.
    pub user_identity: Option<UserIdentity>,
}

/// Author of a change in a table:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_Identity.html>.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserIdentity {
    /// Kind of the author; `Service` for DynamoDB's own removals.
    pub kind: Box<str>,
    /// Identifier of the author; `dynamodb.amazonaws.com` for DynamoDB's own removals.
    pub principal_id: Box<str>,
}

impl ItemChange {
    /// Returns true if DynamoDB removed the item because its time to live had passed.
    ///
    /// Replicas of a global table show such a removal without its author, so there it is false.
    #[must_use]
    pub fn is_expiry(&self) -> bool {
        self.change == Change::Remove
            && self.user_identity.as_ref().is_some_and(|author| {
                &*author.kind == "Service" && &*author.principal_id == "dynamodb.amazonaws.com"
            })
    }

    /// Decodes the item after the change; `None` if there is none or the stream does not show it.
    ///
    /// # Errors
    ///
    /// A contract fault when the item is not of this type.
    pub fn after<T: DeserializeOwned>(&self) -> Result<Option<T>, Fault> {
        decode(self.new_image.as_ref())
    }

    /// Decodes the item before the change; `None` if there was none or the stream does not show it.
    ///
    /// # Errors
    ///
    /// A contract fault when the item is not of this type.
    pub fn before<T: DeserializeOwned>(&self) -> Result<Option<T>, Fault> {
        decode(self.old_image.as_ref())
    }
}

fn decode<T: DeserializeOwned>(image: Option<&Item>) -> Result<Option<T>, Fault> {
    let decoded = image.map(|image| serde_dynamo::from_item(image.clone())).transpose();
    // What serde says may quote the item.
    decoded.map_err(|_| Fault::contract("the item of the table is not of the type it should be"))
}

impl fmt::Debug for ItemChange {
    /// Shows no item.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemChange")
            .field("event_id", &self.event_id)
            .field("change", &self.change)
            .finish_non_exhaustive()
    }
}

/// The JSON object of a direct invocation, of a message or of a record, decoded.
///
/// What is sent through queues as JSON arrives by this; what calls the function with a command of
/// its own, too.
///
/// `T` judges the JSON as with `serde_json`, up to 6 MB and 127 levels of nesting: only an event in
/// our envelope is held to the rules of the bus. See [`from_json`](setpiece_envelope::from_json).
/// What is wrong is told with its path and without a value.
///
/// # Keys
///
/// A key or a fingerprint of `T` is made of what `T` has read. Two documents that differ in nothing
/// else are the same request: in a member that `T` does not know, or in digits of a number that it
/// does not keep. Where that matters, take a `Box<RawValue>` of `serde_json` and make the key of
/// its text. The fingerprint of an
/// [`Idempotency-Key`](crate::HttpRequest::idempotency_key) is of the bytes of the body.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Json<T>(pub T);

impl<T> fmt::Debug for Json<T> {
    /// Shows no data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Json").finish_non_exhaustive()
    }
}

impl<T: DeserializeOwned + Send + 'static> Payload for Json<T> {
    const KIND: ContentKind = ContentKind::Json;

    fn read(content: Content<'_>) -> Result<Self, Fault> {
        match content {
            Content::Json(json) => {
                let decoded = setpiece_envelope::from_json(json.as_bytes());
                let refused = "the JSON is not of the type it should be";
                decoded.map(Self).map_err(|error| {
                    let fault = Fault::contract(refused);
                    match error.violation() {
                        Some(violation) => fault.with_shown_source(violation.clone()),
                        None => fault,
                    }
                    .with_source(error)
                })
            }
            _ => Err(other_kind()),
        }
    }
}
