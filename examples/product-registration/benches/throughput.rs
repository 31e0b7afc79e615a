//! How many registrations a minute go through all six services, on the one core that runs this.
//!
//! The baseline is reading the same lines into plain maps with `serde_json`, in the same run. Of
//! the two reports, the tree is for people and the document for programs.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark is not production code")]

use std::{fmt::Write as _, hint::black_box, io, time::Instant};

use product_registration::{Format, Options, run};

const REGISTRATIONS: u32 = 20_000;
const SAMPLES: u32 = 5;

fn main() {
    let mut input = String::new();
    for number in 0..REGISTRATIONS {
        writeln!(
            input,
            r#"{{"customer_id":"cu-{number}","name":"Ada Brook","email":"ada.{number}@example.com","model":"Aurora kettle","serial_number":"AK-{number}","price_cents":5990}}"#
        )
        .unwrap();
    }
    let baseline = seconds(|| {
        for line in input.lines() {
            let line: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(line).unwrap();
            black_box(line);
        }
    });
    for format in [Format::Tree, Format::Json] {
        let all = seconds(|| {
            let summary =
                run(input.as_bytes(), io::sink(), io::sink(), Options::new(format)).unwrap();
            assert_eq!(summary.registrations, u64::from(REGISTRATIONS));
        });
        println!(
            "{format:?}: {:.0} registrations a minute, {:.1} times as long as reading the lines",
            f64::from(REGISTRATIONS) / all * 60.0,
            all / baseline,
        );
    }
}

/// The seconds that the fastest of some runs takes.
fn seconds(work: impl Fn()) -> f64 {
    let sample = |_| {
        #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    (0..SAMPLES).map(sample).fold(f64::INFINITY, f64::min)
}
