//! The entries of the modules `enclave_registry` and `nitro`.

use sui_sdk_types::Address;

use super::REGISTRY;
use crate::Deployment;
use crate::call::Call;
use crate::objects::{ClusterStatus, TeeKind, VouchingStatement};

/// A measurement to be put on an allow-list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Kind of TEE.
    pub kind: TeeKind,
    /// The measurement: 32, 48 or 64 bytes.
    pub measurement: Vec<u8>,
    /// The source commit that it was built from, or another description.
    pub source: String,
    /// From when it counts, milliseconds since 1970; 0: as soon as the cluster's notice allows.
    pub active_at_ms: u64,
}

/// Creates a cluster with an allow-list, in one transaction; the sender gets its capability.
///
/// [`crate::Executed::created`] gives the ids (`enclave_registry::Cluster`,
/// `enclave_registry::ClusterCap`).
#[must_use]
pub fn create_cluster(deployment: &Deployment, name: &str, allow: Vec<Approval>) -> Call {
    let name = name.to_owned();
    Call::new(deployment, "create a cluster", move |tx| {
        let name = tx.pure(&name);
        let made = tx.call(REGISTRY, "create_cluster", vec![name]).to_nested(2);
        let &[cluster, cap] = made.as_slice() else {
            return Err(tx.impossible());
        };
        for approval in &allow {
            let arguments = vec![
                cap,
                cluster,
                tx.pure(&approval.kind.code()),
                tx.pure(&approval.measurement),
                tx.pure(&approval.source),
                tx.pure(&approval.active_at_ms),
                tx.clock()?,
            ];
            tx.call(REGISTRY, "approve_measurement", arguments);
        }
        tx.call(REGISTRY, "share_cluster", vec![cluster]);
        tx.keep(vec![cap]);
        Ok(())
    })
    .with_clock()
}

/// Puts a measurement on a cluster's allow-list, with the capability `cap` of the sender.
#[must_use]
pub fn approve_measurement(
    deployment: &Deployment,
    cap: Address,
    cluster: Address,
    approval: Approval,
) -> Call {
    Call::new(deployment, "approve a measurement", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(cluster)?,
            tx.pure(&approval.kind.code()),
            tx.pure(&approval.measurement),
            tx.pure(&approval.source),
            tx.pure(&approval.active_at_ms),
            tx.clock()?,
        ];
        tx.call(REGISTRY, "approve_measurement", arguments);
        Ok(())
    })
    .reads(cap)
    .changes(cluster)
    .with_clock()
}

/// Takes a measurement off the allow-list.
#[must_use]
pub fn retire_measurement(
    deployment: &Deployment,
    cap: Address,
    cluster: Address,
    kind: TeeKind,
    measurement: &[u8],
) -> Call {
    let measurement = measurement.to_vec();
    Call::new(deployment, "retire a measurement", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(cluster)?,
            tx.pure(&kind.code()),
            tx.pure(&measurement),
            tx.clock()?,
        ];
        tx.call(REGISTRY, "retire_measurement", arguments);
        Ok(())
    })
    .reads(cap)
    .changes(cluster)
    .with_clock()
}

/// An instance of the control plane, as it is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointRegistration {
    /// Where it listens, `https://host:port`.
    pub url: String,
    /// SHA-256 of its TLS key's SubjectPublicKeyInfo in DER.
    pub tls_key_hash: [u8; 32],
    /// What it runs; it has to be on the allow-list.
    pub measurement: Vec<u8>,
    /// Kind of TEE.
    pub kind: TeeKind,
}

/// Registers an instance of the control plane, or registers it anew under the same URL.
#[must_use]
pub fn register_endpoint(
    deployment: &Deployment,
    cap: Address,
    cluster: Address,
    endpoint: EndpointRegistration,
) -> Call {
    Call::new(deployment, "register an endpoint", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(cluster)?,
            tx.pure(&endpoint.url),
            tx.pure(&endpoint.tls_key_hash.to_vec()),
            tx.pure(&endpoint.measurement),
            tx.pure(&endpoint.kind.code()),
            tx.clock()?,
        ];
        tx.call(REGISTRY, "register_endpoint", arguments);
        Ok(())
    })
    .reads(cap)
    .changes(cluster)
    .with_clock()
}

