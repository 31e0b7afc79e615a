//! What the derive says about a type.
use serde::{Deserialize, Serialize};
use setpiece_envelope::{Category, DomainEvent, EventType, Pii, ServiceId};

const SHIPPING: ServiceId = ServiceId::new("retail", "delivery", "shipping");

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(
    service = SHIPPING,
    name = "parcel_handed_over",
    version = 1,
    category = "service-event",
    type = "receipt",
    source = "legacy.shipping",
    detail_type = "Parcel Handed Over"
)]
#[serde(rename_all = "camelCase")]
struct ParcelHandedOver {
    #[event(subject)]
    parcel_number: u32,
    #[event(pii)]
    signed_by: Option<String>,
    #[event(pii = "address")]
    #[serde(rename = "to")]
    destination: String,
    #[serde(with = "setpiece_envelope::AsString")]
    weight_in_nanograms: u64,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(service = SHIPPING, name = "parcel_returned", version = 1, view)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum ParcelReturned {
    Accepted {
        #[event(subject)]
        parcel_number: String,
    },
    Refused {
        #[event(subject)]
        parcel_number: String,
        #[event(pii = "free text")]
        remark: String,
    },
    Unreadable,
}

#[test]
fn a_struct_says_all_that_its_attributes_say() {
    assert_eq!(ParcelHandedOver::NAME, "parcel_handed_over");
    assert_eq!(ParcelHandedOver::VERSION.get(), 1);
    assert_eq!(ParcelHandedOver::SOURCE, "legacy.shipping");
    assert_eq!(ParcelHandedOver::DETAIL_TYPE, "Parcel Handed Over");
    assert_eq!(ParcelHandedOver::CATEGORY, Category::ServiceEvent);
    assert_eq!(ParcelHandedOver::TYPE, EventType::from("receipt"));
    const { assert!(!ParcelHandedOver::VIEW) };
    assert_eq!(ParcelHandedOver::SUBJECT, Some("parcelNumber"));
    let pii = [Pii::new("signedBy", None), Pii::new("to", Some("address"))];
    assert_eq!(ParcelHandedOver::PII, pii);
    let event = ParcelHandedOver {
        parcel_number: 7,
        signed_by: None,
        destination: String::new(),
        weight_in_nanograms: u64::MAX,
    };
    assert_eq!(event.subject().as_deref(), Some("7"));
    assert_eq!(serde_json::to_value(&event).unwrap()["weightInNanograms"], u64::MAX.to_string());
}

#[test]
fn an_enum_says_the_same_for_all_its_variants() {
    const { assert!(ParcelReturned::VIEW) };
    assert_eq!(ParcelReturned::SOURCE, "retail.delivery.shipping");
    assert_eq!(ParcelReturned::DETAIL_TYPE, "parcel_returned");
    assert_eq!(ParcelReturned::SUBJECT, Some("parcel_number"));
    assert_eq!(ParcelReturned::PII, [Pii::new("remark", Some("free text"))]);
    let accepted = ParcelReturned::Accepted { parcel_number: "7".to_owned() };
    assert_eq!(accepted.subject().as_deref(), Some("7"));
    assert_eq!(ParcelReturned::Unreadable.subject(), None);
}
