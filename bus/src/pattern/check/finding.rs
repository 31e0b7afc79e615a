use std::{error::Error as StdError, fmt};

/// Finding about a part of a pattern that is asked of an event in vain.
///
/// It shows what is in the pattern and in the event's schema, and no event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// No event of the type matches, because of this field.
    NeverMatches {
        /// The alternative that never matches, as in `detail.$or[1]`; `None` for the whole pattern.
        alternative: Option<String>,
        /// The field, as a path from the event's top.
        field: String,
        /// Reason that no event matches.
        mismatch: Mismatch,
    },
    /// Every event of the type matches, although the pattern has filters.
    FiltersNothing {
        /// The event's name.
        name: &'static str,
        /// The fields for which every event has what is asked. There are none if an alternative
        /// asks for nothing.
        fields: Vec<String>,
    },
    /// Every event of the source matches, whatever its type.
    MatchesSource {
        /// The source.
        source: &'static str,
    },
    /// Events of other types may match: the pattern asks for no `source` or no `detail-type`.
    NotAsked {
        /// The field.
        field: &'static str,
    },
}

/// Reason that no event of a type has the value that a pattern asks of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mismatch {
    /// There is no such field.
    NoSuchField {
        /// A field that may be meant.
        nearest: Option<String>,
    },
    /// The field is an object, which has no value itself.
    Object,
    /// The field's values are of other kinds.
    Kind {
        /// Description of the values, in words.
        is: String,
    },
    /// The field's values are of that kind, and none of them is asked for.
    Value {
        /// Description of the values, in words.
        is: String,
    },
    /// The pattern asks for its absence, and the field is always there.
    Present,
}

/// Findings of a check of a pattern. There is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    pub(crate) never_matches: bool,
    pub(crate) all: Vec<Finding>,
}

impl Findings {
    /// Returns true if no event of the type can match, by any of the pattern's alternatives.
    #[must_use]
    pub fn never_matches(&self) -> bool {
        self.never_matches
    }

    /// One after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.all.iter()
    }
}

impl<'a> IntoIterator for &'a Findings {
    type Item = &'a Finding;
    type IntoIter = std::slice::Iter<'a, Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.all.iter().enumerate() {
            write!(f, "{}{finding}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl StdError for Findings {}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverMatches { alternative, field, mismatch } => {
                match alternative {
                    Some(alternative) => write!(f, "`{alternative}` never matches: ")?,
                    None => f.write_str("never matches: ")?,
                }
                match mismatch {
                    Mismatch::NoSuchField { nearest: None } => {
                        write!(f, "no event has `{field}`")
                    }
                    Mismatch::NoSuchField { nearest: Some(nearest) } => {
                        write!(f, "no event has `{field}`, but there is `{nearest}`")
                    }
                    Mismatch::Object => {
                        write!(f, "`{field}` is an object, and only its members have values")
                    }
                    Mismatch::Kind { is } | Mismatch::Value { is } => {
                        write!(f, "`{field}` is {is}")
                    }
                    Mismatch::Present => write!(f, "`{field}` is never absent"),
                }
            }
            Self::FiltersNothing { name, fields } if fields.is_empty() => {
                write!(f, "matches every `{name}`: one alternative has no filter")
            }
            Self::FiltersNothing { name, fields } => {
                let fields: Vec<_> = fields.iter().map(|field| format!("`{field}`")).collect();
                let fields = fields.join(" and of ");
                write!(f, "matches every `{name}`: what is asked of {fields} is always so")
            }
            Self::MatchesSource { source } => {
                write!(f, "matches every event of `{source}`, whatever its type")
            }
            Self::NotAsked { field } => {
                write!(f, "asks nothing of `{field}`, so that events of other types may match")
            }
        }
    }
}
