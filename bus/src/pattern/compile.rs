//! Reads a pattern.
//!
//! The order of the checks is that of AWS, so that a pattern with two mistakes is refused for the
//! same one.

use std::{borrow::Cow, collections::BTreeSet, fmt::Write as _};

use super::{
    EventPattern, PatternLimits, complexity,
    error::{PatternError, PatternReason},
    field::{Bound, Field, Range, Test},
    ip::Network,
    number::Comparable,
    text::{TextTest, Wildcard},
    write::{Clause, Outline},
};
use crate::json::{Reader, Token};

/// The most objects and arrays within each other.
const MAX_DEPTH: usize = 256;

/// The most fields of a rule, as AWS has it.
const MAX_FIELDS: usize = 256;

/// Names that AWS keeps for operators, now or later. `$or` takes no fields of these names.
const RESERVED: [&str; 24] = [
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
];

pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

pub(super) fn parse(json: &[u8], limits: &PatternLimits) -> Result<EventPattern, PatternError> {
    let whole = |reason, offset| PatternError::new(reason, String::new(), offset);
    let text = std::str::from_utf8(json)
        .map_err(|error| whole(PatternReason::NotUtf8, error.valid_up_to()))?;
    let limit = limits.max_chars;
    if let Some((offset, _)) = text.char_indices().nth(limit) {
        return Err(whole(PatternReason::TooLong { limit }, offset));
    }
    Compiler::new(text, limits, Or::Alternatives).pattern().or_else(|error| {
        // A pattern that makes no sense with the operator `$or` may have a field of that name. AWS
        // reads it once more by the rules from before there was the operator.
        let retry = text.contains("$or").then(|| Compiler::new(text, limits, Or::Field).pattern());
        retry.and_then(Result::ok).ok_or(error)
    })
}

/// Reads a pattern that this crate has written, in which `$or` is nothing but the operator.
///
/// What is limited is its canonical form, since that is what AWS gets.
pub(super) fn assembled(json: &str) -> Result<EventPattern, PatternError> {
    let limits = PatternLimits { max_chars: usize::MAX, ..PatternLimits::default() };
    let pattern = Compiler::new(json, &limits, Or::Alternatives).pattern()?;
    let limit = PatternLimits::default().max_chars;
    if let Some((offset, _)) = pattern.to_json().char_indices().nth(limit) {
        return Err(PatternError::new(PatternReason::TooLong { limit }, String::new(), offset));
    }
    Ok(pattern)
}

/// Meanings of `$or` in a pattern.
#[derive(Clone, Copy, PartialEq)]
enum Or {
    Alternatives,
    /// A field as any other. There were fewer forms of `anything-but` then.
    Field,
}

struct Compiler<'a, 'l> {
    reader: Reader<'a>,
    limits: &'l PatternLimits,
    or: Or,
    fields: Vec<Field>,
    /// Place of the reader in the pattern.
    trail: Vec<Step<'a>>,
}

enum Step<'a> {
    Key(Cow<'a, str>),
    Index(usize),
}

/// The fields of one of the rules to which `$or` multiplies a pattern.
type Alternative = Vec<usize>;

type Result<T, E = PatternError> = std::result::Result<T, E>;

impl<'a, 'l> Compiler<'a, 'l> {
    fn new(text: &'a str, limits: &'l PatternLimits, or: Or) -> Self {
        let reader = Reader::new(text, MAX_DEPTH);
        Self { reader, limits, or, fields: Vec::new(), trail: Vec::new() }
    }

    fn pattern(mut self) -> Result<EventPattern> {
        if self.next()? != Token::StartObject {
            return Err(self.error(PatternReason::NotAnObject));
        }
        let mut alternatives = Vec::new();
        let outline = self.object(&mut alternatives, None, false)?;
        if self.next()? != Token::End {
            return Err(self.error(PatternReason::NotJson { expected: "the end" }));
        }
        if alternatives.iter().any(|fields| fields.len() > MAX_FIELDS) {
            return Err(self.error(PatternReason::TooManyFields { limit: MAX_FIELDS }));
        }
        let offset = self.reader.offset();
        let pattern = EventPattern::new(self.fields, alternatives, outline);
        let limit = self.limits.max_wildcard_complexity;
        if let Some(field) = complexity::too_complex(&pattern, limit) {
            let reason = PatternReason::TooComplex { limit };
            return Err(PatternError::new(reason, field.path.to_string(), offset));
        }
        Ok(pattern)
    }

