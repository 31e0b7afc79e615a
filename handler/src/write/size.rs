//! Size of an item, by the formula that DynamoDB publishes:
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>.

use serde_dynamo::AttributeValue;

use super::{How, Operation, Write};

/// The bytes of an item.
pub(crate) fn item_bytes<'a>(
    item: impl IntoIterator<Item = (&'a String, &'a AttributeValue)>,
) -> usize {
    item.into_iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
}

pub(super) fn value_bytes(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => number_bytes(number),
        AttributeValue::B(bytes) => bytes.len(),
        AttributeValue::Bool(_) | AttributeValue::Null(_) => 1,
        AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::Ns(numbers) => numbers.iter().map(|number| number_bytes(number)).sum(),
        AttributeValue::Bs(all) => all.iter().map(Vec::len).sum(),
        AttributeValue::L(list) => {
            3 + list.iter().map(|value| 1 + value_bytes(value)).sum::<usize>()
        }
        AttributeValue::M(map) => 3 + map.len() + item_bytes(map),
    }
}

/// About one byte for two significant digits, and one more.
fn number_bytes(number: &str) -> usize {
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    digits.div_ceil(2) + 1 + usize::from(number.starts_with('-'))
}

impl Write {
    /// Returns the known bytes of the item after the write. An item that is updated has more than
    /// the update says.
    pub(crate) fn bytes(&self) -> usize {
        let key = || item_bytes(self.key.attributes().iter().map(|(name, value)| (name, value)));
        match &self.operation {
            Operation::Put(item) => item_bytes(item),
            Operation::Update(changes) => {
                let sizes = changes.iter().map(|change| match &change.how {
                    How::Set(value) | How::Add(value) | How::Append(value) => {
                        change.attribute.len() + value_bytes(value)
                    }
                    How::Remove => 0,
                });
                key() + sizes.sum::<usize>()
            }
            Operation::Delete | Operation::Check => key(),
            #[cfg(feature = "dynamodb")]
            Operation::Native(write) => crate::dynamodb::native_bytes(write),
        }
    }
}
