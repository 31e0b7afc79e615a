//! Keys, which decide that two calls are the same call.

mod canonical;
mod part;
mod powertools;

use std::{fmt, sync::Arc};

use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde_json::Value;
use sha2::Sha256;

pub use self::part::KeyPart;
use crate::{digest, record::Fingerprint, store::RecordKey};

/// Key that decides that two calls are the same call.
///
/// A key is made of what identifies the request, and only of that: an order's number, a message's
/// id, a payment's id and its tenant. Whatever is missing or empty is an error and not a key, since
/// all requests without an id would be one request, and only the first of them would be run.
///
/// ```
/// use setpiece_idempotency::{Key, KeyError};
///
/// let key = Key::from_parts(&[&"order", &17])?.for_tenant("acme")?;
/// assert_eq!(key, Key::from_parts(&[&"order", &17])?.for_tenant("acme")?);
/// // Parts are kept apart:
/// assert_ne!(Key::from_parts(&[&"ab", &"c"])?, Key::from_parts(&[&"a", &"bc"])?);
///
/// let without_id: Option<&str> = None;
/// assert_eq!(Key::of(&without_id), Err(KeyError::Missing));
/// # Ok::<_, KeyError>(())
/// ```
///
/// # In the store
///
/// A short key is stored as it is, so that people on call can find it; a long one as its SHA-256.
/// A key that identifies a person is made [`sensitive`](Self::sensitive), or, where it could be
/// guessed, [`keyed`](Self::keyed) with a secret of the service. `Debug` and `Display` show a
/// digest in any case.
///
/// # Payloads
///
/// A key that is used again with another payload is a mistake of the caller, and answering with the
/// result of the first payload would hide it. With a [fingerprint](Self::with_fingerprint) of the
/// payload it is an error.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key {
    form: Form,
    material: String,
    tenant: Option<Box<str>>,
    fingerprint: Option<Fingerprint>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Form {
    /// The key as it is, where it is short.
    Plain,
    /// SHA-256 of the key.
    Hashed,
    /// HMAC-SHA-256 of the key.
    Keyed(KeySecret),
    /// The key as it is, without a scope, because another program made it.
    Verbatim,
}

/// Error of a key that cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyError {
    /// A part of it is not there.
    Missing,
    /// A part of it is empty, or only white space; or the document has nothing in it.
    Empty,
    /// There are several where one belongs, or it is too long to be one.
    NotOne,
    /// The value cannot be written as JSON.
    NotJson,
    /// The value has what the key cannot say exactly: an integer beyond 64 bits; or, for a key of
    /// Powertools, what its language has another number or another order for, which cannot be told
    /// from here.
    Inexpressible,
    /// A key of another program's form has no tenant and no secret.
    Foreign,
    /// A secret is empty, so that everybody knows it.
    Secret,
}

/// The longest key, in bytes, that is stored as it is.
const PLAIN_MAX: usize = 128;

impl Key {
    /// A key of one part.
    ///
    /// # Errors
    ///
    /// The part is missing or empty.
    pub fn of(part: &(impl KeyPart + ?Sized)) -> Result<Self, KeyError> {
        let mut material = String::new();
        part::push(&mut material, part)?;
        Ok(Self::new(Form::Plain, material))
    }

    /// A key of several parts, in this order.
    ///
    /// # Errors
    ///
    /// A part is missing or empty, or there is none.
    pub fn from_parts(parts: &[&dyn KeyPart]) -> Result<Self, KeyError> {
        if parts.is_empty() {
            return Err(KeyError::Missing);
        }
        let mut material = String::new();
        for part in parts {
            part::push(&mut material, *part)?;
        }
        Ok(Self::new(Form::Plain, material))
    }

    /// A key of a whole document: the SHA-256 of its JSON with sorted members.
    ///
    /// The order of members and white space make no difference; the order of elements does. A
    /// number is what it is worth: `1`, `1.0` and `1e0` are the same, since whoever passes a document
    /// on may write it in another way. What JSON has no number for, such as NaN, counts as null.
    ///
    /// # Errors
    ///
    /// There is nothing in the document: it is null or empty, or all that it holds is. Or there is an
    /// integer beyond 64 bits in it.
    pub fn json(value: &(impl Serialize + ?Sized)) -> Result<Self, KeyError> {
        let value = canonical::tree(value)?;
        if canonical::is_void(&value) {
            return Err(KeyError::Empty);
        }
        let digest = digest::hex(&digest::sha256(canonical::text(&value).as_bytes()));
        Ok(Self::new(Form::Plain, format!("json:{digest}")))
    }

