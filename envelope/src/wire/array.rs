//! Data that are an array are an array.
//!
//! serde takes an array for a struct, member by member in the order of the fields. On the wire that
//! is a mistake, and after the next change of the struct it is another mistake. So data that is an
//! array is decoded by way of a deserializer that does not offer it as a struct. Arrays within the
//! data go the way of serde; looking at each would cost every event.

use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected, Visitor},
    forward_to_deserialize_any,
};
use serde_json::de::StrRead;

/// Decodes JSON whose first character opens an array.
pub(super) fn from_str<T: for<'de> Deserialize<'de>>(json: &str) -> Result<T, serde_json::Error> {
    let mut inner = serde_json::Deserializer::from_str(json);
    let value = T::deserialize(Array(&mut inner))?;
    inner.end()?;
    Ok(value)
}

struct Array<'a, 'de>(&'a mut serde_json::Deserializer<StrRead<'de>>);

impl<'de> Deserializer<'de> for Array<'_, 'de> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        Err(Error::invalid_type(Unexpected::Seq, &visitor))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        // The name by which serde_json knows that raw text is asked for.
        if name == super::diagnose::RAW_VALUE {
            return self.0.deserialize_newtype_struct(name, visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.0.deserialize_bytes(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.0.deserialize_byte_buf(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string unit unit_struct seq
        tuple tuple_struct map identifier ignored_any
    }
}
