//! From any Lambda event source to effects that happen exactly once.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod delivery;
mod payload;
mod source;

pub use crate::{
    delivery::{
        BusFacts, Change, Content, ContentKind, Delivery, Facts, MessageAttribute,
        NotificationFacts, Opened, OutboxChange, Unreadable, Wrapping,
    },
    payload::{
        HttpRequest, HttpResponse, ItemChange, Json, OtherEvent, Payload, S3Change, ScheduledEvent,
    },
    source::{HttpForm, Invocation, Seen, Source, UnknownShape},
};
