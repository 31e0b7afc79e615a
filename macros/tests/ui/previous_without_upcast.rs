use serde::{Deserialize, Serialize};
use setpiece_envelope::{DomainEvent, ServiceId};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 1)]
struct OrderSubmittedV1 {
    order_number: String,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 2, previous = OrderSubmittedV1)]
struct OrderSubmitted {
    order_number: String,
}

fn main() {}
