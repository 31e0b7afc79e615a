use std::{borrow::Cow, error::Error as StdError, fmt};

use serde::{Deserialize, Serialize};
use setpiece_envelope::{
    DomainEvent, Envelope, EventId, MAX_EVENT_BYTES, Metadata, RawEnvelope, ReadError, Reason,
    Timestamp, WriteError,
};
use setpiece_policy::ValueFree;

use crate::{claim_check, trace_header::trace_header};

/// An event on its way to a bus, as data: what a [`Bus`](crate::Bus) takes.
///
/// A [`Publisher`](crate::Publisher) makes them out of typed events. What was not accepted comes
/// back as one, with the id that it had, so that it can be stored and sent again later; and what
/// was stored, such as in an outbox, is read by [`from_detail`](Self::from_detail).
///
/// It can be sent: `PutEvents` refuses none of its fields, the detail is JSON that every reader of
/// the form takes, and all integers in it fit in 64 bits. How large it may be is up to the
/// [limits](crate::Limits) of each bus.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
pub struct OutgoingEvent {
    event_id: EventId,
    name: Box<str>,
    source: Cow<'static, str>,
    detail_type: Cow<'static, str>,
    detail: String,
    time: Option<Timestamp>,
    resources: Vec<String>,
    trace_header: Option<String>,
    group_id: Option<String>,
    is_reference: bool,
}

impl OutgoingEvent {
    /// The most bytes of a source: from the service models of EventBridge Scheduler and of custom
    /// event buses.
    pub const MAX_SOURCE_BYTES: usize = 256;
    /// The most characters of a detail-type.
    pub const MAX_DETAIL_TYPE_CHARS: usize = 128;
    /// The most characters of a resource.
    pub const MAX_RESOURCE_CHARS: usize = 2048;
    /// The most characters of a trace header.
    pub const MAX_TRACE_HEADER_CHARS: usize = 500;
    /// The most characters of a group id.
    pub const MAX_GROUP_ID_CHARS: usize = 128;

