//! Error codes of AWS services, and the faults that they stand for.
//!
//! A code is judged by two questions: would the very same call succeed if it were sent again, and
//! if not, is the item to blame or what surrounds it? The codes are those of DynamoDB, EventBridge
//! (both kinds of buses), SQS, SNS, S3, Lambda, KMS, STS and Step Functions, and those that all
//! services share. What counts as throttling agrees with `THROTTLING_ERRORS` in `aws-runtime`.

use super::{Fault, remedy as remedies};

/// Verdict on a code. Each has one reason, which its place in [`verdict`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Refused for now, for there is too much to do.
    Throttled,
    /// Refused at a limit that waiting may or may not lift.
    Limit,
    /// An earlier call with the same token is still being worked on.
    Unsettled,
    /// The service failed, at a point that nobody knows.
    Failed,
    /// Refused before anything was done, for a reason that passes.
    Busy,
    /// Refused because of when it was signed.
    Signature,
    /// The state is another one than the call asked for.
    Conflict,
    /// The call itself is wrong, and what it says came from the item.
    Item,
    /// Wrong setup around the call: permissions, names, deployments.
    Setup,
}

/// Prefix that SQS writes before most codes of its own, also through the AWS SDK.
const SQS: &str = "AWS.SimpleQueueService.";

/// Retries of a code that we know nothing or too little about.
const CAP: u32 = 1;

impl Fault {
    /// Makes a fault of the error code of an AWS service, given the HTTP status if there was one.
    ///
    /// A code that is not known is judged by its status: 429 is [throttled](crate::FaultKind::Throttled);
    /// 408, 500, 502, 503 and 504 are [transient](crate::FaultKind::Transient), as in the AWS SDK. Any
    /// other is transient, too, but may be [tried again only once](Fault::max_retries): somebody
    /// has to look at it, and until then it must not cost much.
    ///
    /// ```
    /// use setpiece_policy::{Disposition, Fault, FaultKind};
    ///
    /// let fault = Fault::from_code("ProvisionedThroughputExceededException", Some(400));
    /// assert_eq!(fault.kind(), FaultKind::Throttled);
    ///
    /// let fault = Fault::from_code("AccessDeniedException", Some(400));
    /// assert_eq!(fault.kind(), FaultKind::Permanent);
    /// assert_eq!(fault.disposition(), Disposition::FailItem); // the item is not to blame
    ///
    /// let fault = Fault::from_code("TeapotException", Some(418));
    /// assert_eq!((fault.kind(), fault.max_retries()), (FaultKind::Transient, Some(1)));
    /// ```
    ///
    /// A `TransactionCanceledException` is a conflict as a whole. Its cancellation reasons tell
    /// more and have codes of their own (`ConditionalCheckFailed`, `TransactionConflict`,
    /// `ThrottlingError`, …), which are known here, too.
    #[must_use]
    pub fn from_code(code: &str, status: Option<u16>) -> Self {
        let code = bare(code);
        let mut fault = match verdict(code.strip_prefix(SQS).unwrap_or(code)) {
            Some(verdict) => judged(verdict),
            None => unknown(status),
        };
        if !code.is_empty() {
            fault.0.code = Some(shown(code).into());
        }
        fault
    }

    /// Makes a fault of the error code of one entry in the answer of EventBridge's `PutEvents`.
    ///
    /// Only `InternalFailure` and `ThrottlingException` are worth another try:
    /// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html>.
    /// A code that is not listed there is judged as [`from_code`](Self::from_code) does.
    #[must_use]
    pub fn from_put_events_code(code: &str) -> Self {
        let verdict = match code {
            "InternalFailure" => Verdict::Failed,
            "ThrottlingException" => Verdict::Throttled,
            // What the entry says is wrong, and it says what the item gave it.
            "InvalidArgument" | "MalformedDetail" | "RedactionFailure" => Verdict::Item,
            // What the bus allows is configuration, as much as the account and its key.
            "AccessDeniedException"
            | "InvalidAccountIdException"
            | "NotAuthorizedForSourceException"
            | "NotAuthorizedForDetailTypeException" => Verdict::Setup,
            other => {
                return Self::from_code(other, None).with_context("the bus refused an event");
            }
        };
        let mut fault = judged(verdict).with_context("the bus refused an event");
        fault.0.code = Some(code.into());
        fault
    }
}

/// The remedy of a code that is known.
pub(super) fn remedy(code: &str, service: Option<&str>) -> Option<&'static str> {
    let code = code.strip_prefix(SQS).unwrap_or(code);
    Some(match verdict(code)? {
        Verdict::Throttled => remedies::of_throttling(service),
        Verdict::Limit => {
            "look at the quotas of {service}, and have the one that is reached raised"
        }
        Verdict::Unsettled => "wait, an earlier try of the same call is still running",
        Verdict::Failed => "wait, it may pass; if it stays, look at the AWS Health Dashboard",
        Verdict::Busy => {
            "wait, it may pass; if it stays, look at who else changes {resource} at the same time"
        }
        Verdict::Signature => "check the clock and the credentials of the function",
        Verdict::Conflict => {
            "wait, it is decided anew when it comes again; if it stays, look at who else writes to \
             {resource}"
        }
        Verdict::Item => "look at what the handler sends: {service} calls the request invalid",
        Verdict::Setup => remedies::of_setup(code),
    })
}

