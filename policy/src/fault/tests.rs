use std::{error::Error as StdError, io, time::Duration};

use serde::Deserialize;
use setpiece_envelope::{DomainEvent, Envelope, ServiceId, Upcast, UpcastError};

use super::{Disposition, Fault, FaultKind};
use crate::GiveUp;

const RETRY: Disposition = Disposition::RetryHere { after: None };

#[test]
fn each_kind_has_its_disposition() {
    let faults: [(Fault, FaultKind, Disposition); 6] = [
        (Fault::transient("t"), FaultKind::Transient, RETRY),
        (Fault::throttled("t"), FaultKind::Throttled, RETRY),
        (Fault::conflict("t"), FaultKind::Conflict, Disposition::FailItem),
        (Fault::contract("t"), FaultKind::Contract, Disposition::Quarantine),
        (Fault::permanent("t"), FaultKind::Permanent, Disposition::Quarantine),
        (Fault::deadline("t"), FaultKind::Deadline, Disposition::FailItem),
    ];
    for (fault, kind, disposition) in faults {
        assert_eq!((fault.kind(), fault.disposition()), (kind, disposition));
        assert_eq!(fault.may_have_happened(), kind == FaultKind::Transient);
        assert_eq!(fault.hand_back().disposition(), Disposition::FailItem);
    }
}

#[test]
fn what_a_service_asks_for_is_passed_on() {
    let after = Duration::from_millis(1500);
    let fault = Fault::throttled("slow down").with_retry_after(after);
    assert_eq!(fault.disposition(), Disposition::RetryHere { after: Some(after) });
}

#[test]
fn it_is_small_and_goes_anywhere() {
    fn goes_anywhere<T: StdError + Send + Sync + 'static>() {}
    goes_anywhere::<Fault>();
    assert_eq!(size_of::<Result<(), Fault>>(), size_of::<usize>());
}

#[test]
fn it_keeps_its_source_and_does_not_show_it() {
    let source = io::Error::other("alice@example.com is not a number");
    let fault = Fault::from_code("com.amazonaws.x#ThrottlingException:http://y", None)
        .with_context("cannot store points")
        .with_source(source);
    assert_eq!(fault.to_string(), "throttled: cannot store points (ThrottlingException)");
    assert!(!format!("{fault:?}").contains("alice"));
    assert!(fault.source().unwrap().downcast_ref::<io::Error>().is_some());

    let fault = fault.given_up(GiveUp::BudgetSpent);
    assert_eq!(
        fault.to_string(),
        "throttled: cannot store points (ThrottlingException); gave up: the retry budget is spent"
    );
}

#[test]
fn a_fault_for_which_there_was_no_time_keeps_what_came_before() {
    let fault = Fault::transient("cannot store points").given_up(GiveUp::NoTime);
    assert_eq!((fault.kind(), fault.disposition()), (FaultKind::Deadline, Disposition::FailItem));
    assert!(fault.may_have_happened());
    let before = fault.source().unwrap().downcast_ref::<Fault>().unwrap();
    assert_eq!(before.kind(), FaultKind::Transient);
}

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(Debug, Deserialize, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 2, first = true)]
struct Second {}

#[derive(Debug, Deserialize, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 3, previous = Second)]
struct Third {}

impl Upcast<Second> for Third {
    fn upcast(_: Second) -> Result<Self, UpcastError> {
        Err(UpcastError::new("version 2 has no currency"))
    }
}

#[test]
fn what_cannot_be_read_is_quarantined_but_a_newer_version_is_held() {
    let check = |metadata: &str, disposition, text: &str| {
        let detail = format!(r#"{{"metadata": {metadata}, "data": {{}}}}"#);
        let fault = Fault::from(Envelope::<Third>::from_detail(detail.as_bytes()).unwrap_err());
        assert_eq!(fault.kind(), FaultKind::Contract);
        assert_eq!(fault.disposition(), disposition, "{fault}");
        assert_eq!(fault.to_string(), text);
        assert!(fault.source().unwrap().is::<setpiece_envelope::ReadError>());
    };
    let quarantine = Disposition::Quarantine;
    check(
        r#"{"event_id": "1", "name": "order_submitted", "version": "4"}"#,
        Disposition::FailItem,
        "contract: the event has a newer version than this reader",
    );
    check(
        r#"{"event_id": "1", "name": "order_submitted", "version": "1"}"#,
        quarantine,
        "contract: the event has an older version than this reader supports",
    );
    check(
        r#"{"event_id": "1", "name": "order_submitted", "version": "2"}"#,
        quarantine,
        "contract: the event cannot be brought up to date",
    );
    check(
        r#"{"event_id": "1", "name": "order_cancelled", "version": "3"}"#,
        quarantine,
        "contract: the event was routed to a reader of another one",
    );
    check(r#"{"name": "order_submitted"}"#, quarantine, "contract: the event cannot be read");
}
