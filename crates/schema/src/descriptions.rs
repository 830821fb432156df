//! What Kubernetes' own OpenAPI says of each type and field, for OpenAPI documents.
//!
//! The texts are Kubernetes' (see `NOTICE`), compressed in the binary by `scripts/schema/descriptions.py`. They are
//! unpacked when a document is made and kept no longer than whoever holds them.

use std::borrow::Cow;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError, Weak};

static PACKED: &[u8] = include_bytes!("descriptions.z");
static SHARED: Mutex<Weak<Descriptions>> = Mutex::new(Weak::new());

/// The unpacked texts.
#[derive(Debug, Default)]
pub struct Descriptions {
    text: String,
    /// Where each type's lines begin and end, in the order of the types' names.
    types: Vec<(usize, usize)>,
}

impl Descriptions {
    /// Unpacks the texts, or shares them with whoever holds them already.
    #[must_use]
    pub fn get() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = shared.upgrade() {
            return found;
        }
        let made = Arc::new(Self::unpack());
        *shared = Arc::downgrade(&made);
        made
    }

    fn unpack() -> Self {
        let mut text = String::new();
        // What is in the binary was read by a test; a document without texts is still a document.
        if flate2::read::ZlibDecoder::new(PACKED)
            .read_to_string(&mut text)
            .is_err()
        {
            return Self::default();
        }
        let mut types: Vec<(usize, usize)> = Vec::new();
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            if line.starts_with('=') {
                types.push((at, at));
            }
            at += line.len();
            if let Some(last) = types.last_mut() {
                last.1 = at;
            }
        }
        Self { text, types }
    }

    fn lines(&self, (from, to): (usize, usize)) -> std::str::Lines<'_> {
        self.text.get(from..to).unwrap_or_default().lines()
    }

    fn of_type(&self, name: &str) -> Option<std::str::Lines<'_>> {
        let found = self.types.binary_search_by(|at| {
            let first = self.lines(*at).next().unwrap_or_default();
            let own = first.strip_prefix('=').unwrap_or(first);
            own.split('\t').next().unwrap_or_default().cmp(name)
        });
        found
            .ok()
            .and_then(|i| self.types.get(i))
            .map(|at| self.lines(*at))
    }

    /// What is said of a definition such as `io.k8s.api.core.v1.Pod`.
    #[must_use]
    pub fn definition(&self, name: &str) -> Option<Cow<'_, str>> {
        let (_, text) = self.of_type(name)?.next()?.split_once('\t')?;
        (!text.is_empty()).then(|| plain(text))
    }

    /// What is said of a field of a definition.
    #[must_use]
    pub fn field(&self, definition: &str, field: &str) -> Option<Cow<'_, str>> {
        self.of_type(definition)?
            .skip(1)
            .filter_map(|line| line.split_once('\t'))
            .find(|(name, _)| *name == field)
            .map(|(_, text)| plain(text))
    }
}

fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        out.push(match c {
            '\\' if rest.clone().next() == Some('n') => {
                rest.next();
                '\n'
            }
            '\\' => rest.next().unwrap_or('\\'),
            c => c,
        });
    }
    Cow::Owned(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_type_that_is_served_is_described() {
        let texts = Descriptions::get();
        assert!(
            texts
                .definition("io.k8s.api.core.v1.Pod")
                .unwrap()
                .starts_with("Pod is a collection of containers")
        );
        assert!(
            texts
                .field("io.k8s.api.core.v1.PodSpec", "containers")
                .unwrap()
                .contains("There must be at least one container in a Pod.")
        );
        assert!(
            texts
                .field("io.k8s.api.core.v1.PodSpec", "nothing")
                .is_none()
        );
        assert!(texts.definition("io.k8s.api.core.v1.Nothing").is_none());
        let (mut fields, mut without) = (0, Vec::new());
        for ty in crate::types().filter(|t| t.scalar.is_none()) {
            for field in ty.fields {
                fields += 1;
                if texts.field(ty.name, field.name).is_none() {
                    without.push(format!("{} {}", ty.name, field.name));
                }
            }
        }
        // Upstream says nothing of these either.
        assert!(
            without.len() * 20 < fields,
            "{} of {fields}: {without:#?}",
            without.len()
        );
        assert_eq!(plain(r"a\nb\\n"), "a\nb\\n");
    }
}
