use setpiece_envelope::{DomainEvent, ServiceId};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 2, first)]
struct OrderSubmitted {
    order_number: String,
}

fn main() {}
