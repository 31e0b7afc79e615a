//! Whatever arrives, reading it ends in an event or an error, and an event stays what it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use setpiece_envelope::{
    CloudEvent, DomainEvent, Envelope, EventBridgeEvent, EventVersion, First, RawEnvelope,
    ServiceId,
};

/// The event of the golden files, with data of any kind.
#[derive(Serialize, Deserialize)]
struct OrderSubmitted(Value);

impl DomainEvent for OrderSubmitted {
    type Previous = First;
    const SERVICE: ServiceId = ServiceId::new("retail", "checkout", "orders");
    const NAME: &'static str = "order_submitted";
    const VERSION: EventVersion = EventVersion::FIRST;
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(event) = EventBridgeEvent::parse(bytes) {
        check(&event.envelope);
    }
    if let Ok(raw) = RawEnvelope::parse(bytes) {
        check(&raw);
    }
    if let Ok(event) = CloudEvent::parse(bytes) {
        check(&event.envelope);
    }
});

fn check(raw: &RawEnvelope<'_>) {
    let detail = raw.to_detail().expect("what was read can be written");
    let again = RawEnvelope::parse(&detail).expect("what was written can be read");
    assert_eq!(again.metadata, raw.metadata);
    assert_eq!(again.data(), raw.data());

    let cloud_event = CloudEvent::new("fuzz", raw.clone()).to_json().expect("it has an id");
    // The text that holds unknown members has escapes, so a huge event may outgrow the limit.
    if let Ok(back) = CloudEvent::parse(&cloud_event) {
        assert_eq!(back.envelope.metadata, raw.metadata);
        assert_eq!(back.envelope.data(), raw.data());
    }

    if let Ok(envelope) = raw.clone().decode::<OrderSubmitted>() {
        let detail = envelope.to_detail().expect("data that was read can be written");
        let again = Envelope::<OrderSubmitted>::from_detail(&detail).expect("and read again");
        assert_eq!(again.data.0, envelope.data.0);
    }
}
