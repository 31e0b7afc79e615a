//! *Products* takes registrations and publishes `product_registered`.
//!
//! It listens to its own event to record the registration, so that what is recorded and what is
//! published cannot differ.

pub(crate) mod registration;

use serde::{Deserialize, Serialize};
use setpiece_envelope::{DomainEvent, Envelope, ServiceId};

use self::registration::Registration;
use crate::derived_code::derived_code;

pub(crate) const PRODUCTS: ServiceId = ServiceId::new("retail", "registration", "products");

/// A customer has registered a product. The one definition that its owner has of it; the other
/// services have views.
#[derive(Serialize, Deserialize, DomainEvent)]
#[event(service = PRODUCTS, name = "product_registered", version = 1)]
pub(crate) struct ProductRegistered {
    pub(crate) customer_id: String,
    #[event(pii = "name")]
    pub(crate) customer_name: String,
    #[event(pii = "email")]
    pub(crate) email: String,
    pub(crate) model: String,
    #[event(subject)]
    pub(crate) serial_number: String,
    pub(crate) price_cents: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RegistrationRecorded {
    pub(crate) registration: String,
}

/// Takes a registration.
pub(crate) fn register(registration: Registration) -> ProductRegistered {
    let Registration { customer_id, name, email, model, serial_number, price_cents } = registration;
    ProductRegistered { customer_id, customer_name: name, email, model, serial_number, price_cents }
}

/// Records a registration that has been published.
pub(crate) fn record(event: &Envelope<ProductRegistered>) -> RegistrationRecorded {
    RegistrationRecorded { registration: derived_code("PR", &event.metadata.event_id) }
}

#[cfg(test)]
mod tests {
    use setpiece_envelope::from_json;
    use setpiece_testing::{assert_same_event, sample};

    use super::{ProductRegistered, record, register};

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
    fn a_registration_is_recorded_under_the_same_number_when_its_event_comes_again() {
        let event = sample(registered()).event_id("e-1");
        assert_eq!(record(event.envelope()).registration, "PR-6Z5D-ZSHF-HG3R");
        assert_eq!(record(event.envelope()), record(event.envelope()));
    }

    #[test]
    fn the_event_says_what_is_personal_and_what_it_is_about() {
        use setpiece_envelope::DomainEvent;
        let personal: Vec<_> = ProductRegistered::PII.iter().map(|pii| pii.path).collect();
        assert_eq!(personal, ["customer_name", "email"]);
        assert_eq!(sample(registered()).metadata().subject.as_deref(), Some("AK-1"));
    }
}
