use std::{sync::mpsc, time::Duration};

use setpiece_envelope::{Correlation, CorrelationId, FixedClock};
use setpiece_policy::Deadline;
use tracing::debug;
use tracing_subscriber::{Registry, layer::SubscriberExt as _};

use crate::{
    Config, Invocation, Lines, Telemetry,
    captured::parse,
    metrics::{Metric, Unit},
};

struct Sent(mpsc::Sender<String>);

impl Lines for Sent {
    fn write(&self, lines: &str) {
        for line in lines.lines() {
            self.0.send(line.to_owned()).unwrap();
        }
    }
}

#[test]
fn an_invocation_that_blocks_its_thread_is_spoken_for() {
    const ORDERS: Metric = Metric::new("Orders", Unit::Count);
    let clock = FixedClock::default();
    let (sender, lines) = mpsc::channel();
    let telemetry = Telemetry::new(Config::new("orders"), clock.clone(), Sent(sender));
    let subscriber = Registry::default().with(telemetry.layer());
    let _default = tracing::subscriber::set_default(subscriber);
    let invocation = |id: &str, seconds| {
        let deadline = Deadline::after(&clock, Duration::from_secs(seconds));
        telemetry.invocation(Invocation::new(id).with_deadline(deadline))
    };

    let ended = invocation("ended", 10);
    ended.enter(|| debug!("of one that has ended"));
    ended.end();
    let blocked = invocation("blocked", 10);
    blocked.enter(|| debug!("of the invocation"));
    let flow = Correlation::root().with_correlation_id(CorrelationId::parse("flow-1").unwrap());
    let record = blocked.flow(flow);
    record.enter(|| debug!("of the record"));
    record.record_metric(ORDERS, 1.0).unwrap();
    let _later = invocation("later", 1000);

    clock.advance(Duration::from_secs(10) - Duration::from_millis(50));
    // Another invocation begins, and the thread looks at the clock.
    let _next = invocation("next", 1000);
    // From here on this thread does nothing but wait.
    let next = || parse(&lines.recv_timeout(Duration::from_secs(30)).unwrap());
    let notice = next();
    assert_eq!(notice["message"], "the invocation is about to time out");
    assert_eq!((&notice["level"], &notice["requestId"]), (&"ERROR".into(), &"blocked".into()));
    assert_eq!(next()["message"], "of the invocation");
    let line = next();
    assert_eq!(
        (&line["message"], &line["correlation_id"]),
        (&"of the record".into(), &"flow-1".into())
    );
    let metrics = next();
    assert_eq!((&metrics["Orders"], &metrics["correlation_id"]), (&1.into(), &"flow-1".into()));
}

#[test]
fn an_invocation_without_time_is_not_watched() {
    let clock = FixedClock::default();
    let (sender, lines) = mpsc::channel();
    let telemetry = Telemetry::new(Config::new("orders"), clock.clone(), Sent(sender));
    let deadline = |millis| Deadline::after(&clock, Duration::from_millis(millis));
    for deadline in [Deadline::from_unix_millis(0), deadline(0), deadline(50)] {
        drop(telemetry.invocation(Invocation::new("1").with_deadline(deadline)));
    }
    drop(telemetry);
    // All that could write is gone, and has written nothing.
    assert!(lines.recv().is_err());
}
