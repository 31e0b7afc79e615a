use std::time::Duration;

use super::{Sleep, TokioSleep};
use crate::{Deadline, Fault, Retry};

/// Its time passes when all tasks wait for it, and only then.
fn simulated() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

#[test]
fn tokio_sleeps_as_long_as_it_is_told() {
    simulated().block_on(async {
        let start = tokio::time::Instant::now();
        TokioSleep.sleep(Duration::from_millis(1500)).await;
        assert_eq!(start.elapsed(), Duration::from_millis(1500));
    });
}

#[test]
fn a_retry_of_the_system_runs_on_tokio() {
    let deadline = Deadline::after(&setpiece_envelope::SystemClock, Duration::from_hours(1));
    let retry = Retry::system().with_max_attempts(2);
    let answer = simulated().block_on(retry.run(deadline, async |attempt| {
        if attempt == 1 {
            let asked = Duration::from_secs(30);
            return Err(Fault::throttled("slow down").with_retry_after(asked));
        }
        Ok("hello")
    }));
    assert_eq!(answer.unwrap(), "hello");
}
