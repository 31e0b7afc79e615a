use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    error::{GuardError, NotKept},
    race::Panic,
    record::Encoding,
};

/// Part of a result that is kept for the calls that follow.
///
/// Results are kept as JSON. Every conditional write that fails is charged by the size of the
/// record, so a large result on the record makes each duplicate expensive: what is larger than a
/// small limit is put beside the record, and read only when it is replayed.
///
/// A result is not read again before it is kept. What JSON does not carry there and back, such as
/// NaN, which becomes null, or values that are nested more than 127 deep, is returned by the first
/// call; the later ones fail as [`Unreadable`](crate::GuardError::Unreadable), and the work is not
/// run again.
///
/// ```
/// use setpiece_idempotency::Keep;
///
/// // The whole result, up to 2000 bytes of it on the record.
/// let whole = Keep::result().inline_up_to(2000);
/// // What is replayed has no card number.
/// let receipt = Keep::receipt(|mut result| {
///     if let Some(members) = result.as_object_mut() {
///         members.remove("card_number");
///     }
///     result
/// });
/// # _ = (whole, receipt);
/// ```
#[derive(Clone)]
pub struct Keep {
    what: What,
    inline_up_to: usize,
    #[cfg(feature = "compress")]
    compress: bool,
}

type MakeReceipt = dyn Fn(Value) -> Value + Send + Sync;

#[derive(Clone)]
enum What {
    Result,
    Receipt(Arc<MakeReceipt>),
    Nothing,
}

/// Bytes on their way to the store.
pub(crate) struct Kept {
    pub(crate) bytes: Vec<u8>,
    pub(crate) encoding: Encoding,
}

/// Reason for which no result is sent to the store.
pub(crate) enum Unkept {
    /// It cannot be written as JSON.
    NotJson,
    /// It panicked when it was written, or the receipt was made.
    Panicked(Panic),
}

impl Unkept {
    /// The error that says so. A panic goes on, as one of the work does.
    pub(crate) fn into_error(self, type_name: &'static str, may_have_happened: bool) -> GuardError {
        match self {
            Self::NotJson => GuardError::NotKept(NotKept { type_name, may_have_happened }),
            Self::Panicked(panic) => resume_unwind(panic),
        }
    }
}

/// Reason for which bytes from the store are not the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnreadableWhy {
    /// They are not JSON, or cannot be decompressed.
    Corrupt,
    /// Unpacked, they are larger than any result that is kept packed: 4 MiB.
    TooLarge,
    /// They are not JSON of that type.
    AnotherType,
    /// They are encoded as this program, with these features, does not know.
    UnknownEncoding,
    /// The result beside the record is not there, or it is not what was put there.
    Missing,
}

impl Keep {
    /// With 400 bytes of result, a record stays below 1 KB and costs one unit to write, also with
    /// a fingerprint and with the longest key and type name that are kept as they are.
    const DEFAULT_INLINE: usize = 400;

    /// The result as it is.
    #[must_use]
    pub fn result() -> Self {
        Self::new(What::Result)
    }

    /// Keeps the JSON that `receipt` makes of the result's: less of it, or with parts made
    /// unreadable.
    ///
    /// A replay returns that, so it must still be one of the same type. The first call returns the
    /// result itself. A panic in `receipt` is [one of the work](crate::Guard::run).
    #[must_use]
    pub fn receipt(receipt: impl Fn(Value) -> Value + Send + Sync + 'static) -> Self {
        Self::new(What::Receipt(Arc::new(receipt)))
    }

    /// Nothing but that it is done. A later call is [skipped](crate::Skipped::NotKept).
    #[must_use]
    pub fn nothing() -> Self {
        Self::new(What::Nothing)
    }

    fn new(what: What) -> Self {
        Self {
            what,
            inline_up_to: Self::DEFAULT_INLINE,
            #[cfg(feature = "compress")]
            compress: false,
        }
    }

    /// Up to how many bytes are kept on the record; the default is 400. A store may hold fewer.
    #[must_use]
    pub fn inline_up_to(mut self, bytes: usize) -> Self {
        self.inline_up_to = bytes;
        self
    }

