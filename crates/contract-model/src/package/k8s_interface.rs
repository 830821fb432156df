//! The functions of the module `k8s_interface`, statement by statement as in `k8s_interface.move`.

use sui_sdk_types::Address;

use super::Parameter::{Mut, Ref, Value};
use super::enclave_registry::{check as check_cap, trusts};
use super::k8s_gateway::permissions_of;
use super::slashing::{blake2b256, verify};
use super::staking::function;
use super::{Function, PACKAGE_VERSION, is_label};
use crate::abort::k8s_interface as code;
use crate::execute::call::{Call, Failure, Returns, add};
use crate::layout::enclave_registry::{CLUSTER_OPEN, Cluster, ClusterCap, Enclave};
use crate::layout::framework::{Clock, Coin};
use crate::layout::k8s_gateway::{Gateway, PERMISSION_OPERATE, PERMISSION_USE};
use crate::layout::k8s_interface::{
    FeesWithdrawn, INTENT_RESULT, Interface, InterfaceChanged, InterfaceCreated, InterfaceMigrated,
    Permission, PermissionGranted, PermissionRevoked, REQUEST_ANSWERED, REQUEST_PENDING,
    REQUEST_REFUNDED, Request, RequestAnswered, RequestRefunded, RequestSubmitted, ResultStatement,
    Subject, VERB_OPERATE, VERB_READ, VERB_WRITE,
};
use crate::layout::staking::{Stake, StakingPool};
use crate::types::{Ty, encode};

const VERBS: u64 = 7;
const GREATEST_FEE: u64 = 1_000_000_000_000;
const SHORTEST_TIMEOUT_MS: u64 = 10_000;
const LONGEST_TIMEOUT_MS: u64 = 7 * 86_400_000;
const GREATEST_PAYLOAD: u64 = 16_000;
const LONGEST_NAMESPACE: usize = 63;
const DIGEST_LENGTH: usize = 32;

const INTERFACE: Ty = Ty::Package("k8s_interface", "Interface");
const REQUEST: Ty = Ty::Package("k8s_interface", "Request");
const SUBJECT: Ty = Ty::Package("k8s_interface", "Subject");
const PERMISSION: Ty = Ty::Package("k8s_interface", "Permission");
const CLUSTER: Ty = Ty::Package("enclave_registry", "Cluster");
const ENCLAVE: Ty = Ty::Package("enclave_registry", "Enclave");
const CAP: Ty = Ty::Package("enclave_registry", "ClusterCap");
const GATEWAY: Ty = Ty::Package("k8s_gateway", "Gateway");
const POOL: Ty = Ty::Package("staking", "StakingPool");
const STAKE: Ty = Ty::Package("staking", "Stake");

