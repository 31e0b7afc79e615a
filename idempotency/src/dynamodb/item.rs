//! Records as items of the table.

use std::collections::HashMap;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use setpiece_envelope::Timestamp;

use super::{DataForm, data, names, table::Names};
use crate::{
    record::{Body, Encoding, Fingerprint, Owner, Record, Salt, SpillRef, Status, Stored},
    store::End,
};

pub(super) type Item = HashMap<String, AttributeValue>;

pub(super) const IN_PROGRESS: &str = "INPROGRESS";
pub(super) const COMPLETED: &str = "COMPLETED";
/// Completed with a result that Powertools cannot read. It refuses a status that it does not
/// know, where it would take a result that it cannot see for none.
pub(super) const COMPLETED_OPAQUE: &str = "COMPLETED_OPAQUE";
pub(super) const FAILED: &str = "FAILED";

/// Stored result, as attributes.
pub(super) struct Kept {
    pub(super) data: Option<AttributeValue>,
    pub(super) encoding: Option<&'static str>,
    pub(super) spill: Option<String>,
    /// True if Powertools can read the result, or there is nothing to be read.
    is_open: bool,
}

impl Kept {
    /// `None` if it is no JSON and should be.
    pub(super) fn of(stored: &Stored, form: DataForm) -> Option<Self> {
        let nothing = Self { data: None, encoding: None, spill: None, is_open: true };
        Some(match &stored.body {
            Body::Omitted => nothing,
            Body::Spilled(spill) => Self {
                encoding: Some(stored.encoding.as_str()),
                spill: Some(format!("{}:{}:{}", spill.owner, spill.len, spill.sha256)),
                is_open: false,
                ..nothing
            },
            Body::Inline(bytes) if stored.encoding == Encoding::Json => {
                let data = match form {
                    DataForm::Text => {
                        AttributeValue::S(std::str::from_utf8(bytes).ok()?.to_owned())
                    }
                    DataForm::Native => data::from_json(bytes)?,
                };
                Self { data: Some(data), ..nothing }
            }
            Body::Inline(bytes) => Self {
                data: Some(AttributeValue::B(Blob::new(bytes.clone()))),
                encoding: Some(stored.encoding.as_str()),
                is_open: false,
                ..nothing
            },
        })
    }

    pub(super) fn status(&self, end: End) -> &'static str {
        match end {
            End::Completed if self.is_open => COMPLETED,
            End::Completed => COMPLETED_OPAQUE,
            End::Failed => FAILED,
        }
    }
}

/// Reads an item as a record. What cannot be read makes it [`Status::Unreadable`].
pub(super) fn record(names: &Names, form: DataForm, mut item: Item) -> Box<Record> {
    let mut problem = None;
    let mut attributes = Attributes { item: &mut item, problem: &mut problem };

    let lease = attributes.number(&names.lease, "the lease is not a number").map(|n| n.millis(1));
    let expiry = attributes.number(&names.expiry, "the expiry is not a number");
    let expiry = expiry.map(|n| n.millis(1000));
    let owner = attributes.text(names::OWNER, "the owner is not a text");
    let fingerprint = attributes.text(&names.validation, "the validation is not a text");
    let salt = attributes.text(names::SALT, "the salt is not a text");
    let attempt = attributes.count(names::ATTEMPT, "the attempt is not a count");
    let tries = attributes.count(names::TRIES, "the tries are not a count");
    let version = attributes.count(names::VERSION, "the version is not a count");
    let created = attributes.number(names::CREATED, "the time of creation is not a number");
    let updated = attributes.number(names::UPDATED, "the time of the last write is not a number");
    let status = attributes.text(&names.status, "the status is not a text");
    let is_released = attributes.item.contains_key(names::RELEASED) && lease == Some(Some(0));
    let stored = match status.as_deref() {
        Some(COMPLETED | COMPLETED_OPAQUE | FAILED) => {
            attributes.stored(&names.data, form, version.is_some())
        }
        _ => None,
    };

    let status = match status.as_deref() {
        _ if problem.is_some() => Status::Unreadable(problem.unwrap_or_default()),
        Some(IN_PROGRESS) if is_released => Status::Released,
        Some(IN_PROGRESS) => Status::InProgress,
        Some(COMPLETED | COMPLETED_OPAQUE) => Status::Completed,
        Some(FAILED) => Status::Failed,
        Some(_) => Status::Unreadable("the status is none that is known"),
        None => Status::Unreadable("there is no status"),
    };
    let moment =
        |millis: Option<Option<i64>>| millis.map(|millis| nearest(millis.unwrap_or(i64::MAX)));
    let mut record = Record::new(status);
    record.schema = version.map_or(0, |version| u32::try_from(version).unwrap_or(u32::MAX));
    record.owner = owner.map(Owner::new);
    record.attempt = attempt.unwrap_or(0);
    record.tries = tries.unwrap_or(0);
    record.fingerprint = fingerprint.map(Fingerprint::new);
    record.salt = salt.map(Salt::new);
    record.lease_until = if status == Status::Released { None } else { moment(lease) };
    record.expires_at = moment(expiry);
    record.result = stored;
    record.created_at = moment(created.map(|n| n.millis(1)));
    record.updated_at = moment(updated.map(|n| n.millis(1)));
    Box::new(record)
}

