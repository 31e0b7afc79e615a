//! A serializer around another that refuses what does not survive EventBridge.
//!
//! JSON has no infinities, and `serde_json` writes `null` for them; EventBridge takes integers that
//! fit i64 and mangles or rejects others; and readers follow the levels that the type of an event
//! allows, [`MAX_NESTING`] at most. The first such value ends the writing, and its path is kept.

use std::{
    any::type_name,
    cell::{Cell, RefCell},
    fmt::Display,
};

use serde::{
    Serialize, Serializer,
    ser::{
        Error, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

use super::{
    DATA_DEPTH, MAX_NESTING,
    diagnose::RAW_VALUE,
    scan::{self, Shape},
};
use crate::{DomainEvent, Reason, Violation};

/// Appends `value` as JSON to `json`; `depth` is how deep in its document it will stand.
pub(crate) fn write<T: Serialize + ?Sized>(
    value: &T,
    depth: usize,
    json: &mut Vec<u8>,
) -> Result<(), Violation> {
    write_within(value, depth, MAX_NESTING - depth, json).map(drop)
}

/// Appends the data of an event, within the bounds that its readers have.
pub(crate) fn write_data<E: DomainEvent + Serialize>(
    data: &E,
    json: &mut Vec<u8>,
) -> Result<(), Violation> {
    let start = json.len();
    let shape = write_within(data, DATA_DEPTH, E::MAX_NESTING, json)?;
    shape.check_levels(E::MAX_NESTING)?;
    shape.check_weight(json.len() - start)
}

/// Appends `value`, which may have `levels` levels of its own.
fn write_within<T: Serialize + ?Sized>(
    value: &T,
    depth: usize,
    levels: usize,
    json: &mut Vec<u8>,
) -> Result<Shape, Violation> {
    let refused = Refused { levels, deepest: depth + levels, ..Refused::default() };
    let start = json.len();
    let mut serializer = serde_json::Serializer::new(&mut *json);
    let written = value.serialize(Checked { inner: &mut serializer, refused: &refused, depth });
    if written.is_err() {
        // Without a reason of ours, the type's own code or a key that is no text ended it.
        return Err(refused.into_violation());
    }
    if refused.unseen.get() {
        // What a serializer writes is text.
        let text = std::str::from_utf8(&json[start..]).unwrap_or_default();
        return scan::check(text, depth).map_err(Violation::without_names);
    }
    Ok(Shape { levels: 0, weight: refused.weight.get() })
}

/// Reason that the writing ended. It stands aside because errors of the inner serializer cannot
/// carry it.
#[derive(Default)]
struct Refused {
    violation: RefCell<Option<Violation>>,
    /// True if something was written that cannot be judged on its way: the members of a map, which
    /// may be equal, or text that is JSON already. The scanner judges the whole, then.
    unseen: Cell<bool>,
    /// The levels that the value may have, and the deepest of them in the whole document.
    levels: usize,
    deepest: usize,
    /// The levels of all that was written so far, added up.
    weight: Cell<usize>,
}

impl Refused {
    #[cold]
    fn because<E: Error>(&self, reason: Reason) -> E {
        self.violation.replace(Some(Violation::new(reason)));
        E::custom("refused")
    }

    /// Counts a member or element that stands `depth` levels deep.
    fn weigh(&self, depth: usize) {
        self.weight.set(self.weight.get().saturating_add(depth));
    }

    #[cold]
    fn within(&self, key: &str) {
        self.update(|violation| violation.within(key));
    }

    #[cold]
    fn within_index(&self, index: usize) {
        self.update(|violation| violation.within_index(index));
    }

    fn update(&self, change: impl FnOnce(Violation) -> Violation) {
        let violation = self.violation.take();
        let violation = violation.unwrap_or_else(|| Violation::new(Reason::Refused));
        self.violation.replace(Some(change(violation)));
    }

    fn into_violation(self) -> Violation {
        self.violation.into_inner().unwrap_or_else(|| Violation::new(Reason::Refused))
    }
}

struct Checked<'r, S> {
    inner: S,
    refused: &'r Refused,
    depth: usize,
}

impl<'r, S: Serializer> Checked<'r, S> {
    /// Goes one level down, if there is one.
    fn deeper(self) -> Result<Self, S::Error> {
        if self.depth == self.refused.deepest {
            return Err(self.refused.because(Reason::TooDeep { limit: self.refused.levels }));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    /// Enters an object or array that `begin` begins.
    fn nested<C>(
        self,
        begin: impl FnOnce(S) -> Result<C, S::Error>,
    ) -> Result<Nested<'r, C>, S::Error> {
        let Self { inner, refused, depth } = self.deeper()?;
        Ok(Nested {
            inner: begin(inner)?,
            refused,
            depth,
            index: 0,
            variant: None,
            first: [""; MAX_TAGS],
            firsts: 0,
        })
    }
}

/// A value that is written through [`Checked`].
struct Through<'a, T: ?Sized> {
    value: &'a T,
    refused: &'a Refused,
    depth: usize,
}

impl<T: Serialize + ?Sized> Serialize for Through<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { value, refused, depth } = *self;
        value.serialize(Checked { inner: serializer, refused, depth })
    }
}

