//! Lines: how an event becomes one, and when it is written.

use std::{cell::Cell, fmt::Write as _, mem, panic::PanicHookInfo, sync::Arc};

use tracing_core::{
    Event, Level, Metadata, Subscriber,
    span::{Attributes, Id, Record},
    subscriber::Interest,
};
use tracing_subscriber::{
    Layer,
    layer::{Context, Filter},
    registry::LookupSpan,
};

use crate::{Format, Scope, json, redact::scrub, scope::Kept, telemetry::Shared};

mod fields;
mod ring;
mod text;

use self::fields::{FieldWriter, SpanFields};
pub(crate) use self::{fields::MEMBERS, ring::Ring};

/// The most bytes of a line. Lambda cuts longer ones, after which they are no JSON.
pub(crate) const MAX_LINE_BYTES: usize = 240 * 1024;

/// Buffers of a thread, so that a line costs no allocation.
#[derive(Default)]
pub(crate) struct Buffers {
    pub(crate) line: String,
    pub(crate) fields: String,
    /// A value before it is escaped.
    pub(crate) value: String,
    /// Names that the line has, and if they got an underscore.
    pub(crate) names: Vec<(&'static str, bool)>,
}

thread_local! {
    /// Is empty while a line is being made: a value whose `Debug` logs makes a line within a line.
    static BUFFERS: Cell<Buffers> = const {
        Cell::new(Buffers {
            line: String::new(),
            fields: String::new(),
            value: String::new(),
            names: Vec::new(),
        })
    };
}

fn with_buffers(make: impl FnOnce(&mut Buffers)) {
    let mut buffers = BUFFERS.try_with(Cell::take).unwrap_or_default();
    buffers.line.clear();
    buffers.fields.clear();
    buffers.value.clear();
    buffers.names.clear();
    make(&mut buffers);
    // A line of many kilobytes does not stay in memory for ever.
    if buffers.line.capacity() <= MAX_LINE_BYTES {
        _ = BUFFERS.try_with(|cell| cell.set(mem::take(&mut buffers)));
    }
}

/// Writes events as lines. See [`Telemetry::layer`](crate::Telemetry::layer).
pub(crate) struct LogLayer {
    shared: Arc<Shared>,
}

/// Lets through what may become a line: what is written, and what is kept.
pub(crate) struct LogFilter {
    shared: Arc<Shared>,
}

impl LogLayer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(crate) fn filter(&self) -> LogFilter {
        LogFilter { shared: Arc::clone(&self.shared) }
    }
}

impl LogFilter {
    fn lets_through(&self, metadata: &Metadata<'_>) -> bool {
        let (target, level) = (metadata.target(), metadata.level());
        let config = &self.shared.config;
        // Ids of a span belong to lines of any level.
        metadata.is_span() && *level <= Level::INFO
            || config.written.would_enable(target, level)
            || config.kept.would_enable(target, level)
    }
}

