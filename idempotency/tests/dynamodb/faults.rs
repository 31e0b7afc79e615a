//! Trouble on the wire, for each kind of request: what the store says of it, and that the same
//! request again comes to the same end.

use std::time::Duration;

use aws_sdk_dynamodb::types::TransactWriteItem;
use setpiece_idempotency::{
    record::{Owner, Status, Stored},
    store::{Change, CommitReply, End, Impossible, ImpossibleReason, Reply, Store},
    verdict::{self, Refusal, Unextended, Unreleased, Unsettled},
};
use setpiece_policy::{Fault, FaultKind};

use crate::{
    desk::{Desk, RETENTION, key},
    wire::Trouble,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    Acquire,
    Settle,
    Release,
    Extend,
    Commit,
    CommitOnce,
    AmendRelease,
    AmendResolve,
    AmendForget,
    PutSpill,
    Read,
    GetSpill,
}

use Request::{
    Acquire, AmendForget, AmendRelease, AmendResolve, Commit, CommitOnce, Extend, GetSpill,
    PutSpill, Read, Release, Settle,
};

const ALL: [Request; 12] = [
    Acquire,
    Settle,
    Release,
    Extend,
    Commit,
    CommitOnce,
    AmendRelease,
    AmendResolve,
    AmendForget,
    PutSpill,
    Read,
    GetSpill,
];

impl Request {
    fn operation(self) -> &'static str {
        match self {
            Commit | CommitOnce => "TransactWriteItems",
            AmendForget => "DeleteItem",
            Read | GetSpill => "GetItem",
            _ => "UpdateItem",
        }
    }

    fn is_transaction(self) -> bool {
        matches!(self, Commit | CommitOnce)
    }

    fn writes(self) -> bool {
        !matches!(self, Read | GetSpill)
    }
}

/// How a request fared: as it should, or with a fault, or held off by a transaction.
#[derive(Debug)]
enum Fared {
    Well,
    /// The condition did not hold, and the verdict is that this very request did it.
    Own,
    Contended,
    Badly(Fault),
}

/// A request with everything that is the same when it is made again.
struct Case {
    desk: Desk,
    request: Request,
    amend: Option<setpiece_idempotency::store::Amend>,
    writes: [TransactWriteItem; 1],
    acquire: setpiece_idempotency::store::Acquire,
    settle: setpiece_idempotency::store::Settle,
    once: setpiece_idempotency::store::Once,
    release: setpiece_idempotency::store::Release,
    extend: setpiece_idempotency::store::Extend,
    spill: setpiece_idempotency::store::Spill,
}

impl Case {
    /// Brings the record to where the request makes sense.
    async fn new(request: Request) -> Self {
        let desk = Desk::open().await;
        let expires_at = desk.settle("me", "1").expires_at;
        let change = match request {
            AmendRelease => Some(Change::Release { expires_at }),
            AmendResolve => {
                let (owner, result) = (Owner::new("desk"), Stored::json("2"));
                Some(Change::Resolve { owner, end: End::Completed, result, expires_at })
            }
            AmendForget => Some(Change::Forget),
            _ => None,
        };
        if !matches!(request, Acquire | CommitOnce) {
            desk.claim("me").await;
        }
        let amend = match change {
            Some(change) => Some(desk.amend(change).await),
            None => None,
        };
        let spill = desk.spill("me", vec![7; 1000]);
        if request == GetSpill {
            desk.store.put_spill(&spill).await.unwrap();
        }
        desk.cloud.wire.take();
        Self {
            request,
            amend,
            writes: desk.business(),
            acquire: desk.acquire("me"),
            settle: desk.settle("me", "1"),
            once: desk.once("me", "1"),
            release: desk.release("me"),
            extend: desk.extend("me"),
            spill,
            desk,
        }
    }

