//! Finds out where and why a document is not of a type, after serde said that it is not.
//!
//! serde's own messages quote the values they found, which may be personal data, and know no path.
//! So the failed document is decoded once more, slowly, with an error type that keeps the path and
//! the kinds of values only. Nothing of this runs for a document that is read.

mod expectation;
mod tree;

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, EnumAccess, Error, Expected, MapAccess, SeqAccess,
        Unexpected, VariantAccess, Visitor,
        value::{MapDeserializer, StrDeserializer},
    },
    forward_to_deserialize_any,
};

use self::{
    expectation::{Asked, WITHHELD},
    tree::{Kind, Text, Tree},
};
use crate::{Reason, Violation};

/// The name under which `serde_json::value::RawValue` asks for JSON text.
pub(super) const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// Finds the reason that `json`, which has been scanned, is not a `T`.
#[cold]
pub(super) fn violation<T: DeserializeOwned>(json: &str) -> Violation {
    let tree = match Tree::of(json) {
        Ok(tree) => tree,
        Err(violation) => return violation,
    };
    match T::deserialize(Node { tree: &tree, is_outermost: true }) {
        Err(Found { violation, .. }) => violation,
        // This decoder agrees less with serde_json than it should; the document stays refused.
        Ok(_) => Violation::new(Reason::Refused),
    }
}

#[derive(Debug)]
struct Found {
    violation: Violation,
    /// Expectation that may not be shown yet, since nobody knows whether it holds a value.
    unproven: Option<String>,
}

impl Found {
    fn new(reason: Reason) -> Self {
        Self::of(Violation::new(reason))
    }

    fn of(violation: Violation) -> Self {
        Self { violation, unproven: None }
    }

    fn expected(expected: &dyn Expected, found: String) -> Self {
        let expected = expected.to_string();
        let (shown, unproven) = if expectation::is_constant(&expected) {
            (expected, None)
        } else {
            (WITHHELD.to_owned(), Some(expected))
        };
        let reason = Reason::Expected { expected: shown.into(), found: found.into() };
        Self { violation: Violation::new(reason), unproven }
    }

    /// Shows what was expected if that is how serde speaks of the type that `asked`.
    ///
    /// What is not explained may be so by an enum around it, of whose variant it speaks.
    fn explained(mut self, asked: Asked<'_>) -> Self {
        if let Some(text) = self.unproven.take_if(|text| asked.explains(text))
            && let Reason::Expected { found, .. } = self.violation.reason()
        {
            let reason = Reason::Expected { expected: text.into(), found: found.clone() };
            self.violation = self.violation.with_reason(reason);
        }
        self
    }

    /// Moves the violation below `name`, which explains nothing any more.
    fn within(self, name: &str) -> Self {
        Self { violation: self.violation.within(name), unproven: None }
    }

    fn unexpected(found: Unexpected<'_>, expected: &dyn Expected, how: &str) -> Self {
        Self::expected(expected, format!("{}{how}", kind(found)))
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.violation.fmt(f)
    }
}

impl std::error::Error for Found {}

impl Error for Found {
    fn custom<M: fmt::Display>(_: M) -> Self {
        Self::new(Reason::Refused)
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::unexpected(found, expected, "")
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::unexpected(found, expected, " that does not fit")
    }

    fn invalid_length(len: usize, expected: &dyn Expected) -> Self {
        // A type's own code may take a value for a length.
        let found = if len <= MOST_LENGTH {
            format!("a length of {len}")
        } else {
            kind(Unexpected::Seq).to_owned()
        };
        Self::expected(expected, found)
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Reason::UnknownVariant { expected })
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Reason::UnknownMember { expected })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::of(Violation::new(Reason::Missing).within(field))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::of(Violation::new(Reason::Duplicate).within(field))
    }
}

/// The most elements that are told as a number; a larger one may be a value.
const MOST_LENGTH: usize = 999;

fn kind(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Char(_) | Unexpected::Str(_) | Unexpected::Bytes(_) => "a string",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "an array",
        Unexpected::Map => "an object",
        Unexpected::NewtypeStruct
        | Unexpected::Enum
        | Unexpected::UnitVariant
        | Unexpected::NewtypeVariant
        | Unexpected::TupleVariant
        | Unexpected::StructVariant
        | Unexpected::Other(_) => "another value",
    }
}

/// A value on its way into a type.
struct Node<'a> {
    tree: &'a Tree<'a>,
    /// True if it is the whole document, which as an array is no struct.
    is_outermost: bool,
}

