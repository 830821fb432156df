//! What the chain says that an instance may run.

use chain::objects::Cluster;
use keys::Realm;
use tee::Provider;
use tee_verify::{Kind, Measurement, Policy};

/// What this instance runs is not allowed.
#[derive(Debug, thiserror::Error)]
#[error(
    "measurement {measurement} ({kind}) is not on the cluster's allow-list, not yet or not any more: nobody would trust this instance, and it is given no keys; see `daas cluster upgrade`"
)]
pub struct NotAllowed {
    /// Kind of TEE.
    pub kind: Kind,
    /// What runs.
    pub measurement: Measurement,
}

/// The policy for instances that are to have keys of a realm: allowed measurements, and no simulated ones where the
/// realm is production, nor the reverse.
pub(crate) fn policy(cluster: &Cluster, realm: Realm) -> Policy {
    let mut policy = Policy::new();
    if realm == Realm::Production {
        policy = policy.production();
    }
    for allowed in cluster.active(chain::unix_ms()) {
        let (Ok(kind), Ok(measurement)) = (
            Kind::try_from(allowed.kind.code()),
            Measurement::from_bytes(&allowed.bytes),
        ) else {
            continue;
        };
        if Realm::of(kind) == realm {
            policy = policy.allow(kind, measurement);
        }
    }
    policy
}

/// Refuses an instance that the chain does not allow.
///
/// # Errors
/// [`NotAllowed`].
pub(crate) fn check_own(cluster: &Cluster, tee: &dyn Provider) -> Result<(), NotAllowed> {
    let own = tee.measurement();
    let allowed = cluster
        .active(chain::unix_ms())
        .any(|m| m.kind.code() == tee.kind().number() && m.bytes == own.as_bytes());
    if allowed {
        return Ok(());
    }
    Err(NotAllowed {
        kind: tee.kind(),
        measurement: own.clone(),
    })
}
