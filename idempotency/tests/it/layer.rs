//! The layer around the handler of a Lambda function.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context as TaskContext, Poll, Waker},
};

use lambda_runtime::{Context, Diagnostic, Error, LambdaEvent, Runtime};
use serde::{Deserialize, Serialize};
use setpiece_envelope::FixedClock;
use setpiece_idempotency::{Guard, IdempotencyLayer, Key, Lease, MemoryStore};
use setpiece_policy::{Deadline, InstantSleep, SeededRandom};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Order {
    number: Option<String>,
    total: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Receipt {
    charged: u32,
    run: u32,
}

/// A handler behind the layer, as a function's `main` builds it.
fn guarded(
    runs: Arc<AtomicU32>,
) -> impl Service<
    LambdaEvent<Order>,
    Response = Receipt,
    Error = setpiece_idempotency::GuardError<Error>,
    Future: Send,
> + Clone
+ Send
+ 'static {
    let clock = FixedClock::default();
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let sleep = InstantSleep::new(clock.clone());
    let guard = Guard::builder(store, "shop", "charge", clock, SeededRandom::new(1), sleep)
        .build()
        .unwrap();
    let layer = IdempotencyLayer::new(
        guard,
        |event: &LambdaEvent<Order>| Key::of(&event.payload.number),
        |event: &LambdaEvent<Order>| {
            Lease::until(Deadline::from_unix_millis(event.context.deadline))
        },
    );
    ServiceBuilder::new().layer(layer).service(service_fn(move |event: LambdaEvent<Order>| {
        let runs = Arc::clone(&runs);
        async move {
            let run = runs.fetch_add(1, Ordering::SeqCst) + 1;
            if event.payload.total == 0 {
                return Err(Error::from("nothing to charge"));
            }
            Ok(Receipt { charged: event.payload.total, run })
        }
    }))
}

fn event(number: Option<&str>, total: u32) -> LambdaEvent<Order> {
    let mut context = Context::default();
    // The clock stands at the beginning of 2026.
    context.deadline = 1_767_225_600_000 + 3000;
    LambdaEvent::new(Order { number: number.map(str::to_owned), total }, context)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut TaskContext::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing here waits"),
    }
}

#[test]
fn handler_runs_once_for_each_request() {
    let runs = Arc::default();
    let mut service = guarded(Arc::clone(&runs));
    let call = |service: &mut _, event| block_on(call(service, event));
    let first = call(&mut service, event(Some("a"), 29)).unwrap();
    assert_eq!(first, Receipt { charged: 29, run: 1 });
    assert_eq!(call(&mut service.clone(), event(Some("a"), 29)).unwrap(), first);
    assert_eq!(call(&mut service, event(Some("b"), 29)).unwrap().run, 2);
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

async fn call<S: Service<LambdaEvent<Order>>>(
    service: &mut S,
    event: LambdaEvent<Order>,
) -> Result<S::Response, S::Error> {
    service.ready().await?.call(event).await
}

#[test]
fn lambda_is_told_what_kind_of_error_it_is() {
    let runs = Arc::default();
    let mut service = guarded(Arc::clone(&runs));
    let mut error = |event| Diagnostic::from(block_on(call(&mut service, event)).unwrap_err());
    let keyless = error(event(None, 29));
    assert_eq!(keyless.error_type, "Idempotency.Key");
    assert_eq!(runs.load(Ordering::SeqCst), 0, "it was not run");
    // The handler's own errors stay what they are.
    let own = error(event(Some("a"), 0));
    assert_eq!(own, Diagnostic::from(Error::from("nothing to charge")));
    let mut late = event(Some("b"), 29);
    late.context.deadline = 1_767_225_600_000 + 10;
    assert_eq!(error(late).error_type, "Idempotency.NoTime");
}

/// It is enough that this compiles: both ways to run a function take the guarded handler.
#[expect(dead_code, reason = "running it needs Lambda")]
async fn both_ways_to_run_take_it(runs: Arc<AtomicU32>, concurrent: bool) -> Result<(), Error> {
    let runtime = Runtime::new(guarded(runs));
    if concurrent { runtime.run_concurrent().await } else { runtime.run().await }
}
