//! Judges refused conditional writes: one pure answer for all stores.
//!
//! A store that refuses hands over the record that it found. These functions look at nothing else
//! but that record and the request, so every store that refuses alike is understood alike.

use serde_json::{Number, Value};
use setpiece_envelope::Timestamp;

use crate::{
    record::{Body, Fingerprint, Owner, Record, Salt, Status},
    store::{Acquire, Amend, Change, Extend, Once, Release, Semantics, Settle},
};

/// Meaning of a refused [`Acquire`] or [`Once`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It was not refused at all: this very request was applied before, and its answer was lost.
    Own {
        /// Number of the attempt.
        attempt: u64,
        /// Number of the attempt since the key was done last.
        tries: u64,
        /// When its lease ends, which may be that of an earlier try.
        lease_until: Option<Timestamp>,
        /// The salt of the record.
        salt: Option<Salt>,
    },
    /// A newer version of this crate wrote the record.
    Newer(Box<Record>),
    /// The record cannot be read.
    Unreadable(Box<Record>, &'static str),
    /// The key was used with another payload.
    Mismatch(Box<Record>),
    /// The work is done.
    Completed(Box<Record>),
    /// The work has failed for good.
    Failed(Box<Record>),
    /// Somebody else works on it.
    Busy(Box<Record>),
    /// Somebody began and did not come back, and it must not be run again.
    Interrupted(Box<Record>),
    /// The record that was found would not have been refused, so it changed in between. Or it is
    /// left over from this owner's claim, which somebody gave back.
    ///
    /// A guard asks again with the very same request, as often as its
    /// [retries](crate::GuardBuilder::retry) allow, which is three times in all by default. The same
    /// owner does not get again what it gave back; another one, as that of the next call, does.
    Raced,
}

/// Meaning of a refused [`Settle`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsettled {
    /// It was not refused at all: this very request was applied before, and its answer was lost.
    Own,
    /// Another result is there, and it stands: of the next owner, or of somebody on call.
    Superseded(Box<Record>),
    /// The claim is no longer the owner's, and there is no result yet.
    Lost(Box<Record>),
    /// The record is gone.
    Vanished,
}

/// Meaning of a refused [`Release`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unreleased {
    /// It was released before: nobody has to wait for it.
    Free,
    /// The record is gone. Nobody has to wait for it, and nobody knows what it said.
    Vanished,
    /// It is completed or failed, and the owner is this one: a commit may have been applied whose
    /// answer was lost. [`settle`] tells.
    Settled(Box<Record>),
    /// Somebody else has claimed it.
    Lost(Box<Record>),
}

/// Meaning of a refused [`Extend`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unextended {
    /// The lease is as long already, so there was nothing to do: until this moment.
    Longer(Timestamp),
    /// The claim is no longer the owner's.
    Lost(Option<Box<Record>>),
}

/// Meaning of a refused [`Amend`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unamended {
    /// It was not refused at all: this very request was applied before, and its answer was lost.
    Own,
    /// The record is not what was seen any more. This is what it is now, if it is there.
    Changed(Option<Box<Record>>),
}

/// Judges a refused [`Acquire`] by the record that was found.
#[must_use]
pub fn acquire(request: &Acquire, found: Option<Box<Record>>) -> Refusal {
    let own =
        |record: &Record| is_owner(record, &request.owner) && record.status == Status::InProgress;
    claim(
        found,
        own,
        request.fingerprint.as_ref(),
        request.now,
        request.stale_before,
        request.semantics,
    )
}

/// Judges a refused [`Once`] by the record that was found.
#[must_use]
pub fn once(request: &Once, found: Option<Box<Record>>) -> Refusal {
    let own =
        |record: &Record| is_owner(record, &request.owner) && record.status == Status::Completed;
    claim(
        found,
        own,
        request.fingerprint.as_ref(),
        request.now,
        request.stale_before,
        request.semantics,
    )
}

/// Judges a refused [`Settle`] by the record that was found.
#[must_use]
pub fn settle(request: &Settle, found: Option<Box<Record>>) -> Unsettled {
    let Some(record) = found else { return Unsettled::Vanished };
    let settled = matches!(record.status, Status::Completed | Status::Failed);
    // Somebody on call may have resolved it, and a program that does not know owners may have
    // written over it. Then it is another result, even if it says the same: who is on call is an
    // owner of its own, and such a program leaves the lease and the time of the last write.
    let same = record.status == Status::from(request.end)
        && record.lease_until.is_none()
        && is_moment(record.updated_at, request.now)
        && record.result.as_ref().is_none_or(|found| is_body(&found.body, &request.result.body));
    if settled && same && is_owner(&record, &request.owner) {
        Unsettled::Own
    } else if settled {
        Unsettled::Superseded(record)
    } else {
        Unsettled::Lost(record)
    }
}

/// Judges a refused [`Release`] by the record that was found.
#[must_use]
pub fn release(request: &Release, found: Option<Box<Record>>) -> Unreleased {
    let Some(record) = found else { return Unreleased::Vanished };
    match record.status {
        _ if !is_owner(&record, &request.owner) => Unreleased::Lost(record),
        Status::Released => Unreleased::Free,
        Status::Completed | Status::Failed => Unreleased::Settled(record),
        Status::InProgress | Status::Unreadable(_) => Unreleased::Lost(record),
    }
}

