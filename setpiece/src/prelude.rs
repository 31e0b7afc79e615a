//! The names that a service needs: `use setpiece::prelude::*`.

pub use crate::{
    bus::{EventPattern, Publisher},
    envelope::{Correlation, DomainEvent, Envelope, ServiceId, Upcast, UpcastError},
    handler::{Cx, Effects, Handlers, Received, Write},
    policy::{Deadline, Fault},
};
