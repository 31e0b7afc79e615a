use std::task::Poll;

/// Pauses of calls: how often one waits, and when.
#[derive(Clone, Copy, Default)]
pub(crate) struct Pauses {
    pub(crate) before: u32,
    pub(crate) after: u32,
}

/// Waits so many times, each time until it is polled again.
pub(crate) async fn pause(mut times: u32) {
    std::future::poll_fn(|context| match times.checked_sub(1) {
        None => Poll::Ready(()),
        Some(rest) => {
            times = rest;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}
