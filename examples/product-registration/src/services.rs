//! The services. None of them knows another: they share the schema of events, not code.
//!
//! Each has its own view of the events that it reacts to, a table of its own, and a decision, which
//! returns what should change. Its `handlers` are all that there is of it. They say nothing of where
//! they run: a Lambda function makes an app of them with `DynamoDbEffects` and EventBridge, this
//! process one with tables and a bus in memory.

pub mod communications;
pub mod customer;
pub mod loyalty;
pub mod manufacturer;
pub mod products;
pub mod promotions;
