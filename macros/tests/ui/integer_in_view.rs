use setpiece_envelope::{DomainEvent, ServiceId};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(serde::Serialize, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 1, view)]
struct OrderSeen {
    #[serde(serialize_with = "setpiece_envelope::as_string::serialize")]
    total_cents: u64,
}

fn main() {}
