//! A service with one handler, and ports to nowhere: what Setpiece is without the adapters.

use std::{collections::HashMap, hint::black_box, sync::Arc};

use serde::{Deserialize, Serialize};
use setpiece_bus::{Bus, EntryResult, Limits, OutgoingEvent, Preflight, Publisher};
use setpiece_envelope::{DomainEvent, ServiceId};
use setpiece_handler::{
    App, BoxFuture, Cx, EffectLimits, EffectStore, Effects, Handlers, InvalidWrite, OutboxEntry,
    OutboxItem, OutboxKey, Received, Write,
};
use setpiece_idempotency::{
    record::{Record, SpillRef},
    store::{
        Acquire, Acquired, Amend, CommitReply, Extend, Once, RecordKey, Release, Reply, Settle,
        Spill, Store,
    },
};
use setpiece_policy::Fault;

const PRODUCTS: ServiceId = ServiceId::new("shop", "catalog", "products");
const LOYALTY: ServiceId = ServiceId::new("shop", "customers", "loyalty");

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(service = PRODUCTS, name = "product_registered", version = 1, view)]
struct ProductRegistered {
    customer_id: String,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(service = LOYALTY, name = "points_awarded", version = 1)]
struct PointsAwarded {
    customer_id: String,
    points: u32,
}

struct Loyalty {
    table: String,
}

async fn award_points(
    cx: &Cx<Loyalty>,
    event: Received<ProductRegistered>,
) -> Result<Effects, Fault> {
    let customer_id = event.data.customer_id;
    let customer = ("customer", customer_id.as_str());
    Ok(Effects::new()
        .write(Write::update(&cx.state.table, customer).add("points", 100))
        .emit(PointsAwarded { customer_id, points: 100 }))
}

fn main() -> Result<(), lambda_runtime::Error> {
    let nowhere = Arc::new(Nowhere);
    let handlers = Handlers::new(Loyalty { table: "loyalty".to_owned() }).on(award_points);
    let publisher = Publisher::system(Nowhere);
    let app = App::system(LOYALTY, handlers, Unreachable(nowhere), publisher).build()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(setpiece_handler::run(app))
}

/// Ports that reach nobody. No compiler may know that, or it leaves out what would come after.
struct Nowhere;

/// The effects of such a port.
struct Unreachable(Arc<Nowhere>);

fn unreachable<T>() -> Result<T, Fault> {
    black_box(Err(Fault::transient("nobody is there")))
}

fn answer<'a, T: Send + 'a>() -> BoxFuture<'a, Result<T, Fault>> {
    Box::pin(std::future::ready(unreachable()))
}

impl Bus for Nowhere {
    fn limits(&self) -> Limits {
        Limits::EVENT_BRIDGE
    }

    async fn put(&self, _: &[&OutgoingEvent]) -> Result<Vec<EntryResult>, Fault> {
        unreachable()
    }

    async fn preflight(&self) -> Result<Preflight, Fault> {
        unreachable()
    }
}

impl Store for Nowhere {
    type Write = Write;

    fn max_inline(&self) -> usize {
        350 * 1024
    }

    fn acquire<'a>(&'a self, _: &'a Acquire) -> BoxFuture<'a, Result<Reply<Acquired>, Fault>> {
        answer()
    }

    fn settle<'a>(&'a self, _: &'a Settle) -> BoxFuture<'a, Result<Reply<()>, Fault>> {
        answer()
    }

    fn release<'a>(&'a self, _: &'a Release) -> BoxFuture<'a, Result<Reply<()>, Fault>> {
        answer()
    }

    fn extend<'a>(&'a self, _: &'a Extend) -> BoxFuture<'a, Result<Reply<()>, Fault>> {
        answer()
    }

    fn commit<'a>(
        &'a self,
        _: &'a Settle,
        _: &'a [Write],
    ) -> BoxFuture<'a, Result<CommitReply, Fault>> {
        answer()
    }

    fn commit_once<'a>(
        &'a self,
        _: &'a Once,
        _: &'a [Write],
    ) -> BoxFuture<'a, Result<CommitReply, Fault>> {
        answer()
    }

    fn read<'a>(&'a self, _: &'a RecordKey) -> BoxFuture<'a, Result<Option<Box<Record>>, Fault>> {
        answer()
    }

    fn amend<'a>(&'a self, _: &'a Amend) -> BoxFuture<'a, Result<Reply<()>, Fault>> {
        answer()
    }

    fn put_spill<'a>(&'a self, _: &'a Spill) -> BoxFuture<'a, Result<(), Fault>> {
        answer()
    }

    fn get_spill<'a>(
        &'a self,
        _: &'a RecordKey,
        _: &'a SpillRef,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, Fault>> {
        answer()
    }
}

impl EffectStore for Unreachable {
    type Records = Nowhere;

    fn records(&self) -> &Arc<Nowhere> {
        &self.0
    }

    fn limits(&self) -> EffectLimits {
        EffectLimits::DYNAMO_DB
    }

    fn write(&self, write: &Write) -> Result<Write, InvalidWrite> {
        Ok(write.clone())
    }

    fn stage(&self, entry: &OutboxEntry) -> Result<Write, InvalidWrite> {
        Ok(Write::put("outbox", ("key", entry.key.as_str()), &*entry.json))
    }

    fn read_outbox<'a>(
        &'a self,
        _: &'a [OutboxKey],
    ) -> BoxFuture<'a, Result<Vec<Option<OutboxItem>>, Fault>> {
        answer()
    }

    fn remove_outbox<'a>(&'a self, _: &'a [OutboxKey]) -> BoxFuture<'a, Result<(), Fault>> {
        answer()
    }

    fn is_reserved(&self, write: &Write, record: &RecordKey) -> bool {
        black_box(write.key() == &("key", record.as_str()).into())
    }

    fn outbox_key(&self, _: &HashMap<String, serde_dynamo::AttributeValue>) -> Option<OutboxKey> {
        black_box(None)
    }
}
