//! A customer registers a product, and six services do their part without knowing each other.
//!
//! Each service is a module of [`services`]: its own name, its own view of the events that it
//! consumes, a table, and a decision that returns what should change. What joins them is events
//! alone. [`run`] reads registrations, one JSON object on a line, lets the services react in this
//! process, and reports for each registration what caused what. With the feature `lambda`, each
//! service is a Lambda function as well.
//!
//! It holds one registration at a time, so it reads a file of any length in the same memory.
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
//! let summary = run(SAMPLE.as_bytes(), &mut output, &mut errors, Options::new(Format::Tree))?;
//!
//! assert_eq!(summary.registrations, 20);
//! assert_eq!(summary.effects.get("communications"), 20);
//! # Ok::<_, product_registration::RunError>(())
//! ```

mod block_on;
mod choreography;
mod derived_code;
mod effect;
mod error;
mod flow;
#[cfg(feature = "lambda")]
pub mod lambda;
mod lines;
mod rejection;
mod report;
pub mod services;
mod summary;
#[cfg(test)]
mod template;

use std::io::{BufRead, Write};

use setpiece_envelope::{Stamp, from_json};

use crate::{
    block_on::block_on,
    choreography::Choreography,
    lines::{Line, Lines},
    rejection::Rejection,
    report::{Report, json::JsonReport, tree::TreeReport},
    services::products::registration::Registration,
};
pub use crate::{
    error::RunError,
    lines::MAX_LINE_BYTES,
    summary::{Counts, Summary},
};

/// Twenty registrations of invented people.
pub const SAMPLE: &str = include_str!("sample.jsonl");

/// For whom the report is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// A person: a tree for each registration, then totals.
    Tree,
    /// A program: one JSON document.
    Json,
}

/// How to run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// For whom the report is.
    pub format: Format,
    /// Where the ids and times of events come from.
    pub stamp: Stamp,
}

impl Options {
    /// A report in `format`, with ids and times of the operating system.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self { format, stamp: Stamp::system() }
    }

    /// The same with ids and times from `stamp`.
    #[must_use]
    pub fn with_stamp(self, stamp: Stamp) -> Self {
        Self { stamp, ..self }
    }
}

/// Runs every registration of `input` through all services and writes a report to `output`.
///
/// Lines that are no registration are passed over. [`Format::Tree`] says so on `errors` at once;
/// [`Format::Json`] lists them in the document. No report shows what is in a registration, only
/// what the services made of it.
///
/// `output` should be buffered, unless a person is watching; `errors` gets whole lines.
///
/// # Errors
///
/// When input or output fails, or the services do not understand each other. Except when it is the
/// output that fails, the report is complete up to there: the JSON is a valid document.
pub fn run(
    input: impl BufRead,
    output: impl Write,
    errors: impl Write,
    options: Options,
) -> Result<Summary, RunError> {
    match options.format {
        Format::Tree => run_into(TreeReport::new(output, errors), input, options.stamp),
        Format::Json => run_into(JsonReport::begin(output)?, input, options.stamp),
    }
}

fn run_into(
    mut report: impl Report,
    input: impl BufRead,
    stamp: Stamp,
) -> Result<Summary, RunError> {
    let mut summary = Summary::new(&Choreography::EVENTS, &Choreography::services());
    let done = run_all(&mut report, input, stamp, &mut summary);
    // Also after a failure, so that what was reported until then is whole.
    let finished = report.finish(&summary);
    done.and(finished).map(|()| summary)
}

fn run_all(
    report: &mut impl Report,
    input: impl BufRead,
    stamp: Stamp,
    summary: &mut Summary,
) -> Result<(), RunError> {
    let choreography = Choreography::new(stamp);
    let mut lines = Lines::new(input);
    while let Some((number, line)) = lines.next_line()? {
        match registration(&line) {
            Ok(registration) => {
                let flow = block_on(choreography.run(registration))
                    .map_err(|source| RunError::Flow { line: number, source })?;
                summary.count(&flow);
                report.flow(summary.registrations, number, &flow)?;
            }
            Err(rejection) => {
                summary.rejected += 1;
                report.rejected(number, &rejection)?;
            }
        }
    }
    Ok(())
}

fn registration(line: &Line<'_>) -> Result<Registration, Rejection> {
    match line {
        Line::TooLong => Err(Rejection::TooLong),
        Line::Whole(line) => Ok(from_json(line)?),
    }
}
