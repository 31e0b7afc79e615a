//! The publisher against a bus that does whatever a test wants it to do.

mod bus;
mod cancelling;
mod claim_check;
mod faults;
mod packing;
mod random;
mod unsendable;

use std::time::Duration;

use setpiece_bus::{OutgoingEvent, Publisher};
use setpiece_envelope::{Clock, SequentialIds, Stamp, Timestamp};
use setpiece_policy::{Deadline, Retry, RetryBudget, SeededRandom, TokioSleep};
use tokio::time::Instant;

use self::bus::ScriptedBus;

/// A publisher in a time that passes only while everybody waits.
struct World {
    publisher: Publisher<ScriptedBus>,
    bus: ScriptedBus,
    clock: TokioClock,
    retry: Retry,
}

/// The time of a paused tokio runtime.
#[derive(Clone)]
struct TokioClock {
    start: Instant,
}

impl TokioClock {
    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap().saturating_add(self.elapsed())
    }
}

fn world(bus: ScriptedBus) -> World {
    world_with(bus, |retry| retry)
}

fn world_with(bus: ScriptedBus, change: impl FnOnce(Retry) -> Retry) -> World {
    let clock = TokioClock { start: Instant::now() };
    let retry = Retry::new(clock.clone(), SeededRandom::new(7), TokioSleep);
    let retry = change(retry.with_budget(RetryBudget::new(1_000_000)));
    let stamp = Stamp::new(clock.clone(), SequentialIds::new());
    let publisher = Publisher::new(bus.clone(), retry.clone()).with_stamp(stamp);
    World { publisher, bus, clock, retry }
}

/// Runs a test that cannot be async itself.
fn paused<T>(test: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(test)
}

impl World {
    fn deadline(&self, seconds: u64) -> Deadline {
        Deadline::after(&self.clock, Duration::from_secs(seconds))
    }

    /// A deadline that no test comes near to.
    fn generous(&self) -> Deadline {
        self.deadline(3_600)
    }
}

/// An event with this id whose detail has `bytes`.
fn event(id: &str, bytes: usize) -> OutgoingEvent {
    let head = format!(
        r#"{{"metadata":{{"event_id":"{id}","name":"stored","version":"1"}},"data":{{"text":""#
    );
    let tail = "\"}}";
    let fill = bytes.saturating_sub(head.len() + tail.len());
    OutgoingEvent::from_detail("a.b.c", "stored", format!("{head}{}{tail}", "x".repeat(fill)))
        .unwrap()
}

/// `n` small events with the ids `e-0`, `e-1` and so on.
fn events(n: usize) -> Vec<OutgoingEvent> {
    (0..n).map(|index| event(&format!("e-{index}"), 120)).collect()
}
