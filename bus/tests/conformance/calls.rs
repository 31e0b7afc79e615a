//! What fails for all entries of a call.

use setpiece_bus::{Bus as _, Limits};
use setpiece_policy::{Disposition, Fault, FaultKind};
use setpiece_testing::{CallFault, PutEventsEntry};

use crate::{
    events::{event, events, of_size, size, taken, verdict},
    worlds::{OverHttp, RawBus as _, World, run},
};

on_each_bus! {
    ten_entries_are_taken_and_eleven_are_not,
    the_largest_call_is_taken_and_a_byte_more_is_not,
    a_call_without_entries_is_refused,
    each_code_of_a_call_is_judged_alike,
    a_lost_answer_leaves_open_what_happened,
    a_bus_that_nobody_serves_has_taken_nothing,
}

const REFUSED: &str = "ValidationException";

async fn ten_entries_are_taken_and_eleven_are_not<W: World>(world: W) {
    let all = events(11);
    let all: Vec<_> = all.iter().collect();

    let fault = world.bus().put(&all).await.unwrap_err();
    assert_eq!(verdict(&fault), verdict(&Fault::from_code(REFUSED, Some(400))));
    assert!(world.fake().events().is_empty());

    assert_eq!(world.bus().put(&all[..10]).await.unwrap().len(), 10);
    assert_eq!(taken(world.fake()).len(), 10);
}

async fn the_largest_call_is_taken_and_a_byte_more_is_not<W: World>(world: W) {
    let limits = world.bus().limits();
    assert_eq!(limits.max_bytes, Limits::EVENT_BRIDGE.max_bytes);
    // The time has its bytes, and so has each resource.
    let first = event("first").with_time("2026-11-20T12:10:21Z".parse().unwrap());
    let first = first.with_resources(["arn:aws:s3:::orders/1", "Größe"]).unwrap();
    let rest = limits.max_bytes - size(&first);
    let (fits, over) = (of_size("fits", rest), of_size("over", rest + 1));
    assert_eq!(size(&first) + size(&fits), limits.max_bytes);

    let fault = world.bus().put(&[&first, &over]).await.unwrap_err();
    assert_eq!(verdict(&fault), verdict(&Fault::from_code(REFUSED, Some(400))));
    assert!(world.fake().events().is_empty());

    let results = world.bus().put(&[&first, &fits]).await.unwrap();
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(taken(world.fake()), ["first", "fits"]);
}

async fn a_call_without_entries_is_refused<W: World>(world: W) {
    let fault = world.bus().put(&[]).await.unwrap_err();
    assert_eq!(verdict(&fault), verdict(&Fault::from_code(REFUSED, Some(400))));
}

async fn each_code_of_a_call_is_judged_alike<W: World>(world: W) {
    let refusals = [
        (500, "InternalException"),
        (500, "InternalFailure"),
        (503, "ServiceUnavailable"),
        (400, "ThrottlingException"),
        (429, "TooManyRequestsException"),
        (400, "RequestLimitExceeded"),
        (400, "ValidationException"),
        (400, "AccessDeniedException"),
        (403, "UnrecognizedClientException"),
        (400, "ExpiredTokenException"),
        (418, "TeapotException"),
        (504, "TeapotException"),
    ];
    for (status, code) in refusals {
        world.fake().fail_calls(CallFault::refused(status, code, "alice@example.com may not"));

        let fault = world.bus().put(&[&event("1")]).await.unwrap_err();

        assert_eq!(verdict(&fault), verdict(&Fault::from_code(code, Some(status))), "{code}");
        assert!(!format!("{fault} {fault:?}").contains("alice"));
    }
    assert!(world.fake().events().is_empty());
}

async fn a_lost_answer_leaves_open_what_happened<W: World>(world: W) {
    world.fake().fail_calls(CallFault::answer_lost());

    let fault = world.bus().put(&[&event("1")]).await.unwrap_err();

    assert_eq!((fault.kind(), fault.may_have_happened()), (FaultKind::Transient, true));
    assert_eq!(fault.disposition(), Disposition::RetryHere { after: None });
    assert_eq!(taken(world.fake()), ["1"]);
}

async fn a_bus_that_nobody_serves_has_taken_nothing<W: World>(world: W) {
    let fault = world.nowhere().put(&[&event("1")]).await.unwrap_err();

    assert_eq!((fault.kind(), fault.may_have_happened()), (FaultKind::Transient, false));
    assert_eq!(fault.disposition(), Disposition::RetryHere { after: None });
}

#[test]
fn a_call_of_the_adapter_is_one_request_though_its_client_tries_again() {
    run(async |world: OverHttp| {
        world.fake().fail_calls(CallFault::refused(500, "InternalException", "").always());

        world.bus().put(&[&event("1")]).await.unwrap_err();
        assert_eq!(world.server.requests(), 1);

        world.put_raw(vec![PutEventsEntry::new("retail.orders", "n", "{}")]).await;
        assert_eq!(world.server.requests(), 1 + 3);
    });
}
