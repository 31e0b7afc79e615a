//! Way of invocations past the JSON reader of `lambda_runtime`.
//!
//! It reads every invocation with serde before the handler has it. There is no type for bytes as
//! they are, and one for unread JSON takes half as long as all that the app does to recognise an
//! invocation: it looks at every byte and copies them. It also writes them to the log at `TRACE`.
//! So they are kept back, and it reads a number.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use lambda_runtime::{LambdaEvent, LambdaInvocation};
use tower_layer::Layer;
use tower_service::Service;

use super::RawInvocation;

/// Keeps the bytes of invocations while `lambda_runtime` looks at their numbers. Clones are the
/// same.
#[derive(Clone, Default)]
pub(super) struct Cloakroom(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    /// The number of the last one.
    last: u64,
    /// Bodies of the invocations that are handled at the same time.
    bodies: Vec<(u64, RawInvocation)>,
}

impl Cloakroom {
    /// A service of numbers, around one of invocations.
    pub(super) fn behind<T>(&self, inner: T) -> Behind<T> {
        Behind { cloakroom: self.clone(), inner }
    }

    fn leave(&self, body: RawInvocation) -> u64 {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.last += 1;
        let number = kept.last;
        kept.bodies.push((number, body));
        number
    }

    fn fetch(&self, number: u64) -> RawInvocation {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.bodies.iter().position(|(kept, _)| *kept == number) {
            Some(place) => kept.bodies.swap_remove(place).1,
            None => RawInvocation(None),
        }
    }
}

impl<T> Layer<T> for Cloakroom {
    type Service = Before<T>;

    fn layer(&self, inner: T) -> Before<T> {
        Before { cloakroom: self.clone(), inner }
    }
}

/// Takes the bytes, and hands on their number.
#[derive(Clone)]
pub(super) struct Before<T> {
    cloakroom: Cloakroom,
    inner: T,
}

impl<T: Service<LambdaInvocation>> Service<LambdaInvocation> for Before<T> {
    type Response = T::Response;
    type Error = T::Error;
    type Future = T::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut invocation: LambdaInvocation) -> T::Future {
        let body = RawInvocation(Some(Arc::new(mem::take(&mut invocation.body))));
        let number = self.cloakroom.leave(body);
        invocation.body = number.to_string().into_bytes().into();
        self.inner.call(invocation)
    }
}

/// Gives the bytes back.
#[derive(Clone)]
pub(super) struct Behind<T> {
    cloakroom: Cloakroom,
    inner: T,
}

impl<T: Service<LambdaEvent<RawInvocation>>> Service<LambdaEvent<u64>> for Behind<T> {
    type Response = T::Response;
    type Error = T::Error;
    type Future = T::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, event: LambdaEvent<u64>) -> T::Future {
        let payload = self.cloakroom.fetch(event.payload);
        self.inner.call(LambdaEvent::new(payload, event.context))
    }
}
