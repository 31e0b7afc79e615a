use setpiece_envelope::{Envelope, EventBridgeEvent};

#[derive(serde::Deserialize)]
struct OrderSubmitted {
    order_number: String,
}

fn main() {
    _ = Envelope::<OrderSubmitted>::from_detail(b"{}");
    _ = EventBridgeEvent::parse(b"{}").unwrap().envelope.decode::<OrderSubmitted>();
}