impl<'a> Node<'a> {
    fn within(tree: &'a Tree<'a>) -> Self {
        Self { tree, is_outermost: false }
    }
}

impl Node<'_> {
    /// An object on its way into a type that calls `names` of its members by name.
    fn members<'de, V: Visitor<'de>>(self, names: Names, visitor: V) -> Result<V::Value, Found> {
        match &self.tree.kind {
            Kind::Object(members) => {
                visitor.visit_map(Members { rest: members.iter(), current: None, names })
            }
            _ => self.deserialize_any(visitor),
        }
    }

    /// The number that is here, if it is an integer that fits.
    fn integer<T: std::str::FromStr>(&self) -> Option<T> {
        match self.tree.kind {
            // With a sign, zero is no integer.
            Kind::Number if self.tree.json != "-0" => self.tree.json.parse().ok(),
            _ => None,
        }
    }
}

/// A text that is to be held.
fn held<'a>(text: &'a Text<'_>) -> Result<&'a str, Found> {
    text.as_deref().ok_or_else(|| Found::new(Reason::NotOfForm { form: "Unicode text" }))
}

impl<'de> Deserializer<'de> for Node<'_> {
    type Error = Found;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Found> {
        match &self.tree.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::Bool(value) => visitor.visit_bool(*value),
            Kind::Number => match (self.integer(), self.integer()) {
                (Some(number), _) => visitor.visit_u64(number),
                (None, Some(number)) => visitor.visit_i64(number),
                (None, None) => match serde_json::from_str::<f64>(self.tree.json) {
                    Ok(number) if number.is_finite() => visitor.visit_f64(number),
                    Ok(_) | Err(_) => Err(Found::new(Reason::NotFinite)),
                },
            },
            Kind::Text(text) => visitor.visit_str(held(text)?),
            Kind::Array(all) => {
                let mut elements = Elements { elements: all.iter(), index: 0 };
                let value = visitor.visit_seq(&mut elements)?;
                match elements.index {
                    taken if taken == all.len() => Ok(value),
                    taken => {
                        let expected = format!("an array of length {taken}");
                        let found = Found::invalid_length(all.len(), &expected.as_str());
                        Err(found.explained(Asked::Length(taken)))
                    }
                }
            }
            Kind::Object(_) => self.members(Names::None, visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Found> {
        // A struct with flattened members asks for a map as well; it calls itself by its name.
        let expected: &dyn Expected = &visitor;
        let expected = expected.to_string();
        let is_struct = expected.starts_with("struct ");
        let read = self.members(if is_struct { Names::All } else { Names::None }, visitor);
        read.map_err(|found| found.explained(Asked::Text(&expected)))
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Found> {
        match &self.tree.kind {
            // As bytes, half a surrogate pair can be held.
            Kind::Text(text) => {
                visitor.visit_bytes(text.as_deref().unwrap_or(self.tree.json).as_bytes())
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Found> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Found> {
        if matches!(self.tree.kind, Kind::Null) {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Found> {
        if name == RAW_VALUE {
            let raw = std::iter::once((RAW_VALUE, self.tree.json.to_owned()));
            return visitor.visit_map(MapDeserializer::new(raw));
        }
        let read = visitor.visit_newtype_struct(self);
        read.map_err(|found| found.explained(Asked::Name(name, &[])))
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Found> {
        let read = self.deserialize_any(visitor);
        read.map_err(|found| found.explained(Asked::Name(name, &[])))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Found> {
        let read = self.deserialize_any(visitor);
        read.map_err(|found| found.explained(Asked::Length(length)))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Found> {
        let read = self.deserialize_any(visitor);
        read.map_err(|found| found.explained(Asked::Name(name, &[])))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Found> {
        if self.is_outermost && matches!(self.tree.kind, Kind::Array(_)) {
            let found = Found::invalid_type(Unexpected::Seq, &visitor);
            return Err(found.explained(Asked::Name(name, &[])));
        }
        let read = self.members(Names::Only(fields), visitor);
        read.map_err(|found| found.explained(Asked::Name(name, &[])))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Found> {
        let variant = |variant| held(variant).map(|variant| Variant { variant, content: None });
        let read = match &self.tree.kind {
            Kind::Text(name) => visitor.visit_enum(variant(name)?),
            Kind::Object(members) => match &members[..] {
                [(name, content)] => {
                    visitor.visit_enum(Variant { content: Some(content), ..variant(name)? })
                }
                _ => Err(Found::invalid_value(Unexpected::Map, &"an object with a single member")),
            },
            _ => self.deserialize_any(visitor).and_then(|_| Err(Found::new(Reason::Refused))),
        };
        read.map_err(|found| found.explained(Asked::Name(name, variants)))
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Found> {
        match self.integer() {
            Some(number) => visitor.visit_i128(number),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Found> {
        match self.integer() {
            Some(number) => visitor.visit_u128(number),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Found> {
        // What nobody reads may be anything.
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string unit seq identifier
    }
}

struct Elements<'a> {
    elements: std::slice::Iter<'a, Tree<'a>>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Found;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Found> {
        let Some(element) = self.elements.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        seed.deserialize(Node::within(element))
            .map(Some)
            .map_err(|found| Found::of(found.violation.within_index(index)))
    }
}

struct Members<'a> {
    rest: std::slice::Iter<'a, (Text<'a>, Tree<'a>)>,
    current: Option<(&'a str, &'a Tree<'a>)>,
    names: Names,
}

/// Meaning of an object's keys: names of a type, or data, as the keys of maps are.
#[derive(Clone, Copy)]
enum Names {
    Only(&'static [&'static str]),
    All,
    None,
}

impl Names {
    fn shown(self, key: &str) -> &str {
        let is_name = match self {
            Self::Only(names) => names.contains(&key),
            Self::All => true,
            Self::None => false,
        };
        if is_name { key } else { "*" }
    }
}

impl<'de> MapAccess<'de> for Members<'_> {
    type Error = Found;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Found> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        let key = held(key)?;
        self.current = Some((key, value));
        seed.deserialize(Key(key)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Found> {
        let (key, value) = self.current.take().unwrap_or(("", &Tree::NULL));
        let name = self.names.shown(key);
        seed.deserialize(Node::within(value)).map_err(|found| found.within(name))
    }
}

/// A member's name on its way into a type; numbers and booleans are written as text there.
struct Key<'a>(&'a str);

macro_rules! parsed_key {
    ($($method:ident => $visit:ident,)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Found> {
            // JSON writes a number in one way; `parse` also takes `+5` and `05`.
            let first = self.0.trim_start_matches('-').as_bytes();
            let is_json = !matches!(first, [b'+', ..] | [b'0', b'0'..=b'9', ..]);
            match self.0.parse() {
                Ok(key) if is_json => visitor.$visit(key),
                Ok(_) | Err(_) => visitor.visit_str(self.0),
            }
        }
    )+};
}

impl<'de> Deserializer<'de> for Key<'_> {
    type Error = Found;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Found> {
        visitor.visit_str(self.0)
    }

    parsed_key! {
        deserialize_bool => visit_bool,
        deserialize_i8 => visit_i8,
        deserialize_i16 => visit_i16,
        deserialize_i32 => visit_i32,
        deserialize_i64 => visit_i64,
        deserialize_i128 => visit_i128,
        deserialize_u8 => visit_u8,
        deserialize_u16 => visit_u16,
        deserialize_u32 => visit_u32,
        deserialize_u64 => visit_u64,
        deserialize_u128 => visit_u128,
        deserialize_f32 => visit_f32,
        deserialize_f64 => visit_f64,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Found> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Found> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Found> {
        visitor.visit_enum(Variant { variant: self.0, content: None })
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

struct Variant<'a> {
    variant: &'a str,
    content: Option<&'a Tree<'a>>,
}

impl<'a> Variant<'a> {
    fn content(&self) -> Node<'a> {
        Node::within(self.content.unwrap_or(&Tree::NULL))
    }

    fn within<T>(&self, decoded: Result<T, Found>) -> Result<T, Found> {
        // What it speaks of may be a variant, whose name the enum knows.
        decoded.map_err(|Found { violation, unproven }| Found {
            violation: violation.within(self.variant),
            unproven,
        })
    }
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Found;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Found> {
        let variant = seed.deserialize(StrDeserializer::new(self.variant))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Found;

    fn unit_variant(self) -> Result<(), Found> {
        match self.content {
            None => Ok(()),
            Some(_) => self.within(<()>::deserialize(self.content())),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Found> {
        self.within(seed.deserialize(self.content()))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Found> {
        self.within(self.content().deserialize_any(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Found> {
        self.within(self.content().members(Names::Only(fields), visitor))
    }
}
