//! One table, two sides: the guard here, and Powertools for AWS Lambda in Python or TypeScript there.
//!
//! `run.sh` installs the other side and starts this program, whose arguments are commands: one that
//! speaks for Powertools in each language, as `python=…` and `typescript=…`. The engine runs in this
//! process. What does not come out as it should ends the program with an error.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test is not production code")]

mod corpus;

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Config, Credentials, Region, retry::RetryConfig},
};
use serde_json::{Value, json};
use setpiece_envelope::{Clock, FixedClock, SystemClock};
use setpiece_idempotency::{
    AfterError, Claimed, Completed, Guard, GuardError, Key, KeyError, Lease, Outcome,
    RecordedError,
    dynamodb::{DynamoDbStore, Table},
};
use setpiece_policy::{Deadline, Retry, SystemRandom, TokioSleep};
use tokio::runtime::Runtime;

const PREFIX: &str = "orders-function.charge";
/// How long a handler may take.
const TIME: Duration = Duration::from_mins(1);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Language {
    Python,
    TypeScript,
}

/// Powertools, in a process of its own.
struct Peer {
    language: Language,
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Peer {
    fn start(language: Language, command: &str, endpoint: &str) -> Self {
        let mut words = command.split(' ');
        let mut child = Command::new(words.next().unwrap())
            .args(words)
            .arg(endpoint)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { language, child, stdin, stdout: BufReader::new(stdout) }
    }

    /// Sends a command while the engine goes on in the other threads.
    fn ask(&mut self, command: &Value) -> Value {
        self.ask_text(&command.to_string())
    }

    fn ask_text(&mut self, command: &str) -> Value {
        writeln!(self.stdin, "{command}").unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

/// One key, seen from both sides.
struct Case<'a> {
    peer: &'a mut Peer,
    desk: &'a Desk,
    payload: Value,
    validate: bool,
}

/// The engine's table and the guard on it.
struct Desk {
    clock: FixedClock,
    guard: Guard<DynamoDbStore, fn(&Failure) -> AfterError>,
    place: Value,
    language: Language,
}

#[derive(Debug, PartialEq)]
enum Failure {
    Transient,
    Permanent,
}

fn after(failure: &Failure) -> AfterError {
    match failure {
        Failure::Transient => AfterError::Release,
        Failure::Permanent => AfterError::Record(RecordedError::new("Declined", "declined")),
    }
}

impl Desk {
    async fn open(client: &Client, name: &str, language: Language, composite: bool) -> Self {
        let mut builder = Table::builder(name);
        let mut place = json!({ "table": name });
        if composite {
            builder = builder.composite_key("sk", "idempotency#orders-function");
            place["sort_key"] = json!("sk");
            place["partition"] = json!("idempotency#orders-function");
        }
        if language == Language::TypeScript {
            builder = builder.native_data();
        }
        let table = builder.build().unwrap();
        let retry = Retry::new(SystemClock, SystemRandom, TokioSleep);
        let deadline = Deadline::after(&SystemClock, TIME);
        table.create(client, &retry, deadline).await.unwrap();
        // Our side's time can be moved; theirs is the true one.
        let clock = FixedClock::at(SystemClock.now());
        let store = Arc::new(DynamoDbStore::new(client.clone(), table));
        let guard =
            Guard::builder(store, "orders", "charge", clock.clone(), SystemRandom, TokioSleep)
                .classify(after as fn(&Failure) -> AfterError)
                .build()
                .unwrap();
        Self { clock, guard, place, language }
    }

    fn lease(&self) -> Lease {
        Lease::until(Deadline::after(&self.clock, TIME))
    }
}

impl Case<'_> {
    /// The key that selects the order of the payload, and its amount as what is validated.
    fn key(&self) -> Key {
        let order = &self.payload["order"];
        let amount = &self.payload["amount"];
        let key = match self.desk.language {
            Language::Python => Key::powertools(PREFIX, order).unwrap(),
            Language::TypeScript => Key::powertools_typescript(PREFIX, order).unwrap(),
        };
        match self.desk.language {
            _ if !self.validate => key,
            Language::Python => key.with_powertools_fingerprint(amount).unwrap(),
            Language::TypeScript => key.with_powertools_typescript_fingerprint(amount).unwrap(),
        }
    }

    fn command(&mut self, command: Value) -> Value {
        let mut whole = json!({
            "prefix": PREFIX,
            "key": "order",
            "payload": self.payload,
            "remaining_ms": 60_000,
        });
        if self.validate {
            whole["validate"] = json!("amount");
        }
        for part in [self.desk.place.clone(), command] {
            whole.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        }
        self.peer.ask(&whole)
    }

    /// A guarded call of theirs that returns `result`.
    fn they_run(&mut self, result: &Value) -> Value {
        self.command(json!({ "do": "call", "handler": "return", "result": result }))
    }

    /// A guarded call of theirs that dies in the middle.
    fn they_crash(&mut self, remaining_ms: u32) {
        let command = json!({ "do": "call", "handler": "crash", "remaining_ms": remaining_ms });
        assert_eq!(self.command(command), json!({ "outcome": "crashed" }));
    }

    async fn we_run(
        &self,
        result: Result<Value, Failure>,
    ) -> Result<Outcome<Value>, GuardError<Failure>> {
        self.desk.guard.run(&self.key(), self.desk.lease(), |_| async { result }).await
    }
}

fn fresh(value: &Value) -> Value {
    json!({ "outcome": "fresh", "value": value })
}

fn replayed(value: &Value) -> Value {
    json!({ "outcome": "replayed", "value": value })
}

fn values() -> Vec<Value> {
    vec![
        json!({ "receipt": "r-1", "charged": 29.5, "lines": [1, null, "é\n", { "a": {} }] }),
        json!({}),
        json!([]),
        json!([false, 0, ""]),
        json!("text"),
        json!(""),
        json!(7),
        json!(0),
        json!(true),
        json!(false),
        json!(null),
    ]
}

/// Powertools for Python deserialises only what is true in its sense, and returns `None` for the
/// rest.
fn as_replayed_there(language: Language, value: &Value) -> Value {
    let is_falsy = match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(true) => false,
    };
    if language == Language::Python && is_falsy { Value::Null } else { value.clone() }
}

