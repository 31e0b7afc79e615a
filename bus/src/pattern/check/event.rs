//! The schemas of whole events, as EventBridge delivers them.

use serde_json::{Value as Json, json};
use setpiece_envelope::DomainEvent;

/// Publishers of the events.
#[derive(Clone, Copy)]
pub(crate) enum Origin {
    /// Our own writer's: nothing is in them but what it writes.
    Own,
    /// Those of any producer, as far as readers take them.
    Any,
}

/// The events of `E`, with the schema of their data.
pub(crate) fn of_type<E: DomainEvent>(origin: Origin, data: &Json) -> Json {
    let mut metadata = metadata(origin);
    metadata["properties"]["name"] = json!({ "const": E::NAME });
    if let Origin::Own = origin {
        metadata["properties"]["version"] = json!({ "const": E::VERSION.to_string() });
    }
    event(origin, E::SOURCE, &json!({ "const": E::DETAIL_TYPE }), &metadata, data)
}

/// All events of a source.
pub(crate) fn of_source(source: &str) -> Json {
    event(Origin::Any, source, &text(), &metadata(Origin::Any), &Json::Bool(true))
}

fn event(origin: Origin, source: &str, detail_type: &Json, metadata: &Json, data: &Json) -> Json {
    let mut detail = json!({
        "type": "object",
        "properties": { "metadata": metadata, "data": data },
        "required": ["metadata", "data"],
    });
    if let Origin::Own = origin {
        detail["additionalProperties"] = Json::Bool(false);
    }
    // EventBridge may add members of its own.
    json!({
        "type": "object",
        "properties": {
            "version": text(),
            "id": text(),
            "source": { "const": source },
            "detail-type": detail_type,
            "account": text(),
            "time": text(),
            "region": text(),
            "resources": { "type": "array", "items": text() },
            "replay-name": text(),
            "detail": detail,
        },
        "required": ["source", "detail-type", "detail"],
    })
}

/// Members that are not listed are kept as they are, and so is a trace that is broken.
fn metadata(origin: Origin) -> Json {
    const MAX_DEPTH: u32 = setpiece_envelope::Correlation::MAX_DEPTH;
    let id = label(1, 128);
    let (version, optional, depth): (_, fn(&Json) -> Json, _) = match origin {
        // The flow's first event has no depth.
        Origin::Own => (text(), Json::clone, 1),
        Origin::Any => (json!({ "type": ["string", "number"] }), or_null, 0),
    };
    let least = match origin {
        Origin::Own => 1,
        // Some producers write an empty text for what they do not have.
        Origin::Any => 0,
    };
    let text_of = |most| optional(&label(least, most));
    json!({
        "type": "object",
        "properties": {
            "version": version,
            "event_id": id,
            "domain": text_of(128),
            "subdomain": text_of(128),
            "service": text_of(128),
            "category": text_of(128),
            "type": text_of(128),
            "name": label(1, 128),
            "occurred_at": optional(&text()),
            "correlation_id": text_of(128),
            "causation_id": text_of(128),
            "depth": optional(&json!({ "type": "integer", "minimum": depth, "maximum": MAX_DEPTH })),
            "traceparent": true,
            "tracestate": true,
            "sampled": optional(&json!({ "type": "boolean" })),
            "subject": text_of(1024),
            "partition_key": text_of(128),
            "tenant": text_of(128),
        },
        "required": ["version", "event_id", "name"],
        "additionalProperties": true,
    })
}

fn text() -> Json {
    json!({ "type": "string" })
}

fn label(least: u32, most: u32) -> Json {
    json!({ "type": "string", "minLength": least, "maxLength": most })
}

fn or_null(schema: &Json) -> Json {
    json!({ "anyOf": [schema, { "type": "null" }] })
}
