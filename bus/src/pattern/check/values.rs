use std::{borrow::Cow, cmp::Ordering, fmt, ops::BitOr};

use serde_json::Value as Json;

use super::super::{
    event::Value,
    field::{Bound, Range, Test},
    number::Comparable,
    text::TextTest,
};

/// The values that a field can have, at the most: each is in one of these groups.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Values(Vec<Group>);

#[derive(Clone, Debug, PartialEq)]
enum Group {
    Null,
    Boolean(bool),
    Numbers(Numbers),
    Text(String),
    /// Texts by how many characters they have.
    Texts {
        least: u64,
        most: Option<u64>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Numbers {
    range: Range,
    /// True if the numbers have no fraction.
    whole: bool,
}

/// The kinds of JSON values, as a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kinds(u8);

/// The largest whole number up to which an `f64` holds all of them.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Limit on the groups that are kept apart.
const MAX_GROUPS: usize = 4096;

impl Kinds {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const NULL: Self = Self(1);
    pub(crate) const BOOLEAN: Self = Self(2);
    pub(crate) const NUMBER: Self = Self(4);
    pub(crate) const TEXT: Self = Self(8);
    pub(crate) const ARRAY: Self = Self(16);
    pub(crate) const OBJECT: Self = Self(32);
    pub(crate) const SCALAR: Self = Self(1 | 2 | 4 | 8);
    pub(crate) const ALL: Self = Self(63);

    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The kind by its name in a schema.
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "null" => Self::NULL,
            "boolean" => Self::BOOLEAN,
            "number" | "integer" => Self::NUMBER,
            "string" => Self::TEXT,
            "array" => Self::ARRAY,
            "object" => Self::OBJECT,
            _ => Self::ALL,
        }
    }

    pub(crate) fn of(value: &Json) -> Self {
        match value {
            Json::Null => Self::NULL,
            Json::Bool(_) => Self::BOOLEAN,
            Json::Number(_) => Self::NUMBER,
            Json::String(_) => Self::TEXT,
            Json::Array(_) => Self::ARRAY,
            Json::Object(_) => Self::OBJECT,
        }
    }

    /// The kinds of values that the test can match.
    pub(crate) fn of_test(test: &Test) -> Self {
        match test {
            Test::Text(_) | Test::TextTest(_) => Self::TEXT,
            Test::Number(_) | Test::NumberText(_) | Test::Range(_) => Self::NUMBER,
            Test::Network(_) => Self::TEXT | Self::NUMBER,
            Test::Boolean(_) => Self::BOOLEAN,
            Test::Null => Self::NULL,
            Test::Exists | Test::NoneOfTexts(_) | Test::NoneOfNumbers(_) | Test::NoneOfTests(_) => {
                Self::SCALAR
            }
            Test::Absent => Self::NONE,
        }
    }
}

impl BitOr for Kinds {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Values {
    pub(crate) fn all() -> Self {
        Self::of_kinds(Kinds::SCALAR, &Json::Null)
    }

    /// The values of these kinds that keep the bounds which `schema` has for them.
    pub(crate) fn of_kinds(kinds: Kinds, schema: &Json) -> Self {
        let mut groups = Vec::new();
        if kinds.has(Kinds::NULL) {
            groups.push(Group::Null);
        }
        if kinds.has(Kinds::BOOLEAN) {
            groups.extend([Group::Boolean(false), Group::Boolean(true)]);
        }
        if kinds.has(Kinds::NUMBER) {
            groups.push(Group::Numbers(Numbers::of(schema)));
        }
        if kinds.has(Kinds::TEXT) {
            // A length may be written as `3.0`, which is no `u64`.
            let least = schema["minLength"].as_u64().unwrap_or(0);
            groups.push(Group::Texts { least, most: schema["maxLength"].as_u64() });
        }
        Self(groups)
    }

