//! One binary for all integration tests, which links once.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cli;
mod memory;
mod report;

use setpiece_envelope::Stamp;
use setpiece_testing::{FixedClock, SequentialIds};

/// A registration, as one line without its end.
fn registration(number: usize) -> String {
    format!(
        r#"{{"customer_id":"cu-{number}","name":"Ada Brook","email":"ada.{number}@example.com","model":"Aurora kettle","serial_number":"AK-{number}","price_cents":5990}}"#
    )
}

/// The same ids and times in every run.
fn stamp() -> Stamp {
    Stamp::new(FixedClock::default(), SequentialIds::new())
}