fn judged(verdict: Verdict) -> Fault {
    match verdict {
        Verdict::Throttled => Fault::throttled("a service is being asked too much"),
        Verdict::Limit => Fault::throttled("a limit of a service is reached").with_max_retries(CAP),
        Verdict::Unsettled => {
            Fault::throttled("the same call is still being worked on").with_may_have_happened(true)
        }
        Verdict::Failed => Fault::transient("a service failed"),
        Verdict::Busy => Fault::transient("a service is not ready").with_may_have_happened(false),
        Verdict::Signature => Fault::transient("a service refused the signature")
            .with_may_have_happened(false)
            .with_max_retries(CAP),
        Verdict::Conflict => Fault::conflict("the state is not what was expected"),
        Verdict::Item => Fault::permanent("a service refused the request"),
        Verdict::Setup => Fault::permanent("a service refused the caller").hand_back(),
    }
}

fn unknown(status: Option<u16>) -> Fault {
    match status {
        Some(429) => Fault::throttled("a service is being asked too much"),
        Some(408 | 500 | 502 | 503 | 504) => Fault::transient("a service failed"),
        // Whatever it is, a service that says 4xx has refused to do it.
        Some(400..=499) => Fault::transient("a service refused for an unknown reason")
            .with_may_have_happened(false)
            .with_max_retries(CAP),
        Some(_) | None => {
            Fault::transient("a service failed for an unknown reason").with_max_retries(CAP)
        }
    }
}

