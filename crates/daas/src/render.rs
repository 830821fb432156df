//! How results are shown.

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::cli::Output;

/// One MIST is a thousand-millionth of a SUI.
const MIST_PER_SUI: u64 = 1_000_000_000;

/// Prints rows: a table as kubectl's for people, an array for machines.
pub(crate) fn rows<T: Serialize, const N: usize>(
    output: Output,
    items: &[T],
    head: [&str; N],
    row: impl Fn(&T) -> [String; N],
) -> anyhow::Result<()> {
    if output == Output::Json {
        println!("{}", serde_json::to_string_pretty(items)?);
        return Ok(());
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(head);
    for item in items {
        table.add_row(row(item));
    }
    println!("{}", table.to_string().trim_end());
    Ok(())
}

/// Prints one thing: `key: value` lines for people, an object for machines.
pub(crate) fn one<T: Serialize>(output: Output, item: &T) -> anyhow::Result<()> {
    match output {
        Output::Json => println!("{}", serde_json::to_string_pretty(item)?),
        Output::Text => print!("{}", serde_saphyr::to_string(item)?),
    }
    Ok(())
}

/// An amount in SUI, without trailing zeros.
pub(crate) fn sui(mist: u64) -> String {
    let (whole, rest) = (mist / MIST_PER_SUI, mist % MIST_PER_SUI);
    if rest == 0 {
        return format!("{whole} SUI");
    }
    let digits = format!("{rest:09}");
    format!("{whole}.{} SUI", digits.trim_end_matches('0'))
}

/// Reads an amount of SUI such as `1`, `0.25`, or of MIST such as `5000mist`.
///
/// # Errors
/// A text that says what would be right.
pub(crate) fn parse_sui(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not an amount: write SUI as `1.5`, or MIST as `1500mist`");
    if let Some(mist) = text.strip_suffix("mist") {
        return mist.parse().map_err(|_| wrong());
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let fraction: u64 = format!("{fraction:0<9}").parse().map_err(|_| wrong())?;
    whole
        .checked_mul(MIST_PER_SUI)
        .and_then(|mist| mist.checked_add(fraction))
        .ok_or_else(wrong)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_shown_exactly() {
        for (text, mist) in [
            ("1", 1_000_000_000),
            ("0.25", 250_000_000),
            ("1.000000001", 1_000_000_001),
            ("7mist", 7),
        ] {
            assert_eq!(parse_sui(text).unwrap(), mist, "{text}");
        }
        for wrong in ["", "1.0000000001", "-1", "1,5", "x", "18446744074", "1.-5"] {
            assert!(parse_sui(wrong).is_err(), "{wrong}");
        }
        assert_eq!(sui(1_500_000_000), "1.5 SUI");
        assert_eq!(sui(3), "0.000000003 SUI");
        assert_eq!(sui(2_000_000_000), "2 SUI");
    }
}
