//! Complexity of wildcards.
//!
//! The measure is that of AWS's `MachineComplexityEvaluator`: AWS reads a value byte by byte and
//! keeps track of all beginnings of wildcards that match what it has read; the complexity is how
//! many these can be at once. Of `"a*b"`, quotes included, they are `"`, `"a`, `"a*`, `"a*b` and the
//! whole, and `"ab` is matched by two of them.
//!
//! A rule to which `$or` multiplies a pattern is added to the machine on its own. It finds the
//! values that were added before, but not a wildcard with anything after a `*`: of that it adds a
//! copy, which shares no more than what comes up to the first `*`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    EventPattern,
    field::{Field, Test},
    text::{TextTest, Wildcard},
};

/// A field with wildcards of a complexity beyond the limit.
///
/// Rules to which `$or` multiplies the pattern count together where AWS comes to a field of them
/// from one state: that is where each field before it has a value in common that is not copied.
/// Fields that AWS looks at one after the other do not add up.
pub(super) fn too_complex(pattern: &EventPattern, limit: usize) -> Option<&Field> {
    let field = |alternative: usize, place: usize| -> Option<(usize, &Field)> {
        let index = *pattern.alternatives[alternative].get(place)?;
        Some((index, &pattern.fields[index]))
    };
    let mut measured = BTreeSet::new();
    let mut groups = vec![((0..pattern.alternatives.len()).collect::<Vec<_>>(), 0)];
    while let Some((group, place)) = groups.pop() {
        let mut by_path: BTreeMap<&str, Vec<(usize, usize, &Field)>> = BTreeMap::new();
        for alternative in group {
            if let Some((index, field)) = field(alternative, place) {
                by_path.entry(&field.path).or_default().push((alternative, index, field));
            }
        }
        for together in by_path.into_values() {
            let indices: Vec<_> = together.iter().map(|(_, index, _)| *index).collect();
            if measured.insert(indices)
                && complexity(&terms(&together, limit), limit) > limit
                && let Some((.., first)) = together.first()
            {
                return Some(first);
            }
            groups.extend(states(&together).into_iter().map(|alike| (alike, place + 1)));
        }
    }
    None
}

/// The tests with wildcards of fields that are looked at together, each as often as it counts.
fn terms(together: &[(usize, usize, &Field)], limit: usize) -> Vec<Term> {
    let mut copies: BTreeMap<&Test, usize> = BTreeMap::new();
    let tests = together.iter().flat_map(|(.., field)| &field.tests);
    for test in tests.filter(|test| !wildcards(test).is_empty()) {
        *copies.entry(test).or_default() += 1;
    }
    let mut terms = Vec::new();
    for (id, (test, count)) in copies.into_iter().enumerate() {
        let term =
            Term { test: id, strands: wildcards(test).into_iter().map(Strand::of).collect() };
        // Each copy adds something or none does, so more of them than the limit say no more.
        let count = if is_copied(test) { count.min(limit.saturating_add(1)) } else { 1 };
        terms.extend(std::iter::repeat_n(term, count));
    }
    terms
}

/// The alternatives that go on from one state, for each of the states behind a field.
fn states(together: &[(usize, usize, &Field)]) -> Vec<Vec<usize>> {
    let mut state_of: BTreeMap<&Test, usize> = BTreeMap::new();
    let mut states: Vec<Vec<usize>> = Vec::new();
    for (alternative, _, field) in together {
        // AWS does not look beyond a field that is asked to be absent and nothing else.
        if field.tests.iter().all(|test| *test == Test::Absent) {
            continue;
        }
        let found: BTreeSet<_> =
            field.tests.iter().filter_map(|it| state_of.get(it)).copied().collect();
        let mut found = found.into_iter();
        let state = found.next().unwrap_or_else(|| {
            states.push(Vec::new());
            states.len() - 1
        });
        for other in found {
            let joined = std::mem::take(&mut states[other]);
            states[state].extend(joined);
            state_of.values_mut().filter(|it| **it == other).for_each(|it| *it = state);
        }
        states[state].push(*alternative);
        let reused = field.tests.iter().filter(|test| !is_copied(test) && **test != Test::Absent);
        state_of.extend(reused.map(|test| (test, state)));
    }
    states.retain(|state| !state.is_empty());
    states
}

