use std::time::Duration;

use setpiece_envelope::Timestamp;

use super::{Refusal, Unextended, Unreleased, Unsettled, acquire, extend, release, settle};
use crate::{
    record::{Fingerprint, Owner, Record, Status, Stored},
    store::{Acquire, End, Extend, RecordKey, Release, Semantics, Settle},
};

fn at(seconds: u64) -> Timestamp {
    Timestamp::UNIX_EPOCH.saturating_add(Duration::from_secs(seconds))
}

fn key() -> RecordKey {
    RecordKey::new("tests#work#1:k")
}

/// A claim at second 100, in which clocks may differ by a second.
fn request(semantics: Semantics) -> Acquire {
    let mut request = Acquire::new(key(), Owner::new("me"), at(100), at(130), at(3730));
    request.stale_before = at(99);
    request.fingerprint = Some(Fingerprint::new("f"));
    request.semantics = semantics;
    request
}

fn records() -> Vec<Record> {
    let mut records = Vec::new();
    for status in [
        Status::InProgress,
        Status::Completed,
        Status::Failed,
        Status::Released,
        Status::Unreadable("odd"),
    ] {
        for owner in [None, Some("me"), Some("other")] {
            for fingerprint in [None, Some("f"), Some("g")] {
                for lease in [None, Some(98), Some(99), Some(130)] {
                    for expires in [None, Some(99), Some(100), Some(3730)] {
                        for schema in [0, 1, 2] {
                            let mut record = Record::new(status);
                            record.schema = schema;
                            record.owner = owner.map(Owner::new);
                            record.fingerprint = fingerprint.map(Fingerprint::new);
                            record.lease_until = lease.map(at);
                            record.expires_at = expires.map(at);
                            records.push(record);
                        }
                    }
                }
            }
        }
    }
    records
}

#[test]
fn what_may_be_taken_is_never_judged_as_anything_but_a_race() {
    for semantics in [Semantics::AtLeastOnce, Semantics::AtMostOnce] {
        let request = request(semantics);
        for record in records() {
            let taken = request.may_take(Some(&record));
            let refusal = acquire(&request, Some(Box::new(record.clone())));
            let own = record.owner == Some(Owner::new("me"));
            let unread = matches!(record.status, Status::Unreadable(_));
            assert!(!own || !taken, "an owner claims once: {record:?}");
            assert!(
                own || unread || taken == (refusal == Refusal::Raced),
                "{record:?}: {refusal:?}"
            );
        }
        assert!(request.may_take(None));
        assert_eq!(acquire(&request, None), Refusal::Raced);
    }
}

#[test]
fn questions_are_asked_in_their_order() {
    let request = request(Semantics::AtMostOnce);
    let judge = |change: &dyn Fn(&mut Record)| {
        let mut record = Record::new(Status::Completed);
        record.expires_at = Some(at(3730));
        record.fingerprint = Some(Fingerprint::new("f"));
        change(&mut record);
        acquire(&request, Some(Box::new(record)))
    };
    assert!(matches!(judge(&|_| {}), Refusal::Completed(_)));
    assert!(matches!(judge(&|it| it.status = Status::Failed), Refusal::Failed(_)));
    let mismatch = judge(&|it| it.fingerprint = Some(Fingerprint::new("g")));
    assert!(matches!(mismatch, Refusal::Mismatch(_)));
    let newer = judge(&|it| {
        it.fingerprint = Some(Fingerprint::new("g"));
        it.schema = 2;
    });
    assert!(matches!(newer, Refusal::Newer(_)));
    let own = judge(&|it| {
        it.schema = 2;
        it.status = Status::InProgress;
        it.owner = Some(Owner::new("me"));
        it.attempt = 7;
        it.tries = 2;
    });
    assert_eq!(own, Refusal::Own { attempt: 7, tries: 2, lease_until: None, salt: None });
    let lease = |until| {
        judge(&|it| {
            it.status = Status::InProgress;
            it.lease_until = Some(at(until));
        })
    };
    assert!(matches!(lease(99), Refusal::Busy(_)));
    assert!(matches!(lease(98), Refusal::Interrupted(_)));
}

