use std::{error::Error as StdError, fmt};

use crate::json::Flaw;

/// Error of a text that is not an event pattern: the reason, where in the pattern, and at which
/// byte.
///
/// AWS would refuse the pattern, too, but for what a builder finds to be ambiguous; the same fails
/// again.
#[derive(Clone, PartialEq, Eq)]
pub struct PatternError(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    reason: PatternReason,
    path: String,
    offset: usize,
}

impl PatternError {
    #[cold]
    pub(crate) fn new(reason: PatternReason, path: String, offset: usize) -> Self {
        Self(Box::new(Inner { reason, path, offset }))
    }

    /// Returns the reason.
    #[must_use]
    pub fn reason(&self) -> &PatternReason {
        &self.0.reason
    }

    /// Returns the path of the problem: keys joined by dots, elements in brackets, as in
    /// `detail.state[0].prefix`. The pattern itself is `$`.
    #[must_use]
    pub fn path(&self) -> &str {
        if self.0.path.is_empty() { "$" } else { &self.0.path }
    }

    /// Returns the offset of the problem in the text, in bytes from the beginning.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.0.offset
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at `{}`, byte {})", self.0.reason, self.path(), self.0.offset)
    }
}

impl fmt::Debug for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatternError")
            .field("reason", &self.0.reason)
            .field("path", &self.path())
            .field("offset", &self.0.offset)
            .finish()
    }
}

impl StdError for PatternError {}

/// Reasons that an event pattern is refused.
///
/// The texts are those of AWS, word for word, where AWS has one. `PutRule` puts "Event pattern is
/// not valid. Reason: " before them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatternReason {
    /// The bytes are not UTF-8.
    NotUtf8,
    /// The bytes are not JSON.
    NotJson {
        /// Token that JSON asks for there.
        expected: &'static str,
    },
    /// Objects and arrays within each other, deeper than this crate follows.
    TooDeep {
        /// The most levels that are allowed.
        limit: usize,
    },
    /// More characters than [`PatternLimits::max_chars`](crate::PatternLimits::max_chars).
    TooLong {
        /// The most characters that are allowed.
        limit: usize,
    },
    /// A field for which a builder was given a second filter, of which AWS would drop the first.
    RepeatedField,
    /// `$or`s that multiply to more rules than
    /// [`PatternLimits::max_alternatives`](crate::PatternLimits::max_alternatives).
    TooManyAlternatives {
        /// The most rules that are allowed.
        limit: usize,
    },
    /// More fields than a rule can have.
    TooManyFields {
        /// The most fields that are allowed.
        limit: usize,
    },
    /// Wildcards of a field, or of one that alternatives share, that are more work than
    /// [`PatternLimits::max_wildcard_complexity`](crate::PatternLimits::max_wildcard_complexity).
    TooComplex {
        /// The most work that is allowed.
        limit: usize,
    },
    /// The pattern is not an object.
    NotAnObject,
    /// An object without members.
    EmptyObject,
    /// A list without values.
    EmptyArray,
    /// A field with neither a list of values nor an object of more fields.
    FieldNotAList {
        /// The name of the field.
        field: String,
    },
    /// A list within the list of values, where a value or an expression belongs.
    ValueNotAScalar,
    /// An expression without operator.
    NoOperator,
    /// An operator that AWS does not know.
    UnknownOperator {
        /// Operator that was found.
        operator: String,
    },
    /// An expression with a second operator.
    SecondOperator,
    /// An operator whose operand must be a string.
    OperandNotAString {
        /// The operator, as AWS names it in this message.
        operator: &'static str,
    },
    /// `exists` with something other than `true` or `false`.
    ExistsNotABoolean,
    /// A `prefix`, `suffix` or `anything-but` with an object that has no operator.
    NoNestedOperator {
        /// The outer operator, as AWS names it in this message.
        operator: &'static str,
    },
    /// An operator that cannot stand within another one.
    UnsupportedNestedOperator {
        /// The outer operator, as AWS names it in this message.
        operator: &'static str,
        /// Operator that was found in it.
        nested: String,
    },
    /// `anything-but` with something else than a string, a number, a list or an object.
    AnythingButOperand,
    /// A value in the list of `anything-but` that is neither a string nor a number.
    AnythingButValue,
    /// A value of `equals-ignore-case` in `anything-but` that is not a string.
    AnythingButIgnoreCaseValue,
    /// An empty list in `anything-but`, or one with strings and numbers.
    AnythingButMixed,
    /// The empty string as a prefix or suffix in `anything-but`: it would match nothing.
    AnythingButEmptyAffix,
    /// `numeric` with something other than a list.
    NumericNotAList,
    /// A `numeric` list that does not begin with an operator.
    NumericMember {
        /// Value that was found, as AWS shows it.
        found: String,
    },
    /// An operator of numbers that AWS does not know.
    UnknownNumericOperator {
        /// Operator that was found.
        operator: String,
    },
    /// An operator of numbers without its number.
    NumericValue {
        /// The operator, as AWS names it in this message.
        operator: &'static str,
    },
    /// Something follows where `numeric` or `anything-but` must end.
    TooManyElements,
    /// A range whose second part does not begin with an operator.
    NumericRangeValue {
        /// Value that was found, as AWS shows it.
        found: String,
    },
    /// A range whose second operator is neither `<` nor `<=`.
    NumericRangeOperator {
        /// Operator that was found.
        operator: String,
    },
    /// A range that goes on after its second number.
    TooManyRangeTerms,
    /// A range that ends where it begins, or before.
    EmptyRange,
    /// A number that an `f64` does not hold without loss, where it must be compared.
    NotComparable {
        /// The number.
        number: String,
    },
    /// Two `*` side by side.
    ConsecutiveWildcards {
        /// Offset in bytes of the wildcard text within its quotes.
        position: usize,
    },
    /// A `\` before anything other than `*` and `\`.
    InvalidEscape {
        /// Offset in bytes of the wildcard text within its quotes.
        position: usize,
    },
    /// A `cidr` that is not two parts.
    CidrWithoutSlash,
    /// A `cidr` whose second part is not an integer.
    CidrMaskNotAnInteger,
    /// A `cidr` whose second part is negative.
    CidrMaskNegative,
    /// A `cidr` whose second part leaves not even one bit to vary.
    CidrMaskTooLong {
        /// Number of bits of an address: 32 or 128.
        limit: u32,
    },
    /// Something with the form of an IP address that is none.
    InvalidAddress {
        /// Address that was found.
        address: String,
    },
    /// Something that does not look like an IP address.
    NonstandardAddress {
        /// Address that was found.
        address: String,
    },
    /// `$or` with something other than a list.
    OrNotAList,
    /// A list of `$or` with something other than objects.
    OrElementNotAnObject,
    /// A list of `$or` with fewer than two objects.
    OrTooShort,
    /// A field within `$or` whose name AWS keeps for its operators.
    OrReservedField {
        /// The name of the field.
        field: String,
    },
}

