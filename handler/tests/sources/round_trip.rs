//! Any event, in any wrapping, comes out as the same event.

use proptest::prelude::*;
use serde_json::json;
use setpiece_handler::{Content, Invocation};
use setpiece_testing::{Sample, event_array, kinesis_event, sqs_event, sqs_fifo_event};

use crate::{OrderSubmitted, order, text};

fn wrap(event: &Sample<OrderSubmitted>, wrapping: usize) -> Vec<u8> {
    let bus = || text(event.event_bridge());
    match wrapping {
        0 => event.event_bridge(),
        1 => event.sqs(),
        2 => event.sns(),
        3 => event.sns_in_sqs(),
        4 => event.kinesis(),
        5 => event_array([event.event_bridge()]),
        6 => event.detail(),
        7 => sqs_event([event.detail()]),
        8 => kinesis_event([event.detail()]),
        9 => sqs_fifo_event([("g", bus())]),
        // The newer bus, with what it knows, and a topic of bare envelopes in a queue.
        10 => format!(r#"{{"Data":{},"SystemMetadata":{{}}}}"#, bus()).into_bytes(),
        _ => {
            let message = text(event.detail());
            let body = json!({ "Message": message, "TopicArn": "t", "Type": "Notification" });
            sqs_event([body.to_string()])
        }
    }
}

proptest! {
    #[test]
    fn any_event_comes_out_of_any_wrapping_as_it_was(
        number in any::<String>(),
        tenant in "[ -~]{1,40}",
        subject in "[ -~äöü€😀]{1,40}",
        wrapping in 0_usize..12,
    ) {
        let event = order(&number).tenant(&tenant).with_metadata(|metadata| {
            metadata.subject = Some(subject);
        });
        let bytes = wrap(&event, wrapping);
        let invocation = Invocation::read(&bytes).unwrap();
        prop_assert_eq!(invocation.deliveries.len(), 1);
        let opened = invocation.deliveries[0].open().unwrap();
        let Content::Event(raw) = opened.content else { panic!("{opened:?}") };
        let back = raw.decode::<OrderSubmitted>().unwrap();
        prop_assert_eq!(&back.metadata, event.metadata());
        prop_assert_eq!(&back.data, &event.envelope().data);
    }
}
