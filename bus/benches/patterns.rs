//! What an event costs with more and more rules: ratios, in one run.
//!
//! The rules differ in one exact value, as the rules of a bus do. Samples of all sizes alternate, so
//! that whatever else the machine does falls on all of them; the ratio is that of the fastest.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark is not production code")]

use std::{hint::black_box, time::Instant};

use setpiece_bus::{EventPattern, ParsedEvent, Patterns};

const SAMPLES: usize = 300;
const ROUNDS: u32 = 200;
const SIZES: [usize; 3] = [1, 100, 10_000];

const EVENT: &str = r#"{
    "version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "detail-type": "order_submitted_0",
    "source": "retail.checkout.orders", "account": "111122223333", "time": "2026-11-20T12:10:21Z",
    "region": "eu-west-1", "resources": [], "detail": {
        "metadata": { "version": "2", "event_id": "01JD4Q", "name": "order_submitted", "depth": 1 },
        "data": { "total": 29.99, "items": [{ "sku": "a", "count": 1 }, { "sku": "b", "count": 2 }] } } }"#;

fn main() {
    let sets = SIZES.map(|size| (0..size).map(|id| (id, pattern(id))).collect::<Patterns<_>>());
    let event = ParsedEvent::parse(EVENT).unwrap();
    for set in &sets {
        assert_eq!(set.matches(&event).unwrap(), [&0]);
    }
    let one = pattern(0);
    let mut parse = f64::INFINITY;
    let mut single = f64::INFINITY;
    let mut best = [f64::INFINITY; SIZES.len()];
    for _ in 0..SAMPLES {
        parse = parse.min(sample(&|| drop(black_box(ParsedEvent::parse(EVENT)))));
        single = single.min(sample(&|| {
            _ = black_box(one.matches(&event));
        }));
        for (best, set) in best.iter_mut().zip(&sets) {
            *best = best.min(sample(&|| drop(black_box(set.matches(&event)))));
        }
    }
    println!("parse an event of {} bytes: {parse:.2} µs", EVENT.len());
    println!("match one pattern: {single:.2} µs");
    for (size, time) in SIZES.iter().zip(best) {
        let candidates =
            sets[SIZES.iter().position(|other| other == size).unwrap()].candidates(&event);
        println!(
            "match {size} rules: {time:.2} µs, {candidates} evaluated, ratio to one rule {:.2}, to 100 rules {:.2}",
            time / best[0],
            time / best[1],
        );
    }
}

fn pattern(id: usize) -> EventPattern {
    EventPattern::parse(format!(
        r#"{{ "source": [{{ "prefix": "retail." }}], "detail-type": ["order_submitted_{id}"],
              "detail": {{ "data": {{ "total": [{{ "numeric": [">", 10] }}] }} }} }}"#
    ))
    .unwrap()
}

/// Microseconds that one call takes.
fn sample(run: &dyn Fn()) -> f64 {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let start = Instant::now();
    for _ in 0..ROUNDS {
        run();
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS)
}
