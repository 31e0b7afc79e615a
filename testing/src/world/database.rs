//! The database of a world: the engine, behind points and faults.

use std::sync::Arc;

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
use serde_json::json;

use super::{Sandbox, World, kernel::Trouble, ports::CoreHandle, stream::Staged};
use crate::{DynamoDbFault, LocalDynamoDb, must::must};

/// The database of a world.
pub(super) struct Database {
    pub(super) local: LocalDynamoDb,
    /// The client of all processes: what they do with it is known by whose turn it is.
    pub(super) client: Client,
    /// With the names of their keys.
    tables: Vec<(String, String)>,
}

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
        let core = &self.core;
        let database = self.database.get_or_insert_with(|| {
            let local = LocalDynamoDb::new(core.clock.clone());
            let wire = Wire { core: CoreHandle(Arc::clone(core)), local: local.clone() };
            let client = LocalDynamoDb::client_through(wire);
            Database { local, client, tables: Vec::new() }
        });
        database.local.create_table(table, partition_key);
        database.tables.push((table.to_owned(), partition_key.to_owned()));
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
    /// What is in the outbox, by the key of the item.
    pub(super) fn staged(&self) -> Vec<(String, Staged)> {
        let tables = self.tables.iter().flat_map(|(table, key)| {
            self.local.items(table).into_iter().map(move |item| (key, item))
        });
        let staged = tables.filter_map(|(name, item)| {
            let Some(AttributeValue::S(event)) = item.get("outbox_event") else { return None };
            let event = serde_json::from_str(event).ok()?;
            let key = json!({ name: serde_json::to_value(item.get(name)?).ok()? });
            let image = serde_json::to_string(&item).ok()?;
            Some((key.to_string(), Staged { image, event }))
        });
        staged.collect()
    }

    /// How many records are in progress, how many events are in the outbox, and the units that
    /// were written and read.
    pub(super) fn look(&self) -> (usize, usize, (f64, f64)) {
        let (mut claims, mut outbox) = (0, 0);
        for item in self.tables.iter().flat_map(|(table, _)| self.local.items(table)) {
            let is = |name: &str, value: &str| matches!(item.get(name), Some(AttributeValue::S(text)) if text == value);
            claims += usize::from(is("status", "INPROGRESS"));
            outbox += usize::from(item.get("outbox_event").is_some());
        }
        let requests = self.local.requests();
        let units = requests.iter().fold((0.0, 0.0), |(write, read), request| {
            (write + request.write_units, read + request.read_units)
        });
        (claims, outbox, units)
    }
}

/// The way of requests to the engine.
#[derive(Clone, Debug)]
struct Wire {
    core: CoreHandle,
    local: LocalDynamoDb,
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { core, local } = self.clone();
        HttpConnectorFuture::new(async move {
            let operation = LocalDynamoDb::operation(&request);
            let ask = async move |trouble| {
                match trouble {
                    Some(Trouble::Throttled) => local.fail(DynamoDbFault::throttled()),
                    Some(Trouble::Unreachable) => local.fail(DynamoDbFault::unreachable()),
                    Some(Trouble::AnswerLost) => local.fail(DynamoDbFault::answer_lost()),
                    None => {}
                }
                local.exchange(request).await
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
