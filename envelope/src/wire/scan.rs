use std::{borrow::Cow, collections::HashSet, fmt};

use super::MAX_NESTING;
use crate::{Reason, Violation};

/// Checks a text that stands `depth` levels deep in its document: its syntax, and the bounds of
/// [`Scanner`].
pub(crate) fn check(text: &str, depth: usize) -> Result<Shape, Violation> {
    check_all(Scanner::at_depth(text, depth))
}

/// Checks a text that is somebody else's: its grammar and its nesting, and nothing that is up to the
/// type that reads it.
pub(crate) fn check_grammar(text: &str, depth: usize) -> Result<Shape, Violation> {
    check_all(Scanner::tolerant(text, depth))
}

fn check_all(mut scanner: Scanner<'_>) -> Result<Shape, Violation> {
    let (_, shape) = scanner.measured()?;
    scanner.end()?;
    Ok(shape)
}

/// The nesting of a value, by which a type can be kept from decoding it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Shape {
    /// Levels of objects and arrays, those of the document around the value included.
    pub(crate) levels: usize,
    /// Levels of all members and elements, added up.
    ///
    /// serde copies the whole of a value at each level where an untagged enum stands, so that this
    /// is what a recursive one can have in memory at a time, in values.
    pub(crate) weight: usize,
}

/// Walks over JSON text once, from the front, without building anything.
///
/// It refuses what JSON readers disagree on or choke on: members that appear twice in one object,
/// integers outside of i64, numbers beyond f64, and nesting deeper than [`MAX_NESTING`]. Values that
/// the caller does not ask for are checked and passed over.
///
/// For adapters that read a form of their own around events, such as a batch of a queue. What such
/// a form holds besides is none of their business and must not fail what they read, so it can be
/// passed over [unseen](Self::skip), and a value that may be wrong can be [tried](Self::attempt).
///
/// ```
/// use setpiece_envelope::json::Scanner;
///
/// let mut scanner = Scanner::new(r#"{ "id": "7", "size": 12345678901234567890, "tags": ["a"] }"#);
/// let mut id = None;
/// scanner.members(|scanner, member| {
///     match member {
///         "id" => id = Some(scanner.string()?),
///         _ => drop(scanner.skip()?),
///     }
///     Ok(())
/// })?;
/// scanner.end()?;
/// assert_eq!(id.as_deref(), Some("7"));
/// # Ok::<_, setpiece_envelope::Violation>(())
/// ```
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    shape: Shape,
    keys: Keys<'a>,
    /// Buffer in which a text that has escapes is put together.
    scratch: Vec<u8>,
    /// Passes over what is JSON by its grammar and no value that every reader takes: members that
    /// appear twice, numbers of any size, and halves of surrogate pairs.
    tolerant: bool,
    /// Says that half a surrogate pair was passed over.
    half: bool,
}

/// A text in JSON, without its quotes.
#[derive(Clone, Copy)]
struct RawText<'a> {
    text: &'a str,
    /// True if there are escapes in it.
    escaped: bool,
}

