use serde::de::DeserializeOwned;
use setpiece_envelope::DomainEvent;
use setpiece_handler::Effects;

use super::{
    compare, document,
    published::{Candidate, Count, Events, Field, judge},
};

/// Asserts that two decisions are the same: the same writes and the same events, in the same order.
///
/// ```should_panic
/// # use setpiece_handler::{Effects, Write};
/// # use setpiece_testing::assert_same_effects;
/// let award = |points: i64| {
///     Effects::new().write(Write::update("loyalty", ("customer_id", "cu-1")).add("points", points))
/// };
/// assert_same_effects(&award(100), &award(100)); // the same
/// assert_same_effects(&award(100), &award(50)); // not the same
/// ```
///
/// # Panics
///
/// When they are not. The message shows what differs, values included.
#[track_caller]
pub fn assert_same_effects(actual: &Effects, expected: &Effects) {
    if actual == expected {
        return;
    }
    let lines = |effects: &Effects| document("effects", effects.to_json().to_string().as_bytes());
    compare("the effects differ", &lines(actual), &lines(expected));
    #[expect(clippy::panic, reason = "that is how an assertion fails")]
    {
        panic!("the effects differ in what cannot be shown\n\n{expected:#?}\n\n{actual:#?}");
    }
}

/// Asserts that a decision emits an event.
///
/// It says what is expected as [`assert_published!`](crate::assert_published) does; what follows
/// `if` is asked about the event itself, since it has no metadata yet.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use setpiece_envelope::{DomainEvent, EventVersion, First, ServiceId};
/// # #[derive(Serialize, Deserialize)]
/// # struct PointsAwarded { customer_id: String, points: i64 }
/// # impl DomainEvent for PointsAwarded {
/// #     type Previous = First;
/// #     const SERVICE: ServiceId = ServiceId::new("retail", "marketing", "loyalty");
/// #     const NAME: &'static str = "points_awarded";
/// #     const VERSION: EventVersion = EventVersion::new(1);
/// # }
/// use setpiece_handler::Effects;
/// use setpiece_testing::assert_emitted;
///
/// let effects =
///     Effects::new().emit(PointsAwarded { customer_id: "cu-1".to_owned(), points: 100 });
/// assert_emitted!(effects, PointsAwarded { customer_id: "cu-1", .. }, once);
/// assert_emitted!(effects, PointsAwarded { .. } if |event| event.points >= 100);
/// assert_emitted!(effects, PointsAwarded { points: 50, .. }, never);
/// ```
///
/// # Panics
///
/// When there are more or fewer such events. The message lists what is emitted, and shows how the
/// event that comes closest differs.
#[macro_export]
macro_rules! assert_emitted {
    ($effects:expr, $event:path { $($fields:tt)* } $(if $guard:expr)? $(,)?) => {
        $crate::assert_emitted!(@ $effects, $event, AtLeastOnce, [$($fields)*], [$($guard)?])
    };
    ($effects:expr, $event:path { $($fields:tt)* } $(if $guard:expr)?, once $(,)?) => {
        $crate::assert_emitted!(@ $effects, $event, Times(1), [$($fields)*], [$($guard)?])
    };
    ($effects:expr, $event:path { $($fields:tt)* } $(if $guard:expr)?, never $(,)?) => {
        $crate::assert_emitted!(@ $effects, $event, Times(0), [$($fields)*], [$($guard)?])
    };
    ($effects:expr, $event:path { $($fields:tt)* } $(if $guard:expr)?, $times:literal times $(,)?) => {
        $crate::assert_emitted!(@ $effects, $event, Times($times), [$($fields)*], [$($guard)?])
    };
    (@ $effects:expr, $event:path, $($count:ident)? $(($times:literal))?, [$($fields:tt)*], [$($guard:expr)?]) => {
        $crate::__private::check_emitted::<$event>(
            &$effects,
            $crate::assert_published!(@fields $event, [] $($fields)*),
            &[$($crate::assert_published!(@guard $event, $guard))?],
            $crate::__private::Count::$($count)? $(($times))?,
        )
    };
}

/// Condition on an event.
pub type Condition<'a, E> = &'a dyn Fn(&E) -> bool;

/// Counts the events that have these fields and pass the conditions.
///
/// # Panics
///
/// When there are not as many as expected.
#[track_caller]
pub fn check_emitted<E: DomainEvent + DeserializeOwned>(
    effects: &Effects,
    fields: &dyn Fn(&E) -> Vec<Field>,
    conditions: &[Condition<'_, E>],
    expected: Count,
) {
    let mut closest: Option<Candidate> = None;
    let mut count = 0;
    for (emitted, event) in
        effects.emitted().iter().filter_map(|emitted| Some((emitted, emitted.decode::<E>()?)))
    {
        let fields = fields(&event);
        let distance = fields.iter().filter(|field| field.differs()).count();
        if distance == 0 && conditions.iter().all(|condition| condition(&event)) {
            count += 1;
        } else if closest.as_ref().is_none_or(|closest| distance < closest.distance) {
            closest = Some(Candidate { event: format!("{emitted:?}"), fields, distance });
        }
    }
    let all = effects.emitted().iter().map(|emitted| format!("{emitted:?}")).collect();
    judge(&Events { name: E::NAME, done: "emitted", all }, closest, count, expected);
}

#[cfg(test)]
mod tests;
