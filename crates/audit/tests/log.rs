//! The log as it is written, read again, and tampered with.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

use audit::{
    AuditLog, Backend, ChainHead, Cipher, Event, Level, LogOptions, Metrics, Mode, Problem, Stage,
    read, verify,
};
use proptest::prelude::*;

fn event(n: usize) -> Event {
    let mut event = Event::new(
        Level::Metadata,
        Stage::ResponseComplete,
        format!("id-{n}"),
        jiff::Timestamp::now(),
    );
    event.request_uri = format!("/api/v1/namespaces/a/pods/p-{n}");
    event
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Writes `n` lines and returns the head.
fn write(options: LogOptions, expected: Option<ChainHead>, n: usize) -> ChainHead {
    runtime().block_on(async {
        let log = AuditLog::open(options, expected, Metrics::default()).unwrap();
        for i in 0..n {
            log.process(event(i)).await.unwrap();
        }
        log.close().await.unwrap()
    })
}

fn log(dir: &Path) -> (PathBuf, LogOptions) {
    let path = dir.join("audit.log");
    (path.clone(), LogOptions::new(path))
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

fn rewrite(path: &Path, lines: &[String]) {
    let mut text = lines.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    fs::write(path, text).unwrap();
}

#[test]
fn a_chain_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (path, options) = log(dir.path());
    let first = write(options.clone(), None, 5);
    let second = write(options, Some(first), 5);
    assert_eq!((first.sequence, second.sequence), (5, 10));
    let report = verify(std::slice::from_ref(&path), Some(second), false).unwrap();
    assert!(report.is_intact(), "{report:?}");
    assert_eq!((report.lines, report.first, report.last), (10, 1, 10));
    assert!(verify(&[path], Some(first), false).unwrap().is_intact());
}

#[test]
fn each_way_of_tampering_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (path, options) = log(dir.path());
    let head = write(options, None, 10);
    let good = lines(&path);
    let problems = |lines: &[String]| {
        rewrite(&path, lines);
        verify(std::slice::from_ref(&path), Some(head), false)
            .unwrap()
            .problems
    };
    assert_eq!(problems(&good), []);

    let mut dropped = good.clone();
    dropped.remove(4);
    assert!(matches!(
        problems(&dropped)[..],
        [Problem::OutOfOrder {
            line: 5,
            expected: 5,
            found: 6,
            ..
        }]
    ));

    let mut changed = good.clone();
    changed[2] = changed[2].replace("id-2", "id-9");
    assert!(matches!(
        problems(&changed)[..],
        [Problem::Changed {
            line: 3,
            sequence: 3,
            ..
        }]
    ));

    let mut swapped = good.clone();
    swapped.swap(6, 7);
    assert!(matches!(
        problems(&swapped)[0],
        Problem::OutOfOrder { line: 7, .. }
    ));

    let truncated = &good[..8];
    assert!(matches!(
        problems(truncated)[..],
        [Problem::Truncated {
            expected: 10,
            found: 8
        }]
    ));

    // Without the head a cut-off end cannot be seen: that is what the head is for.
    rewrite(&path, truncated);
    assert!(
        verify(std::slice::from_ref(&path), None, false)
            .unwrap()
            .is_intact()
    );

    // A log written anew, with a chain that holds in itself.
    fs::remove_file(&path).unwrap();
    write(LogOptions::new(path.clone()), None, 10);
    let anew = verify(std::slice::from_ref(&path), Some(head), false).unwrap();
    assert_eq!(anew.problems, [Problem::OtherHead { sequence: 10 }]);

    fs::write(&path, format!("{}\n{{\"kind\":\"Event\"}}\n", good[0])).unwrap();
    assert!(matches!(
        verify(&[path], None, false).unwrap().problems[..],
        [Problem::NoLink { line: 2, .. }]
    ));
}

#[test]
fn a_crash_in_a_line_is_mended_and_tampering_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (path, options) = log(dir.path());
    let head = write(options.clone(), None, 5);
    let mut text = fs::read_to_string(&path).unwrap();
    text.push_str("{\"kind\":\"Ev");
    fs::write(&path, &text).unwrap();
    // The kept head may be older than the file's end: it is written later than the lines.
    let second = write(options.clone(), Some(head), 1);
    assert_eq!(second.sequence, 6);
    assert!(
        verify(std::slice::from_ref(&path), Some(second), false)
            .unwrap()
            .is_intact()
    );

    rewrite(&path, &lines(&path)[..3]);
    runtime().block_on(async {
        let log = AuditLog::open(options.clone(), Some(second), Metrics::default()).unwrap();
        assert!(log.tampered());
        log.process(event(0)).await.unwrap();
        log.close().await.unwrap();
    });
    let report = verify(&[path], None, false).unwrap();
    assert!(matches!(
        report.problems[..],
        [Problem::OutOfOrder {
            expected: 4,
            found: 7,
            ..
        }]
    ));
}

