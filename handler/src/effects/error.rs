use std::{error::Error as StdError, fmt, sync::Arc};

use setpiece_bus::InvalidEvent;
use setpiece_idempotency::store::{Impossible, ImpossibleReason};
use setpiece_policy::{Fault, ValueFree};

/// Error of effects that cannot be applied, however often it is tried. Nothing was written.
///
/// It becomes a [permanent](setpiece_policy::FaultKind::Permanent) fault.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum InvalidEffects {
    /// There are more operations than a transaction has room for. Each write and each event is
    /// one, and so is the guard's record.
    TooManyOperations {
        /// Number of operations of the effects.
        operations: usize,
        /// Limit of the transaction.
        limit: usize,
    },
    /// All of it together is larger than a transaction may be.
    TooLarge {
        /// The size in bytes.
        bytes: usize,
        /// The most bytes that are allowed.
        limit: usize,
    },
    /// A write is larger than an item may be.
    WriteTooLarge {
        /// Index of the write, from 0.
        index: usize,
        /// The size in bytes.
        bytes: usize,
        /// The most bytes that are allowed.
        limit: usize,
    },
    /// An event is larger than an item may be, so the outbox cannot hold it. Publish what is
    /// large by reference.
    EventTooLarge {
        /// Index of the event, from 0.
        index: usize,
        /// The size in bytes.
        bytes: usize,
        /// The most bytes that are allowed.
        limit: usize,
    },
    /// Two writes are on one item, which a transaction refuses. Make them one.
    SameItem {
        /// The first of the two, from 0.
        first: usize,
        /// The second one.
        second: usize,
    },
    /// A write cannot be made.
    Write {
        /// Index of the write, from 0.
        index: usize,
        /// Problem of the write.
        problem: InvalidWrite,
    },
    /// The store can never make a write, because of the item that is there: it would grow too large,
    /// or has another type of attribute; or because its table has another key.
    WriteImpossible {
        /// Index of the write, from 0, if the store says it.
        index: Option<usize>,
        /// The reason, as far as the store says it.
        reason: ImpossibleReason,
    },
    /// The store can never put an event into the outbox.
    EventImpossible {
        /// Index of the event, from 0.
        index: usize,
        /// The reason, as far as the store says it.
        reason: ImpossibleReason,
    },
    /// An event has no form that readers take.
    Event {
        /// Index of the event, from 0.
        index: usize,
        /// Problem of the event.
        problem: Arc<InvalidEvent>,
    },
}

/// Problem of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidWrite {
    /// The value of this attribute cannot be stored: it is no value of DynamoDB, an empty set, or
    /// a number that is none.
    Value {
        /// The attribute.
        attribute: Box<str>,
    },
    /// Put of something that is no item: not a struct or a map with text keys.
    NotAnItem,
    /// A key, the name of a key attribute, or a table's name is empty.
    Empty,
    /// The write changes an attribute of the item's key.
    ChangesKey {
        /// The attribute.
        attribute: Box<str>,
    },
    /// The write changes one attribute twice.
    Twice {
        /// The attribute.
        attribute: Box<str>,
    },
    /// The value of this attribute has more levels of lists and maps than an item may have.
    TooDeep {
        /// The attribute.
        attribute: Box<str>,
        /// The most levels that are allowed.
        limit: usize,
    },
    /// A map in the value of this attribute has a member without a name.
    EmptyName {
        /// The attribute.
        attribute: Box<str>,
    },
    /// The name of an attribute or of a member of a map is too long.
    NameTooLong {
        /// The size in bytes.
        bytes: usize,
        /// The most bytes that are allowed.
        limit: usize,
    },
    /// The value of this attribute of the key is too long. The partition key comes first.
    KeyTooLong {
        /// The attribute.
        attribute: Box<str>,
        /// The size in bytes.
        bytes: usize,
        /// The most bytes that are allowed.
        limit: usize,
    },
    /// The table's name is not 3 to 255 letters, digits, `_`, `.` and `-`, nor an ARN of such a
    /// table.
    TableName,
    /// The write changes so many attributes, or has so many or such large conditions, that its
    /// expressions are too long. Make it several writes, or put the item.
    ExpressionTooLong {
        /// The size in bytes.
        bytes: usize,
        /// The most bytes that are allowed.
        limit: usize,
    },
    /// The write has too many conditions.
    TooManyOperators {
        /// The number of comparisons, functions and connectives.
        operators: usize,
        /// The most that are allowed.
        limit: usize,
    },
    /// The write is on the record that the effects complete, or on an item that can be one of the
    /// outbox.
    Reserved,
    /// The operation does not have this change: only updates change single attributes.
    NotAnUpdate,
    /// An update changes nothing.
    Nothing,
    /// A check has no condition.
    NoCondition,
    /// The store cannot make writes of this kind.
    Unsupported,
}

