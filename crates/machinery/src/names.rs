//! Generated names.

/// The alphabet of generated suffixes: no vowels, no look-alikes.
// upstream: apimachinery/pkg/util/rand/rand.go#alphanums
pub const SUFFIX_ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// Length of a generated suffix.
pub const SUFFIX_LENGTH: usize = 5;
/// Longest base kept before the suffix.
// upstream: apiserver/pkg/storage/names/generate.go
pub const MAX_GENERATED_BASE: usize = 63 - SUFFIX_LENGTH;

/// A random suffix of `n` letters, from `bits` (32 random bits per letter).
pub fn suffix(n: usize, mut random: impl FnMut() -> u32) -> String {
    (0..n)
        .map(|_| {
            SUFFIX_ALPHABET
                .get(random() as usize % SUFFIX_ALPHABET.len())
                .copied()
                .map_or('b', char::from)
        })
        .collect()
}

/// `base` shortened to 58 bytes, with a random suffix of five letters.
// upstream: apiserver/pkg/storage/names/generate.go#simpleNameGenerator.GenerateName
pub fn generate(base: &str) -> String {
    let mut end = base.len().min(MAX_GENERATED_BASE);
    while !base.is_char_boundary(end) {
        end -= 1;
    }
    let base = base.get(..end).unwrap_or_default();
    format!("{base}{}", suffix(SUFFIX_LENGTH, rand::random::<u32>))
}

/// Maps the digits of a hash to the safe alphabet, as pod template hashes are.
// upstream: apimachinery/pkg/util/rand/rand.go#SafeEncodeString
pub fn safe_encode(s: &str) -> String {
    s.bytes()
        .map(|b| {
            SUFFIX_ALPHABET
                .get(usize::from(b) % SUFFIX_ALPHABET.len())
                .copied()
                .map_or('b', char::from)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_fit() {
        let name = generate(&"x".repeat(80));
        assert_eq!(name.len(), 63);
        assert!(generate("web-").strip_prefix("web-").is_some_and(|s| {
            s.len() == SUFFIX_LENGTH && s.bytes().all(|b| SUFFIX_ALPHABET.contains(&b))
        }));
        assert_eq!(safe_encode("0123456789").len(), 10);
    }
}
