use std::fmt;

use setpiece_envelope::ReadError;

use crate::lines::MAX_LINE_BYTES;

/// Reason that a line is no registration: names the member, never its value.
#[derive(Debug)]
pub(crate) enum Rejection {
    TooLong,
    Unreadable(ReadError),
}

impl From<ReadError> for Rejection {
    fn from(error: ReadError) -> Self {
        Self::Unreadable(error)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the line is longer than {MAX_LINE_BYTES} bytes"),
            Self::Unreadable(error) => match error.violation() {
                // Nobody who edits a file of lines knows a `$` as the name of the whole line.
                Some(violation) if violation.path() == "$" => {
                    write!(f, "the line {}", violation.reason())
                }
                Some(_) | None => error.fmt(f),
            },
        }
    }
}
