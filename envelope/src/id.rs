use std::{
    borrow::{Borrow, Cow},
    fmt,
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Reason, text};

/// Stamps out a text type that holds 1 to 128 printable characters.
macro_rules! id {
    ($(#[$docs:meta])* $name:ident) => {
        $(#[$docs])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The most characters that an id may have.
            pub const MAX_CHARS: usize = 128;

            /// Takes any text of 1 to 128 printable characters.
            ///
            /// # Errors
            ///
            /// [`Reason::Empty`], [`Reason::TooLong`] or [`Reason::NotPrintable`].
            pub fn parse(id: impl Into<Box<str>>) -> Result<Self, Reason> {
                let id = id.into();
                text::check(&id, Self::MAX_CHARS)?;
                Ok(Self(id))
            }

            /// Takes a text that has been checked.
            pub(crate) fn checked(id: Cow<'_, str>) -> Self {
                Self(id.into())
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Reason;

            fn from_str(id: &str) -> Result<Self, Reason> {
                Self::parse(id)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Reason;

            fn try_from(id: String) -> Result<Self, Reason> {
                Self::parse(id)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into()
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let id = String::deserialize(deserializer)?;
                let expected = &"1 to 128 printable characters";
                Self::parse(id.as_str())
                    .map_err(|_| de::Error::invalid_value(de::Unexpected::Str(&id), expected))
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    };
}

id! {
    /// Names one event for ever: the same over every retry, redelivery and replay.
    ///
    /// Ours are ULIDs, so they sort by time; those of other producers may be any 1 to 128 printable
    /// characters. It is the key by which consumers recognise an event that they have handled.
    EventId
}

id! {
    /// Names one flow: minted once, at its first event, and copied unchanged to all that follow.
    CorrelationId
}

impl EventId {
    pub(crate) fn from_ulid(ulid: ulid::Ulid) -> Self {
        Self(ulid.to_string().into_boxed_str())
    }
}

impl From<&EventId> for CorrelationId {
    /// The flow that begins with this event.
    fn from(root: &EventId) -> Self {
        Self(root.0.clone())
    }
}
