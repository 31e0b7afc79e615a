//! A call that is protected by a pair of conditional requests which somebody wrote by hand.
//!
//! It protects a call as the guard does (an owner, a lease, a fence, retention) and has nothing around
//! it: no retries, no verdict on what was found, no types.

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use serde::{Deserialize, Serialize};
use setpiece_envelope::{Clock, EventId, IdSource, SystemClock, SystemIds};

/// What the work returns.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    order: String,
    charged: u64,
}

pub(crate) fn receipt(order: &str) -> Receipt {
    Receipt { order: order.to_owned(), charged: 2999 }
}

/// Charges an order once: whether this was the call that did, and the receipt.
pub(crate) async fn by_hand(client: &Client, ids: &SystemIds, order: &str) -> (bool, Receipt) {
    let now = SystemClock.now();
    let millis = now.unix_millis();
    let owner: EventId = ids.next_id(now);
    let owner = owner.as_str();
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let number = |number: i64| AttributeValue::N(number.to_string());
    let key = format!("shop#charge#{order}");
    let claimed = client
        .update_item()
        .table_name("records")
        .key("id", text(&key))
        .update_expression(
            "SET #status = :p, #owner = :me, #lease = :lease, #expires = :expires, \
             #updated = :now, #created = if_not_exists(#created, :now), \
             #attempt = if_not_exists(#attempt, :zero) + :one REMOVE #data",
        )
        .condition_expression(
            "attribute_not_exists(#id) OR #expires < :now_s \
             OR (#status = :p AND #lease < :now)",
        )
        .expression_attribute_names("#id", "id")
        .expression_attribute_names("#status", "status")
        .expression_attribute_names("#owner", "owner")
        .expression_attribute_names("#lease", "in_progress_expiration")
        .expression_attribute_names("#expires", "expiration")
        .expression_attribute_names("#updated", "updated_at")
        .expression_attribute_names("#created", "created_at")
        .expression_attribute_names("#attempt", "attempt")
        .expression_attribute_names("#data", "data")
        .expression_attribute_values(":p", text("INPROGRESS"))
        .expression_attribute_values(":me", text(owner))
        .expression_attribute_values(":lease", number(millis + 31_000))
        .expression_attribute_values(":expires", number(millis / 1000 + 86_400))
        .expression_attribute_values(":now", number(millis))
        .expression_attribute_values(":now_s", number(millis / 1000))
        .expression_attribute_values(":zero", number(0))
        .expression_attribute_values(":one", number(1))
        .return_values(ReturnValue::AllNew)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await;
    match claimed {
        Ok(output) => {
            let attempt: u64 =
                output.attributes.unwrap()["attempt"].as_n().unwrap().parse().unwrap();
            assert_eq!(attempt, 1);
        }
        Err(SdkError::ServiceError(refusal)) => {
            let UpdateItemError::ConditionalCheckFailedException(refusal) = refusal.into_err()
            else {
                unreachable!("no other error");
            };
            let item = refusal.item.unwrap();
            assert_eq!(item["status"].as_s().unwrap(), "COMPLETED");
            return (false, serde_json::from_str(item["data"].as_s().unwrap()).unwrap());
        }
        Err(_) => unreachable!("no other error"),
    }
    let result = receipt(order);
    client
        .update_item()
        .table_name("records")
        .key("id", text(&key))
        .update_expression(
            "SET #status = :c, #data = :data, #expires = :expires, #updated = :now REMOVE #lease",
        )
        .condition_expression("#owner = :me AND #status = :p")
        .expression_attribute_names("#status", "status")
        .expression_attribute_names("#owner", "owner")
        .expression_attribute_names("#lease", "in_progress_expiration")
        .expression_attribute_names("#expires", "expiration")
        .expression_attribute_names("#updated", "updated_at")
        .expression_attribute_names("#data", "data")
        .expression_attribute_values(":p", text("INPROGRESS"))
        .expression_attribute_values(":c", text("COMPLETED"))
        .expression_attribute_values(":me", text(owner))
        .expression_attribute_values(":data", text(&serde_json::to_string(&result).unwrap()))
        .expression_attribute_values(":expires", number(millis / 1000 + 86_400))
        .expression_attribute_values(":now", number(millis))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await
        .unwrap();
    (true, result)
}
