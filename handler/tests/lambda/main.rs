//! Functions in processes of their own, before a Runtime API on the loopback device.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests fail as tests do"
)]

mod answers;
mod concurrency;
mod function;
mod invocations;
mod runtime_api;
mod services;
mod shutdown;
