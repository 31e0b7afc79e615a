use std::{error::Error as StdError, fmt, num::NonZeroU32};

use serde::de::DeserializeOwned;

use crate::{DomainEvent, ReadError, service::str_eq, wire::Data};

/// The major version of an event, from 1.
///
/// Written as text (`"2"`); read as `"2"`, `"2.0"`, `"2.7"` or `2`. What follows the first dot is
/// the producer's own count of compatible changes and is not kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventVersion(NonZeroU32);

impl EventVersion {
    /// The first version of an event.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// The version `major`.
    ///
    /// # Panics
    ///
    /// When `major` is 0. In a `const` that is a compile error.
    #[must_use]
    pub const fn new(major: u32) -> Self {
        assert!(major > 0, "event versions begin at 1");
        Self(NonZeroU32::MIN.saturating_add(major - 1))
    }

    /// The version as a number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl TryFrom<u32> for EventVersion {
    type Error = std::num::TryFromIntError;

    fn try_from(major: u32) -> Result<Self, Self::Error> {
        NonZeroU32::try_from(major).map(Self)
    }
}

impl fmt::Display for EventVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for EventVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventVersion({})", self.0)
    }
}

/// Brings an event of the previous version up to date.
///
/// Version 3 is made from version 2, which is made from version 1: each version knows only the one
/// before it, and reading walks the chain.
///
/// ```
/// # use setpiece_envelope::{Upcast, UpcastError};
/// struct OrderSubmittedV1 {
///     total_cents: i64,
/// }
///
/// struct OrderSubmitted {
///     total: String,
///     currency: String,
/// }
///
/// impl Upcast<OrderSubmittedV1> for OrderSubmitted {
///     fn upcast(v1: OrderSubmittedV1) -> Result<Self, UpcastError> {
///         if v1.total_cents < 0 {
///             return Err(UpcastError::new("version 1 has orders with negative totals"));
///         }
///         let total = format!("{}.{:02}", v1.total_cents / 100, v1.total_cents % 100);
///         Ok(Self { total, currency: "EUR".to_owned() })
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made from its previous version `{Previous}`",
    label = "needs `Upcast<{Previous}>`",
    note = "write `impl Upcast<{Previous}> for {Self}`"
)]
pub trait Upcast<Previous>: Sized {
    /// Makes this version from the previous one.
    ///
    /// # Errors
    ///
    /// When there is no honest way: a value that this version needs is not in the old event and
    /// has no default. The reader gets [`ReadError::Upcast`].
    fn upcast(previous: Previous) -> Result<Self, UpcastError>;
}

/// Error of an old event that could not be brought up to date.
pub struct UpcastError {
    reason: &'static str,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl UpcastError {
    /// Says why. The reason is a constant, so that it cannot hold data of the event.
    #[must_use]
    pub fn new(reason: &'static str) -> Self {
        Self { reason, source: None }
    }

    /// Keeps the error that led here.
    ///
    /// Whoever logs the chain of errors shows its text, which must hold no data of the event. That
    /// of `serde_json` does.
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// The reason that was given.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.reason
    }
}

impl fmt::Display for UpcastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl fmt::Debug for UpcastError {
    /// Shows the reason only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpcastError").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl StdError for UpcastError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Beginning of an event's history: its [`DomainEvent::Previous`] when no older version is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {}

/// Predecessor of version `E` in its history: [`First`], or the previous version's type.
///
/// Implemented for all of those already; it is not for implementing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the previous version of `{E}`",
    label = "is not a version that can be read",
    note = "it needs `#[derive(DomainEvent)]` and `Deserialize`; where history begins it is `First`"
)]
pub trait Lineage<E>: sealed::Sealed<E> {
    /// The oldest version that can be read, given `E`'s own.
    #[doc(hidden)]
    const OLDEST: EventVersion;

    /// Reads bytes of an older version and brings them up to `E`.
    #[doc(hidden)]
    fn read_older(version: EventVersion, data: Data<'_>) -> Result<E, ReadError>;
}

mod sealed {
    #[expect(unnameable_types, reason = "that is what seals the trait above it")]
    pub trait Sealed<E> {}
}

impl<E: DomainEvent> sealed::Sealed<E> for First {}

impl<E: DomainEvent> Lineage<E> for First {
    const OLDEST: EventVersion = E::VERSION;

    fn read_older(version: EventVersion, _: Data<'_>) -> Result<E, ReadError> {
        Err(ReadError::unsupported::<E>(version, E::VERSION))
    }
}

impl<E, P> sealed::Sealed<E> for P
where
    E: DomainEvent + Upcast<P>,
    P: DomainEvent + DeserializeOwned,
{
}

impl<E, P> Lineage<E> for P
where
    E: DomainEvent + Upcast<P>,
    P: DomainEvent + DeserializeOwned,
{
    const OLDEST: EventVersion = <P::Previous as Lineage<P>>::OLDEST;

    fn read_older(version: EventVersion, data: Data<'_>) -> Result<E, ReadError> {
        const { assert_follows::<E, P>() };
        if version < <P as Lineage<E>>::OLDEST {
            return Err(ReadError::unsupported::<E>(version, <P as Lineage<E>>::OLDEST));
        }
        let previous = read_version::<P>(version, data)?;
        E::upcast(previous).map_err(|source| ReadError::upcast::<E, P>(source))
    }
}

/// Reads `data`, written as `version`, into `E`: as itself, or through its history.
pub(crate) fn read_version<E>(version: EventVersion, data: Data<'_>) -> Result<E, ReadError>
where
    E: DomainEvent + DeserializeOwned,
{
    use std::cmp::Ordering::{Equal, Greater, Less};
    match version.cmp(&E::VERSION) {
        Equal => data.decode_event(),
        Less => E::Previous::read_older(version, data),
        Greater => Err(ReadError::unsupported::<E>(version, <E::Previous as Lineage<E>>::OLDEST)),
    }
}

/// Fails unless `P` is the version right before `E` of the same event of the same service.
///
/// The derive makes the same assertions with messages of its own; this one covers impls by hand.
const fn assert_follows<E: DomainEvent, P: DomainEvent>() {
    assert!(P::VERSION.get() == E::VERSION.get() - 1, "`Previous` is not the version before");
    assert!(str_eq(P::NAME, E::NAME), "`Previous` has another name");
    assert!(same_service(P::SERVICE, E::SERVICE), "`Previous` belongs to another service");
}

pub(crate) const fn same_service(a: crate::ServiceId, b: crate::ServiceId) -> bool {
    str_eq(a.domain(), b.domain())
        && str_eq(a.subdomain(), b.subdomain())
        && str_eq(a.service(), b.service())
}
