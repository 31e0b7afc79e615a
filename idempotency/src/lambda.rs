use lambda_runtime::Diagnostic;

use crate::GuardError;

impl<E: Into<Self>> From<GuardError<E>> for Diagnostic {
    /// Tells Lambda `Idempotency.` and the [name](GuardError::name) of the error as its type, which
    /// state machines can retry by. An error of the handler stays what it is.
    fn from(error: GuardError<E>) -> Self {
        let error_type = format!("Idempotency.{}", error.name());
        let error_message = error.to_string();
        match error {
            GuardError::Handler(failed) => failed.error.into(),
            _ => Self { error_type, error_message },
        }
    }
}
