use serde::{Deserialize, Serialize};
use setpiece_envelope::{DomainEvent, ServiceId};
use setpiece_handler::{Cx, Effects, Reason, Received, Unhandled, Write};
use setpiece_policy::Fault;
use setpiece_testing::sample;

use crate::shop::{
    Loyalty, PRODUCTS, PointsAwarded, ProductRegistered, Shop, award_points, failures, queue,
    registered,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(service = PRODUCTS, name = "product_recalled", version = 1, view)]
struct ProductRecalled {
    customer: String,
}

const OTHERS: ServiceId = ServiceId::new("shop", "catalog", "others");

/// An event of the same name that belongs to somebody else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(service = OTHERS, name = "product_registered", version = 1, view)]
struct OthersRegistered {
    customer: String,
}

async fn count(_: &Cx<Loyalty>, _: Received<ProductRegistered>) -> Result<Effects, Fault> {
    Ok(Effects::new().write(Write::update("counts", ("of", "registered")).add("count", 1)))
}

async fn fail_first(cx: &Cx<Loyalty>, _: Received<ProductRegistered>) -> Result<Effects, Fault> {
    if cx.attempt() == 1 {
        return Err(Fault::transient("the first time"));
    }
    Ok(Effects::new().write(Write::update("counts", ("of", "failing")).add("count", 1)))
}

async fn recall(_: &Cx<Loyalty>, event: Received<ProductRecalled>) -> Result<Effects, Fault> {
    Ok(Effects::new()
        .write(Write::update("points", ("customer", event.data.customer)).add("points", -50)))
}

fn number(shop: &Shop, of: &str) -> Option<u64> {
    let item = shop.effects.item("counts", ("of", of))?;
    Some(serde_dynamo::from_attribute_value(item.get("count")?.clone()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn the_type_decides_which_handler_runs() {
    let shop = Shop::new();
    let app = shop.app_of(shop.handlers().on(award_points).on(recall)).build().unwrap();
    let recalled = sample(ProductRecalled { customer: "c1".to_owned() });
    let messages = [
        ("m0", None, &registered("c1").event_bridge()[..]),
        ("m1", None, &recalled.event_bridge()[..]),
    ];
    let answer = app.invoke(&queue(false, &messages), shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), [""; 0]);
    assert_eq!(shop.points("c1"), Some(50));
}

#[tokio::test(start_paused = true)]
async fn the_same_name_of_another_service_is_another_event() {
    let shop = Shop::new();
    let app = shop.app();
    let other = sample(OthersRegistered { customer: "c1".to_owned() });
    for body in [other.detail(), other.event_bridge()] {
        let answer = app.invoke(&queue(false, &[("m0", None, &body)]), shop.deadline()).await;
        assert_eq!(failures(&answer.unwrap()), ["m0"]);
    }
    assert_eq!(shop.points("c1"), None);
}

#[tokio::test(start_paused = true)]
async fn several_handlers_of_one_event_have_keys_of_their_own() {
    let shop = Shop::new();
    let handlers = shop.handlers().on(award_points).on(count).on(fail_first);
    let app = shop.app_of(handlers).build().unwrap();
    let body = registered("c1").detail();

    let answer = app.invoke(&queue(false, &[("m0", None, &body)]), shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), ["m0"]);
    let answer = app.invoke(&queue(false, &[("m0", None, &body)]), shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), [""; 0]);

    assert_eq!(shop.points("c1"), Some(100));
    assert_eq!(number(&shop, "registered"), Some(1));
    assert_eq!(number(&shop, "failing"), Some(1));
    assert_eq!(shop.awarded(), ["c1"]);
}

