use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    future::ready,
    sync::Arc,
};

use serde_dynamo::AttributeValue;
use setpiece_envelope::Clock;
use setpiece_idempotency::{
    Beside, MemoryStore,
    store::{Impossible, ImpossibleReason, RecordKey, Unwritten},
};
use setpiece_policy::Fault;

use crate::{
    BoxFuture, EffectLimits, EffectStore, InvalidWrite, ItemKey, OutboxEntry, OutboxItem,
    OutboxKey, Write,
    write::{Change, Condition, How, Number, Operation, item_bytes},
};

/// Applies effects in memory: for tests, and for trying out a service without AWS.
///
/// It has the records of a guard, tables of items, and the outbox, and changes them in one step as
/// DynamoDB does. The same suite of tests runs on both. Clones are the same store.
#[derive(Clone)]
pub struct MemoryEffects {
    records: Arc<MemoryStore<Tables>>,
    limits: EffectLimits,
    table: Option<Arc<str>>,
}

/// Tables of items and the outbox, which [`MemoryEffects`] keeps beside the records.
#[derive(Default)]
pub struct Tables {
    tables: BTreeMap<String, Table>,
    outbox: BTreeMap<OutboxKey, OutboxItem>,
}

type Item = HashMap<String, AttributeValue>;
type Table = BTreeMap<Vec<(String, String)>, Item>;

/// A write in memory.
#[derive(Clone, Debug)]
pub struct TableWrite(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Item(Write),
    Outbox(OutboxEntry),
}

impl TableWrite {
    /// The table that it is for; none for an event in the outbox.
    #[must_use]
    pub fn table(&self) -> Option<&str> {
        match &self.0 {
            Kind::Item(write) => Some(write.table()),
            Kind::Outbox(_) => None,
        }
    }
}

impl MemoryEffects {
    /// An empty store, in which records expire by `clock`.
    #[must_use]
    pub fn new(clock: impl Clock) -> Self {
        Self {
            records: Arc::new(MemoryStore::empty(clock)),
            limits: EffectLimits::DYNAMO_DB,
            table: None,
        }
    }

    /// Names the table that records and the outbox would have, with the key `id`. A write on one of
    /// their items is then refused as it is in DynamoDB; they stay where they are.
    #[must_use]
    pub fn with_table(self, name: impl Into<Arc<str>>) -> Self {
        Self { table: Some(name.into()), ..self }
    }

    /// An item, if it is there.
    #[must_use]
    pub fn item(&self, table: &str, key: impl Into<ItemKey>) -> Option<Item> {
        let identity = key.into().identity();
        self.records.beside(|tables| tables.tables.get(table)?.get(&identity).cloned())
    }

    /// All items of a table, in no order that means anything.
    #[must_use]
    pub fn items(&self, table: &str) -> Vec<Item> {
        self.records.beside(|tables| match tables.tables.get(table) {
            Some(table) => table.values().cloned().collect(),
            None => Vec::new(),
        })
    }

    /// Puts an item there, as somebody else could have.
    pub fn put_item(&self, table: &str, key: impl Into<ItemKey>, item: Item) {
        let key = key.into();
        let mut whole = item;
        whole.extend(key.attributes().iter().cloned());
        self.records.beside(|tables| {
            tables.tables.entry(table.to_owned()).or_default().insert(key.identity(), whole);
        });
    }

    /// The keys of the events that are in the outbox.
    #[must_use]
    pub fn outbox(&self) -> Vec<OutboxKey> {
        self.records.beside(|tables| tables.outbox.keys().cloned().collect())
    }
}

impl EffectStore for MemoryEffects {
    type Records = MemoryStore<Tables>;

    fn records(&self) -> &Arc<Self::Records> {
        &self.records
    }

    fn limits(&self) -> EffectLimits {
        self.limits
    }

    fn write(&self, write: &Write) -> Result<TableWrite, InvalidWrite> {
        match write.operation() {
            #[cfg(feature = "dynamodb")]
            Operation::Native(_) => Err(InvalidWrite::Unsupported),
            _ => Ok(TableWrite(Kind::Item(write.clone()))),
        }
    }

    fn stage(&self, entry: &OutboxEntry) -> Result<TableWrite, InvalidWrite> {
        Ok(TableWrite(Kind::Outbox(entry.clone())))
    }

    fn read_outbox<'a>(
        &'a self,
        keys: &'a [OutboxKey],
    ) -> BoxFuture<'a, Result<Vec<Option<OutboxItem>>, Fault>> {
        let found = self
            .records
            .beside(|tables| keys.iter().map(|key| tables.outbox.get(key).cloned()).collect());
        Box::pin(ready(Ok(found)))
    }

    fn remove_outbox<'a>(&'a self, keys: &'a [OutboxKey]) -> BoxFuture<'a, Result<(), Fault>> {
        self.records.beside(|tables| {
            for key in keys {
                tables.outbox.remove(key);
            }
        });
        Box::pin(ready(Ok(())))
    }

    fn is_reserved(&self, write: &Write, record: &RecordKey) -> bool {
        let mut key = write.key().attributes().iter();
        let (Some((name, AttributeValue::S(text))), None) = (key.next(), key.next()) else {
            return false;
        };
        self.table.as_deref() == Some(write.table())
            && name == "id"
            && (text == record.as_str() || OutboxKey::parse(text).is_some())
    }

    fn outbox_key(&self, primary_key: &HashMap<String, AttributeValue>) -> Option<OutboxKey> {
        // Its records have no attributes, so it takes the names of a plain table.
        match primary_key.get("id") {
            Some(AttributeValue::S(text)) => OutboxKey::parse(text),
            _ => None,
        }
    }
}

