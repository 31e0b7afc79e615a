//! From any Lambda event source to effects that happen exactly once.
//!
//! A function that reacts to events does more than it seems to. It finds the event within what a
//! queue, a topic and a bus have put around it. It is called again with what it has done already,
//! since everything delivers at least once. It dies between the write and the event that tells of
//! it, and nobody ever hears of the write. One record that cannot be read fails the nine beside it,
//! for ever. Whoever writes such functions by hand does all of that anew in each, or leaves it.
//!
//! With this crate a function is a decision: it takes an event, and *returns* what should change.
//! An [`App`] takes what Lambda is invoked with, runs the decisions, applies what they return as
//! one transaction, publishes their events, and acknowledges what is done.
//!
//! ```
//! # use std::{pin::pin, task::{Context, Poll, Waker}, time::Duration};
//! # fn block_on<T>(future: impl Future<Output = T>) -> T {
//! #     match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
//! #         Poll::Ready(output) => output,
//! #         Poll::Pending => unreachable!("nothing here waits"),
//! #     }
//! # }
//! use serde::{Deserialize, Serialize};
//! use setpiece_envelope::{DomainEvent, FixedClock, ServiceId};
//! use setpiece_handler::{App, Cx, Effects, Handlers, MemoryEffects, Received, Write};
//! # use setpiece_bus::Publisher;
//! # use setpiece_policy::{Deadline, InstantSleep, Retry, SeededRandom};
//! use setpiece_policy::Fault;
//! use setpiece_testing::{FakeBus, sample};
//!
//! const PRODUCTS: ServiceId = ServiceId::new("shop", "catalog", "products");
//! const LOYALTY: ServiceId = ServiceId::new("shop", "customers", "loyalty");
//!
//! /// What this service needs of another one's event.
//! #[derive(Clone, Serialize, Deserialize, DomainEvent)]
//! #[event(service = PRODUCTS, name = "product_registered", version = 1, view)]
//! struct ProductRegistered {
//!     customer: String,
//! }
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
//! #[event(service = LOYALTY, name = "points_awarded", version = 1)]
//! struct PointsAwarded {
//!     points: u32,
//! }
//!
//! struct Loyalty {
//!     table: String,
//! }
//!
//! async fn award_points(
//!     cx: &Cx<Loyalty>,
//!     event: Received<ProductRegistered>,
//! ) -> Result<Effects, Fault> {
//!     let customer = ("customer", event.data.customer);
//!     Ok(Effects::new()
//!         .write(Write::update(&cx.state.table, customer).add("points", 100))
//!         .emit(PointsAwarded { points: 100 }))
//! }
//!
//! // A decision is tested alone:
//! let event = sample(ProductRegistered { customer: "c1".to_owned() });
//! let state = || Loyalty { table: "loyalty".to_owned() };
//! let decided = block_on(award_points(&Cx::new(state()), Received::from(event.clone().into_envelope())))?;
//! assert_eq!(decided.emitted_as::<PointsAwarded>(), [PointsAwarded { points: 100 }]);
//!
//! // In a Lambda function: `App::system` with `DynamoDbEffects` and `EventBridge`, then `run(app)`.
//! let clock = FixedClock::default();
//! let (bus, effects) = (FakeBus::new(), MemoryEffects::new(clock.clone()));
//! # let sleep = InstantSleep::new(clock.clone());
//! # let retry = Retry::new(clock.clone(), SeededRandom::new(1), sleep.clone());
//! # let publisher = Publisher::new(bus.clone(), retry);
//! # let deadline = Deadline::after(&clock, Duration::from_secs(3));
//! let handlers = Handlers::new(state()).on(award_points);
//! let app = App::builder(LOYALTY, handlers, effects.clone(), publisher, clock, SeededRandom::new(1), sleep)
//!     .build()?;
//!
//! // The same message, twice.
//! for _ in 0..2 {
//!     let answer = block_on(app.invoke(&event.sqs(), deadline))?;
//!     assert_eq!(answer, r#"{"batchItemFailures":[]}"#);
//! }
//! assert_eq!(bus.published::<PointsAwarded>().len(), 1);
//! assert_eq!(effects.items("loyalty").len(), 1);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # What becomes of a delivery
//!
//! | what happens | what becomes of it |
//! |---|---|
//! | all of its handlers are done, now or before | acknowledged |
//! | a handler returns a fault that may pass, or panics, or takes too long | it fails, and comes again |
//! | a handler returns a [permanent](setpiece_policy::FaultKind::Permanent) fault | [quarantine](Quarantine), then acknowledged |
//! | it is no event, or not the one that was agreed on | the same |
//! | it comes from [elsewhere](Allow), or is too deep in its flow | the same |
//! | it would be put aside, and came over HTTP or by a direct invocation | it fails: the caller is told, and has the bytes |
//! | the quarantine does not take it, or there is none | it fails |
//! | an event waits in our outbox, and comes by the stream of its table | published and removed, then acknowledged |
//! | an event in that outbox [belongs](OutboxOwner) to another service or bus | left alone and acknowledged: its owner's relay reads the same stream |
//! | the bus refuses an event of the outbox for good | [quarantine](Quarantine), then removed and acknowledged; without a quarantine it stays in the outbox and is [reported](Ending::Unpublished) |
//! | what is in the outbox is of another table, or cannot be read here | it fails |
//! | a write says that it [is stale](Write::or_skip) | acknowledged, and nothing is changed |
//! | no handler takes it | as [`Unhandled`] says |
//! | it looks like an event that broke on its way, and no handler takes it as [`Text`] or [`Bytes`] | [quarantine](Quarantine), then acknowledged, whatever `Unhandled` says |
//! | too little time is left to begin | it fails |
//!
//! # What is delivered
//!
//! | by | JSON | text | bytes |
//! |---|---|---|---|
//! | SQS, SNS, SNS in SQS | [`Json`] | [`Text`] | as text, in Base64 or whatever its sender chose |
//! | Kinesis | [`Json`] | [`Text`] | [`Bytes`], also compressed |
//! | EventBridge | [`OtherEvent::detail`] | | |
//! | HTTP | [`HttpRequest::json`] | [`HttpRequest::body`] | [`HttpRequest::body`], without Base64 |
//! | direct | [`Json`], an object | | |
//!
//! Somebody else's JSON is judged by the type that asks for it, as by `serde_json`; an event in our
//! own envelope is held to the rules of the bus. [`Handlers`] says who takes what, and in which
//! order.
//!
//! Within a shard or a message group, what fails holds up everything behind it. So a function that
//! reads a stream or a FIFO queue has a [quarantine](Quarantine). Without one, a record that nobody
//! can read or that nobody takes fails each time, and a stream repeats it until the
//! `MaximumRetryAttempts` or the `MaximumRecordAgeInSeconds` of its event source mapping, neither of
//! which has a limit by default.
//!
//! # Redelivery, and who needs a relay
//!
//! A process can die after its effects are committed and before their events are published. The
//! events are in the outbox then, and the next delivery of the same message publishes them. Some
//! sources make no next delivery:
//!
//! | source | delivers again | its events then need |
//! |---|---|---|
//! | SQS, Kinesis, DynamoDB streams | until the message expires or is a dead letter | a redrive of the dead letters, or the relay |
//! | EventBridge, SNS, S3, schedules (asynchronous) | twice, after one and two minutes | the relay |
//! | HTTP, direct, Step Functions without `Retry` | never, unless the caller repeats with the same key | the relay |
//!
//! The relay is any function of the same service and bus that reads the DynamoDB stream of the table
//! with the outbox. Whoever emits events from a source of the last two rows has one: without it,
//! events can stay in the outbox until somebody looks.
//!
//! # What a source is told
//!
//! | source | at the same time | a failure |
//! |---|---|---|
//! | SQS | up to [`concurrency`](AppBuilder::concurrency) | `batchItemFailures` with its message |
//! | SQS FIFO | groups; within one, in order | the same, with those behind it in its group |
//! | Kinesis, DynamoDB streams | shards; within one, in order, except for events of the outbox | `batchItemFailures` with the first sequence number |
//! | EventBridge, SNS, S3, schedules | up to the same | the invocation fails, and is made again |
//! | HTTP, Step Functions, direct | | the caller is told |
//!
//! Event source mappings need `ReportBatchItemFailures`; see [`AppBuilder::whole_batches`].
//!
//! # Leases and redeliveries
//!
//! While a handler runs, its key is locked by a lease, so that nobody else does the same work. A
//! process that dies leaves the lock, and until the lease is over the next delivery finds the key
//! busy. A lease lasts until the deadline if that is at most 30 seconds away. Otherwise it lasts 30
//! seconds and is extended every 10 seconds while the handler runs, for one write each. Add the time
//! by which [clocks may differ](setpiece_idempotency::GuardBuilder::skew).
//!
//! | source | redelivers | a delivery that finds its key busy | needs |
//! |---|---|---|---|
//! | EventBridge, SNS, S3, schedules, asynchronous calls | after 1 and 2 more minutes, then never | waits up to 40 s, then fails | an on-failure destination or dead-letter queue of the function, with an alarm |
//! | SQS | after the visibility timeout, up to `maxReceiveCount` times | fails | a visibility timeout of 6 times the function's, `maxReceiveCount` of 5 or more, a dead-letter queue with an alarm |
//! | SQS FIFO | the same, and its group waits | fails with those behind it | the same |
//! | Kinesis, DynamoDB streams | at once, until the record expires | fails, and the shard waits | a `MaximumRecordAgeInSeconds` and retries beyond a minute, an on-failure destination |
//! | HTTP | the caller decides | is told that it is in progress | a caller that repeats the request with its key |
//! | Step Functions and other direct calls | the caller decides | waits up to 40 s, then fails | a `Retry` of the caller that goes on for more than a minute |
//!
//! # The log
//!
//! What fails is said once, through `tracing`, when it is known what becomes of the delivery. It is
//! an `ERROR` if it stays until somebody does something (a quarantine, a missing table or permission,
//! a newer version), and a `WARN` if it may pass when it comes again. What goes well is said at
//! `DEBUG`, and so is what only waits behind a failure in the same order. A delivery of which several
//! handlers fail has a line for each.
//!
//! These fields are an interface. Their names and meanings stay, and those that are not known are
//! left out. None holds a value of an event.
//!
//! | field | says | for example |
//! |---|---|---|
//! | `message` | what became of it | `a delivery has failed` |
//! | `ending` | [`Ending::name`] | `Failed`, `Quarantined` |
//! | `handler` | the handler that failed | `award_points` |
//! | `reason` | [`Reason`], of what is put aside | `Unreadable` |
//! | `fault.kind` | [`FaultKind`](setpiece_policy::FaultKind) | `throttled` |
//! | `fault.context` | what was being done, or what is wrong: a constant | `claiming a key` |
//! | `fault.reason` | what went wrong while it was done: a constant | `a connection to AWS broke` |
//! | `fault.source` | the [value-free](setpiece_policy::ValueFree) error beneath | `` `detail.data.order_id` expected a string, found a number `` |
//! | `fault.code` | the error code of the service | `ThrottlingException` |
//! | `aws.service` | who was called | `DynamoDB` |
//! | `aws.operation` | with what | `UpdateItem` |
//! | `aws.resource` | the table, bus or queue, as the program names it; all tables of a transaction | `records` |
//! | `tries` | the number of tries | `3` |
//! | `gave_up` | why it was not tried again here | `all tries are spent` |
//! | `gave_up_after_ms` | after how many milliseconds | `2127` |
//! | `may_have_happened` | true if the effect may be there in spite of the fault | `false` |
//! | `remedy` | what to do or to look at | ``allow the role of the function `dynamodb:UpdateItem` on `records` `` |
//! | `error.type`, `error.message` | in place of all but `remedy`, where an invocation fails and no delivery is to blame | `Setpiece.UnknownShape` |
//!
//! The line is in the span `delivery`, with `item_id`, and for events with `event_id`, `event_name`,
//! `event_version`, `correlation_id`, `causation_id` and `depth`. A handler runs in the span
//! `handler`, with `handler` and `attempt`.
//!
//! The [error](InvokeError) that Lambda reports and the attribute `error` of a message in the
//! quarantine say the same in one sentence. `lambda_runtime` writes the error that it reports into
//! the log once more, under the target `lambda_runtime::layers::panic`. The start of the facade
//! switches that line off; elsewhere a filter does, such as the environment variable
//! `RUST_LOG=lambda_runtime::layers::panic=off` with its default subscriber.
//!
//! # Features
//!
//! None is on by default, and none removes anything.
//!
//! | feature | adds |
//! |---|---|
//! | `dynamodb` | `DynamoDbEffects`: effects and outbox in DynamoDB |
//! | `lambda` | `run` and `run_concurrent`, the app as a `tower` service of `lambda_runtime`; brings `tokio` |
//! | `sqs` | `SqsQuarantine` |
//! | `tokio` | `App::system`, which waits on tokio's timer |
//! | `tower` | `Handlers::layer` |
#![cfg_attr(docsrs, feature(doc_cfg))]

