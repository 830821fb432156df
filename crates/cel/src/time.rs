//! Timestamps and durations: text, ranges and parts.
//!
//! upstream: github.com/google/cel-go/common/types/{timestamp,duration}.go

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use crate::error::EvalError;

/// 0001-01-01T00:00:00Z
const MIN_SECOND: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z
const MAX_SECOND: i64 = 253_402_300_799;

const NANO: i64 = 1_000_000_000;

/// Nanoseconds of 400 years, after which the calendar repeats.
const CYCLE: i128 = 146_097 * 86_400 * NANO as i128;

/// From here (9900-01-01) on, times are looked at a cycle earlier: the calendar's library ends a day before the year 9999
/// does.
const FAR: i128 = 250_245_504_000 * NANO as i128;

/// A point in time from the year 1 to 9999, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(i128);

impl Time {
    /// `None` outside of the years 1 to 9999.
    pub fn from_nanosecond(nanos: i128) -> Option<Self> {
        let second = nanos.div_euclid(i128::from(NANO));
        (i128::from(MIN_SECOND)..=i128::from(MAX_SECOND))
            .contains(&second)
            .then_some(Self(nanos))
    }

    /// Nanoseconds since 1970.
    pub fn as_nanosecond(self) -> i128 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    pub fn as_second(self) -> i64 {
        i64::try_from(self.0.div_euclid(i128::from(NANO))).unwrap_or(i64::MAX)
    }

    pub(crate) fn checked_add(self, nanos: i64) -> Option<Self> {
        Self::from_nanosecond(self.0 + i128::from(nanos))
    }

    pub(crate) fn checked_sub(self, nanos: i64) -> Option<Self> {
        Self::from_nanosecond(self.0 - i128::from(nanos))
    }

    /// As the calendar's library has it, and how many years later it is.
    fn in_calendar(self) -> Option<(Timestamp, i64)> {
        let (nanos, years) = if self.0 >= FAR {
            (self.0 - CYCLE, 400)
        } else {
            (self.0, 0)
        };
        Some((Timestamp::from_nanosecond(nanos).ok()?, years))
    }
}

pub(crate) fn from_second(second: i64) -> Option<Time> {
    Time::from_nanosecond(i128::from(second) * i128::from(NANO))
}

/// RFC 3339.
pub(crate) fn parse_timestamp(text: &str) -> Option<Time> {
    if let Some(rest) = text.strip_prefix("99") {
        let earlier = machinery::time::parse(&format!("95{rest}"))?;
        return Time::from_nanosecond(earlier.as_nanosecond() + CYCLE);
    }
    Time::from_nanosecond(machinery::time::parse(text)?.as_nanosecond())
}

/// A day, at midnight UTC.
pub(crate) fn parse_date(text: &str) -> Option<Time> {
    (text.len() == 10).then(|| parse_timestamp(&format!("{text}T00:00:00Z")))?
}

/// As Go's `RFC3339Nano` prints it.
pub(crate) fn format_timestamp(time: Time) -> String {
    let Some(whole) = from_second(time.as_second()) else {
        return String::new();
    };
    let Some((second, years)) = whole.in_calendar() else {
        return String::new();
    };
    let year = i64::from(second.to_zoned_datetime(TimeZone::UTC).year()) + years;
    let rest = second.strftime("-%m-%dT%H:%M:%S");
    let nanos = time.0.rem_euclid(i128::from(NANO));
    if nanos == 0 {
        return format!("{year:04}{rest}Z");
    }
    let digits = format!("{nanos:09}");
    format!("{year:04}{rest}.{}Z", digits.trim_end_matches('0'))
}

/// Seconds, as `3600s` and `1.5s`.
pub(crate) fn format_duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let magnitude = nanos.unsigned_abs();
    let (whole, rest) = (magnitude / NANO as u64, magnitude % NANO as u64);
    if rest == 0 {
        return format!("{sign}{whole}s");
    }
    let digits = format!("{rest:09}");
    format!("{sign}{whole}.{}s", digits.trim_end_matches('0'))
}

