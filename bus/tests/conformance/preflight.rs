//! What can be known before the first event.

use std::time::Duration;

use setpiece_bus::{Bus as _, Preflight, Proof};
use setpiece_policy::{Disposition, FaultKind};
use setpiece_testing::{CallFault, FakeBus};

use crate::{
    events::verdict,
    worlds::{ORDERS, OverHttp, World, runtime},
};

on_each_bus! {
    a_bus_that_is_there_is_proven_and_gets_no_event,
    a_bus_that_does_not_exist_is_found_out,
    who_may_not_look_still_learns_whether_it_may_write,
    who_may_not_write_is_told,
    trouble_proves_nothing,
}

async fn a_bus_that_is_there_is_proven_and_gets_no_event<W: World>(world: W) {
    let arn = world.fake().arn();
    for name in ["orders", &arn] {
        assert_eq!(world.bus_at(name).preflight().await.unwrap(), Preflight::PROVEN);
    }
    assert!(world.fake().events().is_empty());
    assert!(world.fake().dropped().is_empty());
}

async fn a_bus_that_does_not_exist_is_found_out<W: World>(world: W) {
    let fault = world.bus_at("oders").preflight().await.unwrap_err();

    let code = Some("ResourceNotFoundException".to_owned());
    assert_eq!(verdict(&fault), (FaultKind::Permanent, Disposition::FailItem, code, false));
    assert!(world.fake().dropped().is_empty());
}

async fn who_may_not_look_still_learns_whether_it_may_write<W: World>(world: W) {
    world.fake().deny_describe();
    for name in ["orders", "oders"] {
        let seen = world.bus_at(name).preflight().await.unwrap();
        assert_eq!(seen, Preflight::new(Proof::Unseen, Proof::Proven));
    }
    assert!(world.fake().dropped().is_empty());
}

async fn who_may_not_write_is_told<W: World>(world: W) {
    world.fake().deny_put_events();
    let refused = |fault| {
        let code = Some("AccessDeniedException".to_owned());
        assert_eq!(verdict(&fault), (FaultKind::Permanent, Disposition::FailItem, code, false));
    };
    refused(world.bus().preflight().await.unwrap_err());
    world.fake().deny_describe();
    refused(world.bus().preflight().await.unwrap_err());
}

async fn trouble_proves_nothing<W: World>(world: W) {
    world.fake().fail_calls(CallFault::refused(400, "ThrottlingException", "Rate exceeded"));
    world.fake().fail_calls(CallFault::answer_lost());
    let fault = world.bus().preflight().await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Throttled);
    let fault = world.bus().preflight().await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Transient);
    // It may be asked again until it is answered.
    assert_eq!(world.bus().preflight().await.unwrap(), Preflight::PROVEN);
}

#[test]
fn an_answer_that_takes_longer_than_there_is_time_is_not_waited_for() {
    runtime().block_on(async {
        let latency = Duration::from_mins(1);
        let world = OverHttp::with_latency(FakeBus::named(ORDERS), latency).await;
        let deadline = world.deadline(Duration::from_millis(50));
        let fault = world.publisher().preflight(deadline).await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Deadline);
    });
}
