//! The way from the SDK to the engine, on which a test can make trouble.

use std::{
    collections::VecDeque,
    fmt, io,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings,
            SharedHttpClient, SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream};
use serde_json::{Value, json};
use setpiece_envelope::FixedClock;
use tokio::sync::Semaphore;

/// How many requests are under way at once, so that a thousand callers need no thousand sockets.
const CONNECTIONS: usize = 32;

/// An HTTP client that forwards to the engine, writes down what passes, and fails as it is told.
/// Clones are the same.
#[derive(Clone)]
pub(crate) struct Wire {
    inner: SharedHttpClient,
    clock: FixedClock,
    state: Arc<Mutex<State>>,
    free: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    troubles: VecDeque<(&'static str, Trouble)>,
    storm: Option<(&'static str, Trouble)>,
    exchanges: Vec<Exchange>,
    /// The requests that are still to be answered.
    under_way: usize,
    /// Rises whenever a request begins or ends.
    activity: u64,
}

/// What happens to one request.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// Nothing: it passes. For the requests before the one that is meant.
    Pass,
    /// The engine does it, and the connection breaks before the answer is here.
    AnswerLost,
    /// The engine does it, and the SDK's own timeout strikes before the answer is here.
    TimedOut,
    /// Nobody takes the request.
    Refused,
    /// The engine does it; the answer comes after so long.
    Slow(Duration),
    /// The engine gets it only after so long, and then does it.
    Late(Duration),
    /// The service refuses it with this code.
    Error(u16, &'static str),
    /// The service cancels the transaction for these reasons.
    Cancelled(&'static [&'static str]),
    /// The engine does it; the caller never hears of it, and dies waiting.
    Silence,
    /// The same, but the engine never gets it.
    Void,
    /// The engine does it, and what arrives is not an answer.
    Garbled,
}

/// One request and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) operation: String,
    pub(crate) request: Value,
    /// What the engine answered, whether that arrived or not.
    pub(crate) answer: Value,
}

impl Wire {
    pub(crate) fn new(inner: SharedHttpClient, clock: FixedClock) -> Self {
        let free = Arc::new(Semaphore::new(CONNECTIONS));
        Self { inner, clock, state: Arc::default(), free }
    }

    /// The next request for `operation` that has no trouble yet has this one.
    pub(crate) fn trouble(&self, operation: &'static str, trouble: Trouble) {
        self.state().troubles.push_back((operation, trouble));
    }

