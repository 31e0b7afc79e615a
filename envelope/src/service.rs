use std::{borrow::Cow, fmt, marker::PhantomData};

use crate::DomainEvent;

/// Service that owns an event: its domain, its subdomain and its own name.
///
/// A service declares itself once, as a constant that its events refer to.
///
/// ```
/// use setpiece_envelope::ServiceId;
///
/// pub const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");
///
/// assert_eq!(ORDERS.source(), "retail.checkout.orders");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServiceId {
    domain: &'static str,
    subdomain: &'static str,
    service: &'static str,
    source: Option<&'static str>,
}

impl ServiceId {
    /// The longest `source` that EventBridge takes, in bytes.
    ///
    /// From the service models of EventBridge Scheduler and of custom event buses.
    pub const MAX_SOURCE_BYTES: usize = 256;

    /// Names a service by its place in the business.
    ///
    /// Its EventBridge `source` is the three parts joined by dots.
    ///
    /// # Panics
    ///
    /// When a part is empty or holds anything but ASCII letters, digits, `-` and `_`, when the
    /// domain is `aws` (EventBridge keeps sources that begin with `aws.` for AWS), or when the
    /// source is longer than [`Self::MAX_SOURCE_BYTES`]. In a `const` that is a compile error.
    #[must_use]
    pub const fn new(domain: &'static str, subdomain: &'static str, service: &'static str) -> Self {
        assert!(is_part(domain), "`domain` takes ASCII letters, digits, `-` and `_`");
        assert!(is_part(subdomain), "`subdomain` takes ASCII letters, digits, `-` and `_`");
        assert!(is_part(service), "`service` takes ASCII letters, digits, `-` and `_`");
        assert!(!str_eq(domain, "aws"), "EventBridge keeps sources that begin with `aws.` for AWS");
        let this = Self { domain, subdomain, service, source: None };
        assert!(
            this.source_len() <= Self::MAX_SOURCE_BYTES,
            "an EventBridge source has at most 256 bytes"
        );
        this
    }

    /// Sets another EventBridge `source`, for a bus whose names already exist.
    ///
    /// # Panics
    ///
    /// When `source` is empty, begins with `aws.`, is longer than [`Self::MAX_SOURCE_BYTES`] or has
    /// control characters. In a `const` that is a compile error.
    #[must_use]
    pub const fn with_source(self, source: &'static str) -> Self {
        assert!(!source.is_empty(), "an EventBridge source is not empty");
        assert!(
            !starts_with(source, "aws."),
            "EventBridge keeps sources that begin with `aws.` for AWS"
        );
        assert!(
            source.len() <= Self::MAX_SOURCE_BYTES,
            "an EventBridge source has at most 256 bytes"
        );
        assert!(!has_controls(source), "an EventBridge source has no control characters");
        Self { source: Some(source), ..self }
    }

    /// The business domain, such as `retail`.
    #[must_use]
    pub const fn domain(&self) -> &'static str {
        self.domain
    }

    /// The subdomain, such as `checkout`.
    #[must_use]
    pub const fn subdomain(&self) -> &'static str {
        self.subdomain
    }

    /// The service's own name, such as `orders`.
    #[must_use]
    pub const fn service(&self) -> &'static str {
        self.service
    }

    /// The EventBridge `source` under which the service publishes.
    #[must_use]
    pub fn source(&self) -> Cow<'static, str> {
        match self.source {
            Some(source) => Cow::Borrowed(source),
            None => Cow::Owned(format!("{}.{}.{}", self.domain, self.subdomain, self.service)),
        }
    }

    /// Returns the number of bytes of [`Self::source`].
    const fn source_len(&self) -> usize {
        match self.source {
            Some(source) => source.len(),
            None => self.domain.len() + self.subdomain.len() + self.service.len() + 2,
        }
    }

    /// [`Self::source`] at the beginning of a buffer that holds any source.
    const fn source_buffer(&self) -> [u8; Self::MAX_SOURCE_BYTES] {
        let mut buffer = [0; Self::MAX_SOURCE_BYTES];
        if let Some(source) = self.source {
            put(&mut buffer, 0, source);
        } else {
            let at = put(&mut buffer, 0, self.domain);
            let at = put(&mut buffer, at, ".");
            let at = put(&mut buffer, at, self.subdomain);
            let at = put(&mut buffer, at, ".");
            put(&mut buffer, at, self.service);
        }
        buffer
    }
}

/// The source of an event's service as a constant text.
///
/// A text that is put together needs a place, and the place of a constant is another constant.
pub(crate) struct SourceOf<E>(PhantomData<E>);

impl<E: DomainEvent> SourceOf<E> {
    const BUFFER: [u8; ServiceId::MAX_SOURCE_BYTES] = E::SERVICE.source_buffer();

    pub(crate) const TEXT: &'static str =
        match str::from_utf8(Self::BUFFER.split_at(E::SERVICE.source_len()).0) {
            Ok(text) => text,
            // The parts are text, so their sum is.
            Err(_) => "",
        };
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.domain, self.subdomain, self.service)
    }
}

impl fmt::Debug for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source {
            Some(source) => write!(f, "ServiceId({self}, source {source})"),
            None => write!(f, "ServiceId({self})"),
        }
    }
}

pub(crate) const fn str_eq(a: &str, b: &str) -> bool {
    a.len() == b.len() && starts_with(a, b)
}

pub(crate) const fn starts_with(text: &str, prefix: &str) -> bool {
    let (text, prefix) = (text.as_bytes(), prefix.as_bytes());
    if text.len() < prefix.len() {
        return false;
    }
    let mut at = 0;
    while at < prefix.len() {
        if text[at] != prefix[at] {
            return false;
        }
        at += 1;
    }
    true
}

const fn has_controls(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at].is_ascii_control() {
            return true;
        }
        at += 1;
    }
    false
}

const fn is_part(part: &str) -> bool {
    let bytes = part.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !(bytes[at].is_ascii_alphanumeric() || bytes[at] == b'-' || bytes[at] == b'_') {
            return false;
        }
        at += 1;
    }
    !bytes.is_empty()
}

const fn put<const N: usize>(bytes: &mut [u8; N], start: usize, text: &str) -> usize {
    let text = text.as_bytes();
    let mut at = 0;
    while at < text.len() {
        bytes[start + at] = text[at];
        at += 1;
    }
    start + at
}

#[cfg(test)]
mod tests;
