//! Whatever version an event was written in, it arrives in the reader's.

use serde::{Deserialize, Serialize};
use setpiece_envelope::{
    DomainEvent, Envelope, EventVersion, RawEnvelope, ReadError, ServiceId, Upcast, UpcastError,
};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(Debug, Serialize, Deserialize, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 1)]
struct OrderSubmittedV1 {
    total_cents: i64,
}

#[derive(Debug, Serialize, Deserialize, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 2, previous = OrderSubmittedV1)]
struct OrderSubmittedV2 {
    total: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 3, previous = OrderSubmittedV2)]
struct OrderSubmitted {
    total: String,
    currency: String,
}

impl Upcast<OrderSubmittedV1> for OrderSubmittedV2 {
    fn upcast(v1: OrderSubmittedV1) -> Result<Self, UpcastError> {
        if v1.total_cents < 0 {
            return Err(UpcastError::new("a negative total has no meaning any more"));
        }
        Ok(Self { total: format!("{}.{:02}", v1.total_cents / 100, v1.total_cents % 100) })
    }
}

impl Upcast<OrderSubmittedV2> for OrderSubmitted {
    fn upcast(v2: OrderSubmittedV2) -> Result<Self, UpcastError> {
        Ok(Self { total: v2.total, currency: "EUR".to_owned() })
    }
}

/// A reader that was written when version 2 was new and never saw version 1.
#[derive(Debug, Serialize, Deserialize, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 2, view)]
struct OrderSubmittedView {
    total: String,
}

fn detail(version: u32, data: &str) -> Vec<u8> {
    format!(
        r#"{{"metadata":{{"event_id":"e-1","name":"order_submitted","version":"{version}"}},"data":{data}}}"#
    )
    .into_bytes()
}

const V1: &str = r#"{"total_cents":2999}"#;
const V2: &str = r#"{"total":"29.99"}"#;
const V3: &str = r#"{"total":"29.99","currency":"EUR"}"#;

#[test]
fn every_version_arrives_as_the_newest() {
    for (version, data) in [(1, V1), (2, V2), (3, V3)] {
        let detail = detail(version, data);
        let raw = RawEnvelope::parse(&detail).unwrap();
        assert_eq!(raw.metadata.version.get(), version);
        let envelope: Envelope<OrderSubmitted> = raw.decode().unwrap();
        let expected = OrderSubmitted { total: "29.99".to_owned(), currency: "EUR".to_owned() };
        assert_eq!(envelope.data, expected, "version {version}");
        // What is written now is what the type is, so the metadata says so.
        assert_eq!(envelope.metadata.version.get(), 3);
        let written = envelope.to_detail().unwrap();
        assert_eq!(RawEnvelope::parse(&written).unwrap().metadata.version.get(), 3);
    }
}

#[test]
fn a_newer_version_is_told_with_what_is_supported() {
    let error = Envelope::<OrderSubmitted>::from_detail(&detail(4, "{}")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "version 4 of `order_submitted` is not supported, only versions 1 to 3"
    );
    let ReadError::UnsupportedVersion(unsupported) = error else { panic!("{error:?}") };
    assert_eq!(unsupported.name(), "order_submitted");
    assert_eq!(unsupported.found().get(), 4);
    assert_eq!(unsupported.supported(), EventVersion::new(1)..=EventVersion::new(3));
}

#[test]
fn a_version_from_before_the_reader_s_history_is_told_too() {
    let error = Envelope::<OrderSubmittedView>::from_detail(&detail(1, V1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "version 1 of `order_submitted` is not supported, only version 2"
    );
    assert!(Envelope::<OrderSubmittedView>::from_detail(&detail(2, V2)).is_ok());
}

/// The second version of an event whose first one is no longer read.
#[derive(Debug, Serialize, Deserialize, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 2, first = true)]
struct LaterBeginning {
    total: String,
}

#[derive(Debug, Serialize, Deserialize, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 3, previous = LaterBeginning)]
struct LaterOrderSubmitted {
    total: String,
}

impl Upcast<LaterBeginning> for LaterOrderSubmitted {
    fn upcast(v2: LaterBeginning) -> Result<Self, UpcastError> {
        Ok(Self { total: v2.total })
    }
}

#[test]
fn what_is_supported_is_told_for_the_whole_history() {
    let error = Envelope::<LaterOrderSubmitted>::from_detail(&detail(1, V1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "version 1 of `order_submitted` is not supported, only versions 2 to 3"
    );
    assert!(Envelope::<LaterOrderSubmitted>::from_detail(&detail(2, V2)).is_ok());
}

#[test]
fn bytes_are_held_to_the_type_of_their_own_version() {
    let error = Envelope::<OrderSubmitted>::from_detail(&detail(1, V2)).unwrap_err();
    assert_eq!(error.to_string(), "`data.total_cents` is missing");
    let error = Envelope::<OrderSubmitted>::from_detail(&detail(3, V2)).unwrap_err();
    assert_eq!(error.to_string(), "`data.currency` is missing");
}

#[test]
fn an_upcast_that_fails_says_which_step_and_why() {
    let detail = detail(1, r#"{"total_cents":-1}"#);
    let error = Envelope::<OrderSubmitted>::from_detail(&detail).unwrap_err();
    assert_eq!(error.to_string(), "version 1 of `order_submitted` cannot become version 2");
    let ReadError::Upcast(failed) = &error else { panic!("{error:?}") };
    assert_eq!((failed.from().get(), failed.to().get()), (1, 2));
    assert_eq!(failed.error().reason(), "a negative total has no meaning any more");
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "a negative total has no meaning any more");
}

#[test]
fn another_event_is_not_read_for_this_one() {
    let detail = String::from_utf8(detail(3, V3)).unwrap().replace("submitted", "cancelled");
    let error = Envelope::<OrderSubmitted>::from_detail(detail.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "expected the event `order_submitted`, found `order_cancelled`");
    assert!(matches!(error, ReadError::AnotherEvent(_)));
}
