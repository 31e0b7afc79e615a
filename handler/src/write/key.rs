use std::fmt;

use serde_dynamo::AttributeValue;

use super::value::{Number, canonical};

/// Key of an item: a partition key, or a partition key and after it a sort key, each with its name.
///
/// A partition key has at most 2,048 bytes and a sort key 1,024, none is empty, and a name has at
/// most 255 bytes. A write with another key is [invalid](crate::InvalidWrite).
///
/// ```
/// use setpiece_handler::ItemKey;
///
/// let partition = ItemKey::from(("customer_id", "cu-101"));
/// let both = ItemKey::from([("pk", "cu-101"), ("sk", "points")]);
/// let mixed = ItemKey::from(("order", "o-7")).and("line", 3);
/// # _ = (partition, both, mixed);
/// ```
#[derive(Clone, PartialEq)]
pub struct ItemKey(Vec<(String, AttributeValue)>);

/// The value of one attribute of a key: a text, a number or bytes.
#[derive(Clone, PartialEq)]
pub struct KeyValue(AttributeValue);

impl ItemKey {
    /// Adds a sort key.
    #[must_use]
    pub fn and(mut self, name: impl Into<String>, value: impl Into<KeyValue>) -> Self {
        self.0.push((name.into(), value.into().0));
        self
    }

    /// The attributes.
    pub(crate) fn attributes(&self) -> &[(String, AttributeValue)] {
        &self.0
    }

    /// The names of the attributes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub(crate) fn has(&self, attribute: &str) -> bool {
        self.names().any(|name| name == attribute)
    }

    /// Returns a value that tells the item from others of its table, whatever order the key is
    /// given in.
    pub(crate) fn identity(&self) -> Vec<(String, String)> {
        let mut parts: Vec<(String, String)> = Vec::with_capacity(self.0.len());
        for (name, value) in &self.0 {
            let text = match value {
                AttributeValue::S(text) => format!("S{text}"),
                AttributeValue::N(number) => format!("N{}", canonical(number)),
                AttributeValue::B(bytes) => format!("B{bytes:?}"),
                _ => String::new(),
            };
            let part = (name.clone(), text);
            // There are two at most.
            let place = parts.partition_point(|before| *before <= part);
            parts.insert(place, part);
        }
        parts
    }

    /// Returns true if a part of the key is empty.
    pub(super) fn is_empty(&self) -> bool {
        !matches!(self.0.len(), 1 | 2)
            || self.0.iter().any(|(name, value)| {
                name.is_empty()
                    || match value {
                        AttributeValue::S(text) => text.is_empty(),
                        AttributeValue::B(bytes) => bytes.is_empty(),
                        AttributeValue::N(number) => Number::parse(number).is_none(),
                        _ => true,
                    }
            })
    }
}

impl fmt::Debug for ItemKey {
    /// Shows the names only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl fmt::Debug for KeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyValue(…)")
    }
}

impl<N: Into<String>, V: Into<KeyValue>> From<(N, V)> for ItemKey {
    fn from((name, value): (N, V)) -> Self {
        Self(vec![(name.into(), value.into().0)])
    }
}

impl<N: Into<String>, V: Into<KeyValue>> From<[(N, V); 2]> for ItemKey {
    fn from(parts: [(N, V); 2]) -> Self {
        Self(parts.map(|(name, value)| (name.into(), value.into().0)).into())
    }
}

impl From<&str> for KeyValue {
    fn from(text: &str) -> Self {
        Self(AttributeValue::S(text.to_owned()))
    }
}

impl From<String> for KeyValue {
    fn from(text: String) -> Self {
        Self(AttributeValue::S(text))
    }
}

impl From<&String> for KeyValue {
    fn from(text: &String) -> Self {
        Self(AttributeValue::S(text.clone()))
    }
}

impl From<Vec<u8>> for KeyValue {
    fn from(bytes: Vec<u8>) -> Self {
        Self(AttributeValue::B(bytes))
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl From<$number> for KeyValue {
            fn from(number: $number) -> Self {
                Self(AttributeValue::N(number.to_string()))
            }
        }
    )*};
}

numbers!(i8, i16, i32, i64, u8, u16, u32, u64);

#[cfg(feature = "dynamodb")]
impl From<Vec<(String, AttributeValue)>> for ItemKey {
    fn from(attributes: Vec<(String, AttributeValue)>) -> Self {
        Self(attributes)
    }
}
