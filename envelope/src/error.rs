//! Errors of events, which never repeat what is in them.
//!
//! An event may hold personal data, so no message and no `Debug` text here shows a value. For the
//! same reason the errors of serde, which quote what they found, are not kept as sources.
//!
//! Paths show the names of members. A key of a map can be data, and is shown as `*` wherever the
//! type tells a map from a struct. The scanner knows no types; it shows a key that has the form of
//! an identifier, and an e-mail address, a number or a sentence as `*`.

use std::{borrow::Cow, error::Error as StdError, fmt};

use crate::{DomainEvent, EventVersion, UpcastError};

/// Error of an event that could not be read. Each variant asks for another decision.
///
/// None of them goes away by reading the same bytes again with the same program.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The bytes are not an event of this type: nobody will ever read them so. Put the record
    /// aside and tell its producer.
    Malformed(Violation),
    /// A well-formed event, but another one than the reader asked for: look at the routing.
    AnotherEvent(AnotherEvent),
    /// A version that this reader does not know: most often the producer was deployed first. Hold
    /// the record until the reader is deployed, too.
    UnsupportedVersion(UnsupportedVersion),
    /// The event was read in its old version, but could not be brought up to date.
    Upcast(UpcastFailed),
}

impl ReadError {
    /// Returns the problem of the bytes and its place, if that is the error.
    #[must_use]
    pub fn violation(&self) -> Option<&Violation> {
        match self {
            Self::Malformed(violation) => Some(violation),
            Self::AnotherEvent(_) | Self::UnsupportedVersion(_) | Self::Upcast(_) => None,
        }
    }

    pub(crate) fn unsupported<E: DomainEvent>(found: EventVersion, oldest: EventVersion) -> Self {
        Self::UnsupportedVersion(UnsupportedVersion {
            name: E::NAME,
            found,
            oldest,
            newest: E::VERSION,
        })
    }

    pub(crate) fn upcast<E: DomainEvent, P: DomainEvent>(source: UpcastError) -> Self {
        Self::Upcast(UpcastFailed { name: E::NAME, from: P::VERSION, to: E::VERSION, source })
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(violation) => violation.fmt(f),
            Self::AnotherEvent(another) => another.fmt(f),
            Self::UnsupportedVersion(unsupported) => unsupported.fmt(f),
            Self::Upcast(failed) => failed.fmt(f),
        }
    }
}

impl StdError for ReadError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Upcast(failed) => Some(&failed.source),
            Self::Malformed(_) | Self::AnotherEvent(_) | Self::UnsupportedVersion(_) => None,
        }
    }
}

impl From<Violation> for ReadError {
    fn from(violation: Violation) -> Self {
        Self::Malformed(violation)
    }
}

/// Context of [`ReadError::AnotherEvent`].
#[derive(Debug)]
pub struct AnotherEvent {
    pub(crate) expected: &'static str,
    pub(crate) found: Box<str>,
}

impl AnotherEvent {
    /// The name of the event that was asked for.
    #[must_use]
    pub fn expected(&self) -> &'static str {
        self.expected
    }

    /// The name of the event that was found.
    #[must_use]
    pub fn found(&self) -> &str {
        &self.found
    }
}

impl fmt::Display for AnotherEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected the event `{}`, found `{}`", self.expected, self.found)
    }
}

/// Context of [`ReadError::UnsupportedVersion`].
#[derive(Debug)]
pub struct UnsupportedVersion {
    name: &'static str,
    found: EventVersion,
    oldest: EventVersion,
    newest: EventVersion,
}

impl UnsupportedVersion {
    /// The name of the event.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The version that was found.
    #[must_use]
    pub fn found(&self) -> EventVersion {
        self.found
    }

    /// The versions that this reader supports, from the oldest to the newest.
    #[must_use]
    pub fn supported(&self) -> std::ops::RangeInclusive<EventVersion> {
        self.oldest..=self.newest
    }
}

impl fmt::Display for UnsupportedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, found, oldest, newest } = self;
        write!(f, "version {found} of `{name}` is not supported, ")?;
        if oldest == newest {
            write!(f, "only version {newest}")
        } else {
            write!(f, "only versions {oldest} to {newest}")
        }
    }
}

/// Context of [`ReadError::Upcast`].
#[derive(Debug)]
pub struct UpcastFailed {
    name: &'static str,
    from: EventVersion,
    to: EventVersion,
    source: UpcastError,
}

impl UpcastFailed {
    /// The name of the event.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The version that could not be brought up to date.
    #[must_use]
    pub fn from(&self) -> EventVersion {
        self.from
    }

    /// The version that it should have become.
    #[must_use]
    pub fn to(&self) -> EventVersion {
        self.to
    }

    /// Returns the error of the event's own `upcast`.
    #[must_use]
    pub fn error(&self) -> &UpcastError {
        &self.source
    }
}