pub(super) const FUNCTIONS: &[Function] = &[
    function!(create_interface(
        Ref(CAP), Mut(CLUSTER), Value(Ty::U64), Value(Ty::U64), Value(Ty::U64)
    ) ctx -> [INTERFACE]),
    function!(share_interface(Value(INTERFACE)) -> []),
    function!(configure(
        Ref(CAP), Ref(CLUSTER), Mut(INTERFACE), Value(Ty::U64), Value(Ty::U64), Value(Ty::U64)
    ) -> []),
    function!(grant(
        Mut(INTERFACE), Ref(CLUSTER), Value(Ty::Address), Value(Ty::String), Value(Ty::U64),
        Value(Ty::U64), Ref(Ty::Clock)
    ) ctx -> []),
    function!(revoke(
        Mut(INTERFACE), Ref(CLUSTER), Value(Ty::Address), Value(Ty::String)
    ) ctx -> []),
    function!(withdraw_fees(
        Ref(CAP), Ref(CLUSTER), Mut(INTERFACE), Value(Ty::U64)
    ) ctx -> [Ty::Coin]),
    function!(migrate(Ref(CAP), Ref(CLUSTER), Mut(INTERFACE)) -> []),
    function!(submit(
        Mut(INTERFACE), Ref(CLUSTER), Ref(GATEWAY), Ref(POOL), Ref(STAKE), Ref(ENCLAVE),
        Value(Ty::String), Value(Ty::U64), Value(Ty::Bytes), Value(Ty::Bytes), Value(Ty::Coin),
        Ref(Ty::Clock)
    ) ctx -> [REQUEST]),
    function!(share_request(Value(REQUEST)) -> []),
    function!(answer(
        Mut(INTERFACE), Mut(REQUEST), Ref(CLUSTER), Ref(ENCLAVE), Value(Ty::U64),
        Value(Ty::Bytes), Value(Ty::Bytes), Ref(Ty::Clock)
    ) -> []),
    function!(refund(Ref(INTERFACE), Mut(REQUEST), Ref(Ty::Clock)) ctx -> []),
    function!(is_permitted(
        Ref(INTERFACE), Value(Ty::Address), Value(Ty::String), Value(Ty::U64), Value(Ty::U64)
    ) -> [Ty::Bool]),
    function!(fee(Ref(INTERFACE)) -> [Ty::U64]),
    function!(earned(Ref(INTERFACE)) -> [Ty::U64]),
    function!(request_status(Ref(REQUEST)) -> [Ty::U8]),
    function!(request_result(Ref(REQUEST)) -> [Ty::Bytes]),
];

fn create_interface(call: &mut Call<'_>) -> Returns {
    let cap: ClusterCap = call.get(0)?;
    let mut cluster: Cluster = call.get(1)?;
    let (fee, timeout_ms, payload) = (call.get(2)?, call.get(3)?, call.get(4)?);
    check_cap(call, &cluster, &cap)?;
    call.assert(cluster.interface.is_none(), code::EXISTS)?;
    check_bounds(call, fee, timeout_ms, payload)?;
    let interface = Interface {
        id: call.fresh_id(),
        version: PACKAGE_VERSION,
        cluster_id: cluster.id,
        fee,
        timeout_ms,
        payload,
        permissions: call.new_table(),
        requests: 0,
        earned: 0,
    };
    cluster.interface = Some(interface.id);
    call.emit(&InterfaceCreated {
        interface_id: interface.id,
        cluster_id: cluster.id,
        fee,
        timeout_ms,
        payload,
    });
    call.set(1, &cluster)?;
    Ok(vec![encode(&interface)])
}

fn share_interface(call: &mut Call<'_>) -> Returns {
    let interface: Interface = call.get(0)?;
    call.share(&interface)?;
    Ok(vec![])
}

fn configure(call: &mut Call<'_>) -> Returns {
    let cap: ClusterCap = call.get(0)?;
    let cluster: Cluster = call.get(1)?;
    let mut interface: Interface = call.get(2)?;
    let (fee, timeout_ms, payload) = (call.get(3)?, call.get(4)?, call.get(5)?);
    check_cap(call, &cluster, &cap)?;
    check(call, &interface, &cluster)?;
    check_bounds(call, fee, timeout_ms, payload)?;
    interface.fee = fee;
    interface.timeout_ms = timeout_ms;
    interface.payload = payload;
    call.emit(&InterfaceChanged {
        interface_id: interface.id,
        fee,
        timeout_ms,
        payload,
    });
    call.set(2, &interface)?;
    Ok(vec![])
}