/// Removes an instance of the control plane.
#[must_use]
pub fn remove_endpoint(deployment: &Deployment, cap: Address, cluster: Address, url: &str) -> Call {
    let url = url.to_owned();
    Call::new(deployment, "remove an endpoint", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(cluster)?,
            tx.pure(&url),
            tx.clock()?,
        ];
        tx.call(REGISTRY, "remove_endpoint", arguments);
        Ok(())
    })
    .reads(cap)
    .changes(cluster)
    .with_clock()
}

/// Registers the signing key of a control plane that runs an allowed measurement, with the capability
/// `cap` of the sender. It takes no requests: it has no key to encrypt to.
///
/// [`crate::Executed::created`] gives the id (`enclave_registry::Enclave`).
#[must_use]
pub fn register_enclave(
    deployment: &Deployment,
    cap: Address,
    cluster: Address,
    public_key: [u8; 32],
    kind: TeeKind,
    measurement: &[u8],
) -> Call {
    register_enclave_with(
        deployment,
        cap,
        cluster,
        public_key,
        &[],
        (kind, measurement),
    )
}

/// The same with an X25519 key that requests are encrypted to.
#[must_use]
pub fn register_enclave_with(
    deployment: &Deployment,
    cap: Address,
    cluster: Address,
    public_key: [u8; 32],
    encryption_key: &[u8],
    (kind, measurement): (TeeKind, &[u8]),
) -> Call {
    let (encryption_key, measurement) = (encryption_key.to_vec(), measurement.to_vec());
    Call::new(deployment, "register an enclave", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(cluster)?,
            tx.pure(&public_key.to_vec()),
            tx.pure(&encryption_key),
            tx.pure(&measurement),
            tx.pure(&kind.code()),
            tx.clock()?,
        ];
        let enclave = tx.call(REGISTRY, "register_enclave", arguments);
        tx.call(REGISTRY, "share_enclave", vec![enclave]);
        Ok(())
    })
    .reads(cap)
    .changes(cluster)
    .with_clock()
}

/// Revokes a control plane's signing key: nothing that it signed counts any longer.
#[must_use]
pub fn revoke_enclave(
    deployment: &Deployment,
    cap: Address,
    cluster: Address,
    enclave: Address,
) -> Call {
    Call::new(deployment, "revoke an enclave", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(cluster)?,
            tx.object(enclave)?,
            tx.clock()?,
        ];
        tx.call(REGISTRY, "revoke_enclave", arguments);
        Ok(())
    })
    .reads(cap)
    .changes(cluster)
    .changes(enclave)
    .with_clock()
}

/// An image of a Nitro enclave to be put on an allow-list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The measurement: SHA-384 over PCR 0, 1 and 2.
    pub measurement: Vec<u8>,
    /// Index and value (48 bytes) of the registers that its attestation documents must show: 0, 1 and
    /// 2 at least.
    pub registers: Vec<(u8, Vec<u8>)>,
    /// The source commit that it was built from, or another description.
    pub source: String,
    /// From when it counts, milliseconds since 1970; 0: as soon as the cluster's notice allows.
    pub active_at_ms: u64,
}

/// Puts an image on a cluster's allow-list whose attestation documents the chain verifies itself, with
/// the capability `cap` of the sender.
#[must_use]
pub fn approve_image(
    deployment: &Deployment,
    cap: Address,
    cluster: Address,
    image: Image,
) -> Call {
    let (indices, values): (Vec<u8>, Vec<Vec<u8>>) = image.registers.into_iter().unzip();
    Call::new(deployment, "approve an image", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(cluster)?,
            tx.pure(&image.measurement),
            tx.pure(&indices),
            tx.pure(&values),
            tx.pure(&image.source),
            tx.pure(&image.active_at_ms),
            tx.clock()?,
        ];
        tx.call(REGISTRY, "approve_image", arguments);
        Ok(())
    })
    .reads(cap)
    .changes(cluster)
    .with_clock()
}

/// Opens, suspends or closes a cluster.
#[must_use]
pub fn set_cluster_status(
    deployment: &Deployment,
    cap: Address,
    cluster: Address,
    status: ClusterStatus,
) -> Call {
    Call::new(deployment, "set a cluster's status", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(cluster)?,
            tx.pure(&status.code()),
        ];
        tx.call(REGISTRY, "set_status", arguments);
        Ok(())
    })
    .reads(cap)
    .changes(cluster)
}