impl<'a> Scanner<'a> {
    /// At the beginning of a document. How long it may be is up to the caller.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self::at_depth(text, 0)
    }

    /// For a text that stands `depth` levels deep in its document.
    pub(crate) fn at_depth(text: &'a str, depth: usize) -> Self {
        // Room for the members of some objects within each other, in one allocation.
        let keys = Keys { few: Vec::with_capacity(40), spare: Vec::new() };
        Self {
            text,
            at: 0,
            depth,
            shape: Shape::default(),
            keys,
            scratch: Vec::new(),
            tolerant: false,
            half: false,
        }
    }

    /// For somebody else's text, in which all is passed over that is JSON by its grammar.
    pub(crate) fn tolerant(text: &'a str, depth: usize) -> Self {
        Self { tolerant: true, ..Self::at_depth(text, depth) }
    }

    /// Says whether half a surrogate pair was passed over since this was asked for the last time.
    pub(crate) fn take_half(&mut self) -> bool {
        std::mem::take(&mut self.half)
    }

    /// Walks over an object and calls `member` at each value; it must walk over that value.
    ///
    /// # Errors
    ///
    /// A violation when there is no object, when a member appears twice, or of `member`.
    pub fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &str) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        self.walk_object(true, &mut member)
    }

    /// Walks over an object of which a member may appear twice; that is for `member` to notice.
    ///
    /// # Errors
    ///
    /// A violation when there is no object, or of `member`.
    pub fn members(
        &mut self,
        mut member: impl FnMut(&mut Self, &str) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        self.walk_object(false, &mut member)
    }

    /// Not generic, since there is a caller for each form that is read.
    fn walk_object(
        &mut self,
        once: bool,
        member: &mut dyn FnMut(&mut Self, &str) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        self.expect_kind(b'{', "an object")?;
        self.nest()?;
        let mut keys = self.keys.begin();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
        } else {
            loop {
                self.space();
                if self.peek() != Some(b'"') {
                    return Err(self.not_json("a member's name"));
                }
                let raw = self.raw_text()?;
                let key = self.unescape(raw)?;
                self.space();
                self.expect(b':', "a colon")?;
                self.space();
                if once && !self.keys.insert(&mut keys, &raw, &key) {
                    return Err(Violation::new(Reason::Duplicate).within(&key));
                }
                self.shape.weight += self.depth;
                member(self, &key).map_err(|violation| violation.within(&key))?;
                self.space();
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b'}') => break self.at += 1,
                    _ => return Err(self.not_json("a comma or the end of the object")),
                }
            }
        }
        self.keys.end(keys);
        self.depth -= 1;
        Ok(())
    }

    /// Walks over an array and calls `element` at each value; it must walk over that value.
    ///
    /// # Errors
    ///
    /// A violation when there is no array, or of `element`.
    pub fn array(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        self.walk_array(&mut element)
    }

    fn walk_array(
        &mut self,
        element: &mut dyn FnMut(&mut Self) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        self.expect_kind(b'[', "an array")?;
        self.nest()?;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
        } else {
            let mut index = 0;
            loop {
                self.space();
                self.shape.weight += self.depth;
                element(self).map_err(|violation| violation.within_index(index))?;
                index += 1;
                self.space();
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b']') => break self.at += 1,
                    _ => return Err(self.not_json("a comma or the end of the array")),
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Reads a text.
    ///
    /// # Errors
    ///
    /// A violation when there is no text, or none that can be held.
    pub fn string(&mut self) -> Result<Cow<'a, str>, Violation> {
        self.space();
        self.expect_kind(b'"', "a string")?;
        let start = self.at + 1;
        let plain = plain_run(&self.text.as_bytes()[start..]);
        if self.text.as_bytes().get(start + plain) == Some(&b'"') {
            self.at = start + plain + 1;
            return Ok(Cow::Borrowed(&self.text[start..start + plain]));
        }
        self.unescaped(start).map(Cow::Owned)
    }

    /// Walks over any value and gives its JSON text.
    ///
    /// # Errors
    ///
    /// A violation of the first thing in it that is wrong.
    pub fn value(&mut self) -> Result<&'a str, Violation> {
        self.space();
        let start = self.at;
        match self.peek() {
            Some(b'{') => {
                self.walk_object(!self.tolerant, &mut |this, _| this.value().map(drop))?;
            }
            Some(b'[') => self.array(|this| this.value().map(drop))?,
            Some(b'"') => drop(self.raw_text()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.literal("true")?,
            Some(b'f') => self.literal("false")?,
            Some(b'n') => self.literal("null")?,
            _ => return Err(self.not_json("a value")),
        }
        Ok(&self.text[start..self.at])
    }

    /// Walks over any value, and measures how deep its members and elements stand.
    pub(crate) fn measured(&mut self) -> Result<(&'a str, Shape), Violation> {
        self.shape = Shape { levels: self.depth, weight: 0 };
        let text = self.value()?;
        Ok((text, self.shape))
    }

    /// Passes over any value by its brackets and quotes and gives its text.
    ///
    /// What is between them is not looked at: it may be nested without end, have members twice and
    /// numbers of any size, or be no JSON at all. Whoever reads the text later looks at it.
    ///
    /// # Errors
    ///
    /// A violation when no value begins here, or when none ends.
    pub fn skip(&mut self) -> Result<&'a str, Violation> {
        self.space();
        let start = self.at;
        match self.peek() {
            Some(b'{' | b'[') => self.skip_nested()?,
            Some(b'"') => self.skip_text()?,
            Some(b'-' | b'0'..=b'9') => match self.number() {
                Err(violation) if violation.reason().is_of_range() => {}
                walked => walked?,
            },
            _ => drop(self.value()?),
        }
        Ok(&self.text[start..self.at])
    }

    fn skip_nested(&mut self) -> Result<(), Violation> {
        let bytes = self.text.as_bytes();
        let mut open = 0_usize;
        loop {
            match bytes.get(self.at) {
                Some(b'{' | b'[') => open += 1,
                Some(b'}' | b']') => open -= 1,
                Some(b'"') => {
                    self.skip_text()?;
                    continue;
                }
                Some(_) => {}
                None => return Err(self.not_json("a closing bracket")),
            }
            self.at += 1;
            if open == 0 {
                return Ok(());
            }
        }
    }

    fn skip_text(&mut self) -> Result<(), Violation> {
        let bytes = self.text.as_bytes();
        self.at += 1;
        loop {
            self.at += plain_run(&bytes[self.at..]);
            match bytes.get(self.at) {
                Some(b'"') => break self.at += 1,
                // The byte behind a backslash ends nothing. It can begin a character of several
                // bytes, the rest of which is plain.
                Some(b'\\') if self.at + 1 < bytes.len() => self.at += 2,
                Some(_) => self.at += 1,
                None => return Err(self.not_json("a closing quote")),
            }
        }
        Ok(())
    }

    /// Has `read` walk over the value that comes, and gives its text and what was read.
    ///
    /// What `read` finds wrong stays within the value: the scanner then [skips](Self::skip) it.
    ///
    /// # Errors
    ///
    /// A violation when the value cannot even be skipped.
    pub fn attempt<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Violation>,
    ) -> Result<(&'a str, Result<T, Violation>), Violation> {
        self.space();
        let here = (self.at, self.depth, self.keys.few.len());
        match read(self) {
            Ok(done) => Ok((self.since(here.0), Ok(done))),
            Err(violation) => Ok((self.skip_from(here)?, Err(violation))),
        }
    }

    /// Goes back to where a value begins, and passes over it.
    #[cold]
    fn skip_from(&mut self, here: (usize, usize, usize)) -> Result<&'a str, Violation> {
        (self.at, self.depth) = (here.0, here.1);
        self.keys.few.truncate(here.2);
        self.skip()
    }

    /// Returns true if `null` comes, or something that is not JSON.
    pub fn is_null(&mut self) -> bool {
        self.space();
        self.peek() == Some(b'n')
    }

    /// The kind of the value that comes, with its article.
    pub fn kind(&mut self) -> &'static str {
        self.space();
        match self.peek() {
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b'"') => "a string",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            Some(_) | None => "a number",
        }
    }

    /// Walks over another document within this one, whose nesting counts from its own beginning.
    pub(crate) fn nested<T>(
        &mut self,
        document: impl FnOnce(&mut Self) -> Result<T, Violation>,
    ) -> Result<T, Violation> {
        let depth = std::mem::take(&mut self.depth);
        let done = document(self);
        self.depth = depth;
        done
    }

    /// Returns the offset of the scanner, in bytes.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// The text from `start` up to where the scanner stands.
    pub(crate) fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.at]
    }

    /// Makes sure that nothing follows.
    ///
    /// # Errors
    ///
    /// A violation when something does.
    pub fn end(&mut self) -> Result<(), Violation> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(self.not_json("the end")) }
    }

    /// A violation unless the value that comes begins with `first`.
    fn expect_kind(&mut self, first: u8, expected: &'static str) -> Result<(), Violation> {
        self.space();
        if self.peek() == Some(first) {
            return Ok(());
        }
        // What stands there must be JSON at all, before its kind is worth a word.
        let found = self.kind();
        self.value()?;
        Err(Violation::new(Reason::Expected { expected: expected.into(), found: found.into() }))
    }

    fn nest(&mut self) -> Result<(), Violation> {
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err(Violation::new(Reason::TooDeep { limit: MAX_NESTING }));
        }
        self.shape.levels = self.shape.levels.max(self.depth);
        Ok(())
    }

    /// Walks over a text from its opening to its closing quote.
    #[inline]
    fn raw_text(&mut self) -> Result<RawText<'a>, Violation> {
        // Most texts are the names of members, which are short and have no escapes.
        let start = self.at + 1;
        if let Some(head) = self.text.as_bytes()[start..].first_chunk::<16>() {
            let (first, second) = (stops(head, 0), stops(head, 8));
            let len = if first == 0 { 8 + byte_of(second) } else { byte_of(first) };
            if head.get(len) == Some(&b'"') {
                self.at = start + len + 1;
                return Ok(RawText { text: &self.text[start..start + len], escaped: false });
            }
        }
        self.long_text()
    }

    #[inline(never)]
    fn long_text(&mut self) -> Result<RawText<'a>, Violation> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        self.at = start;
        let mut escaped = false;
        loop {
            self.at += plain_run(&bytes[self.at..]);
            match bytes.get(self.at) {
                Some(b'"') => {
                    let text = &self.text[start..self.at];
                    self.at += 1;
                    return Ok(RawText { text, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return Err(self.not_json("an escape for the control character")),
                None => return Err(self.not_json("a closing quote")),
            }
        }
    }

    /// Walks over an escape and gives what it stands for.
    fn escape(&mut self) -> Result<char, Violation> {
        self.at += 1;
        let char = match self.peek() {
            Some(same @ (b'"' | b'\\' | b'/')) => char::from(same),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.character();
            }
            _ => return Err(self.not_json("an escape")),
        };
        self.at += 1;
        Ok(char)
    }

    /// Walks over the digits of an escape, and over another escape if it takes two.
    fn character(&mut self) -> Result<char, Violation> {
        let first = self.code_unit()?;
        if self.tolerant && matches!(first, 0xd800..=0xdfff) {
            return Ok(self.pair_or_half(first));
        }
        // Half of a pair stands for no character, so no text can hold it.
        let code = match first {
            0xd800..=0xdbff => {
                let pair = "the other half of a surrogate pair";
                self.expect(b'\\', pair)?;
                self.expect(b'u', pair)?;
                let second = self.code_unit()?;
                if !matches!(second, 0xdc00..=0xdfff) {
                    return Err(self.not_json(pair));
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            unit => unit,
        };
        char::from_u32(code).ok_or_else(|| self.not_json("the first half of the pair"))
    }

    /// Walks over the other half of a pair, if that is what comes.
    #[cold]
    fn pair_or_half(&mut self, first: u32) -> char {
        let behind = self.at;
        let is_escape = self.text.as_bytes()[behind..].starts_with(b"\\u");
        if is_escape && first < 0xdc00 {
            self.at += 2;
            if let Ok(second @ 0xdc00..=0xdfff) = self.code_unit()
                && let Some(char) =
                    char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
            {
                return char;
            }
            self.at = behind;
        }
        self.half = true;
        char::REPLACEMENT_CHARACTER
    }

    /// Walks over four hexadecimal digits.
    fn code_unit(&mut self) -> Result<u32, Violation> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else {
                return Err(self.not_json("four hexadecimal digits"));
            };
            unit = unit * 16 + digit;
            self.at += 1;
        }
        Ok(unit)
    }

    /// The text that has just been walked over.
    #[inline]
    fn unescape(&mut self, raw: RawText<'a>) -> Result<Cow<'a, str>, Violation> {
        if !raw.escaped {
            return Ok(Cow::Borrowed(raw.text));
        }
        self.unescaped(self.at - 1 - raw.text.len()).map(Cow::Owned)
    }

    /// Reads a text with escapes that begins at `start`, behind its quote.
    #[inline(never)]
    fn unescaped(&mut self, start: usize) -> Result<String, Violation> {
        let bytes = self.text.as_bytes();
        self.at = start;
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        loop {
            // In one JSON within another there are few bytes from one escape to the next, and eight
            // of them are copied faster than just as many as there are.
            loop {
                let rest = &bytes[self.at..];
                let Some(word) = rest.first_chunk::<8>() else {
                    let plain = plain_run(rest);
                    text.extend_from_slice(&rest[..plain]);
                    self.at += plain;
                    break;
                };
                let plain = byte_of(stops(word, 0));
                let len = text.len() + plain;
                text.extend_from_slice(word);
                text.truncate(len);
                self.at += plain;
                if plain < word.len() {
                    break;
                }
            }
            match bytes.get(self.at) {
                Some(b'"') => break self.at += 1,
                Some(b'\\') => match self.escape()? {
                    char if char.is_ascii() => text.push(char as u8),
                    char => text.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
                },
                Some(_) => return Err(self.not_json("an escape for the control character")),
                None => return Err(self.not_json("a closing quote")),
            }
        }
        let owned = std::str::from_utf8(&text).map(str::to_owned);
        self.scratch = text;
        // Whole characters were put together.
        owned.map_err(|_| self.not_json("a text"))
    }

    fn number(&mut self) -> Result<(), Violation> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let digits = self.at;
        self.digits()?;
        if self.text.as_bytes()[digits] == b'0' && self.at - digits > 1 {
            self.at = digits + 1;
            return Err(self.not_json("no digit after a leading zero"));
        }
        let integer = self.at - digits;
        let mut fractional = false;
        if self.peek() == Some(b'.') {
            fractional = true;
            self.at += 1;
            self.digits()?;
        }
        let mut exponent = false;
        if matches!(self.peek(), Some(b'e' | b'E')) {
            exponent = true;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        if self.tolerant {
            return Ok(());
        }
        // 18 digits always fit, and 300 before the point are always finite.
        let text = &self.text[start..self.at];
        if !fractional && !exponent {
            if integer > 18 && text.parse::<i64>().is_err() {
                return Err(Violation::new(Reason::IntegerOutOfRange));
            }
        } else if (exponent || integer > 300) && !is_finite(text) {
            return Err(Violation::new(Reason::NotFinite));
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Violation> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(self.not_json("a digit")) } else { Ok(()) }
    }

    fn literal(&mut self, literal: &'static str) -> Result<(), Violation> {
        if self.text.as_bytes()[self.at..].starts_with(literal.as_bytes()) {
            self.at += literal.len();
            return Ok(());
        }
        Err(self.not_json("a value"))
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), Violation> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.not_json(expected))
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[cold]
    fn not_json(&self, expected: &'static str) -> Violation {
        Violation::new(Reason::NotJson { offset: self.at, expected })
    }
}

