use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::{FutureExt as _, future::join_all};
use setpiece_bus::Bus;
use setpiece_envelope::{Correlation, CorrelationId, EventId, Metadata, RawEnvelope};
use setpiece_idempotency::Lease;
use setpiece_policy::{Disposition, Fault};
use tracing::Instrument as _;

use super::{Guarded, Inner, Time};
use crate::{
    Applied, BusFacts, Cause, Change, Content, Cx, Delivery, EffectStore, Ending, Opened, Poison,
    Reason, Report, Source, Unhandled, Unreadable,
    answer::Ended,
    handlers::{Guarding, Handling, Ready},
};

/// What is known about a delivery while it is handled.
#[derive(Clone, Copy)]
struct Known<'a> {
    source: Source,
    delivery: &'a Delivery<'a>,
    metadata: Option<&'a Metadata>,
    time: Time,
}

/// Why a delivery cannot be handled, or not now.
struct Refusal<'a> {
    reason: Reason,
    /// The fault, unless the reason says all.
    fault: Fault,
    handler: Option<&'a Arc<str>>,
}

impl<S, X, B> Inner<S, X, B>
where
    S: Send + Sync + 'static,
    X: EffectStore,
    B: Bus,
{
    /// Handles one delivery to its end.
    pub(super) async fn deliver(
        &self,
        source: Source,
        delivery: &Delivery<'_>,
        opened: &Result<Opened<'_>, Unreadable>,
        time: Time,
    ) -> Ended {
        let metadata = match opened {
            Ok(Opened { content: Content::Event(raw), .. }) => Some(&raw.metadata),
            _ => None,
        };
        let known = Known { source, delivery, metadata, time };
        let span = span(known);
        if time.work_until.has_passed(&*self.clock) {
            self.report(Ending::NoTime, known, None);
            return Ended::Failed(Fault::deadline("too little time is left to begin"));
        }
        let handled = AssertUnwindSafe(self.handle(known, opened)).catch_unwind();
        let ended = async {
            let refusal = match handled.await {
                Ok(Ok(answer)) => return Ended::Done(answer),
                Ok(Err(refusal)) => refusal,
                Err(_) => panicked(None),
            };
            self.refuse(known, refusal).await
        };
        ended.instrument(span).await
    }

    async fn handle<'a>(
        &'a self,
        known: Known<'a>,
        opened: &'a Result<Opened<'_>, Unreadable>,
    ) -> Result<Option<String>, Refusal<'a>> {
        let opened = opened.as_ref().map_err(|unreadable| {
            tracing::warn!(error = %unreadable, "a delivery cannot be read");
            let fault = Fault::contract("the delivery cannot be read");
            Refusal { reason: Reason::Unreadable, fault, handler: None }
        })?;
        match &opened.content {
            Content::Event(raw) => self.handle_event(known, raw, opened).await.map(|()| None),
            Content::Outbox(change) => {
                // What was changed or removed was relayed, or is being.
                if change.change != Change::Insert {
                    return Ok(None);
                }
                let Some(key) = self.applier.store().outbox_key(change.key.as_ref()) else {
                    let fault = Fault::permanent("an event in the outbox of another store");
                    return Err(Refusal::of(fault.hand_back()));
                };
                let relayed = self.applier.relay(&[key], known.time.answer_by).await;
                relayed.map_err(|error| Refusal::of(error.into()))?;
                Ok(None)
            }
            // Somebody wants to know whether there is anybody.
            Content::Test => Ok(None),
            content => self.handle_payload(known, content, opened.bus.as_ref()).await,
        }
    }

    async fn handle_event<'a>(
        &'a self,
        known: Known<'a>,
        raw: &RawEnvelope<'_>,
        opened: &Opened<'_>,
    ) -> Result<(), Refusal<'a>> {
        let bus = opened.bus.as_ref();
        self.check_origin(bus)?;
        if raw.metadata.correlation.depth > self.max_depth {
            let fault = Fault::permanent("it is the end of too long a chain of events");
            return Err(Refusal { reason: Reason::TooDeep, fault, handler: None });
        }
        let routes = self.routes.iter().filter(|it| it.route.takes_event(bus, &raw.metadata));
        let correlation = Correlation::caused_by(&raw.metadata);
        let facts = &known.delivery.facts;
        let runs = routes.map(|guarded| {
            let ready = guarded.route.ready_for_event(raw, facts, opened);
            self.run(known, guarded, ready, correlation.clone())
        });
        let ends = join_all(runs).await;
        if ends.is_empty() {
            return self.unhandled(known);
        }
        all(ends).map(drop)
    }

    async fn handle_payload<'a>(
        &'a self,
        known: Known<'a>,
        content: &Content<'_>,
        bus: Option<&BusFacts>,
    ) -> Result<Option<String>, Refusal<'a>> {
        self.check_origin(bus)?;
        let kind = Some(content.kind());
        let routes = self.routes.iter().filter(|it| it.route.content() == kind);
        let runs = routes.map(|guarded| {
            let ready = guarded.route.ready_for_payload(content.clone());
            self.run(known, guarded, ready, Correlation::root())
        });
        let ends = join_all(runs).await;
        if ends.is_empty() {
            // One of our events without its metadata is no event of somebody else.
            if bus.is_some_and(|bus| self.routes.iter().any(|it| it.route.expects(bus))) {
                return Err(Refusal::of(Fault::contract("an event without its metadata")));
            }
            return self.unhandled(known).map(|()| None);
        }
        all(ends)
    }

    /// Runs one handler, and makes durable what it decides.
    async fn run<'a>(
        &'a self,
        known: Known<'a>,
        guarded: &'a Guarded<S, X>,
        ready: Result<Ready<S>, Fault>,
        correlation: Correlation,
    ) -> Result<Option<String>, Refusal<'a>> {
        let name = guarded.route.name();
        let refuse = |fault| Refusal { handler: Some(name), ..Refusal::of(fault) };
        let Ready { guarding, decide } = ready.map_err(refuse)?;
        let span =
            tracing::info_span!("handler", handler = &**name, attempt = tracing::field::Empty);
        let run = async {
            let key = match guarding {
                Guarding::Key(key) => key,
                Guarding::Query => {
                    let held = setpiece_idempotency::Held::detached();
                    let cx = Cx::held(Arc::clone(&self.state), correlation, held);
                    let decision = self.middleware.run(Handling::new(cx, name, decide)).await?;
                    return Ok((Applied::Fresh { writes: 0, events: 0 }, decision.response));
                }
            };
            let lease = Lease::until(known.time.work_until);
            let cause = match known.metadata {
                Some(metadata) => Cause::handled(metadata),
                None => Cause::other(Correlation::root()),
            };
            let applied = self.applier.answer(
                &guarded.guard,
                &key,
                lease,
                &cause,
                known.time.answer_by,
                |held| {
                    tracing::Span::current().record("attempt", held.attempt());
                    let cx = Cx::held(Arc::clone(&self.state), correlation, held);
                    self.middleware.run(Handling::new(cx, name, decide))
                },
            );
            applied.await.map_err(Fault::from)
        };
        let run = AssertUnwindSafe(run).catch_unwind().instrument(span);
        let (applied, response) = match run.await {
            Ok(end) => end.map_err(refuse)?,
            Err(_) => return Err(panicked(Some(name))),
        };
        let ending = match applied {
            Applied::Fresh { .. } => Ending::Done,
            Applied::Replayed { .. } => Ending::Again,
            Applied::Stale { .. } => Ending::Stale,
        };
        self.report(ending, known, Some(name));
        Ok(response)
    }

    fn check_origin<'a>(&self, bus: Option<&BusFacts>) -> Result<(), Refusal<'a>> {
        match self.allow.refusal(bus) {
            None => Ok(()),
            Some(context) => {
                let fault = Fault::permanent(context);
                Err(Refusal { reason: Reason::NotAllowed, fault, handler: None })
            }
        }
    }

    fn unhandled<'a>(&self, known: Known<'_>) -> Result<(), Refusal<'a>> {
        let fault = Fault::permanent("there is no handler for it");
        let fault = match self.unhandled {
            Unhandled::Ignore => {
                self.report(Ending::Ignored, known, None);
                return Ok(());
            }
            Unhandled::Quarantine => fault,
            Unhandled::Fail => fault.hand_back(),
        };
        Err(Refusal { reason: Reason::Unhandled, fault, handler: None })
    }

    /// Puts aside what can never be handled, and fails what can later.
    async fn refuse(&self, known: Known<'_>, refusal: Refusal<'_>) -> Ended {
        let handler = refusal.handler.map(|name| &**name);
        let Some(quarantine) = self.quarantine.as_ref().filter(|_| refusal.is_final()) else {
            self.report(Ending::Failed(&refusal.fault), known, handler);
            return Ended::Failed(refusal.fault);
        };
        // Whoever waits for an answer has the bytes.
        let waits = matches!(known.source, Source::Http(_))
            || (known.source == Source::Direct && known.metadata.is_none());
        if waits {
            self.report(Ending::Failed(&refusal.fault), known, handler);
            return Ended::Failed(refusal.fault);
        }
        let poison = Poison {
            bytes: known.delivery.bytes(),
            reason: refusal.reason,
            context: refusal.fault.context(),
            handler,
            event_id: known.metadata.map(|metadata| &metadata.event_id),
            facts: &known.delivery.facts,
            at: self.clock.now(),
        };
        match quarantine.put(&poison).await {
            Ok(()) => {
                self.report(Ending::Quarantined(refusal.reason), known, handler);
                Ended::Done(None)
            }
            Err(fault) => {
                self.report(Ending::Failed(&fault), known, handler);
                Ended::Failed(fault.with_context("the quarantine does not take it"))
            }
        }
    }

    fn report(&self, ending: Ending<'_>, known: Known<'_>, handler: Option<&str>) {
        match &ending {
            Ending::Done | Ending::Again | Ending::Stale | Ending::Ignored => {
                tracing::debug!(ending = ending.name(), handler, "a delivery has ended");
            }
            Ending::NoTime | Ending::Quarantined(_) | Ending::Failed(_) => {
                let context = ending.context();
                tracing::warn!(ending = ending.name(), context, handler, "a delivery has ended");
            }
        }
        if let Some(observer) = &self.observer {
            observer(&Report {
                ending,
                handler,
                event_id: known.metadata.map(|metadata| &metadata.event_id),
                facts: &known.delivery.facts,
            });
        }
    }
}

