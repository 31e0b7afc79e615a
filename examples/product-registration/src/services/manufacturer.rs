//! *Manufacturer* tells the maker of a product that it is in use. It is another company, so its view
//! knows nothing of the customer.

use serde::{Deserialize, Serialize};
use setpiece_envelope::{DomainEvent, Envelope, ServiceId};

use crate::derived_code::derived_code;

pub(crate) const MANUFACTURER: ServiceId = ServiceId::new("retail", "supply", "manufacturer");

const PRODUCTS: ServiceId = ServiceId::new("retail", "registration", "products");

/// What manufacturer reads of a registered product.
#[derive(Serialize, Deserialize, DomainEvent)]
#[event(service = PRODUCTS, name = "product_registered", version = 1, view)]
pub(crate) struct ProductRegistered {
    model: String,
    #[event(subject)]
    serial_number: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ManufacturerNotified {
    pub(crate) notice: String,
    /// What the notice says. Reports leave it out.
    #[serde(skip)]
    pub(crate) model: String,
    #[serde(skip)]
    pub(crate) serial_number: String,
}

pub(crate) fn notify(event: &Envelope<ProductRegistered>) -> ManufacturerNotified {
    let ProductRegistered { model, serial_number } = &event.data;
    ManufacturerNotified {
        notice: derived_code("MN", &event.metadata.event_id),
        model: model.clone(),
        serial_number: serial_number.clone(),
    }
}

#[cfg(test)]
mod tests {
    use setpiece_testing::sample;

    use super::{ManufacturerNotified, ProductRegistered, notify};

    #[test]
    fn the_notice_names_the_product() {
        let (model, serial_number) = ("Aurora kettle".to_owned(), "AK-1".to_owned());
        let event = sample(ProductRegistered {
            model: model.clone(),
            serial_number: serial_number.clone(),
        });
        let notified = notify(event.event_id("e-1").envelope());
        let notice = "MN-4119-T5X6-DT3Y".to_owned();
        assert_eq!(notified, ManufacturerNotified { notice, model, serial_number });
    }
}
