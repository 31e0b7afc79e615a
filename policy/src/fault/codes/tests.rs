use std::collections::BTreeSet;

use super::{
    super::{Disposition, Fault, FaultKind},
    Verdict, bare, shown, verdict,
};

/// What `aws-runtime` has in `THROTTLING_ERRORS` and `TRANSIENT_ERRORS` (1.10.2).
const SDK_THROTTLING: [&str; 14] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "RequestThrottled",
    "SlowDown",
    "PriorRequestNotComplete",
    "EC2ThrottledException",
];
const SDK_TRANSIENT: [&str; 2] = ["RequestTimeout", "RequestTimeoutException"];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Do {
    /// Again and again.
    Retry,
    /// Once more.
    Once,
    Fail,
    Quarantine,
}

use Do::{Fail, Once, Quarantine, Retry};
use FaultKind::{Conflict, Permanent, Throttled, Transient};

/// Code, kind, what is to be done, whether the effect may have happened.
#[rustfmt::skip]
const TABLE: &[(&str, FaultKind, Do, bool)] = &[
    // All services.
    ("Throttling",                               Throttled, Retry,      false),
    ("ThrottlingException",                      Throttled, Retry,      false),
    ("ThrottledException",                       Throttled, Retry,      false),
    ("RequestThrottled",                         Throttled, Retry,      false),
    ("RequestThrottledException",                Throttled, Retry,      false),
    ("RequestLimitExceeded",                     Throttled, Retry,      false),
    ("TooManyRequestsException",                 Throttled, Retry,      false),
    ("BandwidthLimitExceeded",                   Throttled, Retry,      false),
    ("PriorRequestNotComplete",                  Throttled, Retry,      false),
    ("EC2ThrottledException",                    Throttled, Retry,      false),
    ("LimitExceededException",                   Throttled, Once,       false),
    ("ServiceQuotaExceededException",            Throttled, Once,       false),
    ("InternalFailure",                          Transient, Retry,      true),
    ("InternalServerError",                      Transient, Retry,      true),
    ("InternalServerException",                  Transient, Retry,      true),
    ("ServiceUnavailable",                       Transient, Retry,      true),
    ("ServiceUnavailableException",              Transient, Retry,      true),
    ("RequestTimeout",                           Transient, Retry,      true),
    ("RequestTimeoutException",                  Transient, Retry,      true),
    ("RequestTimeTooSkewed",                     Transient, Once,       false),
    ("RequestExpired",                           Transient, Once,       false),
    ("InvalidSignatureException",                Transient, Once,       false),
    ("SignatureDoesNotMatch",                    Transient, Once,       false),
    ("AccessDenied",                             Permanent, Fail,       false),
    ("AccessDeniedException",                    Permanent, Fail,       false),
    ("UnrecognizedClientException",              Permanent, Fail,       false),
    ("InvalidClientTokenId",                     Permanent, Fail,       false),
    ("MissingAuthenticationTokenException",      Permanent, Fail,       false),
    ("IncompleteSignature",                      Permanent, Fail,       false),
    ("OptInRequired",                            Permanent, Fail,       false),
    ("ExpiredToken",                             Permanent, Fail,       false),
    ("ExpiredTokenException",                    Permanent, Fail,       false),
    ("ValidationException",                      Permanent, Quarantine, false),
    ("ValidationError",                          Permanent, Quarantine, false),
    ("SerializationException",                   Permanent, Quarantine, false),
    ("MissingParameter",                         Permanent, Quarantine, false),
    ("InvalidParameterValue",                    Permanent, Quarantine, false),
    ("UnknownOperationException",                Permanent, Fail,       false),
    // DynamoDB, and the reasons of its cancelled transactions.
    ("ProvisionedThroughputExceededException",   Throttled, Retry,      false),
    ("ProvisionedThroughputExceeded",            Throttled, Retry,      false),
    ("ThrottlingError",                          Throttled, Retry,      false),
    ("TransactionInProgressException",           Throttled, Retry,      true),
    ("TransactionConflictException",             Transient, Retry,      false),
    ("TransactionConflict",                      Transient, Retry,      false),
    ("ReplicatedWriteConflictException",         Transient, Retry,      false),
    ("ResourceInUseException",                   Transient, Retry,      false),
    ("ConditionalCheckFailedException",          Conflict,  Fail,       false),
    ("ConditionalCheckFailed",                   Conflict,  Fail,       false),
    ("TransactionCanceledException",             Conflict,  Fail,       false),
    ("DuplicateItemException",                   Conflict,  Fail,       false),
    ("ItemCollectionSizeLimitExceededException", Permanent, Quarantine, false),
    ("IdempotentParameterMismatchException",     Permanent, Quarantine, false),
    ("ResourceNotFoundException",                Permanent, Fail,       false),
    ("TableNotFoundException",                   Permanent, Fail,       false),
    // EventBridge, as a whole call.
    ("InternalException",                        Transient, Retry,      true),
    ("ConcurrentModificationException",          Transient, Retry,      false),
    ("SchemaRegistryUnavailable",                Transient, Retry,      false),
    ("InvalidInput",                             Permanent, Quarantine, false),
    ("InvalidState",                             Permanent, Fail,       false),
    ("ManagedRuleException",                     Permanent, Fail,       false),
    ("OperationDisabledException",               Permanent, Fail,       false),
    // SQS and SNS.
    ("OverLimit",                                Throttled, Once,       false),
    ("KmsThrottled",                             Throttled, Retry,      false),
    ("KMSThrottling",                            Throttled, Retry,      false),
    ("AWS.SimpleQueueService.NonExistentQueue",  Permanent, Fail,       false),
    ("AWS.SimpleQueueService.MessageNotInflight", Conflict, Fail,       false),
    ("KMS.ThrottlingException",                  Throttled, Retry,      false),
    ("KMS.AccessDeniedException",                Permanent, Fail,       false),
    ("QueueDoesNotExist",                        Permanent, Fail,       false),
    ("QueueDeletedRecently",                     Permanent, Fail,       false),
    ("InvalidMessageContents",                   Permanent, Quarantine, false),
    ("BatchRequestTooLong",                      Permanent, Quarantine, false),
    ("ReceiptHandleIsInvalid",                   Conflict,  Fail,       false),
    ("EmptyBatchRequest",                        Permanent, Fail,       false),
    ("BatchEntryIdsNotDistinct",                 Permanent, Fail,       false),
    ("InternalError",                            Transient, Retry,      true),
    ("AuthorizationError",                       Permanent, Fail,       false),
    ("EndpointDisabled",                         Permanent, Fail,       false),
    ("NotFound",                                 Permanent, Fail,       false),
    // S3.
    ("SlowDown",                                 Throttled, Retry,      false),
    ("OperationAborted",                         Transient, Retry,      false),
    ("ConditionalRequestConflict",               Transient, Retry,      false),
    ("PreconditionFailed",                       Conflict,  Fail,       false),
    ("NoSuchKey",                                Permanent, Quarantine, false),
    ("NoSuchBucket",                             Permanent, Fail,       false),
    ("EntityTooLarge",                           Permanent, Quarantine, false),
    ("InvalidAccessKeyId",                       Permanent, Fail,       false),
    // Lambda.
    ("ServiceException",                         Transient, Retry,      true),
    ("ResourceConflictException",                Transient, Retry,      false),
    ("ResourceNotReadyException",                Transient, Retry,      false),
    ("SnapStartNotReadyException",               Transient, Retry,      false),
    ("InvalidRequestContentException",           Permanent, Quarantine, false),
    ("RequestTooLargeException",                 Permanent, Quarantine, false),
    // KMS and STS.
    ("KMSInternalException",                     Transient, Retry,      true),
    ("DependencyTimeoutException",               Transient, Retry,      true),
    ("KeyUnavailableException",                  Transient, Retry,      false),
    ("InvalidCiphertextException",               Permanent, Quarantine, false),
    ("DisabledException",                        Permanent, Fail,       false),
    ("KMSAccessDeniedException",                 Permanent, Fail,       false),
    ("IDPCommunicationError",                    Transient, Retry,      false),
    ("RegionDisabledException",                  Permanent, Fail,       false),
    // Step Functions.
    ("TaskTimedOut",                             Permanent, Quarantine, false),
    ("TaskDoesNotExist",                         Permanent, Quarantine, false),
];

