use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::de::DeserializeOwned;
use setpiece_envelope::{DomainEvent, Envelope, EventBridgeEvent, ReadError, Timestamp};

use super::{
    FakeBus, Taken,
    rule::{Exhausted, Target},
};

/// One event on its way to one target: what [`FakeBus::next_delivery`] gives.
///
/// It is with the target until it is settled, for any time and across any `await`. Dropped without
/// a word, as by a panic or a function that is killed, it has failed: the bus delivers it again, by
/// the [retry policy](super::RetryPolicy) of the target, and in the end gives it up.
///
/// A real rule hands an event to a Lambda function's own queue, and that is what its retry policy
/// is about; Lambda then tries again by a policy of its own. Here the function is the target
/// itself.
pub struct Delivery {
    bus: FakeBus,
    /// `None` when it is settled.
    pending: Option<Pending>,
}

/// An event that is to go to a target.
#[derive(Clone)]
pub(super) struct Pending {
    pub(super) taken: Arc<Taken>,
    pub(super) rule: Arc<str>,
    pub(super) target: Arc<Target>,
    /// Text that the target gets.
    pub(super) text: Arc<str>,
    /// The whole event, as it is put into a dead-letter queue.
    pub(super) event: Arc<str>,
    /// When the bus took the event, or began to replay it.
    pub(super) since: Timestamp,
    /// From 1.
    pub(super) attempt: u32,
}

impl Delivery {
    pub(super) fn new(bus: FakeBus, pending: Pending) -> Self {
        Self { bus, pending: Some(pending) }
    }

    /// The rule that matched.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.pending().rule
    }

    /// The id of the target.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.pending().target.id
    }

    /// Returns the bytes that the target gets: the event, unless the target asked for another
    /// [input](super::Input).
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.text().as_bytes()
    }

    /// Returns these bytes as text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.pending().text
    }

    /// Returns the number of the attempt to deliver this copy, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.pending().attempt
    }

    /// The id under which the bus delivers the event, to whichever target.
    #[must_use]
    pub fn bus_event_id(&self) -> &str {
        &self.pending().taken.event_id
    }

    /// The `TraceHeader` of the entry. EventBridge hands it to the target beside the event, as
    /// `X-Amzn-Trace-Id` or as a queue's attribute.
    #[must_use]
    pub fn trace_header(&self) -> Option<&str> {
        self.pending().taken.entry.trace_header.as_deref()
    }

    /// Reads the event as EventBridge delivers it.
    ///
    /// # Errors
    ///
    /// When what is delivered is not a whole event, or its detail no envelope.
    pub fn event(&self) -> Result<EventBridgeEvent<'_>, ReadError> {
        EventBridgeEvent::parse(self.bytes())
    }

    /// Reads the event as the consumer's type.
    ///
    /// # Errors
    ///
    /// When it cannot be read so.
    pub fn decode<E: DomainEvent + DeserializeOwned>(&self) -> Result<Envelope<E>, ReadError> {
        self.event()?.envelope.decode()
    }

    /// The target has done its work.
    pub fn succeed(mut self) {
        self.pending = None;
    }

    /// The target failed, and may be tried again.
    pub fn fail(mut self, why: impl fmt::Display) {
        self.settle("ERROR_FROM_TARGET", &why, true);
    }

    /// The target failed in a way that the bus does not try again, such as `NO_PERMISSIONS`.
    pub fn fail_for_good(mut self, code: &str, why: impl fmt::Display) {
        self.settle(code, &why, false);
    }

    fn settle(&mut self, code: &str, why: &dyn fmt::Display, is_retried: bool) {
        if let Some(pending) = self.pending.take() {
            let error = TargetError { code: code.to_owned(), message: why.to_string() };
            self.bus.lock().failed(pending, error, is_retried);
        }
    }

    #[expect(clippy::expect_used, reason = "what settles a delivery consumes it")]
    fn pending(&self) -> &Pending {
        self.pending.as_ref().expect("a delivery that can be asked is not settled")
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.settle("ERROR_FROM_TARGET", &"the delivery was dropped", true);
    }
}

