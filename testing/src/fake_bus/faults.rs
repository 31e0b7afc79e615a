use std::{collections::VecDeque, fmt, sync::Arc, time::Duration};

use setpiece_envelope::Metadata;
use setpiece_policy::{Random as _, SeededRandom};

use super::{CallError, PutEventsEntry, PutEventsResult};
use crate::chance::{Chance, unit};

/// Entries that are to fail, though nothing is wrong with them: for
/// [`FakeBus::fail_entries`](super::FakeBus::fail_entries).
///
/// Without further words, it is the next entry that fails, once.
///
/// ```
/// use setpiece_testing::{EntryFault, FakeBus};
///
/// let bus = FakeBus::new();
/// // The entry at index 2 of the next call.
/// bus.fail_entries(EntryFault::throttled().in_next_call(2));
/// // The eighth entry of all from now on, in whichever call it is.
/// bus.fail_entries(EntryFault::code("InternalFailure").nth(7));
/// // The first three of that name, and all with that source.
/// bus.fail_entries(EntryFault::throttled().named("order_submitted").times(3));
/// bus.fail_entries(
///     EntryFault::code("NotAuthorizedForSourceException")
///         .when(|entry| entry.source.as_deref() == Some("retail.legacy"))
///         .always(),
/// );
/// ```
#[derive(Clone)]
#[must_use = "hand it to the bus"]
pub struct EntryFault {
    code: String,
    message: String,
    which: Which,
    times: Option<u32>,
}

#[derive(Clone)]
enum Which {
    Any,
    /// Only as long as the next call goes on.
    InNextCall {
        index: usize,
        has_begun: bool,
    },
    /// So many entries are still to come before it.
    After(u64),
    Named(String),
    When(Arc<dyn Fn(&PutEventsEntry) -> bool + Send + Sync>),
}

impl EntryFault {
    /// Entries that are throttled: `ThrottlingException`.
    pub fn throttled() -> Self {
        Self::code("ThrottlingException").message("Rate exceeded")
    }

    /// Entries that fail with this code.
    pub fn code(code: impl Into<String>) -> Self {
        let code = code.into();
        Self { message: format!("{code} on demand"), code, which: Which::Any, times: Some(1) }
    }

    /// With this message.
    pub fn message(self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self }
    }

    /// Only the entry at `index` of the next call, from 0.
    pub fn in_next_call(self, index: usize) -> Self {
        Self { which: Which::InNextCall { index, has_begun: false }, ..self }
    }

    /// Only the `n`-th entry, from 0, of all that come from now on.
    pub fn nth(self, n: u64) -> Self {
        Self { which: Which::After(n), ..self }
    }

    /// Only events whose metadata have this name.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { which: Which::Named(name.into()), ..self }
    }

    /// Only entries for which this holds.
    pub fn when(self, holds: impl Fn(&PutEventsEntry) -> bool + Send + Sync + 'static) -> Self {
        Self { which: Which::When(Arc::new(holds)), ..self }
    }

    /// So many of them.
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    /// However many there are.
    pub fn always(self) -> Self {
        Self { times: None, ..self }
    }

    fn strikes(
        &mut self,
        index: usize,
        entry: &PutEventsEntry,
        metadata: Option<&Metadata>,
    ) -> bool {
        let is_meant = match &mut self.which {
            Which::Any | Which::After(0) => true,
            Which::InNextCall { index: at, .. } => *at == index,
            Which::After(left) => {
                *left -= 1;
                false
            }
            Which::Named(name) => metadata.is_some_and(|metadata| metadata.name == *name),
            Which::When(holds) => holds(entry),
        };
        if is_meant && let Some(times) = &mut self.times {
            *times = times.saturating_sub(1);
        }
        is_meant
    }

    /// Returns true if it can strike no more.
    fn is_spent(&self) -> bool {
        self.times == Some(0)
    }
}

impl fmt::Debug for EntryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntryFault")
            .field("code", &self.code)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

