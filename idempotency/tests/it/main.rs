//! What the guard promises, on every store.

#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

mod allocations;
mod conformance;
mod crowd;
#[cfg(feature = "dynamodb")]
#[path = "../dynamodb/suite.rs"]
mod dynamodb;
mod faults;
#[cfg(all(feature = "lambda", feature = "tower"))]
mod layer;
mod memory;
mod model;
#[cfg(all(feature = "lambda", feature = "tower"))]
mod runtime;
mod support;
