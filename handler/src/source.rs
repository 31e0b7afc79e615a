mod records;

use std::fmt;

use setpiece_envelope::{
    Reason, Violation,
    json::{self, Scanner},
};

use self::records::Records;
use crate::delivery::{Body, Delivery, Facts};

/// Payload of an invocation, taken apart: its source, and its deliveries.
///
/// It is recognised by the names of its outermost members and, for records, by their `eventSource`,
/// in one pass over the bytes. What is inside a delivery is read when that is
/// [opened](Delivery::open), so that what is wrong with one does not touch the others.
///
/// ```
/// use setpiece_handler::{Invocation, Source};
///
/// let invocation = Invocation::read(br#"{"Records":[{
///     "eventSource": "aws:sqs",
///     "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:orders.fifo",
///     "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
///     "attributes": { "ApproximateReceiveCount": "2", "MessageGroupId": "order/7" },
///     "body": "{}"
/// }]}"#)?;
///
/// assert_eq!(invocation.source, Source::Sqs { fifo: true });
/// let [delivery] = &invocation.deliveries[..] else { panic!("one message") };
/// assert_eq!(delivery.facts.receive_count, Some(2));
/// assert_eq!(delivery.bytes(), b"{}");
/// # Ok::<_, setpiece_handler::UnknownShape>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Invocation<'a> {
    /// Source of the invocation.
    pub source: Source,
    /// Deliveries in the order of the source. There may be none.
    pub deliveries: Vec<Delivery<'a>>,
}

/// Source of an invocation: it decides about order, and about the form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// A rule of EventBridge, or a subscriber that takes one event at a time: [one
    /// event](https://docs.aws.amazon.com/eventbridge/latest/ref/overview-event-structure.html).
    EventBridge,
    /// A subscriber of a custom event bus, the newer EventBridge: [an array of
    /// events](https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-custom-bus-target-lambda.html).
    EventBridgeArray,
    /// [A queue](https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html).
    Sqs {
        /// True if the queue keeps the order within a message group, which its ARN tells.
        fifo: bool,
    },
    /// [A topic](https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html).
    Sns,
    /// [A stream of Kinesis](https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html), in
    /// the order of its shard.
    Kinesis,
    /// [The stream of a table](https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html), in the
    /// order of its shard.
    DynamoDbStream,
    /// [Notifications of a
    /// bucket](https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html).
    S3,
    /// A request that waits for a response.
    Http(HttpForm),
    /// A batch without records, which does not say whose it is. There is nothing to do, and its
    /// answer names no failures.
    EmptyBatch,
    /// Whoever calls the function itself, such as Step Functions.
    Direct,
}

impl Source {
    /// Says whether a delivery that fails holds up those behind it.
    pub(crate) fn is_ordered(self) -> bool {
        match self {
            Self::Sqs { fifo } => fifo,
            Self::Kinesis | Self::DynamoDbStream => true,
            _ => false,
        }
    }
}

/// Form of an HTTP request; its response has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HttpForm {
    /// A REST API of API Gateway, or an HTTP API with [payload format version
    /// 1.0](https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html).
    V1,
    /// An HTTP API with payload format version 2.0, or a function URL.
    V2,
    /// [An Application Load
    /// Balancer](https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html)
    /// whose target group gives each header one value. An answer has 1 MB at most, and one cookie.
    Alb,
    /// An Application Load Balancer whose target group has multi-value headers.
    AlbMultiValue,
    /// [VPC Lattice](https://docs.aws.amazon.com/vpc-lattice/latest/ug/lambda-functions.html) with
    /// version 2 of its events. An answer has one cookie at most.
    Lattice,
}

impl<'a> Invocation<'a> {
    /// The most bytes that are read: more than any source delivers, which is 6 MB.
    pub const MAX_BYTES: usize = 16 * 1024 * 1024;
    /// The most records that are read: as many as a source delivers at once.
    pub const MAX_RECORDS: usize = 10_000;

