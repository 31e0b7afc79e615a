//! Invocations, one after the other.

use std::time::Duration;

use setpiece_envelope::{Clock as _, SystemClock};
use setpiece_testing::sample;

use crate::{
    function::{Ask, ProductRegistered, SECRET, Trouble},
    runtime_api::Function,
};

/// Messages of a queue, one for each trouble.
fn batch(troubles: &[Option<Trouble>]) -> String {
    let record = |(index, trouble): (usize, &Option<Trouble>)| {
        let data = ProductRegistered { customer: SECRET.to_owned(), trouble: *trouble };
        let detail = sample(data).event_id(&format!("registered-{index}-{trouble:?}")).detail();
        serde_json::json!({
            "messageId": format!("m{index}"),
            "receiptHandle": "MessageReceiptHandle",
            "body": String::from_utf8(detail).unwrap(),
            "attributes": { "ApproximateReceiveCount": "1" },
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:loyalty",
            "awsRegion": "us-east-1",
        })
    };
    let records: Vec<_> = troubles.iter().enumerate().map(record).collect();
    serde_json::json!({ "Records": records }).to_string()
}

fn ask(ask: &Ask) -> String {
    serde_json::to_string(ask).unwrap()
}

#[tokio::test]
async fn a_batch_is_answered_with_what_has_failed() {
    let mut function = Function::start("run", &[]).await;
    let batch = batch(&[None, Some(Trouble::Transient), None, Some(Trouble::Permanent)]);
    let answer = function.invoke(batch).await;
    let expected = r#"{"batchItemFailures":[{"itemIdentifier":"m1"},{"itemIdentifier":"m3"}]}"#;
    assert_eq!(answer.response(), expected);
}

/// What panics is one record, and neither the batch nor the process.
#[tokio::test]
async fn a_panic_fails_its_record_and_the_process_goes_on() {
    let mut function = Function::start("run", &[]).await;
    let process_id = function.process_id();
    let batch = batch(&[None, Some(Trouble::Panic), None]);
    for _ in 0..2 {
        let answer = function.invoke(batch.clone()).await;
        let expected = r#"{"batchItemFailures":[{"itemIdentifier":"m1"}]}"#;
        assert_eq!(answer.response(), expected);
    }
    assert_eq!(function.invoke(ask(&Ask::Count {})).await.response(), "0");
    assert_eq!(function.process_id(), process_id);
}

#[tokio::test]
async fn invocations_of_all_kinds_follow_each_other() {
    let mut function = Function::start("run", &[]).await;
    for number in 0..20 {
        let answer = function.invoke(ask(&Ask::Count {})).await;
        assert_eq!(answer.response(), number.to_string());
        let answer = function.invoke(batch(&[None])).await;
        assert_eq!(answer.response(), r#"{"batchItemFailures":[]}"#);
        let (error_type, _) = function.invoke("[]").await.error();
        assert_eq!(error_type, "Setpiece.UnknownShape");
    }
}

/// The deadline is that of the header.
#[tokio::test]
async fn a_slow_handler_is_cut_off_in_time_to_answer() {
    let mut function = Function::start("run", &[]).await;
    let deadline = SystemClock.now().saturating_add(Duration::from_secs(2));
    let batch = batch(&[None, Some(Trouble::Slow), None]);
    function.send(deadline.unix_millis().unsigned_abs(), batch);
    let answer = function.answer().await;
    assert!(SystemClock.now() < deadline);
    assert_eq!(answer.response(), r#"{"batchItemFailures":[{"itemIdentifier":"m1"}]}"#);
}

#[tokio::test]
async fn nothing_begins_after_the_deadline() {
    let mut function = Function::start("run", &[]).await;
    let answer = function.invoke_for(Duration::ZERO, batch(&[None, None])).await;
    let expected = r#"{"batchItemFailures":[{"itemIdentifier":"m0"},{"itemIdentifier":"m1"}]}"#;
    assert_eq!(answer.response(), expected);
}

/// As `cargo lambda watch` does.
#[tokio::test]
async fn a_deadline_in_1970_is_how_much_time_there_is() {
    let mut function = Function::start("run", &[]).await;
    function.send(600_000, batch(&[None]));
    assert_eq!(function.answer().await.response(), r#"{"batchItemFailures":[]}"#);
}
