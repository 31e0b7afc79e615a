//! Names as serde will write and read them, as far as an event has to know them.
//!
//! Mistakes in `#[serde(…)]` are passed over here: serde's own derive reports them.

mod rename;

use syn::{Attribute, Ident, LitStr, Result, Token, ext::IdentExt, meta::ParseNestedMeta};

use crate::attr::skip_to_comma;

use self::rename::RenameRule;

/// The side of serde that decides what an event looks like on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Events are written by their owner: `Serialize` counts.
    Write,
    /// A view is only ever read: `Deserialize` counts.
    Read,
}

/// The attributes of a type.
#[derive(Debug, Default)]
pub(crate) struct TypeNames {
    rename_all: Option<RenameRule>,
    rename_all_fields: Option<RenameRule>,
    tag: Option<String>,
    content: Option<String>,
    untagged: bool,
    /// The type is written as its only field is.
    pub(crate) transparent: bool,
    /// The key by which serde writes or reads another type in place of this one, such as `into`.
    pub(crate) stands_for: Option<&'static str>,
    /// The type lends its shape to a type of another crate.
    pub(crate) remote: bool,
}

/// The attributes of a variant.
#[derive(Debug, Default)]
pub(crate) struct VariantNames {
    rename: Option<String>,
    rename_all: Option<RenameRule>,
    untagged: bool,
    pub(crate) skipped: bool,
    /// A function of the user's writes or reads what the variant holds.
    pub(crate) custom: bool,
}

/// The attributes of a field.
#[derive(Debug, Default)]
pub(crate) struct FieldNames {
    rename: Option<String>,
    pub(crate) skipped: bool,
    /// A function of the user's writes or reads the field.
    pub(crate) custom: bool,
    pub(crate) flatten: bool,
}

impl TypeNames {
    pub(crate) fn parse(attrs: &[Attribute], side: Side) -> Self {
        let mut names = Self::default();
        each_key(attrs, |key, meta| {
            match (key, side) {
                ("rename_all", _) => set(&mut names.rename_all, rule(meta, side)?),
                ("rename_all_fields", _) => set(&mut names.rename_all_fields, rule(meta, side)?),
                ("tag", _) => names.tag = Some(text(meta)?),
                ("content", _) => names.content = Some(text(meta)?),
                ("untagged", _) => names.untagged = true,
                ("transparent", _) => names.transparent = true,
                ("remote", _) => names.remote = true,
                ("into", Side::Write) => names.stands_for = Some("into"),
                ("from", Side::Read) => names.stands_for = Some("from"),
                ("try_from", Side::Read) => names.stands_for = Some("try_from"),
                _ => {}
            }
            Ok(())
        });
        names
    }

    /// The name on the wire of a field of a struct.
    pub(crate) fn field(&self, ident: &Ident, field: &FieldNames) -> String {
        field.name(ident, self.rename_all)
    }

    /// The name on the wire of a field of a variant.
    pub(crate) fn variant_field(
        &self,
        variant: &VariantNames,
        ident: &Ident,
        field: &FieldNames,
    ) -> String {
        field.name(ident, variant.rename_all.or(self.rename_all_fields))
    }

    /// The member under which a variant's content is found, if it has one of its own.
    pub(crate) fn variant_member(&self, ident: &Ident, variant: &VariantNames) -> Option<String> {
        if self.untagged || variant.untagged {
            return None;
        }
        match (&self.tag, &self.content) {
            (Some(_), Some(content)) => Some(content.clone()),
            (Some(_), None) => None,
            (None, _) => Some(variant.name(ident, self.rename_all)),
        }
    }
}

impl VariantNames {
    pub(crate) fn parse(attrs: &[Attribute], side: Side) -> Self {
        let mut names = Self::default();
        each_key(attrs, |key, meta| {
            match key {
                "rename" => set(&mut names.rename, sided(meta, side)?),
                "rename_all" => set(&mut names.rename_all, rule(meta, side)?),
                "untagged" => names.untagged = true,
                _ => {
                    names.skipped |= is_skip(key, side);
                    names.custom |= is_custom(key, side);
                }
            }
            Ok(())
        });
        names
    }

    fn name(&self, ident: &Ident, rule: Option<RenameRule>) -> String {
        self.rename.clone().unwrap_or_else(|| {
            let name = ident.unraw().to_string();
            rule.map_or_else(|| name.clone(), |rule| rule.variant(&name))
        })
    }
}

impl FieldNames {
    pub(crate) fn parse(attrs: &[Attribute], side: Side) -> Self {
        let mut names = Self::default();
        each_key(attrs, |key, meta| {
            match key {
                "rename" => set(&mut names.rename, sided(meta, side)?),
                "flatten" => names.flatten = true,
                _ => {
                    names.skipped |= is_skip(key, side);
                    names.custom |= is_custom(key, side);
                }
            }
            Ok(())
        });
        // `serde_with` turns these into `#[serde(with = …)]` when its own attribute on the type
        // comes first, and leaves them as they are when it comes after the derive.
        names.custom |= attrs.iter().any(|attr| attr.path().is_ident("serde_as"));
        names
    }

    fn name(&self, ident: &Ident, rule: Option<RenameRule>) -> String {
        self.rename.clone().unwrap_or_else(|| {
            let name = ident.unraw().to_string();
            rule.map_or_else(|| name.clone(), |rule| rule.field(&name))
        })
    }
}

fn is_skip(key: &str, side: Side) -> bool {
    key == "skip"
        || match side {
            Side::Write => key == "skip_serializing",
            Side::Read => key == "skip_deserializing",
        }
}

fn is_custom(key: &str, side: Side) -> bool {
    key == "with"
        || match side {
            Side::Write => key == "serialize_with",
            Side::Read => key == "deserialize_with",
        }
}

/// Calls `each` with every key in `#[serde(…)]`. What it leaves of a value is skipped.
fn each_key(attrs: &[Attribute], mut each: impl FnMut(&str, &ParseNestedMeta<'_>) -> Result<()>) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("serde")) {
        _ = attr.parse_nested_meta(|meta| {
            if let Some(key) = meta.path.get_ident() {
                _ = each(&key.to_string(), &meta);
            }
            skip_to_comma(meta.input)
        });
    }
}

/// Keeps what was found first: the two sides may be renamed in attributes of their own.
fn set<T>(slot: &mut Option<T>, found: Option<T>) {
    *slot = slot.take().or(found);
}

fn text(meta: &ParseNestedMeta<'_>) -> Result<String> {
    meta.value()?.parse::<LitStr>().map(|text| text.value())
}

/// Reads `key = "…"`, which is for both sides, or `key(serialize = "…", deserialize = "…")`.
fn sided(meta: &ParseNestedMeta<'_>, side: Side) -> Result<Option<String>> {
    if meta.input.peek(Token![=]) {
        return text(meta).map(Some);
    }
    let mut found = None;
    meta.parse_nested_meta(|meta| {
        let key = match side {
            Side::Write => "serialize",
            Side::Read => "deserialize",
        };
        let text = text(&meta)?;
        // Of several names to read, serde calls the first one the name.
        if meta.path.is_ident(key) && found.is_none() {
            found = Some(text);
        }
        Ok(())
    })?;
    Ok(found)
}

fn rule(meta: &ParseNestedMeta<'_>, side: Side) -> Result<Option<RenameRule>> {
    Ok(sided(meta, side)?.as_deref().and_then(RenameRule::parse))
}

#[cfg(test)]
mod tests;
