use std::{borrow::Cow, fmt};

use serde::Serialize;

use crate::{
    Category, Correlation, DomainEvent, Envelope, EventType, EventVersion, MAX_EVENT_BYTES,
    Metadata, RawEnvelope, ReadError, Reason, Violation, WriteError,
    metadata::{self, MAX_CHARS, MAX_SUBJECT_CHARS, check_depth},
    wire::{self, Data, checked, object::Object, scan::Scanner},
};

/// An event in the JSON form of CloudEvents 1.0, structured mode.
///
/// For neighbours that speak CloudEvents. Nothing is lost on the way there and back, in either
/// direction:
///
/// | metadata | attribute |
/// |---|---|
/// | `event_id` | `id` |
/// | the EventBridge `source` | `source` |
/// | `name` | `type` |
/// | `occurred_at` | `time` |
/// | `subject` | `subject` |
/// | `version` | `eventversion`, left out for version 1 |
/// | `correlation_id`, `causation_id` | `correlationid`, `causationid` (extension *correlation*) |
/// | `traceparent`, `tracestate` | the same (extension *distributed tracing*) |
/// | `partition_key` | `partitionkey` (extension *partitioning*) |
/// | `type` | `eventtype` |
/// | `domain`, `subdomain`, `service`, `category`, `depth`, `sampled`, `tenant` | the same |
/// | unknown members that CloudEvents could name | the same |
/// | other unknown members | `setpiecemetadata`, an object as text |
///
/// In the other direction the attributes `datacontenttype`, `dataschema` and all that are not
/// known become members of the same name, except that `version` and `name` become `ce_version` and
/// `ce_name`. An event without data has the data `null`.
///
/// The forms are those of <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md> and
/// its JSON format.
#[derive(Clone)]
#[non_exhaustive]
pub struct CloudEvent<'a> {
    /// The context in which the event happened: not empty.
    pub source: Cow<'a, str>,
    /// The event.
    pub envelope: RawEnvelope<'a>,
}

impl<'a> CloudEvent<'a> {
    /// Takes an event that was published under `source`.
    #[must_use]
    pub fn new(source: impl Into<Cow<'a, str>>, envelope: RawEnvelope<'a>) -> Self {
        Self { source: source.into(), envelope }
    }

    /// Reads an event in structured mode.
    ///
    /// # Errors
    ///
    /// [`ReadError::Malformed`], also for binary data (`data_base64`): ours is JSON.
    pub fn parse(json: &'a [u8]) -> Result<Self, ReadError> {
        let mut scanner = Scanner::new(wire::text(json, MAX_EVENT_BYTES)?);
        let mut draft = Draft::default();
        scanner.object(|scanner, attribute| draft.read(attribute, scanner))?;
        scanner.end()?;
        Ok(draft.finish()?)
    }

    /// Writes the event in structured mode.
    ///
    /// # Errors
    ///
    /// When the source is empty, or a field of the metadata holds what a reader would refuse.
    pub fn to_json(&self) -> Result<Vec<u8>, WriteError> {
        let data = self.envelope.data();
        let write = |json: &mut Vec<u8>| {
            json.extend_from_slice(data.as_bytes());
            Ok(())
        };
        let write = (data != "null").then_some(write);
        let metadata = &self.envelope.metadata;
        let kind = (metadata.name.as_str(), metadata.version);
        Ok(structured(&self.source, kind, metadata, write)?)
    }
}

impl fmt::Debug for CloudEvent<'_> {
    /// Shows no data of the event.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudEvent")
            .field("source", &self.source)
            .field("envelope", &self.envelope)
            .finish()
    }
}

impl<E> Envelope<E> {
    /// Writes the event in the JSON form of [`CloudEvent`], under `E`'s own source.
    ///
    /// # Errors
    ///
    /// Those of [`to_detail`](Self::to_detail).
    pub fn to_cloud_event(&self) -> Result<Vec<u8>, WriteError>
    where
        E: DomainEvent + Serialize,
    {
        let write = |json: &mut Vec<u8>| checked::write_data(&self.data, json);
        Ok(structured(E::SOURCE, (E::NAME, E::VERSION), &self.metadata, Some(write))?)
    }
}

