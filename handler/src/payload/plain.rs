use std::fmt;

use setpiece_policy::Fault;

use super::{Payload, other_kind};
use crate::delivery::{Content, ContentKind};

/// Text of a message or a record, as it came.
///
/// A handler of it takes what is no JSON, such as a line of a log, and JSON too if no handler takes
/// [`Json`](crate::Json) from there. Base64 within a text is not decoded, since nothing says that it
/// is that.
///
/// ```
/// # use setpiece_handler::{Cx, Effects, Handlers, Text};
/// # use setpiece_idempotency::Key;
/// # use setpiece_policy::Fault;
/// async fn keep(_: &Cx<()>, Text(line): Text) -> Result<Effects, Fault> {
/// #   _ = line;
///     Ok(Effects::new())
/// }
///
/// // The same line is the same message. A line that may come twice needs something that tells them
/// // apart.
/// let handlers = Handlers::new(())
///     .on_queue("lines", |lines| lines.on_payload_by(|Text(line): &Text| Key::json(line), keep));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Text(pub String);

/// Bytes of a message or a record, as they came: compressed, encrypted, or in a format of their own.
///
/// A handler of it takes what is no text, and text and JSON too if no handler takes [`Text`] or
/// [`Json`](crate::Json) from there. Nothing is decompressed; the data of a Kinesis record are
/// without their Base64, and a body of a queue is with whatever its sender has made of it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Bytes(pub Vec<u8>);

impl Payload for Text {
    const KIND: ContentKind = ContentKind::Text;

    fn read(content: Content<'_>) -> Result<Self, Fault> {
        match content {
            Content::Text(text) | Content::Json(text) => Ok(Self(text.to_owned())),
            _ => Err(other_kind()),
        }
    }
}

impl Payload for Bytes {
    const KIND: ContentKind = ContentKind::Bytes;

    fn read(content: Content<'_>) -> Result<Self, Fault> {
        match content {
            Content::Bytes(bytes) => Ok(Self(bytes.to_vec())),
            Content::Text(text) | Content::Json(text) => Ok(Self(text.as_bytes().to_vec())),
            _ => Err(other_kind()),
        }
    }
}

impl fmt::Debug for Text {
    /// Shows no text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Text").finish_non_exhaustive()
    }
}

impl fmt::Debug for Bytes {
    /// Shows no bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bytes").finish_non_exhaustive()
    }
}
