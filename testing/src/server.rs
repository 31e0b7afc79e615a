//! The fake bus behind the protocol of EventBridge.

use std::{
    error::Error as StdError,
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use setpiece_envelope::Timestamp;
use tokio::{
    net::TcpListener,
    task::{AbortHandle, JoinSet},
};

use crate::{CallError, FakeBus, PutEventsAnswer, PutEventsEntry, PutEventsResult};

/// Serves a [`FakeBus`] on a free port of this machine, in the protocol of EventBridge, so that a
/// program can be tested with the AWS client that it has in the cloud.
///
/// What the bus does (its rules, its faults, what it records) is set up and looked at on the
/// [`FakeBus`] itself, of which the server holds a clone.
///
/// ```no_run
/// use setpiece_testing::{FakeBus, FakeBusServer};
///
/// # async fn example() -> std::io::Result<()> {
/// let bus = FakeBus::new();
/// let server = FakeBusServer::start(bus.clone()).await?;
///
/// // aws_sdk_eventbridge::Config::builder().endpoint_url(server.endpoint_url())…
/// println!("{}", server.endpoint_url());
/// # Ok(())
/// # }
/// ```
///
/// It knows the operations `PutEvents` and `DescribeEventBus`, answers in HTTP 1.1 without TLS, and
/// looks at no signature. A request gets no answer, and its connection is closed, when its
/// [answer is lost](crate::CallFault::answer_lost) and also when the bus is [not to be
/// reached](crate::CallFault::unreachable): nobody who accepted a connection can refuse it
/// afterwards. To a client, both look as if the request may have been dealt with.
///
/// It stops when it is dropped.
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub struct FakeBusServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

struct Shared {
    bus: FakeBus,
    latency: Duration,
    requests: AtomicU64,
    in_flight: AtomicUsize,
    max_in_flight: AtomicUsize,
}

impl FakeBusServer {
    /// Serves `bus` in the tokio runtime of the caller, and answers at once.
    ///
    /// # Errors
    ///
    /// When the system gives no port.
    pub async fn start(bus: FakeBus) -> io::Result<Self> {
        Self::start_with_latency(bus, Duration::ZERO).await
    }

    /// Starts a server whose answers come `latency` after their requests.
    ///
    /// # Errors
    ///
    /// When the system gives no port.
    pub async fn start_with_latency(bus: FakeBus, latency: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            bus,
            latency,
            requests: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            max_in_flight: AtomicUsize::new(0),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Ok(Self { address, shared, task })
    }

    /// Returns the endpoint for clients.
    #[must_use]
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the number of requests that have come so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// The most requests that were there at the same time.
    #[must_use]
    pub fn max_in_flight(&self) -> usize {
        self.shared.max_in_flight.load(Ordering::Relaxed)
    }
}

impl Drop for FakeBusServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for FakeBusServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeBusServer").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Takes connections. They are tasks of this one, and end with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        // A connection that broke before it was taken is the client's to make again.
        let Ok((stream, _)) = listener.accept().await else { continue };
        // Answers are small, and nothing follows that they could wait for.
        _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(|request| serve(&shared, request));
            // That the client is gone, or that an answer was lost, is no error of ours.
            _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(shared: &Shared, request: Request<Incoming>) -> Result<Answer, NoAnswer> {
    let _present = Present::new(shared);
    let target = request.headers().get(TARGET).and_then(|target| target.to_str().ok());
    let operation = target.and_then(|target| target.strip_prefix("AWSEvents."));
    let operation = operation.unwrap_or_default().to_owned();
    let body = Limited::new(request.into_body(), MAX_BODY_BYTES).collect().await;
    if !shared.latency.is_zero() {
        tokio::time::sleep(shared.latency).await;
    }
    let body = match body {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Ok(refuse(&CallError::new(413, "RequestEntityTooLargeException", "")));
        }
        // The client has gone.
        Err(_) => return Err(NoAnswer),
    };
    match &operation[..] {
        "PutEvents" => put_events(&shared.bus, &body),
        "DescribeEventBus" => Ok(describe_event_bus(&shared.bus, &body)),
        _ => Ok(refuse(&CallError::new(400, "UnknownOperationException", ""))),
    }
}

