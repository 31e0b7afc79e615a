use std::fmt;

/// The value, or the end of the test, with the line that asked for it.
#[track_caller]
pub(crate) fn must<T, E: fmt::Display>(what: &str, result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        #[expect(clippy::panic, reason = "a test that cannot be set up fails where it is written")]
        Err(error) => panic!("{what}: {error}"),
    }
}
