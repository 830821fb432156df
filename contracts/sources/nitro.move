// SPDX-License-Identifier: Apache-2.0

/// Registration of a control plane by the attestation document of its AWS Nitro enclave.
///
/// One programmable transaction: `0x2::nitro_attestation::load_nitro_attestation` verifies the
/// document (signature, certificates, AWS's root) and gives its contents, `register` passes them on
/// as plain bytes. Everything that is decided here is decided in
/// `enclave_registry::register_attested`.
module k3s_daas::nitro;

use k3s_daas::enclave_registry::{Self, Cluster, Enclave};
use std::string::String;
use sui::clock::Clock;
use sui::nitro_attestation::NitroAttestationDocument;

/// Registers the keys and the endpoint that the document's user data is bound to. The result must be
/// shared in the same transaction.
public fun register(
    cluster: &mut Cluster,
    document: NitroAttestationDocument,
    public_key: vector<u8>,
    encryption_key: vector<u8>,
    url: String,
    tls_key_hash: vector<u8>,
    clock: &Clock,
    ctx: &mut TxContext,
): Enclave {
    let registers = document.pcrs();
    enclave_registry::register_attested(
        cluster,
        registers.map_ref!(|register| register.index()),
        registers.map_ref!(|register| *register.value()),
        *document.timestamp(),
        (*document.user_data()).destroy_with_default(vector[]),
        public_key,
        encryption_key,
        url,
        tls_key_hash,
        clock,
        ctx,
    )
}
