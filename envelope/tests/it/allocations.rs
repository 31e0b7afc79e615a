//! How many allocations an envelope adds to plain `serde_json` of the same bytes: counted.

use std::collections::BTreeMap;

use allocation_counter::measure;
use serde::{Serialize, de::DeserializeOwned};
use setpiece_envelope::Envelope;

use crate::order::{Event, OrderSubmitted, Plain, detail, with_data};

/// Against a plain struct with the same members, per event.
const BOUND: u64 = 2;

#[test]
fn decoding_and_encoding_allocate_hardly_more_than_plain_serde_json() {
    for items in [4, 520] {
        check::<OrderSubmitted>(&format!("{items} items"), &detail(items));
    }
}

#[test]
fn wide_objects_allocate_hardly_more_either() {
    for members in [1, 17, 40, 64, 100] {
        check::<Vec<BTreeMap<String, u8>>>(&format!("{members} members"), &wide(members));
    }
}

/// Rows of so many members each.
fn wide(members: usize) -> Vec<u8> {
    let row: BTreeMap<_, _> = (0..members).map(|n| (format!("member_{n}"), 1)).collect();
    with_data(vec![row; 100])
}

#[track_caller]
fn check<T: DeserializeOwned + Serialize>(label: &str, detail: &[u8]) {
    let (mut plain, mut ours) = (None, None);
    let plain_decode = measure(|| plain = serde_json::from_slice::<Plain<T>>(detail).ok());
    let our_decode = measure(|| ours = Envelope::<Event<T>>::from_detail(detail).ok());
    let (plain, ours) = (plain.unwrap(), ours.unwrap());
    let plain_encode = measure(|| drop(serde_json::to_vec(&plain).unwrap()));
    let our_encode = measure(|| drop(ours.to_detail().unwrap()));
    let plain = plain_decode.count_total + plain_encode.count_total;
    let ours = our_decode.count_total + our_encode.count_total;
    assert!(ours <= plain + BOUND, "{label}: {ours} allocations, {plain} plain");
}
