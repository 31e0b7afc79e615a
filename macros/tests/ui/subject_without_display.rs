use setpiece_envelope::{DomainEvent, ServiceId};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

struct CustomerId(String);

#[derive(DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 1)]
struct OrderSubmitted {
    #[event(subject)]
    customer_id: CustomerId,
}

#[derive(DomainEvent)]
#[event(service = ORDERS, name = "order_cancelled", version = 1)]
enum OrderCancelled {
    ByCustomer {
        #[event(subject)]
        customer_id: Option<CustomerId>,
    },
}

fn main() {}
