mod expression;
mod json;
mod key;
mod limits;
mod size;
mod value;

use std::{collections::HashMap, fmt};

use serde::Serialize;
use serde_dynamo::AttributeValue;
use setpiece_policy::Fault;

#[cfg(feature = "dynamodb")]
pub(crate) use self::expression::Draft;
pub use self::{
    key::{ItemKey, KeyValue},
    value::Sequence,
};
#[cfg(feature = "dynamodb")]
pub(crate) use self::{
    limits::{MAX_EXPRESSION_BYTES, MAX_SUBSTITUTED_BYTES, key_problem, table_problem},
    value::checked_item,
};
pub(crate) use self::{size::item_bytes, value::Number};
use crate::InvalidWrite;

/// One business write, as data.
///
/// It names a table, an item by its key, what to do, on which conditions, and what it means when
/// they do not hold.
///
/// ```
/// use setpiece_handler::Write;
/// use setpiece_policy::Fault;
///
/// # #[derive(serde::Serialize)] struct Customer { name: &'static str }
/// let customer = Customer { name: "Ann" };
/// let new = Write::put("customers", ("id", "cu-101"), &customer).if_absent();
///
/// let points = Write::update("loyalty", [("pk", "cu-101"), ("sk", "points")])
///     .add("balance", -100)
///     .set("tier", "gold")
///     .if_equals("status", "active")
///     .or_fault(Fault::permanent("the account is closed"));
///
/// // An older event does not write over a newer one.
/// let price = Write::update("prices", ("sku", "s-1")).set("cents", 2999).if_newer("sequence", 17);
/// # _ = (new, points, price);
/// ```
///
/// Values are whatever serde can write as values of DynamoDB; sets are those of [`serde_dynamo`],
/// such as [`StringSet`](serde_dynamo::string_set::StringSet). Names of attributes are taken as they are:
/// a dot is a dot, and reserved words need nothing.
///
/// # When conditions do not hold
///
/// Then none of the effects is applied. DynamoDB says which write it was, not which of its
/// conditions, so there is one answer for each write: [`or_fault`](Self::or_fault) or
/// [`or_skip`](Self::or_skip). Without either it is a [conflict](setpiece_policy::FaultKind::Conflict),
/// and the event is delivered again.
#[derive(Clone, PartialEq)]
#[must_use = "a write does nothing until it is in the effects that a handler returns"]
pub struct Write {
    table: String,
    key: ItemKey,
    operation: Operation,
    conditions: Vec<Condition>,
    otherwise: Otherwise,
    problem: Option<InvalidWrite>,
}

/// Operation of a write.
#[derive(Clone, PartialEq)]
pub(crate) enum Operation {
    Put(HashMap<String, AttributeValue>),
    Update(Vec<Change>),
    Delete,
    Check,
    #[cfg(feature = "dynamodb")]
    Native(Box<aws_sdk_dynamodb::types::TransactWriteItem>),
}

/// Change of one attribute by an update.
#[derive(Clone, PartialEq)]
pub(crate) struct Change {
    pub(crate) attribute: String,
    pub(crate) how: How,
}

#[derive(Clone, PartialEq)]
pub(crate) enum How {
    Set(AttributeValue),
    Add(AttributeValue),
    Remove,
    /// A list of one.
    Append(AttributeValue),
}

/// On which condition a write is made.
#[derive(Clone, PartialEq)]
pub(crate) enum Condition {
    Absent,
    Present,
    Equals(String, AttributeValue),
    LessThan(String, AttributeValue),
    Newer(String, AttributeValue),
}

/// Meaning of a condition that does not hold.
#[derive(Clone, Default)]
pub(crate) enum Otherwise {
    #[default]
    Conflict,
    Fault(Fault),
    Skip,
}

impl PartialEq for Otherwise {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Conflict, Self::Conflict) | (Self::Skip, Self::Skip) => true,
            (Self::Fault(one), Self::Fault(other)) => {
                let facts = |it: &Fault| (it.kind(), it.context(), it.disposition());
                facts(one) == facts(other)
            }
            _ => false,
        }
    }
}

