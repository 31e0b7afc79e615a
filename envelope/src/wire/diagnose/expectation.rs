//! Expectations that serde itself writes, told apart from those that a type's own code puts together.
//!
//! A type can say of a value "another card than 4111…". That is data, and no error may hold it. So an
//! expectation is shown if it is one of a list of constant texts, or made of names and numbers that
//! the type has given to its deserializer before any value was read.

/// The constant expectations of serde, its derive and `serde_json`.
const CONSTANT: &[&str] = &[
    "IPv4 address",
    "IPv6 address",
    "IP address",
    "IPv4 socket address",
    "IPv6 socket address",
    "socket address",
    "`Ok` or `Err`",
    "`Unbounded`, `Included` or `Excluded`",
    "`end`",
    "`nanos`",
    "`secs_since_epoch` or `nanos_since_epoch`",
    "`secs` or `nanos`",
    "`start` or `end`",
    "`start`",
    "a Duration",
    "a boolean",
    "a borrowed byte array",
    "a borrowed path",
    "a borrowed string",
    "a byte array",
    "a character",
    "a map",
    "a nonzero i128",
    "a nonzero i16",
    "a nonzero i32",
    "a nonzero i64",
    "a nonzero i8",
    "a nonzero isize",
    "a nonzero u128",
    "a nonzero u16",
    "a nonzero u32",
    "a nonzero u64",
    "a nonzero u8",
    "a nonzero usize",
    "a sequence",
    "a string",
    "a string key",
    "an array",
    "an empty array",
    "an object",
    "an object with a single member",
    "any valid JSON value",
    "any valid number",
    "any value",
    "anything at all",
    "byte array",
    "enum",
    "f32",
    "f64",
    "field identifier",
    "i128",
    "i16",
    "i32",
    "i64",
    "i8",
    "integer with support for saturating semantics",
    "isize",
    "map with a single key",
    "newtype variant",
    "option",
    "os string",
    "path string",
    "string or map",
    "struct variant",
    "tuple variant",
    "u128",
    "u16",
    "u32",
    "u64",
    "u8",
    "unit",
    "unit variant",
    "usize",
    "variant identifier",
];

/// The constant expectations of the types of this crate.
const OURS: &[&str] = &["1 to 128 printable characters", "a timestamp of RFC 3339"];

/// Text in place of any other expectation.
pub(super) const WITHHELD: &str = "a value that its type takes";

/// Returns true if an expectation says the same whatever the value is.
pub(super) fn is_constant(expected: &str) -> bool {
    CONSTANT.contains(&expected) || OURS.contains(&expected)
}

/// Description that a type gives of itself when it asks for a value, before it sees any.
#[derive(Clone, Copy)]
pub(super) enum Asked<'a> {
    /// The name of the type, of an element or a variant of which an error may speak.
    Name(&'a str, &'a [&'a str]),
    /// The length of an array or a tuple.
    Length(usize),
    /// The whole expectation, of a type that gives no name, as one with flattened members.
    Text(&'a str),
}

impl Asked<'_> {
    /// Returns true if serde writes this expectation of that type.
    pub(super) fn explains(self, expected: &str) -> bool {
        match self {
            Self::Name(name, variants) => {
                let whole = without_count(expected);
                FORMS.iter().filter_map(|form| whole.strip_prefix(form)).any(|rest| {
                    let (head, variant) = match rest.split_once("::") {
                        Some((head, variant)) => (head, Some(variant)),
                        None => (rest, None),
                    };
                    // A variant may be renamed in JSON, and serde says its name in Rust. It can be
                    // any identifier only where it has the letters of one that is known.
                    head == name && variant.is_none_or(|it| is_one_of(it, variants))
                })
            }
            Self::Length(length) => ["an array of length ", "a tuple of size "]
                .iter()
                .any(|form| expected.strip_prefix(form) == Some(length.to_string().as_str())),
            Self::Text(text) => {
                let is_name = |rest: &str| {
                    rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                };
                expected == text
                    && FORMS.iter().filter_map(|form| text.strip_prefix(form)).any(is_name)
            }
        }
    }
}

/// Words that serde's derive puts before the name of a type.
const FORMS: &[&str] = &[
    "struct ",
    "tuple struct ",
    "unit struct ",
    "enum ",
    "internally tagged enum ",
    "adjacently tagged enum ",
    "variant of enum ",
    "struct variant ",
    "tuple variant ",
];

/// An expectation without the number of elements at its end, if that is at most two digits long: a
/// type has no more members, and a value is hardly told by it.
fn without_count(expected: &str) -> &str {
    let elements = expected.strip_suffix(" elements").or_else(|| expected.strip_suffix(" element"));
    match elements.and_then(|text| text.rsplit_once(" with ")) {
        Some((head, count))
            if matches!(count.len(), 1 | 2) && count.bytes().all(|it| it.is_ascii_digit()) =>
        {
            head
        }
        _ => expected,
    }
}

/// Returns true if a variant is one of those names, but for underscores, hyphens and case.
fn is_one_of(variant: &str, names: &[&str]) -> bool {
    let plain = |text: &str| -> String {
        let letters = text.chars().filter(|it| !matches!(it, '_' | '-'));
        letters.flat_map(char::to_lowercase).collect()
    };
    names.iter().any(|name| plain(name) == plain(variant))
}
