use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use futures_util::{
    FutureExt as _, TryFutureExt as _,
    future::{BoxFuture, maybe_done, poll_fn},
};
use setpiece_bus::Bus;
use setpiece_envelope::{
    Correlation, CorrelationId, EventId, IdSource as _, Metadata, RawEnvelope, SystemIds,
};
use setpiece_idempotency::{
    Held, Key,
    store::{RecordKey, Store as _},
};
use setpiece_policy::{Deadline, Disposition, Fault, GiveUp};
use tracing::{Instrument as _, Span};

use super::{Guarded, Inner, Time, lease, log, no_time};
use crate::{
    Applied, Binding, BusFacts, Cause, Change, Content, ContentKind, Cx, Delivery, EffectStore,
    Ending, ItemChange, Opened, OutboxKey, Poison, Reason, RefusedEvent, Report, S3Change, Source,
    Unhandled, Unreadable,
    answer::Ended,
    apply::{Call, flow},
    batch::Left,
    binding::Distance,
    handlers::{Decide, Decision, Guarding, Handling, Ready},
};

/// Facts about a delivery while it is handled.
#[derive(Clone, Copy)]
struct Known<'a> {
    source: Source,
    delivery: &'a Delivery<'a>,
    metadata: Option<&'a Metadata>,
    time: Time,
}

/// Reason that a delivery cannot be handled, or not now.
struct Refusal<'a> {
    reason: Reason,
    /// The fault, unless the reason says all.
    fault: Fault,
    handler: Option<&'a Arc<str>>,
}

