use std::{fmt, sync::Arc, time::Duration};

use serde_json::json;
use setpiece_bus::EventPattern;
use setpiece_envelope::DomainEvent;

use super::{
    CallError,
    input::Input,
    validation::{MAX_NAME_CHARS, Violations, check_name},
};
use crate::{
    must::must,
    wrap::{ACCOUNT, REGION},
};

/// A rule of the bus: which events go to its targets.
///
/// ```
/// use setpiece_testing::{FakeBus, PutEventsEntry, Rule, Target};
///
/// let bus = FakeBus::named("orders");
/// bus.put_rule(Rule::parse("large-orders", r#"{ "detail": { "total": [{ "numeric": [">", 100] }] } }"#)?)?;
/// bus.put_targets("large-orders", [Target::new("loyalty"), Target::queue("audit")])?;
///
/// let order = |total| {
///     let detail = format!(r#"{{ "total": {total} }}"#);
///     PutEventsEntry {
///         event_bus_name: Some("orders".to_owned()),
///         ..PutEventsEntry::new("retail.orders", "order_submitted", detail)
///     }
/// };
/// _ = bus.put_events(vec![order(7), order(700)]);
///
/// let delivery = bus.next_delivery().unwrap();
/// assert_eq!((delivery.rule(), delivery.target()), ("large-orders", "loyalty"));
/// assert!(delivery.text().ends_with(r#""detail":{ "total": 700 }}"#));
/// delivery.succeed();
/// assert!(bus.next_delivery().is_none());
/// assert_eq!(bus.messages("audit").len(), 1);
/// # Ok::<_, setpiece_testing::CallError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "put it on a bus"]
pub struct Rule {
    pub(super) name: Arc<str>,
    pub(super) pattern: EventPattern,
    /// The source and detail-type that are all that the pattern asks for. Then it need not be
    /// evaluated.
    pub(super) by_type: Option<(&'static str, &'static str)>,
    pub(super) is_enabled: bool,
    pub(super) targets: Vec<Arc<Target>>,
}

impl Rule {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A rule for the events that match `pattern`.
    pub fn new(name: &str, pattern: EventPattern) -> Self {
        Self { name: name.into(), pattern, by_type: None, is_enabled: true, targets: Vec::new() }
    }

    /// A rule for the events that match a pattern in JSON.
    ///
    /// # Errors
    ///
    /// `InvalidEventPatternException`, with the reason that AWS gives.
    pub fn parse(name: &str, pattern: &str) -> Result<Self, CallError> {
        let pattern = EventPattern::parse(pattern).map_err(|error| {
            let message = format!("Event pattern is not valid. Reason: {}", error.reason());
            CallError::new(400, "InvalidEventPatternException", message)
        })?;
        Ok(Self::new(name, pattern))
    }

    /// A rule for the events of `E`'s source and detail-type, whatever their version.
    pub fn of<E: DomainEvent>(name: &str) -> Self {
        let pattern = json!({ "source": [E::SOURCE], "detail-type": [E::DETAIL_TYPE] });
        let pattern = must("a pattern of two texts", EventPattern::parse(pattern.to_string()));
        Self { by_type: Some((E::SOURCE, E::DETAIL_TYPE)), ..Self::new(name, pattern) }
    }

    /// The rule in the state `DISABLED`: it matches nothing until it is enabled.
    pub fn disabled(self) -> Self {
        Self { is_enabled: false, ..self }
    }

    pub(super) fn check(&self) -> Result<(), CallError> {
        check_name("name", &self.name, MAX_NAME_CHARS)
    }
}

/// Returns the ARN as AWS writes it (recorded): on the bus `default`, without the bus.
pub(super) fn rule_arn(bus: &str, rule: &str) -> String {
    let bus = if bus == super::FakeBus::DEFAULT_NAME { String::new() } else { format!("{bus}/") };
    format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/{bus}{rule}")
}

/// Target of a rule, and the form in which it gets the events.
///
/// A target is pulled with [`next_delivery`](super::FakeBus::next_delivery), by whatever plays its
/// part in a test; a [queue](Self::queue) keeps what it gets.
#[derive(Clone, Debug)]
#[must_use = "put it on a rule"]
pub struct Target {
    pub(super) id: Arc<str>,
    pub(super) arn: Arc<str>,
    pub(super) queue: Option<Arc<str>>,
    pub(super) input: Input,
    pub(super) retry: RetryPolicy,
    pub(super) dead_letters: Option<Arc<str>>,
}

