use expect_test::{Expect, expect};
use setpiece_envelope::{Envelope, EventBridgeEvent, EventVersion, ReadError};

use super::sample;
use crate::{
    fixtures::{InvoiceIssued, OrderSubmitted, OrderTotal, order, panic_of},
    json_lines::canonical,
};

fn check(json: &[u8], expected: &Expect) {
    expected.assert_eq(&canonical(json).unwrap());
}

#[test]
fn an_event_gets_all_that_its_service_would_write() {
    check(
        &sample(order()).detail(),
        &expect![[r#"
            {
              "data": {
                "items": [
                  "kettle",
                  "cup",
                  "tea"
                ],
                "order_number": "123-456x",
                "total": 29.99
              },
              "metadata": {
                "category": "domain-event",
                "correlation_id": "01KDVDNA00RWB1ZPCZ0TC11SYJ",
                "domain": "retail",
                "event_id": "01KDVDNA00RWB1ZPCZ0TC11SYJ",
                "name": "order_submitted",
                "occurred_at": "2026-01-01T00:00:00.000Z",
                "service": "orders",
                "subdomain": "checkout",
                "subject": "123-456x",
                "type": "data",
                "version": "1"
              }
            }
        "#]],
    );
}

#[test]
fn a_sample_can_be_anything_a_consumer_may_meet() {
    let cause = sample(order()).tenant("acme");
    let event = sample(InvoiceIssued { total: 29.99 })
        .event_id("invoice-1")
        .at("2026-11-20T12:10:21.12Z")
        .caused_by(cause.metadata())
        .trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .with_metadata(|metadata| metadata.partition_key = Some("7".to_owned()))
        .source("retail.legacy")
        .detail_type("InvoiceIssued")
        .replayed_by("december");
    check(
        &event.event_bridge(),
        &expect![[r#"
            {
              "account": "123456789012",
              "detail": {
                "data": {
                  "total": 29.99
                },
                "metadata": {
                  "category": "domain-event",
                  "causation_id": "01KDVDNA00RWB1ZPCZ0TC11SYJ",
                  "correlation_id": "01KDVDNA00RWB1ZPCZ0TC11SYJ",
                  "depth": 1,
                  "domain": "retail",
                  "event_id": "invoice-1",
                  "name": "invoice_issued",
                  "occurred_at": "2026-11-20T12:10:21.12Z",
                  "partition_key": "7",
                  "service": "billing",
                  "subdomain": "finance",
                  "tenant": "acme",
                  "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                  "type": "data",
                  "version": "1"
                }
              },
              "detail-type": "InvoiceIssued",
              "id": "5968c53c-4d9f-4dee-91de-73ad892bc8f9",
              "region": "us-east-1",
              "replay-name": "december",
              "resources": [],
              "source": "retail.legacy",
              "time": "2026-11-20T12:10:21Z",
              "version": "0"
            }
        "#]],
    );
}

#[test]
fn the_same_data_is_the_same_event() {
    let id = |event: OrderSubmitted| sample(event).into_envelope().metadata.event_id;
    let mut other = order();
    other.items.pop();
    assert_eq!(id(order()), id(order()));
    assert_ne!(id(order()), id(other));
}

#[test]
fn a_new_id_begins_a_new_flow_unless_the_event_has_a_cause() {
    let root = sample(order()).event_id("a");
    assert_eq!(root.metadata().correlation.correlation_id.as_ref().unwrap().as_str(), "a");
    let effect = sample(order()).caused_by(root.metadata()).event_id("b");
    assert_eq!(effect.metadata().correlation.correlation_id.as_ref().unwrap().as_str(), "a");
}

#[test]
fn every_form_reads_back_as_the_event() {
    let order = sample(order());
    let envelope: Envelope<OrderSubmitted> = Envelope::from_detail(&order.detail()).unwrap();
    assert_eq!(&envelope, order.envelope());
    let bytes = order.event_bridge();
    let event = EventBridgeEvent::parse(&bytes).unwrap();
    assert_eq!(event.source, "retail.checkout.orders");
    assert_eq!(event.detail_type, "order_submitted");
    assert_eq!(event.replay_name, None);
    assert_eq!(&event.envelope.decode::<OrderSubmitted>().unwrap(), order.envelope());
}

#[test]
fn a_consumer_makes_its_input_from_its_own_view() {
    let bytes = sample(OrderTotal { total: 29.99 }).event_bridge();
    let event = EventBridgeEvent::parse(&bytes).unwrap();
    assert_eq!(event.source, "retail.checkout.orders");
    assert_eq!(event.envelope.metadata.service.as_deref(), Some("orders"));
    assert_eq!(event.envelope.data(), r#"{"total":29.99}"#);
}

#[test]
fn what_no_event_can_have_ends_the_test_with_the_reason() {
    let message = panic_of(|| {
        _ = sample(order()).event_id("");
    });
    assert_eq!(message, "an event id: is empty");
    let message = panic_of(|| {
        _ = sample(InvoiceIssued { total: f64::NAN }).sqs();
    });
    assert_eq!(message, "an event that cannot be written: `data.total` is not a finite number");
}

#[test]
fn debug_output_shows_no_data() {
    let shown = format!("{:?}", sample(order()));
    assert!(shown.contains("order_submitted"), "{shown}");
    assert!(!shown.contains("kettle") && !shown.contains("123-456x"), "{shown}");
}

#[test]
fn a_sample_may_claim_another_version_and_name_than_its_type_has() {
    let later = sample(order()).with_metadata(|metadata| {
        metadata.version = EventVersion::new(9);
    });
    let error = Envelope::<OrderSubmitted>::from_detail(&later.detail()).unwrap_err();
    assert!(matches!(error, ReadError::UnsupportedVersion(_)), "{error}");
    let other = sample(order()).with_metadata(|metadata| metadata.name = "other".to_owned());
    let error = Envelope::<OrderSubmitted>::from_detail(&other.detail()).unwrap_err();
    assert!(matches!(error, ReadError::AnotherEvent(_)), "{error}");
}
