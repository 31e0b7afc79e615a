//! From an event that was taken to the deliveries of it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use setpiece_bus::{EventPattern, ParsedEvent};
use setpiece_envelope::{Clock as _, FixedClock, Timestamp};

use super::{
    State, Taken,
    archive::{Archive, Replay},
    delivery::{Pending, QueueMessage, TargetError, Undelivered},
    input::{Facts, Input},
    rule::{Exhausted, RetryPolicy, Rule, Target, rule_arn},
};
use crate::wrap::EventBridge;

/// Routing between an event that was taken and those who get it.
#[derive(Default)]
pub(super) struct Routing {
    pub(super) rules: Vec<Rule>,
    pub(super) archives: Vec<Archive>,
    /// The names of replays that were started.
    pub(super) replays: Vec<String>,
    pending: BTreeMap<Turn, Pending>,
    queues: HashMap<Arc<str>, Vec<QueueMessage>>,
    pub(super) undelivered: Vec<Undelivered>,
    /// Number of turns that have been given out.
    turns: u64,
}

/// When it is a delivery's turn: the moment, then chance or nothing, then the order of arrival.
type Turn = (Timestamp, u64, u64);

impl Routing {
    pub(super) fn rule(&mut self, name: &str) -> Option<&mut Rule> {
        self.rules.iter_mut().find(|rule| *rule.name == *name)
    }
}

impl State {
    /// Sends an event to the targets of all rules that match it, and to the archives.
    pub(super) fn route(&mut self, taken: &Arc<Taken>, replay: Option<&Replay>) {
        let archives = if replay.is_none() { &self.routing.archives[..] } else { &[] };
        let asks_more = self.routing.rules.iter().any(|rule| rule.by_type.is_none());
        let is_for_type = self.routing.rules.iter().any(|rule| taken.is_by_type(rule.by_type));
        if archives.is_empty() && !asks_more && !is_for_type {
            return;
        }
        let event: Arc<str> = taken.delivered(replay.map(|replay| replay.name.as_str())).into();
        // It is laid out only for those who ask for more than its type. A detail of exactly a thousand
        // levels makes an event of one more, which is not laid out and matches no pattern.
        let has_patterns = asks_more || archives.iter().any(|archive| archive.pattern.is_some());
        let laid_out = has_patterns.then(|| ParsedEvent::parse(&*event).ok()).flatten();
        let decide = |pattern: &EventPattern| {
            laid_out.as_ref().map_or(Ok(false), |laid_out| pattern.matches(laid_out))
        };
        let is_chosen = |rule: &Rule| {
            let chosen = replay.and_then(|replay| replay.rules.as_ref());
            chosen.is_none_or(|chosen| chosen.iter().any(|name| **name == *rule.name))
        };
        let mut pending = Vec::new();
        let mut undelivered = Vec::new();
        for rule in self.routing.rules.iter().filter(|rule| rule.is_enabled && is_chosen(rule)) {
            let decided = match rule.by_type {
                Some(_) => Ok(taken.is_by_type(rule.by_type)),
                None => decide(&rule.pattern).map_err(|error| error.to_string()),
            };
            if decided == Ok(false) {
                continue;
            }
            for target in &rule.targets {
                let made = match &decided {
                    Ok(_) => self.pending(taken, &event, rule, target),
                    Err(error) => Err(error.clone()),
                };
                match made {
                    Ok(made) => pending.push(made),
                    Err(error) => undelivered.push(Undelivered {
                        rule: rule.name.as_ref().to_owned(),
                        target: target.id.as_ref().to_owned(),
                        bus_event_id: taken.event_id.clone(),
                        error,
                        exhausted: None,
                    }),
                }
            }
        }
        for undelivered in undelivered {
            self.give_up(undelivered);
        }
        let archives = if replay.is_none() { &mut self.routing.archives[..] } else { &mut [] };
        for archive in archives {
            // What is not decided is kept: an archive that lacks it cannot give it back.
            if archive.pattern.as_ref().is_none_or(|pattern| decide(pattern) != Ok(false)) {
                archive.events.push(Arc::clone(taken));
            }
        }
        for pending in pending {
            if self.faults.duplicates() {
                self.enqueue(pending.clone(), self.clock.now());
            }
            self.enqueue(pending, self.clock.now());
        }
    }

