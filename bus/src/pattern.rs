mod arrays;
mod builder;
#[cfg(feature = "schema")]
mod check;
mod compile;
mod complexity;
mod error;
mod event;
mod field;
mod filter;
mod ip;
mod number;
mod set;
#[cfg(test)]
mod tests;
mod text;
mod write;

use std::{fmt, str::FromStr};

#[cfg(feature = "schema")]
pub use self::check::{Finding, Findings, Mismatch};
use self::{
    arrays::{Condition, Effort},
    event::{ElementId, ROOT},
    field::Field,
    write::Outline,
};
pub use self::{
    builder::PatternBuilder,
    error::{EventError, EventReason, PatternError, PatternReason},
    event::ParsedEvent,
    filter::Filter,
    set::Patterns,
};

/// An EventBridge event pattern: what a rule asks of an event.
///
/// # The language
///
/// Each key of a pattern is a field of the event; its list holds the values that are allowed. All
/// fields must match. A value of the event that is a list matches if one of its values does, and
/// fields of objects in a list must match in the same object.
///
/// | in the list of a field | matches |
/// |---|---|
/// | `"text"`, `true`, `null` | that value |
/// | `300` | that number, however it is written: `3.0e2` |
/// | `"10.0.0.7"` | the address in any form, such as `::ffff:a00:7` |
/// | `{"prefix": "a"}`, `{"suffix": "a"}` | a string that begins or ends so |
/// | `{"equals-ignore-case": "a"}` | a string, in any case; also as the operand of `prefix` and `suffix` |
/// | `{"wildcard": "a*b"}` | a string, where `*` is any text; `\*` and `\\` are the characters |
/// | `{"numeric": [">", 0, "<=", 5]}` | a number in a range: `=`, `<`, `<=`, `>`, `>=`, or from below to above |
/// | `{"cidr": "10.0.0.0/24"}` | a string with an address in a network, of IPv4 or IPv6 |
/// | `{"anything-but": …}` | a value that is none of these: a string, a number, a list of either, or `prefix`, `suffix`, `equals-ignore-case` or `wildcard` with a string or a list |
/// | `{"exists": true}`, `{"exists": false}` | a field with any value that is not an object, or its absence; an empty list is absent |
///
/// In the place of a field, `"$or": [{…}, {…}]` asks for one of several objects of fields.
///
/// # What surprises
///
/// The verdicts are those of AWS's own matcher, `event-ruler` 2.0.1, in its array-consistent mode:
///
/// - `anything-but` asks for a value: it does not match where the field is absent. In a list, one
///   value that is none of these suffices. A value of another kind is none of these.
/// - A number that an `f64` does not hold without loss, such as one of twenty digits, is compared by
///   its text.
/// - A key with dots is a path, in the pattern and in the event. A field that is asked for twice
///   counts as the pattern says last.
/// - `exists: false` within a list of objects looks at one object only if a field before it, in the
///   order of the alphabet, chose that object; else no object may have the field.
/// - `equals-ignore-case` compares with the lower and the upper form of each character of the
///   pattern: `ß` matches `SS`, `SS` does not match `ß`, and characters beyond U+FFFF do not match
///   themselves.
/// - A pattern that is not valid with the operator `$or` is read as if that was a field's name.
///
/// ```
/// use setpiece_bus::{EventPattern, ParsedEvent};
///
/// let pattern = EventPattern::parse(r#"{ "detail": { "items": { "sku": ["a"], "count": [2] } } }"#)?;
/// // No single item has both.
/// let event = br#"{ "detail": { "items": [{ "sku": "a", "count": 1 }, { "sku": "b", "count": 2 }] } }"#;
/// assert!(!pattern.matches(&ParsedEvent::parse(event)?)?);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// Sources: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>
/// and <https://github.com/aws/event-ruler>.
#[derive(Clone)]
pub struct EventPattern {
    fields: Vec<Field>,
    /// The rules to which `$or` multiplies the pattern: for each the indices of its fields, in the
    /// order in which AWS looks at them.
    alternatives: Vec<Vec<usize>>,
    /// True if values below an empty key are seen.
    sees_empty_keys: bool,
    outline: Outline,
}

