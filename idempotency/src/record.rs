//! Record that a store keeps about a key, as data.

use std::{fmt, sync::Arc};

use setpiece_envelope::Timestamp;

/// Record that a store keeps about one key.
///
/// It is plain data: stores read and write it, [the verdicts](crate::verdict) judge it, and people
/// on call look at it. A record that another program wrote, such as Powertools for AWS, has no
/// owner, and its schema is 0.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Version of the record's form. [`Record::SCHEMA`] is the newest that is known.
    pub schema: u32,
    /// Status of the work.
    pub status: Status,
    /// Owner of the latest claim. It stays on the record when the claim is over, because it
    /// identifies a write of this owner whose answer was lost.
    pub owner: Option<Owner>,
    /// Number of claims. It rises with each claim, for as long as the record is there.
    pub attempt: u64,
    /// Number of claims since the work was done last, or since somebody on call gave the key back.
    /// It goes on when the record has expired, as the attempts do, until the record is deleted.
    pub tries: u64,
    /// The fingerprint of the payload that the key was used with. A released record has none.
    pub fingerprint: Option<Fingerprint>,
    /// Random salt of the first claim. It stays for as long as the record is there.
    pub salt: Option<Salt>,
    /// End of the lease. An in-progress record without a lease belongs to its owner until it
    /// expires.
    pub lease_until: Option<Timestamp>,
    /// When the store may forget it, in whole seconds. It counts from then on as if it were not
    /// there, however late the store deletes it.
    pub expires_at: Option<Timestamp>,
    /// Result of a completed call, or error of a failed one.
    pub result: Option<Stored>,
    /// When it was claimed for the first time.
    pub created_at: Option<Timestamp>,
    /// When it was written last.
    pub updated_at: Option<Timestamp>,
}

impl Record {
    /// The version of the form that this crate writes.
    pub const SCHEMA: u32 = 1;

    /// A record that only has a status, of the present schema.
    #[must_use]
    pub fn new(status: Status) -> Self {
        Self {
            schema: Self::SCHEMA,
            status,
            owner: None,
            attempt: 0,
            tries: 0,
            fingerprint: None,
            salt: None,
            lease_until: None,
            expires_at: None,
            result: None,
            created_at: None,
            updated_at: None,
        }
    }

    /// Returns true if the retention is over: `now`, in whole seconds, is later than the second in
    /// which the record expires.
    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end < now.truncate_to_seconds())
    }

    /// Returns true if the record is in progress and its lease ended before the moment
    /// `stale_before`, which is the present less the permitted difference between clocks.
    #[must_use]
    pub fn has_lapsed(&self, stale_before: Timestamp) -> bool {
        self.status == Status::InProgress && self.lease_until.is_some_and(|end| end < stale_before)
    }
}

/// A secret of one record, by which what is derived from its key cannot be computed by others.
///
/// It is drawn with the first claim, and stays over releases, lapsed leases and results until the
/// record is deleted. Only who may read the table knows it: `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt(Arc<str>);

impl Salt {
    /// The salt with that text, as a store has read it.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// Its text, for stores. It is not to be logged.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(…)")
    }
}

/// Status of the work on a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// Somebody has claimed it and works on it, or has died over it.
    InProgress,
    /// It is done; the result is there to be replayed.
    Completed,
    /// It failed for good; the error is there to be replayed.
    Failed,
    /// It was given back and may be claimed at once.
    Released,
    /// The store found something that it cannot read as a record, and says why, as a constant.
    Unreadable(&'static str),
}

/// A result or an error, as it is kept on a record.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// The bytes, or where they are.
    pub body: Body,
    /// Encoding of the bytes.
    pub encoding: Encoding,
    /// The name of the type that was stored, to tell what changed when it cannot be read.
    pub type_name: Option<Box<str>>,
}

impl Stored {
    /// JSON that is kept on the record itself, of a type without a name.
    #[must_use]
    pub fn json(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(Body::Inline(bytes.into()), Encoding::Json)
    }

    /// A body with its encoding, of a type without a name.
    #[must_use]
    pub fn new(body: Body, encoding: Encoding) -> Self {
        Self { body, encoding, type_name: None }
    }

    /// Names the type that was stored.
    #[must_use]
    pub fn with_type_name(mut self, name: impl Into<Box<str>>) -> Self {
        self.type_name = Some(name.into());
        self
    }
}

/// Location of a stored result.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body {
    /// On the record.
    Inline(Vec<u8>),
    /// Beside the record, because it is large: duplicates then pay for a small record.
    Spilled(SpillRef),
    /// Nowhere, by decision: that the work is done is all that is known.
    Omitted,
}

/// Encoding of the bytes of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// JSON.
    Json,
    /// JSON, compressed with raw DEFLATE (RFC 1951).
    JsonDeflate,
    /// Bytes of which this reader does not know how to read them.
    Unknown,
}

impl Encoding {
    /// Its name on a record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::JsonDeflate => "json+deflate",
            Self::Unknown => "unknown",
        }
    }

    /// The encoding with that name on a record.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name {
            "json" => Self::Json,
            "json+deflate" => Self::JsonDeflate,
            _ => Self::Unknown,
        }
    }
}

/// Names a result that is kept beside its record.
///
/// It is made of the owner, so a claim that has lost its lease cannot overwrite what the next one
/// stored, and of the digest, so nobody takes other bytes for the result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SpillRef {
    /// Owner of the claim that the result belongs to.
    pub owner: Owner,
    /// The SHA-256 of the bytes, as 64 hexadecimal digits.
    pub sha256: Box<str>,
    /// Number of bytes.
    pub len: u64,
}

impl SpillRef {
    /// Names `len` bytes with the digest `sha256`, stored by `owner`.
    #[must_use]
    pub fn new(owner: Owner, sha256: impl Into<Box<str>>, len: u64) -> Self {
        Self { owner, sha256: sha256.into(), len }
    }
}

/// Owner of a claim: a token that is drawn anew for each claim and never used again.
///
/// It is not the id of a request or of a sandbox, which live through more than one claim.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Owner(Arc<str>);

impl Owner {
    /// The owner with that token, as a store has read it. It has at most 36 characters where this
    /// crate has made it, since that is what DynamoDB takes as the token of a transaction.
    #[must_use]
    pub fn new(token: impl Into<Arc<str>>) -> Self {
        Self(token.into())
    }

    /// The token.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({})", self.0)
    }
}

/// A digest of the payload that a key is used with.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint(Arc<str>);

impl Fingerprint {
    /// The fingerprint with that text, as a store has read it.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns true if two records may be about the same payload. A record without a fingerprint
    /// fits all.
    #[must_use]
    pub fn fits(one: Option<&Self>, other: Option<&Self>) -> bool {
        match (one, other) {
            (Some(one), Some(other)) => one == other,
            (None, _) | (_, None) => true,
        }
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.0.chars().take(8).collect();
        write!(f, "Fingerprint({shown}…)")
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("body", &self.body)
            .field("encoding", &self.encoding)
            .field("type_name", &self.type_name)
            .finish()
    }
}

impl fmt::Debug for Body {
    /// Shows how large it is and nothing of what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(bytes) => write!(f, "Inline({} bytes)", bytes.len()),
            Self::Spilled(spill) => f.debug_tuple("Spilled").field(spill).finish(),
            Self::Omitted => f.write_str("Omitted"),
        }
    }
}
