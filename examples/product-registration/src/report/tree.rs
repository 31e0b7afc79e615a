use std::{
    fmt::{self, Write as _},
    io::Write,
};

use super::Report;
use crate::{
    Counts, RunError, Summary,
    flow::{Flow, FlowEvent},
    rejection::Rejection,
};

/// A tree for each registration, for a person.
pub(crate) struct TreeReport<W, E> {
    output: W,
    errors: E,
    /// The text of one tree or line, so that each is written at once.
    text: String,
}

impl<W, E> TreeReport<W, E> {
    pub(crate) fn new(output: W, errors: E) -> Self {
        Self { output, errors, text: String::new() }
    }
}

impl<W: Write, E: Write> TreeReport<W, E> {
    fn put(&mut self, shown: impl fmt::Display) -> Result<(), RunError> {
        self.text.clear();
        // Writing to a text does not fail.
        _ = write!(self.text, "{shown}");
        self.output.write_all(self.text.as_bytes()).map_err(RunError::Write)
    }
}

impl<W: Write, E: Write> Report for TreeReport<W, E> {
    fn flow(&mut self, number: u64, line: u64, flow: &Flow) -> Result<(), RunError> {
        self.put(Tree { number, line, flow })
    }

    fn rejected(&mut self, line: u64, rejection: &Rejection) -> Result<(), RunError> {
        // A terminal shows both: what came before the line should stand before it.
        self.output.flush().map_err(RunError::Write)?;
        self.text.clear();
        _ = writeln!(self.text, "line {line} rejected: {rejection}");
        self.errors.write_all(self.text.as_bytes()).map_err(RunError::Write)
    }

    fn finish(mut self, summary: &Summary) -> Result<(), RunError> {
        self.put(Totals(summary))?;
        self.output.flush().map_err(RunError::Write)
    }
}

struct Tree<'a> {
    number: u64,
    line: u64,
    flow: &'a Flow,
}

impl fmt::Display for Tree<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "registration {} (line {})", self.number, self.line)?;
        for root in self.flow.events.iter().filter(|event| event.causation_id.is_none()) {
            self.event(f, root, "", true)?;
        }
        writeln!(f)
    }
}

impl Tree<'_> {
    /// An event, and under it what the services made of it.
    fn event(
        &self,
        f: &mut fmt::Formatter<'_>,
        event: &FlowEvent,
        indent: &str,
        last: bool,
    ) -> fmt::Result {
        let FlowEvent { event_id, name, service, .. } = event;
        let service = service.as_deref().unwrap_or_default();
        writeln!(f, "{indent}{}{name}  {event_id}  from {service}", branch(last))?;
        let indent = &format!("{indent}{}", trunk(last));
        let effects = || self.flow.effects.iter().filter(|it| it.caused_by == event.event_id);
        let width = effects().map(|it| it.service.len()).max().unwrap_or(0);
        let count = effects().count();
        for (index, effect) in effects().enumerate() {
            let last = index + 1 == count;
            let service = &effect.service;
            writeln!(f, "{indent}{}{service:width$}  {}", branch(last), effect.effect)?;
            // What the service published meanwhile hangs below what it did.
            let published = || {
                self.flow.events.iter().filter(|it| {
                    it.causation_id.as_ref() == Some(&event.event_id)
                        && it.service.as_ref() == Some(service)
                })
            };
            let indent = format!("{indent}{}", trunk(last));
            let count = published().count();
            for (index, event) in published().enumerate() {
                self.event(f, event, &indent, index + 1 == count)?;
            }
        }
        Ok(())
    }
}

fn branch(last: bool) -> &'static str {
    if last { "└─ " } else { "├─ " }
}

fn trunk(last: bool) -> &'static str {
    if last { "   " } else { "│  " }
}

struct Totals<'a>(&'a Summary);

impl fmt::Display for Totals<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { registrations, rejected, events, effects } = self.0;
        writeln!(f, "totals")?;
        writeln!(f, "├─ {:21}  {registrations:>7}", "registrations")?;
        writeln!(f, "├─ {:21}  {rejected:>7}", "rejected lines")?;
        writeln!(f, "├─ events")?;
        counts(f, "│  ", events)?;
        writeln!(f, "└─ effects")?;
        counts(f, "   ", effects)
    }
}

fn counts(f: &mut fmt::Formatter<'_>, indent: &str, counts: &Counts) -> fmt::Result {
    let total = counts.iter().count();
    for (index, (name, count)) in counts.iter().enumerate() {
        writeln!(f, "{indent}{}{name:18}  {count:>7}", branch(index + 1 == total))?;
    }
    Ok(())
}
