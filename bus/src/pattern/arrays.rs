//! Finds out whether fields match within the same elements of arrays.
//!
//! AWS goes through the fields of a rule in the order of their paths. Each value that it takes ties
//! the rest to the elements of arrays in which that value lies; of another array with the same
//! path, it takes values freely. A field that must be absent is looked for among the values that
//! are still free at that point. AWS tries one way after the other, which for two arrays side by
//! side is the product of their lengths, and for three of them a cube.
//!
//! Here all ways are followed at once, and what does not matter to later fields is forgotten, so
//! that ways become equal. When the fields of one array are done, a single way goes on to the next.

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    ops::Range,
};

use super::{
    error::{EventError, EventReason},
    event::{ElementId, ParsedEvent, ROOT},
};

/// A field of a rule, looked up in an event.
pub(crate) struct Condition<'f> {
    /// The elements in which the event has the field, in order.
    pub(crate) here: &'f [ElementId],
    /// Those where it matches, in order.
    pub(crate) matching: &'f [ElementId],
    /// True if it may also be absent.
    pub(crate) optional: bool,
}

/// The steps that a call has left.
///
/// They belong to the call, so that an event which is made to cost costs one rule and ten thousand
/// of them alike.
#[derive(Debug)]
pub(crate) struct Effort {
    left: usize,
}

impl Effort {
    pub(crate) const MOST: usize = 1 << 24;

    #[cfg(test)]
    pub(crate) fn spent(&self) -> usize {
        Self::MOST - self.left
    }

    /// The error of a call that has no steps left.
    #[cold]
    pub(crate) fn exceeded() -> EventError {
        EventError::new(EventReason::TooManySteps { limit: Self::MOST }, 0)
    }

    /// Takes a number of steps, if they are left; `None` from then on.
    pub(crate) fn take(&mut self, steps: usize) -> Option<()> {
        let left = self.left.checked_sub(steps);
        self.left = left.unwrap_or(0);
        left.map(drop)
    }
}

impl Default for Effort {
    fn default() -> Self {
        Self { left: Self::MOST }
    }
}

/// The innermost elements to which a way is tied, in order; it is tied to those around them, too.
type Way = Vec<ElementId>;

/// Finds out whether there is a way through all fields; `None` where the effort does not suffice.
pub(crate) fn consistent(
    conditions: &[Condition<'_>],
    event: &ParsedEvent<'_>,
    effort: &mut Effort,
) -> Option<bool> {
    Search { event, last_use: HashMap::new(), effort }.run(conditions)
}

/// A search for a way, which gives `None` when the effort ends.
struct Search<'s, 'e> {
    event: &'s ParsedEvent<'e>,
    /// For each array the last field that has values in it.
    last_use: HashMap<usize, usize>,
    effort: &'s mut Effort,
}

impl Search<'_, '_> {
    fn run(&mut self, conditions: &[Condition<'_>]) -> Option<bool> {
        self.find_last_uses(conditions)?;
        let mut ways = BTreeSet::from([Way::new()]);
        for (index, condition) in conditions.iter().enumerate() {
            let mut next = BTreeSet::new();
            for way in &ways {
                let taken = self.taken(way)?;
                for element in free(condition.matching, &taken) {
                    // A way takes space, too.
                    self.effort.take(16)?;
                    next.insert(self.go_on(way, element, index)?);
                    if index + 1 == conditions.len() {
                        return Some(true);
                    }
                }
                if condition.optional && free(condition.here, &taken).next().is_none() {
                    next.insert(self.go_on(way, ROOT, index)?);
                }
            }
            ways = next;
        }
        Some(!ways.is_empty())
    }

    fn find_last_uses(&mut self, conditions: &[Condition<'_>]) -> Option<()> {
        for (index, condition) in conditions.iter().enumerate().rev() {
            for element in condition.here {
                let mut element = *element;
                // What is around an array in use is in use.
                while let Some(outer) = self.event.outer(element) {
                    self.effort.take(1)?;
                    match self.last_use.entry(self.event.array(element)) {
                        Entry::Occupied(_) => break,
                        Entry::Vacant(vacant) => vacant.insert(index),
                    };
                    element = outer;
                }
            }
        }
        Some(())
    }

    /// The elements that a way rules out, in order and apart: those beside the ones it is tied to.
    fn taken(&mut self, way: &Way) -> Option<Vec<Range<ElementId>>> {
        let mut taken = Vec::new();
        for element in way {
            let mut element = *element;
            while let Some(outer) = self.event.outer(element) {
                self.effort.take(1)?;
                let (own, all) = (
                    self.event.within(element),
                    self.event.within_array(self.event.array(element)),
                );
                taken.extend([all.start..own.start, own.end..all.end]);
                element = outer;
            }
        }
        taken.retain(|range| !range.is_empty());
        taken.sort_unstable_by_key(|range| (range.start, range.end));
        Some(taken)
    }

    /// The way that is also tied to `element`, as far as it matters after the field `index`.
    fn go_on(&mut self, way: &Way, element: ElementId, index: usize) -> Option<Way> {
        let mut next = Way::new();
        for element in way.iter().copied().chain([element]) {
            let mut element = element;
            while let Some(outer) = self.event.outer(element) {
                self.effort.take(1)?;
                if self.last_use.get(&self.event.array(element)).is_some_and(|last| *last > index) {
                    next.push(element);
                    break;
                }
                element = outer;
            }
        }
        next.sort_unstable();
        next.dedup();
        self.effort.take(next.len() * next.len())?;
        // An element says all about those around it.
        let around: Vec<_> = next
            .iter()
            .filter(|outer| {
                next.iter()
                    .any(|inner| inner != *outer && self.event.within(**outer).contains(inner))
            })
            .copied()
            .collect();
        next.retain(|element| !around.contains(element));
        Some(next)
    }
}

/// The elements that are not taken.
fn free<'f>(
    elements: &'f [ElementId],
    taken: &[Range<ElementId>],
) -> impl Iterator<Item = ElementId> + use<'f> {
    let mut free = Vec::new();
    let mut rest = elements;
    for range in taken {
        let before = rest.partition_point(|element| *element < range.start);
        free.push(&rest[..before]);
        let after = rest.partition_point(|element| *element < range.end);
        rest = &rest[after..];
    }
    free.push(rest);
    free.into_iter().flatten().copied()
}
