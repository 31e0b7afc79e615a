//! Faults that say what to do about them, deadlines, and retries out of a budget.
//!
//! A function that reacts to events calls a table, a bus and a neighbour. Each of them fails at
//! times, in words of its own. Trying again blindly turns a short trouble into an outage, keeps a
//! function busy until it is killed in the middle of a write, or charges a customer twice; not
//! trying again at all wakes somebody up for a lost packet. This crate has one answer for all
//! callers:
//!
//! - [`Fault`]: what went wrong, and what to do about it: try again here, fail the item so that its
//!   source delivers it again, or put it into quarantine.
//! - [`Deadline`]: the moment until which all of that has to be done.
//! - [`Retry`]: delays with full jitter, paid out of a [budget](RetryBudget) that all callers
//!   share, never beyond the deadline.
//!
//! ```
//! # use std::{pin::pin, task::{Context, Poll, Waker}};
//! # fn block_on<T>(future: impl Future<Output = T>) -> T {
//! #     match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
//! #         Poll::Ready(output) => output,
//! #         Poll::Pending => unreachable!("nothing here waits"),
//! #     }
//! # }
//! use std::time::Duration;
//! use setpiece_envelope::FixedClock;
//! use setpiece_policy::{
//!     Deadline, Disposition, Fault, FaultKind, GiveUp, InstantSleep, Retry, SeededRandom,
//! };
//!
//! // In a Lambda function: `Deadline::from_unix_millis(context.deadline)` and `Retry::system()`.
//! let clock = FixedClock::default();
//! let retry =
//!     Retry::new(clock.clone(), SeededRandom::new(7), InstantSleep::new(clock.clone()));
//! let deadline = Deadline::after(&clock, Duration::from_secs(3))
//!     .reserve(Duration::from_millis(500)); // to report what was done
//!
//! let fault = block_on(retry.run(deadline, |_attempt| async {
//!     // What a table without capacity says:
//!     Err::<(), _>(Fault::from_code("ProvisionedThroughputExceededException", Some(400)))
//! }))
//! .unwrap_err();
//!
//! assert_eq!(fault.kind(), FaultKind::Throttled);
//! assert_eq!(fault.gave_up(), Some(GiveUp::AttemptsSpent));
//! assert!(!fault.may_have_happened());
//! assert_eq!(fault.disposition(), Disposition::FailItem);
//! ```
//!
//! # Kinds and dispositions
//!
//! | kind | for example | what to do |
//! |---|---|---|
//! | [`Transient`](FaultKind::Transient) | a lost connection, an error 500 | try again here |
//! | [`Throttled`](FaultKind::Throttled) | a table without capacity | try again here, later |
//! | [`Conflict`](FaultKind::Conflict) | a condition that does not hold | fail the item: decide anew |
//! | [`Contract`](FaultKind::Contract) | bytes that are not the event | quarantine; a newer version: fail the item |
//! | [`Permanent`](FaultKind::Permanent) | a refused request; a missing permission | quarantine; if the item is not to blame: fail it |
//! | [`Deadline`](FaultKind::Deadline) | no time is left | fail the item |
//!
//! # Not `backon`
//!
//! [`backon`](https://docs.rs/backon) is a good crate for trying again, without tokio in its core
//! and with a hook that can override each delay. What is asked for here is the rest: a budget that
//! calls share and get back on success or when dropped, a deadline on an injected clock, a random
//! source that is shared and not a seed for each backoff, jitter that covers the whole delay and
//! not what is added to it, and decisions without running anything, for batches. With all of that
//! in hooks, what remained for it to do would be the loop.
//!
//! # Features
//!
//! None is on by default, and none removes anything.
//!
//! | feature | adds |
//! |---|---|
//! | `aws-sdk` | `From<SdkError>` for [`Fault`] |
//! | `tokio` | `TokioSleep` and `Retry::system` |
#![cfg_attr(docsrs, feature(doc_cfg))]

mod deadline;
mod fault;
mod random;
mod retry;
mod sleep;

pub use crate::{
    deadline::Deadline,
    fault::{Call, Disposition, Fault, FaultKind, ValueFree},
    random::{Random, SeededRandom, SystemRandom},
    retry::{
        Attempts, GiveUp, Retry,
        budget::{RetryBudget, Withdrawal},
    },
    sleep::{InstantSleep, Sleep},
};

#[cfg(feature = "tokio")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
pub use crate::sleep::TokioSleep;