/// What EventBridge documents for entries of `PutEvents`.
#[rustfmt::skip]
const ENTRIES: [(&str, FaultKind, Do, bool); 9] = [
    ("InternalFailure",                     Transient, Retry,      true),
    ("ThrottlingException",                 Throttled, Retry,      false),
    ("InvalidArgument",                     Permanent, Quarantine, false),
    ("MalformedDetail",                     Permanent, Quarantine, false),
    ("RedactionFailure",                    Permanent, Quarantine, false),
    ("AccessDeniedException",               Permanent, Fail,       false),
    ("InvalidAccountIdException",           Permanent, Fail,       false),
    ("NotAuthorizedForSourceException",     Permanent, Fail,       false),
    ("NotAuthorizedForDetailTypeException", Permanent, Fail,       false),
];

fn check(fault: &Fault, (code, kind, what, may_have_happened): (&str, FaultKind, Do, bool)) {
    let found = match (fault.disposition(), fault.max_retries()) {
        (Disposition::RetryHere { after: None }, None) => Retry,
        (Disposition::RetryHere { after: None }, Some(1)) => Once,
        (Disposition::FailItem, None) => Fail,
        (Disposition::Quarantine, None) => Quarantine,
        other => panic!("{code} is {other:?}"),
    };
    assert_eq!(
        (fault.code(), fault.kind(), found, fault.may_have_happened()),
        (Some(code), kind, what, may_have_happened)
    );
}