/// Calls that are to fail as a whole: for [`FakeBus::fail_calls`](super::FakeBus::fail_calls).
///
/// Without further words, it is the next call, once. Several of them follow each other.
///
/// ```
/// use setpiece_testing::{CallFault, FakeBus, PutEventsAnswer, PutEventsEntry};
///
/// let bus = FakeBus::new();
/// bus.fail_calls(CallFault::answer_lost());
/// let entry = PutEventsEntry::new("retail.orders", "order_submitted", "{}");
/// assert_eq!(bus.put_events(vec![entry]), PutEventsAnswer::Lost);
/// assert_eq!(bus.events().len(), 1); // it has the event all the same
/// ```
#[derive(Clone, Debug)]
#[must_use = "hand it to the bus"]
pub struct CallFault {
    trouble: CallTrouble,
    after: u64,
    times: Option<u32>,
}

/// Trouble of a call.
#[derive(Clone, Debug)]
pub(super) enum CallTrouble {
    Refused(CallError),
    Lost,
    Unreachable,
}

impl CallFault {
    /// The call is refused, and no entry is taken.
    pub fn refused(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(CallTrouble::Refused(CallError::new(status, code, message)))
    }

    /// The entries are dealt with, and the answer gets lost.
    pub fn answer_lost() -> Self {
        Self::new(CallTrouble::Lost)
    }

    /// No connection comes about, and no entry is taken.
    pub fn unreachable() -> Self {
        Self::new(CallTrouble::Unreachable)
    }

    fn new(trouble: CallTrouble) -> Self {
        Self { trouble, after: 0, times: Some(1) }
    }

    /// Lets so many calls pass first.
    pub fn after(self, calls: u64) -> Self {
        Self { after: calls, ..self }
    }

    /// So many of them.
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    /// However many there are.
    pub fn always(self) -> Self {
        Self { times: None, ..self }
    }
}

/// Trouble by chance, the same for the same seed: for
/// [`FakeBus::with_faults`](super::FakeBus::with_faults).
///
/// Each kind of trouble draws from a sequence of its own, so that adding one does not change when
/// the others strike. A clone begins anew.
///
/// ```
/// use std::time::Duration;
/// use setpiece_testing::{FakeBus, Faults};
///
/// let faults = Faults::seeded(7)
///     .throttle(0.05)
///     .lose_answers(0.01)
///     .duplicate(0.3)
///     .reorder()
///     .delay(Duration::from_secs(60));
/// let bus = FakeBus::new().with_faults(faults);
/// ```
#[derive(Clone, Debug)]
#[must_use = "hand it to the bus"]
pub struct Faults {
    throttle: Chance,
    fail: Chance,
    lose_answers: Chance,
    unreachable: Chance,
    duplicate: Chance,
    reorder: Chance,
    late: Chance,
    longest_delay: Duration,
}

impl Faults {
    /// No trouble yet, with the chance of `seed` for what follows.
    pub fn seeded(seed: u64) -> Self {
        let seeds = SeededRandom::new(seed);
        let chance = || Chance::seeded(seeds.next_u64());
        Self {
            throttle: chance(),
            fail: chance(),
            lose_answers: chance(),
            unreachable: chance(),
            duplicate: chance(),
            reorder: chance(),
            late: chance(),
            longest_delay: Duration::ZERO,
        }
    }

    /// Throttles each entry with this probability.
    ///
    /// # Panics
    ///
    /// When it is no probability: less than 0 or more than 1.
    #[track_caller]
    pub fn throttle(mut self, probability: f64) -> Self {
        self.throttle.set(probability);
        self
    }

    /// Fails each entry with `InternalFailure` with this probability.
    ///
    /// # Panics
    ///
    /// When it is no probability: less than 0 or more than 1.
    #[track_caller]
    pub fn fail(mut self, probability: f64) -> Self {
        self.fail.set(probability);
        self
    }

    /// Loses the answer to each call with this probability, after its entries were dealt with.
    ///
    /// # Panics
    ///
    /// When it is no probability: less than 0 or more than 1.
    #[track_caller]
    pub fn lose_answers(mut self, probability: f64) -> Self {
        self.lose_answers.set(probability);
        self
    }

    /// Refuses the connection for each call with this probability, before anything is taken.
    ///
    /// # Panics
    ///
    /// When it is no probability: less than 0 or more than 1.
    #[track_caller]
    pub fn refuse_connections(mut self, probability: f64) -> Self {
        self.unreachable.set(probability);
        self
    }

