use std::{
    fmt,
    marker::PhantomData,
    mem,
    pin::{Pin, pin},
};

use futures_util::{
    future::{join, select},
    stream::{FuturesUnordered, StreamExt as _, iter},
};
use setpiece_envelope::EventId;
use setpiece_policy::{Deadline, Disposition, Fault, FaultKind, GiveUp, RetryBudget, Withdrawal};

use super::{Draft, Kept, PublishError, Published, Publisher, Unaccepted, fault, pack::pack};
use crate::{Bus, ClaimCheck, EntryResult, InvalidEvent, OutgoingEvent};

/// Events that are being published: a future, and the events that it is about.
///
/// Most callers just await it. The output is one [`Published`] for each event, in the order in
/// which they were given, or a [`PublishError`] that holds those that were not accepted.
///
/// # Cancelling
///
/// A future that is dropped takes its events with it, and whoever dropped it knows nothing about
/// them: each may have been published or not. Who stops waiting on purpose, such as with `select!`,
/// keeps the publication and drops only what [`run`](Self::run) returned:
///
/// ```
/// # use setpiece_bus::{Bus, PublishError, Publication};
/// # use futures_util::future::{Either, select};
/// # use std::pin::pin;
/// async fn publish_until(
///     mut publication: Publication<'_, impl Bus>,
///     shutdown: impl Future<Output = ()>,
/// ) -> Result<(), PublishError> {
///     select(pin!(publication.run()), pin!(shutdown)).await;
///     // What was not accepted by now is in the error, to be stored.
///     publication.finish().map(|_| ())
/// }
/// ```
///
/// Then, at whichever point it was dropped, [`finish`](Self::finish) tells the events that were
/// accepted from those of which that is not known. The latter
/// [may have been](Fault::may_have_happened) if their request had been sent. And `run` may be called
/// once more instead, and goes on with these, under the same ids.
#[must_use = "events are published when this is awaited"]
pub struct Publication<'p, B, T = Vec<Published>> {
    publisher: &'p Publisher<B>,
    deadline: Deadline,
    events: Vec<Event>,
    states: Vec<State>,
    output: PhantomData<fn() -> T>,
}

/// What an awaited [`Publication`] gives: one [`Published`], or all of them.
pub trait PublicationOutput: Sized {
    /// `None` when there is another number of events.
    #[doc(hidden)]
    fn of(published: Vec<Published>) -> Option<Self>;
}

impl PublicationOutput for Vec<Published> {
    fn of(published: Vec<Published>) -> Option<Self> {
        Some(published)
    }
}

impl PublicationOutput for Published {
    fn of(published: Vec<Published>) -> Option<Self> {
        published.into_iter().next()
    }
}

struct Event {
    id: EventId,
    name: Box<str>,
    kept: Kept,
}

enum State {
    /// It is to be sent, for the first time or again.
    Waiting(Past),
    /// It is in a request whose answer has not come.
    Sent(Past),
    Accepted(Published),
    /// It is not to be sent again.
    Refused(Fault),
}

/// What happened to an event that waits.
#[derive(Default)]
struct Past {
    /// Why it was not accepted the last time.
    fault: Option<Fault>,
    /// Retries of faults that allow only so many.
    capped: u32,
    /// Whether it may have been accepted in any of the tries.
    may_have_happened: bool,
    /// Whether it is sent in a request of its own, to find out which entry is refused.
    is_alone: bool,
    /// Whether its data is in a store.
    is_stored: bool,
}

impl<'p, B: Bus, T> Publication<'p, B, T> {
    pub(super) fn new(
        publisher: &'p Publisher<B>,
        deadline: Deadline,
        drafts: impl IntoIterator<Item = Draft>,
    ) -> Self {
        let (events, states) = drafts
            .into_iter()
            .map(|Draft { event_id, name, event, fault }| {
                let state = fault.map_or_else(|| State::Waiting(Past::default()), State::Refused);
                (Event { id: event_id, name, kept: event }, state)
            })
            .unzip();
        Self { publisher, deadline, events, states, output: PhantomData }
    }

    /// The ids of the events, in the order in which they were given.
    pub fn event_ids(&self) -> impl Iterator<Item = &EventId> {
        self.events.iter().map(|event| &event.id)
    }

