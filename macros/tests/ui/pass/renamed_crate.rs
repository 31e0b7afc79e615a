mod shop {
    pub(crate) mod vendored {
        pub(crate) use ::setpiece_envelope as envelope;
    }
}

use envelope::{DomainEvent, ServiceId};
use shop::vendored::envelope;

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

// The name that the derive would go by without the key.
mod setpiece_envelope {}

#[derive(DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 1, crate = envelope)]
struct Bare {
    #[event(subject, pii)]
    order_number: String,
}

#[derive(DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 1, crate = "crate::shop::vendored::envelope")]
enum Text {
    A(#[event(subject)] String),
}

fn main() {
    assert_eq!(Bare::SOURCE, "retail.checkout.orders");
    assert_eq!(Bare { order_number: "1".to_owned() }.subject().as_deref(), Some("1"));
    assert_eq!(Text::A("2".to_owned()).subject().as_deref(), Some("2"));
}
