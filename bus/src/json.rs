use std::borrow::Cow;

/// Reads JSON token by token, in one pass and without recursion.
///
/// Matching needs three things that a tree of values has lost: the text of each number, members in
/// their order with those that appear twice, and the place where something stands.
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Offset of the last token.
    token: usize,
    next: Next,
    /// The objects (`true`) and arrays that are open.
    open: Vec<bool>,
    max_depth: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token<'a> {
    StartObject,
    EndObject,
    StartArray,
    EndArray,
    Name(Cow<'a, str>),
    Text(Cow<'a, str>),
    Number(&'a str),
    Boolean(bool),
    Null,
    End,
}

/// Flaw of a text that is not JSON, or not JSON that we follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Flaw {
    Expected(&'static str),
    TooDeep,
}

/// Tokens that may come next, given those that have been read.
#[derive(Clone, Copy)]
enum Next {
    Value,
    FirstName,
    FirstElement,
    AfterValue,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str, max_depth: usize) -> Self {
        Self { text, at: 0, token: 0, next: Next::Value, open: Vec::new(), max_depth }
    }

    /// Reads the value that begins at an offset.
    pub(crate) fn value_at(text: &'a str, at: usize) -> Result<Token<'a>, Flaw> {
        Self { text, at, token: at, next: Next::Value, open: Vec::new(), max_depth: 0 }.value()
    }

    /// Returns the offset of the last token; after a flaw, that of the flaw.
    pub(crate) fn offset(&self) -> usize {
        self.token
    }

    pub(crate) fn next(&mut self) -> Result<Token<'a>, Flaw> {
        self.space();
        self.token = self.at;
        match (self.next, self.open.last(), self.peek()) {
            (Next::FirstName, _, Some(b'}')) | (Next::AfterValue, Some(true), Some(b'}')) => {
                self.close();
                Ok(Token::EndObject)
            }
            (Next::FirstElement, _, Some(b']')) | (Next::AfterValue, Some(false), Some(b']')) => {
                self.close();
                Ok(Token::EndArray)
            }
            (Next::FirstName, ..) => self.name(),
            (Next::Value | Next::FirstElement, ..) => self.value(),
            (Next::AfterValue, Some(object), Some(b',')) => {
                let object = *object;
                self.at += 1;
                self.space();
                self.token = self.at;
                if object { self.name() } else { self.value() }
            }
            (Next::AfterValue, None, None) => Ok(Token::End),
            (Next::AfterValue, None, Some(_)) => Err(self.expected("the end")),
            (Next::AfterValue, Some(true), _) => {
                Err(self.expected("a comma or the end of the object"))
            }
            (Next::AfterValue, Some(false), _) => {
                Err(self.expected("a comma or the end of the array"))
            }
        }
    }

    fn name(&mut self) -> Result<Token<'a>, Flaw> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("a member's name"));
        }
        let name = self.text()?;
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.expected("a colon"));
        }
        self.at += 1;
        self.next = Next::Value;
        Ok(Token::Name(name))
    }

    fn value(&mut self) -> Result<Token<'a>, Flaw> {
        self.next = Next::AfterValue;
        match self.peek() {
            Some(b'{') => self.open(true),
            Some(b'[') => self.open(false),
            Some(b'"') => self.text().map(Token::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true", Token::Boolean(true)),
            Some(b'f') => self.literal("false", Token::Boolean(false)),
            Some(b'n') => self.literal("null", Token::Null),
            _ => Err(self.expected("a value")),
        }
    }

    fn open(&mut self, object: bool) -> Result<Token<'a>, Flaw> {
        if self.open.len() == self.max_depth {
            return Err(Flaw::TooDeep);
        }
        self.open.push(object);
        self.at += 1;
        self.next = if object { Next::FirstName } else { Next::FirstElement };
        Ok(if object { Token::StartObject } else { Token::StartArray })
    }

    fn close(&mut self) {
        self.at += 1;
        self.open.pop();
        self.next = Next::AfterValue;
    }

    fn literal(&mut self, literal: &str, token: Token<'a>) -> Result<Token<'a>, Flaw> {
        if !self.text[self.at..].starts_with(literal) {
            return Err(self.expected("a value"));
        }
        self.at += literal.len();
        Ok(token)
    }

    fn number(&mut self) -> Result<Token<'a>, Flaw> {
        let start = self.at;
        self.skip(b"-");
        let digits = self.at;
        self.digits()?;
        if self.text.as_bytes()[digits] == b'0' && self.at - digits > 1 {
            self.at = digits + 1;
            return Err(self.expected("no digit after a leading zero"));
        }
        if self.skip(b".") {
            self.digits()?;
        }
        if self.skip(b"eE") {
            self.skip(b"+-");
            self.digits()?;
        }
        Ok(Token::Number(&self.text[start..self.at]))
    }

    fn digits(&mut self) -> Result<(), Flaw> {
        let digits = self.text[self.at..].bytes().take_while(u8::is_ascii_digit).count();
        self.at += digits;
        if digits == 0 { Err(self.expected("a digit")) } else { Ok(()) }
    }

    /// A string, from its opening quote.
    fn text(&mut self) -> Result<Cow<'a, str>, Flaw> {
        let text = self.text;
        self.at += 1;
        let mut unescaped = String::new();
        let mut start = self.at;
        loop {
            let plain = |byte: u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
            let rest = text[self.at..].bytes();
            self.at += rest.take_while(|byte| plain(*byte)).count();
            let run = &text[start..self.at];
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    if unescaped.is_empty() {
                        return Ok(Cow::Borrowed(run));
                    }
                    unescaped.push_str(run);
                    return Ok(Cow::Owned(unescaped));
                }
                Some(b'\\') => {
                    unescaped.push_str(run);
                    unescaped.push(self.escape()?);
                    start = self.at;
                }
                Some(_) => return Err(self.expected("an escape for the control character")),
                None => return Err(self.expected("a closing quote")),
            }
        }
    }

    /// The character for which an escape stands, from its backslash.
    fn escape(&mut self) -> Result<char, Flaw> {
        self.at += 1;
        let char = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape();
            }
            _ => return Err(self.expected("an escape")),
        };
        self.at += 1;
        Ok(char)
    }

    fn unicode_escape(&mut self) -> Result<char, Flaw> {
        let first = self.utf16_unit()?;
        if let Some(char) = char::from_u32(first.into()) {
            return Ok(char);
        }
        if self.text[self.at..].starts_with("\\u") {
            self.at += 2;
            let second = self.utf16_unit()?;
            if let Some(Ok(char)) = char::decode_utf16([first, second]).next() {
                return Ok(char);
            }
        }
        Err(self.expected("the other half of a surrogate pair"))
    }

    fn utf16_unit(&mut self) -> Result<u16, Flaw> {
        let digits = self.text.get(self.at..self.at + 4);
        // The parser of numbers would take a sign, too.
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.expected("four hexadecimal digits"))?;
        self.at += 4;
        Ok(unit)
    }

    fn skip(&mut self, any: &[u8]) -> bool {
        let found = self.peek().is_some_and(|byte| any.contains(&byte));
        self.at += usize::from(found);
        found
    }

    fn space(&mut self) {
        while self.skip(b" \n\r\t") {}
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[cold]
    fn expected(&mut self, what: &'static str) -> Flaw {
        self.token = self.at;
        Flaw::Expected(what)
    }
}

/// Appends `text` as a JSON string.
pub(crate) fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..' ' => {
                let code = u32::from(char);
                out.push_str("\\u00");
                out.extend(
                    [code >> 4, code & 0xf]
                        .map(|digit| char::from_digit(digit, 16))
                        .iter()
                        .flatten(),
                );
            }
            _ => out.push(char),
        }
    }
    out.push('"');
}
