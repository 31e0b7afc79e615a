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
#[derive(Serialize, DomainEvent)]
#[event(service = LOYALTY, name = "points_awarded", version = 1)]
struct PointsAwarded {
    #[event(subject)]
    customer: String,
    points: u32,
}

/// All that there is of the service, with the table of points as its state.
pub fn handlers(table: impl Into<String>) -> Handlers<String> {
    Handlers::new(table.into()).on(award_points)
}

async fn award_points(cx: &Cx<String>, event: Received<OrderSubmitted>) -> Result<Effects, Fault> {
    let OrderSubmitted { customer, total_cents } = event.data;
    let points = total_cents / 100;
    Ok(Effects::new()
        .write(Write::update(&*cx.state, ("customer", &customer)).add("points", points))
        .emit(PointsAwarded { customer, points }))
}

#[cfg(test)]
#[test]
fn a_point_for_each_unit_of_money() {
    let order = OrderSubmitted { customer: "cu-1".to_owned(), total_cents: 2999 };
    let event = Received::from(setpiece_testing::sample(order).into_envelope());
    let cx = Cx::new("points".to_owned());
    let expected = Effects::new()
        .write(Write::update("points", ("customer", "cu-1")).add("points", 29))
        .emit(PointsAwarded { customer: "cu-1".to_owned(), points: 29 });
    let decided = futures_util::FutureExt::now_or_never(award_points(&cx, event));
    setpiece_testing::assert_same_effects(&decided.unwrap().unwrap(), &expected);
}
