//! Effects from the decision to the empty outbox, in memory and in a DynamoDB engine in this
//! process that is reached through the real SDK.

#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

mod bounds;
mod costs;
mod crash;
mod decisions;
mod events_only;
mod gate;
mod limits;
mod random;
mod relay;
mod suite;
mod trouble;
mod world;

#[path = "../../../idempotency/tests/dynamodb/engine.rs"]
mod engine;
#[path = "../../../idempotency/tests/dynamodb/patience.rs"]
mod patience;
#[path = "../../../idempotency/tests/dynamodb/wire.rs"]
#[expect(dead_code, reason = "the guard's tests make more trouble")]
mod wire;