#[test]
fn files_are_rotated_and_read_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (path, mut options) = log(dir.path());
    options.max_size = 2_000;
    options.max_backups = 3;
    options.mode = Mode::Blocking;
    let mut head = None;
    for _ in 0..3 {
        head = Some(write(options.clone(), head, 20));
    }
    let mut files: Vec<PathBuf> = fs::read_dir(dir.path())
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| *p != path)
        .collect();
    files.sort();
    assert_eq!(files.len(), 3);
    files.push(path.clone());
    let report = verify(&files, head, false).unwrap();
    assert!(report.is_intact() && report.first > 1, "{report:?}");
    let mut numbers = Vec::new();
    read(&path, None, 55, |sequence, _| {
        numbers.push(sequence);
        true
    })
    .unwrap();
    assert_eq!(numbers, [56, 57, 58, 59, 60]);
}

#[test]
fn sealed_lines_are_verified_by_all_and_read_by_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let (path, mut options) = log(dir.path());
    let cipher = Cipher::new(&[3; 32].into()).unwrap();
    options.cipher = Some(cipher.clone());
    let head = write(options, None, 3);
    assert!(!fs::read_to_string(&path).unwrap().contains("pods"));
    assert!(
        verify(std::slice::from_ref(&path), Some(head), false)
            .unwrap()
            .is_intact()
    );
    let mut seen = String::new();
    read(&path, Some(&cipher), 0, |_, line| {
        seen.push_str(std::str::from_utf8(line).unwrap());
        true
    })
    .unwrap();
    assert!(seen.contains("/pods/p-0") && seen.contains("/pods/p-2"));
    let other = Cipher::new(&[4; 32].into()).unwrap();
    assert!(read(&path, Some(&other), 0, |_, _| true).is_err());
}

#[test]
fn what_is_lost_is_said_in_the_next_line() {
    let dir = tempfile::tempdir().unwrap();
    let (path, mut options) = log(dir.path());
    options.buffer = 1;
    runtime().block_on(async {
        let log = AuditLog::open(options, None, Metrics::default()).unwrap();
        let mut lost = 0u64;
        // The queue has one place: sooner or later one comes too fast.
        while lost == 0 {
            for i in 0..100 {
                lost += u64::from(log.process(event(i)).await.is_err());
            }
        }
        log.flush().await.unwrap();
        log.process(event(0)).await.unwrap();
        log.close().await.unwrap();
        let said: u64 = lines(&path)
            .iter()
            .filter_map(|l| {
                let v: serde_json::Value = serde_json::from_str(l).unwrap();
                v["annotations"]["audit.k3s-daas.io/lost-before"]
                    .as_str()?
                    .parse::<u64>()
                    .ok()
            })
            .sum();
        assert_eq!(said, lost);
    });
}

#[test]
fn a_log_that_cannot_be_written_refuses_in_blocking_mode_and_goes_on_later() {
    let dir = tempfile::tempdir().unwrap();
    let (path, mut options) = log(dir.path());
    options.mode = Mode::BlockingStrict;
    options.max_size = 1;
    runtime().block_on(async {
        let log = AuditLog::open(options, None, Metrics::default()).unwrap();
        assert!(log.strict());
        log.process(event(0)).await.unwrap();
        // The next line needs a rotation, which needs the directory.
        let away = dir.path().with_extension("away");
        fs::rename(dir.path(), &away).unwrap();
        log.process(event(1)).await.unwrap_err();
        fs::rename(&away, dir.path()).unwrap();
        log.process(event(2)).await.unwrap();
        let head = log.close().await.unwrap();
        assert_eq!(head.sequence, 2);
        assert!(
            fs::read_to_string(&path)
                .unwrap()
                .contains("lost-before\":\"1")
        );
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever is done to the lines of a log, it is seen, unless nothing was done.
    #[test]
    fn any_edit_is_found(from in 0usize..12, to in 0usize..12, kind in 0u8..5, byte in 0usize..400, by in 1u8..=255) {
        let dir = tempfile::tempdir().unwrap();
        let (path, options) = log(dir.path());
        let head = write(options, None, 12);
        let good = fs::read(&path).unwrap();
        let mut all: Vec<Vec<u8>> = good.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        match kind {
            0 => { all.remove(from); }
            1 => { let line = all[from].clone(); all.insert(to, line); }
            2 => { all.swap(from, to); }
            3 => { all.truncate(from); }
            _ => { let at = byte % all[from].len(); all[from][at] = all[from][at].wrapping_add(by); }
        }
        let bad = all.concat();
        fs::write(&path, &bad).unwrap();
        prop_assert_eq!(verify(&[path], Some(head), true).unwrap().is_intact(), bad == good);
    }
}
