use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jsonschema::ValidationOptions;

/// Asserts the formats of texts as the types read them that schemars gives these formats to.
///
/// Libraries differ in what they read: `uuid` takes a UUID without hyphens, `jiff` a time with a
/// space for the `T`. A schema that refuses what the type reads would lose events, so the check is
/// exact for the addresses of the standard library, and for the others refuses only what no library
/// reads. Formats that no type has, such as `email`, are those of JSON Schema.
pub(super) fn assert(options: ValidationOptions<'_>) -> ValidationOptions<'_> {
    options
        .should_validate_formats(true)
        .with_format("ip", |text: &str| text.parse::<IpAddr>().is_ok())
        .with_format("ipv4", |text: &str| text.parse::<Ipv4Addr>().is_ok())
        .with_format("ipv6", |text: &str| text.parse::<Ipv6Addr>().is_ok())
        .with_format("uuid", is_uuid)
        .with_format("uri", has_scheme)
        .with_format("date-time", |text: &str| is_temporal(text, 8))
        .with_format("zoned-date-time", |text: &str| is_temporal(text, 8))
        .with_format("partial-date-time", |text: &str| is_temporal(text, 6))
        .with_format("date", |text: &str| is_temporal(text, 3))
        .with_format("time", |text: &str| is_temporal(text, 2))
        .with_format("partial-time", |text: &str| is_temporal(text, 2))
        .with_format("duration", |text: &str| digits(text) > 0)
}

/// One of the four forms that `uuid` reads: simple, with hyphens, in braces, as URN.
fn is_uuid(text: &str) -> bool {
    let braced = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let text = braced.or_else(|| text.strip_prefix("urn:uuid:")).unwrap_or(text).as_bytes();
    let is_hyphen = |place| matches!(place, 8 | 13 | 18 | 23);
    match text.len() {
        32 => text.iter().all(u8::is_ascii_hexdigit),
        36 => text.iter().enumerate().all(|(place, byte)| {
            if is_hyphen(place) { *byte == b'-' } else { byte.is_ascii_hexdigit() }
        }),
        _ => false,
    }
}

/// Control characters and spaces around a URL are nothing to `url`, and line ends and tabs in it.
fn has_scheme(text: &str) -> bool {
    let text = text.replace(['\t', '\n', '\r'], "");
    let text = text.trim_matches(|char| char <= ' ');
    text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

/// Begins with a digit, a sign or a `T`, and has at least so many digits.
fn is_temporal(text: &str, least: usize) -> bool {
    text.trim_start()
        .starts_with(|first: char| first.is_ascii_digit() || "+-\u{2212}Tt".contains(first))
        && digits(text) >= least
}

fn digits(text: &str) -> usize {
    text.bytes().filter(u8::is_ascii_digit).count()
}
