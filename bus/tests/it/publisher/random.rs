use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};
use setpiece_policy::{Fault, Random as _, SeededRandom};

use super::{
    bus::{Answer, ScriptedBus},
    event, paused, world,
};

/// A bus with any trouble, by a seed, that throttles, loses and refuses so many of a hundred.
fn troubled(seed: u64, throttled: u64, lost: u64, refused: u64) -> ScriptedBus {
    let random = SeededRandom::new(seed);
    ScriptedBus::new(move |call| {
        let percent = || random.next_u64() % 100;
        if percent() < lost {
            return Answer::Fault(Fault::transient("the answer was lost"), percent() < 50);
        }
        let verdicts = call.ids.iter().map(|id| {
            // Whether an event is refused for ever is up to the event.
            let draw = id.bytes().fold(seed, |sum, byte| sum.wrapping_mul(31) + u64::from(byte));
            if draw % 100 < refused {
                Some(Fault::from_put_events_code("MalformedDetail"))
            } else {
                let is_throttled = percent() < throttled;
                is_throttled.then(|| Fault::from_put_events_code("ThrottlingException"))
            }
        });
        Answer::Entries(verdicts.collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_event_is_accounted_for(
        seed in any::<u64>(),
        sizes in vec(150_usize..3_000, 1..80),
        trouble in (0_u64..60, 0_u64..30, 0_u64..20),
        seconds in 0_u64..50,
        in_flight in 1_usize..5,
    ) {
        let (throttled, lost, refused) = trouble;
        let given: Vec<_> =
            sizes.iter().enumerate().map(|(i, size)| event(&format!("e-{i}"), *size)).collect();
        let (result, taken) = paused(async {
            let bus = troubled(seed, throttled, lost, refused).with_limits(7, 6_000);
            let mut world = world(bus);
            world.publisher = world.publisher.with_max_in_flight(in_flight);
            let deadline = world.deadline(seconds);
            let result = world.publisher.send_all(given.clone(), deadline).await;
            (result, world.bus.taken())
        });

        let mut accepted = BTreeMap::new();
        let mut held = BTreeMap::new();
        match result {
            Ok(published) => {
                for (index, published) in published.into_iter().enumerate() {
                    accepted.insert(index, published);
                }
            }
            Err(error) => {
                accepted.extend(error.accepted().iter().cloned());
                for unaccepted in error.into_unaccepted() {
                    held.insert(unaccepted.index(), unaccepted);
                }
                prop_assert!(!held.is_empty());
            }
        }
        prop_assert_eq!(accepted.len() + held.len(), given.len());
        for (index, event) in given.iter().enumerate() {
            let id = event.event_id();
            let is_taken = taken.contains_key(id.as_str());
            match (accepted.remove(&index), held.remove(&index)) {
                // What is reported as accepted is on the bus.
                (Some(published), None) => prop_assert!(is_taken && published.event_id == *id),
                // What is not is in the error, as it was; and what is on the bus all the same may
                // have happened.
                (None, Some(unaccepted)) => {
                    prop_assert!(!is_taken || unaccepted.fault().may_have_happened());
                    prop_assert_eq!(&unaccepted.into_outgoing().unwrap(), event);
                }
                _ => prop_assert!(false, "event {} is told about once", index),
            }
        }
        // What was refused is not sent again, unless nobody knows what became of it.
        if lost == 0 {
            for (id, times) in &taken {
                prop_assert!(*times == 1, "{} was taken {} times", id, times);
            }
        }
    }
}
