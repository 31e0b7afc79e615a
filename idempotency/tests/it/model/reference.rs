//! The model: one record, and which request has left it as it is.
//!
//! It knows neither owners nor attributes nor conditions. A request has a number, and whatever a
//! call sends has the same one, so that a claim is known by it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use setpiece_idempotency::{
    Semantics,
    record::{Fingerprint, Record, Status},
};

use crate::support::Powertools;

pub(super) const RETENTION: Duration = Duration::from_mins(1);

/// What clocks may differ by, in milliseconds.
const SKEW: i64 = 1000;

#[derive(Debug, Default)]
pub(super) struct Reference {
    pub(super) semantics: Semantics,
    pub(super) record: Option<Entry>,
    /// How often the writes of a request were applied.
    pub(super) written: BTreeMap<u64, i64>,
    /// The claims that somebody on call took away while they were held.
    pub(super) revoked: BTreeSet<u64>,
    /// Whether it was forgotten, or somebody gave it back who may, since it was asked last.
    pub(super) given_back: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The request that claimed it, or 0 where that was Powertools.
    pub(super) claim: u64,
    attempt: u64,
    pub(super) state: State,
    expires: i64,
    payload: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Working { until: i64 },
    Done(Ending),
    Free,
}

/// What is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Value(i64),
    /// That it was seen, and nothing else.
    Nothing,
    Failed,
}

/// What is sent, at which moment in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Acquire {
        now: i64,
        until: i64,
        payload: Option<u64>,
    },
    Settle {
        now: i64,
        ending: Ending,
    },
    Release {
        now: i64,
    },
    Extend {
        until: i64,
    },
    /// `fits` says whether the conditions of the caller's own writes hold.
    Commit {
        now: i64,
        attempt: u64,
        result: i64,
        fits: bool,
    },
    Once {
        now: i64,
        result: i64,
        fits: bool,
        payload: Option<u64>,
    },
    /// The same without a result and without writes.
    Seen {
        now: i64,
        payload: Option<u64>,
    },
    Amend {
        now: i64,
        seen: Entry,
        change: Change,
    },
}

/// What somebody on call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Release,
    ReleaseLive,
    Resolve(i64),
    Forget,
    ForgetLive,
}

/// What was answered, or should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Granted(u64),
    Done(Ending),
    Busy,
    Interrupted,
    Mismatch,
    Kept,
    WriteRefused,
    Superseded,
    Vanished,
    Lost,
    Freed,
    Extended,
    Amended,
    Live,
    Changed,
    /// There is no answer; and whether the effect may have happened.
    Unknown(bool),
    /// Nobody was asked.
    Nothing,
    /// Something was written that nobody waits for.
    Arrived,
}

/// What happens to the requests of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mishap {
    None,
    OneAnswerLost,
    OneRequestLost,
    OneLate,
    AllAnswersLost,
    AllRequestsLost,
    AllLate,
}

impl Mishap {
    /// Whether none of the requests arrives in time.
    fn is_deaf(self) -> bool {
        matches!(self, Self::AllRequestsLost | Self::AllLate)
    }

    /// Whether none of the answers arrives.
    fn is_mute(self) -> bool {
        self.is_deaf() || self == Self::AllAnswersLost
    }

    /// What it comes to when so much time is left for another try. A moment that may or may not
    /// suffice is left out.
    pub(super) fn within(self, left: Duration) -> Self {
        match self {
            Self::OneAnswerLost if left.is_zero() => Self::AllAnswersLost,
            Self::OneRequestLost if left.is_zero() => Self::AllRequestsLost,
            Self::OneLate if left.is_zero() => Self::AllLate,
            Self::OneAnswerLost | Self::OneRequestLost | Self::OneLate
                if left < Duration::from_millis(200) =>
            {
                Self::None
            }
            other => other,
        }
    }
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}

/// Milliseconds of the first whole second after the retention.
fn expiry(from: i64) -> i64 {
    (from + millis(RETENTION) + 999).div_euclid(1000) * 1000
}

fn second(moment: i64) -> i64 {
    moment.div_euclid(1000) * 1000
}

/// The SHA-256 of the JSON of the two payloads that there are.
fn fingerprint(payload: u64) -> &'static str {
    match payload {
        0 => "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9",
        _ => "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b",
    }
}

