//! The layer around the handler of a Lambda function.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context as TaskContext, Poll, Waker},
};

use lambda_runtime::{Context, Diagnostic, Error, LambdaEvent};
use serde::{Deserialize, Serialize};
use setpiece_envelope::FixedClock;
use setpiece_idempotency::{
    After, Event, Guard, GuardBuilder, GuardError, Held, IdempotencyLayer, Keep, Key, KeyError,
    Lease, MemoryStore, Skipped,
};
use setpiece_policy::{Deadline, InstantSleep, SeededRandom};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::support::{Op, Probe};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    number: Option<String>,
    total: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    charged: u32,
    run: u32,
}

fn builder() -> GuardBuilder<MemoryStore> {
    let clock = FixedClock::default();
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let sleep = InstantSleep::new(clock.clone());
    Guard::builder(store, "shop", "charge", clock, SeededRandom::new(1), sleep)
}

fn number(event: &LambdaEvent<Order>) -> Result<Key, KeyError> {
    Key::of(&event.payload.number)
}

fn lease(event: &LambdaEvent<Order>) -> Lease {
    Lease::until(Deadline::from_unix_millis(event.context.deadline))
}

/// A handler behind the layer, as a function's `main` builds it.
pub(crate) fn guarded(
    runs: Arc<AtomicU32>,
) -> impl Service<LambdaEvent<Order>, Response = Receipt, Error = GuardError<Error>, Future: Send>
+ Clone
+ Send
+ 'static {
    let guard = builder().build().unwrap();
    let layer = IdempotencyLayer::new(guard, number, lease);
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

#[test]
fn envelope_makes_no_difference() {
    let runs = Arc::default();
    let mut service = guarded(Arc::clone(&runs));
    for request_id in ["r-1", "r-2"] {
        let mut event = event(Some("a"), 29);
        event.context.request_id = request_id.to_owned();
        assert_eq!(block_on(call(&mut service, event)).unwrap().run, 1);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[test]
fn handler_is_told_what_claim_it_runs_under() {
    let guard = builder().build().unwrap();
    let key = guard.record_key(&Key::of("a").unwrap());
    let hand_over = |event: LambdaEvent<Order>, held: Held| (event.payload, held);
    let layer = IdempotencyLayer::new(guard, number, lease).with_held(hand_over);
    let handler = service_fn(move |(order, held): (Order, Held)| {
        let attempt = held.attempt();
        assert_eq!(*held.record_key(), key);
        async move {
            if attempt == 1 {
                return Err(Error::from(held.downstream_key("card")));
            }
            Ok((order.total, attempt, held.downstream_key("card")))
        }
    });
    let mut service = ServiceBuilder::new().layer(layer).service(handler);
    let first = block_on(call(&mut service, event(Some("a"), 29))).unwrap_err();
    let GuardError::Handler(failed) = first else { panic!("{first:?}") };
    for _ in 0..2 {
        let (total, attempt, downstream) =
            block_on(call(&mut service, event(Some("a"), 29))).unwrap();
        assert_eq!((total, attempt), (29, 2));
        assert_eq!(downstream, failed.error.to_string(), "the same in each attempt");
    }
}

#[test]
fn duplicate_of_what_is_not_kept_is_answered_as_it_was_decided() {
    for decided in [false, true] {
        let guard = builder().keep(Keep::nothing()).build().unwrap();
        let layer = IdempotencyLayer::new(guard, number, lease);
        let handler = service_fn(|_: LambdaEvent<Order>| async { Ok::<_, Error>(29) });
        let answers = if decided {
            let layer = layer.with_skipped(|why| {
                assert_eq!(why, Skipped::NotKept);
                0
            });
            let mut service = ServiceBuilder::new().layer(layer).service(handler);
            [(); 2].map(|()| block_on(call(&mut service, event(Some("a"), 29))))
        } else {
            let mut service = ServiceBuilder::new().layer(layer).service(handler);
            [(); 2].map(|()| block_on(call(&mut service, event(Some("a"), 29))))
        };
        let answers = answers.map(|answer| answer.map_err(|error| error.name()));
        assert_eq!(answers, [Ok(29), if decided { Ok(0) } else { Err("Skipped") }]);
    }
}

#[test]
fn request_without_a_key_is_reported() {
    let events: Arc<Mutex<Vec<_>>> = Arc::default();
    let guard = {
        let events = Arc::clone(&events);
        let observer = builder().observer(move |report| events.lock().unwrap().push(report.event));
        observer.build().unwrap()
    };
    let layer = IdempotencyLayer::new(guard, number, lease);
    let handler = service_fn(|_: LambdaEvent<Order>| async { Ok::<_, Error>(29) });
    let mut service = ServiceBuilder::new().layer(layer).service(handler);
    block_on(call(&mut service, event(None, 29))).unwrap_err();
    block_on(call(&mut service, event(Some("a"), 29))).unwrap();
    assert_eq!(*events.lock().unwrap(), [Event::Keyless, Event::Fresh]);
    assert!(Event::Keyless.is_final());
}

#[test]
fn what_fails_before_the_guard_asks_nothing() {
    let clock = FixedClock::default();
    let probe = Arc::new(Probe::new(Arc::new(MemoryStore::new(clock.clone()))));
    let guard = {
        let (store, sleep) = (Arc::clone(&probe), InstantSleep::new(clock.clone()));
        let builder = Guard::builder(store, "shop", "charge", clock, SeededRandom::new(1), sleep);
        builder.build().unwrap()
    };
    let layer = IdempotencyLayer::new(guard, number, lease);
    let handler = service_fn(|_: LambdaEvent<Order>| async { Ok::<_, Error>(29) });
    let guarded = ServiceBuilder::new().layer(layer.clone()).service(handler);
    // A layer around it that refuses what it does not like.
    let mut outer = service_fn(move |event: LambdaEvent<Order>| {
        let guarded = guarded.clone();
        async move {
            if event.payload.total == 0 {
                return Err(Error::from("nothing to charge"));
            }
            guarded.oneshot(event).await.map_err(|error| Error::from(error.name()))
        }
    });
    block_on(call(&mut outer, event(Some("a"), 0))).unwrap_err();
    assert_eq!(probe.asked(), []);
    // And a handler that is not ready.
    let mut unready = ServiceBuilder::new().layer(layer).service(Unready);
    let error = block_on(call(&mut unready, event(Some("a"), 29))).unwrap_err();
    let GuardError::Handler(failed) = error else { panic!("{error:?}") };
    assert_eq!(failed.after, After::Unclaimed);
    assert_eq!(probe.asked(), []);
    assert_eq!(block_on(call(&mut outer, event(Some("a"), 29))).unwrap(), 29);
    assert_eq!(probe.asked(), [Op::Acquire, Op::Settle]);
}

#[derive(Clone)]
struct Unready;

impl Service<LambdaEvent<Order>> for Unready {
    type Response = u32;
    type Error = Error;
    type Future = std::future::Ready<Result<u32, Error>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Err(Error::from("not now")))
    }

    fn call(&mut self, _: LambdaEvent<Order>) -> Self::Future {
        panic!("it was not ready")
    }
}
