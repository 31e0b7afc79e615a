use std::{
    fmt::{self, Write as _},
    io::Write,
};

use super::Report;
use crate::{
    RunError, Summary,
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
        let Summary { seeds, registrations, rejected, events, effects, .. } = self.0;
        let Summary { points, tally, verdict, .. } = self.0;
        let line = |f: &mut fmt::Formatter<'_>, at: &str, name: &str, count: &dyn fmt::Display| {
            writeln!(f, "{at}{name:width$}  {count:>9}", width = 27 - at.chars().count())
        };
        writeln!(f, "totals")?;
        line(f, "├─ ", "registrations", registrations)?;
        line(f, "├─ ", "rejected lines", rejected)?;
        writeln!(f, "├─ events")?;
        for (branch, (name, count)) in branches(events.iter()) {
            line(f, &format!("│  {branch}"), name, &count)?;
        }
        writeln!(f, "├─ effects, by the tables")?;
        for (branch, (name, count)) in branches(effects.iter()) {
            line(f, &format!("│  {branch}"), name, &count)?;
        }
        line(f, "├─ ", "points awarded", points)?;
        writeln!(f, "├─ what the world did")?;
        let did = [
            ("first seed", seeds.start),
            ("worlds", tally.worlds),
            ("deliveries", tally.deliveries),
            ("duplicates", tally.duplicates),
            ("attempts", tally.attempts),
            ("crashes", tally.crashes),
            ("freezes", tally.faults_of("freeze")),
            ("throttled requests", tally.faults_of("throttling")),
            ("lost answers", tally.faults_of("lost answer")),
            ("in quarantine", tally.quarantined),
        ];
        for (branch, (name, count)) in branches(did.into_iter()) {
            line(f, &format!("│  {branch}"), name, &count)?;
        }
        writeln!(f, "├─ what it cost")?;
        line(f, "│  ├─ ", "requests", &tally.requests)?;
        line(f, "│  └─ ", "write units", &tally.write_units)?;
        writeln!(f, "├─ how long a flow took, in milliseconds")?;
        for (branch, percent) in branches([50, 90, 99, 100].into_iter()) {
            let latency = tally.latency(percent).as_millis();
            line(f, &format!("│  {branch}"), &format!("P{percent}"), &latency)?;
        }
        writeln!(f, "└─ verdict")?;
        line(f, "   ├─ ", "effects applied twice", &verdict.effects_applied_twice)?;
        line(f, "   ├─ ", "events lost", &verdict.events_lost)?;
        line(f, "   └─ ", "unfinished", &verdict.unfinished)
    }
}

/// Each with the branch that it hangs on.
fn branches<T>(all: impl Iterator<Item = T>) -> impl Iterator<Item = (&'static str, T)> {
    let mut all = all.peekable();
    std::iter::from_fn(move || {
        let next = all.next()?;
        Some((branch(all.peek().is_none()), next))
    })
}
