use setpiece_envelope::{DomainEvent, ServiceId};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(DomainEvent)]
#[event(service = ORDERS, nmae = "OrderSubmitted", version = "2", source = "aws.orders")]
struct OrderSubmitted {
    #[event(subject)]
    order_numbers: Vec<String>,
    #[event(pi)]
    email: String,
    total_cents: u64,
}

// The type is an event for whoever uses it, so that what is wrong is not said at each use as well.
fn publish<E: DomainEvent>(_: &E) {}

fn main() {
    publish(&OrderSubmitted { order_numbers: Vec::new(), email: String::new(), total_cents: 1 });
}
