use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use setpiece_handler::{Cx, Decision, Handling, Json, Next, Reason, Reply};
use setpiece_idempotency::Key;
use setpiece_policy::Fault;
use tower::{
    BoxError, Layer, Service, ServiceBuilder,
    layer::layer_fn,
    limit::{ConcurrencyLimitLayer, GlobalConcurrencyLimitLayer},
    timeout::error::Elapsed,
    util::MapResponseLayer,
};

use crate::shop::{Loyalty, Shop, award_points, failures, queue, registered, troubled};

/// A layer that says when it is entered and left.
#[derive(Clone)]
struct Diary {
    name: &'static str,
    entries: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
struct Kept<T> {
    diary: Diary,
    inner: T,
}

impl<T> Layer<T> for Diary {
    type Service = Kept<T>;

    fn layer(&self, inner: T) -> Kept<T> {
        Kept { diary: self.clone(), inner }
    }
}

impl<T> Service<Handling<Loyalty>> for Kept<T>
where
    T: Service<Handling<Loyalty>, Response = Decision, Error = Fault>,
    T::Future: Send + 'static,
{
    type Response = Decision;
    type Error = Fault;
    type Future = BoxFuture<'static, Result<Decision, Fault>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, handling: Handling<Loyalty>) -> Self::Future {
        let Diary { name, entries } = self.diary.clone();
        let entry = format!("{name} {} {}", handling.handler, handling.cx.attempt());
        entries.lock().unwrap().push(entry);
        let decided = self.inner.call(handling);
        Box::pin(async move {
            let decided = decided.await;
            let outcome = match &decided {
                Ok(decision) => format!("{} writes", decision.effects().written().len()),
                Err(fault) => fault.context().to_owned(),
            };
            entries.lock().unwrap().push(format!("{name} left: {outcome}"));
            decided
        })
    }
}

/// Each run of a handler, and nothing that was done before.
#[tokio::test(start_paused = true)]
async fn a_layer_sees_runs_and_no_replays() {
    let shop = Shop::new();
    let diary = Diary { name: "diary", entries: Arc::default() };
    let handlers = shop.handlers().on(award_points).layer(diary.clone());
    let app = shop.app_of(handlers).build().unwrap();
    let body = registered("c1").detail();
    for id in ["m1", "m2"] {
        let answer = app.invoke(&queue(false, &[(id, None, &body)]), shop.deadline()).await;
        assert_eq!(failures(&answer.unwrap()), [""; 0]);
    }
    assert_eq!(*diary.entries.lock().unwrap(), ["diary award_points 1", "diary left: 1 writes"]);
    // What fails is run again, and that is seen.
    let body = troubled("c2", "transient").detail();
    for id in ["m3", "m4"] {
        let answer = app.invoke(&queue(false, &[(id, None, &body)]), shop.deadline()).await;
        assert_eq!(failures(&answer.unwrap()), [id]);
    }
    let expected = [
        "diary award_points 1",
        "diary left: the catalog does not answer",
        "diary award_points 2",
        "diary left: the catalog does not answer",
    ];
    assert_eq!(diary.entries.lock().unwrap()[2..], expected);
}

#[tokio::test(start_paused = true)]
async fn the_last_layer_is_the_outermost() {
    let shop = Shop::new();
    let entries = Arc::default();
    let diary = |name| Diary { name, entries: Arc::clone(&entries) };
    // Wherever handlers are added, all layers are around all of them.
    let handlers = shop.handlers().layer(diary("inner")).on(award_points).layer(diary("outer"));
    let app = shop.app_of(handlers).build().unwrap();
    let body = registered("c1").detail();
    app.invoke(&queue(false, &[("m1", None, &body)]), shop.deadline()).await.unwrap();
    let expected = [
        "outer award_points 1",
        "inner award_points 1",
        "inner left: 1 writes",
        "outer left: 1 writes",
    ];
    assert_eq!(*entries.lock().unwrap(), expected);
}

