//! *Manufacturer* tells the maker of a product that it is in use. It is another company, so its view
//! knows nothing of the customer.

use serde::{Deserialize, Serialize};
use setpiece_envelope::{DomainEvent, ServiceId};
use setpiece_handler::{Cx, Effects, Handlers, Received, Write};
use setpiece_policy::Fault;

use crate::derived_code::derived_code;

/// This service.
pub const MANUFACTURER: ServiceId = ServiceId::new("retail", "supply", "manufacturer");

const PRODUCTS: ServiceId = ServiceId::new("retail", "registration", "products");

/// Members of a registered product that manufacturer reads.
#[derive(Clone, Serialize, Deserialize, DomainEvent)]
#[event(service = PRODUCTS, name = "product_registered", version = 1, view)]
pub(crate) struct ProductRegistered {
    model: String,
    #[event(subject)]
    serial_number: String,
}

/// State that is shared between events: the table of notices, which the maker reads.
#[derive(Debug)]
pub struct Manufacturer {
    table: String,
}

/// Its handlers, which write into `table`.
pub fn handlers(table: impl Into<String>) -> Handlers<Manufacturer> {
    Handlers::new(Manufacturer { table: table.into() }).on(notify)
}

async fn notify(
    cx: &Cx<Manufacturer>,
    event: Received<ProductRegistered>,
) -> Result<Effects, Fault> {
    let ProductRegistered { model, serial_number } = event.data;
    let cause = &event.metadata.event_id;
    Ok(Effects::new().write(
        Write::update(&cx.state.table, ("notice", derived_code("MN", cause)))
            .set("model", model)
            .set("serial_number", serial_number)
            .set("caused_by", cause.as_str())
            .add("times", 1),
    ))
}

#[cfg(test)]
mod tests {
    use setpiece_handler::{Cx, Effects, Received, Write};
    use setpiece_testing::{assert_same_effects, sample};

    use super::{Manufacturer, ProductRegistered, notify};
    use crate::block_on::block_on;

    #[test]
    fn the_notice_names_the_product() {
        let event = sample(ProductRegistered {
            model: "Aurora kettle".to_owned(),
            serial_number: "AK-1".to_owned(),
        });
        let event = Received::from(event.event_id("e-1").into_envelope());
        let cx = Cx::new(Manufacturer { table: "notices".to_owned() });
        let notice = Write::update("notices", ("notice", "MN-4119-T5X6-DT3Y"))
            .set("model", "Aurora kettle")
            .set("serial_number", "AK-1")
            .set("caused_by", "e-1")
            .add("times", 1);
        let decided = block_on(notify(&cx, event)).unwrap();
        assert_same_effects(&decided, &Effects::new().write(notice));
    }
}
