use std::{borrow::Cow, fmt};

use crate::{
    Category, Correlation, CorrelationId, EventId, EventType, EventVersion, Extensions, Reason,
    Timestamp, TraceParent, TraceState, Violation, text,
    wire::{object::Object, scan::Scanner},
};

/// Metadata of an event: all that is known besides its data, and the object `metadata` of its wire
/// form.
///
/// Only [`event_id`](Self::event_id), [`name`](Self::name) and [`version`](Self::version) are
/// required of a producer. Members that this version of the library does not know are kept as
/// [`extensions`](Self::extensions).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// Names the event, the same over retries, redeliveries and replays.
    pub event_id: EventId,
    /// Name of the event, as in `order_submitted`: 1 to 128 printable characters.
    pub name: String,
    /// The event's major version.
    pub version: EventVersion,
    /// The business domain of the service that published it: 1 to 128 printable characters.
    pub domain: Option<String>,
    /// The subdomain of that service: 1 to 128 printable characters.
    pub subdomain: Option<String>,
    /// The name of that service: 1 to 128 printable characters.
    pub service: Option<String>,
    /// Audience of the event.
    pub category: Option<Category>,
    /// Content of the event: the member `type`.
    pub event_type: Option<EventType>,
    /// When it happened, by the clock of the service that published it.
    pub occurred_at: Option<Timestamp>,
    /// Place of the event in its flow.
    pub correlation: Correlation,
    /// Subject of the event, such as an order number: 1 to 1024 printable characters.
    pub subject: Option<String>,
    /// Events with the same key are to be handled in order, where the transport can: 1 to 128
    /// printable characters. It is the `partitionkey` of CloudEvents.
    pub partition_key: Option<String>,
    /// Members that are not listed above.
    pub extensions: Extensions,
}

/// The most characters of a metadata text, where nothing else is said.
pub(crate) const MAX_CHARS: usize = EventId::MAX_CHARS;
/// The most characters of `subject`.
pub(crate) const MAX_SUBJECT_CHARS: usize = 1024;

impl Metadata {
    /// Metadata with the required members only.
    ///
    /// Services do not call this: [`Stamp`](crate::Stamp) fills in everything. It is for tools that
    /// build events by hand.
    #[must_use]
    pub fn new(event_id: EventId, name: impl Into<String>, version: EventVersion) -> Self {
        Self {
            event_id,
            name: name.into(),
            version,
            domain: None,
            subdomain: None,
            service: None,
            category: None,
            event_type: None,
            occurred_at: None,
            correlation: Correlation::root(),
            subject: None,
            partition_key: None,
            extensions: Extensions::default(),
        }
    }

    /// Returns true if `name` is a member that this type has a field for.
    pub(crate) fn has_member(name: &str) -> bool {
        MEMBERS.contains(&name)
    }

    /// Reads the object that comes.
    pub(crate) fn read(scanner: &mut Scanner<'_>) -> Result<Self, Violation> {
        let mut draft = Draft::default();
        scanner.object(|scanner, member| draft.read_member(member, scanner))?;
        draft.finish()
    }

    /// The unknown members as they are written: not a broken trace, once there is a sound one.
    pub(crate) fn written_extensions(&self) -> impl Iterator<Item = (&str, &str)> {
        self.extensions.iter().map(|(name, value)| (name, value.get())).filter(|(name, _)| {
            match *name {
                "traceparent" => self.correlation.traceparent.is_none(),
                "tracestate" => self.correlation.tracestate.is_none(),
                _ => true,
            }
        })
    }

    /// Appends the object to `json`.
    ///
    /// Fields are public and can hold what readers refuse, so they are checked here. Name and
    /// version are those of the data, which its type may know better.
    pub(crate) fn write(
        &self,
        name: &str,
        version: EventVersion,
        json: &mut Vec<u8>,
    ) -> Result<(), Violation> {
        let Self {
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
        } = self;
        let Correlation {
            correlation_id,
            causation_id,
            depth,
            traceparent,
            tracestate,
            sampled,
            tenant,
        } = correlation;
        let mut object = Object::begin(json);
        object.display("version", version);
        object.text("event_id", event_id.as_str());
        object.checked("domain", domain.as_deref(), MAX_CHARS)?;
        object.checked("subdomain", subdomain.as_deref(), MAX_CHARS)?;
        object.checked("service", service.as_deref(), MAX_CHARS)?;
        object.checked("category", category.as_ref().map(Category::as_str), MAX_CHARS)?;
        object.checked("type", event_type.as_ref().map(EventType::as_str), MAX_CHARS)?;
        object.checked("name", Some(name), MAX_CHARS)?;
        if let Some(occurred_at) = occurred_at {
            object.display("occurred_at", occurred_at);
        }
        if let Some(correlation_id) = correlation_id {
            object.text("correlation_id", correlation_id.as_str());
        }
        if let Some(causation_id) = causation_id {
            object.text("causation_id", causation_id.as_str());
        }
        if check_depth(*depth)? > 0 {
            object.raw("depth", depth);
        }
        if let Some(traceparent) = traceparent {
            object.text("traceparent", traceparent.as_str());
        }
        if let Some(tracestate) = tracestate {
            object.text("tracestate", tracestate.as_str());
        }
        if let Some(sampled) = sampled {
            object.raw("sampled", sampled);
        }
        object.checked("subject", subject.as_deref(), MAX_SUBJECT_CHARS)?;
        object.checked("partition_key", partition_key.as_deref(), MAX_CHARS)?;
        object.checked("tenant", tenant.as_deref(), MAX_CHARS)?;
        for (name, value) in self.written_extensions() {
            object.json(name, value);
        }
        object.end();
        Ok(())
    }
}

