//! The service as a Lambda function.

use std::time::Duration;

use aws_config::{BehaviorVersion, retry::RetryConfig};
use quickstart::{LOYALTY, handlers};
use setpiece_bus::{EventBridge, Publisher};
use setpiece_envelope::SystemClock;
use setpiece_handler::{App, DynamoDbEffects, run};
use setpiece_idempotency::dynamodb::Table;
use setpiece_policy::Deadline;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let aws = aws_config::defaults(BehaviorVersion::latest());
    let aws = aws.retry_config(RetryConfig::disabled()).load().await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&aws);
    let effects = DynamoDbEffects::new(dynamodb, Table::new("loyalty-idempotency"));
    let bus = EventBridge::new(aws_sdk_eventbridge::Client::new(&aws), "shop");
    let publisher = Publisher::system(bus);
    // EventBridge takes events for a bus that does not exist, and drops them.
    publisher.preflight(Deadline::after(&SystemClock, Duration::from_secs(5))).await?;
    let app = App::system(LOYALTY, handlers("loyalty-points"), effects, publisher);
    run(app.build()?).await
}
