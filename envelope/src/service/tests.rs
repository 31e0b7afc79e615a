use super::{ServiceId, SourceOf};
use crate::{DomainEvent, EventVersion, First};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");
const LEGACY: ServiceId = ORDERS.with_source("checkout");

#[test]
fn the_source_is_the_three_parts_joined_by_dots() {
    assert_eq!(ORDERS.source(), "retail.checkout.orders");
}

#[test]
fn the_source_can_be_overridden() {
    assert_eq!(LEGACY.source(), "checkout");
    assert_eq!(LEGACY.to_string(), "retail.checkout.orders");
}

struct Submitted;

impl DomainEvent for Submitted {
    type Previous = First;
    const SERVICE: ServiceId = ORDERS;
    const NAME: &'static str = "submitted";
    const VERSION: EventVersion = EventVersion::FIRST;
}

struct Cancelled;

impl DomainEvent for Cancelled {
    type Previous = First;
    const SERVICE: ServiceId = LEGACY;
    const NAME: &'static str = "cancelled";
    const VERSION: EventVersion = EventVersion::FIRST;
}

#[test]
fn an_event_has_the_source_of_its_service() {
    assert_eq!(Submitted::SOURCE, "retail.checkout.orders");
    assert_eq!(SourceOf::<Cancelled>::TEXT, "checkout");
    assert_eq!(Cancelled::SOURCE, "checkout");
    assert_eq!(format!("{LEGACY:?}"), "ServiceId(retail.checkout.orders, source checkout)");
}
