//! Telemetry of a whole process: its subscriber, which there is one of.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use setpiece_envelope::FixedClock;
use setpiece_observability::{AlreadyInitialized, Config, Lines, Telemetry};
use tracing::{Dispatch, info, info_span};
use tracing_subscriber::{Registry, layer::SubscriberExt as _};

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<String>>);

impl Lines for Captured {
    fn write(&self, lines: &str) {
        self.0.lock().unwrap().push_str(lines);
    }
}

/// Logs while it is logged.
struct Chatty;

impl fmt::Debug for Chatty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!(within = 1, "inner");
        f.write_str("outer")
    }
}

#[test]
fn a_value_that_logs_makes_a_line_of_its_own() {
    let captured = Captured::default();
    let telemetry = Telemetry::new(Config::new("orders"), FixedClock::default(), captured.clone());
    let subscriber = Registry::default().with(telemetry.layer());
    tracing::dispatcher::set_global_default(Dispatch::new(subscriber)).unwrap();
    assert_eq!(Telemetry::init(Config::new("orders")).unwrap_err(), AlreadyInitialized);

    info!(value = ?Chatty, "first");
    let span = info_span!("span", value = ?Chatty, later = tracing::field::Empty).entered();
    span.record("later", tracing::field::debug(Chatty));
    info!("second");
    let text = captured.0.lock().unwrap().clone();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let messages: Vec<_> = lines.map(|line| line["message"].as_str().unwrap().to_owned()).collect();
    assert_eq!(messages, ["inner", "first", "inner", "inner", "second"]);
    assert_eq!(text.matches(r#""value":"outer""#).count(), 3, "{text}");
}
