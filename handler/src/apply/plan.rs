use std::sync::Arc;

use setpiece_bus::{InvalidEvent, OutgoingEvent};
use setpiece_envelope::{Correlation, CorrelationId, EventId, Timestamp};
use setpiece_idempotency::Held;
use ulid::Ulid;

use super::Cause;
use crate::{
    EffectStore, Effects, InvalidEffects, InvalidWrite, OutboxEntry, OutboxKey, OutboxOwner, Write,
    WriteOf, effects::Emitted, write::Operation,
};

/// Effects in the language of the store, after all has been checked that can be.
pub(super) struct Plan<W> {
    /// The business writes in their order, and behind them what goes into the outbox.
    pub(super) writes: Vec<W>,
    pub(super) keys: Vec<OutboxKey>,
    pub(super) events: Vec<OutgoingEvent>,
}

/// Bytes that a guard's record takes, beside its key.
const RECORD_BYTES: usize = 1024;

/// Bytes that an item of the outbox takes beside its key and the event: the names of its attributes
/// and the time.
const ENTRY_BYTES: usize = 1024;

impl<W> Plan<W> {
    pub(super) fn new<X: EffectStore>(
        store: &X,
        owner: &OutboxOwner,
        held: &Held,
        effects: &Effects,
        events: Vec<OutgoingEvent>,
        now: Timestamp,
    ) -> Result<Self, InvalidEffects>
    where
        X::Records: setpiece_idempotency::store::Store<Write = W>,
    {
        let limits = store.limits();
        let operations = 1 + effects.written().len() + effects.emitted().len();
        if operations > limits.max_operations {
            let limit = limits.max_operations;
            return Err(InvalidEffects::TooManyOperations { operations, limit });
        }
        check_items(effects.written())?;

        let record = held.record_key();
        let mut bytes = RECORD_BYTES + record.as_str().len();
        let mut writes: Vec<WriteOf<X>> = Vec::with_capacity(operations - 1);
        for (index, write) in effects.written().iter().enumerate() {
            let invalid = |problem| InvalidEffects::Write { index, problem };
            if let Some(problem) = write.problem() {
                return Err(invalid(problem));
            }
            if store.is_reserved(write, record) {
                return Err(invalid(InvalidWrite::Reserved));
            }
            let size = write.bytes();
            if size > limits.max_item_bytes {
                let limit = limits.max_item_bytes;
                return Err(InvalidEffects::WriteTooLarge { index, bytes: size, limit });
            }
            bytes += size;
            writes.push(store.write(write).map_err(invalid)?);
        }

        let mut keys = Vec::with_capacity(events.len());
        for (index, event) in events.iter().enumerate() {
            let key = OutboxKey::new(record, index);
            // What is behind the writes is no event that cannot be sent, but one that there is no
            // outbox for.
            let invalid =
                |problem| InvalidEffects::Write { index: effects.written().len() + index, problem };
            let entry = OutboxEntry::new(key.clone(), owner.clone(), event.clone(), now);
            let entry = entry.map_err(invalid)?;
            let size = ENTRY_BYTES + key.as_str().len() + owner.as_str().len() + entry.json.len();
            if size > limits.max_item_bytes {
                let limit = limits.max_item_bytes;
                return Err(InvalidEffects::EventTooLarge { index, bytes: size, limit });
            }
            bytes += size;
            writes.push(store.stage(&entry).map_err(invalid)?);
            keys.push(key);
        }
        if bytes > limits.max_bytes {
            return Err(InvalidEffects::TooLarge { bytes, limit: limits.max_bytes });
        }
        Ok(Self { writes, keys, events })
    }
}

/// Finds two writes on one item.
fn check_items(writes: &[Write]) -> Result<(), InvalidEffects> {
    // There are no more of them than a transaction takes.
    let mut seen = Vec::with_capacity(writes.len());
    for (second, write) in writes.iter().enumerate() {
        // Of some, only the service knows the key.
        let is_known = match write.operation() {
            Operation::Put(_) | Operation::Update(_) | Operation::Delete | Operation::Check => true,
            #[cfg(feature = "dynamodb")]
            Operation::Native(_) => write.key().names().next().is_some(),
        };
        if is_known {
            let item = (write.table(), write.key().identity());
            if let Some((_, first)) = seen.iter().find(|(other, _)| *other == item) {
                return Err(InvalidEffects::SameItem { first: *first, second });
            }
            seen.push((item, second));
        }
    }
    Ok(())
}

/// Runs that must come to the same ids where there is no claim, and so no salt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ids {
    /// None: the outbox keeps the ids of the run that is written, and no others are ever sent.
    OfThisRun,
    /// All, since each may publish. They follow from the record's key alone.
    OfEachRun,
}

/// The events as they are sent.
pub(super) fn events(
    held: &Held,
    effects: &Effects,
    cause: &Cause,
    ids: Ids,
    now: Timestamp,
) -> Result<Vec<OutgoingEvent>, InvalidEffects> {
    let correlation = flow(held, cause);
    let stamped = |(index, emitted): (usize, &Emitted)| {
        let event_id = match event_id(held, cause, ids, index, emitted) {
            Ok(event_id) => event_id,
            Err(reason) => {
                let problem = Arc::new(InvalidEvent::Field { field: "event_id", reason });
                return Err(InvalidEffects::Event { index, problem });
            }
        };
        emitted
            .stamped(|metadata| {
                metadata.correlation = correlation.clone();
                metadata.event_id = event_id;
                metadata.occurred_at = Some(now.truncate_to_millis());
            })
            .map_err(|problem| InvalidEffects::Event { index, problem })
    };
    effects.emitted().iter().enumerate().map(stamped).collect()
}

/// Returns the correlation of events that `cause` leads to. A cause that nobody has put into a flow
/// begins one, the same in each run.
pub(crate) fn flow(held: &Held, cause: &Cause) -> Correlation {
    let mut correlation = cause.correlation.clone();
    if correlation.correlation_id.is_none() {
        let id = EventId::parse(ulid(cause, &held.downstream_key("flow"))).ok();
        correlation.correlation_id = id.as_ref().map(CorrelationId::from);
    }
    correlation
}

/// The id of an event: a ULID whose time is that of the cause and whose random part is a digest with
/// the salt of the record, so that each run of the same decision comes to the same one, and nobody
/// else does.
fn event_id(
    held: &Held,
    cause: &Cause,
    ids: Ids,
    index: usize,
    emitted: &Emitted,
) -> Result<EventId, setpiece_envelope::Reason> {
    let label = format!("emitted/{index}/{}/{}", emitted.source(), emitted.name());
    EventId::parse(ulid(
        cause,
        &match ids {
            Ids::OfThisRun => held.run_key(&label),
            Ids::OfEachRun => held.downstream_key(&label),
        },
    ))
}

fn ulid(cause: &Cause, digest: &str) -> String {
    // 80 bits of it.
    let random = digest.get(..20).and_then(|digits| u128::from_str_radix(digits, 16).ok());
    let millis = cause.since.map_or(0, |since| u64::try_from(since.unix_millis()).unwrap_or(0));
    Ulid::from_parts(millis, random.unwrap_or(0)).to_string()
}