impl Refusal<'_> {
    fn of(fault: Fault) -> Self {
        Self { reason: Reason::of(&fault), fault, handler: None }
    }

    /// Whether the same delivery fails however often it comes.
    fn is_final(&self) -> bool {
        self.fault.disposition() == Disposition::Quarantine
    }
}

/// The end of a delivery that has several handlers, of which one may have answered.
///
/// While one of them wants the delivery again, it is not put aside for another one's sake.
fn all<'a>(ends: Vec<Result<Option<String>, Refusal<'a>>>) -> Result<Option<String>, Refusal<'a>> {
    let (mut worst, mut answer): (Option<Refusal<'a>>, _) = (None, None);
    for end in ends {
        match end {
            Ok(response) => answer = answer.or(response),
            Err(refusal) => {
                if worst.as_ref().is_none_or(|worst| worst.is_final() && !refusal.is_final()) {
                    worst = Some(refusal);
                }
            }
        }
    }
    worst.map_or(Ok(answer), Err)
}

/// A panic may be a matter of the moment. What it said can be anything, and is for the panic hook.
fn panicked(handler: Option<&Arc<str>>) -> Refusal<'_> {
    let fault = Fault::permanent("a handler panicked").with_may_have_happened(true).hand_back();
    Refusal { reason: Reason::Permanent, fault, handler }
}

fn span(known: Known<'_>) -> tracing::Span {
    let facts = &known.delivery.facts;
    let Some(metadata) = known.metadata else {
        return tracing::info_span!("delivery", item_id = facts.item_id.as_deref());
    };
    tracing::info_span!(
        "delivery",
        item_id = facts.item_id.as_deref(),
        event_id = metadata.event_id.as_str(),
        event_name = metadata.name,
        event_version = %metadata.version,
        correlation_id = metadata.correlation.correlation_id.as_ref().map(CorrelationId::as_str),
        causation_id = metadata.correlation.causation_id.as_ref().map(EventId::as_str),
        depth = metadata.correlation.depth,
    )
}
