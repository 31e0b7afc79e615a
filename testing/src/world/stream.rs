//! The stream of a table, as far as it tells of the outbox.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use serde::Deserialize;
use serde_json::json;
use setpiece_bus::OutgoingEvent;
use setpiece_handler::{EffectStore as _, OutboxKey};

use super::{Act, World, WorldDelivery, WorldEnding, flow::Letter, run::Task};
use crate::{StreamRecord, stream_event, wrap::STREAM_BEGIN};

/// Time until a change is in the stream.
const LAG: Duration = Duration::from_millis(100);

/// Pause of Lambda before it reads the same records again: twice as long each time, up to a most.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Number of reads of a record until it is a dead letter.
const MOST_ATTEMPTS: u32 = 100;

/// The most records of a batch.
const BATCH: usize = 100;

/// A function that reads a stream, in one shard.
pub(super) struct StreamState {
    pub(super) function: usize,
    /// Records that it has not read yet, or not to the end.
    pub(super) records: VecDeque<Record>,
    /// True if an invocation has them, or somebody comes to look already.
    is_busy: bool,
    /// Number of times that the first one has failed.
    attempts: u32,
    /// Records that were given up.
    dead: Vec<Record>,
}

/// An item that has come into the outbox.
pub(super) struct Record {
    pub(super) letter: Letter,
    table: Option<String>,
    key: String,
    image: String,
}

/// An item in the outbox: its table, unless it is in memory, its key, its image, and the event in it.
pub(super) struct Staged {
    pub(super) table: Option<String>,
    pub(super) key: String,
    pub(super) image: String,
    pub(super) event: OutgoingEvent,
}

impl StreamState {
    pub(super) fn new(function: usize) -> Self {
        Self { function, records: VecDeque::new(), is_busy: false, attempts: 0, dead: Vec::new() }
    }
}

impl World {
    /// Finds what has come into the outbox.
    pub(super) fn watch_outboxes(&mut self) {
        let commits = self.core.commits();
        if self.streams.is_empty() || self.seen_commits == Some(commits) {
            return;
        }
        self.seen_commits = Some(commits);
        let staged = self.newly_staged();
        for (index, stream) in self.streams.iter_mut().enumerate() {
            let name = self.functions.get(stream.function).map(|it| it.name.to_string());
            for Staged { table, key, image, event } in &staged {
                let entry = self.deliveries.len();
                let text: Arc<str> = event.detail().into();
                self.deliveries.push(WorldDelivery {
                    function: name.clone().unwrap_or_default(),
                    name: event.name().to_owned(),
                    event_id: event.event_id().as_str().to_owned(),
                    correlation_id: None,
                    is_duplicate: false,
                    attempts: 0,
                    ending: WorldEnding::Open,
                    struck: 0,
                    was_dead: false,
                    acknowledged_at: None,
                });
                let letter = Letter { entry, text };
                let (table, key, image) = (table.clone(), key.clone(), image.clone());
                stream.records.push_back(Record { letter, table, key, image });
            }
            if !staged.is_empty() && !std::mem::replace(&mut stream.is_busy, true) {
                self.core.after(LAG, Act::Read(index));
            }
        }
    }

