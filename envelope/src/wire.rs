//! The JSON form of events, both ways, straight between bytes and types.
//!
//! Reading is one pass of [`scan::Scanner`] over the bytes, which bounds and checks everything that
//! is hostile about JSON, reads the metadata on its way and leaves `data` as a borrowed slice; then
//! serde decodes that slice once into the type. Writing goes through [`checked`], which refuses
//! what EventBridge would refuse or change.

mod array;
pub(crate) mod checked;
mod diagnose;
pub(crate) mod event_bridge;
pub(crate) mod object;
pub(crate) mod raw;
pub(crate) mod scan;

use std::fmt;

use serde::de::DeserializeOwned;

use self::scan::{Scanner, Shape};
use crate::{DomainEvent, ReadError, Reason, Violation};

/// The most bytes that an event may have: 1 MiB, the limit of EventBridge's `PutEvents`.
///
/// EventBridge counts 14 bytes for a given time, and the bytes of source, detail-type, detail and
/// resources: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html>.
pub const MAX_EVENT_BYTES: usize = 1024 * 1024;

/// Limit on the objects and arrays within each other, the document itself included.
pub const MAX_NESTING: usize = 128;

/// The most that the levels of a document's values may add up to, in a document of up to 1 MiB;
/// a longer one may have four for each of its bytes.
///
/// An untagged enum has serde copy the whole of its value before it knows the variant. One that
/// holds itself copies at every level, about 32 bytes for each value below. This bounds such copies
/// to 128 MiB where 1 MiB could otherwise ask for 1.4 GB; other types never notice, since values of
/// ten bytes would have to stand 40 levels deep.
const MAX_WEIGHT: usize = 4 * MAX_EVENT_BYTES;

/// The weight up to which a document that is not of its type is decoded once more for the reason.
const MAX_DIAGNOSED_WEIGHT: usize = MAX_WEIGHT / 8;

/// Levels of a detail above the event's data.
pub(crate) const DATA_DEPTH: usize = 1;

/// The most bytes that a document of somebody else may have: 6 MiB and 100 bytes, the most that
/// Lambda is invoked with.
pub const MAX_DOCUMENT_BYTES: usize = 6 * 1024 * 1024 + 100;

/// Reads one JSON document that is no event of ours: a command, a file, a request body.
///
/// The type judges it, as with `serde_json`. Members that appear twice, integers that do not fit in
/// 64 bits, numbers beyond `f64` and halves of surrogate pairs are refused where the type reads
/// them, and pass where it does not. So two documents may be read as the same value, and their
/// senders mean different things: keys and fingerprints are made of what was read, or of the bytes.
///
/// The document has [`MAX_DOCUMENT_BYTES`] at most, and [`MAX_NESTING`] levels less one, also where
/// the type skips them. An array is no struct, if it is the whole document.
///
/// ```
/// #[derive(Debug, serde::Deserialize)]
/// struct Registration {
///     serial_number: String,
/// }
///
/// let error = setpiece_envelope::from_json::<Registration>(br#"{"serial_number": 7}"#);
/// assert_eq!(
///     error.unwrap_err().to_string(),
///     "`serial_number` expected a string, found a number"
/// );
/// ```
///
/// # Errors
///
/// [`ReadError::Malformed`] with the first thing that is wrong.
pub fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ReadError> {
    let text = text(bytes, MAX_DOCUMENT_BYTES)?;
    let shape = check_document(text)?;
    Data { json: text.trim_ascii_start(), root: "", shape }.decode()
}

/// Checks somebody else's document: its grammar and its nesting.
pub(crate) fn check_document(text: &str) -> Result<Shape, Violation> {
    scan::check_grammar(text, DATA_DEPTH)
}

/// Reads a document as it is, for those who look at it and not into a type.
#[cfg(feature = "schema")]
pub(crate) fn value(bytes: &[u8], max_bytes: usize) -> Result<serde_json::Value, Violation> {
    let text = text(bytes, max_bytes)?;
    scan::check(text, DATA_DEPTH)?;
    serde_json::from_str(text).map_err(|_| diagnose::violation::<serde_json::Value>(text))
}

/// The JSON text of an event's `data`: scanned, not yet decoded.
#[derive(Clone, Copy)]
pub struct Data<'a> {
    pub(crate) json: &'a str,
    /// The path of `json` within the document.
    pub(crate) root: &'static str,
    pub(crate) shape: Shape,
}

impl fmt::Debug for Data<'_> {
    /// Shows no data of the event.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Data").finish_non_exhaustive()
    }
}

impl<'a> Data<'a> {
    /// Scans the value that comes; `root` is its path in the document.
    pub(crate) fn read(scanner: &mut Scanner<'a>, root: &'static str) -> Result<Self, Violation> {
        let (json, shape) = scanner.measured()?;
        Ok(Self { json, root, shape })
    }

    pub(crate) fn null() -> Self {
        Self { json: "null", root: "data", shape: Shape::default() }
    }

    /// Decodes the data of an event, within the nesting that its type allows.
    pub(crate) fn decode_event<E: DomainEvent + DeserializeOwned>(self) -> Result<E, ReadError> {
        self.shape.check_levels(E::MAX_NESTING).map_err(|violation| violation.under(self.root))?;
        self.decode()
    }

    fn decode<T: DeserializeOwned>(self) -> Result<T, ReadError> {
        let within = |violation: Violation| ReadError::from(violation.under(self.root));
        self.shape.check_weight(self.json.len()).map_err(within)?;
        let decoded = if self.json.starts_with('[') {
            array::from_str(self.json)
        } else {
            serde_json::from_str(self.json)
        };
        decoded.map_err(|_| {
            within(if self.shape.weight > MAX_DIAGNOSED_WEIGHT {
                Violation::new(Reason::NotOfItsType)
            } else {
                diagnose::violation::<T>(self.json)
            })
        })
    }
}

impl Shape {
    /// Refuses data that is nested deeper than `limit` levels of its own.
    fn check_levels(self, limit: usize) -> Result<(), Violation> {
        if self.levels > DATA_DEPTH + limit {
            return Err(Violation::new(Reason::TooDeep { limit }));
        }
        Ok(())
    }

    /// Refuses what could not be buffered level by level; `len` is the length in bytes.
    fn check_weight(self, len: usize) -> Result<(), Violation> {
        let limit = MAX_WEIGHT.max(len.saturating_mul(4));
        if self.weight > limit {
            return Err(Violation::new(Reason::TooManyNested { limit }));
        }
        Ok(())
    }
}

/// The text of `bytes`, if they are not too many.
pub(crate) fn text(bytes: &[u8], limit: usize) -> Result<&str, Violation> {
    if bytes.len() > limit {
        return Err(Violation::new(Reason::TooLarge { size: bytes.len(), limit }));
    }
    std::str::from_utf8(bytes)
        .map_err(|error| Violation::new(Reason::NotUtf8 { offset: error.valid_up_to() }))
}
