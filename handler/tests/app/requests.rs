use serde::{Deserialize, Serialize};
use setpiece_handler::{
    AppError, Cx, Effects, HttpRequest, HttpResponse, Json, OtherEvent, Reply, RequestKey,
    S3Change, ScheduledEvent, Write,
};
use setpiece_idempotency::Key;
use setpiece_policy::Fault;

use crate::shop::{Loyalty, PointsAwarded, Shop};

#[derive(Deserialize)]
struct Redeem {
    request: String,
    customer: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Redeemed {
    code: String,
}

async fn redeem(cx: &Cx<Loyalty>, redeem: Json<Redeem>) -> Result<Reply<Json<Redeemed>>, Fault> {
    let Json(Redeem { request: _, customer }) = redeem;
    if customer.is_empty() {
        return Err(Fault::contract("there is no customer"));
    }
    let number = cx.state.order.lock().unwrap().len();
    cx.state.order.lock().unwrap().push(customer.clone());
    Ok(Reply::new(Json(Redeemed { code: format!("code-{number}") })).with(
        Effects::new().write(Write::update("points", ("customer", customer)).add("points", 1)),
    ))
}

async fn expire(cx: &Cx<Loyalty>, event: ScheduledEvent) -> Result<Effects, Fault> {
    cx.state.order.lock().unwrap().push(event.id.into());
    Ok(Effects::new().write(Write::update("points", ("customer", "all")).add("points", 1)))
}

async fn balance(cx: &Cx<Loyalty>, _: Json<serde_json::Value>) -> Result<Json<usize>, Fault> {
    Ok(Json(cx.state.order.lock().unwrap().len()))
}

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_again_gets_the_answer_of_the_first_time() {
    let shop = Shop::new();
    let key = |redeem: &Json<Redeem>| Key::of(&redeem.0.request);
    let app = shop.app_of(shop.handlers().on_request(key, redeem)).build().unwrap();
    let first = br#"{"request":"r-1","customer":"c1"}"#;
    let second = br#"{"request":"r-2","customer":"c1"}"#;
    let mut answers = Vec::new();
    for request in [&first[..], second, first] {
        answers.push(app.invoke(request, shop.deadline()).await.unwrap());
    }
    let expected = [r#"{"code":"code-0"}"#, r#"{"code":"code-1"}"#, r#"{"code":"code-0"}"#];
    assert_eq!(answers, expected);
    assert_eq!(shop.points("c1"), Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_key_is_not_run() {
    let shop = Shop::new();
    let key = |redeem: &Json<Redeem>| Key::of(&redeem.0.request);
    let app = shop.app_of(shop.handlers().on_request(key, redeem)).build().unwrap();
    let error = app.invoke(br#"{"request":"","customer":"c1"}"#, shop.deadline()).await;
    assert_eq!(error.unwrap_err().error_type(), "Setpiece.Contract");
    assert!(shop.state.order.lock().unwrap().is_empty());
}

/// The caller has the bytes and waits for an answer.
#[tokio::test(start_paused = true)]
async fn a_request_is_refused_and_not_put_aside() {
    let shop = Shop::new();
    let key = |redeem: &Json<Redeem>| Key::of(&redeem.0.request);
    let app = shop.app_of(shop.handlers().on_request(key, redeem)).build().unwrap();
    for request in [&br#"{"request":"r","customer":""}"#[..], br#"{"customer":7}"#] {
        let error = app.invoke(request, shop.deadline()).await.unwrap_err();
        assert_eq!(error.error_type(), "Setpiece.Contract");
    }
    assert!(shop.quarantine.items().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_query_is_answered_each_time() {
    let shop = Shop::new();
    let app = shop.app_of(shop.handlers().on_query(balance)).build().unwrap();
    for expected in ["0", "1"] {
        assert_eq!(app.invoke(br#"{"any":1}"#, shop.deadline()).await.unwrap(), expected);
        shop.state.order.lock().unwrap().push("c".to_owned());
    }
}

#[tokio::test(start_paused = true)]
async fn a_schedule_is_guarded_by_its_own_id() {
    let shop = Shop::new();
    let app = shop.app_of(shop.handlers().on_payload(expire)).build().unwrap();
    let event = br#"{"version":"0","id":"53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type":"Scheduled Event","source":"aws.events","account":"123456789012",
        "time":"2015-10-08T16:53:06Z","region":"us-east-1",
        "resources":["arn:aws:events:us-east-1:123456789012:rule/my-scheduled-rule"],"detail":{}}"#;
    for _ in 0..2 {
        app.invoke(event, shop.deadline()).await.unwrap();
    }
    assert_eq!(*shop.state.order.lock().unwrap(), ["53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa"]);
}

async fn expire_two(_: &Cx<Loyalty>, _: ScheduledEvent) -> Result<Effects, Fault> {
    let awarded = |customer: &str| PointsAwarded { customer: customer.to_owned(), points: 1 };
    Ok(Effects::new().emit(awarded("a")).emit(awarded("b")))
}

const SCHEDULED: &[u8] = br#"{"version":"0","id":"53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type":"Scheduled Event","source":"aws.events","account":"123456789012",
    "time":"2015-10-08T16:53:06Z","region":"us-east-1",
    "resources":["arn:aws:events:us-east-1:123456789012:rule/my-scheduled-rule"],"detail":{}}"#;

/// What begins with no event is one flow all the same.
#[tokio::test(start_paused = true)]
async fn what_a_payload_causes_is_one_flow() {
    let shop = Shop::new();
    let app = shop.app_of(shop.handlers().on_payload(expire_two)).build().unwrap();
    app.invoke(SCHEDULED, shop.deadline()).await.unwrap();
    let events = shop.bus.published::<PointsAwarded>();
    let flows: Vec<_> = events.iter().map(|it| &it.metadata.correlation.correlation_id).collect();
    assert_eq!(flows.len(), 2);
    assert!(flows[0].is_some() && flows[0] == flows[1]);
}

async fn expire_more(cx: &Cx<Loyalty>, _: ScheduledEvent) -> Result<Effects, Fault> {
    cx.state.order.lock().unwrap().push("more".to_owned());
    Ok(Effects::none())
}

#[tokio::test(start_paused = true)]
async fn every_handler_of_a_payload_runs() {
    let shop = Shop::new();
    let handlers = shop.handlers().on_payload(expire).on_payload(expire_more);
    let app = shop.app_of(handlers).build().unwrap();
    app.invoke(SCHEDULED, shop.deadline()).await.unwrap();
    assert_eq!(shop.state.order.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_answers_is_alone() {
    let shop = Shop::new();
    let key = |redeem: &Json<Redeem>| Key::of(&redeem.0.request);
    let handlers = shop.handlers().on_request(key, redeem).on_query(balance);
    let error = shop.app_of(handlers).build().unwrap_err();
    assert!(matches!(error, AppError::SeveralAnswers { .. }), "{error:?}");
}

async fn ask(cx: &Cx<Loyalty>, _: Json<serde_json::Value>) -> Result<Json<u8>, Fault> {
    cx.state.order.lock().unwrap().push(cx.downstream_key("charge"));
    assert!(
        cx.deadline().instant()
            < setpiece_envelope::Timestamp::UNIX_EPOCH
                .saturating_add(std::time::Duration::from_hours(24 * 365 * 1000))
    );
    Ok(Json(1))
}

async fn hang(_: &Cx<Loyalty>, _: Json<serde_json::Value>) -> Result<Json<u8>, Fault> {
    std::future::pending().await
}

#[tokio::test(start_paused = true)]
async fn a_query_has_a_key_and_a_deadline_of_its_own() {
    let shop = Shop::new();
    let app = shop.app_of(shop.handlers().on_query(ask)).build().unwrap();
    for _ in 0..2 {
        app.invoke(br#"{"any":1}"#, shop.deadline()).await.unwrap();
    }
    let keys = shop.state.order.lock().unwrap().clone();
    assert_ne!(keys[0], keys[1]);
    let app = shop.app_of(shop.handlers().on_query(hang)).build().unwrap();
    let error = app.invoke(br#"{"any":1}"#, shop.deadline()).await.unwrap_err();
    assert_eq!(error.error_type(), "Setpiece.Deadline");
}

async fn order(cx: &Cx<Loyalty>, request: HttpRequest) -> Result<Reply<HttpResponse>, Fault> {
    let fault = match request.path.as_str() {
        "/orders" => {
            cx.state.order.lock().unwrap().push(request.path);
            let response = HttpResponse::new(201).with_header("location", "/orders/7");
            return Ok(Reply::new(response));
        }
        "/contract" => Fault::contract("the body is not an order"),
        "/conflict" => Fault::conflict("somebody was faster"),
        "/throttled" => Fault::throttled("too many orders"),
        "/transient" => Fault::transient("the catalog does not answer"),
        _ => Fault::permanent("no orders from here"),
    };
    Err(fault)
}

fn request(path: &str, key: &str) -> String {
    serde_json::json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": { "idempotency-key": key },
        "requestContext": { "requestId": "r-1", "http": { "method": "POST", "path": path } },
        "isBase64Encoded": false,
    })
    .to_string()
}

/// Who asks over HTTP is answered over HTTP, whatever happens.
#[tokio::test(start_paused = true)]
async fn http_is_answered_in_its_own_form() {
    let shop = Shop::new();
    let key = |request: &HttpRequest| request.idempotency_key().map(RequestKey::anonymous);
    let app = shop.app_of(shop.handlers().on_request(key, order)).build().unwrap();
    let answered = async |path: &str, key: &str| {
        let answer = app.invoke(request(path, key).as_bytes(), shop.deadline()).await.unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        (answer["statusCode"].as_u64().unwrap(), answer["headers"]["location"].clone())
    };
    for _ in 0..2 {
        assert_eq!(answered("/orders", "k-1").await, (201, "/orders/7".into()));
    }
    // The second time it was not run.
    assert_eq!(shop.state.order.lock().unwrap().len(), 1);
    for (path, status) in [
        ("/contract", 400),
        ("/conflict", 409),
        ("/throttled", 503),
        ("/transient", 503),
        ("/", 500),
    ] {
        assert_eq!(answered(path, path).await.0, status, "{path}");
    }
    assert_eq!(answered("/orders", "").await.0, 400);
    assert!(shop.quarantine.items().is_empty());
}

async fn object(cx: &Cx<Loyalty>, change: S3Change) -> Result<Effects, Fault> {
    cx.state.order.lock().unwrap().push(format!("{}/{}", change.bucket, change.key));
    Ok(Effects::none())
}

#[tokio::test(start_paused = true)]
async fn a_change_in_a_bucket_is_handled_once() {
    let notification = serde_json::json!({ "Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1",
        "eventTime": "1970-01-01T00:00:00.000Z", "eventName": "ObjectCreated:Put",
        "userIdentity": { "principalId": "EXAMPLE" },
        "requestParameters": { "sourceIPAddress": "127.0.0.1" },
        "responseElements": {},
        "s3": {
            "s3SchemaVersion": "1.0", "configurationId": "config",
            "bucket": { "name": "invoices", "ownerIdentity": { "principalId": "EXAMPLE" },
                "arn": "arn:aws:s3:::invoices" },
            "object": { "key": "2026/no+7.pdf", "size": 1024, "eTag": "0123",
                "sequencer": "0A1B2C3D4E5F678901" },
        },
    }]});
    let shop = Shop::new();
    let app = shop.app_of(shop.handlers().on_payload(object)).build().unwrap();
    for _ in 0..2 {
        app.invoke(notification.to_string().as_bytes(), shop.deadline()).await.unwrap();
    }
    assert_eq!(*shop.state.order.lock().unwrap(), ["invoices/2026/no 7.pdf"]);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_a_bucket_by_eventbridge_reaches_the_handler_of_changes() {
    async fn index(_: &Cx<Loyalty>, change: S3Change) -> Result<Effects, Fault> {
        assert_eq!(&*change.event_name, "ObjectRemoved:Delete");
        Ok(Effects::new().write(Write::update("objects", ("key", change.key)).add("changes", 1)))
    }
    async fn watch(_: &Cx<Loyalty>, event: OtherEvent) -> Result<Effects, Fault> {
        let id = event.id.unwrap_or_default().into_string();
        Ok(Effects::new().write(Write::update("events", ("id", id)).add("seen", 1)))
    }
    let event = r#"{"version":"0","id":"e-1","detail-type":"Object Deleted","source":"aws.s3",
        "account":"111122223333","time":"2026-01-01T00:00:00Z","region":"us-east-1","resources":[],
        "detail":{"bucket":{"name":"b"},"object":{"key":"a b+c.txt","sequencer":"0055"},
        "reason":"DeleteObject","deletion-type":"Permanently Deleted"}}"#;

    let shop = Shop::new();
    let app = shop.app_of(shop.handlers().on_payload(index)).build().unwrap();
    app.invoke(event.as_bytes(), shop.deadline()).await.unwrap();
    app.invoke(event.as_bytes(), shop.deadline()).await.unwrap();
    assert_eq!(shop.effects.items("objects").len(), 1);

    // A handler of all other events takes it first.
    let shop = Shop::new();
    let handlers = shop.handlers().on_payload(index).on_payload(watch);
    let app = shop.app_of(handlers).build().unwrap();
    app.invoke(event.as_bytes(), shop.deadline()).await.unwrap();
    assert_eq!(shop.effects.items("objects").len(), 0);
    assert_eq!(shop.effects.items("events").len(), 1);

    // Other events of S3 are no changes of objects.
    let shop = Shop::new();
    let app = shop.app_of(shop.handlers().on_payload(index)).build().unwrap();
    let other = event.replace("Object Deleted", "Bucket Looked At");
    assert!(app.invoke(other.as_bytes(), shop.deadline()).await.is_err());
}
