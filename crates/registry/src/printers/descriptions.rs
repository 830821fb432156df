//! What the columns show, in the words of the API's own documentation: `kind`, `column` and text, one a line; the lines
//! without a kind are every kind's.
//!
//! upstream: pkg/printers/internalversion/printers.go#AddHandlers, k8s.io/api `SwaggerDoc`

use std::collections::HashMap;
use std::sync::LazyLock;

const TEXT: &str = include_str!("descriptions.tsv");

static BY_COLUMN: LazyLock<HashMap<(&str, &str), &str>> = LazyLock::new(|| {
    TEXT.lines()
        .filter_map(|line| {
            let (kind, rest) = line.split_once('\t')?;
            let (column, text) = rest.split_once('\t')?;
            Some(((kind, column), text))
        })
        .collect()
});

/// The description of a kind's column, empty when there is none.
pub(super) fn of(kind: &str, column: &str) -> String {
    BY_COLUMN
        .get(&(kind, column))
        .or_else(|| BY_COLUMN.get(&("", column)))
        .map(|text| text.replace("\\n", "\n"))
        .unwrap_or_default()
}