    /// Sends the events until each is accepted or refused, or until the deadline.
    ///
    /// At the deadline it does not wait for answers any more. The future may be dropped at any
    /// time, and this may be called again.
    pub async fn run(&mut self) {
        let retry = &self.publisher.retry;
        let remaining = self.deadline.remaining(retry.clock());
        self.resume();
        {
            let rounds = pin!(self.run_rounds());
            let timer = pin!(retry.sleep(remaining));
            select(rounds, timer).await;
        }
        self.resume();
        self.give_up(GiveUp::NoTime);
    }

    /// Sends what waits, and again what has to be, until nothing waits or it is of no use.
    async fn run_rounds(&mut self) {
        let retry = &self.publisher.retry;
        // What retries cost is paid for each request, by `send`.
        let unpaid = retry.clone().with_budget(RetryBudget::new(u32::MAX));
        let mut attempts = unpaid.attempts(self.deadline);
        loop {
            let (large, ready) = self.waiting();
            if large.is_empty() && ready.is_empty() {
                return;
            }
            if let Err(why) = attempts.start() {
                return self.give_up(why);
            }
            let Self { publisher, deadline, events, states, output: _ } = self;
            // A store that does not answer keeps only those events that need it.
            let stored = store(publisher, events, &large);
            let sent = send(publisher, *deadline, events, states, &ready);
            let (stored, ()) = join(stored, sent).await;
            let stored = self.settle_stored(stored);
            let Self { publisher, deadline, events, states, output: _ } = self;
            send(publisher, *deadline, events, states, &stored).await;
            let Some(pace) = self.pace() else { return };
            match attempts.next(&pace) {
                Ok(delay) => retry.sleep(delay).await,
                Err(why) => return self.give_up(why),
            }
        }
    }

    /// Ends the publication with what is known.
    ///
    /// # Errors
    ///
    /// [`PublishError`] when not all events are known to be accepted.
    pub fn finish(mut self) -> Result<T, PublishError>
    where
        T: PublicationOutput,
    {
        self.resume();
        let mut accepted = Vec::new();
        let mut unaccepted = Vec::new();
        let all = self.events.into_iter().zip(self.states).enumerate();
        for (index, (Event { id, name, kept }, state)) in all {
            let fault = match state {
                State::Accepted(published) => {
                    accepted.push((index, published));
                    continue;
                }
                State::Refused(fault) => fault,
                State::Waiting(past) | State::Sent(past) => past.abandoned(),
            };
            unaccepted.push(Unaccepted::new(index, (id, name), kept, fault));
        }
        if !unaccepted.is_empty() {
            return Err(PublishError::new(accepted, unaccepted));
        }
        let published = accepted.into_iter().map(|(_, published)| published).collect();
        match T::of(published) {
            Some(output) => Ok(output),
            None => unreachable!("the one event that was given is accepted or not"),
        }
    }

    /// Takes back what was in a request whose answer will not come any more.
    fn resume(&mut self) {
        for state in &mut self.states {
            if let State::Sent(past) = state {
                *state = State::Waiting(Past { may_have_happened: true, ..mem::take(past) });
            }
        }
    }

    /// The events that wait to be sent: those that are to go by reference and are still whole, and
    /// the others. Those that can do neither are refused.
    fn waiting(&mut self) -> (Vec<usize>, Vec<usize>) {
        let Self { publisher, deadline: _, events, states, output: _ } = self;
        let limits = publisher.bus.limits();
        let threshold = publisher.claim_check.as_ref().map(ClaimCheck::threshold);
        let (mut large, mut ready) = (Vec::new(), Vec::new());
        for (index, (event, state)) in events.iter().zip(states).enumerate() {
            let (Kept::Outgoing(outgoing), State::Waiting(past)) = (&event.kept, &mut *state)
            else {
                continue;
            };
            let size = (limits.size)(outgoing);
            match threshold {
                Some(threshold) if !past.is_stored && size > limits.max_bytes.min(threshold) => {
                    large.push(index);
                }
                _ if size > limits.max_bytes => {
                    let invalid = InvalidEvent::TooLarge { size, limit: limits.max_bytes };
                    *state = State::Refused(fault(invalid));
                }
                _ => ready.push(index),
            }
        }
        (large, ready)
    }

