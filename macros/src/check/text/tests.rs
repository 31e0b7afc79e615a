use quote::format_ident;

use super::{is_snake_case, name_for, snake_case};

#[test]
fn snake_case_has_single_underscores_between_words() {
    for good in ["a", "order_submitted", "order2_submitted", "x_1"] {
        assert!(is_snake_case(good), "{good}");
    }
    for bad in ["", "_a", "a_", "a__b", "1a", "A", "a-b", "a.b", "a b", "ä"] {
        assert!(!is_snake_case(bad), "{bad}");
    }
}

#[test]
fn the_nearest_snake_case_splits_words() {
    for (text, nearest) in [
        ("OrderSubmitted", Some("order_submitted")),
        ("orderSubmitted", Some("order_submitted")),
        ("ORDER_SUBMITTED", Some("order_submitted")),
        ("order-submitted", Some("order_submitted")),
        ("order.submitted", Some("order_submitted")),
        ("Order Submitted", Some("order_submitted")),
        ("_order__submitted_", Some("order_submitted")),
        ("HTTPRequestSeen", Some("http_request_seen")),
        ("Order2Go", Some("order2_go")),
        ("2fast", None),
        ("bestellt_für", None),
        ("--", None),
    ] {
        assert_eq!(snake_case(text).as_deref(), nearest, "{text}");
    }
}

#[test]
fn a_type_suggests_a_name_without_its_version() {
    for (ident, name) in [
        ("OrderSubmitted", "order_submitted"),
        ("OrderSubmittedV1", "order_submitted"),
        ("OrderSubmittedV12", "order_submitted"),
        ("Level2", "level2"),
        ("Änderung", "order_submitted"),
    ] {
        assert_eq!(name_for(&format_ident!("{ident}")), name, "{ident}");
    }
}
