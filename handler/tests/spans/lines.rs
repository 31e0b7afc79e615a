//! The line that somebody on call reads, for causes as they are in a night.
//!
//! The real clients speak to an engine and to a script. Each cause has one line, no two have the
//! same, and none has a value of the event or of a message of AWS in it.

#![expect(clippy::panic, reason = "the helpers of tests fail as tests do")]

use std::{
    collections::HashSet,
    fmt::Write as _,
    io,
    sync::{Arc, Mutex},
    time::Duration,
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
};
use aws_smithy_types::{body::SdkBody, retry::RetryConfig, timeout::TimeoutConfig};
use expect_test::expect_file;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use setpiece_bus::{ClaimCheckError, EventBridge, Publisher};
use setpiece_envelope::{Clock, Correlation, DomainEvent, FixedClock, ServiceId, Timestamp};
use setpiece_handler::{
    Allow, App, Cx, DynamoDbEffects, Effects, Handlers, HttpResponse as Response,
    InMemoryQuarantine, MemoryEffects, Received, Reply, RequestKey, SqsQuarantine, Write,
};
use setpiece_idempotency::dynamodb::Table;
use setpiece_policy::{Deadline, Fault, Retry, SeededRandom, Sleep};
use setpiece_testing::{FakeBus, LocalDynamoDb, sample, sqs_event, sqs_fifo_event};
use tracing::{
    Event, Level, Metadata, Subscriber,
    span::{Attributes, Id, Record},
};

use crate::Fields;

const SALES: ServiceId = ServiceId::new("shop", "checkout", "sales");
const LOYALTY: ServiceId = ServiceId::new("shop", "customers", "loyalty");

/// A value that is in every field of the event and in every message of AWS, and in no line.
const CANARY: &str = "jane.doe@example.com";

const QUARANTINE: &str = "https://sqs.eu-west-1.amazonaws.com/111122223333/poison";

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(service = SALES, name = "order_submitted", version = 2, first = true, view)]
struct OrderSubmitted {
    #[event(subject)]
    order_id: String,
    note: String,
    /// What the handler does.
    act: String,
}

#[derive(Serialize, Deserialize, DomainEvent)]
#[event(service = LOYALTY, name = "points_awarded", version = 1)]
struct PointsAwarded {
    note: String,
}

async fn react(_: &Cx<()>, event: Received<OrderSubmitted>) -> Result<Effects, Fault> {
    let OrderSubmitted { order_id, note, act } = event.data;
    let update = |table: &str| Write::update(table, ("customer", order_id.as_str()));
    let effects = Effects::new();
    Ok(match act.as_str() {
        "award" => effects.write(update("points").add("points", 100)).emit(PointsAwarded { note }),
        "write nowhere" => effects.write(update("nowhere").add("points", 100)),
        "write too much" => effects.write(update("points").set("first", 1)).write(Write::put(
            "points",
            ("customer", "x"),
            &json!({ "note": "x".repeat(500_000) }),
        )),
        "write twice" => effects
            .write(update("points").add("points", 100))
            .write(update("points").set("name", note)),
        "write no number" => effects.write(update("points").set("points", f64::NAN)),
        "append" => effects.write(update("points").append("log", "x".repeat(300_000))),
        "write a stale one" => effects.write(update("points").set("x", 1).if_present()),
        "refuse" => return Err(Fault::permanent("the customer is unknown")),
        "find no catalog" => return Err(Fault::transient("the catalog does not answer")),
        "fetch a payload" => return Err(ClaimCheckError::Altered.into()),
        "panic" => panic!("as asked for"),
        "wait" => std::future::pending().await,
        act => unreachable!("{act}"),
    })
}

fn order_to(act: &str) -> setpiece_testing::Sample<OrderSubmitted> {
    let (order_id, note) = (CANARY.to_owned(), format!("{CANARY} called"));
    sample(OrderSubmitted { order_id, note, act: act.to_owned() }).event_id("e-1").tenant("acme")
}

fn detail_with(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut detail: Value = serde_json::from_slice(&order_to("award").detail()).unwrap();
    change(&mut detail);
    sqs_event([detail.to_string()])
}

