//! The store in DynamoDB, against an engine in this process that is reached through the real SDK.

#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

mod allocations;
mod by_hand;
mod cloud;
mod costs;
mod desk;
mod engine;
mod faults;
mod guards;
mod patience;
mod records;
mod table;
mod wire;