impl Write {
    /// The attribute that [`last_seen`](Self::last_seen) writes.
    pub const LAST_SEEN: &str = "last_seen";

    fn new(table: impl Into<String>, key: impl Into<ItemKey>, operation: Operation) -> Self {
        let (table, key) = (table.into(), key.into());
        let problem = (table.is_empty() || key.is_empty()).then_some(InvalidWrite::Empty);
        Self {
            table,
            key,
            operation,
            conditions: Vec::new(),
            otherwise: Otherwise::default(),
            problem,
        }
    }

    /// A write of the store's own.
    #[cfg(feature = "dynamodb")]
    pub(crate) fn foreign(table: String, key: ItemKey, operation: Operation) -> Self {
        let problem = table.is_empty().then_some(InvalidWrite::Empty);
        Self { problem, ..Self::new(table, key, operation) }
    }

    /// Puts an item in place of what is there. The attributes of the key need not be in it; if
    /// they are, they have to be those of the key.
    pub fn put(
        table: impl Into<String>,
        key: impl Into<ItemKey>,
        item: &(impl Serialize + ?Sized),
    ) -> Self {
        let (item, problem) = match value::item(item) {
            Ok(item) => (item, None),
            Err(problem) => (HashMap::new(), Some(problem)),
        };
        let mut this = Self::new(table, key, Operation::Put(HashMap::new()));
        let mut whole = item;
        for (name, value) in this.key.attributes() {
            match whole.insert(name.clone(), value.clone()) {
                Some(other) if other != *value => {
                    let attribute = name.as_str().into();
                    this.problem.get_or_insert(InvalidWrite::ChangesKey { attribute });
                }
                Some(_) | None => {}
            }
        }
        this.operation = Operation::Put(whole);
        if let Some(problem) = problem {
            this.problem.get_or_insert(problem);
        }
        this
    }

    /// Changes single attributes of an item, which is made if it is not there.
    pub fn update(table: impl Into<String>, key: impl Into<ItemKey>) -> Self {
        Self::new(table, key, Operation::Update(Vec::new()))
    }

    /// Deletes an item, which may not be there.
    pub fn delete(table: impl Into<String>, key: impl Into<ItemKey>) -> Self {
        Self::new(table, key, Operation::Delete)
    }

    /// Writes nothing, and makes all effects depend on its conditions.
    pub fn check(table: impl Into<String>, key: impl Into<ItemKey>) -> Self {
        Self::new(table, key, Operation::Check)
    }

    /// Remembers the newest sequence that was seen of a subject, on an item of its own; and makes
    /// the effects those of the newest event. Those of an older one are
    /// [skipped](Self::or_skip).
    ///
    /// It is an update of the attribute [`LAST_SEEN`](Self::LAST_SEEN), on the condition of
    /// [`if_newer`](Self::if_newer). Where the effects write an item of the subject anyway,
    /// `if_newer` on that write costs nothing.
    pub fn last_seen(
        table: impl Into<String>,
        subject: impl Into<ItemKey>,
        sequence: impl Into<Sequence>,
    ) -> Self {
        Self::update(table, subject).if_newer(Self::LAST_SEEN, sequence)
    }

    /// Sets an attribute.
    pub fn set(self, attribute: impl Into<String>, value: impl Serialize) -> Self {
        self.change(attribute.into(), &value, 1, How::Set)
    }

    /// Adds to a number, which is 0 if it is not there, or elements to a set.
    pub fn add(self, attribute: impl Into<String>, value: impl Serialize) -> Self {
        let attribute = attribute.into();
        let addable = |value: &AttributeValue| {
            use AttributeValue::{Bs, N, Ns, Ss};
            matches!(value, N(_) | Ss(_) | Ns(_) | Bs(_))
        };
        match value::value(&attribute, &value, 1) {
            Ok(value) if addable(&value) => self.with(attribute, How::Add(value)),
            Err(problem) => self.broken(problem),
            Ok(_) => self.broken(InvalidWrite::Value { attribute: attribute.into() }),
        }
    }