fn grant(call: &mut Call<'_>) -> Returns {
    let mut interface: Interface = call.get(0)?;
    let cluster: Cluster = call.get(1)?;
    let subject = Subject {
        user: call.get(2)?,
        namespace: call.get(3)?,
    };
    let permission = Permission {
        verbs: call.get(4)?,
        expires_at_ms: call.get(5)?,
    };
    let now = call.get::<Clock>(6)?.timestamp_ms;
    check(call, &interface, &cluster)?;
    let by = call.sender();
    call.assert(cluster.owners.contains(&by), code::NOT_OWNER)?;
    let named = subject.namespace.len() <= LONGEST_NAMESPACE && is_label(&subject.namespace);
    call.assert(named, code::INVALID_NAMESPACE)?;
    call.assert((1..=VERBS).contains(&permission.verbs), code::OUT_OF_BOUNDS)?;
    call.assert(permission.expires_at_ms > now, code::OUT_OF_BOUNDS)?;
    if permission_of(call, &interface, &subject)?.is_none() {
        interface.permissions.size = add(interface.permissions.size, 1)?;
    }
    call.table_put(
        &interface.permissions,
        SUBJECT,
        PERMISSION,
        &subject,
        &permission,
    )?;
    call.emit(&PermissionGranted {
        interface_id: interface.id,
        user: subject.user,
        namespace: subject.namespace,
        verbs: permission.verbs,
        expires_at_ms: permission.expires_at_ms,
        by,
    });
    call.set(0, &interface)?;
    Ok(vec![])
}

fn revoke(call: &mut Call<'_>) -> Returns {
    let mut interface: Interface = call.get(0)?;
    let cluster: Cluster = call.get(1)?;
    let subject = Subject {
        user: call.get(2)?,
        namespace: call.get(3)?,
    };
    check(call, &interface, &cluster)?;
    let by = call.sender();
    call.assert(cluster.owners.contains(&by), code::NOT_OWNER)?;
    let known = permission_of(call, &interface, &subject)?.is_some();
    call.assert(known, code::UNKNOWN_PERMISSION)?;
    call.table_remove(&interface.permissions, SUBJECT, &subject)?;
    interface.permissions.size = interface.permissions.size.saturating_sub(1);
    call.emit(&PermissionRevoked {
        interface_id: interface.id,
        user: subject.user,
        namespace: subject.namespace,
        by,
    });
    call.set(0, &interface)?;
    Ok(vec![])
}

fn withdraw_fees(call: &mut Call<'_>) -> Returns {
    let cap: ClusterCap = call.get(0)?;
    let cluster: Cluster = call.get(1)?;
    let mut interface: Interface = call.get(2)?;
    let amount: u64 = call.get(3)?;
    check_cap(call, &cluster, &cap)?;
    check(call, &interface, &cluster)?;
    let earned = (1..=interface.earned).contains(&amount);
    call.assert(earned, code::EARNED_TOO_LITTLE)?;
    interface.earned -= amount;
    let coin = Coin {
        id: call.fresh_id(),
        balance: amount,
    };
    call.emit(&FeesWithdrawn {
        interface_id: interface.id,
        amount,
        remaining: interface.earned,
    });
    call.set(2, &interface)?;
    Ok(vec![encode(&coin)])
}

fn migrate(call: &mut Call<'_>) -> Returns {
    let cap: ClusterCap = call.get(0)?;
    let cluster: Cluster = call.get(1)?;
    let mut interface: Interface = call.get(2)?;
    check_cap(call, &cluster, &cap)?;
    call.assert(interface.cluster_id == cluster.id, code::WRONG_CLUSTER)?;
    let older = interface.version < PACKAGE_VERSION;
    call.assert(older, code::NOT_AN_UPGRADE)?;
    interface.version = PACKAGE_VERSION;
    call.emit(&InterfaceMigrated {
        interface_id: interface.id,
        version: PACKAGE_VERSION,
    });
    call.set(2, &interface)?;
    Ok(vec![])
}

