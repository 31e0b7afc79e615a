use setpiece_envelope::{DomainEvent, ServiceId};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 1)]
struct OrderSubmitted {
    a: u64,
    b: u128,
    c: i128,
    d: usize,
    e: std::num::NonZeroU64,
    f: std::num::NonZeroU128,
    g: std::num::NonZeroI128,
    h: std::num::NonZeroUsize,
    i: std::sync::atomic::AtomicU64,
    j: std::sync::atomic::AtomicUsize,
}

fn main() {}
