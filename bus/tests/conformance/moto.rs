//! The adapter before moto, which others wrote, as far as it does what AWS does.
//!
//! It does not know how large a request may be nor which sources belong to AWS, takes details that
//! are no objects, and refuses events for a bus that does not exist, which AWS drops.

use setpiece_bus::{Bus as _, EventBridge, Preflight};
use setpiece_policy::Fault;
use setpiece_testing::{PutEventsAnswer, PutEventsEntry};

use crate::{
    events::{events, verdict},
    wire,
    worlds::{RawBus, client, put_raw, runtime},
};

struct Moto(aws_sdk_eventbridge::Client);

impl Moto {
    fn run(test: impl AsyncFnOnce(Self)) {
        #[expect(clippy::disallowed_methods, reason = "only who starts moto knows where it is")]
        let endpoint = std::env::var("SETPIECE_MOTO_ENDPOINT");
        runtime().block_on(test(Self(client(&endpoint.unwrap()))));
    }

    fn bus(&self, name: &str) -> EventBridge {
        EventBridge::new(self.0.clone(), name)
    }
}

impl RawBus for Moto {
    async fn put_raw(&self, entries: Vec<PutEventsEntry>) -> PutEventsAnswer {
        put_raw(&self.0, entries).await
    }
}

#[test]
fn a_missing_part_fails_its_entry() {
    Moto::run(wire::a_missing_part_fails_its_entry);
}

#[test]
fn a_detail_that_is_not_json_fails_its_entry() {
    Moto::run(wire::a_detail_that_is_not_json_fails_its_entry);
}

#[test]
fn eleven_entries_are_refused() {
    Moto::run(wire::eleven_entries_are_refused);
}

#[test]
fn ten_events_are_accepted_and_eleven_are_not() {
    Moto::run(async |moto| {
        let all = events(11);
        let all: Vec<_> = all.iter().collect();
        let results = moto.bus("default").put(&all[..10]).await.unwrap();
        assert!(results.len() == 10 && results.iter().all(Result::is_ok));
        let fault = moto.bus("default").put(&all).await.unwrap_err();
        assert_eq!(verdict(&fault), verdict(&Fault::from_code("ValidationException", Some(400))));
    });
}

#[test]
fn a_preflight_tells_a_bus_from_none() {
    Moto::run(async |moto| {
        assert_eq!(moto.bus("default").preflight().await.unwrap(), Preflight::PROVEN);
        let fault = moto.bus("oders").preflight().await.unwrap_err();
        assert_eq!(fault.code(), Some("ResourceNotFoundException"));
    });
}
