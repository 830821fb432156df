//! Times of a schedule of five fields, in a time zone.
// upstream: github.com/robfig/cron/v3 parser.go, spec.go

use jiff::civil::{Date, Time as CivilTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan};
use k8s_openapi::jiff::Timestamp;

/// A schedule that can't be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScheduleError {
    #[error("expected exactly 5 fields, found {0}")]
    Fields(usize),
    #[error("{0:?} is no field of a schedule")]
    Field(String),
    #[error("unrecognized descriptor: {0}")]
    Descriptor(String),
    #[error("unknown time zone {0}")]
    Zone(String),
}

/// When.
#[derive(Debug)]
pub(super) enum Schedule {
    /// At the minutes that fit.
    Fields(Box<Fields>),
    /// At equal distances.
    Every(SignedDuration),
}

#[derive(Debug)]
pub(super) struct Fields {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// A `*` in both day fields means every day; in one, the other decides; in none, either one suffices.
    any_day: bool,
    any_weekday: bool,
    zone: TimeZone,
}

const MONTHS: &[&str] = &[
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// Schedules such as 30 February never come.
// upstream: spec.go#SpecSchedule.Next
const YEARS: i16 = 5;

impl Schedule {
    pub(super) fn parse(text: &str, zone: Option<&str>) -> Result<Self, ScheduleError> {
        if let Some(text) = text.strip_prefix("@every ") {
            let nanos = machinery::duration::parse(text)
                .map_err(|_| ScheduleError::Field(text.to_owned()))?;
            let every = SignedDuration::from_nanos(nanos_of(nanos));
            // Not more often than each second.
            return Ok(Self::Every(every.max(SignedDuration::from_secs(1))));
        }
        let text = match text {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other if other.starts_with('@') => {
                return Err(ScheduleError::Descriptor(other.to_owned()));
            }
            other => other,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(ScheduleError::Fields(fields.len()));
        };
        let zone = match zone {
            None => TimeZone::UTC,
            Some(name) => TimeZone::get(name).map_err(|_| ScheduleError::Zone(name.to_owned()))?,
        };
        Ok(Self::Fields(Box::new(Fields {
            minutes: bits(minute, 0, 59, &[])?,
            hours: bits(hour, 0, 23, &[])?,
            days: bits(day, 1, 31, &[])?,
            months: bits(month, 1, 12, MONTHS)?,
            weekdays: bits(weekday, 0, 6, WEEKDAYS)?,
            any_day: is_any(day),
            any_weekday: is_any(weekday),
            zone,
        })))
    }

    /// The first time after `at`.
    pub(super) fn after(&self, at: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(every) => {
                let next = at.as_second().checked_add(every.as_secs())?;
                Timestamp::from_second(next).ok()
            }
            Self::Fields(fields) => fields.after(at),
        }
    }

    /// The last time in the days before `now`, after `since`.
    pub(super) fn latest(&self, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
        // Wider and wider windows that end now.
        let mut hours: i64 = 1;
        loop {
            let window = now.as_second() - hours * 3600;
            let start = Timestamp::from_second(window.max(since.as_second())).ok()?;
            let mut found = None;
            let mut at = start;
            while let Some(next) = self.after(at).filter(|t| *t <= now) {
                found = Some(next);
                at = next;
            }
            if found.is_some() || start <= since {
                return found;
            }
            hours *= 4;
        }
    }
}

fn nanos_of(duration: impl TryInto<i64>) -> i64 {
    duration.try_into().unwrap_or(i64::MAX)
}

/// The time as the annotation of a Job has it.
pub(super) fn stamp(at: Timestamp, zone: Option<&str>) -> String {
    let zone = zone
        .and_then(|name| TimeZone::get(name).ok())
        .unwrap_or(TimeZone::UTC);
    match jiff::Timestamp::from_second(at.as_second()) {
        Ok(at) if zone == TimeZone::UTC => at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Ok(at) => at
            .to_zoned_datetime(zone)
            .strftime("%Y-%m-%dT%H:%M:%S%:z")
            .to_string(),
        Err(_) => String::new(),
    }
}

fn has(bits: u64, n: i8) -> bool {
    u32::try_from(n).is_ok_and(|n| bits & (1 << n) != 0)
}

impl Fields {
    fn fits(&self, date: Date) -> bool {
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        let day_fits = if self.any_day || self.any_weekday {
            day && weekday
        } else {
            day || weekday
        };
        has(self.months, date.month()) && day_fits
    }

    fn after(&self, at: Timestamp) -> Option<Timestamp> {
        let at = jiff::Timestamp::from_second(at.as_second()).ok()?;
        let local = at.to_zoned_datetime(self.zone.clone()).datetime();
        let last_year = local.year() + YEARS;
        let mut date = local.date();
        while date.year() <= last_year {
            if self.fits(date)
                && let Some(found) = self.on(date, at)
            {
                return Timestamp::from_second(found.as_second()).ok();
            }
            date = date.checked_add(1.day()).ok()?;
        }
        None
    }

