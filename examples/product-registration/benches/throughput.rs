//! How many registrations a second go through all six services in one world, on the one core that
//! runs it, with tables in the DynamoDB engine and in memory; and whether a registration takes as
//! long when there are ten times as many. Requests are counted, and the same in every run.
//!
//!     cargo bench -p product-registration           1,000 and 10,000
//!     cargo bench -p product-registration -- full   100,000 as well, which takes some minutes
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark is not production code")]

use std::{env, fmt::Write as _, io, num::NonZero, time::Instant};

use product_registration::{Format, Options, Store, run};

fn main() {
    let is_full = env::args().any(|argument| argument == "full");
    let sizes: &[usize] = if is_full { &[1_000, 10_000, 100_000] } else { &[1_000, 10_000] };
    for store in [Store::Memory, Store::DynamoDb] {
        let mut first = None;
        for size in sizes {
            let (seconds, requests) = measure(store, *size);
            #[expect(clippy::cast_precision_loss, reason = "a count of registrations")]
            let count = *size as f64;
            let each = seconds / count;
            println!(
                "{store:?}: {size:>7} registrations, {:>6.0} a second, {:.2} requests each, {:.2} \
                 times as long each as with {}",
                1.0 / each,
                requests / count,
                each / *first.get_or_insert(each),
                sizes[0],
            );
        }
    }
}

/// How many seconds so many registrations take in one world, and how many requests.
fn measure(store: Store, size: usize) -> (f64, f64) {
    let mut input = String::new();
    for number in 0..size {
        writeln!(
            input,
            r#"{{"customer_id":"cu-{number}","name":"Ada Brook","email":"ada.{number}@example.com","model":"Aurora kettle","serial_number":"AK-{number}","price_cents":5990}}"#
        )
        .unwrap();
    }
    let options = Options::new(Format::Json)
        .with_seed(1)
        .with_store(store)
        .with_per_world(NonZero::new(size).unwrap());
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let start = Instant::now();
    let summary = run(input.as_bytes(), io::sink(), io::sink(), &options).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    assert!(summary.verdict.is_kept(), "{}", summary.verdict);
    assert_eq!(summary.registrations, u64::try_from(size).unwrap());
    #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
    let requests = summary.tally.requests as f64;
    (seconds, requests)
}
