use aws_sdk_dynamodb::{Client, config::retry::RetryConfig};

/// Returns a client like `client` that makes each request once.
///
/// A try that the SDK makes on its own hides the answer of the one before: a condition that the first
/// try made true itself reads as refused, and a lost write as one that never was. It also spends time
/// that the deadline does not know of.
///
/// A client whose retries are off already is returned as it is. Otherwise the new one shares what the
/// configuration shares, such as an HTTP client that was set, and has connections of its own else.
pub(super) fn without_retries(client: Client) -> Client {
    let config = client.config();
    if config.retry_config().is_some_and(|retry| retry.max_attempts() == 1) {
        return client;
    }
    Client::from_conf(config.to_builder().retry_config(RetryConfig::disabled()).build())
}
