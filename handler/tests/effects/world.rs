//! A service with its store, its bus and its clock.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType},
};
use serde::{Deserialize, Serialize};
use serde_dynamo::AttributeValue;
use setpiece_bus::Publisher;
use setpiece_envelope::{
    Clock, DomainEvent, EventId, EventVersion, FixedClock, Metadata, ServiceId,
};
use setpiece_handler::{
    Applied, Applier, ApplyError, Cause, DynamoDbEffects, EffectStore, Effects, ItemKey,
    MemoryEffects, Write,
};
use setpiece_idempotency::{Guard, Held, Key, Lease, dynamodb::Table};
use setpiece_policy::{Deadline, Fault, Retry, SeededRandom};
use setpiece_testing::FakeBus;

use crate::{
    engine,
    gate::{Gate, Gated, GatedEffects},
    patience::Patience,
    wire::Wire,
};

pub(crate) const LOYALTY: ServiceId = ServiceId::new("retail", "marketing", "loyalty");

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(service = LOYALTY, name = "points_awarded", version = 1)]
pub(crate) struct PointsAwarded {
    #[event(subject)]
    pub(crate) customer_id: String,
    pub(crate) points: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(service = LOYALTY, name = "tier_reached", version = 2, first = true)]
pub(crate) struct TierReached {
    pub(crate) tier: String,
}

/// The table of the records.
pub(crate) const RECORDS: &str = "records";
/// A table with the partition key `id`, a text.
pub(crate) const THINGS: &str = "things";
/// A table with the partition key `pk`, a text, and the sort key `sk`, a number.
pub(crate) const PAIRS: &str = "pairs";

/// A table with the partition key `pk` and the sort key `sk`, both texts.
pub(crate) const LINES: &str = "lines";

pub(crate) type Item = HashMap<String, AttributeValue>;

/// Where effects are applied.
pub(crate) trait Place: Sized {
    type Effects: EffectStore + Clone;

    async fn open(clock: &FixedClock, wire: &Wire) -> Self;

    fn effects(&self) -> Self::Effects;

    async fn items(&self, table: &str) -> Vec<Item>;

    /// How many events are in the outbox.
    async fn outbox(&self) -> usize;
}

pub(crate) struct Memory(MemoryEffects);

impl Place for Memory {
    type Effects = MemoryEffects;

    async fn open(clock: &FixedClock, _: &Wire) -> Self {
        Self(MemoryEffects::new(clock.clone()).with_table(RECORDS))
    }

    fn effects(&self) -> MemoryEffects {
        self.0.clone()
    }

    async fn items(&self, table: &str) -> Vec<Item> {
        self.0.items(table)
    }

    async fn outbox(&self) -> usize {
        self.0.outbox().len()
    }
}

pub(crate) struct Dynamo {
    pub(crate) client: Client,
    effects: DynamoDbEffects,
}

impl Place for Dynamo {
    type Effects = DynamoDbEffects;

    async fn open(clock: &FixedClock, wire: &Wire) -> Self {
        let (_, config) = engine::start(clock).await;
        let client = Client::from_conf(config.http_client(wire.clone()).build());
        let table = Table::new(RECORDS);
        let sleep = Patience::new(clock.clone(), wire.clone());
        let retry = Retry::new(clock.clone(), SeededRandom::new(7), sleep);
        let deadline = Deadline::after(clock, Duration::from_secs(30));
        table.create(&client, &retry, deadline).await.unwrap();
        create(&client, THINGS, &[("id", ScalarAttributeType::S)]).await;
        create(&client, PAIRS, &[("pk", ScalarAttributeType::S), ("sk", ScalarAttributeType::N)])
            .await;
        create(&client, LINES, &[("pk", ScalarAttributeType::S), ("sk", ScalarAttributeType::S)])
            .await;
        wire.take();
        Self { effects: DynamoDbEffects::new(client.clone(), table), client }
    }

    fn effects(&self) -> DynamoDbEffects {
        self.effects.clone()
    }

