//! The smallest useful service: one event in, one write, one event out.

use serde::{Deserialize, Serialize};
use setpiece_envelope::{DomainEvent, ServiceId};
use setpiece_handler::{Cx, Effects, Handlers, Received, Write};
use setpiece_policy::Fault;

/// This service.
pub const LOYALTY: ServiceId = ServiceId::new("shop", "customers", "loyalty");
const ORDERS: ServiceId = ServiceId::new("shop", "checkout", "orders");

/// What this service reads of another one's event.
#[derive(Serialize, Deserialize, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 1, view)]
struct OrderSubmitted {
    customer: String,
    total_cents: u32,
}

/// What it publishes.
#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(service = LOYALTY, name = "points_awarded", version = 1)]
struct PointsAwarded {
    points: u32,
}

/// All that there is of the service, with the table of points as its state.
pub fn handlers(table: impl Into<String>) -> Handlers<String> {
    Handlers::new(table.into()).on(award_points)
}

async fn award_points(cx: &Cx<String>, event: Received<OrderSubmitted>) -> Result<Effects, Fault> {
    let points = event.data.total_cents / 100;
    Ok(Effects::new()
        .write(Write::update(&*cx.state, ("customer", event.data.customer)).add("points", points))
        .emit(PointsAwarded { points }))
}

#[test]
fn a_point_for_each_unit_of_money() {
    let order = OrderSubmitted { customer: "cu-1".to_owned(), total_cents: 2999 };
    let event = Received::from(setpiece_testing::sample(order).into_envelope());
    let cx = Cx::new("points".to_owned());
    let decided = futures_util::FutureExt::now_or_never(award_points(&cx, event)).unwrap().unwrap();
    assert_eq!(decided.emitted_as::<PointsAwarded>(), [PointsAwarded { points: 29 }]);
}

#[test]
fn no_point_is_lost_or_awarded_twice() {
    setpiece_testing::World::check(0..50, |world| {
        world.set_faults(setpiece_testing::WorldFaults::usual());
        let start = |it: &setpiece_testing::Sandbox| it.app(LOYALTY, handlers("points")).build();
        world.function("loyalty", start).on::<OrderSubmitted>();
        let order = |cents| OrderSubmitted { customer: "cu-1".to_owned(), total_cents: cents };
        world.publish_all([100, 200, 300].map(order));
        let outcome = world.run_and_recover();
        outcome.assert_sound();
        let events = outcome.published::<PointsAwarded>().len();
        assert_eq!((events, outcome.sum("points", "points")), (3, 6));
    });
}