/// What AWS does to all requests of an operation.
#[derive(Clone, Debug)]
enum Answer {
    Error(u16, &'static str),
    /// An entry of `PutEvents` fails.
    Entry(&'static str),
    Cancelled(&'static str),
    /// The condition of the record does not hold, and this is the record.
    Found(Value),
    Refused,
    TimedOut,
    Silence,
}

/// AWS as it is in a night. Clones are the same.
#[derive(Clone, Debug)]
struct Cloud {
    engine: LocalDynamoDb,
    script: Arc<Mutex<Vec<(&'static str, Answer)>>>,
    quarantined: Arc<Mutex<Vec<String>>>,
}

impl Answer {
    fn give(self, target: &str) -> HttpConnectorFuture {
        let message = format!("the message quotes {CANARY}");
        let (status, body) = match self {
            Self::Refused => {
                let error = io::Error::new(io::ErrorKind::ConnectionRefused, message);
                return HttpConnectorFuture::ready(Err(ConnectorError::io(error.into())));
            }
            Self::TimedOut => {
                let error = ConnectorError::timeout(message.into());
                return HttpConnectorFuture::ready(Err(error));
            }
            Self::Silence => return HttpConnectorFuture::new(std::future::pending()),
            Self::Error(status, code) => (status, json!({ "__type": code, "message": message })),
            Self::Entry(code) => {
                let entry = json!({ "ErrorCode": code, "ErrorMessage": message });
                (200, json!({ "FailedEntryCount": 1, "Entries": [entry] }))
            }
            Self::Cancelled(code) => (
                400,
                json!({
                    "__type": "TransactionCanceledException",
                    "message": message,
                    "CancellationReasons":
                        [{ "Code": "None" }, { "Code": code, "Message": message }, { "Code": "None" }],
                }),
            ),
            Self::Found(item) => {
                let code = "ConditionalCheckFailedException";
                (400, json!({ "__type": code, "message": message, "Item": item }))
            }
        };
        assert!(!target.is_empty());
        answer(status, &body)
    }
}

fn answer(status: u16, body: &Value) -> HttpConnectorFuture {
    let status = StatusCode::try_from(status).unwrap();
    let mut response = HttpResponse::new(status, SdkBody::from(body.to_string()));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    HttpConnectorFuture::ready(Ok(response))
}

impl HttpConnector for Cloud {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap().to_owned();
        let operation = target.rsplit_once('.').unwrap().1;
        let script = self.script.lock().unwrap();
        if let Some((_, answer)) = script.iter().find(|(of, _)| *of == operation) {
            return answer.clone().give(operation);
        }
        drop(script);
        match operation {
            "PutEvents" => answer(200, &json!({ "Entries": [{ "EventId": "1" }] })),
            "SendMessage" => {
                let body: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
                let attributes = body["MessageAttributes"].to_string();
                self.quarantined.lock().unwrap().push(attributes);
                answer(200, &json!({ "MessageId": "m", "MD5OfMessageBody": "x" }))
            }
            _ => HttpConnector::call(&self.engine, request),
        }
    }
}

impl HttpClient for Cloud {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// A client of a service whose requests come to the cloud.
macro_rules! client {
    ($sdk:ident, $cloud:expr) => {{
        use $sdk::config::{
            BehaviorVersion, Config, Credentials, IdentityCache, Region,
            StalledStreamProtectionConfig,
        };
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-west-1"))
            .endpoint_url("http://aws.invalid")
            .credentials_provider(Credentials::new("x", "x", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .identity_cache(IdentityCache::no_cache())
            .http_client($cloud.clone());
        $sdk::Client::from_conf(config.build())
    }};
}

/// The time of the runtime, which is paused.
#[derive(Clone, Debug)]
struct RuntimeClock(Timestamp, tokio::time::Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        self.0.saturating_add(self.1.elapsed())
    }
}

#[derive(Clone, Copy, Debug)]
struct RuntimeSleep;

impl Sleep for RuntimeSleep {
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The fields of one line, in order.
type Line = Vec<(&'static str, String)>;

/// Keeps what is said from `WARN` on as lines, and all else as one text.
#[derive(Clone, Default)]
struct Lines {
    told: Arc<Mutex<Vec<Line>>>,
    rest: Arc<Mutex<String>>,
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("setpiece")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut fields = Vec::new();
        attributes.record(&mut Fields(&mut fields));
        write!(self.rest.lock().unwrap(), "{fields:?}").unwrap();
        Id::from_u64(1)
    }

    fn event(&self, event: &Event<'_>) {
        let level = *event.metadata().level();
        let mut fields = vec![("level", level.to_string())];
        event.record(&mut Fields(&mut fields));
        if level <= Level::WARN {
            self.told.lock().unwrap().push(fields);
        } else {
            write!(self.rest.lock().unwrap(), "{fields:?}").unwrap();
        }
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// One cause.
struct Case {
    what: &'static str,
    script: Vec<(&'static str, Answer)>,
    table: &'static str,
    allow: Allow,
    seconds: u64,
    /// What was delivered before, and for how long it was waited for.
    before: Option<(Vec<u8>, Duration)>,
    invocation: Vec<u8>,
}

fn case(what: &'static str, invocation: Vec<u8>) -> Case {
    let (table, allow) = ("records", Allow::new());
    Case { what, script: Vec::new(), table, allow, seconds: 30, before: None, invocation }
}

fn order(what: &'static str, act: &str) -> Case {
    case(what, order_to(act).sqs())
}

fn aws(what: &'static str, operation: &'static str, answer: Answer) -> Case {
    Case { script: vec![(operation, answer)], ..order(what, "award") }
}

fn post(body: &str) -> Vec<u8> {
    json!({
        "httpMethod": "POST", "path": format!("/{CANARY}"), "requestContext": {}, "body": body,
        "multiValueHeaders": { "Idempotency-Key": [CANARY] },
    })
    .to_string()
    .into_bytes()
}

#[expect(clippy::too_many_lines, reason = "a table, which is read best in one piece")]
fn causes() -> Vec<Case> {
    use Answer::*;
    const MINUTE: Duration = Duration::from_mins(1);
    let again = |case: Case, wait| Case { before: Some((case.invocation.clone(), wait)), ..case };
    let append = |id: &str| order_to("append").event_id(id).sqs();
    let mut deep = order_to("award");
    for _ in 0..40 {
        deep = order_to("award").with_metadata(|it| {
            it.correlation = Correlation::caused_by(deep.metadata());
        });
    }
    let newer = json!({
        "id": { "S": CANARY }, "status": { "S": "COMPLETED" }, "record_version": { "N": "99" },
        "expiration": { "N": "9999999999" }, "data": { "S": CANARY },
    });
    let corrupt = json!({ "id": { "S": CANARY }, "status": { "BOOL": true } });
    vec![
        aws("the table is throttled", "UpdateItem", Error(400, "ThrottlingException")),
        aws(
            "the table has too little capacity",
            "UpdateItem",
            Error(400, "ProvisionedThroughputExceededException"),
        ),
        Case { table: "absent", ..order("the table does not exist", "award") },
        aws("the table is not permitted", "UpdateItem", Error(400, "AccessDeniedException")),
        aws("the credentials have expired", "UpdateItem", Error(400, "ExpiredTokenException")),
        aws("the KMS key is disabled", "UpdateItem", Error(400, "KMSDisabledException")),
        aws("the table cannot be reached", "UpdateItem", Refused),
        aws("the table answers too late", "UpdateItem", TimedOut),
        aws("the table never answers", "UpdateItem", Silence),
        aws("DynamoDB is down", "UpdateItem", Error(500, "InternalServerError")),
        Case { table: "points", ..order("the table has another key", "award") },
        aws("the record is of a newer version", "UpdateItem", Found(newer)),
        aws("the record is not one", "UpdateItem", Found(corrupt)),
        aws(
            "other transactions hold the items",
            "TransactWriteItems",
            Cancelled("TransactionConflict"),
        ),
        aws("the written table is throttled", "TransactWriteItems", Cancelled("ThrottlingError")),
        aws(
            "the commit is not permitted",
            "TransactWriteItems",
            Error(400, "AccessDeniedException"),
        ),
        order("the written table does not exist", "write nowhere"),
        Case { before: Some((append("e-0"), MINUTE)), ..case("the item is full", append("e-1")) },
        order("the write is too large", "write too much"),
        order("two writes are on one item", "write twice"),
        order("a write has no value", "write no number"),
        order("a condition does not hold", "write a stale one"),
        aws("the bus is throttled", "PutEvents", Entry("ThrottlingException")),
        aws("the bus has a fault", "PutEvents", Entry("InternalFailure")),
        aws("the bus does not exist", "PutEvents", Error(400, "ResourceNotFoundException")),
        aws("the bus is not permitted", "PutEvents", Error(400, "AccessDeniedException")),
        aws("the bus allows another source", "PutEvents", Entry("NotAuthorizedForSourceException")),
        aws("the bus refuses an entry", "PutEvents", Entry("MalformedDetail")),
        aws("the bus cannot be reached", "PutEvents", Refused),
        aws("the bus never answers", "PutEvents", Silence),
        aws("the commit is never answered", "TransactWriteItems", Silence),
        aws("the outbox cannot be cleared", "BatchWriteItem", Error(400, "AccessDeniedException")),
        Case {
            script: vec![("SendMessage", Error(400, "com.amazonaws.sqs#QueueDoesNotExist"))],
            ..order("the quarantine does not exist", "refuse")
        },
        Case {
            script: vec![("SendMessage", Silence)],
            ..order("the quarantine never answers", "refuse")
        },
        Case {
            script: vec![("SendMessage", Error(403, "AccessDenied"))],
            ..order("the quarantine is not permitted", "refuse")
        },
        again(order("somebody else has the key", "wait"), Duration::from_secs(1)),
        Case {
            before: Some((post("one"), MINUTE)),
            ..case("the key was used for another request", post("two"))
        },
        case("the body is broken", sqs_event([format!(r#"{{"note":"{CANARY}""#)])),
        case("the body is a text", sqs_event([CANARY])),
        case(
            "the event has no id",
            detail_with(|it| _ = it["metadata"].as_object_mut().unwrap().remove("event_id")),
        ),
        case("the version is newer", detail_with(|it| it["metadata"]["version"] = "3".into())),
        case("the version is older", detail_with(|it| it["metadata"]["version"] = "1".into())),
        case("a member has another type", detail_with(|it| it["data"]["order_id"] = 7.into())),
        case("a member of an event of the bus has another type", {
            let mut event: Value =
                serde_json::from_slice(&order_to("award").event_bridge()).unwrap();
            event["detail"]["data"]["order_id"] = 7.into();
            event.to_string().into_bytes()
        }),
        case(
            "nobody handles it",
            detail_with(|it| it["metadata"]["name"] = "order_cancelled".into()),
        ),
        Case {
            allow: Allow::new().account("111122223333"),
            ..order("it comes from elsewhere", "award")
        },
        case("the chain of events is too long", deep.sqs()),
        order("the handler refuses it", "refuse"),
        order("the handler fails for a moment", "find no catalog"),
        order("the handler panics", "panic"),
        order("the handler is too slow", "wait"),
        order("the payload was changed", "fetch a payload"),
        Case { seconds: 0, ..order("no time is left", "award") },
        case("nobody knows the invocation", format!(r#"["{CANARY}"]"#).into_bytes()),
    ]
}

async fn answer_request(
    _: &Cx<()>,
    _: setpiece_handler::HttpRequest,
) -> Result<Reply<Response>, Fault> {
    Ok(Reply::new(Response::new(201)))
}

/// The line of a cause, after all has been checked that is asked of each.
async fn line_of(case: Case) -> String {
    let lines = Lines::default();
    let _listening = tracing::subscriber::set_default(lines.clone());
    let clock = RuntimeClock(FixedClock::default().now(), tokio::time::Instant::now());
    let engine = LocalDynamoDb::new(clock.clone());
    engine.create_table("records", "id");
    engine.create_table("points", "customer");
    let cloud = Cloud { engine, script: Arc::default(), quarantined: Arc::default() };
    let retry = Retry::new(clock.clone(), SeededRandom::new(1), RuntimeSleep);
    let app = App::builder(
        LOYALTY,
        Handlers::new(())
            .on(react)
            .on_request(|it| it.idempotency_key().map(RequestKey::anonymous), answer_request)
            .unhandled(setpiece_handler::Unhandled::Quarantine),
        DynamoDbEffects::new(client!(aws_sdk_dynamodb, cloud), Table::new(case.table)),
        Publisher::new(EventBridge::new(client!(aws_sdk_eventbridge, cloud), "shop"), retry),
        clock.clone(),
        SeededRandom::new(2),
        RuntimeSleep,
    )
    .quarantine(SqsQuarantine::new(client!(aws_sdk_sqs, cloud), QUARANTINE))
    .allow(case.allow)
    .whole_batches()
    .build()
    .unwrap();
    let what = case.what;
    let deadline = |seconds| Deadline::after(&clock, Duration::from_secs(seconds));
    if let Some((before, wait)) = case.before {
        _ = tokio::time::timeout(wait, app.invoke(&before, deadline(30))).await;
        lines.told.lock().unwrap().clear();
    }
    *cloud.script.lock().unwrap() = case.script;
    let answer = app.invoke(&case.invocation, deadline(case.seconds)).await;

    let told = lines.told.lock().unwrap();
    let [line] = &told[..] else { panic!("{what}: one line, and not {told:#?}") };
    let field = |name: &str| {
        let mut fields = line.iter();
        fields.find(|(of, _)| *of == name).map(|(_, value)| value.as_str())
    };
    assert!(field("remedy").is_some_and(|it| it.len() > 20), "{what}: {line:?}");

    // Whoever looks elsewhere finds the same.
    let elsewhere = match &answer {
        Err(error) => error.to_string(),
        Ok(_) if field("ending") == Some("Quarantined") => {
            let quarantined = cloud.quarantined.lock().unwrap();
            quarantined[0].replace("\\\"", "\"")
        }
        Ok(answer) => {
            assert!(answer.contains("422"), "{what}: {answer}");
            String::new()
        }
    };
    for name in [
        "fault.kind",
        "fault.context",
        "fault.reason",
        "fault.source",
        "fault.code",
        "aws.service",
        "aws.operation",
        "aws.resource",
        "gave_up",
        "tries",
        "gave_up_after_ms",
        "remedy",
    ] {
        if let Some(value) = field(name)
            && !elsewhere.is_empty()
            && !(name == "tries" && field("gave_up").is_none())
        {
            assert!(elsewhere.contains(value), "{what}: {name} is not in {elsewhere}");
        }
    }
    let rest = lines.rest.lock().unwrap();
    assert!(!format!("{line:?}{elsewhere}{rest}").contains(CANARY), "{what}: {line:?} {rest}");

    let mut text = format!("{} {}", field("level").unwrap(), field("message").unwrap());
    for (name, value) in line.iter().filter(|(name, _)| !matches!(*name, "level" | "message")) {
        write!(text, " {name}=\"{value}\"").unwrap();
    }
    text
}

#[tokio::test(start_paused = true)]
async fn each_cause_has_one_line_of_its_own_that_says_what_to_do() {
    let (mut all, mut distinct) = (String::new(), HashSet::new());
    let causes = causes();
    let count = causes.len();
    for case in causes {
        let what = case.what;
        let line = line_of(case).await;
        assert!(distinct.insert(line.clone()), "{what} has the line of another cause: {line}");
        writeln!(all, "{what}\n    {line}\n").unwrap();
    }
    assert!(count >= 20 && distinct.len() == count);
    expect_file!["lines/lines.txt"].assert_eq(&all);
}

async fn refuse(_: &Cx<()>, _: Received<OrderSubmitted>) -> Result<Effects, Fault> {
    Err(Fault::permanent("the customer is unknown"))
}

async fn find_nobody(_: &Cx<()>, _: Received<OrderSubmitted>) -> Result<Effects, Fault> {
    Err(Fault::transient("the catalog does not answer"))
}

/// What waits behind a failure is no failure of its own, and one of another handler is.
#[tokio::test(start_paused = true)]
async fn each_failure_of_a_batch_has_one_line() {
    let lines = Lines::default();
    let _listening = tracing::subscriber::set_default(lines.clone());
    let clock = RuntimeClock(FixedClock::default().now(), tokio::time::Instant::now());
    let app = |handlers| {
        let retry = Retry::new(clock.clone(), SeededRandom::new(1), RuntimeSleep);
        App::builder(
            LOYALTY,
            handlers,
            MemoryEffects::new(clock.clone()),
            Publisher::new(FakeBus::new(), retry),
            clock.clone(),
            SeededRandom::new(2),
            RuntimeSleep,
        )
        .quarantine(InMemoryQuarantine::new())
        .build()
        .unwrap()
    };
    let deadline = || Deadline::after(&clock, Duration::from_secs(30));
    let told = || {
        let told: Vec<Line> = std::mem::take(&mut lines.told.lock().unwrap());
        let context = |line: &Line| {
            let mut fields = line.iter();
            fields.find(|(name, _)| *name == "fault.context").unwrap().1.clone()
        };
        told.iter().map(context).collect::<Vec<_>>()
    };
    let events: Vec<_> = ["e-1", "e-2", "e-3"]
        .map(|id| ("group", order_to("find no catalog").event_id(id).detail()))
        .into();
    app(Handlers::new(()).on(react)).invoke(&sqs_fifo_event(events), deadline()).await.unwrap();
    assert_eq!(told(), ["the catalog does not answer"]);

    let both = app(Handlers::new(()).on(refuse).on(find_nobody));
    both.invoke(&order_to("award").sqs(), deadline()).await.unwrap();
    assert_eq!(told(), ["the customer is unknown", "the catalog does not answer"]);

    let well = app(Handlers::new(()).on(react));
    well.invoke(&order_to("award").sqs(), deadline()).await.unwrap();
    assert_eq!(told(), [""; 0]);
}
