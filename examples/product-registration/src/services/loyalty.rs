//! *Loyalty* awards points for a registered product.

use serde::{Deserialize, Serialize};
use setpiece_envelope::{DomainEvent, Envelope, ServiceId};

pub(crate) const LOYALTY: ServiceId = ServiceId::new("retail", "engagement", "loyalty");

const PRODUCTS: ServiceId = ServiceId::new("retail", "registration", "products");

/// What loyalty reads of a registered product.
#[derive(Serialize, Deserialize, DomainEvent)]
#[event(service = PRODUCTS, name = "product_registered", version = 1, view)]
pub(crate) struct ProductRegistered {
    customer_id: String,
    price_cents: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PointsAwarded {
    /// Whose account it is. Reports leave it out.
    #[serde(skip)]
    pub(crate) customer_id: String,
    pub(crate) points: u32,
}

/// A point for each unit of money, and never less than ten: cheap things break, too.
pub(crate) fn award_points(event: &Envelope<ProductRegistered>) -> PointsAwarded {
    const LEAST: u32 = 10;
    let ProductRegistered { customer_id, price_cents } = &event.data;
    PointsAwarded { customer_id: customer_id.clone(), points: (price_cents / 100).max(LEAST) }
}

#[cfg(test)]
mod tests {
    use setpiece_testing::sample;

    use super::{PointsAwarded, ProductRegistered, award_points};

    #[test]
    fn points_follow_the_price() {
        for (price_cents, points) in [(0, 10), (999, 10), (1099, 10), (1100, 11), (24_999, 249)] {
            let event = sample(ProductRegistered { customer_id: "cu-1".to_owned(), price_cents });
            let expected = PointsAwarded { customer_id: "cu-1".to_owned(), points };
            assert_eq!(award_points(event.envelope()), expected);
        }
    }
}
