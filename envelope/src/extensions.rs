use std::{collections::BTreeMap, fmt};

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    EventId, Metadata, Reason, Violation, WriteError,
    error::shown,
    text,
    wire::{checked, scan},
};

/// Metadata members that this version of the library does not know, kept as JSON.
///
/// What was read is written back, so that a service in the middle of a flow does not lose what its
/// neighbours have agreed on.
#[derive(Clone, Default)]
pub struct Extensions(BTreeMap<Box<str>, Box<RawValue>>);

impl Extensions {
    /// The member `name` as JSON.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.get(name).map(AsRef::as_ref)
    }

    /// The members in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Returns true if there are no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds a member, or replaces it.
    ///
    /// # Errors
    ///
    /// When `name` is empty, has more than 128 characters or ones that cannot be printed, or is a
    /// member that [`Metadata`] has a field for; and when `value` cannot be written as JSON that
    /// readers take.
    pub fn insert(&mut self, name: &str, value: &impl Serialize) -> Result<(), WriteError> {
        let at_name = |reason| Violation::new(reason).within(name);
        text::check(name, EventId::MAX_CHARS).map_err(at_name)?;
        if Metadata::has_member(name) {
            let form = "an unknown member's name";
            return Err(at_name(Reason::NotOfForm { form }).into());
        }
        let mut json = Vec::new();
        // The detail and the metadata are the two levels above an extension.
        checked::write(value, 2, &mut json).map_err(|violation| violation.within(name))?;
        let json = String::from_utf8_lossy(&json);
        let at_value = |violation: Violation| violation.without_names().within(name);
        scan::check(&json, 2).map_err(at_value)?;
        self.insert_scanned(name, &json);
        Ok(())
    }

    /// Takes a member out.
    pub fn remove(&mut self, name: &str) -> Option<Box<RawValue>> {
        self.0.remove(name)
    }

    /// Keeps `json`, which a scanner has checked.
    pub(crate) fn insert_scanned(&mut self, name: &str, json: &str) {
        if let Ok(value) = RawValue::from_string(json.to_owned()) {
            self.0.insert(name.into(), value);
        }
    }
}

impl PartialEq for Extensions {
    fn eq(&self, other: &Self) -> bool {
        self.iter()
            .map(|(name, value)| (name, value.get()))
            .eq(other.iter().map(|(name, value)| (name, value.get())))
    }
}

impl Eq for Extensions {}

impl fmt::Debug for Extensions {
    /// Shows the names only, and those only that cannot be data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys().map(|name| shown(name))).finish()
    }
}
