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
    /// Detail-type of the event, on which most rules match; for our events it is the event's name.
    pub detail_type: Cow<'a, str>,
    /// Identifier that EventBridge gave to the event when it took it. It is new when the same event
    /// is sent again.
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
        let mut outer = Outer::default();
        let mut envelope = None;
        let mut size = 0;
        scanner.object(|scanner, member| {
            if member == "detail" {
                let start = scanner.offset();
                envelope = Some(read_envelope(scanner)?);
                size = scanner.offset() - start;
            } else if !outer.read_member(scanner, member)? {
                scanner.value()?;
            }
            Ok(())
        })?;
        let missing = |member: &str| Violation::at(member, Reason::Missing);
        let Outer { source, detail_type, id, account, region, time, resources, replay_name } =
            outer;
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
        check_size(&this.source, &this.detail_type, &this.resources, size)?;
        Ok(this)
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

/// The members of an event of EventBridge besides its `detail`.
#[derive(Default)]
struct Outer<'a> {
    source: Option<Cow<'a, str>>,
    detail_type: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    account: Option<Cow<'a, str>>,
    region: Option<Cow<'a, str>>,
    time: Option<Timestamp>,
    resources: Vec<Cow<'a, str>>,
    replay_name: Option<Cow<'a, str>>,
}

impl<'a> Outer<'a> {
    /// Reads the value that comes, if `member` is one of these.
    #[inline]
    fn read_member(&mut self, scanner: &mut Scanner<'a>, member: &str) -> Result<bool, Violation> {
        match member {
            "source" => self.source = Some(scanner.string()?),
            "detail-type" => self.detail_type = Some(scanner.string()?),
            "id" => self.id = optional(scanner)?,
            "account" => self.account = optional(scanner)?,
            "region" => self.region = optional(scanner)?,
            "replay-name" => self.replay_name = optional(scanner)?,
            "time" => {
                let text = optional(scanner)?;
                let parsed = text.map(|text| text.parse().map_err(Violation::new));
                self.time = parsed.transpose()?;
            }
            "resources" if scanner.is_null() => drop(scanner.value()?),
            "resources" => {
                let resources = &mut self.resources;
                scanner.array(|scanner| {
                    resources.push(scanner.string()?);
                    Ok(())
                })?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn is_of_aws(&self) -> bool {
        self.source.as_deref().is_some_and(|source| source.starts_with("aws."))
    }
}

/// The `detail` that comes, which stands in a document of its own.
fn read_envelope<'a>(scanner: &mut Scanner<'a>) -> Result<RawEnvelope<'a>, Violation> {
    scanner.nested(|scanner| RawEnvelope::read(scanner, "detail.data"))
}

/// An event of EventBridge that may be anybody's: its `detail` need not hold an envelope.
#[derive(Clone)]
#[non_exhaustive]
pub struct AnyEvent<'a> {
    /// The publisher, as the bus knows it.
    pub source: Cow<'a, str>,
    /// Detail-type of the event, on which most rules match.
    pub detail_type: Cow<'a, str>,
    /// Identifier that EventBridge gave to the event when it took it.
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
    /// The text of the member `detail`, which was not checked unless there is an envelope in it.
    pub detail: &'a str,
    /// Envelope of the event, if `detail` claims to be one: it has a member `metadata`, or it is no
    /// object at all.
    ///
    /// AWS itself publishes none, and nobody else can publish with a source that begins with
    /// `aws.`.
    pub envelope: Option<Result<RawEnvelope<'a>, Violation>>,
}

impl fmt::Debug for AnyEvent<'_> {
    /// Shows no data of the event.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyEvent")
            .field("source", &self.source)
            .field("detail_type", &self.detail_type)
            .field("id", &self.id)
            .field("time", &self.time)
            .field("replay_name", &self.replay_name)
            .field("envelope", &self.envelope)
            .finish_non_exhaustive()
    }
}

/// Reads [`AnyEvent`] member by member, for those who do not know yet whether what they read is an
/// event at all.
///
/// What is wrong with the event shows when it is [finished](Self::finish). What is wrong with its
/// `detail` stays apart from that.
///
/// ```
/// use setpiece_envelope::json::{EventDraft, Scanner};
///
/// let mut scanner = Scanner::new(
///     r#"{ "source": "aws.ec2", "detail-type": "EC2 Instance State-change", "detail": {} }"#,
/// );
/// let mut draft = EventDraft::default();
/// scanner.members(|scanner, member| {
///     if !draft.read_member(scanner, member)? {
///         scanner.skip()?;
///     }
///     Ok(())
/// })?;
/// assert!(draft.is_event());
///
/// let event = draft.finish()?;
/// assert_eq!(event.source, "aws.ec2");
/// assert_eq!(event.detail, "{}");
/// assert!(event.envelope.is_none());
/// # Ok::<_, setpiece_envelope::Violation>(())
/// ```
#[derive(Default)]
pub struct EventDraft<'a> {
    outer: Outer<'a>,
    detail: Option<(&'a str, Result<RawEnvelope<'a>, Violation>)>,
    /// A bit for each of [`MEMBERS`] that has been read.
    seen: u16,
    wrong: Option<Violation>,
}

