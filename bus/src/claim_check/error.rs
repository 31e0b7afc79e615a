use std::{error::Error as StdError, fmt};

use setpiece_policy::{Fault, ValueFree};

/// Error of data that an event refers to and that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClaimCheckError {
    /// The event does not say well where its data is.
    Malformed {
        /// The member of its metadata that is missing or of another form.
        member: &'static str,
    },
    /// The data is larger than is allowed.
    TooLarge {
        /// Size of the data in bytes.
        size: usize,
        /// The most bytes that are allowed.
        limit: usize,
    },
    /// There is nothing under the reference, or not any more: compare how long the store and the
    /// archive keep.
    Missing,
    /// Other data than was sent with this event: it was changed, or it is another event's.
    Altered,
}

impl fmt::Display for ClaimCheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { member } => {
                write!(f, "`metadata.{member}` is missing or does not have its form")
            }
            Self::TooLarge { size, limit } => {
                write!(f, "the data has {size} bytes, more than the {limit} that are allowed")
            }
            Self::Missing => f.write_str("the data is not where the event refers to"),
            Self::Altered => f.write_str("the data is not what was sent with this event"),
        }
    }
}

impl StdError for ClaimCheckError {}

impl ValueFree for ClaimCheckError {}

impl From<ClaimCheckError> for Fault {
    /// A [contract](setpiece_policy::FaultKind::Contract) fault.
    fn from(error: ClaimCheckError) -> Self {
        let remedy = match &error {
            ClaimCheckError::Malformed { .. } => "look at the producer: it writes no claim checks",
            ClaimCheckError::TooLarge { .. } => {
                "raise the limit of the claim check, or have the producer send less"
            }
            ClaimCheckError::Missing => {
                "compare how long the payload store keeps with the age of the event"
            }
            ClaimCheckError::Altered => {
                "find out who can write to the payload store, or who sends another event's reference"
            }
        };
        Self::contract("the data of the event cannot be fetched")
            .with_remedy(remedy)
            .with_shown_source(error)
    }
}