/// Limits on the size of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PatternLimits {
    /// The most characters, white space included: 4096, the limit of `PutRule`. Accounts begin with
    /// a quota of 2048, which can be raised.
    pub max_chars: usize,
    /// The most rules to which `$or`s may multiply: 1000.
    pub max_alternatives: usize,
    /// The most work that the wildcards of a field may be: 10.
    ///
    /// It is the complexity that AWS measures: how many beginnings of its wildcards, up to a `*` or
    /// not, can match one value at once. Each `*` counts, and what repeats after them. AWS names no
    /// number for its limit. This one is the example that `event-ruler` gives for single rules, and
    /// fits what is known of `PutRule`: it refuses `*:*:*:*:*:event-bus/*`, which has 11, and takes
    /// three of the form `*:stack/name/*`, which have 9.
    pub max_wildcard_complexity: usize,
}

impl Default for PatternLimits {
    fn default() -> Self {
        Self { max_chars: 4096, max_alternatives: 1000, max_wildcard_complexity: 10 }
    }
}

impl EventPattern {
    /// Reads a pattern within the [default limits](PatternLimits).
    ///
    /// # Errors
    ///
    /// [`PatternError`] with AWS's reason where AWS refuses the pattern.
    ///
    /// ```
    /// use setpiece_bus::EventPattern;
    ///
    /// let error = EventPattern::parse(r#"{ "detail": { "total": [{ "numeric": [">"] }] } }"#).unwrap_err();
    /// assert_eq!(error.reason().to_string(), "Value of > must be numeric");
    /// assert_eq!(error.path(), "detail.total[0].numeric");
    /// ```
    pub fn parse(json: impl AsRef<[u8]>) -> Result<Self, PatternError> {
        Self::parse_within(json, &PatternLimits::default())
    }

    /// Reads a pattern within other limits.
    ///
    /// # Errors
    ///
    /// As [`EventPattern::parse`].
    pub fn parse_within(
        json: impl AsRef<[u8]>,
        limits: &PatternLimits,
    ) -> Result<Self, PatternError> {
        compile::parse(json.as_ref(), limits)
    }

    /// Matches the event as a rule with this pattern does.
    ///
    /// Time grows with the values that the pattern looks at; with lists of objects, with the objects
    /// times the fields. There are events that would cost more: those that have one key several
    /// times, each time with a list of objects, so that ways to choose multiply, and those with
    /// lists hundreds deep. A call ends after 16 million steps.
    ///
    /// # Errors
    ///
    /// [`EventReason::TooManySteps`] where the steps did not suffice. An event that is taken for one
    /// that does not match is lost, so whoever routes by patterns has to set it aside.
    pub fn matches(&self, event: &ParsedEvent<'_>) -> Result<bool, EventError> {
        self.matches_within(event, &mut Effort::default()).ok_or_else(Effort::exceeded)
    }

    /// Parses the bytes of an event and [matches](EventPattern::matches) it.
    ///
    /// # Errors
    ///
    /// [`EventError`] where the bytes are not an event, or the steps did not suffice.
    pub fn matches_json(&self, event: impl AsRef<[u8]>) -> Result<bool, EventError> {
        self.matches(&ParsedEvent::parse(event.as_ref())?)
    }