/// The members of an event that are read.
const MEMBERS: [&str; 9] = [
    "source",
    "detail-type",
    "id",
    "account",
    "region",
    "replay-name",
    "time",
    "resources",
    "detail",
];

impl<'a> EventDraft<'a> {
    /// Walks over the value that comes if `member` is one of an event, and says whether it is.
    ///
    /// # Errors
    ///
    /// A violation when no value comes.
    pub fn read_member(
        &mut self,
        scanner: &mut Scanner<'a>,
        member: &str,
    ) -> Result<bool, Violation> {
        let Some(index) = MEMBERS.iter().position(|name| *name == member) else {
            return Ok(false);
        };
        let twice = self.seen & (1 << index) != 0;
        self.seen |= 1 << index;
        if member == "detail" && !twice {
            self.detail = Some(if self.outer.is_of_aws() {
                (scanner.skip()?, Err(Violation::new(Reason::Missing)))
            } else {
                scanner.attempt(read_envelope)?
            });
            return Ok(true);
        }
        let outer = &mut self.outer;
        let (_, read) = scanner.attempt(|scanner| {
            if twice {
                return Err(Violation::new(Reason::Duplicate));
            }
            outer.read_member(scanner, member)
        })?;
        if let Err(violation) = read {
            self.wrong.get_or_insert(violation.within(member));
        }
        Ok(true)
    }

    /// Returns true if what was read so far is an event of EventBridge, if perhaps a broken one:
    /// nothing else has a `detail-type` beside a `source` or a `detail`.
    #[must_use]
    pub fn is_event(&self) -> bool {
        let has = |name: &str| {
            MEMBERS.iter().position(|of| *of == name).is_some_and(|at| self.seen & (1 << at) != 0)
        };
        has("detail-type") && (has("source") || has("detail"))
    }

    /// The event.
    ///
    /// # Errors
    ///
    /// A violation of the first member that is wrong, and for an event that is larger than
    /// [`MAX_EVENT_BYTES`] by EventBridge's own count.
    pub fn finish(self) -> Result<AnyEvent<'a>, Violation> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        let missing = |member: &str| Violation::at(member, Reason::Missing);
        let (detail, envelope) = self.detail.ok_or_else(|| missing("detail"))?;
        let envelope = match envelope {
            _ if self.outer.is_of_aws() => None,
            Err(_) if is_no_envelope(detail) => None,
            read => Some(read.map_err(|violation| violation.within("detail"))),
        };
        let Outer { source, detail_type, id, account, region, time, resources, replay_name } =
            self.outer;
        let source = source.ok_or_else(|| missing("source"))?;
        let detail_type = detail_type.ok_or_else(|| missing("detail-type"))?;
        check_size(&source, &detail_type, &resources, detail.len())?;
        Ok(AnyEvent {
            source,
            detail_type,
            id,
            account,
            region,
            time,
            resources,
            replay_name,
            detail,
            envelope,
        })
    }
}

impl fmt::Debug for EventDraft<'_> {
    /// Shows no data of the event.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventDraft").finish_non_exhaustive()
    }
}

/// Returns true if a `detail` is an object without `metadata`.
fn is_no_envelope(detail: &str) -> bool {
    let mut has_metadata = false;
    let walked = Scanner::tolerant(detail, 0).members(|scanner, member| {
        has_metadata |= member == "metadata";
        scanner.skip().map(drop)
    });
    walked.is_ok() && !has_metadata
}

/// Refuses an event that is larger than EventBridge takes, as it counts it, at the least.
///
/// It counts 14 bytes more when the publisher gave a time; a delivered event always has one.
fn check_size(
    source: &str,
    detail_type: &str,
    resources: &[Cow<'_, str>],
    detail: usize,
) -> Result<(), Violation> {
    let resources: usize = resources.iter().map(|resource| resource.len()).sum();
    let size = source.len() + detail_type.len() + detail + resources;
    if size > MAX_EVENT_BYTES {
        return Err(Violation::new(Reason::TooLarge { size, limit: MAX_EVENT_BYTES }));
    }
    Ok(())
}

fn optional<'a>(scanner: &mut Scanner<'a>) -> Result<Option<Cow<'a, str>>, Violation> {
    if scanner.is_null() { scanner.value().map(|_| None) } else { scanner.string().map(Some) }
}
