//! Writes a pattern in its canonical form.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::{
    compile::is_reserved,
    field::{Bound, Field, Range, Test},
    ip::Network,
    text::TextTest,
};
use crate::json::write_text;

/// Outline of a pattern as its author wrote it: fields by their whole paths, and `$or`s, in their
/// order.
///
/// It is kept beside the rules to which the pattern multiplies, which may be a thousand.
#[derive(Clone, Default)]
pub(crate) struct Outline(Vec<Clause>);

#[derive(Clone)]
pub(crate) enum Clause {
    /// A field by its index.
    Field(usize),
    Or {
        /// Path at which the author wrote it.
        #[cfg_attr(not(feature = "schema"), expect(dead_code, reason = "only checks name it"))]
        path: Box<str>,
        branches: Vec<Outline>,
    },
}

impl Outline {
    pub(crate) fn push(&mut self, clause: Clause) {
        self.0.push(clause);
    }

    #[cfg(feature = "schema")]
    pub(crate) fn clauses(&self) -> &[Clause] {
        &self.0
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    pub(crate) fn write(&self, fields: &[Field], out: &mut String) {
        self.write_object(fields, false, out);
    }

    fn write_object(&self, fields: &[Field], within_or: bool, out: &mut String) {
        // What comes later replaces what came before, so a field can move to the front unless an
        // `$or` before it has the same field.
        let mut paths_in_or = BTreeSet::new();
        let mut front = BTreeMap::new();
        let mut rest = Vec::new();
        for clause in &self.0 {
            match clause {
                Clause::Field(index) => {
                    let field = &fields[*index];
                    if paths_in_or.contains(&*field.path) {
                        rest.push(clause);
                    } else {
                        front.insert(&*field.path, field);
                    }
                }
                Clause::Or { branches, .. } => {
                    for branch in branches {
                        branch.paths(fields, &mut paths_in_or);
                    }
                    rest.push(clause);
                }
            }
        }
        out.push('{');
        let (nested, flat): (Vec<_>, Vec<_>) = front.values().copied().partition(|field| {
            let steps = || field.path.split('.');
            let ends = field.path.match_indices('.').map(|(dot, _)| &field.path[..dot]);
            steps().all(|step| !step.is_empty() && step != "$or")
                && !(within_or && steps().any(is_reserved))
                && !ends.into_iter().any(|above| front.contains_key(above))
        });
        let mut members = Members { out, first: true };
        let nested: Vec<_> = nested.iter().map(|field| (&*field.path, *field)).collect();
        members.write_nested(&nested);
        for field in flat {
            write_tests(&field.tests, members.key(&field.path));
        }
        for clause in rest {
            match clause {
                Clause::Field(index) => {
                    let field = &fields[*index];
                    write_tests(&field.tests, members.key(&field.path));
                }
                Clause::Or { branches, .. } => {
                    let out = members.key("$or");
                    out.push('[');
                    for (index, branch) in branches.iter().enumerate() {
                        if index > 0 {
                            out.push(',');
                        }
                        branch.write_object(fields, true, out);
                    }
                    out.push(']');
                }
            }
        }
        out.push('}');
    }

    fn paths<'f>(&self, fields: &'f [Field], paths: &mut BTreeSet<&'f str>) {
        for clause in &self.0 {
            match clause {
                Clause::Field(index) => {
                    paths.insert(&fields[*index].path);
                }
                Clause::Or { branches, .. } => {
                    for branch in branches {
                        branch.paths(fields, paths);
                    }
                }
            }
        }
    }
}

/// The members of an object.
struct Members<'o> {
    out: &'o mut String,
    first: bool,
}

impl Members<'_> {
    fn key(&mut self, key: &str) -> &mut String {
        if !std::mem::take(&mut self.first) {
            self.out.push(',');
        }
        write_text(self.out, key);
        self.out.push(':');
        self.out
    }

    /// Writes fields in the order of their paths, those with a common first step as one object.
    fn write_nested(&mut self, mut fields: &[(&str, &Field)]) {
        while let Some((path, field)) = fields.first() {
            let Some((step, _)) = path.split_once('.') else {
                write_tests(&field.tests, self.key(path));
                fields = &fields[1..];
                continue;
            };
            let below =
                |path: &str| path.strip_prefix(step).is_some_and(|rest| rest.starts_with('.'));
            let count = fields.iter().take_while(|(path, _)| below(path)).count();
            let (group, others) = fields.split_at(count);
            let group: Vec<_> =
                group.iter().map(|(path, field)| (&path[step.len() + 1..], *field)).collect();
            let out = self.key(step);
            out.push('{');
            Members { out, first: true }.write_nested(&group);
            out.push('}');
            fields = others;
        }
    }
}

