use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected},
};

/// Request of a customer to register a product. Reading one checks it, so that it holds nothing
/// that the event could not carry.
#[derive(Clone, Deserialize)]
#[serde(expecting = "an object")]
pub(crate) struct Registration {
    #[serde(deserialize_with = "id")]
    pub(crate) customer_id: String,
    #[serde(deserialize_with = "text")]
    pub(crate) name: String,
    #[serde(deserialize_with = "email")]
    pub(crate) email: String,
    #[serde(deserialize_with = "text")]
    pub(crate) model: String,
    #[serde(deserialize_with = "id")]
    pub(crate) serial_number: String,
    pub(crate) price_cents: u32,
}

fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    const MAX_BYTES: usize = 64;
    checked(deserializer, "1 to 64 ASCII letters, digits or `-`", |id| {
        id.len() <= MAX_BYTES && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    const MAX_CHARS: usize = 200;
    checked(deserializer, "1 to 200 characters of one line", |text| {
        text.chars().count() <= MAX_CHARS
            && !text.chars().any(char::is_control)
            && !text.trim().is_empty()
    })
}

fn email<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    checked(deserializer, "an e-mail address", is_email)
}

/// Reads a text that is not empty and that `is_valid`.
///
/// The value of a member can be personal. `from_json` shows only which kind of value was found.
fn checked<'de, D: Deserializer<'de>>(
    deserializer: D,
    expected: &'static str,
    is_valid: impl Fn(&str) -> bool,
) -> Result<String, D::Error> {
    let value = String::deserialize(deserializer)?;
    if value.is_empty() {
        Err(D::Error::invalid_length(0, &expected))
    } else if is_valid(&value) {
        Ok(value)
    } else {
        Err(D::Error::invalid_value(Unexpected::Str(&value), &expected))
    }
}

/// Returns true if mail could be sent there: `local@domain.tld`, in ASCII and without quotes.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    };
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 254
        && local.len() <= 64
        && local.split('.').all(is_atom)
        && domain.contains('.')
        && domain.split('.').all(is_label)
}

#[cfg(test)]
mod tests;
