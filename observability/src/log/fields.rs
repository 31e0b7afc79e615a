use std::{
    error::Error,
    fmt::{self, Write as _},
};

use tracing_core::field::{Field, Visit};

use super::{Buffers, MAX_LINE_BYTES};
use crate::{
    json,
    redact::{REDACTED, is_secret_name, scrub},
};

/// The most bytes of one value, before it is escaped; what is longer is cut.
pub(super) const MAX_VALUE_BYTES: usize = 8 * 1024;
/// The most errors of a chain that are written.
const MAX_CAUSES: usize = 16;

/// Members that lines have from us.
pub(crate) const MEMBERS: [&str; 18] = [
    "_aws",
    "causation_id",
    "cold_start",
    "correlation_id",
    "depth",
    "event_id",
    "function_arn",
    "function_memory_size",
    "function_name",
    "function_request_id",
    "level",
    "message",
    "requestId",
    "sampling_rate",
    "service",
    "tenantId",
    "timestamp",
    "xray_trace_id",
];
/// Those that a span may name, since it stands for what runs in it.
const IDS: [&str; 4] = ["causation_id", "correlation_id", "depth", "event_id"];

/// Tells if a field of an event, or of a span, may not have this name.
fn is_reserved(name: &str, in_span: bool) -> bool {
    MEMBERS.contains(&name) && !(in_span && IDS.contains(&name))
}

/// Takes the name for the line, unless it has a member of that name. A reserved name gets an
/// underscore.
fn take_name(names: &mut Vec<(&'static str, bool)>, name: &'static str, in_span: bool) -> bool {
    let new = (name, is_reserved(name, in_span));
    let text = |it: (&'static str, bool)| it.0.bytes().chain(it.1.then_some(b'_'));
    let is_taken = names
        .iter()
        .any(|known| if known.1 == new.1 { known.0 == new.0 } else { text(*known).eq(text(new)) });
    if !is_taken {
        names.push(new);
    }
    !is_taken
}

fn push_name(json: &mut String, name: &str, in_span: bool) {
    json.push_str(",\"");
    json::push_escaped(json, name);
    json.push_str(if is_reserved(name, in_span) { "_\":" } else { "\":" });
}

/// Appends a value to JSON.
pub(super) enum Value<'a> {
    Text(&'a str),
    Debug(&'a dyn fmt::Debug),
    Error(&'a (dyn Error + 'static)),
    Signed(i128),
    Unsigned(u128),
    Float(f64),
    Bool(bool),
}

impl Value<'_> {
    /// Appends the value of a field, unless its name says that it is a secret.
    fn push_field(&self, name: &str, json: &mut String, text: &mut String) {
        if is_secret_name(name) {
            json::push_str(json, REDACTED);
        } else {
            self.push(json, text);
        }
    }

    /// Appends the value; `text` is room for one that has to be escaped.
    fn push(&self, json: &mut String, text: &mut String) {
        match self {
            Self::Text(value) => push_text(json, cut(value), value.len() > MAX_VALUE_BYTES),
            Self::Debug(value) => push_formatted(json, text, format_args!("{value:?}")),
            Self::Error(error) => push_error(json, text, *error),
            Self::Float(value) => json::push_f64(json, *value),
            Self::Bool(value) => json.push_str(if *value { "true" } else { "false" }),
            // Larger numbers are read back as another number by most readers, or not at all.
            Self::Signed(value) => {
                let quote = if i64::try_from(*value).is_ok() { "" } else { "\"" };
                _ = write!(json, "{quote}{value}{quote}");
            }
            Self::Unsigned(value) => {
                let quote = if u64::try_from(*value).is_ok() { "" } else { "\"" };
                _ = write!(json, "{quote}{value}{quote}");
            }
        }
    }

    /// Appends the value as the text of a message.
    fn push_message(&self, json: &mut String, text: &mut String) {
        let is_text = matches!(self, Self::Text(_) | Self::Debug(_));
        match self {
            Self::Error(error) => push_formatted(json, text, format_args!("{error}")),
            _ if is_text => self.push(json, text),
            _ => {
                let start = json.len();
                self.push(json, text);
                // Numbers and booleans need no escapes.
                if !json[start..].starts_with('"') {
                    json.insert(start, '"');
                    json.push('"');
                }
            }
        }
    }
}

/// Appends what a `Debug` or `Display` writes, up to a limit.
fn push_formatted(json: &mut String, text: &mut String, value: fmt::Arguments<'_>) {
    text.clear();
    // One that fails has written a part, which is better than nothing.
    let is_cut = Bounded { text, is_cut: false }.write(value);
    push_text(json, text, is_cut);
}

fn push_text(json: &mut String, text: &str, is_cut: bool) {
    json.push('"');
    json::push_escaped(json, &scrub(text));
    json.push_str(if is_cut { "…\"" } else { "\"" });
}

pub(super) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_VALUE_BYTES)]
}