impl fmt::Debug for Scanner<'_> {
    /// Shows nothing of the text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scanner").field("at", &self.at).finish_non_exhaustive()
    }
}

/// Returns true if a number is not beyond f64.
///
/// It is asked of `serde_json`, which reads all other numbers and has its own tables for it.
fn is_finite(number: &str) -> bool {
    serde_json::from_str(number).is_ok_and(f64::is_finite)
}

/// Returns the number of bytes of a text before a quote, a backslash or a control character.
#[inline]
pub(crate) fn plain_run(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let stops = stops(word, 0);
        if stops != 0 {
            return index * 8 + byte_of(stops);
        }
    }
    let stop = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    words.len() * 8 + rest.iter().position(stop).unwrap_or(rest.len())
}

/// Marks the quotes, backslashes and control characters in the eight bytes from `at`.
///
/// The highest bit of a byte is set where one stands, of the lowest such byte at least: that is
/// where a subtraction from the byte borrowed. A borrow can also reach the byte above a true hit,
/// but never one below.
#[inline]
fn stops<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let word = bytes[at..].first_chunk().copied().map_or(0, u64::from_le_bytes);
    let quote = word ^ (ONES * u64::from(b'"'));
    let backslash = word ^ (ONES * u64::from(b'\\'));
    let borrows =
        word.wrapping_sub(ONES * 0x20) | quote.wrapping_sub(ONES) | backslash.wrapping_sub(ONES);
    borrows & !word & HIGHS
}

