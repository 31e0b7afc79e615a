use serde::Serialize;
use setpiece_envelope::{CorrelationId, EventId, Metadata};

use crate::effect::Effect;

/// All that one registration led to.
#[derive(Debug, Serialize)]
pub(crate) struct Flow {
    pub(crate) correlation_id: Option<CorrelationId>,
    /// An event stands behind the one that caused it.
    pub(crate) events: Vec<FlowEvent>,
    pub(crate) effects: Vec<FlowEffect>,
}

/// An event, by what makes it traceable.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FlowEvent {
    pub(crate) event_id: EventId,
    pub(crate) name: String,
    pub(crate) service: Option<String>,
    pub(crate) causation_id: Option<EventId>,
    pub(crate) depth: u32,
}

impl From<&Metadata> for FlowEvent {
    fn from(metadata: &Metadata) -> Self {
        Self {
            event_id: metadata.event_id.clone(),
            name: metadata.name.clone(),
            service: metadata.service.clone(),
            causation_id: metadata.correlation.causation_id.clone(),
            depth: metadata.correlation.depth,
        }
    }
}

/// Effect of a service on an event of a flow.
#[derive(Debug, Serialize)]
pub(crate) struct FlowEffect {
    pub(crate) service: String,
    #[serde(flatten)]
    pub(crate) effect: Effect,
    pub(crate) caused_by: EventId,
}
