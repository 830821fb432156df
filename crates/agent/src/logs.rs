//! Container logs in CRI's format: parsing, reading with kubectl's options, following, rotation.
// source: CRI log format, `<RFC 3339 nano> <stdout|stderr> <F|P> <text>`; upstream: staging/src/k8s.io/cri-client/pkg/logs/logs.go

mod read;
mod rotate;

pub(crate) use read::{LogOptions, Reader};
pub(crate) use rotate::{rotate_if_large, rotation_of};

use std::path::Path;

use k8s_openapi::jiff::Timestamp;

/// One entry of a log file, without its newline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// As written.
    pub(crate) stamp: &'a str,
    pub(crate) stderr: bool,
    /// The line goes on in the next entry of its stream.
    pub(crate) partial: bool,
    pub(crate) text: &'a [u8],
}

impl Line<'_> {
    pub(crate) fn time(&self) -> Option<Timestamp> {
        self.stamp.parse().ok()
    }
}

/// Parses one entry; `None` when it is not in CRI's format.
pub(crate) fn parse(entry: &[u8]) -> Option<Line<'_>> {
    let entry = entry.strip_suffix(b"\n").unwrap_or(entry);
    let mut parts = entry.splitn(4, |b| *b == b' ');
    let stamp = std::str::from_utf8(parts.next()?).ok()?;
    let stderr = match parts.next()? {
        b"stdout" => false,
        b"stderr" => true,
        _ => return None,
    };
    let partial = match parts.next()?.split(|b| *b == b':').next()? {
        b"P" => true,
        b"F" => false,
        _ => return None,
    };
    stamp.parse::<Timestamp>().ok()?;
    Some(Line {
        stamp,
        stderr,
        partial,
        text: parts.next().unwrap_or_default(),
    })
}

/// The last `lines` lines of a log as text, at most `bytes` of it.
pub(crate) fn tail_text(path: &Path, lines: usize, bytes: usize) -> String {
    use std::io::{Read, Seek, SeekFrom};
    let Ok(mut file) = std::fs::File::open(path) else {
        return String::new();
    };
    let length = file.metadata().map(|m| m.len()).unwrap_or(0);
    // Each entry has a head of some 45 bytes beside its text.
    let window = (bytes + lines * 64) as u64;
    let from = length.saturating_sub(window);
    let mut data = Vec::new();
    if file.seek(SeekFrom::Start(from)).is_err()
        || file.take(window).read_to_end(&mut data).is_err()
    {
        return String::new();
    }
    let mut text = Vec::new();
    let mut kept: Vec<Line<'_>> = data
        .split_inclusive(|b| *b == b'\n')
        .filter_map(parse)
        .collect();
    let skip = kept.len().saturating_sub(lines);
    for line in kept.drain(skip..) {
        text.extend_from_slice(line.text);
        if !line.partial {
            text.push(b'\n');
        }
    }
    let cut = text.len().saturating_sub(bytes);
    String::from_utf8_lossy(text.get(cut..).unwrap_or_default()).into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn entries() {
        let full =
            parse(b"2016-10-06T00:17:09.669794202Z stdout F The content of the log entry 1\n")
                .unwrap();
        assert_eq!(
            (full.stderr, full.partial, full.text),
            (false, false, b"The content of the log entry 1".as_slice())
        );
        let partial = parse(b"2016-10-06T00:17:10.113242941+02:00 stderr P:tag  x").unwrap();
        assert_eq!(
            (partial.stderr, partial.partial, partial.text),
            (true, true, b" x".as_slice())
        );
        assert_eq!(
            partial.time().unwrap(),
            "2016-10-05T22:17:10.113242941Z".parse().unwrap()
        );
        let empty = parse(b"2016-10-06T00:17:09Z stdout F \n").unwrap();
        assert_eq!(empty.text, b"");
        for bad in [
            &b"nonsense"[..],
            b"",
            b"2016-10-06T00:17:09Z stdin F x",
            b"x stdout F y",
            b"2016-10-06T00:17:09Z stdout Q y",
        ] {
            assert!(parse(bad).is_none());
        }
    }

    #[test]
    fn the_tail_joins_partial_entries() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.log");
        let stamp = "2016-10-06T00:17:09Z";
        std::fs::write(
            &path,
            format!("{stamp} stdout F a\n{stamp} stdout P b\n{stamp} stdout F c\n"),
        )
        .unwrap();
        assert_eq!(tail_text(&path, 2, 100), "bc\n");
        assert_eq!(tail_text(&path, 80, 2), "c\n");
    }
}
