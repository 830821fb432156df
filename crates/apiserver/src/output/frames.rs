//! Frames of watch events, encoded once and shared by all watchers of one resource.
//!
//! Watchers of one resource get the same event at about the same time, so the latest frames are kept, bounded in
//! bytes. A watcher that comes when its frame was given up encodes it again: nothing depends on a frame being here.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use parking_lot::Mutex;
use registry::Stored;

use super::table::IncludeObject;
use crate::negotiation::Encoding;

/// Bytes of objects whose frames are kept.
const KEPT: usize = 4 << 20;

/// What a frame costs beside its bytes.
const OVERHEAD: usize = 256;

/// What an event's object is turned into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Shape {
    /// As it is.
    Object,
    /// Its metadata.
    Metadata,
    /// A Table, with or without its columns. Cells show ages, so it holds for one second.
    Table {
        include: IncludeObject,
        columns: bool,
        second: i64,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    /// Address of the record, which is one revision of one object.
    record: usize,
    event: &'static str,
    shape: Shape,
    encoding: Encoding,
}

struct Kept {
    /// Keeps the address from being another record's; the record's own bytes may go.
    _record: Weak<Stored>,
    frame: Arc<OnceLock<Bytes>>,
    charge: usize,
}

#[derive(Default)]
struct Latest {
    frames: HashMap<Key, Kept>,
    order: VecDeque<Key>,
    charged: usize,
}

/// The frames of the latest events.
#[derive(Default)]
pub(crate) struct Frames {
    latest: Mutex<Latest>,
}

impl Frames {
    /// The frame of a record's event: `encode` is called by the first who asks, others wait for it.
    pub(super) fn shared(
        &self,
        record: &Arc<Stored>,
        event: &'static str,
        shape: Shape,
        encoding: Encoding,
        encode: impl FnOnce() -> Bytes,
    ) -> Bytes {
        let key = Key {
            record: Arc::as_ptr(record).addr(),
            event,
            shape,
            encoding,
        };
        let frame = self.latest.lock().slot(key, record);
        frame.get_or_init(encode).clone()
    }
}

impl Latest {
    fn slot(&mut self, key: Key, record: &Arc<Stored>) -> Arc<OnceLock<Bytes>> {
        if let Some(kept) = self.frames.get(&key) {
            return kept.frame.clone();
        }
        let charge = record.json().len() + OVERHEAD;
        while self.charged + charge > KEPT {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            if let Some(kept) = self.frames.remove(&oldest) {
                self.charged -= kept.charge;
            }
        }
        let frame = Arc::<OnceLock<Bytes>>::default();
        self.charged += charge;
        self.order.push_back(key.clone());
        self.frames.insert(
            key,
            Kept {
                _record: Arc::downgrade(record),
                frame: frame.clone(),
                charge,
            },
        );
        frame
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use registry::{ListOptions, Registry, RegistryOptions, RequestContext, Target, WatchEvent};
    use serde_json::json;
    use store::memory::MemoryLog;
    use store::{SealingKeys, Store, SystemClock};
    use zeroize::Zeroizing;

    use super::*;
    use crate::negotiation::Form;
    use crate::output::WatchEncoder;

    const WATCHERS: usize = 1000;

    async fn registry() -> (Registry, Target) {
        let keys = SealingKeys::new("test", 1, &Zeroizing::new([7; 32]));
        let store = Store::open(
            MemoryLog::new(),
            keys,
            SystemClock,
            store::Options::default(),
        )
        .await
        .unwrap();
        let registry = Registry::new(store, RegistryOptions::default());
        registry::bootstrap::reconcile(
            &registry,
            &registry::bootstrap::BootstrapOptions::default(),
        )
        .await
        .unwrap();
        let target = registry
            .target("", "v1", "configmaps", Some("default"), "")
            .unwrap();
        (registry, target)
    }

    async fn create(registry: &Registry, target: &Target, name: &str, text: &str) {
        let object = json!({"metadata": {"name": name}, "data": {"text": text}});
        registry
            .create(
                &RequestContext::system(),
                target,
                object,
                &Default::default(),
            )
            .await
            .unwrap();
    }

    async fn open(registry: &Registry, target: &Target) -> registry::Watch {
        let options = ListOptions {
            watch: true,
            ..ListOptions::default()
        };
        registry
            .watch(&RequestContext::system(), target, &options)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_thousand_watchers_share_each_frame() {
        let (registry, target) = registry().await;
        let now = jiff::Timestamp::now();
        let frames = Arc::new(Frames::default());
        let forms = [
            (Form::Object, Encoding::Json),
            (Form::Object, Encoding::Protobuf),
            (Form::Metadata, Encoding::Json),
            (Form::Metadata, Encoding::Protobuf),
            (Form::Table, Encoding::Json),
        ];
        let mut watchers = Vec::new();
        for i in 0..WATCHERS {
            let (form, encoding) = forms[i % forms.len()];
            let encoder = WatchEncoder::of(form, encoding, target.resource.clone(), &frames);
            watchers.push((open(&registry, &target).await, encoder));
        }
        for name in ["a", "b"] {
            create(&registry, &target, name, "x").await;
            let mut first: Vec<Option<Bytes>> = vec![None; forms.len()];
            for (i, (watch, encoder)) in watchers.iter_mut().enumerate() {
                let event = watch.next().await.unwrap();
                assert!(matches!(event, WatchEvent::Added(_)));
                let frame = encoder.frame(&event, now);
                let first = first[i % forms.len()].get_or_insert_with(|| frame.clone());
                assert_eq!(frame.as_ptr(), first.as_ptr(), "watcher {i} has a copy");
            }
            let kinds: Vec<_> = first.iter().flatten().map(|f| f.as_ptr()).collect();
            for (i, one) in kinds.iter().enumerate() {
                assert!(!kinds[..i].contains(one), "each encoding is its own");
            }
        }
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded() {
        let (registry, target) = registry().await;
        let frames = Arc::new(Frames::default());
        let mut watch = open(&registry, &target).await;
        let mut encoder = WatchEncoder::of(
            Form::Object,
            Encoding::Json,
            target.resource.clone(),
            &frames,
        );
        let text = "x".repeat(500_000);
        for i in 0..20 {
            create(&registry, &target, &format!("c{i}"), &text).await;
            let event = watch.next().await.unwrap();
            encoder.frame(&event, jiff::Timestamp::now());
            let latest = frames.latest.lock();
            let held: usize = latest
                .frames
                .values()
                .filter_map(|k| k.frame.get())
                .map(Bytes::len)
                .sum();
            assert!(held <= KEPT + OVERHEAD, "{held}");
            assert!(latest.charged <= KEPT);
            assert_eq!(latest.frames.len(), latest.order.len());
            assert!(i < 7 || latest.frames.len() == 8, "the latest ones stay");
        }
    }
}
