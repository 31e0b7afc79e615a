//! `PutEvents` as it is on the wire: what goes in, and what comes out.

use std::fmt;

use setpiece_bus::{Limits, OutgoingEvent};
use setpiece_envelope::Timestamp;

/// One entry of a `PutEvents` request, with all that may be missing.
///
/// It may be wrong in any way that a request can be. [`Default`] is the entry with nothing in it,
/// so that a test writes only what it is about:
///
/// ```
/// use setpiece_testing::PutEventsEntry;
///
/// let entry = PutEventsEntry { detail: Some("{}".to_owned()), ..PutEventsEntry::default() };
/// assert_eq!(entry.size(), 2);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PutEventsEntry {
    /// `Source`.
    pub source: Option<String>,
    /// `DetailType`.
    pub detail_type: Option<String>,
    /// `Detail`: the text of a JSON object.
    pub detail: Option<String>,
    /// `Time`. Without one, the bus takes the time at which it got the entry.
    pub time: Option<Timestamp>,
    /// `Resources`; an entry without any has an empty list.
    pub resources: Vec<String>,
    /// `EventBusName`: a name or an ARN. Without one, it is the bus `default` of the account.
    pub event_bus_name: Option<String>,
    /// `TraceHeader`.
    pub trace_header: Option<String>,
}

impl PutEventsEntry {
    /// The entry with the three parts that each must have.
    #[must_use]
    pub fn new(
        source: impl Into<String>,
        detail_type: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            source: Some(source.into()),
            detail_type: Some(detail_type.into()),
            detail: Some(detail.into()),
            ..Self::default()
        }
    }

    /// Makes the entry that an adapter sends of `event` to the bus of this name.
    pub(crate) fn of(event: &OutgoingEvent, event_bus_name: &str) -> Self {
        Self {
            time: event.time(),
            resources: event.resources().to_vec(),
            event_bus_name: Some(event_bus_name.to_owned()),
            trace_header: event.trace_header().map(str::to_owned),
            ..Self::new(event.source(), event.detail_type(), event.detail())
        }
    }

    /// Its bytes by the [formula](Limits::EVENT_BRIDGE) that AWS publishes.
    #[must_use]
    pub fn size(&self) -> usize {
        const TIME_BYTES: usize = 14;
        let Self { source, detail_type, detail, time, resources, .. } = self;
        let texts = [source, detail_type, detail].into_iter().flatten();
        let bytes: usize = texts.chain(resources).map(String::len).sum();
        bytes + if time.is_some() { TIME_BYTES } else { 0 }
    }
}

/// Shows no detail: it can be personal.
impl fmt::Debug for PutEventsEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutEventsEntry")
            .field("source", &self.source)
            .field("detail_type", &self.detail_type)
            .field("detail_bytes", &self.detail.as_ref().map(String::len))
            .field("time", &self.time)
            .field("event_bus_name", &self.event_bus_name)
            .finish_non_exhaustive()
    }
}

/// Answer to a `PutEvents` request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutEventsAnswer {
    /// HTTP 200, with one result for each entry, in their order. All of them may be failures.
    Results(Vec<PutEventsResult>),
    /// The call failed as a whole, and no entry was taken.
    Refused(CallError),
    /// The entries were taken or not, each as it deserved, and the answer never arrives.
    Lost,
    /// No connection comes about. No entry was taken.
    Unreachable,
}

/// Result of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutEventsResult {
    /// The bus has taken it over, under this id. It is one id, however many rules match.
    Accepted {
        /// `EventId`: a UUID.
        event_id: String,
    },
    /// The entry was refused, and others need not have been.
    Failed {
        /// `ErrorCode`.
        code: String,
        /// `ErrorMessage`.
        message: String,
    },
}

impl PutEventsResult {
    pub(crate) fn failed(code: &str, message: impl Into<String>) -> Self {
        Self::Failed { code: code.to_owned(), message: message.into() }
    }
}

/// Error of a call that failed as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallError {
    /// The HTTP status.
    pub status: u16,
    /// The code, without namespace.
    pub code: String,
    /// The message, as AWS words it.
    pub message: String,
}

impl CallError {
    /// An error with this status, code and message.
    #[must_use]
    pub fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into() }
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new(400, "ValidationException", message)
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for CallError {}

/// Limits of one request.
pub(crate) const LIMITS: Limits = Limits::EVENT_BRIDGE;