    /// One of these values, as far as they are scalars.
    pub(crate) fn one_of<'j>(values: impl IntoIterator<Item = &'j Json>) -> Self {
        let group = |value: &Json| match value {
            Json::Null => Some(Group::Null),
            Json::Bool(value) => Some(Group::Boolean(*value)),
            Json::String(text) => Some(Group::Text(text.clone())),
            Json::Number(_) => {
                let bound = bound(value, true);
                let whole = value.as_f64().is_some_and(|number| number.fract() == 0.0);
                Some(Group::Numbers(Numbers { range: Range { low: bound, high: bound }, whole }))
            }
            Json::Array(_) | Json::Object(_) => None,
        };
        Self(values.into_iter().filter_map(group).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn or(mut self, other: Self) -> Self {
        if self.0.len() + other.0.len() > MAX_GROUPS {
            return Self::all();
        }
        let covers = |one: &Group, other: &Group| one.and(other).as_ref() == Some(other);
        for group in other.0 {
            if !self.0.iter().any(|known| covers(known, &group)) {
                self.0.retain(|known| !covers(&group, known));
                self.0.push(group);
            }
        }
        self
    }

    /// The values that are in both, and no fewer.
    pub(crate) fn and(self, other: &Self) -> Self {
        if self.0.len() * other.0.len() > MAX_GROUPS {
            return self;
        }
        let pairs = self.0.iter().flat_map(|one| other.0.iter().map(move |other| one.and(other)));
        let mut groups: Vec<_> = Vec::new();
        for group in pairs.flatten() {
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        Self(groups)
    }

    /// Returns true if one of the values could match the test.
    pub(crate) fn can_match(&self, test: &Test) -> bool {
        self.0.iter().any(|group| group.can_match(test))
    }

    /// Returns true if the tests, one or the other, match each of the values.
    pub(crate) fn all_match(&self, tests: &[Test]) -> bool {
        self.0.iter().all(|group| tests.iter().any(|test| group.matches(test)))
    }

    pub(crate) fn kinds(&self) -> Kinds {
        self.0.iter().fold(Kinds::NONE, |kinds, group| {
            kinds
                | match group {
                    Group::Null => Kinds::NULL,
                    Group::Boolean(_) => Kinds::BOOLEAN,
                    Group::Numbers(_) => Kinds::NUMBER,
                    Group::Text(_) | Group::Texts { .. } => Kinds::TEXT,
                }
        })
    }
}

impl Group {
    fn and(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Null, Self::Null) => Some(Self::Null),
            (Self::Boolean(one), Self::Boolean(other)) if one == other => Some(self.clone()),
            (Self::Text(one), Self::Text(other)) if one == other => Some(self.clone()),
            (Self::Text(text), Self::Texts { least, most })
            | (Self::Texts { least, most }, Self::Text(text)) => {
                let chars = chars(text);
                let fits = *least <= chars && most.is_none_or(|most| chars <= most);
                fits.then(|| Self::Text(text.clone()))
            }
            (
                Self::Texts { least: one_least, most: one_most },
                Self::Texts { least: other_least, most: other_most },
            ) => {
                let least = *one_least.max(other_least);
                let most = [one_most, other_most].into_iter().flatten().min().copied();
                most.is_none_or(|most| least <= most).then_some(Self::Texts { least, most })
            }
            (Self::Numbers(one), Self::Numbers(other)) => {
                let numbers = one.and(&other.range, one.whole || other.whole);
                numbers.map(Self::Numbers)
            }
            _ => None,
        }
    }

    /// The one value of the group as it is in an event.
    fn only(&self) -> Option<Value<'_>> {
        match self {
            Self::Null => Some(Value::Null),
            Self::Boolean(value) => Some(Value::Boolean(*value)),
            Self::Text(text) => Some(Value::Text(Cow::Borrowed(text))),
            Self::Numbers(_) | Self::Texts { .. } => None,
        }
    }

    fn can_match(&self, test: &Test) -> bool {
        if let Some(value) = self.only() {
            return test.matches(&value, false);
        }
        match (self, test) {
            (Self::Numbers(numbers), Test::Number(number)) => numbers.can_be(*number),
            (Self::Numbers(numbers), Test::Range(range)) => {
                numbers.and(range, numbers.whole).is_some()
            }
            (Self::Numbers(numbers), Test::NoneOfNumbers(none)) => {
                numbers.only().is_none_or(|only| !none.contains(&only))
            }
            (Self::Texts { least, most }, Test::Text(whole)) => {
                let chars = chars(whole);
                *least <= chars && most.is_none_or(|most| chars <= most)
            }
            (Self::Texts { most, .. }, Test::TextTest(test)) => {
                most.is_none_or(|most| shortest(test) <= most)
            }
            // These compare the text of a number, of which a schema says nothing.
            (Self::Numbers(_), Test::NumberText(_))
            | (
                _,
                Test::Network(_)
                | Test::Exists
                | Test::NoneOfTexts(_)
                | Test::NoneOfNumbers(_)
                | Test::NoneOfTests(_),
            ) => true,
            _ => false,
        }
    }