#[expect(clippy::too_many_lines, reason = "a table, which is read best in one piece")]
fn verdict(code: &str) -> Option<Verdict> {
    Some(match code {
        // All services, and what they call it.
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "Throttled"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "BandwidthLimitExceeded"
        | "PriorRequestNotComplete"
        | "SlowDown"
        | "EC2ThrottledException"
        // DynamoDB: of a table, of one request, of one action of a transaction.
        | "ProvisionedThroughputExceededException"
        | "ProvisionedThroughputExceeded"
        | "ThrottlingError"
        // KMS, in the words of SQS, SNS and Kinesis.
        | "KmsThrottled"
        | "KMS.ThrottlingException"
        | "KMSThrottling"
        | "KMSThrottlingException" => Verdict::Throttled,

        // The AWS SDK counts this as throttling, and for DynamoDB's control plane it is. For others
        // it is a quota that no waiting lifts.
        "LimitExceededException"
        | "LimitExceeded"
        | "ServiceQuotaExceededException"
        // SQS: too many messages in flight, which ends when the consumers get on.
        | "OverLimit" => Verdict::Limit,

        // DynamoDB: the token of this transaction belongs to one that runs. Ours, most likely: its
        // answer was lost.
        "TransactionInProgressException" => Verdict::Unsettled,

        "InternalServerError"
        | "InternalServerErrorException"
        | "InternalServerException"
        | "InternalFailure"
        | "InternalError"
        | "InternalErrorException"
        | "InternalException"
        | "ServiceException"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "RequestTimeout"
        | "RequestTimeoutException"
        // KMS, by itself and through Lambda.
        | "KMSInternalException"
        | "DependencyTimeoutException" => Verdict::Failed,

        // DynamoDB: another transaction held the item, and nothing was written. The same request
        // may pass in a moment; if the state has changed, its condition says so.
        "TransactionConflictException"
        | "TransactionConflict"
        | "ReplicatedWriteConflictException"
        // DynamoDB: the table is just being changed.
        | "ResourceInUseException"
        // S3: another write of the same key was under way.
        | "OperationAborted"
        | "ConditionalRequestConflict"
        // EventBridge: another change of the same rule; a registry that cannot be reached.
        | "ConcurrentModificationException"
        | "SchemaRegistryUnavailable"
        | "SchemaRegistryUnavailableException"
        // Lambda: a function that is being deployed, restored or connected.
        | "ResourceConflictException"
        | "ResourceNotReadyException"
        | "SnapStartNotReadyException"
        // KMS says of this one that it may be tried again.
        | "KeyUnavailableException"
        // STS: the identity provider did not answer.
        | "IDPCommunicationError" => Verdict::Busy,

        // A sandbox that is frozen between signing and sending sends an old signature; the next
        // try signs anew. If the clock or the key is wrong, one more try shows it.
        "RequestTimeTooSkewed"
        | "RequestExpired"
        | "RequestInTheFuture"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException" => Verdict::Signature,

        // DynamoDB: what was read is not what is there.
        "ConditionalCheckFailedException"
        | "ConditionalCheckFailed"
        | "DuplicateItemException"
        | "DuplicateItem"
        // DynamoDB: its reasons tell more. Where all that is known is that it was cancelled,
        // deciding anew is right for each of them.
        | "TransactionCanceledException"
        // S3: `If-Match` and its kin.
        | "PreconditionFailed"
        | "ConflictException"
        // SQS: somebody else has received the message by now, and it is not ours to settle.
        | "ReceiptHandleIsInvalid"
        | "MessageNotInflight"
        | "ResourceAlreadyExistsException" => Verdict::Conflict,

        // All services: what was sent is not what the operation takes.
        "ValidationException"
        | "ValidationError"
        | "SerializationException"
        | "MalformedQueryString"
        | "MissingParameter"
        | "InvalidParameter"
        | "InvalidParameterException"
        | "InvalidParameterValue"
        | "InvalidParameterValueException"
        | "InvalidParameterCombination"
        // DynamoDB: one partition with local indexes has 10 GB; the token of a transaction came
        // with other actions before, so the decision was not the same twice.
        | "ItemCollectionSizeLimitExceededException"
        | "ItemCollectionSizeLimitExceeded"
        | "IdempotentParameterMismatchException"
        // EventBridge.
        | "InvalidArgument"
        | "InvalidInput"
        | "InvalidInputException"
        | "MalformedDetail"
        | "RedactionFailure"
        // SQS: the message.
        | "InvalidMessageContents"
        | "BatchRequestTooLong"
        // S3: reads are consistent, so what a claim check points to is not there.
        | "NoSuchKey"
        | "NoSuchVersion"
        | "EntityTooLarge"
        | "KeyTooLongError"
        // Lambda.
        | "InvalidRequestContentException"
        | "RequestTooLargeException"
        | "UnsupportedMediaTypeException"
        // KMS: not what this key has encrypted, or in another context.
        | "InvalidCiphertextException"
        // Step Functions: whoever waited for this callback does not wait any more.
        | "TaskDoesNotExist"
        | "TaskTimedOut" => Verdict::Item,

        // All services: who calls, and what they may do.
        "AccessDenied"
        | "AccessDeniedException"
        | "NotAuthorized"
        | "UnauthorizedOperation"
        | "AuthorizationError"
        | "AuthFailure"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidToken"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignature"
        | "OptInRequired"
        // A sandbox keeps its credentials for life, so another one has to do it.
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "TokenRefreshRequired"
        // A table, queue, topic, bucket, key, function or bus that is not there, or not yet.
        | "ResourceNotFoundException"
        | "ResourceNotFound"
        | "TableNotFoundException"
        | "QueueDoesNotExist"
        | "NonExistentQueue"
        | "QueueDeletedRecently"
        | "NotFound"
        | "NotFoundException"
        | "NoSuchBucket"
        // One that is switched off.
        | "DisabledException"
        | "EndpointDisabled"
        | "InvalidState"
        | "InvalidStateException"
        | "OperationDisabledException"
        | "RegionDisabledException"
        // A key that encrypts it and is not there for the caller.
        | "KmsAccessDenied"
        | "KmsDisabled"
        | "KmsInvalidState"
        | "KmsNotFound"
        | "KmsOptInRequired"
        | "KMS.AccessDeniedException"
        | "KMS.DisabledException"
        | "KMS.InvalidStateException"
        | "KMS.NotFoundException"
        | "KMS.OptInRequired"
        | "KMSAccessDenied"
        | "KMSDisabled"
        | "KMSInvalidState"
        | "KMSNotFound"
        | "KMSOptInRequired"
        | "KMSAccessDeniedException"
        | "KMSDisabledException"
        | "KMSInvalidStateException"
        | "KMSNotFoundException"
        // EventBridge: rules that another service owns, and what a bus allows.
        | "ManagedRuleException"
        | "InvalidAccountIdException"
        | "NotAuthorizedForSourceException"
        | "NotAuthorizedForDetailTypeException"
        // SQS: whoever packed the batch made a mistake, and its entries are as good as before.
        | "EmptyBatchRequest"
        | "TooManyEntriesInBatchRequest"
        | "BatchEntryIdsNotDistinct"
        | "InvalidBatchEntryId"
        // Lambda, and operations that this endpoint does not have.
        | "InvalidRuntimeException"
        | "InvalidAction"
        | "UnknownOperationException"
        | "UnsupportedOperation" => Verdict::Setup,

        // Not a variant but the rest of all texts: `unknown` judges them.
        _ => return None,
    })
}

/// The code without the namespace and the address that some protocols write around it:
/// `com.amazonaws.dynamodb.v20120810#ThrottlingException:http://…`.
fn bare(code: &str) -> &str {
    let code = code.split_once(':').map_or(code, |(code, _)| code);
    code.split_once('#').map_or(code, |(_, code)| code).trim()
}

/// The code itself when it can only be one, else `*`: the text comes from outside.
fn shown(code: &str) -> &str {
    let is_code = code.len() <= 128
        && code.starts_with(|first: char| first.is_ascii_alphabetic())
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if is_code { code } else { "*" }
}

#[cfg(test)]
mod tests;