impl fmt::Display for UpcastFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, from, to, source: _ } = self;
        write!(f, "version {from} of `{name}` cannot become version {to}")
    }
}

/// Error of an event that could not be written: its own data cannot be sent as JSON.
///
/// Writing the same event again fails again.
#[derive(Debug)]
pub struct WriteError(pub(crate) Violation);

impl WriteError {
    /// Returns the problem of the value that cannot be written, and its place.
    #[must_use]
    pub fn violation(&self) -> &Violation {
        &self.0
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for WriteError {}

impl From<Violation> for WriteError {
    fn from(violation: Violation) -> Self {
        Self(violation)
    }
}

/// One thing that is wrong in a JSON document: where, and why.
#[derive(Clone, PartialEq, Eq)]
pub struct Violation(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    /// Empty for the document itself.
    path: String,
    reason: Reason,
}

impl Violation {
    /// At the document itself: for adapters that read a form of their own around events.
    #[cold]
    #[must_use]
    pub fn new(reason: Reason) -> Self {
        Self(Box::new(Inner { path: String::new(), reason }))
    }

    /// At a path such as `Records[3].messageId`, which holds names of members only.
    #[cold]
    #[must_use]
    pub fn at(path: impl Into<String>, reason: Reason) -> Self {
        Self(Box::new(Inner { path: path.into(), reason }))
    }

    /// Says that this happened below the member `key`. A key that does not look like a member's name
    /// is not shown.
    #[cold]
    #[must_use]
    pub fn within(mut self, key: &str) -> Self {
        self.0.path = join(shown(key), &self.0.path);
        self
    }

    /// Says that this happened below element `index`.
    #[cold]
    #[must_use]
    pub fn within_index(mut self, index: usize) -> Self {
        self.0.path = join(&format!("[{index}]"), &self.0.path);
        self
    }

    /// Returns the violation with another reason.
    #[cold]
    pub(crate) fn with_reason(mut self, reason: Reason) -> Self {
        self.0.reason = reason;
        self
    }

    /// Says that the document in question stands at `root` of another one.
    #[cold]
    pub(crate) fn under(mut self, root: &str) -> Self {
        if !root.is_empty() {
            self.0.path = join(root, &self.0.path);
        }
        self
    }

    /// Returns the violation without the names of members, for documents of which nobody knows
    /// which names are data.
    #[cold]
    pub(crate) fn without_names(mut self) -> Self {
        let hidden = |segment: &str| match segment.find('[') {
            Some(0) => segment.to_owned(),
            Some(at) => format!("*{}", &segment[at..]),
            None => "*".to_owned(),
        };
        if !self.0.path.is_empty() {
            self.0.path = self.0.path.split('.').map(hidden).collect::<Vec<_>>().join(".");
        }
        self
    }

    /// Returns the path of the problem: the names of members joined by dots, elements in brackets,
    /// as in `data.items[3].sku`. The document itself is `$`.
    ///
    /// A key that does not look like a member's name is shown as `*`.
    #[must_use]
    pub fn path(&self) -> &str {
        if self.0.path.is_empty() { "$" } else { &self.0.path }
    }

    /// Returns the reason.
    #[must_use]
    pub fn reason(&self) -> &Reason {
        &self.0.reason
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.path(), self.0.reason)
    }
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Violation")
            .field("path", &self.path())
            .field("reason", &self.0.reason)
            .finish()
    }
}

impl StdError for Violation {}

/// The most bytes of a path; one that is longer ends with `…`.
const MAX_PATH_BYTES: usize = 512;

fn join(head: &str, tail: &str) -> String {
    if head.len() + tail.len() >= MAX_PATH_BYTES {
        return format!("{head}…");
    }
    let dot = if tail.is_empty() || tail.starts_with('[') { "" } else { "." };
    format!("{head}{dot}{tail}")
}

/// A member's name as a path shows it: itself when it has the form of one, else `*`.
pub(crate) fn shown(key: &str) -> &str {
    let mut chars = key.bytes();
    let is_name = key.len() <= 64
        && chars.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && chars.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if is_name { key } else { "*" }
}

