mod error;
mod memory;

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
    pin::{Pin, pin},
    sync::Arc,
};

use futures_util::future::{BoxFuture, Either, select};

use serde::de::DeserializeOwned;
use setpiece_envelope::{EventId, Extensions, Metadata, RawEnvelope};
use setpiece_policy::{Deadline, Fault, Retry};
use sha2::{Digest as _, Sha256};

pub use self::{error::ClaimCheckError, memory::InMemoryPayloads};
use crate::OutgoingEvent;

/// Keeps what is too large for a bus. The port of a [`ClaimCheck`].
pub trait PayloadStore: Send + Sync + 'static {
    /// Keeps `payload` under `key`, and says by which reference a reader asks for it.
    ///
    /// A key has up to 193 characters: ASCII letters, digits, `-`, `_` and one `/`. It is the same
    /// for the same event with the same payload: to keep it again changes nothing. The reference is
    /// a URI reference, such as `s3://bucket/key`, of at most 1024 characters, ASCII without spaces.
    ///
    /// # Errors
    ///
    /// When it is not known to be kept.
    fn put(&self, key: &str, payload: &[u8]) -> impl Future<Output = Result<String, Fault>> + Send;

    /// Brings what is kept under `reference`; `None` if there is nothing.
    ///
    /// References come from outside. One that this store would not have given out has nothing
    /// behind it, whatever it points to; and no more than `max_bytes` + 1 bytes are to be read.
    ///
    /// # Errors
    ///
    /// When it is not known whether there is anything.
    fn get(
        &self,
        reference: &str,
        max_bytes: usize,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, Fault>> + Send;
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 'a>>;

/// Any [`PayloadStore`], behind one type. Its allocation is nothing beside a payload.
trait AnyPayloadStore: Send + Sync {
    fn put_boxed<'a>(&'a self, key: &'a str, payload: &'a [u8]) -> Boxed<'a, String>;
    fn get_boxed<'a>(&'a self, reference: &'a str, max: usize) -> Boxed<'a, Option<Vec<u8>>>;
}

impl<S: PayloadStore> AnyPayloadStore for S {
    fn put_boxed<'a>(&'a self, key: &'a str, payload: &'a [u8]) -> Boxed<'a, String> {
        Box::pin(self.put(key, payload))
    }

    fn get_boxed<'a>(&'a self, reference: &'a str, max: usize) -> Boxed<'a, Option<Vec<u8>>> {
        Box::pin(self.get(reference, max))
    }
}

/// Sends large data by reference: it goes into a store, and the event says where it is.
///
/// This is the *claim check* of the Enterprise Integration Patterns, in the form that the
/// CloudEvents extension [`dataref`](https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/dataref.md)
/// gives it. The metadata of such an event has three members more, and its `data` is `null`:
///
/// | member | value |
/// |---|---|
/// | `dataref` | the reference of the store |
/// | `datalength` | how many bytes the data has |
/// | `datasha256` | the SHA-256 of the event's identity and these bytes, in lower-case hexadecimal digits |
///
/// The identity is the event's name, id, domain, subdomain, service and tenant, as its metadata have
/// them. It binds the payload to its event: another event that copies the three members, as anybody
/// can who sees the first one on the bus, is [refused](ClaimCheckError::Altered), since its own digest
/// takes the payload itself to compute. So no event gets at what was sent by another publisher or for
/// another tenant.
///
/// A [`Publisher`](crate::Publisher) [with one](crate::Publisher::with_claim_check) checks in what
/// is larger than the [threshold](Self::with_threshold); a reader [resolves](Self::resolve) an
/// event before it decodes it, which leaves all others as they are.
///
/// ```
/// # use std::{pin::pin, task::{Context, Poll, Waker}};
/// # fn block_on<T>(future: impl Future<Output = T>) -> T {
/// #     match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
/// #         Poll::Ready(output) => output,
/// #         Poll::Pending => unreachable!("nothing here waits"),
/// #     }
/// # }
/// use std::time::Duration;
/// use setpiece_bus::{ClaimCheck, InMemoryPayloads};
/// use setpiece_envelope::{FixedClock, RawEnvelope};
/// use setpiece_policy::{Deadline, InstantSleep, Retry, SeededRandom};
///
/// # let clock = FixedClock::default();
/// # let retry = Retry::new(clock.clone(), SeededRandom::new(7), InstantSleep::new(clock.clone()));
/// # let deadline = Deadline::after(&clock, Duration::from_secs(3));
/// let claim_check = ClaimCheck::new(InMemoryPayloads::new());
///
/// let detail = br#"{
///     "metadata": { "event_id": "e-1", "name": "order_submitted", "version": "1" },
///     "data": { "order_number": "7" }
/// }"#;
/// let received = RawEnvelope::parse(detail)?;
/// let mut payload = Vec::new();
/// let event = block_on(claim_check.resolve(received, &mut payload, &retry, deadline))?;
/// assert_eq!(event.data(), r#"{ "order_number": "7" }"#);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// Payloads are not deleted, since nobody knows whether an archive will replay the event: let the
/// store forget them after as long as the archive keeps events.
#[derive(Clone)]
pub struct ClaimCheck {
    store: Arc<dyn AnyPayloadStore>,
    threshold: usize,
    max_payload_bytes: usize,
    /// Behind a pointer, so that a publisher without a claim check has none of it in its program.
    check_in: CheckIn,
}