struct Bounded<'a> {
    text: &'a mut String,
    is_cut: bool,
}

impl Bounded<'_> {
    fn write(mut self, value: fmt::Arguments<'_>) -> bool {
        _ = self.write_fmt(value);
        self.is_cut
    }
}

impl fmt::Write for Bounded<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let room = MAX_VALUE_BYTES - self.text.len();
        let end = part.floor_char_boundary(room);
        self.text.push_str(&part[..end]);
        if end < part.len() {
            self.is_cut = true;
            // Ends the formatting of a value without end.
            return Err(fmt::Error);
        }
        Ok(())
    }
}

/// Appends an error and what caused it, as objects in each other.
fn push_error(json: &mut String, text: &mut String, error: &(dyn Error + 'static)) {
    let mut next = Some(error);
    let mut depth = 0;
    while let Some(error) = next.filter(|_| depth < MAX_CAUSES) {
        json.push_str(if depth == 0 { "{\"message\":" } else { ",\"cause\":{\"message\":" });
        push_formatted(json, text, format_args!("{error}"));
        next = error.source();
        depth += 1;
    }
    json.extend((0..depth).map(|_| '}'));
}

/// Writes the fields of an event: its message to the line, the others beside it.
pub(super) struct FieldWriter<'a> {
    buffers: &'a mut Buffers,
    has_message: bool,
}

impl<'a> FieldWriter<'a> {
    pub(super) fn new(buffers: &'a mut Buffers) -> Self {
        Self { buffers, has_message: false }
    }

    /// Writes an empty message where the event has none.
    pub(super) fn finish_message(self) {
        if !self.has_message {
            self.buffers.line.push_str("\"\"");
        }
    }

    fn write(&mut self, field: &Field, value: &Value<'_>) {
        let Buffers { line, fields, value: text, names } = &mut *self.buffers;
        let name = field.name();
        if name == "message" && !self.has_message {
            self.has_message = true;
            value.push_message(line, text);
        } else if fields.len() + MAX_VALUE_BYTES < MAX_LINE_BYTES / 2
            && take_name(names, name, false)
        {
            push_name(fields, name, false);
            value.push_field(name, fields, text);
        }
    }
}

/// The fields of a span as members, made once.
#[derive(Debug, Default)]
pub(super) struct SpanFields {
    fields: Vec<(&'static str, String)>,
}

impl SpanFields {
    /// Adds fields, which replace those of the same name.
    pub(super) fn merge(&mut self, other: Self) {
        for (name, value) in other.fields {
            self.set(name, value);
        }
    }

    /// Appends the fields that the line does not have.
    pub(super) fn write(&self, buffers: &mut Buffers) {
        let Buffers { fields, names, .. } = buffers;
        for (name, value) in &self.fields {
            let fits = fields.len() + value.len() + name.len() < MAX_LINE_BYTES / 2;
            if fits && take_name(names, name, true) {
                push_name(fields, name, true);
                fields.push_str(value);
            }
        }
    }

    /// Appends the fields for people.
    pub(super) fn write_text(&self, line: &mut String) {
        for (name, value) in &self.fields {
            _ = write!(line, " {name}={value}");
        }
    }

    fn set(&mut self, name: &'static str, value: String) {
        match self.fields.iter_mut().find(|field| field.0 == name) {
            Some(field) => field.1 = value,
            None => self.fields.push((name, value)),
        }
    }

    fn add(&mut self, field: &Field, value: &Value<'_>) {
        let mut json = String::new();
        value.push_field(field.name(), &mut json, &mut String::new());
        self.set(field.name(), json);
    }
}

/// Visits with the value of each field.
macro_rules! visit {
    ($visitor:ty, $method:ident) => {
        impl Visit for $visitor {
            fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                self.$method(field, &Value::Debug(value));
            }

            fn record_str(&mut self, field: &Field, value: &str) {
                self.$method(field, &Value::Text(value));
            }

            fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
                self.$method(field, &Value::Error(value));
            }

            fn record_i64(&mut self, field: &Field, value: i64) {
                self.$method(field, &Value::Signed(value.into()));
            }

            fn record_u64(&mut self, field: &Field, value: u64) {
                self.$method(field, &Value::Unsigned(value.into()));
            }

            fn record_i128(&mut self, field: &Field, value: i128) {
                self.$method(field, &Value::Signed(value));
            }

            fn record_u128(&mut self, field: &Field, value: u128) {
                self.$method(field, &Value::Unsigned(value));
            }

            fn record_f64(&mut self, field: &Field, value: f64) {
                self.$method(field, &Value::Float(value));
            }

            fn record_bool(&mut self, field: &Field, value: bool) {
                self.$method(field, &Value::Bool(value));
            }
        }
    };
}

visit!(FieldWriter<'_>, write);
visit!(SpanFields, add);
