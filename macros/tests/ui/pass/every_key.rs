#![deny(warnings)]
#![allow(dead_code, reason = "only what the derive writes is looked at")]

use serde::{Deserialize, Serialize};
use setpiece_envelope::{
    Category, DomainEvent, EventType, EventVersion, Pii, ServiceId, Upcast, UpcastError,
};

mod services {
    use setpiece_envelope::ServiceId;

    pub(crate) struct Orders;

    impl Orders {
        pub(crate) const ID: ServiceId = ServiceId::new("retail", "checkout", "orders");
    }

    pub(crate) const RENAMED: ServiceId = Orders::ID.with_source("com.example.shop");
}

mod v1 {
    use setpiece_envelope::DomainEvent;

    #[deprecated = "read, but not written any more"]
    #[derive(serde::Serialize, serde::Deserialize, DomainEvent)]
    #[event(service = super::services::RENAMED, name = "order_submitted", version = 3, first = true)]
    pub(crate) struct OrderSubmitted {
        #[event(subject)]
        pub(crate) number: u32,
    }
}

#[allow(deprecated)]
impl Upcast<v1::OrderSubmitted> for OrderSubmitted {
    fn upcast(v1: v1::OrderSubmitted) -> Result<Self, UpcastError> {
        Ok(Self { order_number: v1.number.into(), email: None, note: String::new() })
    }
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(service = <services::Orders>::ID, name = r"order_submitted", version = 4)]
#[event(previous = v1::OrderSubmitted, source = "shop", detail_type = "OrderSubmitted")]
#[event(category = "service-event", type = "delta")]
#[serde(rename_all = "camelCase")]
struct OrderSubmitted {
    #[event(subject)]
    order_number: Option<u32>,
    #[event(pii = "email")]
    email: Option<String>,
    #[event(pii)]
    #[serde(rename = "remark")]
    note: String,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(service = services::RENAMED, name = "pinged", version = 1)]
struct Pinged {}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(service = services::RENAMED, name = "order_cancelled", version = 1)]
struct OrderCancelled(#[event(subject, pii = "order")] String);

fn main() {
    assert_eq!(OrderSubmitted::SERVICE, services::Orders::ID);
    assert_eq!(OrderSubmitted::SOURCE, "shop");
    assert_eq!(OrderSubmitted::NAME, "order_submitted");
    assert_eq!(OrderSubmitted::VERSION, EventVersion::new(4));
    assert_eq!(OrderSubmitted::DETAIL_TYPE, "OrderSubmitted");
    assert_eq!(OrderSubmitted::CATEGORY, Category::ServiceEvent);
    assert_eq!(OrderSubmitted::TYPE, EventType::from("delta"));
    assert_eq!(OrderSubmitted::SUBJECT, Some("orderNumber"));
    assert_eq!(OrderSubmitted::PII, [Pii::new("email", Some("email")), Pii::new("remark", None)],);
    let mut event = OrderSubmitted { order_number: Some(7), email: None, note: String::new() };
    assert_eq!(event.subject().as_deref(), Some("7"));
    event.order_number = None;
    assert_eq!(event.subject(), None);

    assert_eq!(Pinged::SOURCE, "com.example.shop");
    assert_eq!(Pinged::DETAIL_TYPE, "pinged");
    assert_eq!(Pinged::CATEGORY, Category::DomainEvent);
    assert_eq!(Pinged::TYPE, EventType::Data);
    assert_eq!(Pinged::SUBJECT, None);
    assert_eq!(Pinged::PII, []);
    assert_eq!(Pinged {}.subject(), None);

    const HERE: ServiceId = ServiceId::new("retail", "checkout", "local");

    #[derive(DomainEvent)]
    #[event(service = HERE, name = "declared_inside", version = 1)]
    struct DeclaredInside {}

    assert_eq!(DeclaredInside::SOURCE, "retail.checkout.local");
    assert_eq!(DeclaredInside {}.subject(), None);

    assert_eq!(OrderCancelled::SUBJECT, Some(""));
    assert_eq!(OrderCancelled::PII, [Pii::new("", Some("order"))]);
    assert_eq!(OrderCancelled("1".to_owned()).subject().as_deref(), Some("1"));
}
