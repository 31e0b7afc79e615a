//! A process that dies at any point, and the delivery that follows.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use setpiece_bus::Publisher;
use setpiece_envelope::FixedClock;
use setpiece_handler::{App, Cx, DynamoDbEffects, Effects, Handlers, Received, Write};
use setpiece_idempotency::dynamodb::Table;
use setpiece_policy::{Deadline, Fault, Retry, SeededRandom};
use setpiece_testing::{FakeBus, Gate, LocalDynamoDb};

use crate::shop::{LOYALTY, PointsAwarded, ProductRegistered, failures, queue, registered};

/// Two writes and two events.
async fn award(cx: &Cx<Gate>, event: Received<ProductRegistered>) -> Result<Effects, Fault> {
    let customer = event.data.customer;
    cx.state.pass().await;
    Ok(Effects::new()
        .write(Write::update("points", ("customer", &customer)).add("points", 100))
        .write(Write::update("points", ("customer", "all")).add("points", 100))
        .emit(PointsAwarded { customer: customer.clone(), points: 100 })
        .emit(PointsAwarded { customer, points: 0 }))
}

struct Region {
    clock: FixedClock,
    database: LocalDynamoDb,
    bus: FakeBus,
    optimistic: bool,
}

type RegionApp = App<Gate, DynamoDbEffects, FakeBus>;

impl Region {
    fn new(optimistic: bool) -> Self {
        let clock = FixedClock::default();
        let database = LocalDynamoDb::new(clock.clone());
        database.create_table("records", "id");
        database.create_table("points", "customer");
        let bus = FakeBus::new().with_clock(clock.clone());
        Self { clock, database, bus, optimistic }
    }

    /// A process that has just begun, and in which everything goes through this gate.
    fn app(&self, gate: &Gate) -> RegionApp {
        let database = self.database.with_gate(gate);
        let bus = self.bus.with_gate(gate);
        let retry = Retry::new(self.clock.clone(), SeededRandom::new(1), NeverSleep);
        let app = App::builder(
            LOYALTY,
            Handlers::new(gate.clone()).on(award),
            DynamoDbEffects::new(database.client(), Table::new("records")),
            Publisher::new(bus, retry),
            self.clock.clone(),
            SeededRandom::new(2),
            NeverSleep,
        );
        if self.optimistic { app.optimistic() } else { app }.build().unwrap()
    }

    /// Delivers once to a process that dies after so many points, if it has not answered by then.
    fn deliver(&self, invocation: &[u8], points: usize) -> Option<String> {
        let gate = Gate::new();
        gate.shut_after(points);
        let app = self.app(&gate);
        let mut invoked = pin!(app.invoke(invocation, self.deadline()));
        let mut cx = Context::from_waker(Waker::noop());
        // What runs many things at once comes back every now and then.
        for _ in 0..1000 {
            if let Poll::Ready(answer) = invoked.as_mut().poll(&mut cx) {
                return Some(answer.unwrap());
            }
            if gate.is_stuck() {
                return None;
            }
        }
        panic!("it waits for something else");
    }

    fn deadline(&self) -> Deadline {
        Deadline::after(&self.clock, Duration::from_secs(10))
    }

    fn points(&self, of: &str) -> Option<u64> {
        let items = self.database.items("points").into_iter();
        let mut items = items.map(|item| {
            let customer: String = value(&item, "customer");
            (customer, value::<u64>(&item, "points"))
        });
        items.find(|(customer, _)| customer == of).map(|(_, points)| points)
    }

    fn outbox(&self) -> usize {
        let items = self.database.items("records").into_iter();
        items.filter(|item| item.get(DynamoDbEffects::EVENT).is_some()).count()
    }

    /// The messages are delivered until they are acknowledged; then everything is as it should be.
    fn ends_well(&self, invocation: &[u8], customers: &[&str], what: &str) {
        // The process that died holds its claim until a second after its deadline, and clocks may
        // differ by another one.
        self.clock.advance(Duration::from_secs(13));
        let acknowledged = (0..3).any(|_| {
            let answer = self.deliver(invocation, usize::MAX).expect("an answer");
            self.clock.advance(Duration::from_secs(13));
            answer == "null" || failures(&answer).is_empty()
        });
        assert!(acknowledged, "{what}: never acknowledged");
        for customer in customers {
            assert_eq!(self.points(customer), Some(100), "{what}: writes of {customer}");
        }
        let all = u64::try_from(customers.len()).unwrap() * 100;
        assert_eq!(self.points("all"), Some(all), "{what}");
        assert_eq!(self.outbox(), 0, "{what}: left in the outbox");
        let mut published: Vec<_> = self
            .bus
            .published::<PointsAwarded>()
            .into_iter()
            .map(|it| (it.metadata.event_id, it.data.customer, it.data.points))
            .collect();
        published.sort();
        // However often each was published, it is one event to those who hear of it.
        published.dedup();
        let mut expected: Vec<_> = customers
            .iter()
            .flat_map(|it| [((*it).to_owned(), 0), ((*it).to_owned(), 100)])
            .collect();
        expected.sort();
        let mut events: Vec<_> =
            published.into_iter().map(|(_, customer, points)| (customer, points)).collect();
        events.sort();
        assert_eq!(events, expected, "{what}: events");
    }
}

