//! What clients over HTTP are told.

use std::time::Duration;

use serde_json::{Value, json};
use setpiece_handler::{Cx, HttpRequest, HttpResponse, Reply, RequestKey};
use setpiece_idempotency::{Key, KeyError};
use setpiece_policy::Fault;

use crate::shop::{Loyalty, Shop};

/// Fails as the path says.
async fn fail(_: &Cx<Loyalty>, request: HttpRequest) -> Result<Reply<HttpResponse>, Fault> {
    let delay = Duration::from_millis(1500);
    Err(match request.path.as_str() {
        "/contract" => Fault::contract("the body is not an order"),
        "/conflict" => Fault::conflict("somebody was faster"),
        "/throttled" => Fault::throttled("too many orders").with_retry_after(delay),
        "/transient" => Fault::transient("the catalog does not answer"),
        "/deadline" => Fault::deadline("the catalog takes too long"),
        "/permanent" => Fault::permanent("no orders from here"),
        // A key of the handler's own is nothing to the client.
        "/key" => KeyError::Missing.into(),
        "/header" => return Ok(Reply::new(HttpResponse::new(200).with_header("a", "b\r\nc: d"))),
        "/status" => return Ok(Reply::new(HttpResponse::new(99))),
        _ => return Ok(Reply::new(HttpResponse::new(201))),
    })
}

fn asked(path: &str, keys: &[&str], body: &str) -> Vec<u8> {
    let keys: Vec<_> = keys.to_vec();
    let request = json!({
        "httpMethod": "POST", "path": path, "multiValueHeaders": { "Idempotency-Key": keys },
        "requestContext": {}, "body": body,
    });
    request.to_string().into_bytes()
}

fn key(request: &HttpRequest) -> Result<RequestKey, KeyError> {
    request.idempotency_key().map(RequestKey::anonymous)
}

#[tokio::test(start_paused = true)]
async fn each_failure_has_its_status() {
    let long = "k".repeat(256);
    for (path, keys, status, after, detail) in [
        ("/", &["k"][..], 201, None, ""),
        ("/contract", &["k"], 400, None, ""),
        ("/conflict", &["k"], 409, None, ""),
        ("/throttled", &["k"], 503, Some("2"), ""),
        ("/transient", &["k"], 503, None, ""),
        ("/deadline", &["k"], 503, None, ""),
        ("/permanent", &["k"], 500, None, ""),
        ("/key", &["k"], 400, None, ""),
        ("/header", &["k"], 500, None, ""),
        ("/status", &["k"], 500, None, ""),
        ("/", &[], 400, None, "needs an idempotency key"),
        ("/", &[" "], 400, None, "needs an idempotency key"),
        ("/", &["k", "l"], 400, None, "one idempotency key"),
        ("/", &[&long], 400, None, "one idempotency key"),
    ] {
        let shop = Shop::new();
        let app = shop.app_of(shop.handlers().on_request(key, fail)).build().unwrap();
        let answer = app.invoke(&asked(path, keys, "{}"), shop.deadline()).await.unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["statusCode"], status, "{path} {keys:?}: {answer}");
        assert_eq!(answer["multiValueHeaders"]["retry-after"][0].as_str(), after, "{path}");
        let body = answer["body"].as_str().unwrap();
        assert_eq!(detail.is_empty(), body.is_empty(), "{path} {keys:?}: {body}");
        assert!(body.contains(detail), "{path} {keys:?}: {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_of_another_request_is_not_processed() {
    let shop = Shop::new();
    let app = shop.app_of(shop.handlers().on_request(key, fail)).build().unwrap();
    let answered = async |body: &str| -> Value {
        let answer = app.invoke(&asked("/", &["k"], body), shop.deadline()).await.unwrap();
        serde_json::from_str(&answer).unwrap()
    };
    assert_eq!(answered("{\"cents\":1}").await["statusCode"], 201);
    let answer = answered("{\"cents\":2}").await;
    assert_eq!(answer["statusCode"], 422, "{answer}");
    assert_eq!(answer["multiValueHeaders"]["content-type"][0], "application/problem+json");
    let problem: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(
        problem,
        json!({ "title": "Unprocessable Content", "status": 422,
            "detail": "the idempotency key was used with another request" })
    );
    assert_eq!(answered("{\"cents\":1}").await["statusCode"], 201);
}

async fn wait(_: &Cx<Loyalty>, _: HttpRequest) -> Result<Reply<HttpResponse>, Fault> {
    std::future::pending().await
}

#[tokio::test(start_paused = true)]
async fn a_request_in_progress_is_a_conflict() {
    let shop = Shop::new();
    let one = shop.app_of(shop.handlers().on_request(key, wait)).build().unwrap();
    let request = asked("/", &["k"], "{}");
    let mut first = Box::pin(one.invoke(&request, shop.deadline()));
    assert!(futures_util::poll!(&mut first).is_pending());
    let other = shop.app_of(shop.handlers().on_request(key, wait)).build().unwrap();
    let answer = other.invoke(&request, shop.deadline()).await.unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["statusCode"], 409, "{answer}");
    assert!(answer["body"].as_str().unwrap().contains("in progress"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_the_service_makes_wrongly_is_no_mistake_of_the_client() {
    let shop = Shop::new();
    let foreign = |_: &HttpRequest| Key::powertools("f", &"x")?.sensitive();
    let app = shop.app_of(shop.handlers().on_request(foreign, fail)).build().unwrap();
    let answer = app.invoke(&asked("/", &["k"], "{}"), shop.deadline()).await.unwrap();
    assert!(answer.starts_with(r#"{"statusCode":500"#), "{answer}");
}
