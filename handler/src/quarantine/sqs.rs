use std::fmt::Write as _;

use aws_sdk_sqs::{Client, config::retry::RetryConfig, types::MessageAttributeValue};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::future::BoxFuture;
use setpiece_envelope::EventId;
use setpiece_policy::{Call, Fault};
use sha2::{Digest as _, Sha256};

use super::{Poison, Quarantine};
use crate::report::told;

/// The longest text about a fault, in bytes.
const MAX_ERROR_BYTES: usize = 1024;

/// Puts what can never be handled into a queue of SQS, one message for each.
///
/// The body is what was delivered, as it was, if it is text; otherwise it is base64, and the
/// attribute `encoding` says so (`text`, `base64`, or `empty` for nothing, which is sent as `-`).
///
/// Ten attributes are all that a message may have. The other nine are there where they are known,
/// and hold no value of an event:
///
/// | attribute | says |
/// |---|---|
/// | `reason` | the [`Reason`](super::Reason) |
/// | `kind` | the kind of the fault: `contract`, `permanent` … |
/// | `code` | the error code of a service that refused |
/// | `resource` | the table, bus or queue that refused |
/// | `error` | all that is known about the fault and what to do, in at most 1 KiB |
/// | `handler` | the handler that refused |
/// | `event_id` | the id of the event |
/// | `item_id` | the message or the record that it came in |
/// | `source_arn` | the queue, the topic or the stream that it came from |
///
/// When a message was put aside is its `SentTimestamp`.
///
/// The queue may be a FIFO queue. A message then has the group of its delivery, or none in common
/// with others, and a deduplication id of its own.
///
/// It needs `sqs:SendMessage` on the queue, and no more. A delivery larger than a message may be
/// (1 MiB with its attributes) is refused by SQS, so it fails and stays where it came from.
#[derive(Clone, Debug)]
pub struct SqsQuarantine {
    client: Client,
    queue_url: String,
}

impl SqsQuarantine {
    /// Puts them into the queue with that URL.
    ///
    /// Retries of the client are switched off. A delivery that could not be put aside fails, and
    /// comes again.
    #[must_use]
    pub fn new(client: Client, queue_url: impl Into<String>) -> Self {
        let config = client.config();
        let client = if config.retry_config().is_some_and(|retry| retry.max_attempts() == 1) {
            client
        } else {
            Client::from_conf(config.to_builder().retry_config(RetryConfig::disabled()).build())
        };
        Self { client, queue_url: queue_url.into() }
    }

    async fn send(&self, poison: &Poison<'_>) -> Result<(), Fault> {
        let (body, encoding) = match std::str::from_utf8(poison.bytes) {
            // SQS takes no empty message.
            Ok("") => ("-".to_owned(), "empty"),
            Ok(text) if is_sendable(text) => (text.to_owned(), "text"),
            _ => (STANDARD.encode(poison.bytes), "base64"),
        };
        let mut error = told(poison.fault);
        error.truncate(error.floor_char_boundary(MAX_ERROR_BYTES));
        let kind = poison.fault.kind().to_string();
        let attributes = [
            ("encoding", Some(encoding)),
            ("reason", Some(poison.reason.name())),
            ("kind", Some(kind.as_str())),
            ("code", poison.fault.code()),
            ("resource", poison.fault.call().and_then(Call::resource)),
            ("error", Some(error.as_str())),
            ("handler", poison.handler),
            ("event_id", poison.event_id.map(EventId::as_str)),
            ("item_id", poison.facts.item_id.as_deref()),
            ("source_arn", poison.facts.source_arn.as_deref()),
        ];
        let mut request = self.client.send_message().queue_url(&self.queue_url).message_body(body);
        for (name, value) in attributes {
            // SQS refuses empty values, and characters that XML has not.
            let Some(value) = value.filter(|it| !it.is_empty() && is_sendable(it)) else {
                continue;
            };
            let value = MessageAttributeValue::builder().data_type("String").string_value(value);
            let value = value.build().map_err(|error| {
                Fault::permanent("an attribute of the quarantine").with_source(error).hand_back()
            })?;
            request = request.message_attributes(name, value);
        }
        if self.queue_url.strip_suffix(".fifo").is_some() {
            let id = deduplication_id(poison);
            let group = poison.facts.message_group.as_deref().unwrap_or(&id);
            request = request.message_group_id(group).message_deduplication_id(&id);
        }
        match request.send().await {
            Ok(_) => Ok(()),
            // Whatever SQS says is about its queue, not about the delivery: that stays in its own.
            Err(error) => {
                let call = Call::to("SQS").operation("SendMessage").on(&self.queue_url);
                let fault = Fault::from(error).with_context("sending to the quarantine");
                Err(fault.with_call(call).hand_back())
            }
        }
    }
}

impl Quarantine for SqsQuarantine {
    fn put<'a>(&'a self, poison: &'a Poison<'a>) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(self.send(poison))
    }
}

/// Returns one id for the same delivery and reason, and another for any other: 64 digits.
fn deduplication_id(poison: &Poison<'_>) -> String {
    let mut digest = Sha256::new();
    let item = poison.facts.item_id.as_deref().unwrap_or_default();
    let event = poison.event_id.map(EventId::as_str).unwrap_or_default();
    for part in [item, event, poison.handler.unwrap_or_default(), poison.reason.name()] {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    digest.update(poison.bytes);
    let mut id = String::with_capacity(64);
    for byte in digest.finalize() {
        // Writing to a text does not fail.
        _ = write!(id, "{byte:02x}");
    }
    id
}

/// Returns true if SQS takes all characters of the text. See
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>.
fn is_sendable(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|char| {
            matches!(char, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
        })
}
