use std::{error::Error, fmt};

use serde_json::{Map, Value};
use setpiece_envelope::{Correlation, CorrelationId, EventId, TraceParent, TraceState};

use super::{TRACEPARENT, TRACESTATE};

/// The text of a `setpiece-context` could not be read. It is ignored where it came with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnreadableContext;

impl fmt::Display for UnreadableContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the context of a flow")
    }
}

impl Error for UnreadableContext {}

/// The most bytes that are read.
const MAX_BYTES: usize = 4096;

/// Reads the members that metadata has for a flow. Members that are not known are passed over.
pub(super) fn read(text: &str) -> Result<Correlation, UnreadableContext> {
    if text.len() > MAX_BYTES {
        return Err(UnreadableContext);
    }
    let members: Map<String, Value> = serde_json::from_str(text).map_err(|_| UnreadableContext)?;
    let mut correlation = Correlation::root();
    let mut parent = None;
    let mut state = None;
    for (name, value) in &members {
        match name.as_str() {
            "correlation_id" => {
                let id = flow_id(value.as_str().ok_or(UnreadableContext)?);
                correlation.correlation_id = Some(id.ok_or(UnreadableContext)?);
            }
            "causation_id" => {
                let id = EventId::parse(value.as_str().ok_or(UnreadableContext)?);
                correlation.causation_id = Some(id.map_err(|_| UnreadableContext)?);
            }
            "depth" => {
                let depth = value.as_u64().and_then(|depth| u32::try_from(depth).ok());
                let depth = depth.filter(|depth| *depth <= Correlation::MAX_DEPTH);
                correlation.depth = depth.ok_or(UnreadableContext)?;
            }
            "sampled" => correlation.sampled = Some(value.as_bool().ok_or(UnreadableContext)?),
            "tenant" => {
                let tenant = value.as_str().ok_or(UnreadableContext)?;
                // Tenants have the form of ids.
                EventId::parse(tenant).map_err(|_| UnreadableContext)?;
                correlation.tenant = Some(tenant.to_owned());
            }
            // A broken trace never breaks the flow.
            TRACEPARENT => parent = value.as_str().and_then(|text| TraceParent::parse(text).ok()),
            TRACESTATE => state = value.as_str().and_then(|text| TraceState::parse(text).ok()),
            _ => {}
        }
    }
    Ok(match parent {
        Some(parent) => correlation.with_trace(parent, state),
        None => correlation,
    })
}

/// Writes what [`read`] reads.
pub(super) fn write(correlation: &Correlation) -> String {
    let mut members = Map::new();
    let mut insert = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            members.insert(name.to_owned(), value);
        }
    };
    insert("correlation_id", correlation.correlation_id.as_ref().map(|id| id.as_str().into()));
    insert("causation_id", correlation.causation_id.as_ref().map(|id| id.as_str().into()));
    insert("depth", (correlation.depth > 0).then(|| correlation.depth.into()));
    insert("sampled", correlation.sampled.map(Value::Bool));
    insert("tenant", correlation.tenant.as_deref().map(Value::from));
    if let Some(parent) = &correlation.traceparent {
        insert(TRACEPARENT, Some(parent.as_str().into()));
        insert(TRACESTATE, correlation.tracestate.as_ref().map(|state| state.as_str().into()));
    }
    Value::Object(members).to_string()
}

/// Takes the id of a flow as it may come from outside: 1 to 128 letters and digits of ASCII, or
/// one of `._:/+=@-`, so that it stands as it is in logs, headers and queries.
pub(super) fn flow_id(text: &str) -> Option<CorrelationId> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/+=@-".contains(&byte);
    if !text.bytes().all(is_allowed) {
        return None;
    }
    CorrelationId::parse(text).ok()
}
