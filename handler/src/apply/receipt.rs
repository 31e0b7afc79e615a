use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// The result of a decision that its record keeps: the number of its events, and its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Receipt {
    /// The number of events that were put into the outbox.
    pub(super) outbox: usize,
    /// The answer, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response: Option<String>,
}

impl Receipt {
    /// The most events of one decision: one transaction has room for no more, and one request reads
    /// them.
    pub(super) const MOST: usize = 100;
}

impl<'de> Deserialize<'de> for Receipt {
    /// Reads a receipt, or any other JSON as one without events: people on call and programs in
    /// other languages complete records, too. A number of events that no transaction has room for is
    /// refused, since looking for them would take whatever memory the number asks for.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReceiptVisitor)
    }
}

struct ReceiptVisitor;

/// Values that are no receipt.
macro_rules! visit_as_none {
    ($($visit:ident: $type:ty),* $(,)?) => {
        $(fn $visit<E>(self, _: $type) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        })*
    };
}

impl<'de> Visitor<'de> for ReceiptVisitor {
    type Value = Receipt;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a result")
    }

    visit_as_none!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E>(self) -> Result<Receipt, E> {
        Ok(Receipt::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Receipt, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Receipt::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Receipt, A::Error> {
        let mut receipt = Receipt::default();
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "outbox" => {
                    receipt.outbox = map.next_value()?;
                    if receipt.outbox > Receipt::MOST {
                        return Err(A::Error::custom("more events than a decision can have"));
                    }
                }
                "response" => receipt.response = map.next_value::<Text>()?.0,
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(receipt)
    }
}

/// A text, if it is one.
#[derive(Default)]
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    visit_as_none!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);

    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Text(Some(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Text, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }
}

#[cfg(test)]
mod tests;
