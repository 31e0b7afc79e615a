//! Reads `#[event(…)]`: which keys are there, and whether their values are of the right kind.

mod value;

use proc_macro2::{Span, TokenTree};
use syn::{
    Attribute, Error, ExprPath, LitStr, Path, Result, Token, Type, meta::ParseNestedMeta,
    parse::ParseStream, spanned::Spanned,
};

use crate::{errors::Errors, types};

pub(crate) use self::value::Version;

const TYPE_KEYS: &[&str] = &[
    "service",
    "name",
    "version",
    "previous",
    "category",
    "type",
    "source",
    "detail_type",
    "nesting",
    "view",
    "first",
    "crate",
];

const FIELD_KEYS: &[&str] = &["subject", "pii"];

/// A key of an attribute, and its value.
#[derive(Default)]
pub(crate) enum Slot<T> {
    /// The key is not there.
    #[default]
    Missing,
    /// The key is there, but its value has been reported as a mistake.
    Unusable,
    /// The key is there, at this place, with this value.
    Given(Span, T),
}

impl<T> Slot<T> {
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }

    pub(crate) fn is_unusable(&self) -> bool {
        matches!(self, Self::Unusable)
    }

    pub(crate) fn value(&self) -> Option<&T> {
        match self {
            Self::Given(_, value) => Some(value),
            Self::Missing | Self::Unusable => None,
        }
    }

    /// Returns the place of the key, when its value is usable.
    pub(crate) fn key(&self) -> Option<Span> {
        match self {
            Self::Given(key, _) => Some(*key),
            Self::Missing | Self::Unusable => None,
        }
    }

    fn fill(
        &mut self,
        meta: &ParseNestedMeta<'_>,
        parse: impl FnOnce(&ParseNestedMeta<'_>) -> Result<T>,
    ) -> Result<()> {
        if !self.is_missing() {
            let message = format!("duplicate key `{}`", types::path_text(&meta.path));
            return Err(Error::new_spanned(&meta.path, message));
        }
        *self = Self::Unusable;
        *self = Self::Given(meta.path.span(), parse(meta)?);
        Ok(())
    }
}

/// Keys of `#[event(…)]` on a type.
#[derive(Default)]
pub(crate) struct TypeAttrs {
    /// True if there is an attribute at all.
    pub(crate) present: bool,
    /// True if an attribute could not be read to its end, so that keys may be hidden in the rest.
    pub(crate) unread: bool,
    pub(crate) service: Slot<ExprPath>,
    pub(crate) name: Slot<LitStr>,
    pub(crate) version: Slot<Version>,
    pub(crate) previous: Slot<Type>,
    pub(crate) category: Slot<LitStr>,
    pub(crate) event_type: Slot<LitStr>,
    pub(crate) source: Slot<LitStr>,
    pub(crate) detail_type: Slot<LitStr>,
    pub(crate) nesting: Slot<usize>,
    pub(crate) view: Slot<()>,
    pub(crate) first: Slot<()>,
    pub(crate) krate: Slot<Path>,
}

impl TypeAttrs {
    pub(crate) fn parse(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut this = Self::default();
        for attr in events(attrs) {
            this.present = true;
            this.unread |=
                !each_key(attr, errors, |key, meta, errors| this.read(key, meta, errors));
        }
        this
    }