fn put_events(bus: &FakeBus, body: &[u8]) -> Result<Answer, NoAnswer> {
    let Ok(PutEventsInput { entries }) = serde_json::from_slice(body) else {
        return Ok(refuse(&not_readable()));
    };
    match bus.put_events(entries.into_iter().map(PutEventsEntry::from).collect()) {
        PutEventsAnswer::Results(results) => Ok(answer(&PutEventsOutput::of(&results))),
        PutEventsAnswer::Refused(error) => Ok(refuse(&error)),
        PutEventsAnswer::Lost | PutEventsAnswer::Unreachable => Err(NoAnswer),
    }
}

fn describe_event_bus(bus: &FakeBus, body: &[u8]) -> Answer {
    let Ok(DescribeEventBusInput { name }) = serde_json::from_slice(body) else {
        return refuse(&not_readable());
    };
    match bus.describe_event_bus(name.as_deref()) {
        Ok(arn) => {
            let name = arn.rsplit('/').next().unwrap_or_default();
            answer(&DescribeEventBusOutput { arn: &arn, name })
        }
        Err(error) => refuse(&error),
    }
}

type Answer = Response<Full<Bytes>>;

fn answer(output: &impl Serialize) -> Answer {
    respond(StatusCode::OK, output)
}

fn refuse(error: &CallError) -> Answer {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = respond(status, &Refusal { code: &error.code, message: &error.message });
    if let Ok(code) = HeaderValue::from_str(&error.code) {
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}

fn respond(status: StatusCode, body: &impl Serialize) -> Answer {
    // Texts and numbers always have a JSON form.
    let body = serde_json::to_vec(body).unwrap_or_default();
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/x-amz-json-1.1");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

fn not_readable() -> CallError {
    CallError::new(400, "SerializationException", "")
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutEventsInput {
    #[serde(default)]
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    source: Option<String>,
    detail_type: Option<String>,
    detail: Option<String>,
    /// Seconds since 1970, with a fraction.
    time: Option<f64>,
    #[serde(default)]
    resources: Vec<String>,
    event_bus_name: Option<String>,
    trace_header: Option<String>,
}

impl From<Entry> for PutEventsEntry {
    fn from(entry: Entry) -> Self {
        let Entry { source, detail_type, detail, time, resources, event_bus_name, trace_header } =
            entry;
        Self {
            source,
            detail_type,
            detail,
            time: time.and_then(moment),
            resources,
            event_bus_name,
            trace_header,
        }
    }
}

/// The moment so many seconds after 1970 began, to the millisecond.
fn moment(seconds: f64) -> Option<Timestamp> {
    #[expect(clippy::cast_possible_truncation, reason = "what is out of bounds is no moment")]
    Timestamp::from_unix_millis((seconds * 1e3).round() as i64)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PutEventsOutput<'a> {
    failed_entry_count: usize,
    entries: Vec<ResultEntry<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ResultEntry<'a> {
    #[serde(rename_all = "PascalCase")]
    Accepted { event_id: &'a str },
    #[serde(rename_all = "PascalCase")]
    Failed { error_code: &'a str, error_message: &'a str },
}

impl<'a> PutEventsOutput<'a> {
    fn of(results: &'a [PutEventsResult]) -> Self {
        let entry = |result: &'a PutEventsResult| match result {
            PutEventsResult::Accepted { event_id } => ResultEntry::Accepted { event_id },
            PutEventsResult::Failed { code, message } => {
                ResultEntry::Failed { error_code: code, error_message: message }
            }
        };
        let entries: Vec<ResultEntry<'_>> = results.iter().map(entry).collect();
        let has_failed = |entry: &&ResultEntry<'_>| matches!(entry, ResultEntry::Failed { .. });
        Self { failed_entry_count: entries.iter().filter(has_failed).count(), entries }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeEventBusInput {
    name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeEventBusOutput<'a> {
    arn: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct Refusal<'a> {
    #[serde(rename = "__type")]
    code: &'a str,
    message: &'a str,
}

/// Header that names the operation that is asked for.
const TARGET: &str = "x-amz-target";

/// A request has less than 1 MiB, of which each byte may take six in JSON.
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// A request that is there, counted.
struct Present<'a>(&'a AtomicUsize);

impl<'a> Present<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.requests.fetch_add(1, Ordering::Relaxed);
        let now = shared.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        shared.max_in_flight.fetch_max(now, Ordering::Relaxed);
        Self(&shared.in_flight)
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Has the connection closed in place of an answer.
#[derive(Debug)]
struct NoAnswer;

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request gets no answer")
    }
}

impl StdError for NoAnswer {}

#[cfg(test)]
mod tests;
