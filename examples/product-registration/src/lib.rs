//! A customer registers a product, and six services do their part without knowing each other.
//!
//! Each service is a module of [`services`]: its own name, its own view of the events that it
//! consumes, a table, and a decision that returns what should change. What joins them is events
//! alone. [`run`] reads registrations, one JSON object on a line, lets the services react in a world
//! in this process, in which anything may go wrong that goes wrong in a cloud, and reports for each
//! registration what caused what. Then it compares what was registered with what the bus and the
//! tables hold. With the feature `lambda`, each service is a Lambda function as well.
//!
//! Some registrations share a world, one world comes after the other, and so a file of any length
//! is read in the same memory. [`run_seeds`] has all registrations pass through many worlds.
//!
//! # Services
//!
//! | service | consumes | does | publishes |
//! |---|---|---|---|
//! | products | `product_registered` | records the registration | `product_registered` |
//! | loyalty | `product_registered` | awards points | |
//! | promotions | `product_registered` | generates a discount code | `discount_generated` |
//! | communications | `discount_generated` | e-mails the code | |
//! | customer | `product_registered` | opens a support record | |
//! | manufacturer | `product_registered` | notifies the manufacturer | |
//!
//! ```
//! use product_registration::{Format, Options, SAMPLE, run};
//!
//! let (mut output, mut errors) = (Vec::new(), Vec::new());
//! let options = Options::new(Format::Tree);
//! let summary = run(SAMPLE.as_bytes(), &mut output, &mut errors, &options)?;
//!
//! assert_eq!(summary.registrations, 20);
//! assert_eq!(summary.effects.get("communications"), 20);
//! assert!(summary.verdict.is_kept());
//! # Ok::<_, product_registration::RunError>(())
//! ```

#[cfg(test)]
mod block_on;
mod choreography;
mod day;
mod derived_code;
mod effect;
mod error;
mod flow;
#[cfg(feature = "lambda")]
pub mod lambda;
mod lines;
mod options;
mod record;
mod rejection;
mod report;
mod seeds;
pub mod services;
mod summary;
mod tally;
#[cfg(test)]
mod template;
mod verdict;

use std::{
    io::{BufRead, Write},
    ops::Range,
};

use setpiece_envelope::from_json;
use setpiece_testing::World;

pub use crate::{
    choreography::Store,
    error::RunError,
    lines::MAX_LINE_BYTES,
    options::{Format, Options},
    seeds::Broken,
    summary::{Counts, Summary},
    tally::Tally,
    verdict::Verdict,
};
use crate::{
    day::Day,
    lines::{Line, Lines},
    rejection::Rejection,
    report::{Report, json::JsonReport, tree::TreeReport},
    services::products::registration::Registration,
};

/// Twenty registrations of invented people.
pub const SAMPLE: &str = include_str!("sample.jsonl");

/// Runs every registration of `input` through all services and writes a report to `output`.
///
/// Lines that are no registration are passed over. [`Format::Tree`] says so on `errors` at once;
/// [`Format::Json`] lists them in the document. No report shows what is in a registration, only
/// what the services made of it.
///
/// `output` should be buffered, unless a person is watching; `errors` gets whole lines.
///
/// Whether the promises were kept is in the summary.
///
/// # Errors
///
/// When input or output fails. Except when it is the output that fails, the report is complete up
/// to there: the JSON is a valid document.
pub fn run(
    input: impl BufRead,
    output: impl Write,
    errors: impl Write,
    options: &Options,
) -> Result<Summary, RunError> {
    match options.format {
        Format::Tree => run_into(TreeReport::new(output, errors), input, options),
        Format::Json => run_into(JsonReport::begin(output)?, input, options),
    }
}

/// Runs all registrations of `input`, which are held in memory, through a world of each seed, on all
/// cores, and writes a report without their flows.
///
/// # Errors
///
/// When input or output fails, or a promise was broken in one of the worlds, which then is the last.
pub fn run_seeds(
    seeds: Range<u64>,
    input: impl BufRead,
    output: impl Write,
    errors: impl Write,
    options: &Options,
) -> Result<Summary, RunError> {
    match options.format {
        Format::Tree => run_seeds_into(TreeReport::new(output, errors), seeds, input, options),
        Format::Json => run_seeds_into(JsonReport::begin(output)?, seeds, input, options),
    }
}

fn run_into(
    mut report: impl Report,
    input: impl BufRead,
    options: &Options,
) -> Result<Summary, RunError> {
    let mut summary = Summary::new(options.seed..options.seed);
    let done = run_all(&mut report, input, options, &mut summary);
    // Also after a failure, so that what was reported until then is whole.
    let finished = report.finish(&summary);
    done.and(finished).map(|()| summary)
}

fn run_all(
    report: &mut impl Report,
    input: impl BufRead,
    options: &Options,
    summary: &mut Summary,
) -> Result<(), RunError> {
    let mut lines = Lines::new(input);
    let mut batch = Vec::new();
    loop {
        let read = read_batch(&mut lines, options.per_world.get(), &mut batch, report, summary);
        if !batch.is_empty() {
            let mut world = World::new(summary.seeds.end).without_trace();
            world.set_faults(options.faults.clone());
            let day = Day::pass(&mut world, options.store, batch.drain(..));
            for (number, (line, flow)) in (summary.registrations + 1..).zip(&day.flows) {
                report.flow(number, *line, flow)?;
            }
            (options.progress)(day.flows.len() as u64);
            summary.seeds.end = summary.seeds.end.wrapping_add(1);
            summary.add(day);
        }
        if !read? {
            return Ok(());
        }
    }
}

/// Reads up to `most` registrations. `false` is the end of the input.
fn read_batch(
    lines: &mut Lines<impl BufRead>,
    most: usize,
    batch: &mut Vec<(u64, Registration)>,
    report: &mut impl Report,
    summary: &mut Summary,
) -> Result<bool, RunError> {
    while batch.len() < most {
        let Some((number, line)) = lines.next_line()? else { return Ok(false) };
        match registration(&line) {
            Ok(registration) => batch.push((number, registration)),
            Err(rejection) => {
                summary.rejected += 1;
                report.rejected(number, &rejection)?;
            }
        }
    }
    Ok(true)
}

fn run_seeds_into(
    mut report: impl Report,
    seeds: Range<u64>,
    input: impl BufRead,
    options: &Options,
) -> Result<Summary, RunError> {
    let mut summary = Summary::new(seeds.clone());
    let (mut lines, mut registrations) = (Lines::new(input), Vec::new());
    read_batch(&mut lines, usize::MAX, &mut registrations, &mut report, &mut summary)?;
    let summary = seeds::pass(seeds, &registrations, options, summary).map_err(RunError::Broken)?;
    report.finish(&summary)?;
    Ok(summary)
}

fn registration(line: &Line<'_>) -> Result<Registration, Rejection> {
    match line {
        Line::TooLong => Err(Rejection::TooLong),
        Line::Whole(line) => Ok(from_json(line)?),
    }
}
