//! What a guarded call costs over a pair of conditional calls through the SDK that somebody wrote by
//! hand: ratios, in one run.
//!
//! Both sides talk to one engine in a child process, so what is counted here is the client's side
//! alone: the processor time of this one thread as Linux accounts for it, and allocations.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark is not production code")]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Config, Credentials, Region, retry::RetryConfig},
};
use setpiece_envelope::{Clock, IdSource, SystemClock, SystemIds};
use setpiece_idempotency::{
    Guard, Key, Lease, Outcome,
    dynamodb::{DynamoDbStore, Table},
    record::{Body, Owner, Stored},
    store::{Acquire, End, RecordKey, Reply, Settle, Store},
    verdict::{self, Refusal},
};
use setpiece_policy::{Deadline, Fault, Retry, SystemRandom, TokioSleep};
use tokio::runtime::Runtime;

use self::by_hand::{Receipt, by_hand, receipt};

#[path = "../tests/dynamodb/by_hand.rs"]
mod by_hand;

const SAMPLES: usize = 60;
const ROUNDS: usize = 50;

fn main() {
    if std::env::args().any(|argument| argument == "--engine") {
        engine();
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("--engine")
        .stdout(Stdio::piped())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    compare(&mut child);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The engine, until its stdin closes or it is killed.
fn engine() {
    runtime().block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("http://{}", listener.local_addr().unwrap());
        std::io::stdout().flush().unwrap();
        let engine = dynoxide::Database::memory().unwrap();
        dynoxide::server::serve_on(listener, engine).await;
    });
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn compare(child: &mut Child) {
    let mut address = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut address).unwrap();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-west-1"))
        .endpoint_url(address.trim())
        .credentials_provider(Credentials::new("x", "x", None, None, "bench"))
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let client = Client::from_conf(config);
    let runtime = runtime();
    let table = Table::new("records");
    let retry = Retry::new(SystemClock, SystemRandom, TokioSleep);
    let deadline = Deadline::after(&SystemClock, Duration::from_secs(30));
    runtime.block_on(table.create(&client, &retry, deadline)).unwrap();

    let store = Arc::new(DynamoDbStore::new(client.clone(), table));
    let guard = Guard::system(Arc::clone(&store), "shop", "charge").build().unwrap();
    let guarded = |order: &str, fresh: bool| {
        runtime.block_on(async {
            let key = Key::of(order).unwrap();
            let lease = Lease::until(Deadline::after(&SystemClock, Duration::from_secs(30)));
            let outcome =
                guard.run(&key, lease, |_| async { Ok::<_, Fault>(receipt(order)) }).await.unwrap();
            assert_eq!(matches!(outcome, Outcome::Fresh(_)), fresh);
            assert_eq!(outcome.value(), Some(receipt(order)));
        });
    };
    let ids = SystemIds::new();
    let by_hand = |order: &str, fresh: bool| {
        runtime.block_on(async {
            let (was_fresh, value) = by_hand(&client, &ids, order).await;
            assert_eq!(was_fresh, fresh);
            assert_eq!(value, receipt(order));
        });
    };

    // What is between the two: the requests of the store without the guard.
    let stored = |order: &str, fresh: bool| {
        runtime.block_on(async {
            let (was_fresh, value) = through_the_port(&store, &ids, order).await;
            assert_eq!(was_fresh, fresh);
            assert_eq!(value, receipt(order));
        });
    };

    let orders = |side: &str, sample: usize| -> Vec<String> {
        (0..ROUNDS).map(|round| format!("{side}-{sample}-{round}")).collect()
    };
    for fresh in [true, false] {
        let mut best = [f64::INFINITY; 3];
        for sample in 0..SAMPLES {
            let plain = busy(&orders("hand", sample), |order| by_hand(order, fresh));
            let store = busy(&orders("store", sample), |order| stored(order, fresh));
            let ours = busy(&orders("guard", sample), |order| guarded(order, fresh));
            best = [best[0].min(plain), best[1].min(store), best[2].min(ours)];
        }
        let allocations = |side: &str, run: &dyn Fn(&str)| {
            let order = if fresh { format!("{side}-counted") } else { format!("{side}-0-0") };
            allocation_counter::measure(|| run(&order)).count_total
        };
        let plain = allocations("hand", &|order| by_hand(order, fresh));
        let store = allocations("store", &|order| stored(order, fresh));
        let ours = allocations("guard", &|order| guarded(order, fresh));
        #[expect(clippy::cast_precision_loss, reason = "they are few")]
        let ratio = ours as f64 / plain as f64;
        println!(
            "{}: by hand {:.1} µs, store {:.1} µs, guard {:.1} µs, ratio {:.3}; \
             allocations by hand {plain}, store {store}, guard {ours}, ratio {ratio:.3}",
            if fresh { "first call" } else { "duplicate" },
            best[0],
            best[1],
            best[2],
            best[2] / best[0],
        );
    }
}

/// Microseconds of processor time that one run takes.
fn busy(orders: &[String], run: impl Fn(&str)) -> f64 {
    let before = processor_nanos();
    for order in orders {
        run(order);
    }
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of seconds fit")]
    let nanos = (processor_nanos() - before) as f64;
    nanos / 1000.0 / f64::from(u32::try_from(orders.len()).unwrap())
}

/// The time that this thread has run, by the scheduler's own count.
fn processor_nanos() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

async fn through_the_port(store: &DynamoDbStore, ids: &SystemIds, order: &str) -> (bool, Receipt) {
    let now = SystemClock.now();
    let owner = Owner::new(ids.next_id(now).as_str());
    let key = RecordKey::new(format!("shop#charge#{order}"));
    let lease_until = now.saturating_add(Duration::from_secs(31));
    let expires_at = now.saturating_add(Duration::from_hours(24)).truncate_to_seconds();
    let acquire = Acquire::new(key.clone(), owner.clone(), now, lease_until, expires_at);
    match store.acquire(&acquire).await.unwrap() {
        Reply::Applied(_) => {}
        Reply::Refused(found) => {
            let Refusal::Completed(record) = verdict::acquire(&acquire, found) else {
                unreachable!("it is completed");
            };
            let Some(Stored { body: Body::Inline(json), .. }) = record.result else {
                unreachable!("it is small");
            };
            return (false, serde_json::from_slice(&json).unwrap());
        }
        _ => unreachable!("there is nobody else"),
    }
    let result = receipt(order);
    let stored = Stored::json(serde_json::to_vec(&result).unwrap()).with_type_name("Receipt");
    let settle = Settle::new(key, owner, now, End::Completed, stored, expires_at);
    assert_eq!(store.settle(&settle).await.unwrap(), Reply::Applied(()));
    (true, result)
}
