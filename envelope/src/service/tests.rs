use super::ServiceId;

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");
const LEGACY: ServiceId = ORDERS.with_source("checkout");

#[test]
fn the_source_is_the_three_parts_joined_by_dots() {
    assert_eq!(ORDERS.source(), "retail.checkout.orders");
    assert_eq!(&ORDERS.source_bytes::<{ ORDERS.source_len() }>(), b"retail.checkout.orders");
}

#[test]
fn the_source_can_be_overridden() {
    assert_eq!(LEGACY.source(), "checkout");
    assert_eq!(&LEGACY.source_bytes::<{ LEGACY.source_len() }>(), b"checkout");
    assert_eq!(LEGACY.to_string(), "retail.checkout.orders");
}
