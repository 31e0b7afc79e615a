use std::fmt::{self, Write as _};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use setpiece_envelope::{DomainEvent, Envelope};

use super::diff::Diff;
use crate::{FakeBus, json_lines::lines, must::must};

/// Asserts that an event was published on a [`FakeBus`].
///
/// The members that are given are compared with those of each published event as they are on the
/// wire, so that `"7"` is a `String` or whatever else is written as one. With `..` others may be
/// anything. What follows `if` is asked about the whole [`Envelope`]. At least one event has to be
/// so, unless it ends with `once`, `never`, or a number of `times`.
///
/// ```
/// # use std::{pin::pin, task::{Context, Poll, Waker}};
/// # fn block_on<T>(future: impl IntoFuture<Output = T>) -> T {
/// #     let mut future = pin!(future.into_future());
/// #     match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
/// #         Poll::Ready(output) => output,
/// #         Poll::Pending => unreachable!("nothing here waits"),
/// #     }
/// # }
/// # use serde::{Deserialize, Serialize};
/// # use setpiece_bus::{Bus, OutgoingEvent};
/// # use setpiece_envelope::{DomainEvent, EventVersion, First, ServiceId};
/// # #[derive(Serialize, Deserialize)]
/// # struct OrderSubmitted { order_number: String, cents: i64 }
/// # impl DomainEvent for OrderSubmitted {
/// #     type Previous = First;
/// #     const SERVICE: ServiceId = ServiceId::new("retail", "checkout", "orders");
/// #     const NAME: &'static str = "order_submitted";
/// #     const VERSION: EventVersion = EventVersion::new(1);
/// # }
/// use setpiece_testing::{FakeBus, assert_published, sample};
///
/// # let bus = FakeBus::new();
/// # let order = sample(OrderSubmitted { order_number: "7".to_owned(), cents: 2999 });
/// # block_on(bus.put(&[&OutgoingEvent::new(order.envelope())?]))?;
/// assert_published!(bus, OrderSubmitted { order_number: "7", .. });
/// assert_published!(bus, OrderSubmitted { order_number: "7", cents: 2999 }, once);
/// assert_published!(bus, OrderSubmitted { .. } if |order| order.data.cents > 1000, 1 times);
/// assert_published!(bus, OrderSubmitted { order_number: "8", .. }, never);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
///
/// When there are more or fewer such events. The message lists what was published, and shows how
/// the event that comes closest differs.
#[macro_export]
macro_rules! assert_published {
    ($bus:expr, $event:path { $($fields:tt)* } $(if $guard:expr)? $(,)?) => {
        $crate::assert_published!(@ $bus, $event, AtLeastOnce, [$($fields)*], [$($guard)?])
    };
    ($bus:expr, $event:path { $($fields:tt)* } $(if $guard:expr)?, once $(,)?) => {
        $crate::assert_published!(@ $bus, $event, Times(1), [$($fields)*], [$($guard)?])
    };
    ($bus:expr, $event:path { $($fields:tt)* } $(if $guard:expr)?, never $(,)?) => {
        $crate::assert_published!(@ $bus, $event, Times(0), [$($fields)*], [$($guard)?])
    };
    ($bus:expr, $event:path { $($fields:tt)* } $(if $guard:expr)?, $times:literal times $(,)?) => {
        $crate::assert_published!(@ $bus, $event, Times($times), [$($fields)*], [$($guard)?])
    };
    (@ $bus:expr, $event:path, $($count:ident)? $(($times:literal))?, [$($fields:tt)*], [$($guard:expr)?]) => {
        $crate::__private::check::<$event>(
            &$bus,
            $crate::assert_published!(@fields $event, [] $($fields)*),
            &[$($crate::assert_published!(@guard $event, $guard))?],
            $crate::__private::Count::$($count)? $(($times))?,
        )
    };
    (@guard $event:path, $guard:expr) => { &$guard };
    (@fields $event:path, [$($name:ident: $value:expr,)*] ..) => {
        &|event: &$event| {
            let $event { $($name: _,)* .. } = event;
            ::std::vec![$($crate::__private::field(stringify!($name), &event.$name, &$value)),*]
        }
    };
    (@fields $event:path, [$($name:ident: $value:expr,)*]) => {
        &|event: &$event| {
            let $event { $($name: _,)* } = event;
            ::std::vec![$($crate::__private::field(stringify!($name), &event.$name, &$value)),*]
        }
    };
    (@fields $event:path, [$($done:tt)*] $name:ident: $value:expr) => {
        $crate::assert_published!(@fields $event, [$($done)* $name: $value,])
    };
    (@fields $event:path, [$($done:tt)*] $name:ident: $value:expr, $($rest:tt)*) => {
        $crate::assert_published!(@fields $event, [$($done)* $name: $value,] $($rest)*)
    };
}