impl fmt::Display for PatternReason {
    #[expect(clippy::too_many_lines, reason = "each reason has its text")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => f.write_str("not UTF-8"),
            Self::NotAnObject => f.write_str("Filter is not an object"),
            Self::EmptyObject => f.write_str("Empty objects are not allowed"),
            Self::EmptyArray => f.write_str("Empty arrays are not allowed"),
            Self::ValueNotAScalar => {
                f.write_str("Match value must be String, number, true, false, or null")
            }
            Self::NoOperator => f.write_str("Match expression name not found"),
            Self::SecondOperator => f.write_str("Only one key allowed in match expression"),
            Self::ExistsNotABoolean => {
                f.write_str("exists match pattern must be either true or false.")
            }
            Self::AnythingButOperand => {
                f.write_str("Value of anything-but must be an array or single string/number value.")
            }
            Self::AnythingButValue => {
                f.write_str("Inside anything but list, start|null|boolean is not supported.")
            }
            Self::AnythingButIgnoreCaseValue => f.write_str(
                "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not \
                 supported.",
            ),
            Self::TooComplex { limit: _ } => f.write_str(
                "Rule is too complex - try using fewer wildcard characters or fewer repeating \
                 character sequences after a wildcard character",
            ),
            Self::AnythingButMixed => f.write_str(
                "Inside anything but list, either all values are number or string, mixed type is \
                 not supported",
            ),
            Self::AnythingButEmptyAffix => f.write_str("Null prefix/suffix not allowed"),
            Self::NumericNotAList => f.write_str("Value of numeric must be an array."),
            Self::TooManyElements => f.write_str("Too many elements in numeric expression"),
            Self::TooManyRangeTerms => f.write_str("Too many terms in numeric range expression"),
            Self::EmptyRange => f.write_str("Bottom must be less than top"),
            Self::CidrWithoutSlash => f.write_str("Malformed CIDR, one '/' required"),
            Self::CidrMaskNotAnInteger => {
                f.write_str("Malformed CIDR, mask bits must be an integer")
            }
            Self::CidrMaskNegative => f.write_str("Malformed CIDR, mask bits must not be negative"),
            Self::OrNotAList => f.write_str("It must be an Array followed with $or."),
            Self::OrElementNotAnObject => {
                f.write_str("Only JSON object is allowed in array of $or relationship.")
            }
            Self::OrTooShort => {
                f.write_str("There must have at least 2 Objects in $or relationship.")
            }
            Self::NotJson { expected } => write!(f, "not JSON: expected {expected}"),
            Self::TooDeep { limit } => write!(f, "nested deeper than {limit} levels"),
            Self::RepeatedField => f.write_str("the field has another filter already"),
            Self::TooLong { limit } => write!(f, "longer than {limit} characters"),
            Self::TooManyAlternatives { limit } => {
                write!(f, "more than {limit} combinations of $or")
            }
            Self::TooManyFields { limit } => {
                write!(f, "Size of rule exceeds max value of {limit}")
            }
            Self::FieldNotAList { field } => {
                write!(f, "\"{field}\" must be an object or an array")
            }
            Self::UnknownOperator { operator } => {
                write!(f, "Unrecognized match type {operator}")
            }
            Self::OperandNotAString { operator } => {
                write!(f, "{operator} match pattern must be a string")
            }
            Self::NoNestedOperator { operator } => {
                write!(f, "{operator} expression name not found")
            }
            Self::UnsupportedNestedOperator { operator, nested } => {
                write!(f, "Unsupported {operator} pattern: {nested}")
            }
            Self::NumericMember { found } => {
                write!(f, "Invalid member in numeric match: {found}")
            }
            Self::UnknownNumericOperator { operator } => {
                write!(f, "Unrecognized numeric range operator: {operator}")
            }
            Self::NumericValue { operator } => write!(f, "Value of {operator} must be numeric"),
            Self::NumericRangeValue { found } => {
                write!(f, "Bad value in numeric range: {found}")
            }
            Self::NumericRangeOperator { operator } => {
                write!(f, "Bad numeric range operator: {operator}")
            }
            Self::NotComparable { number } => write!(f, "Cannot compare number : {number}"),
            Self::ConsecutiveWildcards { position } => {
                write!(f, "Consecutive wildcard characters at pos {position}")
            }
            Self::InvalidEscape { position } => {
                write!(f, "Invalid escape character at pos {position}")
            }
            Self::CidrMaskTooLong { limit } => {
                let version = if *limit == u32::BITS { 4 } else { 6 };
                write!(f, "IPv{version} mask bits must be < {limit}")
            }
            Self::InvalidAddress { address } => write!(f, "Invalid IP address: {address}"),
            Self::NonstandardAddress { address } => {
                write!(f, "Nonstandard IP address: {address}")
            }
            Self::OrReservedField { field } => {
                write!(f, "{field} is Ruler reserved fieldName which cannot be used inside $or.")
            }
        }
    }
}

