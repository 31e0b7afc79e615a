//! Assertions about events, which show what differs and leave out what does not.

mod diff;
pub(crate) mod effects;
pub(crate) mod published;

use serde::Serialize;
use serde_json::json;
use setpiece_envelope::{Correlation, DomainEvent, Envelope, Metadata};

use self::diff::Diff;
use crate::{
    json_lines::{Line, lines},
    must::must,
};

/// Asserts that two texts are the same JSON document.
///
/// White space, the order of members and the way in which characters are escaped do not matter.
/// `1` and `1.0` are different: a reader of integers takes only one of them. A member that appears
/// twice is not the same as one that appears once.
///
/// ```should_panic
/// # use setpiece_testing::assert_same_json;
/// assert_same_json(r#"{ "b": 1, "a": 2 }"#, r#"{"a":2,"b":1}"#); // the same
/// assert_same_json(r#"{"points":100}"#, r#"{"points":50}"#); // not the same
/// ```
///
/// # Panics
///
/// When they are not the same, or one of them is not JSON.
#[track_caller]
pub fn assert_same_json(actual: impl AsRef<[u8]>, expected: impl AsRef<[u8]>) {
    compare(
        "the documents differ",
        &document("the actual document", actual.as_ref()),
        &document("the expected document", expected.as_ref()),
    );
}

/// Asserts that two events say the same: that their data is the same JSON.
///
/// For the result of a decision, which has no metadata yet.
///
/// # Panics
///
/// When they do not, or one of them cannot be written as JSON.
#[track_caller]
pub fn assert_same_event<E: DomainEvent + Serialize>(actual: &E, expected: &E) {
    compare(
        &format!("the `{}` events differ", E::NAME),
        &written("the actual event", serde_json::to_vec(actual)),
        &written("the expected event", serde_json::to_vec(expected)),
    );
}

/// Asserts that two events are the same in all that is sent: data, ids, time and place in the flow.
///
/// # Panics
///
/// When they are not, or one of them cannot be written as JSON.
#[track_caller]
pub fn assert_same_envelope<E: DomainEvent + Serialize>(
    actual: &Envelope<E>,
    expected: &Envelope<E>,
) {
    compare(
        &format!("the `{}` envelopes differ", E::NAME),
        &written("the actual envelope", actual.to_detail()),
        &written("the expected envelope", expected.to_detail()),
    );
}

/// Asserts that `effect` was published while `cause` was handled: that it names `cause` as its
/// cause, stays in its flow, is one level deeper, and has its tenant and its sampling decision.
///
/// The trace is not compared: a producer may begin a new one and link it.
///
/// # Panics
///
/// When it was not.
#[track_caller]
pub fn assert_caused_by(effect: &Metadata, cause: &Metadata) {
    let shown = |correlation: &Correlation| {
        let Correlation { correlation_id, causation_id, depth, sampled, tenant, .. } = correlation;
        let document = json!({
            "causation_id": causation_id,
            "correlation_id": correlation_id,
            "depth": depth,
            "sampled": sampled,
            "tenant": tenant,
        });
        document.to_string().into_bytes()
    };
    compare(
        &format!("`{}` was not caused by `{}`", effect.name, cause.name),
        &document("a correlation", &shown(&effect.correlation)),
        &document("a correlation", &shown(&Correlation::caused_by(cause))),
    );
}

#[track_caller]
fn written<E: std::fmt::Display>(what: &str, json: Result<Vec<u8>, E>) -> Vec<Line> {
    document(what, &must(&format!("{what} cannot be written"), json))
}

#[track_caller]
fn document(what: &str, json: &[u8]) -> Vec<Line> {
    must(&format!("{what} is not JSON"), lines(json))
}

#[track_caller]
fn compare(complaint: &str, actual: &[Line], expected: &[Line]) {
    if let Some(diff) = Diff::between(expected, actual) {
        #[expect(clippy::panic, reason = "that is how an assertion fails")]
        {
            panic!("{complaint} (- expected, + actual):\n\n{diff}");
        }
    }
}

#[cfg(test)]
mod tests;