    /// The members of an object of fields, after its brace. `path` is that of the object.
    fn object(
        &mut self,
        alternatives: &mut Vec<Alternative>,
        path: Option<&str>,
        within_or: bool,
    ) -> Result<Outline> {
        let mut outline = Outline::default();
        let mut empty = true;
        while let Token::Name(name) = self.next()? {
            empty = false;
            self.trail.push(Step::Key(name.clone()));
            if name == "$or" && self.or == Or::Alternatives {
                let branches = self.branches(alternatives, path)?;
                let path = path.map_or("$or".to_owned(), |path| format!("{path}.$or")).into();
                outline.push(Clause::Or { path, branches });
            } else {
                if within_or && is_reserved(&name) {
                    let field = name.into_owned();
                    return Err(self.error(PatternReason::OrReservedField { field }));
                }
                self.field(&name, alternatives, path, within_or, &mut outline)?;
            }
            self.trail.pop();
        }
        if empty {
            return Err(self.error(PatternReason::EmptyObject));
        }
        Ok(outline)
    }

    fn field(
        &mut self,
        name: &str,
        alternatives: &mut Vec<Alternative>,
        path: Option<&str>,
        within_or: bool,
        outline: &mut Outline,
    ) -> Result<()> {
        match self.next()? {
            Token::StartObject => {
                let path = path.map_or(name.to_owned(), |path| format!("{path}.{name}"));
                outline.append(self.object(alternatives, Some(&path), within_or)?);
            }
            Token::StartArray => {
                let path = match path {
                    // An empty key at the top leaves no trace.
                    None | Some("") => name.into(),
                    Some(path) => format!("{path}.{name}").into(),
                };
                let tests = self.tests()?;
                let field = self.fields.len();
                self.fields.push(Field::new(path, tests));
                if alternatives.is_empty() {
                    alternatives.push(Vec::new());
                }
                // A later list for the same field replaces an earlier one.
                let path = &self.fields[field].path;
                for alternative in alternatives {
                    alternative.retain(|other| self.fields[*other].path != *path);
                    alternative.push(field);
                }
                outline.push(Clause::Field(field));
            }
            _ => {
                let field = name.to_owned();
                return Err(self.error(PatternReason::FieldNotAList { field }));
            }
        }
        Ok(())
    }

    /// The objects of `$or`. Each of them goes on from the alternatives so far.
    fn branches(
        &mut self,
        alternatives: &mut Vec<Alternative>,
        path: Option<&str>,
    ) -> Result<Vec<Outline>> {
        let limit = self.limits.max_alternatives;
        if self.next()? != Token::StartArray {
            return Err(self.error(PatternReason::OrNotAList));
        }
        let mut so_far = std::mem::take(alternatives);
        if so_far.is_empty() {
            so_far.push(Vec::new());
        }
        let mut branches = Vec::new();
        loop {
            let token = self.next()?;
            self.trail.push(Step::Index(branches.len()));
            match token {
                Token::EndArray => break,
                Token::StartObject => {
                    let mut branch = so_far.clone();
                    branches.push(self.object(&mut branch, path, true)?);
                    alternatives.append(&mut branch);
                    if alternatives.len() > limit {
                        return Err(self.error(PatternReason::TooManyAlternatives { limit }));
                    }
                }
                _ => return Err(self.error(PatternReason::OrElementNotAnObject)),
            }
            self.trail.pop();
        }
        self.trail.pop();
        if branches.len() < 2 {
            return Err(self.error(PatternReason::OrTooShort));
        }
        Ok(branches)
    }

