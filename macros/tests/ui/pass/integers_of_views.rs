//! What another team's event holds fits EventBridge's integers, whatever type reads it.

use setpiece_envelope::{DomainEvent, ServiceId};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(serde::Deserialize, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 1, view)]
struct OrderSeen {
    total_cents: u64,
}

fn main() {
    let seen: OrderSeen = serde_json::from_str(r#"{"total_cents":7}"#).unwrap();
    assert_eq!(seen.total_cents, 7);
}
