use std::{borrow::Cow, fmt};

use super::{MAX_EVENT_BYTES, raw::RawEnvelope, scan::Scanner};
use crate::{ReadError, Reason, Timestamp, Violation};

/// An event as EventBridge delivers it: the facts of the transport around the envelope.
///
/// The transport's facts are not the event's: a replay gives the same event with another
/// [`replay_name`](Self::replay_name), and [`id`](Self::id) names this acceptance by the bus. They
/// are never mixed into the metadata.
///
/// The form is documented at
/// <https://docs.aws.amazon.com/eventbridge/latest/ref/overview-event-structure.html>.
#[derive(Clone)]
#[non_exhaustive]
pub struct EventBridgeEvent<'a> {
    /// The publisher, as the bus knows it.
    pub source: Cow<'a, str>,
    /// What rules mostly match on; for our events it is the event's name.
    pub detail_type: Cow<'a, str>,
    /// What EventBridge named the event when it took it. It is new when the same event is sent
    /// again.
    pub id: Option<Cow<'a, str>>,
    /// The account of the publisher.
    pub account: Option<Cow<'a, str>>,
    /// The region of the publisher.
    pub region: Option<Cow<'a, str>>,
    /// When it was published, to the second.
    pub time: Option<Timestamp>,
    /// The ARNs that the event is about.
    pub resources: Vec<Cow<'a, str>>,
    /// The replay that the event comes from, when it comes from an archive.
    pub replay_name: Option<Cow<'a, str>>,
    /// The event itself: the member `detail`.
    pub envelope: RawEnvelope<'a>,
}

impl<'a> EventBridgeEvent<'a> {
    /// Reads an event as EventBridge delivers it. Members that it does not know are ignored.
    ///
    /// # Errors
    ///
    /// [`ReadError::Malformed`], also for an event that is larger than [`MAX_EVENT_BYTES`] by
    /// EventBridge's own count.
    pub fn parse(event: &'a [u8]) -> Result<Self, ReadError> {
        // EventBridge's count leaves out the names of members and some values; what may be left out
        // has its bound too.
        let mut scanner = Scanner::new(super::text(event, 2 * MAX_EVENT_BYTES)?);
        let this = Self::read(&mut scanner)?;
        scanner.end()?;
        Ok(this)
    }

    fn read(scanner: &mut Scanner<'a>) -> Result<Self, Violation> {
        let (mut source, mut detail_type, mut id) = (None, None, None);
        let (mut account, mut region, mut time) = (None, None, None);
        let (mut resources, mut replay_name) = (Vec::new(), None);
        let mut envelope = None;
        let mut size = 0;
        scanner.object(|scanner, member| {
            match member {
                "source" => source = Some(scanner.string()?),
                "detail-type" => detail_type = Some(scanner.string()?),
                "id" => id = optional(scanner)?,
                "account" => account = optional(scanner)?,
                "region" => region = optional(scanner)?,
                "replay-name" => replay_name = optional(scanner)?,
                "time" => {
                    let text = optional(scanner)?;
                    let parsed = text.map(|text| text.parse().map_err(Violation::new));
                    time = parsed.transpose()?;
                }
                "resources" if scanner.is_null() => drop(scanner.value()?),
                "resources" => {
                    scanner.array(|scanner| {
                        resources.push(scanner.string()?);
                        Ok(())
                    })?;
                }
                "detail" => {
                    let start = scanner.offset();
                    let detail = |scanner: &mut _| RawEnvelope::read(scanner, "detail.data");
                    envelope = Some(scanner.nested(detail)?);
                    size = scanner.offset() - start;
                }
                _ => drop(scanner.value()?),
            }
            Ok(())
        })?;
        let missing = |member: &str| Violation::at(member, Reason::Missing);
        let this = Self {
            source: source.ok_or_else(|| missing("source"))?,
            detail_type: detail_type.ok_or_else(|| missing("detail-type"))?,
            id,
            account,
            region,
            time,
            resources,
            replay_name,
            envelope: envelope.ok_or_else(|| missing("detail"))?,
        };
        let size = this.size(size);
        if size > MAX_EVENT_BYTES {
            return Err(Violation::new(Reason::TooLarge { size, limit: MAX_EVENT_BYTES }));
        }
        Ok(this)
    }

    /// The event's size as EventBridge counted it, at the least.
    ///
    /// It counts 14 bytes more when the publisher gave a time; a delivered event always has one.
    fn size(&self, detail: usize) -> usize {
        let resources: usize = self.resources.iter().map(|resource| resource.len()).sum();
        self.source.len() + self.detail_type.len() + detail + resources
    }
}

impl fmt::Debug for EventBridgeEvent<'_> {
    /// Shows no data of the event.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBridgeEvent")
            .field("source", &self.source)
            .field("detail_type", &self.detail_type)
            .field("id", &self.id)
            .field("time", &self.time)
            .field("replay_name", &self.replay_name)
            .field("envelope", &self.envelope)
            .finish_non_exhaustive()
    }
}

fn optional<'a>(scanner: &mut Scanner<'a>) -> Result<Option<Cow<'a, str>>, Violation> {
    if scanner.is_null() { scanner.value().map(|_| None) } else { scanner.string().map(Some) }
}
