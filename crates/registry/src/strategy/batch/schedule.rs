//! Whether a text is a cron schedule, as upstream's parser (robfig/cron v3, `ParseStandard`) sees it.

/// Checks a schedule of five fields, or a descriptor such as `@daily` or `@every 1h`.
pub(super) fn check(text: &str) -> Result<(), String> {
    if let Some(descriptor) = text.strip_prefix('@') {
        return match descriptor {
            "yearly" | "annually" | "monthly" | "weekly" | "daily" | "midnight" | "hourly" => {
                Ok(())
            }
            other => match other.strip_prefix("every ") {
                Some(duration) => machinery::duration::parse(duration)
                    .map(drop)
                    .map_err(|e| format!("failed to parse duration {text}: {e}")),
                None => Err(format!("unrecognized descriptor: {text}")),
            },
        };
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields.as_slice() else {
        return Err(format!(
            "expected exactly 5 fields, found {}: {}",
            fields.len(),
            machinery::go::list(&fields)
        ));
    };
    field(minute, 0, 59, &[])?;
    field(hour, 0, 23, &[])?;
    field(day, 1, 31, &[])?;
    field(
        month,
        1,
        12,
        &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    )?;
    field(
        weekday,
        0,
        6,
        &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    )
}

fn field(text: &str, low: u32, high: u32, names: &[&str]) -> Result<(), String> {
    text.split(',')
        .try_for_each(|range| self::range(range, low, high, names))
}

/// `*`, `?`, `a`, `a-b`, each perhaps with `/step`.
fn range(text: &str, low: u32, high: u32, names: &[&str]) -> Result<(), String> {
    let (span, step) = match text.split_once('/') {
        Some((_, step)) if step.contains('/') => return Err(format!("too many slashes: {text}")),
        Some((span, step)) => (span, Some(step)),
        None => (text, None),
    };
    let (start, end) = if span == "*" || span == "?" {
        (low, high)
    } else {
        match span.split_once('-') {
            Some((_, rest)) if rest.contains('-') => {
                return Err(format!("too many hyphens: {text}"));
            }
            Some((a, b)) => (number(a, low, names)?, number(b, low, names)?),
            None => {
                let at = number(span, low, names)?;
                (at, if step.is_some() { high } else { at })
            }
        }
    };
    if let Some(step) = step {
        let step: u32 = step.parse().map_err(|_| {
            format!(
                "failed to parse int from {step}: strconv.Atoi: parsing {}: invalid syntax",
                machinery::go::quote(step)
            )
        })?;
        if step == 0 {
            return Err(format!("step of range should be a positive number: {text}"));
        }
    }
    if start < low {
        return Err(format!(
            "beginning of range ({start}) below minimum ({low}): {text}"
        ));
    }
    if end > high {
        return Err(format!(
            "end of range ({end}) above maximum ({high}): {text}"
        ));
    }
    if start > end {
        return Err(format!(
            "beginning of range ({start}) beyond end of range ({end}): {text}"
        ));
    }
    Ok(())
}

fn number(text: &str, low: u32, names: &[&str]) -> Result<u32, String> {
    if let Some(at) = names.iter().position(|n| n.eq_ignore_ascii_case(text)) {
        return Ok(low + u32::try_from(at).unwrap_or_default());
    }
    text.parse().map_err(|_| {
        format!(
            "failed to parse int from {text}: strconv.Atoi: parsing {}: invalid syntax",
            machinery::go::quote(text)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules() {
        for good in [
            "* * * * *",
            "*/5 * * * *",
            "0 0 1 jan MON",
            "@daily",
            "@every 1h",
            "1-5,7 0-23/2 ? * *",
            "5/15 * * * *",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert_eq!(
            check("x"),
            Err("expected exactly 5 fields, found 1: [x]".to_owned())
        );
        assert_eq!(
            check("60 * * * *"),
            Err("end of range (60) above maximum (59): 60".to_owned())
        );
        assert!(check("* * 0 * *").is_err());
        assert!(check("@sometimes").is_err());
    }
}
