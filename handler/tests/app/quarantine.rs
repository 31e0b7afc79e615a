use setpiece_handler::{BoxFuture, Poison, Quarantine};
use setpiece_policy::Fault;

use crate::shop::{LOYALTY, Shop, award_points, failures, queue, registered, troubled};

#[tokio::test(start_paused = true)]
async fn what_cannot_be_put_aside_fails() {
    let shop = Shop::new();
    shop.quarantine.set_down(true);
    let bodies = [b"not JSON".to_vec(), troubled("c1", "permanent").detail()];
    let messages = [("m0", None, &bodies[0][..]), ("m1", None, &bodies[1])];
    let app = shop.app();
    let answer = app.invoke(&queue(false, &messages), shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), ["m0", "m1"]);

    shop.quarantine.set_down(false);
    let answer = app.invoke(&queue(false, &messages), shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), [""; 0]);
    assert_eq!(shop.quarantine.items().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_a_quarantine_poison_fails() {
    let shop = Shop::new();
    let retry = setpiece_policy::Retry::new(
        shop.clock.clone(),
        setpiece_policy::SeededRandom::new(1),
        crate::shop::RuntimeSleep,
    );
    let app = setpiece_handler::App::builder(
        LOYALTY,
        shop.handlers().on(award_points),
        shop.effects.clone(),
        setpiece_bus::Publisher::new(shop.bus.clone(), retry),
        shop.clock.clone(),
        setpiece_policy::SeededRandom::new(2),
        crate::shop::RuntimeSleep,
    )
    .build()
    .unwrap();
    let answer = app.invoke(&queue(false, &[("m0", None, b"not JSON")]), shop.deadline()).await;
    assert_eq!(failures(&answer.unwrap()), ["m0"]);
}

/// Whoever repairs the cause sends the bytes again, and they are handled then.
#[tokio::test(start_paused = true)]
async fn what_was_put_aside_can_be_sent_again() {
    let shop = Shop::new();
    let bad = troubled("c1", "permanent").detail();
    let app = shop.app();
    app.invoke(&queue(false, &[("m0", None, &bad)]), shop.deadline()).await.unwrap();
    let poison = shop.quarantine.items().remove(0);
    assert_eq!(poison.handler.as_deref(), Some("award_points"));

    let repaired = shop
        .app_of(shop.handlers().on_named(
            "award_points",
            async |_: &setpiece_handler::Cx<crate::shop::Loyalty>,
                   event: setpiece_handler::Received<crate::shop::ProductRegistered>| {
                let customer = event.data.customer;
                Ok(setpiece_handler::Effects::new().write(
                    setpiece_handler::Write::update("points", ("customer", customer))
                        .add("points", 100),
                ))
            },
        ))
        .build()
        .unwrap();
    let again = queue(false, &[("m1", None, &poison.bytes)]);
    let answer = repaired.invoke(&again, shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), [""; 0]);
    assert_eq!(shop.points("c1"), Some(100));
}

struct Broken;

impl Quarantine for Broken {
    fn put<'a>(&'a self, _: &'a Poison<'a>) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { panic!("the quarantine is broken") })
    }
}

#[tokio::test(start_paused = true)]
async fn a_quarantine_that_panics_fails_one_message() {
    let shop = Shop::new();
    let app = shop.app_of(shop.handlers().on(award_points)).quarantine(Broken).build().unwrap();
    let good = registered("c0").detail();
    let messages = [("m0", None, &b"not JSON"[..]), ("m1", None, &good[..])];
    let answer = app.invoke(&queue(false, &messages), shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), ["m0"]);
    assert_eq!(shop.points("c0"), Some(100));
}

/// Who calls directly is told, and has the bytes.
#[tokio::test(start_paused = true)]
async fn a_direct_caller_is_told() {
    let shop = Shop::new();
    let error = shop.app().invoke(&troubled("c1", "permanent").detail(), shop.deadline()).await;
    assert_eq!(error.unwrap_err().error_type(), "Setpiece.Permanent");
    assert!(shop.quarantine.items().is_empty());
}
