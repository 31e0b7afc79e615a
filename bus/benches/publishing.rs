//! What publishing costs over writing the loop by hand, and how many requests it has in flight.
//!
//! The bus is a fake one in another process, so that its work is not counted, and answers each
//! request after 20 ms, as one in the cloud does. Both sides use one client of the AWS SDK, have 10
//! events in a request and the same number of requests in flight, and take turns, so that whatever
//! else the machine does falls on both. Processor time is that of the thread, in which all of it
//! runs.

#![expect(
    clippy::cast_precision_loss,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark is not production code"
)]

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use aws_sdk_eventbridge::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region},
    operation::put_events::builders::PutEventsFluentBuilder,
    primitives::DateTime,
    types::PutEventsRequestEntry,
};
use futures_util::stream::{self, StreamExt as _};
use serde::Serialize;
use setpiece_bus::{Bus, EntryResult, EventBridge, Limits, OutgoingEvent, Preflight, Publisher};
use setpiece_envelope::{
    Clock as _, Correlation, DomainEvent, EventVersion, First, IdSource as _, ServiceId,
    SystemClock, SystemIds,
};
use setpiece_policy::{Deadline, Fault};
use setpiece_testing::{FakeBus, FakeBusServer};

const LATENCY: Duration = Duration::from_millis(20);
const BOUNDS: [usize; 5] = [1, 4, 8, 16, 32];
/// Waits for answers, one after the other, in each measurement of throughput.
const TURNS: usize = 25;
/// Events in each measurement of processor time.
const EVENTS: usize = 1000;
const SAMPLES: usize = 15;
const PER_REQUEST: usize = 10;
const IN_FLIGHT: usize = 8;
const MOST: f64 = 1.2;

#[derive(Clone, Serialize, serde::Deserialize)]
struct OrderSubmitted {
    order_number: String,
    customer_id: String,
    note: String,
    cents: i64,
}

impl DomainEvent for OrderSubmitted {
    type Previous = First;
    const SERVICE: ServiceId = ServiceId::new("retail", "checkout", "orders");
    const NAME: &'static str = "order_submitted";
    const VERSION: EventVersion = EventVersion::new(1);
}

