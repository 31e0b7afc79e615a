use crate::{Category, EventType, EventVersion, Lineage, ServiceId, service::SourceOf};

/// A fact that one service publishes and others react to.
///
/// Derive it (feature `derive`); this trait is all that the derive writes, so it can be written by
/// hand as well:
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use setpiece_envelope::{DomainEvent, EventVersion, First, ServiceId};
///
/// const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");
///
/// #[derive(Serialize, Deserialize)]
/// struct OrderSubmitted {
///     order_number: String,
/// }
///
/// impl DomainEvent for OrderSubmitted {
///     type Previous = First;
///     const SERVICE: ServiceId = ORDERS;
///     const NAME: &'static str = "order_submitted";
///     const VERSION: EventVersion = EventVersion::new(1);
///
///     fn subject(&self) -> Option<String> {
///         Some(self.order_number.clone())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a domain event",
    label = "needs `DomainEvent`",
    note = "add `#[derive(DomainEvent)]` and `#[event(service = …, name = \"…\", version = 1)]` to \
            `{Self}` (feature `derive` of `setpiece-envelope`)"
)]
pub trait DomainEvent: Sized {
    /// The version before this one, or [`First`](crate::First) where history begins.
    ///
    /// Reading walks this chain: bytes of an older version are decoded into the older type and
    /// brought up to date by [`Upcast`](crate::Upcast). That the chain has no gap is checked where
    /// an event is read, and by the derive wherever it stands.
    type Previous: Lineage<Self>;

    /// The service that owns the event.
    const SERVICE: ServiceId;

    /// The EventBridge `source` under which the event is published; its service's unless overridden.
    const SOURCE: &'static str = SourceOf::<Self>::TEXT;

    /// The metadata member `name`: `snake_case`, in the past tense, at most 128 bytes.
    const NAME: &'static str;

    /// The metadata member `version`. Compatible change keeps it; a breaking change raises it.
    const VERSION: EventVersion;

    /// The EventBridge `detail-type`, at most 128 characters; the event's name unless overridden.
    const DETAIL_TYPE: &'static str = Self::NAME;

    /// The metadata member `category`: who may listen.
    const CATEGORY: Category = Category::DomainEvent;

    /// The metadata member `type`: what the event carries.
    const TYPE: EventType = EventType::Data;

    /// True if this type is another team's view of an event that [`Self::SERVICE`] owns.
    ///
    /// A view is read, never published; what publishes does not compile with one. It can be written
    /// all the same, so that a consumer's test makes the event that it is to read.
    const VIEW: bool = false;

    /// The member of `data` that says what the event is about, by its name on the wire.
    ///
    /// An empty name stands for the whole of `data`.
    const SUBJECT: Option<&'static str> = None;

    /// The members of `data` that hold personal data, by their names on the wire.
    const PII: &'static [Pii] = &[];

    /// Levels of objects and arrays that `data` may have, itself included: 32 unless overridden,
    /// 127 at most.
    ///
    /// Readers and writers refuse more with [`Reason::TooDeep`](crate::Reason::TooDeep). Types that
    /// hold themselves need the bound: a producer that is not ours could otherwise choose how often
    /// their decoding recurs.
    const MAX_NESTING: usize = 32;

    /// The value of the [`SUBJECT`](Self::SUBJECT) member, for the metadata member `subject`.
    fn subject(&self) -> Option<String> {
        None
    }
}

/// A member of an event's `data` that holds personal data.
///
/// Logs, catalogs and data-protection policies are built from these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Pii {
    /// Path of the member within `data`: member names joined by dots. Everything below it counts.
    ///
    /// The empty path is the whole of `data`.
    pub path: &'static str,
    /// Kind of personal data, such as `email`, where the event says so.
    pub kind: Option<&'static str>,
}

impl Pii {
    /// Marks the member at `path`.
    #[must_use]
    pub const fn new(path: &'static str, kind: Option<&'static str>) -> Self {
        Self { path, kind }
    }
}
