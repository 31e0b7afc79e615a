//! The start of a Lambda function: configuration, clients, preflight, runtime.
//!
//! ```no_run
//! # use setpiece::{handler::Handlers, envelope::ServiceId};
//! # const LOYALTY: ServiceId = ServiceId::new("shop", "customers", "loyalty");
//! # fn handlers(table: &str) -> Handlers<String> { Handlers::new(table.to_owned()) }
//! use setpiece::lambda::{Function, StartError};
//!
//! fn main() -> Result<(), StartError> {
//!     Function::new(LOYALTY, handlers("loyalty-points"))
//!         .with_bus("shop")
//!         .with_table("loyalty-idempotency")
//!         .run()
//! }
//! ```
//!
//! # Configuration
//!
//! An environment variable has precedence over what the code says, so that one program is deployed
//! to several stages.
//!
//! | environment variable | in code | what it names |
//! |---|---|---|
//! | `SETPIECE_BUS` | [`with_bus`](Function::with_bus) | the event bus, by name or ARN; required |
//! | `SETPIECE_TABLE` | [`with_table`](Function::with_table) | the DynamoDB table with records and outbox, by name or ARN; required |
//! | `SETPIECE_QUARANTINE_URL` | [`with_quarantine`](Function::with_quarantine) | the URL of the queue for what can never be handled (feature `sqs`); none by default |
//! | `AWS_LAMBDA_FUNCTION_NAME` | [`AppBuilder::named`], by [`with_app`](Function::with_app), which has precedence here | the function in the keys of its records; set by Lambda |
//! | `SETPIECE_PREFLIGHT_SKIP` | [`without_check`](Function::without_check) | checks to leave out, by comma: `bus`, `table`, `expiry`, `outbox`, `quarantine` |
//!
//! # Preflight
//!
//! A bus that does not exist takes every event and drops it, and a missing permission shows when the
//! first event of a night fails. So the function asks before it takes its first invocation, and an
//! init that fails says in one line which resource and which permission it is about.
//!
//! | check | requests | permissions |
//! |---|---|---|
//! | [`Check::Bus`] | `DescribeEventBus`, and a `PutEvents` that no bus accepts | `events:DescribeEventBus`, `events:PutEvents` |
//! | [`Check::Table`] | `DescribeTable`, and an `UpdateItem` whose condition never holds | `dynamodb:DescribeTable`, `dynamodb:UpdateItem` |
//! | [`Check::Expiry`] | `DescribeTimeToLive` | `dynamodb:DescribeTimeToLive` |
//! | [`Check::Outbox`] | `BatchGetItem`, and a `PutItem` whose condition never holds | `dynamodb:BatchGetItem`, `dynamodb:PutItem` |
//! | [`Check::Quarantine`] | `GetQueueAttributes` | `sqs:GetQueueAttributes` |
//!
//! The checks run side by side, nothing is written, and each sandbox pays two write units and half a
//! read unit. A check that is throttled or gets no answer in [`PREFLIGHT_TIME`] is logged as a
//! warning and passes: trouble of the moment is no reason to refuse all invocations.
//!
//! # Clients
//!
//! The clients of the AWS SDK do not retry: Setpiece does, since it knows what may be tried again and
//! until when. They connect within [`CONNECT_TIMEOUT`], and a single attempt takes at most
//! [`ATTEMPT_TIMEOUT`]. [`Function::from_clients`] lends them to the service.

mod checks;
mod error;
mod log;
mod settings;

use std::{fmt, future::Future, time::Duration};

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use setpiece_bus::{EventBridge, Publisher};
use setpiece_envelope::ServiceId;
use setpiece_handler::{App, AppBuilder, DynamoDbEffects, Handlers};
use setpiece_idempotency::dynamodb::Table;

use self::{checks::Checks, settings::Settings};
pub use self::{
    checks::{Check, PREFLIGHT_TIME},
    error::StartError,
};

/// The longest that a client waits for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest that a client waits for the answer to one attempt of a request.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

type Builder<S> = AppBuilder<S, DynamoDbEffects, EventBridge>;
type MakeHandlers<S> = dyn FnOnce(&Clients) -> Handlers<S>;
type Configure<S> = dyn FnOnce(Builder<S>) -> Builder<S>;

/// A Lambda function of one service.
pub struct Function<S> {
    service: ServiceId,
    handlers: Box<MakeHandlers<S>>,
    configure: Box<Configure<S>>,
    settings: Settings,
}

/// The clients of a function, for handlers that read or call out themselves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Clients {
    /// Region, credentials, timeouts and retries, for clients of other services.
    pub config: SdkConfig,
    /// The client of DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// The client of EventBridge.
    pub eventbridge: aws_sdk_eventbridge::Client,
}

