//! What a platform must be, beyond what runs on it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Policy, SnpTcb, TcbStatus};

/// The state that a platform's firmware and microcode must be in. What isn't given stays as [`Policy::new`] has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct TcbPolicy {
    /// The least firmware of an SNP platform.
    pub snp_minimum: Option<SnpTcb>,
    /// The least privileged level that an SNP report may come from.
    pub snp_max_vmpl: Option<u32>,
    /// What Intel may say of an SGX or TDX platform.
    pub tcb_statuses: Option<BTreeSet<TcbStatus>>,
    /// The least number of the TCB recovery that SGX and TDX collateral must be of.
    pub min_tcb_evaluation: Option<u32>,
}

impl TcbPolicy {
    /// The policy with these demands.
    #[must_use]
    pub fn apply(&self, mut policy: Policy) -> Policy {
        if let Some(minimum) = self.snp_minimum {
            policy.snp_minimum = minimum;
        }
        if let Some(most) = self.snp_max_vmpl {
            policy.snp_max_vmpl = most;
        }
        if let Some(statuses) = &self.tcb_statuses {
            policy.tcb_statuses.clone_from(statuses);
        }
        if let Some(least) = self.min_tcb_evaluation {
            policy.min_tcb_evaluation = least;
        }
        policy
    }
}
