//! The little of DER that vendors' certificate extensions need.

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;

/// The first value: its tag, its content and what follows it. Lengths below 64 KiB, in their shortest form.
pub(crate) fn value(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        short @ 0..=0x7f => (usize::from(short), rest),
        0x81 => {
            let (&long, rest) = rest.split_first()?;
            (long >= 0x80).then_some((usize::from(long), rest))?
        }
        0x82 => {
            let (long, rest) = rest.split_first_chunk::<2>()?;
            let long = usize::from(u16::from_be_bytes(*long));
            (long >= 0x100).then_some((long, rest))?
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// The content of the one value that `bytes` are, if it has this tag.
pub(crate) fn only(tag: u8, bytes: &[u8]) -> Option<&[u8]> {
    match value(bytes)? {
        (found, content, []) if found == tag => Some(content),
        _ => None,
    }
}

/// A non-negative integer below 65536.
pub(crate) fn small(content: &[u8]) -> Option<u16> {
    match *content {
        [value @ 0..0x80] => Some(u16::from(value)),
        [0, value @ 0x80..=0xff] => Some(u16::from(value)),
        [high @ 1..0x80, low] => Some(u16::from_be_bytes([high, low])),
        [0, high @ 0x80..=0xff, low] => Some(u16::from_be_bytes([high, low])),
        _ => None,
    }
}

/// In a sequence of `SEQUENCE { OBJECT IDENTIFIER, value }`: the tag and content of the value under `oid`
/// (content octets), which must be there exactly once. `entries` are the sequence's content octets.
pub(crate) fn under<'a>(mut entries: &'a [u8], oid: &[u8]) -> Option<(u8, &'a [u8])> {
    let mut found = None;
    while !entries.is_empty() {
        let (tag, entry, rest) = value(entries)?;
        entries = rest;
        if tag != SEQUENCE {
            return None;
        }
        let (tag, name, after) = value(entry)?;
        if tag != OBJECT_IDENTIFIER {
            return None;
        }
        let (tag, content, []) = value(after)? else {
            return None;
        };
        if name == oid && found.replace((tag, content)).is_some() {
            return None;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortest_lengths_only() {
        assert_eq!(only(4, &[4, 1, 9]), Some(&[9][..]));
        assert_eq!(only(4, &[4, 0x81, 1, 9]), None);
        assert_eq!(only(4, &[4, 1, 9, 0]), None);
        assert_eq!(only(4, &[4, 2, 9]), None);
        assert_eq!(only(5, &[4, 1, 9]), None);
    }

    #[test]
    fn integers() {
        assert_eq!(small(&[0x7f]), Some(127));
        assert_eq!(small(&[0, 0xff]), Some(255));
        assert_eq!(small(&[1, 0]), Some(256));
        assert_eq!(small(&[0, 1]), None);
        assert_eq!(small(&[0xff]), None);
    }

    #[test]
    fn an_entry_must_be_there_once() {
        let entry = [0x30, 6, 6, 1, 42, 2, 1, 7];
        assert_eq!(under(&entry, &[42]), Some((INTEGER, &[7][..])));
        assert_eq!(under(&entry, &[43]), None);
        assert_eq!(under(&[entry, entry].concat(), &[42]), None);
    }
}
