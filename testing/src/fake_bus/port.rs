use setpiece_bus::{Accepted, Bus, EntryResult, Limits, OutgoingEvent, Preflight, Proof};
use setpiece_policy::Fault;

use super::{
    CallError, FakeBus, PutEventsAnswer, PutEventsEntry, PutEventsResult, pauses::pause,
    put_events::LIMITS,
};

/// Through the wire's form, as an adapter of the real EventBridge does it.
impl Bus for FakeBus {
    fn limits(&self) -> Limits {
        LIMITS
    }

    async fn put(&self, entries: &[&OutgoingEvent]) -> Result<Vec<EntryResult>, Fault> {
        let entries =
            entries.iter().map(|event| PutEventsEntry::of(event, &self.address)).collect();
        let pauses = self.lock().pauses;
        pause(pauses.before).await;
        let answer = self.put_events(entries);
        pause(pauses.after).await;
        match answer {
            PutEventsAnswer::Results(results) => {
                Ok(results.into_iter().map(entry_result).collect())
            }
            PutEventsAnswer::Refused(error) => Err(refused(error)),
            PutEventsAnswer::Lost => Err(Fault::transient("the answer of the bus was lost")),
            PutEventsAnswer::Unreachable => {
                Err(Fault::transient("the bus cannot be reached").with_may_have_happened(false))
            }
        }
    }

    async fn preflight(&self) -> Result<Preflight, Fault> {
        let denied = self.lock().denied;
        if denied.put_events {
            return Err(refused(self.lock().access_denied("events:PutEvents")));
        }
        match self.describe_event_bus(Some(&self.address)) {
            Ok(_) => Ok(Preflight::PROVEN),
            Err(_) if denied.describe => Ok(Preflight::new(Proof::Unseen, Proof::Unseen)),
            Err(error) => Err(refused(error)),
        }
    }
}

fn entry_result(result: PutEventsResult) -> EntryResult {
    match result {
        PutEventsResult::Accepted { event_id } => Ok(Accepted::published(event_id)),
        PutEventsResult::Failed { code, message } if code == FakeBus::FLOW_TOO_DEEP => {
            Err(Fault::permanent("the flow is deeper than the test allows").with_source(message))
        }
        PutEventsResult::Failed { code, message } => {
            Err(Fault::from_put_events_code(&code).with_source(message))
        }
    }
}

fn refused(error: CallError) -> Fault {
    Fault::from_code(&error.code, Some(error.status))
        .with_context("the bus refused a request")
        .with_source(error)
}
