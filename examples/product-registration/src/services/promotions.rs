//! *Promotions* thanks for a registered product with a discount code, and publishes
//! `discount_generated`.

use serde::{Deserialize, Serialize};
use setpiece_envelope::{DomainEvent, Envelope, ServiceId};

use crate::derived_code::derived_code;

pub(crate) const PROMOTIONS: ServiceId = ServiceId::new("retail", "engagement", "promotions");

const PRODUCTS: ServiceId = ServiceId::new("retail", "registration", "products");

/// What promotions reads of a registered product.
#[derive(Serialize, Deserialize, DomainEvent)]
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

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct CodeGenerated {
    pub(crate) code: String,
    pub(crate) percent: u8,
}

/// A code of its own for each registration; the better product earns the better discount.
pub(crate) fn generate_code(
    event: &Envelope<ProductRegistered>,
) -> (CodeGenerated, DiscountGenerated) {
    const BETTER_FROM_CENTS: u32 = 20_000;
    let ProductRegistered { email, price_cents } = &event.data;
    let percent = if *price_cents < BETTER_FROM_CENTS { 10 } else { 15 };
    let code = derived_code("THANKS", &event.metadata.event_id);
    let announcement = DiscountGenerated { email: email.clone(), code: code.clone(), percent };
    (CodeGenerated { code, percent }, announcement)
}

#[cfg(test)]
mod tests {
    use setpiece_envelope::Envelope;
    use setpiece_testing::{assert_same_event, sample};

    use super::{DiscountGenerated, ProductRegistered, generate_code};

    fn registered(id: &str, price_cents: u32) -> Envelope<ProductRegistered> {
        let email = "ada@example.com".to_owned();
        sample(ProductRegistered { email, price_cents }).event_id(id).into_envelope()
    }

    #[test]
    fn the_code_that_was_generated_is_announced() {
        let (generated, announcement) = generate_code(&registered("e-1", 5990));
        assert_eq!((generated.code.as_str(), generated.percent), ("THANKS-9ZZS-K2E9-W19F", 10));
        let expected = DiscountGenerated {
            email: "ada@example.com".to_owned(),
            code: generated.code,
            percent: 10,
        };
        assert_same_event(&announcement, &expected);
    }

    #[test]
    fn a_redelivery_gets_the_same_code_and_another_registration_its_own() {
        let code = |id| generate_code(&registered(id, 5990)).0.code;
        assert_eq!(code("e-1"), code("e-1"));
        assert_ne!(code("e-1"), code("e-2"));
    }

    #[test]
    fn better_products_earn_more() {
        for (price_cents, percent) in [(0, 10), (19_999, 10), (20_000, 15)] {
            assert_eq!(generate_code(&registered("e-1", price_cents)).0.percent, percent);
        }
    }
}
