//! Personal data and credentials, which no line may show.
//!
//! [`Sensitive`] is for values that are known to be: it has no way of being shown in clear, however
//! deep it is in what is printed. [`scrub`] is for text of which nobody knows, such as an error of
//! another crate: it finds what has the form of a credential or an address, and every text that
//! becomes a field or a message of a line passes it. It is a net and not a wall; what is known to be
//! personal belongs in a [`Sensitive`].

mod scrub;
mod sensitive;

pub(crate) use self::scrub::is_secret_name;
#[cfg(feature = "pseudonym")]
#[cfg_attr(docsrs, doc(cfg(feature = "pseudonym")))]
pub use self::sensitive::{Pseudonym, PseudonymKey};
pub use self::{
    scrub::scrub,
    sensitive::{Mask, Omit, Redaction, Sensitive},
};

/// Stands where something was.
pub const REDACTED: &str = "[redacted]";
