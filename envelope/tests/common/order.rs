//! One event in two forms: as ours, and as a plain struct of the same bytes.

use serde::{Deserialize, Serialize};
use setpiece_envelope::{DomainEvent, EventVersion, First, ServiceId};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OrderSubmitted {
    order_number: String,
    total: f64,
    currency: String,
    customer_id: String,
    gift: Option<String>,
    items: Vec<Item>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Item {
    sku: String,
    description: String,
    quantity: u32,
    price_cents: i64,
    discounted: bool,
}

/// An event with `T` for its data.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Event<T>(pub(crate) T);

impl<T> DomainEvent for Event<T> {
    type Previous = First;
    const SERVICE: ServiceId = ServiceId::new("retail", "checkout", "orders");
    const NAME: &'static str = "order_submitted";
    const VERSION: EventVersion = EventVersion::new(1);
}

/// The same as our envelope, as one would write it with serde alone.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plain<T> {
    metadata: PlainMetadata,
    data: T,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PlainMetadata {
    version: String,
    event_id: String,
    domain: Option<String>,
    subdomain: Option<String>,
    service: Option<String>,
    category: Option<String>,
    r#type: Option<String>,
    name: String,
    occurred_at: Option<String>,
    correlation_id: Option<String>,
    causation_id: Option<String>,
    depth: Option<u32>,
    traceparent: Option<String>,
    subject: Option<String>,
    tenant: Option<String>,
}

/// An event of four items has about 1 KB, one of 520 about 64 KB.
pub(crate) fn detail(items: usize) -> Vec<u8> {
    let items = (0..items)
        .map(|n| Item {
            sku: format!("SKU-{n:06}"),
            description: "A thing, \"boxed\", for the kitchen".to_owned(),
            quantity: 3,
            price_cents: 129_900 + i64::try_from(n).unwrap(),
            discounted: n % 2 == 0,
        })
        .collect();
    with_data(OrderSubmitted {
        order_number: "123-456x".to_owned(),
        total: 29.99,
        currency: "USD".to_owned(),
        customer_id: "cu-101".to_owned(),
        gift: None,
        items,
    })
}

/// An event with these data, and metadata as ours have.
pub(crate) fn with_data<T: Serialize>(data: T) -> Vec<u8> {
    let text = |text: &str| Some(text.to_owned());
    let event = Plain {
        metadata: PlainMetadata {
            version: "1".to_owned(),
            event_id: "01JD4QZ3N8E4V5W6X7Y8Z9ABCD".to_owned(),
            domain: text("retail"),
            subdomain: text("checkout"),
            service: text("orders"),
            category: text("domain-event"),
            r#type: text("data"),
            name: "order_submitted".to_owned(),
            occurred_at: text("2026-11-20T12:10:21.123Z"),
            correlation_id: text("01JD4QZ3N8E4V5W6X7Y8Z9ABCD"),
            causation_id: text("01JD4PZ3N8E4V5W6X7Y8Z9ABCD"),
            depth: Some(1),
            traceparent: text("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            subject: text("order/123-456x"),
            tenant: text("acme"),
        },
        data,
    };
    serde_json::to_vec(&event).unwrap()
}
