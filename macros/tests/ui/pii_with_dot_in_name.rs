use setpiece_envelope::{DomainEvent, ServiceId};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(serde::Serialize, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 1)]
struct OrderSubmitted {
    #[event(pii)]
    #[serde(rename = "e.mail")]
    email: String,
}

fn main() {}
