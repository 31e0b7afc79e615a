//! Texts of RFC 3339, and the calendar that they take.
//!
//! Crates for dates do this too, and time zones and durations with it. Those are of no use to
//! events, but end up in each function, since errors and tables refer to one another.

/// A moment, in seconds since 1970-01-01T00:00:00Z and nanoseconds after those.
pub(super) type Moment = (i64, u32);

/// The moment of a text, and how many digits of a second the text has.
///
/// What is finer than a nanosecond is cut off. A leap second is the one before it, since moments
/// have no other place for it.
pub(super) fn read(text: &str) -> Option<(Moment, u8)> {
    let (date_time, fraction, offset) = parts(text)?;
    let field = |at: usize, len: usize| number(&date_time[at..at + len]);
    let (year, month, day) = (field(0, 4), field(5, 2), field(8, 2));
    let (hour, minute, second) = (field(11, 2), field(14, 2), field(17, 2));
    let days = days_of(year, month, day);
    // A day that its month does not have is one of the next month.
    let is_date = (1..=12).contains(&month) && date_of(days) == (year, month, day);
    let seconds = of_day(hour, minute)? + second.min(59);
    if !is_date || second > 60 {
        return None;
    }
    let ahead = match offset.split_at_checked(1)? {
        ("+", ahead) => of_day(number(&ahead[..2]), number(&ahead[3..]))?,
        ("-", behind) => -of_day(number(&behind[..2]), number(&behind[3..]))?,
        _ => 0,
    };

    let fraction = &fraction[..fraction.len().min(9)];
    let digits = u8::try_from(fraction.len()).ok()?;
    let nanos = u32::try_from(number(fraction)).ok()? * 10_u32.pow(u32::from(9 - digits));
    Some(((days * 86_400 + seconds - ahead, nanos), digits))
}

/// Writes the text of a moment in the years 0 to 9999 into `text`, and gives it.
pub(super) fn write((seconds, nanos): Moment, digits: u8, text: &mut Text) -> &[u8] {
    let (year, month, day) = date_of(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    *text = *b"0000-00-00T00:00:00.000000000Z";
    let mut put = |at: usize, len: usize, number: i64| {
        let mut rest = number.unsigned_abs();
        for place in text[at..at + len].iter_mut().rev() {
            *place = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    };
    put(0, 4, year);
    put(5, 2, month);
    put(8, 2, day);
    put(11, 2, second / 3600);
    put(14, 2, second / 60 % 60);
    put(17, 2, second % 60);
    put(20, 9, nanos.into());
    let end = if digits == 0 { 19 } else { 20 + usize::from(digits.min(9)) };
    text[end] = b'Z';
    &text[..=end]
}

/// Room for the longest text that is written.
pub(super) type Text = [u8; 30];

/// The seconds, the digits behind them, and the offset of a timestamp in the form of RFC 3339.
fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let has_form = |text: &str, form: &str| {
        text.len() == form.len()
            && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                b'T' => matches!(byte, b'T' | b't'),
                sign => byte == sign,
            })
    };
    let (seconds, rest) = text.split_at_checked(19)?;
    let rest = rest.strip_prefix('.').map_or(Some(("", rest)), |fraction| {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        (digits > 0).then(|| fraction.split_at(digits))
    });
    let (fraction, offset) = rest?;
    let is_offset =
        matches!(offset, "Z" | "z") || has_form(offset, "+00:00") || has_form(offset, "-00:00");
    (has_form(seconds, "0000-00-00T00:00:00") && is_offset).then_some((seconds, fraction, offset))
}

/// The number that `digits` are.
fn number(digits: &str) -> i64 {
    digits.bytes().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'))
}

/// The seconds up to a minute of a day.
fn of_day(hour: i64, minute: i64) -> Option<i64> {
    (hour < 24 && minute < 60).then_some((hour * 60 + minute) * 60)
}

/// Number of days from the first of March of the year 0 to 1970-01-01.
const MARCH_0: i64 = 719_468;

/// The days from 1970-01-01 to a date.
///
/// Counted in years that begin in March, so that the leap day is the last of its year.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + days_before(month) + day - 1 - MARCH_0
}

/// The year, month and day that are `days` after 1970-01-01.
fn date_of(days: i64) -> (i64, i64, i64) {
    /// 400 years, 100 years but for the leap day of the 400, and 4 years.
    const CYCLES: [i64; 3] = [146_097, 36_524, 1_461];
    let days = days + MARCH_0;
    let in_cycle = days.rem_euclid(CYCLES[0]);
    let leap_days = in_cycle / (CYCLES[2] - 1) - in_cycle / CYCLES[1] + in_cycle / (CYCLES[0] - 1);
    let year = (in_cycle - leap_days) / 365;
    let in_year = in_cycle - (year * 365 + year / 4 - year / 100);
    let month = (in_year * 5 + 2) / 153;
    let day = in_year - days_before(month) + 1;
    let year = year + days.div_euclid(CYCLES[0]) * 400;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

/// The days of a year before a month of it, both counted from March.
///
/// From March on, five months have 153 days in turns of 31, 30, 31, 30 and 31.
fn days_before(month: i64) -> i64 {
    (month * 153 + 2) / 5
}