    /// Notes which events go by reference now.
    fn settle_stored(&mut self, stored: Vec<(usize, Result<OutgoingEvent, Fault>)>) -> Vec<usize> {
        let mut settled = Vec::new();
        for (index, result) in stored {
            let State::Waiting(past) = &mut self.states[index] else { continue };
            let past = mem::take(past);
            self.states[index] = match result {
                Ok(referring) => {
                    self.events[index].kept = Kept::Outgoing(referring);
                    settled.push(index);
                    State::Waiting(Past { is_stored: true, ..Past::default() })
                }
                // Whatever became of the payload, the event was not sent.
                Err(fault) => past.after(fault.with_may_have_happened(false)),
            };
        }
        settled
    }

    /// The fault by which all that waits has to wait, if anything does.
    fn pace(&self) -> Option<Fault> {
        let mut pace = None;
        let mut after = None;
        for state in &self.states {
            let State::Waiting(past) = state else { continue };
            let fault = past.fault.as_ref();
            let is_throttled = fault.is_some_and(|it| it.kind() == FaultKind::Throttled);
            pace = Some(is_throttled || pace == Some(true));
            after = after.max(fault.and_then(Fault::retry_after));
        }
        let pace = if pace? {
            Fault::throttled("events were throttled")
        } else {
            Fault::transient("events were not accepted").with_may_have_happened(false)
        };
        Some(match after {
            Some(after) => pace.with_retry_after(after),
            None => pace,
        })
    }

    fn give_up(&mut self, why: GiveUp) {
        for state in &mut self.states {
            state.give_up(why);
        }
    }
}

impl State {
    /// Refuses what waits.
    fn give_up(&mut self, why: GiveUp) {
        if let Self::Waiting(past) = self {
            let past = mem::take(past);
            let fault = match &past.fault {
                Some(fault) => fault.clone(),
                None => Fault::deadline("there was no time to publish the event"),
            };
            *self = Self::Refused(past.remember(fault).given_up(why));
        }
    }
}

impl Past {
    /// What becomes of an event when it fails once more.
    fn after(self, fault: Fault) -> State {
        match fault.disposition() {
            Disposition::RetryHere { .. } => {}
            Disposition::FailItem | Disposition::Quarantine => {
                return State::Refused(self.remember(fault));
            }
        }
        let is_capped = fault.max_retries().is_some();
        if fault.max_retries().is_some_and(|max| self.capped >= max) {
            return State::Refused(self.remember(fault).given_up(GiveUp::CapReached));
        }
        State::Waiting(Self {
            capped: self.capped + u32::from(is_capped),
            may_have_happened: self.may_have_happened || fault.may_have_happened(),
            fault: Some(fault),
            is_alone: self.is_alone,
            is_stored: self.is_stored,
        })
    }

    fn abandoned(self) -> Fault {
        let fault = self.remember(Fault::deadline("publishing was abandoned"));
        match self.fault {
            Some(last) => fault.with_source(last),
            None => fault,
        }
    }

    /// The fault, and whether the event may have been accepted in any of the tries.
    fn remember(&self, fault: Fault) -> Fault {
        let may_have_happened = fault.may_have_happened() || self.may_have_happened;
        fault.with_may_have_happened(may_have_happened)
    }
}

/// An event in a request.
#[derive(Clone, Copy)]
struct Entry<'a> {
    index: usize,
    event: &'a OutgoingEvent,
}

/// Puts the data of the events at `large` where they can refer to it.
async fn store<B>(
    publisher: &Publisher<B>,
    events: &[Event],
    large: &[usize],
) -> Vec<(usize, Result<OutgoingEvent, Fault>)> {
    let Some(claim_check) = &publisher.claim_check else { return Vec::new() };
    let mut stored = Vec::with_capacity(large.len());
    for index in large {
        if let Kept::Outgoing(event) = &events[*index].kept {
            stored.push(async move { (*index, claim_check.check_in(event).await) });
        }
    }
    iter(stored).buffered(publisher.max_in_flight).collect().await
}

/// Sends the events at `ready` once, or those for which there is time.
async fn send<B: Bus>(
    publisher: &Publisher<B>,
    deadline: Deadline,
    events: &[Event],
    states: &mut [State],
    ready: &[usize],
) {
    let Publisher { bus, retry, max_in_flight, .. } = publisher;
    let limits = bus.limits();
    let all: Vec<Entry<'_>> = ready
        .iter()
        .filter_map(|index| match &events[*index].kept {
            Kept::Outgoing(event) => Some(Entry { index: *index, event }),
            Kept::Typed(_) => None,
        })
        .collect();
    let sizes = all.iter().map(|entry| match &states[entry.index] {
        // Nothing fits beside it.
        State::Waiting(Past { is_alone: true, .. }) => limits.max_bytes,
        _ => (limits.size)(entry.event),
    });
    let mut requests = pack(sizes, limits.max_entries, limits.max_bytes).into_iter();
    let mut in_flight = FuturesUnordered::new();
    loop {
        while in_flight.len() < *max_in_flight
            && !deadline.has_passed(retry.clock())
            && let Some(request) = requests.next()
        {
            let entries = &all[request];
            let Ok(payment) = pay(entries, states, retry.budget()) else { continue };
            for entry in entries {
                let state = &mut states[entry.index];
                if let State::Waiting(past) = state {
                    *state = State::Sent(mem::take(past));
                }
            }
            in_flight.push(async move {
                let sent: Vec<&OutgoingEvent> = entries.iter().map(|it| it.event).collect();
                (entries, payment, bus.put(&sent).await)
            });
        }
        let Some((entries, payment, answer)) = in_flight.next().await else { return };
        let bus_works = settle(entries, answer, states);
        match payment {
            Some(payment) if bus_works => payment.refund(),
            None if bus_works => retry.budget().reward(),
            Some(_) | None => {}
        }
    }
}

/// Pays for a request with these entries if it is a retry, or else gives them up.
fn pay(
    entries: &[Entry<'_>],
    states: &mut [State],
    budget: &RetryBudget,
) -> Result<Option<Withdrawal>, GiveUp> {
    let past = |entry: &Entry<'_>| match &states[entry.index] {
        State::Waiting(past) => past.fault.as_ref(),
        State::Sent(_) | State::Accepted(_) | State::Refused(_) => None,
    };
    // A lost answer costs more than a refusal.
    let worst = entries.iter().filter_map(past).max_by_key(|fault| fault.may_have_happened());
    let Some(worst) = worst else { return Ok(None) };
    if let Some(withdrawal) = budget.withdraw(worst) {
        return Ok(Some(withdrawal));
    }
    for entry in entries {
        states[entry.index].give_up(GiveUp::BudgetSpent);
    }
    Err(GiveUp::BudgetSpent)
}

/// Notes what became of each entry, and says whether the bus works: whether it decided about any
/// of them.
fn settle(
    entries: &[Entry<'_>],
    answer: Result<Vec<EntryResult>, Fault>,
    states: &mut [State],
) -> bool {
    let same_for_all = |fault: Fault| vec![Err(fault); entries.len()];
    let mut is_refused_together = false;
    let results = match answer {
        Ok(results) if results.len() == entries.len() => results,
        Ok(_) => same_for_all(Fault::transient("the bus answered about other entries")),
        Err(fault) => {
            // One of them may be to blame, and the others need not suffer for it.
            is_refused_together =
                entries.len() > 1 && fault.disposition() == Disposition::Quarantine;
            same_for_all(fault)
        }
    };
    let mut bus_works = false;
    for (Entry { index, event }, result) in entries.iter().zip(results) {
        let state = &mut states[*index];
        let State::Sent(past) = state else { continue };
        let past = mem::take(past);
        *state = match result {
            Ok(accepted) => State::Accepted(Published::new(event.event_id().clone(), accepted)),
            Err(fault) if is_refused_together => {
                State::Waiting(Past { fault: Some(fault), is_alone: true, ..past })
            }
            Err(fault) => past.after(fault),
        };
        bus_works |= !matches!(state, State::Waiting(_));
    }
    bus_works
}

impl<'p, B: Bus, T: PublicationOutput + 'p> IntoFuture for Publication<'p, B, T> {
    type Output = Result<T, PublishError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'p>>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            self.run().await;
            self.finish()
        })
    }
}

impl<B, T> fmt::Debug for Publication<'_, B, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let accepted = self.states.iter().filter(|state| matches!(state, State::Accepted(_)));
        f.debug_struct("Publication")
            .field("events", &self.events.len())
            .field("accepted", &accepted.count())
            .finish_non_exhaustive()
    }
}