    async fn send(&self) -> Fared {
        let store = &self.desk.store;
        match self.request {
            Acquire => match store.acquire(&self.acquire).await {
                Ok(Reply::Refused(found)) => match verdict::acquire(&self.acquire, found) {
                    Refusal::Own { attempt: 1, .. } => Fared::Own,
                    other => panic!("{other:?}"),
                },
                answer => plain(answer),
            },
            Settle => match store.settle(&self.settle).await {
                Ok(Reply::Refused(found)) => match verdict::settle(&self.settle, found) {
                    Unsettled::Own => Fared::Own,
                    other => panic!("{other:?}"),
                },
                answer => plain(answer),
            },
            Release => match store.release(&self.release).await {
                Ok(Reply::Refused(found)) => match verdict::release(&self.release, found) {
                    Unreleased::Free => Fared::Own,
                    other => panic!("{other:?}"),
                },
                answer => plain(answer),
            },
            Extend => match store.extend(&self.extend).await {
                Ok(Reply::Refused(found)) => match verdict::extend(&self.extend, found) {
                    Unextended::Longer(_) => Fared::Own,
                    other => panic!("{other:?}"),
                },
                answer => plain(answer),
            },
            Commit => match store.commit(&self.settle, &self.writes).await {
                Ok(CommitReply::Refused(found)) => match verdict::settle(&self.settle, found) {
                    Unsettled::Own => Fared::Own,
                    other => panic!("{other:?}"),
                },
                answer => committed(answer),
            },
            CommitOnce => match store.commit_once(&self.once, &self.writes).await {
                Ok(CommitReply::Refused(found)) => match verdict::once(&self.once, found) {
                    Refusal::Own { attempt: 1, .. } => Fared::Own,
                    other => panic!("{other:?}"),
                },
                answer => committed(answer),
            },
            AmendRelease | AmendResolve | AmendForget => {
                match store.amend(self.amend.as_ref().unwrap()).await {
                    // It is no longer as it was seen: by this very request, for there is no other.
                    Ok(Reply::Refused(_)) => Fared::Own,
                    answer => plain(answer),
                }
            }
            PutSpill => unconditional(store.put_spill(&self.spill).await),
            Read => unconditional(store.read(&key()).await.map(Option::unwrap)),
            GetSpill => {
                unconditional(store.get_spill(&key(), &self.spill.spill).await.map(|bytes| {
                    assert_eq!(bytes.as_deref(), Some(&*self.spill.bytes));
                }))
            }
        }
    }

    /// Whether the table shows the effect of the request.
    async fn has_happened(&self) -> bool {
        let store = &self.desk.store;
        let record = store.read(&key()).await.unwrap();
        let status = record.as_ref().map(|record| record.status);
        match self.request {
            Acquire => status == Some(Status::InProgress),
            Settle | Commit | CommitOnce | AmendResolve => status == Some(Status::Completed),
            Release | AmendRelease => status == Some(Status::Released),
            Extend => record.unwrap().lease_until == Some(self.extend.lease_until),
            AmendForget => record.is_none(),
            PutSpill => store.get_spill(&key(), &self.spill.spill).await.unwrap().is_some(),
            Read | GetSpill => false,
        }
    }
}

fn plain<T: std::fmt::Debug>(answer: Result<Reply<T>, Fault>) -> Fared {
    match answer {
        Ok(Reply::Applied(_)) => Fared::Well,
        Ok(Reply::Contended) => Fared::Contended,
        Ok(other) => panic!("{other:?}"),
        Err(fault) => Fared::Badly(fault),
    }
}

fn committed(answer: Result<CommitReply, Fault>) -> Fared {
    match answer {
        Ok(CommitReply::Applied) => Fared::Well,
        Ok(CommitReply::Contended) => Fared::Contended,
        Ok(other) => panic!("{other:?}"),
        Err(fault) => Fared::Badly(fault),
    }
}

fn unconditional<T>(answer: Result<T, Fault>) -> Fared {
    answer.map_or_else(Fared::Badly, |_| Fared::Well)
}

/// Makes a request into `trouble` and then again, and checks what is said and done.
async fn check(request: Request, trouble: Trouble, kind: FaultKind, happened: bool, told: bool) {
    let case = Case::new(request).await;
    let what = format!("{request:?} with {trouble:?}");
    case.desk.cloud.wire.trouble(request.operation(), trouble);
    let Fared::Badly(fault) = case.send().await else { panic!("{what}: no fault") };
    assert_eq!(fault.kind(), kind, "{what}: {fault:?}");
    assert_eq!(fault.may_have_happened(), told, "{what}: {fault:?}");
    let happened = happened && request.writes();
    assert_eq!(case.has_happened().await, happened, "{what}");
    assert!(fault.may_have_happened() || !happened, "{what}: the caller was told a lie");

    // The same request once more, as the guard makes it.
    match (case.send().await, happened) {
        (Fared::Well, _) | (Fared::Own, true) => {}
        (other, _) => panic!("{what}, again: {other:?}"),
    }
    assert!(case.has_happened().await || !request.writes(), "{what}: nothing happened");
    let applied = u32::from(request.is_transaction());
    assert_eq!(case.desk.count().await, applied, "{what}: the effect");
}

#[tokio::test]
async fn a_lost_answer_is_not_taken_for_a_failure() {
    for request in ALL {
        check(request, Trouble::AnswerLost, FaultKind::Transient, true, true).await;
        check(request, Trouble::TimedOut, FaultKind::Transient, true, true).await;
        check(request, Trouble::Garbled, FaultKind::Transient, true, true).await;
    }
}

#[tokio::test]
async fn a_refused_connection_has_done_nothing_and_says_so() {
    for request in ALL {
        check(request, Trouble::Refused, FaultKind::Transient, false, false).await;
    }
}

#[tokio::test]
async fn throttling_has_done_nothing_and_says_so() {
    for request in ALL {
        for code in ["ProvisionedThroughputExceededException", "ThrottlingException"] {
            let trouble = Trouble::Error(400, code);
            check(request, trouble, FaultKind::Throttled, false, false).await;
        }
    }
    for request in [Commit, CommitOnce] {
        for reasons in [&["None", "ThrottlingError"], &["ProvisionedThroughputExceeded", "None"]] {
            let trouble = Trouble::Cancelled(reasons);
            check(request, trouble, FaultKind::Throttled, false, false).await;
        }
    }
}

