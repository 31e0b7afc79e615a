use setpiece_envelope::{DomainEvent, ServiceId};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 1)]
#[event(category = "a\nb", type = "a\u{0}", source = "a\tb", detail_type = "a\u{7f}")]
struct OrderSubmitted {}

fn main() {}
