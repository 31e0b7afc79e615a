use std::{collections::HashMap, fmt, sync::Arc};

use serde_dynamo::AttributeValue;
use setpiece_bus::OutgoingEvent;
use setpiece_envelope::Timestamp;
pub use setpiece_idempotency::store::BoxFuture;
use setpiece_idempotency::store::{RecordKey, Store};
use setpiece_policy::Fault;

use super::InvalidWrite;
use crate::Write;

/// A write of the store in which an [`EffectStore`] has its records.
pub type WriteOf<X> = <<X as EffectStore>::Records as Store>::Write;

/// The port to where records of a guard, business items and the outbox are changed together.
///
/// The records are those of a [`Guard`](setpiece_idempotency::Guard), and its
/// [commit](setpiece_idempotency::Guard::commit) is the transaction. So an effect store does not
/// commit: it says what the writes are, in the language of the records' store. Beside that it
/// reads and removes what is in the outbox.
///
/// As with the guard's store, each method makes its requests once, and what to do about a fault is
/// up to the caller.
pub trait EffectStore: Send + Sync + 'static {
    /// Store of the guard's records.
    type Records: Store;

    /// Returns the store of the guard's records.
    fn records(&self) -> &Arc<Self::Records>;

    /// Returns the limits of one transaction.
    fn limits(&self) -> EffectLimits;

    /// Returns true if there are transactions and an outbox. Without them there are no writes, and
    /// the record is completed after events were published.
    fn is_transactional(&self) -> bool {
        true
    }

    /// A business write in the language of the records' store.
    ///
    /// # Errors
    ///
    /// The write can never be made.
    fn write(&self, write: &Write) -> Result<WriteOf<Self>, InvalidWrite>;

    /// The write that puts an event into the outbox.
    ///
    /// # Errors
    ///
    /// There is no outbox.
    fn stage(&self, entry: &OutboxEntry) -> Result<WriteOf<Self>, InvalidWrite>;

    /// Reads these items of the outbox, whoever owns them, as they are now. One that is not there
    /// has been relayed. What stands there and is no event counts as not there. At most 100.
    fn read_outbox<'a>(
        &'a self,
        keys: &'a [OutboxKey],
    ) -> BoxFuture<'a, Result<Vec<Option<OutboxItem>>, Fault>>;

    /// Removes these events, whether they are there or not.
    fn remove_outbox<'a>(&'a self, keys: &'a [OutboxKey]) -> BoxFuture<'a, Result<(), Fault>>;

    /// Returns true if records or the outbox are in the table with that name. A change there that
    /// is not of the outbox is for nobody, unless a handler takes it.
    fn keeps(&self, table: &str) -> bool {
        _ = table;
        false
    }

    /// Returns true if the outbox is in the table with that name. An item in the stream of another
    /// table is none of its events, whatever key it has. A store whose outbox is in no table of a
    /// name returns true for all.
    fn has_outbox_in(&self, table: &str) -> bool {
        _ = table;
        true
    }

    /// Says that a write is on what belongs to the guard or to the relay: on `record`, which the
    /// same transaction completes, or on an item whose key can be that of an event in the outbox.
    fn is_reserved(&self, write: &Write, record: &RecordKey) -> bool;

    /// The key of an event in the outbox, if the item with this primary key can be one. For what
    /// arrives in a stream of changes.
    ///
    /// It is told by its form alone, and other items may have such keys as well: a record whose
    /// name somebody else chose, or an item of another [table](Self::has_outbox_in). So
    /// [`read_outbox`](Self::read_outbox) has to find nothing where the item is no event.
    fn outbox_key(&self, primary_key: &HashMap<String, AttributeValue>) -> Option<OutboxKey>;
}

/// Limits of one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EffectLimits {
    /// The most operations, that of the guard included.
    pub max_operations: usize,
    /// The most bytes of all items together, that of the guard included.
    pub max_bytes: usize,
    /// The most bytes of one item.
    pub max_item_bytes: usize,
}

impl EffectLimits {
    /// `TransactWriteItems` of DynamoDB: 100 operations, 4 MB, and 400 KB for each item.
    pub const DYNAMO_DB: Self =
        Self { max_operations: 100, max_bytes: 4 * 1024 * 1024, max_item_bytes: 400 * 1024 };

    /// No limits.
    pub const NONE: Self =
        Self { max_operations: usize::MAX, max_bytes: usize::MAX, max_item_bytes: usize::MAX };
}

/// The key of an event in the outbox: the record's, and which of its events it is.
///
/// It follows from the record, so whoever finds the record completed knows where its events are.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutboxKey(RecordKey);

impl OutboxKey {
    const INFIX: &str = "#outbox#";

    /// The key of the event `index` of `record`.
    #[must_use]
    pub fn new(record: &RecordKey, index: usize) -> Self {
        Self(RecordKey::new(format!("{}{}{index}", record.as_str(), Self::INFIX)))
    }

    /// The key with that text, if it has the form of one. Other keys can have it, too.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (record, index) = text.rsplit_once(Self::INFIX)?;
        let is_index = matches!(index.len(), 1..=9) && index.bytes().all(|b| b.is_ascii_digit());
        (is_index && !record.is_empty()).then(|| Self(RecordKey::new(text)))
    }

    /// The text, for stores. It is not to be logged.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for OutboxKey {
    /// Shows a digest, as that of a record's key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutboxKey({})", self.0.shown())
    }
}

