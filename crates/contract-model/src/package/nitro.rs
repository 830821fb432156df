//! The functions of the module `nitro`, statement by statement as in `nitro.move`.
//!
//! No document gets here: the model's `0x2::nitro_attestation` answers as on a network without it.

use super::Function;
use super::Parameter::{Mut, Ref, Value};
use super::enclave_registry::{Registration, register_attested};
use super::staking::function;
use crate::execute::call::{Call, Returns};
use crate::layout::enclave_registry::Cluster;
use crate::layout::framework::{Clock, NitroAttestationDocument};
use crate::types::{Ty, encode};

const CLUSTER: Ty = Ty::Package("enclave_registry", "Cluster");
const ENCLAVE: Ty = Ty::Package("enclave_registry", "Enclave");
const DOCUMENT: Ty = Ty::Sui("nitro_attestation", "NitroAttestationDocument");

pub(super) const FUNCTIONS: &[Function] = &[function!(register(
    Mut(CLUSTER), Value(DOCUMENT), Value(Ty::Bytes), Value(Ty::Bytes), Value(Ty::String),
    Value(Ty::Bytes), Ref(Ty::Clock)
) ctx -> [ENCLAVE])];

fn register(call: &mut Call<'_>) -> Returns {
    let mut cluster: Cluster = call.get(0)?;
    let document: NitroAttestationDocument = call.get(1)?;
    let registration = Registration {
        public_key: call.get(2)?,
        encryption_key: call.get(3)?,
        url: call.get(4)?,
        tls_key_hash: call.get(5)?,
    };
    let now = call.get::<Clock>(6)?.timestamp_ms;
    let registers = document.pcrs.into_iter();
    let registers: Vec<_> = registers.map(|entry| (entry.index, entry.value)).collect();
    let enclave = register_attested(
        call,
        &mut cluster,
        &registers,
        document.timestamp,
        &document.user_data.unwrap_or_default(),
        registration,
        now,
    )?;
    call.set(0, &cluster)?;
    Ok(vec![encode(&enclave)])
}
