//! What Intel says of platforms, of its TDX module and of its quoting enclave: the signed JSON documents
//! of the provisioning certification service (version 4).

use serde::Deserialize;

use super::pck::Platform;
use crate::details::{DcapTcb, TcbStatus};

#[derive(Debug, Deserialize)]
struct Component {
    svn: u8,
}

#[derive(Debug, Deserialize)]
struct PlatformTcb {
    sgxtcbcomponents: [Component; 16],
    pcesvn: u16,
    #[serde(default)]
    tdxtcbcomponents: Option<[Component; 16]>,
}

#[derive(Debug, Deserialize)]
struct IsvTcb {
    isvsvn: u16,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Level<T> {
    tcb: T,
    tcb_status: TcbStatus,
    #[serde(rename = "advisoryIDs", default)]
    advisories: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Module {
    mrsigner: String,
    attributes: String,
    attributes_mask: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ModuleIdentity {
    id: String,
    #[serde(flatten)]
    module: Module,
    tcb_levels: Vec<Level<IsvTcb>>,
}

/// A family of platforms.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TcbInfo {
    pub(super) id: String,
    pub(super) version: u32,
    pub(super) issue_date: jiff::Timestamp,
    pub(super) next_update: jiff::Timestamp,
    fmspc: String,
    pce_id: String,
    pub(super) tcb_evaluation_data_number: u32,
    tcb_levels: Vec<Level<PlatformTcb>>,
    #[serde(default)]
    tdx_module: Option<Module>,
    #[serde(default)]
    tdx_module_identities: Vec<ModuleIdentity>,
}

/// The quoting enclave.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QeIdentity {
    pub(super) id: String,
    pub(super) version: u32,
    pub(super) issue_date: jiff::Timestamp,
    pub(super) next_update: jiff::Timestamp,
    pub(super) tcb_evaluation_data_number: u32,
    miscselect: String,
    miscselect_mask: String,
    attributes: String,
    attributes_mask: String,
    mrsigner: String,
    isvprodid: u16,
    tcb_levels: Vec<Level<IsvTcb>>,
}

fn hex_is(text: &str, bytes: &[u8]) -> bool {
    hex::decode(text).is_ok_and(|expected| expected == bytes)
}

/// Whether `actual` is `expected` under `mask`; both hexadecimal, of the same length.
fn masked(actual: &[u8], expected: &str, mask: &str) -> bool {
    let (Ok(expected), Ok(mask)) = (hex::decode(expected), hex::decode(mask)) else {
        return false;
    };
    actual.len() == expected.len()
        && actual.len() == mask.len()
        && actual
            .iter()
            .zip(expected)
            .zip(mask)
            .all(|((actual, expected), mask)| actual & mask == expected & mask)
}

/// The parts of a TD report that are judged here.
pub(super) struct DomainTcb<'a> {
    /// Security versions of the launch.
    pub(super) tee_tcb_svn: [u8; 16],
    /// Security versions now, in reports 1.5.
    pub(super) current_tcb_svn: Option<[u8; 16]>,
    pub(super) signer_seam: &'a [u8],
    pub(super) seam_attributes: &'a [u8],
}

/// The worse of a platform's status and a part's: only being out of date or revoked spreads.
fn converge(platform: TcbStatus, part: TcbStatus) -> TcbStatus {
    use TcbStatus::{
        ConfigurationAndSWHardeningNeeded, ConfigurationNeeded, OutOfDate,
        OutOfDateConfigurationNeeded, Revoked,
    };
    match (part, platform) {
        (Revoked, _) | (_, Revoked) => Revoked,
        (
            OutOfDate | OutOfDateConfigurationNeeded,
            ConfigurationNeeded | ConfigurationAndSWHardeningNeeded | OutOfDateConfigurationNeeded,
        )
        | (OutOfDateConfigurationNeeded, _) => OutOfDateConfigurationNeeded,
        (OutOfDate, _) => OutOfDate,
        (_, platform) => platform,
    }
}

impl TcbInfo {
    /// Whether it is of the family that this platform belongs to.
    pub(super) fn is_of(&self, platform: &Platform) -> bool {
        hex_is(&self.fmspc, &platform.fmspc) && hex_is(&self.pce_id, &platform.pce_id)
    }

    fn module(&self, svn: &[u8; 16]) -> Option<Option<&ModuleIdentity>> {
        let [_, version, ..] = *svn;
        if version == 0 {
            return Some(None);
        }
        let id = format!("TDX_{version:02X}");
        self.tdx_module_identities
            .iter()
            .find(|identity| identity.id.eq_ignore_ascii_case(&id))
            .map(Some)
    }

    /// Whether the TDX module is signed by Intel and has the attributes that Intel names.
    pub(super) fn knows_module(&self, domain: &DomainTcb<'_>) -> bool {
        let module = match self.module(&domain.tee_tcb_svn) {
            Some(Some(identity)) => Some(&identity.module),
            Some(None) => self.tdx_module.as_ref(),
            None => None,
        };
        module.is_some_and(|module| {
            hex_is(&module.mrsigner, domain.signer_seam)
                && masked(
                    domain.seam_attributes,
                    &module.attributes,
                    &module.attributes_mask,
                )
        })
    }

