//! Functions that derived code calls. Not part of the public interface: they change without notice.

// Named in a public signature, though nobody but this crate makes one.
pub use crate::wire::Data;

use crate::{DomainEvent, EventVersion, ServiceId, service::str_eq, version};

/// Returns true if `P` has the version right before `version`.
#[must_use]
pub const fn is_version_before<P: DomainEvent>(version: EventVersion) -> bool {
    P::VERSION.get() == version.get() - 1
}

/// Returns true if `P` has this name.
#[must_use]
pub const fn has_name<P: DomainEvent>(name: &str) -> bool {
    str_eq(P::NAME, name)
}

/// Returns true if `P` belongs to this service.
#[must_use]
pub const fn has_service<P: DomainEvent>(service: ServiceId) -> bool {
    version::same_service(P::SERVICE, service)
}
