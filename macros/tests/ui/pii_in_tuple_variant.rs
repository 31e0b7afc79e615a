use setpiece_envelope::{DomainEvent, ServiceId};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 1)]
enum OrderSubmitted {
    Online(String, #[event(pii)] String),
}

fn main() {}
