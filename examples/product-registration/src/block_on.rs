use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

/// Runs `future` to its end on this thread.
///
/// A decision that calls nobody does not wait, so this needs no async runtime. A Lambda function has
/// tokio's.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}
