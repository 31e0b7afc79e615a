use setpiece_envelope::{DomainEvent, ServiceId};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(Clone, serde::Serialize, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 1)]
#[serde(into = "String")]
struct OrderSubmitted {
    #[event(pii)]
    email: String,
}

impl From<OrderSubmitted> for String {
    fn from(event: OrderSubmitted) -> Self {
        event.email
    }
}

fn main() {}