    /// The pattern as JSON without white space, in a form that does not depend on how it was
    /// written: it reads as an equal pattern.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = String::new();
        self.outline.write(&self.fields, &mut json);
        json
    }

    fn new(fields: Vec<Field>, mut alternatives: Vec<Vec<usize>>, outline: Outline) -> Self {
        for alternative in &mut alternatives {
            // AWS orders by UTF-16.
            alternative.sort_by(|left, right| {
                let units = |index: &usize| fields[*index].path.encode_utf16();
                units(left).cmp(units(right))
            });
        }
        let resolve = |alternative: &Vec<usize>| -> Vec<&Field> {
            alternative.iter().map(|index| &fields[*index]).collect()
        };
        alternatives.sort_by(|left, right| resolve(left).cmp(&resolve(right)));
        alternatives.dedup_by(|left, right| resolve(left) == resolve(right));
        let used = alternatives.iter().flatten();
        let sees_empty_keys = used.into_iter().any(|index| fields[*index].has_empty_step());
        Self { fields, alternatives, sees_empty_keys, outline }
    }

    fn alternatives(&self) -> impl Iterator<Item = impl Iterator<Item = &Field>> {
        self.alternatives.iter().map(|fields| fields.iter().map(|index| &self.fields[*index]))
    }

    /// Matches within the steps that are left; `None` where they do not suffice.
    fn matches_within(&self, event: &ParsedEvent<'_>, effort: &mut Effort) -> Option<bool> {
        let mut found: Vec<Option<Found>> = vec![None; self.fields.len()];
        'alternatives: for fields in &self.alternatives {
            for &index in fields {
                let field = &self.fields[index];
                let found = match &mut found[index] {
                    Some(found) => found,
                    unknown => unknown.insert(self.find(field, event, effort)?),
                };
                if !found.is_possible(field) {
                    continue 'alternatives;
                }
            }
            let all = || fields.iter().filter_map(|index| Some((*index, found[*index].as_ref()?)));
            if all().all(|(_, found)| found.is_flat()) {
                return Some(true);
            }
            let conditions: Vec<_> = all()
                .map(|(index, Found { here, matching })| {
                    let optional = self.fields[index].allows_absence();
                    Condition { here, matching, optional }
                })
                .collect();
            if arrays::consistent(&conditions, event, effort)? {
                return Some(true);
            }
        }
        Some(false)
    }

    /// Looks up a field in an event; `None` where the steps do not suffice.
    fn find(&self, field: &Field, event: &ParsedEvent<'_>, effort: &mut Effort) -> Option<Found> {
        let leaves = event.find(&field.path).map_or(&[][..], |path| event.leaves(path));
        effort.take(leaves.len().saturating_mul(field.tests.len().div_ceil(8)))?;
        let mut found = Found::default();
        for leaf in leaves.iter().filter(|leaf| !leaf.below_empty_key() || self.sees_empty_keys) {
            let element = leaf.element();
            // Leaves come in the order of their elements, but for those of the elements above.
            if found.here.last() != Some(&element) {
                found.here.push(element);
            }
            if found.matching.last() != Some(&element) && field.matches(&event.value(leaf)) {
                found.matching.push(element);
            }
        }
        for elements in [&mut found.here, &mut found.matching] {
            elements.sort_unstable();
            elements.dedup();
        }
        Some(found)
    }
}

/// Place of a field in an event, by the elements of its arrays.
#[derive(Clone, Default)]
struct Found {
    /// In order.
    here: Vec<ElementId>,
    /// Those with a value that matches.
    matching: Vec<ElementId>,
}

impl Found {
    /// Returns true if the field could match if it was alone.
    fn is_possible(&self, field: &Field) -> bool {
        // What fields before it choose can make a field absent, but not present.
        !self.matching.is_empty()
            || field.allows_absence() && (self.here.is_empty() || !self.is_flat())
    }

    /// Returns true if the field has nothing to do with arrays of objects.
    fn is_flat(&self) -> bool {
        self.here.iter().all(|element| *element == ROOT)
    }
}

impl FromStr for EventPattern {
    type Err = PatternError;

    fn from_str(json: &str) -> Result<Self, PatternError> {
        Self::parse(json)
    }
}

/// Patterns are equal if they ask for the same in other words: the order of fields and values, dots
/// in place of objects, and fields that are replaced do not count.
impl PartialEq for EventPattern {
    fn eq(&self, other: &Self) -> bool {
        self.alternatives.len() == other.alternatives.len()
            && self.alternatives().zip(other.alternatives()).all(|(left, right)| left.eq(right))
    }
}

impl Eq for EventPattern {}

/// Writes [`EventPattern::to_json`].
impl fmt::Display for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

impl fmt::Debug for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventPattern({self})")
    }
}
