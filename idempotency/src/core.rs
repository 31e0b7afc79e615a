//! Settings, ports and requests to the store that a guard and its claims share.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use setpiece_envelope::{Clock, IdSource, Timestamp};
use setpiece_policy::{Deadline, Fault, Random, Retry, Sleep};

use crate::{
    Keep, OnBusy, OnStoreDown,
    error::{GuardError, Inspected, Phase, StoreFailed},
    flights::Flights,
    race::{First, race},
    record::{Body, Owner, Salt, SpillRef, Stored},
    report::{Event, Report},
    store::{RecordKey, Reply, Semantics, Settle, Spill, Store},
    time,
};

/// Any [`Sleep`], behind one type.
pub(crate) trait AnySleep: Send + Sync {
    fn sleep_boxed(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

impl<S: Sleep> AnySleep for S {
    fn sleep_boxed(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.sleep(duration))
    }
}

pub(crate) type Observer = dyn Fn(&Report<'_>) + Send + Sync;

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) namespace: Box<str>,
    pub(crate) operation: Box<str>,
    /// `{namespace}#{operation}#`.
    pub(crate) scope: Box<str>,
    pub(crate) retention: Duration,
    pub(crate) semantics: Semantics,
    pub(crate) on_busy: OnBusy,
    pub(crate) on_store_down: OnStoreDown,
    pub(crate) max_attempts: u64,
    pub(crate) keep: Keep,
    pub(crate) result_name: Option<Box<str>>,
    pub(crate) skew: Duration,
    pub(crate) min_time: Duration,
    pub(crate) probe_first: bool,
}

pub(crate) struct Core<S: ?Sized> {
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) sleep: Arc<dyn AnySleep>,
    pub(crate) ids: Arc<dyn IdSource>,
    /// For what can still be refused.
    pub(crate) retry: Retry,
    /// For what must be said: the work is done, or the key is free.
    pub(crate) patient: Retry,
    pub(crate) observer: Option<Arc<Observer>>,
    pub(crate) flights: Flights,
    pub(crate) store: Arc<S>,
}

/// Next step after an answer of the store.
pub(crate) enum Step<T> {
    Done(T),
    Again(Fault),
}

/// An answer of the store to a conditional write, once it is certain.
pub(crate) enum Answer<A, R> {
    Applied(A),
    Refused(R),
    Contended,
}

impl<S: Store + ?Sized> Core<S> {
    pub(crate) fn new_owner(&self, now: Timestamp) -> Owner {
        Owner::new(self.ids.next_id(now).as_str())
    }

    /// A salt of 128 bits, for a record that has none or a run that has no record.
    pub(crate) fn new_salt(&self) -> Salt {
        let drawn = [self.random.next_u64(), self.random.next_u64()];
        let mut digits = [b'0'; 32];
        for (place, digit) in digits.iter_mut().enumerate() {
            let number = drawn[place / 16] >> (4 * (place % 16));
            *digit = b"0123456789abcdef"[usize::from(number.to_le_bytes()[0] & 15)];
        }
        Salt::new(std::str::from_utf8(&digits).unwrap_or_default())
    }

    pub(crate) fn stale_before(&self, now: Timestamp) -> Timestamp {
        time::earlier(now, self.settings.skew)
    }

    /// When a record may be forgotten that is needed until `moment`.
    pub(crate) fn expiry(&self, moment: Timestamp) -> Timestamp {
        time::whole_second(moment.saturating_add(self.settings.retention))
    }

    pub(crate) fn report(&self, event: Event, key: &RecordKey, attempt: u64) {
        self.report_with(event, key, attempt, None);
    }

    pub(crate) fn report_with(
        &self,
        event: Event,
        key: &RecordKey,
        attempt: u64,
        expires_at: Option<Timestamp>,
    ) {
        if let Some(observer) = &self.observer {
            let Settings { namespace, operation, .. } = &self.settings;
            let report = Report { event, namespace, operation, key, attempt, expires_at };
            // Metrics are not worth a call, nor the process: a claim that is dropped while a panic
            // goes on is reported as well.
            _ = catch_unwind(AssertUnwindSafe(|| observer(&report)));
        }
    }