    /// The key that Powertools for AWS Lambda (Python) has for `value`: `{prefix}#{MD5}`.
    ///
    /// `value` is what its `event_key_jmespath` selects, and `prefix` the `key_prefix` of its
    /// decorator, or `{function}.{module}.{name}` without one. Namespace and operation of the guard
    /// are not part of it, since Powertools knows neither.
    ///
    /// Dates and other types that JSON does not know are given as the texts that Powertools makes
    /// of them.
    ///
    /// # Errors
    ///
    /// There is nothing in the value, or the prefix is empty. Or it is
    /// [inexpressible](KeyError::Inexpressible): a float from 2⁶⁴ on or up to -2⁶³ may have been
    /// read from an integer, which Python would write with all of its digits, and a negative zero
    /// from `-0`, which Python takes for 0.
    pub fn powertools(prefix: &str, value: &(impl Serialize + ?Sized)) -> Result<Self, KeyError> {
        Self::foreign(prefix, &canonical::tree(value)?, powertools::python)
    }

    /// The key that Powertools for AWS Lambda (TypeScript) has for `value`.
    ///
    /// Numbers are floats of 64 bits there, so integers beyond 2⁵³ can share a key; and a member
    /// that is called `__proto__` is none.
    ///
    /// # Errors
    ///
    /// There is nothing in the value, or the prefix is empty. Or it is
    /// [inexpressible](KeyError::Inexpressible): names that differ in nothing but case stay in the
    /// order in which they came, which is not known here.
    pub fn powertools_typescript(
        prefix: &str,
        value: &(impl Serialize + ?Sized),
    ) -> Result<Self, KeyError> {
        Self::foreign(prefix, &canonical::tree_of_floats(value)?, powertools::typescript)
    }

    fn foreign(
        prefix: &str,
        value: &Value,
        hash: fn(&Value) -> Result<String, KeyError>,
    ) -> Result<Self, KeyError> {
        if prefix.is_empty() || canonical::is_void(value) {
            return Err(KeyError::Empty);
        }
        Ok(Self::new(Form::Verbatim, format!("{prefix}#{}", hash(value)?)))
    }

    fn new(form: Form, material: String) -> Self {
        Self { form, material, tenant: None, fingerprint: None }
    }

    /// Binds the key to one tenant: no other tenant can meet it.
    ///
    /// # Errors
    ///
    /// The tenant is missing or empty, or the key is Powertools'.
    pub fn for_tenant(mut self, tenant: &(impl KeyPart + ?Sized)) -> Result<Self, KeyError> {
        if self.form == Form::Verbatim {
            return Err(KeyError::Foreign);
        }
        let mut text = String::from("t");
        part::push(&mut text, tenant)?;
        self.tenant = Some(text.into());
        Ok(self)
    }

    /// Puts the key into a scope that is made of `parts`, in this order: it meets no key outside of
    /// that scope, nor one in a scope of other parts.
    ///
    /// # Errors
    ///
    /// A part is missing or empty, there is none, or the key is Powertools'.
    pub fn within(mut self, parts: &[&dyn KeyPart]) -> Result<Self, KeyError> {
        if self.form == Form::Verbatim {
            return Err(KeyError::Foreign);
        }
        if parts.is_empty() {
            return Err(KeyError::Missing);
        }
        // No other material begins with this letter, and the number says where the scope ends.
        let mut material = format!("w{}:", parts.len());
        for part in parts {
            part::push(&mut material, *part)?;
        }
        material.push_str(&self.material);
        self.material = material;
        Ok(self)
    }

    /// Stores only the SHA-256 of the key.
    ///
    /// Whoever can guess the key can still find out whether it is there; see
    /// [`keyed`](Self::keyed).
    ///
    /// # Errors
    ///
    /// The key is Powertools', which has its own form.
    pub fn sensitive(self) -> Result<Self, KeyError> {
        self.into_form(Form::Hashed)
    }

    /// Stores only the HMAC-SHA-256 of the key under a secret of the service.
    ///
    /// # Errors
    ///
    /// The key is Powertools', which has its own form.
    pub fn keyed(self, secret: &KeySecret) -> Result<Self, KeyError> {
        self.into_form(Form::Keyed(secret.clone()))
    }

    fn into_form(self, form: Form) -> Result<Self, KeyError> {
        if self.form == Form::Verbatim {
            return Err(KeyError::Foreign);
        }
        Ok(Self { form, ..self })
    }