/// How each refuses a status that it does not know.
fn refusal(language: Language) -> &'static str {
    match language {
        Language::Python => "IdempotencyPersistenceLayerError",
        Language::TypeScript => "IdempotencyInvalidStatusError",
    }
}

async fn suite(peer: &mut Peer, client: &Client, composite: bool) {
    let language = peer.language;
    let name = format!("{language:?}-{composite}");
    let desk = Desk::open(client, &name, language, composite).await;
    let mut number = 0;
    let mut case = |payload: Value| {
        number += 1;
        let mut payload = payload;
        payload["order"] = json!(format!("order-{number}"));
        payload
    };
    macro_rules! case {
        ($validate:expr) => {
            Case {
                payload: case(json!({ "amount": 29 })),
                peer: &mut *peer,
                desk: &desk,
                validate: $validate,
            }
        };
    }

    for order in [
        json!("order-1"),
        json!(17),
        json!(1.0),
        json!(1e19),
        json!(-1.5e-7),
        json!({ "b": [1, 2.5, { "d": "é\u{1f600}\u{7f}", "c": null }], "a": true }),
        json!(["/", "\\\"\n\u{1}", ""]),
    ] {
        let mut case = case!(true);
        case.payload = json!({ "order": order, "amount": { "currency": "EUR", "cents": 2900 } });
        let theirs = case.command(json!({ "do": "key" }));
        let ours = desk.guard.record_key(&case.key());
        assert_eq!(theirs["key"], ours.as_str(), "{order}");
    }

    for value in values() {
        let mut case = case!(false);
        assert_eq!(case.they_run(&value), fresh(&value));
        let ours = case.we_run(Ok(json!("another"))).await.unwrap();
        assert_eq!(ours, Outcome::Replayed(value), "they completed, we replay");
    }

    for value in values() {
        let mut case = case!(false);
        assert_eq!(case.we_run(Ok(value.clone())).await.unwrap(), Outcome::Fresh(value.clone()));
        let expected = replayed(&as_replayed_there(language, &value));
        assert_eq!(case.they_run(&json!("another")), expected, "we completed, they replay");
    }

    {
        let mut case = case!(false);
        case.they_crash(60_000);
        let busy = case.we_run(Ok(json!(1))).await.unwrap_err();
        assert!(matches!(busy, GuardError::Busy(_)), "they are in progress: {busy:?}");
        desk.clock.advance(2 * TIME);
        let ours = case.we_run(Ok(json!(1))).await.unwrap();
        assert_eq!(ours, Outcome::Fresh(json!(1)), "their lease has lapsed");
        assert_eq!(case.they_run(&json!(2)), replayed(&json!(1)));
        // Their zombie writes without a condition. We see what there is then.
        case.command(json!({ "do": "finish", "handler": "return", "result": "late" }));
        let ours = case.we_run(Ok(json!(1))).await.unwrap();
        assert_eq!(ours, Outcome::Replayed(json!("late")));
        desk.clock.set_back(2 * TIME);
    }

    {
        let mut case = case!(false);
        let Ok(Claimed::Owned(claim)) = desk.guard.claim(&case.key(), desk.lease()).await else {
            unreachable!("nobody else has it");
        };
        assert_eq!(case.they_run(&json!(2)), json!({ "outcome": "in progress" }));
        claim.release().await.unwrap();
        assert_eq!(case.they_run(&json!(2)), fresh(&json!(2)), "we have released it");
        assert_eq!(case.we_run(Ok(json!(1))).await.unwrap(), Outcome::Replayed(json!(2)));
    }

    {
        let mut case = case!(false);
        desk.clock.set_back(Duration::from_hours(1));
        let Ok(Claimed::Owned(claim)) = desk.guard.claim(&case.key(), desk.lease()).await else {
            unreachable!("nobody else has it");
        };
        assert_eq!(case.they_run(&json!(2)), fresh(&json!(2)), "our lease has lapsed");
        let late = claim.complete(&json!(1)).await.unwrap();
        assert!(matches!(late, Completed::Superseded(_)), "our zombie changes nothing: {late:?}");
        assert_eq!(case.they_run(&json!(3)), replayed(&json!(2)));
        desk.clock.advance(Duration::from_hours(1));
    }

    {
        let mut case = case!(false);
        let failed = case.command(json!({ "do": "call", "handler": "fail" }));
        assert_eq!(failed, json!({ "outcome": "failed" }));
        assert_eq!(case.we_run(Ok(json!(1))).await.unwrap(), Outcome::Fresh(json!(1)));
    }

    {
        let mut case = case!(false);
        let failed = case.we_run(Err(Failure::Transient)).await.unwrap_err();
        assert!(matches!(failed, GuardError::Handler(_)), "{failed:?}");
        assert_eq!(case.they_run(&json!(2)), fresh(&json!(2)), "our work failed");
    }

    {
        // What Powertools has no word for, it refuses, and does not run its handler.
        let mut case = case!(false);
        let failed = case.we_run(Err(Failure::Permanent)).await.unwrap_err();
        assert!(matches!(failed, GuardError::Handler(_)), "{failed:?}");
        let refused = json!({ "outcome": refusal(language), "ran": false });
        assert_eq!(case.they_run(&json!(2)), refused);
        let mut case = case!(false);
        let large = json!("x".repeat(5000));
        assert!(case.we_run(Ok(large)).await.unwrap().was_run());
        assert_eq!(case.they_run(&json!(2)), refused);
    }

    {
        let mut case = case!(true);
        assert_eq!(case.they_run(&json!(1)), fresh(&json!(1)));
        assert_eq!(case.we_run(Ok(json!(2))).await.unwrap(), Outcome::Replayed(json!(1)));
        case.payload["amount"] = json!(30);
        let mismatch = case.we_run(Ok(json!(2))).await.unwrap_err();
        assert!(matches!(mismatch, GuardError::Mismatch(_)), "{mismatch:?}");

        let mut case = case!(true);
        assert_eq!(case.we_run(Ok(json!(1))).await.unwrap(), Outcome::Fresh(json!(1)));
        assert_eq!(case.they_run(&json!(2)), replayed(&json!(1)));
        case.payload["amount"] = json!(30);
        assert_eq!(case.they_run(&json!(2)), json!({ "outcome": "mismatch" }));
    }

    println!(
        "{language:?}, {}: {number} keys shared as they should be",
        if composite { "composite key" } else { "plain key" }
    );
}