/// Shows no data of the event.
impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("rule", &self.rule())
            .field("target", &self.target())
            .field("bus_event_id", &self.bus_event_id())
            .field("attempt", &self.attempt())
            .finish_non_exhaustive()
    }
}

/// Error of a target that did not take an event.
pub(super) struct TargetError {
    pub(super) code: String,
    pub(super) message: String,
}

/// A message in a queue: one that a [target](super::Target::queue) got, or a dead letter.
///
/// [`sqs_event`](crate::sqs_event) makes of several what a Lambda function behind the queue gets:
///
/// ```
/// use setpiece_testing::{FakeBus, PutEventsEntry, Rule, Target, sqs_event};
///
/// let bus = FakeBus::new();
/// bus.put_rule(Rule::parse("audit", r#"{ "source": ["retail"] }"#)?)?;
/// bus.put_targets("audit", [Target::queue("audit")])?;
/// _ = bus.put_events(vec![PutEventsEntry::new("retail", "order_submitted", "{}")]);
///
/// let invocation: Vec<u8> = sqs_event(bus.receive("audit"));
/// # assert!(invocation.starts_with(br#"{"Records":[{"messageId":"#));
/// assert!(bus.messages("audit").is_empty());
/// # Ok::<_, setpiece_testing::CallError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueMessage {
    /// The body: what a target gets, or the whole event that is dead.
    pub body: String,
    /// The message attributes, all of them texts. Only dead letters have any.
    ///
    /// `RULE_ARN`, `TARGET_ARN`, `ERROR_CODE`, `ERROR_MESSAGE`, `RETRY_ATTEMPTS`, and
    /// `EXHAUSTED_RETRY_CONDITION` if a limit of the retry policy ended it. The names are
    /// documented; that the body is the whole event, and which codes there are, is from memory.
    pub attributes: BTreeMap<String, String>,
}

impl QueueMessage {
    pub(super) fn new(body: &str) -> Self {
        Self { body: body.to_owned(), attributes: BTreeMap::new() }
    }

    pub(super) fn dead(
        pending: &Pending,
        rule_arn: &str,
        error: &TargetError,
        exhausted: Option<Exhausted>,
    ) -> Self {
        let retries = (pending.attempt - 1).to_string();
        let exhausted = exhausted.map(|it| it.to_string());
        let attributes = [
            ("RULE_ARN", Some(rule_arn)),
            ("TARGET_ARN", Some(&*pending.target.arn)),
            ("ERROR_CODE", Some(error.code.as_str())),
            ("ERROR_MESSAGE", Some(error.message.as_str())),
            ("EXHAUSTED_RETRY_CONDITION", exhausted.as_deref()),
            ("RETRY_ATTEMPTS", Some(retries.as_str())),
        ];
        let attributes = attributes
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect();
        Self { body: pending.event.as_ref().to_owned(), attributes }
    }
}

impl AsRef<[u8]> for QueueMessage {
    fn as_ref(&self) -> &[u8] {
        self.body.as_bytes()
    }
}

/// Shows no data of the event.
impl fmt::Debug for QueueMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueMessage")
            .field("bytes", &self.body.len())
            .field("attributes", &self.attributes)
            .finish()
    }
}

/// An event that the bus gave up to deliver to a target without a dead-letter queue. On AWS nobody
/// ever hears of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Undelivered {
    /// The rule that matched.
    pub rule: String,
    /// The id of the target.
    pub target: String,
    /// The id under which the bus delivered the event.
    pub bus_event_id: String,
    /// Last error of the target, or the reason that the bus did not come to try: a template whose
    /// result is not JSON, or a pattern that was [not
    /// decided](setpiece_bus::EventReason::TooManySteps).
    pub error: String,
    /// The limit that was reached; `None` when the failure was not to be tried again.
    pub exhausted: Option<Exhausted>,
}
