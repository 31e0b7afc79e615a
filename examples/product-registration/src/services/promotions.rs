//! *Promotions* thanks for a registered product with a discount code, and publishes
//! `discount_generated`.

use serde::{Deserialize, Serialize};
use setpiece_envelope::{DomainEvent, ServiceId};
use setpiece_handler::{Cx, Effects, Handlers, Received, Write};
use setpiece_policy::Fault;

use crate::derived_code::derived_code;

/// This service.
pub const PROMOTIONS: ServiceId = ServiceId::new("retail", "engagement", "promotions");

const PRODUCTS: ServiceId = ServiceId::new("retail", "registration", "products");

/// Members of a registered product that promotions reads.
#[derive(Clone, Serialize, Deserialize, DomainEvent)]
#[event(service = PRODUCTS, name = "product_registered", version = 1, view)]
pub(crate) struct ProductRegistered {
    #[event(pii = "email")]
    email: String,
    price_cents: u32,
}

/// There is a discount code for a customer.
#[derive(Serialize, DomainEvent)]
#[event(service = PROMOTIONS, name = "discount_generated", version = 1)]
pub(crate) struct DiscountGenerated {
    #[event(pii = "email")]
    email: String,
    #[event(subject)]
    code: String,
    percent: u8,
}

/// State that is shared between events: the table of codes.
#[derive(Debug)]
pub struct Promotions {
    table: String,
}

/// Its handlers, which write into `table`.
pub fn handlers(table: impl Into<String>) -> Handlers<Promotions> {
    Handlers::new(Promotions { table: table.into() }).on(generate_code)
}

/// A code of its own for each registration; the better product earns the better discount.
async fn generate_code(
    cx: &Cx<Promotions>,
    event: Received<ProductRegistered>,
) -> Result<Effects, Fault> {
    const BETTER_FROM_CENTS: u32 = 20_000;
    let ProductRegistered { email, price_cents } = event.data;
    let cause = &event.metadata.event_id;
    let percent = if price_cents < BETTER_FROM_CENTS { 10 } else { 15 };
    let code = derived_code("THANKS", cause);
    Ok(Effects::new()
        .write(
            Write::update(&cx.state.table, ("code", &code))
                .set("percent", percent)
                .set("caused_by", cause.as_str())
                .add("times", 1),
        )
        .emit(DiscountGenerated { email, code, percent }))
}

#[cfg(test)]
mod tests {
    use setpiece_handler::{Cx, Effects, Received, Write};
    use setpiece_testing::{assert_same_effects, sample};

    use super::{DiscountGenerated, ProductRegistered, Promotions, generate_code};
    use crate::block_on::block_on;

    fn decided(price_cents: u32) -> Effects {
        let email = "ada@example.com".to_owned();
        let event = sample(ProductRegistered { email, price_cents }).event_id("e-1");
        let cx = Cx::new(Promotions { table: "codes".to_owned() });
        block_on(generate_code(&cx, Received::from(event.into_envelope()))).unwrap()
    }

    /// Decisions are the same in every run: a redelivery gets the same code.
    #[test]
    fn better_products_earn_more_and_the_code_is_announced() {
        for (price_cents, percent) in [(0, 10), (19_999, 10), (20_000, 15)] {
            let (email, code) = ("ada@example.com".to_owned(), "THANKS-9ZZS-K2E9-W19F".to_owned());
            let kept = Write::update("codes", ("code", &code))
                .set("percent", percent)
                .set("caused_by", "e-1")
                .add("times", 1);
            let expected =
                Effects::new().write(kept).emit(DiscountGenerated { email, code, percent });
            assert_same_effects(&decided(price_cents), &expected);
        }
    }
}
