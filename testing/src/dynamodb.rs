//! A DynamoDB engine in this process, behind the real AWS client.

mod cancellation;
mod engine;
mod faults;
mod tokens;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_sdk_dynamodb::{
    Client,
    config::{
        BehaviorVersion, Config, IdentityCache, Region, StalledStreamProtectionConfig,
        retry::RetryConfig, timeout::TimeoutConfig,
    },
};
use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
            SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
    shared::IntoShared as _,
};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use setpiece_envelope::Clock;

use self::engine::Engine;
pub(crate) use self::faults::Trouble;
pub use self::faults::{DynamoDbFault, DynamoDbFaults};
use crate::{Gate, REGION, must::must};

/// DynamoDB in this process: a real engine, reached through the real AWS client, without a network.
///
/// It evaluates conditions and expressions, keeps transactions and their tokens, and counts
/// capacity. Time passes for it by the clock that it is given. Requests are answered in the order
/// in which they are made, and two runs that make the same requests get the same answers.
///
/// Clones are the same database.
///
/// ```
/// use setpiece_envelope::FixedClock;
/// use setpiece_testing::{DynamoDbFault, LocalDynamoDb};
///
/// let database = LocalDynamoDb::new(FixedClock::default());
/// database.create_table("points", "customer");
/// // The next `UpdateItem` is done, and its answer gets lost.
/// database.fail(DynamoDbFault::answer_lost().of("UpdateItem"));
/// let client: aws_sdk_dynamodb::Client = database.client();
/// # _ = client;
/// assert_eq!(database.items("points"), []);
/// ```
///
/// # What it is not
///
/// It has no throughput to exceed and no transactions that meet, since it does one request after
/// the other; both come as [faults](Self::fail). Reads are always consistent.
#[derive(Clone)]
#[cfg_attr(docsrs, doc(cfg(feature = "dynamodb")))]
pub struct LocalDynamoDb {
    engine: Arc<Engine>,
    state: Arc<Mutex<State>>,
    /// Gate that this handle's requests go through.
    gate: Gate,
}

#[derive(Default)]
struct State {
    demanded: Vec<DynamoDbFault>,
    chance: Option<DynamoDbFaults>,
    requests: Vec<DynamoDbRequest>,
    /// The tokens of the transactions that completed a record of a guard, by its table and key.
    commits: BTreeMap<String, BTreeSet<String>>,
}

/// A request that was made.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DynamoDbRequest {
    /// The operation, such as `UpdateItem`.
    pub operation: String,
    /// True if the engine has got it.
    pub arrived: bool,
    /// True if its answer has arrived, be it an error.
    pub answered: bool,
    /// The error that it was answered with, such as `ConditionalCheckFailedException`.
    pub error: Option<String>,
    /// The write capacity units that it cost. A condition that does not hold costs as much as the
    /// item that is there, of which the answer tells only when it was asked to.
    pub write_units: f64,
    /// The read capacity units that it cost.
    pub read_units: f64,
}

impl LocalDynamoDb {
    /// A database without tables, in which time passes by `clock`.
    #[must_use]
    #[track_caller]
    pub fn new(clock: impl Clock) -> Self {
        let engine = Arc::new(Engine::new(clock));
        Self { engine, state: Arc::default(), gate: Gate::new() }
    }

    /// A handle whose requests go through `gate`, before they are done and again before they are
    /// answered: that of one process.
    #[must_use]
    pub fn with_gate(&self, gate: &Gate) -> Self {
        Self { gate: gate.clone(), ..self.clone() }
    }

    /// Makes trouble by chance from now on.
    #[must_use]
    pub fn with_faults(self, faults: DynamoDbFaults) -> Self {
        self.state().chance = Some(faults);
        self
    }

    /// Makes trouble by chance from now on, or no longer.
    pub fn set_faults(&self, faults: Option<DynamoDbFaults>) {
        self.state().chance = faults;
    }

    /// Makes trouble for a request that is still to come. Several of them follow each other.
    pub fn fail(&self, fault: DynamoDbFault) {
        self.state().demanded.push(fault);
    }

    /// A client for it, whose own retries are off.
    #[must_use]
    pub fn client(&self) -> Client {
        Self::client_through(self.clone())
    }

    /// A client whose requests go through `http`, which hands them on.
    pub(crate) fn client_through(http: impl HttpClient + 'static) -> Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(REGION))
            // Nobody listens there.
            .endpoint_url("http://dynamodb.invalid")
            // Nobody looks at signatures, and they would tell the time of the machine.
            .allow_no_auth()
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            // Without it, the client would want a timer.
            .identity_cache(IdentityCache::no_cache())
            .http_client(http);
        Client::from_conf(config.build())
    }

    /// Creates a table with a partition key, a text.
    ///
    /// # Panics
    ///
    /// When it is there already.
    #[track_caller]
    pub fn create_table(&self, table: &str, partition_key: &str) {
        self.create(table, &[(partition_key, "HASH")]);
    }

