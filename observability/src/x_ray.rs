use std::{
    fmt,
    num::{NonZeroU64, NonZeroU128},
    ops::Range,
};

use setpiece_envelope::{Reason, TraceParent};

/// A value of the header `X-Amzn-Trace-Id`, by which AWS joins its own hops to a trace.
///
/// It is kept byte for byte, so that passing it on is passing through: also members that only AWS
/// knows, such as `Lineage`, by which Lambda notices that functions call each other in a loop.
///
/// Members may come in any order, with blanks around them. `Root` is required, and each of the
/// members read here may come once. See
/// <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>.
///
/// ```
/// use setpiece_observability::XRayHeader;
///
/// // As a load balancer sends it: the trace is known, and nobody is the parent.
/// let header = XRayHeader::parse("Root=1-67891233-abcdef012345678912345678")?;
/// assert_eq!(header.trace_id(), "67891233abcdef012345678912345678");
/// assert_eq!(header.parent_id(), None);
/// # Ok::<_, setpiece_envelope::Reason>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct XRayHeader {
    header: Box<str>,
    trace_id: Box<str>,
    parent: Option<Range<usize>>,
    lineage: Option<Range<usize>>,
    sampling: Option<XRaySampling>,
}

/// A decision on sampling as X-Ray's header says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XRaySampling {
    /// `Sampled=1`: the caller records.
    Sampled,
    /// `Sampled=0`: the caller does not record.
    NotSampled,
    /// `Sampled=?`: the caller leaves the decision to who comes next.
    Deferred,
}

impl XRayHeader {
    /// The most bytes of a header that is read.
    pub const MAX_BYTES: usize = 1024;

    const FORM: Reason = Reason::NotOfForm { form: "an X-Ray trace header" };

    /// Takes a header value.
    ///
    /// # Errors
    ///
    /// [`Reason::NotOfForm`] when there is no `Root` of version 1, or when a member that is known
    /// has another form or comes twice.
    pub fn parse(header: impl Into<Box<str>>) -> Result<Self, Reason> {
        let header = header.into();
        let printable = |byte: u8| matches!(byte, b' '..=b'~' | b'\t');
        if header.len() > Self::MAX_BYTES || !header.bytes().all(printable) {
            return Err(Self::FORM);
        }
        let (mut root, mut own, mut parent, mut lineage, mut sampling) =
            (None, None, None, None, None);
        let mut end = 0;
        for member in header.split(';') {
            let member_at = end;
            end += member.len() + 1;
            let text = member.trim_matches(BLANKS);
            if text.is_empty() {
                continue;
            }
            let (key, value) = text.split_once('=').ok_or(Self::FORM)?;
            let (key, value) = (key.trim_end_matches(BLANKS), value.trim_start_matches(BLANKS));
            let value_end = member_at + member.trim_end_matches(BLANKS).len();
            let range = value_end - value.len()..value_end;
            let is_new = match key {
                "Root" => root.replace(trace_id_of(value).ok_or(Self::FORM)?).is_none(),
                "Self" => own.replace(trace_id_of(value).ok_or(Self::FORM)?).is_none(),
                "Parent" if is_id(value, 16) => parent.replace(range).is_none(),
                "Lineage" if !value.is_empty() => lineage.replace(range).is_none(),
                "Sampled" => {
                    sampling.replace(XRaySampling::parse(value).ok_or(Self::FORM)?).is_none()
                }
                "" | "Parent" | "Lineage" => false,
                _ => true,
            };
            if !is_new {
                return Err(Self::FORM);
            }
        }
        let trace_id = root.ok_or(Self::FORM)?.into();
        Ok(Self { header, trace_id, parent, lineage, sampling })
    }

    /// Writes the header of a hop in a W3C trace.
    ///
    /// X-Ray takes any W3C trace id in its form. A decision that was made for the flow stands above
    /// the flag of one hop.
    #[must_use]
    pub fn from_trace_parent(parent: &TraceParent, sampled: Option<bool>) -> Self {
        let (time, unique) = parent.trace_id().split_at(8);
        let sampled = sampled.unwrap_or_else(|| parent.is_sampled());
        let before = format!("Root=1-{time}-{unique};Parent=");
        let header = format!("{before}{};Sampled={}", parent.parent_id(), u8::from(sampled));
        Self {
            header: header.into(),
            trace_id: parent.trace_id().into(),
            parent: Some(before.len()..before.len() + parent.parent_id().len()),
            lineage: None,
            sampling: Some(if sampled { XRaySampling::Sampled } else { XRaySampling::NotSampled }),
        }
    }

    /// The header value as it came.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.header
    }

    /// The trace in the form of the W3C: 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        &self.trace_id
    }

    /// The trace in the form of X-Ray: the value of `Root`, which logs call `xray_trace_id`.
    #[must_use]
    pub fn root(&self) -> String {
        let (time, unique) = self.trace_id.split_at(8);
        format!("1-{time}-{unique}")
    }

    /// The segment that this came from: 16 hexadecimal digits. Load balancers send none.
    #[must_use]
    pub fn parent_id(&self) -> Option<&str> {
        self.part(self.parent.as_ref())
    }

    /// The functions that the call has come through, as Lambda counts them.
    #[must_use]
    pub fn lineage(&self) -> Option<&str> {
        self.part(self.lineage.as_ref())
    }

    /// The decision on sampling, where the header says one.
    #[must_use]
    pub fn sampling(&self) -> Option<XRaySampling> {
        self.sampling
    }

    /// Goes on in a W3C trace. Where the header names no parent, the trace has `span` in its place.
    ///
    /// Nothing is said about the randomness of the trace id, and a deferred decision is not
    /// sampled.
    #[must_use]
    pub fn to_trace_parent(&self, span: NonZeroU64) -> TraceParent {
        let parent = self.parent_id().and_then(|parent| u64::from_str_radix(parent, 16).ok());
        let trace = u128::from_str_radix(&self.trace_id, 16).unwrap_or_default();
        let sampled = self.sampling == Some(XRaySampling::Sampled);
        TraceParent::from_ids(
            // Neither is zero, as was checked.
            NonZeroU128::new(trace).unwrap_or(NonZeroU128::MIN),
            parent.and_then(NonZeroU64::new).unwrap_or(span),
            if sampled { TraceParent::SAMPLED } else { 0 },
        )
    }

    fn part(&self, range: Option<&Range<usize>>) -> Option<&str> {
        range.and_then(|range| self.header.get(range.clone()))
    }
}

impl fmt::Display for XRayHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.header)
    }
}

impl fmt::Debug for XRayHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "XRayHeader({})", self.header)
    }
}

impl XRaySampling {
    fn parse(value: &str) -> Option<Self> {
        match value {
            "1" => Some(Self::Sampled),
            "0" => Some(Self::NotSampled),
            "?" => Some(Self::Deferred),
            _ => None,
        }
    }
}

const BLANKS: [char; 2] = [' ', '\t'];

/// Reads `1-`, eight digits, `-` and 24 digits.
fn trace_id_of(value: &str) -> Option<String> {
    let (time, unique) = value.strip_prefix("1-")?.split_once('-')?;
    let id = [time, unique].concat();
    (time.len() == 8 && is_id(&id, 32)).then_some(id)
}

/// Tells if `value` has `digits` lower-case hexadecimal digits and is not zero.
fn is_id(value: &str, digits: usize) -> bool {
    value.len() == digits
        && value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && value.bytes().any(|byte| byte != b'0')
}

#[cfg(test)]
mod tests;
