//! Answers to sources about their deliveries.

use std::{error::Error as StdError, fmt};

use serde::Serialize;
use setpiece_idempotency::KeyError;
use setpiece_policy::{Fault, FaultKind};

use crate::{
    Delivery, HttpForm, HttpResponse, Source, UnknownShape, app::log, payload::phrase,
    request_key::NotServed,
};

/// End of a delivery.
pub(crate) enum Ended {
    /// Everything that it asked for is durable. Some are answered, in JSON.
    Done(Option<String>),
    /// It has to come again.
    Failed(Fault),
}

/// Error of an invocation that has failed.
///
/// # Error types
///
/// Lambda is told its [type](Self::error_type), which stays as it is: alarms, retries of state
/// machines and `Catch` clauses may name it.
///
/// | type | what has failed | what helps |
/// |---|---|---|
/// | `Setpiece.UnknownShape` | nothing in it could be read | another event source, or another function |
/// | `Setpiece.AnswerTooLarge` | the answer, not the work | a smaller answer |
/// | `Setpiece.Transient` | something did not answer | the same again |
/// | `Setpiece.Throttled` | something had too much to do | the same again, later |
/// | `Setpiece.Conflict` | something had changed | the same again |
/// | `Setpiece.Deadline` | there was not enough time | the same again; more time |
/// | `Setpiece.Contract` | the event or the request is not what was agreed | another request |
/// | `Setpiece.Permanent` | the request cannot be granted, or a handler panicked | another request, or other code |
/// | `Setpiece.Failed` | anything that has no name yet | |
///
/// The message is all that is known about what has failed, with what to do about it. It has no data
/// of events. Its `Debug` text is its message, because that is what `lambda_runtime` logs.
#[non_exhaustive]
pub enum InvokeError {
    /// It is nothing that this crate knows. Deliveries cannot be told apart in it, so none is
    /// handled.
    UnknownShape(UnknownShape),
    /// Deliveries have failed, and the source cannot be told which. It has to deliver all of them
    /// again; those that are done are not done again.
    Failed {
        /// Number of deliveries that failed.
        failed: usize,
        /// Number of deliveries in the invocation.
        of: usize,
        /// Fault of the first delivery that failed.
        fault: Fault,
    },
    /// The work is done, and its answer has more bytes than Lambda takes. Lambda would throw it
    /// away, and say nothing to the function.
    AnswerTooLarge {
        /// Size of the answer in bytes.
        size: usize,
        /// The most bytes that Lambda takes.
        limit: usize,
    },
}

/// The most bytes of an answer: the quota of 6 MB, as Lambda says it where it is exceeded.
const MAX_ANSWER_BYTES: usize = 6_291_556;

/// The most bytes of an answer to a load balancer, which answers 502 for more: 1 MB, as
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html> has
/// it.
const MAX_ALB_ANSWER_BYTES: usize = 1024 * 1024;

impl InvokeError {
    /// Its name for metrics and for the error types of Lambda, such as `Setpiece.UnknownShape` or
    /// `Setpiece.Transient`. It stays as it is.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::UnknownShape(_) => "Setpiece.UnknownShape",
            Self::AnswerTooLarge { .. } => "Setpiece.AnswerTooLarge",
            Self::Failed { fault, .. } => match fault.kind() {
                FaultKind::Transient => "Setpiece.Transient",
                FaultKind::Throttled => "Setpiece.Throttled",
                FaultKind::Conflict => "Setpiece.Conflict",
                FaultKind::Contract => "Setpiece.Contract",
                FaultKind::Permanent => "Setpiece.Permanent",
                FaultKind::Deadline => "Setpiece.Deadline",
                _ => "Setpiece.Failed",
            },
        }
    }

    /// The message without the advice.
    pub(crate) fn problem(&self) -> String {
        match self {
            Self::UnknownShape(UnknownShape::Malformed(violation)) => {
                format!("the invocation cannot be read: {violation}")
            }
            Self::UnknownShape(shape) => shape.to_string(),
            Self::Failed { failed: 1, of: 1, fault } => fault.to_string(),
            Self::Failed { failed, of, fault } => {
                format!("{failed} of {of} deliveries have failed: {fault}")
            }
            Self::AnswerTooLarge { size, limit } => {
                format!("the answer has {size} bytes, more than the {limit} that Lambda takes")
            }
        }
    }

    /// Advice for somebody on call: one short sentence without a capital and a full stop.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::UnknownShape(_) => {
                "look at what invokes the function: it sends nothing that is known".to_owned()
            }
            Self::AnswerTooLarge { .. } => "make the answer of the handler smaller".to_owned(),
            Self::Failed { fault, .. } => fault.remedy(),
        }
    }
}

impl fmt::Debug for InvokeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for InvokeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; to do: {}", self.problem(), self.remedy())
    }
}

impl StdError for InvokeError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::UnknownShape(shape) => shape.source(),
            Self::Failed { fault, .. } => fault.source(),
            Self::AnswerTooLarge { .. } => None,
        }
    }
}

impl From<UnknownShape> for InvokeError {
    fn from(shape: UnknownShape) -> Self {
        Self::UnknownShape(shape)
    }
}

/// Content of an answer.
pub(crate) struct Answer<'a> {
    source: Source,
    deliveries: &'a [Delivery<'a>],
    ended: Vec<Ended>,
}

/// Answer that Lambda reads from functions that may fail in part. See
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html> and, for streams,
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html>.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PartialBatch<'a> {
    batch_item_failures: Vec<Failure<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure<'a> {
    item_identifier: &'a str,
}

