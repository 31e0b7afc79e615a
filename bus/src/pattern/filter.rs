use std::ops::{Bound, RangeBounds};

use super::ip::Network;
use crate::json::write_text;

/// Filter on a field of an event: one of several values or tests.
///
/// A text, a number or a boolean is a filter for that value:
///
/// ```
/// use setpiece_bus::Filter;
///
/// let currency = Filter::from("EUR");
/// let currency = Filter::one_of(["EUR", "USD"]);
/// let currency = Filter::from("EUR").or(Filter::null());
/// let total = Filter::numeric(100.0..);
/// let state = Filter::anything_but(Filter::prefix("internal-"));
/// ```
///
/// What they match is told at [`EventPattern`](crate::EventPattern#the-language). Whether AWS takes
/// them is found out when the pattern is [built](crate::PatternBuilder::build).
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    tests: Vec<Test>,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Text(String),
    /// Any other value, or what no single operator says, as JSON.
    Json(String),
    /// An operator and its operand, which is a text.
    Operator(&'static str, String),
    Numeric(Bound<f64>, Bound<f64>),
    /// None of what these tests ask for.
    NoneOf(Vec<Self>),
    /// A number that JSON has no text for.
    NotFinite(f64),
}

impl Filter {
    /// One of these values.
    #[must_use]
    pub fn one_of<V: Into<Self>>(values: impl IntoIterator<Item = V>) -> Self {
        Self { tests: values.into_iter().flat_map(|value| value.into().tests).collect() }
    }

    /// The value `null`.
    #[must_use]
    pub fn null() -> Self {
        Self::only(Test::Json("null".to_owned()))
    }

    /// A string that begins so.
    #[must_use]
    pub fn prefix(text: impl Into<String>) -> Self {
        Self::only(Test::Operator("prefix", text.into()))
    }

    /// A string that ends so.
    #[must_use]
    pub fn suffix(text: impl Into<String>) -> Self {
        Self::only(Test::Operator("suffix", text.into()))
    }

    /// This string in any case.
    #[must_use]
    pub fn equals_ignore_case(text: impl Into<String>) -> Self {
        Self::only(Test::Operator("equals-ignore-case", text.into()))
    }

    /// A string of this form, where `*` is any text, and `\*` and `\\` are the characters.
    #[must_use]
    pub fn wildcard(text: impl Into<String>) -> Self {
        Self::only(Test::Operator("wildcard", text.into()))
    }

    /// A string with an address in this network, such as `10.0.0.0/24`.
    #[must_use]
    pub fn cidr(network: impl Into<String>) -> Self {
        Self::only(Test::Operator("cidr", network.into()))
    }

    /// A number in this range: `100.0..`, `..=5.0`, `0.0..1.0`.
    ///
    /// AWS compares numbers as `f64`.
    #[must_use]
    pub fn numeric(range: impl RangeBounds<f64>) -> Self {
        Self::only(Test::Numeric(range.start_bound().cloned(), range.end_bound().cloned()))
    }

    /// Any value that this filter does not match. There has to be one: what is absent does not
    /// match.
    ///
    /// AWS takes this of strings, of numbers, and of one of `prefix`, `suffix`,
    /// `equals_ignore_case` and `wildcard`, and refuses a mixture.
    #[must_use]
    pub fn anything_but(filter: impl Into<Self>) -> Self {
        Self::only(Test::NoneOf(filter.into().tests))
    }

    /// Any value, `null` too. Objects and empty lists are no values.
    #[must_use]
    pub fn exists() -> Self {
        Self::only(Test::Json("{\"exists\":true}".to_owned()))
    }

    /// No value.
    #[must_use]
    pub fn absent() -> Self {
        Self::only(Test::Json("{\"exists\":false}".to_owned()))
    }

    /// Returns a filter that matches what this one or the other one matches.
    #[must_use]
    pub fn or(mut self, other: impl Into<Self>) -> Self {
        self.tests.extend(other.into().tests);
        self
    }

    fn only(test: Test) -> Self {
        Self { tests: vec![test] }
    }

    /// Appends the list of a field. What AWS would refuse is written in a form that it refuses for
    /// the right reason.
    pub(crate) fn write(&self, out: &mut String) {
        write_list(&self.tests, out, Test::write);
    }

    /// The first number that cannot be written, and the place of its test.
    pub(crate) fn not_finite(&self) -> Option<(usize, f64)> {
        let places = self.tests.iter().enumerate();
        places.into_iter().find_map(|(place, test)| Some((place, test.not_finite()?)))
    }
}

