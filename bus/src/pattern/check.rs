//! Checks a pattern against an event's type.

mod event;
mod finding;
mod schema;
#[cfg(test)]
mod tests;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use setpiece_envelope::{DomainEvent, EventSchema};

pub use self::finding::{Finding, Findings, Mismatch};
use self::{
    event::Origin,
    schema::{Lookup, Reach},
    values::{Kinds, Values},
};
use super::{
    EventPattern,
    field::{Field, Test},
    write::{Clause, Outline},
};

/// The fields that say which event it is.
const IDENTITY: [&str; 4] =
    ["source", "detail-type", "detail.metadata.name", "detail.metadata.version"];

impl EventPattern {
    /// Checks the pattern against all events of the type `E`, before there are any.
    ///
    /// A pattern that can never match is proven so by what `E` writes, or by what it reads if it is
    /// a [view](DomainEvent::VIEW). Of a view's events less is known: their producers may write
    /// more than the view has, but for names such as `a.b` beside a member `a` of the view, which
    /// AWS would read as the same field. What is not proven is not found: a pattern without findings may
    /// still never match, such as one whose fields are never together.
    ///
    /// Events are those of `E`'s own version. What is asked of older ones is checked against their
    /// types.
    ///
    /// Where alternatives of `$or` ask for another source or detail-type, they are about other
    /// events, and nothing is said about them unless there are no others.
    ///
    /// ```
    /// use schemars::JsonSchema;
    /// use serde::{Deserialize, Serialize};
    /// use setpiece_bus::{EventPattern, Filter};
    /// use setpiece_envelope::{DomainEvent, ServiceId};
    ///
    /// const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");
    ///
    /// #[derive(Serialize, Deserialize, JsonSchema, DomainEvent)]
    /// #[event(service = ORDERS, name = "order_submitted", version = 1)]
    /// struct OrderSubmitted {
    ///     order_number: String,
    ///     quantity: u8,
    /// }
    ///
    /// let check = |field, filter: Filter| {
    ///     let pattern = EventPattern::of::<OrderSubmitted>().field(field, filter).build().unwrap();
    ///     pattern.check::<OrderSubmitted>()
    /// };
    /// assert_eq!(check("quantity", Filter::numeric(100.0..)), Ok(()));
    ///
    /// let findings = check("quantity", Filter::numeric(256.0..)).unwrap_err();
    /// assert!(findings.never_matches());
    /// assert_eq!(
    ///     findings.to_string(),
    ///     "never matches: `detail.data.quantity` is a whole number from 0 up to 255"
    /// );
    /// assert_eq!(
    ///     check("orderNumber", Filter::exists()).unwrap_err().to_string(),
    ///     "never matches: no event has `detail.data.orderNumber`, \
    ///      but there is `detail.data.order_number`"
    /// );
    /// assert_eq!(
    ///     check("order_number", Filter::exists()).unwrap_err().to_string(),
    ///     "matches every `order_submitted`: what is asked of `detail.data.order_number` is always so"
    /// );
    /// ```
    ///
    /// # Errors
    ///
    /// [`Findings`] where the pattern, or one of its alternatives, can never match; and where it
    /// matches all events of the type or of its source, or leaves open which type it is about. A
    /// rule that is meant to do so is checked with [`Findings::never_matches`].
    #[cfg_attr(docsrs, doc(cfg(feature = "schema")))]
    pub fn check<E>(&self) -> Result<(), Findings>
    where
        E: DomainEvent + DeserializeOwned + JsonSchema + 'static,
    {
        let schema = EventSchema::of::<E>();
        let (origin, data) = if E::VIEW {
            (Origin::Any, schema.read().as_json())
        } else {
            (Origin::Own, schema.written().as_json())
        };
        let event = event::of_type::<E>(origin, data);
        let all = Check { pattern: self, name: E::NAME, source: E::SOURCE, event, data }.run();
        if all.all.is_empty() { Ok(()) } else { Err(all) }
    }
}

struct Check<'c> {
    pattern: &'c EventPattern,
    name: &'static str,
    source: &'static str,
    event: Json,
    /// The schema of the event's data, to which its references refer.
    data: &'c Json,
}

/// Verdict on a field.
struct Verdict {
    mismatch: Option<Mismatch>,
    /// True if every event has the tested value, wherever else the pattern looks.
    always: bool,
}