    async fn items(&self, table: &str) -> Vec<Item> {
        let mut items = Vec::new();
        let mut start = None;
        loop {
            let scan = self.client.scan().table_name(table).consistent_read(true);
            let page = scan.set_exclusive_start_key(start).send().await.unwrap();
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        items
            .into_iter()
            .map(|item| item.into_iter().map(|(name, value)| (name, value.into())).collect())
            .collect()
    }

    async fn outbox(&self) -> usize {
        let items = self.items(RECORDS).await;
        items.iter().filter(|item| item.contains_key(DynamoDbEffects::EVENT)).count()
    }
}

async fn create(client: &Client, table: &str, key: &[(&str, ScalarAttributeType)]) {
    let mut request =
        client.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
    for ((name, kind), role) in key.iter().zip([KeyType::Hash, KeyType::Range]) {
        let attribute = AttributeDefinition::builder().attribute_name(*name);
        let element = KeySchemaElement::builder().attribute_name(*name).key_type(role);
        request = request
            .attribute_definitions(attribute.attribute_type(kind.clone()).build().unwrap())
            .key_schema(element.build().unwrap());
    }
    request.send().await.unwrap();
}

pub(crate) struct World<P: Place> {
    pub(crate) clock: FixedClock,
    pub(crate) wire: Wire,
    pub(crate) gate: Gate,
    pub(crate) bus: FakeBus,
    pub(crate) place: P,
    pub(crate) sleep: Patience,
    pub(crate) applier: Applier<GatedEffects<P::Effects>, Gated<FakeBus>>,
    pub(crate) guard: Guard<Gated<Arc<<P::Effects as EffectStore>::Records>>>,
}

impl<P: Place> World<P> {
    pub(crate) async fn new() -> Self {
        let clock = FixedClock::default();
        let wire = Wire::new(aws_smithy_http_client::Builder::new().build_http(), clock.clone());
        let place = P::open(&clock, &wire).await;
        let gate = Gate::default();
        let bus = FakeBus::new().with_clock(clock.clone());
        let sleep = Patience::new(clock.clone(), wire.clone());
        let retry = Retry::new(clock.clone(), SeededRandom::new(7), sleep.clone());
        let store = Arc::new(GatedEffects::new(place.effects(), gate.clone()));
        let records = Arc::clone(store.records());
        let publisher = Publisher::new(Gated::new(bus.clone(), gate.clone()), retry.clone());
        let random = SeededRandom::new(7);
        let guard =
            Guard::builder(records, "loyalty", "award", clock.clone(), random, sleep.clone());
        Self {
            applier: Applier::new("loyalty", store, publisher, retry),
            guard: guard.build().unwrap(),
            clock,
            wire,
            gate,
            bus,
            place,
            sleep,
        }
    }

    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::after(&self.clock, Duration::from_secs(30))
    }

    /// One delivery of one event.
    pub(crate) async fn deliver<F: Future<Output = Result<Effects, Fault>>>(
        &self,
        event_id: &str,
        decide: impl FnOnce(Held) -> F,
    ) -> Result<Applied, ApplyError> {
        let deadline = self.deadline();
        let lease = Lease::until(deadline);
        let key = Key::of(event_id).unwrap();
        let cause = cause(event_id);
        let apply = self.applier.apply(&self.guard, &key, lease, &cause, deadline, decide);
        Box::pin(apply).await
    }

    /// The same with a decision that is always this one.
    pub(crate) async fn apply(
        &self,
        event_id: &str,
        effects: Effects,
    ) -> Result<Applied, ApplyError> {
        self.deliver(event_id, async |_| Ok(effects)).await
    }

    /// Makes writes that are no part of the test.
    pub(crate) async fn seed(&self, effects: Effects) {
        let name = format!("seed-{}", self.gate.passed());
        self.apply(&name, effects).await.unwrap();
        self.wire.take();
    }

    pub(crate) async fn thing(&self, id: &str) -> Option<Item> {
        let id = AttributeValue::S(id.to_owned());
        self.place.items(THINGS).await.into_iter().find(|item| item.get("id") == Some(&id))
    }

    pub(crate) async fn number(&self, id: &str, attribute: &str) -> Option<i64> {
        match self.thing(id).await?.remove(attribute)? {
            AttributeValue::N(number) => number.parse().ok(),
            _ => None,
        }
    }

    /// The ids under which each event was published, by name, and how often.
    pub(crate) fn published(&self) -> BTreeMap<String, BTreeMap<String, usize>> {
        let mut all: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        for event in self.bus.events() {
            let metadata = event.metadata().unwrap();
            let ids = all.entry(metadata.name.clone()).or_default();
            *ids.entry(metadata.event_id.to_string()).or_default() += 1;
        }
        all
    }
}

/// The metadata of the event that is handled.
pub(crate) fn handled(event_id: &str) -> Metadata {
    let mut metadata =
        Metadata::new(EventId::parse(event_id).unwrap(), "order_submitted", EventVersion::new(1));
    metadata.occurred_at = Some(FixedClock::default().now());
    metadata
}

pub(crate) fn cause(event_id: &str) -> Cause {
    Cause::handled(&handled(event_id))
}

/// A decision with two writes and two events.
pub(crate) fn award() -> Effects {
    Effects::new()
        .write(Write::update(THINGS, ("id", "points")).add("balance", 100))
        .write(Write::put(
            PAIRS,
            ItemKey::from(("pk", "cu-1")).and("sk", 7),
            &HashMap::from([("tier", "gold")]),
        ))
        .emit(PointsAwarded { customer_id: "cu-1".to_owned(), points: 100 })
        .emit(TierReached { tier: "gold".to_owned() })
}

pub(crate) fn fresh(writes: usize, events: usize) -> Applied {
    Applied::Fresh { writes, events }
}

pub(crate) fn replayed(events: usize) -> Applied {
    Applied::Replayed { events }
}

pub(crate) fn stale(index: usize) -> Applied {
    Applied::Stale { index }
}

/// Runs a behaviour in both places.
macro_rules! in_both_places {
    ($($(#[$attribute:meta])* async fn $name:ident<$place:ident>($world:ident: &$type:ty) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn behaviour<$place: crate::world::Place>($world: &$type) $body

            $(#[$attribute])*
            #[tokio::test]
            async fn in_memory() {
                Box::pin(behaviour(&crate::world::World::<crate::world::Memory>::new().await)).await;
            }

            $(#[$attribute])*
            #[tokio::test]
            async fn in_dynamodb() {
                Box::pin(behaviour(&crate::world::World::<crate::world::Dynamo>::new().await)).await;
            }
        }
    )*};
}

pub(crate) use in_both_places;