    /// Removes an attribute.
    pub fn remove(self, attribute: impl Into<String>) -> Self {
        self.with(attribute.into(), How::Remove)
    }

    /// Appends an element to a list, which is empty if it is not there.
    pub fn append(self, attribute: impl Into<String>, element: impl Serialize) -> Self {
        let list = |element| How::Append(AttributeValue::L(vec![element]));
        self.change(attribute.into(), &element, 2, list)
    }

    fn change(
        self,
        attribute: String,
        value: &impl Serialize,
        level: usize,
        how: impl FnOnce(AttributeValue) -> How,
    ) -> Self {
        match value::value(&attribute, value, level) {
            Ok(value) => self.with(attribute, how(value)),
            Err(problem) => self.broken(problem),
        }
    }

    fn with(mut self, attribute: String, how: How) -> Self {
        let is_key = self.key.has(&attribute);
        let Operation::Update(changes) = &mut self.operation else {
            return self.broken(InvalidWrite::NotAnUpdate);
        };
        if let Some(problem) = limits::name_problem(&attribute) {
            return self.broken(problem);
        }
        if is_key {
            return self.broken(InvalidWrite::ChangesKey { attribute: attribute.into() });
        }
        if changes.iter().any(|change| change.attribute == attribute) {
            return self.broken(InvalidWrite::Twice { attribute: attribute.into() });
        }
        changes.push(Change { attribute, how });
        self
    }

    fn broken(mut self, problem: InvalidWrite) -> Self {
        self.problem.get_or_insert(problem);
        self
    }

    /// Only if the item is not there.
    pub fn if_absent(self) -> Self {
        self.when(Condition::Absent)
    }

    /// Only if the item is there.
    pub fn if_present(self) -> Self {
        self.when(Condition::Present)
    }

    /// Only if the attribute has this value.
    pub fn if_equals(self, attribute: impl Into<String>, value: impl Serialize) -> Self {
        let attribute = attribute.into();
        match value::value(&attribute, &value, 1) {
            Ok(value) => self.when(Condition::Equals(attribute, value)),
            Err(problem) => self.broken(problem),
        }
    }

    /// Only if the attribute is there and less than this value. Numbers are compared with numbers,
    /// and texts with texts by their bytes; other values are not ordered, and what has another
    /// type is not less.
    pub fn if_less_than(self, attribute: impl Into<String>, value: impl Serialize) -> Self {
        let attribute = attribute.into();
        match value::value(&attribute, &value, 1) {
            Err(problem) => self.broken(problem),
            Ok(value @ (AttributeValue::N(_) | AttributeValue::S(_) | AttributeValue::B(_))) => {
                self.when(Condition::LessThan(attribute, value))
            }
            Ok(_) => self.broken(InvalidWrite::Value { attribute: attribute.into() }),
        }
    }

    /// Only if no sequence as new as this one was written there: if the attribute is not there, or
    /// is less. A put or an update writes it there.
    ///
    /// It keeps an event that comes late from writing over what a newer one wrote, since buses do
    /// not keep the order. Unless something else is said, the effects are then
    /// [skipped](Self::or_skip), where it is the only condition.
    ///
    /// An equal sequence is not newer. It is the event that was applied already, come again after
    /// the guard has forgotten it; or another event with the same number, which is a mistake of
    /// its producer, and then the first one stands.
    pub fn if_newer(self, attribute: impl Into<String>, sequence: impl Into<Sequence>) -> Self {
        let attribute = attribute.into();
        let value = match sequence.into().into_value(&attribute) {
            Ok(value) => value,
            Err(problem) => return self.broken(problem),
        };
        let mut this = self.when(Condition::Newer(attribute.clone(), value.clone()));
        match &mut this.operation {
            Operation::Update(_) => this.with(attribute, How::Set(value)),
            Operation::Put(_) if this.key.has(&attribute) => {
                this.broken(InvalidWrite::ChangesKey { attribute: attribute.into() })
            }
            Operation::Put(item) => {
                item.insert(attribute, value);
                this
            }
            _ => this,
        }
    }

