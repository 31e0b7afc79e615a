//! Lambda functions made of the services' handlers.

use std::{env, error::Error as StdError, fmt, time::Duration};

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use lambda_runtime::Error;
use setpiece_bus::{EventBridge, Publisher};
use setpiece_envelope::ServiceId;
use setpiece_handler::{App, DynamoDbEffects, Handlers, SqsQuarantine, Unhandled};
use setpiece_idempotency::dynamodb::Table;

/// Configuration of a function: environment variables.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// `BUS`: the name of the event bus.
    pub bus: String,
    /// `TABLE`: the name of the service's table.
    pub table: String,
    /// `IDEMPOTENCY_TABLE`: the name of the table with its records of what was done, and its
    /// outbox.
    pub idempotency_table: String,
    /// `QUARANTINE_URL`: the URL of the queue for what can never be handled.
    pub quarantine_url: String,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    ///
    /// A variable is missing, empty or no text.
    pub fn from_env() -> Result<Self, MissingVariable> {
        #[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
        let read = |name| match env::var(name) {
            Ok(value) if !value.is_empty() => Ok(value),
            Ok(_) | Err(_) => Err(MissingVariable { name }),
        };
        Ok(Self {
            bus: read("BUS")?,
            table: read("TABLE")?,
            idempotency_table: read("IDEMPOTENCY_TABLE")?,
            quarantine_url: read("QUARANTINE_URL")?,
        })
    }
}

/// An environment variable that has to be there is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingVariable {
    /// Its name.
    pub name: &'static str,
}

impl fmt::Display for MissingVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the environment variable {} is missing or empty", self.name)
    }
}

impl StdError for MissingVariable {}

/// Runs the handlers of `service` as a Lambda function, until its sandbox ends.
///
/// # Errors
///
/// The app cannot be built, or the Runtime API cannot be reached.
pub async fn run<S: Send + Sync + 'static>(
    service: ServiceId,
    handlers: Handlers<S>,
    config: Config,
) -> Result<(), Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let aws = aws().await;
    let bus = EventBridge::new(aws_sdk_eventbridge::Client::new(&aws), config.bus);
    let effects = DynamoDbEffects::new(
        aws_sdk_dynamodb::Client::new(&aws),
        Table::new(config.idempotency_table),
    );
    let quarantine = SqsQuarantine::new(aws_sdk_sqs::Client::new(&aws), config.quarantine_url);
    // Its queue gets what it has handlers for. What is none of that would be no better a second time.
    let handlers = handlers.unhandled(Unhandled::Quarantine);
    let app = App::system(service, handlers, effects, Publisher::system(bus))
        .quarantine(quarantine)
        .build()?;
    setpiece_handler::run(app).await
}

/// Loads the configuration that all clients have in common. They do not try again, since it is the
/// SDK's callers who know what may be tried again and how much time there is.
async fn aws() -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(3));
    aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts.build())
        .load()
        .await
}
