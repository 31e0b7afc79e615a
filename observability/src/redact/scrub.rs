use std::{borrow::Cow, ops::Range};

use super::REDACTED;

/// Masks what has the form of a credential or a personal address in a text of unknown origin.
///
/// - e-mail addresses, also with `%40`,
/// - the values of what is named as a secret: HTTP headers such as `Authorization` and `Cookie`, and
///   names that end in `password`, `secret`, `token`, `api_key`, `signature` and the like. They may
///   be members of JSON, also of JSON within a string and with escaped names, fields of a Rust
///   `Debug`, pairs in a list, parameters of a URL or lines of a header,
/// - tokens after `Bearer` or `Basic`, JSON web tokens, and ids of AWS access keys,
/// - numbers of payment cards, by their first and their check digit.
///
/// The work grows with the text alone, so the caller bounds the text.
///
/// ```
/// use setpiece_observability::redact::scrub;
///
/// let text = r#"no user bo@example.com: {"body":"{\"password\":\"hunter2\"}"}"#;
/// let scrubbed = scrub(text);
/// assert_eq!(scrubbed, r#"no user [redacted]: {"body":"{\"password\":\"[redacted]\"}"}"#);
/// ```
#[must_use]
pub fn scrub(text: &str) -> Cow<'_, str> {
    let mut scrubber = Scrubber { text, bytes: text.as_bytes(), clean: String::new(), done: 0 };
    scrubber.run();
    if scrubber.done == 0 {
        return Cow::Borrowed(text);
    }
    scrubber.clean.push_str(&text[scrubber.done..]);
    Cow::Owned(scrubber.clean)
}

/// Endings of names of secrets, in lower case and without `-` and `_`.
const SECRETS: [&str; 20] = [
    "accesskey",
    "apikey",
    "authorization",
    "clientassertion",
    "cookie",
    "cookies",
    "credential",
    "credentials",
    "passphrase",
    "passwd",
    "password",
    "passwords",
    "privatekey",
    "pwd",
    "secret",
    "secretkey",
    "secrets",
    "signature",
    "token",
    "tokens",
];
/// Headers of which the value goes to the end of the line.
const WHOLE_LINES: [&str; 2] = ["authorization", "cookie"];
/// The most bytes of a name that is looked at.
const MAX_NAME: usize = 64;

/// Tells if a field of this name holds a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let mut normal = Name::default();
    name.bytes().for_each(|byte| normal.push(byte));
    normal.is_secret()
}

/// A name without its case, `-` and `_`: its last bytes.
struct Name {
    bytes: [u8; MAX_NAME],
    len: usize,
}

impl Default for Name {
    fn default() -> Self {
        Self { bytes: [0; MAX_NAME], len: 0 }
    }
}

impl Name {
    fn push(&mut self, byte: u8) {
        if matches!(byte, b'-' | b'_') {
            return;
        }
        if self.len == MAX_NAME {
            self.bytes.copy_within(MAX_NAME / 2.., 0);
            self.len = MAX_NAME / 2;
        }
        self.bytes[self.len] = byte.to_ascii_lowercase();
        self.len += 1;
    }

    fn ends_with(&self, ends: &[&str]) -> bool {
        ends.iter().any(|end| self.bytes[..self.len].ends_with(end.as_bytes()))
    }

    fn is_secret(&self) -> bool {
        self.ends_with(&SECRETS)
    }
}

struct Scrubber<'a> {
    text: &'a str,
    bytes: &'a [u8],
    clean: String,
    /// Length of the text before, which is in `clean`.
    done: usize,
}

