//! One binary for all integration tests, which links once.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cli;
mod memory;
mod promises;
mod report;

/// A registration, as one line without its end.
fn registration(number: usize) -> String {
    format!(
        r#"{{"customer_id":"cu-{number}","name":"Ada Brook","email":"ada.{number}@example.com","model":"Aurora kettle","serial_number":"AK-{number}","price_cents":5990}}"#
    )
}