#[tokio::test(start_paused = true)]
async fn closures_are_handlers_too() {
    let shop = Shop::new();
    let table = "counts".to_owned();
    let handlers = shop
        .handlers()
        .on_named("borrowing", async |cx: &Cx<Loyalty>, event: Received<ProductRegistered>| {
            cx.state.order.lock().unwrap().push(event.data.customer);
            Ok(Effects::none())
        })
        .on_named("capturing", move |_: &Cx<Loyalty>, _: Received<ProductRegistered>| {
            let table = table.clone();
            async move {
                let write = Write::update(table, ("of", "captured")).add("count", 1);
                Ok(Effects::new().write(write))
            }
        });
    let app = shop.app_of(handlers).build().unwrap();
    app.invoke(&registered("c1").event_bridge(), shop.deadline()).await.unwrap();
    assert_eq!(*shop.state.order.lock().unwrap(), ["c1"]);
    assert_eq!(number(&shop, "captured"), Some(1));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_handles_is_a_choice() {
    let recalled = sample(ProductRecalled { customer: "c1".to_owned() }).detail();
    let invocation = queue(false, &[("m0", None, &recalled)]);
    for (unhandled, failed, quarantined) in [
        (Unhandled::Fail, true, false),
        (Unhandled::Quarantine, false, true),
        (Unhandled::Ignore, false, false),
    ] {
        let shop = Shop::new();
        let handlers = shop.handlers().on(award_points).unhandled(unhandled);
        let app = shop.app_of(handlers).build().unwrap();
        let answer = app.invoke(&invocation, shop.deadline()).await.unwrap();
        assert_eq!(!failures(&answer).is_empty(), failed, "{unhandled:?}");
        let reasons: Vec<_> = shop.quarantine.items().iter().map(|it| it.reason).collect();
        assert_eq!(reasons.contains(&Reason::Unhandled), quarantined, "{unhandled:?}");
    }
}

/// It is one of ours, so nobody may ignore it.
#[tokio::test(start_paused = true)]
async fn one_of_our_events_without_metadata_is_put_aside() {
    let shop = Shop::new();
    let handlers = shop.handlers().on(award_points).unhandled(Unhandled::Ignore);
    let app = shop.app_of(handlers).build().unwrap();
    let bare = br#"{"version":"0","id":"6a7e8feb","detail-type":"product_registered",
        "source":"shop.catalog.products","account":"123456789012","time":"2026-11-20T12:00:00Z",
        "region":"us-east-1","resources":[],"detail":{"customer":"c1"}}"#;
    app.invoke(bare, shop.deadline()).await.unwrap();
    let reasons: Vec<_> = shop.quarantine.items().iter().map(|it| it.reason).collect();
    assert_eq!(reasons, [Reason::Contract]);
}

/// Nobody has to pass ids on.
#[tokio::test(start_paused = true)]
async fn what_is_emitted_belongs_to_the_flow() {
    let shop = Shop::new();
    let cause = registered("c1");
    shop.app().invoke(&cause.event_bridge(), shop.deadline()).await.unwrap();
    let [awarded] = &shop.bus.published::<PointsAwarded>()[..] else { panic!("one event") };
    setpiece_testing::assert_caused_by(&awarded.metadata, cause.metadata());
    assert_eq!(awarded.metadata.correlation.depth, cause.metadata().correlation.depth + 1);
}

#[tokio::test(start_paused = true)]
async fn a_handler_sees_how_its_event_came() {
    let shop = Shop::new();
    let handlers = shop.handlers().on_named(
        "curious",
        async |cx: &Cx<Loyalty>, event: Received<ProductRegistered>| {
            let bus = event.bus.unwrap();
            assert_eq!(&*bus.source, "shop.catalog.products");
            assert_eq!(event.facts.item_id.as_deref(), Some("m0"));
            assert_eq!(event.facts.receive_count, Some(1));
            assert_eq!(cx.downstream_key("charge").len(), 64);
            assert_eq!(cx.correlation().causation_id.as_ref(), Some(&event.metadata.event_id));
            cx.state.order.lock().unwrap().push(cx.downstream_key("charge"));
            Err(Fault::transient("to see it again"))
        },
    );
    let app = shop.app_of(handlers).build().unwrap();
    let body = registered("c1").event_bridge();
    for _ in 0..2 {
        let answer = app.invoke(&queue(false, &[("m0", None, &body)]), shop.deadline()).await;
        assert_eq!(failures(&answer.unwrap()), ["m0"]);
    }
    let keys = shop.state.order.lock().unwrap().clone();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], keys[1]);
}