const SPEC_VERSION: &str = "1.0";
/// The attribute that holds the members that CloudEvents cannot name.
const REST: &str = "setpiecemetadata";
/// Attributes whose names are those of metadata members with another meaning, and the members that
/// they become.
const RENAMED: [(&str, &str); 2] = [("version", "ce_version"), ("name", "ce_name")];
/// Attributes that are made from something else than a member of their name.
const TAKEN: [&str; 11] = [
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "data",
    "eventversion",
    "eventtype",
    "correlationid",
    "causationid",
    "partitionkey",
];

/// Writes an event of a name and version.
fn structured(
    source: &str,
    (name, version): (&str, EventVersion),
    metadata: &Metadata,
    data: Option<impl FnOnce(&mut Vec<u8>) -> Result<(), Violation>>,
) -> Result<Vec<u8>, Violation> {
    let Metadata {
        event_id,
        name: _,
        version: _,
        domain,
        subdomain,
        service,
        category,
        event_type,
        occurred_at,
        correlation,
        subject,
        partition_key,
        extensions: _,
    } = metadata;
    let Correlation {
        correlation_id,
        causation_id,
        depth,
        traceparent,
        tracestate,
        sampled,
        tenant,
    } = correlation;
    let mut json = Vec::with_capacity(1024);
    let mut event = Object::begin(&mut json);
    event.text("specversion", SPEC_VERSION);
    event.text("id", event_id.as_str());
    if source.is_empty() {
        return Err(Violation::at("source", Reason::Empty));
    }
    event.text("source", source);
    event.checked("type", Some(name), MAX_CHARS)?;
    if version != EventVersion::FIRST {
        event.display("eventversion", version);
    }
    if let Some(occurred_at) = occurred_at {
        event.display("time", occurred_at);
    }
    event.checked("subject", subject.as_deref(), MAX_SUBJECT_CHARS)?;
    event.checked("domain", domain.as_deref(), MAX_CHARS)?;
    event.checked("subdomain", subdomain.as_deref(), MAX_CHARS)?;
    event.checked("service", service.as_deref(), MAX_CHARS)?;
    event.checked("category", category.as_ref().map(Category::as_str), MAX_CHARS)?;
    event.checked("eventtype", event_type.as_ref().map(EventType::as_str), MAX_CHARS)?;
    if let Some(correlation_id) = correlation_id {
        event.text("correlationid", correlation_id.as_str());
    }
    if let Some(causation_id) = causation_id {
        event.text("causationid", causation_id.as_str());
    }
    if check_depth(*depth)? > 0 {
        event.raw("depth", depth);
    }
    if let Some(traceparent) = traceparent {
        event.text("traceparent", traceparent.as_str());
    }
    if let Some(tracestate) = tracestate {
        event.text("tracestate", tracestate.as_str());
    }
    if let Some(sampled) = sampled {
        event.raw("sampled", sampled);
    }
    event.checked("partitionkey", partition_key.as_deref(), MAX_CHARS)?;
    event.checked("tenant", tenant.as_deref(), MAX_CHARS)?;
    write_extensions(&mut event, metadata);
    if let Some(data) = data {
        event.with("data", data)?;
    }
    event.end();
    Ok(json)
}

/// Writes the unknown members: those that CloudEvents can name one by one, the others as one text.
fn write_extensions(event: &mut Object<'_>, metadata: &Metadata) {
    let mut rest = Vec::new();
    let mut object = Object::begin(&mut rest);
    let mut has_rest = false;
    for (member, value) in metadata.written_extensions() {
        match attribute_of(member) {
            Some(attribute) if is_attribute_value(value) => event.json(attribute, value),
            _ => {
                object.json(member, value);
                has_rest = true;
            }
        }
    }
    object.end();
    if has_rest {
        event.text(REST, &String::from_utf8_lossy(&rest));
    }
}

/// The attribute that the unknown member `name` becomes, if CloudEvents can name it.
fn attribute_of(name: &str) -> Option<&str> {
    if let Some((attribute, _)) = RENAMED.iter().find(|(_, member)| *member == name) {
        return Some(attribute);
    }
    (is_attribute_name(name) && !TAKEN.contains(&name) && name != REST).then_some(name)
}

/// Lower-case letters and digits, as the specification demands.
fn is_attribute_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// Returns true if JSON stands for one of the types of attributes: text without control characters,
/// a boolean or a 32-bit integer.
fn is_attribute_value(json: &str) -> bool {
    if json.starts_with('"') {
        // Without escapes there is no control character in JSON.
        let text = || serde_json::from_str::<String>(json).unwrap_or_default();
        return !json.contains('\\') || !text().contains(char::is_control);
    }
    json == "true" || json == "false" || json.parse::<i32>().is_ok()
}