#[test]
fn real_codes_are_known() {
    let codes: BTreeSet<_> = TABLE.iter().map(|row| row.0).collect();
    assert_eq!(codes.len(), TABLE.len(), "a code stands in the table twice");
    assert!(codes.len() >= 60);
    for &row in TABLE {
        let fault = Fault::from_code(row.0, None);
        assert_ne!(
            fault.context(),
            Fault::from_code("TeapotException", None).context(),
            "{}",
            row.0
        );
        // The status does not matter to a code that is known.
        for status in [None, Some(400), Some(503)] {
            check(&Fault::from_code(row.0, status), row);
        }
    }
}

#[test]
fn the_codes_of_entries_are_known() {
    for row in ENTRIES {
        check(&Fault::from_put_events_code(row.0), row);
        // The same code means the same, wherever it comes up.
        check(&Fault::from_code(row.0, None), row);
    }
    let unknown = Fault::from_put_events_code("SomethingNew");
    assert_eq!((unknown.kind(), unknown.max_retries()), (Transient, Some(1)));
}

#[test]
fn what_the_sdk_retries_is_retried() {
    for code in SDK_THROTTLING {
        assert_eq!(Fault::from_code(code, None).kind(), Throttled, "{code}");
    }
    for code in SDK_TRANSIENT {
        assert_eq!(Fault::from_code(code, None).kind(), Transient, "{code}");
    }
}

#[test]
fn unknown_codes_are_judged_by_their_status() {
    let judge = |status| {
        let fault = Fault::from_code("TeapotException", status);
        (fault.kind(), fault.max_retries(), fault.may_have_happened())
    };
    assert_eq!(judge(Some(429)), (Throttled, None, false));
    for status in [500, 502, 503, 504, 408] {
        assert_eq!(judge(Some(status)), (Transient, None, true));
    }
    for status in [400, 403, 404, 409, 418] {
        assert_eq!(judge(Some(status)), (Transient, Some(1), false));
    }
    for status in [None, Some(0), Some(200), Some(302), Some(501), Some(u16::MAX)] {
        assert_eq!(judge(status), (Transient, Some(1), true));
    }
}

#[test]
fn no_code_is_no_code() {
    assert_eq!(Fault::from_code("", Some(503)).code(), None);
}

#[test]
fn a_code_is_freed_from_what_protocols_write_around_it() {
    for written in [
        "ThrottlingException",
        "com.amazonaws.dynamodb.v20120810#ThrottlingException",
        "ThrottlingException:http://internal.amazon.com/coral/",
        "aws.protocoltests#ThrottlingException:http://internal.amazon.com/coral/a#b",
    ] {
        assert_eq!(verdict(bare(written)), Some(Verdict::Throttled), "{written}");
    }
}

#[test]
fn a_text_that_cannot_be_a_code_is_not_shown() {
    assert_eq!(
        shown("AWS.SimpleQueueService.NonExistentQueue"),
        "AWS.SimpleQueueService.NonExistentQueue"
    );
    for text in ["alice@example.com", "1234567812345678", "two words", "Größe", &"x".repeat(129)]
    {
        assert_eq!(shown(text), "*", "{text}");
    }
}
