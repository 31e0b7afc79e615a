use std::fmt;

use crate::Reason;

/// The form of the W3C header `traceparent`, by which a trace goes on in another service.
///
/// Kept and passed on as it came: <https://www.w3.org/TR/trace-context/#traceparent-header>.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TraceParent(Box<str>);

impl TraceParent {
    const FORM: Reason = Reason::NotOfForm { form: "a W3C traceparent" };

    /// Takes a header value of version 00, or of a later version in the form that the
    /// specification asks readers of version 00 to take.
    ///
    /// # Errors
    ///
    /// [`Reason::NotOfForm`].
    pub fn parse(header: impl Into<Box<str>>) -> Result<Self, Reason> {
        let header = header.into();
        if is_traceparent(header.as_bytes()) { Ok(Self(header)) } else { Err(Self::FORM) }
    }

    /// The header value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The trace: 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        &self.0[3..35]
    }

    /// The span that this came from: 16 hexadecimal digits.
    #[must_use]
    pub fn parent_id(&self) -> &str {
        &self.0[36..52]
    }

    /// Whether the caller recorded its part of the trace.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        u8::from_str_radix(&self.0[53..55], 16).is_ok_and(|flags| flags & 1 == 1)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceParent({})", self.0)
    }
}

/// The form of the W3C header `tracestate`: what tracing systems add to a trace for themselves.
///
/// Kept and passed on as it came: <https://www.w3.org/TR/trace-context/#tracestate-header>.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TraceState(Box<str>);

impl TraceState {
    /// The most members that the specification allows.
    pub const MAX_MEMBERS: usize = 32;
    /// The most bytes that are kept; the specification asks for at least these.
    pub const MAX_BYTES: usize = 512;

    const FORM: Reason = Reason::NotOfForm { form: "a W3C tracestate" };

    /// Takes a header value.
    ///
    /// # Errors
    ///
    /// [`Reason::NotOfForm`], also where there is no member.
    pub fn parse(header: impl Into<Box<str>>) -> Result<Self, Reason> {
        let header = header.into();
        if is_tracestate(&header) { Ok(Self(header)) } else { Err(Self::FORM) }
    }

    /// The header value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TraceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TraceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceState({})", self.0)
    }
}

fn is_traceparent(header: &[u8]) -> bool {
    let Some((first, rest)) = header.split_at_checked(55) else { return false };
    let is_hex = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_set = |part: &[u8]| part.iter().any(|byte| *byte != b'0');
    let (version, trace, parent, flags) =
        (&first[..2], &first[3..35], &first[36..52], &first[53..]);
    let later_version = version != b"00";
    [first[2], first[35], first[52]] == *b"---"
        && [version, trace, parent, flags].into_iter().all(is_hex)
        && is_set(trace)
        && is_set(parent)
        && version != b"ff"
        && (rest.is_empty()
            || later_version && rest[0] == b'-' && rest.iter().all(u8::is_ascii_graphic))
        && header.len() <= 512
}

fn is_tracestate(header: &str) -> bool {
    let members = || header.split(',').map(|member| member.trim_matches([' ', '\t']));
    header.len() <= TraceState::MAX_BYTES
        && members().count() <= TraceState::MAX_MEMBERS
        && members().any(|member| !member.is_empty())
        && members().filter(|member| !member.is_empty()).all(|member| {
            member
                .split_once('=')
                .is_some_and(|(key, value)| is_state_key(key) && is_state_value(value))
        })
}

fn is_state_key(key: &str) -> bool {
    let is_part = |part: &str, digit_first: bool, limit: usize| {
        let first = part.bytes().next();
        part.len() <= limit
            && first.is_some_and(|first| {
                first.is_ascii_lowercase() || digit_first && first.is_ascii_digit()
            })
            && part
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/'))
    };
    match key.split_once('@') {
        None => is_part(key, false, 256),
        Some((tenant, system)) => is_part(tenant, true, 241) && is_part(system, false, 14),
    }
}

fn is_state_value(value: &str) -> bool {
    (1..=256).contains(&value.len())
        && value.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'='))
}

#[cfg(test)]
mod tests;
