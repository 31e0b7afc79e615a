//! Lines for people.

use std::fmt::Write as _;

use tracing_core::{Event, Level, Subscriber};
use tracing_subscriber::{layer::Context, registry::LookupSpan};

use super::{
    Buffers,
    fields::{FieldWriter, SpanFields},
    level_name,
};
use crate::telemetry::Shared;

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";

/// Writes `12:00:00.123  INFO target: message name=value`.
pub(super) fn write<S: Subscriber + for<'a> LookupSpan<'a>>(
    shared: &Shared,
    event: &Event<'_>,
    context: &Context<'_, S>,
    buffers: &mut Buffers,
    color: bool,
) {
    let level = *event.metadata().level();
    // The message and the fields are those of JSON, so that nothing in them steers a terminal.
    event.record(&mut FieldWriter::new(buffers));
    let message = std::mem::take(&mut buffers.line);
    let fields = std::mem::take(&mut buffers.fields);
    let line = &mut buffers.line;
    let (dim, reset) = if color { (DIM, RESET) } else { ("", "") };
    let paint = if color { paint(level) } else { "" };
    let now = shared.clock.now().truncate_to_millis().to_string();
    let time = now.get(11..23).unwrap_or(&now);
    let target = event.metadata().target();
    _ = write!(
        line,
        "{dim}{time}{reset} {paint}{:>5}{reset} {dim}{target}:{reset} ",
        level_name(level)
    );
    line.push_str(unquoted(&message));
    line.push_str(&fields_for_people(&fields));
    for span in context.event_scope(event).into_iter().flatten() {
        if let Some(fields) = span.extensions().get::<SpanFields>() {
            line.push_str(dim);
            fields.write_text(line);
            line.push_str(reset);
        }
    }
}

/// Writes a line of our own.
pub(super) fn write_own(
    shared: &Shared,
    line: &mut String,
    level: &str,
    message: &str,
    fields: &str,
) {
    let now = shared.clock.now().truncate_to_millis().to_string();
    let time = now.get(11..23).unwrap_or(&now);
    _ = write!(line, "{time} {level:>5} ");
    crate::json::push_escaped(line, message);
    line.push_str(&fields_for_people(fields));
}

fn unquoted(json: &str) -> &str {
    json.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(json)
}

/// Turns `,"a":1,"b":"x"` into ` a=1 b="x"`.
fn fields_for_people(members: &str) -> String {
    let object = format!("{{{}}}", members.trim_start_matches(','));
    let Ok(serde_json::Value::Object(members)) = serde_json::from_str(&object) else {
        return members.to_owned();
    };
    let mut text = String::new();
    for (name, value) in members {
        text.push(' ');
        crate::json::push_escaped(&mut text, &name);
        text.push('=');
        match value {
            serde_json::Value::String(value) => crate::json::push_str(&mut text, &value),
            value => _ = write!(text, "{value}"),
        }
    }
    text
}

fn paint(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    }
}
