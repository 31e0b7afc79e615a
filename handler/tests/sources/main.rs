//! What Lambda is invoked with, and what is taken out of it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

mod aws;
mod bodies;
mod broken;
mod foreign;
mod http;
mod payloads;
mod plain;
mod recognition;
mod round_trip;

use serde::{Deserialize, Serialize};
use setpiece_envelope::{DomainEvent, ServiceId};
use setpiece_handler::{Content, Delivery, Invocation, Opened, Unreadable};
use setpiece_testing::{Sample, sample};

const ORDERS: ServiceId = ServiceId::new("retail", "checkout", "orders");

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(service = ORDERS, name = "order_submitted", version = 1)]
struct OrderSubmitted {
    order_number: String,
}

fn order(number: &str) -> Sample<OrderSubmitted> {
    sample(OrderSubmitted { order_number: number.to_owned() })
}

/// Text, where the bytes are known to be that.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// Reads an invocation with one delivery.
#[track_caller]
fn only(bytes: &[u8]) -> Delivery<'_> {
    let invocation = Invocation::read(bytes).unwrap();
    let [delivery] = <[_; 1]>::try_from(invocation.deliveries).unwrap();
    delivery
}

#[track_caller]
fn order_number(opened: &Opened<'_>) -> String {
    let Content::Event(event) = &opened.content else { panic!("{opened:?}") };
    event.data_as::<OrderSubmitted>().unwrap().order_number
}

/// Opens the body of an only message in a queue, which must be refused.
#[track_caller]
fn refused(body: &str) -> Unreadable {
    let batch = setpiece_testing::sqs_event([body]);
    only(&batch).open().unwrap_err()
}

/// All that an error says, with its sources. What says so already is not asked for its source.
fn told(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let said = error.to_string();
        if !told.ends_with(&said) {
            told = format!("{told}: {said}");
        }
        source = error.source();
    }
    told
}