/// Problem at one place of a JSON document. Reads on after the place: "`name` is missing".
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The bytes are not UTF-8; the offset is that of the first bad byte.
    NotUtf8 {
        /// Bytes from the beginning of the document.
        offset: usize,
    },
    /// The bytes are not JSON.
    NotJson {
        /// Bytes from the beginning of the document.
        offset: usize,
        /// Token that JSON asks for there.
        expected: &'static str,
    },
    /// A JSON object was sent as text: somebody encoded it twice.
    EncodedTwice,
    /// A required member is not there.
    Missing,
    /// A member appears twice in one object, so readers would not agree on its value.
    Duplicate,
    /// Another kind of value than the one that belongs here.
    Expected {
        /// Value that belongs here.
        expected: Cow<'static, str>,
        /// The kind of value that is here.
        found: Cow<'static, str>,
    },
    /// None of the values that are allowed here.
    UnknownVariant {
        /// The values that are allowed.
        expected: &'static [&'static str],
    },
    /// A member that the type refuses because it does not know it.
    UnknownMember {
        /// The members that the type knows.
        expected: &'static [&'static str],
    },
    /// A text that must not be empty.
    Empty,
    /// A text that is too long.
    TooLong {
        /// The most characters that are allowed.
        limit: usize,
    },
    /// A text with control characters or others that cannot be printed.
    NotPrintable,
    /// Not an event version: a whole number from 1 to 4,294,967,295, as a number or as text.
    NotAVersion {
        /// Value that is here instead.
        found: &'static str,
    },
    /// Not a moment in the form of RFC 3339.
    NotATimestamp,
    /// A text that does not have the form that belongs here.
    NotOfForm {
        /// The form, by name.
        form: &'static str,
    },
    /// An integer that does not fit in 64 bits with a sign, the most that EventBridge takes.
    IntegerOutOfRange,
    /// A floating-point number that is infinite or no number; JSON has neither.
    NotFinite,
    /// Objects and arrays within each other, deeper than readers follow.
    TooDeep {
        /// The most levels that are allowed.
        limit: usize,
    },
    /// Too many values at too great a depth, which a recursive untagged enum would have copied at
    /// every level.
    TooManyNested {
        /// The most that the levels of all values may add up to.
        limit: usize,
    },
    /// More bytes than an event may have.
    TooLarge {
        /// Size in bytes.
        size: usize,
        /// The most bytes that are allowed.
        limit: usize,
    },
    /// A rule of the event's schema is broken.
    Schema {
        /// The schema's keyword, such as `minimum` or `pattern`.
        keyword: Cow<'static, str>,
        /// Rule of the keyword, where the schema says it.
        expected: Option<String>,
    },
    /// Data that is not of the type it is read into, and too much to look for the place.
    NotOfItsType,
    /// The type's own code refused the value. Its message is withheld, since it may quote it.
    Refused,
}

impl Reason {
    /// Returns true if a number is good JSON and yet nothing that a reader here takes.
    pub(crate) fn is_of_range(&self) -> bool {
        matches!(self, Self::IntegerOutOfRange | Self::NotFinite)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 { offset } => write!(f, "is not UTF-8 at byte {offset}"),
            Self::NotJson { offset, expected } => {
                write!(f, "is not JSON at byte {offset}: expected {expected}")
            }
            Self::EncodedTwice => f.write_str(
                "is a text that holds JSON, expected the JSON object itself: it was encoded twice",
            ),
            Self::Missing => f.write_str("is missing"),
            Self::Duplicate => f.write_str("appears more than once"),
            Self::Expected { expected, found } => {
                write!(f, "expected {expected}, found {found}")
            }
            Self::UnknownVariant { expected } => {
                f.write_str("is an unknown variant, expected ")?;
                one_of(f, expected)
            }
            Self::UnknownMember { expected } => {
                f.write_str("has a member that its type does not know, expected ")?;
                one_of(f, expected)
            }
            Self::Empty => f.write_str("is empty"),
            Self::TooLong { limit } => write!(f, "is longer than {limit} characters"),
            Self::NotPrintable => f.write_str("has characters that cannot be printed"),
            Self::NotAVersion { found } => {
                write!(f, "expected an event version from 1 to 4294967295, found {found}")
            }
            Self::NotATimestamp => f.write_str("is not a timestamp of RFC 3339"),
            Self::NotOfForm { form } => write!(f, "does not have the form of {form}"),
            Self::IntegerOutOfRange => {
                f.write_str("is a number that does not fit in a signed 64-bit integer")
            }
            Self::NotFinite => f.write_str("is not a finite number"),
            Self::TooDeep { limit } => write!(f, "is nested deeper than {limit} levels"),
            Self::TooManyNested { limit } => write!(
                f,
                "has too many values nested too deep: their levels add up to more than {limit}"
            ),
            Self::NotOfItsType => f.write_str(
                "is not of the type it should be; it is too large to look for the place",
            ),
            Self::TooLarge { size, limit } => {
                write!(f, "has {size} bytes, more than the {limit} that are allowed")
            }
            Self::Schema { keyword, expected: None } => {
                write!(f, "breaks the rule `{keyword}` of its schema")
            }
            Self::Schema { keyword, expected: Some(expected) } => {
                write!(f, "breaks the rule `{keyword}` of its schema: expected {expected}")
            }
            Self::Refused => f.write_str("was refused by its type"),
        }
    }
}

impl StdError for Reason {}

fn one_of(f: &mut fmt::Formatter<'_>, values: &[&str]) -> fmt::Result {
    let Some((first, rest)) = values.split_first() else {
        return f.write_str("none");
    };
    write!(f, "{}`{first}`", if rest.is_empty() { "" } else { "one of " })?;
    rest.iter().try_for_each(|value| write!(f, ", `{value}`"))
}