    /// Remembers what payload the key is used with: the SHA-256 of its JSON with sorted members, in
    /// which numbers are as they are in [`json`](Self::json).
    ///
    /// Calls with and without a fingerprint may meet, such as while it is being introduced. One
    /// without fits to any payload and leaves the fingerprint that is there, for those that follow.
    /// That goes as far as the store remembers: a record that has expired but was not deleted yet
    /// keeps it, too, until a call brings another one.
    ///
    /// A key that was given back has no payload any more: the call that failed did nothing, so a
    /// corrected one may use the same key. What failed for good or was done keeps its payload, and so
    /// does a claim whose lease has lapsed, since nobody knows what it did.
    ///
    /// # Errors
    ///
    /// The payload cannot be written as JSON.
    pub fn with_fingerprint(
        mut self,
        payload: &(impl Serialize + ?Sized),
    ) -> Result<Self, KeyError> {
        let payload = canonical::tree(payload)?;
        let digest = digest::hex(&digest::sha256(canonical::text(&payload).as_bytes()));
        self.fingerprint = Some(Fingerprint::new(digest));
        Ok(self)
    }

    /// Remembers the payload as Powertools (Python) does with `payload_validation_jmespath`.
    ///
    /// # Errors
    ///
    /// The payload cannot be written as JSON.
    pub fn with_powertools_fingerprint(
        mut self,
        payload: &(impl Serialize + ?Sized),
    ) -> Result<Self, KeyError> {
        let payload = canonical::tree(payload)?;
        self.fingerprint = Some(Fingerprint::new(powertools::python(&payload)?));
        Ok(self)
    }

    /// Remembers the payload as Powertools (TypeScript) does with `payloadValidationJmesPath`.
    ///
    /// # Errors
    ///
    /// The payload cannot be written as JSON.
    pub fn with_powertools_typescript_fingerprint(
        mut self,
        payload: &(impl Serialize + ?Sized),
    ) -> Result<Self, KeyError> {
        let payload = canonical::tree_of_floats(payload)?;
        self.fingerprint = Some(Fingerprint::new(powertools::typescript(&payload)?));
        Ok(self)
    }

    pub(crate) fn fingerprint(&self) -> Option<&Fingerprint> {
        self.fingerprint.as_ref()
    }

    /// The key in the store, within `scope`, which ends with a separator.
    pub(crate) fn in_scope(&self, scope: &str) -> RecordKey {
        let tenant = self.tenant.as_deref().unwrap_or_default();
        let long = tenant.len() + self.material.len() > PLAIN_MAX;
        RecordKey::new(match &self.form {
            Form::Verbatim => self.material.clone(),
            Form::Plain if !long => format!("{scope}{tenant}{}", self.material),
            Form::Plain | Form::Hashed => {
                let text = format!("{tenant}{}", self.material);
                format!("{scope}sha256:{}", digest::hex(&digest::sha256(text.as_bytes())))
            }
            Form::Keyed(secret) => {
                let text = format!("{tenant}{}", self.material);
                format!("{scope}hmac:{}", digest::hex(&secret.sign(text.as_bytes())))
            }
        })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_scope("").shown())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// A secret of the service, with which guessable keys are hashed.
///
/// With another secret all keys are others: whoever changes it forgets what has been done.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeySecret(Arc<[u8]>);

impl KeySecret {
    /// A secret. It should have 32 random bytes.
    ///
    /// # Errors
    ///
    /// It is empty, as a parameter is that nobody has set. A key under it could be guessed like any
    /// other.
    pub fn new(secret: impl Into<Arc<[u8]>>) -> Result<Self, KeyError> {
        let secret = secret.into();
        if secret.is_empty() {
            return Err(KeyError::Secret);
        }
        Ok(Self(secret))
    }

    fn sign(&self, bytes: &[u8]) -> [u8; 32] {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("any length is fine");
        mac.update(bytes);
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret(…)")
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "a part of the idempotency key is missing",
            Self::Empty => "the idempotency key or a part of it is empty",
            Self::NotOne => "the idempotency key is not one, or is too long",
            Self::NotJson => "the value cannot be written as JSON",
            Self::Inexpressible => {
                "the value has a number or names that the key cannot say exactly"
            }
            Self::Foreign => "a key of Powertools has no tenant and no other form",
            Self::Secret => "the secret for idempotency keys is empty",
        })
    }
}

impl std::error::Error for KeyError {}

#[cfg(test)]
mod tests;
