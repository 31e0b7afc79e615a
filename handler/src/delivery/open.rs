//! From the body of a delivery to what it holds, through whatever it is wrapped in.

use std::sync::{Arc, OnceLock};

use setpiece_envelope::{
    RawEnvelope, Reason, Violation,
    json::{self, EventDraft, Scanner},
};

use super::{
    Body, BusFacts, Content, NotificationFacts, Opened, Unreadable, Wrapping, facts::attributes,
    stream,
};
use crate::payload::{HttpRequest, OtherEvent, S3Change, ScheduledEvent};

/// With what the Kinesis Producer Library begins a record of several:
/// <https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md>.
const AGGREGATED: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];

pub(super) fn open<'a>(
    body: &'a Body<'_>,
    notification: &'a OnceLock<Box<str>>,
) -> Result<Opened<'a>, Unreadable> {
    match body {
        Body::Bus(json) => Shape::read(json, Wrapping::EventBridge)?.open(),
        Body::Message(text) => {
            let wrapping = Wrapping::Message;
            let Some(shape) = Shape::find(text, wrapping) else {
                return Ok(Opened::plain(text.as_bytes(), wrapping));
            };
            if !shape.is_notification() {
                return shape.open();
            }
            let (facts, message) = shape.notification()?;
            let message = notification.get_or_init(|| message.into());
            Ok(Opened {
                notification: Some(facts),
                ..open_plain(message.as_bytes(), Wrapping::NotificationInMessage)?
            })
        }
        Body::Notification(text) => open_plain(text.as_bytes(), Wrapping::Topic),
        Body::Data(bytes) => {
            if bytes.starts_with(&AGGREGATED) {
                return Err(Unreadable::Aggregated);
            }
            open_plain(bytes, Wrapping::Kinesis)
        }
        Body::Direct(json) => Shape::read(json, Wrapping::Direct)?.open(),
        Body::Stream(json) => {
            let content = stream::read(json);
            content
                .map(Opened::of)
                .map_err(|error| Unreadable::new(Wrapping::DynamoDbStream, error))
        }
        Body::S3(json) => {
            let change = S3Change::read(&mut Scanner::new(json));
            let change = change.map_err(|error| Unreadable::new(Wrapping::S3, error))?;
            Ok(Opened::of(Content::S3(change)))
        }
        Body::Http(json, form) => {
            let request = HttpRequest::read(json, *form);
            let request = request.map_err(|error| Unreadable::new(Wrapping::Http, error))?;
            Ok(Opened::of(Content::Http(request)))
        }
        Body::Broken(wrapping, _, path, reason) => {
            Err(Unreadable::new(*wrapping, Violation::at(&**path, reason.clone())))
        }
    }
}

/// Opens what is in no other message.
fn open_plain(bytes: &[u8], wrapping: Wrapping) -> Result<Opened<'_>, Unreadable> {
    let shape = std::str::from_utf8(bytes).ok().and_then(|text| Shape::find(text, wrapping));
    match shape {
        None => Ok(Opened::plain(bytes, wrapping)),
        // No topic sends to a stream, so there it is JSON of somebody.
        Some(shape) if shape.is_notification() && wrapping != Wrapping::Kinesis => {
            Err(Unreadable::NestedNotification)
        }
        Some(shape) => shape.open(),
    }
}

impl<'a> Opened<'a> {
    fn of(content: Content<'a>) -> Self {
        Self { bus: None, notification: None, content, suspect: None }
    }

    /// Bytes that are no object that somebody knows.
    fn plain(bytes: &'a [u8], wrapping: Wrapping) -> Self {
        let (content, wrong) = match std::str::from_utf8(bytes) {
            Err(error) => {
                let reason = Reason::NotUtf8 { offset: error.valid_up_to() };
                (Content::Bytes(bytes), seems_json(bytes).then(|| Violation::new(reason)))
            }
            Ok(text) => match json::check(text) {
                Ok(()) => (Content::Json(text), encoded_twice(text)),
                Err(wrong) => (Content::Text(text), seems_json(bytes).then_some(wrong)),
            },
        };
        let suspect = wrong.map(|wrong| Arc::new(Unreadable::new(wrapping, wrong)));
        Self { suspect, ..Self::of(content) }
    }
}

