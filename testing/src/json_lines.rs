//! JSON as lines in one agreed form, so that the same document gives the same lines.
//!
//! Members are sorted by name, and those of one name stay in their order: a member that appears
//! twice is seen twice. Numbers keep the difference between `1` and `1.0`, which readers of
//! integers make, and integers of any size keep all their digits.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::{Error, value::RawValue};
use setpiece_envelope::MAX_NESTING;

/// One line of a pretty-printed document.
#[derive(Debug)]
pub(crate) struct Line {
    /// With its indentation and without its comma.
    pub(crate) text: String,
    /// True if something follows on the same level. It is kept apart from the text so that a new
    /// last member does not change the line before it.
    pub(crate) comma: bool,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        f.write_str(if self.comma { "," } else { "" })
    }
}

/// The lines of one document.
pub(crate) fn lines(json: &[u8]) -> Result<Vec<Line>, Error> {
    let document: &RawValue = serde_json::from_slice(json)?;
    let mut page = Page { lines: Vec::new(), depth: 0 };
    page.value(String::new(), document)?;
    Ok(page.lines)
}

/// One text for all ways to write the same document.
pub(crate) fn canonical(json: &[u8]) -> Result<String, Error> {
    Ok(lines(json)?.iter().fold(String::new(), |text, line| text + &line.to_string() + "\n"))
}

struct Page {
    lines: Vec<Line>,
    depth: usize,
}

impl Page {
    /// Writes `value` behind `head`, which is empty or the name of a member.
    fn value(&mut self, head: String, value: &RawValue) -> Result<(), Error> {
        match value.get().as_bytes().first() {
            Some(b'{') => {
                let Members(mut members) = serde_json::from_str(value.get())?;
                members.sort_by(|(a, _), (b, _)| a.cmp(b));
                for (name, _) in &mut members {
                    *name = serde_json::to_string(name)? + ": ";
                }
                self.block(head, ["{", "}"], members)
            }
            Some(b'[') => {
                let elements: Vec<&RawValue> = serde_json::from_str(value.get())?;
                let elements = elements.into_iter().map(|value| (String::new(), value));
                self.block(head, ["[", "]"], elements.collect())
            }
            Some(b'"') => {
                let text: String = serde_json::from_str(value.get())?;
                self.line(&(head + &serde_json::to_string(&text)?));
                Ok(())
            }
            Some(_) | None => {
                self.line(&(head + &scalar(value.get())));
                Ok(())
            }
        }
    }

    fn block(
        &mut self,
        head: String,
        [open, close]: [&str; 2],
        content: Vec<(String, &RawValue)>,
    ) -> Result<(), Error> {
        let count = content.len();
        if count == 0 {
            self.line(&(head + open + close));
            return Ok(());
        }
        if self.depth == MAX_NESTING {
            return Err(Error::custom(format_args!("nested deeper than {MAX_NESTING} levels")));
        }
        self.line(&(head + open));
        self.depth += 1;
        for (index, (head, value)) in content.into_iter().enumerate() {
            self.value(head, value)?;
            if let Some(last) = self.lines.last_mut() {
                last.comma = index + 1 < count;
            }
        }
        self.depth -= 1;
        self.line(close);
        Ok(())
    }

    fn line(&mut self, text: &str) {
        self.lines.push(Line { text: "  ".repeat(self.depth) + text, comma: false });
    }
}

/// A number, `true`, `false` or `null`.
fn scalar(text: &str) -> String {
    let is_float = text.contains(['.', 'e', 'E']) && !text.starts_with(char::is_alphabetic);
    match text.parse::<f64>() {
        Ok(float) if is_float && float.is_finite() => format!("{float:?}"),
        Ok(_) | Err(_) => text.to_owned(),
    }
}

/// The members of an object as they stand.
pub(crate) struct Members<'a>(pub(crate) Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members<'de>, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

#[cfg(test)]
mod tests;
