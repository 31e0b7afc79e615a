//! Requests and capacity units of each path, as the engine counts them.

use setpiece_idempotency::{
    record::{Body, Encoding, Stored},
    store::{CommitReply, Reply, Store},
    verdict::{self, Refusal},
};

use crate::desk::{Desk, KEY, RETENTION, key};

/// What has passed since the last time: operations, write units and read units.
type Bill = (Vec<String>, f64, f64);

impl Desk {
    fn bill(&self) -> Bill {
        let exchanges = self.cloud.wire.take();
        let writes = exchanges.iter().map(crate::wire::Exchange::write_units).sum();
        let reads = exchanges.iter().map(crate::wire::Exchange::read_units).sum();
        (exchanges.into_iter().map(|exchange| exchange.operation).collect(), writes, reads)
    }

    /// A duplicate of a finished call, and what it costs.
    async fn duplicate(&self) -> Bill {
        let acquire = self.acquire("duplicate");
        let Reply::Refused(found) = self.store.acquire(&acquire).await.unwrap() else {
            panic!("claimed");
        };
        let Refusal::Completed(record) = verdict::acquire(&acquire, found) else {
            panic!("not completed");
        };
        if let Some(Stored { body: Body::Spilled(spill), .. }) = record.result {
            self.store.get_spill(&key(), &spill).await.unwrap().unwrap();
        }
        self.bill()
    }
}

fn bill(operations: &[&str], writes: f64, reads: f64) -> Bill {
    (operations.iter().map(|&operation| operation.to_owned()).collect(), writes, reads)
}

#[tokio::test]
async fn a_first_call_is_two_writes_and_a_duplicate_is_one() {
    let desk = Desk::open().await;
    for (owner, len) in [("me", 1), ("us", 100), ("we", 512)] {
        desk.claim(owner).await;
        assert_eq!(desk.bill(), bill(&["UpdateItem"], 1.0, 0.0));
        let mut settle = desk.settle(owner, &"7".repeat(len));
        settle.result.type_name = Some("alloc::vec::Vec<shop::charging::Receipt>".into());
        desk.store.settle(&settle).await.unwrap();
        assert_eq!(desk.bill(), bill(&["UpdateItem"], 1.0, 0.0), "{len} bytes");
        assert_eq!(desk.duplicate().await, bill(&["UpdateItem"], 1.0, 0.0), "{len} bytes");
        desk.cloud.clock.advance(2 * RETENTION);
    }
}

#[expect(clippy::float_cmp, reason = "units are whole or half")]
#[tokio::test]
async fn a_duplicate_of_a_large_result_is_one_write_and_cheap_reads() {
    let desk = Desk::open().await;
    for (owner, len, parts, write_units, read_units) in [
        ("me", 10_000, 1, 10.0, 1.5),
        ("us", 399 * 1024, 2, 400.0, 50.5),
        ("we", 5_000_000, 13, 4888.0, 612.5),
    ] {
        desk.claim(owner).await;
        desk.bill();
        let spill = desk.spill(owner, vec![b'7'; len]);
        desk.store.put_spill(&spill).await.unwrap();
        let (operations, writes, _) = desk.bill();
        assert_eq!(operations, vec!["UpdateItem"; parts]);
        assert_eq!(writes, write_units);
        let mut settle = desk.settle(owner, "");
        settle.result = Stored::new(Body::Spilled(spill.spill), Encoding::Json);
        desk.store.settle(&settle).await.unwrap();
        assert_eq!(desk.bill(), bill(&["UpdateItem"], 1.0, 0.0));

        let operations = [vec!["UpdateItem"], vec!["GetItem"; parts]].concat();
        assert_eq!(desk.duplicate().await, bill(&operations, 1.0, read_units), "{len} bytes");
        desk.cloud.clock.advance(2 * RETENTION);
    }
}