impl<S> Filter<S> for LogFilter {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.lets_through(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.lets_through(metadata) { Interest::always() } else { Interest::never() }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = SpanFields::default();
            attributes.record(&mut fields);
            span.extensions_mut().replace(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            // Not while the extensions are locked: a value's `Debug` may log.
            let mut fields = SpanFields::default();
            values.record(&mut fields);
            if let Some(known) = span.extensions_mut().get_mut::<SpanFields>() {
                known.merge(fields);
            }
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let (target, level) = (metadata.target(), metadata.level());
        let config = &self.shared.config;
        Scope::with_current(|scope| {
            let is_written = config.written.would_enable(target, level)
                || scope.is_some_and(Scope::is_sampled) && config.kept.would_enable(target, level);
            if !is_written && scope.is_none() {
                return;
            }
            with_buffers(|buffers| {
                match config.format {
                    Format::Json => self.write_json(event, &context, scope, buffers),
                    Format::Text { color } => {
                        text::write(&self.shared, event, &context, buffers, color);
                    }
                }
                buffers.line.push('\n');
                match scope {
                    Some(scope) if !is_written => {
                        if scope.keep(&buffers.line) == Kept::TooLong {
                            self.shared.lines.write(&buffers.line);
                        }
                    }
                    scope => {
                        if let (Some(scope), Level::ERROR) = (scope, *level) {
                            scope.fail();
                        }
                        self.shared.lines.write(&buffers.line);
                    }
                }
            });
        });
    }
}

impl LogLayer {
    fn write_json<S: Subscriber + for<'a> LookupSpan<'a>>(
        &self,
        event: &Event<'_>,
        context: &Context<'_, S>,
        scope: Option<&Scope>,
        buffers: &mut Buffers,
    ) {
        let metadata = event.metadata();
        begin_line(&mut buffers.line, level_name(*metadata.level()));
        let mut writer = FieldWriter::new(buffers);
        event.record(&mut writer);
        writer.finish_message();
        finish_line(&self.shared, scope, buffers, |buffers| {
            // The nearest span wins, and of it what was recorded last.
            for span in context.event_scope(event).into_iter().flatten() {
                // The runtime's own span says again what the scope of the invocation says.
                if scope.is_some() && span.metadata().target().starts_with("lambda_runtime") {
                    continue;
                }
                if let Some(fields) = span.extensions().get::<SpanFields>() {
                    fields.write(buffers);
                }
            }
        });
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}

/// Begins a line up to the value of its message.
fn begin_line(line: &mut String, level: &str) {
    line.push_str("{\"level\":\"");
    line.push_str(level);
    line.push_str("\",\"message\":");
}

/// Ends a line after its message.
fn finish_line(
    shared: &Shared,
    scope: Option<&Scope>,
    buffers: &mut Buffers,
    spans: impl FnOnce(&mut Buffers),
) {
    spans(buffers);
    let Buffers { line, fields, names, .. } = buffers;
    line.push_str(",\"timestamp\":\"");
    _ = write!(line, "{}", shared.clock.now().truncate_to_millis());
    line.push('"');
    line.push_str(&shared.members);
    if let Some(scope) = scope {
        line.push_str(scope.invocation_members());
        for (name, member) in scope.ids() {
            if !names.contains(&(*name, false)) {
                line.push_str(member);
            }
        }
    }
    line.push_str(fields);
    line.push('}');
}

/// Writes a line of our own about a scope.
pub(crate) fn write_line(
    shared: &Shared,
    scope: Option<&Scope>,
    level: &str,
    message: &str,
    fields: &str,
) {
    with_buffers(|buffers| {
        match shared.config.format {
            Format::Json => {
                begin_line(&mut buffers.line, level);
                json::push_str(&mut buffers.line, message);
                buffers.fields.push_str(fields);
                finish_line(shared, scope, buffers, |_| ());
            }
            Format::Text { .. } => {
                text::write_own(shared, &mut buffers.line, level, message, fields);
            }
        }
        buffers.line.push('\n');
        shared.lines.write(&buffers.line);
    });
}

/// Writes the lines that a scope kept, after it has failed.
pub(crate) fn write_kept(shared: &Shared, scope: &Scope, ring: Ring) {
    let lost = ring.lost();
    let kept = ring.into_lines();
    let bundles = shared.config.bundle && shared.config.format == Format::Json;
    if bundles && !kept.is_empty() {
        let mut fields = format!(",\"lost\":{lost},\"buffered\":[");
        fields.push_str(&kept.trim_end().replace('\n', ","));
        fields.push(']');
        write_line(shared, Some(scope), "ERROR", "what was kept before the failure", &fields);
        return;
    }
    if lost > 0 {
        let fields = format!(",\"lost\":{lost}");
        write_line(shared, Some(scope), "WARN", "older lines that were kept are lost", &fields);
    }
    if !kept.is_empty() {
        shared.lines.write(&kept);
    }
}

/// Writes a panic as one line, and before it what its scope kept.
pub(crate) fn write_panic(shared: &Shared, panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("a panic whose payload is no text");
    let message = scrub(fields::cut(message));
    let mut fields = String::new();
    json::push_member(&mut fields, "error.type", "panic");
    if let Some(location) = panic.location() {
        json::push_member(
            &mut fields,
            "location",
            &format!("{}:{}", location.file(), location.line()),
        );
    }
    if let Some(thread) = std::thread::current().name() {
        json::push_member(&mut fields, "thread", thread);
    }
    Scope::with_current(|scope| {
        if let Some(scope) = scope {
            scope.fail();
        }
        write_line(shared, scope, "ERROR", &message, &fields);
    });
}

#[cfg(test)]
mod tests;