    /// The list of a field, after its bracket.
    fn tests(&mut self) -> Result<Vec<Test>> {
        let mut tests = Vec::new();
        loop {
            let token = self.next()?;
            self.trail.push(Step::Index(tests.len()));
            tests.push(match token {
                Token::EndArray => break,
                Token::StartObject => self.expression()?,
                // The text of an IP address stands for the address.
                Token::Text(text) => Network::of_one(&text)
                    .map_or_else(|| Test::Text(text.as_ref().into()), Test::Network),
                Token::Number(number) => Comparable::parse(number)
                    .map_or_else(|| Test::NumberText(number.into()), Test::Number),
                Token::Boolean(value) => Test::Boolean(value),
                Token::Null => Test::Null,
                _ => return Err(self.error(PatternReason::ValueNotAScalar)),
            });
            self.trail.pop();
        }
        self.trail.pop();
        if tests.is_empty() { Err(self.error(PatternReason::EmptyArray)) } else { Ok(tests) }
    }

    /// An expression, after its brace.
    fn expression(&mut self) -> Result<Test> {
        let Token::Name(operator) = self.next()? else {
            return Err(self.error(PatternReason::NoOperator));
        };
        self.trail.push(Step::Key(operator.clone()));
        let test = match &*operator {
            "exactly" => Test::Text(self.operand("exact")?.as_ref().into()),
            "prefix" | "suffix" => return self.affix(operator == "prefix"),
            "equals-ignore-case" => Test::TextTest(TextTest::EqualsIgnoringCase(
                self.operand("equals-ignore-case")?.as_ref().into(),
            )),
            "wildcard" => {
                let text = self.operand("wildcard")?;
                Test::TextTest(TextTest::Wildcard(self.wildcard(&text)?))
            }
            "cidr" => {
                // The message is AWS's.
                let cidr = self.operand("prefix")?;
                Test::Network(Network::parse(&cidr).map_err(|reason| self.error(reason))?)
            }
            "exists" => match self.next()? {
                Token::Boolean(true) => Test::Exists,
                Token::Boolean(false) => Test::Absent,
                _ => return Err(self.error(PatternReason::ExistsNotABoolean)),
            },
            "numeric" => {
                if self.next()? != Token::StartArray {
                    return Err(self.error(PatternReason::NumericNotAList));
                }
                let test = self.numeric()?;
                self.close(PatternReason::TooManyElements)?;
                return Ok(test);
            }
            "anything-but" => return self.anything_but(),
            _ => {
                let operator = operator.into_owned();
                return Err(self.error(PatternReason::UnknownOperator { operator }));
            }
        };
        self.close(PatternReason::SecondOperator)?;
        Ok(test)
    }

    /// The end of an expression.
    fn close(&mut self, otherwise: PatternReason) -> Result<()> {
        if self.next()? != Token::EndObject {
            return Err(self.error(otherwise));
        }
        self.trail.pop();
        Ok(())
    }