/// Not known yet: it was written at a moment that only the guard knows.
const LEARN: i64 = i64::MAX;

impl Entry {
    /// What was given back is bound to no payload.
    fn forget_if_free(&mut self) {
        if self.state == State::Free {
            self.payload = None;
        }
    }

    /// Whether somebody on call takes one for the other. Which result it is they do not compare:
    /// only Powertools writes another one over it, and only in the same second is nothing else new.
    fn looks_like(&self, seen: &Self) -> bool {
        let kind = |entry: &Self| match entry.state {
            State::Done(Ending::Value(_)) => State::Done(Ending::Nothing),
            state => state,
        };
        kind(self) == kind(seen)
            && Self { state: seen.state, payload: seen.payload, ..*self } == *seen
    }
}

impl Reference {
    /// What a call answers that sends something, with the retries and what follows from them.
    pub(super) fn call(&mut self, id: u64, sent: Sent, mishap: Mishap) -> Verdict {
        match sent {
            Sent::Commit { attempt, fits, .. } => {
                return self.commit(id, sent, (attempt, fits), mishap);
            }
            Sent::Amend { now, seen, change } => match (change, seen.state) {
                (Change::Release | Change::Forget, State::Working { until })
                    if until >= now - SKEW =>
                {
                    return Verdict::Live;
                }
                (
                    Change::Release | Change::ReleaseLive,
                    State::Done(Ending::Value(_) | Ending::Nothing),
                ) => return Verdict::Changed,
                _ => {}
            },
            _ => {}
        }
        // Work that was not begun has no effect, wherever its claim is.
        let unknown = Verdict::Unknown(!matches!(sent, Sent::Acquire { .. }));
        if mishap.is_deaf() {
            return unknown;
        }
        let verdict = self.apply(id, sent);
        let may_come_again = mishap != Mishap::None;
        match (sent, verdict) {
            (Sent::Acquire { .. }, Verdict::Granted(_)) if mishap.is_mute() => {
                if self.semantics == Semantics::AtMostOnce {
                    self.free(LEARN);
                }
                unknown
            }
            // It is looked for, and found.
            (Sent::Once { .. }, Verdict::Kept) => Verdict::Kept,
            _ if mishap.is_mute() => unknown,
            (
                Sent::Once { .. } | Sent::Seen { .. },
                Verdict::Busy | Verdict::Interrupted | Verdict::WriteRefused,
            ) if may_come_again => unknown,
            // Another payload goes when its claim is given back, and the request may come then.
            (Sent::Once { .. } | Sent::Seen { .. }, Verdict::Mismatch)
                if may_come_again && self.is_worked_on() =>
            {
                unknown
            }
            // What was resolved is known again, and anything else is made once more.
            (Sent::Amend { change, .. }, Verdict::Amended)
                if mishap == Mishap::OneAnswerLost && !matches!(change, Change::Resolve(_)) =>
            {
                self.apply(id, sent)
            }
            _ => verdict,
        }
    }

    fn is_worked_on(&self) -> bool {
        self.record.is_some_and(|entry| matches!(entry.state, State::Working { .. }))
    }

    /// A commit that is not answered is given back, if the work may be run again, and so it is known
    /// in the end.
    fn commit(
        &mut self,
        id: u64,
        sent: Sent,
        (attempt, fits): (u64, bool),
        mishap: Mishap,
    ) -> Verdict {
        let (free, once) = (State::Free, self.semantics == Semantics::AtMostOnce);
        let is_left = self.record.is_some_and(|it| it.claim == id && it.state == free);
        let is_mine = self.claimed(id).is_ok();
        let is_same = self.record.is_some_and(|it| it.attempt == attempt);
        let unanswered = mishap != Mishap::None;
        let never = mishap.is_deaf() || (is_same && !fits) || (!is_same && mishap.is_mute());
        if is_mine && never {
            if !once {
                self.free(LEARN);
            }
            return match mishap {
                _ if mishap.is_mute() || (unanswered && once) => Verdict::Unknown(once),
                _ => Verdict::WriteRefused,
            };
        }
        let verdict = self.apply(id, sent);
        match verdict {
            Verdict::Lost if is_left && mishap.is_mute() => Verdict::Unknown(false),
            // Whether a commit was applied before the record went, nobody can say.
            Verdict::Vanished if mishap.is_mute() => Verdict::Unknown(true),
            Verdict::Vanished => Verdict::Lost,
            verdict => verdict,
        }
    }

