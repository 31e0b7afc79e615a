use expect_test::{Expect, expect};
use setpiece_handler::{Effects, Write};
use setpiece_policy::Fault;

use super::assert_same_effects;
use crate::fixtures::{InvoiceIssued, OrderSubmitted, order, panic_of};

fn check(body: impl FnOnce() + std::panic::UnwindSafe, expected: &Expect) {
    expected.assert_eq(&panic_of(body));
}

fn decision(points: i64) -> Effects {
    Effects::new()
        .write(Write::update("loyalty", ("customer_id", "cu-1")).add("points", points).if_present())
        .emit(InvoiceIssued { total: 29.99 })
}

#[test]
fn the_same_decision_passes() {
    assert_same_effects(&decision(100), &decision(100));
    assert_emitted!(decision(100), InvoiceIssued { total: 29.99 }, once);
    assert_emitted!(&decision(100), InvoiceIssued { .. } if |it| it.total > 1.0, 1 times);
    assert_emitted!(decision(100), OrderSubmitted { .. }, never,);
    assert_emitted!(Effects::none(), InvoiceIssued { .. }, never);
}

#[test]
fn what_differs_is_shown() {
    check(
        || assert_same_effects(&decision(100), &decision(50)),
        &expect![[r#"
        the effects differ (- expected, + actual):

          … 15 lines more that are the same
                },
                "table": "loyalty",
                "update": {
        -         "add points": 50
        +         "add points": 100
                }
              }
            ]
          … 1 line more that is the same
    "#]],
    );
    let faulty = |context| {
        Effects::new().write(Write::delete("t", ("id", 1)).or_fault(Fault::permanent(context)))
    };
    check(
        || assert_same_effects(&faulty("gone"), &faulty("closed")),
        &expect![[r#"
            the effects differ (- expected, + actual):

              … 6 lines more that are the same
                    "key": {
                      "id": 1
                    },
            -       "otherwise": "permanent: closed (Quarantine)",
            +       "otherwise": "permanent: gone (Quarantine)",
                    "table": "t"
                  }
                ]
              … 1 line more that is the same
        "#]],
    );
}

#[test]
fn the_event_that_comes_closest_is_shown() {
    check(
        || assert_emitted!(decision(100), InvoiceIssued { total: 30.0 }),
        &expect![[r#"
        expected such a `invoice_issued` at least once, found it never

        emitted:
          invoice_issued v1 of retail.finance.billing

        closest is invoice_issued v1 of retail.finance.billing (- expected, + actual):

          {
        -   "total": 30.0
        +   "total": 29.99
          }
    "#]],
    );
    check(
        || assert_emitted!(decision(100).emit(order()), InvoiceIssued { .. }, never),
        &expect![[r#"
            expected such a `invoice_issued` never, found it once

            emitted:
              invoice_issued v1 of retail.finance.billing
              order_submitted v1 of retail.checkout.orders
        "#]],
    );
    check(
        || assert_emitted!(decision(100), InvoiceIssued { .. } if |it| it.total > 30.0),
        &expect![[r#"
            expected such a `invoice_issued` at least once, found it never

            emitted:
              invoice_issued v1 of retail.finance.billing

            the condition does not hold for invoice_issued v1 of retail.finance.billing
        "#]],
    );
}