    /// All requests for `operation` have this trouble after those that were told before, or none
    /// any more.
    pub(crate) fn storm(&self, storm: Option<(&'static str, Trouble)>) {
        self.state().storm = storm;
    }

    /// The troubles that no request has had.
    pub(crate) fn pending_troubles(&self) -> usize {
        self.state().troubles.len()
    }

    /// All that has passed since this was last asked.
    pub(crate) fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut self.state().exchanges)
    }

    /// How much has passed since then.
    pub(crate) fn seen(&self) -> usize {
        self.state().exchanges.len()
    }

    /// The operations of all that has passed since this was last asked.
    pub(crate) fn take_operations(&self) -> Vec<String> {
        self.take().into_iter().map(|exchange| exchange.operation).collect()
    }

    /// Whether every request has its answer, or will never have one.
    pub(crate) fn is_idle(&self) -> bool {
        self.state().under_way == 0
    }

    /// Is another one when a request has begun or ended.
    pub(crate) fn activity(&self) -> u64 {
        self.state().activity
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn exchange(
        self,
        connector: SharedHttpConnector,
        mut request: HttpRequest,
    ) -> Result<HttpResponse, ConnectorError> {
        let work = Work::begin(&self);
        let place = self.free.acquire().await.unwrap();
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let mut sent: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let trouble = {
            let state = &mut *self.state();
            let place = state.troubles.iter().position(|(meant, _)| *meant == operation);
            let told = place.and_then(|place| state.troubles.remove(place));
            let storm = || state.storm.clone().filter(|(meant, _)| *meant == operation);
            told.or_else(storm).map_or(Trouble::Pass, |(_, trouble)| trouble)
        };
        let note = |answer| {
            let request = sent.clone();
            let operation = operation.clone();
            self.state().exchanges.push(Exchange { operation, request, answer });
        };
        match &trouble {
            Trouble::Refused => {
                note(Value::Null);
                return Err(broken(io::ErrorKind::ConnectionRefused));
            }
            Trouble::Void => {
                note(Value::Null);
                drop((place, work));
                return std::future::pending().await;
            }
            Trouble::Error(status, code) => {
                let answer = json!({
                    "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"),
                    "message": "as the test wants it",
                });
                note(answer.clone());
                return Ok(response(*status, &answer));
            }
            Trouble::Cancelled(reasons) => {
                let reasons: Vec<_> = reasons
                    .iter()
                    .map(|code| json!({ "Code": code, "Message": "as the test wants it" }))
                    .collect();
                let answer = json!({
                    "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
                    "message": "as the test wants it",
                    "CancellationReasons": reasons,
                });
                note(answer.clone());
                return Ok(response(400, &answer));
            }
            Trouble::Late(delay) => self.clock.advance(*delay),
            Trouble::Pass
            | Trouble::AnswerLost
            | Trouble::TimedOut
            | Trouble::Slow(_)
            | Trouble::Silence
            | Trouble::Garbled => {}
        }

        // The engine counts capacity when asked to, and the store need not ask for the sake of the
        // tests. Signatures are not checked.
        if !operation.ends_with("Table") && !operation.ends_with("TimeToLive") {
            sent["ReturnConsumedCapacity"] = json!("TOTAL");
            let body = serde_json::to_vec(&sent).unwrap();
            request.headers_mut().insert("content-length", body.len().to_string());
            *request.body_mut() = SdkBody::from(body);
        }
        let answered = connector.call(request).await?;
        let status = answered.status().as_u16();
        let body = ByteStream::new(answered.into_body()).collect().await.unwrap().to_vec();
        let answer: Value = serde_json::from_slice(&body).unwrap();
        self.state().exchanges.push(Exchange { operation, request: sent, answer: answer.clone() });
        match trouble {
            Trouble::AnswerLost => Err(broken(io::ErrorKind::ConnectionReset)),
            Trouble::TimedOut => {
                Err(ConnectorError::timeout("no answer within the time of the test".into()))
            }
            Trouble::Silence => {
                drop((place, work));
                std::future::pending().await
            }
            Trouble::Slow(delay) => {
                self.clock.advance(delay);
                Ok(response(status, &answer))
            }
            Trouble::Garbled => Ok(response(status, &json!("not an answer"))),
            _ => Ok(response(status, &answer)),
        }
    }
}

/// A request that somebody works on.
struct Work(Arc<Mutex<State>>);

impl Work {
    fn begin(wire: &Wire) -> Self {
        let state = &mut *wire.state();
        state.under_way += 1;
        state.activity += 1;
        Self(Arc::clone(&wire.state))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let state = &mut *self.0.lock().unwrap();
        state.under_way -= 1;
        state.activity += 1;
    }
}

fn broken(kind: io::ErrorKind) -> ConnectorError {
    ConnectorError::io(Box::new(io::Error::from(kind)))
}

pub(crate) fn response(status: u16, answer: &Value) -> HttpResponse {
    let body = SdkBody::from(serde_json::to_vec(answer).unwrap());
    let mut response = HttpResponse::new(StatusCode::try_from(status).unwrap(), body);
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    response
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let connector = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connection { wire: self.clone(), connector })
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Connection {
    wire: Wire,
    connector: SharedHttpConnector,
}

impl HttpConnector for Connection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.wire.clone().exchange(self.connector.clone(), request))
    }
}
