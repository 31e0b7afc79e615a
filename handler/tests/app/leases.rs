//! A process dies while it holds a key, and the next delivery must not be the last.

use std::time::Duration;

use setpiece_policy::Deadline;

use crate::shop::*;

fn minutes(shop: &Shop, minutes: u64) -> Deadline {
    Deadline::after(&shop.clock, Duration::from_mins(minutes))
}

/// Lambda tries an asynchronous invocation again after one minute and after two more.
#[tokio::test(start_paused = true)]
async fn a_crash_of_a_long_function_does_not_outlive_the_retries_of_lambda() {
    let shop = Shop::new();
    let app = shop.app();
    let event = troubled("c1", "slow").event_bridge();
    {
        let mut dying = Box::pin(app.invoke(&event, minutes(&shop, 15)));
        assert!(futures_util::poll!(&mut dying).is_pending());
    }
    tokio::time::advance(Duration::from_mins(1)).await;
    let before = tokio::time::Instant::now();
    app.invoke(&registered("c1").event_bridge(), minutes(&shop, 15)).await.unwrap();
    assert_eq!(before.elapsed(), Duration::ZERO, "the key was free");
    assert_eq!(shop.awarded(), ["c1"]);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_the_last_one_waits_for_a_key_whose_holder_has_died() {
    for (source, is_patient) in [
        (registered("c1").event_bridge(), true),
        (registered("c1").sns(), true),
        (registered("c1").detail(), true),
        (registered("c1").sqs(), false),
    ] {
        let shop = Shop::new();
        let app = shop.app();
        {
            let event = troubled("c1", "slow").event_bridge();
            let mut dying = Box::pin(app.invoke(&event, minutes(&shop, 15)));
            assert!(futures_util::poll!(&mut dying).is_pending());
        }
        let answer = app.invoke(&source, minutes(&shop, 15)).await;
        if is_patient {
            answer.unwrap();
            assert_eq!(shop.awarded(), ["c1"]);
        } else {
            assert_eq!(failures(&answer.unwrap()).len(), 1);
            assert!(shop.awarded().is_empty());
        }
    }
}

/// A holder that is alive extends its lease, so nobody works beside it.
#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_minutes_keeps_its_key() {
    let shop = Shop::new();
    let app = shop.app();
    let slow = troubled("c1", "slow").event_bridge();
    let holder = app.invoke(&slow, minutes(&shop, 15));
    let other = async {
        tokio::time::sleep(Duration::from_mins(5)).await;
        let before = tokio::time::Instant::now();
        let error = app.invoke(&slow, minutes(&shop, 15)).await.unwrap_err();
        (before.elapsed(), error.to_string())
    };
    let mut holder = std::pin::pin!(holder);
    let (waited, _) = tokio::select! {
        biased;
        _ = &mut holder => panic!("it takes fifteen minutes"),
        other = other => other,
    };
    assert!(waited >= Duration::from_secs(40) && waited < Duration::from_mins(1), "{waited:?}");
    assert_eq!(shop.state.order.lock().unwrap().len(), 1, "it was run once");
}