/// Sleeps for ever: nothing in here takes time.
#[derive(Clone, Copy, Debug)]
struct NeverSleep;

impl setpiece_policy::Sleep for NeverSleep {
    fn sleep(&self, _: Duration) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

fn value<T: serde::de::DeserializeOwned>(item: &serde_dynamo::Item, name: &str) -> T {
    serde_dynamo::from_attribute_value(item.get(name).unwrap().clone()).unwrap()
}

/// Dies after each number of points there is, which nobody has counted.
fn crash_everywhere(optimistic: bool, invocation: &[u8], customers: &[&str]) -> usize {
    for points in 0.. {
        let region = Region::new(optimistic);
        let answered = region.deliver(invocation, points).is_some();
        region.ends_well(invocation, customers, &format!("dead after {points} points"));
        if answered {
            return points;
        }
    }
    unreachable!()
}

#[test]
fn a_crash_at_any_point_loses_nothing_and_does_nothing_twice() {
    let body = registered("c1").detail();
    let invocation = queue(false, &[("m1", None, &body)]);
    // Claiming, deciding, committing, publishing and removing.
    assert_eq!(crash_everywhere(false, &invocation, &["c1"]), 2 + 1 + 2 + 2 + 2);
    assert_eq!(crash_everywhere(true, &invocation, &["c1"]), 1 + 2 + 2 + 2);
}

#[test]
fn a_crash_at_any_point_of_a_batch_does_not_either() {
    let bodies = ["c1", "c2", "c3"].map(|customer| registered(customer).event_bridge());
    let messages = [("m1", &bodies[0]), ("m2", &bodies[1]), ("m3", &bodies[2])]
        .map(|(id, body)| (id, Some("group"), &body[..]));
    crash_everywhere(false, &queue(false, &messages), &["c1", "c2", "c3"]);
    crash_everywhere(true, &queue(true, &messages), &["c1", "c2", "c3"]);
}

/// From wherever the event comes.
#[test]
fn a_crash_at_any_point_does_not_either_whatever_the_source_is() {
    let sample = registered("c1");
    for invocation in [
        sample.event_bridge(),
        sample.sns(),
        sample.sns_in_sqs(),
        sample.detail(),
        crate::shop::kinesis(&[("1", "shardId-000000000000", &sample.detail())]),
    ] {
        assert_eq!(crash_everywhere(false, &invocation, &["c1"]), 9);
    }
}

/// Two crashes, one after the other, at any two points.
#[test]
fn two_crashes_do_not_either() {
    let optimistic = false;
    let body = registered("c1").detail();
    let invocation = queue(false, &[("m1", None, &body)]);
    let points = crash_everywhere(optimistic, &invocation, &["c1"]);
    for first in 0..points {
        for second in 0..points {
            let region = Region::new(optimistic);
            region.deliver(&invocation, first);
            region.clock.advance(Duration::from_secs(13));
            region.deliver(&invocation, second);
            region.ends_well(&invocation, &["c1"], &format!("dead after {first} and {second}"));
        }
    }
}

/// Lambda may end a function a little after its deadline, so nobody else may begin before.
#[test]
fn a_claim_lasts_until_a_second_after_the_deadline() {
    let invocation = queue(false, &[("m1", None, &registered("c1").detail())]);
    // Clocks may differ by another second.
    for (after, failed) in [(11_000, 1), (12_000, 1), (13_000, 0)] {
        let region = Region::new(false);
        // In the handler.
        assert_eq!(region.deliver(&invocation, 2), None);
        region.clock.advance(Duration::from_millis(after));
        let answer = region.deliver(&invocation, usize::MAX).expect("an answer");
        assert_eq!(failures(&answer).len(), failed, "{after}");
    }
}

/// A process freezes at any point; another one gets the message, at once or when the claim has
/// lapsed; then the first one goes on.
#[test]
fn a_process_that_wakes_up_again_does_not_either() {
    let body = registered("c1").detail();
    let invocation = queue(false, &[("m1", None, &body)]);
    for (optimistic, pause) in [(false, 0), (false, 13), (true, 0), (true, 13)] {
        for frozen_at in 0..crash_everywhere(optimistic, &invocation, &["c1"]) {
            let region = Region::new(optimistic);
            let gate = Gate::new();
            gate.shut_after(frozen_at);
            let app = region.app(&gate);
            let mut frozen = pin!(app.invoke(&invocation, region.deadline()));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(frozen.as_mut().poll(&mut cx).is_pending());

            region.clock.advance(Duration::from_secs(pause));
            region.deliver(&invocation, usize::MAX);
            gate.open();
            assert!(frozen.as_mut().poll(&mut cx).is_ready(), "it waits for something else");
            let what = format!("frozen after {frozen_at} points for {pause} seconds");
            region.ends_well(&invocation, &["c1"], &what);
        }
    }
}