    /// Makes a call until there is an answer, or until it is of no use to try again.
    ///
    /// The first try is made also when no time is left, since a function may live on for a moment
    /// and what it has to say may be that the work is done.
    pub(crate) async fn insist<T, F, Fut>(
        &self,
        retry: &Retry,
        until: Timestamp,
        mut call: F,
    ) -> Result<T, Fault>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<Step<T>, Fault>>,
    {
        let mut attempts = retry.attempts(Deadline::at(until));
        loop {
            let fault = match self.within(until, call()).await {
                Ok(Step::Done(answer)) => {
                    attempts.succeed();
                    return Ok(answer);
                }
                Ok(Step::Again(fault)) | Err(fault) => fault,
            };
            match attempts.next(&fault) {
                Ok(delay) => self.sleep.sleep_boxed(delay).await,
                Err(why) => return Err(attempts.give_up(why, fault)),
            }
            if let Err(why) = attempts.start() {
                return Err(attempts.give_up(why, fault));
            }
        }
    }

    /// Makes a conditional write until there is an answer.
    pub(crate) async fn write<A, R, F, Fut>(
        &self,
        retry: &Retry,
        until: Timestamp,
        mut call: F,
    ) -> Result<Answer<A, R>, Fault>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<Judged<A, R>, Fault>>,
    {
        let contended = AtomicBool::new(false);
        let answer = self
            .insist(retry, until, || {
                let call = call();
                let contended = &contended;
                async move {
                    let judged = call.await?;
                    contended.store(matches!(judged, Judged::Contended), Ordering::Relaxed);
                    Ok(match judged {
                        Judged::Applied(applied) => Step::Done(Answer::Applied(applied)),
                        Judged::Refused(refused) => Step::Done(Answer::Refused(refused)),
                        Judged::Contended => Step::Again(passing("the record is held")),
                        Judged::Raced => Step::Again(passing("the record changed in between")),
                    })
                }
            })
            .await;
        match answer {
            Err(fault) if contended.into_inner() && !fault.may_have_happened() => {
                Ok(Answer::Contended)
            }
            answer => answer,
        }
    }

    /// Waits for an answer, but not longer than `until`.
    pub(crate) async fn within<T>(
        &self,
        until: Timestamp,
        call: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        /// Time for an answer when no time is left.
        const LEAST: Duration = Duration::from_millis(200);
        self.answered(until, LEAST, call).await
    }

    /// Reads before anything is asked for, which may take half of the time: what is not known by
    /// then is asked for with the write.
    pub(crate) async fn probe<T>(
        &self,
        deadline: Deadline,
        read: impl AsyncFnOnce(Timestamp) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let half = deadline.remaining(&*self.clock) / 2;
        let until = self.clock.now().saturating_add(half);
        self.answered(until, Duration::ZERO, read(until)).await
    }

    async fn answered<T>(
        &self,
        until: Timestamp,
        least: Duration,
        call: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let timer = || {
            let remaining = until.saturating_duration_since(self.clock.now()).max(least);
            self.sleep.sleep_boxed(remaining)
        };
        match race(call, timer, || true).await {
            First::Work(answer) => answer,
            First::Other(()) | First::Late => {
                let fault = Fault::deadline("the store did not answer in time")
                    .with_remedy("look at the latency of {service}, or give the function more time")
                    .with_may_have_happened(true);
                Err(match self.store.target() {
                    Some(call) => fault.with_call(call),
                    None => fault,
                })
            }
        }
    }

