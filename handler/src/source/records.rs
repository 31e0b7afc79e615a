//! The batches that Lambda makes of queues, topics, streams and buckets: `{"Records": […]}`.
//!
//! A record says where it is from in one of its last members, so what belongs to any source is
//! collected on the way. Only what the answer needs is required of a record; a transport fact that
//! does not have its form is left out, since a batch must not fail because of it.

use std::{borrow::Cow, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use setpiece_envelope::{Reason, Timestamp, Violation, json::Scanner};

use super::{Invocation, Seen, Source, UnknownShape};
use crate::delivery::{Body, Delivery, Facts, Wrapping, attributes, fact};

/// Records that have been read so far.
#[derive(Default)]
pub(super) struct Records<'a> {
    source: Option<Source>,
    arn: Option<Arc<str>>,
    deliveries: Vec<Delivery<'a>>,
}

/// The members of one record, of whatever source.
#[derive(Default)]
struct Record<'a> {
    source: Option<Cow<'a, str>>,
    arn: Option<Cow<'a, str>>,
    /// The subscription by which a notification came.
    subscription: Option<Cow<'a, str>>,
    /// The id of a message in a queue.
    message_id: Option<Cow<'a, str>>,
    event_id: Option<Cow<'a, str>>,
    /// The sequence number in a stream.
    sequence_number: Option<Cow<'a, str>>,
    /// The body, the data or the message, as it stands there and decoded.
    body: Option<(&'a str, Result<Cow<'a, str>, Violation>)>,
    facts: Facts,
    /// Passes over members that are there twice, to find what names the record.
    tolerant: bool,
}

impl<'a> Records<'a> {
    /// Reads the record that comes. The inner error is about the form, and ends it all.
    pub(super) fn read_record(
        &mut self,
        scanner: &mut Scanner<'a>,
    ) -> Result<Result<(), UnknownShape>, Violation> {
        if self.deliveries.len() == Invocation::MAX_RECORDS {
            scanner.skip()?;
            return Ok(Err(UnknownShape::TooManyRecords { limit: Invocation::MAX_RECORDS }));
        }
        let mut record = Record::default();
        let (text, read) = scanner.attempt(|scanner| record.read(scanner))?;
        let repeated = read.err();
        if let Some(violation) = &repeated {
            if *violation.reason() != Reason::Duplicate {
                return Err(violation.clone());
            }
            // Readers may differ on this record, and on no other, if they agree on what names it.
            record = Record { tolerant: true, ..Record::default() };
            record.read(&mut Scanner::new(text))?;
        }
        let Some(source) = record.source() else {
            return Ok(Err(UnknownShape::Records(Seen::of(text))));
        };
        // Whether a queue keeps the order is told by its first record.
        match self.source {
            None => self.source = Some(source),
            Some(first) if std::mem::discriminant(&first) == std::mem::discriminant(&source) => {}
            Some(_) => return Ok(Err(UnknownShape::MixedRecords)),
        }
        let delivery = record.into_delivery(source, text, repeated, &mut self.arn)?;
        self.deliveries.push(delivery);
        Ok(Ok(()))
    }

    /// The source that its records name, if there are any.
    pub(super) fn source(&self) -> Option<Source> {
        self.source
    }

    pub(super) fn into_invocation(self, source: Source) -> Invocation<'a> {
        Invocation { source, deliveries: self.deliveries }
    }
}

