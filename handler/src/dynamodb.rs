//! Effects in DynamoDB: one `TransactWriteItems` through the guard's store.

mod native;
mod request;

use std::{collections::HashMap, sync::Arc};

use aws_sdk_dynamodb::{
    Client,
    types::{
        AttributeValue, DeleteRequest, KeysAndAttributes, Put, TransactWriteItem, WriteRequest,
    },
};
use setpiece_envelope::Timestamp;
use setpiece_idempotency::{
    dynamodb::{DynamoDbStore, Table},
    store::RecordKey,
};
use setpiece_policy::{Call, Fault};

use self::native::native_key;
pub(crate) use self::native::{native_bytes, native_problem};
use crate::{
    BoxFuture, EffectLimits, EffectStore, InvalidWrite, OutboxEntry, OutboxItem, OutboxKey,
    OutboxOwner, Write,
};

type Item = HashMap<String, AttributeValue>;

/// Applies effects in DynamoDB.
///
/// The guard's records are in a table of their own, the business writes in any tables of the same
/// account and region, and the outbox is in the table of the records unless
/// [another](Self::with_outbox) is given.
///
/// ```no_run
/// # fn example(client: aws_sdk_dynamodb::Client) {
/// use setpiece_handler::DynamoDbEffects;
/// use setpiece_idempotency::dynamodb::Table;
///
/// let effects = DynamoDbEffects::new(client, Table::new("idempotency"));
/// # }
/// ```
///
/// # The outbox
///
/// An event is an item with the table's key, [`EVENT`](Self::EVENT), [`OWNER`](Self::OWNER) and
/// [`CREATED_AT`](Self::CREATED_AT). It has no time to live: an event that nobody has relayed must
/// not vanish, and who finds an old one knows that something is wrong.
#[derive(Clone, Debug)]
pub struct DynamoDbEffects {
    client: Client,
    records: Arc<DynamoDbStore>,
    outbox: Table,
}

impl DynamoDbEffects {
    /// The attribute of an item of the outbox that holds the event as JSON: what
    /// [`OutgoingEvent`](setpiece_bus::OutgoingEvent) is to serde.
    pub const EVENT: &str = "outbox_event";

    /// The attribute of an item of the outbox that says when it was put there, in milliseconds
    /// since 1970.
    pub const CREATED_AT: &str = "outbox_created_at";

    /// The attribute of an item of the outbox that says [whose](OutboxOwner) it is. Where services
    /// share a table, the stream of each can be filtered by it.
    pub const OWNER: &str = "outbox_owner";

    /// Actions that the outbox needs to be allowed on its table, beside those that the guard
    /// [needs](setpiece_idempotency::dynamodb::Mode) on the table of the records. Business writes
    /// need `PutItem`, `UpdateItem`, `DeleteItem` or `ConditionCheckItem` on theirs: a transaction
    /// has no action of its own.
    pub const OUTBOX_ACTIONS: &[&str] =
        &["dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:PutItem"];

    /// Keeps records and the outbox in `table`.
    ///
    /// Retries of the client are switched off: the app retries, since it knows what an answer that
    /// was lost may have done.
    #[must_use]
    pub fn new(client: Client, table: Table) -> Self {
        Self::with_records(Arc::new(DynamoDbStore::new(client, table)))
    }

    /// Keeps effects beside a store of records that has been set up already, by its client.
    #[must_use]
    pub fn with_records(records: Arc<DynamoDbStore>) -> Self {
        let (client, outbox) = (records.client().clone(), records.table().clone());
        Self { client, records, outbox }
    }

    /// Has the outbox in another table: its key is what matters of it.
    #[must_use]
    pub fn with_outbox(self, table: Table) -> Self {
        Self { outbox: table, ..self }
    }

    fn key(&self, key: &OutboxKey) -> Item {
        self.outbox.primary_key(key.as_str())
    }

    /// The fault of a request to the table of the outbox.
    fn failed(
        &self,
        error: impl Into<Fault>,
        operation: &'static str,
        context: &'static str,
    ) -> Fault {
        let call = Call::to("DynamoDB").operation(operation).on(self.outbox.name());
        error.into().with_context(context).with_call(call)
    }

    async fn read(&self, keys: &[OutboxKey]) -> Result<Vec<Option<OutboxItem>>, Fault> {
        let unbuilt = |error| Fault::permanent("a request could not be built").with_source(error);
        let mut found: HashMap<String, OutboxItem> = HashMap::with_capacity(keys.len());
        let mut wanted: Vec<Item> = keys.iter().map(|key| self.key(key)).collect();
        while !wanted.is_empty() {
            let asked = wanted.len();
            let request = KeysAndAttributes::builder()
                .set_keys(Some(wanted))
                .consistent_read(true)
                .build()
                .map_err(unbuilt)?;
            let answer = self
                .client
                .batch_get_item()
                .request_items(self.outbox.name(), request)
                .send()
                .await;
            let answer =
                answer.map_err(|error| self.failed(error, "BatchGetItem", "reading the outbox"))?;
            for mut item in answer.responses.unwrap_or_default().into_values().flatten() {
                let event = item.remove(Self::EVENT);
                let created_at = item.remove(Self::CREATED_AT);
                let owner = item.remove(Self::OWNER);
                if event.is_none() && created_at.is_none() && owner.is_none() {
                    // A record or an item of the business, whose key only looks like one of ours.
                    continue;
                }
                let key = item.remove(self.outbox.own_key()).and_then(text);
                let Some(key) = key else {
                    return Err(Fault::contract("an item without its key").hand_back());
                };
                let owner = owner.and_then(text).map(|owner| OutboxOwner::stored(&owner));
                let created_at = match created_at {
                    Some(AttributeValue::N(millis)) => millis.parse().ok(),
                    _ => None,
                };
                let created_at = created_at.and_then(Timestamp::from_unix_millis);
                let json = event.and_then(text).map(Into::into);
                found.insert(key, OutboxItem::new(owner, json, created_at));
            }
            let left = answer.unprocessed_keys.unwrap_or_default();
            wanted = left.into_values().flat_map(|left| left.keys).collect();
            if wanted.len() >= asked {
                let fault = Fault::throttled("the table left all items unprocessed");
                return Err(self.failed(fault, "BatchGetItem", "reading the outbox"));
            }
        }
        Ok(keys.iter().map(|key| found.remove(key.as_str())).collect())
    }

