use serde::{Deserialize, Serialize};
use setpiece_envelope::{DomainEvent, ServiceId, Upcast, UpcastError};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

// What is wrong here is not said of the next version as well.
#[derive(Serialize, Deserialize, DomainEvent)]
#[event(service = "orders", name = 1, version = "2")]
struct OrderSubmittedV2 {
    order_number: String,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 3, previous = OrderSubmittedV2)]
struct OrderSubmitted {
    order_number: String,
}

impl Upcast<OrderSubmittedV2> for OrderSubmitted {
    fn upcast(v2: OrderSubmittedV2) -> Result<Self, UpcastError> {
        Ok(Self { order_number: v2.order_number })
    }
}

fn main() {}
