use std::{fmt, io::Write as _};

use super::scan::plain_run;
use crate::{Violation, text};

/// A JSON object that is being appended to a buffer, one member after the other.
pub(crate) struct Object<'a> {
    json: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Object<'a> {
    /// Begins an object at the end of `json`.
    pub(crate) fn begin(json: &'a mut Vec<u8>) -> Self {
        json.push(b'{');
        Self { json, first: true }
    }

    pub(crate) fn end(self) {
        self.json.push(b'}');
    }

    /// A text as it is.
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        put_text(self.json, value);
    }

    /// A text, if there is one, that must have 1 to `limit` printable characters.
    pub(crate) fn checked(
        &mut self,
        name: &str,
        value: Option<&str>,
        limit: usize,
    ) -> Result<(), Violation> {
        let Some(value) = value else { return Ok(()) };
        text::check(value, limit).map_err(|reason| Violation::at(name, reason))?;
        self.text(name, value);
        Ok(())
    }

    /// A text that needs no escapes.
    pub(crate) fn display(&mut self, name: &str, value: impl fmt::Display) {
        self.name(name);
        // Writing to a vector does not fail.
        _ = write!(self.json, "\"{value}\"");
    }

    /// A number or a boolean.
    pub(crate) fn raw(&mut self, name: &str, value: impl fmt::Display) {
        self.name(name);
        // Writing to a vector does not fail.
        _ = write!(self.json, "{value}");
    }

    /// A value that is JSON already.
    pub(crate) fn json(&mut self, name: &str, json: &str) {
        self.name(name);
        self.json.extend_from_slice(json.as_bytes());
    }

    /// A value that `write` appends.
    pub(crate) fn with(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        self.name(name);
        write(self.json).map_err(|violation| violation.within(name))
    }

    fn name(&mut self, name: &str) {
        if !self.first {
            self.json.push(b',');
        }
        self.first = false;
        put_text(self.json, name);
        self.json.push(b':');
    }
}

fn put_text(json: &mut Vec<u8>, text: &str) {
    if plain_run(text.as_bytes()) == text.len() {
        json.push(b'"');
        json.extend_from_slice(text.as_bytes());
        json.push(b'"');
    } else {
        // Writing a text to a vector does not fail.
        _ = serde_json::to_writer(json, text);
    }
}
