use setpiece_envelope::{DomainEvent, ServiceId};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 1)]
struct OrderSubmitted {
    counts: Vec<Option<Box<u64>>>,
    pair: (u8, [&'static u128; 2]),
    by_name: std::collections::BTreeMap<String, usize>,
}

fn main() {}
