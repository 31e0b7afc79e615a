//! The buses that are put to the test.

use std::{net::TcpListener, time::Duration};

use aws_sdk_eventbridge::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
    error::ProvideErrorMetadata as _,
    primitives::DateTime,
    types::PutEventsRequestEntry,
};
use aws_smithy_async::rt::sleep::TokioSleep as SdkSleep;
use setpiece_bus::{Bus, EventBridge, Publisher};
use setpiece_envelope::SystemClock;
use setpiece_policy::{Deadline, InstantSleep, Retry, SeededRandom, TokioSleep};
use setpiece_testing::{
    CallError, CallFault, FakeBus, FakeBusServer, PutEventsAnswer, PutEventsEntry, PutEventsResult,
    REGION,
};

/// The name of the bus that exists.
pub(crate) const ORDERS: &str = "orders";

/// A bus that takes requests as they are on the wire.
pub(crate) trait RawBus {
    /// Makes a request, which may be one that no event can make.
    async fn put_raw(&self, entries: Vec<PutEventsEntry>) -> PutEventsAnswer;
}

/// A way to reach a bus, and the fake that stands behind it.
pub(crate) trait World: RawBus + Sized {
    type Bus: Bus;

    /// How rare large events are among many, so that many take no more than seconds.
    const SKEW: i32;

    /// Reaches the bus [`ORDERS`], which is `fake`.
    async fn around(fake: FakeBus) -> Self;

    /// Where trouble is asked for, and what came is looked at.
    fn fake(&self) -> &FakeBus;

    /// The bus of this name or ARN.
    fn bus_at(&self, name: &str) -> Self::Bus;

    /// A bus that nobody serves.
    fn nowhere(&self) -> Self::Bus;

    /// A policy whose waiting takes no time to speak of.
    fn retry(&self) -> Retry;

    fn bus(&self) -> Self::Bus {
        self.bus_at(ORDERS)
    }

    fn publisher(&self) -> Publisher<Self::Bus> {
        Publisher::new(self.bus(), self.retry())
    }

    fn deadline(&self, from_now: Duration) -> Deadline {
        Deadline::after(self.retry().clock(), from_now)
    }
}

/// Runs a test in a world of its own.
pub(crate) fn run<W: World, F: Future<Output = ()>>(test: impl FnOnce(W) -> F) {
    runtime().block_on(async { test(W::around(FakeBus::named(ORDERS)).await).await });
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The fake bus itself.
pub(crate) struct InMemory(FakeBus);

impl World for InMemory {
    type Bus = FakeBus;

    const SKEW: i32 = 16;

    async fn around(fake: FakeBus) -> Self {
        Self(fake)
    }

    fn fake(&self) -> &FakeBus {
        &self.0
    }

    fn bus_at(&self, name: &str) -> FakeBus {
        self.0.at(name)
    }

    fn nowhere(&self) -> FakeBus {
        let nobody = FakeBus::new();
        nobody.fail_calls(CallFault::unreachable().always());
        nobody
    }

    fn retry(&self) -> Retry {
        let clock = self.0.clock();
        Retry::new(clock.clone(), SeededRandom::new(1), InstantSleep::new(clock))
    }
}

impl RawBus for InMemory {
    async fn put_raw(&self, entries: Vec<PutEventsEntry>) -> PutEventsAnswer {
        self.0.put_events(entries)
    }
}

/// The adapter on the AWS SDK, whose retries are on, before a server on this machine.
pub(crate) struct OverHttp {
    fake: FakeBus,
    pub(crate) server: FakeBusServer,
    client: Client,
}

impl OverHttp {
    /// The same, with answers that take their time.
    pub(crate) async fn with_latency(fake: FakeBus, latency: Duration) -> Self {
        let server = FakeBusServer::start_with_latency(fake.clone(), latency).await.unwrap();
        let client = client(&server.endpoint_url());
        Self { fake, server, client }
    }
}

impl World for OverHttp {
    type Bus = EventBridge;

    const SKEW: i32 = 64;

    async fn around(fake: FakeBus) -> Self {
        Self::with_latency(fake, Duration::ZERO).await
    }

    fn fake(&self) -> &FakeBus {
        &self.fake
    }

    fn bus_at(&self, name: &str) -> EventBridge {
        EventBridge::new(self.client.clone(), name)
    }

    fn nowhere(&self) -> EventBridge {
        // The port was free a moment ago, and nobody listens on it now.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        EventBridge::new(client(&format!("http://127.0.0.1:{port}")), ORDERS)
    }

    fn retry(&self) -> Retry {
        Retry::new(SystemClock, SeededRandom::new(1), TokioSleep)
            .with_base_delay(Duration::from_millis(2))
            .with_throttled_base_delay(Duration::from_millis(5))
            .with_max_delay(Duration::from_millis(20))
    }
}

impl RawBus for OverHttp {
    async fn put_raw(&self, entries: Vec<PutEventsEntry>) -> PutEventsAnswer {
        put_raw(&self.client, entries).await
    }
}

/// A client as most users have it: it retries, and so do they.
pub(crate) fn client(endpoint_url: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new("x", "x", None, None, "test"))
        .endpoint_url(endpoint_url)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .sleep_impl(SdkSleep::new())
        .retry_config(RetryConfig::standard())
        .build();
    Client::from_conf(config)
}

/// `PutEvents` through the AWS SDK alone.
pub(crate) async fn put_raw(client: &Client, entries: Vec<PutEventsEntry>) -> PutEventsAnswer {
    let entries = entries.into_iter().map(|entry| {
        PutEventsRequestEntry::builder()
            .set_source(entry.source)
            .set_detail_type(entry.detail_type)
            .set_detail(entry.detail)
            .set_time(entry.time.map(|time| DateTime::from_millis(time.unix_millis())))
            .set_resources((!entry.resources.is_empty()).then_some(entry.resources))
            .set_event_bus_name(entry.event_bus_name)
            .set_trace_header(entry.trace_header)
            .build()
    });
    match client.put_events().set_entries(Some(entries.collect())).send().await {
        Ok(output) => {
            let failed = output.entries().iter().filter(|it| it.error_code().is_some()).count();
            assert_eq!(usize::try_from(output.failed_entry_count()).unwrap(), failed);
            let results = output.entries.unwrap().into_iter().map(|result| {
                let text = Option::unwrap_or_default;
                match result.event_id {
                    Some(event_id) => PutEventsResult::Accepted { event_id },
                    None => PutEventsResult::Failed {
                        code: text(result.error_code),
                        message: text(result.error_message),
                    },
                }
            });
            PutEventsAnswer::Results(results.collect())
        }
        Err(error) => {
            let Some(response) = error.raw_response() else { return PutEventsAnswer::Lost };
            let status = response.status().as_u16();
            let (code, message) = (error.code().unwrap(), error.message().unwrap_or_default());
            PutEventsAnswer::Refused(CallError::new(status, code, message))
        }
    }
}