impl StdError for PatternReason {}

/// Error of bytes that are not an event: the reason, and at which byte.
///
/// Its text repeats nothing of what is in the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventError {
    reason: EventReason,
    offset: usize,
}

impl EventError {
    #[cold]
    pub(crate) fn new(reason: EventReason, offset: usize) -> Self {
        Self { reason, offset }
    }

    /// Returns the reason.
    #[must_use]
    pub fn reason(&self) -> EventReason {
        self.reason
    }

    /// Returns the offset of the problem, in bytes from the beginning.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            EventReason::TooManySteps { .. } => write!(f, "the event {}", self.reason),
            reason => write!(f, "the event {reason} at byte {}", self.offset),
        }
    }
}

impl StdError for EventError {}

/// Reasons that the bytes of an event are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventReason {
    /// They are not UTF-8.
    NotUtf8,
    /// They are not JSON.
    NotJson {
        /// Token that JSON asks for there.
        expected: &'static str,
    },
    /// They are JSON, but not an object.
    NotAnObject,
    /// Objects and arrays within each other, deeper than EventBridge takes.
    TooDeep {
        /// The most levels that are allowed.
        limit: usize,
    },
    /// More bytes than this crate reads.
    TooLarge {
        /// The most bytes that are allowed.
        limit: usize,
    },
    /// Lists that can be matched in more ways than are tried. The event may match or not: it is to
    /// be kept or set aside, and not to be dropped.
    TooManySteps {
        /// The most steps of a call.
        limit: usize,
    },
}

impl fmt::Display for EventReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => f.write_str("is not UTF-8"),
            Self::NotJson { expected } => write!(f, "is not JSON: expected {expected}"),
            Self::NotAnObject => f.write_str("is not an object"),
            Self::TooDeep { limit } => write!(f, "is nested deeper than {limit} levels"),
            Self::TooLarge { limit } => write!(f, "has more than {limit} bytes"),
            Self::TooManySteps { limit } => {
                write!(f, "may match or not: {limit} steps did not decide it")
            }
        }
    }
}

impl StdError for EventReason {}

impl PatternReason {
    pub(crate) fn of(flaw: Flaw, limit: usize) -> Self {
        match flaw {
            Flaw::Expected(expected) => Self::NotJson { expected },
            Flaw::TooDeep => Self::TooDeep { limit },
        }
    }
}

impl EventReason {
    pub(crate) fn of(flaw: Flaw, limit: usize) -> Self {
        match flaw {
            Flaw::Expected(expected) => Self::NotJson { expected },
            Flaw::TooDeep => Self::TooDeep { limit },
        }
    }
}
