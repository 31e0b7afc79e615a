use std::panic::UnwindSafe;

use expect_test::{Expect, expect};

use super::{assert_caused_by, assert_same_envelope, assert_same_event, assert_same_json};
use crate::{
    fixtures::{InvoiceIssued, order, panic_of},
    sample,
};

fn check(body: impl FnOnce() + UnwindSafe, expected: &Expect) {
    expected.assert_eq(&panic_of(body));
}

#[test]
fn the_same_passes() {
    assert_same_json(r#"{"a":[1,2],"b":{}}"#, b"{ \"b\": {}, \"a\": [1, 2] }");
    assert_same_event(&order(), &order());
    assert_same_envelope(sample(order()).envelope(), sample(order()).envelope());
    let cause = sample(order()).tenant("acme");
    let effect = sample(InvoiceIssued { total: 1.0 }).caused_by(cause.metadata());
    assert_caused_by(effect.metadata(), cause.metadata());
}

#[test]
fn documents_that_differ_are_shown_as_a_diff() {
    check(
        || {
            assert_same_json(
                r#"{"points":100,"customer":{"id":"c-1"},"new":true}"#,
                r#"{"customer":{"id":"c-2"},"points":100,"gone":null}"#,
            );
        },
        &expect![[r#"
            the documents differ (- expected, + actual):

              {
                "customer": {
            -     "id": "c-2"
            +     "id": "c-1"
                },
            -   "gone": null,
            +   "new": true,
                "points": 100
              }
        "#]],
    );
}

#[test]
fn a_new_last_member_does_not_change_the_line_before_it() {
    check(
        || assert_same_json(r#"{"a":1,"b":2}"#, r#"{"a":1}"#),
        &expect![[r#"
        the documents differ (- expected, + actual):

          {
            "a": 1,
        +   "b": 2
          }
    "#]],
    );
}

#[test]
fn long_documents_are_shown_around_their_differences() {
    let document = |ninth: &str| {
        let texts: Vec<String> =
            (0..20).map(|n| if n == 9 { ninth.to_owned() } else { n.to_string() }).collect();
        serde_json::to_vec(&texts).unwrap()
    };
    check(
        || assert_same_json(document("other"), document("9")),
        &expect![[r#"
            the documents differ (- expected, + actual):

              … 7 lines more that are the same
                "6",
                "7",
                "8",
            -   "9",
            +   "other",
                "10",
                "11",
                "12",
              … 8 lines more that are the same
        "#]],
    );
}

#[test]
fn what_is_not_json_is_said() {
    check(
        || assert_same_json("{", "{}"),
        &expect!["the actual document is not JSON: EOF while parsing an object at line 1 column 1"],
    );
}

#[test]
fn events_that_differ_are_shown_as_a_diff() {
    let mut actual = order();
    actual.items.remove(1);
    actual.total = 19.99;
    check(
        || assert_same_event(&actual, &order()),
        &expect![[r#"
        the `order_submitted` events differ (- expected, + actual):

          {
            "items": [
              "kettle",
        -     "cup",
              "tea"
            ],
            "order_number": "123-456x",
        -   "total": 29.99
        +   "total": 19.99
          }
    "#]],
    );
}

#[test]
fn envelopes_that_differ_are_shown_as_a_diff() {
    check(
        || {
            let actual = sample(order()).at("2026-01-01T00:00:07Z");
            assert_same_envelope(actual.envelope(), sample(order()).envelope());
        },
        &expect![[r#"
            the `order_submitted` envelopes differ (- expected, + actual):

              … 13 lines more that are the same
                  "domain": "retail",
                  "event_id": "01KDVDNA00RWB1ZPCZ0TC11SYJ",
                  "name": "order_submitted",
            -     "occurred_at": "2026-01-01T00:00:00.000Z",
            +     "occurred_at": "2026-01-01T00:00:07Z",
                  "service": "orders",
                  "subdomain": "checkout",
                  "subject": "123-456x",
              … 4 lines more that are the same
        "#]],
    );
}

#[test]
fn an_effect_of_something_else_is_shown_as_a_diff() {
    check(
        || {
            let cause = sample(order()).tenant("acme").event_id("order-7");
            let grandchild = sample(InvoiceIssued { total: 1.0 }).caused_by(
                sample(order()).caused_by(cause.metadata()).event_id("order-8").metadata(),
            );
            assert_caused_by(grandchild.metadata(), cause.metadata());
        },
        &expect![[r#"
            `invoice_issued` was not caused by `order_submitted` (- expected, + actual):

              {
            -   "causation_id": "order-7",
            +   "causation_id": "order-8",
                "correlation_id": "order-7",
            -   "depth": 1,
            +   "depth": 2,
                "sampled": null,
                "tenant": "acme"
              }
        "#]],
    );
}
