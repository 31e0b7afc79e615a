//! The layer under Lambda's own runtime. This program is run once more as the function, and here is
//! what Lambda is to it: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Barrier, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use lambda_runtime::Runtime;
use serde_json::{Value, json};

use crate::layer::guarded;

/// The variable that makes this program a function, and says how it is run.
const WAY: &str = "SETPIECE_TEST_WAY";

/// Not a test, unless it is told to be a function.
#[test]
fn function() {
    #[expect(clippy::disallowed_methods, reason = "the test says what this process is")]
    let Ok(way) = env::var(WAY) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ended = runtime.block_on(async {
        let runtime = Runtime::new(guarded(Arc::default()));
        if way == "run" { runtime.run().await } else { runtime.run_concurrent().await }
    });
    ended.unwrap();
}

#[test]
fn guarded_handler_is_run_once_for_each_request() {
    let function = Function::start("run", 1);
    let [first] = function.invoke([json!({ "number": "a", "total": 29 })]);
    assert_eq!(first, Ok(json!({ "charged": 29, "run": 1 })));
    // The same request is another invocation, with an id of its own.
    let [again] = function.invoke([json!({ "number": "a", "total": 29 })]);
    assert_eq!(again, first);
    let [other] = function.invoke([json!({ "number": "b", "total": 31 })]);
    assert_eq!(other, Ok(json!({ "charged": 31, "run": 2 })));
    let [keyless] = function.invoke([json!({ "number": null, "total": 29 })]);
    assert_eq!(keyless, Err(json!("Idempotency.Key")));
}

#[test]
fn guarded_handler_is_run_once_where_invocations_come_side_by_side() {
    let function = Function::start("run_concurrent", 2);
    let order = || json!({ "number": "a", "total": 29 });
    for _ in 0..3 {
        let answers = function.invoke([order(), order()]);
        assert_eq!(answers, [(); 2].map(|()| Ok(json!({ "charged": 29, "run": 1 }))));
    }
    let answers = function.invoke([order(), json!({ "number": null, "total": 29 })]);
    assert!(answers.contains(&Err(json!("Idempotency.Key"))), "{answers:?}");
}

/// What the function answered: a response, or the type of an error.
type Answer = Result<Value, Value>;

/// A function that runs, and ends with this value.
struct Function {
    child: Child,
    invocations: Sender<Value>,
    answers: Receiver<Answer>,
}

/// Lambda's side.
struct Lambda {
    invocations: Mutex<Receiver<Value>>,
    answers: Sender<Answer>,
    /// Nobody gets an invocation before so many wait for one.
    pollers: Barrier,
}

impl Function {
    fn start(way: &str, workers: usize) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (invocations, queued) = channel();
        let (posted, answers) = channel();
        let pollers = Barrier::new(workers);
        let lambda = Lambda { invocations: Mutex::new(queued), answers: posted, pollers };
        let lambda = Arc::new(lambda);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let lambda = Arc::clone(&lambda);
                std::thread::spawn(move || lambda.serve(&stream.unwrap()));
            }
        });
        Self { child: spawn(way, workers, address), invocations, answers }
    }

    /// Invokes it with all of these at the same time, and waits for the answers in any order.
    fn invoke<const N: usize>(&self, payloads: [Value; N]) -> [Answer; N] {
        // An answer takes so long only where the function has ended, and then the test has failed.
        const LONG: Duration = Duration::from_mins(1);
        for payload in payloads {
            self.invocations.send(payload).unwrap();
        }
        [(); N].map(|()| self.answers.recv_timeout(LONG).unwrap())
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn spawn(way: &str, workers: usize, runtime_api: SocketAddr) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "runtime::function", "--nocapture"])
        .env_clear()
        .env(WAY, way)
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "it")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_MAX_CONCURRENCY", workers.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

impl Lambda {
    /// Answers on one connection, until the function closes it or nobody invokes it any more.
    fn serve(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        for id in 0.. {
            let (path, body) = request(&mut reader)?;
            if path.ends_with("/next") {
                self.pollers.wait();
                let payload = self.invocations.lock().ok()?.recv().ok()?;
                respond(stream, "200 OK", id, &payload.to_string())?;
            } else {
                let body: Value = serde_json::from_slice(&body).unwrap();
                let is_error = path.ends_with("/error");
                let answer = if is_error { Err(body["errorType"].clone()) } else { Ok(body) };
                self.answers.send(answer).ok()?;
                respond(stream, "202 Accepted", id, "")?;
            }
        }
        None
    }
}

/// Path and body of the next request, if there is one.
fn request(reader: &mut BufReader<&TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|len| *len > 0)?;
        Some(line.trim_end().to_owned())
    };
    let path = line()?.split(' ').nth(1)?.to_owned();
    let mut len = 0;
    loop {
        let header = line()?.to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            len = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; len];
    reader.read_exact(&mut body).ok()?;
    Some((path, body))
}

fn respond(mut stream: &TcpStream, status: &str, id: u32, body: &str) -> Option<()> {
    let len = body.len();
    // The clock of the function stands at the beginning of 2026.
    let response = format!(
        "HTTP/1.1 {status}\r\n\
         lambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-{id:012}\r\n\
         lambda-runtime-deadline-ms: 1767225603000\r\n\
         lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:123456789012:function:it\r\n\
         content-type: application/json\r\ncontent-length: {len}\r\n\r\n{body}"
    );
    stream.write_all(response.as_bytes()).ok()
}
