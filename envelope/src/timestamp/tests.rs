use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::Timestamp;

fn timestamp(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn what_was_read_is_written_as_it_was() {
    for text in [
        "2026-11-20T12:10:21Z",
        "2026-11-20T12:10:21.1Z",
        "2026-11-20T12:10:21.100Z",
        "2026-11-20T12:10:21.123456789Z",
        "0001-01-01T00:00:00Z",
        "9999-12-30T21:59:59Z",
        "9999-12-31T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59.9999999Z",
        "9999-12-31T23:59:59.999999999Z",
    ] {
        assert_eq!(timestamp(text).to_string(), text);
    }
    let fine = timestamp("2026-11-20T12:10:21.987654321Z");
    assert_eq!(fine.truncate_to_millis().to_string(), "2026-11-20T12:10:21.987Z");
    assert_eq!(fine.truncate_to_seconds().to_string(), "2026-11-20T12:10:21Z");
    let millis = Timestamp::from_unix_millis(1_700_000_000_000).unwrap();
    assert_eq!(millis.to_string(), "2023-11-14T22:13:20.000Z");
}

#[test]
fn offsets_are_taken_and_written_in_utc() {
    assert_eq!(timestamp("2026-11-20T13:10:21+01:00").to_string(), "2026-11-20T12:10:21Z");
    assert_eq!(timestamp("2026-11-20t12:10:21z"), timestamp("2026-11-20T07:10:21.000-05:00"));
    let fine = timestamp("2026-11-20T12:10:21.1234567891234Z");
    assert_eq!(fine.to_string(), "2026-11-20T12:10:21.123456789Z");
}

#[test]
fn only_the_form_of_rfc_3339_is_taken() {
    for text in [
        "",
        "yesterday",
        "2026-11-20",
        "2026-11-20T12:10:21",
        "2026-11-20 12:10:21Z",
        "2026-11-20T12Z",
        "20261120T121021Z",
        "2026-11-20T12:10:21+0100",
        "2026-11-20T12:10:21.Z",
        "2026-11-20T12:10:21,5Z",
        "2026-11-20T12:10:21Z[Europe/Berlin]",
        "-000001-11-20T12:10:21Z",
        "0000-01-01T00:00:00+01:00",
        "2026-11-20T12:10:21+24:00",
        "2026-13-20T12:10:21Z",
        "2026-02-30T12:10:21Z",
        "2026-11-20T12:10:21\u{661}Z",
    ] {
        assert!(text.parse::<Timestamp>().is_err(), "{text}");
    }
}

#[test]
fn the_last_moment_is_the_last_nanosecond_of_9999_in_utc() {
    let last = timestamp("9999-12-31T23:59:59.999999999Z");
    assert_eq!(timestamp("9999-12-31T00:00:59.999999999-23:59"), last);
    assert_eq!(timestamp("9999-12-31T23:59:60Z").to_string(), "9999-12-31T23:59:59Z");
    for text in ["9999-12-31T23:59:59-00:01", "9999-12-31T00:01:00-23:59"] {
        assert!(text.parse::<Timestamp>().is_err(), "{text}");
    }
    assert_eq!(Timestamp::try_from(SystemTime::from(last)), Ok(last));
    assert_eq!(last.unix_millis(), 253_402_300_799_999);
    assert_eq!(Timestamp::from_unix_millis(253_402_300_800_000), None);
    assert_eq!(timestamp("0000-01-01T00:00:00Z").saturating_add(Duration::MAX), last);
    let second = Duration::from_secs(1);
    assert_eq!(timestamp("9999-12-31T23:59:58.999999999Z").saturating_add(second), last);
}

#[test]
fn moments_differ_by_a_duration() {
    let (early, late) = (timestamp("2026-11-20T12:10:21Z"), timestamp("2026-11-20T12:10:22.5Z"));
    assert_eq!(late.saturating_duration_since(early), Duration::from_millis(1500));
    assert_eq!(early.saturating_duration_since(late), Duration::ZERO);
    assert_eq!(early.saturating_add(Duration::from_millis(1500)), late);
    assert!(early < late);
    let later = early.saturating_add(Duration::from_millis(1500));
    assert_eq!(later.to_string(), "2026-11-20T12:10:22.500Z");
    let fine = early.saturating_add(Duration::from_nanos(1));
    assert_eq!(timestamp(&fine.to_string()), fine);
    assert_eq!(Timestamp::from_unix_millis(-62_200_000_000_000), None);
    let system = Timestamp::try_from(std::time::UNIX_EPOCH + Duration::from_micros(1500)).unwrap();
    assert_eq!(timestamp(&system.to_string()), system);
}

#[test]
fn a_timestamp_can_stand_in_an_event() {
    let json = "\"2026-11-20T12:10:21.120Z\"";
    let read: Timestamp = crate::from_json(json.as_bytes()).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), json);
    assert_eq!(
        crate::from_json::<Timestamp>(b"\"noon\"").unwrap_err().to_string(),
        "`$` expected a timestamp of RFC 3339, found a string that does not fit"
    );
}

