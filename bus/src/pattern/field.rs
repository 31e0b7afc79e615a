use std::{borrow::Cow, cmp::Ordering, collections::BTreeSet};

use super::{
    event::Value,
    ip::{Address, Network},
    number::Comparable,
    text::TextTest,
};

/// Tests of a pattern on one field, of which one has to match.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Field {
    pub(crate) path: Box<str>,
    pub(crate) tests: Vec<Test>,
    /// True if a number is compared by value alone, since one of the tests is about numbers.
    numeric: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Test {
    Text(Box<str>),
    Number(Comparable),
    /// A number that is no more than its text.
    NumberText(Box<str>),
    Boolean(bool),
    Null,
    /// An IP address as an exact value, or a range of them.
    Network(Network),
    TextTest(TextTest),
    Range(Range),
    NoneOfTexts(BTreeSet<Box<str>>),
    NoneOfNumbers(BTreeSet<Comparable>),
    NoneOfTests(BTreeSet<TextTest>),
    Exists,
    Absent,
}

/// A range of numbers; at least one end is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Range {
    pub(crate) low: Option<Bound>,
    pub(crate) high: Option<Bound>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bound {
    pub(crate) number: Comparable,
    pub(crate) included: bool,
}

/// A test that an index can look up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key<'a> {
    Text(Cow<'a, str>),
    Number(Comparable),
    NumberText(Cow<'a, str>),
    Boolean(bool),
    Null,
}

impl Field {
    pub(crate) fn new(path: Box<str>, mut tests: Vec<Test>) -> Self {
        tests.sort();
        tests.dedup();
        let numeric = tests
            .iter()
            .any(|test| matches!(test, Test::Number(_) | Test::Range(_) | Test::NoneOfNumbers(_)));
        Self { path, tests, numeric }
    }

    /// Returns true if the field may be missing.
    pub(crate) fn allows_absence(&self) -> bool {
        self.tests.contains(&Test::Absent)
    }

    pub(crate) fn matches(&self, value: &Value<'_>) -> bool {
        self.tests.iter().any(|test| test.matches(value, self.numeric))
    }

    /// The keys of all tests, if all of them are exact.
    pub(crate) fn keys(&self) -> Option<Vec<Key<'_>>> {
        self.tests.iter().map(Test::key).collect()
    }

    /// Returns true if AWS sees empty keys in an event because of this field. It counts the steps
    /// of a path without the empty ones at its end.
    pub(crate) fn has_empty_step(&self) -> bool {
        let path = self.path.trim_end_matches('.');
        self.path.is_empty() || !path.is_empty() && path.split('.').any(str::is_empty)
    }
}

impl Test {
    pub(crate) fn matches(&self, value: &Value<'_>, numeric: bool) -> bool {
        match (self, value) {
            (Self::Text(expected), Value::Text(text)) => **expected == **text,
            (Self::Number(expected), Value::Number { comparable, .. }) => {
                Some(*expected) == *comparable
            }
            (Self::NumberText(expected), Value::Number { text, .. }) => **expected == **text,
            (Self::Boolean(expected), Value::Boolean(value)) => expected == value,
            (Self::Network(network), Value::Text(text)) => {
                Address::parse(text).is_some_and(|address| network.contains(address))
            }
            (Self::Network(network), Value::Number { text, comparable }) => {
                !(numeric && comparable.is_some()) && network.contains_digits(text)
            }
            (Self::TextTest(like), Value::Text(text)) => like.matches(text),
            (Self::Range(range), Value::Number { comparable: Some(number), .. }) => {
                range.contains(*number)
            }
            (Self::NoneOfTexts(texts), Value::Text(text)) => !texts.contains(&**text),
            (Self::NoneOfNumbers(numbers), Value::Number { comparable: Some(number), .. }) => {
                !numbers.contains(number)
            }
            (Self::NoneOfTests(tests), Value::Text(text)) => {
                !tests.iter().any(|like| like.matches(text))
            }
            // Whatever is of another kind is none of them.
            (
                Self::NoneOfTexts(_) | Self::NoneOfNumbers(_) | Self::NoneOfTests(_) | Self::Exists,
                _,
            )
            | (Self::Null, Value::Null) => true,
            _ => false,
        }
    }

    fn key(&self) -> Option<Key<'_>> {
        Some(match self {
            Self::Text(text) => Key::Text(Cow::Borrowed(text)),
            Self::Number(number) => Key::Number(*number),
            Self::NumberText(text) => Key::NumberText(Cow::Borrowed(text)),
            Self::Boolean(value) => Key::Boolean(*value),
            Self::Null => Key::Null,
            _ => return None,
        })
    }
}

impl<'a> Key<'a> {
    /// The key of the exact tests that match a value.
    pub(crate) fn of(value: Value<'a>) -> Self {
        match value {
            Value::Text(text) => Self::Text(text),
            Value::Number { comparable: Some(number), .. } => Self::Number(number),
            Value::Number { text, comparable: None } => Self::NumberText(Cow::Borrowed(text)),
            Value::Boolean(value) => Self::Boolean(value),
            Value::Null => Self::Null,
        }
    }

    pub(crate) fn into_owned(self) -> Key<'static> {
        match self {
            Self::Text(text) => Key::Text(Cow::Owned(text.into_owned())),
            Self::Number(number) => Key::Number(number),
            Self::NumberText(text) => Key::NumberText(Cow::Owned(text.into_owned())),
            Self::Boolean(value) => Key::Boolean(value),
            Self::Null => Key::Null,
        }
    }
}

impl Range {
    pub(crate) fn contains(&self, number: Comparable) -> bool {
        let beyond = |bound: Bound, side| match number.cmp(&bound.number) {
            Ordering::Equal => bound.included,
            ordering => ordering == side,
        };
        self.low.is_none_or(|low| beyond(low, Ordering::Greater))
            && self.high.is_none_or(|high| beyond(high, Ordering::Less))
    }
}