    /// Writes `envelope` under the source and detail-type of its type.
    ///
    /// The time is that of the event, the trace header follows from its correlation, and the group
    /// from its partition key.
    ///
    /// # Errors
    ///
    /// [`InvalidEvent::Write`] when the event has no JSON form that readers take, and
    /// [`InvalidEvent::Field`] when its type has a source or a detail-type that `PutEvents` refuses.
    pub fn new<E: DomainEvent + Serialize>(envelope: &Envelope<E>) -> Result<Self, InvalidEvent> {
        let detail = envelope.to_detail().map_err(InvalidEvent::Write)?;
        // What was written from JSON texts is text.
        let detail = String::from_utf8(detail).map_err(|error| {
            let offset = error.utf8_error().valid_up_to();
            InvalidEvent::Field { field: "detail", reason: Reason::NotUtf8 { offset } }
        })?;
        let metadata = &envelope.metadata;
        // As it is written here.
        let has_no_data = detail.ends_with(r#""data":null}"#);
        Self::checked(E::SOURCE.into(), E::DETAIL_TYPE.into(), detail, metadata, has_no_data)
    }

    /// Reads an event that was written before: one that was stored, or that others wrote.
    ///
    /// Id, time, trace header and group follow from the metadata in `detail`. It may have any size,
    /// as what goes by reference has.
    ///
    /// # Errors
    ///
    /// [`InvalidEvent::Read`] when `detail` is not an event, and [`InvalidEvent::Field`] when
    /// `PutEvents` refuses the source or the detail-type.
    pub fn from_detail(
        source: impl Into<Cow<'static, str>>,
        detail_type: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Result<Self, InvalidEvent> {
        let detail = detail.into();
        let envelope = RawEnvelope::parse_within(detail.as_bytes(), detail.len());
        let envelope = envelope.map_err(InvalidEvent::Read)?;
        let has_no_data = envelope.data() == "null";
        let metadata = envelope.metadata;
        Self::checked(source.into(), detail_type.into(), detail, &metadata, has_no_data)
    }

    fn checked(
        source: Cow<'static, str>,
        detail_type: Cow<'static, str>,
        detail: String,
        metadata: &Metadata,
        has_no_data: bool,
    ) -> Result<Self, InvalidEvent> {
        check("source", &source, Self::MAX_SOURCE_BYTES, source.len())?;
        if source.starts_with("aws.") {
            let form = "a source that is not kept for AWS, as those with `aws.` are";
            return Err(InvalidEvent::Field {
                field: "source",
                reason: Reason::NotOfForm { form },
            });
        }
        let chars = detail_type.chars().count();
        check("detail-type", &detail_type, Self::MAX_DETAIL_TYPE_CHARS, chars)?;
        let is_reference = has_no_data && metadata.extensions.get(claim_check::REFERENCE).is_some();
        Ok(Self {
            is_reference,
            event_id: metadata.event_id.clone(),
            name: metadata.name.as_str().into(),
            source,
            detail_type,
            detail,
            time: metadata.occurred_at,
            resources: Vec::new(),
            trace_header: metadata
                .correlation
                .traceparent
                .as_ref()
                .map(|parent| trace_header(parent, metadata.correlation.sampled)),
            group_id: metadata.partition_key.clone(),
        })
    }

    /// Adds the resources that the event is about, most often ARNs.
    ///
    /// # Errors
    ///
    /// [`InvalidEvent::Field`] when one is empty or longer than
    /// [`MAX_RESOURCE_CHARS`](Self::MAX_RESOURCE_CHARS).
    pub fn with_resources(
        self,
        resources: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, InvalidEvent> {
        let resources: Vec<String> = resources.into_iter().map(Into::into).collect();
        for resource in &resources {
            check("resources", resource, Self::MAX_RESOURCE_CHARS, resource.chars().count())?;
        }
        Ok(Self { resources, ..self })
    }

    /// Sets the time of the event.
    #[must_use]
    pub fn with_time(self, time: Timestamp) -> Self {
        Self { time: Some(time), ..self }
    }

    /// Puts the event into an X-Ray trace: a value of the header `X-Amzn-Trace-Id`.
    ///
    /// # Errors
    ///
    /// [`InvalidEvent::Field`] when it is empty or longer than
    /// [`MAX_TRACE_HEADER_CHARS`](Self::MAX_TRACE_HEADER_CHARS).
    pub fn with_trace_header(self, header: impl Into<String>) -> Result<Self, InvalidEvent> {
        let header = header.into();
        check("trace header", &header, Self::MAX_TRACE_HEADER_CHARS, header.chars().count())?;
        Ok(Self { trace_header: Some(header), ..self })
    }

    /// Puts the event into a group, within which a bus that can keeps the order.
    ///
    /// # Errors
    ///
    /// [`InvalidEvent::Field`] when it is empty or longer than
    /// [`MAX_GROUP_ID_CHARS`](Self::MAX_GROUP_ID_CHARS).
    pub fn with_group_id(self, group_id: impl Into<String>) -> Result<Self, InvalidEvent> {
        let group_id = group_id.into();
        check("group id", &group_id, Self::MAX_GROUP_ID_CHARS, group_id.chars().count())?;
        Ok(Self { group_id: Some(group_id), ..self })
    }

    /// Returns the id that names the event for ever: in its metadata, and as the `DeduplicationId`
    /// of buses that know one.
    #[must_use]
    pub fn event_id(&self) -> &EventId {
        &self.event_id
    }

    /// The event's name, by its metadata.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The `Source` of the entry.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The `DetailType` of the entry.
    #[must_use]
    pub fn detail_type(&self) -> &str {
        &self.detail_type
    }

    /// The `Detail` of the entry: JSON with `metadata` and `data`.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The `Time` of the entry. Without one, the bus takes the time at which it got the event.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        self.time
    }

    /// The `Resources` of the entry.
    #[must_use]
    pub fn resources(&self) -> &[String] {
        &self.resources
    }

    /// The `TraceHeader` of the entry, where the bus has one.
    #[must_use]
    pub fn trace_header(&self) -> Option<&str> {
        self.trace_header.as_deref()
    }

    /// The `EventGroupId` of the entry, where the bus has one.
    #[must_use]
    pub fn group_id(&self) -> Option<&str> {
        self.group_id.as_deref()
    }

    /// Returns the event with a detail that refers to the data.
    pub(crate) fn referring(self, detail: String) -> Self {
        Self { detail, is_reference: true, ..self }
    }

    /// Returns true if the data is elsewhere, and the event says where.
    pub(crate) fn is_reference(&self) -> bool {
        self.is_reference
    }
}

impl fmt::Debug for OutgoingEvent {
    /// Shows ids and types. The detail can be personal, and so can what it is grouped by.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingEvent")
            .field("event_id", &self.event_id)
            .field("source", &self.source)
            .field("detail_type", &self.detail_type)
            .field("time", &self.time)
            .field("detail_bytes", &self.detail.len())
            .finish_non_exhaustive()
    }
}

/// An event as it is stored. What follows from the detail is not in it.
#[derive(Serialize, Deserialize)]
struct Stored {
    source: Cow<'static, str>,
    detail_type: Cow<'static, str>,
    detail: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    resources: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace_header: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group_id: Option<String>,
}

impl From<OutgoingEvent> for Stored {
    fn from(event: OutgoingEvent) -> Self {
        let OutgoingEvent {
            event_id: _,
            name: _,
            source,
            detail_type,
            detail,
            time,
            resources,
            trace_header,
            group_id,
            is_reference: _,
        } = event;
        Self { source, detail_type, detail, time, resources, trace_header, group_id }
    }
}

impl TryFrom<Stored> for OutgoingEvent {
    type Error = InvalidEvent;

