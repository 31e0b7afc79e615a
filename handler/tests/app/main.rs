//! An app, from the bytes of an invocation to its answer.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests fail as tests do"
)]

mod batches;
mod building;
mod callers;
mod crashes;
mod depth;
mod dynamodb;
mod identity;
mod layers;
mod leases;
mod origin;
mod places;
mod quarantine;
mod reports;
mod requests;
mod routing;
mod scopes;
mod shop;
mod sqs;
mod statuses;
mod streams;