impl Scrubber<'_> {
    fn run(&mut self) {
        let mut at = 0;
        while let Some(byte) = self.byte(at) {
            at = match byte {
                b'@' => self.email(at, at + 1),
                b'%' if self.bytes[at..].starts_with(b"%40") => self.email(at, at + 3),
                byte if is_word(byte) || self.escaped(at).is_some() => self.word(at),
                _ => at + 1,
            };
        }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// Masks a range, which ends where the search goes on.
    fn mask(&mut self, range: Range<usize>) -> usize {
        let start = self.text.floor_char_boundary(range.start).max(self.done);
        let end = self.text.ceil_char_boundary(range.end.min(self.bytes.len()));
        if start < end {
            self.clean.push_str(&self.text[self.done..start]);
            self.clean.push_str(REDACTED);
            self.done = end;
        }
        end.max(range.start + 1)
    }

    /// Looks at what is before and after an `@`.
    fn email(&mut self, at: usize, domain: usize) -> usize {
        let is_local = |byte: &u8| {
            byte.is_ascii_alphanumeric() || *byte >= 0x80 || b"!$%'*+-.^_~".contains(byte)
        };
        let before = &self.bytes[self.done.max(at.saturating_sub(MAX_NAME))..at];
        let local = before.iter().rev().take_while(|byte| is_local(byte)).count();
        let is_domain =
            |byte: &u8| byte.is_ascii_alphanumeric() || *byte >= 0x80 || b".-".contains(byte);
        let after = &self.bytes[domain..];
        let length = after.iter().take(255).take_while(|byte| is_domain(byte)).count();
        let has_dot = after[..length].iter().position(|byte| *byte == b'.').is_some_and(|dot| {
            dot > 0 && after[dot + 1..length].first().is_some_and(u8::is_ascii_alphanumeric)
        });
        if local == 0 || !has_dot { domain } else { self.mask(at - local..domain + length) }
    }

    /// Looks at a word and what it names.
    fn word(&mut self, start: usize) -> usize {
        let mut name = Name::default();
        let mut end = start;
        while let Some(byte) = self.byte(end) {
            if is_word(byte) {
                name.push(byte);
                end += 1;
            } else if let Some((byte, next)) = self.escaped(end) {
                name.push(byte);
                end = next;
            } else {
                break;
            }
        }
        let word = &self.bytes[start..end];
        if name.is_secret()
            && let Some(value) = self.value_of(&name, start, end)
        {
            return self.mask(value);
        }
        if matches!(word.len(), 5 | 6)
            && (word.eq_ignore_ascii_case(b"bearer") || word.eq_ignore_ascii_case(b"basic"))
        {
            let token = self.bytes[end..].iter().take_while(|byte| **byte == b' ').count() + end;
            let length = self.bytes[token..].iter().take_while(|byte| is_token(**byte)).count();
            if token > end && length >= 8 {
                return self.mask(token..token + length);
            }
        }
        if word.starts_with(b"eyJ") && self.byte(end) == Some(b'.') {
            let length = self.bytes[start..].iter().take_while(|byte| is_token(**byte)).count();
            if length >= 20 {
                return self.mask(start..start + length);
            }
        }
        let is_key = word.len() == 20
            && (word.starts_with(b"AKIA") || word.starts_with(b"ASIA"))
            && word.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if is_key {
            return self.mask(start..end);
        }
        if let Some(card) = self.card(start) {
            return self.mask(start..card);
        }
        end
    }

    /// Reads `\u0061` and the like, with any number of backslashes, as the byte that it stands for.
    fn escaped(&self, at: usize) -> Option<(u8, usize)> {
        let slashes = self.bytes[at..].iter().take(16).take_while(|it| **it == b'\\').count();
        let rest = self.text.get(at + slashes..at + slashes + 5)?;
        if slashes == 0 {
            return None;
        }
        let byte = u8::from_str_radix(rest.strip_prefix("u00")?, 16).ok()?;
        is_word(byte).then_some((byte, at + slashes + 5))
    }

    /// Finds the value that follows a name.
    fn value_of(&self, name: &Name, start: usize, end: usize) -> Option<Range<usize>> {
        let quoted = start > 0 && matches!(self.bytes[start - 1], b'"' | b'\'');
        let after = self.skip(end, b"\\\"' \t");
        let mut at = match self.byte(after)? {
            b':' | b'=' => self.skip(after + 1, b":=> \t"),
            // A pair in a list: the rest of it is masked, since the value may have a name, too.
            b',' if quoted => return Some(after + 1..self.closing(after + 1)),
            _ => return None,
        };
        while let Some(wrapped) = self.text.get(at..).and_then(|rest| rest.strip_prefix("Some(")) {
            at = self.bytes.len() - wrapped.len();
        }
        if self.bytes[at..].starts_with(REDACTED.as_bytes()) {
            return None;
        }
        let slashes = self.skip(at, b"\\") - at;
        match self.byte(at + slashes)? {
            quote @ (b'"' | b'\'') => {
                let value = at + slashes + 1;
                Some(value..self.closing_quote(value, quote, slashes))
            }
            b'[' | b'{' | b'(' => Some(at + 1..self.closing(at + 1)),
            _ => {
                let is_line = name.ends_with(&WHOLE_LINES);
                let ends: &[u8] = if is_line { b"\r\n\"" } else { b"\r\n\"',;&)]} \t" };
                let scheme = ["bearer ", "basic "].into_iter().find(|scheme| {
                    let begin = self.bytes.get(at..at + scheme.len());
                    begin.is_some_and(|begin| begin.eq_ignore_ascii_case(scheme.as_bytes()))
                });
                let value = at + scheme.map_or(0, str::len);
                let length = self.bytes[value..].iter().take_while(|it| !ends.contains(it)).count();
                (value + length > at).then_some(at..value + length)
            }
        }
    }

    fn skip(&self, at: usize, bytes: &[u8]) -> usize {
        at + self.bytes[at..].iter().take_while(|byte| bytes.contains(byte)).count()
    }

    /// Finds the quote that ends a text: one with as many backslashes as the one that began it.
    fn closing_quote(&self, start: usize, quote: u8, slashes: usize) -> usize {
        let mut run = 0;
        for (at, byte) in self.bytes.iter().enumerate().skip(start) {
            match byte {
                b'\\' => run += 1,
                byte if *byte == quote && run <= slashes => return at - run,
                _ => run = 0,
            }
        }
        self.bytes.len()
    }

    /// Finds the bracket that ends the list or object around `start`. Brackets within texts are
    /// counted, too, so it rather masks too much.
    fn closing(&self, start: usize) -> usize {
        let mut depth = 0_usize;
        for (at, byte) in self.bytes.iter().enumerate().skip(start) {
            match byte {
                b'[' | b'{' | b'(' => depth += 1,
                b']' | b'}' | b')' if depth == 0 => return at,
                b']' | b'}' | b')' => depth -= 1,
                _ => {}
            }
        }
        self.bytes.len()
    }

    /// Finds the end of a card's number that begins here.
    fn card(&self, start: usize) -> Option<usize> {
        let before = start.checked_sub(1).and_then(|before| self.byte(before));
        if before.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')) {
            return None;
        }
        let mut digits = [0_u8; 19];
        let mut count = 0;
        let mut end = start;
        let mut at = start;
        while let Some(byte) = self.byte(at) {
            match byte {
                b'0'..=b'9' => {
                    *digits.get_mut(count)? = byte - b'0';
                    count += 1;
                    end = at + 1;
                }
                b' ' | b'-' if end == at => {}
                _ => break,
            }
            at += 1;
        }
        let digits = &digits[..count];
        let is_issued = matches!(digits, [3..=6, ..] | [2, 2..=7, ..]) && count >= 14;
        let follows = self.byte(end).is_some_and(|it| it.is_ascii_alphanumeric() || it == b'_');
        let sum: u32 = digits
            .iter()
            .rev()
            .enumerate()
            .map(|(place, digit)| match (place % 2, u32::from(*digit)) {
                (0, digit) => digit,
                (_, digit) if digit > 4 => digit * 2 - 9,
                (_, digit) => digit * 2,
            })
            .sum();
        (is_issued && !follows && sum.is_multiple_of(10)).then_some(end)
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Tells if a token of a header or a JSON web token can have the byte.
fn is_token(byte: u8) -> bool {
    is_word(byte) || matches!(byte, b'.' | b'+' | b'/' | b'=' | b'~')
}

#[cfg(test)]
mod tests;