    /// Compresses what is too large to be kept on the record, up to 4 MiB. What is larger is kept as
    /// it is, where the store has room for it.
    ///
    /// A record whose bytes unpack to more is [refused](UnreadableWhy::TooLarge) before that, so that
    /// whoever may write to the table cannot make a few bytes take a function's memory.
    ///
    /// Whoever is to replay it must have been built with this feature as well.
    #[cfg(feature = "compress")]
    #[cfg_attr(docsrs, doc(cfg(feature = "compress")))]
    #[must_use]
    pub fn compressed(mut self) -> Self {
        self.compress = true;
        self
    }

    pub(crate) fn inline_limit(&self) -> usize {
        self.inline_up_to
    }

    /// Encodes the part of a result that is to be stored: `None` if nothing is.
    ///
    /// The work is done by now, and a panic that went on from here would leave its key to be
    /// claimed and run again. So it is caught until the key is seen to.
    pub(crate) fn encode<T: Serialize>(&self, result: &T) -> Result<Option<Kept>, Unkept> {
        // Of what was written so far nobody sees anything, and the result is only read.
        match catch_unwind(AssertUnwindSafe(|| self.try_encode(result))) {
            Ok(kept) => kept.map_err(|_| Unkept::NotJson),
            Err(panic) => Err(Unkept::Panicked(panic)),
        }
    }

    fn try_encode<T: Serialize>(&self, result: &T) -> Result<Option<Kept>, serde_json::Error> {
        let bytes = match &self.what {
            What::Nothing => return Ok(None),
            What::Result => serde_json::to_vec(result)?,
            What::Receipt(receipt) => serde_json::to_vec(&receipt(serde_json::to_value(result)?))?,
        };
        Ok(Some(self.pack(bytes)))
    }

    #[cfg(feature = "compress")]
    fn pack(&self, bytes: Vec<u8>) -> Kept {
        if self.compress && bytes.len() > self.inline_up_to && bytes.len() <= LARGEST {
            let packed = miniz_oxide::deflate::compress_to_vec(&bytes, 6);
            if packed.len() < bytes.len() {
                return Kept { bytes: packed, encoding: Encoding::JsonDeflate };
            }
        }
        Kept { bytes, encoding: Encoding::Json }
    }

    #[cfg(not(feature = "compress"))]
    #[expect(clippy::unused_self, reason = "with the feature there is something to decide")]
    fn pack(&self, bytes: Vec<u8>) -> Kept {
        Kept { bytes, encoding: Encoding::Json }
    }
}

impl Default for Keep {
    /// The result as it is.
    fn default() -> Self {
        Self::result()
    }
}

impl fmt::Debug for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            What::Result => "result",
            What::Receipt(_) => "receipt",
            What::Nothing => "nothing",
        };
        write!(f, "Keep({what}, inline up to {})", self.inline_up_to)
    }
}

/// Reads a result from stored bytes.
pub(crate) fn decode<T: DeserializeOwned>(
    bytes: &[u8],
    encoding: Encoding,
) -> Result<T, UnreadableWhy> {
    match encoding {
        Encoding::Json => from_json(bytes),
        Encoding::JsonDeflate => from_json(&inflate(bytes)?),
        Encoding::Unknown => Err(UnreadableWhy::UnknownEncoding),
    }
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, UnreadableWhy> {
    serde_json::from_slice(bytes).map_err(|_| {
        // Of what breaks off, too, the beginning may already be another type's.
        match serde_json::from_slice::<serde::de::IgnoredAny>(bytes) {
            Ok(_) => UnreadableWhy::AnotherType,
            Err(_) => UnreadableWhy::Corrupt,
        }
    })
}

/// The most bytes that are compressed and unpacked: 4 MiB.
#[cfg(feature = "compress")]
const LARGEST: usize = 4 << 20;

#[cfg(feature = "compress")]
fn inflate(bytes: &[u8]) -> Result<Vec<u8>, UnreadableWhy> {
    use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_with_limit};
    decompress_to_vec_with_limit(bytes, LARGEST).map_err(|error| match error.status {
        TINFLStatus::HasMoreOutput => UnreadableWhy::TooLarge,
        _ => UnreadableWhy::Corrupt,
    })
}

#[cfg(not(feature = "compress"))]
fn inflate(_: &[u8]) -> Result<Vec<u8>, UnreadableWhy> {
    Err(UnreadableWhy::UnknownEncoding)
}

#[cfg(test)]
mod tests;
