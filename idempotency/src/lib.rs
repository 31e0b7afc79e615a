//! No effect twice: a guard around work that is delivered more than once.
//!
//! Queues, buses and people all send the same request again: because the answer was lost, because a
//! function died before it could say that it was done, because somebody was impatient. Work that
//! charges a card must not do it again then, and whoever asks should get the answer of the first
//! time. Looking first whether it was done, and writing down afterwards that it was, does not
//! suffice: two calls look at the same moment, a function dies in between, and one that was thought
//! dead comes back and writes over what its successor did.
//!
//! A [`Guard`] claims a key with one conditional write, for a limited time, and every later write
//! is made on the condition that the claim still holds. It knows its own writes when their answers
//! were lost, counts the attempts, and tells with every error whether the effect may have happened.
//!
//! ```
//! # use std::{pin::pin, task::{Context, Poll, Waker}};
//! # fn block_on<T>(future: impl Future<Output = T>) -> T {
//! #     match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
//! #         Poll::Ready(output) => output,
//! #         Poll::Pending => unreachable!("nothing here waits"),
//! #     }
//! # }
//! use std::{sync::Arc, time::Duration};
//! use setpiece_envelope::FixedClock;
//! use setpiece_idempotency::{Guard, Key, Lease, MemoryStore, Outcome, Semantics};
//! use setpiece_policy::{Deadline, Fault, InstantSleep, SeededRandom};
//!
//! // In a Lambda function: `Guard::system(store, "payments", "charge")`, with the feature `tokio`.
//! let clock = FixedClock::default();
//! let sleep = InstantSleep::new(clock.clone());
//! let store = Arc::new(MemoryStore::new(clock.clone()));
//! let guard = Guard::builder(store, "payments", "charge", clock.clone(), SeededRandom::new(1), sleep)
//!     .retention(Duration::from_hours(48))
//!     .semantics(Semantics::AtMostOnce)
//!     .build()?;
//!
//! // And there: `Deadline::from_unix_millis(context.deadline)`.
//! let lease = Lease::until(Deadline::after(&clock, Duration::from_secs(30)));
//! let charge = async |amount: u32| {
//!     let key = Key::of("order-17")?.with_fingerprint(&amount)?;
//!     // The same in each attempt, for the other side to recognise a call that was made before:
//!     let work = |held: setpiece_idempotency::Held| async move {
//!         Ok::<_, Fault>((amount, held.downstream_key("card").len()))
//!     };
//!     guard.run(&key, lease, work).await
//! };
//!
//! assert_eq!(block_on(charge(29))?, Outcome::Fresh((29, 64)));
//! assert_eq!(block_on(charge(29))?, Outcome::Replayed((29, 64)));
//! assert_eq!(block_on(charge(31)).unwrap_err().name(), "Mismatch");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which call
//!
//! | what the work does | call | requests, first and later |
//! |---|---|---|
//! | effects anywhere, such as a charge | [`Guard::run`] | 2, 1 |
//! | writes to the store that the records are in | [`Guard::commit`] | 2, 1 |
//! | the same, and mostly for the first time | [`Guard::commit_once`] | 1, 1 |
//! | something that may rather be lost than done twice | [`Guard::seen`] | 1, 1 |
//! | something else that is claimed and ended by hand | [`Guard::claim`] | 2, 1 |
//! | any of it, record by record | [`Guard::batch`] | as above, for each key |
//!
//! A result that is too large to be kept [on the record](Keep) costs a request more.
//!
//! # What an error says
//!
//! | error | what to do | may the effect have happened? |
//! |---|---|---|
//! | [`Busy`](GuardError::Busy) | come again after the lease | not in this call |
//! | [`Mismatch`](GuardError::Mismatch), [`Key`](GuardError::Key) | correct the caller | no |
//! | [`Recorded`](GuardError::Recorded) | as the error of the first time | no |
//! | [`Interrupted`](GuardError::Interrupted) | find out, then [resolve](Guard::resolve) or [release](Guard::release) | yes, in an earlier one |
//! | [`Exhausted`](GuardError::Exhausted) | quarantine the item | not in this call |
//! | [`NoTime`](GuardError::NoTime) | come again | no |
//! | [`Handler`](GuardError::Handler) | as the work's error says | the work knows |
//! | [`LeaseLost`](GuardError::LeaseLost) | come again | [it says](LeaseLost::may_have_happened) |
//! | [`WriteRefused`](GuardError::WriteRefused) | decide anew | no |
//! | [`WriteImpossible`](GuardError::WriteImpossible) | quarantine the item | no |
//! | [`Panicked`](GuardError::Panicked) | repair the work | yes |
//! | [`Store`](GuardError::Store) | come again | [it says](StoreFailed::may_have_happened) |
//! | [`Newer`](GuardError::Newer), [`Unreadable`](GuardError::Unreadable), [`Corrupt`](GuardError::Corrupt) | repair the record, or deploy | not in this call |
//!
//! Each of them becomes the [`Fault`](setpiece_policy::Fault) that says so.
//!
//! # Features
//!
//! None is on by default, and none removes anything.
//!
//! | feature | adds |
//! |---|---|
//! | `compress` | `Keep::compressed` |
//! | `dynamodb` | the store in a DynamoDB table |
//! | `lambda` | `From<GuardError>` for `lambda_runtime::Diagnostic` |
//! | `tokio` | `Guard::system` |
//! | `tower` | `IdempotencyLayer` |
#![cfg_attr(docsrs, feature(doc_cfg))]

mod claim;
mod classify;
mod core;
mod digest;
#[cfg(feature = "dynamodb")]
#[cfg_attr(docsrs, doc(cfg(feature = "dynamodb")))]
pub mod dynamodb;
mod error;
mod flights;
mod guard;
mod held;
mod keep;
mod key;
#[cfg(feature = "lambda")]
mod lambda;
#[cfg(feature = "tower")]
mod layer;
mod lease;
mod memory;
mod outcome;
mod prepared;
mod race;
pub mod record;
mod report;
pub mod store;
mod time;
pub mod verdict;

pub use crate::{
    claim::{Claim, Completed, Done},
    classify::{AfterError, ByFault, BySemantics, Classify, RecordedError},
    error::{
        After, Busy, Exhausted, GuardError, HandlerFailed, Inspected, LeaseLost, LostHow, Never,
        NotKept, Phase, StoreFailed, Unreadable, WriteImpossible, WriteRefused,
    },
    guard::{
        Amended, Batch, BatchReport, Claimed, ConfigError, Guard, GuardBuilder, OnBusy,
        OnStoreDown, Sighting,
    },
    held::Held,
    keep::{Keep, UnreadableWhy},
    key::{Key, KeyError, KeyPart, KeySecret},
    lease::Lease,
    memory::{Beside, MemoryStore, MemoryWrite, Numbers},
    outcome::{Outcome, Skipped},
    report::{Event, Report},
    store::{Semantics, Store},
};

#[cfg(feature = "tower")]
#[cfg_attr(docsrs, doc(cfg(feature = "tower")))]
pub use crate::layer::{AnswerSkipped, AsItIs, HandOver, IdempotencyLayer, Idempotent, NoAnswer};
