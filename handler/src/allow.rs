use std::borrow::Cow;

use crate::{BusFacts, Facts, Source};

/// Allowed origins of events, by what EventBridge says about a delivery.
///
/// A list that is empty allows everything. One that is not refuses what is not on it, and what came
/// without a bus, of which nothing is known: changes of items and objects, requests, direct
/// invocations, and events in nothing but their envelope. What is refused is put into
/// [quarantine](crate::Quarantine); who waits for an answer is told instead.
///
/// The account is the one that called `PutEvents`. The source is what it called itself there, so it
/// means something together with the account, or where a policy of the bus ties them to each other.
///
/// # What is believed
///
/// | how it came | believed |
/// |---|---|
/// | one event that invokes the function itself, as classic rules deliver it | always |
/// | by a queue, a topic or a stream | if it is [named](Self::through) |
/// | in an array, or with system metadata, as the newer event bus delivers it | if that is [said](Self::through_subscriber) |
///
/// Whoever may send to a queue or a topic can write there what EventBridge would have written, and
/// so can whoever has `events:PutRawEvents` on a newer bus.
///
/// # What is up to you
///
/// The bytes of an invocation do not show who wrote them. So a list means something only where the
/// policies of the function let nothing write them but classic rules that deliver events as they
/// are:
///
/// - A rule with `InputPath`, `InputTransformer` or `Input` delivers what it was told to make, and
///   with an `InputPath` the publisher writes all of it.
/// - A subscriber of the newer bus that takes one event at a time delivers it in the same form as a
///   classic rule. It must not invoke the function, unless all who have `events:PutRawEvents` on
///   its bus are trusted.
/// - Whoever has `lambda:InvokeFunction` can write what it likes. The permission of EventBridge names
///   the rule by its `SourceArn`.
///
/// ```
/// use setpiece_handler::Allow;
///
/// let allow = Allow::new()
///     .account("111122223333")
///     .source("shop.catalog.products")
///     .through("arn:aws:sqs:eu-west-1:111122223333:loyalty");
/// # _ = allow;
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "it does nothing before it is given to an app"]
pub struct Allow {
    accounts: Vec<Cow<'static, str>>,
    sources: Vec<Cow<'static, str>>,
    regions: Vec<Cow<'static, str>>,
    through: Vec<Cow<'static, str>>,
    through_subscriber: bool,
}

impl Allow {
    /// Allows everything so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows an account, by its twelve digits, and from now on no others.
    pub fn account(mut self, account: impl Into<Cow<'static, str>>) -> Self {
        self.accounts.push(account.into());
        self
    }

    /// Allows a source, and from now on no others.
    pub fn source(mut self, source: impl Into<Cow<'static, str>>) -> Self {
        self.sources.push(source.into());
        self
    }

    /// Allows a region, and from now on no others.
    pub fn region(mut self, region: impl Into<Cow<'static, str>>) -> Self {
        self.regions.push(region.into());
        self
    }

    /// Believes what came by this queue, topic or stream, by its ARN: one whose policy lets nobody
    /// but classic rules that deliver events as they are send to it.
    pub fn through(mut self, arn: impl Into<Cow<'static, str>>) -> Self {
        self.through.push(arn.into());
        self
    }

    /// Believes what came by a subscriber of a custom event bus, the newer EventBridge: in an array,
    /// or with what the bus knows of it. It does not name itself, so this is about all of them that
    /// invoke the function.
    ///
    /// Whoever has `events:PutRawEvents` on such a bus writes the very bytes that are delivered, and
    /// can write there what the bus would have written of another account. System metadata are no
    /// proof, either: where the subscriber adds none, the publisher can. So it is for buses on which
    /// nobody has that permission who is not trusted, and for subscribers without a transformation
    /// of their own.
    pub fn through_subscriber(mut self) -> Self {
        self.through_subscriber = true;
        self
    }

    /// Says what is wrong with where a delivery comes from.
    pub(crate) fn refusal(
        &self,
        source: Source,
        facts: &Facts,
        bus: Option<&BusFacts>,
    ) -> Option<&'static str> {
        if self.accounts.is_empty() && self.sources.is_empty() && self.regions.is_empty() {
            return None;
        }
        let has = |list: &[Cow<'static, str>], value: &str| list.iter().any(|it| it == value);
        let is_believed = match source {
            Source::EventBridge if bus.is_some_and(|bus| !bus.has_system_metadata) => true,
            Source::EventBridge | Source::EventBridgeArray => self.through_subscriber,
            _ => facts.source_arn.as_deref().is_some_and(|arn| has(&self.through, arn)),
        };
        if !is_believed {
            return Some("what came this way can be forged");
        }
        let on = |list: &[Cow<'static, str>], value: Option<&str>| {
            list.is_empty() || value.is_some_and(|value| has(list, value))
        };
        if !on(&self.accounts, bus.and_then(|bus| bus.account.as_deref())) {
            return Some("the account that published it is not allowed");
        }
        if !on(&self.regions, bus.and_then(|bus| bus.region.as_deref())) {
            return Some("the region that it was published in is not allowed");
        }
        if !on(&self.sources, bus.map(|bus| &*bus.source)) {
            return Some("the source that it names is not allowed");
        }
        None
    }
}