impl Test {
    fn write(&self, out: &mut String) {
        match self {
            // The bare text of an address would stand for the address in all its forms.
            Self::Text(text) if Network::of_one(text).is_some() => {
                write_operator("exactly", out, |out| write_text(out, text));
            }
            Self::NoneOf(tests) => {
                write_operator("anything-but", out, |out| write_none_of(tests, out));
            }
            Self::Operator(operator, text) => {
                write_operator(operator, out, |out| write_text(out, text));
            }
            Self::Numeric(low, high) => write_numeric(*low, *high, out),
            Self::Text(_) | Self::Json(_) | Self::NotFinite(_) => self.write_bare(out),
        }
    }

    /// Writes the value within `anything-but`, where a text is no more than itself.
    fn write_bare(&self, out: &mut String) {
        match self {
            Self::Text(text) => write_text(out, text),
            Self::Json(json) => out.push_str(json),
            Self::NotFinite(number) => out.push_str(&number.to_string()),
            Self::Operator(..) | Self::Numeric(..) | Self::NoneOf(_) => self.write(out),
        }
    }

    fn not_finite(&self) -> Option<f64> {
        let number = |bound: &Bound<f64>| match bound {
            Bound::Included(number) | Bound::Excluded(number) => Some(*number),
            Bound::Unbounded => None,
        };
        match self {
            Self::NotFinite(number) => Some(*number),
            Self::Numeric(low, high) => {
                let mut bounds = [low, high].into_iter().filter_map(number);
                bounds.find(|number| !number.is_finite())
            }
            Self::NoneOf(tests) => tests.iter().find_map(Self::not_finite),
            Self::Text(_) | Self::Json(_) | Self::Operator(..) => None,
        }
    }
}

fn write_none_of(tests: &[Test], out: &mut String) {
    let operands: Option<Vec<_>> = tests
        .iter()
        .map(|test| match test {
            Test::Operator(operator, text) => Some((*operator, text)),
            _ => None,
        })
        .collect();
    match operands.as_deref() {
        Some(all @ [(operator, _), ..]) if all.iter().all(|(other, _)| other == operator) => {
            write_operator(operator, out, |out| {
                write_list(all, out, |(_, operand), out| write_text(out, operand));
            });
        }
        _ => match tests {
            // An operator that AWS does not know here is refused by its name.
            [only @ (Test::Json(_) | Test::Numeric(..) | Test::NoneOf(_))] => only.write(out),
            _ => write_list(tests, out, Test::write_bare),
        },
    }
}

fn write_numeric(low: Bound<f64>, high: Bound<f64>, out: &mut String) {
    let mut parts = Vec::new();
    match (low, high) {
        #[expect(clippy::float_cmp, reason = "a range of one number is that number")]
        (Bound::Included(low), Bound::Included(high)) if low == high => {
            parts.push(("=", low));
        }
        _ => {
            match low {
                Bound::Included(low) => parts.push((">=", low)),
                Bound::Excluded(low) => parts.push((">", low)),
                Bound::Unbounded => {}
            }
            match high {
                Bound::Included(high) => parts.push(("<=", high)),
                Bound::Excluded(high) => parts.push(("<", high)),
                Bound::Unbounded => {}
            }
        }
    }
    write_operator("numeric", out, |out| {
        let parts: Vec<_> =
            parts.iter().map(|(operator, number)| format!("\"{operator}\",{number:?}")).collect();
        out.push('[');
        out.push_str(&parts.join(","));
        out.push(']');
    });
}

fn write_operator(operator: &str, out: &mut String, operand: impl FnOnce(&mut String)) {
    out.push('{');
    write_text(out, operator);
    out.push(':');
    operand(out);
    out.push('}');
}

fn write_list<T>(values: &[T], out: &mut String, write: impl Fn(&T, &mut String)) {
    out.push('[');
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(value, out);
    }
    out.push(']');
}

impl From<&str> for Filter {
    fn from(text: &str) -> Self {
        Self::only(Test::Text(text.to_owned()))
    }
}

impl From<String> for Filter {
    fn from(text: String) -> Self {
        Self::only(Test::Text(text))
    }
}

impl From<bool> for Filter {
    fn from(value: bool) -> Self {
        Self::only(Test::Json(value.to_string()))
    }
}

impl From<f64> for Filter {
    fn from(number: f64) -> Self {
        Self::only(if number.is_finite() {
            Test::Json(format!("{number:?}"))
        } else {
            Test::NotFinite(number)
        })
    }
}

/// Stamps out the filter for an integer, for the types whose every number EventBridge carries.
macro_rules! from_integers {
    ($($integer:ty),+) => {
        $(impl From<$integer> for Filter {
            fn from(number: $integer) -> Self {
                Self::only(Test::Json(number.to_string()))
            }
        })+
    };
}

from_integers!(i8, i16, i32, i64, u8, u16, u32);
