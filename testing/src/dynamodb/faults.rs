use serde_json::json;
use setpiece_policy::{Random as _, SeededRandom};

use super::Answer;
use crate::chance::Chance;

/// Trouble of a request.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    AnswerLost,
    Unreachable,
    /// The connection breaks, and it is not known here what is done.
    Broken,
    Silence,
    Void,
    Error(Answer),
    /// It is done, and answered as if it had failed.
    ErrorThoughDone(Answer),
}

/// Requests that are to fail, though nothing is wrong with them: for
/// [`LocalDynamoDb::fail`](super::LocalDynamoDb::fail).
///
/// Without further words, it is the next request, once.
#[derive(Clone, Debug)]
#[must_use = "hand it to the database"]
pub struct DynamoDbFault {
    trouble: Kind,
    operation: Option<String>,
    after: u32,
    times: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    AnswerLost,
    Unreachable,
    Silence,
    Void,
    Throttled,
    Conflict,
    Internal,
    Denied,
}

impl DynamoDbFault {
    fn new(trouble: Kind) -> Self {
        Self { trouble, operation: None, after: 0, times: Some(1) }
    }

    /// The request is done, and its answer gets lost.
    pub fn answer_lost() -> Self {
        Self::new(Kind::AnswerLost)
    }

    /// No connection comes about, and nothing is done.
    pub fn unreachable() -> Self {
        Self::new(Kind::Unreachable)
    }

    /// The request is done, and whoever made it waits for ever.
    pub fn silence() -> Self {
        Self::new(Kind::Silence)
    }

    /// Nothing is done, and whoever made it waits for ever.
    pub fn void() -> Self {
        Self::new(Kind::Void)
    }

    /// It is refused, since there is too much to do: `ThrottlingException`.
    pub fn throttled() -> Self {
        Self::new(Kind::Throttled)
    }

    /// It is refused, since a transaction holds one of its items.
    pub fn conflict() -> Self {
        Self::new(Kind::Conflict)
    }

    /// It is refused with `InternalServerError`.
    pub fn internal() -> Self {
        Self::new(Kind::Internal)
    }

    /// Refuses the request with `AccessDeniedException`, as for a permission that is missing.
    pub fn denied() -> Self {
        Self::new(Kind::Denied)
    }

    /// Only requests for this operation, such as `UpdateItem`.
    pub fn of(self, operation: impl Into<String>) -> Self {
        Self { operation: Some(operation.into()), ..self }
    }

    /// Lets so many of them pass first.
    pub fn after(self, requests: u32) -> Self {
        Self { after: requests, ..self }
    }

    /// So many of them.
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    /// However many there are.
    pub fn always(self) -> Self {
        Self { times: None, ..self }
    }

    pub(super) fn strikes(&mut self, operation: &str) -> bool {
        if self.operation.as_ref().is_some_and(|of| of != operation) {
            return false;
        }
        if let Some(left) = self.after.checked_sub(1) {
            self.after = left;
            return false;
        }
        if let Some(times) = &mut self.times {
            *times = times.saturating_sub(1);
        }
        true
    }

    pub(super) fn is_spent(&self) -> bool {
        self.times == Some(0)
    }

    pub(super) fn trouble(&self, operation: &str) -> Trouble {
        self.trouble.trouble(operation)
    }
}

impl Kind {
    fn trouble(self, operation: &str) -> Trouble {
        let refused = |status, code: &str| Trouble::Error(Answer::refusal(status, code));
        match self {
            Self::AnswerLost => Trouble::AnswerLost,
            Self::Unreachable => Trouble::Unreachable,
            Self::Silence => Trouble::Silence,
            Self::Void => Trouble::Void,
            Self::Throttled => refused(400, "ThrottlingException"),
            Self::Denied => refused(400, "AccessDeniedException"),
            Self::Internal => refused(500, "InternalServerError"),
            Self::Conflict if operation == "TransactWriteItems" => {
                let body = json!({
                    "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
                    "message": "on demand",
                    "CancellationReasons": [{ "Code": "TransactionConflict" }],
                });
                Trouble::Error(Answer { status: 400, body: body.to_string() })
            }
            Self::Conflict => refused(400, "TransactionConflictException"),
        }
    }
}

/// Trouble by chance, the same for the same seed: for
/// [`LocalDynamoDb::with_faults`](super::LocalDynamoDb::with_faults).
///
/// Each kind of trouble draws from a sequence of its own, so that adding one does not change when
/// the others strike.
#[derive(Clone, Debug)]
#[must_use = "hand it to the database"]
pub struct DynamoDbFaults {
    throttle: Chance,
    lose_answers: Chance,
    unreachable: Chance,
    conflict: Chance,
}

impl DynamoDbFaults {
    /// No trouble yet, with the chance of `seed` for what follows.
    pub fn seeded(seed: u64) -> Self {
        let seeds = SeededRandom::new(seed);
        let chance = || Chance::seeded(seeds.next_u64());
        Self {
            throttle: chance(),
            lose_answers: chance(),
            unreachable: chance(),
            conflict: chance(),
        }
    }

    /// Throttles each request with this probability.
    ///
    /// # Panics
    ///
    /// When it is no probability: less than 0 or more than 1.
    #[track_caller]
    pub fn throttle(mut self, probability: f64) -> Self {
        self.throttle.set(probability);
        self
    }

    /// Loses the answer to each request with this probability, after it was done.
    ///
    /// # Panics
    ///
    /// When it is no probability: less than 0 or more than 1.
    #[track_caller]
    pub fn lose_answers(mut self, probability: f64) -> Self {
        self.lose_answers.set(probability);
        self
    }

    /// Refuses the connection for each request with this probability.
    ///
    /// # Panics
    ///
    /// When it is no probability: less than 0 or more than 1.
    #[track_caller]
    pub fn refuse_connections(mut self, probability: f64) -> Self {
        self.unreachable.set(probability);
        self
    }

    /// Lets each request meet a transaction that holds one of its items, with this probability.
    ///
    /// # Panics
    ///
    /// When it is no probability: less than 0 or more than 1.
    #[track_caller]
    pub fn conflict(mut self, probability: f64) -> Self {
        self.conflict.set(probability);
        self
    }

    pub(super) fn trouble(&self, operation: &str) -> Option<Trouble> {
        // All of them are drawn each time, so that none depends on another.
        let [throttle, lost, unreachable, conflict] = [
            self.throttle.strikes(),
            self.lose_answers.strikes(),
            self.unreachable.strikes(),
            self.conflict.strikes(),
        ];
        let kind = if unreachable {
            Kind::Unreachable
        } else if throttle {
            Kind::Throttled
        } else if conflict && meets_transactions(operation) {
            Kind::Conflict
        } else if lost {
            Kind::AnswerLost
        } else {
            return None;
        };
        Some(kind.trouble(operation))
    }
}

/// Returns true if a transaction that holds an item refuses the operation. Reads and batches go on.
/// See <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html>.
fn meets_transactions(operation: &str) -> bool {
    matches!(operation, "DeleteItem" | "PutItem" | "TransactWriteItems" | "UpdateItem")
}