    /// Creates a table with a partition key and a sort key, both texts.
    ///
    /// # Panics
    ///
    /// When it is there already.
    #[track_caller]
    pub fn create_sorted_table(&self, table: &str, partition_key: &str, sort_key: &str) {
        self.create(table, &[(partition_key, "HASH"), (sort_key, "RANGE")]);
    }

    #[track_caller]
    fn create(&self, table: &str, keys: &[(&str, &str)]) {
        let attributes =
            keys.iter().map(|(name, _)| json!({ "AttributeName": name, "AttributeType": "S" }));
        let schema =
            keys.iter().map(|(name, kind)| json!({ "AttributeName": name, "KeyType": kind }));
        self.ask(
            "CreateTable",
            &json!({
                "TableName": table,
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": attributes.collect::<Value>(),
                "KeySchema": schema.collect::<Value>(),
            }),
        );
    }

    /// Returns true if an item with this key, in the JSON of DynamoDB, is in a table.
    #[track_caller]
    pub(crate) fn has_item(&self, table: &str, key: &Value) -> bool {
        let found = self.ask("GetItem", &json!({ "TableName": table, "Key": key }));
        found["Item"].is_object()
    }

    /// Asks the engine, as nobody's client.
    #[track_caller]
    fn ask(&self, operation: &str, request: &Value) -> Value {
        let answer = self.engine.answer(operation, &request.to_string());
        assert_eq!(answer.status, 200, "{operation}: {}", answer.body);
        must(operation, serde_json::from_str(&answer.body))
    }

    /// All items of a table, in the engine's order.
    ///
    /// # Panics
    ///
    /// When there is no such table.
    #[must_use]
    #[track_caller]
    pub fn items(&self, table: &str) -> Vec<serde_dynamo::Item> {
        let mut items = Vec::new();
        let mut request = json!({ "TableName": table });
        loop {
            let mut page = self.ask("Scan", &request);
            let read: Vec<serde_dynamo::Item> =
                must("the items of a scan", serde_json::from_value(page["Items"].take()));
            items.extend(read);
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"].take();
            if request["ExclusiveStartKey"].is_null() {
                return items;
            }
        }
    }

    /// Deletes what has expired by its time to live, and says how much that was.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "sweeping is what it is for")]
    pub fn sweep(&self) -> usize {
        self.engine.sweep()
    }