    /// Returns true if the test matches all of the group.
    fn matches(&self, test: &Test) -> bool {
        if let Some(value) = self.only() {
            return test.matches(&value, false);
        }
        match (self, test) {
            (Self::Numbers(numbers), Test::Number(number)) => numbers.only() == Some(*number),
            (Self::Numbers(numbers), Test::Range(range)) => numbers.is_within(range),
            (Self::Numbers(numbers), Test::NoneOfNumbers(none)) => {
                !none.iter().any(|number| numbers.can_be(*number))
            }
            (Self::Numbers(_), Test::NoneOfTexts(_) | Test::NoneOfTests(_))
            | (Self::Texts { .. }, Test::NoneOfNumbers(_))
            | (_, Test::Exists) => true,
            (Self::Texts { .. }, Test::NoneOfTexts(none)) => {
                let can_be = |text: &str| self.can_match(&Test::Text(text.into()));
                !none.iter().any(|text| can_be(text))
            }
            (Self::Texts { .. }, Test::TextTest(test)) => match test {
                TextTest::Prefix(affix)
                | TextTest::PrefixIgnoringCase(affix)
                | TextTest::Suffix(affix)
                | TextTest::SuffixIgnoringCase(affix) => affix.is_empty(),
                TextTest::Wildcard(wildcard) => wildcard.to_string() == "*",
                TextTest::EqualsIgnoringCase(_) => false,
            },
            _ => false,
        }
    }
}

/// Returns the fewest characters that a matching text has.
fn shortest(test: &TextTest) -> u64 {
    match test {
        // A quote at the end of a prefix, or at the beginning of a suffix, may be the one that
        // ends the text.
        TextTest::Prefix(prefix) => chars(prefix.strip_suffix('"').unwrap_or(prefix)),
        TextTest::Suffix(suffix) => chars(suffix.strip_prefix('"').unwrap_or(suffix)),
        // Of other characters, one form can be longer than the other.
        TextTest::EqualsIgnoringCase(whole) if whole.is_ascii() => chars(whole),
        TextTest::EqualsIgnoringCase(_)
        | TextTest::PrefixIgnoringCase(_)
        | TextTest::SuffixIgnoringCase(_) => 0,
        TextTest::Wildcard(wildcard) => wildcard.literal_chars(),
    }
}

fn chars(text: &str) -> u64 {
    text.chars().count().try_into().unwrap_or(u64::MAX)
}

impl Numbers {
    fn of(schema: &Json) -> Self {
        let is_integer = |name: &Json| name == "integer";
        let whole = match &schema["type"] {
            Json::Array(several) => {
                several.iter().any(is_integer) && !several.iter().any(|name| name == "number")
            }
            only => is_integer(only),
        };
        let all = Self { range: Range { low: None, high: None }, whole };
        let bounds = [
            Range { low: bound(&schema["minimum"], true), high: bound(&schema["maximum"], true) },
            Range {
                low: bound(&schema["exclusiveMinimum"], false),
                high: bound(&schema["exclusiveMaximum"], false),
            },
        ];
        // A schema that nothing satisfies is nothing to argue about.
        bounds.iter().fold(all, |numbers, range| numbers.and(range, whole).unwrap_or(numbers))
    }

    fn and(&self, range: &Range, whole: bool) -> Option<Self> {
        let tighter = |one: Option<Bound>, other: Option<Bound>, side| match (one, other) {
            (Some(one), Some(other)) => Some(match one.number.cmp(&other.number) {
                Ordering::Equal => Bound { included: one.included && other.included, ..one },
                ordering if ordering == side => one,
                _ => other,
            }),
            (one, other) => one.or(other),
        };
        let low = tighter(self.range.low, range.low, Ordering::Greater);
        let high = tighter(self.range.high, range.high, Ordering::Less);
        let numbers = Self { range: Range { low, high }, whole };
        (!numbers.is_empty()).then_some(numbers)
    }

