use std::{
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use setpiece_bus::{
    ClaimCheck, ClaimCheckError, InMemoryPayloads, OutgoingEvent, PayloadStore, Publisher,
};
use setpiece_envelope::{MAX_EVENT_BYTES, RawEnvelope};
use setpiece_policy::{Disposition, Fault, FaultKind, GiveUp, RetryBudget};

use super::{
    World,
    bus::{Answer, ScriptedBus},
    cancelling::poll_at_most,
    event, world,
};

const LARGE: usize = 3 * MAX_EVENT_BYTES;

fn world_with_payloads() -> (World, InMemoryPayloads, ClaimCheck) {
    let payloads = InMemoryPayloads::new();
    let claim_check = ClaimCheck::new(payloads.clone());
    let mut world = world(ScriptedBus::willing());
    world.publisher = world.publisher.with_claim_check(claim_check.clone());
    (world, payloads, claim_check)
}

async fn resolve(world: &World, claim_check: &ClaimCheck, detail: &str) -> Result<String, Fault> {
    let mut payload = Vec::new();
    let received = RawEnvelope::parse(detail.as_bytes()).unwrap();
    let resolve = claim_check.resolve(received, &mut payload, &world.retry, world.generous());
    resolve.await.map(|event| event.data().to_owned())
}

#[tokio::test(start_paused = true)]
async fn large_data_goes_by_reference_and_comes_back_as_it_was() {
    let (world, payloads, claim_check) = world_with_payloads();
    let (small, large) = (event("e-small", 500), event("e-large", LARGE));

    let events = [small.clone(), large.clone()];
    world.publisher.send_all(events, world.generous()).await.unwrap();

    assert_eq!(payloads.len(), 1);
    assert_eq!(world.bus.detail("e-small"), small.detail());
    let referring = world.bus.detail("e-large");
    assert!(referring.len() < 1_000, "{}", referring.len());
    let received = RawEnvelope::parse(referring.as_bytes()).unwrap();
    assert_eq!(received.data(), "null");
    let extension = |name| received.metadata.extensions.get(name).unwrap().get().to_owned();
    let reference = extension("dataref");
    assert!(reference.starts_with(r#""memory:e-large/"#), "{reference}");
    let sent = RawEnvelope::parse_within(large.detail().as_bytes(), LARGE).unwrap();
    assert_eq!(extension("datalength"), sent.data().len().to_string());
    assert_eq!(extension("datasha256").len(), 64 + 2);

    assert_eq!(resolve(&world, &claim_check, &referring).await.unwrap(), sent.data());
    assert_eq!(
        resolve(&world, &claim_check, small.detail()).await.unwrap(),
        RawEnvelope::parse(small.detail().as_bytes()).unwrap().data()
    );
    // What was resolved refers to nothing any more.
    let mut payload = Vec::new();
    let resolved = claim_check.resolve(received, &mut payload, &world.retry, world.generous());
    let resolved = resolved.await.unwrap();
    assert_eq!(resolved.metadata, sent.metadata);
}

#[tokio::test(start_paused = true)]
async fn the_threshold_is_exact() {
    for (threshold, stored) in [(511, 0), (510, 1)] {
        let (mut world, payloads, claim_check) = world_with_payloads();
        world.publisher = world.publisher.with_claim_check(claim_check.with_threshold(threshold));
        let event = event("e-1", 500);
        assert_eq!("a.b.c".len() + "stored".len() + event.detail().len(), 511);
        world.publisher.send_all([event], world.generous()).await.unwrap();
        assert_eq!(payloads.len(), stored);
    }
}

/// All that anybody can see of an event on the bus.
#[tokio::test(start_paused = true)]
async fn another_event_does_not_get_the_payload_by_copying_the_reference() {
    let (world, _, claim_check) = world_with_payloads();
    world.publisher.send_all([event("e-1", LARGE)], world.generous()).await.unwrap();
    let referring = world.bus.detail("e-1");
    resolve(&world, &claim_check, &referring).await.unwrap();
    let seen: serde_json::Value = serde_json::from_str(&referring).unwrap();
    for (member, value) in [
        ("event_id", "e-2"),
        ("name", "another"),
        ("domain", "x"),
        ("subdomain", "x"),
        ("service", "x"),
        ("tenant", "attacker"),
    ] {
        let mut forged = seen.clone();
        forged["metadata"][member] = value.into();
        let fault = resolve(&world, &claim_check, &forged.to_string()).await.unwrap_err();
        let source = std::error::Error::source(&fault).unwrap();
        let found = source.downcast_ref::<ClaimCheckError>();
        assert_eq!(found, Some(&ClaimCheckError::Altered), "{member}");
    }
    // What a hop may add changes nothing.
    let mut passed_on = seen.clone();
    passed_on["metadata"]["hop"] = 1.into();
    resolve(&world, &claim_check, &passed_on.to_string()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_altered_or_too_large_is_a_broken_contract() {
    let (world, payloads, claim_check) = world_with_payloads();
    world.publisher.send_all([event("e-1", LARGE)], world.generous()).await.unwrap();
    let referring = world.bus.detail("e-1");
    let check = async |detail: &str, expected: ClaimCheckError| {
        let fault = resolve(&world, &claim_check, detail).await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Contract);
        assert_eq!(fault.disposition(), Disposition::Quarantine);
        let source = std::error::Error::source(&fault).unwrap();
        assert_eq!(source.downcast_ref::<ClaimCheckError>(), Some(&expected));
    };
    let change = |from: &str, to: &str| {
        assert!(referring.contains(from));
        referring.replace(from, to)
    };
    let malformed = |member| ClaimCheckError::Malformed { member };
    check(&change(r#""datalength""#, r#""length""#), malformed("datalength")).await;
    check(&change(r#""datalength":"#, r#""datalength":-"#), malformed("datalength")).await;
    check(&change(r#""datasha256":""#, r#""datasha256":"0"#), malformed("datasha256")).await;
    check(&change(r#""dataref":"#, r#""dataref":7,"r":"#), malformed("dataref")).await;
    check(&change("memory:", "s3:"), ClaimCheckError::Missing).await;
    let limit = ClaimCheck::DEFAULT_MAX_PAYLOAD_BYTES;
    let too_large = ClaimCheckError::TooLarge { size: 9 * limit, limit };
    check(&change(r#""datalength":3"#, &format!(r#""datalength":{},"n":3"#, 9 * limit)), too_large)
        .await;

    payloads.retain(|_, payload| {
        payload[100] ^= 1;
        true
    });
    check(&referring, ClaimCheckError::Altered).await;
    payloads.retain(|_, payload| {
        payload.pop();
        true
    });
    check(&referring, ClaimCheckError::Altered).await;
    payloads.retain(|_, payload| {
        payload.extend([0; 100]);
        true
    });
    check(&referring, ClaimCheckError::Altered).await;
    payloads.retain(|_, _| false);
    check(&referring, ClaimCheckError::Missing).await;
}

#[tokio::test(start_paused = true)]
async fn data_that_stands_beside_a_reference_is_taken() {
    let (world, _, claim_check) = world_with_payloads();
    let detail = r#"{"metadata":{"event_id":"e","name":"n","version":"1","dataref":"x:y"},
                     "data":{"a":1}}"#;
    assert_eq!(resolve(&world, &claim_check, detail).await.unwrap(), r#"{"a":1}"#);
}

/// Fails a number of times.
struct Failing(InMemoryPayloads, Arc<AtomicUsize>);

impl Failing {
    fn next(&self) -> Result<(), Fault> {
        let left = self.1.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        left.map_or(Ok(()), |_| Err(Fault::transient("the answer was lost")))
    }
}

impl PayloadStore for Failing {
    async fn put(&self, key: &str, payload: &[u8]) -> Result<String, Fault> {
        self.next()?;
        self.0.put(key, payload).await
    }

    async fn get(&self, reference: &str, max_bytes: usize) -> Result<Option<Vec<u8>>, Fault> {
        self.next()?;
        self.0.get(reference, max_bytes).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_tried_again_and_then_the_event_comes_back_whole() {
    for (failures, is_sent) in [(2, true), (99, false)] {
        let (mut world, payloads, _) = world_with_payloads();
        let left = Arc::new(AtomicUsize::new(failures));
        let store = Failing(payloads.clone(), Arc::clone(&left));
        world.publisher = world.publisher.with_claim_check(ClaimCheck::new(store));
        let events = [event("e-large", LARGE), event("e-small", 500)];

        let deadline = world.deadline(20);
        let result = world.publisher.send_all(events, deadline).await;

        assert_eq!(world.bus.taken().contains_key("e-large"), is_sent);
        assert!(world.bus.taken().contains_key("e-small"));
        if let Err(error) = result {
            let [unaccepted] = <[_; 1]>::try_from(error.into_unaccepted()).unwrap();
            assert_eq!(unaccepted.fault().kind(), FaultKind::Deadline);
            // Of the payload nobody knows; the event was not sent.
            assert!(!unaccepted.fault().may_have_happened());
            assert_eq!(unaccepted.into_outgoing().unwrap(), event("e-large", LARGE));
        } else {
            assert!(is_sent);
        }
        assert!(world.clock.elapsed() <= Duration::from_secs(20));
    }
}

/// Never answers about some keys, and never brings anything.
#[derive(Clone)]
struct Hung(InMemoryPayloads, &'static str);

impl PayloadStore for Hung {
    async fn put(&self, key: &str, payload: &[u8]) -> Result<String, Fault> {
        if key.starts_with(self.1) {
            return std::future::pending().await;
        }
        tokio::task::yield_now().await;
        self.0.put(key, payload).await
    }

    async fn get(&self, _: &str, _: usize) -> Result<Option<Vec<u8>>, Fault> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_keeps_only_the_event_that_needs_it() {
    let bus = ScriptedBus::per_entry(|id, times| {
        (id == "e-small" && times == 1).then(|| Fault::from_put_events_code("ThrottlingException"))
    });
    let mut world = world(bus);
    let store = Hung(InMemoryPayloads::new(), "e-hung/");
    world.publisher = world.publisher.with_claim_check(ClaimCheck::new(store));
    let events = [
        event("e-hung", LARGE),
        event("e-small", 500),
        event("e-large", LARGE),
        event("e-larger", LARGE + 1),
    ];

    let error = world.publisher.send_all(events, world.deadline(60)).await.unwrap_err();

    let [unaccepted] = <[_; 1]>::try_from(error.into_unaccepted()).unwrap();
    assert_eq!(unaccepted.event_id().as_str(), "e-hung");
    assert!(!unaccepted.fault().may_have_happened());
    assert_eq!(unaccepted.into_outgoing().unwrap(), event("e-hung", LARGE));
    assert_eq!(world.bus.taken().len(), 3);
    assert!(world.clock.elapsed() <= Duration::from_mins(1));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_is_left_at_the_deadline_when_it_is_read() {
    let world = world(ScriptedBus::willing());
    let detail = detail_with("x:y", &"0".repeat(64));
    let mut payload = Vec::new();
    let claim_check = ClaimCheck::new(Hung(InMemoryPayloads::new(), ""));
    let received = RawEnvelope::parse(detail.as_bytes()).unwrap();
    let resolve = claim_check.resolve(received, &mut payload, &world.retry, world.deadline(3));
    assert_eq!(resolve.await.unwrap_err().kind(), FaultKind::Deadline);
    assert_eq!(world.clock.elapsed().as_secs(), 3);
}

fn detail_with(reference: &str, sha_256: &str) -> String {
    format!(
        r#"{{"metadata":{{"event_id":"e","name":"n","version":"1","dataref":"{reference}",
            "datalength":3,"datasha256":"{sha_256}"}},"data":null}}"#
    )
}

#[tokio::test(start_paused = true)]
async fn an_event_that_came_back_by_reference_is_sent_again_as_it_is() {
    let (mut world, payloads, claim_check) = world_with_payloads();
    let mut is_first = true;
    world.bus = ScriptedBus::new(move |call| {
        let denied = std::mem::take(&mut is_first)
            .then(|| Fault::from_put_events_code("AccessDeniedException"));
        Answer::Entries(call.ids.iter().map(|_| denied.clone()).collect())
    });
    let claim_check = claim_check.with_threshold(100);
    world.publisher = Publisher::new(world.bus.clone(), world.retry.clone())
        .with_claim_check(claim_check.clone());
    let original = event("e-1", 5_000);

    let error = world.publisher.send_all([original.clone()], world.generous()).await.unwrap_err();
    let [unaccepted] = <[_; 1]>::try_from(error.into_unaccepted()).unwrap();
    let returned = unaccepted.into_outgoing().unwrap();
    // Also after it was stored and read.
    let stored = serde_json::to_string(&returned).unwrap();
    let returned: OutgoingEvent = serde_json::from_str(&stored).unwrap();
    world.publisher.send_all([returned], world.generous()).await.unwrap();

    assert_eq!(payloads.len(), 1);
    let sent = world.bus.detail("e-1");
    let data = RawEnvelope::parse(original.detail().as_bytes()).unwrap().data().to_owned();
    assert_eq!(resolve(&world, &claim_check, &sent).await.unwrap(), data);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_too_large_without_its_data_is_refused() {
    let (world, _, _) = world_with_payloads();
    let resources = (0..600).map(|index| format!("{index:02000}"));
    let large = event("e-1", 500).with_resources(resources).unwrap();

    let error = world.publisher.send_all([large.clone()], world.generous()).await.unwrap_err();

    assert!(world.bus.calls().is_empty());
    let [unaccepted] = <[_; 1]>::try_from(error.into_unaccepted()).unwrap();
    assert_eq!(unaccepted.fault().kind(), FaultKind::Permanent);
    assert_eq!(unaccepted.into_outgoing().unwrap(), large);
}

/// Gives out one reference, and remembers what it is asked for.
#[derive(Clone)]
struct Fixed(&'static str, Arc<Mutex<Vec<String>>>);

impl PayloadStore for Fixed {
    async fn put(&self, key: &str, _: &[u8]) -> Result<String, Fault> {
        self.1.lock().unwrap().push(key.to_owned());
        Ok(self.0.to_owned())
    }

    async fn get(&self, reference: &str, _: usize) -> Result<Option<Vec<u8>>, Fault> {
        self.1.lock().unwrap().push(reference.to_owned());
        Ok(None)
    }
}

#[tokio::test(start_paused = true)]
async fn a_reference_that_no_reader_takes_is_not_published() {
    for reference in ["", "a b", "x:\n", "x:é", &*"x".repeat(1025)] {
        let (mut world, _, _) = world_with_payloads();
        let store = Fixed(reference.to_owned().leak(), Arc::default());
        world.publisher = world.publisher.with_claim_check(ClaimCheck::new(store));
        let result = world.publisher.send_all([event("e-1", LARGE)], world.generous()).await;
        let [unaccepted] = <[_; 1]>::try_from(result.unwrap_err().into_unaccepted()).unwrap();
        // It is not the event that is to blame.
        assert_eq!(unaccepted.fault().disposition(), Disposition::FailItem);
        assert!(world.bus.calls().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn keys_and_references_hold_nothing_that_a_store_could_mistake() {
    for (id, expected) in [
        ("01JD4QZ0000000000000000000", Some("01JD4QZ0000000000000000000/")),
        ("a-b_c", Some("a-b_c/")),
        ("../../x", None),
        ("é/..%2f", None),
        ("a b", None),
    ] {
        let (mut world, _, _) = world_with_payloads();
        let store = Fixed("x:y", Arc::default());
        world.publisher = world.publisher.with_claim_check(ClaimCheck::new(store.clone()));
        world.publisher.send_all([event(id, LARGE)], world.generous()).await.unwrap();
        let keys = store.1.lock().unwrap().clone();
        let [key] = &keys[..] else { panic!("{keys:?}") };
        assert!(expected.is_none_or(|start| key.starts_with(start)), "{key}");
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/".contains(&byte);
        assert!(key.bytes().all(is_plain) && key.matches('/').count() == 1, "{key}");
        assert!(key.len() <= 193, "{key}");
    }
    for (reference, sha_256) in [
        (r"s3://b/k\u0000\r\nX:y", "0".repeat(64)),
        ("a b", "0".repeat(64)),
        ("x:y", "A".repeat(64)),
    ] {
        let (world, _, _) = world_with_payloads();
        let store = Fixed("x:y", Arc::default());
        let detail = detail_with(reference, &sha_256);
        let fault = resolve(&world, &ClaimCheck::new(store.clone()), &detail).await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Contract);
        assert!(store.1.lock().unwrap().is_empty(), "the store is not asked");
    }
}

#[tokio::test(start_paused = true)]
async fn retries_of_a_store_are_paid_for() {
    let (mut world, payloads, _) = world_with_payloads();
    let left = Arc::new(AtomicUsize::new(99));
    let store = Failing(payloads, Arc::clone(&left));
    let retry = world.retry.clone().with_budget(RetryBudget::new(0));
    world.publisher =
        Publisher::new(world.bus.clone(), retry).with_claim_check(ClaimCheck::new(store));
    let error = world.publisher.send_all([event("e-1", LARGE)], world.generous()).await;
    let [unaccepted] = <[_; 1]>::try_from(error.unwrap_err().into_unaccepted()).unwrap();
    assert_eq!(unaccepted.fault().gave_up(), Some(GiveUp::BudgetSpent));
    assert_eq!(left.load(Ordering::Relaxed), 98);
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_point_an_event_is_whole_or_refers_to_what_is_there() {
    for polls in 0..40 {
        let (mut world, payloads, _) = world_with_payloads();
        let claim_check = ClaimCheck::new(Hung(payloads.clone(), "none/")).with_threshold(600);
        world.bus = ScriptedBus::willing().with_yields(2);
        world.publisher =
            Publisher::new(world.bus.clone(), world.retry.clone()).with_claim_check(claim_check);
        let size = |index: usize| if index.is_multiple_of(3) { 3_000 } else { 200 };
        let events: Vec<_> =
            (0..12).map(|index| event(&format!("e-{index}"), size(index))).collect();
        let mut publication = world.publisher.send_all(events.clone(), world.generous());
        poll_at_most(pin!(publication.run()), polls).await;

        assert_eq!(publication.await.unwrap().len(), 12);

        let reader = ClaimCheck::new(payloads);
        for event in &events {
            let sent = world.bus.detail(event.event_id().as_str());
            let data = RawEnvelope::parse(event.detail().as_bytes()).unwrap().data().to_owned();
            assert_eq!(resolve(&world, &reader, &sent).await.unwrap(), data);
        }
    }
}
