//! Events of every shape.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use setpiece_envelope::{DomainEvent, ServiceId};

pub(crate) const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 2, first = true)]
pub(crate) struct OrderSubmitted {
    #[schemars(length(min = 1, max = 12))]
    pub(crate) order_number: String,
    pub(crate) quantity: u8,
    #[schemars(range(min = 0.0, max = 5000.5))]
    pub(crate) total: f64,
    pub(crate) views: i64,
    pub(crate) gift: bool,
    pub(crate) currency: Currency,
    pub(crate) state: State,
    pub(crate) note: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) lines: Vec<Line>,
    pub(crate) by_colour: BTreeMap<String, Line>,
    pub(crate) by_number: BTreeMap<u8, bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<Address>,
    pub(crate) sizes: (u8, String),
    pub(crate) nothing: (),
    pub(crate) anything: Value,
    #[serde(rename = "dotted.name")]
    pub(crate) dotted: i16,
    pub(crate) initial: char,
    pub(crate) grid: Vec<Vec<i8>>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) enum Currency {
    #[serde(rename = "EUR")]
    Euro,
    #[serde(rename = "USD")]
    Dollar,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) enum State {
    /// Described variants have schemas of their own.
    New,
    /// As this one.
    Paid,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Line {
    pub(crate) sku: String,
    pub(crate) count: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) price: Option<f32>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Address {
    pub(crate) country: String,
    pub(crate) lines: Vec<String>,
}

/// Tagged internally, with newtype variants.
#[derive(Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(service = ORDERS, name = "payment_settled", version = 1, detail_type = "payment")]
#[serde(tag = "kind")]
pub(crate) enum PaymentSettled {
    Card { last_four: String, line: Line },
    Transfer(Address),
    Nothing,
}

#[derive(Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(service = ORDERS, name = "parcel_moved", version = 1)]
#[serde(tag = "kind", content = "content")]
pub(crate) enum ParcelMoved {
    Sent(Line),
    Back { days: u8 },
    Lost,
    Weighed(f64),
}

#[derive(Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(service = ORDERS, name = "stock_changed", version = 1)]
pub(crate) enum StockChanged {
    Added(Line),
    Removed { sku: String, by: Option<i32> },
    Counted(u8, bool),
    Cleared,
}

/// Whatever fits, in itself.
#[derive(Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(service = ORDERS, name = "note_taken", version = 1)]
pub(crate) struct NoteTaken {
    pub(crate) note: Note,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Note {
    Number(i32),
    Text(String),
    List(Vec<Self>),
    Object { sku: String, note: Option<Box<Self>> },
}

#[derive(Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(service = ORDERS, name = "customer_moved", version = 1)]
pub(crate) struct CustomerMoved {
    pub(crate) id: String,
    #[serde(flatten)]
    pub(crate) way: Way,
    #[serde(flatten)]
    pub(crate) line: Line,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "way")]
pub(crate) enum Way {
    Letter { address: Address },
    Mail { mail: String, days: u8 },
}

#[derive(Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(service = ORDERS, name = "labels_set", version = 1)]
pub(crate) struct LabelsSet {
    pub(crate) id: u32,
    #[serde(flatten)]
    pub(crate) labels: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(service = ORDERS, name = "tree_grown", version = 1)]
pub(crate) struct TreeGrown {
    pub(crate) name: String,
    pub(crate) children: Vec<Self>,
    pub(crate) next: Option<Box<Self>>,
}

#[derive(Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(service = ORDERS, name = "counter_set", version = 1)]
pub(crate) struct CounterSet(pub(crate) i64);

#[derive(Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(service = ORDERS, name = "shop_opened", version = 1)]
pub(crate) struct ShopOpened {}

/// What another team needs of an order.
#[derive(Serialize, Deserialize, JsonSchema, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 2, view)]
pub(crate) struct OrderView {
    pub(crate) order_number: String,
    pub(crate) total: f64,
    #[serde(default)]
    pub(crate) quantity: u8,
    pub(crate) lines: Vec<LineView>,
    pub(crate) state: Option<StateView>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct LineView {
    pub(crate) sku: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) enum StateView {
    New,
    #[serde(other)]
    Other,
}