impl<'a> Answer<'a> {
    pub(crate) fn new(source: Source, deliveries: &'a [Delivery<'a>], ended: Vec<Ended>) -> Self {
        Self { source, deliveries, ended }
    }

    /// Writes what the source reads.
    ///
    /// # Errors
    ///
    /// Something has failed, and the source reads nothing but that.
    pub(crate) fn write(self, whole_batches: bool) -> Result<String, InvokeError> {
        match self.source {
            Source::Sqs { .. } if !whole_batches => self.write_failures(usize::MAX),
            // From the first one that failed on, everything is delivered again.
            Source::Kinesis | Source::DynamoDbStream if !whole_batches => self.write_failures(1),
            Source::Http(form) => Ok(self.write_response(form)),
            _ => self.write_whole(),
        }
    }

    fn write_failures(self, limit: usize) -> Result<String, InvokeError> {
        let failed = self.deliveries.iter().zip(&self.ended).filter_map(|(delivery, ended)| {
            matches!(ended, Ended::Failed(_)).then_some(delivery.facts.item_id.as_deref())
        });
        let identifiers: Option<Vec<_>> = failed.take(limit).collect();
        // An empty identifier, or none, would be taken for success or for failure of all.
        let Some(identifiers) = identifiers else { return self.write_whole() };
        let batch_item_failures =
            identifiers.into_iter().map(|item_identifier| Failure { item_identifier }).collect();
        match serde_json::to_string(&PartialBatch { batch_item_failures }) {
            Ok(json) => Ok(json),
            Err(_) => self.write_whole(),
        }
    }

    fn write_whole(self) -> Result<String, InvokeError> {
        let of = self.ended.len();
        let (mut failed, mut first, mut response) = (0, None, None);
        for ended in self.ended {
            match ended {
                Ended::Failed(fault) => {
                    failed += 1;
                    first.get_or_insert(fault);
                }
                Ended::Done(answer) => response = answer,
            }
        }
        match first {
            Some(fault) => Err(InvokeError::Failed { failed, of, fault }),
            None => match response {
                Some(response) if response.len() > MAX_ANSWER_BYTES => {
                    let size = response.len();
                    Err(InvokeError::AnswerTooLarge { size, limit: MAX_ANSWER_BYTES })
                }
                response => Ok(response.unwrap_or_else(|| "null".to_owned())),
            },
        }
    }

    /// A request that fails is answered, too: Lambda's own answer would be 502 whatever it is.
    fn write_response(self, form: HttpForm) -> String {
        let limit = match form {
            HttpForm::Alb | HttpForm::AlbMultiValue => MAX_ALB_ANSWER_BYTES,
            _ => MAX_ANSWER_BYTES,
        };
        let response = match self.ended.into_iter().next() {
            Some(Ended::Done(Some(response))) if response.len() <= limit => return response,
            Some(Ended::Done(Some(response))) => {
                // An answer that Lambda would throw away is none.
                let size = response.len();
                log::refused(&InvokeError::AnswerTooLarge { size, limit });
                HttpResponse::new(500)
            }
            Some(Ended::Done(None)) => HttpResponse::new(204),
            Some(Ended::Failed(fault)) => refusal(&fault),
            None => HttpResponse::new(500),
        };
        // Its status and its headers are ours.
        response.to_json(form).unwrap_or_default()
    }
}

/// The response that says what a fault says.
///
/// The statuses of idempotency keys are those of
/// [the draft of the IETF](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/):
/// 400 without a key, 422 for one of another request, 409 while the first one is in progress. Each
/// has its reason in the body, as [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) has it; what
/// else fails is nothing for strangers. It is never 429: too much to do is a matter of the service,
/// and of none of its clients.
fn refusal(fault: &Fault) -> HttpResponse {
    let (status, detail) = match NotServed::of(fault) {
        Some(NotServed::Reused) => (422, Some("the idempotency key was used with another request")),
        Some(NotServed::InProgress) => {
            (409, Some("a request with the same idempotency key is in progress"))
        }
        Some(NotServed::NoKey(KeyError::Missing | KeyError::Empty)) => {
            (400, Some("the request needs an idempotency key"))
        }
        Some(NotServed::NoKey(KeyError::NotOne)) => {
            (400, Some("the request needs one idempotency key of at most 255 bytes"))
        }
        // The service has made a key that is none.
        Some(NotServed::NoKey(_)) => (500, None),
        None => (status(fault), None),
    };
    let mut response = HttpResponse::new(status);
    if let Some(detail) = detail {
        let problem = Problem { title: phrase(status), status, detail };
        // Texts and numbers always have a JSON form.
        response = response
            .with_header("content-type", "application/problem+json")
            .with_body(serde_json::to_vec(&problem).unwrap_or_default());
    }
    match fault.retry_after() {
        Some(delay) if matches!(status, 409 | 503) => {
            let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
            response.with_header("retry-after", seconds.to_string())
        }
        _ => response,
    }
}

#[derive(Serialize)]
struct Problem {
    title: &'static str,
    status: u16,
    detail: &'static str,
}

/// The status that says what a fault says.
fn status(fault: &Fault) -> u16 {
    match fault.kind() {
        FaultKind::Contract => 400,
        FaultKind::Conflict => 409,
        FaultKind::Throttled | FaultKind::Transient | FaultKind::Deadline => 503,
        _ => 500,
    }
}
