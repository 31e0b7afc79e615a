use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use setpiece_envelope::{DomainEvent as _, EventId, ServiceId};
use setpiece_testing::Outcome;

use crate::{
    choreography::READERS_OF_REGISTRATIONS,
    record::{Record, number, text},
    services::{
        communications::COMMUNICATIONS,
        loyalty::LOYALTY,
        promotions::{DiscountGenerated, PROMOTIONS},
    },
};

/// Number of mistakes that are told in words.
const MOST_TOLD: usize = 20;

/// Verdict on the promises.
///
/// It comes from comparing what was registered with what the bus has recorded and what is in the
/// tables in the end. What the services and the SDK say of themselves has no part in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// Effects beyond the one that each event has in each service, and accounts with more points
    /// than were awarded.
    pub effects_applied_twice: u64,
    /// Events that are not on the bus, effects that a service owes an event, and accounts with
    /// fewer points.
    pub events_lost: u64,
    /// Deliveries that nobody has acknowledged, events left in an outbox, and records that are in
    /// progress for ever.
    pub unfinished: u64,
    /// The first mistakes, in words.
    told: Vec<String>,
}

/// A registration as it was published.
pub(crate) struct Sent {
    pub(crate) line: u64,
    pub(crate) event_id: EventId,
    pub(crate) customer_id: String,
    pub(crate) price_cents: u32,
}

impl Sent {
    /// A point for each unit of money, and ten at least: what the business has promised, said once
    /// more.
    fn points(&self) -> i64 {
        i64::from(self.price_cents / 100).max(10)
    }
}

impl Verdict {
    pub(crate) fn of(sent: &[Sent], record: &Record, outcome: &Outcome) -> Self {
        let mut verdict = Self::default();
        let mut balances: HashMap<&str, i64> = HashMap::new();
        let mut known: HashSet<&str> = HashSet::new();
        for registration in sent {
            *balances.entry(&registration.customer_id).or_default() += registration.points();
            known.insert(registration.event_id.as_str());
            let discounts = verdict.judge(registration, record);
            known.extend(discounts);
        }
        for (customer, expected) in &balances {
            let found = record.balances.get(*customer).copied().unwrap_or(0);
            verdict.compare("points of a customer", found, *expected);
        }
        for (service, cause, items) in record.causes() {
            if !known.contains(cause) {
                let words = format_args!("{service} did something about {cause}, which is unknown");
                verdict.twice(items as u64, words);
            }
        }
        let left = [
            (outcome.unacknowledged().len(), "deliveries are not acknowledged"),
            (outcome.outbox(), "events are left in an outbox"),
            (outcome.claims(), "records are left in progress"),
        ];
        for (count, what) in left.into_iter().filter(|(count, _)| *count > 0) {
            verdict.unfinished += count as u64;
            verdict.tell(format_args!("{count} {what}"));
        }
        verdict
    }

    /// Judges what became of one registration, and returns the discounts that were announced.
    fn judge<'r>(&mut self, sent: &Sent, record: &'r Record) -> Vec<&'r str> {
        let registered = &sent.event_id;
        for service in READERS_OF_REGISTRATIONS {
            self.once(service, registered, record);
        }
        if let [award] = record.effects(LOYALTY, registered) {
            let points = number(award, "points").unwrap_or(0);
            self.compare(&format!("points for {registered}"), points, sent.points());
        }
        let events = record.events(registered).iter();
        let discounts: Vec<&EventId> = events
            .filter(|it| it.name == DiscountGenerated::NAME)
            .filter(|it| it.causation_id.as_ref() == Some(registered))
            .map(|it| &it.event_id)
            .collect();
        let count = i64::try_from(discounts.len()).unwrap_or(i64::MAX);
        self.compare(&format!("discounts announced for {registered}"), count, 1);
        let code = record.effects(PROMOTIONS, registered).first().and_then(|it| text(it, "code"));
        for discount in &discounts {
            self.once(COMMUNICATIONS, discount, record);
            let mails = record.effects(COMMUNICATIONS, discount).iter();
            let mut texts = mails.filter_map(|mail| text(mail, "text"));
            if !texts.all(|text| code.is_some_and(|code| text.contains(code))) {
                self.lost(1, format_args!("the e-mail for {discount} has another code"));
            }
        }
        discounts.into_iter().map(EventId::as_str).collect()
    }

    /// Each service has one effect for an event, and has had it once.
    fn once(&mut self, service: ServiceId, cause: &EventId, record: &Record) {
        let items = record.effects(service, cause).iter();
        let times = items.map(|item| number(item, "times").unwrap_or(0)).sum();
        self.compare(&format!("effects of {cause} in {}", service.service()), times, 1);
    }

    fn compare(&mut self, what: &str, found: i64, expected: i64) {
        let words = format_args!("{what}: {found} instead of {expected}");
        if found > expected {
            self.twice(found.abs_diff(expected), words);
        } else if found < expected {
            self.lost(found.abs_diff(expected), words);
        }
    }

    fn twice(&mut self, count: u64, words: impl fmt::Display) {
        self.effects_applied_twice += count;
        self.tell(words);
    }

    fn lost(&mut self, count: u64, words: impl fmt::Display) {
        self.events_lost += count;
        self.tell(words);
    }

    fn tell(&mut self, words: impl fmt::Display) {
        if self.told.len() < MOST_TOLD {
            self.told.push(words.to_string());
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        let Self { effects_applied_twice, events_lost, unfinished, told } = other;
        self.effects_applied_twice += effects_applied_twice;
        self.events_lost += events_lost;
        self.unfinished += unfinished;
        self.told.extend(told);
        self.told.truncate(MOST_TOLD);
    }

    /// Returns true if all of them were kept.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.effects_applied_twice == 0 && self.events_lost == 0 && self.unfinished == 0
    }
}

/// The counts, and the first mistakes.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { effects_applied_twice, events_lost, unfinished, told } = self;
        write!(
            f,
            "{effects_applied_twice} effects applied twice, {events_lost} events lost, \
             {unfinished} unfinished"
        )?;
        told.iter().try_for_each(|it| write!(f, "\n  {it}"))
    }
}

#[cfg(test)]
mod tests;
