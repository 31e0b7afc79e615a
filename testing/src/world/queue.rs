use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{
    flow::Letter,
    kernel::{Turn, in_millis},
};

/// Settings of a queue, and of the mapping between it and its function.
#[derive(Clone, Debug)]
#[must_use = "hand it to a function"]
pub struct Queue {
    pub(super) group: Option<String>,
    pub(super) batch_size: usize,
    pub(super) window: Duration,
    pub(super) visibility_timeout: Option<Duration>,
    pub(super) max_receive_count: u32,
}

impl Queue {
    /// A standard queue: batches of up to 10 without a window, a visibility timeout of six times
    /// the function's, as AWS advises, and a dead-letter queue behind 5 receives.
    pub fn standard() -> Self {
        Self {
            group: None,
            batch_size: 10,
            window: Duration::ZERO,
            visibility_timeout: None,
            max_receive_count: 5,
        }
    }

    /// Makes a FIFO queue, in which all messages are of one group, as those of a rule are.
    pub fn fifo(group: impl Into<String>) -> Self {
        Self { group: Some(group.into()), ..Self::standard() }
    }

    /// The most messages of a batch.
    pub fn batch_size(self, messages: usize) -> Self {
        Self { batch_size: messages.max(1), ..self }
    }

    /// Sets the time that a batch waits to become full.
    pub fn window(self, window: Duration) -> Self {
        Self { window, ..self }
    }

    /// Sets the time for which a message stays away that was received and not deleted.
    pub fn visibility_timeout(self, timeout: Duration) -> Self {
        Self { visibility_timeout: Some(timeout), ..self }
    }

    /// Limits the receives of a message, after which it is a dead letter.
    pub fn max_receive_count(self, receives: u32) -> Self {
        Self { max_receive_count: receives.max(1), ..self }
    }
}

/// A queue with what is in it.
pub(super) struct QueueState {
    pub(super) name: Arc<str>,
    pub(super) settings: Queue,
    pub(super) function: usize,
    pub(super) messages: BTreeMap<u64, Message>,
    /// Those that nobody has.
    pub(super) visible: BTreeSet<u64>,
    /// True if somebody comes to look already.
    pub(super) is_watched: bool,
}

/// A message in a queue.
pub(super) struct Message {
    pub(super) letter: Letter,
    pub(super) sent: u64,
    pub(super) first_received: u64,
    pub(super) receives: u32,
    /// When it comes back to those who do not delete it.
    pub(super) held: Option<Turn>,
}

impl QueueState {
    /// Some of those that may be received, in the order of their arrival: enough for a batch, and
    /// for a choice.
    pub(super) fn receivable(&self) -> Vec<u64> {
        // All of a FIFO queue are of one group, and a group waits for its first one.
        let is_blocked = self.settings.group.is_some() && self.visible.len() < self.messages.len();
        let most = if is_blocked { 0 } else { self.settings.batch_size.saturating_mul(4) };
        self.visible.iter().copied().take(most).collect()
    }

    /// Returns the time that the batch still waits for more.
    pub(super) fn waits(&self, visible: &[u64], now: u64) -> Option<Duration> {
        let oldest = visible.iter().filter_map(|id| self.messages.get(id)).map(|it| it.sent).min();
        let ends = oldest?.saturating_add(in_millis(self.settings.window));
        let is_full = visible.len() >= self.settings.batch_size;
        (!is_full && now < ends).then(|| Duration::from_millis(ends - now))
    }
}
