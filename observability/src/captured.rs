//! Lines in memory, for unit tests.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Mutex},
};

use serde_json::Value;
use setpiece_envelope::FixedClock;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::{Registry, layer::SubscriberExt as _};

use crate::{Config, Lines, Telemetry};

#[derive(Clone, Default)]
pub(crate) struct Captured(Arc<Mutex<String>>);

impl Lines for Captured {
    fn write(&self, lines: &str) {
        assert!(lines.ends_with('\n'));
        self.0.lock().unwrap().push_str(lines);
    }
}

impl Captured {
    /// Telemetry that is this thread's while the guard lives.
    pub(crate) fn telemetry(config: Config) -> (Self, Telemetry, DefaultGuard) {
        let captured = Self::default();
        let telemetry = Telemetry::new(config, FixedClock::default(), captured.clone());
        let subscriber = Registry::default().with(telemetry.layer());
        (captured, telemetry, tracing::subscriber::set_default(subscriber))
    }

    /// Runs what panics, with the panic as a line.
    pub(crate) fn catch(telemetry: &Telemetry, panics: impl FnOnce()) {
        // There is one hook for all tests.
        static HOOK: Mutex<()> = Mutex::new(());
        let _only = HOOK.lock().unwrap();
        let before = panic::take_hook();
        telemetry.write_panics();
        let caught = panic::catch_unwind(AssertUnwindSafe(panics));
        panic::set_hook(before);
        assert!(caught.is_err());
    }

    /// Makes room, so that what is written next allocates nothing.
    pub(crate) fn reserve(&self, bytes: usize) {
        self.0.lock().unwrap().reserve(bytes);
    }

    /// The text so far, which is then forgotten.
    pub(crate) fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// The lines so far, each of which is a JSON object without two members of a name.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = self.take();
        text.lines().map(parse).collect()
    }

    pub(crate) fn line(&self) -> Value {
        let mut lines = self.lines();
        assert_eq!(lines.len(), 1, "{lines:#?}");
        lines.remove(0)
    }

    /// The messages so far.
    pub(crate) fn messages(&self) -> Vec<String> {
        self.lines().iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect()
    }
}

pub(crate) fn parse(line: &str) -> Value {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let names = value.as_object().unwrap().len();
    assert_eq!(names, members(line), "each member once: {line}");
    value
}

/// Counts the members of the outer object, also those that come twice.
fn members(line: &str) -> usize {
    let (mut depth, mut in_text, mut escaped, mut count) = (0, false, false, 0);
    for c in line.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            '{' | '[' if !in_text => depth += 1,
            '}' | ']' if !in_text => depth -= 1,
            ':' if !in_text && depth == 1 => count += 1,
            _ => {}
        }
    }
    count
}