/// Compares the keys of many documents. What we cannot be sure of we refuse, and that is not much.
async fn corpus(peer: &mut Peer, client: &Client) {
    const DOCUMENTS: usize = 5000;
    let language = peer.language;
    let desk = Desk::open(client, &format!("{language:?}-corpus"), language, false).await;
    let mut corpus = corpus::Corpus::new(0x5e7_91ec3);
    let mut refused = 0;
    for _ in 0..DOCUMENTS {
        let text = corpus.document();
        let document: Value = serde_json::from_str(&text).unwrap();
        let ours = match language {
            Language::Python => Key::powertools(PREFIX, &document),
            Language::TypeScript => Key::powertools_typescript(PREFIX, &document),
        };
        let ours = match ours {
            Ok(key) => desk.guard.record_key(&key),
            Err(KeyError::Inexpressible) => {
                refused += 1;
                continue;
            }
            Err(other) => panic!("{text}: {other}"),
        };
        // The text itself, since a tree here has other numbers than one there.
        let theirs = peer.ask_text(&format!(
            r#"{{"do":"key","table":"none","prefix":"{PREFIX}","payload":{text}}}"#
        ));
        assert_eq!(theirs["key"], ours.as_str(), "{language:?}: {text}");
    }
    assert!(refused < DOCUMENTS / 2, "{language:?}: {refused} refused");
    println!(
        "{language:?}: {} documents have the same key, {refused} have none",
        DOCUMENTS - refused
    );
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn main() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    // In a thread of its own, since this one waits for the other side.
    std::thread::spawn(move || {
        runtime().block_on(async {
            listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let engine = dynoxide::Database::memory().unwrap();
            dynoxide::server::serve_on(listener, engine).await;
        });
    });
    let runtime = runtime();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-west-1"))
        .endpoint_url(&endpoint)
        .credentials_provider(Credentials::new("x", "x", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let client = Client::from_conf(config);
    let mut languages = 0;
    for argument in std::env::args().skip(1) {
        let (language, command) = match argument.split_once('=') {
            Some(("python", command)) => (Language::Python, command),
            Some(("typescript", command)) => (Language::TypeScript, command),
            _ => continue,
        };
        let mut peer = Peer::start(language, command, &endpoint);
        runtime.block_on(corpus(&mut peer, &client));
        for composite in [false, true] {
            runtime.block_on(suite(&mut peer, &client, composite));
        }
        peer.child.kill().unwrap();
        peer.child.wait().unwrap();
        languages += 1;
    }
    if languages == 0 {
        println!("no other side was named; see run.sh");
    }
}