/// End of one handler of a delivery, with its answer.
type End<'a> = Result<Option<String>, Refusal<'a>>;

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
        let known = Known::new(source, delivery, opened, time);
        let handled = async {
            if time.work_until.has_passed(&*self.clock) {
                self.report(Ending::NoTime, known, None);
                log::ended(Ending::NoTime, None);
                return Ended::Failed(no_time());
            }
            let handled = AssertUnwindSafe(self.handle(known, opened)).catch_unwind().await;
            match handled.unwrap_or_else(|_| Err(Refusal::of(panicked()))) {
                Ok(answer) => {
                    self.report(Ending::Acknowledged, known, None);
                    log::ended(Ending::Acknowledged, None);
                    Ended::Done(answer)
                }
                Err(refusal) => self.refuse(known, refusal).await,
            }
        };
        // Whatever panics here fails this delivery and no other.
        let handled = AssertUnwindSafe(handled).catch_unwind().map(|handled| {
            handled.unwrap_or_else(|_| {
                let fault = panicked();
                log::ended(Ending::Failed(&fault), None);
                Ended::Failed(fault)
            })
        });
        handled.instrument(known.span()).await
    }

    /// Ends a delivery that was not handled, or not to its end.
    pub(super) fn leave(
        &self,
        source: Source,
        delivery: &Delivery<'_>,
        opened: &Result<Opened<'_>, Unreadable>,
        time: Time,
        left: Left,
    ) -> Ended {
        let known = Known::new(source, delivery, opened, time);
        let fault = match left {
            Left::Late => Fault::deadline("the time of the invocation is up")
                .with_remedy("give the function more time, or smaller batches"),
            Left::Behind => Fault::conflict("a delivery before it in the same order has failed")
                .with_remedy("look at the delivery before it"),
        };
        known.span().in_scope(|| {
            self.report(Ending::Failed(&fault), known, None);
            match left {
                Left::Late => log::ended(Ending::Failed(&fault), None),
                Left::Behind => log::held_up(&fault),
            }
        });
        Ended::Failed(fault)
    }

    async fn handle<'a>(
        &'a self,
        known: Known<'a>,
        opened: &'a Result<Opened<'_>, Unreadable>,
    ) -> Result<Option<String>, Refusal<'a>> {
        let opened = opened.as_ref().map_err(Refusal::unreadable)?;
        match &opened.content {
            Content::Event(raw) => self.handle_event(known, raw, opened).await.map(|()| None),
            Content::Outbox(change) => {
                let key = self.outbox_key(known.delivery, &opened.content);
                self.relay(known, change.change, key.ok_or_else(Refusal::not_ours)?).await
            }
            content @ Content::Item(item)
                if let Some(key) = self.outbox_key(known.delivery, content) =>
            {
                self.relay(known, item.change, key).await
            }
            // Somebody wants to know whether there is anybody.
            Content::Test => Ok(None),
            _ => self.handle_payload(known, opened).await,
        }
    }

    /// The key of an event in the outbox of our table, if the item that has changed can be one.
    pub(super) fn outbox_key(
        &self,
        delivery: &Delivery<'_>,
        content: &Content<'_>,
    ) -> Option<OutboxKey> {
        let key = match content {
            Content::Outbox(change) => &change.key,
            // Where the stream shows more than keys, this one is no event, whatever its key is.
            Content::Item(item) if shows_keys_only(item) => &item.keys,
            _ => return None,
        };
        let store = self.applier.store();
        let is_ours = delivery.facts.table().is_none_or(|table| store.has_outbox_in(table));
        store.outbox_key(key.as_ref()).filter(|_| is_ours)
    }

    /// Publishes what was put into the outbox, if it is still there and is of this service.
    ///
    /// What belongs to others is acknowledged: the stream tells their relay the same, and a shard
    /// waits for nobody's sake. What the bus refuses for good goes to the quarantine, and without
    /// one it stays in the outbox; the shard goes on in either case.
    async fn relay<'a>(
        &'a self,
        known: Known<'a>,
        change: Change,
        key: OutboxKey,
    ) -> Result<Option<String>, Refusal<'a>> {
        // What was changed or removed was relayed, or is being.
        if change == Change::Insert {
            let relayed = self.applier.relay(&[key], known.time.wait_until).await;
            let relayed = relayed.map_err(|error| Refusal::of(error.into()))?;
            if relayed.foreign > 0 {
                self.report(Ending::Foreign, known, None);
                log::ended(Ending::Foreign, None);
            }
            for refused in &relayed.refused {
                self.put_aside(known, refused).await?;
            }
        }
        Ok(None)
    }

    /// Moves an event that the bus refuses for good from the outbox to the quarantine.
    async fn put_aside<'a>(
        &'a self,
        known: Known<'a>,
        refused: &RefusedEvent,
    ) -> Result<(), Refusal<'a>> {
        let Some(quarantine) = &self.quarantine else {
            let ending = Ending::Unpublished(&refused.fault);
            self.report(ending, known, None);
            log::ended(ending, None);
            return Ok(());
        };
        let poison = Poison {
            bytes: refused.json.as_bytes(),
            reason: Reason::Unpublished,
            fault: &refused.fault,
            handler: None,
            event_id: Some(&refused.event_id),
            facts: &known.delivery.facts,
            at: self.clock.now(),
        };
        let put = self.answered(known.time, quarantine.put(&poison), silent);
        put.await.map_err(|fault| Refusal::of(unquarantined(fault).hand_back()))?;
        let keys = std::slice::from_ref(&refused.key);
        let removed = self.applier.remove(keys, known.time.wait_until).await;
        removed.map_err(|error| Refusal::of(error.into()))?;
        let ending = Ending::Quarantined { reason: Reason::Unpublished, fault: &refused.fault };
        self.report(ending, known, None);
        log::ended(ending, None);
        Ok(())
    }

    async fn handle_event<'a>(
        &'a self,
        known: Known<'a>,
        raw: &RawEnvelope<'_>,
        opened: &Opened<'_>,
    ) -> Result<(), Refusal<'a>> {
        let bus = opened.bus.as_ref();
        self.check_origin(known, bus)?;
        if raw.metadata.correlation.depth > self.max_depth {
            let fault = Fault::permanent("it is the end of too long a chain of events")
                .with_remedy(
                    "look for services that answer each other's events, or allow a longer chain",
                );
            return Err(Refusal { reason: Reason::TooDeep, fault, handler: None });
        }
        let routes = || {
            let takers = self.routes.iter().filter(|it| it.route.takes_event(bus, &raw.metadata));
            takers.filter(|it| it.distance(known, opened).is_some())
        };
        if bus.is_none() && raw.metadata.service.is_none() {
            // Nothing says whose it is, so there must be no doubt.
            let mut sources = routes().map(|it| it.route.source());
            let first = sources.next();
            if sources.any(|source| Some(source) != first) {
                let fault = Fault::contract("an event that does not say whose it is")
                    .with_remedy("have its producer write `service` into the metadata");
                return Err(Refusal::of(fault));
            }
        }
        let correlation = Correlation::caused_by(&raw.metadata);
        let facts = &known.delivery.facts;
        let runs = routes().map(|guarded| {
            let ready = guarded.route.ready_for_event(raw, facts, opened);
            self.run(known, guarded, ready, correlation.clone())
        });
        let ends = ends_of(runs).await;
        if ends.is_empty() {
            return self.unhandled(known, opened);
        }
        all(ends).map(drop)
    }

    async fn handle_payload<'a>(
        &'a self,
        known: Known<'a>,
        opened: &Opened<'_>,
    ) -> Result<Option<String>, Refusal<'a>> {
        let (content, bus) = (&opened.content, opened.bus.as_ref());
        let routes = self.takers(known, opened);
        // The guard's records change with every delivery, and that is for nobody. So it does not
        // matter where it comes from, either.
        if let (Content::Item(_), Some(table)) = (content, known.delivery.facts.table())
            && self.applier.store().keeps(table)
            && routes.is_empty()
        {
            return Ok(None);
        }
        self.check_origin(known, bus)?;
        let runs = routes.into_iter().map(|guarded| {
            let ready = guarded.route.ready_for_payload(content.clone());
            self.run(known, guarded, ready, Correlation::root())
        });
        let ends = ends_of(runs).await;
        if ends.is_empty() {
            // One of our events without its metadata is no event of somebody else.
            if bus.is_some_and(|bus| self.routes.iter().any(|it| it.route.expects(bus))) {
                let fault = Fault::contract("an event without its metadata")
                    .with_remedy("look at the producer, and at the input transformer of the rule");
                return Err(Refusal::of(fault));
            }
            // It may be an event that waits to be published, and that is not to be ignored.
            if let Content::Item(item) = content
                && shows_keys_only(item)
                && self.applier.store().outbox_key(item.keys.as_ref()).is_some()
            {
                return Err(Refusal::not_ours());
            }
            return self.unhandled(known, opened).map(|()| None);
        }
        all(ends)
    }

    /// The handlers that take a content which is no event of ours.
    ///
    /// Of what is plain, only the nearest take any: by what they are bound to, and then by what they
    /// take it as.
    fn takers(&self, known: Known<'_>, opened: &Opened<'_>) -> Vec<&Guarded<S, X>> {
        let kind = opened.content.kind();
        let of_kind = |kind| self.routes.iter().filter(move |it| it.route.content() == Some(kind));
        if !kind.is_plain() {
            let of_place = |kind| of_kind(kind).filter(|it| it.distance(known, opened).is_some());
            let takers: Vec<_> = of_place(kind).collect();
            return match &opened.content {
                Content::Other(event) if takers.is_empty() && S3Change::is_event(event) => {
                    of_place(ContentKind::S3).collect()
                }
                _ => takers,
            };
        }
        // Whoever calls the function itself sends no messages.
        let plainer =
            |kind: &ContentKind| kind.plainer().filter(|_| known.source != Source::Direct);
        let kinds: Vec<_> = std::iter::successors(Some(kind), plainer).collect();
        let takers = kinds.iter().enumerate().flat_map(|(rank, kind)| {
            of_kind(*kind).filter_map(move |it| Some(((it.distance(known, opened)?, rank), it)))
        });
        let takers: Vec<_> = takers.collect();
        let nearest = takers.iter().map(|(place, _)| *place).min();
        takers.into_iter().filter(|(place, _)| Some(*place) == nearest).map(|(_, it)| it).collect()
    }

    /// Runs one handler, makes durable what it decides, and tells how it ended.
    async fn run<'a>(
        &'a self,
        known: Known<'a>,
        guarded: &'a Guarded<S, X>,
        ready: Result<Ready<S>, Fault>,
        correlation: Correlation,
    ) -> Result<Option<String>, Refusal<'a>> {
        let name = guarded.route.name();
        let span =
            tracing::info_span!("handler", handler = &**name, attempt = tracing::field::Empty);
        let run = async {
            let Ready { guarding, decide } = ready?;
            match guarding {
                Guarding::Key(key) => {
                    self.run_once(known, guarded, key, decide, correlation, &span).await
                }
                Guarding::Query => self.run_query(known, name, decide, correlation).await,
            }
        };
        let run = AssertUnwindSafe(run).catch_unwind().instrument(span.clone());
        match run.await.unwrap_or_else(|_| Err(panicked())) {
            Ok((ending, response)) => {
                self.report(ending, known, Some(name));
                log::ended(ending, Some(name));
                Ok(response)
            }
            // The line is written when it is known what becomes of the delivery.
            Err(fault) => {
                self.report(Ending::Failed(&fault), known, Some(name));
                Err(Refusal { handler: Some(name), ..Refusal::of(fault) })
            }
        }
    }

    async fn run_once(
        &self,
        known: Known<'_>,
        guarded: &Guarded<S, X>,
        key: Key,
        decide: Decide<S>,
        correlation: Correlation,
        span: &Span,
    ) -> Result<(Ending<'static>, Option<String>), Fault> {
        let name = guarded.route.name();
        let lease = lease::of(known.time.ends_at, &*self.clock);
        let guard =
            if lease::gives_up_soon(known.source) { &guarded.patient } else { &guarded.guard };
        let until = known.time.work_until;
        let cause = match known.metadata {
            Some(metadata) => Cause::handled(metadata),
            None => Cause::other(correlation),
        };
        let has_begun = AtomicBool::new(false);
        let run = |held: Held| {
            has_begun.store(true, Ordering::Relaxed);
            span.record("attempt", held.attempt());
            let cx = Cx::held(Arc::clone(&self.state), flow(&held, &cause), held, until);
            self.in_time(until, self.middleware.run(Handling::new(cx, name, decide))).boxed()
        };
        let deadline = known.time.wait_until;
        let call = Call { guard, key: &key, lease, cause: &cause, deadline };
        let applied = (self.answering)(&self.applier, call, Box::new(run));
        let applied = self.answered(known.time, applied.map_err(Fault::from), || {
            let has_begun = has_begun.load(Ordering::Relaxed);
            let context = if has_begun { "committing" } else { "claiming a key" };
            let fault = Fault::deadline("the store did not answer in time")
                .with_context(context)
                .with_remedy("look at the latency of {service} and at the timeouts of its client")
                .with_may_have_happened(has_begun);
            match self.applier.store().records().target() {
                Some(call) => fault.with_call(call),
                None => fault,
            }
        });
        let (applied, response) = applied.await?;
        let ending = match applied {
            Applied::Fresh { .. } => Ending::Done,
            Applied::Replayed { .. } => Ending::Again,
            Applied::Stale { .. } => Ending::Stale,
        };
        Ok((ending, response))
    }

    /// Runs what changes nothing, until its time is up.
    async fn run_query(
        &self,
        known: Known<'_>,
        name: &Arc<str>,
        decide: Decide<S>,
        correlation: Correlation,
    ) -> Result<(Ending<'static>, Option<String>), Fault> {
        let now = self.clock.now();
        let until = known.time.work_until;
        // Each call is another one.
        let key = RecordKey::new(SystemIds::new().next_id(now).as_str());
        let held = Held::unclaimed(key, until);
        let flow = flow(&held, &Cause::other(correlation));
        let cx = Cx::held(Arc::clone(&self.state), flow, held, until);
        let run = self.middleware.run(Handling::new(cx, name, decide));
        Ok((Ending::Done, self.in_time(until, run).await?.response))
    }

    /// Waits for a store or a quarantine as long as there is time to say that it did not answer.
    async fn answered<T>(
        &self,
        time: Time,
        call: impl Future<Output = Result<T, Fault>>,
        late: impl FnOnce() -> Fault,
    ) -> Result<T, Fault> {
        let mut call = pin!(call);
        let mut timer = None;
        let began = self.clock.now();
        let answer = poll_fn(|cx| {
            if let Poll::Ready(answer) = call.as_mut().poll(cx) {
                return Poll::Ready(Some(answer));
            }
            let sleep = || (self.sleep)(time.wait_until.remaining(&*self.clock));
            timer.get_or_insert_with(sleep).poll_unpin(cx).map(|()| None)
        });
        answer.await.unwrap_or_else(|| {
            let elapsed = self.clock.now().saturating_duration_since(began);
            Err(late().with_tries(1, elapsed).given_up(GiveUp::NoTime))
        })
    }

    /// Runs a handler until its time is up, and drops it then.
    ///
    /// A process can stand still for longer than that, and what wakes it need not be the timer. So
    /// the clock is asked before the handler goes on.
    async fn in_time(
        &self,
        until: Deadline,
        mut run: BoxFuture<'static, Result<Decision, Fault>>,
    ) -> Result<Decision, Fault> {
        let mut timer = None;
        let began = self.clock.now();
        let too_slow = |has_begun| {
            let elapsed = self.clock.now().saturating_duration_since(began);
            Err(too_slow(elapsed).with_may_have_happened(has_begun))
        };
        poll_fn(|cx| {
            if until.has_passed(&*self.clock) {
                return Poll::Ready(too_slow(timer.is_some()));
            }
            if let Poll::Ready(decided) = run.poll_unpin(cx) {
                return Poll::Ready(decided);
            }
            let sleep = || (self.sleep)(until.remaining(&*self.clock));
            let timer = timer.get_or_insert_with(sleep);
            timer.poll_unpin(cx).map(|()| too_slow(true))
        })
        .await
    }

    fn check_origin<'a>(
        &self,
        known: Known<'_>,
        bus: Option<&BusFacts>,
    ) -> Result<(), Refusal<'a>> {
        match self.allow.refusal(known.source, &known.delivery.facts, bus) {
            None => Ok(()),
            Some(context) => {
                let fault = Fault::permanent(context)
                    .with_remedy("look at who sends it, and at what `Allow` allows");
                Err(Refusal { reason: Reason::NotAllowed, fault, handler: None })
            }
        }
    }

    fn unhandled<'a>(&self, known: Known<'_>, opened: &Opened<'_>) -> Result<(), Refusal<'a>> {
        if let Some(unreadable) = &opened.suspect {
            return Err(Refusal::unreadable(unreadable));
        }
        let kind = opened.content.kind();
        let fault = Fault::permanent(no_handler(kind))
            .with_remedy("write a handler for it, or have the source send less");
        let fault = match self.unhandled {
            // Somebody waits for an answer, and an empty one would mean that it was done.
            _ if matches!(known.source, Source::Http(_) | Source::Direct) => fault,
            Unhandled::Ignore => {
                self.report(Ending::Ignored, known, None);
                log::ended(Ending::Ignored, None);
                return Ok(());
            }
            Unhandled::Quarantine => fault,
            Unhandled::Fail if kind.is_raw() => fault,
            // Nothing waits behind it without an end.
            Unhandled::Fail if kind.is_plain() && known.source.is_ordered() => fault,
            Unhandled::Fail => fault.hand_back(),
        };
        let reason = if kind.is_raw() { Reason::Unreadable } else { Reason::Unhandled };
        Err(Refusal { reason, fault, handler: None })
    }

    /// Puts aside what can never be handled, and fails what can later.
    async fn refuse(&self, known: Known<'_>, refusal: Refusal<'_>) -> Ended {
        let handler = refusal.handler.map(|name| &**name);
        // Whoever waits for an answer has the bytes, and so has who called directly.
        let has_bytes = matches!(known.source, Source::Http(_) | Source::Direct);
        let is_poison = refusal.is_final() && !has_bytes;
        let Some(quarantine) = self.quarantine.as_ref().filter(|_| is_poison) else {
            self.report(Ending::Failed(&refusal.fault), known, None);
            log::ended(Ending::Failed(&refusal.fault), handler);
            return Ended::Failed(refusal.fault);
        };
        let poison = Poison {
            bytes: known.delivery.bytes(),
            reason: refusal.reason,
            fault: &refusal.fault,
            handler,
            event_id: known.metadata.map(|metadata| &metadata.event_id),
            facts: &known.delivery.facts,
            at: self.clock.now(),
        };
        match self.answered(known.time, quarantine.put(&poison), silent).await {
            Ok(()) => {
                let ending = Ending::Quarantined { reason: refusal.reason, fault: &refusal.fault };
                self.report(ending, known, None);
                log::ended(ending, handler);
                Ended::Done(None)
            }
            Err(fault) => {
                let fault = unquarantined(fault);
                self.report(Ending::Failed(&fault), known, None);
                log::ended(Ending::Failed(&fault), handler);
                Ended::Failed(fault)
            }
        }
    }

    fn report(&self, ending: Ending<'_>, known: Known<'_>, handler: Option<&str>) {
        let Some(observer) = &self.observer else { return };
        let event_id = known.metadata.map(|metadata| &metadata.event_id);
        let report = Report { ending, handler, event_id, facts: &known.delivery.facts };
        // Metrics are not worth a delivery.
        _ = catch_unwind(AssertUnwindSafe(|| observer(&report)));
    }
}