    /// Reads what Lambda was invoked with.
    ///
    /// An object of no known form is taken to be a direct invocation, since those may have any. Only
    /// what must come from a source that is not known here is refused.
    ///
    /// # Errors
    ///
    /// [`UnknownShape`] when it is nothing known, or when a record has no identifier that the answer
    /// could name it by. An answer that says nothing of a record acknowledges it, so all fails.
    pub fn read(bytes: &'a [u8]) -> Result<Self, UnknownShape> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(UnknownShape::TooLarge { size: bytes.len(), limit: Self::MAX_BYTES });
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            UnknownShape::malformed(Reason::NotUtf8 { offset: error.valid_up_to() })
        })?;
        let mut scanner = Scanner::new(text);
        match text.trim_ascii_start().as_bytes().first() {
            Some(b'{') => object(&mut scanner, text),
            Some(b'[') => array(&mut scanner),
            _ => {
                scanner.value()?;
                scanner.end()?;
                Err(UnknownShape::NotAnObject { found: Scanner::new(text).kind() })
            }
        }
    }

    fn one(source: Source, body: Body<'a>) -> Self {
        Self { source, deliveries: vec![Delivery::new(Facts::default(), body)] }
    }
}

/// Outermost members of an invocation.
#[derive(Default)]
struct Outline<'a> {
    records: Option<Records<'a>>,
    request: Option<Request>,
    /// When it was published, if it is an event.
    time: Option<&'a str>,
    /// A bit for each of [`TELLING`] that is there.
    seen: u32,
    /// Number of members of any name.
    members: usize,
}

/// The members that tell a form by being there, some of them with a certain value.
const TELLING: [&str; 19] = [
    "multiValueHeaders",
    "raw_path",
    "is_base64_encoded",
    "detail-type",
    "source",
    "detail",
    // An event of the newer EventBridge, with what the bus knows of it.
    "Data",
    "SystemMetadata",
    "httpMethod",
    "routeKey",
    "rawPath",
    // Authorizers get what looks like a request, and say which kind they are.
    "type",
    "Service",
    "Event",
    "eventSource",
    // Records that are not in `Records`: of Kafka by topic and partition, of Firehose in a list.
    "records",
    "awslogs",
    // The window that a stream's records are counted in.
    "window",
    "isFinalInvokeForWindow",
];

/// Kinds of requests by an API.
enum Request {
    V1,
    V2,
    Alb,
    Lattice,
    WebSocket,
}

fn object<'a>(scanner: &mut Scanner<'a>, text: &'a str) -> Result<Invocation<'a>, UnknownShape> {
    let mut outline = Outline::default();
    let mut unknown = None;
    scanner.members(|scanner, member| outline.read_member(scanner, member, &mut unknown))?;
    scanner.end()?;
    if let Some(unknown) = unknown {
        return Err(unknown);
    }
    if let Some(form) = outline.unsupported() {
        return Err(UnknownShape::Unsupported { form });
    }
    if let Some(records) = outline.records {
        // With members beside it, an empty list can be anybody's, who waits for another answer.
        let source = match records.source() {
            Some(source) => source,
            None if outline.members == 1 => Source::EmptyBatch,
            None => return Err(UnknownShape::Members(Seen::of(text))),
        };
        return Ok(records.into_invocation(source));
    }
    if outline.is_event() {
        let deliveries = vec![Delivery::new(outline.facts(), Body::Bus(text))];
        return Ok(Invocation { source: Source::EventBridge, deliveries });
    }
    if matches!(outline.request, Some(Request::WebSocket)) && !outline.has("type") {
        return Err(UnknownShape::Unsupported { form: "a request by WebSocket" });
    }
    if outline.has("raw_path") && outline.has("is_base64_encoded") {
        return Err(UnknownShape::Unsupported { form: "version 1 of a request by VPC Lattice" });
    }
    let form = match outline.request {
        _ if outline.has("type") => None,
        Some(Request::V2) if outline.has("routeKey") || outline.has("rawPath") => {
            Some(HttpForm::V2)
        }
        Some(Request::V1) if outline.has("httpMethod") => Some(HttpForm::V1),
        Some(Request::Alb) if outline.has("multiValueHeaders") => Some(HttpForm::AlbMultiValue),
        Some(Request::Alb) => Some(HttpForm::Alb),
        Some(Request::Lattice) => Some(HttpForm::Lattice),
        _ => None,
    };
    if let Some(form) = form {
        return Ok(Invocation::one(Source::Http(form), Body::Http(text, form)));
    }
    if outline.has("Service") && outline.has("Event") {
        return Ok(Invocation { source: Source::S3, deliveries: Vec::new() });
    }
    if outline.has("eventSource") {
        return Err(UnknownShape::Members(Seen::of(text)));
    }
    Ok(Invocation::one(Source::Direct, Body::Direct(text)))
}

