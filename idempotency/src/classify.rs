use setpiece_policy::{Disposition, Fault};

use crate::store::Semantics;

/// Decides what becomes of a key when the work on it returned an error.
///
/// Any function of the error is one. A guard without one goes [by its semantics](BySemantics).
///
/// ```
/// use setpiece_idempotency::{AfterError, Classify, RecordedError, Semantics};
///
/// enum ChargeError {
///     CardDeclined,
///     NoConnection,
///     NoAnswer,
/// }
///
/// fn after(error: &ChargeError) -> AfterError {
///     match error {
///         ChargeError::CardDeclined => {
///             AfterError::Record(RecordedError::new("CardDeclined", "the card was declined"))
///         }
///         ChargeError::NoConnection => AfterError::Release,
///         ChargeError::NoAnswer => AfterError::Hold,
///     }
/// }
///
/// let next = after.classify(&ChargeError::NoConnection, Semantics::AtLeastOnce);
/// assert_eq!(next, AfterError::Release);
/// ```
pub trait Classify<E>: Send + Sync {
    /// Returns the action to take after `error`, under a guard with these semantics.
    fn classify(&self, error: &E, semantics: Semantics) -> AfterError;
}

/// Action on a key after the work on it returned an error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AfterError {
    /// Give it back, payload and all: the next call runs the work, also when it was corrected and
    /// has another [fingerprint](crate::Key::with_fingerprint). An error after which something may
    /// have happened that only the same payload may complete is to be [held](Self::Hold).
    Release,
    /// Keep the error: the next call gets it without running the work.
    Record(RecordedError),
    /// Leave it as it is, because nobody knows whether the effect happened. The next call is told
    /// that somebody works on it, until the lease lapses; then it runs the work again, or is told
    /// that the work was [interrupted](crate::GuardError::Interrupted), as the semantics say.
    Hold,
}

/// An error as it is kept and replayed: what the classifier says of it, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct RecordedError {
    /// Kind of the error, for programs.
    pub code: String,
    /// Description of the error, for people. It is stored, so it should quote nothing that must not
    /// be.
    pub message: String,
    /// True if the call that is told of the error has run the work as well.
    #[serde(skip)]
    pub(crate) was_run: bool,
}

impl RecordedError {
    /// An error of that kind, with that message.
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), was_run: false }
    }
}

/// Releases the key after any error when the work may be run again, and holds it when the work must
/// not be: an error alone does not tell that nothing happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct BySemantics;

impl<E> Classify<E> for BySemantics {
    fn classify(&self, _: &E, semantics: Semantics) -> AfterError {
        match semantics {
            Semantics::AtLeastOnce => AfterError::Release,
            Semantics::AtMostOnce => AfterError::Hold,
        }
    }
}

/// Goes by what a [`Fault`] says of itself.
///
/// What would be [quarantined](Disposition::Quarantine) fails however often it is tried, so it is
/// recorded, with the fault's kind and context. After anything else the key is released; but when
/// the effect [may have happened](Fault::may_have_happened) and must not happen twice, it is held.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByFault;

impl Classify<Fault> for ByFault {
    fn classify(&self, fault: &Fault, semantics: Semantics) -> AfterError {
        if fault.may_have_happened() && semantics == Semantics::AtMostOnce {
            return AfterError::Hold;
        }
        match fault.disposition() {
            Disposition::Quarantine => {
                AfterError::Record(RecordedError::new(fault.kind().to_string(), fault.context()))
            }
            Disposition::RetryHere { .. } | Disposition::FailItem => AfterError::Release,
        }
    }
}

impl<E, F: Fn(&E) -> AfterError + Send + Sync> Classify<E> for F {
    fn classify(&self, error: &E, _: Semantics) -> AfterError {
        self(error)
    }
}