/// Says whether somebody has begun to write an object or an array.
fn seems_json(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// The violation of a JSON text that holds an object.
fn encoded_twice(json: &str) -> Option<Violation> {
    let mut scanner = Scanner::new(json);
    let is_object = || {
        let text = scanner.string().ok()?;
        text.trim_ascii_start().starts_with('{').then_some(())
    };
    let is_text = json.trim_ascii_start().starts_with('"');
    is_text.then(is_object)?.map(|()| Violation::new(Reason::EncodedTwice))
}

/// A JSON object that may be any of the things that are sent through queues, topics and streams.
struct Shape<'a> {
    text: &'a str,
    wrapping: Wrapping,
    event: EventDraft<'a>,
    has_metadata: bool,
    has_data: bool,
    /// The members that other forms are told by, as they stand there.
    other: [Option<&'a str>; OTHER.len()],
}

/// The members of a notification of a topic, of a bus with system metadata and of a bucket.
const OTHER: [&str; 11] = [
    "Service",
    "Type",
    "Message",
    "TopicArn",
    "MessageId",
    "Timestamp",
    "MessageAttributes",
    "Data",
    "SystemMetadata",
    "Records",
    "Event",
];

impl<'a> Shape<'a> {
    /// Reads an object, if it is one by its brackets.
    fn find(text: &'a str, wrapping: Wrapping) -> Option<Self> {
        let is_object = text.trim_ascii_start().starts_with('{');
        is_object.then(|| Self::read(text, wrapping).ok()).flatten()
    }

    fn read(text: &'a str, wrapping: Wrapping) -> Result<Self, Unreadable> {
        let mut shape = Self {
            text,
            wrapping,
            event: EventDraft::default(),
            has_metadata: false,
            has_data: false,
            other: [None; OTHER.len()],
        };
        let mut scanner = Scanner::new(text);
        let walked = scanner.members(|scanner, member| shape.read_member(scanner, member));
        walked
            .and_then(|()| scanner.end())
            .map_err(|violation| Unreadable::new(wrapping, violation))?;
        Ok(shape)
    }

    fn read_member(&mut self, scanner: &mut Scanner<'a>, member: &str) -> Result<(), Violation> {
        if self.event.read_member(scanner, member)? {
            return Ok(());
        }
        self.has_metadata |= member == "metadata";
        self.has_data |= member == "data";
        let text = scanner.skip()?;
        if let Some(at) = OTHER.iter().position(|other| *other == member) {
            self.other[at] = Some(text);
        }
        Ok(())
    }

    fn other(&self, member: &str) -> Option<&'a str> {
        OTHER.iter().position(|other| *other == member).and_then(|at| self.other[at])
    }

    fn unreadable(&self, violation: Violation) -> Unreadable {
        Unreadable::new(self.wrapping, violation)
    }

    fn open(self) -> Result<Opened<'a>, Unreadable> {
        if self.event.is_event() {
            return self.open_event();
        }
        if self.has_metadata && self.has_data {
            let envelope = RawEnvelope::parse(self.text.as_bytes());
            let envelope = envelope.map_err(|error| Unreadable::new(self.wrapping, error))?;
            return Ok(Opened::of(Content::Event(envelope)));
        }
        if let (Some(data), Some(system)) = (self.other("Data"), self.other("SystemMetadata")) {
            return self.open_with_metadata(data, system);
        }
        if let Some(records) = self.other("Records")
            && let Some(opened) = self.open_changes(records)?
        {
            return Ok(opened);
        }
        if self.other("Event") == Some("\"s3:TestEvent\"")
            && self.other("Service") == Some("\"Amazon S3\"")
        {
            return Ok(Opened::of(Content::Test));
        }
        if self.wrapping == Wrapping::EventBridge {
            // It stands among events.
            return Err(self.unreadable(Violation::at("detail-type", Reason::Missing)));
        }
        if self.wrapping != Wrapping::Direct {
            return Ok(Opened::plain(self.text.as_bytes(), self.wrapping));
        }
        json::check(self.text).map_err(|violation| self.unreadable(violation))?;
        Ok(Opened::of(Content::Json(self.text)))
    }

    fn open_event(self) -> Result<Opened<'a>, Unreadable> {
        let wrapping = self.wrapping;
        let unreadable = |violation| Unreadable::new(wrapping, violation);
        let event = self.event.finish().map_err(unreadable)?;
        let bus = BusFacts::from(&event);
        let content = if let Some(envelope) = event.envelope {
            Content::Event(envelope.map_err(unreadable)?)
        } else if ScheduledEvent::is_one(&bus) {
            Content::Scheduled(ScheduledEvent::new(&bus).map_err(unreadable)?)
        } else {
            Content::Other(OtherEvent::new(&bus, event.detail))
        };
        Ok(Opened { bus: Some(bus), ..Opened::of(content) })
    }

    /// An event of the newer EventBridge with what the bus knows of it: only there it says whether
    /// it is live.
    /// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-custom-bus-transform.html>
    fn open_with_metadata(self, data: &'a str, system: &'a str) -> Result<Opened<'a>, Unreadable> {
        let mut replayed = false;
        let read = Scanner::new(system).members(|scanner, member| {
            let value = scanner.skip()?;
            replayed |= member == "aws:DeliveryType" && value == "\"REPLAY\"";
            Ok(())
        });
        read.map_err(|violation| self.unreadable(violation.within("SystemMetadata")))?;
        let event = Self::read(data, self.wrapping)?;
        if !event.event.is_event() {
            // What was published as it is and not as an event has no facts of an event.
            let is_envelope = event.has_metadata && event.has_data;
            return if is_envelope {
                event.open()
            } else {
                Err(self.unreadable(Violation::at("Data.detail-type", Reason::Missing)))
            };
        }
        let mut opened = event.open_event()?;
        if let Some(bus) = &mut opened.bus {
            bus.replayed |= replayed;
            bus.has_system_metadata = true;
        }
        Ok(opened)
    }

    /// A notification of a bucket, if that is what it is.
    fn open_changes(&self, records: &'a str) -> Result<Option<Opened<'a>>, Unreadable> {
        let mut count = 0_usize;
        let mut change = None;
        let mut is_of_s3 = true;
        let walked = Scanner::new(records).array(|scanner| {
            let (text, source) = scanner.attempt(|scanner| {
                let mut is_of_s3 = false;
                scanner.members(|scanner, member| {
                    let value = scanner.skip()?;
                    is_of_s3 |= member == "eventSource" && value == "\"aws:s3\"";
                    Ok(())
                })?;
                Ok(is_of_s3)
            })?;
            is_of_s3 &= matches!(source, Ok(true));
            count += 1;
            change = Some(text);
            Ok(())
        });
        let Some(change) = change.filter(|_| walked.is_ok() && is_of_s3) else { return Ok(None) };
        if count > 1 {
            return Err(Unreadable::SeveralChanges);
        }
        let change = S3Change::read(&mut Scanner::new(change))
            .map_err(|violation| self.unreadable(violation.within_index(0).within("Records")))?;
        Ok(Some(Opened::of(Content::S3(change))))
    }

    /// Returns true if the text is a notification that a topic sends to a queue:
    /// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>.
    fn is_notification(&self) -> bool {
        self.other("Type") == Some("\"Notification\"")
            && self.other("TopicArn").is_some()
            && self.other("Message").is_some()
    }

    fn notification(&self) -> Result<(NotificationFacts, String), Unreadable> {
        let text = |member| Scanner::new(self.other(member)?).string().ok();
        let mut facts = NotificationFacts {
            message_id: text("MessageId").as_deref().and_then(super::fact),
            topic_arn: text("TopicArn").as_deref().and_then(super::fact),
            sent_at: text("Timestamp").and_then(|time| time.parse().ok()),
            attributes: Vec::new(),
        };
        if let Some(json) = self.other("MessageAttributes") {
            facts.attributes = attributes::of_topic(&mut Scanner::new(json)).unwrap_or_default();
        }
        let message = self.other("Message").unwrap_or_default();
        let message = Scanner::new(message).string();
        let message = message.map_err(|violation| self.unreadable(violation.within("Message")))?;
        Ok((facts, message.into_owned()))
    }
}