/// Number of events that are to be as expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// One or more.
    AtLeastOnce,
    /// Exactly so many.
    Times(usize),
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeastOnce => f.write_str("at least once"),
            Self::Times(0) => f.write_str("never"),
            Self::Times(1) => f.write_str("once"),
            Self::Times(times) => write!(f, "{times} times"),
        }
    }
}

/// A member of an event as it is, and as it is to be.
#[derive(Debug)]
pub struct Field {
    name: &'static str,
    actual: Value,
    expected: Value,
}

/// Compares a member with what it is to be, by what both are on the wire.
///
/// # Panics
///
/// When one of them cannot be written as JSON.
#[track_caller]
#[must_use]
pub fn field(name: &'static str, actual: &impl Serialize, expected: &impl Serialize) -> Field {
    let what = |whose| format!("the {whose} `{name}` cannot be written");
    Field {
        name,
        actual: must(&what("actual"), serde_json::to_value(actual)),
        expected: must(&what("expected"), serde_json::to_value(expected)),
    }
}

impl Field {
    pub(super) fn differs(&self) -> bool {
        self.actual != self.expected
    }
}

/// An event that is not as expected.
pub(super) struct Candidate {
    pub(super) event: String,
    pub(super) fields: Vec<Field>,
    pub(super) distance: usize,
}

/// Condition on a whole event.
pub type Guard<'a, E> = &'a dyn Fn(&Envelope<E>) -> bool;

/// Counts the events that have these fields and pass the guards.
///
/// # Panics
///
/// When there are not as many as expected.
#[track_caller]
pub fn check<E: DomainEvent + DeserializeOwned>(
    bus: &FakeBus,
    fields: &dyn Fn(&E) -> Vec<Field>,
    guards: &[Guard<'_, E>],
    expected: Count,
) {
    let all = bus.events();
    let mut closest: Option<Candidate> = None;
    let mut count = 0;
    for event in all.iter().filter(|event| event.is::<E>()) {
        let envelope: Envelope<E> = event.must_be();
        let fields = fields(&envelope.data);
        let distance = fields.iter().filter(|field| field.differs()).count();
        if distance == 0 && guards.iter().all(|guard| guard(&envelope)) {
            count += 1;
        } else if closest.as_ref().is_none_or(|closest| distance < closest.distance) {
            closest = Some(Candidate { event: event.to_string(), fields, distance });
        }
    }
    let all = all.iter().map(ToString::to_string).collect();
    judge(&Events { name: E::NAME, done: "published", all }, closest, count, expected);
}

/// Events among which some were looked for.
pub(super) struct Events {
    /// Name of the events that were looked for.
    pub(super) name: &'static str,
    /// Verb for what was done with all of them.
    pub(super) done: &'static str,
    pub(super) all: Vec<String>,
}

/// Fails when there are not as many as expected.
#[track_caller]
pub(super) fn judge(events: &Events, closest: Option<Candidate>, count: usize, expected: Count) {
    let is_so = match expected {
        Count::AtLeastOnce => count > 0,
        Count::Times(times) => count == times,
    };
    if !is_so {
        // What is not there is looked for; what is too much is in the list.
        let missing = match expected {
            Count::AtLeastOnce => closest,
            Count::Times(times) => closest.filter(|_| count < times),
        };
        #[expect(clippy::panic, reason = "that is how an assertion fails")]
        {
            panic!("{}", complaint(events, missing.as_ref(), Count::Times(count), expected));
        }
    }
}

#[track_caller]
fn complaint(
    Events { name, done, all }: &Events,
    closest: Option<&Candidate>,
    count: Count,
    expected: Count,
) -> String {
    let mut text = format!("expected such a `{name}` {expected}, found it {count}\n\n{done}:\n");
    if all.is_empty() {
        text.push_str("  nothing\n");
    }
    for event in all {
        // Writing to a text does not fail.
        _ = writeln!(text, "  {event}");
    }
    if let Some(Candidate { event, fields, distance }) = closest {
        if *distance == 0 {
            _ = write!(text, "\nthe condition does not hold for {event}\n");
        } else {
            let [expected, actual] =
                [|it: &Field| it.expected.clone(), |it: &Field| it.actual.clone()].map(|side| {
                    let members = fields.iter().map(|field| (field.name.to_owned(), side(field)));
                    let document = Value::Object(members.collect::<Map<_, _>>()).to_string();
                    must("an event", lines(document.as_bytes()))
                });
            if let Some(diff) = Diff::between(&expected, &actual) {
                _ = write!(text, "\nclosest is {event} (- expected, + actual):\n\n{diff}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests;
