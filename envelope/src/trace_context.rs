use std::{
    fmt,
    num::{NonZeroU64, NonZeroU128},
};

use crate::Reason;

/// The form of the W3C header `traceparent`, by which a trace goes on in another service.
///
/// Kept and passed on as it came: <https://www.w3.org/TR/trace-context/#traceparent-header>.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TraceParent(Box<str>);

impl TraceParent {
    /// The flag of a trace that its callers record.
    pub const SAMPLED: u8 = 0x01;
    /// The flag of a trace id of which at least the last seven bytes are random.
    pub const RANDOM: u8 = 0x02;

    const FORM: Reason = Reason::NotOfForm { form: "a W3C traceparent" };

    /// Writes the header of a span in a trace, in version 00.
    ///
    /// Flags that the specification has no meaning for are cleared, as it asks of writers.
    #[must_use]
    pub fn from_ids(trace_id: NonZeroU128, parent_id: NonZeroU64, flags: u8) -> Self {
        let flags = flags & (Self::SAMPLED | Self::RANDOM);
        Self(format!("00-{trace_id:032x}-{parent_id:016x}-{flags:02x}").into())
    }

    /// Goes on in the same trace with another span as the parent of what comes next.
    ///
    /// The header is written in version 00, also where a later one was read, without what follows
    /// its flags.
    #[must_use]
    pub fn with_parent(&self, parent_id: NonZeroU64) -> Self {
        let trace_id = self.trace_id();
        let flags = self.flags() & (Self::SAMPLED | Self::RANDOM);
        Self(format!("00-{trace_id}-{parent_id:016x}-{flags:02x}").into())
    }

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

    /// The flags, also those of a later version.
    #[must_use]
    pub fn flags(&self) -> u8 {
        // Two hexadecimal digits, as was checked.
        u8::from_str_radix(&self.0[53..55], 16).unwrap_or_default()
    }

    /// Tells if the caller recorded its part of the trace.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags() & Self::SAMPLED != 0
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

    /// Joins the values of several headers, which together are one list in their order.
    ///
    /// `None` where there is no member, so that empty headers are as good as none.
    ///
    /// # Errors
    ///
    /// [`Reason::NotOfForm`] when the list is not of its form or has too many members.
    pub fn join<'a>(headers: impl IntoIterator<Item = &'a str>) -> Result<Option<Self>, Reason> {
        let mut joined = String::new();
        for member in headers.into_iter().flat_map(members).filter(|member| !member.is_empty()) {
            if joined.len() > Self::MAX_BYTES {
                return Err(Self::FORM);
            }
            joined.extend([if joined.is_empty() { "" } else { "," }, member]);
        }
        if joined.is_empty() { Ok(None) } else { Self::parse(joined).map(Some) }
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

fn members(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(|member| member.trim_matches([' ', '\t']))
}

fn is_tracestate(header: &str) -> bool {
    let filled = || members(header).filter(|member| !member.is_empty());
    // Commas alone are bounded by the bytes.
    header.len() <= TraceState::MAX_BYTES
        && (1..=TraceState::MAX_MEMBERS).contains(&filled().count())
        && filled().all(|member| {
            member
                .split_once('=')
                .is_some_and(|(key, value)| is_state_key(key) && is_state_value(value))
        })
}

/// Knows the keys of level 2, which may begin with a digit and have several `@`. They include those
/// of level 1.
fn is_state_key(key: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_next = |byte| is_first(byte) || matches!(byte, b'_' | b'-' | b'*' | b'/' | b'@');
    key.len() <= 256 && key.bytes().next().is_some_and(is_first) && key.bytes().all(is_next)
}

fn is_state_value(value: &str) -> bool {
    (1..=256).contains(&value.len())
        && value.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'='))
}

#[cfg(test)]
mod tests;