/// Tells whether each rule adds a copy of a test: where anything follows after a `*`.
fn is_copied(test: &Test) -> bool {
    wildcards(test).iter().any(|wildcard| wildcard.parts().skip(1).any(|part| !part.is_empty()))
}

/// The wildcards of a test, all of one if it is `anything-but`.
fn wildcards(test: &Test) -> Vec<&Wildcard> {
    match test {
        Test::TextTest(test) => as_wildcard(test).into_iter().collect(),
        Test::NoneOfTests(tests) => tests.iter().filter_map(as_wildcard).collect(),
        _ => Vec::new(),
    }
}

fn as_wildcard(test: &TextTest) -> Option<&Wildcard> {
    match test {
        TextTest::Wildcard(wildcard) => Some(wildcard),
        _ => None,
    }
}

/// A test with its wildcards. Copies of one test have one number.
#[derive(Clone, Debug)]
struct Term {
    test: usize,
    strands: Vec<Strand>,
}

/// A wildcard as AWS reads it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Strand {
    /// Part before the first `*`.
    first: Vec<u8>,
    /// Parts after each `*`.
    rest: Vec<Vec<u8>>,
}

impl Strand {
    /// With the quotes that AWS matches as well.
    fn of(wildcard: &Wildcard) -> Self {
        let mut parts: Vec<_> = wildcard.parts().map(|part| part.as_bytes().to_vec()).collect();
        if let Some(last) = parts.last_mut() {
            last.push(b'"');
        }
        let rest = parts.split_off(1);
        let mut first = vec![b'"'];
        first.extend(parts.into_iter().flatten());
        Self { first, rest }
    }

    /// Bytes, and `None` for a `*`.
    fn tokens(&self) -> Vec<Option<u8>> {
        let mut tokens: Vec<_> = self.first.iter().copied().map(Some).collect();
        for part in &self.rest {
            tokens.push(None);
            tokens.extend(part.iter().copied().map(Some));
        }
        tokens
    }
}

/// A beginning of a wildcard as AWS's machine has it. What AWS keeps once for all wildcards of an
/// `anything-but` is equal for them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Beginning {
    BeforeWildcard,
    /// With the first `*`, behind so many bytes.
    FirstWildcard(usize),
    /// So many tokens of a strand.
    Later(usize, usize),
    Whole,
}

/// The most beginnings of wildcards that match one value, or some number beyond the limit.
///
/// There is no need to try all values:
///
/// - While a value is no longer than the part before the first `*` of some wildcard, it is known.
/// - Then it can go on so that each wildcard that has come to its first `*` comes to its last, and
///   whatever follows, none of these `*` is left. What it ends with decides how much of the parts
///   between matches besides: most where it ends with one of them, or a beginning of it.
fn complexity(terms: &[Term], limit: usize) -> usize {
    let strands: Vec<_> = terms
        .iter()
        .flat_map(|term| term.strands.iter().map(|strand| (term.test, strand)))
        .collect();
    let firsts: BTreeSet<_> = strands.iter().map(|(_, strand)| &*strand.first).collect();
    let mut most = 0;
    for first in firsts {
        if most <= limit {
            most = most.max(while_known(&strands, first, limit));
        }
        if most <= limit {
            let begun: Vec<_> = strands
                .iter()
                .filter(|(_, strand)| !strand.rest.is_empty() && first.starts_with(&strand.first))
                .copied()
                .collect();
            most = most.max(behind_wildcards(&begun, limit));
        }
    }
    most
}