fn submit(call: &mut Call<'_>) -> Returns {
    let mut interface: Interface = call.get(0)?;
    let cluster: Cluster = call.get(1)?;
    let gateway: Gateway = call.get(2)?;
    let pool: StakingPool = call.get(3)?;
    let stake: Stake = call.get(4)?;
    let enclave: Enclave = call.get(5)?;
    let namespace: String = call.get(6)?;
    let verb: u64 = call.get(7)?;
    let payload: Vec<u8> = call.get(8)?;
    let digest: Vec<u8> = call.get(9)?;
    let fee: Coin = call.get(10)?;
    let now = call.get::<Clock>(11)?.timestamp_ms;
    check(call, &interface, &cluster)?;
    call.assert(!pool.paused, code::PAUSED)?;
    call.assert(cluster.status == CLUSTER_OPEN, code::CLUSTER_NOT_OPEN)?;
    let known = matches!(verb, VERB_READ | VERB_WRITE | VERB_OPERATE);
    call.assert(known, code::OUT_OF_BOUNDS)?;
    let user = call.sender();
    let needed = match verb {
        VERB_OPERATE => PERMISSION_OPERATE,
        _ => PERMISSION_USE,
    };
    let staked =
        stake.owner == user && permissions_of(call, &gateway, &pool, &stake)? & needed != 0;
    call.assert(staked, code::INSUFFICIENT_STAKE)?;
    let permitted = permits(call, &interface, user, &namespace, verb, now)?;
    call.assert(permitted, code::NOT_PERMITTED)?;
    call.assert(trusts(&cluster, &enclave), code::UNTRUSTED_ENCLAVE)?;
    let key = !enclave.encryption_key.is_empty();
    call.assert(key, code::NO_ENCRYPTION_KEY)?;
    let length = u64::try_from(payload.len()).unwrap_or(u64::MAX);
    let fits = (1..=interface.payload).contains(&length);
    call.assert(fits, code::INVALID_PAYLOAD)?;
    call.assert(digest == blake2b256(&payload), code::WRONG_DIGEST)?;
    call.assert(fee.balance == interface.fee, code::WRONG_FEE)?;
    call.delete(fee.id);
    let request = Request {
        id: call.fresh_id(),
        cluster_id: interface.cluster_id,
        user,
        namespace: namespace.clone(),
        verb,
        enclave_id: enclave.id,
        payload: payload.clone(),
        digest: digest.clone(),
        fee: fee.balance,
        submitted_at_ms: now,
        deadline_ms: add(now, interface.timeout_ms)?,
        status: REQUEST_PENDING,
        code: 0,
        result: Vec::new(),
    };
    interface.requests = add(interface.requests, 1)?;
    call.emit(&RequestSubmitted {
        request_id: request.id,
        interface_id: interface.id,
        cluster_id: request.cluster_id,
        user,
        namespace,
        verb,
        enclave_id: enclave.id,
        payload,
        digest,
        fee: interface.fee,
        submitted_at_ms: now,
        deadline_ms: request.deadline_ms,
    });
    call.set(0, &interface)?;
    Ok(vec![encode(&request)])
}

fn share_request(call: &mut Call<'_>) -> Returns {
    let request: Request = call.get(0)?;
    call.share(&request)?;
    Ok(vec![])
}

fn answer(call: &mut Call<'_>) -> Returns {
    let mut interface: Interface = call.get(0)?;
    let mut request: Request = call.get(1)?;
    let cluster: Cluster = call.get(2)?;
    let enclave: Enclave = call.get(3)?;
    let status: u64 = call.get(4)?;
    let result: Vec<u8> = call.get(5)?;
    let signature: Vec<u8> = call.get(6)?;
    let now = call.get::<Clock>(7)?.timestamp_ms;
    check(call, &interface, &cluster)?;
    let own = request.cluster_id == interface.cluster_id;
    call.assert(own, code::WRONG_CLUSTER)?;
    call.assert(request.status == REQUEST_PENDING, code::NOT_PENDING)?;
    call.assert(now < request.deadline_ms, code::TOO_LATE)?;
    call.assert(trusts(&cluster, &enclave), code::UNTRUSTED_ENCLAVE)?;
    call.assert(result.len() == DIGEST_LENGTH, code::INVALID_RESULT)?;
    let statement = ResultStatement {
        intent: INTENT_RESULT,
        cluster_id: request.cluster_id,
        request_id: request.id,
        digest: request.digest.clone(),
        code: status,
        result: result.clone(),
    };
    let signed = verify(&signature, &enclave.public_key, &encode(&statement));
    call.assert(signed, code::INVALID_SIGNATURE)?;
    let fee = std::mem::take(&mut request.fee);
    request.status = REQUEST_ANSWERED;
    request.code = status;
    request.result.clone_from(&result);
    call.emit(&RequestAnswered {
        request_id: request.id,
        interface_id: interface.id,
        code: status,
        result,
        fee,
        at_ms: now,
    });
    interface.earned = add(interface.earned, fee)?;
    call.set(0, &interface)?;
    call.set(1, &request)?;
    Ok(vec![])
}

