use setpiece_envelope::{DomainEvent, ServiceId};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 1)]
union OrderSubmitted {
    number: u32,
    code: i32,
}

fn main() {}