#[tokio::test]
async fn a_failing_service_may_have_done_it() {
    for request in ALL {
        let trouble = Trouble::Error(500, "InternalServerError");
        check(request, trouble, FaultKind::Transient, false, true).await;
    }
    for request in [Commit, CommitOnce] {
        let trouble = Trouble::Error(400, "TransactionInProgressException");
        check(request, trouble, FaultKind::Throttled, false, true).await;
    }
}

#[tokio::test]
async fn a_missing_permission_is_permanent_and_nobodys_fault() {
    for request in ALL {
        let trouble = Trouble::Error(400, "AccessDeniedException");
        check(request, trouble, FaultKind::Permanent, false, false).await;
    }
}

#[tokio::test]
async fn a_transaction_on_the_same_item_is_waited_for() {
    let troubles = |request: Request| -> Vec<Trouble> {
        match request {
            Commit | CommitOnce => vec![
                Trouble::Cancelled(&["TransactionConflict", "None"]),
                Trouble::Cancelled(&["None", "TransactionConflict"]),
                Trouble::Cancelled(&["TransactionConflict", "ConditionalCheckFailed"]),
            ],
            Acquire | Settle | Release | Extend | AmendRelease | AmendResolve | AmendForget => {
                vec![Trouble::Error(400, "TransactionConflictException")]
            }
            PutSpill | Read | GetSpill => vec![],
        }
    };
    for request in ALL {
        for trouble in troubles(request) {
            let case = Case::new(request).await;
            case.desk.cloud.wire.trouble(request.operation(), trouble.clone());
            let fared = case.send().await;
            assert!(matches!(fared, Fared::Contended), "{request:?} {trouble:?}: {fared:?}");
            assert!(!case.has_happened().await, "{request:?}");
            assert!(matches!(case.send().await, Fared::Well), "{request:?}, again");
            assert_eq!(case.desk.count().await, u32::from(request.is_transaction()));
        }
    }
}

#[tokio::test]
async fn an_answer_after_the_deadline_is_still_an_answer() {
    for request in ALL {
        for trouble in [Trouble::Slow(2 * RETENTION), Trouble::Late(Duration::from_mins(1))] {
            let case = Case::new(request).await;
            case.desk.cloud.wire.trouble(request.operation(), trouble);
            assert!(matches!(case.send().await, Fared::Well), "{request:?}");
            assert!(case.has_happened().await || !request.writes(), "{request:?}");
        }
    }
}

#[tokio::test]
async fn a_cancelled_transaction_names_the_write_that_was_refused() {
    let refused = |index| CommitReply::WriteRefused(index);
    let too_large = |index| {
        let reason = ImpossibleReason::ItemTooLarge;
        CommitReply::WriteImpossible(Impossible::new(Some(index), reason))
    };
    for (reasons, expected) in [
        (&["None", "ConditionalCheckFailed", "None"] as &[_], refused(0)),
        (&["None", "None", "ConditionalCheckFailed"], refused(1)),
        (&["None", "None", "ItemCollectionSizeLimitExceeded"], too_large(1)),
        // While somebody holds an item, nobody knows what its condition would say.
        (&["None", "TransactionConflict", "ConditionalCheckFailed"], CommitReply::Contended),
    ] {
        let case = Case::new(Commit).await;
        case.desk.cloud.wire.trouble("TransactWriteItems", Trouble::Cancelled(reasons));
        let writes = [case.writes[0].clone(), case.writes[0].clone()];
        let reply = case.desk.store.commit(&case.settle, &writes).await.unwrap();
        assert_eq!(reply, expected, "{reasons:?}");
    }
}

#[tokio::test]
async fn a_commit_with_other_writes_after_a_lost_answer_is_no_success() {
    let case = Case::new(Commit).await;
    case.desk.cloud.wire.trouble("TransactWriteItems", Trouble::AnswerLost);
    assert!(matches!(case.send().await, Fared::Badly(_)));
    let [write] = &case.writes;
    let mut update = write.update.clone().unwrap();
    update.update_expression = "ADD another_count :one".to_owned();
    let other = [TransactWriteItem::builder().update(update).build()];
    let fault = case.desk.store.commit(&case.settle, &other).await.unwrap_err();
    assert_eq!(fault.code(), Some("IdempotentParameterMismatchException"));
    assert!(fault.may_have_happened());
    assert_eq!(case.desk.count().await, 1);
}

#[tokio::test]
async fn a_commit_of_too_many_writes_is_not_sent() {
    let case = Case::new(Commit).await;
    let writes = vec![case.writes[0].clone(); 100];
    let fault = case.desk.store.commit(&case.settle, &writes).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Permanent);
    assert!(!fault.may_have_happened());
    assert!(case.desk.cloud.wire.take().is_empty());
}