    /// Puts a result where it belongs: on the record, or beside it.
    pub(crate) async fn place(
        &self,
        claim: Claimant<'_>,
        kept: Option<crate::keep::Kept>,
        type_name: &str,
        expires_at: Timestamp,
    ) -> Result<Stored, Fault> {
        let Some(kept) = kept else {
            return Ok(Stored::new(Body::Omitted, crate::record::Encoding::Json));
        };
        let limit = self.settings.keep.inline_limit().min(self.store.max_inline());
        let name = self.settings.result_name.as_deref().unwrap_or_else(|| shortened(type_name));
        let body = if kept.bytes.len() <= limit {
            Body::Inline(kept.bytes)
        } else {
            let sha256 = crate::digest::hex(&crate::digest::sha256(&kept.bytes));
            let len = u64::try_from(kept.bytes.len()).unwrap_or(u64::MAX);
            let name = SpillRef::new(claim.owner.clone(), sha256, len);
            let spill = Spill::new(claim.key.clone(), name.clone(), kept.bytes, expires_at);
            self.insist(&self.patient, claim.until, || async {
                self.store.put_spill(&spill).await.map(Step::Done)
            })
            .await?;
            Body::Spilled(name)
        };
        Ok(Stored::new(body, kept.encoding).with_type_name(name))
    }

    /// Ends a claim.
    pub(crate) async fn settle(
        &self,
        request: &Settle,
        until: Timestamp,
    ) -> Result<Answer<(), crate::verdict::Unsettled>, Fault> {
        let answer = self.write(&self.patient, until, || async {
            Ok(match self.store.settle(request).await? {
                Reply::Applied(()) => Judged::Applied(()),
                Reply::Refused(found) => match crate::verdict::settle(request, found) {
                    crate::verdict::Unsettled::Own => {
                        self.report(Event::OwnWrite, &request.key, 0);
                        Judged::Applied(())
                    }
                    other => Judged::Refused(other),
                },
                Reply::Contended => Judged::Contended,
            })
        });
        answer.await
    }

    /// The fault of a write that other transactions are in the way of until the time is up.
    pub(crate) fn contended(&self) -> Fault {
        let fault = Fault::transient("other transactions hold its items").with_remedy(
            "lower the concurrency, or spread the writes over more items of {resource}",
        );
        match self.store.target() {
            Some(call) => fault.with_call(call),
            None => fault,
        }
    }

    pub(crate) fn store_failed(phase: Phase, fault: Fault, may_have_happened: bool) -> GuardError {
        GuardError::Store(StoreFailed { phase, fault, may_have_happened })
    }

    pub(crate) fn inspected(key: &RecordKey, record: Box<crate::record::Record>) -> Box<Inspected> {
        Inspected::boxed(key, *record)
    }
}

/// Flag that some try of a write was not answered, so that a later one cannot tell what it did, or
/// will do when it arrives.
#[derive(Default)]
pub(crate) struct Unanswered(AtomicBool);

impl Unanswered {
    /// Makes a try.
    pub(crate) async fn watch<T>(
        &self,
        call: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        // A try that is dropped at the end of the time is not answered, either.
        let before = self.0.swap(true, Ordering::Relaxed);
        let reply = call.await;
        let known = reply.as_ref().map_or_else(|fault| !fault.may_have_happened(), |_| true);
        self.0.store(before || !known, Ordering::Relaxed);
        reply
    }

    pub(crate) fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Key and owner of a claim, and the time until which it is worth trying.
#[derive(Clone, Copy)]
pub(crate) struct Claimant<'a> {
    pub(crate) key: &'a RecordKey,
    pub(crate) owner: &'a Owner,
    pub(crate) until: Timestamp,
}

/// Meaning of one answer of the store.
pub(crate) enum Judged<A, R> {
    Applied(A),
    Refused(R),
    Contended,
    Raced,
}

/// Trouble that passes, and in which nothing was written.
fn passing(context: &'static str) -> Fault {
    Fault::transient(context).with_may_have_happened(false)
}

impl<S: ?Sized> fmt::Debug for Core<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { scope, retention, semantics, on_busy, .. } = &self.settings;
        f.debug_struct("Guard")
            .field("scope", scope)
            .field("retention", retention)
            .field("semantics", semantics)
            .field("on_busy", on_busy)
            .finish_non_exhaustive()
    }
}

/// The beginning of a type's name, which can be as long as the types within it.
fn shortened(type_name: &str) -> &str {
    const MAX: usize = 128;
    &type_name[..type_name.floor_char_boundary(MAX)]
}