    /// The state of a platform at these security versions: the first level that it reaches in every component,
    /// as Intel orders them. `None` if it reaches none.
    pub(super) fn judge(
        &self,
        platform: &Platform,
        domain: Option<&DomainTcb<'_>>,
    ) -> Option<DcapTcb> {
        let mut tcb = self.judge_at(platform, domain.map(|domain| &domain.tee_tcb_svn))?;
        if let Some(current) = domain.and_then(|domain| domain.current_tcb_svn) {
            let current = self.judge_at(platform, Some(&current))?;
            tcb.status = converge(tcb.status, current.status);
            add(&mut tcb.advisories, &current.advisories);
        }
        Some(tcb)
    }

    fn judge_at(&self, platform: &Platform, domain: Option<&[u8; 16]>) -> Option<DcapTcb> {
        let level = self
            .tcb_levels
            .iter()
            .find(|level| reaches(&level.tcb, platform, domain))?;
        let mut tcb = DcapTcb {
            status: level.tcb_status,
            advisories: level.advisories.clone(),
            evaluation: self.tcb_evaluation_data_number,
            fmspc: hex::encode(platform.fmspc),
        };
        if let Some(svn) = domain
            && let Some(identity) = self.module(svn)?
        {
            let [found, ..] = *svn;
            let level = identity
                .tcb_levels
                .iter()
                .find(|level| u16::from(found) >= level.tcb.isvsvn)?;
            tcb.status = converge(tcb.status, level.tcb_status);
            add(&mut tcb.advisories, &level.advisories);
        }
        Some(tcb)
    }
}

fn add(advisories: &mut Vec<String>, more: &[String]) {
    for advisory in more {
        if !advisories.contains(advisory) {
            advisories.push(advisory.clone());
        }
    }
}

fn reaches(level: &PlatformTcb, platform: &Platform, domain: Option<&[u8; 16]>) -> bool {
    let all = |found: &[u8; 16], needed: &[Component; 16], skip: usize| {
        found
            .iter()
            .zip(needed)
            .skip(skip)
            .all(|(found, needed)| *found >= needed.svn)
    };
    let sgx = all(&platform.cpu_svn, &level.sgxtcbcomponents, 0);
    let tdx = domain.is_none_or(|found| {
        // From version 1 on, the module has its own levels.
        let skip = if matches!(found, [_, 0, ..]) { 0 } else { 2 };
        level
            .tdxtcbcomponents
            .as_ref()
            .is_some_and(|needed| all(found, needed, skip))
    });
    sgx && tdx && platform.pce_svn >= level.pcesvn
}

/// The parts of an enclave report that identify the quoting enclave.
pub(super) struct QuotingEnclave<'a> {
    pub(super) misc_select: &'a [u8],
    pub(super) attributes: &'a [u8],
    pub(super) mr_signer: &'a [u8],
    pub(super) isv_prod_id: u16,
    pub(super) isv_svn: u16,
}

impl QeIdentity {
    /// Whether this is the enclave that Intel describes.
    pub(super) fn is_of(&self, enclave: &QuotingEnclave<'_>) -> bool {
        // The document has the number's text, the report its little-endian bytes.
        let select: Vec<u8> = enclave.misc_select.iter().rev().copied().collect();
        masked(&select, &self.miscselect, &self.miscselect_mask)
            && masked(enclave.attributes, &self.attributes, &self.attributes_mask)
            && hex_is(&self.mrsigner, enclave.mr_signer)
            && self.isvprodid == enclave.isv_prod_id
    }

    /// Lowers a platform's state by the quoting enclave's. `None` if it is below every level.
    pub(super) fn judge(&self, isv_svn: u16, mut tcb: DcapTcb) -> Option<DcapTcb> {
        let level = self
            .tcb_levels
            .iter()
            .find(|level| isv_svn >= level.tcb.isvsvn)?;
        tcb.status = converge(tcb.status, level.tcb_status);
        add(&mut tcb.advisories, &level.advisories);
        Some(tcb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn being_out_of_date_spreads() {
        use TcbStatus::{ConfigurationNeeded, OutOfDate, Revoked, SWHardeningNeeded, UpToDate};
        assert_eq!(converge(UpToDate, UpToDate), UpToDate);
        assert_eq!(converge(SWHardeningNeeded, UpToDate), SWHardeningNeeded);
        assert_eq!(converge(SWHardeningNeeded, OutOfDate), OutOfDate);
        assert_eq!(
            converge(ConfigurationNeeded, OutOfDate),
            TcbStatus::OutOfDateConfigurationNeeded
        );
        assert_eq!(converge(OutOfDate, UpToDate), OutOfDate);
        assert_eq!(converge(UpToDate, Revoked), Revoked);
        assert_eq!(converge(Revoked, UpToDate), Revoked);
    }

    #[test]
    fn masks_need_equal_lengths() {
        assert!(masked(&[0x13], "11", "FD"));
        assert!(!masked(&[0x13], "11", "FF"));
        assert!(!masked(&[0x13], "1100", "FD00"));
        assert!(!masked(&[0x13], "x1", "FD"));
    }
}
