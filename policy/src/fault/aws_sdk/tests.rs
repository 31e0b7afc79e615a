use std::{error::Error as StdError, fmt, io, time::Duration};

use aws_smithy_runtime_api::{
    client::{
        orchestrator::HttpResponse,
        result::{ConnectorError, SdkError},
    },
    http::StatusCode,
};
use aws_smithy_types::{
    body::SdkBody,
    error::{ErrorMetadata, metadata::ProvideErrorMetadata},
    retry::ErrorKind,
};

use super::Fault;
use crate::{Disposition, FaultKind};

#[derive(Debug)]
struct PutItemError(ErrorMetadata);

impl fmt::Display for PutItemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for PutItemError {}

impl ProvideErrorMetadata for PutItemError {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

type Error = SdkError<PutItemError, HttpResponse>;

const RETRY: Disposition = Disposition::RetryHere { after: None };

fn response(status: u16, headers: &[(&'static str, &'static str)]) -> HttpResponse {
    let body = SdkBody::from("alice@example.com");
    let mut response = HttpResponse::new(StatusCode::try_from(status).unwrap(), body);
    for (name, value) in headers {
        response.headers_mut().insert(*name, *value);
    }
    response
}

fn refusal(code: Option<&str>, response: HttpResponse) -> Error {
    let mut meta = ErrorMetadata::builder().message("alice@example.com is not allowed");
    if let Some(code) = code {
        meta = meta.code(code);
    }
    SdkError::service_error(PutItemError(meta.build()), response)
}

fn check(
    error: Error,
    kind: FaultKind,
    disposition: Disposition,
    max_retries: Option<u32>,
    may_have_happened: bool,
) {
    let fault = Fault::from(error);
    assert_eq!(
        (fault.kind(), fault.disposition(), fault.max_retries(), fault.may_have_happened()),
        (kind, disposition, max_retries, may_have_happened),
        "{fault}"
    );
    assert!(fault.source().unwrap().is::<Error>());
    assert!(!format!("{fault} {fault:?}").contains("alice"));
}

#[test]
fn what_was_not_sent_did_not_happen() {
    use FaultKind::Permanent;
    let error = SdkError::construction_failure("no region");
    check(error, Permanent, Disposition::FailItem, None, false);
    let error = SdkError::dispatch_failure(ConnectorError::user("not a URI".into()));
    check(error, Permanent, Disposition::FailItem, None, false);
}

#[test]
fn only_a_connection_that_was_refused_is_known_not_to_have_carried_the_call() {
    use FaultKind::Transient;
    let io = |kind: io::ErrorKind| {
        // As deep as an HTTP client has it.
        let source = io::Error::other(io::Error::from(kind));
        SdkError::dispatch_failure(ConnectorError::io(source.into()))
    };
    check(io(io::ErrorKind::ConnectionRefused), Transient, RETRY, None, false);
    check(io(io::ErrorKind::ConnectionReset), Transient, RETRY, None, true);
    check(io(io::ErrorKind::UnexpectedEof), Transient, RETRY, None, true);
}

#[test]
fn a_lost_answer_leaves_it_open() {
    use FaultKind::Transient;
    check(SdkError::timeout_error("5 s"), Transient, RETRY, None, true);
    let error = SdkError::dispatch_failure(ConnectorError::timeout("1 s".into()));
    check(error, Transient, RETRY, None, true);
    let error = SdkError::response_error("not JSON", response(200, &[]));
    check(error, Transient, RETRY, None, true);
}

#[test]
fn what_the_connector_does_not_classify_is_tried_again_once() {
    use FaultKind::{Throttled, Transient};
    let other =
        |kind| SdkError::dispatch_failure(ConnectorError::other("no credentials".into(), kind));
    check(other(None), Transient, RETRY, Some(1), true);
    check(other(Some(ErrorKind::ClientError)), Transient, RETRY, Some(1), true);
    check(other(Some(ErrorKind::ServerError)), Transient, RETRY, None, true);
    check(other(Some(ErrorKind::TransientError)), Transient, RETRY, None, true);
    check(other(Some(ErrorKind::ThrottlingError)), Throttled, RETRY, None, true);
}

#[test]
fn a_service_is_taken_by_its_word_and_else_by_its_status() {
    use FaultKind::{Conflict, Throttled, Transient};
    let error = refusal(Some("ConditionalCheckFailedException"), response(400, &[]));
    check(error, Conflict, Disposition::FailItem, None, false);
    check(refusal(Some("SlowDown"), response(503, &[])), Throttled, RETRY, None, false);
    check(refusal(None, response(503, &[])), Transient, RETRY, None, true);
    check(refusal(None, response(429, &[])), Throttled, RETRY, None, false);
    check(refusal(Some("TeapotException"), response(418, &[])), Transient, RETRY, Some(1), false);
}

#[test]
fn the_delay_that_a_service_asks_for_is_kept() {
    fn after(headers: &[(&'static str, &'static str)]) -> Option<Duration> {
        Fault::from(refusal(Some("SlowDown"), response(503, headers))).retry_after()
    }
    assert_eq!(after(&[]), None);
    assert_eq!(after(&[("x-amz-retry-after", "1500")]), Some(Duration::from_millis(1500)));
    assert_eq!(after(&[("Retry-After", " 2 ")]), Some(Duration::from_secs(2)));
    let both = &[("Retry-After", "2"), ("x-amz-retry-after", "30")];
    assert_eq!(after(both), Some(Duration::from_millis(30)));
    for bad in ["-1", "soon", "Fri, 20 Nov 2026 12:00:00 GMT", ""] {
        assert_eq!(after(&[("Retry-After", bad)]), None);
    }
}
