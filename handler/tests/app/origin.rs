use serde_json::{Value, json};
use setpiece_handler::{
    Allow, Cx, Effects, Ending, HttpRequest, HttpResponse, ItemChange, Json, Reason, ScheduledEvent,
};
use setpiece_idempotency::Key;
use setpiece_policy::Fault;
use setpiece_testing::{ACCOUNT, REGION, StreamRecord, event_array, stream_event};

use crate::shop::{Loyalty, Shop, award_points, failures, queue, registered};

/// By the queue that the tests' events come through.
const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:loyalty";

async fn quarantined_as(allow: Allow, body: &[u8]) -> Option<Reason> {
    let shop = Shop::new();
    let quarantined = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let told = std::sync::Arc::clone(&quarantined);
    let app = shop
        .app_of(shop.handlers().on(award_points))
        .allow(allow)
        .observer(move |report| {
            if let Ending::Quarantined { .. } = report.ending {
                told.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        })
        .build()
        .unwrap();
    let answer = app.invoke(&queue(false, &[("m0", None, body)]), shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), [""; 0]);
    let items = shop.quarantine.items();
    assert_eq!(quarantined.load(std::sync::atomic::Ordering::Relaxed) as usize, items.len());
    assert_eq!(shop.points("c1").is_some(), items.is_empty());
    items.first().map(|poison| {
        assert_eq!(poison.bytes, body);
        poison.reason
    })
}

#[tokio::test(start_paused = true)]
async fn only_what_may_come_is_handled() {
    let event = registered("c1").event_bridge();
    let refused = Some(Reason::NotAllowed);
    for (allow, expected) in [
        (Allow::new(), None),
        (Allow::new().account(ACCOUNT).region(REGION).source("shop.catalog.products"), None),
        (Allow::new().account("999999999999").account(ACCOUNT), None),
        (Allow::new().account("999999999999"), refused),
        (Allow::new().region("eu-central-1"), refused),
        (Allow::new().source("shop.catalog.others"), refused),
        (Allow::new().account(ACCOUNT).region(REGION).source("shop.catalog.others"), refused),
    ] {
        let allow = allow.through(QUEUE);
        assert_eq!(quarantined_as(allow.clone(), &event).await, expected, "{allow:?}");
    }
}

/// Whoever may send to a queue can write there what EventBridge would have written.
#[tokio::test(start_paused = true)]
async fn a_queue_is_believed_only_if_it_is_named() {
    let event = registered("c1").event_bridge();
    let allow = || Allow::new().account(ACCOUNT);
    assert_eq!(quarantined_as(allow(), &event).await, Some(Reason::NotAllowed));
    let other = allow().through("arn:aws:sqs:us-east-1:123456789012:other");
    assert_eq!(quarantined_as(other, &event).await, Some(Reason::NotAllowed));
    assert_eq!(quarantined_as(allow().through(QUEUE), &event).await, None);

    let shop = Shop::new();
    let app = shop.app_of(shop.handlers().on(award_points)).allow(allow()).build().unwrap();
    app.invoke(&event, shop.deadline()).await.unwrap();
    assert_eq!(shop.points("c1"), Some(100));
}

/// How an invocation ends when it may only come from our account.
async fn ends(allow: Allow, invocation: &[u8]) -> (bool, Vec<Reason>) {
    let shop = Shop::new();
    let handlers = shop.handlers().on(award_points).on_payload(note).on_query(greet);
    let handlers = handlers.on_payload_by(|_: &Json<Value>| Key::of("k"), command);
    let app = shop.app_of(handlers).allow(allow.account(ACCOUNT)).build().unwrap();
    let answer = app.invoke(invocation, shop.deadline()).await;
    let is_fine = answer.is_ok_and(|answer| !answer.contains("\"statusCode\":500"));
    let was_run = !shop.state.order.lock().unwrap().is_empty();
    let reasons: Vec<_> = shop.quarantine.items().iter().map(|it| it.reason).collect();
    assert_eq!(was_run, is_fine && reasons.is_empty());
    (was_run, reasons)
}

async fn note(cx: &Cx<Loyalty>, _: ItemChange) -> Result<Effects, Fault> {
    cx.state.order.lock().unwrap().push("noted".to_owned());
    Ok(Effects::none())
}

async fn greet(cx: &Cx<Loyalty>, _: HttpRequest) -> Result<HttpResponse, Fault> {
    cx.state.order.lock().unwrap().push("greeted".to_owned());
    Ok(HttpResponse::new(200))
}