impl<'a> Outline<'a> {
    fn has(&self, member: &str) -> bool {
        let index = TELLING.iter().position(|name| *name == member);
        index.is_some_and(|index| self.seen & (1 << index) != 0)
    }

    /// The name of a form whose answer would acknowledge what nobody has handled.
    fn unsupported(&self) -> Option<&'static str> {
        if self.has("window") && self.has("isFinalInvokeForWindow") {
            // Lambda takes an answer without `state` for a failure, of what is done by then.
            Some("a tumbling window: set its event source mapping to have none")
        } else if self.records.is_none() && self.has("records") {
            Some("records of Kafka or Firehose")
        } else if self.has("awslogs") {
            Some("log events of CloudWatch Logs")
        } else {
            None
        }
    }

    /// Returns the facts of the bus about an event that it delivers itself.
    fn facts(&self) -> Facts {
        let time = self.time.and_then(|json| Scanner::new(json).string().ok()?.parse().ok());
        Facts { sent_at: time, ..Facts::default() }
    }

    fn is_event(&self) -> bool {
        self.has("detail-type") && (self.has("source") || self.has("detail"))
            || self.has("Data") && self.has("SystemMetadata")
    }

    fn read_member(
        &mut self,
        scanner: &mut Scanner<'a>,
        member: &str,
        unknown: &mut Option<UnknownShape>,
    ) -> Result<(), Violation> {
        self.members += 1;
        match member {
            "Records" if scanner.kind() == "an array" => {
                if self.records.is_some() {
                    return Err(Violation::new(Reason::Duplicate));
                }
                let mut records = Records::default();
                scanner.array(|scanner| {
                    if unknown.is_some() {
                        return scanner.skip().map(drop);
                    }
                    records.read_record(scanner).map(|read| *unknown = read.err())
                })?;
                self.records = Some(records);
            }
            "requestContext" if scanner.kind() == "an object" => {
                self.request = Some(Request::read(scanner)?);
            }
            _ => {
                let kind = scanner.kind();
                let value = scanner.skip()?;
                if member == "time" {
                    self.time = Some(value);
                }
                let tells = match member {
                    "Service" => value == "\"Amazon S3\"",
                    "Event" => value == "\"s3:TestEvent\"",
                    "eventSource" => value.starts_with("\"aws:"),
                    // By Kafka's topics and partitions, or with Firehose's identifiers.
                    "records" => match kind {
                        "an object" => is_by_partition(value),
                        "an array" => value.contains("\"recordId\""),
                        _ => false,
                    },
                    "awslogs" => kind == "an object" && value.contains("\"data\""),
                    "window" => kind == "an object",
                    _ => true,
                };
                if tells && let Some(index) = TELLING.iter().position(|name| *name == member) {
                    self.seen |= 1 << index;
                }
            }
        }
        Ok(())
    }
}

/// True for an object whose members are lists of records with an offset.
fn is_by_partition(json: &str) -> bool {
    let mut scanner = Scanner::new(json);
    let (mut partitions, mut others) = (0, 0);
    let read = scanner.members(|scanner, _| {
        let is_partition = scanner.kind() == "an array";
        let has_offsets = scanner.skip()?.contains("\"offset\"");
        *(if is_partition && has_offsets { &mut partitions } else { &mut others }) += 1;
        Ok(())
    });
    read.is_ok() && partitions > 0 && others == 0
}

impl Request {
    fn read(scanner: &mut Scanner<'_>) -> Result<Self, Violation> {
        let mut request = Self::V1;
        scanner.members(|scanner, member| {
            match member {
                "http" => request = Self::V2,
                "elb" => request = Self::Alb,
                "serviceNetworkArn" => request = Self::Lattice,
                "connectionId" => request = Self::WebSocket,
                _ => {}
            }
            scanner.skip().map(drop)
        })?;
        Ok(request)
    }
}

