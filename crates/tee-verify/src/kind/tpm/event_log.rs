//! The log of measured boot (TCG PC Client Platform Firmware Profile, 10: crypto agile), replayed.
//!
//! A log is a statement of the host; what makes it true is that replaying it gives the PCR values that a quote has.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::details::{BootEvent, TpmEventLog};

/// The most events.
const MAX_EVENTS: usize = 16 * 1024;

/// The largest content of an event.
const MAX_EVENT: usize = 512 * 1024;

const SHA256: u16 = 0x000b;
const NO_ACTION: u32 = 3;
const LOCALITY: &[u8; 16] = b"StartupLocality\0";
const SPECIFICATION: &[u8; 16] = b"Spec ID Event03\0";

/// Little-endian fields.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn short(&mut self) -> Option<u16> {
        let (bytes, rest) = self.0.split_first_chunk::<2>()?;
        self.0 = rest;
        Some(u16::from_le_bytes(*bytes))
    }

    fn word(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*bytes))
    }

    fn sized(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.word()?).ok()?;
        (length <= MAX_EVENT).then_some(())?;
        self.take(length)
    }
}

/// What replaying a log gives.
pub(super) struct Replay {
    /// The SHA-256 bank's values of the PCRs that the log has events of.
    pub(super) pcrs: BTreeMap<u8, [u8; 32]>,
    /// What happened.
    pub(super) log: TpmEventLog,
}

/// The digests' sizes by algorithm, as the first event says.
fn sizes(fields: &mut Fields<'_>) -> Option<BTreeMap<u16, usize>> {
    let (_pcr, kind, _digest) = (fields.word()?, fields.word()?, fields.take(20)?);
    let mut header = Fields(fields.sized()?);
    if kind != NO_ACTION || header.take(16)? != SPECIFICATION {
        return None;
    }
    // Platform class, version, size of pointers.
    header.take(8)?;
    let mut sizes = BTreeMap::new();
    for _ in 0..header.word().filter(|count| *count <= 16)? {
        let (algorithm, size) = (header.short()?, header.short()?);
        let size = usize::from(size);
        if size > 64 || sizes.insert(algorithm, size).is_some() {
            return None;
        }
    }
    let vendor = usize::from(header.byte()?);
    header.take(vendor)?;
    (header.0.is_empty() && sizes.get(&SHA256) == Some(&32)).then_some(sizes)
}

/// Replays a log; `None` if it isn't one.
pub(super) fn replay(log: &[u8]) -> Option<Replay> {
    let mut fields = Fields(log);
    let sizes = sizes(&mut fields)?;
    let mut pcrs: BTreeMap<u8, [u8; 32]> = BTreeMap::new();
    let mut events = Vec::new();
    let mut locality = 0;
    // Firmware hands over a buffer whose rest is empty.
    while !fields.0.iter().all(|byte| *byte == 0) && !fields.0.iter().all(|byte| *byte == 0xff) {
        if events.len() == MAX_EVENTS {
            return None;
        }
        let (pcr, kind) = (fields.word()?, fields.word()?);
        let pcr = u8::try_from(pcr).ok().filter(|pcr| *pcr < 24)?;
        let mut digest = None;
        for _ in 0..fields.word().filter(|count| *count <= 16)? {
            let algorithm = fields.short()?;
            let value = fields.take(*sizes.get(&algorithm)?)?;
            if algorithm == SHA256 && digest.replace(value).is_some() {
                return None;
            }
        }
        let content = fields.sized()?;
        let digest = digest?;
        if kind == NO_ACTION {
            if let Some([value]) = content.strip_prefix(LOCALITY) {
                // Only before anything was measured.
                (pcr == 0 && !pcrs.contains_key(&0)).then_some(())?;
                locality = *value;
            }
        } else {
            let value = pcrs.entry(pcr).or_insert_with(|| initial(pcr, locality));
            *value = Sha256::new()
                .chain_update(*value)
                .chain_update(digest)
                .finalize()
                .into();
        }
        events.push(BootEvent {
            pcr,
            event_type: kind,
            digest: hex::encode(digest),
            data_matches: Sha256::digest(content).as_slice() == digest,
        });
    }
    let covered = pcrs.keys().copied().collect();
    Some(Replay {
        pcrs,
        log: TpmEventLog { covered, events },
    })
}

/// A PCR's value before anything was measured: those of a late launch are all ones, PCR 0 has the locality.
fn initial(pcr: u8, locality: u8) -> [u8; 32] {
    match pcr {
        0 => {
            let mut value = [0; 32];
            if let Some(last) = value.last_mut() {
                *last = locality;
            }
            value
        }
        17..=22 => [0xff; 32],
        _ => [0; 32],
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header() -> Vec<u8> {
        let mut event = SPECIFICATION.to_vec();
        event.extend([0, 0, 0, 0, 0, 2, 0, 2]);
        event.extend(2u32.to_le_bytes());
        event.extend([4, 0, 20, 0, 0x0b, 0, 32, 0]);
        event.push(0);
        let mut log = Vec::new();
        log.extend(0u32.to_le_bytes());
        log.extend(NO_ACTION.to_le_bytes());
        log.extend([0; 20]);
        log.extend(u32::try_from(event.len()).unwrap().to_le_bytes());
        log.extend(event);
        log
    }

    fn event(pcr: u32, kind: u32, content: &[u8]) -> Vec<u8> {
        let mut event = Vec::new();
        event.extend(pcr.to_le_bytes());
        event.extend(kind.to_le_bytes());
        event.extend(2u32.to_le_bytes());
        event.extend([4, 0]);
        event.extend([0; 20]);
        event.extend([0x0b, 0]);
        event.extend(Sha256::digest(content));
        event.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
        event.extend(content);
        event
    }

    fn extended(from: [u8; 32], content: &[u8]) -> [u8; 32] {
        Sha256::new()
            .chain_update(from)
            .chain_update(Sha256::digest(content))
            .finalize()
            .into()
    }

    #[test]
    fn events_extend_their_pcr_in_order() {
        let log = [
            header(),
            event(0, NO_ACTION, b"StartupLocality\0\x03"),
            event(0, 8, b"version"),
            event(7, 4, b"\0\0\0\0"),
            event(0, 1, b"code"),
            vec![0xff; 100],
        ]
        .concat();
        let replay = replay(&log).unwrap();
        let mut start = [0; 32];
        start[31] = 3;
        assert_eq!(
            replay.pcrs[&0],
            extended(extended(start, b"version"), b"code")
        );
        assert_eq!(replay.pcrs[&7], extended([0; 32], b"\0\0\0\0"));
        assert_eq!(replay.log.covered, [0, 7]);
        assert!(replay.log.events.iter().all(|event| event.data_matches));
    }

    #[test]
    fn what_is_no_log() {
        assert!(replay(b"").is_none());
        assert!(replay(&header()[..40]).is_none());
        let unknown = [header(), event(24, 1, b"x")].concat();
        assert!(replay(&unknown).is_none());
        let cut = [header(), event(1, 1, b"content")].concat();
        for length in header().len() + 1..cut.len() {
            assert!(replay(&cut[..length]).is_none_or(|replay| replay.pcrs.is_empty()));
        }
        let late = [
            header(),
            event(0, 1, b"x"),
            event(0, NO_ACTION, b"StartupLocality\0\x03"),
        ]
        .concat();
        assert!(replay(&late).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn garbage_never_panics(tail in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = replay(&tail);
            let _ = replay(&[header(), tail].concat());
        }
    }
}