macro_rules! pass {
    ($($method:ident($($argument:ident: $type:ty),*);)+) => {$(
        fn $method(self $(, $argument: $type)*) -> Result<S::Ok, S::Error> {
            self.inner.$method($($argument),*)
        }
    )+};
}

impl<'r, S: Serializer> Serializer for Checked<'r, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Nested<'r, S::SerializeSeq>;
    type SerializeTuple = Nested<'r, S::SerializeTuple>;
    type SerializeTupleStruct = Nested<'r, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Nested<'r, S::SerializeTupleVariant>;
    type SerializeMap = Map<'r, S::SerializeMap>;
    type SerializeStruct = Nested<'r, S::SerializeStruct>;
    type SerializeStructVariant = Nested<'r, S::SerializeStructVariant>;

    pass! {
        serialize_bool(v: bool);
        serialize_i8(v: i8);
        serialize_i16(v: i16);
        serialize_i32(v: i32);
        serialize_i64(v: i64);
        serialize_u8(v: u8);
        serialize_u16(v: u16);
        serialize_u32(v: u32);
        serialize_char(v: char);
        serialize_str(v: &str);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(name: &'static str);
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str);
    }

    fn serialize_bytes(self, v: &[u8]) -> Result<S::Ok, S::Error> {
        // An array of numbers in JSON.
        let this = self.deeper()?;
        this.refused.weigh(this.depth.saturating_mul(v.len()));
        this.inner.serialize_bytes(v)
    }

    fn serialize_u64(self, v: u64) -> Result<S::Ok, S::Error> {
        match i64::try_from(v) {
            Ok(_) => self.inner.serialize_u64(v),
            Err(_) => Err(self.refused.because(Reason::IntegerOutOfRange)),
        }
    }

    fn serialize_i128(self, v: i128) -> Result<S::Ok, S::Error> {
        match i64::try_from(v) {
            Ok(v) => self.inner.serialize_i64(v),
            Err(_) => Err(self.refused.because(Reason::IntegerOutOfRange)),
        }
    }

    fn serialize_u128(self, v: u128) -> Result<S::Ok, S::Error> {
        match i64::try_from(v) {
            Ok(v) => self.inner.serialize_i64(v),
            Err(_) => Err(self.refused.because(Reason::IntegerOutOfRange)),
        }
    }

    fn serialize_f32(self, v: f32) -> Result<S::Ok, S::Error> {
        if v.is_finite() {
            self.inner.serialize_f32(v)
        } else {
            Err(self.refused.because(Reason::NotFinite))
        }
    }

    fn serialize_f64(self, v: f64) -> Result<S::Ok, S::Error> {
        if v.is_finite() {
            self.inner.serialize_f64(v)
        } else {
            Err(self.refused.because(Reason::NotFinite))
        }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let Self { inner, refused, depth } = self;
        inner.serialize_some(&Through { value, refused, depth })
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let Self { inner, refused, depth } = self;
        inner.serialize_newtype_struct(name, &Through { value, refused, depth })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        // The variant's name is the one member of an object around the value.
        let Self { inner, refused, depth } = self.deeper()?;
        refused.weigh(depth);
        inner
            .serialize_newtype_variant(name, index, variant, &Through { value, refused, depth })
            .inspect_err(|_| refused.within(variant))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.nested(|inner| inner.serialize_seq(len))
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.nested(|inner| inner.serialize_tuple(len))
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.nested(|inner| inner.serialize_tuple_struct(name, len))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        let this = self.deeper()?;
        this.refused.weigh(this.depth);
        let nested = this.nested(|inner| inner.serialize_tuple_variant(name, index, variant, len));
        nested.map(|nested| Nested { variant: Some(variant), ..nested })
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.refused.unseen.set(true);
        self.nested(|inner| inner.serialize_map(len)).map(Map)
    }

    fn serialize_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStruct, S::Error> {
        if name == RAW_VALUE {
            self.refused.unseen.set(true);
        }
        self.nested(|inner| inner.serialize_struct(name, len))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        let this = self.deeper()?;
        this.refused.weigh(this.depth);
        let nested = this.nested(|inner| inner.serialize_struct_variant(name, index, variant, len));
        nested.map(|nested| Nested { variant: Some(variant), ..nested })
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// An object or array that is being written.
struct Nested<'r, C> {
    inner: C,
    refused: &'r Refused,
    depth: usize,
    /// The element that comes next, in an array.
    index: usize,
    /// The variant whose content this is.
    variant: Option<&'static str>,
    /// The first members of a struct, which may be tags that serde puts before the others.
    first: [&'static str; MAX_TAGS],
    /// Number of first members.
    firsts: usize,
}

/// Number of tags of enums within each other that are told from the members behind them.
const MAX_TAGS: usize = 4;

impl<C> Nested<'_, C> {
    fn element<T: Serialize + ?Sized, X>(
        &mut self,
        value: &T,
        write: impl FnOnce(&mut C, &Through<'_, T>) -> Result<(), X>,
    ) -> Result<(), X> {
        let Self { inner, refused, depth, index, variant, .. } = self;
        refused.weigh(*depth);
        write(inner, &Through { value, refused, depth: *depth }).inspect_err(|_| {
            refused.within_index(*index);
            if let Some(variant) = variant {
                refused.within(variant);
            }
        })?;
        *index += 1;
        Ok(())
    }

    fn member<T: Serialize + ?Sized, X: Error>(
        &mut self,
        key: &'static str,
        value: &T,
        write: impl FnOnce(&mut C, &Through<'_, T>) -> Result<(), X>,
    ) -> Result<(), X> {
        let Self { inner, refused, depth, index: _, variant, first, firsts } = self;
        // The fields of a type have different names; only a tag can have the name of one.
        if first[..*firsts].contains(&key) {
            let error = refused.because(Reason::Duplicate);
            refused.within(key);
            return Err(error);
        }
        if let Some(free) = first.get_mut(*firsts) {
            *free = key;
            *firsts += 1;
        }
        refused.weigh(*depth);
        write(inner, &Through { value, refused, depth: *depth }).inspect_err(|_| {
            refused.within(key);
            if let Some(variant) = variant {
                refused.within(variant);
            }
        })
    }
}

macro_rules! elements {
    ($($trait:ident::$method:ident,)+) => {$(
        impl<C: $trait> $trait for Nested<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                self.element(value, |inner, value| inner.$method(value))
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    )+};
}

elements! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

macro_rules! members {
    ($($trait:ident,)+) => {$(
        impl<C: $trait> $trait for Nested<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), C::Error> {
                self.member(key, value, |inner, value| inner.serialize_field(key, value))
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        }
    )+};
}

members! { SerializeStruct, SerializeStructVariant, }

/// A map, or a struct with flattened members, that is being written.
struct Map<'r, C>(Nested<'r, C>);

impl<C: SerializeMap> SerializeMap for Map<'_, C> {
    type Ok = C::Ok;
    type Error = C::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        self.0.inner.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        let Nested { inner, refused, depth, .. } = &mut self.0;
        let value = Through { value, refused, depth: *depth };
        inner.serialize_value(&value).inspect_err(|_| refused.within("*"))
    }

    fn serialize_entry<K: Serialize + ?Sized, T: Serialize + ?Sized>(
        &mut self,
        key: &K,
        value: &T,
    ) -> Result<(), C::Error> {
        let Nested { inner, refused, depth, .. } = &mut self.0;
        let value = Through { value, refused, depth: *depth };
        inner.serialize_entry(key, &value).inspect_err(|_| {
            // The derive passes the names of fields as bare texts, and maps pass their own keys,
            // which are data. A text that is owned or referred to is a key.
            let is_name = type_name::<K>() == type_name::<str>();
            let name = serde_json::to_value(key).ok().filter(|_| is_name);
            refused.within(name.as_ref().and_then(|name| name.as_str()).unwrap_or("*"));
        })
    }

    fn end(self) -> Result<C::Ok, C::Error> {
        self.0.inner.end()
    }
}
