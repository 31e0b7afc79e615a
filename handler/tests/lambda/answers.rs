//! What Lambda is told, and in which form.

use lambda_runtime::Diagnostic;
use setpiece_handler::{Invocation, InvokeError};
use setpiece_policy::{Fault, FaultKind};

use crate::{
    function::{Ask, SECRET, Trouble},
    runtime_api::Function,
};

async fn error_of(
    function: &mut Function,
    body: impl Into<hyper::body::Bytes>,
) -> (String, String) {
    let (error_type, message) = function.invoke(body).await.error();
    assert!(!message.contains(SECRET), "{message}");
    assert!(!message.contains("jane"), "{message}");
    (error_type, message)
}

#[tokio::test]
async fn what_is_nothing_known_has_a_type_of_its_own() {
    let huge = format!(r#"{{"a":"{}"}}"#, "a".repeat(Invocation::MAX_BYTES));
    let cases: [(&[u8], &str); 8] = [
        (b"[]", "the invocation has an unknown form: no members"),
        (
            br#"[{"who":"jane.doe@example.com"}]"#,
            "the invocation has an unknown form: the members `who`",
        ),
        (
            b"\"jane.doe@example.com\"",
            "the invocation is a string, expected an object or an array of events",
        ),
        (b"null", "the invocation is null, expected an object or an array of events"),
        (b"", "the invocation cannot be read: `$` is not JSON at byte 0: expected a value"),
        (
            b"jane.doe@example.com",
            "the invocation cannot be read: `$` is not JSON at byte 0: expected a value",
        ),
        (b"{\"jane\":\"\xff\"}", "the invocation cannot be read: `$` is not UTF-8 at byte 9"),
        (
            huge.as_bytes(),
            "the invocation has 16777224 bytes, more than the 16777216 that are read",
        ),
    ];
    let mut function = Function::start("run", &[]).await;
    for (body, expected) in cases {
        let (error_type, message) = error_of(&mut function, body.to_vec()).await;
        assert_eq!(error_type, "Setpiece.UnknownShape");
        assert!(message.starts_with(expected), "{message}");
    }
    // Anything in an object may be a direct invocation, but nobody can be asked for this.
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(error_of(&mut function, deep).await.0, "Setpiece.Contract");
    let large = serde_json::to_string(&Ask::Large(7)).unwrap();
    assert_eq!(function.invoke(large.clone()).await.response(), r#""aaaaa""#);
    let (error_type, message) = error_of(&mut function, format!("{large} and more")).await;
    assert_eq!(error_type, "Setpiece.UnknownShape");
    assert!(
        message.starts_with("the invocation cannot be read: `$` is not JSON at byte 12"),
        "{message}"
    );
}

#[tokio::test]
async fn faults_have_types_that_stay() {
    let cases = [
        (Trouble::Transient, "Setpiece.Transient", "the catalog does not answer"),
        (Trouble::Throttled, "Setpiece.Throttled", "the catalog is busy"),
        (Trouble::Conflict, "Setpiece.Conflict", "the customer has changed"),
        (Trouble::Contract, "Setpiece.Contract", "the customer has no name"),
        (Trouble::Permanent, "Setpiece.Permanent", "the customer is unknown"),
        (Trouble::Deadline, "Setpiece.Deadline", "the catalog took too long"),
        (Trouble::Panic, "Setpiece.Permanent", "a handler panicked"),
        (Trouble::Observed, "Setpiece.Transient", "transient"),
    ];
    let mut function = Function::start("run", &[]).await;
    for (trouble, error_type, context) in cases {
        let body = serde_json::to_string(&Ask::Trouble(trouble)).unwrap();
        let (found, message) = error_of(&mut function, body).await;
        assert_eq!(found, error_type);
        assert!(message.contains(context), "{message}");
    }
    // Not even an answer that is nothing is shown.
    let (error_type, message) = error_of(&mut function, r#"{"nonsense":{}}"#).await;
    assert_eq!(error_type, "Setpiece.Permanent");
    assert!(message.starts_with("permanent: an answer that is not JSON"), "{message}");
}

/// The work is done, so it would not help to fail it as a whole again and again without a word.
#[tokio::test]
async fn an_answer_that_lambda_would_not_take_is_an_error() {
    let mut function = Function::start("run", &[]).await;
    let large = |bytes| serde_json::to_string(&Ask::Large(bytes)).unwrap();
    assert_eq!(function.invoke(large(6_291_556)).await.response().len(), 6_291_556);
    let (error_type, message) = function.invoke(large(6_291_557)).await.error();
    assert_eq!(error_type, "Setpiece.AnswerTooLarge");
    assert_eq!(
        message,
        "the answer has 6291557 bytes, more than the 6291556 that Lambda takes; \
         to do: make the answer of the handler smaller"
    );

    let get = |bytes: usize| {
        serde_json::json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": format!("/{bytes}"),
            "requestContext": { "http": { "method": "GET", "path": format!("/{bytes}") } },
        })
    };
    let status = |answer: &str| {
        serde_json::from_str::<serde_json::Value>(answer).unwrap()["statusCode"].clone()
    };
    assert_eq!(status(function.invoke(get(1000).to_string()).await.response()), 200);
    assert_eq!(status(function.invoke(get(7_000_000).to_string()).await.response()), 500);
}

/// All of the table in the documentation.
#[test]
fn each_error_has_its_type() {
    let failed = |fault| InvokeError::Failed { failed: 1, of: 2, fault };
    let unknown = || InvokeError::from(Invocation::read(b"7").unwrap_err());
    let cases = [
        (unknown(), "Setpiece.UnknownShape"),
        (InvokeError::AnswerTooLarge { size: 2, limit: 1 }, "Setpiece.AnswerTooLarge"),
        (failed(Fault::transient("it")), "Setpiece.Transient"),
        (failed(Fault::throttled("it")), "Setpiece.Throttled"),
        (failed(Fault::conflict("it")), "Setpiece.Conflict"),
        (failed(Fault::deadline("it")), "Setpiece.Deadline"),
        (failed(Fault::contract("it")), "Setpiece.Contract"),
        (failed(Fault::permanent("it")), "Setpiece.Permanent"),
    ];
    for (error, expected) in cases {
        let message = error.to_string();
        let Diagnostic { error_type, error_message } = error.into();
        assert_eq!((&*error_type, error_message), (expected, message));
    }
    // A kind that is added belongs into the table.
    match FaultKind::Transient {
        FaultKind::Transient
        | FaultKind::Throttled
        | FaultKind::Conflict
        | FaultKind::Contract
        | FaultKind::Permanent
        | FaultKind::Deadline => {}
        _ => panic!("a new kind"),
    }
}