/// A duration as schemas of format `duration` have it: Go's, or a number and a unit up to weeks.
///
/// upstream: k8s.io/kube-openapi/pkg/validation/strfmt/duration.go#ParseDuration
pub(crate) fn parse_strfmt_duration(text: &str) -> Option<i64> {
    if let Ok(nanos) = machinery::duration::parse(text) {
        return Some(nanos);
    }
    let mut total = 0_i64;
    let mut rest = text.trim();
    let mut any = false;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at_checked(digits)?;
        let after = after.trim_start();
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at_checked(letters)?;
        let scale = match unit.to_ascii_lowercase().as_str() {
            "ns" | "nano" | "nanosecond" | "nanoseconds" => 1,
            "us" | "micro" | "microsecond" | "microseconds" => 1_000,
            "ms" | "milli" | "millisecond" | "milliseconds" => 1_000_000,
            "s" | "sec" | "second" | "seconds" => NANO,
            "m" | "min" | "minute" | "minutes" => 60 * NANO,
            "h" | "hr" | "hour" | "hours" => 3600 * NANO,
            "d" | "day" | "days" => 24 * 3600 * NANO,
            "w" | "wk" | "week" | "weeks" => 7 * 24 * 3600 * NANO,
            _ => return None,
        };
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(scale)?)?;
        any = true;
        rest = after.trim_start();
    }
    any.then_some(total)
}

/// A time zone by name, or an offset as `+02:00`.
pub(crate) fn zone(name: &str) -> Result<TimeZone, EvalError> {
    let unknown = || EvalError::runtime(format!("unknown time zone {name}"));
    if name.is_empty() || name == "UTC" {
        return Ok(TimeZone::UTC);
    }
    if let Some((hours, minutes)) = name.split_once(':') {
        let negative = hours.starts_with('-');
        let hours: i32 = hours
            .trim_start_matches(['-', '+'])
            .parse()
            .map_err(|_| unknown())?;
        let minutes: i32 = minutes.parse().map_err(|_| unknown())?;
        if hours > 24 || !(0..60).contains(&minutes) {
            return Err(unknown());
        }
        let seconds = (hours * 60 + minutes) * 60;
        let offset = Offset::from_seconds(if negative { -seconds } else { seconds })
            .map_err(|_| unknown())?;
        return Ok(TimeZone::fixed(offset));
    }
    TimeZone::get(name).map_err(|_| unknown())
}

/// A part of a timestamp in a zone; `None` when there is no such part.
pub(crate) fn part(time: Time, zone: TimeZone, name: &str) -> Option<i64> {
    let (time, years) = time.in_calendar()?;
    let local = time.to_zoned_datetime(zone);
    Some(match name {
        "getFullYear" => i64::from(local.year()) + years,
        "getMonth" => i64::from(local.month()) - 1,
        "getDayOfYear" => i64::from(local.day_of_year()) - 1,
        "getDayOfMonth" => i64::from(local.day()) - 1,
        "getDate" => i64::from(local.day()),
        "getDayOfWeek" => i64::from(local.weekday().to_sunday_zero_offset()),
        "getHours" => i64::from(local.hour()),
        "getMinutes" => i64::from(local.minute()),
        "getSeconds" => i64::from(local.second()),
        "getMilliseconds" => i64::from(local.subsec_nanosecond() / 1_000_000),
        _ => return None,
    })
}

/// A part of a duration: the whole of it in that unit.
pub(crate) fn duration_part(nanos: i64, name: &str) -> Option<i64> {
    Some(match name {
        "getHours" => nanos / (3600 * NANO),
        "getMinutes" => nanos / (60 * NANO),
        "getSeconds" => nanos / NANO,
        "getMilliseconds" => nanos / 1_000_000,
        _ => return None,
    })
}
