//! Runs registrations from a file, from standard input or from the built-in sample.

mod command;

use std::{
    error::Error,
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, IsTerminal as _, Write},
    process::ExitCode,
};

use indicatif::{ProgressBar, ProgressStyle};
use product_registration::{Format, RunError, SAMPLE, Summary, run, run_seeds};

use crate::command::{Command, Run, Source, USAGE};

const INPUT_BUFFER_BYTES: usize = 64 * 1024;
const OUTPUT_BUFFER_BYTES: usize = 64 * 1024;

const SOME_REJECTED: u8 = 1;
const FAILED: u8 = 2;
const BROKEN: u8 = 3;

fn main() -> ExitCode {
    let (command, mut errors) = (Command::parse(), io::stderr().lock());
    let result = match command {
        Ok(Command::Help) => {
            let shown = io::stdout().lock().write_all(USAGE.as_bytes());
            shown.map(|()| ExitCode::SUCCESS).map_err(Into::into)
        }
        Ok(Command::Run(command)) => start(*command, &mut errors),
        Err(error) => Err(format!("{error}\n\n{USAGE}").into()),
    };
    match result {
        Ok(code) => code,
        // Whoever reads the report has seen enough, as `head` does.
        Err(error) if is_closed_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            // Where this cannot be said, there is nobody to say it to.
            _ = writeln!(errors, "product-registration: {}", chain(&*error).trim_end());
            let is_broken = matches!(error.downcast_ref(), Some(RunError::Broken(_)));
            ExitCode::from(if is_broken { BROKEN } else { FAILED })
        }
    }
}

impl Source {
    fn open(&self) -> Result<Box<dyn BufRead>, String> {
        Ok(match self {
            Self::Sample => Box::new(SAMPLE.as_bytes()),
            Self::Stdin => Box::new(io::stdin().lock()),
            Self::File(path) => {
                let file = File::open(path);
                let file = file.map_err(|e| format!("{} cannot be opened: {e}", path.display()))?;
                Box::new(BufReader::with_capacity(INPUT_BUFFER_BYTES, file))
            }
        })
    }
}

fn start(command: Run, errors: &mut impl Write) -> Result<ExitCode, Box<dyn Error>> {
    let Run { options, seeds, source } = command;
    let input = source.open()?;
    let stdout = io::stdout().lock();
    let is_watched = stdout.is_terminal();
    // A person sees each tree as it comes; a file or a program gets larger pieces.
    let output: Box<dyn Write> = if is_watched {
        Box::new(stdout)
    } else {
        Box::new(BufWriter::with_capacity(OUTPUT_BUFFER_BYTES, stdout))
    };
    let bar = match &seeds {
        Some(seeds) => progress_of(seeds.end.saturating_sub(seeds.start)),
        // What a person sees on the screen is progress enough.
        None if is_watched && options.format == Format::Tree => ProgressBar::hidden(),
        None => progress(),
    };
    let of_run = bar.clone();
    let options = options.with_progress(move |count| of_run.inc(count));
    let done = match seeds {
        Some(seeds) => run_seeds(seeds, input, output, &mut *errors, &options),
        None => run(input, output, &mut *errors, &options),
    };
    bar.finish_and_clear();
    let Summary { rejected, verdict, .. } = done?;
    if !verdict.is_kept() {
        _ = writeln!(errors, "product-registration: a promise is broken: {verdict}");
        return Ok(ExitCode::from(BROKEN));
    }
    Ok(if rejected > 0 { ExitCode::from(SOME_REJECTED) } else { ExitCode::SUCCESS })
}

/// Makes a bar for a number of worlds. It is shown on a terminal only.
fn progress_of(worlds: u64) -> ProgressBar {
    let template = "{bar:40} {pos} of {len} worlds, {per_sec}, {eta} to go";
    ProgressBar::new(worlds).with_style(style(template))
}

/// Makes a bar for a number of registrations.
fn progress() -> ProgressBar {
    ProgressBar::new_spinner().with_style(style("{spinner} {pos} registrations, {per_sec}"))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
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
