//! A process that dies before or after any of its requests, and the redelivery that must follow.

use std::time::Duration;

use setpiece_handler::Applied;

use crate::world::{PAIRS, Place, World, award, fresh, in_both_places, replayed};

/// Delivers until it is done, as a queue does.
async fn until_done<P: Place>(world: &World<P>) -> Applied {
    for _ in 0..5 {
        // The visibility timeout, after which every lease of before is over.
        world.clock.advance(Duration::from_mins(1));
        if let Ok(applied) = world.apply("e-1", award()).await {
            return applied;
        }
    }
    panic!("it is never done");
}

async fn check<P: Place>(world: &World<P>, what: &str) {
    assert_eq!(world.number("points", "balance").await, Some(100), "{what}");
    assert_eq!(world.place.items(PAIRS).await.len(), 1, "{what}");
    assert_eq!(world.place.outbox().await, 0, "{what}");
    let published = world.published();
    assert_eq!(published.keys().collect::<Vec<_>>(), ["points_awarded", "tier_reached"], "{what}");
    for (name, ids) in published {
        assert_eq!(ids.len(), 1, "{what}: `{name}` has one id");
    }
    let (requests, again) = (world.gate.passed(), world.apply("e-1", award()).await.unwrap());
    assert_eq!(again, replayed(0), "{what}");
    assert_eq!(world.gate.passed() - requests, 4, "{what}: a claim, and a look at the outbox");
}

/// How many places there are at which a first delivery can die.
async fn places<P: Place>() -> usize {
    let world = World::<P>::new().await;
    assert_eq!(world.apply("e-1", award()).await.unwrap(), fresh(2, 2));
    world.gate.passed()
}

in_both_places! {
    async fn one_crash_anywhere<P>(world: &World<P>) {
        drop(world.clock.clone());
        // Claim, commit, publish and remove, each before and after.
        assert_eq!(places::<P>().await, 8);
        for place in 0..places::<P>().await {
            let world = World::<P>::new().await;
            world.gate.die_at(place);
            let died = world.gate.life(world.apply("e-1", award())).await;
            assert!(died.is_none(), "nothing died at {place}");
            let applied = until_done(&world).await;
            let what = format!("died at {place}");
            // Up to where the transaction was sent, there was nothing.
            assert_eq!(matches!(applied, Applied::Fresh { .. }), place <= 2, "{what}: {applied:?}");
            check(&world, &what).await;
        }
    }

    async fn a_second_crash_in_the_redelivery<P>(world: &World<P>) {
        drop(world.clock.clone());
        for first in 0..places::<P>().await {
            for second in 0..8 {
                let world = World::<P>::new().await;
                world.gate.die_at(first);
                assert!(world.gate.life(world.apply("e-1", award())).await.is_none());
                world.clock.advance(Duration::from_mins(1));
                world.gate.die_at(second);
                let what = format!("died at {first} and {second}");
                // What is left to do may have fewer places.
                if world.gate.life(world.apply("e-1", award())).await.is_some() {
                    world.gate.die_at(usize::MAX / 2);
                }
                until_done(&world).await;
                check(&world, &what).await;
            }
        }
    }
}