impl Check<'_> {
    fn run(&self) -> Findings {
        let fields = &self.pattern.fields;
        let mut lookup = Lookup::new(self.data);
        let verdicts: Vec<_> =
            fields.iter().map(|field| self.verdict(&mut lookup, field)).collect();
        let is_dead = |index: &usize| verdicts[*index].mismatch.is_some();
        let is_foreign = |index: &usize| is_dead(index) && is_address(&fields[*index]);

        let alternatives = &self.pattern.alternatives;
        let never_matches = alternatives.iter().all(|fields| fields.iter().any(is_dead));
        let own: Vec<_> = alternatives
            .iter()
            .filter(|fields| never_matches || !fields.iter().any(is_foreign))
            .collect();
        let asked: BTreeSet<_> = own.iter().copied().flatten().copied().collect();
        let mut places = BTreeMap::new();
        find_places(&self.pattern.outline, "", &mut places);
        let mut all = Vec::new();
        for index in asked {
            if let Some(mismatch) = &verdicts[index].mismatch {
                all.push(Finding::NeverMatches {
                    alternative: places.get(&index).cloned(),
                    field: fields[index].path.to_string(),
                    mismatch: mismatch.clone(),
                });
            }
        }
        if !never_matches {
            let alive = || own.iter().copied().filter(|fields| !fields.iter().any(is_dead));
            self.find_breadth(alive, &verdicts, own.len(), &mut all);
        }
        Findings { never_matches, all }
    }

    /// Finds out whether the pattern matches more than it seems to.
    fn find_breadth<'a, I: Iterator<Item = &'a Vec<usize>>>(
        &self,
        alternatives: impl Fn() -> I,
        verdicts: &[Verdict],
        count: usize,
        all: &mut Vec<Finding>,
    ) {
        let fields = &self.pattern.fields;
        let of_source = event::of_source(self.source);
        let nothing = Json::Null;
        let mut lookup = Lookup::new(&nothing);
        let of_source: Vec<_> = fields
            .iter()
            .map(|field| is_always(field, &lookup.find(&of_source, &field.path)))
            .collect();
        if alternatives().any(|asked| asked.iter().all(|index| of_source[*index])) {
            all.push(Finding::MatchesSource { source: self.source });
            return;
        }
        let asks = |asked: &[usize], path: &str| {
            asked.iter().any(|index| &*fields[*index].path == path && !of_source[*index])
        };
        let asks_source =
            |asked: &[usize]| asked.iter().any(|index| &*fields[*index].path == "source");
        if !alternatives().all(|asked| asks_source(asked)) {
            all.push(Finding::NotAsked { field: "source" });
        }
        let asks_type =
            |asked: &[usize]| asks(asked, "detail-type") || asks(asked, "detail.metadata.name");
        if !alternatives().all(|asked| asks_type(asked)) {
            all.push(Finding::NotAsked { field: "detail-type" });
        }
        for asked in alternatives().filter(|asked| asked.iter().all(|it| verdicts[*it].always)) {
            let paths = asked.iter().map(|index| &*fields[*index].path);
            let filters: Vec<_> =
                paths.filter(|path| !IDENTITY.contains(path)).map(str::to_owned).collect();
            if !filters.is_empty() || count > 1 {
                all.push(Finding::FiltersNothing { name: self.name, fields: filters });
                break;
            }
        }
    }

    fn verdict<'s>(&'s self, lookup: &mut Lookup<'s>, field: &Field) -> Verdict {
        let reach = lookup.find(&self.event, &field.path);
        let can_match = field.tests.iter().any(|test| match test {
            Test::Absent => reach.absent,
            test => reach.values.can_match(test),
        });
        let mismatch = (!can_match).then(|| self.mismatch(lookup, field, &reach.values));
        Verdict { mismatch, always: is_always(field, &reach) }
    }

    fn mismatch<'s>(&'s self, lookup: &Lookup<'s>, field: &Field, values: &Values) -> Mismatch {
        if values.is_empty() {
            let paths = lookup.paths(&self.event);
            let below = format!("{}.", field.path);
            if paths.iter().any(|path| path.starts_with(&below)) {
                return Mismatch::Object;
            }
            return Mismatch::NoSuchField { nearest: nearest(&field.path, &paths) };
        }
        let asked =
            field.tests.iter().fold(Kinds::NONE, |kinds, test| kinds | Kinds::of_test(test));
        let is = values.to_string();
        if asked == Kinds::NONE {
            Mismatch::Present
        } else if values.kinds().has(asked) {
            Mismatch::Value { is }
        } else {
            Mismatch::Kind { is }
        }
    }
}

/// Returns true if every event has the tested value.
///
/// Of what lies in lists this is never said, since it depends on the fields that were looked at
/// before.
fn is_always(field: &Field, reach: &Reach) -> bool {
    !reach.listed
        && (!reach.absent || field.allows_absence())
        && reach.values.all_match(&field.tests)
}

/// Returns true if the field says where an event comes from and what it is.
fn is_address(field: &Field) -> bool {
    ["source", "detail-type"].contains(&&*field.path)
}

/// Finds the alternative in which each field stands.
fn find_places(outline: &Outline, place: &str, places: &mut BTreeMap<usize, String>) {
    for clause in outline.clauses() {
        match clause {
            Clause::Field(index) if place.is_empty() => _ = places.remove(index),
            Clause::Field(index) => _ = places.insert(*index, place.to_owned()),
            Clause::Or { path, branches } => {
                for (index, branch) in branches.iter().enumerate() {
                    let dot = if place.is_empty() { "" } else { "." };
                    find_places(branch, &format!("{place}{dot}{path}[{index}]"), places);
                }
            }
        }
    }
}

/// The path that is meant, if one is near.
fn nearest(path: &str, paths: &[String]) -> Option<String> {
    let rest = path.strip_prefix("detail.").unwrap_or(path);
    let in_place = ["detail.data", "detail.metadata"].map(|above| format!("{above}.{rest}"));
    if let Some(meant) = in_place.into_iter().find(|meant| paths.contains(meant)) {
        return Some(meant);
    }
    let rest = rest.strip_prefix("data.").or(rest.strip_prefix("metadata.")).unwrap_or(rest);
    let most = (rest.chars().count() / 3).max(1);
    let distances = paths.iter().map(|known| (strsim::osa_distance(path, known), known));
    let (_, meant) = distances.filter(|(distance, _)| *distance <= most).min()?;
    Some(meant.clone())
}