impl Beside for Tables {
    type Write = TableWrite;

    fn write(&mut self, writes: &[TableWrite]) -> Result<(), Unwritten> {
        let refused = writes.iter().position(|TableWrite(kind)| match kind {
            Kind::Item(write) => !self.allows(write),
            Kind::Outbox(_) => false,
        });
        if let Some(index) = refused {
            return Err(Unwritten::Refused(index));
        }
        let changed = writes.iter().enumerate().map(|(index, TableWrite(kind))| match kind {
            Kind::Item(write) => self
                .changed(write)
                .map_err(|reason| Unwritten::Impossible(Impossible::new(Some(index), reason))),
            Kind::Outbox(_) => Ok(None),
        });
        let changed: Vec<Option<Item>> = changed.collect::<Result<_, _>>()?;
        for (TableWrite(kind), item) in writes.iter().zip(changed) {
            match (kind, item) {
                (Kind::Outbox(entry), _) => {
                    let (owner, json) = (entry.owner.clone(), Arc::clone(&entry.json));
                    let item = OutboxItem::new(Some(owner), Some(json), Some(entry.created_at));
                    self.outbox.insert(entry.key.clone(), item);
                }
                (Kind::Item(write), Some(item)) => {
                    let table = self.tables.entry(write.table().to_owned()).or_default();
                    table.insert(write.key().identity(), item);
                }
                (Kind::Item(write), None) => {
                    if let (Operation::Delete, Some(table)) =
                        (write.operation(), self.tables.get_mut(write.table()))
                    {
                        table.remove(&write.key().identity());
                    }
                }
            }
        }
        Ok(())
    }
}

impl Tables {
    fn found(&self, write: &Write) -> Option<&Item> {
        self.tables.get(write.table())?.get(&write.key().identity())
    }

    /// Returns true if the conditions of a write hold.
    fn allows(&self, write: &Write) -> bool {
        let found = self.found(write);
        let attribute = |name: &String| found.and_then(|item| item.get(name));
        write.conditions().iter().all(|condition| match condition {
            Condition::Absent => found.is_none(),
            Condition::Present => found.is_some(),
            Condition::Equals(name, value) => attribute(name) == Some(value),
            Condition::LessThan(name, value) => {
                attribute(name).is_some_and(|found| is_less(found, value))
            }
            Condition::Newer(name, value) => {
                attribute(name).is_none_or(|found| is_less(found, value))
            }
        })
    }

    /// The item after a write that leaves one.
    fn changed(&self, write: &Write) -> Result<Option<Item>, ImpossibleReason> {
        match write.operation() {
            Operation::Put(item) => Ok(Some(item.clone())),
            Operation::Update(changes) => {
                let key = || write.key().attributes().iter().cloned().collect();
                let mut item: Item = self.found(write).cloned().unwrap_or_else(key);
                for change in changes {
                    apply(&mut item, change)?;
                }
                if item_bytes(&item) > EffectLimits::DYNAMO_DB.max_item_bytes {
                    return Err(ImpossibleReason::ItemTooLarge);
                }
                Ok(Some(item))
            }
            Operation::Delete | Operation::Check => Ok(None),
            #[cfg(feature = "dynamodb")]
            Operation::Native(_) => Ok(None),
        }
    }
}

fn is_less(found: &AttributeValue, value: &AttributeValue) -> bool {
    match (found, value) {
        (AttributeValue::N(found), AttributeValue::N(value)) => {
            Number::parse(found) < Number::parse(value)
        }
        (AttributeValue::S(found), AttributeValue::S(value)) => found < value,
        (AttributeValue::B(found), AttributeValue::B(value)) => found < value,
        _ => false,
    }
}

fn apply(item: &mut Item, Change { attribute, how }: &Change) -> Result<(), ImpossibleReason> {
    use AttributeValue::{Bs, L, N, Ns, Ss};
    fn union<T: Ord + Clone>(all: &mut Vec<T>, more: &[T]) {
        all.extend_from_slice(more);
        all.sort_unstable();
        all.dedup();
    }
    match (how, item.get_mut(attribute)) {
        (How::Set(value) | How::Add(value) | How::Append(value), None)
        | (How::Set(value), Some(_)) => {
            item.insert(attribute.clone(), value.clone());
        }
        (How::Remove, _) => {
            item.remove(attribute);
        }
        (How::Add(N(more)), Some(N(number))) => {
            let sum = Number::parse(number).zip(Number::parse(more));
            let sum = sum.and_then(|(number, more)| number.add(more));
            let sum = sum.ok_or(ImpossibleReason::Number)?;
            *number = sum.to_string();
        }
        (How::Add(Ss(more)), Some(Ss(all))) | (How::Add(Ns(more)), Some(Ns(all))) => {
            union(all, more);
        }
        (How::Add(Bs(more)), Some(Bs(all))) => union(all, more),
        (How::Append(L(more)), Some(L(all))) => all.extend_from_slice(more),
        (How::Add(_) | How::Append(_), Some(_)) => {
            return Err(ImpossibleReason::WrongType);
        }
    }
    Ok(())
}

impl fmt::Debug for MemoryEffects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryEffects").field("records", &self.records).finish_non_exhaustive()
    }
}

impl fmt::Debug for Tables {
    /// Shows how much there is: what is in items can be personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = self.tables.iter().map(|(name, items)| (name, items.len()));
        f.debug_struct("Tables")
            .field("items", &tables.collect::<BTreeMap<_, _>>())
            .field("outbox", &self.outbox.len())
            .finish()
    }
}
