//! Runs registrations from a file, from standard input or from the built-in sample.

use std::{
    error::Error,
    ffi::OsString,
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, IsTerminal as _, Write},
    path::PathBuf,
    process::ExitCode,
};

use product_registration::{Format, Options, RunError, SAMPLE, run};

const USAGE: &str = "\
usage: product-registration [--json] [FILE]

Lets six services react to product registrations, and shows what caused what.

FILE has one registration in JSON on each line; `-` is standard input. Without
FILE, twenty registrations that come with the program are taken.

  --json      writes one JSON document instead of trees
  -h, --help  shows this

Exit status: 0 when all lines were registrations, 1 when some were not, and 2
when the run could not be completed.
";

const INPUT_BUFFER_BYTES: usize = 64 * 1024;
const OUTPUT_BUFFER_BYTES: usize = 64 * 1024;

const SOME_REJECTED: u8 = 1;
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let (command, mut errors) = (Command::parse(), io::stderr().lock());
    let result = match command {
        Ok(Command::Help) => io::stdout().lock().write_all(USAGE.as_bytes()).map_err(Into::into),
        Ok(Command::Run { format, source }) => match start(format, &source, &mut errors) {
            Ok(0) => Ok(()),
            Ok(_) => return ExitCode::from(SOME_REJECTED),
            Err(error) => Err(error),
        },
        Err(error) => Err(format!("{error}\n\n{USAGE}").into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the report has seen enough, as `head` does.
        Err(error) if is_closed_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            // Where this cannot be said, there is nobody to say it to.
            _ = writeln!(errors, "product-registration: {}", chain(&*error).trim_end());
            ExitCode::from(FAILED)
        }
    }
}

enum Command {
    Help,
    Run { format: Format, source: Source },
}

enum Source {
    Sample,
    Stdin,
    File(PathBuf),
}

impl Command {
    fn parse() -> Result<Self, lexopt::Error> {
        use lexopt::prelude::*;
        let (mut format, mut source) = (Format::Tree, None);
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("json") => format = Format::Json,
                Short('h') | Long("help") => return Ok(Self::Help),
                Value(name) if source.is_none() => source = Some(Source::named(name)),
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(Self::Run { format, source: source.unwrap_or(Source::Sample) })
    }
}

impl Source {
    fn named(name: OsString) -> Self {
        if name == "-" { Self::Stdin } else { Self::File(name.into()) }
    }

    fn open(&self) -> io::Result<Box<dyn BufRead>> {
        Ok(match self {
            Self::Sample => Box::new(SAMPLE.as_bytes()),
            Self::Stdin => Box::new(io::stdin().lock()),
            Self::File(path) => {
                Box::new(BufReader::with_capacity(INPUT_BUFFER_BYTES, File::open(path)?))
            }
        })
    }
}

/// Runs, and says how many lines were rejected.
fn start(format: Format, source: &Source, errors: &mut impl Write) -> Result<u64, Box<dyn Error>> {
    let input = source.open().map_err(|error| match source {
        Source::File(path) => format!("{} cannot be opened: {error}", path.display()),
        Source::Sample | Source::Stdin => error.to_string(),
    })?;
    let stdout = io::stdout().lock();
    // A person sees each tree as it comes; a file or a program gets larger pieces.
    let output: Box<dyn Write> = if stdout.is_terminal() {
        Box::new(stdout)
    } else {
        Box::new(BufWriter::with_capacity(OUTPUT_BUFFER_BYTES, stdout))
    };
    Ok(run(input, output, errors, Options::new(format))?.rejected)
}

fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    let io_error = match error.downcast_ref() {
        Some(RunError::Write(error)) => Some(error),
        Some(_) => None,
        None => error.downcast_ref::<io::Error>(),
    };
    io_error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// The error with all that led to it.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
