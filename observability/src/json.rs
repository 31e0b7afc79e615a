//! JSON as it is appended to a line.

use std::fmt::Write as _;

/// Appends `text` as a JSON string.
///
/// Besides what JSON demands, characters are escaped that some reader of lines takes for the end of
/// one, or that steer a terminal.
pub(crate) fn push_str(json: &mut String, text: &str) {
    json.push('"');
    push_escaped(json, text);
    json.push('"');
}

/// Appends `text` as the inside of a JSON string.
pub(crate) fn push_escaped(json: &mut String, text: &str) {
    let mut copied = 0;
    for (at, c) in text.char_indices() {
        if !matches!(c, '"' | '\\' | '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}') {
            continue;
        }
        json.push_str(&text[copied..at]);
        copied = at + c.len_utf8();
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            c => _ = write!(json, "\\u{:04x}", u32::from(c)),
        }
    }
    json.push_str(&text[copied..]);
}

/// Appends a member after others.
pub(crate) fn push_member(json: &mut String, name: &str, value: &str) {
    push_name(json, name);
    push_str(json, value);
}

/// Appends the name of a member after others.
pub(crate) fn push_name(json: &mut String, name: &str) {
    json.push(',');
    push_str(json, name);
    json.push(':');
}

/// Appends a number. What JSON has no number for is a text.
pub(crate) fn push_f64(json: &mut String, value: f64) {
    // The shortest text that reads back as the same number, which is one of JSON.
    let quote = if value.is_finite() { "" } else { "\"" };
    _ = write!(json, "{quote}{value:?}{quote}");
}
