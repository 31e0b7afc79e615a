use std::fmt;

use setpiece_envelope::Violation;

use crate::delivery::Delivery;

/// What Lambda was invoked with: where it comes from, and what there is to do.
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
/// # Ok::<_, setpiece_handler::UnknownShape>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Invocation<'a> {
    /// Where it comes from.
    pub source: Source,
    /// What there is to do, in the order of the source. There may be nothing to do.
    pub deliveries: Vec<Delivery<'a>>,
}

/// Where an invocation comes from: it decides about order, and about the form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// A rule of EventBridge: one event.
    EventBridge,
    /// A subscriber of a custom event bus, the newer EventBridge: an array of events.
    EventBridgeArray,
    /// A queue.
    Sqs {
        /// Whether the queue keeps the order within a message group, which its ARN tells.
        fifo: bool,
    },
    /// A topic.
    Sns,
    /// A stream of Kinesis, in the order of each shard.
    Kinesis,
    /// The stream of a table, in the order of each shard.
    DynamoDbStream,
    /// Notifications of a bucket.
    S3,
    /// A request that waits for a response.
    Http(HttpForm),
    /// Whoever called the function by itself, such as Step Functions.
    Direct,
}

/// The two forms of HTTP requests; a response has the form of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HttpForm {
    /// A REST API of API Gateway, or an HTTP API with payload format version 1.0.
    V1,
    /// An HTTP API with payload format version 2.0, or a function URL.
    V2,
}

impl<'a> Invocation<'a> {
    /// Reads what Lambda was invoked with.
    ///
    /// # Errors
    ///
    /// [`UnknownShape`] when it is nothing known, or when it cannot be told apart into deliveries
    /// that can be reported.
    pub fn read(bytes: &'a [u8]) -> Result<Self, UnknownShape> {
        _ = bytes;
        todo!()
    }
}

/// Why an invocation could not be taken apart. All of it fails: nothing in it can be reported.
#[derive(Debug)]
#[non_exhaustive]
pub enum UnknownShape {
    /// There are more bytes than Lambda delivers.
    TooLarge {
        /// How many bytes there are.
        size: usize,
        /// The most bytes that are read.
        limit: usize,
    },
    /// There are more records than any source delivers at once.
    TooManyRecords {
        /// The most records that are read.
        limit: usize,
    },
    /// The bytes are not JSON, or what is needed to tell deliveries apart is not there.
    Malformed(Violation),
    /// JSON, but neither an object nor an array.
    NotAnObject {
        /// The kind of value that it is.
        found: &'static str,
    },
    /// An object of an unknown form.
    Members(Seen),
    /// Records of an unknown source.
    Records(Seen),
    /// Records of several sources, which are never in one invocation.
    MixedRecords,
}

/// The names of members that were seen where the shape was not known: the first few, and only
/// those that have the form of identifiers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    names: Vec<Box<str>>,
    more: usize,
}

impl fmt::Display for UnknownShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown")
    }
}

impl std::error::Error for UnknownShape {}
