//! The line that somebody on call reads: one for each failure, with the same names every time.
//!
//! The names are documented with the crate, and others build on them.

use setpiece_policy::{Call, Fault, FaultKind};

use crate::{Ending, InvokeError, request_key::NotServed};

/// Writes one line with the fields of a fault.
macro_rules! line {
    ($level:ident, $message:literal, $ending:expr, $handler:expr, $reason:expr, $fault:expr) => {{
        let fault: &Fault = $fault;
        let call = fault.call();
        let gave_up = fault.gave_up();
        let millis = |elapsed: std::time::Duration| {
            u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
        };
        tracing::$level!(
            ending = $ending,
            handler = $handler,
            reason = $reason,
            fault.kind = %fault.kind(),
            fault.context = fault.context(),
            fault.reason = fault.reason(),
            fault.source = fault.shown_source(),
            fault.code = fault.code(),
            aws.service = call.map(Call::service),
            aws.operation = call.and_then(Call::operation_name),
            aws.resource = call.and_then(Call::resource),
            gave_up = gave_up.map(tracing::field::display),
            tries = fault.tries(),
            gave_up_after_ms = gave_up.and(fault.elapsed()).map(millis),
            may_have_happened = fault.may_have_happened(),
            remedy = fault.remedy(),
            $message
        );
    }};
}

/// Says how a delivery ended, or one of its handlers.
///
/// What stays until somebody does something is an error, and what may pass is a warning.
pub(crate) fn ended(ending: Ending<'_>, handler: Option<&str>) {
    let name = ending.name();
    match ending {
        Ending::Quarantined { reason, fault } => {
            let reason = Some(reason.name());
            line!(error, "a delivery was put into quarantine", name, handler, reason, fault);
        }
        Ending::Unpublished(fault) => {
            line!(error, "an event stays in the outbox", name, handler, None::<&str>, fault);
        }
        Ending::Failed(fault) if is_lasting(fault) => {
            line!(error, "a delivery has failed", name, handler, None::<&str>, fault);
        }
        Ending::Failed(fault) => {
            line!(warn, "a delivery has failed", name, handler, None::<&str>, fault);
        }
        Ending::NoTime => {
            line!(warn, "a delivery has failed", name, handler, None::<&str>, &super::no_time());
        }
        Ending::Acknowledged
        | Ending::Done
        | Ending::Again
        | Ending::Stale
        | Ending::Ignored
        | Ending::Foreign => tracing::debug!(ending = name, handler, "a delivery has ended"),
    }
}

/// Says that nothing was wrong with a delivery but what stood before it.
pub(super) fn held_up(fault: &Fault) {
    tracing::debug!(ending = "Failed", fault.context = fault.context(), "a delivery has ended");
}

/// Says why an invocation failed for which no delivery is to blame.
pub(crate) fn refused(error: &InvokeError) {
    match error {
        // Each delivery has a line of its own.
        InvokeError::Failed { .. } => {}
        InvokeError::UnknownShape(_) | InvokeError::AnswerTooLarge { .. } => {
            tracing::error!(
                error.r#type = error.error_type(),
                error.message = error.problem(),
                remedy = error.remedy(),
                "an invocation has failed"
            );
        }
    }
}

fn is_lasting(fault: &Fault) -> bool {
    // What its client can correct is no matter for somebody on call.
    matches!(fault.kind(), FaultKind::Contract | FaultKind::Permanent)
        && NotServed::of(fault).is_none()
}
