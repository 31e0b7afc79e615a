//! Faults of errors of the AWS SDK for Rust.

use std::{error::Error as StdError, io, time::Duration};

use aws_smithy_runtime_api::client::{
    orchestrator::HttpResponse,
    result::{DispatchFailure, SdkError},
};
use aws_smithy_types::{error::metadata::ProvideErrorMetadata, retry::ErrorKind};

use super::Fault;

/// Retries of what the SDK itself has no name for.
const CAP: u32 = 1;

const CONFIGURATION: &str =
    "check region, endpoint and credentials in the configuration of the {service} client";
const LATENCY: &str = "look at the latency of {service} and at the timeouts of its client";
const NETWORK: &str = "check that the function reaches the endpoint of {service}: region, DNS, subnet, security group, \
     VPC endpoint";
const STRANGE_ANSWER: &str = "look at what answers at the endpoint of {service}: it may be a proxy";
const NO_ANSWER: &str = "check the credentials of the function and its way to {service}";

/// Makes a fault of the error of a call through the AWS SDK.
///
/// | the SDK says | kind | may have happened |
/// |---|---|---|
/// | the request could not be built | permanent, handed back | no |
/// | timeout | transient | yes |
/// | no answer: the connection was refused | transient | no |
/// | no answer: the connection broke or timed out | transient | yes |
/// | no answer: the request was wrong | permanent, handed back | no |
/// | an answer that could not be read | transient | yes |
/// | an error of the service | by [code and status](Fault::from_code) | by code and status |
///
/// A delay in the headers `x-amz-retry-after` (milliseconds) or `Retry-After` (seconds) is kept.
/// The SDK's error is the [source](StdError::source) and can be downcast; its texts may quote what
/// was sent.
///
/// The client's own retries must be off, or else each try is several:
/// `.retry_config(RetryConfig::disabled())`.
#[cfg_attr(docsrs, doc(cfg(feature = "aws-sdk")))]
impl<E> From<SdkError<E, HttpResponse>> for Fault
where
    E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        let fault =
            match &error {
                // A missing region or a missing member: whichever, nothing was sent, and it is the
                // program that must change. The item waits for that.
                SdkError::ConstructionFailure(_) => {
                    Self::permanent("a request to AWS could not be built")
                        .with_remedy(CONFIGURATION)
                        .hand_back()
                }
                SdkError::TimeoutError(_) => {
                    Self::transient("a call to AWS took too long").with_remedy(LATENCY)
                }
                SdkError::DispatchFailure(failure) => dispatch(failure),
                SdkError::ResponseError(_) => Self::transient("an answer of AWS could not be read")
                    .with_remedy(STRANGE_ANSWER),
                SdkError::ServiceError(refusal) => {
                    let code = refusal.err().code().unwrap_or_default();
                    Self::from_code(code, Some(refusal.raw().status().as_u16()))
                }
                // `SdkError` may grow, so there must be this arm. All variants of today stand above
                // it; a new one is treated as what nobody knows: it may have happened, and is tried
                // again once.
                _ => Self::transient("a call to AWS failed for an unknown reason")
                    .with_max_retries(CAP),
            };
        let fault = match error.raw_response().and_then(retry_after) {
            Some(delay) => fault.with_retry_after(delay),
            None => fault,
        };
        fault.with_source(error)
    }
}

fn dispatch(failure: &DispatchFailure) -> Fault {
    if failure.is_user() {
        Fault::permanent("a request to AWS could not be sent")
            .with_remedy(CONFIGURATION)
            .hand_back()
    } else if failure.is_timeout() {
        // Also when no connection was made in time: the SDK has one error for both.
        Fault::transient("a connection to AWS timed out").with_remedy(NETWORK)
    } else if failure.is_io() {
        Fault::transient("a connection to AWS broke")
            .with_remedy(NETWORK)
            .with_may_have_happened(!was_refused(failure))
    } else {
        other(failure.as_other()).with_remedy(NO_ANSWER)
    }
}

/// Returns the fault of an error that is none of a connection, such as credentials that could not
/// be loaded.
fn other(kind: Option<ErrorKind>) -> Fault {
    match kind {
        Some(ErrorKind::ThrottlingError) => {
            Fault::throttled("AWS is being asked too much").with_may_have_happened(true)
        }
        Some(ErrorKind::TransientError | ErrorKind::ServerError) => {
            Fault::transient("a call to AWS got no answer")
        }
        // A client error is one that the SDK would not try again; what it is remains unsaid.
        // `ErrorKind` may grow, too: the same goes for what it does not say yet.
        Some(ErrorKind::ClientError | _) | None => {
            Fault::transient("a call to AWS got no answer").with_max_retries(CAP)
        }
    }
}

/// Returns true if nobody was there to take the request. Other errors of a connection may come
/// after it was sent, and the SDK does not tell whether there was a connection at all.
fn was_refused(failure: &DispatchFailure) -> bool {
    let error = failure.as_connector_error().map(|error| error as &(dyn StdError + 'static));
    std::iter::successors(error, |&error| cause(error))
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// Returns the source right below. An `io::Error` that wraps another error has that one's source
/// for its own.
fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// The delay that the service asks for. A date in `Retry-After` is passed over: AWS sends seconds.
fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let number = |name| response.headers().get(name)?.trim().parse().ok();
    number("x-amz-retry-after")
        .map(Duration::from_millis)
        .or_else(|| number("retry-after").map(Duration::from_secs))
}

#[cfg(test)]
mod tests;
