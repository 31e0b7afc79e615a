//! *Customer* looks after customers when they have bought: it opens a support record for the
//! product.

use serde::{Deserialize, Serialize};
use setpiece_envelope::{DomainEvent, ServiceId};
use setpiece_handler::{Cx, Effects, Handlers, Received, Write};
use setpiece_policy::Fault;

use crate::derived_code::derived_code;

/// This service.
pub const CUSTOMER: ServiceId = ServiceId::new("retail", "aftercare", "customer");

const PRODUCTS: ServiceId = ServiceId::new("retail", "registration", "products");

/// Members of a registered product that customer reads.
#[derive(Clone, Serialize, Deserialize, DomainEvent)]
#[event(service = PRODUCTS, name = "product_registered", version = 1, view)]
pub(crate) struct ProductRegistered {
    customer_id: String,
    #[event(subject)]
    serial_number: String,
}

/// State that is shared between events: the table of support records.
#[derive(Debug)]
pub struct Customer {
    table: String,
}

/// Its handlers, which write into `table`.
pub fn handlers(table: impl Into<String>) -> Handlers<Customer> {
    Handlers::new(Customer { table: table.into() }).on(open_support_record)
}

async fn open_support_record(
    cx: &Cx<Customer>,
    event: Received<ProductRegistered>,
) -> Result<Effects, Fault> {
    let ProductRegistered { customer_id, serial_number } = event.data;
    let cause = &event.metadata.event_id;
    Ok(Effects::new().write(
        Write::update(&cx.state.table, ("record", derived_code("SR", cause)))
            .set("customer_id", customer_id)
            .set("serial_number", serial_number)
            .set("caused_by", cause.as_str())
            .add("times", 1),
    ))
}

#[cfg(test)]
mod tests {
    use setpiece_handler::{Cx, Effects, Received, Write};
    use setpiece_testing::{assert_same_effects, sample};

    use super::{Customer, ProductRegistered, open_support_record};
    use crate::block_on::block_on;

    #[test]
    fn the_record_is_about_the_product_of_the_customer() {
        let event = sample(ProductRegistered {
            customer_id: "cu-1".to_owned(),
            serial_number: "AK-1".to_owned(),
        });
        let event = Received::from(event.event_id("e-1").into_envelope());
        let cx = Cx::new(Customer { table: "records".to_owned() });
        let record = Write::update("records", ("record", "SR-FPSA-49AA-PCNY"))
            .set("customer_id", "cu-1")
            .set("serial_number", "AK-1")
            .set("caused_by", "e-1")
            .add("times", 1);
        let decided = block_on(open_support_record(&cx, event)).unwrap();
        assert_same_effects(&decided, &Effects::new().write(record));
    }
}
