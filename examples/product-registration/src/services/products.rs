//! *Products* takes registrations and publishes `product_registered`.
//!
//! It listens to its own event to record the registration, so that what is recorded and what is
//! published cannot differ.

pub(crate) mod registration;

use serde::{Deserialize, Serialize};
use setpiece_envelope::{DomainEvent, ServiceId};
use setpiece_handler::{Cx, Effects, Handlers, Received, Write};
use setpiece_policy::Fault;

use self::registration::Registration;
use crate::derived_code::derived_code;

/// This service.
pub const PRODUCTS: ServiceId = ServiceId::new("retail", "registration", "products");

/// A customer has registered a product. The one definition that its owner has of it; the other
/// services have views.
#[derive(Clone, Serialize, Deserialize, DomainEvent)]
#[event(service = PRODUCTS, name = "product_registered", version = 1)]
pub(crate) struct ProductRegistered {
    customer_id: String,
    #[event(pii = "name")]
    customer_name: String,
    #[event(pii = "email")]
    email: String,
    model: String,
    #[event(subject)]
    serial_number: String,
    price_cents: u32,
}

/// State that is shared between events: the table of registrations.
#[derive(Debug)]
pub struct Products {
    table: String,
}

/// Its handlers, which write into `table`.
pub fn handlers(table: impl Into<String>) -> Handlers<Products> {
    Handlers::new(Products { table: table.into() }).on(record)
}

/// Takes a registration.
pub(crate) fn register(registration: Registration) -> ProductRegistered {
    let Registration { customer_id, name, email, model, serial_number, price_cents } = registration;
    ProductRegistered { customer_id, customer_name: name, email, model, serial_number, price_cents }
}

/// Records a registration that has been published.
async fn record(cx: &Cx<Products>, event: Received<ProductRegistered>) -> Result<Effects, Fault> {
    let ProductRegistered { customer_id, customer_name: _, email: _, model, serial_number, .. } =
        event.data;
    let cause = &event.metadata.event_id;
    Ok(Effects::new().write(
        Write::update(&cx.state.table, ("registration", derived_code("PR", cause)))
            .set("customer_id", customer_id)
            .set("model", model)
            .set("serial_number", serial_number)
            .set("caused_by", cause.as_str())
            .add("times", 1),
    ))
}

#[cfg(test)]
mod tests {
    use setpiece_envelope::{DomainEvent, from_json};
    use setpiece_handler::{Cx, Effects, Received, Write};
    use setpiece_testing::{assert_same_effects, assert_same_event, sample};

    use super::{ProductRegistered, Products, record, register};
    use crate::block_on::block_on;

    fn registered() -> ProductRegistered {
        ProductRegistered {
            customer_id: "cu-1".to_owned(),
            customer_name: "Ada Brook".to_owned(),
            email: "ada@example.com".to_owned(),
            model: "Aurora kettle".to_owned(),
            serial_number: "AK-1".to_owned(),
            price_cents: 5990,
        }
    }

    #[test]
    fn a_registration_becomes_an_event() {
        let registration = from_json(
            br#"{"customer_id": "cu-1", "name": "Ada Brook", "email": "ada@example.com",
                 "model": "Aurora kettle", "serial_number": "AK-1", "price_cents": 5990}"#,
        );
        assert_same_event(&register(registration.unwrap()), &registered());
    }

    #[test]
    fn a_registration_is_recorded_without_what_is_personal() {
        let event = Received::from(sample(registered()).event_id("e-1").into_envelope());
        let cx = Cx::new(Products { table: "registrations".to_owned() });
        let registration = Write::update("registrations", ("registration", "PR-6Z5D-ZSHF-HG3R"))
            .set("customer_id", "cu-1")
            .set("model", "Aurora kettle")
            .set("serial_number", "AK-1")
            .set("caused_by", "e-1")
            .add("times", 1);
        let decided = block_on(record(&cx, event)).unwrap();
        assert_same_effects(&decided, &Effects::new().write(registration));
    }

    #[test]
    fn the_event_says_what_is_personal_and_what_it_is_about() {
        let personal: Vec<_> = ProductRegistered::PII.iter().map(|pii| pii.path).collect();
        assert_eq!(personal, ["customer_name", "email"]);
        assert_eq!(sample(registered()).metadata().subject.as_deref(), Some("AK-1"));
    }
}