impl fmt::Display for InvalidEffects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyOperations { operations, limit } => {
                write!(f, "{operations} operations are more than the {limit} of a transaction")
            }
            Self::TooLarge { bytes, limit } => {
                write!(f, "the effects have {bytes} bytes, more than the {limit} of a transaction")
            }
            Self::WriteTooLarge { index, bytes, limit } => {
                write!(f, "write {index} has {bytes} bytes, more than the {limit} of an item")
            }
            Self::EventTooLarge { index, bytes, limit } => {
                write!(f, "event {index} has {bytes} bytes, more than the {limit} of an item")
            }
            Self::SameItem { first, second } => {
                write!(f, "writes {first} and {second} are on the same item")
            }
            Self::Write { index, problem } => write!(f, "write {index}: {problem}"),
            Self::WriteImpossible { index, reason } => Impossible::new(*index, *reason).fmt(f),
            Self::EventImpossible { index, reason } => {
                write!(f, "event {index} can never be put into the outbox: {reason}")
            }
            Self::Event { index, problem } => write!(f, "event {index}: {problem}"),
        }
    }
}

impl fmt::Display for InvalidWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { attribute } => write!(f, "`{attribute}` has a value that is none"),
            Self::NotAnItem => f.write_str("what is put is not an item"),
            Self::Empty => f.write_str("a key, its name or the table's name is empty"),
            Self::ChangesKey { attribute } => write!(f, "`{attribute}` is part of the key"),
            Self::Twice { attribute } => write!(f, "`{attribute}` is changed twice"),
            Self::TooDeep { attribute, limit } => {
                write!(f, "`{attribute}` has more than {limit} levels")
            }
            Self::EmptyName { attribute } => write!(f, "`{attribute}` has a member without a name"),
            Self::NameTooLong { bytes, limit } => {
                write!(f, "a name has {bytes} bytes, more than {limit}")
            }
            Self::KeyTooLong { attribute, bytes, limit } => {
                write!(f, "the key's `{attribute}` has {bytes} bytes, more than {limit}")
            }
            Self::TableName => f.write_str("the table's name is none"),
            Self::ExpressionTooLong { bytes, limit } => {
                write!(f, "its expression has {bytes} bytes, more than {limit}")
            }
            Self::TooManyOperators { operators, limit } => {
                write!(f, "its conditions have {operators} operators, more than {limit}")
            }
            Self::Reserved => {
                f.write_str("it is on the guard's record or on an item of the outbox")
            }
            Self::NotAnUpdate => f.write_str("only an update changes single attributes"),
            Self::Nothing => f.write_str("the update changes nothing"),
            Self::NoCondition => f.write_str("the check has no condition"),
            Self::Unsupported => f.write_str("the store makes no such write"),
        }
    }
}

impl StdError for InvalidEffects {}

impl ValueFree for InvalidEffects {}

impl StdError for InvalidWrite {}

impl ValueFree for InvalidWrite {}

impl From<InvalidEffects> for Fault {
    fn from(invalid: InvalidEffects) -> Self {
        Self::permanent("the effects cannot be applied")
            .with_remedy(
                "look at what the handler returns, and send the event again when it is mended",
            )
            .with_shown_source(invalid)
    }
}
