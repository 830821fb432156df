//! Reading a container's log with kubectl's options.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use inotify::{Inotify, WatchMask};
use k8s_openapi::jiff::Timestamp;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, BufReader};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{parse, rotation_of};

/// What kubectl asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogOptions {
    pub(crate) follow: bool,
    pub(crate) tail: Option<u64>,
    pub(crate) since: Option<Timestamp>,
    pub(crate) timestamps: bool,
    pub(crate) limit_bytes: Option<u64>,
    /// `Some(true)` = stderr alone, `Some(false)` = stdout alone.
    pub(crate) only_stderr: Option<bool>,
}

/// Writes a log into a channel until its end, or, when following, until `ended` is cancelled and
/// everything is read.
pub(crate) struct Reader {
    pub(crate) path: PathBuf,
    pub(crate) options: LogOptions,
    pub(crate) ended: CancellationToken,
    pub(crate) output: mpsc::Sender<Bytes>,
}

/// Flushed from this size on.
const CHUNK: usize = 16 * 1024;

struct Writer {
    output: mpsc::Sender<Bytes>,
    buffer: BytesMut,
    left: Option<u64>,
    timestamps: bool,
    /// The last entry of stdout, of stderr, was partial.
    partial: [bool; 2],
}

impl Writer {
    /// `false` when nobody listens or the limit is reached.
    async fn flush(&mut self) -> bool {
        if !self.buffer.is_empty() {
            let chunk = self.buffer.split().freeze();
            if self.output.send(chunk).await.is_err() {
                return false;
            }
        }
        self.left != Some(0)
    }

    fn put(&mut self, bytes: &[u8]) {
        let take = self.left.map_or(bytes.len(), |left| {
            bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX))
        });
        self.buffer
            .extend_from_slice(bytes.get(..take).unwrap_or_default());
        if let Some(left) = &mut self.left {
            *left -= take as u64;
        }
    }
}

/// Where the last `lines` entries begin: index into `files` and offset.
async fn tail_start(files: &[PathBuf], lines: u64) -> std::io::Result<(usize, u64)> {
    const BLOCK: u64 = 64 * 1024;
    let mut left = lines;
    for (index, path) in files.iter().enumerate().rev() {
        let Ok(mut file) = File::open(path).await else {
            continue;
        };
        let mut end = file.metadata().await?.len();
        if left == 0 {
            return Ok((index, end));
        }
        let total = end;
        while end > 0 {
            let start = end.saturating_sub(BLOCK);
            let mut block = vec![0; usize::try_from(end - start).unwrap_or(0)];
            file.seek(SeekFrom::Start(start)).await?;
            file.read_exact(&mut block).await?;
            for (at, byte) in block.iter().enumerate().rev() {
                let offset = start + at as u64;
                if *byte == b'\n' && offset + 1 != total {
                    left -= 1;
                    if left == 0 {
                        return Ok((index, offset + 1));
                    }
                }
            }
            end = start;
        }
        if total > 0 {
            left -= 1;
            if left == 0 {
                return Ok((index, 0));
            }
        }
    }
    Ok((0, 0))
}

impl Reader {
    /// Runs to the end.
    ///
    /// # Errors
    /// The log can't be read.
    pub(crate) async fn run(self) -> std::io::Result<()> {
        let mut files = rotation_of(&self.path);
        files.push(self.path.clone());
        let (mut index, mut offset) = match self.options.tail {
            Some(lines) => tail_start(&files, lines).await?,
            None => (0, 0),
        };
        let mut writer = Writer {
            output: self.output.clone(),
            buffer: BytesMut::new(),
            left: self.options.limit_bytes,
            timestamps: self.options.timestamps,
            partial: [false; 2],
        };
        while let Some(path) = files.get(index).filter(|p| **p != self.path) {
            if let Ok(file) = File::open(path).await
                && !self
                    .copy(&mut BufReader::new(file), &mut offset, &mut writer)
                    .await?
            {
                return Ok(());
            }
            (index, offset) = (index + 1, 0);
        }
        self.current(offset, &mut writer).await
    }

    /// The current file, and when following what comes after it.
    async fn current(&self, mut offset: u64, writer: &mut Writer) -> std::io::Result<()> {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        let mut events = if self.options.follow {
            let inotify = Inotify::init()?;
            inotify.watches().add(
                directory,
                WatchMask::MODIFY | WatchMask::CREATE | WatchMask::MOVED_TO,
            )?;
            Some(inotify.into_event_stream([0; 4096])?)
        } else {
            None
        };
        let mut reader: Option<BufReader<File>> = None;
        loop {
            let over = self.ended.is_cancelled();
            if reader.is_none() {
                reader = match File::open(&self.path).await {
                    Ok(file) => Some(BufReader::new(file)),
                    Err(error)
                        if error.kind() == std::io::ErrorKind::NotFound && self.options.follow =>
                    {
                        None
                    }
                    Err(error) => return Err(error),
                };
            }
            if let Some(open) = &mut reader {
                if !self.copy(open, &mut offset, writer).await? {
                    return Ok(());
                }
                if !replaced(open.get_ref(), &self.path).await {
                    // The end of what there is.
                } else if self.copy(open, &mut offset, writer).await? {
                    (reader, offset) = (None, 0);
                    continue;
                } else {
                    return Ok(());
                }
            }
            let Some(events) = &mut events else {
                return Ok(());
            };
            if over {
                return Ok(());
            }
            tokio::select! {
                _ = events.next() => {}
                () = self.ended.cancelled() => {}
                () = self.output.closed() => return Ok(()),
            }
        }
    }

