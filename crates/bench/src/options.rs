//! What is to be measured, and its bounds.

use std::time::Duration;

use serde::Serialize;

use crate::BenchError;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Create objects.
    Create,
    /// Read single objects.
    Get,
    /// List all objects of the namespace.
    List,
    /// Merge-patch single objects.
    Patch,
    /// Deliver changes of one object to many watchers.
    Watch,
    /// 80 % get, 10 % patch, 5 % create, 5 % list of 50.
    Mixed,
}

/// What objects are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Pods that no scheduler places.
    Pod,
    /// Config maps.
    ConfigMap,
}

/// How answers are encoded. Bodies of requests are JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// JSON.
    Json,
    /// Protobuf.
    Protobuf,
}

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Options {
    /// Operations in their order.
    pub operations: Vec<Operation>,
    /// Each operation but watch is measured with each of these numbers of clients.
    pub clients: Vec<usize>,
    /// What objects are used.
    pub kind: Kind,
    /// How answers are encoded.
    pub encoding: Encoding,
    /// How many objects there are to read and patch.
    pub objects: usize,
    /// A measurement ends after this time...
    pub duration: Duration,
    /// ...or after this many requests, whichever is first.
    pub count: u64,
    /// What is done, and not counted, before each measurement.
    pub warm_up: Duration,
    /// How many watchers a change is delivered to.
    pub watchers: usize,
    /// How many changes are delivered.
    pub changes: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            operations: vec![
                Operation::Get,
                Operation::List,
                Operation::Create,
                Operation::Patch,
                Operation::Watch,
                Operation::Mixed,
            ],
            clients: vec![1, 16],
            kind: Kind::Pod,
            encoding: Encoding::Json,
            objects: 1000,
            duration: Duration::from_secs(10),
            count: 20_000,
            warm_up: Duration::from_secs(1),
            watchers: 1000,
            changes: 200,
        }
    }
}

impl Options {
    /// Refuses what is out of bounds.
    ///
    /// # Errors
    /// [`BenchError::Bounds`].
    pub fn validate(&self) -> Result<(), BenchError> {
        let within = |name, value: u64, least, most| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(BenchError::Bounds { name, least, most })
            }
        };
        within("--operations", self.operations.len() as u64, 1, 64)?;
        within("--clients", self.clients.len() as u64, 1, 16)?;
        for clients in &self.clients {
            within("--clients", *clients as u64, 1, 1024)?;
        }
        within("--objects", self.objects as u64, 1, 100_000)?;
        within("--duration", self.duration.as_secs(), 1, 3600)?;
        within("--count", self.count, 1, 10_000_000)?;
        within("--warm-up", self.warm_up.as_secs(), 0, 600)?;
        within("--watchers", self.watchers as u64, 1, 50_000)?;
        within("--changes", u64::from(self.changes), 1, 100_000)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_unbounded() {
        Options::default().validate().unwrap();
        let wrong = [
            Options {
                clients: vec![0],
                ..Options::default()
            },
            Options {
                duration: Duration::from_secs(86_400),
                ..Options::default()
            },
            Options {
                count: 0,
                ..Options::default()
            },
            Options {
                operations: Vec::new(),
                ..Options::default()
            },
            Options {
                watchers: 1_000_000,
                ..Options::default()
            },
        ];
        for options in wrong {
            assert!(options.validate().is_err(), "{options:?}");
        }
    }
}
