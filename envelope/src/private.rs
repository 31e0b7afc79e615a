//! What derived code calls. Not part of the public interface: it changes without notice.

// Named in public signatures, though nobody but this crate calls them.
pub use crate::{version::Lineage, wire::Data};

use crate::{DomainEvent, EventVersion, ServiceId, service::str_eq, version};

/// The length of a service's EventBridge source.
#[must_use]
pub const fn source_len(service: ServiceId) -> usize {
    service.source_len()
}

/// A service's EventBridge source as an array, so that it can become a constant text.
#[must_use]
pub const fn source_bytes<const N: usize>(service: ServiceId) -> [u8; N] {
    service.source_bytes()
}

/// The text of [`source_bytes`].
#[must_use]
pub const fn source_str(bytes: &'static [u8]) -> &'static str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // The parts are text, so their sum is.
        Err(_) => "",
    }
}

/// Whether `P` has the version right before `version`.
#[must_use]
pub const fn is_version_before<P: DomainEvent>(version: EventVersion) -> bool {
    P::VERSION.get() == version.get() - 1
}

/// Whether `P` has this name.
#[must_use]
pub const fn has_name<P: DomainEvent>(name: &str) -> bool {
    str_eq(P::NAME, name)
}

/// Whether `P` belongs to this service.
#[must_use]
pub const fn has_service<P: DomainEvent>(service: ServiceId) -> bool {
    version::same_service(P::SERVICE, service)
}
