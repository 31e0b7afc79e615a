use std::{error::Error, fmt};

use setpiece_envelope::{EventId, ReadError, WriteError};

use super::Tally;

/// Why a handler did not do its work: any error, for `?`.
pub type HandlerError = Box<dyn Error + Send + Sync>;

/// Why one consumer did nothing about one event.
#[derive(Debug)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The event is not what the consumer's type says: compare the type with the producer's.
    Read(ReadError),
    /// The handler failed.
    Handler(HandlerError),
    /// An event that the handler emitted cannot be written as JSON.
    Write(WriteError),
    /// An event that the handler emitted is too deep in its flow: look for services that answer
    /// each other for ever.
    TooDeep {
        /// The name of the emitted event.
        name: &'static str,
        /// The depth that the bus allows.
        limit: u32,
    },
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(_) => f.write_str("the event could not be read"),
            Self::Handler(_) => f.write_str("the handler failed"),
            Self::Write(_) => f.write_str("an emitted event could not be written"),
            Self::TooDeep { name, limit } => {
                write!(f, "emitted `{name}` deeper than {limit} events below the flow's first")
            }
        }
    }
}

impl Error for DeliveryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Read(error) => Some(error),
            Self::Handler(error) => Some(&**error),
            Self::Write(error) => Some(error),
            Self::TooDeep { .. } => None,
        }
    }
}

/// A delivery failed while the bus ran, or several did. The first one is the
/// [source](Error::source).
#[derive(Debug)]
pub struct RunError {
    first: Box<Failure>,
    tally: Tally,
}

/// A delivery that failed.
#[derive(Debug)]
pub(super) struct Failure {
    consumer: String,
    event_name: String,
    event_id: EventId,
    error: DeliveryError,
}

impl Failure {
    pub(super) fn new(
        consumer: &str,
        (event_name, event_id): (&str, &EventId),
        error: DeliveryError,
    ) -> Self {
        Self {
            consumer: consumer.to_owned(),
            event_name: event_name.to_owned(),
            event_id: event_id.clone(),
            error,
        }
    }
}

impl RunError {
    pub(super) fn new(first: Failure, tally: Tally) -> Self {
        Self { first: Box::new(first), tally }
    }

    /// What the bus did in the whole run.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// The consumer whose delivery failed first.
    #[must_use]
    pub fn consumer(&self) -> &str {
        &self.first.consumer
    }

    /// The event that was delivered then.
    #[must_use]
    pub fn event_id(&self) -> &EventId {
        &self.first.event_id
    }

    /// Why it failed.
    #[must_use]
    pub fn error(&self) -> &DeliveryError {
        &self.first.error
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { consumer, event_name, event_id, error: _ } = &*self.first;
        write!(f, "`{consumer}` failed on `{event_name}` {event_id}")?;
        match self.tally.failed {
            0 | 1 => Ok(()),
            2 => f.write_str(", and another delivery failed"),
            failed => write!(f, ", and {} other deliveries failed", failed - 1),
        }
    }
}

impl Error for RunError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.first.error)
    }
}
