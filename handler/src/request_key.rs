use std::{error::Error as StdError, fmt};

use setpiece_idempotency::{Key, KeyError, KeyPart};
use setpiece_policy::{Fault, ValueFree};

use crate::HttpRequest;

/// Key of a request, with what keeps it apart from the keys of other callers.
///
/// Clients choose their keys, so two of them may choose the same one, and one may try another's. A
/// stored answer therefore goes to the caller who was answered first, on the same method and path,
/// and to nobody else. A [`Key`] converts into a key of this kind; the other ways say what they are.
///
/// | written as | an HTTP request meets those of |
/// |---|---|
/// | a `Key` | the same method, path and [authorized](crate::RequestContext::authorizer) caller; one without a caller is refused |
/// | [`of_caller`](Self::of_caller) | the same method, path and caller as the service knows it |
/// | [`anonymous`](Self::anonymous) | the same method and path, of anybody |
/// | [`unscoped`](Self::unscoped) | anybody, anywhere in the same handler |
///
/// What did not come over HTTP has neither route nor caller, and its keys are taken as they are,
/// within the caller of `of_caller`.
///
/// # Callers
///
/// The caller is `iss` and `sub` of a token, the identity of a Cognito identity pool, the ARN of an
/// IAM principal, or the API and the principal that a Lambda authorizer of a REST API names. A
/// Lambda authorizer that names everybody alike, and that of an HTTP API, whose principal is not
/// passed on, need [`of_caller`](Self::of_caller).
///
/// # Changes
///
/// Another path, another kind of authorizer, another issuer, and with Lambda authorizers another
/// API make other keys: a client that repeats a request over such a change is served anew. So it is
/// over an upgrade from versions that did not scope their keys.
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct RequestKey {
    key: Key,
    apart: Apart,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Apart {
    RouteAndCaller,
    Route,
    Nothing,
}

impl RequestKey {
    /// Keeps the key apart by route and by a caller whom the service knows, such as the user of its
    /// own session cookie.
    ///
    /// # Errors
    ///
    /// The caller is missing or empty, or the key is Powertools'.
    pub fn of_caller(key: Key, caller: &(impl KeyPart + ?Sized)) -> Result<Self, KeyError> {
        let key = key.within(&[&"caller", &caller])?;
        Ok(Self { key, apart: Apart::Route })
    }

    /// Keeps the key apart by route only: whoever sends the same key to it gets the same answer.
    ///
    /// It is for requests whose answers are for everybody who can guess a key.
    pub fn anonymous(key: Key) -> Self {
        Self { key, apart: Apart::Route }
    }

    /// Keeps the key apart by nothing: whoever sends it, to whichever path, gets the same answer.
    ///
    /// It is for keys that hold caller and route themselves, and for those of Powertools.
    pub fn unscoped(key: Key) -> Self {
        Self { key, apart: Apart::Nothing }
    }

    /// The key that a guard takes, for a request if it is one.
    ///
    /// # Errors
    ///
    /// A permanent fault if nobody vouches for a caller, and a contract fault if the key is one of
    /// Powertools.
    pub(crate) fn of_request(self, request: Option<&Asked>) -> Result<Key, Fault> {
        let Some(Asked { method, path, caller }) = request else { return Ok(self.key) };
        let key = match (self.apart, caller) {
            (Apart::Nothing, _) => return Ok(self.key),
            (Apart::Route, _) => self.key,
            (Apart::RouteAndCaller, None) => {
                let fault = Fault::permanent("a request without a caller to keep its key apart by");
                return Err(fault.with_remedy(
                    "give the route an authorizer, or say who asks with `RequestKey`",
                ));
            }
            (Apart::RouteAndCaller, Some([kind, authority, name])) => {
                self.key.within(&[&"authorized", kind, authority, name])?
            }
        };
        // A path may be empty, a part may not.
        Ok(key.within(&[method, &format!("/{path}")])?)
    }
}

impl From<Key> for RequestKey {
    fn from(key: Key) -> Self {
        Self { key, apart: Apart::RouteAndCaller }
    }
}

impl fmt::Debug for RequestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}

/// Caller and route of a request, kept while the request itself is with its handler.
pub(crate) struct Asked {
    method: String,
    path: String,
    caller: Option<[String; 3]>,
}

impl From<&HttpRequest> for Asked {
    fn from(request: &HttpRequest) -> Self {
        let caller = request.context.caller().map(|parts| parts.map(str::to_owned));
        Self { method: request.method.to_string(), path: request.path.clone(), caller }
    }
}

/// Reason why a request is not served, of those that its client can do something about.
#[derive(Debug)]
pub(crate) enum NotServed {
    /// There is no key in it.
    NoKey(KeyError),
    /// Its key was used with another payload.
    Reused,
    /// Another request with its key is being served.
    InProgress,
}

impl NotServed {
    /// The reason that a fault was made with.
    pub(crate) fn of(fault: &Fault) -> Option<&Self> {
        fault.source()?.downcast_ref()
    }
}

impl fmt::Display for NotServed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey(error) => error.fmt(f),
            Self::Reused => f.write_str("the idempotency key was used with another request"),
            Self::InProgress => {
                f.write_str("a request with the same idempotency key is in progress")
            }
        }
    }
}

impl StdError for NotServed {}

impl ValueFree for NotServed {}
