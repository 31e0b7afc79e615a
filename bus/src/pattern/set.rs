use std::{collections::HashMap, fmt};

use super::{
    EventError, EventPattern, ParsedEvent,
    arrays::Effort,
    event::ROOT,
    field::{Field, Key},
};

/// Many patterns, against which an event is matched at once.
///
/// A pattern is looked up by one of its fields, and only patterns that the event's own values lead
/// to are evaluated. So the rules of a bus cost what they match, not what they are: ten thousand
/// that differ in the value of a field cost an event about as much as one.
///
/// The result is that of [`EventPattern::matches`] for each.
///
/// ```
/// use setpiece_bus::{EventPattern, ParsedEvent, Patterns};
///
/// let mut rules = Patterns::new();
/// rules.insert("audit", EventPattern::parse(r#"{ "source": [{ "prefix": "retail." }] }"#)?);
/// rules.insert("loyalty", EventPattern::parse(r#"{ "detail-type": ["order_submitted"] }"#)?);
///
/// let event = r#"{ "source": "retail.orders", "detail-type": "order_cancelled", "detail": {} }"#;
/// assert_eq!(rules.matches(&ParsedEvent::parse(event)?)?, [&"audit"]);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Patterns<Id> {
    rules: Vec<(Id, EventPattern)>,
    /// Paths by the path above and the step below it. The first path is that of the event itself.
    steps: HashMap<usize, HashMap<Box<str>, usize>>,
    paths: Vec<PathIndex>,
    /// Rules that can match without any field.
    unconditional: Vec<usize>,
}

/// The rules that are looked up by one path.
#[derive(Clone, Default)]
struct PathIndex {
    by_value: HashMap<Key<'static>, Vec<usize>>,
    /// Those that ask for any value here.
    by_presence: Vec<usize>,
}

impl<Id> Patterns<Id> {
    /// No patterns.
    #[must_use]
    pub fn new() -> Self {
        Self {
            rules: Vec::new(),
            steps: HashMap::new(),
            paths: vec![PathIndex::default()],
            unconditional: Vec::new(),
        }
    }

    /// Adds a pattern. Ids need not be unique: each pattern stands for itself.
    pub fn insert(&mut self, id: Id, pattern: EventPattern) {
        let rule = self.rules.len();
        for fields in pattern.alternatives() {
            self.index(rule, &fields.collect::<Vec<_>>());
        }
        self.rules.push((id, pattern));
    }

    /// The ids of the patterns that match the event, in the order in which they were added.
    ///
    /// # Errors
    ///
    /// [`EventReason::TooManySteps`](crate::EventReason::TooManySteps) where the steps of one call,
    /// which all patterns share, did not suffice to decide about all of them.
    pub fn matches(&self, event: &ParsedEvent<'_>) -> Result<Vec<&Id>, EventError> {
        self.matches_within(event, &mut Effort::default()).ok_or_else(Effort::exceeded)
    }

    /// Matches within the steps that are left; `None` where they do not suffice.
    pub(super) fn matches_within(
        &self,
        event: &ParsedEvent<'_>,
        effort: &mut Effort,
    ) -> Option<Vec<&Id>> {
        let mut matching = Vec::new();
        for rule in self.candidate_rules(event) {
            effort.take(1)?;
            let (id, pattern) = &self.rules[rule];
            if pattern.matches_within(event, effort)? {
                matching.push(id);
            }
        }
        Some(matching)
    }

    /// Returns the number of patterns that are evaluated for the event: those that match it, and
    /// those that share no more than a field with it.
    ///
    /// A number that grows with the patterns tells that they cannot be told apart by an exact value.
    #[must_use]
    pub fn candidates(&self, event: &ParsedEvent<'_>) -> usize {
        self.candidate_rules(event).len()
    }

    /// All patterns with their ids, in the order in which they were added.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Id, &EventPattern)> {
        self.rules.iter().map(|(id, pattern)| (id, pattern))
    }

    /// Returns the number of patterns.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Returns true if there are no patterns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Makes sure that a rule is found by each event that matches these fields.
    fn index(&mut self, rule: usize, fields: &[&Field]) {
        // Any one of the fields will do. Best is the one by which the fewest rules are found so far,
        // and an exact value is better than none.
        let mut best: Option<((bool, usize), usize, _)> = None;
        for field in fields.iter().filter(|field| !field.allows_absence()) {
            let path = self.path(&field.path);
            let index = &self.paths[path];
            let keys = field.keys();
            let crowd = match &keys {
                Some(keys) => {
                    keys.iter().filter_map(|key| index.by_value.get(key)).map(Vec::len).max()
                }
                None => Some(index.by_presence.len()),
            };
            let rank = (keys.is_none(), crowd.unwrap_or(0));
            if best.as_ref().is_none_or(|(least, ..)| rank < *least) {
                best = Some((rank, path, keys));
            }
        }
        match best {
            None => self.unconditional.push(rule),
            Some((_, path, None)) => self.paths[path].by_presence.push(rule),
            Some((_, path, Some(keys))) => {
                for key in keys {
                    self.paths[path].by_value.entry(key.into_owned()).or_default().push(rule);
                }
            }
        }
    }

    fn path(&mut self, path: &str) -> usize {
        path.split('.').fold(ROOT, |above, step| {
            let below = self.steps.entry(above).or_default();
            if let Some(path) = below.get(step) {
                return *path;
            }
            let path = self.paths.len();
            below.insert(step.into(), path);
            self.paths.push(PathIndex::default());
            path
        })
    }

    /// The rules that can match, in order.
    fn candidate_rules(&self, event: &ParsedEvent<'_>) -> Vec<usize> {
        // A list that is found twice is looked at once, however often an event repeats a value.
        let mut found: Vec<&Vec<usize>> = vec![&self.unconditional];
        // For each path of the event that of the index.
        let mut known = vec![Some(ROOT)];
        for (above, step, leaves) in event.paths() {
            let path = known[above].and_then(|above| self.steps.get(&above)?.get(step).copied());
            known.push(path);
            let Some(index) = path.map(|path| &self.paths[path]) else { continue };
            if !leaves.is_empty() {
                found.push(&index.by_presence);
            }
            if !index.by_value.is_empty() {
                found.extend(
                    leaves
                        .iter()
                        .filter_map(|leaf| index.by_value.get(&Key::of(event.value(leaf)))),
                );
            }
        }
        found.retain(|rules| !rules.is_empty());
        found.sort_unstable_by_key(|rules| rules.as_ptr());
        found.dedup_by_key(|rules| rules.as_ptr());
        let mut rules: Vec<_> = found.into_iter().flatten().copied().collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }
}

impl<Id> Default for Patterns<Id> {
    fn default() -> Self {
        Self::new()
    }
}

impl<Id> Extend<(Id, EventPattern)> for Patterns<Id> {
    fn extend<I: IntoIterator<Item = (Id, EventPattern)>>(&mut self, patterns: I) {
        patterns.into_iter().for_each(|(id, pattern)| self.insert(id, pattern));
    }
}

impl<Id> FromIterator<(Id, EventPattern)> for Patterns<Id> {
    fn from_iter<I: IntoIterator<Item = (Id, EventPattern)>>(patterns: I) -> Self {
        let mut set = Self::new();
        set.extend(patterns);
        set
    }
}

impl<Id: fmt::Debug> fmt::Debug for Patterns<Id> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
