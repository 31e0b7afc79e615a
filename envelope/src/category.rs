use std::{
    borrow::Cow,
    fmt,
    hash::{Hash, Hasher},
};

use crate::service::str_eq;

/// Stamps out an open enum: known values are variants, any other text survives as it came.
macro_rules! open_enum {
    ($(#[$docs:meta])* $name:ident { $($(#[$variant_docs:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$docs])*
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_docs])* $variant,)+
            /// A value that this version of the library does not know, kept as it was read.
            ///
            /// A later version may know it, so compare with [`as_str`](Self::as_str) and not with
            /// what is in here.
            Other(Cow<'static, str>),
        }

        impl $name {
            /// The value for `text`: the known variant, or [`Self::Other`].
            #[must_use]
            pub const fn from_static(text: &'static str) -> Self {
                $(if str_eq(text, $text) {
                    return Self::$variant;
                })+
                Self::Other(Cow::Borrowed(text))
            }

            /// The value as it is written on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)+
                    other => Self::Other(Cow::Owned(other.to_owned())),
                }
            }
        }

        // By text, so that a hand-made `Other` of a known text is the known value.
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.as_str() == other.as_str()
            }
        }

        impl Eq for $name {}

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.as_str().hash(state);
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

open_enum! {
    /// Audience of an event: the metadata member `category`.
    Category {
        /// A fact of the business, published on the shared bus for every domain.
        DomainEvent = "domain-event",
        /// A fact that stays inside one bounded context.
        ServiceEvent = "service-event",
    }
}

open_enum! {
    /// Content of an event: the metadata member `type`.
    EventType {
        /// The event holds the data that consumers need.
        Data = "data",
        /// The event says that something happened; consumers fetch the rest.
        Notification = "notification",
    }
}
