use setpiece_envelope::{DomainEvent, ServiceId};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(DomainEvent)]
#[event(service = ORDERS, name = "OrderSubmitted", version = 1)]
struct OrderSubmitted {
    order_number: String,
}

fn main() {}
