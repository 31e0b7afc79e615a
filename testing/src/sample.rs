use std::fmt;

use serde::Serialize;
use setpiece_envelope::{
    Clock as _, Correlation, CorrelationId, DomainEvent, Envelope, EventId, FixedClock, IdSource,
    Metadata, RawEnvelope, Stamp, Timestamp, TraceParent,
};
use ulid::Ulid;

use crate::{
    fingerprint::{fingerprint, uuid},
    json_lines,
    must::must,
    wrap::{EventBridge, kinesis_event_at, sns_event_at, sns_notification_at, sqs_event_at},
};

/// Makes a complete event of `event`, as its service would publish it.
///
/// All of it follows from the event alone. Its id is a ULID made from the data, so that two samples
/// are the same event if and only if they say the same: a redelivery is the same sample again, and
/// two events that say the same get ids of their own by [`Sample::event_id`]. Its time is that of
/// [`FixedClock::default`]: 2026-01-01T00:00:00Z. It begins a flow of its own.
///
/// A consumer makes its input from its own [view](DomainEvent::VIEW) of another service's event;
/// the sample then has the members that the view knows.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use setpiece_envelope::{DomainEvent, EventVersion, First, ServiceId};
/// # use setpiece_testing::sample;
/// # #[derive(Serialize, Deserialize)]
/// # struct OrderSubmitted { order_number: String }
/// # impl DomainEvent for OrderSubmitted {
/// #     type Previous = First;
/// #     const SERVICE: ServiceId = ServiceId::new("retail", "checkout", "orders");
/// #     const NAME: &'static str = "order_submitted";
/// #     const VERSION: EventVersion = EventVersion::new(1);
/// # }
/// let event = sample(OrderSubmitted { order_number: "7".to_owned() }).tenant("acme");
///
/// assert_eq!(event.metadata().name, "order_submitted");
/// assert_eq!(event.metadata().correlation.tenant.as_deref(), Some("acme"));
///
/// // The same event in six wrappings.
/// let _: Vec<u8> = event.detail();
/// let _: Vec<u8> = event.event_bridge();
/// let _: Vec<u8> = event.sqs();
/// let _: Vec<u8> = event.sns();
/// let _: Vec<u8> = event.sns_in_sqs();
/// let _: Vec<u8> = event.kinesis();
/// ```
pub fn sample<E: DomainEvent + Serialize>(event: E) -> Sample<E> {
    let clock = FixedClock::default();
    // An event that cannot be written is found out when its bytes are asked for.
    let data = serde_json::to_vec(&event).unwrap_or_default();
    let data = json_lines::canonical(&data).unwrap_or_default();
    let id = fingerprint(&[E::SOURCE.as_bytes(), E::NAME.as_bytes(), data.as_bytes()]);
    let stamp = Stamp::new(clock, FingerprintId(id));
    Sample {
        envelope: stamp.envelope(event, &Correlation::root()),
        source: E::SOURCE.to_owned(),
        detail_type: E::DETAIL_TYPE.to_owned(),
        replay_name: None,
    }
}

/// The one id that belongs to some data.
struct FingerprintId(u128);

impl IdSource for FingerprintId {
    fn next_id(&self, now: Timestamp) -> EventId {
        let millis = u64::try_from(now.unix_millis()).unwrap_or(0);
        let id = Ulid::from_parts(millis, self.0).to_string();
        must("the id of a sample", EventId::parse(id))
    }
}

/// An event for a test, by [`sample`]: change what matters to the test, then take the form that the
/// code under test reads.
///
/// # Panics
///
/// The methods that take text panic when no event can have that text, and those that give bytes
/// panic when the event cannot be written as JSON, with the reason and the line of the test.
#[derive(Clone)]
#[must_use = "a sample does nothing until one of its forms is used"]
pub struct Sample<E> {
    envelope: Envelope<E>,
    source: String,
    detail_type: String,
    replay_name: Option<String>,
}

impl<E: DomainEvent> Sample<E> {
    /// Another id. A flow that began with the event takes the new id, too.
    #[track_caller]
    pub fn event_id(mut self, id: &str) -> Self {
        let id = must("an event id", EventId::parse(id));
        let metadata = &mut self.envelope.metadata;
        if metadata.correlation.causation_id.is_none() {
            metadata.correlation.correlation_id = Some(CorrelationId::from(&id));
        }
        metadata.event_id = id;
        self
    }

    /// Another time, in the form of RFC 3339: when it happened, was published and was sent.
    #[track_caller]
    pub fn at(mut self, time: &str) -> Self {
        self.envelope.metadata.occurred_at = Some(must("a time", time.parse()));
        self
    }

    /// Takes place while `cause` is handled: in its flow and trace, for its tenant, one level
    /// deeper.
    pub fn caused_by(mut self, cause: &Metadata) -> Self {
        self.envelope.metadata.correlation = Correlation::caused_by(cause);
        self
    }

    /// For a tenant.
    pub fn tenant(mut self, tenant: &str) -> Self {
        self.envelope.metadata.correlation.tenant = Some(tenant.into());
        self
    }