/// Judges a refused [`Extend`] by the record that was found.
#[must_use]
pub fn extend(request: &Extend, found: Option<Box<Record>>) -> Unextended {
    match found {
        Some(record)
            if record.status == Status::InProgress
                && is_owner(&record, &request.owner)
                && let Some(until) = record.lease_until
                && until.unix_millis() >= request.lease_until.unix_millis() =>
        {
            Unextended::Longer(until)
        }
        found => Unextended::Lost(found),
    }
}

/// Judges a refused [`Amend`] by the record that was found.
///
/// Only what was resolved is known by its owner. A record that was given back or deleted is what was
/// wanted, whoever did it.
#[must_use]
pub fn amend(request: &Amend, found: Option<Box<Record>>) -> Unamended {
    match (&request.change, found) {
        (Change::Resolve { owner, end, .. }, Some(record))
            if is_owner(&record, owner) && record.status == Status::from(*end) =>
        {
            Unamended::Own
        }
        (_, found) => Unamended::Changed(found),
    }
}

/// The order of the questions matters: an own write before anything else, then what cannot be
/// understood, then whether it is about the same payload, and only then how far it is.
fn claim(
    found: Option<Box<Record>>,
    own: impl Fn(&Record) -> bool,
    fingerprint: Option<&Fingerprint>,
    now: Timestamp,
    stale_before: Timestamp,
    semantics: Semantics,
) -> Refusal {
    let Some(record) = found else { return Refusal::Raced };
    if own(&record) {
        let Record { attempt, tries, lease_until, salt, .. } = *record;
        return Refusal::Own { attempt, tries, lease_until, salt };
    }
    let in_progress = record.status == Status::InProgress;
    let lapsed = record.has_lapsed(stale_before);
    // What cannot be read cannot be said to have expired, either, when the condition says no.
    if let Status::Unreadable(why) = record.status {
        let is_newer = record.schema > Record::SCHEMA;
        return if is_newer { Refusal::Newer(record) } else { Refusal::Unreadable(record, why) };
    }
    if record.has_expired(now) && !(in_progress && record.lease_until.is_some() && !lapsed) {
        return Refusal::Raced;
    }
    if record.schema > Record::SCHEMA {
        return Refusal::Newer(record);
    }
    if !Fingerprint::fits(fingerprint, record.fingerprint.as_ref()) {
        return Refusal::Mismatch(record);
    }
    match record.status {
        Status::Completed => Refusal::Completed(record),
        Status::Failed => Refusal::Failed(record),
        Status::InProgress if !lapsed => Refusal::Busy(record),
        Status::InProgress if semantics == Semantics::AtMostOnce => Refusal::Interrupted(record),
        Status::InProgress | Status::Released | Status::Unreadable(_) => Refusal::Raced,
    }
}

/// Returns true if a moment on a record is that of a request. Stores keep milliseconds.
fn is_moment(found: Option<Timestamp>, sent: Timestamp) -> bool {
    found.is_some_and(|found| found.unix_millis() == sent.unix_millis())
}

/// Returns true if two bodies are equal, also where the store has JSON in a form of its own.
fn is_body(found: &Body, sent: &Body) -> bool {
    match (found, sent) {
        (Body::Inline(found), Body::Inline(sent)) => found == sent || is_json(found, sent),
        _ => found == sent,
    }
}

fn is_json(found: &[u8], sent: &[u8]) -> bool {
    let read = |json| serde_json::from_slice(json).ok();
    read(found).zip(read(sent)).is_some_and(|(found, sent)| is_value(&found, &sent))
}

fn is_value(found: &Value, sent: &Value) -> bool {
    match (found, sent) {
        (Value::Number(found), Value::Number(sent)) => is_number(found, sent),
        (Value::Array(found), Value::Array(sent)) => {
            let mut pairs = found.iter().zip(sent);
            found.len() == sent.len() && pairs.all(|(found, sent)| is_value(found, sent))
        }
        (Value::Object(found), Value::Object(sent)) => {
            let is_member = |(name, found): (&String, &Value)| {
                sent.get(name).is_some_and(|sent| is_value(found, sent))
            };
            found.len() == sent.len() && found.iter().all(is_member)
        }
        _ => found == sent,
    }
}

/// A store with numbers of its own keeps what a number is worth and not how it was written: 30.0
/// comes back as 30, and -0.0 as 0.
fn is_number(found: &Number, sent: &Number) -> bool {
    match (whole(found), whole(sent)) {
        (None, None) => found.as_f64() == sent.as_f64(),
        (found, sent) => found == sent,
    }
}

/// The value of a whole number, unless it is so large that only a float can be it.
fn whole(number: &Number) -> Option<i128> {
    const MOST: f64 = 1e38;
    let float = || number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < MOST);
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
    number.as_i128().or_else(|| float().map(|float| float as i128))
}

fn is_owner(record: &Record, owner: &Owner) -> bool {
    record.owner.as_ref() == Some(owner)
}

#[cfg(test)]
mod tests;
