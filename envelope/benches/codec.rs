//! What an envelope costs over plain `serde_json` of the same bytes: ratios, in one run.
//!
//! Both sides decode the same `detail` into the same data type and encode it again. The plain side
//! has a metadata struct with the same members. Samples of both sides alternate, so that whatever
//! else the machine does falls on both; the ratio is that of the fastest samples.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark is not production code")]

#[path = "../tests/common/order.rs"]
mod order;

use std::{hint::black_box, time::Instant};

use order::{Event, OrderSubmitted, Plain};
use setpiece_envelope::Envelope;

const SAMPLES: usize = 400;

fn main() {
    for (label, items) in [("1 KB", 4), ("64 KB", 520)] {
        let detail = order::detail(items);
        let plain_decode = || serde_json::from_slice::<Plain<OrderSubmitted>>(&detail).unwrap();
        let our_decode = || Envelope::<Event<OrderSubmitted>>::from_detail(&detail).unwrap();
        let (plain_event, our_event) = (plain_decode(), our_decode());
        let compare = |what: &str, plain: &dyn Fn(), ours: &dyn Fn()| {
            let (plain, ours) = fastest(plain, ours, 100_000 / detail.len() + 1);
            println!(
                "{label} ({} bytes) {what}: plain {plain:.2} µs, envelope {ours:.2} µs, ratio {:.2}",
                detail.len(),
                ours / plain,
            );
        };
        compare("decode", &|| keep(plain_decode()), &|| keep(our_decode()));
        let plain = || keep(serde_json::to_vec(&plain_event));
        let ours = || keep(our_event.to_detail());
        compare("encode", &plain, &ours);
        let plain = || keep(serde_json::to_vec(&plain_decode()));
        let ours = || keep(our_decode().to_detail());
        compare("decode + encode", &plain, &ours);
    }
}

/// Keeps the compiler from leaving out what made `value`.
fn keep<T>(value: T) {
    drop(black_box(value));
}

/// Microseconds that one call of each takes, in the fastest of many alternating samples.
fn fastest(plain: &dyn Fn(), ours: &dyn Fn(), rounds: usize) -> (f64, f64) {
    let mut best = (f64::INFINITY, f64::INFINITY);
    for _ in 0..SAMPLES {
        best.0 = best.0.min(sample(plain, rounds));
        best.1 = best.1.min(sample(ours, rounds));
    }
    best
}

fn sample(run: &dyn Fn(), rounds: usize) -> f64 {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let start = Instant::now();
    for _ in 0..rounds {
        run();
    }
    #[expect(clippy::cast_precision_loss, reason = "rounds are few")]
    let rounds = rounds as f64;
    start.elapsed().as_secs_f64() * 1e6 / rounds
}
