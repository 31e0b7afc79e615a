//! The database of a world: the engine, behind points and faults.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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

use super::{
    Act, Sandbox, World, WorldResource,
    ports::CoreHandle,
    request::{Late, RequestFault, Trouble, is_table_write},
    stream::Staged,
};
use crate::{
    LocalDynamoDb,
    dynamodb::{Answer, Trouble as Wrong},
    must::must,
};

/// The database of a world.
pub(super) struct Database {
    pub(super) local: LocalDynamoDb,
    /// The client of all processes: what they do with it is known by whose turn it is.
    pub(super) client: Client,
    /// With the names of their keys.
    tables: Vec<(String, Vec<String>)>,
    staged: StagedItems,
    /// The keys of all items that ever were in the outbox.
    seen: HashSet<String>,
}

/// The items that may have been put into the outbox of a table, with the name of the table, since
/// somebody looked last.
type StagedItems = Arc<Mutex<Vec<(String, Value)>>>;

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
        database.tables.push((table.to_owned(), vec![partition_key.to_owned()]));
    }

    /// Creates a table with a sort key, a text as well.
    ///
    /// # Panics
    ///
    /// When there is one of that name.
    #[track_caller]
    #[cfg_attr(docsrs, doc(cfg(feature = "dynamodb")))]
    pub fn create_sorted_table(&mut self, table: &str, partition_key: &str, sort_key: &str) {
        let database = self.open_database();
        database.local.create_sorted_table(table, partition_key, sort_key);
        let keys = [partition_key, sort_key].map(str::to_owned);
        database.tables.push((table.to_owned(), keys.into()));
    }

    fn open_database(&mut self) -> &mut Database {
        let core = &self.core;
        self.database.get_or_insert_with(|| {
            let local = LocalDynamoDb::new(core.clock.clone());
            let staged = StagedItems::default();
            let wire = Wire {
                core: CoreHandle(Arc::clone(core)),
                local: local.clone(),
                staged: Arc::clone(&staged),
                late: Arc::default(),
            };
            let client = LocalDynamoDb::client_through(wire);
            Database { local, client, tables: Vec::new(), staged, seen: HashSet::new() }
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
    /// Returns the items that have come into the outbox since the last call.
    ///
    /// The engine has streams as well, but looks at all that is in one whenever something comes into
    /// it, which would make long worlds slow.
    pub(super) fn newly_staged(&mut self) -> Vec<Staged> {
        let staged = std::mem::take(&mut *lock(&self.staged));
        staged.into_iter().filter_map(|(table, item)| self.newly(&table, &item)).collect()
    }

    fn newly(&mut self, table: &str, item: &Value) -> Option<Staged> {
        let (_, names) = self.tables.iter().find(|(name, _)| name == table)?;
        let key: Value = names.iter().map(|name| (name.clone(), item[name].clone())).collect();
        // Not where the transaction was refused, and not again where it was repeated.
        if !self.local.has_item(table, &key) || !self.seen.insert(format!("{table} {key}")) {
            return None;
        }
        let event = serde_json::from_str(item[OUTBOX_EVENT]["S"].as_str()?).ok()?;
        let table = Some(table.to_owned());
        Some(Staged { table, key: key.to_string(), image: item.to_string(), event })
    }

    /// Returns the number of records in progress, the number of events in the outbox, and the units
    /// that were written and read.
    pub(super) fn look(&self) -> (usize, usize, (f64, f64)) {
        let (mut claims, mut outbox) = (0, 0);
        for item in self.tables.iter().flat_map(|(table, _)| self.local.items(table)) {
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

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The way of requests to the engine.
#[derive(Clone, Debug)]
struct Wire {
    core: CoreHandle,
    local: LocalDynamoDb,
    staged: StagedItems,
    /// The tokens of transactions that are still to be done.
    late: Arc<Mutex<HashSet<String>>>,
}

/// Returns the items that a request puts into the outboxes of tables.
fn staged_by(operation: &str, request: &HttpRequest) -> Vec<(String, Value)> {
    let body = request.body().bytes().unwrap_or_default();
    let named = OUTBOX_EVENT.as_bytes();
    if operation != "TransactWriteItems" || !body.windows(named.len()).any(|it| it == named) {
        return Vec::new();
    }
    let mut body: Value = serde_json::from_slice(body).unwrap_or_default();
    let items = body["TransactItems"].as_array_mut().into_iter().flatten();
    let puts = items.filter_map(|item| {
        let put = &mut item["Put"];
        let table = put["TableName"].as_str()?.to_owned();
        Some((table, put["Item"].take())).filter(|(_, item)| !item[OUTBOX_EVENT].is_null())
    });
    puts.collect()
}

fn text(request: &HttpRequest) -> String {
    String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned()
}

/// True for a request that names a table.
fn names_table(request: &HttpRequest, table: &str) -> bool {
    let Ok(request) = serde_json::from_str::<Value>(&text(request)) else { return false };
    let is_named = |it: &Value| it["TableName"].as_str() == Some(table);
    let mut actions = request["TransactItems"].as_array().into_iter().flatten();
    is_named(&request)
        || request["RequestItems"].get(table).is_some()
        || actions.any(|it| it.as_object().is_some_and(|it| it.values().any(is_named)))
}

/// The token of a transaction.
fn token(body: &str) -> Option<String> {
    let request: Value = serde_json::from_str(body).ok()?;
    request["ClientRequestToken"].as_str().map(str::to_owned)
}

impl Wire {
    /// The trouble of the engine's client that stands for one of the world.
    fn wrong(&self, operation: &str, request: &HttpRequest, trouble: Trouble) -> Option<Wrong> {
        Some(match trouble.fault {
            RequestFault::Throttled => Wrong::Error(Answer::refusal(400, "ThrottlingException")),
            RequestFault::Unreachable => Wrong::Unreachable,
            RequestFault::AnswerLost => Wrong::AnswerLost,
            RequestFault::Failed => Wrong::Error(Answer::refusal(500, "InternalServerError")),
            RequestFault::FailedThoughDone => {
                Wrong::ErrorThoughDone(Answer::refusal(500, "InternalServerError"))
            }
            RequestFault::Denied => Wrong::Error(Answer::refusal(400, "AccessDeniedException")),
            RequestFault::Missing => {
                Wrong::Error(Answer::refusal(400, "ResourceNotFoundException"))
            }
            RequestFault::Cancelled if operation == "TransactWriteItems" => {
                Wrong::Error(self.local.cancel(&text(request), trouble.chance))
            }
            RequestFault::Late if is_table_write(operation) => {
                self.postpone(operation, request, trouble);
                Wrong::Broken
            }
            RequestFault::Cancelled | RequestFault::Partial | RequestFault::Late => return None,
        })
    }

    /// Does a request after a while.
    fn postpone(&self, operation: &str, request: &HttpRequest, trouble: Trouble) {
        let (operation, body) = (operation.to_owned(), text(request));
        let (token, puts) = (token(&body), staged_by(&operation, request));
        lock(&self.late).extend(token.clone());
        let Self { local, staged, late, .. } = self.clone();
        let make = move || {
            if let Some(token) = token {
                lock(&late).remove(&token);
            }
            local.do_late(&operation, &body);
            lock(&staged).extend(puts);
        };
        self.core.0.after(trouble.delay, Act::Late(Late(Box::new(make))));
    }

    fn is_in_progress(&self, operation: &str, request: &HttpRequest) -> bool {
        let late = lock(&self.late);
        operation == "TransactWriteItems"
            && !late.is_empty()
            && token(&text(request)).is_some_and(|token| late.contains(&token))
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let wire = self.clone();
        HttpConnectorFuture::new(async move {
            let operation = LocalDynamoDb::operation(&request);
            let puts = staged_by(&operation, &request);
            let is_for = |request: &HttpRequest, it: &WorldResource| {
                it.has_table(|table| names_table(request, table))
            };
            let ask = async |request: HttpRequest, trouble: Option<Trouble>| {
                let wrong = if wire.is_in_progress(&operation, &request) {
                    let answer = Answer::refusal(400, "TransactionInProgressException");
                    Some(Wrong::Error(answer))
                } else {
                    trouble.and_then(|trouble| wire.wrong(&operation, &request, trouble))
                };
                let answer = wire.local.clone().exchange(request, wrong).await;
                // Also where the answer gets lost, it may be there.
                lock(&wire.staged).extend(puts);
                answer
            };
            wire.core.0.request(&operation, request, is_for, ask).await
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