/// The owner of events in the outbox: the service that wrote them, and the bus that it publishes
/// to.
///
/// A relay publishes and removes the events of its own owner and no others, so services can share a
/// table. Its text is `{service}@{bus}`, and is stored with each event. When a service or its bus
/// gets another name, what is in the outbox keeps the owner that it had: empty the outbox first, or
/// run a relay under the old names until it is empty.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutboxOwner(Arc<str>);

impl OutboxOwner {
    /// Names the owner of what `service` publishes to `bus`, which is the
    /// [name](setpiece_bus::Bus::name) that the bus says of itself.
    #[must_use]
    pub fn new(service: &str, bus: &str) -> Self {
        Self(format!("{service}@{bus}").into())
    }

    /// Reads the text of an owner that a store has kept.
    #[must_use]
    pub fn stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The text, for stores and for the filters of streams.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OutboxOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutboxOwner({})", self.0)
    }
}

/// Item of the outbox, as a store has found it.
#[derive(Clone)]
#[non_exhaustive]
pub struct OutboxItem {
    /// The owner. `None` if it does not say, or not in a form that can be read: then nobody owns it.
    pub owner: Option<OutboxOwner>,
    /// The event as JSON. `None` if there is no text where it should be.
    pub json: Option<Arc<str>>,
    /// The moment at which it was put there, if it says so.
    pub created_at: Option<Timestamp>,
}

impl OutboxItem {
    /// Describes an item that was found.
    #[must_use]
    pub fn new(
        owner: Option<OutboxOwner>,
        json: Option<Arc<str>>,
        created_at: Option<Timestamp>,
    ) -> Self {
        Self { owner, json, created_at }
    }

    /// Reads the event.
    ///
    /// # Errors
    ///
    /// [`Contract`](setpiece_policy::FaultKind::Contract), handed back: another version of the
    /// service can know how to read it.
    pub fn event(&self) -> Result<OutgoingEvent, Fault> {
        // Errors of serde quote what they read.
        let event = self.json.as_deref().and_then(|json| serde_json::from_str(json).ok());
        event.ok_or_else(|| Fault::contract("an event in the outbox cannot be read").hand_back())
    }
}

impl fmt::Debug for OutboxItem {
    /// Leaves out the JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxItem")
            .field("owner", &self.owner)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

/// An event that is to be put into the outbox.
#[derive(Clone)]
#[non_exhaustive]
pub struct OutboxEntry {
    /// Key of the event in the outbox.
    pub key: OutboxKey,
    /// Owner of the event.
    pub owner: OutboxOwner,
    /// The event.
    pub event: OutgoingEvent,
    /// The event as JSON, as it is stored.
    pub json: Arc<str>,
    /// The present moment.
    pub created_at: Timestamp,
}

impl OutboxEntry {
    /// The `event` of `owner` at `key`, put there at `created_at`.
    ///
    /// # Errors
    ///
    /// The event cannot be written as JSON, which does not happen to one that can be sent.
    pub fn new(
        key: OutboxKey,
        owner: OutboxOwner,
        event: OutgoingEvent,
        created_at: Timestamp,
    ) -> Result<Self, InvalidWrite> {
        let json = serde_json::to_string(&event).map_err(|_| InvalidWrite::NotAnItem)?.into();
        Ok(Self { key, owner, event, json, created_at })
    }
}

impl fmt::Debug for OutboxEntry {
    /// Leaves out the JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxEntry")
            .field("key", &self.key)
            .field("owner", &self.owner)
            .field("event", &self.event)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

/// Only the records of a guard, and events: for services that write nothing else, or nothing to
/// where their records are.
///
/// Then nothing is written beside the record, and there is no outbox: events are published, then
/// the record is completed. A crash in between publishes them again, under the same ids.
#[derive(Debug)]
pub struct EventsOnly<S> {
    records: Arc<S>,
}

impl<S> Clone for EventsOnly<S> {
    fn clone(&self) -> Self {
        Self { records: Arc::clone(&self.records) }
    }
}

impl<S: Store> EventsOnly<S> {
    /// Has its records in `records`.
    #[must_use]
    pub fn new(records: Arc<S>) -> Self {
        Self { records }
    }
}

impl<S: Store> EffectStore for EventsOnly<S> {
    type Records = S;

    fn records(&self) -> &Arc<S> {
        &self.records
    }

    fn limits(&self) -> EffectLimits {
        EffectLimits::NONE
    }

    fn is_transactional(&self) -> bool {
        false
    }

    fn write(&self, _: &Write) -> Result<S::Write, InvalidWrite> {
        Err(InvalidWrite::Unsupported)
    }

    fn stage(&self, _: &OutboxEntry) -> Result<S::Write, InvalidWrite> {
        Err(InvalidWrite::Unsupported)
    }

    fn read_outbox<'a>(
        &'a self,
        keys: &'a [OutboxKey],
    ) -> BoxFuture<'a, Result<Vec<Option<OutboxItem>>, Fault>> {
        Box::pin(std::future::ready(Ok(vec![None; keys.len()])))
    }

    fn remove_outbox<'a>(&'a self, _: &'a [OutboxKey]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn is_reserved(&self, _: &Write, _: &RecordKey) -> bool {
        false
    }

    fn outbox_key(&self, _: &HashMap<String, AttributeValue>) -> Option<OutboxKey> {
        None
    }
}
