use std::sync::{Arc, Mutex, PoisonError};

use dynoxide::{
    Database, DynoxideError, actions::transact_write_items::TransactWriteItemsRequest,
    storage_backend::Clock as _,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use setpiece_envelope::Clock;

use super::{Answer, tokens::Tokens};
use crate::must::must;

/// The engine, asked as its server would ask it, but without a socket.
pub(super) struct Engine {
    database: Database,
    clock: Arc<EngineClock>,
    tokens: Mutex<Tokens>,
}

impl Engine {
    #[track_caller]
    pub(super) fn new(clock: impl Clock) -> Self {
        let clock = Arc::new(EngineClock(Box::new(clock)));
        let database = Database::memory_with_clock(Arc::<EngineClock>::clone(&clock));
        let database = must("a database in memory", database);
        Self { database, clock, tokens: Mutex::default() }
    }

    pub(super) fn answer(&self, operation: &str, body: &str) -> Answer {
        let db = &self.database;
        let answer = match operation {
            "BatchGetItem" => ask(body, |it| db.batch_get_item(it)),
            "BatchWriteItem" => ask(body, |it| db.batch_write_item(it)),
            "CreateTable" => ask(body, |it| db.create_table(it)),
            "DeleteItem" => ask(body, |it| db.delete_item(it)),
            "DeleteTable" => ask(body, |it| db.delete_table(it)),
            "DescribeTable" => ask(body, |it| db.describe_table(it)),
            "DescribeTimeToLive" => ask(body, |it| db.describe_time_to_live(it)),
            "GetItem" => ask(body, |it| db.get_item(it)),
            "ListTables" => ask(body, |it| db.list_tables(it)),
            "PutItem" => ask(body, |it| db.put_item(it)),
            "Query" => ask(body, |it| db.query(it)),
            "Scan" => ask(body, |it| db.scan(it)),
            "TransactGetItems" => ask(body, |it| db.transact_get_items(it)),
            "TransactWriteItems" => {
                // Nobody else asks until it is done, so that one of two gets the other's answer.
                let tokens = &mut *self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
                tokens.once(body, self.clock.now_unix_secs(), || {
                    ask(body, |it| {
                        let it = TransactWriteItemsRequest { client_request_token: None, ..it };
                        db.transact_write_items(it)
                    })
                })
            }
            "UpdateItem" => ask(body, |it| db.update_item(it)),
            "UpdateTimeToLive" => ask(body, |it| db.update_time_to_live(it)),
            _ => Err(DynoxideError::ValidationException(format!("{operation} is not known here"))),
        };
        match answer {
            Ok(body) => Answer { status: 200, body },
            Err(error) => Answer { status: error.status_code(), body: error.to_json() },
        }
    }

    #[track_caller]
    pub(super) fn sweep(&self) -> usize {
        must("sweeping", self.database.sweep_ttl())
    }
}

fn ask<Request: DeserializeOwned, Response: Serialize>(
    body: &str,
    call: impl FnOnce(Request) -> dynoxide::Result<Response>,
) -> dynoxide::Result<String> {
    let request = serde_json::from_str(body)
        .map_err(|error| DynoxideError::SerializationException(error.to_string()))?;
    serde_json::to_string(&call(request)?)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// Returns the request with the question of its cost.
pub(super) fn counting(operation: &str, body: String) -> String {
    if operation.ends_with("Table") || operation.ends_with("Tables") || operation.ends_with("Live")
    {
        return body;
    }
    // Whoever says himself how much he wants to be told is told that.
    match body.strip_prefix('{') {
        Some(rest) if !rest.contains(RETURN_CONSUMED) && rest.len() > 1 => {
            format!("{{\"{RETURN_CONSUMED}\":\"TOTAL\",{rest}")
        }
        _ => body,
    }
}

const RETURN_CONSUMED: &str = "ReturnConsumedCapacity";

/// Facts in an answer beside what was asked for.
#[derive(Default, Deserialize)]
pub(super) struct Told {
    #[serde(rename = "__type")]
    pub(super) error: Option<String>,
    #[serde(rename = "ConsumedCapacity", default)]
    pub(super) consumed_capacity: Value,
}

/// The units that an answer says were consumed.
pub(super) fn units(consumed: &Value) -> f64 {
    match consumed {
        Value::Array(tables) => tables.iter().map(units).sum(),
        one => one["CapacityUnits"].as_f64().unwrap_or(0.0),
    }
}

/// The units that looking at an item costs a write: one for each kilobyte, and at least one. See
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>.
pub(super) fn item_units(item: &Value) -> f64 {
    let bytes = item.as_object().map_or(0, attributes);
    u32::try_from(bytes.div_ceil(1024).max(1)).unwrap_or(u32::MAX).into()
}

fn attributes(item: &serde_json::Map<String, Value>) -> usize {
    item.iter().map(|(name, value)| name.len() + size(value)).sum()
}

fn size(value: &Value) -> usize {
    let Some((kind, value)) = value.as_object().and_then(|value| value.iter().next()) else {
        return 0;
    };
    let text = || value.as_str().map_or(0, str::len);
    match (kind.as_str(), value) {
        ("S", _) => text(),
        ("B", _) => text() / 4 * 3,
        ("N", _) => text().div_ceil(2) + 1,
        ("M", Value::Object(members)) => 3 + members.len() + attributes(members),
        ("L", Value::Array(items)) => 3 + items.iter().map(|item| 1 + size(item)).sum::<usize>(),
        _ => 1,
    }
}

/// The engine judges by the same clock as the code under test.
struct EngineClock(Box<dyn Clock>);

impl dynoxide::storage_backend::Clock for EngineClock {
    fn now_unix_secs(&self) -> u64 {
        u64::try_from(self.0.now().unix_millis() / 1000).unwrap_or(0)
    }

    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century fit")]
    fn now_unix_secs_f64(&self) -> f64 {
        self.0.now().unix_millis() as f64 / 1000.0
    }
}
