//! What a source is told about its deliveries.

use std::{error::Error as StdError, fmt};

use serde::Serialize;
use setpiece_policy::{Fault, FaultKind};

use crate::{Delivery, HttpForm, HttpResponse, Source, UnknownShape};

/// How a delivery has ended.
pub(crate) enum Ended {
    /// Everything that it asked for is durable. Some are answered, in JSON.
    Done(Option<String>),
    /// It has to come again.
    Failed(Fault),
}

/// Why an invocation has failed.
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
/// The message is about what has failed, in words of the code that failed it. It has no data of
/// events.
#[derive(Debug)]
#[non_exhaustive]
pub enum InvokeError {
    /// It is nothing that this crate knows. Deliveries cannot be told apart in it, so none is
    /// handled.
    UnknownShape(UnknownShape),
    /// Deliveries have failed, and the source cannot be told which. It has to deliver all of them
    /// again; those that are done are not done again.
    Failed {
        /// How many have failed.
        failed: usize,
        /// How many there were.
        of: usize,
        /// Why the first one of them did.
        fault: Fault,
    },
    /// The work is done, and its answer has more bytes than Lambda takes. Lambda would throw it
    /// away, and say nothing to the function.
    AnswerTooLarge {
        /// How many bytes it has.
        size: usize,
        /// The most bytes that Lambda takes.
        limit: usize,
    },
}

/// The most bytes of an answer: the quota of 6 MB, as Lambda says it where it is exceeded.
const MAX_ANSWER_BYTES: usize = 6_291_556;

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
}

impl fmt::Display for InvokeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownShape(shape) => shape.fmt(f),
            Self::Failed { failed: 1, of: 1, fault } => fault.fmt(f),
            Self::Failed { failed, of, fault } => {
                write!(f, "{failed} of {of} deliveries have failed: {fault}")
            }
            Self::AnswerTooLarge { size, limit } => {
                write!(f, "the answer has {size} bytes, more than the {limit} that Lambda takes")
            }
        }
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

/// What is to be told.
pub(crate) struct Answer<'a> {
    source: Source,
    deliveries: &'a [Delivery<'a>],
    ended: Vec<Ended>,
}

/// What Lambda reads from functions that may fail in part. See
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
        let status = match self.ended.into_iter().next() {
            Some(Ended::Done(Some(response))) if response.len() <= MAX_ANSWER_BYTES => {
                return response;
            }
            Some(Ended::Done(None)) => 204,
            Some(Ended::Failed(fault)) => status(&fault),
            // An answer that Lambda would throw away is none.
            Some(Ended::Done(Some(_))) | None => 500,
        };
        HttpResponse::new(status).to_json(form)
    }
}

/// The status that says what a fault says.
fn status(fault: &Fault) -> u16 {
    match fault.kind() {
        FaultKind::Contract => 400,
        FaultKind::Conflict => 409,
        FaultKind::Throttled => 429,
        FaultKind::Transient | FaultKind::Deadline => 503,
        _ => 500,
    }
}
