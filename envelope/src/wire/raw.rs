use std::fmt;

use serde::de::DeserializeOwned;

use super::{Data, MAX_EVENT_BYTES, object::Object, scan::Scanner};
use crate::{
    AnotherEvent, DomainEvent, Envelope, EventVersion, Metadata, ReadError, Reason, Violation,
    WriteError, version::read_version,
};

/// An event whose metadata has been read and whose data has not.
///
/// Look at the metadata first, to route the event or to pass it by; then
/// [`decode`](Self::decode) the data once, into the type that belongs to it. Until then `data` is
/// borrowed from the input.
///
/// ```
/// use setpiece_envelope::RawEnvelope;
///
/// let detail = br#"{
///     "metadata": { "event_id": "e-1", "name": "order_submitted", "version": "1" },
///     "data": { "order_number": "123-456x" }
/// }"#;
/// let raw = RawEnvelope::parse(detail)?;
/// assert_eq!(raw.metadata.name, "order_submitted");
/// assert_eq!(raw.data(), r#"{ "order_number": "123-456x" }"#);
/// # Ok::<_, setpiece_envelope::ReadError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct RawEnvelope<'a> {
    /// Metadata of the event: all that is known besides its data.
    pub metadata: Metadata,
    data: Data<'a>,
}

impl<'a> RawEnvelope<'a> {
    /// Reads an event's `detail`: an object with `metadata` and `data`. Other members are ignored.
    ///
    /// All of the bytes are checked, those of `data` too: for syntax, members that appear twice,
    /// integers outside of i64 and nesting deeper than [`MAX_NESTING`](crate::MAX_NESTING).
    ///
    /// # Errors
    ///
    /// [`ReadError::Malformed`], also for more bytes than [`MAX_EVENT_BYTES`].
    pub fn parse(detail: &'a [u8]) -> Result<Self, ReadError> {
        Self::parse_within(detail, MAX_EVENT_BYTES)
    }

    /// Reads a `detail` that may have up to `max_bytes`: one that no bus has to take, such as that
    /// of an event whose data will go by reference.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), with another limit.
    pub fn parse_within(detail: &'a [u8], max_bytes: usize) -> Result<Self, ReadError> {
        let mut scanner = Scanner::new(super::text(detail, max_bytes)?);
        let this = Self::read(&mut scanner, "data")?;
        scanner.end()?;
        Ok(this)
    }

    /// Reads the `detail` that comes; `root` is the path of its data in the whole document.
    pub(super) fn read(scanner: &mut Scanner<'a>, root: &'static str) -> Result<Self, Violation> {
        if scanner.kind() == "a string" {
            let is_object = scanner.string()?.trim_start().starts_with('{');
            return Err(Violation::new(if is_object {
                Reason::EncodedTwice
            } else {
                Reason::Expected { expected: "an object".into(), found: "a string".into() }
            }));
        }
        let (mut metadata, mut data) = (None, None);
        scanner.object(|scanner, member| {
            match member {
                "metadata" => metadata = Some(Metadata::read(scanner)?),
                "data" => data = Some(Data::read(scanner, root)?),
                _ => drop(scanner.value()?),
            }
            Ok(())
        })?;
        let missing = |member: &str| Violation::at(member, Reason::Missing);
        Ok(Self {
            metadata: metadata.ok_or_else(|| missing("metadata"))?,
            data: data.ok_or_else(|| missing("data"))?,
        })
    }

    pub(crate) fn new(metadata: Metadata, data: Data<'a>) -> Self {
        Self { metadata, data }
    }

    /// Replaces the data by JSON of up to `max_bytes`, such as the payload that the event refers
    /// to.
    ///
    /// # Errors
    ///
    /// [`ReadError::Malformed`], as for data that came with the event.
    pub fn with_data(self, data: &[u8], max_bytes: usize) -> Result<RawEnvelope<'_>, ReadError> {
        let mut scanner = Scanner::at_depth(super::text(data, max_bytes)?, super::DATA_DEPTH);
        let data = Data::read(&mut scanner, "data")?;
        scanner.end()?;
        Ok(RawEnvelope::new(self.metadata, data))
    }

    /// The JSON text of the data, as it came.
    #[must_use]
    pub fn data(&self) -> &'a str {
        self.data.json
    }

    /// Decodes the data into `E` and brings it up to date, leaving the metadata in place.
    ///
    /// # Errors
    ///
    /// See [`decode`](Self::decode).
    pub fn data_as<E: DomainEvent + DeserializeOwned>(&self) -> Result<E, ReadError> {
        if self.metadata.name != E::NAME {
            return Err(ReadError::AnotherEvent(AnotherEvent {
                expected: E::NAME,
                found: self.metadata.name.as_str().into(),
            }));
        }
        read_version(self.metadata.version, self.data)
    }

    /// Decodes the data into `E` and brings it up to date.
    ///
    /// The envelope's metadata then has `E`'s version.
    ///
    /// # Errors
    ///
    /// - [`ReadError::AnotherEvent`] when the event has another name than `E`.
    /// - [`ReadError::UnsupportedVersion`] when it is newer than `E`, or older than `E`'s history.
    /// - [`ReadError::Malformed`] when the data is not of the type that its version has.
    /// - [`ReadError::Upcast`] when an [`Upcast`](crate::Upcast) on the way to `E` fails.
    pub fn decode<E: DomainEvent + DeserializeOwned>(self) -> Result<Envelope<E>, ReadError> {
        let data = self.data_as()?;
        Ok(Envelope { metadata: Metadata { version: E::VERSION, ..self.metadata }, data })
    }

    /// Writes the event as it is, with what may have been changed in its metadata.
    ///
    /// # Errors
    ///
    /// When a field of the metadata holds what a reader would refuse.
    pub fn to_detail(&self) -> Result<Vec<u8>, WriteError> {
        let data = self.data.json;
        let write = |json: &mut Vec<u8>| {
            json.extend_from_slice(data.as_bytes());
            Ok(())
        };
        let Metadata { name, version, .. } = &self.metadata;
        Ok(detail(&self.metadata, name, *version, data.len(), write)?)
    }
}

impl fmt::Debug for RawEnvelope<'_> {
    /// Shows the metadata only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawEnvelope").field("metadata", &self.metadata).finish_non_exhaustive()
    }
}

/// A `detail` of this name and version, whose data `write` appends in about `data_len` bytes.
pub(crate) fn detail(
    metadata: &Metadata,
    name: &str,
    version: EventVersion,
    data_len: usize,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), Violation>,
) -> Result<Vec<u8>, Violation> {
    /// About what our own metadata takes, so that most events need no second allocation.
    const METADATA_LEN: usize = 640;
    let mut json = Vec::with_capacity(METADATA_LEN + data_len);
    let mut detail = Object::begin(&mut json);
    detail.with("metadata", |json| metadata.write(name, version, json))?;
    detail.with("data", write)?;
    detail.end();
    Ok(json)
}
