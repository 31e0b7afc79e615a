//! What is refused entry by entry.

use setpiece_bus::Bus as _;
use setpiece_policy::Fault;
use setpiece_testing::EntryFault;

use crate::{
    events::{events, taken, verdict},
    worlds::World,
};

on_each_bus! {
    each_code_is_judged_alike,
    entries_that_fail_leave_the_others_alone,
    no_message_is_shown,
}

/// All that AWS documents for entries, and one that it does not.
const CODES: [&str; 10] = [
    "InternalFailure",
    "ThrottlingException",
    "AccessDeniedException",
    "InvalidAccountIdException",
    "InvalidArgument",
    "MalformedDetail",
    "RedactionFailure",
    "NotAuthorizedForSourceException",
    "NotAuthorizedForDetailTypeException",
    "TeapotException",
];

async fn each_code_is_judged_alike<W: World>(world: W) {
    for (index, code) in CODES.into_iter().enumerate() {
        world.fake().fail_entries(EntryFault::code(code).in_next_call(index));
    }

    let results = world.bus().put(&events(10).iter().collect::<Vec<_>>()).await.unwrap();

    for (result, code) in results.into_iter().zip(CODES) {
        let fault = result.unwrap_err();
        assert_eq!(verdict(&fault), verdict(&Fault::from_put_events_code(code)));
        assert_eq!(fault.context(), Fault::from_put_events_code(code).context());
    }
    assert!(world.fake().events().is_empty());
}

async fn entries_that_fail_leave_the_others_alone<W: World>(world: W) {
    let failing = [(1, "ThrottlingException"), (3, "MalformedDetail"), (6, "InternalFailure")];
    for (index, code) in failing {
        world.fake().fail_entries(EntryFault::code(code).in_next_call(index));
    }

    let results = world.bus().put(&events(7).iter().collect::<Vec<_>>()).await.unwrap();

    let failed = results.iter().enumerate().filter_map(|(index, result)| {
        let fault = result.as_ref().err()?;
        Some((index, fault.code().unwrap()))
    });
    assert_eq!(failed.collect::<Vec<_>>(), failing);
    assert_eq!(taken(world.fake()), ["event-0", "event-2", "event-4", "event-5"]);
}

async fn no_message_is_shown<W: World>(world: W) {
    let fault = EntryFault::code("InvalidArgument").message("alice@example.com is not valid");
    world.fake().fail_entries(fault);

    let results = world.bus().put(&events(1).iter().collect::<Vec<_>>()).await.unwrap();

    let fault = results[0].as_ref().unwrap_err();
    assert!(!format!("{fault} {fault:?}").contains("alice"));
    // Whoever asks for it gets it.
    let source = std::error::Error::source(fault).unwrap();
    assert_eq!(source.to_string(), "alice@example.com is not valid");
}
