use std::{borrow::Cow, fmt};

use setpiece_envelope::{Reason, Timestamp, Violation, json::Scanner};

use super::{OtherEvent, http::percent_decode};

/// A change of an object in a bucket, as the bucket notifies of it:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>.
///
/// A change that S3 tells by EventBridge arrives by this as well, unless the function has a handler
/// for [`OtherEvent`]: that one takes it then.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct S3Change {
    /// Kind of the change, such as `ObjectCreated:Put`.
    pub event_name: Box<str>,
    /// When it happened.
    pub time: Option<Timestamp>,
    /// The bucket.
    pub bucket: Box<str>,
    /// The key of the object, decoded.
    pub key: String,
    /// The size of the object in bytes, where there is an object.
    pub size: Option<u64>,
    /// The entity tag of the object.
    pub etag: Option<Box<str>>,
    /// The version of the object, in a bucket with versions.
    pub version_id: Option<Box<str>>,
    /// Orders the changes of one key: hexadecimal numbers, of which the shorter ones are filled up
    /// with zeros on the left.
    pub sequencer: Option<Box<str>>,
    /// Identifier of the request to S3 that made the change.
    pub request_id: Option<Box<str>>,
}

impl S3Change {
    /// Reads a record.
    pub(crate) fn read(scanner: &mut Scanner<'_>) -> Result<Self, Violation> {
        let (mut event_name, mut time) = (None, None);
        let (mut bucket, mut object, mut request_id) = (None, None, None);
        scanner.object(|scanner, member| {
            match member {
                "eventName" => event_name = Some(scanner.string()?),
                "eventTime" => time = scanner.attempt(Scanner::string)?.1.ok(),
                "responseElements" => request_id = scanner.attempt(request)?.1.ok().flatten(),
                "s3" => scanner.object(|scanner, member| {
                    match member {
                        "bucket" => bucket = Some(bucket_name(scanner)?),
                        "object" => object = Some(Object::read(scanner)?),
                        _ => drop(scanner.skip()?),
                    }
                    Ok(())
                })?,
                _ => drop(scanner.skip()?),
            }
            Ok(())
        })?;
        let missing = |path: &str| Violation::at(path, Reason::Missing);
        let object = object.ok_or_else(|| missing("s3.object"))?;
        Ok(Self {
            event_name: event_name.ok_or_else(|| missing("eventName"))?.into(),
            time: time.and_then(|time| time.parse().ok()),
            bucket: bucket.flatten().ok_or_else(|| missing("s3.bucket.name"))?,
            key: object.key.ok_or_else(|| missing("s3.object.key"))?,
            size: object.size,
            etag: object.etag,
            version_id: object.version_id,
            sequencer: object.sequencer,
            request_id,
        })
    }

    /// Returns true if S3 tells of a change by EventBridge:
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>.
    pub(crate) fn is_event(event: &OtherEvent) -> bool {
        &*event.source == "aws.s3" && event.detail_type.starts_with("Object ")
    }

    /// Reads the event, whose key is not in URL encoding, and names it as a notification would.
    pub(super) fn of_event(event: &OtherEvent) -> Result<Self, Violation> {
        let (mut bucket, mut object) = (None, None);
        let (mut request_id, mut reason, mut deletion) = (None, None, None);
        let mut scanner = Scanner::new(event.detail_json());
        scanner.object(|scanner, member| {
            match member {
                "bucket" => bucket = bucket_name(scanner)?,
                "object" => object = Some(Object::read_plain(scanner)?),
                "request-id" => request_id = scanner.attempt(text)?.1.ok().flatten(),
                "reason" => reason = scanner.attempt(text)?.1.ok().flatten(),
                "deletion-type" => deletion = scanner.attempt(text)?.1.ok().flatten(),
                _ => drop(scanner.skip()?),
            }
            Ok(())
        })?;
        let missing = |path: &str| Violation::at(path, Reason::Missing);
        let object = object.ok_or_else(|| missing("object"))?;
        let event_name = match (&*event.detail_type, reason.as_deref(), deletion.as_deref()) {
            ("Object Created", Some("PutObject"), _) => "ObjectCreated:Put",
            ("Object Created", Some("POST Object"), _) => "ObjectCreated:Post",
            ("Object Created", Some("CopyObject"), _) => "ObjectCreated:Copy",
            ("Object Created", Some("CompleteMultipartUpload"), _) => {
                "ObjectCreated:CompleteMultipartUpload"
            }
            ("Object Deleted", Some("DeleteObject"), Some("Delete Marker Created")) => {
                "ObjectRemoved:DeleteMarkerCreated"
            }
            ("Object Deleted", Some("DeleteObject"), _) => "ObjectRemoved:Delete",
            ("Object Tags Added", ..) => "ObjectTagging:Put",
            ("Object Tags Deleted", ..) => "ObjectTagging:Delete",
            ("Object ACL Updated", ..) => "ObjectAcl:Put",
            (other, ..) => other,
        };
        Ok(Self {
            event_name: event_name.into(),
            time: event.time,
            bucket: bucket.ok_or_else(|| missing("bucket.name"))?,
            key: object.key.ok_or_else(|| missing("object.key"))?,
            size: object.size,
            etag: object.etag,
            version_id: object.version_id,
            sequencer: object.sequencer,
            request_id,
        })
    }

