use std::{borrow::Cow, fmt};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::source::HttpForm;

/// The response to an [`HttpRequest`](crate::HttpRequest).
///
/// ```
/// use setpiece_handler::{HttpForm, HttpResponse};
///
/// let response = HttpResponse::new(201).with_header("location", "/orders/7");
/// assert_eq!(
///     response.to_json(HttpForm::V2)?,
///     r#"{"statusCode":201,"headers":{"location":"/orders/7"},"body":"","isBase64Encoded":false}"#
/// );
/// # Ok::<_, setpiece_handler::InvalidResponse>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpResponse {
    /// The status, such as 200.
    pub status: u16,
    /// The headers; a name may be there more than once.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// A response without headers and body.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// A response with a body of JSON.
    ///
    /// # Errors
    ///
    /// Those of `serde_json`, for a type that has no JSON form.
    pub fn json(status: u16, body: &impl Serialize) -> Result<Self, serde_json::Error> {
        let body = serde_json::to_vec(body)?;
        Ok(Self::new(status).with_header("content-type", "application/json").with_body(body))
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Replaces the body.
    #[must_use]
    pub fn with_body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// The JSON that Lambda takes as the response to a request of this form.
    ///
    /// A body that is not text is sent in Base64.
    ///
    /// # Errors
    ///
    /// [`InvalidResponse`] if status or headers are none that HTTP has, or that the form can say.
    pub fn to_json(&self, form: HttpForm) -> Result<String, InvalidResponse> {
        self.check(form)?;
        let body = std::str::from_utf8(&self.body);
        let is_base64_encoded = body.is_err();
        let body =
            body.map_or_else(|_| Cow::Owned(BASE64_STANDARD.encode(&self.body)), Cow::Borrowed);
        let mut json = Wire {
            status_code: self.status,
            status_description: match form {
                HttpForm::V1 | HttpForm::V2 => None,
                _ => Some(format!("{} {}", self.status, phrase(self.status))),
            },
            headers: Map::new(),
            multi_value_headers: Map::new(),
            cookies: Vec::new(),
            body,
            is_base64_encoded,
        };
        for (name, value) in &self.headers {
            let name = name.to_ascii_lowercase();
            match form {
                HttpForm::V1 | HttpForm::AlbMultiValue => {
                    let values = json.multi_value_headers.entry(name);
                    if let Value::Array(values) =
                        values.or_insert_with(|| Vec::<Value>::new().into())
                    {
                        values.push(value.as_str().into());
                    }
                }
                HttpForm::V2 if name == "set-cookie" => json.cookies.push(value),
                HttpForm::V2 | HttpForm::Alb | HttpForm::Lattice => {
                    let values = json.headers.entry(name).or_insert_with(|| "".into());
                    if let Value::String(values) = values {
                        if !values.is_empty() {
                            values.push_str(", ");
                        }
                        values.push_str(value);
                    }
                }
            }
        }
        // Texts and numbers always have a JSON form.
        Ok(serde_json::to_string(&json).unwrap_or_default())
    }

    /// Refuses what would break the response apart, or what its entrance answers with 502.
    fn check(&self, form: HttpForm) -> Result<(), InvalidResponse> {
        if !(200..600).contains(&self.status) {
            return Err(InvalidResponse::Status { status: self.status });
        }
        for (index, (name, value)) in self.headers.iter().enumerate() {
            let is_token =
                |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err(InvalidResponse::HeaderName { index });
            }
            if !value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
                return Err(InvalidResponse::HeaderValue { index });
            }
        }
        let cookies =
            self.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
        // Cookies cannot be joined by commas.
        if matches!(form, HttpForm::Alb | HttpForm::Lattice) && cookies.count() > 1 {
            return Err(InvalidResponse::SeveralCookies);
        }
        Ok(())
    }
}

/// Headers are maps that a function has in any case, rather than two that it has for this.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_description: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    headers: Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    multi_value_headers: Map<String, Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<&'a str>,
    body: Cow<'a, str>,
    is_base64_encoded: bool,
}

impl fmt::Debug for HttpResponse {
    /// Shows the status only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Returns the name of a status: [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-15), for
/// those that services use.
pub(crate) fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        410 => "Gone",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => match status / 100 {
            2 => "Success",
            3 => "Redirection",
            4 => "Client Error",
            _ => "Server Error",
        },
    }
}

/// Reason why a response is none. It never shows a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidResponse {
    /// The status does not end an exchange: those that do are 200 to 599.
    Status {
        /// The status.
        status: u16,
    },
    /// The name of a header is empty, or has other characters than names have.
    HeaderName {
        /// Its place among the headers, from 0.
        index: usize,
    },
    /// The value of a header has other characters than spaces, tabs and printable ASCII, such as
    /// the end of a line.
    HeaderValue {
        /// Its place among the headers, from 0.
        index: usize,
    },
    /// The form of the request has one value for each header, and there are several cookies. A
    /// target group of a load balancer can have multi-value headers.
    SeveralCookies,
}

impl fmt::Display for InvalidResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { status } => {
                write!(f, "the response has the status {status}, expected 200 to 599")
            }
            Self::HeaderName { index } => {
                write!(f, "the name of header {index} of the response is none that HTTP has")
            }
            Self::HeaderValue { index } => {
                write!(f, "the value of header {index} of the response is not printable ASCII")
            }
            Self::SeveralCookies => f.write_str("the response has more cookies than its form has"),
        }
    }
}

impl std::error::Error for InvalidResponse {}