    fn try_from(stored: Stored) -> Result<Self, InvalidEvent> {
        let Stored { source, detail_type, detail, time, resources, trace_header, group_id } =
            stored;
        let event = Self::from_detail(source, detail_type, detail)?.with_resources(resources)?;
        let mut event = Self { time, trace_header: None, group_id: None, ..event };
        if let Some(header) = trace_header {
            event = event.with_trace_header(header)?;
        }
        if let Some(group_id) = group_id {
            event = event.with_group_id(group_id)?;
        }
        Ok(event)
    }
}

fn check(field: &'static str, text: &str, limit: usize, length: usize) -> Result<(), InvalidEvent> {
    let reason = if text.is_empty() {
        Reason::Empty
    } else if length > limit {
        Reason::TooLong { limit }
    } else {
        return Ok(());
    };
    Err(InvalidEvent::Field { field, reason })
}

/// Error of an event that cannot be sent, however often it is tried.
#[derive(Debug)]
#[non_exhaustive]
pub enum InvalidEvent {
    /// It has no JSON form that readers take: correct the data.
    Write(WriteError),
    /// The bytes are not an event.
    Read(ReadError),
    /// A field around the event is one that `PutEvents` refuses.
    Field {
        /// The field, by its name on the wire.
        field: &'static str,
        /// Problem of the resource.
        reason: Reason,
    },
    /// The data breaks the schema that its type promises to readers.
    #[cfg(feature = "schema")]
    #[cfg_attr(docsrs, doc(cfg(feature = "schema")))]
    Schema(setpiece_envelope::Violations),
    /// It is larger than one request of the bus may be. A [claim check](crate::ClaimCheck) sends
    /// such events by reference.
    TooLarge {
        /// Its size by the formula of the bus, in bytes.
        size: usize,
        /// The most bytes that are allowed.
        limit: usize,
    },
}

impl fmt::Display for InvalidEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(error) => error.fmt(f),
            Self::Read(error) => error.fmt(f),
            Self::Field { field, reason } => write!(f, "`{field}` {reason}"),
            #[cfg(feature = "schema")]
            Self::Schema(violations) => violations.fmt(f),
            Self::TooLarge { size, limit } => {
                write!(f, "the event has {size} bytes, more than the {limit} that the bus takes")
            }
        }
    }
}

impl StdError for InvalidEvent {}

impl ValueFree for InvalidEvent {}

// An event that can be read again can be sent again.
const _: () = assert!(MAX_EVENT_BYTES >= crate::Limits::EVENT_BRIDGE.max_bytes);
