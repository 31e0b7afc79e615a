//! What Lambda is to a function: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.

use std::{
    convert::Infallible,
    env,
    net::SocketAddr,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use setpiece_envelope::{Clock as _, SystemClock};
use tokio::{
    net::TcpListener,
    process::{Child, ChildStderr, Command},
    sync::{Mutex, mpsc},
};

/// A function that runs, and the Runtime API that it polls. It ends with this value.
pub(crate) struct Function {
    child: Child,
    invocations: mpsc::UnboundedSender<Invocation>,
    answers: mpsc::UnboundedReceiver<Answer>,
    server: tokio::task::JoinHandle<()>,
    invoked: usize,
}

/// What the function posted about an invocation.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) request_id: String,
    /// Whether it went to `/error`.
    pub(crate) is_error: bool,
    pub(crate) body: Bytes,
}

struct Invocation {
    request_id: String,
    deadline_ms: u64,
    body: Bytes,
}

/// The side of the server.
struct Lambda {
    invocations: Mutex<mpsc::UnboundedReceiver<Invocation>>,
    answers: mpsc::UnboundedSender<Answer>,
}

impl Function {
    /// Starts the function of that name, which is in `function.rs`.
    pub(crate) async fn start(name: &str, environment: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (invocations, queued) = mpsc::unbounded_channel();
        let (posted, answers) = mpsc::unbounded_channel();
        let lambda = Arc::new(Lambda { invocations: Mutex::new(queued), answers: posted });
        let server = tokio::spawn(serve(listener, lambda));
        let child = spawn(name, address, environment);
        Self { child, invocations, answers, server, invoked: 0 }
    }

    /// Invokes it with all the time in the world, and waits for the answer.
    pub(crate) async fn invoke(&mut self, body: impl Into<Bytes>) -> Answer {
        self.invoke_for(Duration::from_mins(10), body).await
    }

    /// Invokes it with as much time, and waits for the answer.
    pub(crate) async fn invoke_for(&mut self, time: Duration, body: impl Into<Bytes>) -> Answer {
        let deadline_ms = SystemClock.now().saturating_add(time).unix_millis().unsigned_abs();
        let request_id = self.send(deadline_ms, body);
        let answer = self.answer().await;
        assert_eq!(answer.request_id, request_id);
        answer
    }

    /// Queues an invocation, and says under which id.
    pub(crate) fn send(&mut self, deadline_ms: u64, body: impl Into<Bytes>) -> String {
        self.invoked += 1;
        let request_id = format!("8476a536-e9f4-11e8-9739-{:012}", self.invoked);
        let invocation =
            Invocation { request_id: request_id.clone(), deadline_ms, body: body.into() };
        assert!(self.invocations.send(invocation).is_ok(), "the server runs");
        request_id
    }

    /// The next answer.
    pub(crate) async fn answer(&mut self) -> Answer {
        tokio::select! {
            biased;
            answer = self.answers.recv() => answer.expect("the server runs"),
            ended = self.child.wait() => panic!("the function has ended: {ended:?}"),
        }
    }

    /// Whether there are no more answers.
    pub(crate) fn has_answered_all(&mut self) -> bool {
        self.answers.try_recv().is_err()
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.id().expect("the function runs")
    }

    pub(crate) fn stderr(&mut self) -> ChildStderr {
        self.child.stderr.take().expect("nobody has taken it")
    }

    /// Waits until the process ends by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        self.child.wait().await.unwrap()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Answer {
    /// The body of a response.
    pub(crate) fn response(&self) -> &str {
        let body = std::str::from_utf8(&self.body).unwrap();
        assert!(!self.is_error, "{body}");
        body
    }

    /// Type and message of an error.
    pub(crate) fn error(&self) -> (String, String) {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        struct Diagnostic {
            error_type: String,
            error_message: String,
        }
        assert!(self.is_error, "{:?}", self.body);
        let diagnostic: Diagnostic = serde_json::from_slice(&self.body).unwrap();
        (diagnostic.error_type, diagnostic.error_message)
    }
}

/// Runs this very program again, as a function.
fn spawn(name: &str, runtime_api: SocketAddr, environment: &[(&str, &str)]) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "function::process", "--nocapture"])
        .env_clear()
        .env(crate::function::NAME, name)
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", name)
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn serve(listener: TcpListener, lambda: Arc<Lambda>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let lambda = Arc::clone(&lambda);
        let service = service_fn(move |request| {
            let lambda = Arc::clone(&lambda);
            async move { Ok::<_, Infallible>(lambda.answer(request).await) }
        });
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

impl Lambda {
    /// As much as Lambda takes in an answer.
    const MAX_BYTES: usize = 6_291_556;

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let path: Vec<_> = parts.uri.path().split('/').skip(1).collect();
        let body = body.collect().await.unwrap().to_bytes();
        match (parts.method, &path[..]) {
            (Method::GET, ["2018-06-01", "runtime", "invocation", "next"]) => self.next().await,
            (Method::POST, ["2018-06-01", "runtime", "invocation", request_id, kind]) => {
                let too_large = *kind == "response" && body.len() > Self::MAX_BYTES;
                let request_id = (*request_id).to_owned();
                let answer = Answer { request_id, is_error: *kind == "error", body };
                assert!(self.answers.send(answer).is_ok(), "the test runs");
                empty(if too_large { 413 } else { 202 })
            }
            (Method::POST, ["2020-01-01", "extension", "register"]) => {
                let body = r#"{"functionName":"it","functionVersion":"$LATEST","handler":"it"}"#;
                Response::builder()
                    .header("Lambda-Extension-Identifier", "5b9bd8e5-0fb5-4d8a-8d5c-2b8d3c1c7a10")
                    .body(Full::from(body))
                    .unwrap()
            }
            (Method::GET, ["2020-01-01", "extension", "event", "next"]) => {
                std::future::pending().await
            }
            _ => empty(404),
        }
    }

    async fn next(&self) -> Response<Full<Bytes>> {
        let next = self.invocations.lock().await.recv().await;
        let Some(Invocation { request_id, deadline_ms, body }) = next else {
            return std::future::pending().await;
        };
        Response::builder()
            .header("Lambda-Runtime-Aws-Request-Id", request_id)
            .header("Lambda-Runtime-Deadline-Ms", deadline_ms)
            .header(
                "Lambda-Runtime-Invoked-Function-Arn",
                "arn:aws:lambda:us-east-1:123456789012:function:it",
            )
            .header(
                "Lambda-Runtime-Trace-Id",
                "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
            )
            .header("Content-Type", "application/json")
            .body(Full::from(body))
            .unwrap()
    }
}

fn empty(status: u16) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::default()).unwrap()
}
