use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::table::Names;

// `#k` and the like stand for the names that can be chosen; see `Vocabulary`.

/// Condition that a record may be claimed; it agrees with `Acquire::may_take`.
///
/// A released record has a lease that ended in 1970. What is to be counted up must be a number,
/// or else the write would be refused as invalid, and nobody would see the record.
const FREE: &str = "NOT owner_token = :me \
    AND (attribute_not_exists(attempt) OR attempt >= :zero) \
    AND (attribute_not_exists(try_count) OR try_count >= :zero) \
    AND (attribute_not_exists(#k) \
    OR (#x < :now_s AND NOT (#s = :inprogress AND #l >= :stale)) \
    OR (#s = :inprogress AND #l < :stale \
        AND (attribute_not_exists(record_version) OR record_version <= :version)";

/// Addition to `FREE` where a lapsed lease is not enough.
const ONLY_RELEASED: &str = " AND attribute_exists(released_at) AND #l = :zero";

/// Addition to `FREE` where there is a fingerprint.
const SAME_PAYLOAD: &str = " AND (attribute_not_exists(#v) OR #v = :fingerprint)";

/// Condition that a record is released.
const RELEASED: &str = "attribute_exists(released_at) AND #l = :zero";

/// Condition that the claim is the caller's.
const MINE: &str = "owner_token = :me AND #s = :inprogress AND attribute_not_exists(released_at)";

/// Addition to `MINE` where the claim must not have been made once more.
pub(super) const SAME_ATTEMPT: &str = " AND attempt = :attempt";

/// Addition to `MINE` where the lease is to be made longer.
const SHORTER: &str = " AND #l < :lease";

const CLAIM: &str = "SET #s = :inprogress, owner_token = :me, #l = :lease, #x = :expires, \
    updated_at = :now, created_at = if_not_exists(created_at, :now), \
    attempt = if_not_exists(attempt, :zero) + :one, \
    try_count = if_not_exists(try_count, :zero) + :one, record_version = :version";

const CLAIM_REMOVE: &str = " REMOVE #d, released_at, result_encoding, result_spill, result_type";

/// Addition to `CLAIM` where there is a salt.
pub(super) const SET_SALT: &str = ", record_salt = if_not_exists(record_salt, :salt)";

const SET_VALIDATION: &str = ", #v = :fingerprint";

const SETTLE: &str = "SET #s = :end, #x = :expires, updated_at = :now";

const ONCE: &str = "SET #s = :end, owner_token = :me, #x = :expires, updated_at = :now, \
    created_at = if_not_exists(created_at, :now), \
    attempt = if_not_exists(attempt, :zero) + :one, record_version = :version";

const RELEASE: &str = "SET #s = :inprogress, #l = :zero, released_at = :now, #x = :expires, \
    updated_at = :now, record_version = if_not_exists(record_version, :version) \
    REMOVE #d, #v, result_encoding, result_spill, result_type";

const EXTEND: &str = "SET #l = :lease, #x = :expires, updated_at = :now";

const SPILL: &str = "SET #d = :data, #x = :expires";

const RESOLVED: &str =
    ", owner_token = :me, record_version = if_not_exists(record_version, :version)";

/// The texts of all expressions, with the names of one table.
#[derive(Clone, Debug)]
pub(super) struct Vocabulary {
    pub(super) free: String,
    pub(super) only_released: String,
    pub(super) same_payload: String,
    pub(super) mine: String,
    pub(super) shorter: String,
    pub(super) claim: String,
    pub(super) claim_remove: String,
    pub(super) set_validation: String,
    pub(super) settle: String,
    pub(super) once: String,
    pub(super) release: String,
    pub(super) extend: String,
    pub(super) spill: String,
    pub(super) released: String,
    pub(super) resolved: &'static str,
    /// Names for conditions that are put together as they are needed.
    pub(super) key: String,
    pub(super) status: String,
    pub(super) expiry: String,
    pub(super) lease: String,
    pub(super) data: String,
    /// Placeholders of the names that cannot be written as they are, each with its name.
    placeholders: Vec<(&'static str, String)>,
}

impl Vocabulary {
    pub(super) fn new(names: &Names) -> Self {
        let Names { key, status, expiry, lease, data, validation } = names;
        let mut placeholders = Vec::new();
        let mut terms = Vec::new();
        for (placeholder, name) in [
            ("#k", key),
            ("#s", status),
            ("#x", expiry),
            ("#l", lease),
            ("#d", data),
            ("#v", validation),
        ] {
            if is_plain(name) {
                terms.push((placeholder, name.clone().into_owned()));
            } else {
                terms.push((placeholder, placeholder.to_owned()));
                placeholders.push((placeholder, name.clone().into_owned()));
            }
        }
        let said = |template: &str| {
            terms.iter().fold(template.to_owned(), |text, (placeholder, term)| {
                text.replace(placeholder, term)
            })
        };
        Self {
            free: said(FREE),
            only_released: said(ONLY_RELEASED),
            same_payload: said(SAME_PAYLOAD),
            mine: said(MINE),
            shorter: said(SHORTER),
            claim: said(CLAIM),
            claim_remove: said(CLAIM_REMOVE),
            set_validation: said(SET_VALIDATION),
            settle: said(SETTLE),
            once: said(ONCE),
            release: said(RELEASE),
            extend: said(EXTEND),
            spill: said(SPILL),
            released: said(RELEASED),
            resolved: RESOLVED,
            key: said("#k"),
            status: said("#s"),
            expiry: said("#x"),
            lease: said("#l"),
            data: said("#d"),
            placeholders,
        }
    }
}

/// Returns true if a name can stand in an expression as it is, which spares most requests a table
/// of names. Reserved words have no underscores; these three names of Powertools are none, either.
fn is_plain(name: &str) -> bool {
    let has_form = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    has_form && (name.contains('_') || matches!(name, "id" | "expiration" | "validation"))
}

/// The expressions of one write, and what they speak of.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    vocabulary: &'a Vocabulary,
    pub(super) update: String,
    pub(super) condition: String,
    pub(super) values: HashMap<String, AttributeValue>,
}

impl<'a> Draft<'a> {
    /// A write with room for so many values.
    pub(super) fn new(vocabulary: &'a Vocabulary, values: usize) -> Self {
        Self {
            vocabulary,
            update: String::with_capacity(320),
            condition: String::with_capacity(512),
            values: HashMap::with_capacity(values),
        }
    }

    pub(super) fn value(&mut self, placeholder: &str, value: AttributeValue) {
        self.values.insert(placeholder.to_owned(), value);
    }

    pub(super) fn text(&mut self, placeholder: &str, text: &str) {
        self.value(placeholder, AttributeValue::S(text.to_owned()));
    }

    pub(super) fn number(&mut self, placeholder: &str, number: i64) {
        self.value(placeholder, AttributeValue::N(number.to_string()));
    }

    /// The names that the expressions use and cannot say.
    pub(super) fn names(&self) -> Option<HashMap<String, String>> {
        let used = |placeholder: &str| {
            self.update.contains(placeholder) || self.condition.contains(placeholder)
        };
        let names: HashMap<_, _> = self
            .vocabulary
            .placeholders
            .iter()
            .filter(|(placeholder, _)| used(placeholder))
            .map(|(placeholder, name)| ((*placeholder).to_owned(), name.clone()))
            .collect();
        (!names.is_empty()).then_some(names)
    }
}
