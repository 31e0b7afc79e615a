//! The attributes that senders give to messages of queues and topics.

use std::borrow::Cow;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use setpiece_envelope::{Violation, json::Scanner};

use super::MessageAttribute;

type Attributes = Vec<(Box<str>, MessageAttribute)>;

/// Reads `{"name": {"dataType": …, "stringValue": …, "binaryValue": …}}`.
pub(crate) fn of_queue(scanner: &mut Scanner<'_>) -> Result<Attributes, Violation> {
    read(scanner, "dataType", &["stringValue", "binaryValue"])
}

/// Reads `{"name": {"Type": …, "Value": …}}`.
pub(crate) fn of_topic(scanner: &mut Scanner<'_>) -> Result<Attributes, Violation> {
    read(scanner, "Type", &["Value"])
}

/// Reads the attributes that have the form of one, and leaves out others; none may be there twice.
fn read(
    scanner: &mut Scanner<'_>,
    kind_member: &str,
    value_members: &[&str],
) -> Result<Attributes, Violation> {
    let mut attributes = Vec::new();
    scanner.object(|scanner, name| {
        let (mut kind, mut value) = (None, None);
        let (_, read) = scanner.attempt(|scanner| {
            scanner.members(|scanner, member| {
                if member == kind_member {
                    kind = Some(scanner.string()?);
                } else if value_members.contains(&member) && scanner.kind() == "a string" {
                    value = Some(scanner.string()?);
                } else {
                    scanner.skip()?;
                }
                Ok(())
            })
        })?;
        if let (Ok(()), Some(kind), Some(value)) = (read, kind, value)
            && let Some(value) = attribute(&kind, value)
        {
            attributes.push((name.into(), value));
        }
        Ok(())
    })?;
    Ok(attributes)
}

/// Senders may add a name of their own to the type, as in `Number.cents`.
fn attribute(kind: &str, value: Cow<'_, str>) -> Option<MessageAttribute> {
    Some(match kind.split('.').next() {
        Some("String") => MessageAttribute::String(value.into()),
        Some("Number") => MessageAttribute::Number(value.into()),
        Some("Binary") => MessageAttribute::Binary(BASE64_STANDARD.decode(value.as_bytes()).ok()?),
        _ => return None,
    })
}
