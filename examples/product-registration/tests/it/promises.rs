//! The promises, in worlds in which things go wrong.

use std::{
    collections::BTreeSet,
    io,
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use product_registration::{Format, Options, SAMPLE, Store, Summary, run, run_seeds};
use serde_json::Value;
use setpiece_testing::WorldFaults;

fn options(store: Store) -> Options {
    Options::new(Format::Json).with_seed(7).with_store(store).with_faults(WorldFaults::usual())
}

fn document(options: &Options) -> (Summary, Value) {
    let mut output = Vec::new();
    let summary = run(SAMPLE.as_bytes(), &mut output, io::sink(), options).unwrap();
    (summary, serde_json::from_slice(&output).unwrap())
}

/// Checks that much has gone wrong, and nothing in the end.
fn check(summary: &Summary, registrations: u64) {
    assert!(summary.verdict.is_kept(), "{}", summary.verdict);
    assert_eq!(summary.registrations, registrations);
    for name in ["duplicate", "crash", "throttling", "lost answer"] {
        assert!(summary.tally.faults_of(name) > 0, "{name}");
    }
    for service in ["products", "loyalty", "promotions", "communications", "customer"] {
        assert_eq!(summary.effects.get(service), registrations, "{service}");
    }
    assert_eq!(summary.effects.get("manufacturer"), registrations);
    assert_eq!(summary.events.get("discount_generated"), registrations);
}

#[test]
fn on_a_bad_day_nothing_is_lost_and_nothing_happens_twice() {
    for store in [Store::DynamoDb, Store::Memory] {
        let (summary, _) = document(&options(store));
        check(&summary, 20);
        assert_eq!(summary.tally.write_units > 0, store == Store::DynamoDb);
    }
}

#[test]
fn the_same_seed_is_the_same_day() {
    for store in [Store::DynamoDb, Store::Memory] {
        let (first, second) = (document(&options(store)), document(&options(store)));
        assert_eq!(first, second);
        let other = document(&options(store).with_seed(8));
        assert_ne!(first.1["deliveries"], other.1["deliveries"]);
    }
}

#[test]
fn a_program_is_told_what_happened_and_what_it_cost() {
    let (_, document) = document(&options(Store::DynamoDb));
    for name in [
        "deliveries",
        "duplicates",
        "crashes",
        "effects_applied_twice",
        "events_lost",
        "quarantined",
        "requests",
        "wcu",
    ] {
        assert!(document[name].is_u64(), "{name}: {}", document[name]);
    }
    let latency = &document["latency_ms"];
    let percentiles = ["p50", "p90", "p99", "p100"].map(|it| latency[it].as_u64().unwrap());
    assert!(percentiles.is_sorted() && percentiles[0] > 0, "{percentiles:?}");
}

#[test]
fn many_days_are_added_up() {
    let progress = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&progress);
    let options = options(Store::Memory)
        .with_progress(move |worlds| _ = counted.fetch_add(worlds, Ordering::Relaxed));
    let mut output = Vec::new();
    let summary = run_seeds(0..25, SAMPLE.as_bytes(), &mut output, io::sink(), &options).unwrap();
    check(&summary, 25 * 20);
    assert_eq!(summary.tally.worlds, 25);
    assert_eq!(progress.load(Ordering::Relaxed), 25);
    let document: Value = serde_json::from_slice(&output).unwrap();
    assert_eq!(document["worlds"], 25);
    assert_eq!(document["flows"], Value::Array(Vec::new()));
}

/// A day on which processes stand still as well is worse.
#[test]
fn who_stands_still_changes_nothing_when_he_goes_on() {
    let faults = WorldFaults::usual().freeze(0.1).replace(0.1).skew(Duration::from_millis(400));
    let options = options(Store::Memory).with_faults(faults);
    let summary = run_seeds(0..25, SAMPLE.as_bytes(), io::sink(), io::sink(), &options).unwrap();
    check(&summary, 25 * 20);
    assert!(summary.tally.faults_of("freeze") > 0);
}

#[test]
fn registrations_share_worlds() {
    let options = options(Store::Memory).with_per_world(8.try_into().unwrap());
    let (summary, document) = document(&options);
    check(&summary, 20);
    assert_eq!(summary.tally.worlds, 3);
    assert_eq!(summary.seeds, 7..10);
    let flows = document["flows"].as_array().unwrap().iter();
    let ids: BTreeSet<&str> = flows.map(|flow| flow["correlation_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 20);
}