    fn operand(&mut self, operator: &'static str) -> Result<Cow<'a, str>> {
        match self.next()? {
            Token::Text(text) => Ok(text),
            _ => Err(self.error(PatternReason::OperandNotAString { operator })),
        }
    }

    fn affix(&mut self, prefix: bool) -> Result<Test> {
        let test = match self.next()? {
            Token::Text(text) if prefix => TextTest::Prefix(text.as_ref().into()),
            Token::Text(text) => TextTest::Suffix(text.as_ref().into()),
            Token::StartObject => {
                let Token::Name(nested) = self.next()? else {
                    let operator = if prefix { "Prefix" } else { "Suffix" };
                    return Err(self.error(PatternReason::NoNestedOperator { operator }));
                };
                self.trail.push(Step::Key(nested.clone()));
                if nested != "equals-ignore-case" {
                    let operator = if prefix { "prefix" } else { "suffix" };
                    let nested = nested.into_owned();
                    let reason = PatternReason::UnsupportedNestedOperator { operator, nested };
                    return Err(self.error(reason));
                }
                let text = self.operand("equals-ignore-case")?.as_ref().into();
                self.close(PatternReason::SecondOperator)?;
                if prefix {
                    TextTest::PrefixIgnoringCase(text)
                } else {
                    TextTest::SuffixIgnoringCase(text)
                }
            }
            _ => {
                let operator = if prefix { "prefix" } else { "suffix" };
                return Err(self.error(PatternReason::OperandNotAString { operator }));
            }
        };
        self.close(PatternReason::SecondOperator)?;
        Ok(Test::TextTest(test))
    }

    fn wildcard(&self, text: &str) -> Result<Wildcard> {
        Wildcard::parse(text).map_err(|reason| self.error(reason))
    }

    fn comparable(&self, number: &str) -> Result<Comparable> {
        Comparable::parse(number)
            .ok_or_else(|| self.error(PatternReason::NotComparable { number: number.to_owned() }))
    }

    fn anything_but(&mut self) -> Result<Test> {
        let test = match self.next()? {
            Token::StartObject => {
                let test = self.none_of_tests()?;
                self.close(PatternReason::TooManyElements)?;
                test
            }
            Token::StartArray => self.none_of_values()?,
            Token::Text(text) => Test::NoneOfTexts([text.as_ref().into()].into()),
            Token::Number(number) => Test::NoneOfNumbers([self.comparable(number)?].into()),
            _ => return Err(self.error(PatternReason::AnythingButOperand)),
        };
        self.close(PatternReason::TooManyElements)?;
        Ok(test)
    }

    /// The list of `anything-but`, after its bracket.
    fn none_of_values(&mut self) -> Result<Test> {
        let (mut texts, mut numbers) = (BTreeSet::new(), BTreeSet::new());
        for index in 0.. {
            let token = self.next()?;
            self.trail.push(Step::Index(index));
            match token {
                Token::EndArray => break,
                Token::Text(text) => {
                    texts.insert(text.as_ref().into());
                }
                Token::Number(number) => {
                    numbers.insert(self.comparable(number)?);
                }
                _ => return Err(self.error(PatternReason::AnythingButValue)),
            }
            self.trail.pop();
        }
        self.trail.pop();
        match (texts.is_empty(), numbers.is_empty()) {
            (false, true) => Ok(Test::NoneOfTexts(texts)),
            (true, false) => Ok(Test::NoneOfNumbers(numbers)),
            _ => Err(self.error(PatternReason::AnythingButMixed)),
        }
    }

    /// The object of `anything-but`, after its brace and up to its operand.
    fn none_of_tests(&mut self) -> Result<Test> {
        let Token::Name(operator) = self.next()? else {
            let operator = "Anything-But";
            return Err(self.error(PatternReason::NoNestedOperator { operator }));
        };
        self.trail.push(Step::Key(operator.clone()));
        let today = self.or == Or::Alternatives;
        let known = match &*operator {
            "prefix" | "suffix" | "equals-ignore-case" => true,
            "wildcard" => today,
            _ => false,
        };
        if !known {
            let (operator, nested) = ("anything-but", operator.into_owned());
            let reason = PatternReason::UnsupportedNestedOperator { operator, nested };
            return Err(self.error(reason));
        }
        let mut tests = BTreeSet::new();
        match self.next()? {
            Token::StartArray if today || operator == "equals-ignore-case" => {
                for index in 0.. {
                    let token = self.next()?;
                    self.trail.push(Step::Index(index));
                    if token == Token::EndArray {
                        break;
                    }
                    tests.insert(self.forbidden(&operator, token)?);
                    self.trail.pop();
                }
                self.trail.pop();
                if tests.is_empty() {
                    return Err(self.error(PatternReason::EmptyArray));
                }
            }
            token @ (Token::Text(_) | Token::Number(_)) => {
                tests.insert(self.forbidden(&operator, token)?);
            }
            _ => return Err(self.error(PatternReason::AnythingButOperand)),
        }
        Ok(Test::NoneOfTests(tests))
    }

    fn forbidden(&self, operator: &str, token: Token<'_>) -> Result<TextTest> {
        let Token::Text(text) = token else {
            return Err(self.error(match operator {
                "equals-ignore-case" => PatternReason::AnythingButIgnoreCaseValue,
                "wildcard" => PatternReason::OperandNotAString { operator: "wildcard" },
                _ => PatternReason::OperandNotAString { operator: "prefix/suffix" },
            }));
        };
        let owned = text.as_ref().into();
        match operator {
            "equals-ignore-case" => Ok(TextTest::EqualsIgnoringCase(owned)),
            "wildcard" => Ok(TextTest::Wildcard(self.wildcard(&text)?)),
            _ if text.is_empty() => Err(self.error(PatternReason::AnythingButEmptyAffix)),
            "prefix" => Ok(TextTest::Prefix(owned)),
            _ => Ok(TextTest::Suffix(owned)),
        }
    }

    /// The list of `numeric`, after its bracket.
    fn numeric(&mut self) -> Result<Test> {
        let operator = match self.next()? {
            Token::Text(operator) => operator,
            token => {
                let found = shown(&token);
                return Err(self.error(PatternReason::NumericMember { found }));
            }
        };
        let (name, low, included) = match &*operator {
            "=" => ("equals", false, true),
            ">=" => (">=", true, true),
            ">" => (">", true, false),
            "<=" => ("<=", false, true),
            "<" => ("<", false, false),
            _ => {
                // The value after it comes first, as with AWS, if it is not JSON.
                let at = self.error(PatternReason::UnknownNumericOperator {
                    operator: operator.clone().into_owned(),
                });
                self.next()?;
                return Err(at);
            }
        };
        let (text, number) = self.number(name)?;
        let bound = |number| Some(Bound { number, included });
        let end = self.next()?;
        match (end == Token::EndArray, low) {
            (false, false) => Err(self.error(PatternReason::TooManyElements)),
            (false, true) => self.range(text, included, end),
            (true, true) => Ok(Test::Range(Range { low: bound(number?), high: None })),
            (true, false) if name == "equals" => Ok(Test::Number(number?)),
            (true, false) => Ok(Test::Range(Range { low: None, high: bound(number?) })),
        }
    }

    /// The second half of a range, from its operator.
    fn range(&mut self, bottom: &str, included: bool, operator: Token<'_>) -> Result<Test> {
        let (name, high_included) = match operator {
            Token::Text(operator) if operator == "<" => ("<", false),
            Token::Text(operator) if operator == "<=" => ("<=", true),
            Token::Text(operator) => {
                let operator = operator.into_owned();
                return Err(self.error(PatternReason::NumericRangeOperator { operator }));
            }
            token => {
                let found = shown(&token);
                return Err(self.error(PatternReason::NumericRangeValue { found }));
            }
        };
        let (_, top) = self.number(name)?;
        if self.next()? != Token::EndArray {
            return Err(self.error(PatternReason::TooManyRangeTerms));
        }
        let low = Bound { number: self.comparable(bottom)?, included };
        let high = Bound { number: top?, included: high_included };
        if low.number >= high.number {
            return Err(self.error(PatternReason::EmptyRange));
        }
        Ok(Test::Range(Range { low: Some(low), high: Some(high) }))
    }

    /// A number with its text. Whether it can be compared matters only once all else is right.
    fn number(&mut self, operator: &'static str) -> Result<(&'a str, Result<Comparable>)> {
        match self.next()? {
            Token::Number(text) => Ok((text, self.comparable(text))),
            _ => Err(self.error(PatternReason::NumericValue { operator })),
        }
    }

    fn next(&mut self) -> Result<Token<'a>> {
        self.reader.next().map_err(|flaw| self.error(PatternReason::of(flaw, MAX_DEPTH)))
    }

    /// An error where the reader is.
    #[cold]
    fn error(&self, reason: PatternReason) -> PatternError {
        let mut path = String::new();
        for step in &self.trail {
            match step {
                Step::Key(key) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(key);
                }
                Step::Index(index) => {
                    let _ = write!(path, "[{index}]");
                }
            }
        }
        PatternError::new(reason, path, self.reader.offset())
    }
}

/// A token as AWS shows it.
fn shown(token: &Token<'_>) -> String {
    match token {
        Token::StartObject => "{".to_owned(),
        Token::EndObject => "}".to_owned(),
        Token::StartArray => "[".to_owned(),
        Token::EndArray => "]".to_owned(),
        Token::Name(text) | Token::Text(text) => text.clone().into_owned(),
        Token::Number(text) => (*text).to_owned(),
        Token::Boolean(value) => value.to_string(),
        Token::Null => "null".to_owned(),
        Token::End => String::new(),
    }
}
