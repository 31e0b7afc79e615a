use setpiece_envelope::{DomainEvent, ServiceId};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(DomainEvent)]
#[event(service = ORDERS, name = "order__submitted_", version = 1)]
struct OrderSubmitted {
    order_number: String,
}

fn main() {}
