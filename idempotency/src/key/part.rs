use std::{borrow::Cow, fmt::Write as _};

use setpiece_envelope::EventId;

use super::KeyError;

/// Something that a [`Key`](super::Key) can be made of.
///
/// It is implemented for texts, integers and ids, and for an `Option` of them, whose `None` is an
/// error. Numbers with a fraction are no good keys, so they have none.
pub trait KeyPart {
    /// Writes it behind what is already there.
    ///
    /// # Errors
    ///
    /// It is missing. That it is empty need not be found out here.
    fn write(&self, out: &mut String) -> Result<(), KeyError>;
}

/// Appends a part with its length in front, so that no two lists of parts have the same text.
pub(super) fn push(material: &mut String, part: &(impl KeyPart + ?Sized)) -> Result<(), KeyError> {
    let mut text = String::new();
    part.write(&mut text)?;
    if text.trim().is_empty() {
        return Err(KeyError::Empty);
    }
    // Writing into a `String` does not fail.
    _ = write!(material, "{}:{text}", text.len());
    Ok(())
}

impl KeyPart for str {
    fn write(&self, out: &mut String) -> Result<(), KeyError> {
        out.push_str(self);
        Ok(())
    }
}

impl KeyPart for String {
    fn write(&self, out: &mut String) -> Result<(), KeyError> {
        self.as_str().write(out)
    }
}

impl KeyPart for Cow<'_, str> {
    fn write(&self, out: &mut String) -> Result<(), KeyError> {
        (**self).write(out)
    }
}

impl KeyPart for EventId {
    fn write(&self, out: &mut String) -> Result<(), KeyError> {
        self.as_str().write(out)
    }
}

impl<P: KeyPart + ?Sized> KeyPart for &P {
    fn write(&self, out: &mut String) -> Result<(), KeyError> {
        (**self).write(out)
    }
}

impl<P: KeyPart> KeyPart for Option<P> {
    fn write(&self, out: &mut String) -> Result<(), KeyError> {
        self.as_ref().ok_or(KeyError::Missing)?.write(out)
    }
}

macro_rules! displayed {
    ($($part:ty)*) => {$(
        impl KeyPart for $part {
            fn write(&self, out: &mut String) -> Result<(), KeyError> {
                // Writing into a `String` does not fail.
                _ = write!(out, "{self}");
                Ok(())
            }
        }
    )*};
}

displayed! { bool char i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize }
