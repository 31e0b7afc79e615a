use std::{
    collections::VecDeque,
    fmt,
    marker::PhantomData,
    mem,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use futures_util::{
    future::{Either, select},
    stream::{FuturesUnordered, StreamExt as _},
};
use setpiece_envelope::EventId;
use setpiece_policy::{
    Attempts, Deadline, Disposition, Fault, FaultKind, GiveUp, Retry, RetryBudget, Withdrawal,
};

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
            let work = pin!(self.work());
            let timer = pin!(retry.sleep(remaining));
            select(work, timer).await;
        }
        self.resume();
        for state in &mut self.states {
            state.give_up(GiveUp::NoTime);
        }
    }

    /// Sends what waits, and again what has to be, until nothing waits or it is of no use.
    async fn work(&mut self) {
        let retry = &self.publisher.retry;
        // What retries cost is paid when they begin, by `Work`.
        let unpaid = retry.clone().with_budget(RetryBudget::new(u32::MAX));
        let Self { publisher, deadline, events, states, output: _ } = self;
        let attempts = unpaid.attempts(*deadline);
        let mut work = Work::new(publisher, *deadline, events, states, attempts);
        let waiting = work.waiting();
        work.line_up(&waiting);
        let mut sending = FuturesUnordered::new();
        let mut storing = FuturesUnordered::new();
        let mut pause = None;
        loop {
            if !deadline.has_passed(retry.clock()) {
                while storing.len() < publisher.max_in_flight
                    && let Some((index, event)) = work.next_to_store()
                {
                    storing.push(store(publisher, index, event));
                }
                while sending.len() < publisher.max_in_flight
                    && let Some(request) = work.next_request(sending.is_empty())
                {
                    sending.push(send(publisher, request));
                }
            }
            if pause.is_none()
                && let Some(delay) = work.time_to_retry()
            {
                pause = Some(Box::pin(retry.sleep(delay)));
            }
            if sending.is_empty() && storing.is_empty() && pause.is_none() {
                return;
            }
            // A store that does not answer keeps only the events that need it, and so does a
            // request: all others go on.
            let next = std::future::poll_fn(|context| {
                if let Poll::Ready(Some(stored)) = storing.poll_next_unpin(context) {
                    return Poll::Ready(Next::Stored(stored));
                }
                if let Poll::Ready(Some(answered)) = sending.poll_next_unpin(context) {
                    return Poll::Ready(Next::Answered(answered));
                }
                match &mut pause {
                    Some(pause) => pause.as_mut().poll(context).map(|()| Next::Retry),
                    None => Poll::Pending,
                }
            });
            match next.await {
                Next::Stored((index, result)) => work.settle_stored(index, result),
                Next::Answered((request, answer)) => work.settle(request, answer),
                Next::Retry => {
                    pause = None;
                    work.retry();
                }
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
    fn after(self, fault: Fault, retry: &Retry) -> State {
        match fault.disposition() {
            Disposition::RetryHere { .. } => {}
            Disposition::FailItem | Disposition::Quarantine => {
                return State::Refused(self.remember(fault));
            }
        }
        if retry.is_at_most_once() && (self.may_have_happened || fault.may_have_happened()) {
            return State::Refused(self.remember(fault).given_up(GiveUp::MayHaveHappened));
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

/// What comes next while events are on their way.
enum Next {
    Stored((usize, Result<OutgoingEvent, Fault>)),
    Answered((Request, Result<Vec<EntryResult>, Fault>)),
    /// What failed has waited long enough.
    Retry,
}

/// The entries of one request.
struct Request {
    entries: Vec<(usize, Arc<OutgoingEvent>)>,
    is_retry: bool,
}

/// The decisions about events that are on their way, without the waiting.
struct Work<'w, B> {
    publisher: &'w Publisher<B>,
    deadline: Deadline,
    events: &'w mut [Event],
    states: &'w mut [State],
    attempts: Attempts<'w>,
    /// To be stored before they are sent.
    large: VecDeque<usize>,
    /// To be sent, packed.
    requests: VecDeque<(Vec<usize>, bool)>,
    /// Stored by now, and to be sent.
    stored: Vec<usize>,
    /// Failed, and to be sent again after a pause.
    failed: Vec<usize>,
    /// What the latest retry has cost, until the bus shows that it works.
    paid: Option<Withdrawal>,
}

impl<'w, B: Bus> Work<'w, B> {
    fn new(
        publisher: &'w Publisher<B>,
        deadline: Deadline,
        events: &'w mut [Event],
        states: &'w mut [State],
        attempts: Attempts<'w>,
    ) -> Self {
        Self {
            publisher,
            deadline,
            events,
            states,
            attempts,
            large: VecDeque::new(),
            requests: VecDeque::new(),
            stored: Vec::new(),
            failed: Vec::new(),
            paid: None,
        }
    }

    fn waiting(&self) -> Vec<usize> {
        let states = self.states.iter().enumerate();
        let waiting = |(index, state)| matches!(state, &State::Waiting(_)).then_some(index);
        states.filter_map(waiting).collect()
    }

    /// Puts events where they wait for a store or for a request; those that can do neither are
    /// refused.
    fn line_up(&mut self, waiting: &[usize]) {
        let limits = self.publisher.bus.limits();
        let threshold = self.publisher.claim_check.as_ref().map(ClaimCheck::threshold);
        let mut ready = Vec::with_capacity(waiting.len());
        for &index in waiting {
            let Kept::Outgoing(event) = &self.events[index].kept else { continue };
            let size = (limits.size)(event);
            let is_large = |threshold: usize| size > limits.max_bytes.min(threshold);
            if !event.is_reference() && threshold.is_some_and(is_large) {
                self.large.push_back(index);
            } else if size > limits.max_bytes {
                self.refuse_oversized(index, size, limits.max_bytes);
            } else {
                ready.push(index);
            }
        }
        self.pack(&ready);
    }

    fn refuse_oversized(&mut self, index: usize, size: usize, limit: usize) {
        self.states[index] = State::Refused(fault(InvalidEvent::TooLarge { size, limit }));
    }

    fn pack(&mut self, ready: &[usize]) {
        let limits = self.publisher.bus.limits();
        let size = |index: &usize| match (&self.states[*index], &self.events[*index].kept) {
            // Nothing fits beside it.
            (State::Waiting(Past { is_alone: true, .. }), _) => limits.max_bytes,
            (_, Kept::Outgoing(event)) => (limits.size)(event),
            (_, Kept::Typed(_)) => 0,
        };
        for request in pack(ready.iter().map(size), limits.max_entries, limits.max_bytes) {
            let entries = ready[request].to_vec();
            let is_retry = entries.iter().any(|index| self.past_fault(*index).is_some());
            self.requests.push_back((entries, is_retry));
        }
    }

    /// Why the event was not accepted the last time.
    fn past_fault(&self, index: usize) -> Option<&Fault> {
        match &self.states[index] {
            State::Waiting(past) => past.fault.as_ref(),
            State::Sent(_) | State::Accepted(_) | State::Refused(_) => None,
        }
    }

    fn next_to_store(&mut self) -> Option<(usize, Arc<OutgoingEvent>)> {
        let index = self.large.pop_front()?;
        match &self.events[index].kept {
            Kept::Outgoing(event) => Some((index, Arc::clone(event))),
            Kept::Typed(_) => None,
        }
    }

    fn next_request(&mut self, is_idle: bool) -> Option<Request> {
        // What is being stored is worth waiting for while there is something else to do.
        let is_full = self.stored.len() >= self.publisher.bus.limits().max_entries;
        if self.requests.is_empty() && (is_idle || is_full) {
            let mut stored = mem::take(&mut self.stored);
            stored.sort_unstable();
            self.pack(&stored);
        }
        let (indexes, is_retry) = self.requests.pop_front()?;
        let mut entries = Vec::with_capacity(indexes.len());
        for index in indexes {
            let Kept::Outgoing(event) = &self.events[index].kept else { continue };
            if let State::Waiting(past) = &mut self.states[index] {
                let past = mem::take(past);
                self.states[index] = State::Sent(past);
                entries.push((index, Arc::clone(event)));
            }
        }
        Some(Request { entries, is_retry })
    }

    /// Notes whether an event goes by reference now.
    fn settle_stored(&mut self, index: usize, result: Result<OutgoingEvent, Fault>) {
        let State::Waiting(past) = &mut self.states[index] else { return };
        match result {
            Ok(referring) => {
                let limits = self.publisher.bus.limits();
                let size = (limits.size)(&referring);
                if size > limits.max_bytes {
                    // What is around the data is too large by itself.
                    return self.refuse_oversized(index, size, limits.max_bytes);
                }
                self.events[index].kept = Kept::Outgoing(Arc::new(referring));
                self.stored.push(index);
            }
            Err(fault) => {
                // Whatever became of the payload, the event was not sent.
                let fault = fault.with_may_have_happened(false);
                self.states[index] = mem::take(past).after(fault, &self.publisher.retry);
                self.note_failed(index);
            }
        }
    }

    fn note_failed(&mut self, index: usize) {
        if let State::Waiting(_) = self.states[index] {
            self.failed.push(index);
        }
    }

    /// Notes what became of each entry.
    fn settle(&mut self, request: Request, answer: Result<Vec<EntryResult>, Fault>) {
        let Request { entries, is_retry } = request;
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
        for ((index, event), result) in entries.into_iter().zip(results) {
            let State::Sent(past) = &mut self.states[index] else { continue };
            let past = mem::take(past);
            self.states[index] = match result {
                Ok(accepted) => State::Accepted(Published::new(event.event_id().clone(), accepted)),
                Err(fault) if is_refused_together => {
                    State::Waiting(Past { fault: Some(fault), is_alone: true, ..past })
                }
                Err(fault) => past.after(fault, &self.publisher.retry),
            };
            bus_works |= !matches!(self.states[index], State::Waiting(_));
            self.note_failed(index);
        }
        if bus_works {
            match self.paid.take() {
                Some(paid) => paid.refund(),
                None if is_retry => {}
                None => self.publisher.retry.budget().reward(),
            }
        }
    }

    /// How long what failed has to wait, once all else is on its way; `None` if nothing does.
    fn time_to_retry(&mut self) -> Option<Duration> {
        if self.failed.is_empty() || !self.requests.is_empty() {
            return None;
        }
        let remaining = self.deadline.remaining(self.publisher.retry.clock());
        let (mut is_throttled, mut after) = (false, None);
        let mut patient = Vec::with_capacity(self.failed.len());
        for index in mem::take(&mut self.failed) {
            let fault = self.past_fault(index);
            let asked = fault.and_then(Fault::retry_after);
            is_throttled |= fault.is_some_and(|it| it.kind() == FaultKind::Throttled);
            if asked.is_some_and(|asked| asked > remaining) {
                // The others need not wait for it.
                self.states[index].give_up(GiveUp::NoTime);
                continue;
            }
            after = after.max(asked);
            patient.push(index);
        }
        if patient.is_empty() {
            return None;
        }
        let pace = if is_throttled {
            Fault::throttled("events were throttled")
        } else {
            Fault::transient("events were not accepted")
        };
        let pace = pace.with_may_have_happened(false);
        let pace = match after {
            Some(after) => pace.with_retry_after(after),
            None => pace,
        };
        match self.attempts.next(&pace) {
            Ok(delay) => {
                self.failed = patient;
                Some(delay)
            }
            Err(why) => {
                self.give_up(&patient, why);
                None
            }
        }
    }

    /// Lines up what failed once more, if there is time and it can be paid.
    fn retry(&mut self) {
        let mut failed = mem::take(&mut self.failed);
        failed.sort_unstable();
        if let Err(why) = self.attempts.start() {
            return self.give_up(&failed, why);
        }
        // A lost answer costs more than a refusal.
        let faults = failed.iter().filter_map(|index| self.past_fault(*index));
        let worst = faults.max_by_key(|fault| fault.may_have_happened());
        let paid = worst.map(|fault| self.publisher.retry.budget().withdraw(fault));
        match paid {
            Some(None) => self.give_up(&failed, GiveUp::BudgetSpent),
            paid => {
                self.paid = paid.flatten();
                self.line_up(&failed);
            }
        }
    }

    fn give_up(&mut self, indexes: &[usize], why: GiveUp) {
        for index in indexes {
            self.states[*index].give_up(why);
        }
    }
}

/// Puts the data of an event where it can refer to it.
async fn store<B>(
    publisher: &Publisher<B>,
    index: usize,
    event: Arc<OutgoingEvent>,
) -> (usize, Result<OutgoingEvent, Fault>) {
    let Some(claim_check) = &publisher.claim_check else { return (index, Ok((*event).clone())) };
    let stored = within(publisher, claim_check.check_in(&event), || {
        Fault::transient("the payload store did not answer in time")
    });
    (index, stored.await)
}

/// Sends one request.
async fn send<B: Bus>(
    publisher: &Publisher<B>,
    request: Request,
) -> (Request, Result<Vec<EntryResult>, Fault>) {
    let entries: Vec<&OutgoingEvent> = request.entries.iter().map(|(_, event)| &**event).collect();
    let answer = within(publisher, publisher.bus.put(&entries), || {
        Fault::transient("the bus did not answer in time")
    });
    let answer = answer.await;
    drop(entries);
    (request, answer)
}

/// Waits for an answer as long as for any.
async fn within<B, T>(
    publisher: &Publisher<B>,
    call: impl Future<Output = Result<T, Fault>>,
    late: impl FnOnce() -> Fault,
) -> Result<T, Fault> {
    let timer = publisher.retry.sleep(publisher.request_timeout);
    match select(pin!(call), pin!(timer)).await {
        Either::Left((answer, _)) => answer,
        Either::Right(((), _)) => Err(late()),
    }
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