impl<S: Send + Sync + 'static> Function<S> {
    /// Makes the function of `service` with those handlers.
    #[must_use]
    pub fn new(service: ServiceId, handlers: Handlers<S>) -> Self {
        Self::from_clients(service, |_| handlers)
    }

    /// Makes the function of `service` with handlers whose state holds clients.
    #[must_use]
    pub fn from_clients(
        service: ServiceId,
        handlers: impl FnOnce(&Clients) -> Handlers<S> + 'static,
    ) -> Self {
        Self {
            service,
            handlers: Box::new(handlers),
            configure: Box::new(|app| app),
            settings: Settings::default(),
        }
    }

    /// Publishes to this bus unless `SETPIECE_BUS` names another.
    #[must_use]
    pub fn with_bus(mut self, name_or_arn: impl Into<String>) -> Self {
        self.settings.bus = Some(name_or_arn.into());
        self
    }

    /// Keeps records and outbox in this table unless `SETPIECE_TABLE` names another.
    #[must_use]
    pub fn with_table(mut self, table: impl Into<TableOrName>) -> Self {
        self.settings.table = Some(table.into().0);
        self
    }

    /// Puts what can never be handled into this queue unless `SETPIECE_QUARANTINE_URL` names
    /// another.
    #[cfg(feature = "sqs")]
    #[cfg_attr(docsrs, doc(cfg(feature = "sqs")))]
    #[must_use]
    pub fn with_quarantine(mut self, queue_url: impl Into<String>) -> Self {
        self.settings.quarantine = Some(queue_url.into());
        self
    }

    /// Leaves a check of the preflight out.
    #[must_use]
    pub fn without_check(mut self, check: Check) -> Self {
        self.settings.skipped.push(check);
        self
    }

    /// Changes the app before it is built, such as who may send it events.
    #[must_use]
    pub fn with_app(mut self, change: impl FnOnce(Builder<S>) -> Builder<S> + 'static) -> Self {
        let before = self.configure;
        self.configure = Box::new(|app| change(before(app)));
        self
    }

    /// Runs the function until its sandbox ends: one invocation after the other, or several at the
    /// same time where `AWS_LAMBDA_MAX_CONCURRENCY` says so, which it does on Lambda Managed
    /// Instances.
    ///
    /// It sets up a subscriber for `tracing` that writes [one line for each
    /// failure](setpiece_handler#the-log), the runtime of tokio with one thread, and the clients.
    ///
    /// # Errors
    ///
    /// A reason to refuse all invocations. Returned from `main`, it is printed as one line.
    pub fn run(self) -> Result<(), StartError> {
        let settings = self.settings.over_environment()?;
        log::init();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| StartError::Runtime(error.into()))?.block_on(async {
            let clients = Clients::load().await;
            let handlers = (self.handlers)(&clients);
            serve(self.service, handlers, self.configure, &settings, &clients).await
        })
    }
}

impl<S> fmt::Debug for Function<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function")
            .field("service", &self.service)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The table of a function: a name, or a [`Table`] with other names of attributes.
#[derive(Debug)]
pub struct TableOrName(Table);

impl From<Table> for TableOrName {
    fn from(table: Table) -> Self {
        Self(table)
    }
}

impl From<&str> for TableOrName {
    fn from(name: &str) -> Self {
        Self(Table::new(name))
    }
}

impl From<String> for TableOrName {
    fn from(name: String) -> Self {
        Self(Table::new(name))
    }
}

impl Clients {
    /// Reads region and credentials as the AWS SDK does.
    async fn load() -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT);
        let config = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts.build())
            .load()
            .await;
        Self {
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            eventbridge: aws_sdk_eventbridge::Client::new(&config),
            config,
        }
    }
}

async fn serve<S: Send + Sync + 'static>(
    service: ServiceId,
    handlers: Handlers<S>,
    configure: Box<Configure<S>>,
    settings: &Settings,
    clients: &Clients,
) -> Result<(), StartError> {
    let (bus, table) = (settings.bus()?, settings.table()?);
    let publisher = Publisher::system(EventBridge::new(clients.eventbridge.clone(), bus));
    let checks = Checks::new(service, &publisher, table, settings, clients);
    checks.run().await?;
    let effects = DynamoDbEffects::new(clients.dynamodb.clone(), table.clone());
    let app = App::system(service, handlers, effects, publisher);
    #[cfg(feature = "sqs")]
    let app = match &settings.quarantine {
        Some(url) => {
            let client = aws_sdk_sqs::Client::new(&clients.config);
            app.quarantine(setpiece_handler::SqsQuarantine::new(client, url))
        }
        None => app,
    };
    let app = configure(app).build().map_err(StartError::App)?;
    let served: std::pin::Pin<Box<dyn Future<Output = _>>> =
        Box::pin(setpiece_handler::run_concurrent(app));
    served.await.map_err(StartError::Runtime)
}
