//! From any Lambda event source to effects that happen exactly once.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod allow;
mod answer;
mod app;
mod apply;
mod batch;
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
mod source;
mod write;

#[cfg(feature = "dynamodb")]
#[cfg_attr(docsrs, doc(cfg(feature = "dynamodb")))]
pub use crate::dynamodb::DynamoDbEffects;
#[cfg(feature = "lambda")]
#[cfg_attr(docsrs, doc(cfg(feature = "lambda")))]
pub use crate::lambda::{RawInvocation, run, run_concurrent};
#[cfg(feature = "shutdown")]
#[cfg_attr(docsrs, doc(cfg(feature = "shutdown")))]
pub use crate::lambda::run_until_shutdown;
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
    apply::{Applied, Applier, ApplyError, Cause, Refused, Relayed},
    delivery::{
        BusFacts, Change, Content, ContentKind, Delivery, Facts, MessageAttribute,
        NotificationFacts, Opened, OutboxChange, Unreadable, Wrapping,
    },
    effects::{
        BoxFuture, EffectLimits, EffectStore, Effects, Emitted, EventsOnly, InvalidEffects,
        InvalidWrite, OutboxEntry, OutboxKey, WriteOf,
    },
    handlers::{Decision, Handler, Handlers, Handling, Reply, Respond, Unhandled, natural_key},
    memory::{MemoryEffects, TableWrite, Tables},
    payload::{
        HttpRequest, HttpResponse, ItemChange, Json, OtherEvent, Payload, S3Change, ScheduledEvent,
    },
    quarantine::{InMemoryQuarantine, Poison, Quarantine, Quarantined, Reason},
    received::{Cx, Received},
    report::{Ending, Report},
    source::{HttpForm, Invocation, Seen, Source, UnknownShape},
    write::{ItemKey, KeyValue, Sequence, Write},
};