fn write_tests(tests: &[Test], out: &mut String) {
    out.push('[');
    for (index, test) in tests.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_test(test, out);
    }
    out.push(']');
}

fn write_test(test: &Test, out: &mut String) {
    match test {
        // The bare text of an address would stand for the address.
        Test::Text(exact) if Network::of_one(exact).is_some() => {
            write_operator("exactly", exact, out);
        }
        Test::Text(exact) => write_text(out, exact),
        Test::Number(number) => out.push_str(&number.to_string()),
        Test::NumberText(number) => out.push_str(number),
        Test::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Test::Null => out.push_str("null"),
        Test::Network(network) if network.is_one() => write_text(out, &network.to_string()),
        Test::Network(network) => write_operator("cidr", &network.to_string(), out),
        Test::TextTest(like) => write_text_test(like, out),
        Test::Range(range) => write_range(range, out),
        Test::Exists => out.push_str("{\"exists\":true}"),
        Test::Absent => out.push_str("{\"exists\":false}"),
        Test::NoneOfTexts(texts) => {
            out.push_str("{\"anything-but\":");
            write_list(texts, out, |text, out| write_text(out, text));
            out.push('}');
        }
        Test::NoneOfNumbers(numbers) => {
            out.push_str("{\"anything-but\":");
            write_list(numbers, out, |number, out| out.push_str(&number.to_string()));
            out.push('}');
        }
        Test::NoneOfTests(tests) => {
            out.push_str("{\"anything-but\":{");
            if let Some(test) = tests.first() {
                write_text(out, operator(test).0);
                out.push(':');
            }
            write_list(tests, out, |test, out| write_text(out, &operator(test).1));
            out.push_str("}}");
        }
    }
}

fn write_list<T>(values: &BTreeSet<T>, out: &mut String, write: impl Fn(&T, &mut String)) {
    let mut values = values.iter();
    match (values.next(), values.len()) {
        (Some(only), 0) => write(only, out),
        (first, _) => {
            out.push('[');
            for (index, value) in first.into_iter().chain(values).enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(value, out);
            }
            out.push(']');
        }
    }
}

fn write_operator(operator: &str, operand: &str, out: &mut String) {
    out.push('{');
    write_text(out, operator);
    out.push(':');
    write_text(out, operand);
    out.push('}');
}

fn write_text_test(test: &TextTest, out: &mut String) {
    let outer = match test {
        TextTest::PrefixIgnoringCase(_) => "prefix",
        TextTest::SuffixIgnoringCase(_) => "suffix",
        _ => "",
    };
    let (operator, operand) = operator(test);
    if outer.is_empty() {
        return write_operator(operator, &operand, out);
    }
    out.push('{');
    write_text(out, outer);
    out.push(':');
    write_operator(operator, &operand, out);
    out.push('}');
}

/// The innermost operator of a test, and its operand.
fn operator(test: &TextTest) -> (&'static str, String) {
    match test {
        TextTest::Prefix(operand) => ("prefix", operand.to_string()),
        TextTest::Suffix(operand) => ("suffix", operand.to_string()),
        TextTest::EqualsIgnoringCase(operand)
        | TextTest::PrefixIgnoringCase(operand)
        | TextTest::SuffixIgnoringCase(operand) => ("equals-ignore-case", operand.to_string()),
        TextTest::Wildcard(wildcard) => ("wildcard", wildcard.to_string()),
    }
}

fn write_range(range: &Range, out: &mut String) {
    let bound = |bound: Bound, excluded: &str| {
        let equal = if bound.included { "=" } else { "" };
        format!("\"{excluded}{equal}\",{}", bound.number)
    };
    let low = range.low.map(|low| bound(low, ">"));
    let high = range.high.map(|high| bound(high, "<"));
    let bounds: Vec<_> = low.into_iter().chain(high).collect();
    let _ = write!(out, "{{\"numeric\":[{}]}}", bounds.join(","));
}
