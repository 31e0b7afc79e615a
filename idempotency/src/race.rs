use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

/// Future that was ready first, of two.
pub(crate) enum First<A, B> {
    Work(A),
    Other(B),
    /// Neither was, and the time is up.
    Late,
}

/// Runs `work`, and beside it what `other` makes, until one of them is ready. Whatever is not is
/// dropped.
///
/// `other` is made only when `work` is not ready at once, since most of what is guarded here by a
/// timer never waits for it.
///
/// A process can stand still for longer than its time, and what wakes it need not be the timer. So
/// `in_time` is asked before `work` goes on; after that `other` may say that there is more time.
pub(crate) async fn race<W, O>(
    work: W,
    other: impl FnOnce() -> O,
    in_time: impl Fn() -> bool,
) -> First<W::Output, O::Output>
where
    W: Future,
    O: Future,
{
    let mut work = pin!(work);
    let at_once = poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    });
    if let Some(output) = at_once.await {
        return First::Work(output);
    }
    let mut other = pin!(other());
    // Polled again, the work knows the waker of both.
    poll_fn(|cx| {
        let late = !in_time();
        if late {
            if let Poll::Ready(output) = other.as_mut().poll(cx) {
                return Poll::Ready(First::Other(output));
            }
            if !in_time() {
                return Poll::Ready(First::Late);
            }
        }
        if let Poll::Ready(output) = work.as_mut().poll(cx) {
            return Poll::Ready(First::Work(output));
        }
        if late { Poll::Pending } else { other.as_mut().poll(cx).map(First::Other) }
    })
    .await
}

/// Payload of a panic.
pub(crate) type Panic = Box<dyn std::any::Any + Send>;

/// Makes a future and runs it; a panic in either is handed over.
///
/// What the future had in hand is dropped in the unwinding, so nobody looks at it again, but for
/// what it shares with others. They see it as they would if the panic went on, which it does.
pub(crate) async fn catch<F: Future>(make: impl FnOnce() -> F) -> Result<F::Output, Panic> {
    let future = catch_unwind(AssertUnwindSafe(make))?;
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}
