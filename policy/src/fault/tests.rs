use std::{error::Error as StdError, io, time::Duration};

use serde::Deserialize;
use setpiece_envelope::{DomainEvent, Envelope, ServiceId, Upcast, UpcastError};

use super::{Call, Disposition, Fault, FaultKind};
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
    assert_eq!(
        fault.to_string(),
        "throttled: cannot store points: a service is being asked too much (ThrottlingException)"
    );
    assert!(!format!("{fault:?}").contains("alice"));
    assert!(fault.source().unwrap().downcast_ref::<io::Error>().is_some());

    let fault = fault.given_up(GiveUp::BudgetSpent);
    assert_eq!(
        fault.to_string(),
        "throttled: cannot store points: a service is being asked too much \
         (ThrottlingException); gave up: the retry budget is spent"
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
        "contract: the event has a newer version than this reader: version 4 of \
         `order_submitted` is not supported, only versions 2 to 3",
    );
    check(
        r#"{"event_id": "1", "name": "order_submitted", "version": "1"}"#,
        quarantine,
        "contract: the event has an older version than this reader supports: version 1 of \
         `order_submitted` is not supported, only versions 2 to 3",
    );
    check(
        r#"{"event_id": "1", "name": "order_submitted", "version": "2"}"#,
        quarantine,
        "contract: the event cannot be brought up to date: version 2 of `order_submitted` \
         cannot become version 3: version 2 has no currency",
    );
    check(
        r#"{"event_id": "1", "name": "order_cancelled", "version": "3"}"#,
        quarantine,
        "contract: the event was routed to a reader of another one",
    );
    check(
        r#"{"name": "order_submitted"}"#,
        quarantine,
        "contract: the event cannot be read: `metadata.event_id` is missing",
    );
}

#[test]
fn what_a_call_was_about_is_shown_and_outlives_giving_up() {
    let call = || Call::to("DynamoDB").operation("UpdateItem").on("records");
    let fault = Fault::transient("a connection to AWS broke")
        .with_remedy("check the way to {service}")
        .with_context("claiming a key")
        .with_context("handling a delivery")
        .with_call(call())
        .with_tries(3, Duration::from_millis(70));
    assert_eq!(fault.reason(), Some("a connection to AWS broke"));
    assert_eq!(fault.context(), "handling a delivery");
    for why in [GiveUp::AttemptsSpent, GiveUp::NoTime] {
        let fault = fault.clone().given_up(why);
        assert_eq!(fault.call(), Some(&call()));
        assert_eq!(fault.remedy(), "check the way to DynamoDB");
        assert_eq!((fault.tries(), fault.elapsed()), (Some(3), Some(Duration::from_millis(70))));
        let text = fault.to_string();
        let shown = "handling a delivery: a connection to AWS broke (DynamoDB UpdateItem on \
                     `records`); gave up after 3 tries in 70 ms: ";
        assert!(text.contains(shown), "{text}");
        assert!(text.ends_with("; it may have happened"), "{text}");
    }
}

#[test]
fn a_remedy_names_permission_and_resource() {
    let denied = |call: Call| Fault::from_code("AccessDenied", Some(400)).with_call(call).remedy();
    let call = Call::to("EventBridge").operation("PutEvents").on("shop");
    assert_eq!(denied(call), "allow the role of the function `events:PutEvents` on `shop`");
    // A transaction has no permission of its own.
    let text = denied(Call::to("DynamoDB").operation("TransactWriteItems").on("a, b"));
    assert!(text.contains("`dynamodb:PutItem`") && !text.contains("Transact"), "{text}");
    let fault = Fault::from_code("AccessDenied", None);
    assert_eq!(fault.remedy(), "allow the role of the function this operation on the resource");
}

#[test]
fn a_name_of_a_resource_is_bounded() {
    let long = format!("{}ü", "x".repeat(511));
    let call = Call::to("SQS").on(long);
    assert_eq!(call.resource().unwrap().len(), 511);
    assert_eq!(Call::to("SQS").on("").resource(), None);
}
