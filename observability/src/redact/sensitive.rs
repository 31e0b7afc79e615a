use std::{
    fmt,
    hash::{Hash, Hasher},
    marker::PhantomData,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::REDACTED;

/// A value that is never shown in clear, by `Debug`, `Display`, serde or `tracing`.
///
/// So a type that derives `Debug` around it can be logged, in vectors and maps, too. It does not
/// dereference to its value; [`expose`](Self::expose) is the one word to look for in a review.
///
/// What stands in its place is decided by `R`: [`Mask`] unless said otherwise, [`Omit`], or with the
/// feature `pseudonym` a `Pseudonym`.
///
/// ```
/// use setpiece_observability::redact::Sensitive;
///
/// #[derive(Debug)]
/// struct Customer {
///     id: u32,
///     emails: Vec<Sensitive<String>>,
/// }
///
/// let customer = Customer { id: 7, emails: vec![Sensitive::new("bo@example.com".to_owned())] };
/// assert_eq!(format!("{customer:?}"), "Customer { id: 7, emails: [[redacted]] }");
/// assert_eq!(customer.emails[0].expose(), "bo@example.com");
/// ```
pub struct Sensitive<T, R = Mask> {
    value: T,
    redaction: PhantomData<fn() -> R>,
}

/// Decides what stands in the place of a value.
pub trait Redaction<T: ?Sized> {
    /// Writes what may be shown of `value`, which is as good as nothing.
    ///
    /// # Errors
    ///
    /// Those of `f`.
    fn write(value: &T, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// Says that there was something: [`REDACTED`].
#[derive(Clone, Copy, Debug)]
pub enum Mask {}

/// Shows nothing: an empty text.
#[derive(Clone, Copy, Debug)]
pub enum Omit {}

impl<T: ?Sized> Redaction<T> for Mask {
    fn write(_: &T, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl<T: ?Sized> Redaction<T> for Omit {
    fn write(_: &T, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

#[cfg(feature = "pseudonym")]
mod pseudonym {
    use std::fmt;

    use hmac::{Hmac, KeyInit as _, Mac as _};
    use sha2::Sha256;

    use super::{REDACTED, Redaction};
    use crate::Scope;

    /// Shows a name that is the same for the same value, so that lines can be joined: the first 16
    /// hexadecimal digits of HMAC-SHA-256 under the [key](PseudonymKey) of the scope's telemetry.
    /// Without a key or a scope it is a [`Mask`](super::Mask).
    #[derive(Clone, Copy, Debug)]
    pub enum Pseudonym {}

    /// A secret of 32 bytes, without which nobody can tell whose pseudonym one is.
    #[derive(Clone)]
    pub struct PseudonymKey([u8; 32]);

    impl PseudonymKey {
        /// The key `bytes`, which are random and kept as a secret.
        #[must_use]
        pub fn new(bytes: [u8; 32]) -> Self {
            Self(bytes)
        }

        fn pseudonym(&self, value: &[u8]) -> Option<[u8; 8]> {
            let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
            mac.update(value);
            mac.finalize().into_bytes().first_chunk().copied()
        }
    }

    impl fmt::Debug for PseudonymKey {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("PseudonymKey(..)")
        }
    }

    impl<T: AsRef<[u8]> + ?Sized> Redaction<T> for Pseudonym {
        fn write(value: &T, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let name =
                Scope::with_current(|scope| scope?.pseudonym_key()?.pseudonym(value.as_ref()));
            match name {
                Some(name) => write!(f, "{:016x}", u64::from_be_bytes(name)),
                None => f.write_str(REDACTED),
            }
        }
    }
}

#[cfg(feature = "pseudonym")]
pub use self::pseudonym::{Pseudonym, PseudonymKey};

impl<T, R> Sensitive<T, R> {
    /// Takes a value that must not be shown.
    pub const fn new(value: T) -> Self {
        Self { value, redaction: PhantomData }
    }

    /// The value in clear. Whoever asks answers for where it goes.
    pub const fn expose(&self) -> &T {
        &self.value
    }

    /// The value in clear.
    pub fn into_exposed(self) -> T {
        self.value
    }
}

impl<T, R> From<T> for Sensitive<T, R> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Clone, R> Clone for Sensitive<T, R> {
    fn clone(&self) -> Self {
        Self::new(self.value.clone())
    }
}

impl<T: Copy, R> Copy for Sensitive<T, R> {}

impl<T: Default, R> Default for Sensitive<T, R> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: PartialEq, R> PartialEq for Sensitive<T, R> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq, R> Eq for Sensitive<T, R> {}

impl<T: Hash, R> Hash for Sensitive<T, R> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

impl<T, R: Redaction<T>> fmt::Debug for Sensitive<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        R::write(&self.value, f)
    }
}

impl<T, R: Redaction<T>> fmt::Display for Sensitive<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        R::write(&self.value, f)
    }
}

impl<T, R: Redaction<T>> Serialize for Sensitive<T, R> {
    /// Writes what may be shown, as a text.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, T: Deserialize<'de>, R> Deserialize<'de> for Sensitive<T, R> {
    /// Reads the value in clear.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests;
