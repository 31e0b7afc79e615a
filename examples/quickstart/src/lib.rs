//! The smallest useful service: one event in, one write, one event out.

use serde::{Deserialize, Serialize};
use setpiece::prelude::*;

/// This service.
pub const LOYALTY: ServiceId = ServiceId::new("shop", "customers", "loyalty");
const ORDERS: ServiceId = ServiceId::new("shop", "checkout", "orders");

/// The members of another service's event that this one reads.
#[derive(Serialize, Deserialize, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 1, view)]
struct OrderSubmitted {
    customer: String,
    total_cents: u32,
}

/// The event that this service publishes.
#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(service = LOYALTY, name = "points_awarded", version = 1)]
struct PointsAwarded {
    points: u32,
}

/// The handlers of the service, with the table of points as their state.
pub fn handlers(table: impl Into<String>) -> Handlers<String> {
    Handlers::new(table.into()).on(award_points)
}

async fn award_points(cx: &Cx<String>, order: Received<OrderSubmitted>) -> Result<Effects, Fault> {
    let points = order.data.total_cents / 100;
    Ok(Effects::new()
        .write(Write::update(&*cx.state, ("customer", order.data.customer)).add("points", points))
        .emit(PointsAwarded { points }))
}

#[cfg(test)]
mod tests {
    use setpiece_testing::{Sandbox, World, WorldFaults, decide};

    use super::*;

    fn order(total_cents: u32) -> OrderSubmitted {
        OrderSubmitted { customer: "cu-1".to_owned(), total_cents }
    }

    #[test]
    fn each_unit_of_money_earns_a_point() {
        let effects = decide(award_points, "points".to_owned(), order(2999));
        assert_eq!(effects.emitted_as::<PointsAwarded>(), [PointsAwarded { points: 29 }]);
    }

    #[test]
    fn no_point_is_lost_or_awarded_twice() {
        World::check(0..50, |world| {
            // Duplicates, crashes, lost answers, throttling, any order.
            world.set_faults(WorldFaults::usual());
            let start = |it: &Sandbox| it.app(LOYALTY, handlers("points")).build();
            world.function("loyalty", start).on::<OrderSubmitted>();
            world.publish_all([order(100), order(200), order(300)]);
            let outcome = world.run_and_recover();
            // Every message is acknowledged, no outbox is left, nothing is done twice.
            outcome.assert_sound();
            assert_eq!(outcome.published::<PointsAwarded>().len(), 3);
            assert_eq!(outcome.sum("points", "points"), 6);
        });
    }
}
