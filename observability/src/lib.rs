//! Logs, metrics and traces of event-driven services on Lambda, joined by the flow that they
//! belong to.
//!
//! A flow passes through many functions, queues and buses, and each of them writes about its own
//! part under its own id. Whoever asks what became of one order has to know all of these ids. With
//! this crate every line, metric and message of a flow carries the same correlation id, over every
//! transport, and says what caused it.
//!
//! ```
//! use setpiece_observability::propagation::{Carriers, Trust, message_attributes};
//!
//! // A request of a client, whose header names a flow.
//! let headers = [("X-Correlation-Id", "order-17")];
//! let trust = Trust::Public { correlation_id: true, trace: false };
//! let came = Carriers::new().with_headers(headers).extract(trust);
//!
//! // The message that follows from it belongs to the same flow, wherever it is read.
//! let attributes = message_attributes(&came.correlation);
//! assert_eq!(attributes, [("setpiece-context", r#"{"correlation_id":"order-17"}"#.to_owned())]);
//! ```
//!
//! [`propagation`] is the way of the ids from one service to the next.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod propagation;
mod x_ray;

pub use crate::x_ray::{XRayHeader, XRaySampling};
