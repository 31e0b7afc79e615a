use std::{
    collections::BTreeMap,
    io::{self, BufWriter, Seek as _, Write},
};

use serde::Serialize;
use tempfile::SpooledTempFile;

use super::Report;
use crate::{Counts, RunError, Summary, flow::Flow, rejection::Rejection};

/// Bytes of rejected lines that are kept in memory before they go to a file.
const SPOOL_BYTES: usize = 32 * 1024;

/// One JSON document, with one line for each flow and for each rejected line.
///
/// Flows are written while they happen. Rejected lines have their place behind them and may be as
/// many, so they wait in a spool.
pub(crate) struct JsonReport<W> {
    output: W,
    flows: u64,
    rejected: u64,
    spool: BufWriter<SpooledTempFile>,
}

#[derive(Serialize)]
struct NumberedFlow<'a> {
    line: u64,
    #[serde(flatten)]
    flow: &'a Flow,
}

#[derive(Serialize)]
struct RejectedLine<'a> {
    line: u64,
    reason: &'a str,
}

#[derive(Serialize)]
struct Totals<'a> {
    registrations: u64,
    events: &'a Counts,
    effects: &'a Counts,
    points: u64,
    /// The seed of the first world.
    seed: u64,
    worlds: u64,
    deliveries: u64,
    duplicates: u64,
    attempts: u64,
    crashes: u64,
    faults: &'a BTreeMap<&'static str, u64>,
    quarantined: u64,
    requests: u64,
    wcu: u64,
    latency_ms: Latency,
    effects_applied_twice: u64,
    events_lost: u64,
    unfinished: u64,
}

#[derive(Serialize)]
struct Latency {
    p50: u128,
    p90: u128,
    p99: u128,
    p100: u128,
}

impl<'a> Totals<'a> {
    fn of(summary: &'a Summary) -> Self {
        let Summary { seeds, registrations, rejected: _, events, effects, .. } = summary;
        let Summary { points, tally, verdict, .. } = summary;
        let latency = |percent| tally.latency(percent).as_millis();
        Self {
            registrations: *registrations,
            events,
            effects,
            points: *points,
            seed: seeds.start,
            worlds: tally.worlds,
            deliveries: tally.deliveries,
            duplicates: tally.duplicates,
            attempts: tally.attempts,
            crashes: tally.crashes,
            faults: &tally.faults,
            quarantined: tally.quarantined,
            requests: tally.requests,
            wcu: tally.write_units,
            latency_ms: Latency {
                p50: latency(50),
                p90: latency(90),
                p99: latency(99),
                p100: latency(100),
            },
            effects_applied_twice: verdict.effects_applied_twice,
            events_lost: verdict.events_lost,
            unfinished: verdict.unfinished,
        }
    }
}

impl<W: Write> JsonReport<W> {
    pub(crate) fn begin(mut output: W) -> Result<Self, RunError> {
        output.write_all(b"{\"flows\":[").map_err(RunError::Write)?;
        let spool = BufWriter::new(SpooledTempFile::new(SPOOL_BYTES));
        Ok(Self { output, flows: 0, rejected: 0, spool })
    }

    fn end(mut self, summary: &Summary) -> io::Result<()> {
        let mut spool = self.spool.into_inner().map_err(io::IntoInnerError::into_error)?;
        spool.rewind()?;
        self.output.write_all(end_of_list(self.flows))?;
        self.output.write_all(b",\"rejected\":[")?;
        io::copy(&mut spool, &mut self.output)?;
        self.output.write_all(end_of_list(self.rejected))?;
        let totals = serde_json::to_vec(&Totals::of(summary))?;
        // The members of the totals become members of the document.
        self.output.write_all(b",\n")?;
        self.output.write_all(totals.strip_prefix(b"{").unwrap_or(&totals))?;
        self.output.write_all(b"\n")?;
        self.output.flush()
    }
}

impl<W: Write> Report for JsonReport<W> {
    fn flow(&mut self, _: u64, line: u64, flow: &Flow) -> Result<(), RunError> {
        put_element(&mut self.output, self.flows, &NumberedFlow { line, flow })
            .map_err(RunError::Write)?;
        self.flows += 1;
        Ok(())
    }

    fn rejected(&mut self, line: u64, rejection: &Rejection) -> Result<(), RunError> {
        let reason = rejection.to_string();
        put_element(&mut self.spool, self.rejected, &RejectedLine { line, reason: &reason })
            .map_err(RunError::Spool)?;
        self.rejected += 1;
        Ok(())
    }

    fn finish(self, summary: &Summary) -> Result<(), RunError> {
        self.end(summary).map_err(RunError::Write)
    }
}

/// Writes one more element of a list that has `count`.
fn put_element(list: &mut impl Write, count: u64, element: &impl Serialize) -> io::Result<()> {
    list.write_all(if count == 0 { b"\n" } else { b",\n" })?;
    serde_json::to_writer(list, element).map_err(io::Error::from)
}

fn end_of_list(count: u64) -> &'static [u8] {
    if count == 0 { b"]" } else { b"\n]" }
}
