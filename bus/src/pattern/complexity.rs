//! How much work wildcards are.
//!
//! The measure is that of AWS's `MachineComplexityEvaluator`: AWS reads a value byte by byte and
//! keeps track of all beginnings of wildcards that match what it has read; the complexity is how
//! many these can be at once. Of `"a*b"`, quotes included, they are `"`, `"a`, `"a*`, `"a*b` and the
//! whole, and `"ab` is matched by two of them.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Range,
};

use super::{
    EventPattern,
    field::{Field, Test},
    text::{TextTest, Wildcard},
};

/// A field with wildcards of a complexity beyond the limit.
///
/// Rules to which `$or` multiplies the pattern count together where they share a field and all that
/// AWS looks at before it. Fields that AWS looks at one after the other do not add up.
pub(super) fn too_complex(pattern: &EventPattern, limit: usize) -> Option<&Field> {
    let field = |alternative: usize, place: usize| -> Option<(usize, &Field)> {
        let index = *pattern.alternatives[alternative].get(place)?;
        Some((index, &pattern.fields[index]))
    };
    let mut measured = BTreeSet::new();
    // Alternatives are in order, so those that begin alike are side by side.
    let mut groups = vec![(0..pattern.alternatives.len(), 0)];
    while let Some((group, place)) = groups.pop() {
        let path = |it| field(it, place).map(|(_, field)| &field.path);
        for together in runs(group, |left, right| path(left) == path(right)) {
            let fields: BTreeMap<_, _> = together
                .clone()
                .filter_map(|it| field(it, place))
                .filter(|(_, field)| field.tests.iter().any(|test| !wildcards(test).is_empty()))
                .collect();
            if let Some(first) = fields.values().next().copied()
                && measured.insert(fields.keys().copied().collect::<Vec<_>>())
            {
                let tests: BTreeSet<_> = fields.values().flat_map(|field| &field.tests).collect();
                let terms: Vec<Vec<_>> = tests
                    .into_iter()
                    .map(|test| wildcards(test).into_iter().map(Strand::of).collect())
                    .collect();
                if complexity(&terms, limit) > limit {
                    return Some(first);
                }
            }
            let goes_on = |it| {
                // AWS does not look beyond a field that is asked to be absent and nothing else.
                field(it, place)
                    .filter(|(_, field)| field.tests.iter().any(|test| *test != Test::Absent))
            };
            let value = |it| field(it, place).map(|(_, field)| field);
            groups.extend(
                runs(together, |left, right| value(left) == value(right))
                    .filter(|alike| goes_on(alike.start).is_some())
                    .map(|alike| (alike, place + 1)),
            );
        }
    }
    None
}

/// The longest ranges in which each is like the one before it.
fn runs(
    range: Range<usize>,
    alike: impl Fn(usize, usize) -> bool,
) -> impl Iterator<Item = Range<usize>> {
    let mut rest = range;
    std::iter::from_fn(move || {
        let start = rest.next()?;
        while rest.start < rest.end && alike(rest.start - 1, rest.start) {
            rest.start += 1;
        }
        Some(start..rest.start)
    })
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

/// A wildcard as AWS reads it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Strand {
    /// What comes before the first `*`.
    first: Vec<u8>,
    /// What comes after each `*`.
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
/// A term is a test with its wildcards. There is no need to try all values:
///
/// - While a value is no longer than the part before the first `*` of some wildcard, it is known.
/// - Then it can go on so that each wildcard that has come to its first `*` comes to its last, and
///   whatever follows, none of these `*` is left. What it ends with decides how much of the parts
///   between matches besides: most where it ends with one of them, or a beginning of it.
fn complexity(terms: &[Vec<Strand>], limit: usize) -> usize {
    let strands: Vec<_> = terms
        .iter()
        .enumerate()
        .flat_map(|(term, strands)| strands.iter().map(move |strand| (term, strand)))
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
    /// How many parts begin so, but for those that end a strand here.
    parts: usize,
    /// The terms of the strands that end here.
    ends: BTreeSet<usize>,
}

/// How many beginnings of parts a value can end with at most.
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

    /// Without quotes and escapes.
    fn strand(text: &str) -> Strand {
        let mut parts = text.split('*').map(|part| part.as_bytes().to_vec());
        Strand { first: parts.next().unwrap(), rest: parts.collect() }
    }

    fn terms(texts: &[&str]) -> Vec<Vec<Strand>> {
        let texts: BTreeSet<_> = texts.iter().collect();
        texts.into_iter().map(|text| vec![strand(text)]).collect()
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
        let together = vec![vec![strand("a*aaa"), strand("aa*aa")]];
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
    fn by_trying(terms: &[Vec<Strand>]) -> usize {
        let all: Vec<(usize, usize, Vec<Option<u8>>)> = terms
            .iter()
            .enumerate()
            .flat_map(|(term, strands)| strands.iter().map(move |strand| (term, strand.tokens())))
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
        fn complexity_is_what_trying_all_values_finds(terms in vec(vec(quoted(), 1..3), 1..4)) {
            let most = by_trying(&terms);
            prop_assert_eq!(complexity(&terms, usize::MAX), most);
            for limit in 0..most {
                prop_assert!(complexity(&terms, limit) > limit);
            }
        }
    }
}
