use serde::{Deserialize, Serialize};
use setpiece_envelope::{DomainEvent, ServiceId, Upcast, UpcastError};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

const PAYMENTS: ServiceId = ServiceId::new("retail", "checkout", "payments");

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(service = PAYMENTS, name = "order_submitted", version = 1)]
struct OrderSubmittedV1 {
    order_number: String,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 2, previous = OrderSubmittedV1)]
struct OrderSubmitted {
    order_number: String,
}

impl Upcast<OrderSubmittedV1> for OrderSubmitted {
    fn upcast(v1: OrderSubmittedV1) -> Result<Self, UpcastError> {
        Ok(Self { order_number: v1.order_number })
    }
}

fn main() {}
