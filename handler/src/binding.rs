use std::fmt;

use crate::delivery::{Facts, NotificationFacts};

/// Place that a handler is bound to: it takes what comes from there and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Binding {
    place: Place,
    name: Box<str>,
}

/// The kinds of places that a handler can be bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Queue,
    Topic,
    Stream,
    Table,
}

/// Distance of a handler's binding to a delivery; the nearest handlers take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Distance {
    /// It is bound to where the function got the delivery from.
    Source,
    /// It is bound to the topic by which the delivery came there.
    Topic,
    /// It is bound to nothing.
    Anywhere,
}

impl Binding {
    pub(crate) fn new(place: Place, name: impl Into<Box<str>>) -> Self {
        Self { place, name: name.into() }
    }

    /// The distance to a delivery, unless it is from elsewhere.
    pub(crate) fn distance(
        binding: Option<&Self>,
        facts: &Facts,
        notification: Option<&NotificationFacts>,
    ) -> Option<Distance> {
        let Some(binding) = binding else { return Some(Distance::Anywhere) };
        let topic = || notification?.topic_arn.as_deref();
        if facts.source_arn.as_deref().is_some_and(|arn| binding.is_of(arn)) {
            Some(Distance::Source)
        } else if topic().is_some_and(|arn| binding.is_of(arn)) {
            Some(Distance::Topic)
        } else {
            None
        }
    }

    /// Says whether this is the ARN of the place, or of what belongs to it, such as the stream of a
    /// table.
    fn is_of(&self, arn: &str) -> bool {
        if self.is_arn() {
            let rest = arn.strip_prefix(&*self.name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        } else {
            self.place.name_in(arn) == Some(&*self.name)
        }
    }

    fn is_arn(&self) -> bool {
        self.name.starts_with("arn:")
    }

    /// Says whether it can be a name or an ARN of such a place.
    pub(crate) fn is_possible(&self) -> bool {
        let name = if self.is_arn() { self.place.name_in(&self.name) } else { Some(&*self.name) };
        let is_of_name =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        name.is_some_and(|name| !name.is_empty() && name.bytes().all(is_of_name))
    }

    /// Says whether something can come from both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.place == other.place
            && (self.name == other.name || self.is_of(&other.name) || other.is_of(&self.name))
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.place {
            Place::Queue => "queue",
            Place::Topic => "topic",
            Place::Stream => "stream",
            Place::Table => "table",
        };
        write!(f, "the {place} `{}`", self.name)
    }
}

impl Place {
    /// The name in the ARN of such a place.
    fn name_in(self, arn: &str) -> Option<&str> {
        let mut parts = arn.splitn(6, ':');
        let (service, prefix) = match self {
            Self::Queue => ("sqs", ""),
            Self::Topic => ("sns", ""),
            Self::Stream => ("kinesis", "stream/"),
            Self::Table => ("dynamodb", "table/"),
        };
        if parts.next() != Some("arn") || parts.nth(1) != Some(service) {
            return None;
        }
        let resource = parts.nth(2)?.strip_prefix(prefix)?;
        resource.split('/').next()
    }
}

#[cfg(test)]
mod tests;