fn main() {
    if std::env::args().any(|argument| argument == "--serve") {
        return serve();
    }
    let (mut server, endpoint_url) = start_server();
    let runtime = runtime();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-west-1"))
        .credentials_provider(Credentials::new("x", "x", None, None, "bench"))
        .endpoint_url(endpoint_url)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
        .build();
    let client = Client::from_conf(config);

    println!("a bus that answers after {} ms:", LATENCY.as_millis());
    for bound in BOUNDS {
        runtime.block_on(throughput(&client, bound));
    }
    println!("processor time and allocations for each event, {IN_FLIGHT} requests in flight:");
    let publisher = publisher(EventBridge::new(client.clone(), "default"));
    compare(
        "events that are written already",
        &outgoing,
        &|events| runtime.block_on(send_by_hand(&client, events)),
        &|events| runtime.block_on(send(&publisher, events)),
    );
    compare(
        "events that are to be written",
        &orders,
        &|orders| runtime.block_on(publish_by_hand(&client, orders)),
        &|orders| runtime.block_on(publish(&publisher, orders)),
    );

    // It ends with its input.
    drop(server.stdin.take());
    server.wait().unwrap();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Is the bus, until its input ends.
fn serve() {
    let input_ends = || drop(io::stdin().read_to_end(&mut Vec::new()));
    runtime().block_on(async {
        let bus = FakeBus::new().without_recording();
        let server = FakeBusServer::start_with_latency(bus, LATENCY).await.unwrap();
        println!("{}", server.endpoint_url());
        io::stdout().flush().unwrap();
        tokio::task::spawn_blocking(input_ends).await.unwrap();
    });
}

fn start_server() -> (Child, String) {
    let mut server = Command::new(std::env::current_exe().unwrap())
        .arg("--serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut endpoint_url = String::new();
    let output = server.stdout.take().unwrap();
    BufReader::new(output).read_line(&mut endpoint_url).unwrap();
    (server, endpoint_url.trim().to_owned())
}

fn publisher<B: Bus>(bus: B) -> Publisher<B> {
    Publisher::system(bus).with_max_in_flight(IN_FLIGHT)
}

fn deadline() -> Deadline {
    Deadline::after(&SystemClock, Duration::from_mins(1))
}

fn orders() -> Vec<OrderSubmitted> {
    let order = |number: usize| OrderSubmitted {
        order_number: number.to_string(),
        customer_id: "cu-101".to_owned(),
        note: "x".repeat(300),
        cents: 2999,
    };
    (0..EVENTS).map(order).collect()
}

fn outgoing() -> Vec<OutgoingEvent> {
    let publisher = publisher(FakeBus::new());
    let correlation = Correlation::root();
    let prepare = |order| publisher.prepare(order, &correlation).map_err(|(_, why)| why).unwrap();
    orders().into_iter().map(prepare).collect()
}

// Throughput.

async fn throughput(client: &Client, bound: usize) {
    let bus = Counted { bus: EventBridge::new(client.clone(), "default"), counts: Arc::default() };
    let counts = Arc::clone(&bus.counts);
    let publisher = Publisher::system(bus).with_max_in_flight(bound);
    let events: Vec<_> = outgoing().into_iter().cycle().take(bound * TURNS * PER_REQUEST).collect();
    let count = events.len();
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let start = Instant::now();
    publisher.send_all(events, deadline()).await.unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let (requests, most) =
        (counts.total.load(Ordering::Relaxed), counts.most.load(Ordering::Relaxed));
    let (rate, ideal) = (requests as f64 / seconds, bound as f64 / LATENCY.as_secs_f64());
    println!(
        "  at most {bound} in flight: {most} were; {count} events in {requests} requests, {:.0} \
         requests/s, {:.0} % of what the bus gives",
        rate,
        100.0 * rate / ideal
    );
}

/// A bus whose requests are counted.
struct Counted<B> {
    bus: B,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    total: AtomicUsize,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl<B: Bus> Bus for Counted<B> {
    fn limits(&self) -> Limits {
        self.bus.limits()
    }

    async fn put(&self, entries: &[&OutgoingEvent]) -> Result<Vec<EntryResult>, Fault> {
        let Counts { total, now, most } = &*self.counts;
        total.fetch_add(1, Ordering::Relaxed);
        most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        let results = self.bus.put(entries).await;
        now.fetch_sub(1, Ordering::Relaxed);
        results
    }

    async fn preflight(&self) -> Result<Preflight, Fault> {
        self.bus.preflight().await
    }
}

// Cost.

/// Says what `ours` takes for some events, and what `plain` does.
fn compare<T>(what: &str, events: &dyn Fn() -> T, plain: &dyn Fn(T), ours: &dyn Fn(T)) {
    let allocations = |run: &dyn Fn(T)| {
        let events = events();
        allocation_counter::measure(|| run(events)).count_total
    };
    // Connections are made, and caches filled.
    plain(events());
    ours(events());
    let (plain_allocations, our_allocations) = (allocations(plain), allocations(ours));
    let mut samples = [Vec::new(), Vec::new()];
    for sample in 0..SAMPLES {
        // Who is first may have it harder.
        let mut sides = [(0, plain), (1, ours)];
        sides.rotate_left(sample % 2);
        for (side, run) in sides {
            let events = events();
            let before = processor_time();
            run(events);
            samples[side].push((processor_time() - before) / EVENTS as f64);
        }
    }
    let [plain, ours] = samples.map(|mut samples| {
        samples.sort_by(f64::total_cmp);
        (samples[0], samples[SAMPLES / 2])
    });
    let per_event = |count: u64| count as f64 / EVENTS as f64;
    let ratio = ours.1 / plain.1;
    println!(
        "  {what}: by hand {:.2} µs, publisher {:.2} µs; ratio of the medians {ratio:.2} of at most \
         {MOST:.2}: {}; of the fastest {:.2}",
        plain.1,
        ours.1,
        if ratio <= MOST { "met" } else { "MISSED" },
        ours.0 / plain.0,
    );
    println!(
        "    allocations: by hand {:.1}, publisher {:.1}",
        per_event(plain_allocations),
        per_event(our_allocations),
    );
}

/// Microseconds that this thread has had of a processor.
fn processor_time() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanos: f64 = text.split(' ').next().unwrap().parse().unwrap();
    nanos / 1e3
}

async fn send(publisher: &Publisher<EventBridge>, events: Vec<OutgoingEvent>) {
    assert_eq!(publisher.send_all(events, deadline()).await.unwrap().len(), EVENTS);
}

async fn publish(publisher: &Publisher<EventBridge>, orders: Vec<OrderSubmitted>) {
    let publication = publisher.publish_all(orders, &Correlation::root(), deadline());
    assert_eq!(publication.await.unwrap().len(), EVENTS);
}

async fn send_by_hand(client: &Client, events: Vec<OutgoingEvent>) {
    let entries = events.iter().map(|event| {
        PutEventsRequestEntry::builder()
            .event_bus_name("default")
            .source(event.source())
            .detail_type(event.detail_type())
            .detail(event.detail())
            .set_time(event.time().map(|time| DateTime::from_millis(time.unix_millis())))
            .build()
    });
    put_by_hand(client, entries.collect()).await;
}

async fn publish_by_hand(client: &Client, orders: Vec<OrderSubmitted>) {
    #[derive(Serialize)]
    struct Envelope<'a> {
        metadata: Metadata<'a>,
        data: &'a OrderSubmitted,
    }
    #[derive(Serialize)]
    struct Metadata<'a> {
        version: &'a str,
        event_id: &'a str,
        domain: &'a str,
        subdomain: &'a str,
        service: &'a str,
        category: &'a str,
        #[serde(rename = "type")]
        kind: &'a str,
        name: &'a str,
        occurred_at: String,
        correlation_id: &'a str,
        depth: u32,
    }
    let ids = SystemIds::new();
    let entries = orders.iter().map(|order| {
        let now = SystemClock.now().truncate_to_millis();
        let event_id = ids.next_id(now);
        let metadata = Metadata {
            version: "1",
            event_id: event_id.as_str(),
            domain: "retail",
            subdomain: "checkout",
            service: "orders",
            category: "domain-event",
            kind: "data",
            name: "order_submitted",
            occurred_at: now.to_string(),
            correlation_id: event_id.as_str(),
            depth: 0,
        };
        PutEventsRequestEntry::builder()
            .event_bus_name("default")
            .source("retail.checkout.orders")
            .detail_type("order_submitted")
            .detail(serde_json::to_string(&Envelope { metadata, data: order }).unwrap())
            .time(DateTime::from_millis(now.unix_millis()))
            .build()
    });
    put_by_hand(client, entries.collect()).await;
}

/// What everybody writes: no retries of single entries, and no limit of bytes.
async fn put_by_hand(client: &Client, mut entries: Vec<PutEventsRequestEntry>) {
    let mut requests = Vec::new();
    while !entries.is_empty() {
        let rest = entries.split_off(entries.len().min(PER_REQUEST));
        requests.push(client.put_events().set_entries(Some(entries)));
        entries = rest;
    }
    let answers =
        stream::iter(requests).map(PutEventsFluentBuilder::send).buffer_unordered(IN_FLIGHT);
    let mut answers = std::pin::pin!(answers);
    let mut accepted = 0;
    while let Some(answer) = answers.next().await {
        let answer = answer.unwrap();
        assert_eq!(answer.failed_entry_count(), 0);
        accepted += answer.entries().len();
    }
    assert_eq!(accepted, EVENTS);
}
