use setpiece_envelope::TraceParent;

/// A W3C trace as the value of the header `X-Amzn-Trace-Id`, so that X-Ray shows the hop.
///
/// X-Ray takes any W3C trace id in its form: 8 digits, a hyphen, 24 digits. See
/// <https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html#xray-api-traceids>.
pub(crate) fn trace_header(parent: &TraceParent, sampled: Option<bool>) -> String {
    let (time, unique) = parent.trace_id().split_at(8);
    let parent_id = parent.parent_id();
    let sampled = u8::from(sampled.unwrap_or_else(|| parent.is_sampled()));
    format!("Root=1-{time}-{unique};Parent={parent_id};Sampled={sampled}")
}

#[cfg(test)]
mod tests {
    use setpiece_envelope::TraceParent;

    use super::trace_header;

    #[test]
    fn a_w3c_trace_goes_on_in_x_ray() {
        let trace = |flags| format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
        let check = |flags, sampled, expected| {
            let parent = TraceParent::parse(trace(flags)).unwrap();
            let root = "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7";
            assert_eq!(trace_header(&parent, sampled), format!("{root};Sampled={expected}"));
        };
        check("01", None, 1);
        check("00", None, 0);
        // What was decided for the flow stands above what one hop did.
        check("00", Some(true), 1);
        check("01", Some(false), 0);
    }
}
