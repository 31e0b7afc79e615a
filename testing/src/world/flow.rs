//! Events on their way to a function.

use std::sync::Arc;

/// One copy of an event on its way to one function.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    /// Its place in the record of deliveries.
    pub(super) entry: usize,
    pub(super) text: Arc<str>,
}

/// Delivery of an event to a function, and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorldDelivery {
    /// The function.
    pub function: String,
    /// The name of the event, or its detail-type when it is no envelope.
    pub name: String,
    /// The id of the event, or that of the bus when it is no envelope.
    pub event_id: String,
    /// The flow that the event is part of.
    pub correlation_id: Option<String>,
    /// True if this is a copy that nobody asked for.
    pub is_duplicate: bool,
    /// Number of times that a process got it.
    pub attempts: u32,
    /// End of the delivery.
    pub ending: WorldEnding,
    /// The number of attempts in which a fault struck.
    pub struck: u32,
    /// True if it was a dead letter at any time.
    pub was_dead: bool,
    /// When the function acknowledged it, in milliseconds since the beginning of the world.
    pub(super) acknowledged_at: Option<u64>,
}

/// End of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WorldEnding {
    /// It is on its way.
    Open,
    /// The function acknowledged it.
    Acknowledged,
    /// It is a dead letter.
    Dead,
}
