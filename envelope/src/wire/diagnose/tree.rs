//! A document that is JSON, as it stands there: what one reader would refuse another may not.

use std::borrow::Cow;

use crate::{Violation, wire::scan::Scanner};

/// A value and its text.
pub(super) struct Tree<'a> {
    pub(super) json: &'a str,
    pub(super) kind: Kind<'a>,
}

pub(super) enum Kind<'a> {
    Null,
    Bool(bool),
    /// A number, by its text.
    Number,
    Text(Text<'a>),
    Array(Vec<Tree<'a>>),
    /// Members in the order in which they came, some perhaps twice.
    Object(Vec<(Text<'a>, Tree<'a>)>),
}

/// A text, or `None` where it has half a surrogate pair, which no text can hold.
pub(super) type Text<'a> = Option<Cow<'a, str>>;

impl<'a> Tree<'a> {
    pub(super) const NULL: Self = Self { json: "null", kind: Kind::Null };

    /// Reads a document.
    pub(super) fn of(json: &'a str) -> Result<Self, Violation> {
        let mut scanner = Scanner::tolerant(json, 0);
        let tree = Self::read(&mut scanner)?;
        scanner.end()?;
        Ok(tree)
    }

    fn read(scanner: &mut Scanner<'a>) -> Result<Self, Violation> {
        let kind = scanner.kind();
        let start = scanner.offset();
        let kind = match kind {
            "an object" => {
                let mut members = Vec::new();
                scanner.members(|scanner, name| {
                    let name = (!scanner.take_half()).then(|| name.to_owned().into());
                    members.push((name, Self::read(scanner)?));
                    Ok(())
                })?;
                Kind::Object(members)
            }
            "an array" => {
                let mut elements = Vec::new();
                scanner.array(|scanner| {
                    elements.push(Self::read(scanner)?);
                    Ok(())
                })?;
                Kind::Array(elements)
            }
            "a string" => {
                let text = scanner.string()?;
                Kind::Text((!scanner.take_half()).then_some(text))
            }
            "a boolean" => Kind::Bool(scanner.value()? == "true"),
            "null" => {
                scanner.value()?;
                Kind::Null
            }
            _ => {
                scanner.value()?;
                Kind::Number
            }
        };
        Ok(Self { json: scanner.since(start), kind })
    }
}