struct Attributes<'a> {
    item: &'a mut Item,
    problem: &'a mut Option<&'static str>,
}

impl Attributes<'_> {
    fn text(&mut self, name: &str, problem: &'static str) -> Option<String> {
        match self.item.remove(name)? {
            AttributeValue::S(text) => Some(text),
            _ => self.fail(problem),
        }
    }

    fn number(&mut self, name: &str, problem: &'static str) -> Option<Number> {
        match self.item.remove(name)? {
            AttributeValue::N(number) => Some(Number(number)),
            _ => self.fail(problem),
        }
        .and_then(|number| {
            if number.millis(1).is_some() { Some(number) } else { self.fail(problem) }
        })
    }

    fn count(&mut self, name: &str, problem: &'static str) -> Option<u64> {
        let number = self.number(name, problem)?;
        match number.0.parse() {
            Ok(count) => Some(count),
            Err(_) => self.fail(problem),
        }
    }

    fn fail<T>(&mut self, problem: &'static str) -> Option<T> {
        self.problem.get_or_insert(problem);
        None
    }

    /// The result of a record that is over.
    fn stored(&mut self, data: &str, form: DataForm, is_own: bool) -> Option<Stored> {
        let encoding = self.text(names::ENCODING, "the encoding of the result is not a text");
        let spill = self.text(names::SPILL, "the place of the result is not a text");
        let type_name = self.text(names::TYPE, "the type of the result is not a text");
        let named = |mut stored: Stored| {
            stored.type_name = type_name.map(String::into_boxed_str);
            stored
        };
        let encoding = encoding.map_or(Encoding::Unknown, |name| Encoding::from_name(&name));
        // Where there is data, that is the result, whatever else is there: a program that does not
        // know our attributes may have written it over a record of ours.
        Some(match self.item.remove(data) {
            Some(AttributeValue::S(text)) if form == DataForm::Text => {
                named(Stored::json(text.into_bytes()))
            }
            Some(AttributeValue::B(bytes)) => {
                named(Stored::new(Body::Inline(bytes.into_inner()), encoding))
            }
            Some(value) => match data::to_json(&value) {
                Some(json) => named(Stored::json(json)),
                None => Stored::new(Body::Inline(Vec::new()), Encoding::Unknown),
            },
            None => match spill {
                Some(spill) => match read_spill(&spill) {
                    Some(spill) => named(Stored::new(Body::Spilled(spill), encoding)),
                    None => return self.fail("the place of the result cannot be read"),
                },
                None if is_own => named(Stored::new(Body::Omitted, Encoding::Json)),
                // A function in TypeScript that returned nothing.
                None => Stored::json(*b"null"),
            },
        })
    }
}

/// The last second that has a text in any zone.
const LAST: i64 = 253_402_207_199_000;

/// Returns true if a moment stands for all those that are later than any.
pub(super) fn is_last(moment: Timestamp) -> bool {
    moment.unix_millis() == LAST
}

/// The moment of so many milliseconds, or the last one or 1970 where there is none: conditions
/// compare numbers, and those have no end.
fn nearest(millis: i64) -> Timestamp {
    let moment = Timestamp::from_unix_millis(millis);
    let nearest = || Timestamp::from_unix_millis(if millis < 0 { 0 } else { LAST });
    moment.or_else(nearest).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn read_spill(text: &str) -> Option<SpillRef> {
    // An owner may have any form; the other two have no colons.
    let mut parts = text.rsplitn(3, ':');
    let (sha256, len, owner) = (parts.next()?, parts.next()?, parts.next()?);
    Some(SpillRef::new(Owner::new(owner), sha256, len.parse().ok()?))
}

/// A number as DynamoDB writes it.
struct Number(String);

impl Number {
    /// The number of units, each of so many milliseconds, in whole milliseconds. Some programs
    /// write fractions of a second.
    fn millis(&self, unit: i64) -> Option<i64> {
        let (whole, fraction) = self.0.split_once('.').unwrap_or((&self.0, ""));
        let whole: i64 = whole.parse().ok()?;
        let mut millis = 0;
        for (place, digit) in fraction.bytes().enumerate() {
            let digit = char::from(digit).to_digit(10)?;
            if place < 3 {
                millis = millis * 10 + i64::from(digit);
            }
        }
        let places = u32::try_from(fraction.len().min(3)).unwrap_or(3);
        let fraction = if unit == 1 { 0 } else { millis * 10_i64.pow(3 - places) };
        whole.checked_mul(unit)?.checked_add(fraction)
    }
}

/// Seconds as DynamoDB has them, with a fraction only where there is one.
pub(super) fn exact_seconds(moment: Timestamp) -> AttributeValue {
    let millis = moment.unix_millis();
    let (seconds, rest) = (millis.div_euclid(1000), millis.rem_euclid(1000));
    AttributeValue::N(match rest {
        0 => seconds.to_string(),
        _ => format!("{seconds}.{rest:03}"),
    })
}

/// Whole seconds, rounded down as time is.
pub(super) fn seconds(moment: Timestamp) -> i64 {
    moment.unix_millis().div_euclid(1000)
}
