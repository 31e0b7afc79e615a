//! A DynamoDB engine in this process, reached through the real SDK.

use aws_sdk_dynamodb::Client;
use dynoxide::Database;
use serde_json::Value;
use setpiece_envelope::FixedClock;

use crate::{
    engine,
    wire::{Exchange, Wire},
};

/// The engine, its clock and the way to it. One for each test.
pub(crate) struct Cloud {
    pub(crate) clock: FixedClock,
    pub(crate) engine: Database,
    pub(crate) wire: Wire,
    pub(crate) client: Client,
}

impl Cloud {
    /// An engine without tables. It lives as long as the runtime of the test.
    pub(crate) async fn start() -> Self {
        let clock = FixedClock::default();
        let (engine, config) = engine::start(&clock).await;
        let plain = aws_smithy_http_client::Builder::new().build_http();
        let wire = Wire::new(plain, clock.clone());
        let client = Client::from_conf(config.http_client(wire.clone()).build());
        Self { clock, engine, wire, client }
    }
}

impl Exchange {
    /// The write capacity units that it cost.
    ///
    /// The answer to a failed condition does not say what it cost; the documentation does: as
    /// much as the item that is there, and at least one.
    pub(crate) fn write_units(&self) -> f64 {
        match self.operation.as_str() {
            "GetItem" | "Query" => 0.0,
            _ if self.answer["__type"].is_string() => kilobytes(&self.answer["Item"]),
            _ => units(&self.answer["ConsumedCapacity"]),
        }
    }

    /// The read capacity units that it cost.
    pub(crate) fn read_units(&self) -> f64 {
        match self.operation.as_str() {
            "GetItem" | "Query" => units(&self.answer["ConsumedCapacity"]),
            _ => 0.0,
        }
    }
}

fn units(consumed: &Value) -> f64 {
    match consumed {
        Value::Array(tables) => tables.iter().map(units).sum(),
        one => one["CapacityUnits"].as_f64().unwrap(),
    }
}

/// The size of an item in whole kilobytes, as it is charged for.
fn kilobytes(item: &Value) -> f64 {
    let bytes = item.as_object().map_or(0, attributes);
    u32::try_from(bytes.div_ceil(1024).max(1)).unwrap().into()
}

fn attributes(item: &serde_json::Map<String, Value>) -> usize {
    item.iter().map(|(name, value)| name.len() + size(value)).sum()
}

/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
fn size(value: &Value) -> usize {
    let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
    match kind.as_str() {
        "S" => value.as_str().unwrap().len(),
        "B" => value.as_str().unwrap().len() / 4 * 3,
        "N" => value.as_str().unwrap().len().div_ceil(2) + 1,
        "M" => 3 + value.as_object().unwrap().len() + attributes(value.as_object().unwrap()),
        "L" => 3 + value.as_array().unwrap().iter().map(|item| 1 + size(item)).sum::<usize>(),
        _ => 1,
    }
}