async fn command(cx: &Cx<Loyalty>, _: Json<Value>) -> Result<Effects, Fault> {
    cx.state.order.lock().unwrap().push("commanded".to_owned());
    Ok(Effects::none())
}

/// A classic rule is believed, and nothing that somebody else could have written.
#[tokio::test(start_paused = true)]
async fn each_way_is_believed_as_far_as_it_can_be() {
    let event = registered("c1");
    let topic = "arn:aws:sns:us-east-1:123456789012:sample-topic";
    let stream =
        "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000";
    let item = r#"{"id":{"S":"7"}}"#;
    let changed = stream_event([StreamRecord::insert(item, item).of_table("orders")]);
    let request = br#"{"version":"2.0","routeKey":"GET /","rawPath":"/","headers":{},
        "requestContext":{"http":{"method":"GET","path":"/"},"requestId":"r"}}"#;
    let with_metadata = |event: &[u8]| {
        let event: Value = serde_json::from_slice(event).unwrap();
        let system = json!({ "aws:DeliveryType": "LIVE", "aws:Source": "shop.catalog.products" });
        json!({ "Data": event, "Metadata": {}, "SystemMetadata": system }).to_string()
    };
    let array = event_array([event.event_bridge()]);
    let described = with_metadata(&event.event_bridge());
    let described_array = event_array([described.as_bytes()]);
    let subscribed = || Allow::new().through_subscriber();
    let (named, done) = (Allow::new(), (true, vec![]));
    let (aside, told) = ((false, vec![Reason::NotAllowed]), (false, vec![]));
    for (what, allow, invocation, expected) in [
        ("a rule", named.clone(), &event.event_bridge()[..], &done),
        ("an array", named.clone(), &array, &aside),
        ("an array that is named", subscribed(), &array, &done),
        ("metadata", named.clone(), described.as_bytes(), &aside),
        ("metadata, named", subscribed(), described.as_bytes(), &done),
        ("metadata in an array", named.clone(), &described_array, &aside),
        ("metadata in an array, named", subscribed(), &described_array, &done),
        ("a topic", named.clone(), &event.sns(), &aside),
        ("a topic that is named", named.clone().through(topic), &event.sns(), &done),
        ("a topic beside one", named.clone().through("arn:other"), &event.sns(), &aside),
        // Nothing is known of where these come from.
        ("a stream", named.clone(), &changed, &aside),
        ("a stream that is named", named.clone().through(stream), &changed, &aside),
        // Who waits for an answer is told, and has the bytes.
        ("a request", named.clone(), request, &told),
        ("a direct call", named.clone(), br#"{"command":"rebuild"}"#, &told),
        ("an event of a direct call", named.clone(), &event.detail(), &told),
    ] {
        assert_eq!(&ends(allow, invocation).await, expected, "{what}");
    }
}

/// What came without a bus can say anything of itself.
#[tokio::test(start_paused = true)]
async fn nothing_is_known_of_what_came_without_a_bus() {
    let event = registered("c1").detail();
    let allow = Allow::new().source("shop.catalog.products").through(QUEUE);
    assert_eq!(quarantined_as(allow, &event).await, Some(Reason::NotAllowed));
    assert_eq!(quarantined_as(Allow::new(), &event).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_is_too_long_is_stopped() {
    for (depth, expected) in [(32, None), (33, Some(Reason::TooDeep))] {
        let event = registered("c1").with_metadata(|metadata| {
            metadata.correlation.depth = depth;
        });
        assert_eq!(quarantined_as(Allow::new(), &event.event_bridge()).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn payloads_have_an_origin_too() {
    let event = br#"{"version":"0","id":"53dc4d37","detail-type":"Scheduled Event",
        "source":"aws.events","account":"999999999999","time":"2015-10-08T16:53:06Z",
        "region":"us-east-1","resources":["arn:x"],"detail":{}}"#;
    let shop = Shop::new();
    let handlers = shop.handlers().on_payload(tick);
    let app = shop.app_of(handlers).allow(Allow::new().account(ACCOUNT)).build().unwrap();
    app.invoke(event, shop.deadline()).await.unwrap();
    assert_eq!(shop.quarantine.items().len(), 1);
    assert!(shop.state.order.lock().unwrap().is_empty());
}

async fn tick(cx: &Cx<Loyalty>, _: ScheduledEvent) -> Result<Effects, Fault> {
    cx.state.order.lock().unwrap().push("tick".to_owned());
    Ok(Effects::none())
}
