//! However long the input is, it is read in the same memory. The bytes are counted, not measured.

use std::io;

use allocation_counter::measure;
use product_registration::{Format, Options, run};

use crate::{registration, stamp};

/// What may differ by chance: the digits of larger numbers, the last growth of a buffer.
const SLACK_BYTES: u64 = 4 * 1024;

/// The most bytes that were allocated at one time while `input` was read.
fn peak(format: Format, input: &str) -> u64 {
    let allocations = measure(|| {
        let options = Options::new(format).with_stamp(stamp());
        run(input.as_bytes(), io::sink(), io::sink(), options).unwrap();
    });
    assert_eq!(allocations.bytes_current, 0, "nothing is left behind");
    allocations.bytes_max
}

/// Takes some lines, and ten times as many.
fn check(some: usize, line: impl Fn(usize) -> String) {
    let lines = |count: usize| (0..count).map(|number| line(number) + "\n").collect::<String>();
    let (short, long) = (lines(some), lines(10 * some));
    for format in [Format::Tree, Format::Json] {
        let (short, long) = (peak(format, &short), peak(format, &long));
        assert!(long <= short + SLACK_BYTES, "{format:?}: {short} bytes, then {long}");
    }
}

#[test]
fn registrations_take_the_same_memory_however_many_there_are() {
    check(200, registration);
}

#[test]
fn rejected_lines_take_the_same_memory_however_many_there_are() {
    // More than are kept in memory.
    check(2_000, |_| r#"{"customer_id":"cu-1","name":"Ada Brook"}"#.to_owned());
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