    /// In a trace, given as a W3C `traceparent`.
    #[track_caller]
    pub fn trace(mut self, traceparent: &str) -> Self {
        let parent = must("a traceparent", TraceParent::parse(traceparent));
        self.envelope.metadata.correlation.traceparent = Some(parent);
        self
    }

    /// Changes any of the metadata.
    ///
    /// Also to what this type does not say, such as a version that its reader does not know yet, or
    /// another service's name. What cannot be written at all shows when the bytes are asked for.
    pub fn with_metadata(mut self, change: impl FnOnce(&mut Metadata)) -> Self {
        change(&mut self.envelope.metadata);
        self
    }

    /// Another EventBridge `source`, as from a producer that is not the owner of the event.
    pub fn source(self, source: &str) -> Self {
        Self { source: source.to_owned(), ..self }
    }

    /// Another EventBridge `detail-type`.
    pub fn detail_type(self, detail_type: &str) -> Self {
        Self { detail_type: detail_type.to_owned(), ..self }
    }

    /// Comes from an archive, by the replay of this name.
    pub fn replayed_by(self, replay_name: &str) -> Self {
        Self { replay_name: Some(replay_name.to_owned()), ..self }
    }

    /// The event with its metadata, as a consumer has it after decoding.
    #[must_use]
    pub fn envelope(&self) -> &Envelope<E> {
        &self.envelope
    }

    /// Returns the envelope by value.
    #[must_use]
    pub fn into_envelope(self) -> Envelope<E> {
        self.envelope
    }

    /// Returns the metadata of the event: all that is known besides its data.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.envelope.metadata
    }

    fn time(&self) -> Timestamp {
        self.envelope.metadata.occurred_at.unwrap_or_else(|| FixedClock::default().now())
    }
}

impl<E: DomainEvent + Serialize> Sample<E> {
    /// The `detail`: `{ "metadata": …, "data": … }`.
    #[track_caller]
    #[must_use]
    pub fn detail(&self) -> Vec<u8> {
        let detail = must("an event that cannot be written", self.envelope.to_detail());
        let mut raw = must("a detail that cannot be read", RawEnvelope::parse(&detail));
        // An envelope writes the name and the version of its type. A sample may claim others.
        raw.metadata.clone_from(&self.envelope.metadata);
        must("metadata that cannot be written", raw.to_detail())
    }

    /// The event as EventBridge hands it to a target.
    #[track_caller]
    #[must_use]
    pub fn event_bridge(&self) -> Vec<u8> {
        self.event_bridge_text().into_bytes()
    }

    /// Returns the payload of a Lambda function behind a queue to which a rule sends the event: a
    /// batch of one.
    ///
    /// [`sqs_event`](crate::sqs_event) makes batches of several.
    #[track_caller]
    #[must_use]
    pub fn sqs(&self) -> Vec<u8> {
        sqs_event_at(self.time(), [self.event_bridge_text()])
    }

    /// Returns the payload of a Lambda function behind a topic to which a rule sends the event.
    #[track_caller]
    #[must_use]
    pub fn sns(&self) -> Vec<u8> {
        sns_event_at(self.time(), &self.event_bridge_text())
    }

    /// Returns the message that a queue gets from such a topic: the body of one message, without
    /// raw delivery.
    #[track_caller]
    #[must_use]
    pub fn sns_notification(&self) -> Vec<u8> {
        sns_notification_at(self.time(), &self.event_bridge_text())
    }

    /// Returns the payload of a Lambda function behind such a queue: a batch of one.
    #[track_caller]
    #[must_use]
    pub fn sns_in_sqs(&self) -> Vec<u8> {
        sqs_event_at(self.time(), [self.sns_notification()])
    }

    /// Returns the payload of a Lambda function behind a Kinesis stream to which a rule sends the
    /// event: a batch of one.
    ///
    /// [`kinesis_event`](crate::kinesis_event) makes batches of several.
    #[track_caller]
    #[must_use]
    pub fn kinesis(&self) -> Vec<u8> {
        kinesis_event_at(self.time(), [self.event_bridge_text()])
    }

    #[track_caller]
    fn event_bridge_text(&self) -> String {
        let detail = must("a detail is text", String::from_utf8(self.detail()));
        // EventBridge names what it takes, not what it is told: the same event has the same id here
        // only because a sample is one acceptance.
        let id = uuid(fingerprint(&[b"EventBridge", self.metadata().event_id.as_str().as_bytes()]));
        let event = EventBridge {
            id: &id,
            source: &self.source,
            detail_type: &self.detail_type,
            time: self.time(),
            resources: &[],
            detail: &detail,
            replay_name: self.replay_name.as_deref(),
        };
        event.to_json()
    }
}

impl<E> fmt::Debug for Sample<E>
where
    E: DomainEvent,
{
    /// Shows no data of the event.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sample")
            .field("source", &self.source)
            .field("detail_type", &self.detail_type)
            .field("replay_name", &self.replay_name)
            .field("envelope", &self.envelope)
            .finish()
    }
}

#[cfg(test)]
mod tests;
