use std::{collections::BTreeMap, fmt};

use serde::de::DeserializeOwned;
use serde_dynamo::Item;
use setpiece_envelope::{ReadError, Timestamp};
use setpiece_policy::Fault;

use crate::{
    delivery::{Change, Content, ContentKind},
    source::HttpForm,
};

/// What a handler can take that is not an event.
pub trait Payload: Sized + Send + 'static {
    /// Which content it is made of.
    const KIND: ContentKind;

    /// Makes it of `content`, which is of that kind.
    ///
    /// # Errors
    ///
    /// A contract fault when the content is not what this payload is made of.
    fn read(content: Content<'_>) -> Result<Self, Fault>;

    /// What names it for ever, also when it is delivered again. `None` if nothing does.
    fn natural_key(&self) -> Option<Vec<String>> {
        None
    }
}

/// The time of a rule or of a schedule has come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduledEvent {
    /// Names this time; the same when it is delivered again.
    pub id: Box<str>,
    /// When it was due.
    pub time: Option<Timestamp>,
    /// The ARN of the rule or schedule.
    pub schedule: Option<Box<str>>,
}

/// An event of EventBridge without an envelope.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OtherEvent {
    /// What EventBridge named the event.
    pub id: Option<Box<str>>,
    /// The publisher, such as `aws.ec2`.
    pub source: Box<str>,
    /// What happened.
    pub detail_type: Box<str>,
    pub(crate) detail: Box<str>,
}

impl OtherEvent {
    /// Decodes the detail.
    ///
    /// # Errors
    ///
    /// [`ReadError::Malformed`] with the first thing that is wrong.
    pub fn detail<T: DeserializeOwned>(&self) -> Result<T, ReadError> {
        setpiece_envelope::from_json(self.detail.as_bytes())
    }

    /// The JSON text of the detail.
    #[must_use]
    pub fn detail_json(&self) -> &str {
        &self.detail
    }
}

impl fmt::Debug for OtherEvent {
    /// Shows no detail.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtherEvent")
            .field("source", &self.source)
            .field("detail_type", &self.detail_type)
            .finish_non_exhaustive()
    }
}

/// A change of an object in a bucket.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct S3Change {
    /// What happened, such as `ObjectCreated:Put`.
    pub event_name: Box<str>,
    /// When it happened.
    pub time: Option<Timestamp>,
    /// The bucket.
    pub bucket: Box<str>,
    /// The key of the object, decoded.
    pub key: String,
    /// The size of the object in bytes, if there is one.
    pub size: Option<u64>,
    /// The entity tag of the object.
    pub etag: Option<Box<str>>,
    /// The version of the object, in a bucket with versions.
    pub version_id: Option<Box<str>>,
    /// Orders the changes of one key, as hexadecimal numbers.
    pub sequencer: Option<Box<str>>,
}

impl fmt::Debug for S3Change {
    /// Shows no key, which can be personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Change")
            .field("event_name", &self.event_name)
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

/// A change of an item of a table, as its stream tells it.
#[derive(Clone)]
#[non_exhaustive]
pub struct ItemChange {
    /// Names the change for ever.
    pub event_id: Box<str>,
    /// What happened.
    pub change: Change,
    /// The key of the item.
    pub keys: Item,
    /// The item after the change, if the stream shows it.
    pub new_image: Option<Item>,
    /// The item before the change, if the stream shows it.
    pub old_image: Option<Item>,
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

/// An HTTP request by API Gateway or a function URL.
#[derive(Clone)]
#[non_exhaustive]
pub struct HttpRequest {
    /// The form that it came in, and that the response must have.
    pub form: HttpForm,
    /// Names the request.
    pub request_id: Option<Box<str>>,
    /// Such as `GET`.
    pub method: Box<str>,
    /// The path.
    pub path: String,
    /// The query, name by name.
    pub query: Vec<(String, String)>,
    /// The variables of the route.
    pub path_parameters: BTreeMap<String, String>,
    /// The headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, decoded.
    pub body: Vec<u8>,
}

impl fmt::Debug for HttpRequest {
    /// Shows neither path nor headers nor body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("form", &self.form)
            .field("request_id", &self.request_id)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// The response to an [`HttpRequest`].
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpResponse {
    /// The status, such as 200.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// The JSON that Lambda takes as the response to a request of this form.
    #[must_use]
    pub fn to_json(&self, form: HttpForm) -> Vec<u8> {
        _ = form;
        Vec::new()
    }
}

impl fmt::Debug for HttpResponse {
    /// Shows the status only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse").field("status", &self.status).finish_non_exhaustive()
    }
}

/// The JSON of a direct invocation or of a message, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + Send + 'static> Payload for Json<T> {
    const KIND: ContentKind = ContentKind::Json;

    fn read(content: Content<'_>) -> Result<Self, Fault> {
        let Content::Json(json) = content else {
            return Err(Fault::contract("the content is of another kind"));
        };
        Ok(Self(setpiece_envelope::from_json(json.as_bytes())?))
    }
}
