//! How many allocations an envelope adds to plain `serde_json` of the same bytes: counted.

use allocation_counter::measure;
use setpiece_envelope::Envelope;

use crate::order::{OrderSubmitted, Plain, detail};

/// Against a plain struct with the same members, per event.
const BOUND: u64 = 2;

#[test]
fn decoding_and_encoding_allocate_hardly_more_than_plain_serde_json() {
    for items in [4, 520] {
        let detail = detail(items);
        let mut plain = None;
        let mut ours = None;
        let plain_decode = measure(|| plain = serde_json::from_slice::<Plain>(&detail).ok());
        let our_decode = measure(|| ours = Envelope::<OrderSubmitted>::from_detail(&detail).ok());
        let (plain, ours) = (plain.unwrap(), ours.unwrap());
        let plain_encode = measure(|| drop(serde_json::to_vec(&plain).unwrap()));
        let our_encode = measure(|| drop(ours.to_detail().unwrap()));
        let plain = plain_decode.count_total + plain_encode.count_total;
        let ours = our_decode.count_total + our_encode.count_total;
        assert!(ours <= plain + BOUND, "{items} items: {ours} allocations, {plain} plain");
    }
}
