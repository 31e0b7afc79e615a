//! However long the input is, it is read in the same memory. The bytes are counted, not measured.

use std::{io, num::NonZero};

use allocation_counter::measure;
use product_registration::{Format, Options, Store, run};

use crate::registration;

/// What may differ by chance: the digits of larger numbers, the last growth of a buffer.
const SLACK_BYTES: u64 = 4 * 1024;

/// And in a world: how much is on its way at the same time. It is far less than what so many more
/// registrations take.
const SLACK_OF_WORLDS: u64 = 64 * 1024;

/// The most bytes that were allocated at one time while `input` was read.
fn peak(format: Format, input: &str) -> u64 {
    let allocations = measure(|| {
        let options = Options::new(format)
            .with_seed(1)
            .with_store(Store::Memory)
            .with_per_world(NonZero::new(5).unwrap());
        run(input.as_bytes(), io::sink(), io::sink(), &options).unwrap();
    });
    assert_eq!(allocations.bytes_current, 0, "nothing is left behind");
    allocations.bytes_max
}

/// Takes some lines, and ten times as many.
fn check(some: usize, slack: u64, line: impl Fn(usize) -> String) {
    let lines = |count: usize| (0..count).map(|number| line(number) + "\n").collect::<String>();
    let (short, long) = (lines(some), lines(10 * some));
    for format in [Format::Tree, Format::Json] {
        let (short, long) = (peak(format, &short), peak(format, &long));
        assert!(long <= short + slack, "{format:?}: {short} bytes, then {long}");
    }
}

#[test]
fn registrations_take_the_same_memory_however_many_there_are() {
    check(20, SLACK_OF_WORLDS, registration);
}

#[test]
fn rejected_lines_take_the_same_memory_however_many_there_are() {
    // More than are kept in memory.
    check(2_000, SLACK_BYTES, |_| r#"{"customer_id":"cu-1","name":"Ada Brook"}"#.to_owned());
}

#[test]
fn a_line_that_is_too_long_takes_no_more_memory_than_one_that_is_not() {
    let limit = product_registration::MAX_LINE_BYTES;
    let (long, endless) = ("x".repeat(limit), "x".repeat(100 * limit));
    for format in [Format::Tree, Format::Json] {
        let (long, endless) = (peak(format, &long), peak(format, &endless));
        assert!(endless <= long + SLACK_BYTES, "{format:?}: {long} bytes, then {endless}");
    }
}