    /// Names the change by its sequencer, or by the request that made it: changes of tags, access
    /// lists and storage classes have no sequencer. Without both nothing names it, since the same
    /// key can change in the same way at any time.
    pub(super) fn key_parts(&self) -> Option<Vec<String>> {
        let name = self.sequencer.as_deref().or(self.request_id.as_deref())?;
        let parts = [&*self.bucket, &self.key, name, &self.event_name];
        Some(parts.map(str::to_owned).into())
    }
}

#[derive(Default)]
struct Object {
    key: Option<String>,
    size: Option<u64>,
    etag: Option<Box<str>>,
    version_id: Option<Box<str>>,
    sequencer: Option<Box<str>>,
}

impl Object {
    /// Reads the object of an event of EventBridge.
    fn read_plain(scanner: &mut Scanner<'_>) -> Result<Self, Violation> {
        let mut object = Self::default();
        scanner.object(|scanner, member| {
            match member {
                "key" => object.key = Some(scanner.string()?.into_owned()),
                "size" => object.size = whole(scanner.skip()?),
                "etag" => object.etag = text(scanner)?,
                "version-id" => object.version_id = text(scanner)?,
                "sequencer" => object.sequencer = text(scanner)?,
                _ => drop(scanner.skip()?),
            }
            Ok(())
        })?;
        Ok(object)
    }

    fn read(scanner: &mut Scanner<'_>) -> Result<Self, Violation> {
        let mut object = Self::default();
        scanner.object(|scanner, member| {
            match member {
                "key" => {
                    let Some(key) = percent_decode(&scanner.string()?, true) else {
                        let form = "a text in URL encoding";
                        return Err(Violation::new(Reason::NotOfForm { form }));
                    };
                    object.key = Some(key);
                }
                "size" => object.size = whole(scanner.skip()?),
                "eTag" => object.etag = text(scanner)?,
                "versionId" => object.version_id = text(scanner)?,
                "sequencer" => object.sequencer = text(scanner)?,
                _ => drop(scanner.skip()?),
            }
            Ok(())
        })?;
        Ok(object)
    }
}

/// Reads the identifier of the request out of `responseElements`.
fn request(scanner: &mut Scanner<'_>) -> Result<Option<Box<str>>, Violation> {
    let mut id = None;
    scanner.members(|scanner, member| {
        match member {
            "x-amz-request-id" => id = text(scanner)?,
            _ => drop(scanner.skip()?),
        }
        Ok(())
    })?;
    Ok(id)
}

fn bucket_name(scanner: &mut Scanner<'_>) -> Result<Option<Box<str>>, Violation> {
    let mut name = None;
    scanner.object(|scanner, member| {
        match member {
            "name" => name = text(scanner)?,
            _ => drop(scanner.skip()?),
        }
        Ok(())
    })?;
    Ok(name)
}

/// A whole number, however it is written: `1024` or `1024.0`.
fn whole(json: &str) -> Option<u64> {
    /// All whole numbers below have all of their digits in `f64`.
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    let float = || {
        let float: f64 = serde_json::from_str(json).ok()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is whole, and in range"
        )]
        (float.fract() == 0.0 && (0.0..=LARGEST).contains(&float)).then_some(float as u64)
    };
    json.parse().ok().or_else(float)
}

/// A text that may be missing.
fn text(scanner: &mut Scanner<'_>) -> Result<Option<Box<str>>, Violation> {
    if scanner.is_null() {
        return scanner.value().map(|_| None);
    }
    Ok(Some(scanner.string().map(Cow::into_owned)?).filter(|text| !text.is_empty()).map(Into::into))
}

impl fmt::Debug for S3Change {
    /// Shows no key, which can be personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Change")
            .field("event_name", &self.event_name)
            .field("bucket", &self.bucket)
            .field("sequencer", &self.sequencer)
            .finish_non_exhaustive()
    }
}
