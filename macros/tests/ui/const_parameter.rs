use setpiece_envelope::{DomainEvent, ServiceId};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 1)]
struct OrderSubmitted<const N: usize> {
    code: [u8; N],
}

fn main() {}
