use std::sync::{Arc, Mutex};

use setpiece_handler::{Cx, Ending, Received};
use setpiece_policy::Fault;

use crate::shop::{
    Loyalty, ProductRegistered, Shop, award_points, failures, queue, registered, troubled,
};

type Seen = Arc<Mutex<Vec<(Option<String>, Option<String>, &'static str)>>>;

fn watched(
    shop: &Shop,
    handlers: setpiece_handler::Handlers<Loyalty>,
) -> (crate::shop::ShopApp, Seen) {
    let seen = Seen::default();
    let told = Arc::clone(&seen);
    let app = shop.app_of(handlers).observer(move |report| {
        let handler = report.handler.map(str::to_owned);
        let item = report.facts.item_id.as_deref().map(str::to_owned);
        told.lock().unwrap().push((item, handler, report.ending.name()));
    });
    (app.build().unwrap(), seen)
}

/// One for each handler, and one for each delivery, also for those that were never begun.
#[tokio::test(start_paused = true)]
async fn every_delivery_has_one_end() {
    let shop = Shop::new();
    let (app, seen) = watched(&shop, shop.handlers().on(award_points));
    let bodies = [
        registered("a0").detail(),
        troubled("a1", "transient").detail(),
        registered("a2").detail(),
        b"not JSON".to_vec(),
        troubled("c0", "slow").detail(),
    ];
    let groups = ["a", "a", "a", "b", "c"];
    let ids = ["m0", "m1", "m2", "m3", "m4"];
    let messages: Vec<_> = ids
        .iter()
        .zip(groups)
        .zip(&bodies)
        .map(|((id, group), body)| (*id, Some(group), &body[..]))
        .collect();
    let answer = app.invoke(&queue(true, &messages), shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), ["m1", "m2", "m4"]);

    let seen = seen.lock().unwrap();
    let of = |id: &str| {
        let of = seen.iter().filter(|(item, ..)| item.as_deref() == Some(id));
        of.map(|(_, handler, ending)| (handler.as_deref(), *ending)).collect::<Vec<_>>()
    };
    let handler = Some("award_points");
    assert_eq!(of("m0"), [(handler, "Done"), (None, "Acknowledged")]);
    assert_eq!(of("m1"), [(handler, "Failed"), (None, "Failed")]);
    assert_eq!(of("m2"), [(None, "Failed")]);
    assert_eq!(of("m3"), [(None, "Quarantined")]);
    assert_eq!(of("m4"), [(handler, "Failed"), (None, "Failed")]);
}

#[tokio::test(start_paused = true)]
async fn each_handler_that_fails_is_told_of() {
    let shop = Shop::new();
    let refuse =
        async |_: &Cx<Loyalty>, _: Received<ProductRegistered>| Err(Fault::permanent("no"));
    let handlers = shop.handlers().on_named("one", refuse).on_named("other", refuse);
    let (app, seen) = watched(&shop, handlers);
    let body = registered("c0").detail();
    app.invoke(&queue(false, &[("m0", None, &body)]), shop.deadline()).await.unwrap();
    let seen = seen.lock().unwrap();
    let seen: Vec<_> = seen.iter().map(|(_, handler, end)| (handler.as_deref(), *end)).collect();
    assert_eq!(seen, [(Some("one"), "Failed"), (Some("other"), "Failed"), (None, "Quarantined")]);
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_panics_changes_nothing() {
    let shop = Shop::new();
    let app = shop.app_of(shop.handlers().on(award_points)).observer(|report| {
        assert!(!matches!(report.ending, Ending::Failed(_)), "as it wants to");
    });
    let (bad, good) = (troubled("c1", "transient").detail(), registered("c0").detail());
    let messages = [("m0", None, &bad[..]), ("m1", None, &good[..])];
    let answer = app.build().unwrap().invoke(&queue(false, &messages), shop.deadline()).await;
    assert_eq!(failures(&answer.unwrap()), ["m0"]);
}