impl<'a> Record<'a> {
    fn read(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Violation> {
        walk(scanner, self.tolerant, |scanner, member| self.read_member(scanner, member))
    }

    fn read_member(&mut self, scanner: &mut Scanner<'a>, member: &str) -> Result<(), Violation> {
        match member {
            "eventSource" | "EventSource" => once(&mut self.source, scanner.string()?)?,
            "messageId" => once(&mut self.message_id, scanner.string()?)?,
            "body" => self.read_body(scanner)?,
            "attributes" => self.read_system_attributes(scanner)?,
            "messageAttributes" => {
                let read = scanner.attempt(attributes::of_queue)?.1;
                self.facts.attributes = self.unless_repeated(read)?.unwrap_or_default();
            }
            "eventSourceARN" => self.arn = scanner.attempt(Scanner::string)?.1.ok(),
            "EventSubscriptionArn" => {
                self.subscription = scanner.attempt(Scanner::string)?.1.ok();
            }
            "eventID" => self.event_id = scanner.attempt(Scanner::string)?.1.ok(),
            "kinesis" | "dynamodb" if scanner.kind() == "an object" => {
                let tolerant = self.tolerant;
                walk(scanner, tolerant, |scanner, member| {
                    self.read_stream_member(scanner, member)
                })?;
            }
            "Sns" if scanner.kind() == "an object" => {
                let tolerant = self.tolerant;
                walk(scanner, tolerant, |scanner, member| self.read_notification(scanner, member))?;
            }
            _ => drop(scanner.skip()?),
        }
        Ok(())
    }

    fn read_body(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Violation> {
        self.body = Some(scanner.attempt(Scanner::string)?);
        Ok(())
    }

    /// Returns the value that was read, or nothing if it is wrong; a member that is there twice is
    /// an error.
    fn unless_repeated<T>(&self, read: Result<T, Violation>) -> Result<Option<T>, Violation> {
        match read {
            Err(violation) if *violation.reason() == Reason::Duplicate && !self.tolerant => {
                Err(violation)
            }
            read => Ok(read.ok()),
        }
    }

    /// Reads the attributes that SQS gives to a message.
    fn read_system_attributes(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Violation> {
        let (facts, tolerant) = (&mut self.facts, self.tolerant);
        // What is wrong with it ends it, and nothing else.
        let (_, read) = scanner.attempt(|scanner| {
            walk(scanner, tolerant, |scanner, member| {
                match member {
                    "ApproximateReceiveCount" => {
                        facts.receive_count = scanner.string()?.parse().ok();
                    }
                    "SentTimestamp" => {
                        let millis = scanner.string()?.parse().ok();
                        facts.sent_at = millis.and_then(Timestamp::from_unix_millis);
                    }
                    "MessageGroupId" => facts.message_group = fact(&scanner.string()?),
                    "SequenceNumber" => facts.sequence_number = fact(&scanner.string()?),
                    "AWSTraceHeader" => facts.trace_header = fact(&scanner.string()?),
                    _ => drop(scanner.skip()?),
                }
                Ok(())
            })
        })?;
        self.unless_repeated(read).map(drop)
    }

    /// Reads a member that Kinesis or DynamoDB give to a record.
    fn read_stream_member(
        &mut self,
        scanner: &mut Scanner<'a>,
        member: &str,
    ) -> Result<(), Violation> {
        match member {
            "sequenceNumber" | "SequenceNumber" => {
                once(&mut self.sequence_number, scanner.string()?)?;
            }
            "data" => self.read_body(scanner)?,
            "partitionKey" => {
                let key = scanner.attempt(Scanner::string)?.1;
                self.facts.partition_key = key.ok().and_then(|key| fact(&key));
            }
            "approximateArrivalTimestamp" | "ApproximateCreationDateTime" => {
                self.facts.sent_at = moment(scanner.skip()?);
            }
            _ => drop(scanner.skip()?),
        }
        Ok(())
    }

    fn read_notification(
        &mut self,
        scanner: &mut Scanner<'a>,
        member: &str,
    ) -> Result<(), Violation> {
        match member {
            "Message" => self.read_body(scanner)?,
            "MessageId" => {
                let id = scanner.attempt(Scanner::string)?.1;
                self.facts.item_id = id.ok().and_then(|id| fact(&id));
            }
            "TopicArn" => self.arn = scanner.attempt(Scanner::string)?.1.ok(),
            "Timestamp" => {
                let text = scanner.attempt(Scanner::string)?.1;
                self.facts.sent_at = text.ok().and_then(|text| text.parse().ok());
            }
            "MessageAttributes" => {
                let read = scanner.attempt(attributes::of_topic)?.1;
                self.facts.attributes = self.unless_repeated(read)?.unwrap_or_default();
            }
            _ => drop(scanner.skip()?),
        }
        Ok(())
    }

    fn source(&self) -> Option<Source> {
        Some(match self.source.as_deref()? {
            "aws:sqs" => Source::Sqs { fifo: self.is_of_fifo_queue() },
            "aws:sns" => Source::Sns,
            "aws:kinesis" => Source::Kinesis,
            "aws:dynamodb" => Source::DynamoDbStream,
            "aws:s3" => Source::S3,
            _ => return None,
        })
    }

    /// Only FIFO queues number their messages, should there be no ARN.
    fn is_of_fifo_queue(&self) -> bool {
        match &self.arn {
            Some(arn) => arn.ends_with(".fifo"),
            None => self.facts.sequence_number.is_some(),
        }
    }

    fn into_delivery(
        mut self,
        source: Source,
        text: &'a str,
        repeated: Option<Violation>,
        arn: &mut Option<Arc<str>>,
    ) -> Result<Delivery<'a>, Violation> {
        let mut body = match source {
            Source::Sqs { .. } => {
                self.facts.item_id = Some(required(self.message_id.take(), "messageId")?);
                self.take_text(Wrapping::Message, "body", Body::Message)
            }
            Source::Sns => {
                // A subscription has its topic's ARN and an id.
                let topic = || self.subscription.as_deref()?.rsplit_once(':').map(|(arn, _)| arn);
                self.arn = self.arn.take().or_else(|| topic().map(|arn| arn.to_owned().into()));
                self.take_text(Wrapping::Topic, "Sns.Message", Body::Notification)
            }
            Source::Kinesis => {
                let sequence_number = self.sequence_number.take();
                self.number(required(sequence_number, "kinesis.sequenceNumber")?);
                let shard = self.event_id.as_deref().and_then(|id| id.split_once(':'));
                self.facts.shard = shard.and_then(|(shard, _)| fact(shard));
                self.take_data()
            }
            Source::DynamoDbStream => {
                let sequence_number = self.sequence_number.take();
                self.number(required(sequence_number, "dynamodb.SequenceNumber")?);
                Body::Stream(text)
            }
            _ => Body::S3(text),
        };
        if let Some(violation) = repeated {
            let path = violation.path().to_owned().into();
            body = Body::Broken(body.wrapping(), text, path, Reason::Duplicate);
        }
        // All records of a batch are from the same place, so they share its name.
        if let Some(of_this) = self.arn.filter(|arn| !arn.is_empty()) {
            let shared = arn.take().filter(|shared| **shared == *of_this);
            let shared = shared.unwrap_or_else(|| of_this.into());
            self.facts.source_arn = Some(Arc::clone(&shared));
            *arn = Some(shared);
        }
        Ok(Delivery::new(self.facts, body))
    }

    /// In a stream, records are named by their sequence numbers.
    fn number(&mut self, sequence_number: Box<str>) {
        self.facts.item_id = Some(sequence_number.clone());
        self.facts.sequence_number = Some(sequence_number);
    }

    fn take_text(
        &mut self,
        wrapping: Wrapping,
        path: &'static str,
        body: fn(Cow<'a, str>) -> Body<'a>,
    ) -> Body<'a> {
        match self.body.take() {
            Some((_, Ok(text))) => body(text),
            Some((text, Err(violation))) => {
                Body::Broken(wrapping, text, path.into(), violation.reason().clone())
            }
            None => Body::Broken(wrapping, "", path.into(), Reason::Missing),
        }
    }

    fn take_data(&mut self) -> Body<'a> {
        const PATH: &str = "kinesis.data";
        let (text, reason) = match self.body.take() {
            Some((text, Ok(base64))) => match BASE64_STANDARD.decode(base64.as_bytes()) {
                Ok(data) => return Body::Data(data),
                Err(_) => (text, Reason::NotOfForm { form: "Base64" }),
            },
            Some((text, Err(violation))) => (text, violation.reason().clone()),
            None => ("", Reason::Missing),
        };
        Body::Broken(Wrapping::Kinesis, text, PATH.into(), reason)
    }
}

/// Walks over an object, in which a member may be there twice if that is tolerated.
fn walk<'a>(
    scanner: &mut Scanner<'a>,
    tolerant: bool,
    member: impl FnMut(&mut Scanner<'a>, &str) -> Result<(), Violation>,
) -> Result<(), Violation> {
    if tolerant { scanner.members(member) } else { scanner.object(member) }
}

/// Fills `slot`, but not with two values, of which another reader could read the other one.
fn once<T: PartialEq>(slot: &mut Option<T>, value: T) -> Result<(), Violation> {
    if slot.as_ref().is_some_and(|first| *first != value) {
        return Err(Violation::new(Reason::Duplicate));
    }
    *slot = Some(value);
    Ok(())
}

/// Returns the name of a record in answers. An empty one would mean the whole batch.
fn required(id: Option<Cow<'_, str>>, path: &str) -> Result<Box<str>, Violation> {
    match id {
        Some(id) if !id.is_empty() => Ok(id.into()),
        Some(_) => Err(Violation::at(path, Reason::Empty)),
        None => Err(Violation::at(path, Reason::Missing)),
    }
}

/// Seconds since 1970, perhaps with a fraction.
fn moment(seconds: &str) -> Option<Timestamp> {
    let millis = (serde_json::from_str::<f64>(seconds).ok()? * 1e3).round();
    // Beyond it there are no dates.
    #[expect(clippy::cast_possible_truncation, reason = "it is in range, and whole")]
    (millis.abs() < 1e15).then_some(millis as i64).and_then(Timestamp::from_unix_millis)
}
