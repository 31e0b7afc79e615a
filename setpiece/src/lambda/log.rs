use std::env;

use lambda_runtime::tracing::subscriber::{
    filter::{EnvFilter, LevelFilter},
    fmt,
};

/// Filter on the error that `lambda_runtime` writes when it reports it, which has a line of its own
/// by then.
const SECOND_LINE: &str = "lambda_runtime::layers::panic=off";

/// Writes the log as `lambda_runtime` does by default, with one line for each failure.
///
/// `AWS_LAMBDA_LOG_LEVEL`, or else `RUST_LOG`, says from which level on, and `AWS_LAMBDA_LOG_FORMAT`
/// in which form.
#[expect(clippy::disallowed_methods, reason = "the configuration of the log, before there is any")]
pub(super) fn init() {
    let variable = |name| env::var(name).ok();
    let level = variable("AWS_LAMBDA_LOG_LEVEL").and_then(|level| level.parse().ok());
    let filter =
        EnvFilter::builder().with_default_directive(level.unwrap_or(LevelFilter::INFO).into());
    let filter = match SECOND_LINE.parse() {
        Ok(directive) => filter.from_env_lossy().add_directive(directive),
        Err(_) => filter.from_env_lossy(),
    };
    let subscriber = fmt().with_target(false).without_time().with_env_filter(filter);
    if variable("AWS_LAMBDA_LOG_FORMAT").is_some_and(|form| form.eq_ignore_ascii_case("json")) {
        subscriber.json().init();
    } else {
        subscriber.init();
    }
}