fn array<'a>(scanner: &mut Scanner<'a>) -> Result<Invocation<'a>, UnknownShape> {
    let mut deliveries = Vec::new();
    let mut too_many = false;
    scanner.array(|scanner| {
        let (text, read) = scanner.attempt(|scanner| {
            let mut outline = Outline::default();
            let mut unknown = None;
            scanner.members(|scanner, member| match member {
                "Records" | "requestContext" => scanner.skip().map(drop),
                _ => outline.read_member(scanner, member, &mut unknown),
            })?;
            Ok((outline.is_event(), outline.facts()))
        })?;
        too_many |= deliveries.len() == Invocation::MAX_RECORDS;
        if !too_many {
            deliveries.push((text, read.unwrap_or_default()));
        }
        Ok(())
    })?;
    scanner.end()?;
    if too_many {
        return Err(UnknownShape::TooManyRecords { limit: Invocation::MAX_RECORDS });
    }
    // One event tells what the array is. The others are read as such, and may be broken.
    if !deliveries.iter().any(|(_, (is_event, _))| *is_event) {
        let seen = deliveries.first().map(|(text, _)| Seen::of(text)).unwrap_or_default();
        return Err(UnknownShape::Members(seen));
    }
    let delivery = |(text, (_, facts))| Delivery::new(facts, Body::Bus(text));
    let deliveries = deliveries.into_iter().map(delivery).collect();
    Ok(Invocation { source: Source::EventBridgeArray, deliveries })
}

/// Error of an invocation that could not be taken apart. All of it fails: nothing in it can be
/// reported.
///
/// None of it shows a value.
#[derive(Debug)]
#[non_exhaustive]
pub enum UnknownShape {
    /// There are more bytes than Lambda delivers.
    TooLarge {
        /// Size of the invocation in bytes.
        size: usize,
        /// The most bytes that are read.
        limit: usize,
    },
    /// There are more records than any source delivers at once.
    TooManyRecords {
        /// The most records that are read.
        limit: usize,
    },
    /// The bytes are not JSON, or a record cannot be named in the answer.
    Malformed(Violation),
    /// JSON, but neither an object nor an array.
    NotAnObject {
        /// The kind of value that it is.
        found: &'static str,
    },
    /// An object or an array of an unknown form.
    Members(Seen),
    /// Records of an unknown source, with the members of the first one.
    Records(Seen),
    /// Records of several sources, which are never in one invocation.
    MixedRecords,
    /// A known form that is not handled.
    Unsupported {
        /// The form, by name.
        form: &'static str,
    },
}

impl UnknownShape {
    fn malformed(reason: Reason) -> Self {
        Self::Malformed(Violation::new(reason))
    }
}

impl From<Violation> for UnknownShape {
    fn from(violation: Violation) -> Self {
        Self::Malformed(violation)
    }
}

impl fmt::Display for UnknownShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { size, limit } => {
                write!(f, "the invocation has {size} bytes, more than the {limit} that are read")
            }
            Self::TooManyRecords { limit } => {
                write!(f, "the invocation has more than the {limit} records that are read")
            }
            Self::Malformed(_) => f.write_str("the invocation cannot be read"),
            Self::NotAnObject { found } => {
                write!(f, "the invocation is {found}, expected an object or an array of events")
            }
            Self::Members(seen) => write!(f, "the invocation has an unknown form: {seen}"),
            Self::Records(seen) => write!(f, "the records have an unknown source: {seen}"),
            Self::MixedRecords => f.write_str("the records have several sources"),
            Self::Unsupported { form } => {
                write!(f, "the invocation is {form}, which is not handled")
            }
        }
    }
}

impl std::error::Error for UnknownShape {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Malformed(violation) => Some(violation),
            _ => None,
        }
    }
}

/// The names of members that were seen where the form was not known: the first few, and only those
/// that have the form of identifiers, since others can be data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    names: Vec<Box<str>>,
    others: usize,
}

impl Seen {
    /// The most names that are kept.
    pub const MAX_NAMES: usize = 16;

    /// The names, in the order in which they came.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// Returns the number of other members.
    #[must_use]
    pub fn others(&self) -> usize {
        self.others
    }

    #[cold]
    fn of(text: &str) -> Self {
        let mut seen = Self::default();
        // What was seen before a mistake was seen.
        _ = Scanner::new(text).members(|scanner, member| {
            match json::shown(member) {
                Some(name) if seen.names.len() < Self::MAX_NAMES => seen.names.push(name.into()),
                _ => seen.others += 1,
            }
            scanner.skip().map(drop)
        });
        seen
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.names.is_empty() && self.others == 0 {
            return f.write_str("no members");
        }
        f.write_str("the members ")?;
        for (index, name) in self.names.iter().enumerate() {
            write!(f, "{}`{name}`", if index == 0 { "" } else { ", " })?;
        }
        match (self.names.is_empty(), self.others) {
            (_, 0) => Ok(()),
            (true, others) => write!(f, "have {others} names that are not shown"),
            (false, others) => write!(f, " and {others} more"),
        }
    }
}
