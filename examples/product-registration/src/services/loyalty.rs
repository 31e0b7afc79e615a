//! *Loyalty* awards points for a registered product.

use serde::{Deserialize, Serialize};
use setpiece_envelope::{DomainEvent, ServiceId};
use setpiece_handler::{Cx, Effects, Handlers, ItemKey, Received, Write};
use setpiece_policy::Fault;

/// This service.
pub const LOYALTY: ServiceId = ServiceId::new("retail", "engagement", "loyalty");

const PRODUCTS: ServiceId = ServiceId::new("retail", "registration", "products");

/// Members of a registered product that loyalty reads.
#[derive(Clone, Serialize, Deserialize, DomainEvent)]
#[event(service = PRODUCTS, name = "product_registered", version = 1, view)]
pub(crate) struct ProductRegistered {
    customer_id: String,
    price_cents: u32,
}

/// State that is shared between events: the table of accounts. An account is a balance and the
/// awards that it is the sum of.
#[derive(Debug)]
pub struct Loyalty {
    table: String,
}

/// Its handlers, which write into `table`.
pub fn handlers(table: impl Into<String>) -> Handlers<Loyalty> {
    Handlers::new(Loyalty { table: table.into() }).on(award_points)
}

/// A point for each unit of money, and never less than ten: cheap things break, too.
async fn award_points(
    cx: &Cx<Loyalty>,
    event: Received<ProductRegistered>,
) -> Result<Effects, Fault> {
    const LEAST: u32 = 10;
    let ProductRegistered { customer_id, price_cents } = event.data;
    let cause = event.metadata.event_id.as_str();
    let points = (price_cents / 100).max(LEAST);
    let account = |entry| ItemKey::from(("customer_id", &customer_id)).and("entry", entry);
    Ok(Effects::new()
        .write(Write::update(&cx.state.table, account("balance".to_owned())).add("points", points))
        .write(
            Write::update(&cx.state.table, account(format!("award/{cause}")))
                .set("points", points)
                .set("caused_by", cause)
                .add("times", 1),
        ))
}

#[cfg(test)]
mod tests {
    use setpiece_handler::{Cx, Effects, Received, Write};
    use setpiece_testing::{assert_same_effects, sample};

    use super::{Loyalty, ProductRegistered, award_points};
    use crate::block_on::block_on;

    #[test]
    fn points_follow_the_price() {
        for (price_cents, points) in [(0, 10), (999, 10), (1099, 10), (1100, 11), (24_999, 249)] {
            let event = sample(ProductRegistered { customer_id: "cu-1".to_owned(), price_cents });
            let event = Received::from(event.event_id("e-1").into_envelope());
            let cx = Cx::new(Loyalty { table: "accounts".to_owned() });
            let entry = |entry| Write::update("accounts", [("customer_id", "cu-1"), entry]);
            let award = entry(("entry", "award/e-1"));
            let expected = Effects::new()
                .write(entry(("entry", "balance")).add("points", points))
                .write(award.set("points", points).set("caused_by", "e-1").add("times", 1));
            assert_same_effects(&block_on(award_points(&cx, event)).unwrap(), &expected);
        }
    }
}
