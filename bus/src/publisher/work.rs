use std::{
    collections::{BinaryHeap, VecDeque},
    mem,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use futures_util::future::{Either, select};
use setpiece_policy::{Attempts, Deadline, Disposition, Fault, FaultKind, GiveUp, Withdrawal};

use super::{
    Kept, Published, Publisher, about, fault,
    pack::pack,
    publication::{Event, Past, State},
    unanswered,
};
use crate::{Bus, ClaimCheck, EntryResult, InvalidEvent, OutgoingEvent};

/// Next step while events are on their way.
pub(super) enum Next {
    Stored(usize, Result<OutgoingEvent, Fault>),
    Answered(Request, Result<Vec<EntryResult>, Fault>),
    /// Retry of events that have waited long enough after they failed.
    Retry,
}

/// The entries of one request.
pub(super) struct Request {
    entries: Vec<(usize, Arc<OutgoingEvent>)>,
    is_retry: bool,
}

/// The decisions about events that are on their way, without the waiting.
pub(super) struct Work<'w, B> {
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
    /// Cost of the latest retry, until the bus shows that it works.
    paid: Option<Withdrawal>,
}

impl<'w, B: Bus> Work<'w, B> {
    pub(super) fn new(
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

    pub(super) fn waiting(&self) -> Vec<usize> {
        let states = self.states.iter().enumerate();
        let waiting = |(index, state)| matches!(state, &State::Waiting(_)).then_some(index);
        states.filter_map(waiting).collect()
    }

    /// Puts events where they wait for a store or for a request; those that can do neither are
    /// refused.
    pub(super) fn line_up(&mut self, waiting: &[usize]) {
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

    /// Returns the reason that the event was not accepted the last time.
    fn past_fault(&self, index: usize) -> Option<&Fault> {
        match &self.states[index] {
            State::Waiting(past) => past.fault.as_ref(),
            State::Sent(_) | State::Accepted(_) | State::Refused(_) => None,
        }
    }

    pub(super) fn next_to_store(&mut self) -> Option<(usize, Arc<OutgoingEvent>)> {
        let index = self.large.pop_front()?;
        match &self.events[index].kept {
            Kept::Outgoing(event) => Some((index, Arc::clone(event))),
            Kept::Typed(_) => None,
        }
    }

    pub(super) fn next_request(&mut self, is_idle: bool) -> Option<Request> {
        // What is being stored is worth waiting for while there is something else to do.
        let is_full = self.stored.len() >= self.publisher.bus.limits().max_entries;
        if self.requests.is_empty() && (is_idle || is_full) {
            let stored = in_order(mem::take(&mut self.stored));
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
    pub(super) fn settle_stored(&mut self, index: usize, result: Result<OutgoingEvent, Fault>) {
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
    pub(super) fn settle(&mut self, request: Request, answer: Result<Vec<EntryResult>, Fault>) {
        let Request { entries, is_retry } = request;
        let same_for_all = |fault: Fault| vec![Err(fault); entries.len()];
        let mut is_refused_together = false;
        let results = match answer {
            Ok(results) if results.len() == entries.len() => results,
            Ok(_) => same_for_all(about(
                &self.publisher.bus,
                Fault::transient("the bus answered about other entries"),
            )),
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
                Err(fault) if is_refused_together => past.alone(fault),
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

    /// Returns the time that failed events have to wait, once all else is on its way; `None` if
    /// there are none.
    pub(super) fn time_to_retry(&mut self) -> Option<Duration> {
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
                self.give_up(&[index], GiveUp::NoTime);
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
    pub(super) fn retry(&mut self) {
        let failed = in_order(mem::take(&mut self.failed));
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
        let elapsed = self.attempts.elapsed();
        for index in indexes {
            self.states[*index].give_up(why, elapsed, &self.publisher.bus);
        }
    }
}

/// Events in the order in which they were given.
fn in_order(indexes: Vec<usize>) -> Vec<usize> {
    // Of all sorts this one takes the least code.
    BinaryHeap::from(indexes).into_sorted_vec()
}

/// Puts the data of an event where it can refer to it.
pub(super) async fn store<B>(
    publisher: &Publisher<B>,
    index: usize,
    event: Arc<OutgoingEvent>,
) -> Next {
    let Some(claim_check) = &publisher.claim_check else {
        return Next::Stored(index, Ok((*event).clone()));
    };
    let stored = within(publisher, claim_check.check_in(&event), || {
        Fault::transient("the payload store did not answer in time")
    });
    Next::Stored(index, stored.await)
}

/// Sends one request.
pub(super) async fn send<B: Bus>(publisher: &Publisher<B>, request: Request) -> Next {
    let entries: Vec<&OutgoingEvent> = request.entries.iter().map(|(_, event)| &**event).collect();
    let answer = within(publisher, publisher.bus.put(&entries), || {
        unanswered(&publisher.bus, Fault::transient("the bus did not answer in time"))
    });
    let answer = answer.await;
    drop(entries);
    Next::Answered(request, answer)
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
