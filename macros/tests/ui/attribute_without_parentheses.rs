use setpiece_envelope::{DomainEvent, ServiceId};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(DomainEvent)]
#[event]
struct OrderSubmitted {
    order_number: String,
}

fn main() {}
