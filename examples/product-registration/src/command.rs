//! Command line of the program.

use std::{ffi::OsString, ops::Range, path::PathBuf, str::FromStr, time::Duration};

use lexopt::{Parser, ValueExt as _, prelude::*};
use product_registration::{Format, Options, Store};
use setpiece_testing::WorldFaults;

pub(crate) const USAGE: &str = "\
usage: product-registration [OPTION]... [FILE]

Lets six services react to product registrations in a world in this process,
shows what caused what, and checks from the tables and the bus that no effect
happened twice and no event was lost.

FILE has one registration in JSON on each line; `-` is standard input. Without
FILE, twenty registrations that come with the program are taken.

What goes wrong, each with a probability such as 0.3 or 30%:
  --duplicates P      deliveries that come twice
  --crashes P         invocations whose process dies
  --freezes P         invocations whose process stands still until after its
                      deadline, and then goes on
  --throttle P        requests that are throttled
  --lost P            requests whose answer is lost after they were done
  --reorder           deliveries overtake each other

In which world:
  --seed N            of this seed, and so the same one again
  --seeds A..B        in the world of each seed from A to before B, until a
                      promise is broken; shows totals, or what happened there
  --store STORE       tables in `dynamodb`, a DynamoDB engine in this process,
                      or in `memory`
  --per-world N       registrations that share a world (100); one world comes
                      after the other

  --json              writes one JSON document
  -h, --help          shows this

Exit status: 0 when all lines were registrations, 1 when some were not, 2 when
the run could not be completed, and 3 when a promise was broken.
";

pub(crate) enum Command {
    Help,
    Run(Box<Run>),
}

pub(crate) struct Run {
    pub(crate) options: Options,
    pub(crate) seeds: Option<Range<u64>>,
    pub(crate) source: Source,
}

pub(crate) enum Source {
    Sample,
    Stdin,
    File(PathBuf),
}

impl Command {
    pub(crate) fn parse() -> Result<Self, lexopt::Error> {
        let mut options = Options::new(Format::Tree);
        let (mut faults, mut seeds, mut source) = (WorldFaults::none(), None, None);
        let mut arguments = Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("json") => options.format = Format::Json,
                Long("duplicates") => faults = faults.duplicate(probability(&mut arguments)?),
                Long("crashes") => faults = faults.crash(probability(&mut arguments)?),
                Long("freezes") => faults = faults.freeze(probability(&mut arguments)?),
                Long("throttle") => faults = faults.throttle(probability(&mut arguments)?),
                Long("lost") => faults = faults.lose_answers(probability(&mut arguments)?),
                Long("reorder") => faults = faults.reorder(Duration::from_millis(500)),
                Long("seed") => options.seed = arguments.value()?.parse()?,
                Long("seeds") => seeds = Some(arguments.value()?.parse_with(range)?),
                Long("store") => options.store = arguments.value()?.parse_with(store)?,
                Long("per-world") => options.per_world = arguments.value()?.parse()?,
                Short('h') | Long("help") => return Ok(Self::Help),
                Value(name) if source.is_none() => source = Some(Source::named(name)),
                _ => return Err(argument.unexpected()),
            }
        }
        let options = options.with_faults(faults);
        Ok(Self::Run(Box::new(Run { options, seeds, source: source.unwrap_or(Source::Sample) })))
    }
}

impl Source {
    fn named(name: OsString) -> Self {
        if name == "-" { Self::Stdin } else { Self::File(name.into()) }
    }
}

fn probability(arguments: &mut Parser) -> Result<f64, lexopt::Error> {
    arguments.value()?.parse_with(|text| {
        let (number, hundreds) = match text.strip_suffix('%') {
            Some(percent) => (f64::from_str(percent.trim_end()), 100.0),
            None => (f64::from_str(text), 1.0),
        };
        let number = number.map_err(|_| "expected a probability such as 0.3 or 30%")? / hundreds;
        // What is no number is in no range.
        if (0.0..=1.0).contains(&number) { Ok(number) } else { Err("a probability is from 0 to 1") }
    })
}

fn range(text: &str) -> Result<Range<u64>, &'static str> {
    let (from, to) = text.split_once("..").ok_or("expected seeds such as 0..1000")?;
    let number = |text: &str| text.parse().map_err(|_| "expected seeds such as 0..1000");
    let (from, to) = (number(from)?, number(to)?);
    if from < to { Ok(from..to) } else { Err("there are no such seeds") }
}

fn store(text: &str) -> Result<Store, &'static str> {
    match text {
        "dynamodb" => Ok(Store::DynamoDb),
        "memory" => Ok(Store::Memory),
        _ => Err("expected `dynamodb` or `memory`"),
    }
}