#[test]
fn own_result_is_told_from_another_one() {
    let result = Stored::json(*b"1");
    let request = Settle::new(key(), Owner::new("me"), at(100), End::Completed, result, at(3730));
    let judge = |status, owner: &str, body: &[u8]| {
        let mut record = Record::new(status);
        record.owner = Some(Owner::new(owner));
        record.result = Some(Stored::json(body));
        record.updated_at = Some(at(100));
        settle(&request, Some(Box::new(record)))
    };
    assert_eq!(judge(Status::Completed, "me", b"1"), Unsettled::Own);
    assert!(matches!(judge(Status::Completed, "me", b"2"), Unsettled::Superseded(_)));
    assert!(matches!(judge(Status::Failed, "me", b"1"), Unsettled::Superseded(_)));
    assert!(matches!(judge(Status::Completed, "other", b"1"), Unsettled::Superseded(_)));
    assert!(matches!(judge(Status::InProgress, "other", b"1"), Unsettled::Lost(_)));
    assert!(matches!(judge(Status::Released, "me", b"1"), Unsettled::Lost(_)));
    assert_eq!(settle(&request, None), Unsettled::Vanished);
    // Ours in all that it says, and written by somebody who does not know owners: at another time,
    // or without taking the lease away.
    for (updated_at, lease_until) in [(Some(at(99)), None), (Some(at(100)), Some(at(130)))] {
        let mut record = Record::new(Status::Completed);
        record.owner = Some(Owner::new("me"));
        record.result = Some(Stored::json(*b"1"));
        (record.updated_at, record.lease_until) = (updated_at, lease_until);
        let unsettled = settle(&request, Some(Box::new(record)));
        assert!(matches!(unsettled, Unsettled::Superseded(_)), "{unsettled:?}");
    }
}

#[test]
fn own_result_is_known_by_the_values_of_its_numbers() {
    for (sent, found, is_own) in [
        ("30.0", "30", true),
        ("-0.0", "0", true),
        ("[1e2, {\"a\": 1.5}]", "[100, {\"a\": 1.50}]", true),
        ("1.8446744073709552e19", "18446744073709552000", true),
        ("18446744073709551615", "18446744073709551615", true),
        ("30.5", "30", false),
        ("9007199254740992.0", "9007199254740993", false),
        ("-1", "18446744073709551615", false),
        ("1", "\"1\"", false),
        ("[1]", "[1, 1]", false),
        ("{\"a\": 1}", "{\"b\": 1}", false),
    ] {
        let result = Stored::json(sent);
        let end = End::Completed;
        let request = Settle::new(key(), Owner::new("me"), at(100), end, result, at(3730));
        let mut record = Record::new(Status::Completed);
        record.owner = Some(Owner::new("me"));
        record.result = Some(Stored::json(found));
        record.updated_at = Some(at(100));
        let unsettled = settle(&request, Some(Box::new(record)));
        assert_eq!(unsettled == Unsettled::Own, is_own, "{sent} {found}");
    }
}

#[test]
fn lease_that_is_as_long_already_is_still_ours() {
    let request = Extend::new(key(), Owner::new("me"), at(100), at(130), at(3730));
    let judge = |status, owner: &str, until| {
        let mut record = Record::new(status);
        record.owner = Some(Owner::new(owner));
        record.lease_until = Some(at(until));
        extend(&request, Some(Box::new(record)))
    };
    assert_eq!(judge(Status::InProgress, "me", 130), Unextended::Longer(at(130)));
    assert_eq!(judge(Status::InProgress, "me", 140), Unextended::Longer(at(140)));
    assert!(matches!(judge(Status::InProgress, "me", 129), Unextended::Lost(_)));
    assert!(matches!(judge(Status::InProgress, "other", 140), Unextended::Lost(_)));
    assert!(matches!(judge(Status::Completed, "me", 140), Unextended::Lost(_)));
    assert_eq!(extend(&request, None), Unextended::Lost(None));
}

#[test]
fn release_finds_out_what_a_commit_did() {
    let request = Release::new(key(), Owner::new("me"), at(100), at(3730));
    let judge = |status, owner: &str| {
        let mut record = Record::new(status);
        record.owner = Some(Owner::new(owner));
        release(&request, Some(Box::new(record)))
    };
    assert_eq!(judge(Status::Released, "me"), Unreleased::Free);
    assert!(matches!(judge(Status::Completed, "me"), Unreleased::Settled(_)));
    assert!(matches!(judge(Status::InProgress, "other"), Unreleased::Lost(_)));
    assert!(matches!(judge(Status::Released, "other"), Unreleased::Lost(_)));
    assert_eq!(release(&request, None), Unreleased::Vanished);
}