    /// Copies whole entries from `offset` to the end; `false` when there is to be no more.
    async fn copy(
        &self,
        reader: &mut BufReader<File>,
        offset: &mut u64,
        writer: &mut Writer,
    ) -> std::io::Result<bool> {
        reader.seek(SeekFrom::Start(*offset)).await?;
        let mut entry = Vec::new();
        loop {
            entry.clear();
            let n = reader.read_until(b'\n', &mut entry).await?;
            // An entry that is still being written is read again when it is whole.
            if n == 0 || entry.last() != Some(&b'\n') {
                return Ok(writer.flush().await);
            }
            *offset += n as u64;
            let Some(line) = parse(&entry) else { continue };
            if self
                .options
                .since
                .is_some_and(|since| line.time().is_some_and(|t| t < since))
            {
                continue;
            }
            if self
                .options
                .only_stderr
                .is_some_and(|only| only != line.stderr)
            {
                continue;
            }
            let continues = writer
                .partial
                .get_mut(usize::from(line.stderr))
                .map(|p| std::mem::replace(p, line.partial))
                .unwrap_or(false);
            if writer.timestamps && !continues {
                writer.put(line.stamp.as_bytes());
                writer.put(b" ");
            }
            writer.put(line.text);
            if !line.partial {
                writer.put(b"\n");
            }
            if (writer.buffer.len() >= CHUNK || writer.left == Some(0)) && !writer.flush().await {
                return Ok(false);
            }
        }
    }
}

/// The open file is no longer the one of that name.
async fn replaced(open: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (open.metadata().await, tokio::fs::metadata(path).await) {
        (Ok(open), Ok(now)) => open.ino() != now.ino(),
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::time::Duration;

    fn entry(n: u32) -> String {
        format!("2020-01-01T00:00:{n:02}Z stdout F line {n}\n")
    }

    async fn read(path: &Path, options: LogOptions) -> String {
        let (output, mut input) = mpsc::channel(4);
        let reader = Reader {
            path: path.to_owned(),
            options,
            ended: CancellationToken::new(),
            output,
        };
        let task = tokio::spawn(reader.run());
        let mut text = Vec::new();
        while let Some(chunk) = input.recv().await {
            text.extend_from_slice(&chunk);
        }
        task.await.unwrap().unwrap();
        String::from_utf8(text).unwrap()
    }

    #[tokio::test]
    async fn options_select_what_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.log");
        std::fs::write(
            dir.path().join("0.log.20200101-000000"),
            entry(1) + &entry(2),
        )
        .unwrap();
        std::fs::write(&path, entry(3) + &entry(4)).unwrap();
        let all = LogOptions::default();
        assert_eq!(
            read(&path, all.clone()).await,
            "line 1\nline 2\nline 3\nline 4\n"
        );
        for (tail, expected) in [
            (0, ""),
            (1, "line 4\n"),
            (3, "line 2\nline 3\nline 4\n"),
            (9, "line 1\nline 2\nline 3\nline 4\n"),
        ] {
            assert_eq!(
                read(
                    &path,
                    LogOptions {
                        tail: Some(tail),
                        ..all.clone()
                    }
                )
                .await,
                expected,
                "{tail}"
            );
        }
        let since = Some("2020-01-01T00:00:04Z".parse().unwrap());
        assert_eq!(
            read(
                &path,
                LogOptions {
                    since,
                    timestamps: true,
                    ..all.clone()
                }
            )
            .await,
            "2020-01-01T00:00:04Z line 4\n"
        );
        assert_eq!(
            read(
                &path,
                LogOptions {
                    limit_bytes: Some(9),
                    ..all.clone()
                }
            )
            .await,
            "line 1\nli"
        );
        assert_eq!(
            read(
                &path,
                LogOptions {
                    only_stderr: Some(true),
                    ..all
                }
            )
            .await,
            ""
        );
    }

    #[tokio::test]
    async fn following_survives_rotation_and_ends_with_the_container() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.log");
        std::fs::write(&path, entry(1)).unwrap();
        let (output, mut input) = mpsc::channel(4);
        let ended = CancellationToken::new();
        let options = LogOptions {
            follow: true,
            ..LogOptions::default()
        };
        let task = tokio::spawn(
            Reader {
                path: path.clone(),
                options,
                ended: ended.clone(),
                output,
            }
            .run(),
        );
        let mut next = async || {
            tokio::time::timeout(Duration::from_secs(5), input.recv())
                .await
                .unwrap()
        };
        assert_eq!(next().await.unwrap(), "line 1\n");
        std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(entry(2).as_bytes())
            .unwrap();
        assert_eq!(next().await.unwrap(), "line 2\n");
        std::fs::rename(&path, dir.path().join("0.log.20200101-000000")).unwrap();
        std::fs::write(&path, entry(3)).unwrap();
        assert_eq!(next().await.unwrap(), "line 3\n");
        ended.cancel();
        assert_eq!(next().await, None);
        task.await.unwrap().unwrap();
    }
}
