use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use setpiece_envelope::FixedClock;
use setpiece_testing::{DynamoDbFault, FakeBus, FakeBusServer, LocalDynamoDb};

use super::*;

const LOYALTY: ServiceId = ServiceId::new("shop", "customers", "loyalty");

/// The cloud of a test, and the configuration of a function in it.
struct Cloud {
    bus: FakeBus,
    tables: LocalDynamoDb,
    settings: Settings,
}

impl Cloud {
    async fn new() -> Self {
        let bus = FakeBus::named("shop");
        let clock = FixedClock::default();
        let tables = LocalDynamoDb::new(clock.clone());
        let table = Table::new("records");
        let deadline = Deadline::after(&SystemClock, Duration::from_mins(1));
        table.create(&tables.client(), &Retry::system(), deadline).await.unwrap();
        let settings =
            Settings { bus: Some("shop".to_owned()), table: Some(table), ..Settings::default() };
        Self { bus, tables, settings }
    }

    /// What the preflight says, as the one line that `main` would print.
    async fn preflight(&self) -> Result<(), String> {
        let server = FakeBusServer::start(self.bus.clone()).await.unwrap();
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-west-1"))
            .endpoint_url(server.endpoint_url())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .retry_config(RetryConfig::disabled())
            .build();
        let clients = Clients {
            dynamodb: self.tables.client(),
            eventbridge: aws_sdk_eventbridge::Client::from_conf(
                aws_sdk_eventbridge::config::Builder::from(&config).allow_no_auth().build(),
            ),
            config,
        };
        let bus = EventBridge::new(clients.eventbridge.clone(), self.settings.bus().unwrap());
        let publisher = Publisher::system(bus);
        let table = self.settings.table().unwrap();
        let checks = Checks::new(LOYALTY, &publisher, table, &self.settings, &clients);
        checks.run().await.map_err(|error| error.to_string())
    }
}

#[tokio::test]
async fn a_cloud_that_is_complete_passes_and_is_left_as_it_was() {
    let cloud = Cloud::new().await;
    cloud.preflight().await.unwrap();
    assert!(cloud.tables.items("records").is_empty());
    assert!(cloud.bus.events().is_empty());
}

#[tokio::test]
async fn a_mistyped_bus_is_named() {
    let mut cloud = Cloud::new().await;
    cloud.settings.bus = Some("shpo".to_owned());
    let line = cloud.preflight().await.unwrap_err();
    assert!(line.contains("`shpo`") && line.contains("ResourceNotFoundException"), "{line}");
    cloud.settings.skipped.push(Check::Bus);
    cloud.preflight().await.unwrap();
}

#[tokio::test]
async fn a_missing_permission_is_named_with_its_resource() {
    let cloud = Cloud::new().await;
    cloud.bus.deny_put_events();
    let line = cloud.preflight().await.unwrap_err();
    assert!(line.contains("`shop`") && line.contains("events:PutEvents"), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
}

#[tokio::test]
async fn a_missing_table_is_named() {
    let mut cloud = Cloud::new().await;
    cloud.settings.table = Some(Table::new("recodrs"));
    let line = cloud.preflight().await.unwrap_err();
    assert!(line.contains("`recodrs`") && line.contains("ResourceNotFoundException"), "{line}");
}

#[tokio::test]
async fn a_table_with_another_key_is_refused() {
    let mut cloud = Cloud::new().await;
    cloud.tables.create_table("orders", "order");
    cloud.settings.table = Some(Table::new("orders"));
    let line = cloud.preflight().await.unwrap_err();
    assert!(line.contains("`orders`") && line.contains("another key"), "{line}");
}

#[tokio::test]
async fn a_table_that_keeps_records_for_ever_is_refused() {
    let mut cloud = Cloud::new().await;
    cloud.tables.create_table("forgotten", "id");
    cloud.settings.table = Some(Table::new("forgotten"));
    let line = cloud.preflight().await.unwrap_err();
    assert!(line.contains("`forgotten`") && line.contains("time to live"), "{line}");
    cloud.settings.skipped.push(Check::Expiry);
    cloud.preflight().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn trouble_of_the_moment_does_not_refuse_all_invocations() {
    let mut cloud = Cloud::new().await;
    // Real sockets and paused time do not go together.
    cloud.settings.skipped.push(Check::Bus);
    for operation in
        ["DescribeTable", "UpdateItem", "DescribeTimeToLive", "BatchGetItem", "PutItem"]
    {
        cloud.tables.fail(DynamoDbFault::throttled().of(operation).always());
    }
    cloud.preflight().await.unwrap();
}
