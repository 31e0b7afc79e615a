//! A whole choreography, in worlds of many seeds.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "the helpers of tests fail as tests do"
)]

mod buses;
mod calls;
mod deploys;
mod engine;
mod faults;
mod leases;
mod mutants;
mod names;
mod quick;
mod relay;
mod replay;
mod shop;
mod strikes;
mod transport;
mod verdicts;
