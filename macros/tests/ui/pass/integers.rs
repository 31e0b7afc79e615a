use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    marker::PhantomData,
    num::NonZeroI64,
};

use setpiece_envelope::{DomainEvent, ServiceId};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(serde::Serialize, DomainEvent)]
#[event(service = ORDERS, name = "metered", version = 1)]
struct Metered {
    #[event(subject)]
    #[serde(with = "setpiece_envelope::AsString")]
    meter: u64,
    by_number: BTreeMap<u64, HashMap<usize, Vec<i64>>>,
    #[serde(skip)]
    at: usize,
    marker: PhantomData<u64>,
    change: Option<NonZeroI64>,
    place: isize,
    name: Cow<'static, str>,
    #[serde(serialize_with = "length")]
    entries: Vec<u64>,
}

#[derive(serde::Deserialize, DomainEvent)]
#[event(service = ORDERS, name = "metered", version = 1, view)]
struct MeterSeen {
    #[event(subject)]
    #[serde(deserialize_with = "setpiece_envelope::AsString::deserialize")]
    meter: u64,
}

fn length<S: serde::Serializer>(entries: &[u64], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(i64::try_from(entries.len()).unwrap())
}

fn main() {
    let metered = Metered {
        meter: u64::MAX,
        by_number: BTreeMap::new(),
        at: 0,
        marker: PhantomData,
        change: None,
        place: -1,
        name: "".into(),
        entries: Vec::new(),
    };
    let data = serde_json::to_value(&metered).unwrap();
    assert_eq!(data[Metered::SUBJECT.unwrap()].as_str(), metered.subject().as_deref());

    let seen: MeterSeen = serde_json::from_value(data).unwrap();
    assert_eq!(seen.meter, u64::MAX);
    assert_eq!(seen.subject().as_deref(), Some("18446744073709551615"));
    assert!(MeterSeen::VIEW);
    assert!(!Metered::VIEW);
}