    /// What becomes of one request that arrives.
    pub(super) fn apply(&mut self, id: u64, sent: Sent) -> Verdict {
        match sent {
            Sent::Acquire { now, until, payload } => {
                self.taken(id, now, payload).unwrap_or_else(|| {
                    let state = State::Working { until };
                    Verdict::Granted(self.claim(id, now, payload, state, expiry(until)))
                })
            }
            Sent::Once { fits, now, payload, .. } if !fits => {
                self.taken(id, now, payload).unwrap_or(Verdict::WriteRefused)
            }
            Sent::Once { now, result, payload, .. } => {
                self.taken(id, now, payload).unwrap_or_else(|| {
                    let state = State::Done(Ending::Value(result));
                    self.claim(id, now, payload, state, expiry(now));
                    *self.written.entry(id).or_default() += 1;
                    Verdict::Kept
                })
            }
            Sent::Seen { now, payload } => self.taken(id, now, payload).unwrap_or_else(|| {
                self.claim(id, now, payload, State::Done(Ending::Nothing), expiry(now));
                Verdict::Kept
            }),
            Sent::Settle { now, ending } => self.ended(id, State::Done(ending), now, Verdict::Kept),
            Sent::Commit { attempt, fits, .. }
                if self.claimed(id).is_ok_and(|entry| entry.attempt != attempt || !fits) =>
            {
                let is_same = self.record.is_some_and(|entry| entry.attempt == attempt);
                if is_same { Verdict::WriteRefused } else { Verdict::Lost }
            }
            Sent::Commit { now, result, .. } => {
                let ending = State::Done(Ending::Value(result));
                let verdict = self.ended(id, ending, now, Verdict::Kept);
                if verdict == Verdict::Kept {
                    *self.written.entry(id).or_default() += 1;
                }
                verdict
            }
            Sent::Release { now } => match self.ended(id, State::Free, now, Verdict::Freed) {
                Verdict::Freed => {
                    self.given_back = true;
                    Verdict::Freed
                }
                // Nobody has to wait for it.
                Verdict::Vanished => Verdict::Freed,
                _ if self.record.is_some_and(|it| it.claim == id && it.state == State::Free) => {
                    Verdict::Freed
                }
                _ => Verdict::Lost,
            },
            Sent::Extend { until: longer } => match self.claimed(id) {
                Ok(entry) => {
                    if let State::Working { until } = &mut entry.state {
                        *until = (*until).max(longer);
                        entry.expires = expiry(*until);
                    }
                    Verdict::Extended
                }
                Err(_) => Verdict::Lost,
            },
            Sent::Amend { now, seen, change } => self.amend(id, now, seen, change),
        }
    }

    fn amend(&mut self, id: u64, now: i64, seen: Entry, change: Change) -> Verdict {
        let Some(entry) = self.record.filter(|entry| entry.looks_like(&seen)) else {
            return Verdict::Changed;
        };
        if let State::Working { .. } = entry.state {
            self.revoked.insert(entry.claim);
        }
        let expires = expiry(now);
        self.given_back = true;
        self.record = match change {
            Change::Release | Change::ReleaseLive => {
                Some(Entry { state: State::Free, expires, payload: None, ..entry })
            }
            Change::Resolve(result) => {
                let state = State::Done(Ending::Value(result));
                Some(Entry { claim: id, state, expires, ..entry })
            }
            Change::Forget | Change::ForgetLive => None,
        };
        Verdict::Amended
    }

    /// Why a request may not have the key, if it may not.
    fn taken(&self, id: u64, now: i64, payload: Option<u64>) -> Option<Verdict> {
        let entry = self.record?;
        let is_another = payload.zip(entry.payload).is_some_and(|(ours, its)| ours != its);
        match (entry.state, self.semantics) {
            // It had it before, and this one comes late.
            _ if entry.claim == id => Some(Verdict::Lost),
            (State::Working { until }, _) if until >= now - SKEW => {
                Some(if is_another { Verdict::Mismatch } else { Verdict::Busy })
            }
            _ if entry.expires < second(now) => None,
            _ if is_another => Some(Verdict::Mismatch),
            (State::Done(ending), _) => Some(Verdict::Done(ending)),
            (State::Working { .. }, Semantics::AtMostOnce) => Some(Verdict::Interrupted),
            (State::Free | State::Working { .. }, _) => None,
        }
    }