/// The members that have a field of their own.
const MEMBERS: [&str; 18] = [
    "version",
    "event_id",
    "domain",
    "subdomain",
    "service",
    "category",
    "type",
    "name",
    "occurred_at",
    "correlation_id",
    "causation_id",
    "depth",
    "traceparent",
    "tracestate",
    "sampled",
    "subject",
    "partition_key",
    "tenant",
];

impl fmt::Debug for Metadata {
    /// Shows ids and types. What an event is about can be a person, so that is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata")
            .field("event_id", &self.event_id)
            .field("name", &self.name)
            .field("version", &self.version)
            .field("occurred_at", &self.occurred_at)
            .field("correlation", &self.correlation)
            .field("extensions", &self.extensions)
            .finish_non_exhaustive()
    }
}

fn read_text<'a>(scanner: &mut Scanner<'a>, limit: usize) -> Result<Cow<'a, str>, Violation> {
    let value = scanner.string()?;
    text::check(&value, limit).map_err(Violation::new)?;
    Ok(value)
}

/// Metadata of which not all members have been read yet.
#[derive(Default)]
pub(crate) struct Draft {
    event_id: Option<EventId>,
    name: Option<String>,
    pub(crate) version: Option<EventVersion>,
    domain: Option<String>,
    subdomain: Option<String>,
    service: Option<String>,
    category: Option<Category>,
    event_type: Option<EventType>,
    occurred_at: Option<Timestamp>,
    correlation: Correlation,
    subject: Option<String>,
    partition_key: Option<String>,
    extensions: Extensions,
}

impl Draft {
    /// Reads the value that comes as `member`.
    pub(crate) fn read_member(
        &mut self,
        member: &str,
        scanner: &mut Scanner<'_>,
    ) -> Result<(), Violation> {
        match member {
            "event_id" => self.event_id = Some(EventId::checked(read_text(scanner, MAX_CHARS)?)),
            "name" => self.name = Some(read_text(scanner, MAX_CHARS)?.into_owned()),
            "version" => self.version = Some(read_version(scanner)?),
            // Some producers write `null` for what they do not have.
            optional if scanner.is_null() && Metadata::has_member(optional) => {
                scanner.value()?;
            }
            optional => self.read_optional(optional, scanner)?,
        }
        Ok(())
    }

    fn read_optional(&mut self, member: &str, scanner: &mut Scanner<'_>) -> Result<(), Violation> {
        let correlation = &mut self.correlation;
        match member {
            "domain" => self.domain = read_label(scanner, MAX_CHARS)?.map(Cow::into_owned),
            "subdomain" => self.subdomain = read_label(scanner, MAX_CHARS)?.map(Cow::into_owned),
            "service" => self.service = read_label(scanner, MAX_CHARS)?.map(Cow::into_owned),
            "category" => {
                self.category = read_label(scanner, MAX_CHARS)?.map(|text| (&*text).into());
            }
            "type" => {
                self.event_type = read_label(scanner, MAX_CHARS)?.map(|text| (&*text).into());
            }
            "occurred_at" => {
                let time = scanner.string()?.parse().map_err(Violation::new)?;
                self.occurred_at = Some(time);
            }
            "correlation_id" => {
                let id = CorrelationId::checked(read_text(scanner, MAX_CHARS)?);
                correlation.correlation_id = Some(id);
            }
            "causation_id" => {
                let id = EventId::checked(read_text(scanner, MAX_CHARS)?);
                correlation.causation_id = Some(id);
            }
            "depth" => correlation.depth = read_depth(scanner)?,
            // As the W3C asks of readers, a broken trace never breaks the event. It is kept with
            // the unknown members, so that it is still there for whoever looks for the culprit.
            "traceparent" | "tracestate" if scanner.kind() != "a string" => {
                let value = scanner.value()?;
                self.extensions.insert_scanned(member, value);
            }
            "traceparent" => {
                let start = scanner.offset();
                match TraceParent::parse(scanner.string()?) {
                    Ok(parent) => correlation.traceparent = Some(parent),
                    Err(_) => self.extensions.insert_scanned(member, scanner.since(start)),
                }
            }
            "tracestate" => {
                let start = scanner.offset();
                match TraceState::parse(scanner.string()?) {
                    Ok(state) => correlation.tracestate = Some(state),
                    Err(_) => self.extensions.insert_scanned(member, scanner.since(start)),
                }
            }
            "sampled" => correlation.sampled = Some(read_bool(scanner)?),
            "subject" => {
                self.subject = read_label(scanner, MAX_SUBJECT_CHARS)?.map(Cow::into_owned);
            }
            "partition_key" => {
                self.partition_key = read_label(scanner, MAX_CHARS)?.map(Cow::into_owned);
            }
            "tenant" => correlation.tenant = Some(read_text(scanner, MAX_CHARS)?.into_owned()),
            unknown => {
                let value = scanner.value()?;
                self.extensions.insert_scanned(unknown, value);
            }
        }
        Ok(())
    }

