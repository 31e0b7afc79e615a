//! What it means that a conditional write was refused: one pure answer for all stores.
//!
//! A store that refuses hands over the record that it found. These functions look at nothing else
//! but that record and the request, so every store that refuses alike is understood alike.

use setpiece_envelope::Timestamp;

use crate::{
    record::{Fingerprint, Owner, Record, Status},
    store::{Acquire, Once, Release, Semantics, Settle},
};

/// What a refused [`Acquire`] or [`Once`] means.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It was not refused at all: this very request was applied before, and its answer was lost.
    Own {
        /// Which attempt it is.
        attempt: u64,
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
    /// What was found would not have been refused, so it changed in between. Ask again.
    Raced,
}

/// What a refused [`Settle`] means.
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

/// What a refused [`Release`] means.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unreleased {
    /// It was released before, or it is gone: nobody has to wait for it.
    Free,
    /// It is completed or failed, and by this owner: a commit had been applied whose answer was
    /// lost.
    Settled(Box<Record>),
    /// Somebody else has claimed it.
    Lost(Box<Record>),
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
    // written over it. Then it is another result.
    let same = record.status == Status::from(request.end)
        && record.result.as_ref().is_none_or(|found| found.body == request.result.body);
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
    let Some(record) = found else { return Unreleased::Free };
    match record.status {
        _ if !is_owner(&record, &request.owner) => Unreleased::Lost(record),
        Status::Released => Unreleased::Free,
        Status::Completed | Status::Failed => Unreleased::Settled(record),
        Status::InProgress | Status::Unreadable(_) => Unreleased::Lost(record),
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
        return Refusal::Own { attempt: record.attempt };
    }
    let in_progress = record.status == Status::InProgress;
    let lapsed = record.has_lapsed(stale_before);
    if record.has_expired(now) && !(in_progress && record.lease_until.is_some() && !lapsed) {
        return Refusal::Raced;
    }
    if record.schema > Record::SCHEMA {
        return Refusal::Newer(record);
    }
    if let Status::Unreadable(why) = record.status {
        return Refusal::Unreadable(record, why);
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

fn is_owner(record: &Record, owner: &Owner) -> bool {
    record.owner.as_ref() == Some(owner)
}

#[cfg(test)]
mod tests;
