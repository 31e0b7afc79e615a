use std::{error::Error, fmt, io};

use crate::Broken;

/// Error of a run that ended before its input did.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// The input cannot be read on.
    Read {
        /// The line that could not be read.
        line: u64,
        /// Error of the input.
        source: io::Error,
    },
    /// The report cannot be written. Of the kind [`BrokenPipe`](io::ErrorKind::BrokenPipe) when its
    /// reader has seen enough.
    Write(io::Error),
    /// The rejected lines, which the JSON report keeps in a temporary file, cannot be kept.
    Spool(io::Error),
    /// A promise was broken in one of many worlds.
    Broken(Box<Broken>),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { line, source: _ } => write!(f, "line {line} cannot be read"),
            Self::Write(_) => f.write_str("the report cannot be written"),
            Self::Spool(_) => f.write_str("the rejected lines cannot be kept in a temporary file"),
            Self::Broken(broken) => write!(f, "a promise is broken: {broken}"),
        }
    }
}

impl Error for RunError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Read { source, .. } | Self::Write(source) | Self::Spool(source) => Some(source),
            Self::Broken(_) => None,
        }
    }
}
