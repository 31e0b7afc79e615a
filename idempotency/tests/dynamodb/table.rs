use std::time::Duration;

use aws_sdk_dynamodb::types::{KeyType, TimeToLiveStatus};
use serde_json::{Value, json};
use setpiece_idempotency::dynamodb::{Mode, Table, TableError};
use setpiece_policy::{Deadline, FaultKind};

use crate::{cloud::Cloud, wire::Trouble};

const ARN: &str = "arn:aws:dynamodb:eu-west-1:123456789012:table/records";

async fn key_schema(cloud: &Cloud, table: &Table) -> Vec<(String, KeyType)> {
    let answer = cloud.client.describe_table().table_name(table.name()).send().await.unwrap();
    let schema = answer.table.unwrap().key_schema.unwrap();
    schema.into_iter().map(|element| (element.attribute_name, element.key_type)).collect()
}

#[tokio::test]
async fn a_created_table_has_its_keys_and_deletes_what_expired() {
    let cloud = Cloud::start().await;
    let deadline = Deadline::after(&cloud.clock, Duration::from_secs(30));
    let table = Table::builder("records")
        .key("pk")
        .composite_key("sk", "idempotency#orders")
        .expiry("ttl")
        .build()
        .unwrap();
    table.create(&cloud.client, &cloud.retry(), deadline).await.unwrap();

    assert_eq!(
        key_schema(&cloud, &table).await,
        [("pk".to_owned(), KeyType::Hash), ("sk".to_owned(), KeyType::Range)]
    );
    let ttl = cloud.client.describe_time_to_live().table_name("records").send().await.unwrap();
    let ttl = ttl.time_to_live_description.unwrap();
    assert_eq!(ttl.time_to_live_status, Some(TimeToLiveStatus::Enabled));
    assert_eq!(ttl.attribute_name.as_deref(), Some("ttl"));
}

#[tokio::test]
async fn a_table_that_is_there_is_not_created_again() {
    let cloud = Cloud::start().await;
    let deadline = Deadline::after(&cloud.clock, Duration::from_secs(30));
    let table = Table::new("records");
    table.create(&cloud.client, &cloud.retry(), deadline).await.unwrap();
    cloud.wire.take();
    table.create(&cloud.client, &cloud.retry(), deadline).await.unwrap();
    assert_eq!(
        cloud.wire.take_operations(),
        ["CreateTable", "DescribeTable", "DescribeTimeToLive"]
    );
}

#[tokio::test]
async fn trouble_while_creating_is_tried_again() {
    let cloud = Cloud::start().await;
    let deadline = Deadline::after(&cloud.clock, Duration::from_secs(30));
    cloud.wire.trouble("CreateTable", Trouble::AnswerLost);
    cloud.wire.trouble("DescribeTable", Trouble::Error(400, "ResourceNotFoundException"));
    cloud.wire.trouble("DescribeTimeToLive", Trouble::Refused);
    cloud.wire.trouble("UpdateTimeToLive", Trouble::Error(400, "ThrottlingException"));
    Table::new("records").create(&cloud.client, &cloud.retry(), deadline).await.unwrap();
    assert_eq!(cloud.wire.pending_troubles(), 0);
}

#[tokio::test]
async fn what_may_not_be_created_is_said() {
    let cloud = Cloud::start().await;
    let deadline = Deadline::after(&cloud.clock, Duration::from_secs(30));
    cloud.wire.trouble("CreateTable", Trouble::Error(400, "AccessDeniedException"));
    let table = Table::new("records");
    let fault = table.create(&cloud.client, &cloud.retry(), deadline).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Permanent);
    assert_eq!(fault.code(), Some("AccessDeniedException"));
}

#[test]
fn names_that_collide_are_refused() {
    let check = |builder: setpiece_idempotency::dynamodb::TableBuilder, expected| {
        assert_eq!(builder.build(), Err(expected));
    };
    let same = |name: &str| TableError::SameName(name.to_owned());
    check(Table::builder("t").composite_key("id", "p"), same("id"));
    check(Table::builder("t").constant_sort_key("id", "p"), same("id"));
    check(Table::builder("t").expiry("status"), same("status"));
    check(Table::builder("t").data("owner_token"), same("owner_token"));
    check(Table::builder("t").composite_key("sk", ""), TableError::Empty);
    check(Table::builder("t").key(""), TableError::Empty);
    check(Table::builder(""), TableError::Empty);
}

#[test]
fn the_template_says_what_is_created() {
    let table = Table::builder("records").key("pk").constant_sort_key("sk", "GUARD");
    let resource: Value =
        serde_json::from_str(&table.expiry("ttl").build().unwrap().cloud_formation()).unwrap();
    assert_eq!(
        resource["Properties"],
        json!({
            "TableName": "records",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                { "AttributeName": "pk", "AttributeType": "S" },
                { "AttributeName": "sk", "AttributeType": "S" },
            ],
            "KeySchema": [
                { "AttributeName": "pk", "KeyType": "HASH" },
                { "AttributeName": "sk", "KeyType": "RANGE" },
            ],
            "TimeToLiveSpecification": { "AttributeName": "ttl", "Enabled": true },
        })
    );
    assert_eq!(resource["DeletionPolicy"], "Retain");
}

fn statement(table: &Table, modes: &[Mode], prefixes: &[&str]) -> Value {
    serde_json::from_str(&table.policy_statement(ARN, modes, prefixes)).unwrap()
}

#[test]
fn a_guard_needs_one_action() {
    assert_eq!(
        statement(&Table::new("records"), &[Mode::Guard, Mode::Commit], &[]),
        json!({ "Effect": "Allow", "Action": ["dynamodb:UpdateItem"], "Resource": ARN })
    );
}

#[test]
fn a_commit_in_one_step_may_look_at_its_record() {
    assert_eq!(
        statement(&Table::new("records"), &[Mode::CommitOnce], &[])["Action"],
        json!(["dynamodb:GetItem", "dynamodb:UpdateItem"])
    );
}

#[test]
fn each_action_is_listed_once() {
    assert_eq!(
        statement(&Table::new("records"), &Mode::ALL, &[])["Action"],
        json!(["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:UpdateItem"])
    );
}

#[test]
fn permissions_end_at_the_prefix() {
    let statement = statement(&Table::new("records"), &[Mode::Guard], &["pay#50$#", "a*b#"]);
    assert_eq!(
        statement["Condition"],
        json!({
            "ForAllValues:StringLike": {
                "dynamodb:LeadingKeys": ["pay#50${$}#*", "a${*}b#*"],
            },
            "Null": { "dynamodb:LeadingKeys": "false" },
        })
    );
}

#[test]
fn permissions_on_a_composite_key_end_at_the_partition() {
    let table =
        Table::builder("records").composite_key("sk", "idempotency#orders").build().unwrap();
    assert_eq!(
        statement(&table, &[Mode::Guard], &["pay#"])["Condition"]["ForAllValues:StringLike"],
        json!({ "dynamodb:LeadingKeys": ["idempotency#orders"] })
    );
}