fn refund(call: &mut Call<'_>) -> Returns {
    let interface: Interface = call.get(0)?;
    let mut request: Request = call.get(1)?;
    let now = call.get::<Clock>(2)?.timestamp_ms;
    let current = interface.version == PACKAGE_VERSION;
    call.assert(current, code::WRONG_VERSION)?;
    let own = request.cluster_id == interface.cluster_id;
    call.assert(own, code::WRONG_CLUSTER)?;
    call.assert(request.status == REQUEST_PENDING, code::NOT_PENDING)?;
    call.assert(now >= request.deadline_ms, code::TOO_EARLY)?;
    let fee = std::mem::take(&mut request.fee);
    request.status = REQUEST_REFUNDED;
    call.emit(&RequestRefunded {
        request_id: request.id,
        interface_id: interface.id,
        user: request.user,
        fee,
        at_ms: now,
    });
    if fee > 0 {
        let coin = Coin {
            id: call.fresh_id(),
            balance: fee,
        };
        call.send_coin(&coin, request.user);
    }
    call.set(1, &request)?;
    Ok(vec![])
}

fn is_permitted(call: &mut Call<'_>) -> Returns {
    let interface: Interface = call.get(0)?;
    let user: Address = call.get(1)?;
    let namespace: String = call.get(2)?;
    let (verb, at_ms) = (call.get(3)?, call.get(4)?);
    let permitted = permits(call, &interface, user, &namespace, verb, at_ms)?;
    Ok(vec![encode(&permitted)])
}

fn fee(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Interface>(0)?.fee)])
}

fn earned(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Interface>(0)?.earned)])
}

fn request_status(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Request>(0)?.status)])
}

fn request_result(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Request>(0)?.result)])
}

fn check(call: &Call<'_>, interface: &Interface, cluster: &Cluster) -> Result<(), Failure> {
    let current = interface.version == PACKAGE_VERSION;
    call.assert(current, code::WRONG_VERSION)?;
    call.assert(interface.cluster_id == cluster.id, code::WRONG_CLUSTER)
}

fn check_bounds(call: &Call<'_>, fee: u64, timeout_ms: u64, payload: u64) -> Result<(), Failure> {
    let bounded = fee <= GREATEST_FEE
        && (SHORTEST_TIMEOUT_MS..=LONGEST_TIMEOUT_MS).contains(&timeout_ms)
        && (1..=GREATEST_PAYLOAD).contains(&payload);
    call.assert(bounded, code::OUT_OF_BOUNDS)
}

fn permission_of(
    call: &Call<'_>,
    interface: &Interface,
    subject: &Subject,
) -> Result<Option<Permission>, Failure> {
    call.table_get(&interface.permissions, SUBJECT, subject)
}

fn permits(
    call: &Call<'_>,
    interface: &Interface,
    user: Address,
    namespace: &str,
    verb: u64,
    at_ms: u64,
) -> Result<bool, Failure> {
    for namespace in [namespace, ""] {
        let subject = Subject {
            user,
            namespace: namespace.to_owned(),
        };
        let permission = permission_of(call, interface, &subject)?;
        if permission.is_some_and(|p| p.verbs & verb != 0 && at_ms < p.expires_at_ms) {
            return Ok(true);
        }
    }
    Ok(false)
}
