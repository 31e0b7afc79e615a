use proptest::{collection::vec, prelude::*};

use super::{bus::ScriptedBus, event, events, paused, world};

#[tokio::test(start_paused = true)]
async fn events_go_in_order_in_as_few_requests_as_the_bus_allows() {
    let world = world(ScriptedBus::willing());

    let published = world.publisher.send_all(events(25), world.generous()).await.unwrap();

    let requests: Vec<usize> = world.bus.requests().iter().map(Vec::len).collect();
    assert_eq!(requests, [10, 10, 5]);
    let ids: Vec<&str> = published.iter().map(|it| it.event_id.as_str()).collect();
    assert_eq!(ids, world.bus.requests().concat());
    assert_eq!(ids, (0..25).map(|index| format!("e-{index}")).collect::<Vec<_>>());
    assert_eq!(published[3].bus_event_id.as_deref(), Some("bus-e-3"));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_for_no_events() {
    let world = world(ScriptedBus::willing());
    assert_eq!(world.publisher.send_all([], world.generous()).await.unwrap(), []);
    assert!(world.bus.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn several_requests_are_in_flight_and_never_more_than_allowed() {
    for bound in [1, 3, 8] {
        let mut world = world(ScriptedBus::willing().with_yields(5));
        world.publisher = world.publisher.with_max_in_flight(bound);
        let published = world.publisher.send_all(events(200), world.generous()).await;
        assert_eq!(published.unwrap().len(), 200);
        assert_eq!(world.bus.most_in_flight(), bound);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_request_is_within_the_limits_and_takes_all_that_fits(
        sizes in vec(150_usize..2_000, 1..60),
        max_entries in 1_usize..12,
        max_bytes in 2_100_usize..6_000,
    ) {
        let events = sizes.iter().enumerate().map(|(i, size)| event(&format!("e-{i}"), *size));
        let calls = paused(async {
            let world = world(ScriptedBus::willing().with_limits(max_entries, max_bytes));
            world.publisher.send_all(events, world.generous()).await.unwrap();
            world.bus.calls()
        });

        let bytes = |sizes: &[usize]| sizes.iter().sum::<usize>();
        for call in &calls {
            prop_assert!(call.sizes.len() <= max_entries && bytes(&call.sizes) <= max_bytes);
        }
        for pair in calls.windows(2) {
            let with_next = bytes(&pair[0].sizes) + pair[1].sizes[0];
            prop_assert!(pair[0].sizes.len() == max_entries || with_next > max_bytes);
        }
        prop_assert_eq!(calls.iter().map(|call| call.ids.len()).sum::<usize>(), sizes.len());
    }
}
