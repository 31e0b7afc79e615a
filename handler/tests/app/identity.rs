//! Which deliveries are the same event, and which are somebody else's.

use serde_json::Value;
use setpiece_testing::{ACCOUNT, Sample, event_array};

use crate::shop::{ProductRegistered, Shop, queue, registered};

/// The event as the bus delivers it for a publisher in another account.
fn from_account(event: &Sample<ProductRegistered>, account: &str) -> Vec<u8> {
    let mut event: Value = serde_json::from_slice(&event.event_bridge()).unwrap();
    event["account"] = account.into();
    event.to_string().into_bytes()
}

/// Who was awarded points after these invocations of one function.
async fn handled(invocations: impl IntoIterator<Item = Vec<u8>>) -> Vec<String> {
    let shop = Shop::new();
    let app = shop.app();
    for invocation in invocations {
        app.invoke(&invocation, shop.deadline()).await.unwrap();
    }
    assert!(shop.quarantine.items().is_empty());
    shop.awarded()
}

#[tokio::test(start_paused = true)]
async fn another_account_suppresses_nothing() {
    let (theirs, ours) = (registered("theirs").event_id("e-1"), registered("ours").event_id("e-1"));
    let invocations = [from_account(&theirs, "222222222222"), ours.event_bridge()];
    assert_eq!(handled(invocations).await, ["theirs", "ours"]);
    // Nor does what came without an account, such as from somebody who invokes the function.
    assert_eq!(handled([theirs.detail(), ours.event_bridge()]).await, ["theirs", "ours"]);
    // In a queue as well as without one.
    let [theirs, ours] = [from_account(&theirs, "222222222222"), ours.event_bridge()]
        .map(|body| queue(false, &[("m", None, &body)]));
    assert_eq!(handled([theirs, ours]).await, ["theirs", "ours"]);
}

#[tokio::test(start_paused = true)]
async fn another_tenant_suppresses_nothing() {
    let event = |customer: &str| registered(customer).event_id("e-1");
    let invocations = [
        event("a").tenant("tenant-a").event_bridge(),
        event("b").tenant("tenant-b").event_bridge(),
        event("none").event_bridge(),
        event("a again").tenant("tenant-a").event_bridge(),
    ];
    assert_eq!(handled(invocations).await, ["a", "b", "none"]);
    // No tenant and no account looks like another one's.
    let invocations = [
        event("tenant").tenant(ACCOUNT).detail(),
        event("account").event_bridge(),
        event("both").tenant(ACCOUNT).event_bridge(),
    ];
    assert_eq!(handled(invocations).await, ["tenant", "account", "both"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_is_the_same_on_every_way_and_when_it_is_replayed() {
    let event = registered("c1").tenant("tenant-a");
    let body = event.event_bridge();
    let replayed = registered("c1").tenant("tenant-a").replayed_by("replay-1");
    let ways = [
        body.clone(),
        event.sqs(),
        event.sns(),
        event.sns_in_sqs(),
        event.kinesis(),
        event_array([&body]),
        queue(true, &[("m", Some("g"), &body)]),
        replayed.event_bridge(),
        replayed.sqs(),
    ];
    for first in 0..ways.len() {
        let mut ways = ways.to_vec();
        ways.rotate_left(first);
        assert_eq!(handled(ways).await, ["c1"], "first by way {first}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_without_an_account_is_handled_once_as_well() {
    let event = registered("c1");
    let in_queue = queue(false, &[("m", None, &event.detail())]);
    assert_eq!(handled([event.detail(), in_queue, event.detail()]).await, ["c1"]);
}
