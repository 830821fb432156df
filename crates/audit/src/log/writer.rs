//! The thread that writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};

use super::files::Files;
use crate::{ChainHead, Event, LogOptions, Metrics};

/// Events written at once. upstream: apiserver/pkg/server/options/audit.go#defaultBatchMaxSize
const AT_ONCE: usize = 400;
/// How often what was written is also made durable.
const SYNC: Duration = Duration::from_secs(1);
/// How many events before this one were lost.
const LOST_BEFORE: &str = "audit.k3s-daas.io/lost-before";
// upstream: apiserver/plugin/pkg/audit/truncate/truncate.go#annotationKey
const TRUNCATED: &str = "audit.k8s.io/truncated";

pub(super) enum Entry {
    Event(Box<Event>, Option<oneshot::Sender<bool>>),
    Flush(oneshot::Sender<bool>),
    Close,
}

pub(super) struct Writer {
    options: LogOptions,
    files: Files,
    head: ChainHead,
    heads: watch::Sender<ChainHead>,
    dropped: Arc<AtomicU64>,
    metrics: Metrics,
    synced: Instant,
    dirty: bool,
    failing: bool,
}

impl Writer {
    pub(super) fn new(
        options: LogOptions,
        opened: super::files::Opened,
        heads: watch::Sender<ChainHead>,
        dropped: Arc<AtomicU64>,
        metrics: Metrics,
    ) -> Self {
        Self {
            options,
            head: opened.head,
            files: opened.files,
            heads,
            dropped,
            metrics,
            synced: Instant::now(),
            dirty: false,
            failing: false,
        }
    }

    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Entry>) {
        while let Some(first) = queue.blocking_recv() {
            let mut next = Some(first);
            let (mut buffer, mut head, mut count) = (Vec::new(), self.head, 0u64);
            let (mut waiting, mut flushes, mut close) = (Vec::new(), Vec::new(), false);
            while let Some(entry) = next.take() {
                match entry {
                    Entry::Event(event, done) => {
                        let lost = self.dropped.swap(0, Ordering::Relaxed);
                        let Some(line) = self.line(*event, lost, head.sequence + 1) else {
                            self.dropped.fetch_add(lost + 1, Ordering::Relaxed);
                            self.metrics.lost(1);
                            continue;
                        };
                        head = head.append(&line, &mut buffer);
                        count += 1;
                        waiting.extend(done);
                    }
                    Entry::Flush(done) => flushes.push(done),
                    Entry::Close => close = true,
                }
                if count < AT_ONCE as u64 && !close {
                    next = queue.try_recv().ok();
                }
            }
            let written = buffer.is_empty() || self.write(&buffer, head, count);
            for done in waiting {
                let _ = done.send(written);
            }
            if self.dirty && (!flushes.is_empty() || close || self.synced.elapsed() >= SYNC) {
                self.sync();
            }
            for done in flushes {
                let _ = done.send(written && !self.dirty);
            }
            if close {
                return;
            }
        }
        if self.dirty {
            self.sync();
        }
    }

    fn line(&self, mut event: Event, lost: u64, sequence: u64) -> Option<Vec<u8>> {
        if lost > 0 {
            event
                .annotations
                .insert(LOST_BEFORE.to_owned(), lost.to_string());
        }
        let mut line = serde_json::to_vec(&event).ok()?;
        if line.len() > self.options.max_event {
            event.request_object = None;
            event.response_object = None;
            event
                .annotations
                .insert(TRUNCATED.to_owned(), "true".to_owned());
            line = serde_json::to_vec(&event).ok()?;
        }
        match &self.options.cipher {
            Some(cipher) => cipher.seal(sequence, &line),
            None => Some(line),
        }
    }

    fn write(&mut self, buffer: &[u8], head: ChainHead, count: u64) -> bool {
        match self.files.append(buffer, &self.options) {
            Ok(()) => {
                self.head = head;
                self.dirty = true;
                if std::mem::take(&mut self.failing) {
                    tracing::warn!("the audit log is written again");
                }
                for _ in 0..count {
                    self.metrics.event();
                }
                self.heads.send_replace(head);
                true
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, "the audit log cannot be written");
                }
                self.dropped.fetch_add(count, Ordering::Relaxed);
                self.metrics.lost(count);
                false
            }
        }
    }

    fn sync(&mut self) {
        self.synced = Instant::now();
        match self.files.sync() {
            Ok(()) => self.dirty = false,
            Err(error) => tracing::error!(%error, "the audit log cannot be made durable"),
        }
    }
}