/// A layer that logs decisions logs no customers.
#[tokio::test(start_paused = true)]
async fn what_a_layer_can_print_shows_no_data() {
    async fn greet(
        _: &Cx<Loyalty>,
        _: Json<serde_json::Value>,
    ) -> Result<Reply<Json<&'static str>>, Fault> {
        Ok(Reply::new(Json("secret")))
    }
    let shop = Shop::new();
    let printed: Arc<Mutex<Vec<String>>> = Arc::default();
    let print = {
        let printed = Arc::clone(&printed);
        MapResponseLayer::new(move |decision: Decision| {
            printed.lock().unwrap().push(format!("{decision:?}"));
            decision
        })
    };
    let key = |_: &Json<serde_json::Value>| Key::of("k");
    let app = shop.app_of(shop.handlers().on_request(key, greet).layer(print)).build().unwrap();
    let answer = app.invoke(br#"{"name":"secret"}"#, shop.deadline()).await.unwrap();
    assert_eq!(answer, r#""secret""#);
    let printed = printed.lock().unwrap().join("");
    assert!(printed.contains("Decision") && !printed.contains("secret"), "{printed}");
}

/// Refuses every other run with that fault.
fn refusing<T: Clone>(fault: fn() -> Fault) -> impl Layer<T, Service = Refusing<T>> {
    let runs = Arc::new(AtomicUsize::new(0));
    layer_fn(move |inner| Refusing { fault, runs: Arc::clone(&runs), inner })
}

#[derive(Clone)]
struct Refusing<T> {
    fault: fn() -> Fault,
    runs: Arc<AtomicUsize>,
    inner: T,
}

impl<T> Service<Handling<Loyalty>> for Refusing<T>
where
    T: Service<Handling<Loyalty>, Response = Decision, Error = Fault>,
    T::Future: Send + 'static,
{
    type Response = Decision;
    type Error = Fault;
    type Future = BoxFuture<'static, Result<Decision, Fault>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, handling: Handling<Loyalty>) -> Self::Future {
        if self.runs.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            return Box::pin(std::future::ready(Err((self.fault)())));
        }
        Box::pin(self.inner.call(handling))
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_a_layer_is_treated_as_one_of_the_handler() {
    let shop = Shop::new();
    let body = registered("c1").detail();
    let batch = queue(false, &[("m1", None, &body)]);

    // What may pass comes again, and is done then.
    let passing = refusing(|| Fault::throttled("the service is busy"));
    let app = shop.app_of(shop.handlers().on(award_points).layer(passing)).build().unwrap();
    let answer = app.invoke(&batch, shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), ["m1"]);
    assert_eq!(shop.points("c1"), None);
    let answer = app.invoke(&batch, shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), [""; 0]);
    assert_eq!(shop.points("c1"), Some(100));

    // What may not is put aside.
    let shop = Shop::new();
    let lasting = refusing(|| Fault::permanent("the customer may not"));
    let app = shop.app_of(shop.handlers().on(award_points).layer(lasting)).build().unwrap();
    let answer = app.invoke(&batch, shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), [""; 0]);
    assert_eq!(shop.quarantine.items()[0].reason, Reason::Permanent);
    assert_eq!(shop.quarantine.items()[0].bytes, body);
    assert!(shop.state.order.lock().unwrap().is_empty());
}

/// A layer that panics is no worse than a handler that does.
#[tokio::test(start_paused = true)]
async fn a_layer_that_panics_fails_its_delivery_alone() {
    let shop = Shop::new();
    let panicking = refusing(|| panic!("as asked for"));
    let handlers = shop.handlers().on(award_points).layer(panicking);
    let app = shop.app_of(handlers).concurrency(1).build().unwrap();
    let bodies = [registered("c1").detail(), registered("c2").detail()];
    let messages = [("m1", None, &bodies[0][..]), ("m2", None, &bodies[1][..])];
    let answer = app.invoke(&queue(false, &messages), shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), ["m1"]);
    assert_eq!(shop.points("c2"), Some(100));
}