    /// Returns the items that have come into the outbox since the last call.
    fn newly_staged(&mut self) -> Vec<Staged> {
        let all = self.memory.outbox();
        let new: Vec<OutboxKey> =
            all.iter().filter(|key| !self.seen_outbox.contains(*key)).cloned().collect();
        self.seen_outbox = all.into_iter().collect();
        // It does not wait.
        let read =
            pin!(self.memory.read_outbox(&new)).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Ok(events)) = read else { return Vec::new() };
        let in_memory = new.iter().zip(events).filter_map(|(key, event)| {
            let event = event?.event().ok()?;
            let text = serde_json::to_string(&event).ok()?;
            let key = json!({ "id": { "S": key.as_str() } });
            let mut image = key.clone();
            image["outbox_event"] = json!({ "S": text });
            Some(Staged { table: None, key: key.to_string(), image: image.to_string(), event })
        });
        #[cfg_attr(not(feature = "dynamodb"), expect(unused_mut, reason = "there is nothing else"))]
        let mut staged: Vec<Staged> = in_memory.collect();
        #[cfg(feature = "dynamodb")]
        staged.extend(self.database.iter_mut().flat_map(super::database::Database::newly_staged));
        staged
    }

    pub(super) fn read(&mut self, index: usize) {
        let Some(stream) = self.streams.get_mut(index) else { return };
        stream.is_busy = false;
        let count = stream.records.len().min(BATCH);
        let Some(function) = self.functions.get(stream.function) else { return };
        if count == 0 {
            return;
        }
        stream.is_busy = true;
        if function.running() >= function.concurrency {
            self.core.after(PAUSE, Act::Read(index));
            return;
        }
        let records = stream.records.iter().take(count);
        let payload = stream_event(records.map(|it| {
            let record = StreamRecord::insert(&it.key, &it.image);
            it.table.iter().fold(record, |record, table| record.of_table(table))
        }));
        let function = stream.function;
        self.start(function, payload.into(), Task::Records(index, count));
    }

    pub(super) fn read_again(&mut self, index: usize) {
        self.failed_at(index, 0);
    }

    /// Goes on behind what is done.
    pub(super) fn advance(&mut self, index: usize, count: usize, answer: &str) {
        if let Some(place) = first_failure(answer) {
            return self.failed_at(index, place.min(count));
        }
        self.done(index, count);
        self.core.after(Duration::ZERO, Act::Read(index));
    }

    /// All records of a stream up to here are done, and this one is not.
    fn failed_at(&mut self, index: usize, place: usize) {
        self.done(index, place);
        let Some(stream) = self.streams.get_mut(index) else { return };
        stream.attempts += 1;
        let pause = (PAUSE * 2_u32.saturating_pow(stream.attempts - 1).min(60)).min(LONGEST_PAUSE);
        if stream.attempts >= MOST_ATTEMPTS
            && let Some(record) = stream.records.pop_front()
        {
            stream.attempts = 0;
            let letter = record.letter.clone();
            stream.dead.push(record);
            self.set_ending(&letter, WorldEnding::Dead);
        }
        self.core.after(pause, Act::Read(index));
    }

    fn done(&mut self, index: usize, count: usize) {
        let Some(stream) = self.streams.get_mut(index) else { return };
        if count > 0 {
            stream.attempts = 0;
        }
        let letters: Vec<Letter> = stream.records.drain(..count).map(|it| it.letter).collect();
        for letter in letters {
            self.acknowledge(&letter);
        }
    }

    /// Puts into the streams again what was given up.
    pub(super) fn redrive_streams(&mut self) -> usize {
        let mut count = 0;
        for index in 0..self.streams.len() {
            let Some(stream) = self.streams.get_mut(index) else { continue };
            let dead = std::mem::take(&mut stream.dead);
            let letters: Vec<Letter> = dead.iter().map(|record| record.letter.clone()).collect();
            stream.records.extend(dead);
            if !letters.is_empty() && !std::mem::replace(&mut stream.is_busy, true) {
                self.core.after(LAG, Act::Read(index));
            }
            count += letters.len();
            for letter in &letters {
                self.set_ending(letter, WorldEnding::Open);
            }
        }
        count
    }
}

/// The place of the first record that has failed. What Lambda cannot read fails all.
fn first_failure(answer: &str) -> Option<usize> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        #[serde(default)]
        batch_item_failures: Vec<Failure>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Failure {
        item_identifier: String,
    }
    if matches!(answer.trim(), "" | "null") {
        return None;
    }
    let Ok(Answer { batch_item_failures }) = serde_json::from_str(answer) else { return Some(0) };
    let place = |failure: &Failure| {
        let number = failure.item_identifier.parse::<u128>().ok();
        let place = number.and_then(|number| number.checked_sub(STREAM_BEGIN));
        place.and_then(|place| usize::try_from(place).ok()).unwrap_or(0)
    };
    batch_item_failures.iter().map(place).min()
}