    fn is_empty(&self) -> bool {
        let (Some(low), Some(high)) = (self.range.low, self.range.high) else { return false };
        let within = low.included && high.included;
        if low.number > high.number || low.number == high.number && !within {
            return true;
        }
        if !self.whole || [low, high].iter().any(|bound| bound.number.value().abs() > EXACT) {
            return false;
        }
        let (low_value, high_value) = (low.number.value(), high.number.value());
        let first = if low.included { low_value.ceil() } else { low_value.floor() + 1.0 };
        let last = if high.included { high_value.floor() } else { high_value.ceil() - 1.0 };
        first > last
    }

    fn can_be(&self, number: Comparable) -> bool {
        self.range.contains(number) && !(self.whole && number.value().fract() != 0.0)
    }

    /// The only number there is, if AWS compares it by value.
    fn only(&self) -> Option<Comparable> {
        let (low, high) = (self.range.low?, self.range.high?);
        let only = low.number == high.number && low.included && high.included;
        (only && self.whole && low.number.value().abs() < EXACT).then_some(low.number)
    }

    /// Returns true if all of them lie in the range, and AWS sees that: it does not compare numbers
    /// with more digits than an `f64` has.
    fn is_within(&self, range: &Range) -> bool {
        let (Some(low), Some(high)) = (self.range.low, self.range.high) else { return false };
        let is_exact = |bound: Bound| bound.number.value().abs() < EXACT;
        let holds = |bound: Bound| {
            range.contains(bound.number)
                || !bound.included
                    && [range.low, range.high]
                        .into_iter()
                        .flatten()
                        .any(|other| other.number == bound.number)
        };
        self.whole && is_exact(low) && is_exact(high) && holds(low) && holds(high)
    }
}

/// The bound of a schema as AWS compares it; where it has more digits than that, one beside it that
/// leaves nothing out.
fn bound(number: &Json, included: bool) -> Option<Bound> {
    let value = number.as_f64()?;
    Some(match Comparable::parse(&number.to_string()) {
        Some(number) => Bound { number, included },
        None => Bound { number: Comparable::new(value), included: true },
    })
}

/// Describes the values in words.
impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        let both = [Group::Boolean(false), Group::Boolean(true)];
        let mut words: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        if both.iter().all(|boolean| self.0.contains(boolean)) {
            words.retain(|word| word != "false");
            words.iter_mut().filter(|word| *word == "true").for_each(|word| {
                "a boolean".clone_into(word);
            });
        }
        // What is an exception comes last.
        words.sort_by_key(|word| word == "null");
        if words.len() > SHOWN {
            let more = words.len() - SHOWN + 1;
            words.truncate(SHOWN - 1);
            words.push(format!("one of {more} more"));
        }
        match words.split_last() {
            Some((last, [])) => f.write_str(last),
            Some((last, others)) => write!(f, "{} or {last}", others.join(", ")),
            None => f.write_str("nothing"),
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => value.fmt(f),
            Self::Numbers(numbers) => numbers.fmt(f),
            Self::Text(text) => Json::from(text.as_str()).fmt(f),
            Self::Texts { least: 0, most: None } => f.write_str("a string"),
            Self::Texts { least, most: None } => {
                write!(f, "a string of {least} characters or more")
            }
            Self::Texts { least, most: Some(most) } if least == most => {
                write!(f, "a string of length {most}")
            }
            Self::Texts { least: 0, most: Some(most) } => {
                write!(f, "a string of up to {most} characters")
            }
            Self::Texts { least, most: Some(most) } => {
                write!(f, "a string of {least} to {most} characters")
            }
        }
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(only) = self.only() {
            return only.fmt(f);
        }
        f.write_str(if self.whole { "a whole number" } else { "a number" })?;
        // The ends of 64 bits say nothing that a reader does not know.
        let end = |bound: &Bound| bound.number.value().abs() < EXACT;
        if let Some(low) = self.range.low.filter(end) {
            write!(f, " {} {}", if low.included { "from" } else { "above" }, low.number)?;
        }
        if let Some(high) = self.range.high.filter(end) {
            write!(f, " {} {}", if high.included { "up to" } else { "below" }, high.number)?;
        }
        Ok(())
    }
}
