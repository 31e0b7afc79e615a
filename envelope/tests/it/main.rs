//! Integration tests, one binary.

#![expect(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

#[path = "../common/order.rs"]
mod order;

mod allocations;
mod bad_input;
mod derive;
mod documents;
mod golden;
mod nesting;
mod privacy;
mod round_trip;
mod versions;
mod writing;