impl Target {
    /// A Lambda function of this name, which is also the id of the target.
    pub fn new(id: &str) -> Self {
        let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{id}");
        Self {
            id: id.into(),
            arn: arn.into(),
            queue: None,
            input: Input::Whole,
            retry: RetryPolicy::default(),
            dead_letters: None,
        }
    }

    /// A queue of this name, which is also the id of the target. It
    /// [keeps](super::FakeBus::messages) what it gets, and fails never.
    pub fn queue(name: &str) -> Self {
        let queue = Some(name.into());
        Self { arn: queue_arn(name).into(), queue, ..Self::new(name) }
    }

    /// With this id, where the name is not to be it.
    pub fn with_id(self, id: &str) -> Self {
        Self { id: id.into(), ..self }
    }

    /// With this ARN, which dead letters show.
    pub fn with_arn(self, arn: &str) -> Self {
        Self { arn: arn.into(), ..self }
    }

    /// With this in place of the whole event.
    pub fn with_input(self, input: Input) -> Self {
        Self { input, ..self }
    }

    /// With another retry policy.
    pub fn with_retry_policy(self, retry: RetryPolicy) -> Self {
        Self { retry, ..self }
    }

    /// With a queue for events that cannot be delivered. Without one, they are
    /// [dropped](super::FakeBus::undelivered).
    pub fn with_dead_letter_queue(self, queue: &str) -> Self {
        Self { dead_letters: Some(queue.into()), ..self }
    }

    /// Refuses a request with targets that cannot be. Constraints come before what templates say.
    pub(super) fn check_all(targets: &[Self]) -> Result<(), CallError> {
        let mut violations = Violations::default();
        for (index, target) in targets.iter().enumerate() {
            let member = format!("targets.{}.member", index + 1);
            violations.name(&format!("{member}.id"), &target.id, MAX_NAME_CHARS);
            target.retry.check(&format!("{member}.retryPolicy"), &mut violations);
        }
        violations.into_result()?;
        targets.iter().try_for_each(|target| target.input.check(&target.id))
    }
}

pub(super) fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
}

/// For how long and how often the bus tries to deliver an event to a target.
///
/// The bounds and the defaults are documented: up to 185 retries in up to 24 hours. The pace is not:
/// here the first retry comes after a second, each next one after twice as long, up to eight
/// minutes, so that 185 retries just fit in 24 hours. Nobody waits for that: see
/// [`next_delivery`](super::FakeBus::next_delivery).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// `MaximumRetryAttempts`: from 0 to 185.
    pub max_retries: u32,
    /// `MaximumEventAgeInSeconds`: from a minute to a day.
    pub max_age: Duration,
}

impl RetryPolicy {
    /// So many retries, within a day.
    #[must_use]
    pub fn retries(max_retries: u32) -> Self {
        Self { max_retries, ..Self::default() }
    }

    /// Shortens the time within which an event is delivered.
    #[must_use]
    pub fn within(self, max_age: Duration) -> Self {
        Self { max_age, ..self }
    }

    /// Checks the bounds; the wording is from memory.
    fn check(self, at: &str, violations: &mut Violations) {
        let mut bound = |member: &str, value: u64, bound: &str| {
            let constraint = format!("Member must have value {bound}");
            violations.add(&value.to_string(), &format!("{at}.{member}"), &constraint);
        };
        let Self { max_retries, max_age } = self;
        if max_retries > 185 {
            bound("maximumRetryAttempts", max_retries.into(), "less than or equal to 185");
        }
        match max_age.as_secs() {
            60..=86_400 => {}
            age @ ..60 => bound("maximumEventAgeInSeconds", age, "greater than or equal to 60"),
            age => bound("maximumEventAgeInSeconds", age, "less than or equal to 86400"),
        }
    }

    /// Returns the wait of the bus before the retry `number`, from 1.
    pub(super) fn delay(number: u32) -> Duration {
        const LONGEST: Duration = Duration::from_mins(8);
        let doubled = 1_u64.checked_shl(number - 1).filter(|_| number < 32);
        doubled.map_or(LONGEST, Duration::from_secs).min(LONGEST)
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_retries: 185, max_age: Duration::from_hours(24) }
    }
}

/// Says why an event was not delivered, in the words of dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exhausted {
    /// `MaximumRetryAttempts`.
    Retries,
    /// `MaximumEventAgeInSeconds`.
    Age,
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Retries => "MaximumRetryAttempts",
            Self::Age => "MaximumEventAgeInSeconds",
        })
    }
}
