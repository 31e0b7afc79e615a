mod context;
mod response;

pub(crate) use self::response::phrase;
pub use self::{
    context::{Authorizer, IamIdentity, RequestContext},
    response::{HttpResponse, InvalidResponse},
};

use std::{collections::BTreeMap, fmt};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::de::DeserializeOwned;
use setpiece_envelope::{ReadError, Reason, Violation, json::Scanner};
use setpiece_idempotency::{Key, KeyError};

use crate::source::HttpForm;

/// An HTTP request, by API Gateway, a function URL, a load balancer or VPC Lattice.
///
/// The two forms of API Gateway are those of
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>
/// and <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html>.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpRequest {
    /// The form that it came in, which its response must have.
    pub form: HttpForm,
    /// Context of the request from its entrance: caller, route, stage and address.
    pub context: RequestContext,
    /// Such as `GET`.
    pub method: Box<str>,
    /// The path as the client wrote it, with the stage where the API has one in it.
    pub path: String,
    /// The parameters of the query, decoded, in the order in which they came.
    pub query: Vec<(String, String)>,
    /// The variables of the route.
    pub path_parameters: BTreeMap<String, String>,
    /// The headers, with names in lower case. Cookies are in `cookie`.
    pub headers: Vec<(String, String)>,
    /// The body, decoded.
    pub body: Vec<u8>,
}

impl HttpRequest {
    /// A request without query, headers and body, and with nothing known about it, for tests of
    /// handlers. All of its fields can be set.
    #[must_use]
    pub fn new(method: impl Into<Box<str>>, path: impl Into<String>) -> Self {
        Self {
            form: HttpForm::V2,
            context: RequestContext::default(),
            method: method.into(),
            path: path.into(),
            query: Vec::new(),
            path_parameters: BTreeMap::new(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Adds a header, whose name is made lower case.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// Adds a parameter of the query.
    #[must_use]
    pub fn with_query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Adds a variable of the route.
    #[must_use]
    pub fn with_path_parameter(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        self.path_parameters.insert(name.into(), value.into());
        self
    }

    /// Replaces the body.
    #[must_use]
    pub fn with_body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// Replaces the caller.
    #[must_use]
    pub fn with_authorizer(mut self, authorizer: Authorizer) -> Self {
        self.context.authorizer = Some(authorizer);
        self
    }

    /// The header `Idempotency-Key`, and the body as what the key was used with.
    ///
    /// It is read as [the draft of the
    /// IETF](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/) has it: a
    /// text in quotes, or the same without them, of at most 255 bytes.
    ///
    /// # Errors
    ///
    /// [`KeyError::Missing`] if there is no such header, [`KeyError::Empty`] if there is nothing in
    /// it, and [`KeyError::NotOne`] if there are several or it is longer.
    pub fn idempotency_key(&self) -> Result<Key, KeyError> {
        let mut keys = self.headers.iter().filter(|(name, _)| name == "idempotency-key");
        let (_, key) = keys.next().ok_or(KeyError::Missing)?;
        let key = key.trim();
        let key = key.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or(key);
        if keys.next().is_some() || key.len() > 255 {
            return Err(KeyError::NotOne);
        }
        let query: Vec<_> = self.query.iter().map(|(name, value)| (name, value)).collect();
        match std::str::from_utf8(&self.body) {
            Ok(body) => Key::of(key)?.with_fingerprint(&(query, body)),
            Err(_) => {
                Key::of(key)?.with_fingerprint(&(query, BASE64_STANDARD.encode(&self.body), 64))
            }
        }
    }

    /// The first header of this name, which is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str())
    }

    /// Decodes a body of JSON.
    ///
    /// # Errors
    ///
    /// [`ReadError::Malformed`] with the first thing that is wrong.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ReadError> {
        setpiece_envelope::from_json(&self.body)
    }

    pub(crate) fn read(json: &str, form: HttpForm) -> Result<Self, Violation> {
        let mut draft = Draft::default();
        Scanner::new(json).members(|scanner, member| draft.read_member(scanner, member))?;
        draft.finish(form)
    }
}

type Pairs = Vec<(String, String)>;

#[derive(Default)]
struct Draft {
    lattice_method: Option<Box<str>>,
    context: RequestContext,
    resource: Option<String>,
    method: Option<Box<str>>,
    path: Option<String>,
    raw_path: Option<String>,
    raw_query: Option<String>,
    query: Pairs,
    queries: Pairs,
    path_parameters: Pairs,
    headers: Pairs,
    multi_headers: Pairs,
    cookies: Vec<String>,
    body: Option<String>,
    is_base64: bool,
}

impl Draft {
    fn read_member(&mut self, scanner: &mut Scanner<'_>, member: &str) -> Result<(), Violation> {
        if scanner.is_null() {
            return scanner.value().map(drop);
        }
        match member {
            "httpMethod" => self.method = Some(scanner.string()?.into()),
            "method" if scanner.kind() == "a string" => {
                self.lattice_method = Some(scanner.string()?.into());
            }
            "path" => self.path = Some(scanner.string()?.into_owned()),
            "rawPath" => self.raw_path = Some(scanner.string()?.into_owned()),
            "rawQueryString" => self.raw_query = Some(scanner.string()?.into_owned()),
            "queryStringParameters" => self.query = pairs(scanner)?,
            "multiValueQueryStringParameters" => self.queries = pairs(scanner)?,
            "pathParameters" => self.path_parameters = pairs(scanner)?,
            "headers" => self.headers = pairs(scanner)?,
            "multiValueHeaders" => self.multi_headers = pairs(scanner)?,
            "cookies" => scanner.array(|scanner| {
                self.cookies.push(scanner.string()?.into_owned());
                Ok(())
            })?,
            "body" => self.body = Some(scanner.string()?.into_owned()),
            "isBase64Encoded" => self.is_base64 = scanner.value()? == "true",
            "resource" if scanner.kind() == "a string" => {
                self.resource = Some(scanner.string()?.into_owned());
            }
            "requestContext" if scanner.kind() == "an object" => {
                self.context.read(scanner, &mut self.method)?;
            }
            _ => drop(scanner.skip()?),
        }
        Ok(())
    }

