//! New code in the middle: an event gets another version while it is on its way.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use setpiece_envelope::{DomainEvent, Upcast, UpcastError};
use setpiece_handler::{Cx, Effects, Handlers, Received, Write};
use setpiece_policy::Fault;
use setpiece_testing::{Outcome, Queue, World, WorldFaults};

use crate::shop::{LOYALTY, MAILING, ProductRegistered, registered};

#[derive(Clone, Debug, Serialize, Deserialize, DomainEvent)]
#[event(service = LOYALTY, name = "points_awarded", version = 1)]
struct PointsV1 {
    customer: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, DomainEvent)]
#[event(service = LOYALTY, name = "points_awarded", version = 2, previous = PointsV1)]
struct PointsV2 {
    customer: String,
    points: i64,
}

impl Upcast<PointsV1> for PointsV2 {
    fn upcast(old: PointsV1) -> Result<Self, UpcastError> {
        Ok(Self { customer: old.customer, points: 100 })
    }
}

async fn award_v1(_: &Cx<()>, event: Received<ProductRegistered>) -> Result<Effects, Fault> {
    Ok(Effects::new().emit(PointsV1 { customer: event.data.customer }))
}

async fn award_v2(_: &Cx<()>, event: Received<ProductRegistered>) -> Result<Effects, Fault> {
    Ok(Effects::new().emit(PointsV2 { customer: event.data.customer, points: 100 }))
}

async fn mail_v1(_: &Cx<()>, event: Received<PointsV1>) -> Result<Effects, Fault> {
    Ok(Effects::new().write(Write::update("mails", ("id", event.data.customer)).add("points", 100)))
}

async fn mail_v2(_: &Cx<()>, event: Received<PointsV2>) -> Result<Effects, Fault> {
    let PointsV2 { customer, points } = event.data;
    Ok(Effects::new().write(Write::update("mails", ("id", customer)).add("points", points)))
}

fn named<H>(add: H) -> impl Fn() -> Handlers<()> + Clone + 'static
where
    H: Fn(Handlers<()>) -> Handlers<()> + Clone + 'static,
{
    move || add(Handlers::new(()))
}

const CUSTOMERS: usize = 10;

/// Ten registrations in ten seconds; producer and consumer get their new code when they say.
fn run(world: &mut World, producer: Option<u64>, consumer: Option<u64>) -> Outcome {
    // The names of the handlers stay, and with them what the guards remember.
    let award_old = named(|it| it.on_named("award", award_v1));
    let award_new = named(|it| it.on_named("award", award_v2));
    let mail_old = named(|it| it.on_named("mail", mail_v1));
    let mail_new = named(|it| it.on_named("mail", mail_v2));
    world
        .function("loyalty", move |it| it.app(LOYALTY, award_old()).build())
        .queue::<ProductRegistered>(Queue::standard());
    world
        .function("mailing", move |it| it.app(MAILING, mail_old()).build())
        .queue::<PointsV1>(Queue::standard());
    if let Some(seconds) = producer {
        let award_new = award_new.clone();
        let when = Duration::from_secs(seconds);
        world.deploy_after(when, "loyalty", move |it| it.app(LOYALTY, award_new()).build());
    }
    if let Some(seconds) = consumer {
        let mail_new = mail_new.clone();
        let when = Duration::from_secs(seconds);
        world.deploy_after(when, "mailing", move |it| it.app(MAILING, mail_new()).build());
    }
    for customer in 0..CUSTOMERS {
        let when = Duration::from_secs(customer.try_into().unwrap());
        world.publish_after(when, registered(&format!("c{customer}")));
    }
    world.run_and_recover()
}

#[test]
fn a_new_consumer_reads_what_an_old_producer_sends() {
    World::check(0..20, |world| {
        world.set_faults(WorldFaults::usual());
        let outcome = run(world, Some(7), Some(3));
        outcome.assert_sound();
        assert_eq!(outcome.sum("mails", "points"), 1000);
        assert!(outcome.quarantined("mailing").is_empty());
    });
}

/// The wrong way round: what the old consumer cannot read yet, it hands back, and the new one reads
/// it.
#[test]
fn an_old_consumer_leaves_to_the_new_one_what_a_new_producer_sends() {
    World::check(0..20, |world| {
        world.set_faults(WorldFaults::usual());
        let outcome = run(world, Some(3), Some(7));
        outcome.assert_sound();
        assert_eq!(outcome.sum("mails", "points"), 1000);
        assert!(outcome.quarantined("mailing").is_empty());
        assert!(outcome.deliveries_to("mailing").any(|it| it.attempts > 1));
    });
}
