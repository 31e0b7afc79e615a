use std::{collections::BTreeMap, fmt};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;

use super::ACCOUNT;
use crate::must::must;

/// Request as a Lambda function gets it from an HTTP API of API Gateway, in [payload format version
/// 2.0](https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html).
///
/// ```
/// # use setpiece_testing::HttpEvent;
/// let invocation = HttpEvent::new("POST", "/orders")
///     .with_header("Idempotency-Key", "order-7")
///     .with_body(r#"{"cents":2999}"#)
///     .to_json();
/// # assert!(String::from_utf8(invocation).unwrap().contains(r#""rawPath":"/orders""#));
/// ```
#[derive(Clone)]
#[must_use]
pub struct HttpEvent {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    body: Option<Vec<u8>>,
}

impl HttpEvent {
    /// A request without headers and body; `path` may have a query behind a question mark.
    pub fn new(method: &str, path: &str) -> Self {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: BTreeMap::new(),
            body: None,
        }
    }

    /// Adds a header, whose name is made lower case as API Gateway does; of several with one name,
    /// the values are joined by commas.
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        let values = self.headers.entry(name.to_ascii_lowercase()).or_default();
        if !values.is_empty() {
            values.push(',');
        }
        values.push_str(value);
        self
    }

    /// Sets the body: text, JSON, or bytes. Bytes that are no text are passed on in Base64.
    pub fn with_body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Some(body.into()), ..self }
    }

    /// The bytes of the invocation.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let Self { method, path, query, headers, body } = self;
        let text = body.as_deref().map(|body| match std::str::from_utf8(body) {
            Ok(text) => (text.to_owned(), false),
            Err(_) => (BASE64_STANDARD.encode(body), true),
        });
        let mut event = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "headers": headers,
            "requestContext": {
                "accountId": ACCOUNT,
                "apiId": "sample-api",
                "http": {
                    "method": method,
                    "path": path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": "192.0.2.1",
                    "userAgent": "sample",
                },
                "requestId": "sample-request",
                "routeKey": "$default",
                "stage": "$default",
                "timeEpoch": 1_767_225_600_000_u64,
            },
            "isBase64Encoded": text.as_ref().is_some_and(|(_, is_base64)| *is_base64),
        });
        if let Some((text, _)) = text {
            event["body"] = text.into();
        }
        must("an HTTP event", serde_json::to_vec(&event))
    }
}

impl fmt::Debug for HttpEvent {
    /// Shows no query, header or body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpEvent")
            .field("method", &self.method)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