mod allow;
mod answer;
mod app;
mod apply;
mod batch;
mod binding;
mod delivery;
#[cfg(feature = "dynamodb")]
mod dynamodb;
mod effects;
mod handlers;
#[cfg(feature = "lambda")]
mod lambda;
mod memory;
#[cfg(feature = "tower")]
mod middleware;
mod payload;
mod quarantine;
mod received;
mod report;
mod request_key;
mod source;
mod write;

#[cfg(feature = "dynamodb")]
#[cfg_attr(docsrs, doc(cfg(feature = "dynamodb")))]
pub use crate::dynamodb::DynamoDbEffects;
#[cfg(feature = "shutdown")]
#[cfg_attr(docsrs, doc(cfg(feature = "shutdown")))]
pub use crate::lambda::run_until_shutdown;
#[cfg(feature = "lambda")]
#[cfg_attr(docsrs, doc(cfg(feature = "lambda")))]
pub use crate::lambda::{RawInvocation, run, run_concurrent};
#[cfg(feature = "tower")]
#[cfg_attr(docsrs, doc(cfg(feature = "tower")))]
pub use crate::middleware::Next;
#[cfg(feature = "sqs")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqs")))]
pub use crate::quarantine::SqsQuarantine;
pub use crate::{
    allow::Allow,
    answer::InvokeError,
    app::{App, AppBuilder, AppError},
    apply::{Applied, Applier, ApplyError, Cause, Refused, RefusedEvent, Relayed},
    binding::Binding,
    delivery::{
        BusFacts, Change, Content, ContentKind, Delivery, Facts, MessageAttribute,
        NotificationFacts, Opened, OutboxChange, Unreadable, Wrapping,
    },
    effects::{
        BoxFuture, EffectLimits, EffectStore, Effects, Emitted, EventsOnly, InvalidEffects,
        InvalidWrite, OutboxEntry, OutboxItem, OutboxKey, OutboxOwner, WriteOf,
    },
    handlers::{Decision, Handler, Handlers, Handling, Reply, Respond, Unhandled, natural_key},
    memory::{MemoryEffects, TableWrite, Tables},
    payload::{
        Authorizer, Bytes, HttpRequest, HttpResponse, IamIdentity, InvalidResponse, ItemChange,
        Json, NaturalKey, OtherEvent, Payload, RequestContext, S3Change, ScheduledEvent, Text,
        UserIdentity,
    },
    quarantine::{InMemoryQuarantine, Poison, Quarantine, Quarantined, Reason},
    received::{Cx, Received},
    report::{Ending, Report},
    request_key::RequestKey,
    source::{HttpForm, Invocation, Seen, Source, UnknownShape},
    write::{ItemKey, KeyValue, Sequence, Write},
};