type CheckIn =
    for<'a> fn(&'a ClaimCheck, &'a OutgoingEvent) -> BoxFuture<'a, Result<OutgoingEvent, Fault>>;

pub(crate) const REFERENCE: &str = "dataref";
const LENGTH: &str = "datalength";
const SHA_256: &str = "datasha256";

impl ClaimCheck {
    /// The most bytes of an event that is sent as it is, unless
    /// [`with_threshold`](Self::with_threshold) says otherwise: 252 KiB, so that an
    /// event fits into the 256 KiB that older limits of targets have, with what is put around it.
    pub const DEFAULT_THRESHOLD: usize = 256 * 1024 - 4 * 1024;

    /// The most bytes of data, unless
    /// [`with_max_payload_bytes`](Self::with_max_payload_bytes) says otherwise: 64 MiB.
    pub const DEFAULT_MAX_PAYLOAD_BYTES: usize = 64 * 1024 * 1024;

    /// The most characters of a reference.
    pub const MAX_REFERENCE_CHARS: usize = 1024;

    /// Keeps payloads in `store`.
    #[must_use]
    pub fn new(store: impl PayloadStore) -> Self {
        Self {
            store: Arc::new(store),
            threshold: Self::DEFAULT_THRESHOLD,
            max_payload_bytes: Self::DEFAULT_MAX_PAYLOAD_BYTES,
            check_in: |this, event| Box::pin(this.put(event)),
        }
    }

    /// Sends events of up to `bytes`, by the formula of the bus, as they are.
    ///
    /// What the bus does not take goes by reference in any case.
    #[must_use]
    pub fn with_threshold(self, bytes: usize) -> Self {
        Self { threshold: bytes, ..self }
    }

    /// Refuses data of more than `bytes`, on both sides.
    #[must_use]
    pub fn with_max_payload_bytes(self, bytes: usize) -> Self {
        Self { max_payload_bytes: bytes, ..self }
    }

    pub(crate) fn threshold(&self) -> usize {
        self.threshold
    }

    /// Puts the data of `event` into the store, and gives the event that refers to it.
    ///
    /// It tries once.
    pub(crate) fn check_in<'a>(
        &'a self,
        event: &'a OutgoingEvent,
    ) -> BoxFuture<'a, Result<OutgoingEvent, Fault>> {
        (self.check_in)(self, event)
    }

    async fn put(&self, event: &OutgoingEvent) -> Result<OutgoingEvent, Fault> {
        let detail = event.detail();
        let envelope = RawEnvelope::parse_within(detail.as_bytes(), detail.len())?;
        let data = envelope.data().as_bytes();
        if data.len() > self.max_payload_bytes {
            return Err(self.too_large(data.len()));
        }
        let sha_256 = bound_sha_256(&envelope.metadata, data);
        let key = format!("{}/{sha_256}", in_key(event.event_id()));
        let reference = self.store.put_boxed(&key, data).await?;
        if !is_reference(&reference) {
            let invalid = ClaimCheckError::Malformed { member: REFERENCE };
            let fault = Fault::permanent("the payload store gave a reference that no reader takes");
            return Err(fault.hand_back().with_source(invalid));
        }
        let length = data.len();
        let mut referring = envelope.with_data(b"null", "null".len())?;
        let extensions = &mut referring.metadata.extensions;
        extensions.insert(REFERENCE, &reference)?;
        extensions.insert(LENGTH, &length)?;
        extensions.insert(SHA_256, &sha_256)?;
        let detail = referring.to_detail()?;
        match String::from_utf8(detail) {
            Ok(detail) => Ok(event.clone().referring(detail)),
            Err(_) => unreachable!("details are written from texts"),
        }
    }

    /// Brings the data of an event that refers to it, and checks that it is what was sent.
    ///
    /// The data is put into `payload`, which the event then borrows from. An event that has its
    /// data with it costs nothing.
    ///
    /// # Errors
    ///
    /// A [contract](setpiece_policy::FaultKind::Contract) fault whose source is a
    /// [`ClaimCheckError`] when the payload is missing, too large, or not what was sent; and the
    /// fault of the store when it does not answer until the deadline.
    pub async fn resolve<'a>(
        &self,
        event: RawEnvelope<'a>,
        payload: &'a mut Vec<u8>,
        retry: &Retry,
        deadline: Deadline,
    ) -> Result<RawEnvelope<'a>, Fault> {
        let Some(claim) = Claim::of(&event)? else { return Ok(event) };
        if claim.length > self.max_payload_bytes {
            return Err(self.too_large(claim.length));
        }
        let get = |_| self.store.get_boxed(&claim.reference, claim.length);
        let fetched = pin!(retry.run(deadline, get));
        let timer = pin!(retry.sleep(deadline.remaining(retry.clock())));
        let found = match select(fetched, timer).await {
            Either::Left((found, _)) => found?,
            Either::Right(((), _)) => {
                return Err(Fault::deadline("the payload store did not answer in time"));
            }
        };
        *payload = found.ok_or(ClaimCheckError::Missing)?;
        if payload.len() != claim.length || bound_sha_256(&event.metadata, payload) != claim.sha_256
        {
            return Err(ClaimCheckError::Altered.into());
        }
        let mut event = event.with_data(payload, claim.length)?;
        for member in [REFERENCE, LENGTH, SHA_256] {
            event.metadata.extensions.remove(member);
        }
        Ok(event)
    }

    fn too_large(&self, size: usize) -> Fault {
        ClaimCheckError::TooLarge { size, limit: self.max_payload_bytes }.into()
    }
}

