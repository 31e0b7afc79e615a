use std::{ops::Range, sync::Arc};

use setpiece_bus::EventPattern;
use setpiece_envelope::Timestamp;

use super::{CallError, Taken};

/// Archive of a bus, with the events that it has kept.
pub(super) struct Archive {
    pub(super) name: String,
    pub(super) pattern: Option<EventPattern>,
    pub(super) events: Vec<Arc<Taken>>,
}

/// Sends what an archive has kept to the bus again, for
/// [`FakeBus::start_replay`](super::FakeBus::start_replay).
///
/// What is replayed is what it was, with `replay-name` added, and it goes only through rules: no
/// archive keeps it a second time. EventBridge does not promise the order; here it is that of the
/// archive, unless the bus [reorders](super::Faults::reorder). That it keeps its id and time is from
/// memory.
///
/// ```
/// use setpiece_testing::{FakeBus, PutEventsEntry, Replay, Rule, Target};
///
/// let bus = FakeBus::new();
/// bus.create_archive("all", None)?;
/// _ = bus.put_events(vec![PutEventsEntry::new("retail", "order_submitted", "{}")]);
///
/// // Loyalty begins its work later, and catches up.
/// bus.put_rule(Rule::parse("loyalty", r#"{ "source": ["retail"] }"#)?)?;
/// bus.put_targets("loyalty", [Target::new("loyalty")])?;
/// bus.start_replay(&Replay::new("catch-up", "all").to_rules(["loyalty"]))?;
///
/// let delivery = bus.next_delivery().unwrap();
/// assert!(delivery.text().contains(r#""replay-name":"catch-up""#));
/// # Ok::<_, setpiece_testing::CallError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "start it on a bus"]
pub struct Replay {
    pub(super) name: String,
    pub(super) archive: String,
    pub(super) rules: Option<Vec<String>>,
    pub(super) between: Option<Range<Timestamp>>,
}

impl Replay {
    /// A replay of all that is in `archive`, to all rules.
    pub fn new(name: &str, archive: &str) -> Self {
        Self { name: name.to_owned(), archive: archive.to_owned(), rules: None, between: None }
    }

    /// Only to these rules.
    pub fn to_rules<'a>(self, rules: impl IntoIterator<Item = &'a str>) -> Self {
        Self { rules: Some(rules.into_iter().map(str::to_owned).collect()), ..self }
    }

    /// Only what the bus took from `start` on and before `end`.
    pub fn between(self, start: Timestamp, end: Timestamp) -> Self {
        Self { between: Some(start..end), ..self }
    }

    /// Recorded.
    pub(super) fn check(&self) -> Result<(), CallError> {
        match &self.between {
            Some(between) if between.start >= between.end => Err(CallError::validation(
                "Parameter EventEndTime is not valid. Reason: EventStartTime must be before \
                 EventEndTime.",
            )),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn is_of(&self, received: Timestamp) -> bool {
        self.between.as_ref().is_none_or(|between| between.contains(&received))
    }
}