    fn when(mut self, condition: Condition) -> Self {
        #[cfg(feature = "dynamodb")]
        if matches!(self.operation, Operation::Native(_)) {
            return self.broken(InvalidWrite::NotAnUpdate);
        }
        let problem = match &condition {
            Condition::Equals(name, _)
            | Condition::LessThan(name, _)
            | Condition::Newer(name, _) => limits::name_problem(name),
            Condition::Absent | Condition::Present => None,
        };
        self.conditions.push(condition);
        match problem {
            Some(problem) => self.broken(problem),
            None => self,
        }
    }

    /// Sets the fault of a write whose conditions do not hold. Nothing was written then, so the
    /// fault decides what becomes of the event.
    pub fn or_fault(mut self, fault: Fault) -> Self {
        self.otherwise = Otherwise::Fault(fault);
        self
    }

    /// When the conditions do not hold, the event is stale: nothing is written, nothing is
    /// emitted, and the delivery is done.
    pub fn or_skip(mut self) -> Self {
        self.otherwise = Otherwise::Skip;
        self
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The key of the item.
    #[must_use]
    pub fn key(&self) -> &ItemKey {
        &self.key
    }

    pub(crate) fn operation(&self) -> &Operation {
        &self.operation
    }

    pub(crate) fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    pub(crate) fn otherwise(&self) -> &Otherwise {
        match (&self.otherwise, &self.conditions[..]) {
            // It can only be stale. With another condition it may be something else, too.
            (Otherwise::Conflict, [Condition::Newer(..)]) => &Otherwise::Skip,
            (otherwise, _) => otherwise,
        }
    }

    /// Returns the problem of the write, if there is one.
    pub(crate) fn problem(&self) -> Option<InvalidWrite> {
        if let Some(problem) = &self.problem {
            return Some(problem.clone());
        }
        match &self.operation {
            Operation::Update(changes) if changes.is_empty() => Some(InvalidWrite::Nothing),
            Operation::Check if self.conditions.is_empty() => Some(InvalidWrite::NoCondition),
            #[cfg(feature = "dynamodb")]
            Operation::Native(item) => crate::dynamodb::native_problem(item),
            _ => limits::problem(self),
        }
    }
}

impl fmt::Debug for Write {
    /// Shows tables and the names of attributes, but no values: they can be personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |mut names: Vec<&str>| {
            names.sort_unstable();
            names.join(", ")
        };
        let (verb, what) = match &self.operation {
            Operation::Put(item) => {
                ("put", format!(" {{{}}}", names(item.keys().map(|name| &**name).collect())))
            }
            Operation::Update(changes) => {
                let changes: Vec<String> = changes
                    .iter()
                    .map(|change| {
                        let how = match change.how {
                            How::Set(_) => "set",
                            How::Add(_) => "add",
                            How::Remove => "remove",
                            How::Append(_) => "append",
                        };
                        format!("{how} {}", change.attribute)
                    })
                    .collect();
                ("update", format!(" {{{}}}", changes.join(", ")))
            }
            Operation::Delete => ("delete", String::new()),
            Operation::Check => ("check", String::new()),
            #[cfg(feature = "dynamodb")]
            Operation::Native(_) => ("native", String::new()),
        };
        write!(
            f,
            "{verb} {}[{}]{what}",
            self.table,
            self.key.names().collect::<Vec<_>>().join(", ")
        )?;
        for condition in &self.conditions {
            match condition {
                Condition::Absent => f.write_str(" if absent")?,
                Condition::Present => f.write_str(" if present")?,
                Condition::Equals(name, _) => write!(f, " if {name} equals")?,
                Condition::LessThan(name, _) => write!(f, " if {name} less than")?,
                Condition::Newer(name, _) => write!(f, " if newer than {name}")?,
            }
        }
        match self.otherwise() {
            Otherwise::Conflict => {}
            Otherwise::Fault(fault) => write!(f, " or fault ({fault})")?,
            Otherwise::Skip => f.write_str(" or skip")?,
        }
        match &self.problem {
            None => Ok(()),
            Some(problem) => write!(f, " (invalid: {problem})"),
        }
    }
}
