//! What only one kind of evidence says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// By kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Details {
    /// Nothing more.
    Simulated {},
    /// AWS Nitro Enclaves.
    Nitro(NitroDetails),
    /// AMD SEV-SNP.
    Snp(Box<SnpDetails>),
    /// Intel SGX.
    Sgx(Box<SgxDetails>),
    /// Intel TDX.
    Tdx(Box<TdxDetails>),
    /// TPM 2.0.
    Tpm(TpmDetails),
}

/// An attestation document. The measurement is SHA-384 over PCR0 ‖ PCR1 ‖ PCR2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NitroDetails {
    /// The enclave's id.
    pub module_id: String,
    /// Every PCR of the document, in hexadecimal.
    pub pcrs: BTreeMap<u8, String>,
    /// The caller's nonce, in hexadecimal.
    pub nonce: Option<String>,
    /// The caller's public key, in hexadecimal.
    pub public_key: Option<String>,
}

/// The security versions of a platform's firmware.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnpTcb {
    /// The secure processor's first mutable code; only Turin has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fmc: Option<u8>,
    /// The secure processor's boot loader.
    #[serde(default)]
    pub bootloader: u8,
    /// The secure processor's operating system.
    #[serde(default)]
    pub tee: u8,
    /// The SNP firmware.
    #[serde(default)]
    pub snp: u8,
    /// The cores' microcode.
    #[serde(default)]
    pub microcode: u8,
}

impl SnpTcb {
    /// Whether no part is below `least`.
    pub fn reaches(&self, least: &Self) -> bool {
        self.fmc >= least.fmc
            && self.bootloader >= least.bootloader
            && self.tee >= least.tee
            && self.snp >= least.snp
            && self.microcode >= least.microcode
    }
}

/// An SNP report. The measurement is the launch digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SnpDetails {
    /// The report's version.
    pub version: u32,
    /// `VCEK` or `VLEK`: which key signed.
    pub signed_by: &'static str,
    /// The guest's security version.
    pub guest_svn: u32,
    /// The guest policy.
    pub policy: u64,
    /// The privilege level that asked for the report.
    pub vmpl: u32,
    /// Flags of the platform (SMT, memory encryption…).
    pub platform_info: u64,
    /// What the report is certified for; never above what runs.
    pub reported_tcb: SnpTcb,
    /// What can't be rolled back.
    pub committed_tcb: SnpTcb,
    /// What ran when the guest was launched.
    pub launch_tcb: SnpTcb,
    /// What the host gave at launch, in hexadecimal.
    pub host_data: String,
    /// SHA-384 of the key that signed the guest's identity block; zeros if there is none.
    pub id_key_digest: String,
    /// The report's id, in hexadecimal.
    pub report_id: String,
}

/// Intel's judgement of a platform, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TcbStatus {
    /// Nothing is known against it.
    UpToDate,
    /// Up to date, if the code inside was hardened.
    SWHardeningNeeded,
    /// Up to date, if the platform is configured well.
    ConfigurationNeeded,
    /// Both of these.
    ConfigurationAndSWHardeningNeeded,
    /// Known weaknesses that updates close.
    OutOfDate,
    /// That, and a configuration to change.
    OutOfDateConfigurationNeeded,
    /// Not to be trusted.
    Revoked,
}

/// What the collateral says of a platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DcapTcb {
    /// The worst of platform, quoting enclave and TDX module.
    pub status: TcbStatus,
    /// Advisories that apply at that level.
    pub advisories: Vec<String>,
    /// The number of the TCB recovery that the collateral is of.
    pub evaluation: u32,
    /// The platform's family, in hexadecimal.
    pub fmspc: String,
}

/// An SGX quote. The measurement is MRENCLAVE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SgxDetails {
    /// The key that signed the enclave, in hexadecimal.
    pub mr_signer: String,
    /// The signer's number of the product.
    pub isv_prod_id: u16,
    /// The product's security version.
    pub isv_svn: u16,
    /// The enclave's attributes, in hexadecimal.
    pub attributes: String,
    /// The platform's state.
    pub tcb: DcapTcb,
}

/// A TDX quote. The measurement is SHA-384 over MRTD ‖ RTMR0 ‖ RTMR1 ‖ RTMR2 ‖ RTMR3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TdxDetails {
    /// The initial contents, in hexadecimal.
    pub mr_td: String,
    /// What was measured at run time, in hexadecimal.
    pub rtmr: [String; 4],
    /// The host's id of the configuration, in hexadecimal.
    pub mr_config_id: String,
    /// The host's id of the owner, in hexadecimal.
    pub mr_owner: String,
    /// The domain's attributes, in hexadecimal.
    pub td_attributes: String,
    /// The extended features, in hexadecimal.
    pub xfam: String,
    /// The platform's state.
    pub tcb: DcapTcb,
}

/// A TPM quote. The measurement is SHA-256 over a domain, the selection of PCRs (SHA-256 bank) and their digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TpmDetails {
    /// The values of the PCRs that were quoted, in hexadecimal.
    pub pcrs: BTreeMap<u8, String>,
    /// Milliseconds that the TPM has been powered.
    pub clock: u64,
    /// Resets since the TPM was cleared.
    pub reset_count: u32,
    /// Resumptions since the last reset.
    pub restart_count: u32,
    /// Whether `clock` is certain not to have been set back.
    pub safe: bool,
    /// The firmware's version.
    pub firmware_version: u64,
    /// The log of measured boot, when one was given: replayed, it gives these values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_log: Option<TpmEventLog>,
}

/// A log of measured boot whose replay gives the quoted values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TpmEventLog {
    /// The PCRs that it explains completely. Others were extended later, by the system.
    pub covered: Vec<u8>,
    /// What was measured, in order.
    pub events: Vec<BootEvent>,
}

/// One measurement of a boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BootEvent {
    /// Into which PCR.
    pub pcr: u8,
    /// The event's type, a number of the TCG.
    pub event_type: u32,
    /// SHA-256, in hexadecimal.
    pub digest: String,
    /// Whether the digest is of the event's own content (by type, some are of what the content names).
    pub data_matches: bool,
}
