use std::{
    fmt,
    marker::PhantomData,
    mem,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use futures_util::{
    future::{BoxFuture, select},
    stream::{FuturesUnordered, StreamExt as _},
};
use setpiece_envelope::EventId;
use setpiece_policy::{Deadline, Disposition, Fault, GiveUp, Retry, RetryBudget};

use super::{
    Draft, Kept, PublishError, Published, Publisher, Unaccepted, about, unanswered,
    work::{Next, Work, send, store},
};
use crate::Bus;

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

/// Output of an awaited [`Publication`]: one [`Published`], or all of them.
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

pub(super) struct Event {
    id: EventId,
    name: Box<str>,
    pub(super) kept: Kept,
}

pub(super) enum State {
    /// It is to be sent, for the first time or again.
    Waiting(Past),
    /// It is in a request whose answer has not come.
    Sent(Past),
    Accepted(Published),
    /// It is not to be sent again.
    Refused(Fault),
}

/// Past of an event that waits.
#[derive(Default)]
pub(super) struct Past {
    /// Reason that it was not accepted the last time.
    pub(super) fault: Option<Fault>,
    /// Retries of faults that allow only so many.
    capped: u32,
    /// Tries that failed.
    tries: u32,
    /// True if it may have been accepted in any of the tries.
    may_have_happened: bool,
    /// True if it is sent in a request of its own, to find out which entry is refused.
    pub(super) is_alone: bool,
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
        let began = retry.clock().now();
        let remaining = self.deadline.remaining(retry.clock());
        self.resume();
        {
            let work = pin!(self.work());
            let timer = pin!(retry.sleep(remaining));
            select(work, timer).await;
        }
        self.resume();
        let elapsed = retry.clock().now().saturating_duration_since(began);
        for state in &mut self.states {
            state.give_up(GiveUp::NoTime, elapsed, &self.publisher.bus);
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
        // Of one type, which is compiled once.
        let mut sending: FuturesUnordered<BoxFuture<'_, Next>> = FuturesUnordered::new();
        let mut storing: FuturesUnordered<BoxFuture<'_, Next>> = FuturesUnordered::new();
        let mut pause = None;
        loop {
            if !deadline.has_passed(retry.clock()) {
                while storing.len() < publisher.max_in_flight
                    && let Some((index, event)) = work.next_to_store()
                {
                    storing.push(Box::pin(store(publisher, index, event)));
                }
                while sending.len() < publisher.max_in_flight
                    && let Some(request) = work.next_request(sending.is_empty())
                {
                    sending.push(Box::pin(send(publisher, request)));
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
                for running in [&mut storing, &mut sending] {
                    if let Poll::Ready(Some(next)) = running.poll_next_unpin(context) {
                        return Poll::Ready(next);
                    }
                }
                match &mut pause {
                    Some(pause) => pause.as_mut().poll(context).map(|()| Next::Retry),
                    None => Poll::Pending,
                }
            });
            match next.await {
                Next::Stored(index, result) => work.settle_stored(index, result),
                Next::Answered(request, answer) => work.settle(request, answer),
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
    /// Refuses what waits, after so much time.
    pub(super) fn give_up(&mut self, why: GiveUp, elapsed: Duration, bus: &impl Bus) {
        if let Self::Waiting(past) = self {
            let past = mem::take(past);
            let fault = match &past.fault {
                Some(fault) => fault.clone(),
                None if past.may_have_happened => {
                    unanswered(bus, Fault::deadline("the bus did not answer in time"))
                }
                None => about(bus, Fault::deadline("there was no time to publish the event")),
            };
            let fault = match past.tries {
                0 => fault,
                tries => fault.with_tries(tries, elapsed),
            };
            *self = Self::Refused(past.remember(fault).given_up(why));
        }
    }
}

impl Past {
    /// Returns the state of an event that has failed once more.
    pub(super) fn after(self, fault: Fault, retry: &Retry) -> State {
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
            tries: self.tries.saturating_add(1),
            fault: Some(fault),
            is_alone: self.is_alone,
        })
    }

    /// Returns the state of an event whose request is refused as a whole: it is sent by itself.
    pub(super) fn alone(self, fault: Fault) -> State {
        State::Waiting(Self { fault: Some(fault), is_alone: true, ..self })
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