/// The most beginnings that match a beginning of the value.
fn while_known(strands: &[(usize, &Strand)], value: &[u8], limit: usize) -> usize {
    let tokens: Vec<_> = strands.iter().map(|(_, strand)| strand.tokens()).collect();
    let mut active: BTreeSet<(usize, usize)> = (0..strands.len()).map(|id| (id, 0)).collect();
    active.extend(
        tokens
            .iter()
            .enumerate()
            .filter(|(_, it)| it.first() == Some(&None))
            .map(|(id, _)| (id, 1)),
    );
    let mut most = 0;
    for byte in value {
        let mut next = BTreeSet::new();
        for (id, at) in active {
            let tokens = &tokens[id];
            if at > 0 && tokens[at - 1].is_none() {
                next.insert((id, at));
            }
            if tokens.get(at) == Some(&Some(*byte)) {
                next.insert((id, at + 1));
                if tokens.get(at + 1) == Some(&None) {
                    next.insert((id, at + 2));
                }
            }
        }
        active = next;
        let beginnings: BTreeSet<_> = active
            .iter()
            .map(|&(id, at)| {
                let (term, strand) = strands[id];
                let before = strand.first.len();
                let beginning = if at == tokens[id].len() {
                    Beginning::Whole
                } else if at <= before {
                    Beginning::BeforeWildcard
                } else if at == before + 1 {
                    Beginning::FirstWildcard(before)
                } else {
                    Beginning::Later(id, at)
                };
                (term, beginning)
            })
            .collect();
        most = most.max(beginnings.len());
        if most > limit {
            break;
        }
    }
    most
}

/// The most beginnings that match a value that has come to the last `*` of all strands.
fn behind_wildcards(strands: &[(usize, &Strand)], limit: usize) -> usize {
    let firsts: BTreeSet<_> = strands.iter().map(|(term, strand)| (term, &strand.first)).collect();
    let later: usize = strands.iter().map(|(_, strand)| strand.rest.len() - 1).sum();
    let wildcards = firsts.len() + later;
    if wildcards > limit {
        return wildcards;
    }
    wildcards + most_ends(strands)
}

/// A text with which a part after a `*` begins.
#[derive(Default)]
struct Node {
    longer: BTreeMap<u8, usize>,
    /// Number of parts that begin so, but for those that end a strand here.
    parts: usize,
    /// The terms of the strands that end here.
    ends: BTreeSet<usize>,
}

