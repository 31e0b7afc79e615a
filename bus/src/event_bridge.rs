//! EventBridge through the AWS SDK.

use std::fmt;

use aws_sdk_eventbridge::{
    Client,
    config::{self, retry::RetryConfig},
    error::ProvideErrorMetadata as _,
    operation::{describe_event_bus::DescribeEventBusError, put_events::PutEventsOutput},
    primitives::DateTime,
    types::{PutEventsRequestEntry, PutEventsResultEntry},
};
use setpiece_envelope::Reason;
use setpiece_policy::{Call, Disposition, Fault};

#[cfg(doc)]
use setpiece_policy::FaultKind;

use crate::{Accepted, Bus, EntryResult, Limits, OutgoingEvent, Preflight, Proof};

/// An event bus of EventBridge, through a client that the caller built.
///
/// ```no_run
/// use setpiece_bus::{EventBridge, Publisher};
///
/// # fn example(config: aws_sdk_eventbridge::Config) {
/// // One client for each function, made when it starts.
/// let client = aws_sdk_eventbridge::Client::from_conf(config);
/// let publisher = Publisher::system(EventBridge::new(client, "orders"));
/// # }
/// ```
///
/// # One retry, not two
///
/// Requests of this bus are made without the retries of the SDK, however the client is set up: it
/// is the [`Publisher`](crate::Publisher) who tries again, and only what failed. Other uses of the
/// same client keep theirs. Timeouts of the client hold; the publisher's deadline does in any case.
///
/// # A bus that is not there
///
/// EventBridge takes events for a bus of any name, says that all went well, and drops them when
/// there is no such bus. [`preflight`](Bus::preflight) asks before that happens:
///
/// 1. `DescribeEventBus` says whether the bus exists. A caller who may not ask does not get to know
///    it; then existence is [unseen](Proof::Unseen). So give the function `events:DescribeEventBus`
///    on this bus. An account may describe buses less often than it may publish: ask after a
///    deployment, not in each invocation.
/// 2. `PutEvents` with one entry that cannot be published says whether the caller may write, which
///    takes `events:PutEvents`. The `Detail` of the entry is a text that is not JSON. There is no
///    event that it could be made into, and EventBridge refuses it as `MalformedDetail`: that is
///    the answer which is hoped for. Whoever is not allowed to write gets `AccessDeniedException`.
///    EventBridge does not promise which of the two it checks first, so what is proven is that it
///    looks at entries of this caller. Should a stand-in for EventBridge take the entry all the
///    same, that proves as much.
///
/// Policies may allow some sources and detail-types only, by `events:source` and
/// `events:detail-type`. Under such a policy, [say](Self::with_probe) which ones to ask with.
///
/// # What it is not for
///
/// Global endpoints need another signature, which is a feature of the SDK. Custom event buses (V2)
/// have another API.
#[derive(Clone)]
#[cfg_attr(docsrs, doc(cfg(feature = "eventbridge")))]
pub struct EventBridge {
    client: Client,
    bus: String,
    probe_source: String,
    probe_detail_type: String,
}

impl EventBridge {
    /// The most bytes of the name or the ARN of a bus.
    pub const MAX_BUS_BYTES: usize = 1600;

    /// The bus with this name or ARN, in the region of `client` or as the ARN says.
    ///
    /// A name that no bus can have is found out when it is used, before anything is sent: a
    /// [permanent](FaultKind::Permanent) fault that is [handed back](Fault::hand_back), since it is
    /// not the events that are to blame. Its source is a [`Reason`].
    #[must_use]
    pub fn new(client: Client, bus: impl Into<String>) -> Self {
        Self {
            client,
            bus: bus.into(),
            probe_source: "setpiece.preflight".to_owned(),
            probe_detail_type: "preflight".to_owned(),
        }
    }

    /// Asks in a [`preflight`](Bus::preflight) whether it may write events with this source and
    /// detail-type.
    #[must_use]
    pub fn with_probe(self, source: impl Into<String>, detail_type: impl Into<String>) -> Self {
        Self { probe_source: source.into(), probe_detail_type: detail_type.into(), ..self }
    }

    /// The name or the ARN of the bus.
    #[must_use]
    pub fn bus(&self) -> &str {
        &self.bus
    }

    /// The name or the ARN, if there can be such a bus.
    ///
    /// EventBridge refuses a request as a whole when it is for a name that is none. That would look
    /// like the fault of the events, and put them aside.
    fn checked_bus(&self) -> Result<&str, Fault> {
        let bus = &self.bus;
        let name = match bus.strip_prefix("arn:") {
            Some(arn) => arn.split_once(":event-bus/").map_or("", |(_, name)| name),
            None => bus,
        };
        let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"/.-_".contains(&byte);
        let reason = if bus.is_empty() {
            Reason::Empty
        } else if bus.len() > Self::MAX_BUS_BYTES {
            Reason::TooLong { limit: Self::MAX_BUS_BYTES }
        } else if name.is_empty() || !name.bytes().all(is_of_name) {
            Reason::NotOfForm { form: "the name or the ARN of an event bus" }
        } else {
            return Ok(bus);
        };
        let fault = Fault::permanent("no event bus can have the name that was given")
            .with_call(self.call())
            .with_remedy("correct the name of the bus in the configuration");
        Err(fault.hand_back().with_shown_source(reason))
    }

