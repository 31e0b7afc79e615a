use std::error::Error as StdError;

use setpiece_envelope::{Reason, Violation, WriteError};

/// An error whose text holds no value of an event, so that logs may show it.
///
/// It is a promise about `Display`, of the author of the error: constants, numbers of bytes and
/// places, names that stand in code or configuration. A name that came in with an event is none of
/// those.
pub trait ValueFree: StdError + Send + Sync + 'static {}

impl ValueFree for Reason {}

impl ValueFree for Violation {}

impl ValueFree for WriteError {}