    /// Adds the unknown member `name`, whose value has been scanned.
    pub(crate) fn add_extension(&mut self, name: &str, json: &str) -> Result<(), Violation> {
        if Metadata::has_member(name) {
            let form = "an unknown member's name";
            return Err(Violation::new(Reason::NotOfForm { form }));
        }
        if self.extensions.get(name).is_some() {
            return Err(Violation::new(Reason::Duplicate));
        }
        self.extensions.insert_scanned(name, json);
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<Metadata, Violation> {
        let Self {
            event_id,
            name,
            version,
            domain,
            subdomain,
            service,
            category,
            event_type,
            occurred_at,
            correlation,
            subject,
            partition_key,
            extensions,
        } = self;
        let missing = |member: &str| Violation::at(member, Reason::Missing);
        Ok(Metadata {
            event_id: event_id.ok_or_else(|| missing("event_id"))?,
            name: name.ok_or_else(|| missing("name"))?,
            version: version.ok_or_else(|| missing("version"))?,
            domain,
            subdomain,
            service,
            category,
            event_type,
            occurred_at,
            correlation,
            subject,
            partition_key,
            extensions,
        })
    }
}

/// Reads a text that some producers leave empty where they have none.
fn read_label<'a>(
    scanner: &mut Scanner<'a>,
    limit: usize,
) -> Result<Option<Cow<'a, str>>, Violation> {
    let value = scanner.string()?;
    if value.is_empty() {
        return Ok(None);
    }
    text::check(&value, limit).map_err(Violation::new)?;
    Ok(Some(value))
}

fn read_bool(scanner: &mut Scanner<'_>) -> Result<bool, Violation> {
    let found = scanner.kind();
    match scanner.value()? {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Violation::new(Reason::Expected {
            expected: "a boolean".into(),
            found: found.into(),
        })),
    }
}

fn read_depth(scanner: &mut Scanner<'_>) -> Result<u32, Violation> {
    let found = scanner.kind();
    let value = scanner.value()?;
    match value.parse() {
        Ok(depth) if depth <= Correlation::MAX_DEPTH => Ok(depth),
        Ok(_) => Err(Violation::new(out_of_depth())),
        Err(_) if found == "a number" => Err(Violation::new(out_of_depth())),
        Err(_) => Err(Violation::new(Reason::Expected {
            expected: "a number".into(),
            found: found.into(),
        })),
    }
}

/// The depth, if readers take it.
pub(crate) fn check_depth(depth: u32) -> Result<u32, Violation> {
    if depth > Correlation::MAX_DEPTH {
        return Err(Violation::at("depth", out_of_depth()));
    }
    Ok(depth)
}

fn out_of_depth() -> Reason {
    Reason::Expected {
        expected: "a whole number from 0 to 2147483647".into(),
        found: "another number".into(),
    }
}

/// Reads `"2"`, `"2.0"`, `2` and the like.
fn read_version(scanner: &mut Scanner<'_>) -> Result<EventVersion, Violation> {
    let version = match scanner.kind() {
        "a number" => parse_version(scanner.value()?),
        "a string" => parse_version(&scanner.string()?),
        found => {
            scanner.value()?;
            Err(Reason::Expected { expected: "an event version".into(), found: found.into() })
        }
    };
    version.map_err(Violation::new)
}

fn parse_version(text: &str) -> Result<EventVersion, Reason> {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let found = |found| Reason::NotAVersion { found };
    if text.is_empty() {
        return Err(Reason::Empty);
    }
    if let Some(positive) = text.strip_prefix('-') {
        let is_number = positive.split('.').all(is_number);
        return Err(found(if is_number { "a negative number" } else { "another text" }));
    }
    let mut parts = text.split('.');
    let major = parts.next().unwrap_or_default();
    if !is_number(major) || !parts.all(is_number) {
        return Err(found("another text"));
    }
    let major = major.parse::<u32>().map_err(|_| found("a larger number"))?;
    EventVersion::try_from(major).map_err(|_| found("zero"))
}
