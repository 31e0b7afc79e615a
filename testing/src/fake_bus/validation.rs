//! What EventBridge refuses, and in which words.
//!
//! Facts marked *recorded* are answers that AWS gave to the tests of the emulator `localstack`
//! (`tests/aws/services/events`, snapshots of 2024 and January 2025). Facts marked *documented* are from AWS's documentation or service
//! models. Those marked *memory* were not checked against either: the code is likely right, and the
//! wording may differ.

use serde_json::value::RawValue;
use setpiece_bus::OutgoingEvent;
use setpiece_envelope::{Metadata, RawEnvelope};

use super::put_events::{CallError, LIMITS, PutEventsEntry, PutEventsResult};

/// The most objects and arrays within each other in a detail (documented).
const MAX_NESTING: usize = 1000;

const MAX_BUS_NAME_CHARS: usize = 1600;

/// Refuses a request as a whole.
pub(super) fn check_request(entries: &[PutEventsEntry]) -> Result<(), CallError> {
    // Code and status are recorded for too many entries. The wording is from memory, and AWS shows
    // the whole value in it.
    let constraint = |at: &str, constraint: &str| {
        let value = if at == "entries" { "[PutEventsRequestEntry]" } else { "…" };
        let message = format!(
            "1 validation error detected: Value '{value}' at '{at}' failed to satisfy constraint: \
             Member must have length {constraint}"
        );
        Err(CallError::validation(message))
    };
    if entries.is_empty() {
        return constraint("entries", "greater than or equal to 1");
    }
    if entries.len() > LIMITS.max_entries {
        return constraint("entries", &format!("less than or equal to {}", LIMITS.max_entries));
    }
    // The lengths are those of the service model (documented); that AWS checks them before it
    // looks at any entry is from memory.
    for (index, entry) in entries.iter().enumerate() {
        let members = [
            ("eventBusName", &entry.event_bus_name, MAX_BUS_NAME_CHARS),
            ("traceHeader", &entry.trace_header, OutgoingEvent::MAX_TRACE_HEADER_CHARS),
        ];
        for (member, text, limit) in members {
            let Some(text) = text else { continue };
            let at = || format!("entries.{}.member.{member}", index + 1);
            if text.is_empty() {
                return constraint(&at(), "greater than or equal to 1");
            }
            if text.chars().count() > limit {
                return constraint(&at(), &format!("less than or equal to {limit}"));
            }
        }
    }
    // Recorded, also that the whole call is refused and not the entry that is too large.
    if entries.iter().map(PutEventsEntry::size).sum::<usize>() > LIMITS.max_bytes {
        let message = "Total size of the entries in the request is over the limit.";
        return Err(CallError::validation(message));
    }
    Ok(())
}

/// Refuses one entry, or gives what its detail says about itself, if it is an envelope.
///
/// That a request fails when no entry has all three parts (documented) shows as a failure of each
/// entry: requests with one entry that lacked one were answered so (recorded).
pub(super) fn check_entry(entry: &PutEventsEntry) -> Result<Option<Metadata>, PutEventsResult> {
    let source = required("Source", entry.source.as_deref())?;
    let detail_type = required("DetailType", entry.detail_type.as_deref())?;
    let detail = required("Detail", entry.detail.as_deref())?;
    if source.starts_with("aws.") {
        // The code is documented; when AWS checks it is from memory.
        let message = "Not authorized for the source.";
        return Err(PutEventsResult::failed("NotAuthorizedForSourceException", message));
    }
    // The limits are documented, the wording is from memory.
    bounded("Source", source.len(), OutgoingEvent::MAX_SOURCE_BYTES)?;
    bounded("DetailType", detail_type.chars().count(), OutgoingEvent::MAX_DETAIL_TYPE_CHARS)?;
    for resource in &entry.resources {
        bounded("Resources", resource.chars().count(), OutgoingEvent::MAX_RESOURCE_CHARS)?;
    }
    match RawEnvelope::parse_within(detail.as_bytes(), detail.len()) {
        // Its reader is stricter than EventBridge.
        Ok(envelope) => Ok(Some(envelope.metadata)),
        Err(_) if is_detail(detail) => Ok(None),
        // Recorded for a text that is not JSON, for an array and for a string.
        Err(_) => Err(PutEventsResult::failed("MalformedDetail", "Detail is malformed.")),
    }
}

/// Recorded for each of the three; that an empty text counts as none is from memory.
fn required<'a>(name: &str, text: Option<&'a str>) -> Result<&'a str, PutEventsResult> {
    let reason = || format!("{name} is a required argument.");
    text.filter(|text| !text.is_empty()).ok_or_else(|| invalid(name, &reason()))
}

fn bounded(name: &str, length: usize, limit: usize) -> Result<(), PutEventsResult> {
    if length <= limit {
        return Ok(());
    }
    Err(invalid(name, &format!("{name} is longer than {limit} characters.")))
}

fn invalid(name: &str, reason: &str) -> PutEventsResult {
    let message = format!("Parameter {name} is not valid. Reason: {reason}");
    PutEventsResult::failed("InvalidArgument", message)
}

/// Whether a text is a JSON object whose integers fit in 64 bits and which is not nested too deeply
/// (documented).
fn is_detail(text: &str) -> bool {
    // This reader of JSON does not descend, so that no detail is too deep for it.
    text.trim_ascii_start().starts_with('{')
        && serde_json::from_str::<&RawValue>(text).is_ok()
        && nesting(text) <= MAX_NESTING
        && integers(text).all(|integer| integer.parse::<i64>().is_ok())
}

/// How many objects and arrays there are within each other in a JSON text.
fn nesting(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in outside_of_strings(json) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// The numbers without fraction and exponent in a JSON text.
fn integers(json: &str) -> impl Iterator<Item = String> {
    let text: String = outside_of_strings(json).map(char::from).collect();
    let numbers = text.split(|char: char| !matches!(char, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'));
    let integers = numbers.filter(|number| {
        number.starts_with(|first: char| first == '-' || first.is_ascii_digit())
            && !number.contains(['.', 'e', 'E'])
    });
    integers.map(str::to_owned).collect::<Vec<_>>().into_iter()
}

/// The bytes of a JSON text, and for each of its strings only the quotes.
fn outside_of_strings(json: &str) -> impl Iterator<Item = u8> {
    let (mut in_string, mut escaped) = (false, false);
    json.bytes().filter(move |byte| {
        let was_in_string = in_string;
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            _ => {}
        }
        !was_in_string || !in_string
    })
}

#[cfg(test)]
mod tests;