#[tokio::test]
async fn a_commit_is_one_write_and_one_transaction() {
    let desk = Desk::open().await;
    desk.claim("me").await;
    let reply = desk.store.commit(&desk.settle("me", "1"), &desk.business()).await.unwrap();
    assert_eq!(reply, CommitReply::Applied);
    // 1 to claim, 2 for the record and 2 for the caller's write.
    assert_eq!(desk.bill(), bill(&["UpdateItem", "TransactWriteItems"], 5.0, 0.0));
}

#[tokio::test]
async fn a_commit_in_one_step_is_one_transaction() {
    let desk = Desk::open().await;
    let reply = desk.store.commit_once(&desk.once("me", "1"), &desk.business()).await.unwrap();
    assert_eq!(reply, CommitReply::Applied);
    assert_eq!(desk.bill(), bill(&["TransactWriteItems"], 4.0, 0.0));
}

#[tokio::test]
async fn deduplication_is_one_write() {
    let desk = Desk::open().await;
    let mut once = desk.once("me", "");
    once.result = Stored::new(Body::Omitted, Encoding::Json);
    for owner in ["me", "you", "her"] {
        once.owner = setpiece_idempotency::record::Owner::new(owner);
        let applied = desk.store.commit_once(&once, &[]).await.unwrap() == CommitReply::Applied;
        assert_eq!(applied, owner == "me");
        assert_eq!(desk.bill(), bill(&["UpdateItem"], 1.0, 0.0));
    }
}

#[tokio::test]
async fn what_else_a_claim_does_is_one_write_each() {
    let desk = Desk::open().await;
    desk.claim("me").await;
    desk.store.extend(&desk.extend("me")).await.unwrap();
    desk.store.release(&desk.release("me")).await.unwrap();
    assert_eq!(desk.bill(), bill(&["UpdateItem"; 3], 3.0, 0.0));
    // In progress, to somebody else.
    desk.claim("you").await;
    desk.bill();
    let reply = desk.store.acquire(&desk.acquire("her")).await.unwrap();
    assert!(matches!(reply, Reply::Refused(Some(_))));
    assert_eq!(desk.bill(), bill(&["UpdateItem"], 1.0, 0.0));
}

#[tokio::test]
async fn of_a_thousand_claims_at_once_one_is_granted() {
    let desk = std::sync::Arc::new(Desk::open().await);
    let claims: Vec<_> = (0..1000)
        .map(|caller| {
            let desk = std::sync::Arc::clone(&desk);
            tokio::spawn(async move {
                let acquire = desk.acquire(&format!("caller-{caller}"));
                let reply = desk.store.acquire(&acquire).await.unwrap();
                match reply {
                    Reply::Applied(acquired) => {
                        assert_eq!(acquired.attempt, 1);
                        true
                    }
                    Reply::Refused(found) => {
                        let refusal = verdict::acquire(&acquire, found);
                        assert!(matches!(refusal, Refusal::Busy(_)), "{refusal:?}");
                        false
                    }
                    other => panic!("{other:?}"),
                }
            })
        })
        .collect();
    let mut granted = 0;
    for claim in claims {
        granted += u32::from(claim.await.unwrap());
    }
    assert_eq!(granted, 1);
    assert_eq!(desk.bill(), bill(&["UpdateItem"; 1000], 1000.0, 0.0));
}

#[tokio::test]
async fn each_transaction_has_a_token_of_its_claim() {
    let desk = Desk::open().await;
    for (owner, token) in
        [("01JD4QZ0000000000000000000", "01JD4QZ0000000000000000000"), (&*"x".repeat(37), "")]
    {
        desk.store.commit_once(&desk.once(owner, "1"), &desk.business()).await.unwrap();
        let [exchange] = &*desk.cloud.wire.take() else { panic!() };
        let sent = exchange.request["ClientRequestToken"].as_str().unwrap();
        assert!(sent.len() <= 36);
        if owner.len() <= 36 {
            assert_eq!(sent, token);
        } else {
            assert!(sent.bytes().all(|byte| byte.is_ascii_hexdigit()));
        }
        assert_eq!(exchange.request["TransactItems"][0]["Update"]["Key"]["id"]["S"], KEY);
        desk.cloud.clock.advance(2 * RETENTION);
    }
}
