//! Refusals of EventBridge, in its words.
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

/// The most characters in the names of rules, targets and replays (documented).
pub(super) const MAX_NAME_CHARS: usize = 64;

/// The most characters in the name of an archive (documented).
pub(super) const MAX_ARCHIVE_NAME_CHARS: usize = 48;

/// The constraints that a request violates. AWS lists all of them (recorded for names and for ids of
/// targets, also that the form comes before the length).
#[derive(Default)]
pub(super) struct Violations(Vec<String>);

impl Violations {
    pub(super) fn add(&mut self, value: &str, at: &str, constraint: &str) {
        let violation =
            format!("Value '{value}' at '{at}' failed to satisfy constraint: {constraint}");
        self.0.push(violation);
    }

    fn length(&mut self, value: &str, at: &str, length: usize, limit: usize) {
        if length == 0 {
            self.add(value, at, "Member must have length greater than or equal to 1");
        } else if length > limit {
            let constraint = format!("Member must have length less than or equal to {limit}");
            self.add(value, at, &constraint);
        }
    }

    /// Checks a name.
    pub(super) fn name(&mut self, at: &str, name: &str, max_chars: usize) {
        let is_of_form = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
        if name.is_empty() || !name.chars().all(is_of_form) {
            let constraint = "Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+";
            self.add(name, at, constraint);
        }
        self.length(name, at, name.chars().count(), max_chars);
    }

    pub(super) fn into_result(self) -> Result<(), CallError> {
        let errors = match self.0.len() {
            0 => return Ok(()),
            1 => "1 validation error".to_owned(),
            count => format!("{count} validation errors"),
        };
        Err(CallError::validation(format!("{errors} detected: {}", self.0.join("; "))))
    }
}

/// Checks a name that is all there is to check.
pub(super) fn check_name(at: &str, name: &str, max_chars: usize) -> Result<(), CallError> {
    let mut violations = Violations::default();
    violations.name(at, name, max_chars);
    violations.into_result()
}

/// Refuses a request as a whole.
pub(super) fn check_request(entries: &[PutEventsEntry]) -> Result<(), CallError> {
    let mut violations = Violations::default();
    // Recorded for too many entries, but that AWS shows each of them whole.
    violations.length("[PutEventsRequestEntry]", "entries", entries.len(), LIMITS.max_entries);
    // The lengths are those of the service model (documented); that AWS checks them before it
    // looks at any entry is from memory.
    for (index, entry) in entries.iter().enumerate() {
        let members = [
            ("eventBusName", &entry.event_bus_name, MAX_BUS_NAME_CHARS),
            ("traceHeader", &entry.trace_header, OutgoingEvent::MAX_TRACE_HEADER_CHARS),
        ];
        for (member, text, limit) in members {
            let Some(text) = text else { continue };
            let at = format!("entries.{}.member.{member}", index + 1);
            violations.length("…", &at, text.chars().count(), limit);
        }
    }
    violations.into_result()?;
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

/// Returns true if a text is a JSON object whose integers fit in 64 bits and which is not nested
/// too deeply (documented).
fn is_detail(text: &str) -> bool {
    // This reader of JSON does not descend, so that no detail is too deep for it.
    text.trim_ascii_start().starts_with('{')
        && serde_json::from_str::<&RawValue>(text).is_ok()
        && nesting(text) <= MAX_NESTING
        && integers(text).all(|integer| integer.parse::<i64>().is_ok())
}

/// Returns the number of objects and arrays within each other in a JSON text.
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
