//! JSON Schemas of the data that an event's type writes and reads.

mod close;
mod formats;
mod integers;
mod sample;
mod sets;
mod validation;
mod walk;
mod widen;

use std::{
    any::TypeId,
    collections::HashMap,
    fmt,
    sync::{Arc, LazyLock, OnceLock, PoisonError, RwLock},
};

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{DomainEvent, MAX_EVENT_BYTES, Violation, wire};

/// The two schemas of an event's `data`.
///
/// A producer writes less than a consumer takes, and this difference is what lets a schema change
/// without breaking anybody:
///
/// - [`written`](Self::written) is *closed*: it has all members that the type writes, and no other.
/// - [`read`](Self::read) is *open*: it takes members that the type does not know, lacks those that
///   the type has defaults for, and takes any variant where the type has a `#[serde(other)]`.
///
/// A `format` is asserted: as the types of common libraries read it, such as a UUID without hyphens,
/// or as JSON Schema has it where no type does.
///
/// What schemars does not see is not in the schemas either. Types read, and their schemas refuse: a
/// `#[serde(alias)]`, a unit variant in the form `{"Variant": null}`, and what does not fit a
/// flattened `Option`, which is then `None`; a struct in the form of an array; and the tag of a
/// variant as its number. Types refuse, and their schemas take: a member beside those of a
/// `Duration` or a `Result`. And a schema takes `1.0` for an integer, which serde
/// does not.
///
/// ```
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
/// use setpiece_envelope::{DomainEvent, EventSchema, ServiceId};
///
/// const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");
///
/// #[derive(Serialize, Deserialize, JsonSchema, DomainEvent)]
/// #[event(service = ORDERS, name = "order_submitted", version = 1)]
/// struct OrderSubmitted {
///     order_number: String,
///     #[schemars(range(min = 1))]
///     quantity: u8,
/// }
///
/// let schema = EventSchema::of::<OrderSubmitted>();
/// let data = br#"{ "quantity": 0, "colour": "red" }"#;
///
/// let violations = schema.read().validate(data).unwrap_err();
/// assert_eq!(
///     violations.to_string(),
///     "`order_number` is missing; `quantity` breaks the rule `minimum` of its schema: expected 1"
/// );
/// assert_eq!(schema.written().validate(data).unwrap_err().len(), 3);
/// ```
#[derive(Debug)]
pub struct EventSchema {
    written: DataSchema,
    read: DataSchema,
    undecided: Vec<String>,
}

impl EventSchema {
    /// The schemas of `E`, made at the first call.
    ///
    /// Integers have the bounds of their Rust types, and 64 bits at most.
    #[must_use]
    pub fn of<E>() -> Arc<Self>
    where
        E: DomainEvent + DeserializeOwned + JsonSchema + 'static,
    {
        // A memory of a pure function: which types were asked for changes no answer.
        static KNOWN: LazyLock<RwLock<HashMap<TypeId, Arc<EventSchema>>>> =
            LazyLock::new(RwLock::default);
        let event = TypeId::of::<E>();
        if let Some(schema) = KNOWN.read().unwrap_or_else(PoisonError::into_inner).get(&event) {
            return Arc::clone(schema);
        }
        // Outside of the lock, because the type's own code runs here.
        let schema = Arc::new(Self::new::<E>());
        let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(event).or_insert(schema))
    }

    fn new<E: DomainEvent + DeserializeOwned + JsonSchema>() -> Self {
        let settings = SchemaSettings::draft2020_12();
        let generator = settings.clone().for_serialize().into_generator();
        let mut written = generator.into_root_schema_for::<E>().to_value();
        integers::bound(&mut written);
        close::close(&mut written);
        let generator = settings.for_deserialize().into_generator();
        let mut read = generator.into_root_schema_for::<E>().to_value();
        integers::bound(&mut read);
        sets::open(&mut read);
        let reads = |value: &Value| E::deserialize(value).is_ok();
        let undecided = widen::widen(&mut read, &reads);
        Self { written: DataSchema::new(written), read: DataSchema::new(read), undecided }
    }

    /// Returns the schema of the data that the type writes: closed.
    #[must_use]
    pub fn written(&self) -> &DataSchema {
        &self.written
    }

    /// Returns the schema of the data that the type reads: open.
    #[must_use]
    pub fn read(&self) -> &DataSchema {
        &self.read
    }

    /// The enums for which [`read`](Self::read) may be wider than the type, as JSON pointers into it.
    ///
    /// Whether an enum has a `#[serde(other)]` is found out by having the type read an example with
    /// a variant that cannot exist. Where the type refuses even an example of a known variant, most
    /// often because a member's own code checks its text, nothing is found out, and the schema
    /// takes any variant. An `#[schemars(example = …)]` on that member, or on the event itself,
    /// helps.
    #[must_use]
    pub fn undecided(&self) -> &[String] {
        &self.undecided
    }
}

/// One schema of an event's `data`, in the draft 2020-12 of JSON Schema.
pub struct DataSchema {
    json: Value,
    validator: OnceLock<Result<jsonschema::Validator, Violation>>,
}

impl DataSchema {
    fn new(json: Value) -> Self {
        Self { json, validator: OnceLock::new() }
    }

    /// The schema itself.
    #[must_use]
    pub fn as_json(&self) -> &Value {
        &self.json
    }

    /// Checks the JSON text of an event's `data`.
    ///
    /// The validator is built at the first call.
    ///
    /// # Errors
    ///
    /// All violations with their paths. What is no JSON, or breaks a bound that holds for every
    /// event, is the only violation then.
    pub fn validate(&self, data: &[u8]) -> Result<(), Violations> {
        self.validate_within(data, MAX_EVENT_BYTES)
    }

    /// Checks data of up to `max_bytes`, such as data that goes by reference.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate), with another limit.
    pub fn validate_within(&self, data: &[u8], max_bytes: usize) -> Result<(), Violations> {
        let only = |violation| Violations(vec![violation]);
        let value = wire::value(data, max_bytes).map_err(only)?;
        let validator = self.validator.get_or_init(|| validation::validator(&self.json));
        let validator = validator.as_ref().map_err(|violation| only(violation.clone()))?;
        let violations: Vec<_> = validator
            .iter_errors(&value)
            .flat_map(|error| validation::violations(&error, &value))
            .collect();
        if violations.is_empty() { Ok(()) } else { Err(Violations(violations)) }
    }
}

impl fmt::Debug for DataSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DataSchema").field(&self.json).finish()
    }
}

/// All that is wrong with an event's data by its schema. There is at least one violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Returns the number of violations.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// One after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, Violation> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Violations {
    type Item = &'a Violation;
    type IntoIter = std::slice::Iter<'a, Violation>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, violation) in self.0.iter().enumerate() {
            write!(f, "{}{violation}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}

#[cfg(test)]
mod tests;
