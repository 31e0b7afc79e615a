use std::time::Duration;

use setpiece_envelope::Timestamp;

/// The moment `duration` before, in whole milliseconds.
pub(crate) fn earlier(moment: Timestamp, duration: Duration) -> Timestamp {
    let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_unix_millis(moment.unix_millis().saturating_sub(millis))
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The first whole second that is not before `moment`: what stores keep as an expiry.
pub(crate) fn whole_second(moment: Timestamp) -> Timestamp {
    let second = moment.truncate_to_seconds();
    if second == moment { second } else { second.saturating_add(Duration::from_secs(1)) }
}
