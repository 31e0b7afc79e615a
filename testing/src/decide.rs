use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use serde::Serialize;
use setpiece_envelope::DomainEvent;
use setpiece_handler::{Cx, Handler, Payload, Received};
use setpiece_policy::Fault;

use crate::{Sample, sample};

/// Calls a handler with an event or a payload and returns its decision.
///
/// An event arrives as the [`sample`] of its data: in a flow of its own, at its first attempt and
/// without a deadline. There is no store, no bus and no runtime, so a handler that waits for a timer
/// or a socket is tested in a runtime, or in a [`World`](crate::World).
///
/// ```
/// use setpiece_handler::{Cx, Effects, Json, Write};
/// use setpiece_policy::Fault;
/// use setpiece_testing::{assert_same_effects, decide, decide_fault};
///
/// #[derive(serde::Deserialize)]
/// struct Registration {
///     customer: String,
/// }
///
/// async fn register(cx: &Cx<String>, new: Json<Registration>) -> Result<Effects, Fault> {
///     if new.0.customer.is_empty() {
///         return Err(Fault::permanent("a registration names its customer"));
///     }
///     Ok(Effects::new().write(Write::update(&*cx.state, ("customer", new.0.customer)).set("since", 2026)))
/// }
///
/// let registration = |customer: &str| Json(Registration { customer: customer.to_owned() });
/// let effects = decide(register, "customers".to_owned(), registration("cu-1"));
/// let written = Write::update("customers", ("customer", "cu-1")).set("since", 2026);
/// assert_same_effects(&effects, &Effects::new().write(written));
///
/// let fault = decide_fault(register, "customers".to_owned(), registration(""));
/// assert_eq!(fault.to_string(), "permanent: a registration names its customer");
/// ```
///
/// # Panics
///
/// When the handler returns a fault, or waits.
#[track_caller]
pub fn decide<S, I, O>(
    handler: impl for<'a> Handler<'a, S, I, O>,
    state: impl Into<Arc<S>>,
    input: impl HandlerInput<I>,
) -> O {
    match call(handler, state.into(), input.into_input()) {
        Ok(decision) => decision,
        #[expect(clippy::panic, reason = "the test that expects a decision fails")]
        Err(fault) => panic!("the handler failed with a fault ({}): {fault}", fault.kind()),
    }
}

/// Calls a handler that will refuse its input, and returns its fault.
///
/// # Panics
///
/// When the handler decides, or waits.
#[track_caller]
pub fn decide_fault<S, I, O>(
    handler: impl for<'a> Handler<'a, S, I, O>,
    state: impl Into<Arc<S>>,
    input: impl HandlerInput<I>,
) -> Fault {
    match call(handler, state.into(), input.into_input()) {
        Err(fault) => fault,
        #[expect(clippy::panic, reason = "the test that expects a fault fails")]
        Ok(_) => panic!("the handler decided where a fault was expected"),
    }
}

#[track_caller]
fn call<S, I, O>(
    handler: impl for<'a> Handler<'a, S, I, O>,
    state: Arc<S>,
    input: I,
) -> Result<O, Fault> {
    let cx = Cx::new(state);
    let mut decision = pin!(handler.handle(&cx, input));
    match decision.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(decision) => decision,
        #[expect(clippy::panic, reason = "such a test has to be written in another way")]
        Poll::Pending => panic!("the handler waits for something: test it in a runtime or a world"),
    }
}

/// An event, or a payload, as the input `I` of a handler.
pub trait HandlerInput<I> {
    /// Makes the input.
    fn into_input(self) -> I;
}

impl<E: DomainEvent + Serialize> HandlerInput<Received<E>> for E {
    fn into_input(self) -> Received<E> {
        Received::from(sample(self).into_envelope())
    }
}

impl<E: DomainEvent + Serialize> HandlerInput<Received<E>> for Sample<E> {
    fn into_input(self) -> Received<E> {
        Received::from(self.into_envelope())
    }
}

impl<P: Payload> HandlerInput<Self> for P {
    fn into_input(self) -> Self {
        self
    }
}
