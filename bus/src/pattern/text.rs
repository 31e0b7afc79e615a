use std::fmt;

use super::error::PatternReason;

/// A test of a string.
///
/// AWS matches the bytes of a string between its quotes, and a prefix or suffix may reach to the
/// quote at the other end: `x"` is a prefix of `x`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TextTest {
    Prefix(Box<str>),
    PrefixIgnoringCase(Box<str>),
    Suffix(Box<str>),
    SuffixIgnoringCase(Box<str>),
    EqualsIgnoringCase(Box<str>),
    Wildcard(Wildcard),
}

impl TextTest {
    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Prefix(prefix) => {
                text.starts_with(&**prefix) || prefix.strip_suffix('"') == Some(text)
            }
            Self::PrefixIgnoringCase(prefix) => {
                strip_prefix(text, prefix).is_some()
                    || prefix
                        .strip_suffix('"')
                        .is_some_and(|whole| equal_ignoring_case(text, whole))
            }
            Self::Suffix(suffix) => {
                text.ends_with(&**suffix) || suffix.strip_prefix('"') == Some(text)
            }
            Self::SuffixIgnoringCase(suffix) => {
                strip_suffix(text, suffix).is_some()
                    || suffix
                        .strip_prefix('"')
                        .is_some_and(|whole| equal_ignoring_case(text, whole))
            }
            Self::EqualsIgnoringCase(whole) => equal_ignoring_case(text, whole),
            Self::Wildcard(wildcard) => wildcard.matches(text),
        }
    }
}

/// Returns true if a text is the one of a pattern, in any case.
///
/// AWS takes each character of the pattern in its lower or upper form and compares bytes. That is
/// not symmetric: ß matches ß and SS, but SS does not match ß. And since it takes the characters as
/// UTF-16, both halves of one beyond U+FFFF become a question mark each.
fn equal_ignoring_case(text: &str, pattern: &str) -> bool {
    strip_prefix(text, pattern) == Some("")
}

/// Returns the rest after the prefix.
fn strip_prefix<'a>(text: &'a str, pattern: &str) -> Option<&'a str> {
    pattern.chars().try_fold(text, |text, char| {
        if char > '\u{ffff}' {
            return text.strip_prefix("??");
        }
        let lower = char.to_lowercase().try_fold(text, |text, char| text.strip_prefix(char));
        lower.or_else(|| char.to_uppercase().try_fold(text, |text, char| text.strip_prefix(char)))
    })
}

/// Returns the part before the suffix.
fn strip_suffix<'a>(text: &'a str, pattern: &str) -> Option<&'a str> {
    pattern.chars().rev().try_fold(text, |text, char| {
        if char > '\u{ffff}' {
            return text.strip_suffix("??");
        }
        let lower = char.to_lowercase().rev().try_fold(text, |text, char| text.strip_suffix(char));
        lower.or_else(|| {
            char.to_uppercase().rev().try_fold(text, |text, char| text.strip_suffix(char))
        })
    })
}

/// A text in which `*` stands for anything.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wildcard {
    /// Part before the first `*`.
    first: Box<str>,
    /// Parts after each `*`.
    rest: Box<[Box<str>]>,
}

impl Wildcard {
    pub(crate) fn parse(text: &str) -> Result<Self, PatternReason> {
        let mut parts = vec![String::new()];
        let mut chars = text.char_indices().peekable();
        while let Some((at, char)) = chars.next() {
            // AWS counts from the quote before the text.
            let position = at + 1;
            let next = chars.peek().map(|(_, next)| *next);
            let literal = match (char, next) {
                ('*', Some('*')) => return Err(PatternReason::ConsecutiveWildcards { position }),
                ('*', _) => {
                    parts.push(String::new());
                    continue;
                }
                ('\\', Some(escaped @ ('*' | '\\'))) => {
                    chars.next();
                    escaped
                }
                ('\\', _) => return Err(PatternReason::InvalidEscape { position }),
                (char, _) => char,
            };
            if let Some(part) = parts.last_mut() {
                part.push(literal);
            }
        }
        let mut parts = parts.into_iter().map(String::into_boxed_str);
        Ok(Self { first: parts.next().unwrap_or_default(), rest: parts.collect() })
    }

    /// Returns the parts before, between and after the `*`s.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.first).chain(&self.rest).map(|part| &**part)
    }

    /// Returns the number of characters beside the `*`s.
    #[cfg(feature = "schema")]
    pub(crate) fn literal_chars(&self) -> u64 {
        self.parts().map(|part| part.chars().count() as u64).sum()
    }

    /// Linear in the text, whatever the pattern: taking the first place where a part fits never
    /// spoils the parts after it.
    fn matches(&self, text: &str) -> bool {
        let Some((last, middle)) = self.rest.split_last() else {
            return text == &*self.first;
        };
        let Some(text) = text.strip_prefix(&*self.first) else {
            return false;
        };
        let text = middle
            .iter()
            .try_fold(text, |text, part| text.find(&**part).map(|at| &text[at + part.len()..]));
        text.is_some_and(|text| text.ends_with(&**last))
    }
}

/// Writes the text with its escapes.
impl fmt::Display for Wildcard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts().enumerate() {
            if index > 0 {
                f.write_str("*")?;
            }
            for char in part.chars() {
                if matches!(char, '*' | '\\') {
                    f.write_str("\\")?;
                }
                write!(f, "{char}")?;
            }
        }
        Ok(())
    }
}