    /// Makes the first attempt to deliver an event to a target of a rule, or says why there is none.
    fn pending(
        &self,
        taken: &Arc<Taken>,
        event: &Arc<str>,
        rule: &Rule,
        target: &Arc<Target>,
    ) -> Result<Pending, String> {
        let text = match &target.input {
            Input::Whole => Arc::clone(event),
            input => {
                let facts = Facts {
                    event,
                    rule_name: &rule.name,
                    rule_arn: &rule_arn(&self.name, &rule.name),
                    ingestion_time: &taken.received.truncate_to_seconds().to_string(),
                };
                input.render(facts)?.into()
            }
        };
        Ok(Pending {
            taken: Arc::clone(taken),
            rule: Arc::clone(&rule.name),
            target: Arc::clone(target),
            text,
            event: Arc::clone(event),
            since: self.clock.now(),
            attempt: 1,
        })
    }

    /// Records what nobody gets.
    fn give_up(&mut self, undelivered: Undelivered) {
        self.record.tally.undelivered += 1;
        if !self.record.is_stopped() {
            self.routing.undelivered.push(undelivered);
        }
    }

    /// Lets a delivery wait for its turn, which comes at `due` or later.
    fn enqueue(&mut self, pending: Pending, due: Timestamp) {
        let turn =
            (due.saturating_add(self.faults.delay()), self.faults.order(), self.routing.turns);
        self.routing.turns += 1;
        self.routing.pending.insert(turn, pending);
    }

    /// The delivery whose turn it is, letting time pass until one has it.
    pub(super) fn next_pending(&mut self) -> Option<Pending> {
        loop {
            let ((due, ..), pending) = self.routing.pending.pop_first()?;
            pass_time(&self.clock, due);
            match &pending.target.queue {
                None => return Some(pending),
                Some(queue) => {
                    let message = QueueMessage::new(&pending.text);
                    self.routing.queues.entry(Arc::clone(queue)).or_default().push(message);
                }
            }
        }
    }

    /// Returns the content of a queue, after all that waits for it has arrived.
    pub(super) fn queue(&mut self, name: &str) -> &mut Vec<QueueMessage> {
        let is_for_it = |pending: &Pending| pending.target.queue.as_deref() == Some(name);
        let arriving: Vec<Turn> = {
            let waiting = self.routing.pending.iter().filter(|(_, pending)| is_for_it(pending));
            waiting.map(|(turn, _)| *turn).collect()
        };
        let mut messages = Vec::new();
        for turn in arriving {
            let Some(pending) = self.routing.pending.remove(&turn) else { continue };
            pass_time(&self.clock, turn.0);
            messages.push(QueueMessage::new(&pending.text));
        }
        let queue = self.routing.queues.entry(name.into()).or_default();
        queue.extend(messages);
        queue
    }

    /// Tries a delivery again, or gives it up.
    pub(super) fn failed(&mut self, pending: Pending, error: TargetError, is_retried: bool) {
        let RetryPolicy { max_retries, max_age } = pending.target.retry;
        let due = self.clock.now().saturating_add(RetryPolicy::delay(pending.attempt));
        let exhausted = if !is_retried {
            None
        } else if pending.attempt > max_retries {
            Some(Exhausted::Retries)
        } else if due.saturating_duration_since(pending.since) > max_age {
            Some(Exhausted::Age)
        } else {
            return self.enqueue(Pending { attempt: pending.attempt + 1, ..pending }, due);
        };
        if let Some(queue) = &pending.target.dead_letters {
            let message = QueueMessage::dead(
                &pending,
                &rule_arn(&self.name, &pending.rule),
                &error,
                exhausted,
            );
            self.routing.queues.entry(Arc::clone(queue)).or_default().push(message);
        } else {
            self.give_up(Undelivered {
                rule: pending.rule.as_ref().to_owned(),
                target: pending.target.id.as_ref().to_owned(),
                bus_event_id: pending.taken.event_id.clone(),
                error: error.message,
                exhausted,
            });
        }
    }
}

/// Moves the clock ahead to `moment`, if that is still to come.
fn pass_time(clock: &FixedClock, moment: Timestamp) {
    clock.advance(moment.saturating_duration_since(clock.now()));
}

impl Taken {
    fn is_by_type(&self, by_type: Option<(&str, &str)>) -> bool {
        let found = (self.entry.source.as_deref(), self.entry.detail_type.as_deref());
        by_type.is_some_and(|(source, detail_type)| found == (Some(source), Some(detail_type)))
    }

    /// The event as EventBridge delivers it.
    fn delivered(&self, replay_name: Option<&str>) -> String {
        let event = EventBridge {
            id: &self.event_id,
            source: self.entry.source.as_deref().unwrap_or_default(),
            detail_type: self.entry.detail_type.as_deref().unwrap_or_default(),
            time: self.entry.time.unwrap_or(self.received),
            resources: &self.entry.resources,
            detail: self.entry.detail.as_deref().unwrap_or_default(),
            replay_name,
        };
        event.to_json()
    }
}

#[cfg(test)]
mod tests;
