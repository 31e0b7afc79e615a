//! A DynamoDB engine in this process.

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::config::{
    BehaviorVersion, Builder, Config, Credentials, Region, StalledStreamProtectionConfig,
    retry::RetryConfig, timeout::TimeoutConfig,
};
use dynoxide::Database;
use setpiece_envelope::{Clock, FixedClock};

/// An engine without tables that goes by `clock`, and the configuration of a client for it. It
/// lives as long as the runtime of the test.
pub(crate) async fn start(clock: &FixedClock) -> (Database, Builder) {
    let engine = Database::memory_with_clock(Arc::new(EngineClock(clock.clone()))).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(dynoxide::server::serve_on(listener, engine.clone()));
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-west-1"))
        .endpoint_url(format!("http://{address}"))
        .credentials_provider(Credentials::new("x", "x", None, None, "test"))
        // As a caller forgets to switch them off: the store makes each request once all the same.
        .retry_config(RetryConfig::standard().with_initial_backoff(Duration::ZERO))
        // They go by real time, of which a busy machine has little.
        .timeout_config(TimeoutConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    (engine, config)
}

/// The engine judges by the same clock as the code under test.
struct EngineClock(FixedClock);

impl dynoxide::storage_backend::Clock for EngineClock {
    fn now_unix_secs(&self) -> u64 {
        u64::try_from(self.0.now().unix_millis()).unwrap() / 1000
    }

    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century fit")]
    fn now_unix_secs_f64(&self) -> f64 {
        self.0.now().unix_millis() as f64 / 1000.0
    }
}