/// `tower`'s own error, as a fault.
fn fault(error: BoxError) -> Fault {
    match error.downcast::<Fault>() {
        Ok(fault) => *fault,
        Err(error) if error.is::<Elapsed>() => Fault::deadline("the handler took too long"),
        Err(error) => Fault::transient("a layer has failed").with_source(error),
    }
}

#[tokio::test(start_paused = true)]
async fn towers_timeout_cancels_a_handler() {
    let shop = Shop::new();
    let timeout = ServiceBuilder::new().map_err(fault).timeout(Duration::from_secs(2)).into_inner();
    let handlers = shop.handlers().on(award_points).layer(timeout);
    let app = shop.app_of(handlers).build().unwrap();
    let bodies = [
        troubled("c1", "slow").detail(),
        registered("c2").detail(),
        troubled("c3", "permanent").detail(),
    ];
    let messages =
        [("m1", None, &bodies[0][..]), ("m2", None, &bodies[1][..]), ("m3", None, &bodies[2][..])];
    let started = tokio::time::Instant::now();
    let answer = app.invoke(&queue(false, &messages), shop.deadline()).await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 2);
    // The handler's own faults are what they were.
    assert_eq!(failures(&answer), ["m1"]);
    assert_eq!(shop.points("c2"), Some(100));
    assert_eq!(shop.quarantine.items()[0].reason, Reason::Permanent);
}

/// How many run at the same time.
#[derive(Clone, Default)]
struct Crowd {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Crowded<T>(Crowd, T);

impl<T> Layer<T> for Crowd {
    type Service = Crowded<T>;

    fn layer(&self, inner: T) -> Crowded<T> {
        Crowded(self.clone(), inner)
    }
}

impl<T> Service<Handling<Loyalty>> for Crowded<T>
where
    T: Service<Handling<Loyalty>, Response = Decision, Error = Fault>,
    T::Future: Send + 'static,
{
    type Response = Decision;
    type Error = Fault;
    type Future = BoxFuture<'static, Result<Decision, Fault>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        self.1.poll_ready(cx)
    }

    fn call(&mut self, handling: Handling<Loyalty>) -> Self::Future {
        let crowd = self.0.clone();
        let decided = self.1.call(handling);
        Box::pin(async move {
            crowd.most.fetch_max(crowd.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            let decided = decided.await;
            crowd.now.fetch_sub(1, Ordering::SeqCst);
            decided
        })
    }
}

async fn most_at_once<L>(limit: L) -> usize
where
    L: Layer<Crowded<Next<Loyalty>>>,
    L::Service: Service<Handling<Loyalty>, Response = Decision, Error = Fault>
        + Clone
        + Send
        + Sync
        + 'static,
    <L::Service as Service<Handling<Loyalty>>>::Future: Send,
{
    let shop = Shop::new();
    let crowd = Crowd::default();
    let handlers = shop.handlers().on(award_points).layer((limit, crowd.clone()));
    let app = shop.app_of(handlers).build().unwrap();
    let bodies: Vec<_> = (0..10).map(|number| registered(&format!("c{number}")).detail()).collect();
    let ids: Vec<_> = (0..10).map(|number| format!("m{number}")).collect();
    let messages: Vec<_> =
        ids.iter().zip(&bodies).map(|(id, body)| (&id[..], None, &body[..])).collect();
    let answer = app.invoke(&queue(false, &messages), shop.deadline()).await.unwrap();
    assert_eq!(failures(&answer), [""; 0]);
    crowd.most.load(Ordering::SeqCst)
}

#[tokio::test(start_paused = true)]
async fn towers_limits_hold_for_all_runs_together() {
    assert_eq!(most_at_once(layer_fn(|inner| inner)).await, 10);
    assert_eq!(most_at_once(ConcurrencyLimitLayer::new(3)).await, 3);
    assert_eq!(most_at_once(GlobalConcurrencyLimitLayer::new(2)).await, 2);
}