/// Of two services with events of one name, whose is it?
#[tokio::test(start_paused = true)]
async fn an_event_that_does_not_say_whose_it_is_is_put_aside_when_in_doubt() {
    async fn other(_: &Cx<Loyalty>, _: Received<OthersRegistered>) -> Result<Effects, Fault> {
        Ok(Effects::none())
    }
    let body = br#"{"metadata":{"event_id":"c","name":"product_registered","version":"1"},
        "data":{"customer":"c1"}}"#;
    let shop = Shop::new();
    let app = shop.app_of(shop.handlers().on(award_points).on(other)).build().unwrap();
    app.invoke(&queue(false, &[("m0", None, body)]), shop.deadline()).await.unwrap();
    assert_eq!(shop.quarantine.items().len(), 1);
    shop.app().invoke(&queue(false, &[("m0", None, body)]), shop.deadline()).await.unwrap();
    assert_eq!(shop.points("c1"), Some(100));
}

/// What is not stale must not be acknowledged as if it were.
#[tokio::test(start_paused = true)]
async fn another_condition_beside_the_sequence_is_a_conflict() {
    let shop = Shop::new();
    let handlers = shop.handlers().on_named(
        "guarded",
        async |_: &Cx<Loyalty>, event: Received<ProductRegistered>| {
            let write = Write::update("points", ("customer", event.data.customer)).set("tier", 1);
            Ok(Effects::new().write(write.if_equals("status", "active").if_newer("seq", 1)))
        },
    );
    let app = shop.app_of(handlers).build().unwrap();
    let body = registered("c1").detail();
    let answer = app.invoke(&queue(false, &[("m0", None, &body)]), shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), ["m0"]);
}

/// One handler wants it again, so it is not put aside for the other one's sake.
#[tokio::test(start_paused = true)]
async fn an_event_that_one_handler_wants_again_is_not_put_aside() {
    for names in [["a", "b"], ["b", "a"]] {
        let shop = Shop::new();
        let handlers = names.into_iter().fold(shop.handlers(), |handlers, name| {
            handlers.on_named(
                name,
                move |_: &Cx<Loyalty>, _: Received<ProductRegistered>| async move {
                    Err(if name == "a" {
                        Fault::permanent("never")
                    } else {
                        Fault::transient("later")
                    })
                },
            )
        });
        let app = shop.app_of(handlers).build().unwrap();
        let body = registered("c1").detail();
        let answer = app.invoke(&queue(false, &[("m0", None, &body)]), shop.deadline()).await;
        assert_eq!(failures(&answer.unwrap()), ["m0"]);
        assert!(shop.quarantine.items().is_empty());
    }
}

/// A Step Functions task would go on, and an HTTP client would be told that it was done.
#[tokio::test(start_paused = true)]
async fn whoever_waits_for_an_answer_is_not_ignored() {
    for unhandled in [Unhandled::Ignore, Unhandled::Quarantine, Unhandled::Fail] {
        let shop = Shop::new();
        let app = shop.app_of(shop.handlers().on(award_points).unhandled(unhandled));
        let app = app.build().unwrap();
        let direct = br#"{"command":"rebuild"}"#;
        assert!(app.invoke(direct, shop.deadline()).await.is_err(), "{unhandled:?}");
        let http = br#"{"version":"2.0","routeKey":"GET /x","rawPath":"/x","headers":{},
            "requestContext":{"http":{"method":"GET","path":"/x"},"requestId":"r","stage":"s"}}"#;
        let answer = app.invoke(http, shop.deadline()).await.unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["statusCode"].as_u64().unwrap() >= 400, "{unhandled:?}: {answer}");
        assert!(shop.quarantine.items().is_empty(), "{unhandled:?}");
    }
}
