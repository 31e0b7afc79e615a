//! What is accepted arrives, once and as it was.

use setpiece_bus::{Bus as _, OutgoingEvent};
use setpiece_envelope::Timestamp;
use setpiece_testing::RecordedEvent;

use crate::{
    events::{event, events, taken},
    worlds::{ORDERS, World},
};

on_each_bus! {
    an_accepted_event_arrives_with_all_its_fields,
    a_detail_arrives_byte_for_byte,
    results_are_in_the_order_of_the_entries,
    a_bus_is_known_by_its_arn,
    a_bus_that_does_not_exist_takes_events_and_drops_them,
}

async fn an_accepted_event_arrives_with_all_its_fields<W: World>(world: W) {
    let time: Timestamp = "2026-11-20T12:10:21.123Z".parse().unwrap();
    let resources = ["arn:aws:s3:::orders/1", "Größe"];
    let trace = "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1";
    let full = event("full").with_time(time).with_resources(resources).unwrap();
    let full = full.with_trace_header(trace).unwrap();
    let bare = event("bare");

    let results = world.bus().put(&[&full, &bare]).await.unwrap();

    let recorded = world.fake().events();
    assert_eq!(recorded.len(), 2);
    for ((recorded, sent), result) in recorded.iter().zip([&full, &bare]).zip(results) {
        assert_eq!(result.unwrap().bus_event_id.as_deref(), Some(recorded.bus_event_id()));
        let entry = recorded.entry();
        assert_eq!(entry.source.as_deref(), Some(sent.source()));
        assert_eq!(entry.detail_type.as_deref(), Some(sent.detail_type()));
        assert_eq!(entry.detail.as_deref(), Some(sent.detail()));
        // Events have their time to the second.
        let seconds = Timestamp::truncate_to_seconds;
        assert_eq!(entry.time.map(seconds), sent.time().map(seconds));
        assert_eq!(entry.resources, sent.resources());
        assert_eq!(entry.trace_header.as_deref(), sent.trace_header());
        assert_eq!(entry.event_bus_name.as_deref(), Some(ORDERS));
    }
}

async fn a_detail_arrives_byte_for_byte<W: World>(world: W) {
    let detail = concat!(
        "{ \"metadata\" :{\"event_id\":\"1\",\"name\":\"n\",\"version\":\"1\"},\r\n\t",
        r#""data": {"text":"\"\\\/\b\f\n\r\t\u0000\ud83c\udfad ","raw":"é🎭\u2028","#,
        "\"raw too\":\"é🎭\u{2028}\u{7f}\",",
        r#""numbers":[1.0,1e2,-0,9223372036854775807,-9223372036854775808,0.1000]} }"#,
    );
    let sent = OutgoingEvent::from_detail("retail.orders", "n", detail).unwrap();

    world.bus().put(&[&sent]).await.unwrap().pop().unwrap().unwrap();

    assert_eq!(world.fake().events()[0].entry().detail.as_deref(), Some(detail));
}

async fn results_are_in_the_order_of_the_entries<W: World>(world: W) {
    let sent = events(10);

    let results = world.bus().put(&sent.iter().collect::<Vec<_>>()).await.unwrap();

    let ids = results.into_iter().map(|result| result.unwrap().bus_event_id.unwrap());
    let recorded = world.fake().events();
    assert_eq!(
        ids.collect::<Vec<_>>(),
        recorded.iter().map(RecordedEvent::bus_event_id).collect::<Vec<_>>()
    );
    let sent: Vec<_> = sent.iter().map(|it| it.event_id().to_string()).collect();
    assert_eq!(taken(world.fake()), sent);
}

async fn a_bus_is_known_by_its_arn<W: World>(world: W) {
    let arn = world.fake().arn();
    world.bus_at(&arn).put(&[&event("1")]).await.unwrap().pop().unwrap().unwrap();
    assert_eq!(taken(world.fake()), ["1"]);
}

async fn a_bus_that_does_not_exist_takes_events_and_drops_them<W: World>(world: W) {
    let results = world.bus_at("oders").put(&[&event("1"), &event("2")]).await.unwrap();

    assert!(results.iter().all(Result::is_ok));
    let fake = world.fake();
    assert!(fake.events().is_empty());
    assert_eq!(fake.dropped().len(), 2);
}
