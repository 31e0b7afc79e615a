//! Requests to a store, with everything that a test does not care about.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use setpiece_envelope::{Clock, Timestamp};
use setpiece_idempotency::{
    dynamodb::{DynamoDbStore, Table},
    record::{Fingerprint, Owner, SpillRef, Stored},
    store::{
        Acquire, Acquired, Amend, Change, End, Extend, Once, RecordKey, Release, Reply, Seen,
        Settle, Spill, Store,
    },
};
use setpiece_policy::{Deadline, InstantSleep, Retry, SeededRandom};

use crate::cloud::Cloud;

pub(crate) const KEY: &str = "shop#charge#order-1";
/// How long a claim holds.
pub(crate) const LEASE: Duration = Duration::from_secs(30);
/// How long a record is kept.
pub(crate) const RETENTION: Duration = Duration::from_hours(1);

/// A table with a store on it.
pub(crate) struct Desk {
    pub(crate) cloud: Cloud,
    pub(crate) store: DynamoDbStore,
}

impl Desk {
    pub(crate) async fn open() -> Self {
        Self::of(Table::new("records")).await
    }

    pub(crate) async fn of(table: Table) -> Self {
        let cloud = Cloud::start().await;
        let deadline = Deadline::after(&cloud.clock, Duration::from_secs(30));
        table.create(&cloud.client, &cloud.retry(), deadline).await.unwrap();
        cloud.wire.take();
        let store = DynamoDbStore::new(cloud.client.clone(), table);
        Self { cloud, store }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.cloud.clock.now()
    }

    fn in_(&self, duration: Duration) -> Timestamp {
        self.now().saturating_add(duration)
    }

    pub(crate) fn acquire(&self, owner: &str) -> Acquire {
        let expires = self.in_(RETENTION).truncate_to_seconds();
        let mut acquire =
            Acquire::new(key(), Owner::new(owner), self.now(), self.in_(LEASE), expires);
        acquire.fingerprint = Some(Fingerprint::new("f"));
        acquire
    }

    pub(crate) fn settle(&self, owner: &str, json: &str) -> Settle {
        let result = Stored::json(json);
        let expires = self.in_(RETENTION).truncate_to_seconds();
        Settle::new(key(), Owner::new(owner), self.now(), End::Completed, result, expires)
    }

    pub(crate) fn once(&self, owner: &str, json: &str) -> Once {
        let expires = self.in_(RETENTION).truncate_to_seconds();
        Once::new(key(), Owner::new(owner), self.now(), Stored::json(json), expires)
    }

    pub(crate) fn release(&self, owner: &str) -> Release {
        let expires = self.in_(RETENTION).truncate_to_seconds();
        Release::new(key(), Owner::new(owner), self.now(), expires)
    }

    pub(crate) fn extend(&self, owner: &str) -> Extend {
        let expires = self.in_(RETENTION).truncate_to_seconds();
        Extend::new(key(), Owner::new(owner), self.now(), self.in_(2 * LEASE), expires)
    }

    pub(crate) async fn amend(&self, change: Change) -> Amend {
        let record = self.store.read(&key()).await.unwrap().unwrap();
        Amend::new(key(), Seen::of(&record), self.now(), change)
    }

    pub(crate) fn spill(&self, owner: &str, bytes: Vec<u8>) -> Spill {
        let spill = SpillRef::new(Owner::new(owner), "0".repeat(64), bytes.len() as u64);
        Spill::new(key(), spill, bytes, self.in_(RETENTION).truncate_to_seconds())
    }

    /// Claims the key and says which attempt it is.
    pub(crate) async fn claim(&self, owner: &str) -> u64 {
        match self.store.acquire(&self.acquire(owner)).await.unwrap() {
            Reply::Applied(Acquired { attempt, .. }) => attempt,
            other => panic!("not claimed: {other:?}"),
        }
    }

    /// A write that is not idempotent: how often it was applied is the [`count`](Self::count).
    pub(crate) fn business(&self) -> [TransactWriteItem; 1] {
        let update = Update::builder()
            .table_name(self.store.table().name())
            .key("id", AttributeValue::S("account".into()))
            .update_expression("ADD times_applied :one")
            .expression_attribute_values(":one", AttributeValue::N("1".into()))
            .build()
            .unwrap();
        [TransactWriteItem::builder().update(update).build()]
    }

    pub(crate) async fn count(&self) -> u32 {
        let answer = self
            .cloud
            .client
            .get_item()
            .table_name(self.store.table().name())
            .key("id", AttributeValue::S("account".into()))
            .send()
            .await
            .unwrap();
        self.cloud.wire.take();
        answer.item.map_or(0, |item| item["times_applied"].as_n().unwrap().parse().unwrap())
    }
}

impl Cloud {
    pub(crate) fn retry(&self) -> Retry {
        let sleep = InstantSleep::new(self.clock.clone());
        Retry::new(self.clock.clone(), SeededRandom::new(7), sleep)
    }
}

pub(crate) fn key() -> RecordKey {
    RecordKey::new(KEY)
}
