//! *Customer* looks after customers when they have bought: it opens a support record for the
//! product.

use serde::{Deserialize, Serialize};
use setpiece_envelope::{DomainEvent, Envelope, ServiceId};

use crate::derived_code::derived_code;

pub(crate) const CUSTOMER: ServiceId = ServiceId::new("retail", "aftercare", "customer");

const PRODUCTS: ServiceId = ServiceId::new("retail", "registration", "products");

/// What customer reads of a registered product.
#[derive(Serialize, Deserialize, DomainEvent)]
#[event(service = PRODUCTS, name = "product_registered", version = 1, view)]
pub(crate) struct ProductRegistered {
    customer_id: String,
    #[event(subject)]
    serial_number: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct SupportRecordOpened {
    pub(crate) record: String,
    /// Whose record it is, and for which product. Reports leave them out.
    #[serde(skip)]
    pub(crate) customer_id: String,
    #[serde(skip)]
    pub(crate) serial_number: String,
}

pub(crate) fn open_support_record(event: &Envelope<ProductRegistered>) -> SupportRecordOpened {
    let ProductRegistered { customer_id, serial_number } = &event.data;
    SupportRecordOpened {
        record: derived_code("SR", &event.metadata.event_id),
        customer_id: customer_id.clone(),
        serial_number: serial_number.clone(),
    }
}

#[cfg(test)]
mod tests {
    use setpiece_testing::sample;

    use super::{ProductRegistered, SupportRecordOpened, open_support_record};

    #[test]
    fn the_record_is_about_the_product_of_the_customer() {
        let (customer_id, serial_number) = ("cu-1".to_owned(), "AK-1".to_owned());
        let event = sample(ProductRegistered {
            customer_id: customer_id.clone(),
            serial_number: serial_number.clone(),
        });
        let opened = open_support_record(event.event_id("e-1").envelope());
        let record = "SR-FPSA-49AA-PCNY".to_owned();
        assert_eq!(opened, SupportRecordOpened { record, customer_id, serial_number });
    }
}