    fn finish(self, form: HttpForm) -> Result<HttpRequest, Violation> {
        let missing = |path: &str| Violation::at(path, Reason::Missing);
        let (method, path) = match form {
            HttpForm::V1 | HttpForm::Alb | HttpForm::AlbMultiValue => ("httpMethod", "path"),
            HttpForm::Lattice => ("method", "path"),
            HttpForm::V2 => ("requestContext.http.method", "rawPath"),
        };
        let body = self.body.unwrap_or_default();
        let body = if self.is_base64 {
            BASE64_STANDARD
                .decode(body)
                .map_err(|_| Violation::at("body", Reason::NotOfForm { form: "Base64" }))?
        } else {
            body.into_bytes()
        };
        // The members with several values have all of the values of the others.
        let several = |several: Pairs, one: Pairs| if several.is_empty() { one } else { several };
        let mut headers = several(self.multi_headers, self.headers);
        for (name, _) in &mut headers {
            name.make_ascii_lowercase();
        }
        if !self.cookies.is_empty() {
            headers.push(("cookie".to_owned(), self.cookies.join("; ")));
        }
        let query = match (form, self.raw_query) {
            // Its parameters are joined by commas, which values may have, too.
            (HttpForm::V2, Some(raw)) => {
                raw.split('&').filter_map(parameter).take(MAX_PAIRS).collect()
            }
            // A load balancer passes on what the client has written.
            (HttpForm::Alb | HttpForm::AlbMultiValue, _) => several(self.queries, self.query)
                .into_iter()
                .map(|(name, value)| (decoded(&name), decoded(&value)))
                .collect(),
            _ => several(self.queries, self.query),
        };
        let method = match form {
            HttpForm::Lattice => self.lattice_method,
            _ => self.method,
        }
        .ok_or_else(|| missing(method))?;
        let mut context = self.context;
        if let Some(resource) = self.resource {
            let route = || format!("{method} {resource}").into();
            context.route_key = context.route_key.or_else(|| Some(route()));
        }
        let mut path_parameters = BTreeMap::new();
        path_parameters.extend(self.path_parameters);
        Ok(HttpRequest {
            form,
            context,
            method,
            path: match form {
                HttpForm::V2 => self.raw_path,
                _ => self.path,
            }
            .ok_or_else(|| missing(path))?,
            query,
            path_parameters,
            headers,
            body,
        })
    }
}

/// The most headers, and the most parameters, that are read: more than any entrance takes.
const MAX_PAIRS: usize = 10_000;

/// An object of texts, or of arrays of texts.
fn pairs(scanner: &mut Scanner<'_>) -> Result<Pairs, Violation> {
    let mut pairs = Vec::new();
    let full = |pairs: &Pairs| match pairs.len() {
        MAX_PAIRS.. => {
            Err(Violation::new(Reason::TooLarge { size: MAX_PAIRS + 1, limit: MAX_PAIRS }))
        }
        _ => Ok(()),
    };
    // Names are what a client sent, so they may repeat.
    scanner.members(|scanner, name| {
        if scanner.is_null() {
            return scanner.value().map(drop);
        }
        if scanner.kind() == "an array" {
            return scanner.array(|scanner| {
                full(&pairs)?;
                pairs.push((name.to_owned(), scanner.string()?.into_owned()));
                Ok(())
            });
        }
        full(&pairs)?;
        pairs.push((name.to_owned(), scanner.string()?.into_owned()));
        Ok(())
    })?;
    Ok(pairs)
}

/// A parameter of a query. What is not in URL encoding is taken as it is.
fn parameter(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (!text.is_empty()).then(|| (decoded(name), decoded(value)))
}

fn decoded(text: &str) -> String {
    percent_decode(text, true).unwrap_or_else(|| text.to_owned())
}

/// Decodes `%41`, and `+` to a space if that is asked for; `None` if it is not of that form.
pub(super) fn percent_decode(text: &str, plus_is_space: bool) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let byte = digit()? * 16 + digit()?;
                u8::try_from(byte).ok()?
            }
            b'+' if plus_is_space => b' ',
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

impl fmt::Debug for HttpRequest {
    /// Shows neither path nor query nor headers nor body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("form", &self.form)
            .field("method", &self.method)
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}
