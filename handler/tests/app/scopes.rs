//! Whose records are whose, where functions share a table.

use setpiece_envelope::ServiceId;
use setpiece_handler::{App, AppError, Cx, Effects, Handlers, MemoryEffects, Received, Write};
use setpiece_policy::Fault;
use setpiece_testing::FakeBus;

use crate::shop::{
    LOYALTY, Loyalty, ProductRegistered, Shop, ShopBuilder, award_points, registered,
};

mod one {
    use super::*;

    pub(super) async fn on_registered(
        _: &Cx<Loyalty>,
        _: Received<ProductRegistered>,
    ) -> Result<Effects, Fault> {
        Ok(Effects::new().write(Write::update("seen", ("by", "one")).add("times", 1)))
    }
}

mod two {
    use super::*;

    pub(super) async fn on_registered(
        _: &Cx<Loyalty>,
        _: Received<ProductRegistered>,
    ) -> Result<Effects, Fault> {
        Ok(Effects::new().write(Write::update("seen", ("by", "two")).add("times", 1)))
    }
}

type Built = App<Loyalty, MemoryEffects, FakeBus>;

fn times(shop: &Shop, by: &str) -> Option<u64> {
    let item = shop.effects.item("seen", ("by", by))?;
    Some(serde_dynamo::from_attribute_value(item.get("times")?.clone()).unwrap())
}

async fn deliver(shop: &Shop, app: &Built) {
    app.invoke(&registered("c1").event_bridge(), shop.deadline()).await.unwrap();
}

fn build(shop: &Shop, handlers: Handlers<Loyalty>, set: fn(ShopBuilder) -> ShopBuilder) -> Built {
    set(shop.app_of(handlers)).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn two_functions_with_handlers_of_one_name_both_act_and_each_once() {
    type Name = fn(ShopBuilder) -> ShopBuilder;
    let names: [(Name, Name); 3] = [
        (|it| it, |it| it),
        (|it| it.named("points"), |it| it.named("statistics")),
        (|it| it, |it| it.named("statistics")),
    ];
    for (first, second) in names {
        let shop = Shop::new();
        // Each in two processes.
        for _ in 0..2 {
            deliver(&shop, &build(&shop, shop.handlers().on(one::on_registered), first)).await;
            deliver(&shop, &build(&shop, shop.handlers().on(two::on_registered), second)).await;
        }
        assert_eq!((times(&shop, "one"), times(&shop, "two")), (Some(1), Some(1)));
    }
}

/// Also one handler that is part of two functions.
#[tokio::test(start_paused = true)]
async fn a_handler_acts_in_each_function_that_has_it() {
    let shop = Shop::new();
    for name in ["points", "statistics", "points"] {
        let app = shop.app_of(shop.handlers().on(one::on_registered)).named(name);
        deliver(&shop, &app.build().unwrap()).await;
    }
    assert_eq!(times(&shop, "one"), Some(2));
}

/// A function, a handler or a service that has another name is another one, unless it says what it
/// was called.
#[tokio::test(start_paused = true)]
async fn what_was_renamed_keeps_its_keys_by_its_former_name() {
    const POINTS: ServiceId = ServiceId::new("shop", "customers", "points");
    let shop = Shop::new();
    let app = |service, handlers, name| {
        let retry = setpiece_policy::Retry::new(
            shop.clock.clone(),
            setpiece_policy::SeededRandom::new(1),
            crate::shop::RuntimeSleep,
        );
        App::builder(
            service,
            handlers,
            shop.effects.clone(),
            setpiece_bus::Publisher::new(shop.bus.clone(), retry),
            shop.clock.clone(),
            setpiece_policy::SeededRandom::new(2),
            crate::shop::RuntimeSleep,
        )
        .named(name)
    };
    let handlers = || shop.handlers().on(one::on_registered);
    deliver(&shop, &app(LOYALTY, handlers(), "points").build().unwrap()).await;
    assert_eq!(times(&shop, "one"), Some(1));
    let other = || shop.handlers().on_named("other", two::on_registered);
    let kept = [
        app(LOYALTY, shop.handlers().on_named("on_registered", two::on_registered), "points"),
        app(LOYALTY, other(), "points").renamed("other", "on_registered"),
        app(POINTS, handlers(), "points").formerly(LOYALTY),
        app(LOYALTY, handlers(), "points-v2").named("points"),
    ];
    for app in kept {
        deliver(&shop, &app.build().unwrap()).await;
        assert_eq!((times(&shop, "one"), times(&shop, "two")), (Some(1), None));
    }
    let lost = [
        app(POINTS, handlers(), "points"),
        app(LOYALTY, handlers(), "points-v2"),
        app(LOYALTY, shop.handlers().on_named("other", one::on_registered), "points"),
    ];
    for (count, app) in (2..).zip(lost) {
        deliver(&shop, &app.build().unwrap()).await;
        assert_eq!(times(&shop, "one"), Some(count));
    }
}

#[tokio::test(start_paused = true)]
async fn names_that_could_be_taken_for_others_are_refused() {
    let shop = Shop::new();
    for name in ["", "a/b", "a#b"] {
        let app = shop.app_of(shop.handlers().on(award_points)).named(name);
        assert_eq!(app.build().unwrap_err(), AppError::FunctionName, "{name}");
    }
}