impl fmt::Debug for ClaimCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimCheck")
            .field("threshold", &self.threshold)
            .field("max_payload_bytes", &self.max_payload_bytes)
            .finish_non_exhaustive()
    }
}

/// Claim about the data that an event does not have with it.
struct Claim {
    reference: String,
    length: usize,
    sha_256: String,
}

impl Claim {
    /// `None` for an event that has its data with it, also beside a reference, as CloudEvents
    /// allows.
    fn of(event: &RawEnvelope<'_>) -> Result<Option<Self>, ClaimCheckError> {
        let extensions = &event.metadata.extensions;
        if event.data() != "null" || extensions.get(REFERENCE).is_none() {
            return Ok(None);
        }
        let reference: String = member(extensions, REFERENCE)?;
        let length = member(extensions, LENGTH)?;
        let sha_256: String = member(extensions, SHA_256)?;
        let malformed = |member| Err(ClaimCheckError::Malformed { member });
        if !is_reference(&reference) {
            return malformed(REFERENCE);
        }
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if sha_256.len() != 64 || !sha_256.bytes().all(is_digit) {
            return malformed(SHA_256);
        }
        Ok(Some(Self { reference, length, sha_256 }))
    }
}

fn member<T: DeserializeOwned>(
    extensions: &Extensions,
    member: &'static str,
) -> Result<T, ClaimCheckError> {
    let value = extensions.get(member).and_then(|json| serde_json::from_str(json.get()).ok());
    value.ok_or(ClaimCheckError::Malformed { member })
}

/// A URI has no spaces and nothing that cannot be printed, and all of it is ASCII: RFC 3986.
fn is_reference(reference: &str) -> bool {
    (1..=ClaimCheck::MAX_REFERENCE_CHARS).contains(&reference.len())
        && reference.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The id as a part of a key: itself where it is plain, as ours are, or else its SHA-256, since a
/// store may take `..` or `%2f` for more than a text.
fn in_key(id: &EventId) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if id.as_str().bytes().all(is_plain) {
        Cow::Borrowed(id.as_str())
    } else {
        Cow::Owned(hex(&Sha256::digest(id.as_str())))
    }
}

/// The digest of what tells an event from all others, and its data.
fn bound_sha_256(metadata: &Metadata, data: &[u8]) -> String {
    let Metadata { event_id, name, domain, subdomain, service, correlation, .. } = metadata;
    let mut digest = Sha256::new();
    for part in [
        Some(name.as_str()),
        Some(event_id.as_str()),
        domain.as_deref(),
        subdomain.as_deref(),
        service.as_deref(),
        correlation.tenant.as_deref(),
    ] {
        // With its length in front, so that no two lists of parts are the same bytes.
        let length = part.map_or(u64::MAX, |part| part.len() as u64);
        digest.update(length.to_be_bytes());
        digest.update(part.unwrap_or_default());
    }
    digest.update(data);
    hex(&digest.finalize())
}

fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a text does not fail.
        _ = write!(hex, "{byte:02x}");
        hex
    })
}