    /// Delivers an event to a target a second time with this probability.
    ///
    /// # Panics
    ///
    /// When it is no probability: less than 0 or more than 1.
    #[track_caller]
    pub fn duplicate(mut self, probability: f64) -> Self {
        self.duplicate.set(probability);
        self
    }

    /// Delivers what waits in any order.
    pub fn reorder(mut self) -> Self {
        self.reorder.probability = 1.0;
        self
    }

    /// Delivers each event up to `longest` after its time, to each target by a delay of its own.
    pub fn delay(mut self, longest: Duration) -> Self {
        self.longest_delay = longest;
        self
    }
}

/// All trouble that is planned.
#[derive(Default)]
pub(super) struct FaultPlan {
    pub(super) entries: Vec<EntryFault>,
    pub(super) calls: VecDeque<CallFault>,
    pub(super) seeded: Option<Faults>,
}

impl FaultPlan {
    /// Returns true if a delivery is made twice.
    pub(super) fn duplicates(&self) -> bool {
        self.seeded.as_ref().is_some_and(|faults| faults.duplicate.strikes())
    }

    /// Returns a number that decides about the turns of deliveries that are due at the same time.
    pub(super) fn order(&self) -> u64 {
        match &self.seeded {
            Some(Faults { reorder, .. }) if reorder.probability > 0.0 => reorder.random.next_u64(),
            Some(_) | None => 0,
        }
    }

    /// By how much a delivery is late.
    pub(super) fn delay(&self) -> Duration {
        match &self.seeded {
            Some(Faults { longest_delay, late, .. }) if !longest_delay.is_zero() => {
                longest_delay.mul_f64(unit(late.random.next_u64()))
            }
            Some(_) | None => Duration::ZERO,
        }
    }

    /// Returns the trouble of the call that begins.
    pub(super) fn next_call(&mut self) -> Option<CallTrouble> {
        self.entries.retain_mut(|fault| match &mut fault.which {
            Which::InNextCall { has_begun, .. } => !std::mem::replace(has_begun, true),
            _ => true,
        });
        if let Some(fault) = self.calls.front_mut() {
            if let Some(left) = fault.after.checked_sub(1) {
                fault.after = left;
            } else {
                let trouble = fault.trouble.clone();
                let times = fault.times.map(|times| times.saturating_sub(1));
                fault.times = times;
                if times == Some(0) {
                    self.calls.pop_front();
                }
                return Some(trouble);
            }
        }
        let seeded = self.seeded.as_ref()?;
        // Each is asked each time, so that one does not shift when the other strikes.
        let (unreachable, lost) = (seeded.unreachable.strikes(), seeded.lose_answers.strikes());
        match (unreachable, lost) {
            (true, _) => Some(CallTrouble::Unreachable),
            (false, true) => Some(CallTrouble::Lost),
            (false, false) => None,
        }
    }

    /// Returns the trouble of the entry at `index` of the call.
    pub(super) fn next_entry(
        &mut self,
        index: usize,
        entry: &PutEventsEntry,
        metadata: Option<&Metadata>,
    ) -> Option<PutEventsResult> {
        let mut failed = None;
        for fault in &mut self.entries {
            // One fault is enough, but those that count entries have to see each of them.
            let is_counting = matches!(fault.which, Which::After(_));
            if failed.is_some() && !is_counting {
                continue;
            }
            if fault.strikes(index, entry, metadata) && failed.is_none() {
                failed = Some(PutEventsResult::failed(&fault.code, fault.message.as_str()));
            }
        }
        self.entries.retain(|fault| !fault.is_spent());
        let seeded = self.seeded.as_ref();
        let throttled = seeded.is_some_and(|faults| faults.throttle.strikes());
        let broken = seeded.is_some_and(|faults| faults.fail.strikes());
        failed.or_else(|| match (throttled, broken) {
            (true, _) => Some(PutEventsResult::failed("ThrottlingException", "Rate exceeded")),
            (false, true) => {
                Some(PutEventsResult::failed("InternalFailure", "The service failed internally."))
            }
            (false, false) => None,
        })
    }
}
