#![deny(warnings)]
#![allow(dead_code, reason = "only what the derive writes is looked at")]

use setpiece_envelope::{DomainEvent, ServiceId};

struct Option;
struct Some;
struct None;
struct Result;
struct String;
struct ToString;
struct Category;
struct EventType;
struct EventVersion;
struct First;
struct Pii;
#[allow(non_camel_case_types, reason = "it is to be in the way")]
struct subject;
mod core {}
mod std {}
#[allow(unused_macros, reason = "the derive must not use it")]
macro_rules! assert {
    ($($tokens:tt)*) => {
        compile_error!("not this one")
    };
}

const BYTES: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(DomainEvent)]
#[event(service = BYTES, name = "order_submitted", version = 1)]
#[event(category = "service-event", type = "notification")]
struct OrderSubmitted {
    #[event(subject, pii)]
    subject: ::core::option::Option<&'static str>,
}

#[derive(DomainEvent)]
#[event(service = BYTES, name = "order_paid", version = 1)]
enum OrderPaid {
    Some(#[event(subject)] ::std::string::String),
    None,
}

fn main() {
    assert_eq!(OrderSubmitted::SOURCE, "retail.checkout.orders");
    assert_eq!(
        OrderSubmitted { subject: ::core::option::Option::Some("1") }.subject().as_deref(),
        ::core::option::Option::Some("1"),
    );
    assert_eq!(OrderPaid::None.subject(), ::core::option::Option::None);
    assert_eq!(
        OrderPaid::Some(::std::string::String::from("2")).subject().as_deref(),
        ::core::option::Option::Some("2"),
    );
}
