//! When a node is short of memory, disk or processes.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use machinery::quantity::Quantity;
use serde::{Deserialize, Serialize};

/// What of a resource is left, and how much there is in all (bytes, inodes or processes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Availability {
    /// What is left.
    pub available: u64,
    /// All of it.
    pub capacity: u64,
}

/// What a threshold looks at, by the kubelet's names.
// upstream: pkg/kubelet/eviction/api/types.go Signal
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// Memory that can be had without swapping, bytes.
    Memory,
    /// The file system of the agent's volumes and logs, bytes.
    NodeFs,
    /// The same file system's inodes.
    NodeFsInodes,
    /// The file system of the container runtime's images, bytes.
    ImageFs,
    /// The same file system's inodes.
    ImageFsInodes,
    /// Process identifiers.
    Pid,
}

impl Signal {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Memory, "memory.available"),
        (Self::NodeFs, "nodefs.available"),
        (Self::NodeFsInodes, "nodefs.inodesFree"),
        (Self::ImageFs, "imagefs.available"),
        (Self::ImageFsInodes, "imagefs.inodesFree"),
        (Self::Pid, "pid.available"),
    ];
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(signal, _)| signal == self);
        f.write_str(name.map_or("", |(_, name)| name))
    }
}

/// Below it a node is under pressure.
// upstream: pkg/kubelet/eviction/api/types.go ThresholdValue
#[derive(Debug, Clone, Copy, PartialEq)]
enum Limit {
    Amount(u64),
    Percent(f64),
}

impl Limit {
    fn is_crossed(self, now: Availability) -> bool {
        match self {
            Self::Amount(least) => now.available < least,
            #[allow(clippy::cast_precision_loss, reason = "a share of a capacity")]
            Self::Percent(least) => (now.available as f64) * 100.0 < (now.capacity as f64) * least,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Amount(amount) => write!(f, "{amount}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// Why a list of thresholds is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ThresholdError {
    /// Not `signal<value`.
    #[error("invalid eviction threshold syntax {0}, expected <signal><operator><value>")]
    Syntax(String),
    /// A signal that there isn't.
    #[error(
        "unsupported eviction signal {0}; there are memory.available, nodefs.available, nodefs.inodesFree, imagefs.available, imagefs.inodesFree and pid.available"
    )]
    Signal(String),
    /// Neither an amount nor a share.
    #[error(
        "eviction threshold {signal} must be a positive quantity or a share up to 100%, not {value}"
    )]
    Value {
        /// Of which signal.
        signal: Signal,
        /// What was given.
        value: String,
    },
    /// Given twice.
    #[error("eviction threshold {0} is given twice")]
    Twice(Signal),
}

/// Hard eviction thresholds, in the kubelet's notation: `memory.available<100Mi,nodefs.available<5%`. What is not
/// named is not looked at.
///
/// The default is k3s's and not the kubelet's: `imagefs.available<5%,nodefs.available<5%`, with the kubelet's
/// `memory.available<100Mi` and, against exhaustion by forks, `pid.available<10%`.
// upstream: pkg/kubelet/eviction/helpers.go ParseThresholdConfig
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EvictionHard(BTreeMap<Signal, Limit>);

impl EvictionHard {
    /// What pods can't have of a capacity, because at less the node is under pressure.
    // upstream: pkg/kubelet/cm/node_container_manager_linux.go hardEvictionReservation
    pub fn reservation(&self, signal: Signal, capacity: u64) -> u64 {
        match self.0.get(&signal) {
            None => 0,
            Some(Limit::Amount(amount)) => *amount,
            #[allow(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of a capacity"
            )]
            Some(Limit::Percent(percent)) => (capacity as f64 * percent / 100.0) as u64,
        }
    }

    /// Whether one of these signals has fallen below its threshold; a signal that can't be read has not.
    pub fn is_crossed(
        &self,
        signals: &[Signal],
        mut read: impl FnMut(Signal) -> Option<Availability>,
    ) -> bool {
        signals.iter().any(|signal| {
            self.0
                .get(signal)
                .is_some_and(|limit| read(*signal).is_some_and(|now| limit.is_crossed(now)))
        })
    }
}

