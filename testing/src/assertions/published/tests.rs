use expect_test::{Expect, expect};
use setpiece_bus::{Bus as _, OutgoingEvent};

use crate::{
    FakeBus,
    fake_bus::block_on,
    fixtures::{InvoiceIssued, OrderSubmitted, OrderTotal, order, panic_of},
    sample,
};

/// A bus on which two orders and an invoice were published.
fn bus() -> FakeBus {
    let bus = FakeBus::new();
    let other = OrderSubmitted { order_number: "8".to_owned(), ..order() };
    let events = [
        OutgoingEvent::new(sample(order()).event_id("o-1").envelope()),
        OutgoingEvent::new(sample(other).event_id("o-2").envelope()),
        OutgoingEvent::new(sample(InvoiceIssued { total: 29.99 }).event_id("i-1").envelope()),
    ];
    let events = events.map(Result::unwrap);
    block_on(bus.put(&events.each_ref())).unwrap();
    bus
}

fn check(body: impl FnOnce() + std::panic::UnwindSafe, expected: &Expect) {
    expected.assert_eq(&panic_of(body));
}

#[test]
fn what_was_published_passes() {
    let bus = bus();
    assert_published!(bus, OrderSubmitted { .. });
    assert_published!(&bus, OrderSubmitted { order_number: "8", .. },);
    assert_published!(bus, OrderSubmitted { .. }, 2 times);
    assert_published!(bus, OrderSubmitted { total: 29.99, .. } if |it| it.data.items.len() == 3);
    assert_published!(bus, OrderSubmitted { order_number: "9", .. }, never);
    assert_published!(bus, InvoiceIssued { total: 29.99 }, once);
    assert_published!(bus, InvoiceIssued { total: 29.99, }, 1 times,);
    // A consumer's view, and a condition alone.
    let is_second =
        |it: &setpiece_envelope::Envelope<OrderTotal>| it.metadata.event_id.as_str() == "o-2";
    assert_published!(bus, OrderTotal { .. } if is_second, once);
    // A value may have the name of the field.
    let order_number = "x".to_owned();
    assert_published!(bus, OrderSubmitted { order_number: order_number, .. }, never);
}

#[test]
fn the_event_that_comes_closest_is_shown_as_a_diff() {
    check(
        || {
            let items = ["kettle", "tea"];
            assert_published!(bus(), OrderSubmitted { order_number: "8", items: items, .. });
        },
        &expect![[r#"
            expected such a `order_submitted` at least once, found it never

            published:
              `order_submitted` o-1
              `order_submitted` o-2
              `invoice_issued` i-1

            closest is `order_submitted` o-2 (- expected, + actual):

              {
                "items": [
                  "kettle",
            +     "cup",
                  "tea"
                ],
                "order_number": "8"
              … 1 line more that is the same
        "#]],
    );
}

#[test]
fn a_condition_that_does_not_hold_is_said() {
    check(
        || assert_published!(bus(), OrderSubmitted { .. } if |it| it.data.items.is_empty()),
        &expect![[r#"
            expected such a `order_submitted` at least once, found it never

            published:
              `order_submitted` o-1
              `order_submitted` o-2
              `invoice_issued` i-1

            the condition does not hold for `order_submitted` o-1
        "#]],
    );
}

#[test]
fn too_many_are_listed() {
    check(
        || assert_published!(bus(), OrderSubmitted { .. }, once),
        &expect![[r#"
            expected such a `order_submitted` once, found it 2 times

            published:
              `order_submitted` o-1
              `order_submitted` o-2
              `invoice_issued` i-1
        "#]],
    );
}

#[test]
fn an_empty_bus_is_said_to_be_empty() {
    check(
        || assert_published!(FakeBus::new(), InvoiceIssued { total: 1.0 }),
        &expect![[r#"
            expected such a `invoice_issued` at least once, found it never

            published:
              nothing
        "#]],
    );
}