/// Sets the terms on which measurements and enclaves come in: notice in milliseconds, quorum of
/// vouchers, and whether only attested enclaves come in.
#[must_use]
pub fn set_cluster_terms(
    deployment: &Deployment,
    cap: Address,
    cluster: Address,
    (notice_ms, quorum, attested_only): (u64, u64, bool),
) -> Call {
    Call::new(deployment, "set a cluster's terms", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(cluster)?,
            tx.pure(&notice_ms),
            tx.pure(&quorum),
            tx.pure(&attested_only),
        ];
        tx.call(REGISTRY, "set_terms", arguments);
        Ok(())
    })
    .reads(cap)
    .changes(cluster)
}

/// Adds an owner to a cluster.
#[must_use]
pub fn add_owner(deployment: &Deployment, cap: Address, cluster: Address, owner: Address) -> Call {
    change_owner(deployment, "add_owner", cap, cluster, owner)
}

/// Removes an owner from a cluster.
#[must_use]
pub fn remove_owner(
    deployment: &Deployment,
    cap: Address,
    cluster: Address,
    owner: Address,
) -> Call {
    change_owner(deployment, "remove_owner", cap, cluster, owner)
}

fn change_owner(
    deployment: &Deployment,
    function: &'static str,
    cap: Address,
    cluster: Address,
    owner: Address,
) -> Call {
    Call::new(deployment, "change a cluster's owners", move |tx| {
        let arguments = vec![tx.object(cap)?, tx.object(cluster)?, tx.pure(&owner)];
        tx.call(REGISTRY, function, arguments);
        Ok(())
    })
    .reads(cap)
    .changes(cluster)
}

/// Registers the enclave that a statement is about, with the signatures of those that vouch for it.
/// The sender has to be the statement's.
#[must_use]
pub fn register_vouched(
    deployment: &Deployment,
    statement: VouchingStatement,
    vouchers: &[(Address, [u8; 64])],
) -> Call {
    let cluster = statement.cluster_id;
    let ids: Vec<Address> = vouchers.iter().map(|(id, _)| *id).collect();
    let signatures: Vec<Vec<u8>> = vouchers.iter().map(|(_, by)| by.to_vec()).collect();
    Call::new(deployment, "register a vouched enclave", move |tx| {
        let arguments = vec![
            tx.object(cluster)?,
            tx.pure(&statement.kind.code()),
            tx.pure(&statement.measurement),
            tx.pure(&statement.evidence),
            tx.pure(&statement.public_key),
            tx.pure(&statement.encryption_key),
            tx.pure(&statement.url),
            tx.pure(&statement.tls_key_hash),
            tx.pure(&statement.timestamp_ms),
            tx.pure(&ids),
            tx.pure(&signatures),
            tx.clock()?,
        ];
        let enclave = tx.call(REGISTRY, "register_vouched", arguments);
        tx.call(REGISTRY, "share_enclave", vec![enclave]);
        Ok(())
    })
    .changes(cluster)
    .with_clock()
}

/// An enclave with the Nitro document that attests it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestedRegistration {
    /// The document: its user data is the hash of a [`crate::objects::RegistrationStatement`] of what
    /// follows.
    pub document: Vec<u8>,
    /// Ed25519.
    pub public_key: [u8; 32],
    /// X25519, or empty.
    pub encryption_key: Vec<u8>,
    /// Where it listens.
    pub url: String,
    /// SHA-256 of its TLS key's SubjectPublicKeyInfo in DER.
    pub tls_key_hash: [u8; 32],
}

/// Has the chain verify a Nitro document and register the enclave that it attests. Networks without
/// `0x2::nitro_attestation`, and the embedded ledger, abort in that module.
#[must_use]
pub fn register_attested(
    deployment: &Deployment,
    cluster: Address,
    registration: AttestedRegistration,
) -> Call {
    Call::new(deployment, "register an attested enclave", move |tx| {
        let arguments = vec![tx.pure(&registration.document), tx.clock()?];
        let document = tx.framework("nitro_attestation", "load_nitro_attestation", arguments);
        let arguments = vec![
            tx.object(cluster)?,
            document,
            tx.pure(&registration.public_key.to_vec()),
            tx.pure(&registration.encryption_key),
            tx.pure(&registration.url),
            tx.pure(&registration.tls_key_hash.to_vec()),
            tx.clock()?,
        ];
        let enclave = tx.call("nitro", "register", arguments);
        tx.call(REGISTRY, "share_enclave", vec![enclave]);
        Ok(())
    })
    .changes(cluster)
    .with_clock()
}