impl<'a> Known<'a> {
    fn new(
        source: Source,
        delivery: &'a Delivery<'a>,
        opened: &'a Result<Opened<'_>, Unreadable>,
        time: Time,
    ) -> Self {
        let metadata = match opened {
            Ok(Opened { content: Content::Event(raw), .. }) => Some(&raw.metadata),
            _ => None,
        };
        Self { source, delivery, metadata, time }
    }

    fn span(self) -> Span {
        let item_id = self.delivery.facts.item_id.as_deref();
        let Some(metadata) = self.metadata else {
            return tracing::info_span!("delivery", item_id);
        };
        let correlation = &metadata.correlation;
        tracing::info_span!(
            "delivery",
            item_id,
            event_id = metadata.event_id.as_str(),
            event_name = metadata.name,
            event_version = %metadata.version,
            correlation_id = correlation.correlation_id.as_ref().map(CorrelationId::as_str),
            causation_id = correlation.causation_id.as_ref().map(EventId::as_str),
            depth = correlation.depth,
        )
    }
}

impl Refusal<'_> {
    /// Refuses a change that nobody would publish if it were acknowledged here.
    fn not_ours() -> Self {
        let fault = Fault::permanent("an event in the outbox of another store")
            .with_remedy("connect the stream of that table to the relay of its own service");
        Self::of(fault.hand_back())
    }

    fn unreadable(unreadable: &Unreadable) -> Self {
        let fault = unreadable.fault();
        Self { reason: Reason::Unreadable, fault, handler: None }
    }

    fn of(fault: Fault) -> Self {
        Self { reason: Reason::of(&fault), fault, handler: None }
    }

    /// Returns true if the same delivery fails however often it comes.
    fn is_final(&self) -> bool {
        self.fault.disposition() == Disposition::Quarantine
    }
}