    async fn put_entries(
        &self,
        entries: Vec<PutEventsRequestEntry>,
    ) -> Result<Vec<EntryResult>, Fault> {
        let sent = entries.len();
        let failed = |fault: Fault| fault.with_call(self.call().operation("PutEvents"));
        let request = self.client.put_events().set_entries(Some(entries));
        let answer = request.customize().config_override(once()).send().await;
        let output =
            answer.map_err(|error| failed(Fault::from(error).with_context("publishing events")))?;
        let results = results(output, sent).map_err(failed)?;
        Ok(results.into_iter().map(|result| result.map_err(failed)).collect())
    }

    fn call(&self) -> Call {
        Call::to("EventBridge").on(&self.bus)
    }

    async fn exists(&self, bus: &str) -> Result<Proof, Fault> {
        let request = self.client.describe_event_bus().name(bus);
        let Err(error) = request.customize().config_override(once()).send().await else {
            return Ok(Proof::Proven);
        };
        let refusal = error.as_service_error();
        if refusal.is_some_and(DescribeEventBusError::is_resource_not_found_exception) {
            let fault = Fault::from(error).with_context("the event bus does not exist");
            return Err(fault.with_call(self.call().operation("DescribeEventBus")));
        }
        if is_denied(error.code().unwrap_or_default()) {
            return Ok(Proof::Unseen);
        }
        let fault = Fault::from(error).with_context("the event bus could not be looked at");
        Err(fault.with_call(self.call().operation("DescribeEventBus")))
    }

    async fn may_write(&self, bus: &str) -> Result<Proof, Fault> {
        let probe = PutEventsRequestEntry::builder()
            .event_bus_name(bus)
            .source(&self.probe_source)
            .detail_type(&self.probe_detail_type)
            .detail(NOT_AN_EVENT)
            .build();
        let answer = self.put_entries(vec![probe]).await;
        let Err(fault) =
            answer.and_then(|results| results.into_iter().collect::<Result<Vec<_>, _>>())
        else {
            // A stand-in that takes everything.
            return Ok(Proof::Proven);
        };
        match fault.code() {
            Some("MalformedDetail") => Ok(Proof::Proven),
            // The request as a whole, or another field of the entry, was refused for its form.
            // That says nothing about who sent it.
            Some(_) if fault.disposition() == Disposition::Quarantine => Ok(Proof::Unseen),
            Some(code) if is_denied(code) => {
                Err(fault.with_context("the event bus takes no events of this caller"))
            }
            Some(_) | None => Err(fault),
        }
    }
}

impl Bus for EventBridge {
    /// The name without what stands before it in an ARN, so that both ways to name a bus say the
    /// same.
    fn name(&self) -> &str {
        self.bus.rsplit_once(":event-bus/").map_or(&*self.bus, |(_, name)| name)
    }

    fn target(&self) -> Option<Call> {
        Some(self.call())
    }

    fn limits(&self) -> Limits {
        Limits::EVENT_BRIDGE
    }

    async fn put(&self, entries: &[&OutgoingEvent]) -> Result<Vec<EntryResult>, Fault> {
        let bus = self.checked_bus()?;
        self.put_entries(entries.iter().map(|event| entry(bus, event)).collect()).await
    }

    async fn preflight(&self) -> Result<Preflight, Fault> {
        let bus = self.checked_bus()?;
        let exists = self.exists(bus).await?;
        let may_write = self.may_write(bus).await?;
        Ok(Preflight::new(exists, may_write))
    }
}

impl fmt::Debug for EventBridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBridge").field("bus", &self.bus).finish_non_exhaustive()
    }
}

/// A detail that no bus can publish, and that explains itself where it is logged.
const NOT_AN_EVENT: &str = "not an event: asks whether events may be published";

/// The settings of one request: it is made once.
fn once() -> config::Builder {
    config::Builder::new().retry_config(RetryConfig::disabled())
}

fn entry(bus: &str, event: &OutgoingEvent) -> PutEventsRequestEntry {
    let time = event.time().map(|time| DateTime::from_millis(time.unix_millis()));
    let resources = event.resources();
    PutEventsRequestEntry::builder()
        .event_bus_name(bus)
        .source(event.source())
        .detail_type(event.detail_type())
        .detail(event.detail())
        .set_time(time)
        .set_resources((!resources.is_empty()).then(|| resources.to_vec()))
        .set_trace_header(event.trace_header().map(str::to_owned))
        .build()
}

/// Returns the result of each of the entries that were `sent`.
fn results(output: PutEventsOutput, sent: usize) -> Result<Vec<EntryResult>, Fault> {
    let answered = output.entries.unwrap_or_default();
    if answered.len() != sent {
        // Nobody knows which of them it speaks of.
        return Err(Fault::transient("the bus answered about other entries"));
    }
    Ok(answered.into_iter().map(result).collect())
}

fn result(answer: PutEventsResultEntry) -> EntryResult {
    let PutEventsResultEntry { event_id, error_code, error_message, .. } = answer;
    match (error_code, event_id) {
        (Some(code), _) => {
            let fault = Fault::from_put_events_code(&code);
            // The message quotes what was sent.
            Err(match error_message {
                Some(message) => fault.with_source(message),
                None => fault,
            })
        }
        (None, Some(event_id)) => Ok(Accepted::published(event_id)),
        (None, None) => Err(Fault::transient("the bus did not say what became of an event")),
    }
}

/// Returns true if a code says that the caller may not do it, and nothing else.
fn is_denied(code: &str) -> bool {
    matches!(
        code,
        "AccessDenied" | "AccessDeniedException" | "NotAuthorized" | "UnauthorizedOperation"
    )
}

#[cfg(test)]
mod tests;
