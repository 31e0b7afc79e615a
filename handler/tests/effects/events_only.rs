//! Without a transaction: events are published, then the record is completed.

use std::{sync::Arc, time::Duration};

use setpiece_bus::Publisher;
use setpiece_envelope::FixedClock;
use setpiece_handler::{
    Applied, Applier, ApplyError, Effects, EventsOnly, InvalidEffects, InvalidWrite, Write,
};
use setpiece_idempotency::{Guard, Key, Lease, MemoryStore};
use setpiece_policy::{Deadline, Disposition, Fault, Retry, SeededRandom};
use setpiece_testing::{CallFault, EntryFault, FakeBus};

use crate::{
    gate::{Gate, Gated, GatedEffects},
    patience::Patience,
    wire::Wire,
    world::{PointsAwarded, TierReached, cause, fresh, replayed},
};

type Records = Gated<Arc<MemoryStore>>;

struct Small {
    clock: FixedClock,
    gate: Gate,
    bus: FakeBus,
    applier: Applier<GatedEffects<EventsOnly<MemoryStore>>, Gated<FakeBus>>,
    guard: Guard<Records>,
}

impl Small {
    fn new() -> Self {
        Self::with_chance(7)
    }

    /// With a guard that draws its salts from this seed.
    fn with_chance(seed: u64) -> Self {
        let (clock, gate) = (FixedClock::default(), Gate::default());
        let wire = Wire::new(aws_smithy_http_client::Builder::new().build_http(), clock.clone());
        let sleep = Patience::new(clock.clone(), wire);
        let retry = Retry::new(clock.clone(), SeededRandom::new(7), sleep.clone());
        let records = EventsOnly::new(Arc::new(MemoryStore::new(clock.clone())));
        let store = Arc::new(GatedEffects::new(records, gate.clone()));
        let bus = FakeBus::new().with_clock(clock.clone());
        let publisher = Publisher::new(Gated::new(bus.clone(), gate.clone()), retry.clone());
        let records = Arc::clone(setpiece_handler::EffectStore::records(&*store));
        let random = SeededRandom::new(seed);
        let guard = Guard::builder(records, "loyalty", "award", clock.clone(), random, sleep);
        let applier = Applier::new("loyalty", store, publisher, retry);
        Self { guard: guard.build().unwrap(), clock, gate, bus, applier }
    }

    async fn apply(&self, effects: Effects) -> Result<Applied, ApplyError> {
        let deadline = Deadline::after(&self.clock, Duration::from_secs(30));
        let (key, lease, cause) = (Key::of("e-1").unwrap(), Lease::until(deadline), cause("e-1"));
        let work = async |_| Ok(effects);
        Box::pin(self.applier.apply(&self.guard, &key, lease, &cause, deadline, work)).await
    }

    /// How often each id was published.
    fn ids(&self) -> Vec<String> {
        let events = self.bus.events();
        events.iter().map(|event| event.metadata().unwrap().event_id.to_string()).collect()
    }
}

fn events() -> Effects {
    Effects::new()
        .emit(PointsAwarded { customer_id: "cu-1".to_owned(), points: 100 })
        .emit(TierReached { tier: "gold".to_owned() })
}

#[tokio::test]
async fn events_are_published_once_when_nothing_fails() {
    let small = Small::new();
    assert_eq!(small.apply(events()).await.unwrap(), fresh(0, 2));
    assert_eq!(small.apply(events()).await.unwrap(), replayed(0));
    assert_eq!(small.ids().len(), 2);
    // Claim, publish and complete, and the claim of the redelivery.
    assert_eq!(small.gate.passed(), 8);
}

#[tokio::test]
async fn a_crash_anywhere_publishes_at_least_once_with_the_same_ids() {
    for place in 0..6 {
        let small = Small::new();
        small.gate.die_at(place);
        assert!(small.gate.life(small.apply(events())).await.is_none());
        small.clock.advance(Duration::from_mins(1));
        small.apply(events()).await.unwrap();
        let mut ids = small.ids();
        assert!(matches!(ids.len(), 2 | 4), "{place}: {ids:?}");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 2, "died at {place}");
    }
}

#[tokio::test]
async fn writes_are_refused_before_anything_is_published() {
    let small = Small::new();
    let effects = events().write(Write::update("things", ("id", "a")).set("a", 1));
    let error = small.apply(effects).await.unwrap_err();
    let invalid = matches!(
        error,
        ApplyError::Invalid(InvalidEffects::Write {
            index: 0,
            problem: InvalidWrite::Unsupported,
            ..
        })
    );
    assert!(invalid, "{error:?}");
    assert_eq!(Fault::from(error).disposition(), Disposition::Quarantine);
    assert!(small.ids().is_empty());
}

#[tokio::test]
async fn what_was_not_published_is_not_completed() {
    let small = Small::new();
    small.bus.fail_entries(EntryFault::code("InvalidArgument").nth(1));
    let error = small.apply(events()).await.unwrap_err();
    let ApplyError::Publish(error) = error else { panic!("{error:?}") };
    assert_eq!(error.unaccepted().len(), 1);
    assert_eq!(small.apply(events()).await.unwrap(), fresh(0, 2));
    let mut ids = small.ids();
    assert_eq!(ids.len(), 3);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 2);

    let small = Small::new();
    small.bus.fail_calls(CallFault::unreachable().always());
    let error = small.apply(events()).await.unwrap_err();
    assert_eq!(Fault::from(error).disposition(), Disposition::FailItem);
}

#[tokio::test]
async fn ids_follow_from_a_salt_the_cause_and_the_place() {
    let (one, other) = (Small::new(), Small::with_chance(8));
    one.apply(events()).await.unwrap();
    other.apply(events()).await.unwrap();
    let is_known = |id: &String| one.ids().contains(id);
    assert!(!other.ids().iter().any(is_known), "who knows the cause cannot compute the ids");
    let swapped = Small::new();
    let effects = Effects::new()
        .emit(TierReached { tier: "gold".to_owned() })
        .emit(PointsAwarded { customer_id: "cu-1".to_owned(), points: 100 });
    swapped.apply(effects).await.unwrap();
    assert!(swapped.ids().iter().all(|id| !one.ids().contains(id)), "another kind, another id");
    // The time is that of the event that was handled, so ids still sort by time.
    let ulid = ulid::Ulid::from_string(&one.ids()[0]).unwrap();
    assert_eq!(ulid.timestamp_ms(), 1_767_225_600_000);
}

#[tokio::test]
async fn ids_stay_the_same_over_a_release_and_a_takeover() {
    let small = Small::new();
    // Published and not completed, given back, and done in the end: three runs.
    small.gate.die_at(4);
    assert!(small.gate.life(small.apply(events())).await.is_none());
    small.clock.advance(Duration::from_mins(1));
    small.bus.fail_entries(EntryFault::code("InvalidArgument").nth(1));
    small.apply(events()).await.unwrap_err();
    small.apply(events()).await.unwrap();
    let mut ids = small.ids();
    assert_eq!(ids.len(), 5);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 2);
}
