//! From any Lambda event source to effects that happen exactly once.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod apply;
#[cfg(feature = "dynamodb")]
mod dynamodb;
mod effects;
mod memory;
mod write;

#[cfg(feature = "dynamodb")]
#[cfg_attr(docsrs, doc(cfg(feature = "dynamodb")))]
pub use crate::dynamodb::DynamoDbEffects;
pub use crate::{
    apply::{Applied, Applier, ApplyError, Cause, Refused, Relayed},
    effects::{
        BoxFuture, EffectLimits, EffectStore, Effects, Emitted, EventsOnly, InvalidEffects,
        InvalidWrite, OutboxEntry, OutboxKey, WriteOf,
    },
    memory::{MemoryEffects, TableWrite, Tables},
    write::{ItemKey, KeyValue, Sequence, Write},
};