impl<S, X: EffectStore> Guarded<S, X> {
    /// The distance of where it is bound to from where a delivery came, unless that is elsewhere.
    fn distance(&self, known: Known<'_>, opened: &Opened<'_>) -> Option<Distance> {
        let (facts, notification) = (&known.delivery.facts, opened.notification.as_ref());
        Binding::distance(self.bound_to.as_ref(), facts, notification)
    }
}

/// The context of a fault that nobody takes content of this kind.
fn no_handler(kind: ContentKind) -> &'static str {
    match kind {
        ContentKind::Event => "there is no handler for this event",
        ContentKind::Item | ContentKind::Outbox => "there is no handler for changes of this table",
        ContentKind::S3 => "there is no handler for changes of objects",
        ContentKind::Scheduled => "there is no handler for schedules",
        ContentKind::Other => "there is no handler for events of other publishers",
        ContentKind::Http => "there is no handler for requests",
        ContentKind::Json => "there is no handler for JSON from there",
        ContentKind::Text => "there is no handler for text from there",
        ContentKind::Bytes => "there is no handler for bytes from there",
        ContentKind::Test => "there is no handler for it",
    }
}

/// Runs the handlers of a delivery at the same time.
///
/// They are few, so that each can be asked whenever one of them goes on, which takes much less code
/// than to know which one that is.
async fn ends_of<'a>(
    runs: impl Iterator<Item = impl Future<Output = End<'a>> + Send + 'a>,
) -> Vec<End<'a>> {
    let mut runs: Vec<_> = runs.map(|run| maybe_done(run.boxed())).collect();
    poll_fn(|cx| {
        let running = runs.iter_mut().map(|run| run.poll_unpin(cx));
        if running.filter(Poll::is_pending).count() == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    runs.iter_mut().filter_map(|run| Pin::new(run).take_output()).collect()
}

/// Returns true if a stream shows no more of an item than its key.
fn shows_keys_only(change: &ItemChange) -> bool {
    let images = [&change.new_image, &change.old_image].into_iter().flatten();
    images.flat_map(|image| image.as_ref().keys()).all(|name| change.keys.contains_key(name))
}

/// The end of a delivery that has several handlers, of which one may have answered.
///
/// While one of them wants the delivery again, it is not put aside for another one's sake.
fn all(ends: Vec<End<'_>>) -> End<'_> {
    let (mut worst, mut answer): (Option<Refusal<'_>>, _) = (None, None);
    for end in ends {
        match end {
            Ok(response) => answer = answer.or(response),
            Err(refusal) => {
                let is_worse =
                    worst.as_ref().is_none_or(|worst| worst.is_final() && !refusal.is_final());
                // The worst has its line in the end.
                let other = if is_worse { worst.replace(refusal) } else { Some(refusal) };
                if let Some(Refusal { fault, handler, .. }) = other {
                    log::ended(Ending::Failed(&fault), handler.map(|name| &**name));
                }
            }
        }
    }
    worst.map_or(Ok(answer), Err)
}

fn too_slow(elapsed: Duration) -> Fault {
    Fault::deadline("the handler took too long")
        .with_remedy("look at what the handler waits for, or give the function more time")
        .with_tries(1, elapsed)
        .given_up(GiveUp::NoTime)
}

/// The fault of a quarantine that does not answer.
fn silent() -> Fault {
    Fault::deadline("the quarantine did not answer in time")
        .with_remedy("look at the latency of the quarantine and at the timeouts of its client")
        .with_may_have_happened(true)
}

/// A fault of the quarantine, which leaves a delivery where it came from.
fn unquarantined(fault: Fault) -> Fault {
    fault.with_context("the quarantine does not take it")
}

/// A panic may be a matter of the moment. What it said can be anything, and is for the panic hook.
fn panicked() -> Fault {
    Fault::permanent("a handler panicked")
        .with_remedy("look at the message of the panic in the log before this line")
        .with_may_have_happened(true)
        .hand_back()
}