    fn read(&mut self, key: &str, meta: &ParseNestedMeta<'_>, errors: &mut Errors) -> Result<()> {
        match key {
            "service" => self.service.fill(meta, value::service),
            "name" => self.name.fill(meta, value::text),
            "version" => self.version.fill(meta, value::version),
            "previous" => self.previous.fill(meta, value::previous),
            "category" => self.category.fill(meta, value::text),
            "type" => self.event_type.fill(meta, value::text),
            "source" => self.source.fill(meta, value::text),
            "detail_type" => self.detail_type.fill(meta, value::text),
            "nesting" => self.nesting.fill(meta, value::nesting),
            "view" => self.view.fill(meta, value::flag),
            "first" => self.first.fill(meta, value::truth),
            "crate" => self.krate.fill(meta, value::krate),
            _ if FIELD_KEYS.contains(&key) => {
                let message = format!("`{key}` belongs on a field, not on the type");
                Err(Error::new_spanned(&meta.path, message))
            }
            _ => {
                // Read as what was probably meant, so that the key is not missing as well. What is
                // wrong with it then is not reported: the guess may be.
                if let Some(meant) = unknown(key, meta, TYPE_KEYS, errors) {
                    _ = self.read(meant, meta, errors);
                }
                skip_to_comma(meta.input)
            }
        }
    }
}

/// Keys of `#[event(…)]` on a field.
#[derive(Default)]
pub(crate) struct FieldAttrs {
    pub(crate) subject: Slot<()>,
    /// The field holds personal data, of this kind if one is named.
    pub(crate) pii: Slot<Option<LitStr>>,
}

impl FieldAttrs {
    pub(crate) fn parse(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut this = Self::default();
        for attr in events(attrs) {
            each_key(attr, errors, |key, meta, errors| this.read(key, meta, errors));
        }
        this
    }

    fn read(&mut self, key: &str, meta: &ParseNestedMeta<'_>, errors: &mut Errors) -> Result<()> {
        match key {
            "subject" => self.subject.fill(meta, value::flag),
            "pii" => self.pii.fill(meta, value::optional_text),
            _ if TYPE_KEYS.contains(&key) => {
                let message = format!("`{key}` belongs on the type, not on a field");
                Err(Error::new_spanned(&meta.path, message))
            }
            _ => {
                if let Some(meant) = unknown(key, meta, FIELD_KEYS, errors) {
                    _ = self.read(meant, meta, errors);
                }
                skip_to_comma(meta.input)
            }
        }
    }
}

/// Refuses `#[event(…)]` on a variant, where it has nothing to say.
pub(crate) fn refuse_on_variant(attrs: &[Attribute], errors: &mut Errors) {
    for attr in events(attrs) {
        errors.push(
            attr,
            "expected `#[event(…)]` on the type or on a field, found it on a variant; to mark what \
             the variant holds, write `Variant(#[event(…)] Type)`",
        );
    }
}

/// Passes over the rest of a key's value, so that the keys after it are read all the same.
pub(crate) fn skip_to_comma(input: ParseStream<'_>) -> Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

fn events(attrs: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("event"))
}

/// Calls `read` with every key of an attribute. Whether the attribute was read to its end.
fn each_key(
    attr: &Attribute,
    errors: &mut Errors,
    mut read: impl FnMut(&str, &ParseNestedMeta<'_>, &mut Errors) -> Result<()>,
) -> bool {
    let result = attr.parse_nested_meta(|meta| {
        if let Err(error) = read(&types::path_text(&meta.path), &meta, errors) {
            errors.combine(error);
            skip_to_comma(meta.input)?;
        }
        Ok(())
    });
    match result {
        Ok(()) => true,
        Err(error) => {
            errors.combine(error);
            false
        }
    }
}

/// Reports an unknown key. The known one that was meant, if there is one that is close.
fn unknown<'k>(
    key: &str,
    meta: &ParseNestedMeta<'_>,
    known: &[&'k str],
    errors: &mut Errors,
) -> Option<&'k str> {
    let (likeness, nearest) = known
        .iter()
        .map(|&known| (strsim::jaro_winkler(key, known), known))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    if likeness > 0.8 {
        errors.push(&meta.path, format!("unknown key `{key}`; did you mean `{nearest}`?"));
        Some(nearest)
    } else {
        let known: Vec<_> = known.iter().map(|key| format!("`{key}`")).collect();
        let message = format!("unknown key `{key}`; expected one of {}", known.join(", "));
        errors.push(&meta.path, message);
        None
    }
}
