//! Measures how long functions take from the start of their process to their first poll for an
//! invocation, and how large they are.
//!
//! The programs beside this one are started in turns, each many times, against a Runtime API on the
//! loopback device that never has an invocation. What counts is the median of the differences
//! between programs that were started one after the other, since the machine's mood changes.

#![expect(clippy::disallowed_methods, reason = "it measures the time of this machine")]

use std::{
    env, fs, io,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

type Error = Box<dyn std::error::Error>;

/// Number of starts of each program, unless the first argument says otherwise.
const RUNS: usize = 200;

/// Bytes that the service should have more than the bare function at most.
const WANTED_BYTES: u64 = 300_000;

/// Bytes that it must not have more. To be lowered towards the wanted number.
const MAX_BYTES: u64 = 920_000;

/// Delay of the first poll that is wanted at most. It is for reading: what else the machine does,
/// counts.
const WANTED_DELAY: Duration = Duration::from_millis(1);

fn main() -> Result<ExitCode, Error> {
    let runs = env::args().nth(1).map_or(Ok(RUNS), |runs| runs.parse())?;
    let here = env::current_exe()?;
    let (bare, service) = (here.with_file_name("bare"), here.with_file_name("service"));
    let listener = TcpListener::bind(("127.0.0.1", 0))?;

    // What is read from the disk for the first time does not count.
    for program in [&bare, &service] {
        time_to_poll(program, &listener)?;
    }
    let (mut bare_times, mut service_times) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        bare_times.push(time_to_poll(&bare, &listener)?);
        service_times.push(time_to_poll(&service, &listener)?);
    }
    let mut later: Vec<_> =
        service_times.iter().zip(&bare_times).map(|(service, bare)| service - bare).collect();

    let (bare_bytes, service_bytes) = (fs::metadata(&bare)?.len(), fs::metadata(&service)?.len());
    let larger = service_bytes.saturating_sub(bare_bytes);
    let (later, wanted) = (median(&mut later), WANTED_DELAY.as_micros());
    let (bare, service) = (median(&mut bare_times), median(&mut service_times));
    let mut out = io::stdout().lock();
    writeln!(out, "          first poll        bytes")?;
    writeln!(out, "bare      {bare:>7} us {bare_bytes:>12}")?;
    writeln!(out, "service   {service:>7} us {service_bytes:>12}")?;
    writeln!(out, "more      {later:>7} us {larger:>12}")?;
    writeln!(out, "wanted    {wanted:>7} us {WANTED_BYTES:>12}")?;
    writeln!(out, "at most                {MAX_BYTES:>12}")?;
    Ok(if larger <= MAX_BYTES { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Starts `program`, waits until it asks for an invocation, and ends it. In microseconds.
fn time_to_poll(program: &Path, listener: &TcpListener) -> Result<i64, Error> {
    let started = Instant::now();
    let child = Command::new(program)
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr()?.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "cold-start")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    let _running = Running(child);
    let (stream, _) = listener.accept()?;
    let mut asked = String::new();
    BufReader::new(stream).read_line(&mut asked)?;
    let took = started.elapsed();
    if asked.trim_end() != "GET /2018-06-01/runtime/invocation/next HTTP/1.1" {
        return Err(format!("{} asks for something else: {asked}", program.display()).into());
    }
    Ok(i64::try_from(took.as_micros())?)
}

/// A process that does not outlive this one.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The one in the middle. Sorts them.
fn median(values: &mut [i64]) -> i64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