    /// The first time on a date that is after `at`. A time that the zone skips on that date does not come.
    fn on(&self, date: Date, at: jiff::Timestamp) -> Option<jiff::Timestamp> {
        for hour in (0..24).filter(|h| has(self.hours, *h)) {
            for minute in (0..60).filter(|m| has(self.minutes, *m)) {
                let time = CivilTime::new(hour, minute, 0, 0).ok()?;
                let wanted = date.to_datetime(time);
                let ambiguous = self.zone.to_ambiguous_zoned_datetime(wanted);
                let Ok(zoned) = ambiguous.compatible() else {
                    continue;
                };
                if zoned.datetime() == wanted && zoned.timestamp() > at {
                    return Some(zoned.timestamp());
                }
            }
        }
        None
    }
}

fn is_any(field: &str) -> bool {
    field.split(',').any(|part| {
        let span = part.split('/').next().unwrap_or_default();
        let step = part.split_once('/').is_some_and(|(_, step)| step != "1");
        (span == "*" || span == "?") && !step
    })
}

fn bits(field: &str, low: u32, high: u32, names: &[&str]) -> Result<u64, ScheduleError> {
    let bad = || ScheduleError::Field(field.to_owned());
    let number = |text: &str| {
        let named = names.iter().position(|n| n.eq_ignore_ascii_case(text));
        named
            .and_then(|i| u32::try_from(i).ok())
            .map(|i| i + low)
            .or_else(|| text.parse().ok())
            .ok_or_else(bad)
    };
    let mut bits = 0;
    for part in field.split(',') {
        let (span, step) = match part.split_once('/') {
            Some((span, step)) => (span, Some(step.parse::<usize>().map_err(|_| bad())?)),
            None => (part, None),
        };
        let (from, to) = if span == "*" || span == "?" {
            (low, high)
        } else if let Some((from, to)) = span.split_once('-') {
            (number(from)?, number(to)?)
        } else {
            let from = number(span)?;
            (from, if step.is_some() { high } else { from })
        };
        let step = step.unwrap_or(1);
        if from < low || to > high || from > to || step == 0 {
            return Err(bad());
        }
        for n in (from..=to).step_by(step) {
            bits |= 1_u64 << n;
        }
    }
    Ok(bits)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn next(schedule: &str, zone: Option<&str>, from: &str) -> String {
        let from: Timestamp = from.parse().unwrap();
        let schedule = Schedule::parse(schedule, zone).unwrap();
        schedule.after(from).unwrap().to_string()
    }

    #[test]
    fn times_come_as_written() {
        let cases = [
            ("* * * * *", "2026-01-31T23:59:30Z", "2026-02-01T00:00:00Z"),
            (
                "*/15 * * * *",
                "2026-01-01T00:00:00Z",
                "2026-01-01T00:15:00Z",
            ),
            (
                "30 4 1 jan *",
                "2026-01-01T04:30:00Z",
                "2027-01-01T04:30:00Z",
            ),
            ("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
            (
                "0 12 * * MON-FRI",
                "2026-01-02T12:00:00Z",
                "2026-01-05T12:00:00Z",
            ),
            // Day of the month or of the week, when both are given.
            (
                "0 0 13 * fri",
                "2026-01-01T00:00:00Z",
                "2026-01-02T00:00:00Z",
            ),
            (
                "0 0 */2 * fri",
                "2026-01-02T00:00:00Z",
                "2026-01-03T00:00:00Z",
            ),
            ("@weekly", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"),
            ("@every 90s", "2026-01-01T00:00:00Z", "2026-01-01T00:01:30Z"),
        ];
        for (schedule, from, wanted) in cases {
            assert_eq!(next(schedule, None, from), wanted, "{schedule}");
        }
        assert!(
            Schedule::parse("0 0 30 2 *", None)
                .unwrap()
                .after("2026-01-01T00:00:00Z".parse().unwrap())
                .is_none()
        );
        assert!(Schedule::parse("61 * * * *", None).is_err());
        assert!(Schedule::parse("* * * *", None).is_err());
        assert!(Schedule::parse("* * * * *", Some("Nowhere/Town")).is_err());
    }

    #[test]
    fn a_time_zone_decides_and_skipped_times_do_not_come() {
        let berlin = Some("Europe/Berlin");
        assert_eq!(
            next("0 9 * * *", berlin, "2026-01-01T00:00:00Z"),
            "2026-01-01T08:00:00Z"
        );
        assert_eq!(
            next("0 9 * * *", berlin, "2026-07-01T00:00:00Z"),
            "2026-07-01T07:00:00Z"
        );
        // 02:30 does not exist on 29 March 2026.
        assert_eq!(
            next("30 2 * * *", berlin, "2026-03-28T12:00:00Z"),
            "2026-03-30T00:30:00Z"
        );
    }

    #[test]
    fn the_latest_of_very_many_is_found() {
        let schedule = Schedule::parse("*/5 * * * *", None).unwrap();
        let since = "2020-01-01T00:00:00Z".parse().unwrap();
        let now = "2026-01-01T00:07:00Z".parse().unwrap();
        let latest = schedule.latest(since, now).unwrap();
        assert_eq!(latest.to_string(), "2026-01-01T00:05:00Z");
    }
}
