//! The database of a world: the engine, behind points and faults.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use aws_sdk_dynamodb::Client;
use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
            SharedHttpConnector,
        },
        orchestrator::HttpRequest,
        runtime_components::RuntimeComponents,
    },
    shared::IntoShared as _,
};
use serde_dynamo::AttributeValue;
use serde_json::Value;

use super::{Sandbox, World, kernel::Trouble, ports::CoreHandle, stream::Staged};
use crate::{
    DynamoDbFault, LocalDynamoDb,
    dynamodb::{StreamChange, StreamPosition},
    must::must,
};

/// The database of a world.
pub(super) struct Database {
    pub(super) local: LocalDynamoDb,
    /// The client of all processes: what they do with it is known by whose turn it is.
    pub(super) client: Client,
    tables: Vec<String>,
    /// How far the streams of tables were read.
    streams: BTreeMap<String, StreamPosition>,
    touched: Touched,
}

/// The tables into whose outbox something may have come.
type Touched = Arc<Mutex<BTreeSet<String>>>;

/// The attribute with the event of an item in the outbox.
const OUTBOX_EVENT: &str = "outbox_event";

impl World {
    /// Creates a table in the database of the world, with a partition key that is a text. Processes
    /// reach it by the client of their [sandbox](Sandbox::client).
    ///
    /// # Panics
    ///
    /// When there is one of that name.
    #[track_caller]
    #[cfg_attr(docsrs, doc(cfg(feature = "dynamodb")))]
    pub fn create_table(&mut self, table: &str, partition_key: &str) {
        let database = self.open_database();
        database.local.create_table(table, partition_key);
        database.tables.push(table.to_owned());
    }

    /// The same with a sort key, a text as well.
    ///
    /// # Panics
    ///
    /// When there is one of that name.
    #[track_caller]
    #[cfg_attr(docsrs, doc(cfg(feature = "dynamodb")))]
    pub fn create_sorted_table(&mut self, table: &str, partition_key: &str, sort_key: &str) {
        let database = self.open_database();
        database.local.create_sorted_table(table, partition_key, sort_key);
        database.tables.push(table.to_owned());
    }

    fn open_database(&mut self) -> &mut Database {
        let core = &self.core;
        self.database.get_or_insert_with(|| {
            let local = LocalDynamoDb::new(core.clock.clone());
            let touched = Touched::default();
            let wire = Wire {
                core: CoreHandle(Arc::clone(core)),
                local: local.clone(),
                touched: Arc::clone(&touched),
            };
            let client = LocalDynamoDb::client_through(wire);
            Database { local, client, tables: Vec::new(), streams: BTreeMap::new(), touched }
        })
    }

    /// The database, if a table was created.
    #[must_use]
    #[cfg_attr(docsrs, doc(cfg(feature = "dynamodb")))]
    pub fn database(&self) -> Option<&LocalDynamoDb> {
        self.database.as_ref().map(|database| &database.local)
    }
}

impl Sandbox {
    /// A client of the database.
    ///
    /// # Panics
    ///
    /// When the world has [no table](World::create_table).
    #[must_use]
    #[track_caller]
    #[cfg_attr(docsrs, doc(cfg(feature = "dynamodb")))]
    pub fn client(&self) -> Client {
        must("a client", self.client.clone().ok_or("the world has no tables"))
    }
}

impl Database {
    /// Turns on the streams of the tables, from which a function learns what is in the outbox.
    pub(super) fn open_streams(&mut self) {
        for table in &self.tables {
            if !self.streams.contains_key(table) {
                self.streams.insert(table.clone(), self.local.open_stream(table));
            }
        }
    }

    /// What has come into the outbox since it was asked last.
    pub(super) fn newly_staged(&mut self) -> Vec<Staged> {
        let touched =
            std::mem::take(&mut *self.touched.lock().unwrap_or_else(PoisonError::into_inner));
        let mut staged = Vec::new();
        for table in touched {
            let Some(position) = self.streams.get_mut(&table) else { continue };
            let changes = self.local.read_stream(position);
            staged.extend(changes.iter().filter(|it| it.kind == "INSERT").filter_map(in_outbox));
        }
        staged
    }

    /// How many records are in progress, how many events are in the outbox, and the units that
    /// were written and read.
    pub(super) fn look(&self) -> (usize, usize, (f64, f64)) {
        let (mut claims, mut outbox) = (0, 0);
        for item in self.tables.iter().flat_map(|table| self.local.items(table)) {
            let is = |name: &str, value: &str| matches!(item.get(name), Some(AttributeValue::S(text)) if text == value);
            claims += usize::from(is("status", "INPROGRESS"));
            outbox += usize::from(item.get(OUTBOX_EVENT).is_some());
        }
        let requests = self.local.requests();
        let units = requests.iter().fold((0.0, 0.0), |(write, read), request| {
            (write + request.write_units, read + request.read_units)
        });
        (claims, outbox, units)
    }
}

/// The item that has come into a table, if it is one of the outbox.
fn in_outbox(change: &StreamChange) -> Option<Staged> {
    let event = change.item.new_image[OUTBOX_EVENT]["S"].as_str()?;
    let event = serde_json::from_str(event).ok()?;
    Some(Staged {
        key: change.item.keys.to_string(),
        image: change.item.new_image.to_string(),
        event,
    })
}

/// The way of requests to the engine.
#[derive(Clone, Debug)]
struct Wire {
    core: CoreHandle,
    local: LocalDynamoDb,
    touched: Touched,
}

/// The tables into whose outbox a request puts something.
fn outboxes_of(operation: &str, request: &HttpRequest) -> Vec<String> {
    let body = request.body().bytes().unwrap_or_default();
    let named = OUTBOX_EVENT.as_bytes();
    if operation != "TransactWriteItems" || !body.windows(named.len()).any(|it| it == named) {
        return Vec::new();
    }
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let items = body["TransactItems"].as_array().into_iter().flatten();
    let tables = items.filter_map(|item| item["Put"]["TableName"].as_str());
    tables.map(str::to_owned).collect()
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { core, local, touched } = self.clone();
        HttpConnectorFuture::new(async move {
            let operation = LocalDynamoDb::operation(&request);
            let outboxes = outboxes_of(&operation, &request);
            let ask = async move |trouble| {
                match trouble {
                    Some(Trouble::Throttled) => local.fail(DynamoDbFault::throttled()),
                    Some(Trouble::Unreachable) => local.fail(DynamoDbFault::unreachable()),
                    Some(Trouble::AnswerLost) => local.fail(DynamoDbFault::answer_lost()),
                    None => {}
                }
                let answer = local.exchange(request).await;
                // Also where the answer gets lost, it may be there.
                touched.lock().unwrap_or_else(PoisonError::into_inner).extend(outboxes);
                answer
            };
            core.0.request(&operation, ask).await
        })
    }
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.clone().into_shared()
    }
}
