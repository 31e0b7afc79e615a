//! The leases of an app: long enough for a handler, short enough for the next delivery.

use std::time::Duration;

use setpiece_envelope::Clock;
use setpiece_idempotency::Lease;
use setpiece_policy::Deadline;

use crate::Source;

/// The length of a lease that a heartbeat extends. Lambda makes a failed asynchronous invocation
/// again after one minute and after two more, and then gives it up, so the key of a process that died
/// has to be free within the first minute, also where clocks differ.
pub(super) const LENGTH: Duration = Duration::from_secs(30);

/// The longest wait for a key that somebody else holds. A key that is held for longer is extended by
/// a process that is alive.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(40);

/// The lease of a handler whose process ends at `deadline`: until then if that is soon, or else a
/// short one with a heartbeat.
pub(super) fn of(deadline: Deadline, clock: &dyn Clock) -> Lease {
    if deadline.remaining(clock) <= LENGTH {
        Lease::until(deadline)
    } else {
        Lease::short(deadline, LENGTH)
    }
}

/// True for sources that deliver no more than a few times, without a pause that is longer than a
/// lease. A delivery that finds its key held waits, so that it can go on if the holder has died.
///
/// HTTP callers are told at once, as the `Idempotency-Key` draft of the IETF asks for.
pub(super) fn gives_up_soon(source: Source) -> bool {
    match source {
        Source::EventBridge
        | Source::EventBridgeArray
        | Source::Sns
        | Source::S3
        | Source::EmptyBatch
        | Source::Direct => true,
        Source::Sqs { .. } | Source::Kinesis | Source::DynamoDbStream | Source::Http(_) => false,
    }
}