/// An event of which not all attributes have been read yet.
#[derive(Default)]
struct Draft<'a> {
    spec_version: bool,
    source: Option<Cow<'a, str>>,
    metadata: metadata::Draft,
    data: Option<Data<'a>>,
}

impl<'a> Draft<'a> {
    fn read(&mut self, attribute: &str, scanner: &mut Scanner<'a>) -> Result<(), Violation> {
        if scanner.is_null() {
            // An attribute that is null is unset, by the JSON format.
            return scanner.value().map(drop);
        }
        let member = match attribute {
            "specversion" => {
                self.spec_version = true;
                return match &*scanner.string()? {
                    SPEC_VERSION => Ok(()),
                    _ => Err(Violation::new(Reason::Expected {
                        expected: "version 1.0 of CloudEvents".into(),
                        found: "another version".into(),
                    })),
                };
            }
            "source" => {
                let source = scanner.string()?;
                if source.is_empty() {
                    return Err(Violation::new(Reason::Empty));
                }
                self.source = Some(source);
                return Ok(());
            }
            "data" => {
                self.data = Some(Data::read(scanner, "data")?);
                return Ok(());
            }
            "data_base64" => {
                scanner.value()?;
                return Err(Violation::new(Reason::Expected {
                    expected: "data as JSON".into(),
                    found: "binary data".into(),
                }));
            }
            REST => return self.read_rest(&scanner.string()?),
            "id" => "event_id",
            "type" => "name",
            "time" => "occurred_at",
            "eventversion" => "version",
            "eventtype" => "type",
            "correlationid" => "correlation_id",
            "causationid" => "causation_id",
            "partitionkey" => "partition_key",
            "subject" | "domain" | "subdomain" | "service" | "category" | "depth"
            | "traceparent" | "tracestate" | "sampled" | "tenant" => attribute,
            unknown => return self.read_unknown(unknown, scanner),
        };
        // A broker that has carried the event in headers gives every attribute back as text.
        if matches!(attribute, "depth" | "sampled") && scanner.kind() == "a string" {
            let text = scanner.string()?;
            return self.metadata.read_member(member, &mut Scanner::new(&text));
        }
        self.metadata.read_member(member, scanner)
    }

    fn read_unknown(&mut self, name: &str, scanner: &mut Scanner<'a>) -> Result<(), Violation> {
        let found = scanner.kind();
        let value = scanner.value()?;
        if !is_attribute_name(name) {
            return Err(Violation::new(Reason::NotOfForm {
                form: "a CloudEvents attribute, whose name has lower-case letters and digits only",
            }));
        }
        if !is_attribute_value(value) {
            return Err(Violation::new(Reason::Expected {
                expected: "a string, a boolean or a 32-bit integer".into(),
                found: found.into(),
            }));
        }
        let renamed = RENAMED.iter().find(|(attribute, _)| *attribute == name);
        self.metadata.add_extension(renamed.map_or(name, |(_, member)| member), value)
    }

    /// Reads the members that CloudEvents could not name.
    fn read_rest(&mut self, json: &str) -> Result<(), Violation> {
        // As deep as the metadata will stand in its detail.
        let mut scanner = Scanner::at_depth(json, 1);
        scanner.object(|scanner, member| {
            let value = scanner.value()?;
            self.metadata.add_extension(member, value)
        })?;
        scanner.end()
    }

    fn finish(mut self) -> Result<CloudEvent<'a>, Violation> {
        let missing = |attribute: &str| Violation::at(attribute, Reason::Missing);
        if !self.spec_version {
            return Err(missing("specversion"));
        }
        let source = self.source.ok_or_else(|| missing("source"))?;
        self.metadata.version.get_or_insert(EventVersion::FIRST);
        let metadata = self.metadata.finish().map_err(|violation| match violation.path() {
            "event_id" => missing("id"),
            "name" => missing("type"),
            _ => violation,
        })?;
        let data = self.data.unwrap_or_else(Data::null);
        Ok(CloudEvent { source, envelope: RawEnvelope::new(metadata, data) })
    }
}

#[cfg(test)]
mod tests;