    /// All requests of clients so far, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<DynamoDbRequest> {
        self.state().requests.clone()
    }

    /// Forgets the requests so far, and returns them.
    #[expect(clippy::must_use_candidate, reason = "forgetting them can be what it is for")]
    pub fn take_requests(&self) -> Vec<DynamoDbRequest> {
        std::mem::take(&mut self.state().requests)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the trouble of the next request for `operation`, if there is any.
    fn trouble(&self, operation: &str) -> Option<Trouble> {
        let state = &mut *self.state();
        let place = state.demanded.iter_mut().position(|fault| fault.strikes(operation));
        let Some(place) = place else {
            return state.chance.as_ref().and_then(|chance| chance.trouble(operation));
        };
        let fault = &mut state.demanded[place];
        let trouble = fault.trouble(operation);
        if fault.is_spent() {
            drop(state.demanded.remove(place));
        }
        Some(trouble)
    }

    /// The operation that a request is for.
    pub(crate) fn operation(request: &HttpRequest) -> String {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        target.rsplit('.').next().unwrap_or_default().to_owned()
    }

    /// Returns true if there is a table of that name.
    pub(crate) fn has_table(&self, table: &str) -> bool {
        let request = json!({ "TableName": table }).to_string();
        self.engine.answer("DescribeTable", &request).status == 200
    }

    /// Does a request whose caller has gone.
    pub(crate) fn do_late(&self, operation: &str, body: &str) {
        let mut made = DynamoDbRequest::new(operation);
        made.arrived = true;
        let answer = self.engine.answer(operation, &engine::counting(operation, body.to_owned()));
        self.note_commit(operation, body, &answer);
        answer.describe(operation, &mut made);
        self.state().requests.push(made);
    }

    /// Counts the transactions that completed a record of a guard, for each record.
    pub(crate) fn commits(&self) -> BTreeMap<String, u64> {
        let count = |tokens: &BTreeSet<String>| u64::try_from(tokens.len()).unwrap_or(u64::MAX);
        self.state()
            .commits
            .iter()
            .map(|(record, tokens)| (record.clone(), count(tokens)))
            .collect()
    }

    /// Remembers a transaction that was done and completes a record. The first of its actions is
    /// the record's; one with the token of another is done once.
    fn note_commit(&self, operation: &str, body: &str, answer: &Answer) {
        if operation != "TransactWriteItems" || answer.status != 200 {
            return;
        }
        let Ok(request) = serde_json::from_str::<Value>(body) else { return };
        let record = &request["TransactItems"][0]["Update"];
        let values = record["ExpressionAttributeValues"].as_object();
        let completes = |it: &Value| it["S"].as_str() == Some("COMPLETED");
        if !values.is_some_and(|values| values.values().any(completes)) {
            return;
        }
        let name =
            format!("{} {}", record["TableName"].as_str().unwrap_or_default(), record["Key"]);
        let commits = &mut self.state().commits;
        let tokens = commits.entry(name).or_default();
        // Each one without a token is another.
        let token = request["ClientRequestToken"].as_str().map(str::to_owned);
        tokens.insert(token.unwrap_or_else(|| format!("no token {}", tokens.len())));
    }

    /// Answers a request, which has this trouble, or else that of the database.
    pub(crate) async fn exchange(
        self,
        request: HttpRequest,
        trouble: Option<Trouble>,
    ) -> Result<HttpResponse, ConnectorError> {
        let operation = Self::operation(&request);
        let body = request.body().bytes().unwrap_or_default();
        let body = String::from_utf8_lossy(body).into_owned();
        let mut made = DynamoDbRequest::new(&operation);
        // It counts as made from here on, whether or not anybody waits for it.
        let place = {
            let state = &mut *self.state();
            state.requests.push(made.clone());
            state.requests.len() - 1
        };
        let note = |made: &DynamoDbRequest| {
            if let Some(place) = self.state().requests.get_mut(place) {
                place.clone_from(made);
            }
        };
        self.gate.pass().await;
        let trouble = trouble.or_else(|| self.trouble(&operation));
        let answer = match &trouble {
            Some(Trouble::Unreachable) => {
                return Err(broken(io::ErrorKind::ConnectionRefused));
            }
            Some(Trouble::Broken) => return Err(broken(io::ErrorKind::ConnectionReset)),
            Some(Trouble::Void) => return std::future::pending().await,
            Some(Trouble::Error(answer)) => answer.clone(),
            None | Some(Trouble::AnswerLost | Trouble::Silence | Trouble::ErrorThoughDone(_)) => {
                made.arrived = true;
                let counting = engine::counting(&operation, body.clone());
                let answer = self.engine.answer(&operation, &counting);
                self.note_commit(&operation, &body, &answer);
                answer
            }
        };
        answer.describe(&operation, &mut made);
        note(&made);
        self.gate.pass().await;
        match trouble {
            Some(Trouble::AnswerLost) => Err(broken(io::ErrorKind::ConnectionReset)),
            Some(Trouble::Silence) => std::future::pending().await,
            Some(Trouble::ErrorThoughDone(answer)) => Ok(answer.into_response()),
            _ => {
                made.answered = true;
                note(&made);
                Ok(answer.into_response())
            }
        }
    }
}

impl DynamoDbRequest {
    fn new(operation: &str) -> Self {
        Self {
            operation: operation.to_owned(),
            arrived: false,
            answered: false,
            error: None,
            write_units: 0.0,
            read_units: 0.0,
        }
    }
}

fn broken(kind: io::ErrorKind) -> ConnectorError {
    ConnectorError::io(Box::new(io::Error::from(kind)))
}

/// Answer of the engine or of a fault.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    /// A refusal with this code.
    pub(crate) fn refusal(status: u16, code: &str) -> Self {
        let code = format!("com.amazonaws.dynamodb.v20120810#{code}");
        let body = json!({ "__type": code, "message": "on demand" }).to_string();
        Self { status, body }
    }

    fn into_response(self) -> HttpResponse {
        let status = must("the status of an answer", StatusCode::try_from(self.status));
        let mut response = HttpResponse::new(status, SdkBody::from(self.body));
        response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        response
    }

    /// Writes down what it says about a request.
    fn describe(&self, operation: &str, made: &mut DynamoDbRequest) {
        let told: engine::Told = serde_json::from_str(&self.body).unwrap_or_default();
        made.error = told.error.map(|name| name.rsplit('#').next().unwrap_or(&name).to_owned());
        let units = engine::units(&told.consumed_capacity);
        match operation {
            "BatchGetItem" | "GetItem" | "Query" | "Scan" | "TransactGetItems" => {
                made.read_units = units;
            }
            _ if made.error.as_deref() == Some("ConditionalCheckFailedException") => {
                let answer: Value = serde_json::from_str(&self.body).unwrap_or_default();
                made.write_units = engine::item_units(&answer["Item"]);
            }
            _ => made.write_units = units,
        }
    }
}

impl HttpConnector for LocalDynamoDb {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().exchange(request, None))
    }
}

impl HttpClient for LocalDynamoDb {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.clone().into_shared()
    }
}

impl fmt::Debug for LocalDynamoDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("LocalDynamoDb")
            .field("requests", &state.requests.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