impl Default for EvictionHard {
    fn default() -> Self {
        Self(BTreeMap::from([
            (Signal::Memory, Limit::Amount(100 << 20)),
            (Signal::NodeFs, Limit::Percent(5.0)),
            (Signal::ImageFs, Limit::Percent(5.0)),
            (Signal::Pid, Limit::Percent(10.0)),
        ]))
    }
}

impl FromStr for EvictionHard {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, ThresholdError> {
        let mut limits = BTreeMap::new();
        for statement in text.split(',').map(str::trim).filter(|s| !s.is_empty()) {
            let (name, value) = statement
                .split_once('<')
                .ok_or_else(|| ThresholdError::Syntax(statement.to_owned()))?;
            let (signal, _) = Signal::ALL
                .into_iter()
                .find(|(_, known)| *known == name.trim())
                .ok_or_else(|| ThresholdError::Signal(name.to_owned()))?;
            let limit = limit(value.trim()).ok_or_else(|| ThresholdError::Value {
                signal,
                value: value.to_owned(),
            })?;
            if limits.insert(signal, limit).is_some() {
                return Err(ThresholdError::Twice(signal));
            }
        }
        Ok(Self(limits))
    }
}

fn limit(text: &str) -> Option<Limit> {
    if let Some(percent) = text.strip_suffix('%') {
        let percent: f64 = percent.parse().ok()?;
        return (percent > 0.0 && percent <= 100.0).then_some(Limit::Percent(percent));
    }
    let amount = u64::try_from(Quantity::parse(text).ok()?.value()).ok()?;
    (amount > 0).then_some(Limit::Amount(amount))
}

impl TryFrom<String> for EvictionHard {
    type Error = ThresholdError;

    fn try_from(text: String) -> Result<Self, ThresholdError> {
        text.parse()
    }
}

impl From<EvictionHard> for String {
    fn from(thresholds: EvictionHard) -> Self {
        thresholds.to_string()
    }
}

impl fmt::Display for EvictionHard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (signal, limit)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{signal}<{limit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn crossed(thresholds: &str, signal: Signal, available: u64, capacity: u64) -> bool {
        let thresholds: EvictionHard = thresholds.parse().unwrap();
        thresholds.is_crossed(&[signal], |_| {
            Some(Availability {
                available,
                capacity,
            })
        })
    }

    #[test]
    fn amounts_and_shares_are_compared_with_what_is_left() {
        let text = "memory.available<100Mi,nodefs.available<5%";
        assert!(crossed(text, Signal::Memory, (100 << 20) - 1, 1 << 40));
        assert!(!crossed(text, Signal::Memory, 100 << 20, 1 << 40));
        assert!(crossed(text, Signal::NodeFs, 49, 1000));
        assert!(!crossed(text, Signal::NodeFs, 50, 1000));
        assert!(!crossed(text, Signal::ImageFs, 0, 1000), "is not named");
        let thresholds = EvictionHard::default();
        assert!(
            !thresholds.is_crossed(&[Signal::NodeFs], |_| None),
            "unreadable"
        );
    }

    #[test]
    fn the_notation_is_the_kubelets_and_survives_a_round_trip() {
        for bad in [
            "memory.available",
            "memory.available>1",
            "disk.available<5%",
            "nodefs.available<0%",
            "nodefs.available<101%",
            "nodefs.available<NaN%",
            "nodefs.available<-1Gi",
            "nodefs.available<x",
            "pid.available<5%,pid.available<6%",
        ] {
            assert!(bad.parse::<EvictionHard>().is_err(), "{bad}");
        }
        let default = EvictionHard::default();
        assert_eq!(
            default.to_string().parse::<EvictionHard>().unwrap(),
            default
        );
        let none: EvictionHard = "".parse().unwrap();
        assert!(!none.is_crossed(&[Signal::Memory], |_| Some(Availability {
            available: 0,
            capacity: 1
        })));
    }
}
