use setpiece_envelope::{DomainEvent, ServiceId};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(DomainEvent)]
#[event(service = ORDERS, name = "order_paid", version = 1)]
enum OrderPaid {
    #[event(subject)]
    Voucher(String),
}

fn main() {}
