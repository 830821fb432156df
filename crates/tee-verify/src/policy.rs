//! What a verifier accepts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::kind::{dcap, nitro, snp};
use crate::{Kind, Measurement, SnpTcb, TcbStatus};

/// The allow-list and the limits. Empty: accepts nothing. Debug modes are never accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    allowed: BTreeMap<Kind, BTreeSet<Measurement>>,
    roots: BTreeMap<Kind, BTreeSet<[u8; 32]>>,
    production: bool,
    /// Evidence older than this is stale. Only for kinds whose evidence has a time; for the others
    /// freshness is the nonce in the binding.
    pub max_age: Duration,
    /// How far the hardware's clock may be ahead of ours.
    pub max_skew: Duration,
    /// The least firmware of an SNP platform.
    pub snp_minimum: SnpTcb,
    /// The least privileged level that an SNP report may come from: 0 is the most privileged.
    pub snp_max_vmpl: u32,
    /// What Intel may say of an SGX or TDX platform. Never includes `Revoked`, whatever is put in.
    pub tcb_statuses: BTreeSet<TcbStatus>,
    /// The least number of the TCB recovery that SGX and TDX collateral must be of.
    pub min_tcb_evaluation: u32,
    /// DER revocation lists that count besides those of the collateral (SNP, TPM), which may come from the peer: who was
    /// revoked would not send them. Those of other issuers are passed over, and so are those whose time is over: the
    /// evidence may be of another kind, and an old list still says whom it revoked.
    pub revocation_lists: Vec<Vec<u8>>,
}

impl Default for Policy {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy {
    /// Accepts nothing yet; five minutes of age, one of skew, VMPL 0, platforms that Intel calls up to date (if
    /// need be with hardened software).
    pub fn new() -> Self {
        Self {
            allowed: BTreeMap::new(),
            roots: BTreeMap::new(),
            production: false,
            max_age: Duration::from_secs(300),
            max_skew: Duration::from_secs(60),
            snp_minimum: SnpTcb::default(),
            snp_max_vmpl: 0,
            tcb_statuses: BTreeSet::from([TcbStatus::UpToDate, TcbStatus::SWHardeningNeeded]),
            min_tcb_evaluation: 0,
            revocation_lists: Vec::new(),
        }
    }

    /// Accepts `measurement` on `kind`. Only by this does a kind become acceptable.
    #[must_use]
    pub fn allow(mut self, kind: Kind, measurement: Measurement) -> Self {
        self.allowed.entry(kind).or_default().insert(measurement);
        self
    }

    /// Trusts another root for `kind`: the SHA-256 of a root certificate's DER or, for a TPM, of the DER of an
    /// attestation key's `SubjectPublicKeyInfo`. A TPM has no other roots. Claims under it are not
    /// `hardware_rooted`.
    #[must_use]
    pub fn trust_root(mut self, kind: Kind, sha256: [u8; 32]) -> Self {
        self.roots.entry(kind).or_default().insert(sha256);
        self
    }

    /// Refuses every kind without a hardware root, whatever the allow-list says, and every root of
    /// [`Policy::trust_root`] for kinds whose vendor's root is known.
    #[must_use]
    pub fn production(mut self) -> Self {
        self.production = true;
        self
    }

    /// Whether a root is trusted for a kind, and if so whether it is the vendor's.
    pub(crate) fn root(&self, kind: Kind, sha256: &[u8; 32]) -> Option<Root> {
        let vendor: &[[u8; 32]] = match kind {
            Kind::Nitro => &[nitro::ROOT],
            Kind::Snp => &snp::ROOTS,
            Kind::Sgx | Kind::Tdx => &[dcap::ROOT],
            Kind::Tpm | Kind::Simulated => &[],
        };
        if vendor.contains(sha256) {
            return Some(Root::Vendor);
        }
        let given = self
            .roots
            .get(&kind)
            .is_some_and(|set| set.contains(sha256));
        let usable = kind == Kind::Tpm || (!self.production && kind != Kind::Simulated);
        (given && usable).then_some(Root::Given)
    }

    pub(crate) fn names_measurements(&self, kind: Kind) -> bool {
        self.allowed.get(&kind).is_some_and(|set| !set.is_empty())
    }

    pub(crate) fn allows_kind(&self, kind: Kind) -> bool {
        !self.refuses_kind(kind) && self.names_measurements(kind)
    }

    pub(crate) fn refuses_kind(&self, kind: Kind) -> bool {
        self.production && kind == Kind::Simulated
    }

    /// Whether `measurement` is on the allow-list for `kind`.
    pub fn allows(&self, kind: Kind, measurement: &Measurement) -> bool {
        self.allows_kind(kind)
            && self
                .allowed
                .get(&kind)
                .is_some_and(|set| set.contains(measurement))
    }
}

/// Where a trusted root is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Root {
    /// Compiled in.
    Vendor,
    /// Named by the policy.
    Given,
}
