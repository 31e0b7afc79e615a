use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use setpiece_bus::{Accepted, Bus, EntryResult, Limits, OutgoingEvent, Preflight};
use setpiece_policy::Fault;

/// What the bus says to one request.
pub(super) enum Answer {
    /// About each entry: accepted, or why not.
    Entries(Vec<Option<Fault>>),
    /// Nothing about any entry; `true` if it took them all the same.
    Fault(Fault, bool),
    /// About fewer entries than there were.
    Short,
    /// Nothing, ever. It took the entries.
    Never,
}

type Script = dyn FnMut(&Call) -> Answer + Send;

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// From 0.
    pub(super) number: usize,
    pub(super) ids: Vec<String>,
    /// By the formula of the bus.
    pub(super) sizes: Vec<usize>,
}

/// A bus that does what its script says, and remembers everything. Clones are the same.
#[derive(Clone)]
pub(super) struct ScriptedBus {
    state: Arc<Mutex<State>>,
    limits: Limits,
    /// How often a request is not ready, before and after the bus took the entries.
    yields: usize,
}

struct State {
    script: Box<Script>,
    calls: Vec<Call>,
    /// How often each event was taken.
    taken: BTreeMap<String, usize>,
    details: BTreeMap<String, String>,
    in_flight: usize,
    most_in_flight: usize,
}

impl ScriptedBus {
    pub(super) fn new(script: impl FnMut(&Call) -> Answer + Send + 'static) -> Self {
        let state = State {
            script: Box::new(script),
            calls: Vec::new(),
            taken: BTreeMap::new(),
            details: BTreeMap::new(),
            in_flight: 0,
            most_in_flight: 0,
        };
        let limits = Limits::EVENT_BRIDGE;
        Self { state: Arc::new(Mutex::new(state)), limits, yields: 0 }
    }

    /// A bus that accepts everything.
    pub(super) fn willing() -> Self {
        Self::new(|call| Answer::Entries(call.ids.iter().map(|_| None).collect()))
    }

    /// A bus that asks about each entry and how often it has been seen, from 1.
    pub(super) fn per_entry(
        mut verdict: impl FnMut(&str, usize) -> Option<Fault> + Send + 'static,
    ) -> Self {
        let mut seen = BTreeMap::<String, usize>::new();
        Self::new(move |call| {
            let verdicts = call.ids.iter().map(|id| {
                let times = seen.entry(id.clone()).or_default();
                *times += 1;
                verdict(id, *times)
            });
            Answer::Entries(verdicts.collect())
        })
    }

    pub(super) fn with_limits(self, max_entries: usize, max_bytes: usize) -> Self {
        let limits = Limits::new(max_entries, max_bytes, Limits::EVENT_BRIDGE.size);
        Self { limits, ..self }
    }

    pub(super) fn with_yields(self, yields: usize) -> Self {
        Self { yields, ..self }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// The ids of each request.
    pub(super) fn requests(&self) -> Vec<Vec<String>> {
        self.lock().calls.iter().map(|call| call.ids.clone()).collect()
    }

    /// How often each event was taken.
    pub(super) fn taken(&self) -> BTreeMap<String, usize> {
        self.lock().taken.clone()
    }

    pub(super) fn detail(&self, id: &str) -> String {
        self.lock().details[id].clone()
    }

    pub(super) fn most_in_flight(&self) -> usize {
        self.lock().most_in_flight
    }
}

impl State {
    fn take(&mut self, entry: &OutgoingEvent) -> Accepted {
        let id = entry.event_id().as_str().to_owned();
        self.details.insert(id.clone(), entry.detail().to_owned());
        *self.taken.entry(id.clone()).or_default() += 1;
        Accepted::published(format!("bus-{id}"))
    }
}

/// Counts a request as long as it is there.
struct InFlight(ScriptedBus);

impl InFlight {
    fn new(bus: &ScriptedBus) -> Self {
        let mut state = bus.lock();
        state.in_flight += 1;
        state.most_in_flight = state.most_in_flight.max(state.in_flight);
        drop(state);
        Self(bus.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.lock().in_flight -= 1;
    }
}

impl Bus for ScriptedBus {
    fn limits(&self) -> Limits {
        self.limits
    }

    async fn put(&self, entries: &[&OutgoingEvent]) -> Result<Vec<EntryResult>, Fault> {
        let in_flight = InFlight::new(self);
        for _ in 0..self.yields {
            tokio::task::yield_now().await;
        }
        let answer = {
            let mut state = self.lock();
            let call = Call {
                number: state.calls.len(),
                ids: entries.iter().map(|it| it.event_id().as_str().to_owned()).collect(),
                sizes: entries.iter().map(|entry| (self.limits.size)(entry)).collect(),
            };
            let answer = (state.script)(&call);
            state.calls.push(call);
            match answer {
                Answer::Entries(verdicts) => Some(Ok(entries
                    .iter()
                    .zip(verdicts)
                    .map(|(entry, verdict)| match verdict {
                        None => Ok(state.take(entry)),
                        Some(fault) => Err(fault),
                    })
                    .collect())),
                Answer::Fault(fault, is_taken) => {
                    if is_taken {
                        for entry in entries {
                            state.take(entry);
                        }
                    }
                    Some(Err(fault))
                }
                Answer::Short => Some(Ok(Vec::new())),
                Answer::Never => {
                    for entry in entries {
                        state.take(entry);
                    }
                    None
                }
            }
        };
        for _ in 0..self.yields {
            tokio::task::yield_now().await;
        }
        let Some(answer) = answer else { return std::future::pending().await };
        drop(in_flight);
        answer
    }

    async fn preflight(&self) -> Result<Preflight, Fault> {
        Ok(Preflight::PROVEN)
    }
}
