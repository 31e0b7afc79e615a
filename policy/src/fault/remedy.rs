//! Advice for somebody on call: one short sentence for each cause.
//!
//! In these texts `{resource}`, `{service}` and `{action}` stand for what the fault's
//! [`Call`](super::Call) says.

use super::{Call, FaultKind};

/// Codes of the caller's credentials.
const CREDENTIALS: &[&str] = &[
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "InvalidToken",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "IncompleteSignature",
    "ExpiredToken",
    "ExpiredTokenException",
    "TokenRefreshRequired",
    "AuthFailure",
];

/// Codes of a permission that is missing.
const DENIED: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "NotAuthorized",
    "UnauthorizedOperation",
    "AuthorizationError",
];

/// Codes of a resource that does not exist.
const MISSING: &[&str] = &[
    "ResourceNotFoundException",
    "ResourceNotFound",
    "TableNotFoundException",
    "QueueDoesNotExist",
    "NonExistentQueue",
    "QueueDeletedRecently",
    "NotFound",
    "NotFoundException",
    "NoSuchBucket",
];

/// Codes of what a policy of a bus does not allow.
const BUS_POLICY: &[&str] = &[
    "InvalidAccountIdException",
    "NotAuthorizedForSourceException",
    "NotAuthorizedForDetailTypeException",
];

/// The remedy of a code that is not one of throttling, conflict, validation or failure.
pub(super) fn of_setup(code: &str) -> &'static str {
    if DENIED.contains(&code) {
        "allow the role of the function {action} on {resource}"
    } else if MISSING.contains(&code) {
        "check that {resource} exists in this region, and its name in the configuration"
    } else if BUS_POLICY.contains(&code) {
        "look at the policy of {resource}: which accounts, sources and detail-types does it allow"
    } else if CREDENTIALS.contains(&code) {
        "check the credentials of the function"
    } else if code.starts_with("KMS") || code.starts_with("Kms") {
        "look at the KMS key of {resource}: its state, and its permissions for the role of the function"
    } else {
        "look at the configuration and the state of {resource}"
    }
}

pub(super) fn of_throttling(service: Option<&str>) -> &'static str {
    match service {
        Some("DynamoDB") => {
            "raise the capacity of {resource} or make it on-demand, and look for a hot key"
        }
        Some("EventBridge") => {
            "raise the PutEvents quota of the region, or lower the concurrency of the function"
        }
        _ => "lower the concurrency of the function, or raise the limit of {service}",
    }
}

pub(super) fn of_kind(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Transient => "wait, it may pass; if it stays, look at what the handler calls",
        FaultKind::Throttled => "lower the concurrency, or raise the limit of what is called",
        FaultKind::Conflict => "wait, it is decided anew when it comes again",
        FaultKind::Contract => "compare what came with its type, and tell its producer",
        FaultKind::Permanent => "correct the cause, and send it again",
        FaultKind::Deadline => "give the function more time, or less to do",
    }
}

/// Fills in what is known about the call.
pub(super) fn filled(template: &str, call: Option<&Call>) -> String {
    let service = call.map_or("the service", Call::service);
    let resource = call.and_then(Call::resource);
    let resource = resource.map_or_else(|| "the resource".to_owned(), |it| format!("`{it}`"));
    let filled = template.replace("{service}", service).replace("{resource}", &resource);
    if filled.contains("{action}") { filled.replace("{action}", &action(call)) } else { filled }
}

/// The permissions that a request needs, as a policy names them.
fn action(call: Option<&Call>) -> String {
    let Some((call, operation)) = call.and_then(|call| Some((call, call.operation_name()?))) else {
        return "this operation".to_owned();
    };
    let prefix = match call.service() {
        "EventBridge" => "events".to_owned(),
        service => service.to_ascii_lowercase(),
    };
    if operation == "TransactWriteItems" {
        // A transaction has no action of its own.
        let actions = ["ConditionCheckItem", "DeleteItem", "PutItem", "UpdateItem"];
        return actions.map(|action| format!("`{prefix}:{action}`")).join(", ");
    }
    format!("`{prefix}:{operation}`")
}
