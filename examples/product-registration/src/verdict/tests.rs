//! A verdict finds out what somebody has spoilt.

use setpiece_envelope::{ServiceId, from_json};
use setpiece_handler::{Cx, Effects, Handlers, ItemKey, Received, Write};
use setpiece_policy::Fault;
use setpiece_testing::World;

use super::Verdict;
use crate::{
    SAMPLE, Store,
    day::Day,
    services::products::{ProductRegistered, register, registration::Registration},
};

const VANDAL: ServiceId = ServiceId::new("retail", "street", "vandal");

fn registrations() -> Vec<(u64, Registration)> {
    (1..).zip(SAMPLE.lines().take(3).map(|line| from_json(line.as_bytes()).unwrap())).collect()
}

type Act = fn(&Received<ProductRegistered>) -> Result<Effects, Fault>;

async fn vandalise(cx: &Cx<Act>, event: Received<ProductRegistered>) -> Result<Effects, Fault> {
    (cx.state)(&event)
}

/// What a verdict says when a seventh function does something about each registration.
fn spoilt(act: Act) -> Verdict {
    let mut world = World::new(1);
    world
        .function("vandal", move |it| it.app(VANDAL, Handlers::new(act).on(vandalise)).build())
        .on::<ProductRegistered>();
    Day::pass(&mut world, Store::Memory, registrations()).verdict
}

/// Changes the balance of the customer.
#[expect(clippy::unnecessary_wraps, reason = "it is what an act returns")]
fn points(event: &Received<ProductRegistered>, change: i32) -> Result<Effects, Fault> {
    let registered = serde_json::to_value(&event.data).unwrap();
    let customer = registered["customer_id"].as_str().unwrap().to_owned();
    let balance = ItemKey::from(("customer_id", customer)).and("entry", "balance");
    Ok(Effects::new().write(Write::update("loyalty", balance).add("points", change)))
}

#[test]
fn who_spoils_nothing_breaks_nothing() {
    let verdict = spoilt(|_| Ok(Effects::none()));
    assert!(verdict.is_kept(), "{verdict}");
}

#[test]
fn points_that_nobody_awarded_were_applied_twice() {
    let verdict = spoilt(|event| points(event, 7));
    assert_eq!((verdict.effects_applied_twice, verdict.events_lost), (21, 0), "{verdict}");
    assert!(!verdict.is_kept());
}

#[test]
fn points_that_somebody_took_are_lost() {
    let verdict = spoilt(|event| points(event, -5));
    assert_eq!((verdict.effects_applied_twice, verdict.events_lost), (0, 15), "{verdict}");
}

#[test]
fn an_effect_that_no_event_has_is_one_too_many() {
    let verdict = spoilt(|event| {
        let key = ("record", event.metadata.event_id.as_str());
        Ok(Effects::new()
            .write(Write::update("customer", key).set("caused_by", "nobody").add("times", 1)))
    });
    assert_eq!((verdict.effects_applied_twice, verdict.events_lost), (3, 0), "{verdict}");
}

#[test]
fn what_is_never_acknowledged_is_unfinished() {
    let verdict = spoilt(|_| Err(Fault::transient("not today")));
    assert_eq!(verdict.unfinished, 3, "{verdict}");
    assert_eq!((verdict.effects_applied_twice, verdict.events_lost), (0, 0), "{verdict}");
}

/// Without any service, five effects and a discount are owed, and so are the points.
#[test]
fn what_nobody_reacts_to_is_lost() {
    let mut world = World::new(1);
    let (_, registration) = registrations().remove(0);
    let sent = super::Sent {
        line: 1,
        customer_id: registration.customer_id.clone(),
        price_cents: registration.price_cents,
        event_id: world.publish(register(registration)),
    };
    let outcome = world.run();
    let record = crate::record::Record::of(&outcome);
    let verdict = Verdict::of(&[sent], &record, &outcome);
    let points = 59;
    assert_eq!(verdict.events_lost, 5 + 1 + points, "{verdict}");
    assert_eq!(verdict.effects_applied_twice, 0, "{verdict}");
}
