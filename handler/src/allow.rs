use std::borrow::Cow;

use crate::{BusFacts, Facts, Source};

/// Where events may come from: by what EventBridge says about a delivery, which no publisher can
/// forge.
///
/// A list that is empty allows everything. One that is not refuses what is not on it, and what came
/// without a bus, of which nothing is known. What is refused is put into
/// [quarantine](crate::Quarantine).
///
/// Whoever may send to a queue or a topic can write there what EventBridge would have written. So
/// what came by one is refused as well, unless it is named [here](Self::through).
///
/// The account is the one that called `PutEvents`. The source is what it called itself there, so it
/// means something together with the account, or where a policy of the bus ties them to each other.
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

    /// Believes what came by this queue or topic, by its ARN: one whose policy lets nobody but the
    /// rules of the bus send to it.
    pub fn through(mut self, arn: impl Into<Cow<'static, str>>) -> Self {
        self.through.push(arn.into());
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
        let is_direct = matches!(source, Source::EventBridge | Source::EventBridgeArray);
        let arn = facts.source_arn.as_deref();
        let has = |list: &[Cow<'static, str>], value: &str| list.iter().any(|it| it == value);
        if !is_direct && !arn.is_some_and(|arn| has(&self.through, arn)) {
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
