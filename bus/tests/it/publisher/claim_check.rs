use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use setpiece_bus::{ClaimCheck, ClaimCheckError, InMemoryPayloads, PayloadStore};
use setpiece_envelope::{MAX_EVENT_BYTES, RawEnvelope};
use setpiece_policy::{Disposition, Fault, FaultKind};

use super::{World, bus::ScriptedBus, event, world};

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
