//! What every effect store does.

use std::{
    collections::HashMap,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::{Context, Poll},
};

use serde_dynamo::{AttributeValue, number_set::NumberSet, string_set::StringSet};
use setpiece_bus::Bus;
use setpiece_handler::{
    Applied, Applier, ApplyError, EffectStore, Effects, InvalidEffects, ItemKey, Write,
};
use setpiece_idempotency::{Guard, Key, Lease, store::ImpossibleReason};
use setpiece_policy::{Disposition, Fault, FaultKind};
use setpiece_testing::assert_caused_by;

use crate::world::{
    Dynamo, PAIRS, PointsAwarded, THINGS, TierReached, World, award, cause, fresh, handled,
    in_both_places, replayed, stale,
};

fn n(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn refusal(result: Result<Applied, ApplyError>) -> (usize, Fault) {
    match result {
        Err(ApplyError::Refused(refused)) => (refused.index, refused.fault),
        other => panic!("{other:?}"),
    }
}

in_both_places! {
    async fn effects_are_applied_once_however_often_they_are_delivered<P>(world: &World<P>) {
        let applied = world.apply("e-1", award()).await.unwrap();
        assert_eq!(applied, fresh(2, 2));
        for _ in 0..3 {
            let again = world.deliver("e-1", async |_| panic!("it was decided")).await.unwrap();
            assert_eq!(again, replayed(0));
        }
        assert_eq!(world.number("points", "balance").await, Some(100));
        assert_eq!(world.place.items(PAIRS).await.len(), 1);
        assert_eq!(world.place.outbox().await, 0);
        let published = world.published();
        assert_eq!(published.len(), 2);
        for ids in published.values() {
            assert_eq!(ids.values().collect::<Vec<_>>(), [&1]);
        }
    }

    async fn another_event_has_effects_of_its_own<P>(world: &World<P>) {
        world.apply("e-1", award()).await.unwrap();
        world.apply("e-2", award()).await.unwrap();
        assert_eq!(world.number("points", "balance").await, Some(200));
        assert_eq!(world.published()["points_awarded"].len(), 2);
    }

    async fn no_effects_are_fine<P>(world: &World<P>) {
        assert_eq!(world.apply("e-1", Effects::none()).await.unwrap(), fresh(0, 0));
        assert_eq!(world.apply("e-1", award()).await.unwrap(), replayed(0));
        assert_eq!(world.bus.events().len(), 0);
    }

    async fn events_stand_in_the_flow_of_what_was_handled<P>(world: &World<P>) {
        world.apply("e-1", award()).await.unwrap();
        let awarded = &world.bus.published::<PointsAwarded>()[0];
        let reached = &world.bus.published::<TierReached>()[0];
        for metadata in [&awarded.metadata, &reached.metadata] {
            assert_caused_by(metadata, &handled("e-1"));
            assert_eq!(metadata.occurred_at, handled("e-1").occurred_at, "the clock stands still");
            assert_eq!(metadata.service.as_deref(), Some("loyalty"));
        }
        assert_eq!(awarded.metadata.subject.as_deref(), Some("cu-1"));
        assert_eq!(awarded.data, PointsAwarded { customer_id: "cu-1".to_owned(), points: 100 });
        assert_ne!(awarded.metadata.event_id, reached.metadata.event_id);
    }

    async fn an_error_of_the_handler_changes_nothing_and_is_decided_anew<P>(world: &World<P>) {
        let error = world.deliver("e-1", async |_| Err(Fault::conflict("not now"))).await;
        let fault = Fault::from(error.unwrap_err());
        assert_eq!((fault.kind(), fault.context()), (FaultKind::Conflict, "not now"));
        assert_eq!(world.apply("e-1", award()).await.unwrap(), fresh(2, 2));
    }

    async fn updates_set_add_remove_and_append<P>(world: &World<P>) {
        let update = || Write::update(THINGS, ("id", "a"));
        world.seed(Effects::new().write(
            update()
                .set("name.with-dot", "first")
                .set("size", 1.5)
                .add("count", 2)
                .add("tags", StringSet(["x", "y"]))
                .append("list", "one")
                .set("gone", true),
        )).await;
        world.seed(Effects::new().write(
            update()
                .set("name.with-dot", "second")
                .set("table", vec![1, 2])
                .add("count", -5)
                .add("tags", StringSet(["y", "z"]))
                .append("list", HashMap::from([("two", 2)]))
                .remove("gone"),
        )).await;
        let mut item = world.thing("a").await.unwrap();
        let Some(AttributeValue::Ss(mut tags)) = item.remove("tags") else { panic!() };
        tags.sort_unstable();
        assert_eq!(tags, ["x", "y", "z"]);
        let two = AttributeValue::M(HashMap::from([("two".to_owned(), n(2))]));
        assert_eq!(item, HashMap::from([
            ("id".to_owned(), s("a")),
            ("name.with-dot".to_owned(), s("second")),
            ("size".to_owned(), AttributeValue::N("1.5".to_owned())),
            ("table".to_owned(), AttributeValue::L(vec![n(1), n(2)])),
            ("count".to_owned(), n(-3)),
            ("list".to_owned(), AttributeValue::L(vec![s("one"), two])),
        ]));
    }

    async fn a_put_replaces_and_a_delete_removes<P>(world: &World<P>) {
        let key = || ItemKey::from(("pk", "p")).and("sk", 1);
        let other = || ItemKey::from(("pk", "p")).and("sk", 2);
        world.seed(Effects::new()
            .write(Write::put(PAIRS, key(), &HashMap::from([("a", 1), ("b", 2)])))
            .write(Write::put(PAIRS, other(), &HashMap::from([("set", NumberSet([3, 1]))])))).await;
        world.seed(Effects::new()
            .write(Write::put(PAIRS, key(), &HashMap::from([("c", 3)])))
            .write(Write::delete(PAIRS, other()))).await;
        let expected: HashMap<_, _> =
            [("pk".to_owned(), s("p")), ("sk".to_owned(), n(1)), ("c".to_owned(), n(3))].into();
        assert_eq!(world.place.items(PAIRS).await, [expected]);
    }

    async fn each_condition_holds_or_refuses_all<P>(world: &World<P>) {
        let a = || Write::update(THINGS, ("id", "a"));
        world.seed(Effects::new().write(a().set("n", 5).set("s", "m").set("touched", 0))).await;
        let touch = |write: Write| write.add("touched", 1);
        let missing = || Write::check(THINGS, ("id", "missing"));
        let here = || Write::check(THINGS, ("id", "a"));
        let cases: Vec<(Write, bool)> = vec![
            (missing().if_absent(), true),
            (here().if_absent(), false),
            (here().if_present(), true),
            (missing().if_present(), false),
            (here().if_equals("n", 5), true),
            (here().if_equals("n", 5.0), true),
            (here().if_equals("n", 6), false),
            (here().if_equals("n", "5"), false),
            (here().if_equals("absent", 5), false),
            (here().if_less_than("n", 6), true),
            (here().if_less_than("n", 10), true),
            (here().if_less_than("n", 5), false),
            (here().if_less_than("n", "6"), false),
            (here().if_less_than("absent", 6), false),
            (here().if_less_than("s", "n"), true),
            (here().if_less_than("s", "a"), false),
            (here().if_present().if_equals("n", 5).if_less_than("s", "n"), true),
            (here().if_present().if_equals("n", 6).if_less_than("s", "n"), false),
        ];
        let mut touched = 0;
        for (index, (check, holds)) in cases.into_iter().enumerate() {
            let what = format!("{index}: {check:?}");
            let effects = Effects::new()
                .write(touch(Write::update(THINGS, ("id", "b"))))
                .write(check)
                .emit(TierReached { tier: "gold".to_owned() });
            let result = world.apply(&format!("e-{index}"), effects).await;
            if holds {
                touched += 1;
                assert_eq!(result.unwrap(), fresh(2, 1), "{what}");
            } else {
                let (refused, fault) = refusal(result);
                assert_eq!((refused, fault.kind()), (1, FaultKind::Conflict), "{what}");
                assert!(!fault.may_have_happened());
            }
            let now = world.number("b", "touched").await.unwrap_or(0);
            assert_eq!(now, touched, "{what}");
            assert_eq!(world.bus.events().len(), usize::try_from(touched).unwrap(), "{what}");
        }
        assert_eq!(world.place.outbox().await, 0);
    }

    async fn a_refused_write_is_what_its_author_says<P>(world: &World<P>) {
        let closed = || Fault::permanent("the account is closed");
        let write = |otherwise: fn(Write) -> Write| {
            let check = Write::check(THINGS, ("id", "account")).if_equals("status", "open");
            Effects::new().write(otherwise(check)).write(Write::delete(THINGS, ("id", "x")))
        };
        let (index, fault) = refusal(world.apply("e-1", write(|write| write)).await);
        assert_eq!((index, fault.disposition()), (0, Disposition::FailItem));

        let author: fn(Write) -> Write =
            |write| write.or_fault(Fault::permanent("the account is closed"));
        let (index, fault) = refusal(world.apply("e-2", write(author)).await);
        assert_eq!((index, fault.context()), (0, closed().context()));
        assert_eq!(fault.disposition(), Disposition::Quarantine);

        let skipped = world.apply("e-3", write(Write::or_skip)).await.unwrap();
        assert_eq!(skipped, stale(0));

        // Nothing was recorded, so each of them is decided anew.
        world.seed(Effects::new().write(Write::update(THINGS, ("id", "account")).set("status", "open")))
            .await;
        for event in ["e-1", "e-2", "e-3"] {
            assert_eq!(world.apply(event, write(author)).await.unwrap(), fresh(2, 0), "{event}");
        }
    }

    async fn an_older_event_does_not_overwrite_a_newer_one<P>(world: &World<P>) {
        let price = |sequence: i64, cents: i64| {
            Effects::new()
                .write(Write::update(THINGS, ("id", "price")).set("cents", cents).if_newer("seq", sequence))
                .emit(TierReached { tier: cents.to_string() })
        };
        assert_eq!(world.apply("e-2", price(2, 200)).await.unwrap(), fresh(1, 1));
        assert_eq!(world.apply("e-10", price(10, 1000)).await.unwrap(), fresh(1, 1));
        // 9 is less than 10, as a number.
        assert_eq!(world.apply("e-9", price(9, 900)).await.unwrap(), stale(0));
        assert_eq!(world.apply("e-10b", price(10, 1001)).await.unwrap(), stale(0));
        assert_eq!(world.number("price", "cents").await, Some(1000));
        assert_eq!(world.bus.events().len(), 2);
        // It stays stale, and a newer one is still applied.
        assert_eq!(world.apply("e-9", price(9, 900)).await.unwrap(), stale(0));
        assert_eq!(world.apply("e-11", price(11, 1100)).await.unwrap(), fresh(1, 1));
        assert_eq!(world.number("price", "seq").await, Some(11));
    }

    async fn the_last_seen_sequence_has_an_item_of_its_own<P>(world: &World<P>) {
        let effects = |sequence: &str, index| {
            Effects::new()
                .write(Write::put(THINGS, ("id", "copy"), &HashMap::from([("is", index)])))
                .write(Write::last_seen(THINGS, ("id", "seen#cu-1"), sequence))
        };
        assert_eq!(world.apply("e-1", effects("01B", 1)).await.unwrap(), fresh(2, 0));
        assert_eq!(world.apply("e-0", effects("01A", 0)).await.unwrap(), stale(1));
        assert_eq!(world.apply("e-2", effects("01C", 2)).await.unwrap(), fresh(2, 0));
        assert_eq!(world.number("copy", "is").await, Some(2));
        let seen = world.thing("seen#cu-1").await.unwrap();
        assert_eq!(seen.get(Write::LAST_SEEN), Some(&s("01C")));
    }

    async fn a_put_may_be_the_newest_too<P>(world: &World<P>) {
        let put = |sequence: u64| {
            let item = HashMap::from([("payload", sequence)]);
            Effects::new().write(Write::put(THINGS, ("id", "doc"), &item).if_newer("version", sequence))
        };
        assert_eq!(world.apply("e-1", put(5)).await.unwrap(), fresh(1, 0));
        assert_eq!(world.apply("e-2", put(4)).await.unwrap(), stale(0));
        assert_eq!(world.number("doc", "version").await, Some(5));
        assert_eq!(world.number("doc", "payload").await, Some(5));
    }

    async fn a_write_that_can_never_be_made_is_named_and_put_aside<P>(world: &World<P>) {
        let a = || Write::update(THINGS, ("id", "a"));
        let large = "x".repeat(300_000);
        world.seed(Effects::new().write(a().set("text", "abc").append("log", large.as_str()))).await;
        for (write, reason) in [
            (a().add("text", 1), ImpossibleReason::WrongType),
            (a().append("text", 1), ImpossibleReason::WrongType),
            (a().append("log", large.as_str()), ImpossibleReason::ItemTooLarge),
        ] {
            let effects =
                Effects::new().write(Write::update(THINGS, ("id", "b")).add("n", 1)).write(write);
            let error = world.apply("e-1", effects).await.unwrap_err();
            let ApplyError::Invalid(InvalidEffects::WriteImpossible { index, reason: said }) = &error
            else {
                panic!("{error:?}")
            };
            assert_eq!((*index, *said), (Some(1), reason));
            let fault = Fault::from(error);
            assert_eq!(fault.disposition(), Disposition::Quarantine, "{fault:?}");
            assert!(!fault.may_have_happened(), "{fault:?}");
        }
        assert_eq!(world.thing("a").await.unwrap()["text"], s("abc"));
        assert_eq!(world.number("b", "n").await, None);
        // The key is free: what is corrected is applied.
        assert_eq!(world.apply("e-1", award()).await.unwrap(), fresh(2, 2));
    }

    async fn a_refused_condition_goes_before_an_impossible_write<P>(world: &World<P>) {
        let a = || Write::update(THINGS, ("id", "a"));
        world.seed(Effects::new().write(a().set("text", "abc"))).await;
        let effects = Effects::new()
            .write(a().add("text", 1))
            .write(Write::check(THINGS, ("id", "b")).if_present().or_skip());
        assert_eq!(world.apply("e-1", effects).await.unwrap(), stale(1));
    }

    async fn a_panic_of_the_handler_gives_the_key_back<P>(world: &World<P>) {
        let mut panics = pin!(world.deliver("e-1", async |_| panic!("as the test wants it")));
        let mut polled = |cx: &mut Context<'_>| panics.as_mut().poll(cx);
        let panicked = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| polled(cx))) {
            Ok(poll) => poll.map(|_| false),
            Err(_) => Poll::Ready(true),
        });
        assert!(panicked.await);
        assert_eq!(world.apply("e-1", award()).await.unwrap(), fresh(2, 2));
    }

    async fn what_is_in_progress_elsewhere_is_not_done<P>(world: &World<P>) {
        let (inner, outer) = (award(), award());
        let applied = world.deliver("e-1", async |_| {
            let error = world.apply("e-1", inner).await.unwrap_err();
            assert_eq!(error.name(), "InProgress");
            Ok(outer)
        }).await;
        assert_eq!(applied.unwrap(), fresh(2, 2));
    }
}

/// What is run on several threads has to be `Send`, whatever the store and the bus are.
#[tokio::test]
async fn applying_can_move_to_another_thread() {
    fn check<X: EffectStore, B: Bus>(
        applier: &Applier<X, B>,
        guard: &Guard<X::Records>,
        lease: Lease,
    ) {
        fn is_send<T: Send>(_: T) {}
        let (key, cause) = (Key::of("e-1").unwrap(), cause("e-1"));
        let work = async |_| Ok(award());
        is_send(applier.apply(guard, &key, lease, &cause, lease.deadline(), work));
        is_send(applier.relay(&[], lease.deadline()));
    }
    let world = World::<Dynamo>::new().await;
    check(&world.applier, &world.guard, Lease::until(world.deadline()));
}
