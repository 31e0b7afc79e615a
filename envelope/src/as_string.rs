use std::{fmt::Display, str::FromStr};

use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// Carries a number as JSON text, for numbers that JSON readers do not keep.
///
/// EventBridge takes integers from −2⁶³ to 2⁶³−1 and many readers only those up to 2⁵³.
/// `#[derive(DomainEvent)]` therefore refuses `u64`, `u128`, `i128` and `usize` members, unless
/// they say how they are written:
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// #[derive(Serialize, Deserialize)]
/// struct Metered {
///     #[serde(with = "setpiece_envelope::AsString")]
///     nanoseconds: u64,
/// }
///
/// let text = serde_json::to_string(&Metered { nanoseconds: u64::MAX })?;
/// assert_eq!(text, r#"{"nanoseconds":"18446744073709551615"}"#);
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AsString;

impl AsString {
    /// Writes `value` as text.
    ///
    /// # Errors
    ///
    /// When the serializer does.
    pub fn serialize<T: Display, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    /// Reads a value from its text.
    ///
    /// # Errors
    ///
    /// When there is no text, or it is not a `T`.
    pub fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        parse(&String::deserialize(deserializer)?)
    }
}

/// Serializer of optional members as texts: [`AsString`] for members that may be `null` or missing.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// #[derive(Serialize, Deserialize)]
/// struct Metered {
///     #[serde(default, with = "setpiece_envelope::AsOptionalString")]
///     nanoseconds: Option<u64>,
/// }
///
/// assert_eq!(serde_json::from_str::<Metered>("{}")?.nanoseconds, None);
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AsOptionalString;

impl AsOptionalString {
    /// Writes `value` as text, or as `null`.
    ///
    /// # Errors
    ///
    /// When the serializer does.
    pub fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a value from its text, or from `null`.
    ///
    /// # Errors
    ///
    /// When there is another value than a text, or it is not a `T`.
    pub fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        Option::<String>::deserialize(deserializer)?.map(|text| parse(&text)).transpose()
    }
}

fn parse<T: FromStr, E: Error>(text: &str) -> Result<T, E> {
    text.parse().map_err(|_| E::custom("the text is not such a number"))
}

#[cfg(feature = "schema")]
mod schema {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use super::{AsOptionalString, AsString};

    impl JsonSchema for AsString {
        fn inline_schema() -> bool {
            true
        }

        fn schema_name() -> Cow<'static, str> {
            "AsString".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({ "type": "string", "examples": ["0"] })
        }
    }

    impl JsonSchema for AsOptionalString {
        fn inline_schema() -> bool {
            true
        }

        fn schema_name() -> Cow<'static, str> {
            "AsOptionalString".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({ "type": ["string", "null"], "examples": ["0"] })
        }
    }
}