/// Returns the most beginnings of parts that a value can end with.
///
/// As Aho and Corasick find many words at once: each text goes on to the longest of the others that
/// it ends with.
fn most_ends(strands: &[(usize, &Strand)]) -> usize {
    let mut nodes = vec![Node::default()];
    for (term, strand) in strands {
        for (index, part) in strand.rest.iter().enumerate() {
            let mut node = 0;
            for (at, byte) in part.iter().enumerate() {
                let new = nodes.len();
                let next = *nodes[node].longer.entry(*byte).or_insert(new);
                if next == new {
                    nodes.push(Node::default());
                }
                node = next;
                if index + 1 == strand.rest.len() && at + 1 == part.len() {
                    nodes[node].ends.insert(*term);
                } else {
                    nodes[node].parts += 1;
                }
            }
        }
    }
    let mut shorter = vec![0; nodes.len()];
    let mut queue = VecDeque::from([0]);
    let mut most = 0;
    while let Some(node) = queue.pop_front() {
        if node != 0 {
            // Shorter texts are done.
            let suffix = shorter[node];
            nodes[node].parts += nodes[suffix].parts;
            let ends = nodes[suffix].ends.clone();
            nodes[node].ends.extend(ends);
            most = most.max(nodes[node].parts + nodes[node].ends.len());
        }
        for (&byte, &next) in &nodes[node].longer {
            let mut suffix = node;
            while suffix != 0 {
                suffix = shorter[suffix];
                if let Some(longer) = nodes[suffix].longer.get(&byte) {
                    shorter[next] = *longer;
                    break;
                }
            }
            queue.push_back(next);
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;
    use crate::{PatternLimits, PatternReason};

    /// Without quotes and escapes.
    fn strand(text: &str) -> Strand {
        let mut parts = text.split('*').map(|part| part.as_bytes().to_vec());
        Strand { first: parts.next().unwrap(), rest: parts.collect() }
    }

    fn terms(texts: &[&str]) -> Vec<Term> {
        let texts: BTreeSet<_> = texts.iter().collect();
        let strands = texts.into_iter().map(|text| vec![strand(text)]);
        strands.enumerate().map(|(test, strands)| Term { test, strands }).collect()
    }

    /// The least limit under which AWS takes a pattern.
    #[track_caller]
    fn check_pattern(json: &str, expected: usize) {
        let limits =
            PatternLimits { max_wildcard_complexity: usize::MAX, ..PatternLimits::default() };
        let pattern = EventPattern::parse_within(json, &limits).unwrap();
        let is_refused = |limit| too_complex(&pattern, limit).is_some();
        let least = (0..100).find(|limit| !is_refused(*limit));
        assert_eq!(least, Some(expected), "{json}");
    }

    /// A pattern with these fields and one of so many values of the field `z`.
    fn with_or(fields: &str, count: usize) -> String {
        let or: Vec<_> = (0..count).map(|id| format!(r#"{{"z":[{id}]}}"#)).collect();
        format!(r#"{{{fields},"$or":[{}]}}"#, or.join(","))
    }

    #[test]
    fn alternatives_copy_the_wildcards_before_them() {
        // As `Machine.evaluateComplexity` of event-ruler 2.0.1 answers.
        for (wildcard, alone, each) in [
            ("*orders*", 3, 2),
            ("*a", 2, 1),
            ("a*", 2, 0),
            ("*", 2, 0),
            ("ab", 1, 0),
            ("a*b", 2, 1),
            ("ab*bb", 3, 2),
            ("*a*a", 4, 3),
            ("*ab*cd*", 4, 3),
        ] {
            let field = format!(r#""a":[{{"wildcard":"{wildcard}"}}]"#);
            check_pattern(&format!("{{{field}}}"), alone);
            for count in 2..=5 {
                check_pattern(&with_or(&field, count), alone + (count - 1) * each);
            }
            // A field behind the alternatives is another one for each of them.
            check_pattern(&with_or(&field, 5).replace("\"z\"", "\"0\""), alone);
            let with_text = field.replace('[', "[\"x\",");
            check_pattern(&with_or(&with_text, 3), alone + 2 * each);
        }
        let none_of = |texts: &str| format!(r#""a":[{{"anything-but":{{"wildcard":{texts}}}}}]"#);
        check_pattern(&with_or(&none_of(r#""*orders*""#), 5), 11);
        check_pattern(&with_or(&none_of(r#"["*a*a","a*b"]"#), 2), 8);
        check_pattern(&with_or(&none_of(r#"["a*b","c*d"]"#), 3), 4);
    }

    #[test]
    fn alternatives_count_together_where_a_field_before_has_a_value_in_common() {
        let behind = |tests: &str| format!(r#""a":[{tests}],"b":[{{"wildcard":"*a*a"}}]"#);
        for (tests, expected) in [
            (r#""x""#, 10),
            (r#"{"wildcard":"xx"}"#, 10),
            (r#"{"wildcard":"x*"}"#, 10),
            (r#"{"prefix":"x"}"#, 10),
            (r#"{"anything-but":["x"]}"#, 10),
            (r#"{"exists":true}"#, 10),
            (r#"{"numeric":[">",1]}"#, 10),
            (r#""x",{"wildcard":"a*b"}"#, 10),
            (r#""x",{"exists":false}"#, 10),
            (r#"{"wildcard":"a*b"}"#, 4),
            (r#"{"anything-but":{"wildcard":"x*y"}}"#, 4),
            (r#"{"exists":false}"#, 0),
        ] {
            check_pattern(&with_or(&behind(tests), 3), expected);
        }
        let (w, v) = (r#"{"wildcard":"*a*a"}"#, r#"{"wildcard":"a*b"}"#);
        for (first, second, expected) in [
            (format!(r#""a":[{w}],"z":[1]"#), format!(r#""a":[{w},{v}],"z":[2]"#), 8),
            (format!(r#""a":[{w}],"z":[1]"#), format!(r#""a":[{v}],"z":[2]"#), 5),
            (format!(r#""a":[{w}],"z":[1]"#), format!(r#""a":[{w}]"#), 7),
            (
                format!(r#""a":["x","y"],"b":[{w}],"z":[1]"#),
                format!(r#""a":["x"],"b":[{w}],"z":[2]"#),
                7,
            ),
        ] {
            check_pattern(&format!(r#"{{"$or":[{{{first}}},{{{second}}}]}}"#), expected);
        }
    }

    #[test]
    fn a_wildcard_that_alternatives_multiply_is_refused() {
        let orders = r#""a":[{"wildcard":"*orders*"}]"#;
        assert!(EventPattern::parse(with_or(orders, 4)).is_ok());
        let error = EventPattern::parse(with_or(orders, 5)).unwrap_err();
        assert_eq!((error.path(), error.reason()), ("a", &PatternReason::TooComplex { limit: 10 }));
        // However many there are.
        let limits = PatternLimits { max_chars: usize::MAX, ..PatternLimits::default() };
        assert!(EventPattern::parse_within(with_or(orders, 1000), &limits).is_err());
    }

    #[test]
    fn complexity_is_what_aws_says() {
        // The cases of event-ruler's own tests. They are about values without quotes.
        let cases: [(usize, &[&str]); _] = [
            (0, &[]),
            (1, &["*"]),
            (3, &["*", "ab*c"]),
            (1, &["abc"]),
            (2, &["*ab"]),
            (3, &["*aa"]),
            (2, &["a*b"]),
            (2, &["aa*"]),
            (2, &["a*bc"]),
            (3, &["a*bb"]),
            (3, &["a*bcb"]),
            (4, &["a*bbb"]),
            (4, &["*ab*ad"]),
            (3, &["*ab*d"]),
            (4, &["*aba*"]),
            (5, &["a*b*bb"]),
            (4, &["a*b*cb"]),
            (3, &["a*b*cd"]),
            (4, &["a*b*b"]),
            (4, &["a*bb*"]),
            (3, &["ab*b*"]),
            (3, &["ab*c", "x*xx"]),
            (4, &["*abc", "*abcde"]),
            (4, &["a*bcd", "ab*cd"]),
            (4, &["a*bc", "a*bcde"]),
            (7, &["a*aaa", "aa*aa"]),
            (4, &["a*bc", "abc*d"]),
            (6, &["a*aaa", "aaa*a"]),
            (5, &["a*aax", "aaa*x"]),
            (4, &["a*bc", "abc*"]),
            (5, &["a*aa", "aaa*"]),
            (3, &["abc*", "abcde*"]),
            (6, &["ab*cd", "ab*wx", "ab*yz"]),
            (7, &["*ab*b*b*"]),
            (17, &["*a*a*a*a*a*a*a*a*"]),
            (2, &["*abc"]),
            (2, &["ab*c"]),
            (2, &["abc*"]),
            (2, &["ab*c", "ab*c"]),
            (10, &["F*eatureFeature", "Fe*atureFeature", "Fea*tureFeature"]),
            (2, &["1*2345"]),
            (2, &["*123"]),
            (2, &["1*2"]),
            (2, &["1*"]),
            (3, &["12*3*"]),
            (
                45,
                &[
                    "aahed*", "aal*ii", "aargh*", "aarti*", "a*baca", "*abaci", "a*back", "ab*acs",
                    "abaf*t", "*abaka", "ab*amp", "a*band", "*abase", "abash*", "abas*k", "ab*ate",
                    "aba*ya", "abbas*", "abbed*", "ab*bes", "abbey*", "*abbot", "ab*cee", "abea*m",
                    "abe*ar", "a*bele", "a*bers", "abet*s", "*abhor", "abi*de", "a*bies", "*abled",
                ],
            ),
        ];
        for (expected, texts) in cases {
            assert_eq!(complexity(&terms(texts), usize::MAX), expected, "{texts:?}");
        }
        let together = vec![Term { test: 0, strands: vec![strand("a*aaa"), strand("aa*aa")] }];
        assert_eq!(complexity(&together, usize::MAX), 6);
        let long = "F*e*a*t*u*r*e*".repeat(10_000);
        assert!(complexity(&terms(&[&long]), 100) > 100);
    }

    #[test]
    fn what_is_large_is_measured_whole() {
        // As large as patterns can be, and without the limit that ends it early.
        let all = |texts: &[String]| {
            let texts: Vec<_> = texts.iter().map(String::as_str).collect();
            complexity(&terms(&texts), usize::MAX)
        };
        assert_eq!(all(&["*a".repeat(2000)]), 4000);
        assert_eq!(all(&[format!("*{}", "a".repeat(4000))]), 4001);
        let known = format!("{}*", "a".repeat(1000));
        assert_eq!(all(&[known, "*a".repeat(1000)]), 2002);
        let many: Vec<_> = (100..400).map(|id| format!("*{id}*ab*")).collect();
        assert_eq!(all(&many), 1200);
    }

    /// Goes through all sets of beginnings that there are.
    fn by_trying(terms: &[Term]) -> usize {
        let all: Vec<(usize, usize, Vec<Option<u8>>)> = terms
            .iter()
            .flat_map(|term| term.strands.iter().map(|strand| (term.test, strand.tokens())))
            .enumerate()
            .map(|(id, (term, tokens))| (id, term, tokens))
            .collect();
        let with_wildcard = |id: usize, at: usize| -> Vec<(usize, usize)> {
            let wildcard = all[id].2.get(at) == Some(&None);
            [(id, at)].into_iter().chain(wildcard.then_some((id, at + 1))).collect()
        };
        let start: BTreeSet<_> = (0..all.len()).flat_map(|id| with_wildcard(id, 0)).collect();
        let mut seen = BTreeSet::from([start.clone()]);
        let mut queue = VecDeque::from([start]);
        let mut most = 0;
        while let Some(active) = queue.pop_front() {
            for byte in *b"abc\"-" {
                let next: BTreeSet<_> = active
                    .iter()
                    .flat_map(|&(id, at)| {
                        let tokens = &all[id].2;
                        let stays = at > 0 && tokens[at - 1].is_none();
                        let goes = tokens.get(at) == Some(&Some(byte));
                        let gone = if goes { with_wildcard(id, at + 1) } else { Vec::new() };
                        stays.then_some((id, at)).into_iter().chain(gone)
                    })
                    .collect();
                let different: BTreeSet<_> = next
                    .iter()
                    .map(|&(id, at)| {
                        let (_, term, tokens) = &all[id];
                        let begun = tokens[..at].to_vec();
                        let earlier = &begun[..at - 1];
                        if at == tokens.len() {
                            (*term, None, Vec::new())
                        } else if earlier.contains(&None) {
                            (*term, Some(id), begun)
                        } else {
                            (*term, None, begun)
                        }
                    })
                    .collect();
                most = most.max(different.len());
                if !next.is_empty() && seen.insert(next.clone()) {
                    queue.push_back(next);
                }
            }
        }
        most
    }

    /// A wildcard in its quotes.
    fn quoted() -> impl Strategy<Value = Strand> {
        vec(select(&["a", "a", "b", "c", "*", "*", "\""][..]), 0..6).prop_map(|parts| {
            let mut text = parts.concat();
            while text.contains("**") {
                text = text.replace("**", "*");
            }
            strand(&format!("\"{text}\""))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn complexity_is_what_trying_all_values_finds(tests in vec((vec(quoted(), 1..3), 1..3_usize), 1..4)) {
            let terms: Vec<_> = tests
                .into_iter()
                .enumerate()
                .flat_map(|(test, (strands, copies))| vec![Term { test, strands }; copies])
                .collect();
            let most = by_trying(&terms);
            prop_assert_eq!(complexity(&terms, usize::MAX), most);
            for limit in 0..most {
                prop_assert!(complexity(&terms, limit) > limit);
            }
        }
    }
}