/// What `jiff` reads the same text as, if that is a moment of ours.
fn by_jiff(text: &str) -> Option<jiff::Timestamp> {
    let moment: jiff::Timestamp = text.parse().ok()?;
    (moment >= jiff::Timestamp::from_second(Timestamp::FIRST_SECOND).unwrap()).then_some(moment)
}

fn assert_agrees(text: &str) {
    let (ours, theirs) = (text.parse::<Timestamp>(), by_jiff(text));
    if ours.as_ref().is_ok_and(|ours| ours.seconds > jiff::Timestamp::MAX.as_second()) {
        // Theirs end where the year has ended with the largest offset.
        assert_eq!(theirs, None, "{text}");
        return;
    }
    assert_eq!(ours.is_ok(), theirs.is_some(), "{text}");
    if let (Ok(ours), Some(theirs)) = (ours, theirs) {
        assert_eq!(SystemTime::from(ours), SystemTime::from(theirs), "{text}");
        assert_eq!(Timestamp::try_from(SystemTime::from(theirs)), Ok(ours), "{text}");
        assert_eq!(ours.unix_millis(), theirs.as_millisecond(), "{text}");
        assert_eq!(ours.truncate_to_seconds().unix_millis(), theirs.as_second() * 1000, "{text}");
        let digits = usize::from(ours.digits);
        assert_eq!(ours.to_string(), format!("{theirs:.digits$}"), "{text}");
    }
}

#[test]
fn each_day_is_the_one_that_others_say() {
    for year in 0..=9999 {
        for (month, day) in (1..=12).flat_map(|month| [1, 28, 29, 30, 31].map(|day| (month, day))) {
            assert_agrees(&format!("{year:04}-{month:02}-{day:02}T23:59:59.25Z"));
        }
    }
}

#[test]
fn the_ends_are_where_others_have_them() {
    for text in [
        "0000-01-01T00:00:00Z",
        "0000-01-01T00:59:59.5+01:00",
        "9999-12-30T22:00:00.999999999Z",
        "9999-12-30T22:00:01Z",
        "9999-12-31T23:59:59-23:59",
        "9999-12-31T23:59:59.999999999+23:59",
        "2026-00-10T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-32T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-12-31T23:59:60.5Z",
        "2026-12-31T23:59:61Z",
        "2026-01-01T00:00:00+00:60",
        "2026-01-01T00:00:00-00:00",
    ] {
        assert_agrees(text);
    }
}

proptest! {
    #[test]
    fn any_moment_is_the_one_that_others_say(
        (year, month, day) in (0..10_000, 0..14, 0..33),
        (hour, minute, second) in (0..25, 0..61, 0..62),
        fraction in "(\\.[0-9]{1,9})?",
        offset in "Z|[+-][0-2][0-9]:[0-6][0-9]",
    ) {
        let is_ours = offset.get(1..3).is_none_or(|hours| hours < "24");
        prop_assume!(is_ours);
        assert_agrees(&format!(
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{offset}"
        ));
    }
}
