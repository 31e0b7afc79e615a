//! Events to send.

use setpiece_bus::{Limits, OutgoingEvent};
use setpiece_policy::{Disposition, Fault, FaultKind};
use setpiece_testing::{FakeBus, RecordedEvent};

pub(crate) const SOURCE: &str = "orders";
pub(crate) const DETAIL_TYPE: &str = "submitted";

pub(crate) fn event(id: &str) -> OutgoingEvent {
    of_size(id, 0)
}

pub(crate) fn events(count: usize) -> Vec<OutgoingEvent> {
    (0..count).map(|index| event(&format!("event-{index}"))).collect()
}

/// An event that has so many bytes by the formula of EventBridge, or as few as it can have.
pub(crate) fn of_size(id: &str, bytes: usize) -> OutgoingEvent {
    let metadata = format!(r#"{{"event_id":"{id}","name":"submitted","version":"1"}}"#);
    let detail = |pad: &str| format!(r#"{{"metadata":{metadata},"data":{{"pad":"{pad}"}}}}"#);
    let least = SOURCE.len() + DETAIL_TYPE.len() + detail("").len();
    let pad = "x".repeat(bytes.saturating_sub(least));
    OutgoingEvent::from_detail(SOURCE, DETAIL_TYPE, detail(&pad)).unwrap()
}

pub(crate) fn size(event: &OutgoingEvent) -> usize {
    (Limits::EVENT_BRIDGE.size)(event)
}

/// The ids of the events that a bus has taken, in that order.
pub(crate) fn taken(fake: &FakeBus) -> Vec<String> {
    fake.events().iter().map(id).collect()
}

pub(crate) fn id(event: &RecordedEvent) -> String {
    event.metadata().unwrap().event_id.to_string()
}

/// What a caller decides by.
pub(crate) type Verdict = (FaultKind, Disposition, Option<String>, bool);

pub(crate) fn verdict(fault: &Fault) -> Verdict {
    let code = fault.code().map(str::to_owned);
    (fault.kind(), fault.disposition(), code, fault.may_have_happened())
}
