//! Two services and a consumer's view, for the tests of this crate.

use std::panic::{UnwindSafe, catch_unwind};

use serde::{Deserialize, Serialize};
use setpiece_envelope::{DomainEvent, EventVersion, First, ServiceId};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");
const BILLING: ServiceId = ServiceId::new("retail", "finance", "billing");

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct OrderSubmitted {
    pub(crate) order_number: String,
    pub(crate) total: f64,
    pub(crate) items: Vec<String>,
}

pub(crate) fn order() -> OrderSubmitted {
    let items = ["kettle", "cup", "tea"].map(str::to_owned).to_vec();
    OrderSubmitted { order_number: "123-456x".to_owned(), total: 29.99, items }
}

impl DomainEvent for OrderSubmitted {
    type Previous = First;
    const SERVICE: ServiceId = ORDERS;
    const NAME: &'static str = "order_submitted";
    const VERSION: EventVersion = EventVersion::new(1);

    fn subject(&self) -> Option<String> {
        Some(self.order_number.clone())
    }
}

/// Members of it that billing knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct OrderTotal {
    pub(crate) total: f64,
}

impl DomainEvent for OrderTotal {
    type Previous = First;
    const SERVICE: ServiceId = ORDERS;
    const NAME: &'static str = "order_submitted";
    const VERSION: EventVersion = EventVersion::new(1);
    const VIEW: bool = true;
}

/// Type that somebody mistakes it for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct WrongOrderTotal {
    pub(crate) total: String,
}

impl DomainEvent for WrongOrderTotal {
    type Previous = First;
    const SERVICE: ServiceId = ORDERS;
    const NAME: &'static str = "order_submitted";
    const VERSION: EventVersion = EventVersion::new(1);
    const VIEW: bool = true;
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct InvoiceIssued {
    pub(crate) total: f64,
}

impl DomainEvent for InvoiceIssued {
    type Previous = First;
    const SERVICE: ServiceId = BILLING;
    const NAME: &'static str = "invoice_issued";
    const VERSION: EventVersion = EventVersion::new(1);
}

/// Returns the message of a test that runs `body` and fails.
pub(crate) fn panic_of(body: impl FnOnce() + UnwindSafe) -> String {
    let panic = catch_unwind(body).expect_err("the assertion should fail");
    match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => (*panic.downcast::<&str>().unwrap()).to_owned(),
    }
}
