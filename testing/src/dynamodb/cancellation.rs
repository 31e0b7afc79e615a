//! Transactions that are cancelled for reasons that pass.

use serde_json::{Value, json};
use setpiece_policy::{Random as _, SeededRandom};

use super::{Answer, LocalDynamoDb};

/// Reasons for which nobody looks at the condition of an action, and which pass. See
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>.
const PASSING: [(&str, &str); 3] = [
    ("TransactionConflict", "Transaction is ongoing for the item."),
    ("ThrottlingError", "Throughput exceeds the current capacity for one or more resources."),
    (
        "ProvisionedThroughputExceeded",
        "The level of configured provisioned throughput for one or more items was exceeded.",
    ),
];

/// The most actions of a transaction.
const MOST: usize = 100;

impl LocalDynamoDb {
    /// Cancels a transaction that may be fine: at one index or more, for a reason that passes. At
    /// the others it is what the engine says of the action.
    pub(crate) fn cancel(&self, body: &str, chance: u64) -> Answer {
        let random = SeededRandom::new(chance);
        let draw = |below: usize| {
            let below = u64::try_from(below).unwrap_or(1).max(1);
            usize::try_from(random.next_u64() % below).unwrap_or(0)
        };
        let Ok(request) = serde_json::from_str::<Value>(body) else {
            return Answer::refusal(400, "SerializationException");
        };
        let mut reasons = match self.true_reasons(request) {
            Ok(reasons) => reasons,
            // It cannot be done in any case.
            Err(answer) => return answer,
        };
        let sure = draw(reasons.len());
        for (index, reason) in reasons.iter_mut().enumerate() {
            if index == sure || draw(3) == 0 {
                let (code, message) = PASSING.get(draw(PASSING.len())).unwrap_or(&PASSING[0]);
                *reason = json!({ "Code": code, "Message": message });
            }
        }
        let codes: Vec<&str> = reasons.iter().filter_map(|it| it["Code"].as_str()).collect();
        let message = format!(
            "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
            codes.join(", ")
        );
        let body = json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "Message": message,
            "CancellationReasons": reasons,
        });
        Answer { status: 400, body: body.to_string() }
    }

    /// The reasons for which the actions of a transaction would be refused, found without doing
    /// them: a check that never holds cancels all.
    fn true_reasons(&self, mut request: Value) -> Result<Vec<Value>, Answer> {
        let Some(actions) = request["TransactItems"].as_array_mut() else {
            return Err(Answer::refusal(400, "ValidationException"));
        };
        let count = actions.len();
        let table = actions.first().and_then(Value::as_object).and_then(|it| it.values().next());
        let table = table.and_then(|it| it["TableName"].as_str()).map(str::to_owned);
        let Some(table) = table.filter(|_| count < MOST) else {
            return Ok(vec![json!({ "Code": "None" }); count]);
        };
        let described = self.ask("DescribeTable", &json!({ "TableName": table }));
        let names = described["Table"]["KeySchema"].as_array().into_iter().flatten();
        let names = names.filter_map(|it| it["AttributeName"].as_str());
        let key: Value =
            names.map(|name| (name.to_owned(), json!({ "S": "nobody has this key" }))).collect();
        actions.push(json!({
            "ConditionCheck": {
                "TableName": table,
                "Key": key,
                "ConditionExpression": "attribute_exists(nobody)",
            },
        }));
        if let Some(request) = request.as_object_mut() {
            request.remove("ClientRequestToken");
        }
        let answer = self.engine.answer("TransactWriteItems", &request.to_string());
        let mut said: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        match said["CancellationReasons"].take() {
            Value::Array(mut reasons) => {
                reasons.truncate(count);
                Ok(reasons)
            }
            _ => Err(answer),
        }
    }
}
