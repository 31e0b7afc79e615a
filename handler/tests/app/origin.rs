use setpiece_handler::{Allow, Cx, Effects, Ending, Reason, ScheduledEvent};
use setpiece_policy::Fault;
use setpiece_testing::{ACCOUNT, REGION};

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
            if let Ending::Quarantined(_) = report.ending {
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
