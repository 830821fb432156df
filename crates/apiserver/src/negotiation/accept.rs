//! The clauses of an `Accept` header.

/// One media range with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Clause<'a> {
    pub(crate) kind: &'a str,
    pub(crate) subtype: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    quality: f32,
}

impl<'a> Clause<'a> {
    pub(crate) fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters
            .iter()
            .find(|(k, _)| *k == name)
            .map(|(_, v)| *v)
    }
}

/// Best first: by quality, then as they stand. What is malformed or has quality 0 is left out.
pub(crate) fn clauses(header: &str) -> Vec<Clause<'_>> {
    let mut out: Vec<Clause<'_>> = header
        .split(',')
        .filter_map(|part| {
            let mut parts = part.split(';').map(str::trim);
            let (kind, subtype) = parts.next()?.split_once('/')?;
            let parameters: Vec<_> = parts.filter_map(|p| p.split_once('=')).collect();
            let quality = parameters
                .iter()
                .find(|(k, _)| *k == "q")
                .and_then(|(_, q)| q.parse().ok())
                .unwrap_or(1.0);
            Some(Clause {
                kind,
                subtype,
                parameters,
                quality,
            })
        })
        .filter(|c| c.quality > 0.0)
        .collect();
    out.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    out
}
