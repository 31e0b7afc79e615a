use setpiece_bus::{Accepted, Bus, EntryResult, Limits, OutgoingEvent, Preflight, Proof};
use setpiece_policy::Fault;

use super::{
    CallError, FakeBus, PutEventsAnswer, PutEventsEntry, PutEventsResult, put_events::LIMITS,
};
use crate::pauses::pause;

/// Through the wire's form, as an adapter of the real EventBridge does it.
impl Bus for FakeBus {
    fn name(&self) -> &str {
        &self.address
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    async fn put(&self, entries: &[&OutgoingEvent]) -> Result<Vec<EntryResult>, Fault> {
        let entries =
            entries.iter().map(|event| PutEventsEntry::of(event, &self.address)).collect();
        let pauses = self.lock().pauses;
        pause(pauses.before).await;
        self.gate.pass().await;
        let answer = self.put_events(entries);
        self.gate.pass().await;
        pause(pauses.after).await;
        results(answer)
    }

    async fn preflight(&self) -> Result<Preflight, Fault> {
        let may_not_look = self.lock().denied.describe;
        let exists = match self.describe_event_bus(Some(&self.address)) {
            Ok(_) => Proof::Proven,
            Err(_) if may_not_look => Proof::Unseen,
            Err(error) => return Err(refused(error)),
        };
        // No bus publishes this one, and who may not write is told so.
        let probe = PutEventsEntry {
            event_bus_name: Some(self.address.to_string()),
            ..PutEventsEntry::new("setpiece.preflight", "preflight", "not an event")
        };
        results(self.put_events(vec![probe]))?;
        Ok(Preflight::new(exists, Proof::Proven))
    }
}

fn results(answer: PutEventsAnswer) -> Result<Vec<EntryResult>, Fault> {
    match answer {
        PutEventsAnswer::Results(results) => Ok(results.into_iter().map(entry_result).collect()),
        PutEventsAnswer::Refused(error) => Err(refused(error)),
        PutEventsAnswer::Lost => Err(Fault::transient("the answer of the bus was lost")),
        PutEventsAnswer::Unreachable => {
            Err(Fault::transient("the bus cannot be reached").with_may_have_happened(false))
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