    fn claim(
        &mut self,
        id: u64,
        now: i64,
        payload: Option<u64>,
        state: State,
        expires: i64,
    ) -> u64 {
        self.given_back |= self.record.is_none_or(|entry| entry.expires < second(now));
        let attempt = self.record.map_or(0, |entry| entry.attempt) + 1;
        let payload = payload.or(self.record.and_then(|entry| entry.payload));
        self.record = Some(Entry { claim: id, attempt, state, expires, payload });
        attempt
    }

    /// The record, if that claim still has it; or what it is told.
    fn claimed(&mut self, id: u64) -> Result<&mut Entry, Verdict> {
        match &mut self.record {
            None => Err(Verdict::Vanished),
            Some(entry) => match entry.state {
                State::Working { .. } if entry.claim == id => Ok(entry),
                State::Done(_) => Err(Verdict::Superseded),
                State::Working { .. } | State::Free => Err(Verdict::Lost),
            },
        }
    }

    fn ended(&mut self, id: u64, state: State, now: i64, verdict: Verdict) -> Verdict {
        match self.claimed(id) {
            Ok(entry) => {
                (entry.state, entry.expires) = (state, expiry(now));
                entry.forget_if_free();
                verdict
            }
            Err(verdict) => verdict,
        }
    }

    fn free(&mut self, expires: i64) {
        if let Some(entry) = &mut self.record {
            (entry.state, entry.expires) = (State::Free, expires);
            entry.forget_if_free();
        }
    }

    pub(super) fn sweep(&mut self, now: i64) {
        self.record = self.record.filter(|entry| entry.expires >= second(now));
    }

    /// What Powertools does, and whether its condition held.
    pub(super) fn powertools(&mut self, request: Powertools) -> bool {
        match request {
            Powertools::Put { now, lease_until, expires_at } => {
                let now = now.unix_millis();
                let is_free = self.record.is_none_or(|entry| match entry.state {
                    _ if entry.expires < second(now) => true,
                    State::Working { until } => until < now,
                    State::Free => true,
                    State::Done(_) => false,
                });
                if is_free {
                    let state = State::Working { until: lease_until.unix_millis() };
                    let expires = expires_at.unix_millis();
                    self.record =
                        Some(Entry { claim: 0, attempt: 0, state, expires, payload: None });
                }
                is_free
            }
            Powertools::Complete { result, expires_at } => {
                let Entry { claim, attempt, payload, .. } = self.record.unwrap_or(Entry {
                    claim: 0,
                    attempt: 0,
                    state: State::Free,
                    expires: 0,
                    payload: None,
                });
                let state = State::Done(Ending::Value(result));
                let expires = expires_at.unix_millis();
                self.record = Some(Entry { claim, attempt, state, expires, payload });
                true
            }
            Powertools::Delete => {
                self.record = None;
                true
            }
        }
    }

    /// The record is as the model has it.
    pub(super) fn check(&mut self, record: Option<&Record>, context: &dyn Fn() -> String) {
        let Some(record) = record else {
            assert!(self.record.is_none(), "there is no record; {}", context());
            return;
        };
        let entry = self.record.as_mut().unwrap_or_else(|| panic!("{record:?}; {}", context()));
        let expires = record.expires_at.unwrap().unix_millis();
        if entry.expires == LEARN {
            entry.expires = expires;
        }
        let state = match entry.state {
            State::Working { .. } => Status::InProgress,
            State::Done(Ending::Failed) => Status::Failed,
            State::Done(_) => Status::Completed,
            State::Free => Status::Released,
        };
        assert_eq!((record.status, record.attempt), (state, entry.attempt), "{}", context());
        assert_eq!(expires, entry.expires, "{}", context());
        let found = record.fingerprint.as_ref().map(Fingerprint::as_str);
        assert_eq!(found, entry.payload.map(fingerprint), "{}", context());
        if let State::Working { until } = entry.state {
            assert_eq!(record.lease_until.unwrap().unix_millis(), until, "{}", context());
        }
    }
}