    async fn remove(&self, keys: &[OutboxKey]) -> Result<(), Fault> {
        /// The most requests of a `BatchWriteItem`.
        const MOST: usize = 25;
        let unbuilt = |error| Fault::permanent("a request could not be built").with_source(error);
        let delete = |key| {
            let delete = DeleteRequest::builder().set_key(Some(self.key(key))).build();
            Ok(WriteRequest::builder().delete_request(delete.map_err(unbuilt)?).build())
        };
        let mut wanted = keys.iter().map(delete).collect::<Result<Vec<_>, Fault>>()?;
        while !wanted.is_empty() {
            let later = wanted.split_off(wanted.len().min(MOST));
            let asked = wanted.len();
            let answer = self
                .client
                .batch_write_item()
                .request_items(self.outbox.name(), wanted)
                .send()
                .await;
            let answer = answer
                .map_err(|error| self.failed(error, "BatchWriteItem", "clearing the outbox"))?;
            let left = answer.unprocessed_items.unwrap_or_default();
            wanted = left.into_values().flatten().collect();
            if wanted.len() >= asked {
                let fault = Fault::throttled("the table left all items unprocessed");
                return Err(self.failed(fault, "BatchWriteItem", "clearing the outbox"));
            }
            wanted.extend(later);
        }
        Ok(())
    }
}

fn text(value: AttributeValue) -> Option<String> {
    match value {
        AttributeValue::S(text) => Some(text),
        _ => None,
    }
}

/// Tells the table with that name or ARN. Requests may name it either way.
fn is_named(table: &Table, name: &str) -> bool {
    fn plain(name: &str) -> &str {
        name.rsplit_once(":table/").map_or(name, |(_, name)| name)
    }
    plain(table.name()) == plain(name)
}

impl EffectStore for DynamoDbEffects {
    type Records = DynamoDbStore;

    fn records(&self) -> &Arc<DynamoDbStore> {
        &self.records
    }

    fn limits(&self) -> EffectLimits {
        EffectLimits::DYNAMO_DB
    }

    fn write(&self, write: &Write) -> Result<TransactWriteItem, InvalidWrite> {
        request::transact_item(write)
    }

    fn stage(&self, entry: &OutboxEntry) -> Result<TransactWriteItem, InvalidWrite> {
        let mut item = self.key(&entry.key);
        item.insert(Self::EVENT.to_owned(), AttributeValue::S((*entry.json).to_owned()));
        item.insert(Self::OWNER.to_owned(), AttributeValue::S(entry.owner.as_str().to_owned()));
        let millis = entry.created_at.unix_millis().to_string();
        item.insert(Self::CREATED_AT.to_owned(), AttributeValue::N(millis));
        let put = Put::builder().table_name(self.outbox.name()).set_item(Some(item)).build();
        let put = put.map_err(|_| InvalidWrite::Unsupported)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn read_outbox<'a>(
        &'a self,
        keys: &'a [OutboxKey],
    ) -> BoxFuture<'a, Result<Vec<Option<OutboxItem>>, Fault>> {
        Box::pin(self.read(keys))
    }

    fn remove_outbox<'a>(&'a self, keys: &'a [OutboxKey]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(self.remove(keys))
    }

    fn keeps(&self, table: &str) -> bool {
        [self.records.table(), &self.outbox].iter().any(|own| is_named(own, table))
    }

    fn has_outbox_in(&self, table: &str) -> bool {
        is_named(&self.outbox, table)
    }

    fn is_reserved(&self, write: &Write, record: &RecordKey) -> bool {
        let is_record = |(name, value): (&String, &AttributeValue)| {
            native_key(write, name) == Some(value.clone().into())
        };
        if is_named(self.records.table(), write.table())
            && self.records.table().primary_key(record.as_str()).iter().all(is_record)
        {
            return true;
        }
        if !is_named(&self.outbox, write.table()) {
            return false;
        }
        let Some(serde_dynamo::AttributeValue::S(text)) = native_key(write, self.outbox.own_key())
        else {
            return false;
        };
        OutboxKey::parse(&text).is_some_and(|key| self.key(&key).iter().all(is_record))
    }

    fn outbox_key(
        &self,
        primary_key: &HashMap<String, serde_dynamo::AttributeValue>,
    ) -> Option<OutboxKey> {
        let Some(serde_dynamo::AttributeValue::S(text)) = primary_key.get(self.outbox.own_key())
        else {
            return None;
        };
        let key = OutboxKey::parse(text)?;
        let own = self.key(&key);
        // In a table with both keys, the other one has to be that of the outbox, too.
        let is_own = own.len() == primary_key.len()
            && own.into_iter().all(|(name, value)| {
                primary_key.get(&name) == Some(&serde_dynamo::AttributeValue::from(value))
            });
        is_own.then_some(key)
    }
}
