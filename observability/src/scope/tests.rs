use setpiece_envelope::{Correlation, CorrelationId, RawEnvelope};
use tokio::sync::Barrier;
use tracing::{debug, info, instrument::WithSubscriber as _};

use super::Scope;
use crate::{Config, Invocation, captured::Captured};

fn flow(id: &str) -> Correlation {
    Correlation::root().with_correlation_id(CorrelationId::parse(id).unwrap())
}

#[test]
fn a_record_of_a_batch_has_the_ids_of_its_event() {
    let (captured, telemetry, _default) = Captured::telemetry(Config::new("orders"));
    let invocation = telemetry.invocation(Invocation::new("1"));
    let record = |members: &str| {
        let detail = format!(
            r#"{{"metadata":{{"event_id":"e-1","name":"a","version":"1"{members}}},"data":{{}}}}"#
        );
        let event = RawEnvelope::parse(detail.as_bytes()).unwrap().metadata;
        invocation.record(&event).enter(|| info!("a"));
        captured.take()
    };
    let known = record(r#","correlation_id":"f-1","causation_id":"e-0","depth":3"#);
    let ids = r#""correlation_id":"f-1","causation_id":"e-0","event_id":"e-1","depth":3"#;
    assert!(known.contains(r#""requestId":"1""#) && known.contains(ids), "{known}");
    // An event that names no flow begins one.
    let root = record("");
    assert!(root.contains(r#""correlation_id":"e-1","event_id":"e-1""#), "{root}");
}

#[test]
fn an_error_fails_the_scope() {
    let (captured, telemetry, _default) = Captured::telemetry(Config::new("orders"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let run = |result: Result<u8, &'static str>| {
        let scope = telemetry.invocation(Invocation::new("1"));
        let work = async {
            debug!("kept");
            result
        };
        (runtime.block_on(scope.run(work)), captured.messages())
    };
    assert_eq!(run(Ok(1)), (Ok(1), vec![]));
    assert_eq!(run(Err("no")), (Err("no"), vec!["kept".to_owned()]));
}

#[test]
fn what_a_future_drops_is_in_its_scope() {
    struct Dropped;
    impl Drop for Dropped {
        fn drop(&mut self) {
            info!("dropped");
        }
    }
    let (captured, telemetry, _default) = Captured::telemetry(Config::new("orders"));
    let dropped = Dropped;
    let future = telemetry.invocation(Invocation::new("1")).in_scope(async move {
        let _dropped = dropped;
        std::future::pending::<()>().await;
    });
    drop(future);
    assert_eq!(captured.line()["requestId"], "1");
    assert!(Scope::current().is_none());
}

#[test]
fn invocations_at_the_same_time_never_mix_their_ids() {
    const INVOCATIONS: usize = 64;
    const FLOWS: usize = 10;
    let (captured, telemetry, _default) = Captured::telemetry(Config::new("orders"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    let barrier = std::sync::Arc::new(Barrier::new(INVOCATIONS * FLOWS));
    runtime.block_on(async {
        let tasks = (0..INVOCATIONS).flat_map(|n| {
            let invocation = telemetry.invocation(Invocation::new(format!("r{n}")));
            let barrier = &barrier;
            (0..FLOWS).map(move |m| {
                let scope = invocation.flow(flow(&format!("r{n}-f{m}")));
                let barrier = std::sync::Arc::clone(barrier);
                let work = async move {
                    for step in 0..5 {
                        info!(expected = format!("r{n}-f{m}"), step, "outer");
                        // All of them are under way at the same time.
                        barrier.wait().await;
                        debug!(expected = format!("r{n}-f{m}"), step, "inner");
                        let current = Scope::current().unwrap();
                        let id = current.correlation().correlation_id.as_ref().unwrap();
                        assert_eq!(id.as_str(), format!("r{n}-f{m}"));
                    }
                    Scope::current().unwrap().fail();
                };
                tokio::spawn(scope.in_scope(work).with_current_subscriber())
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    });
    let lines = captured.lines();
    assert_eq!(lines.len(), INVOCATIONS * FLOWS * 10);
    for line in lines {
        let expected = line["expected"].as_str().unwrap();
        assert_eq!(line["correlation_id"], expected);
        assert_eq!(line["requestId"], expected.split('-').next().unwrap());
    }
}
