//! Several invocations at the same time, as on Lambda Managed Instances.

use std::collections::HashMap;

use crate::{function::Ask, runtime_api::Function};

/// None of eight is answered before all of them are there.
#[tokio::test]
async fn eight_at_a_time_do_not_mix() {
    let mut function =
        Function::start("run_concurrent", &[("AWS_LAMBDA_MAX_CONCURRENCY", "8")]).await;
    let in_ten_minutes = 600_000;
    let asked: HashMap<_, _> = (0..64)
        .map(|number| {
            let body = serde_json::to_string(&Ask::Together(number)).unwrap();
            (function.send(in_ten_minutes, body), number.to_string())
        })
        .collect();
    let mut answered = HashMap::new();
    while answered.len() < asked.len() {
        let answer = function.answer().await;
        let body = answer.response().to_owned();
        assert_eq!(answered.insert(answer.request_id, body), None);
    }
    assert_eq!(answered, asked);
}

#[tokio::test]
async fn without_the_variable_it_is_one_at_a_time() {
    let mut function = Function::start("run_concurrent", &[]).await;
    let count = serde_json::to_string(&Ask::Count {}).unwrap();
    for number in ["0", "1", "2"] {
        assert_eq!(function.invoke(count.clone()).await.response(), number);
    }
}