/// The place of the lowest byte in [`stops`], or 8.
#[inline]
fn byte_of(stops: u64) -> usize {
    stops.trailing_zeros() as usize / 8
}

/// The members that were seen so far in the objects that are being walked over.
struct Keys<'a> {
    /// The first members of each object, the innermost object's last, each with its print.
    few: Vec<(u32, &'a str)>,
    /// Sets that objects with many members are done with, for others to use.
    spare: Vec<HashSet<Cow<'a, str>>>,
}

/// The members of one object.
struct KeysOf<'a> {
    /// Index of the first of them among all.
    start: usize,
    /// All of them, once there are many or one is written with escapes.
    many: Option<HashSet<Cow<'a, str>>>,
}

impl<'a> Keys<'a> {
    /// Number of members of an object that are compared one by one.
    const FEW: usize = 64;

    fn begin(&self) -> KeysOf<'a> {
        KeysOf { start: self.few.len(), many: None }
    }

    fn end(&mut self, object: KeysOf<'a>) {
        self.few.truncate(object.start);
        if let Some(mut many) = object.many {
            many.clear();
            self.spare.push(many);
        }
    }

    /// Adds a member; `false` if it was there.
    #[inline]
    fn insert(&mut self, object: &mut KeysOf<'a>, raw: &RawText<'a>, key: &str) -> bool {
        // A key without escapes stands in the text as it is.
        let owned = || {
            if raw.escaped { Cow::Owned(key.to_owned()) } else { Cow::Borrowed(raw.text) }
        };
        if let Some(many) = &mut object.many {
            return many.insert(owned());
        }
        let seen = &self.few[object.start..];
        if raw.escaped || seen.len() == Self::FEW {
            let many = object.many.insert(self.spare.pop().unwrap_or_default());
            many.extend(seen.iter().map(|(_, key)| Cow::Borrowed(*key)));
            return many.insert(owned());
        }
        let print = print(raw.text);
        if seen.iter().any(|(other, text)| *other == print && *text == raw.text) {
            return false;
        }
        self.few.push((print, raw.text));
        true
    }
}

/// Tells most keys apart without looking at all of their bytes.
fn print(key: &str) -> u32 {
    let byte = |at: usize| key.as_bytes().get(at).copied().unwrap_or_default();
    let [len, ..] = key.len().to_le_bytes();
    u32::from_le_bytes([len, byte(0), byte(key.len() / 2), byte(key.len().saturating_sub(1))])
}

#[cfg(test)]
mod tests;
