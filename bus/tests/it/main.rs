//! Integration tests, one binary.

#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

mod canonical;
mod checks;
mod events;
mod from_types;
mod hostile;
mod many;
mod memory;
mod publisher;
mod random;
mod refused;
mod sound;
mod verdicts;
