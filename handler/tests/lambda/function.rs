//! The functions, and how this program becomes one of them.

use std::{
    env,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde::{Deserialize, Serialize};
use setpiece_bus::Publisher;
use setpiece_envelope::{DomainEvent, ServiceId, SystemClock};
use setpiece_handler::{
    App, Cx, Effects, Ending, Handlers, HttpForm, HttpRequest, HttpResponse, Json, MemoryEffects,
    Received, Respond, Write,
};
use setpiece_policy::Fault;
use setpiece_testing::FakeBus;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Barrier,
};

/// The variable that makes this program a function, and says which.
pub(crate) const NAME: &str = "SETPIECE_TEST_FUNCTION";

/// The variable that says to which port something is sent when Lambda ends the process.
pub(crate) const LAST_PORT: &str = "SETPIECE_TEST_LAST_PORT";

const PRODUCTS: ServiceId = ServiceId::new("shop", "catalog", "products");
const LOYALTY: ServiceId = ServiceId::new("shop", "customers", "loyalty");

/// Not a test, unless it is told to be a function.
#[test]
fn process() {
    let Some(name) = env::var_os(NAME) else { return };
    let ended = match name.to_str().unwrap() {
        "run" => current_thread().block_on(setpiece_handler::run(app())),
        "run_concurrent" => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            let runtime = builder.worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(setpiece_handler::run_concurrent(app()))
        }
        "run_until_shutdown" => {
            let last = async || {
                let port = env::var_os(LAST_PORT).unwrap().to_str().unwrap().parse().unwrap();
                let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                stream.write_all(b"flushed").await.unwrap();
            };
            current_thread().block_on(setpiece_handler::run_until_shutdown(app(), last))
        }
        "guarded" => current_thread().block_on(crate::services::guarded()),
        other => panic!("there is no function {other}"),
    };
    ended.unwrap();
}

fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(service = PRODUCTS, name = "product_registered", version = 1, view)]
pub(crate) struct ProductRegistered {
    pub(crate) customer: String,
    pub(crate) trouble: Option<Trouble>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(service = LOYALTY, name = "points_awarded", version = 1)]
struct PointsAwarded {
    customer: String,
}

/// What a handler may get into.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Trouble {
    Panic,
    /// It never ends.
    Slow,
    Transient,
    Throttled,
    Conflict,
    Contract,
    Permanent,
    Deadline,
    /// What observes the end panics.
    Observed,
}

/// What the observer cannot bear.
const UNBEARABLE: &str = "the observer is not to see it";

impl Trouble {
    /// Gets into it.
    async fn begin(self) -> Fault {
        match self {
            Self::Panic => panic!("as asked for by {SECRET}"),
            Self::Slow => std::future::pending().await,
            Self::Transient => Fault::transient("the catalog does not answer"),
            Self::Throttled => Fault::throttled("the catalog is busy"),
            Self::Conflict => Fault::conflict("the customer has changed"),
            Self::Contract => Fault::contract("the customer has no name"),
            Self::Permanent => Fault::permanent("the customer is unknown"),
            Self::Deadline => Fault::deadline("the catalog took too long"),
            Self::Observed => Fault::transient(UNBEARABLE),
        }
        .with_source(SECRET)
    }
}

/// What must not get out.
pub(crate) const SECRET: &str = "jane.doe@example.com";

async fn award_points(_: &Cx<State>, event: Received<ProductRegistered>) -> Result<Effects, Fault> {
    let ProductRegistered { customer, trouble } = event.data;
    if let Some(trouble) = trouble {
        return Err(trouble.begin().await);
    }
    Ok(Effects::new()
        .write(Write::update("points", ("customer", customer.as_str())).add("points", 100))
        .emit(PointsAwarded { customer }))
}

/// The state of a function.
pub(crate) struct State {
    asked: AtomicUsize,
    /// Eight have to be there at the same time.
    eight: Barrier,
}

/// What a direct invocation asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ask {
    /// How often anything has been asked.
    Count {},
    /// An answer of that many bytes.
    Large(usize),
    /// What is no JSON.
    Nonsense {},
    /// The same back, once eight ask at the same time.
    Together(u32),
    Trouble(Trouble),
    /// To connect to that port, and to answer when the other side hangs up.
    Meet(u16),
}

/// JSON as it is, or what is none.
struct Text(String);

impl Respond for Text {
    fn to_json(&self, _: Option<HttpForm>) -> Result<String, Fault> {
        Ok(self.0.clone())
    }
}

async fn ask(cx: &Cx<State>, Json(ask): Json<Ask>) -> Result<Text, Fault> {
    let asked = cx.state.asked.fetch_add(1, Ordering::Relaxed);
    Ok(Text(match ask {
        Ask::Count {} => asked.to_string(),
        Ask::Large(bytes) => format!("\"{}\"", "a".repeat(bytes - 2)),
        Ask::Nonsense {} => SECRET.to_owned(),
        Ask::Together(number) => {
            cx.state.eight.wait().await;
            number.to_string()
        }
        Ask::Trouble(trouble) => return Err(trouble.begin().await),
        Ask::Meet(port) => {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            stream.read_to_end(&mut Vec::new()).await.unwrap();
            "\"met\"".to_owned()
        }
    }))
}

async fn get(_: &Cx<State>, request: HttpRequest) -> Result<HttpResponse, Fault> {
    let bytes = request.path.trim_start_matches('/').parse().unwrap();
    Ok(HttpResponse::json(200, &"a".repeat(bytes)).unwrap())
}

pub(crate) type TestApp = App<State, MemoryEffects, FakeBus>;

pub(crate) fn app() -> TestApp {
    let state = State { asked: AtomicUsize::new(0), eight: Barrier::new(8) };
    let handlers = Handlers::new(state).on(award_points).on_query(ask).on_query(get);
    let effects = MemoryEffects::new(SystemClock);
    App::system(LOYALTY, handlers, effects, Publisher::system(FakeBus::new()))
        .observer(|report| match &report.ending {
            Ending::Failed(fault) if fault.context() == UNBEARABLE => {
                panic!("as asked for by {SECRET}")
            }
            _ => {}
        })
        .build()
        .unwrap()
}
