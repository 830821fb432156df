//! The functions of the module `anchors`, statement by statement as in `anchors.move`.

use super::Parameter::{Mut, Ref, Value};
use super::enclave_registry::trusts;
use super::slashing::verify;
use super::staking::function;
use super::{Function, PACKAGE_VERSION};
use crate::abort::anchors as code;
use crate::execute::call::{Call, Failure, Returns, add};
use crate::layout::anchors::{
    Anchor, AnchorStatement, Anchors, AnchorsCreated, AnchorsMigrated, INTENT_ANCHOR,
    OldestStatementChanged, StateAnchored,
};
use crate::layout::enclave_registry::{Cluster, Enclave};
use crate::layout::framework::Clock;
use crate::types::{Ty, encode};

const LEAST_STATEMENT_MS: u64 = 60_000;
const GREATEST_STATEMENT_MS: u64 = 86_400_000;
const ROOT_LENGTH: usize = 32;

const ANCHORS: Ty = Ty::Package("anchors", "Anchors");
const ANCHOR: Ty = Ty::Package("anchors", "Anchor");
const ADMIN_CAP: Ty = Ty::Package("staking", "AdminCap");
const CLUSTER: Ty = Ty::Package("enclave_registry", "Cluster");
const ENCLAVE: Ty = Ty::Package("enclave_registry", "Enclave");

pub(super) const FUNCTIONS: &[Function] = &[
    function!(anchor(
        Mut(ANCHORS), Ref(CLUSTER), Ref(ENCLAVE), Value(Ty::U64), Value(Ty::U64), Value(Ty::U64),
        Value(Ty::Bytes), Value(Ty::U64), Value(Ty::Bytes), Ref(Ty::Clock)
    ) -> []),
    function!(migrate(Ref(ADMIN_CAP), Mut(ANCHORS)) -> []),
];

pub(super) fn init(call: &mut Call<'_>) -> Result<(), Failure> {
    let anchors = Anchors {
        id: call.fresh_id(),
        version: PACKAGE_VERSION,
        latest: call.new_table(),
        oldest_statement_ms: 600_000,
    };
    call.emit(&AnchorsCreated {
        anchors_id: anchors.id,
        oldest_statement_ms: anchors.oldest_statement_ms,
    });
    call.share(&anchors)
}

fn anchor(call: &mut Call<'_>) -> Returns {
    let mut anchors: Anchors = call.get(0)?;
    let cluster: Cluster = call.get(1)?;
    let enclave: Enclave = call.get(2)?;
    let statement = AnchorStatement {
        intent: INTENT_ANCHOR,
        timestamp_ms: call.get(7)?,
        cluster_id: cluster.id,
        epoch: call.get(3)?,
        term: call.get(4)?,
        revision: call.get(5)?,
        root: call.get(6)?,
    };
    let signature: Vec<u8> = call.get(8)?;
    let now = call.get::<Clock>(9)?.timestamp_ms;
    let signed_at = statement.timestamp_ms;
    call.assert(anchors.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    call.assert(trusts(&cluster, &enclave), code::UNTRUSTED_ENCLAVE)?;
    let fresh = signed_at <= now && now - signed_at <= anchors.oldest_statement_ms;
    call.assert(fresh, code::STALE_STATEMENT)?;
    call.assert(statement.root.len() == ROOT_LENGTH, code::INVALID_ROOT)?;
    let signed = verify(&signature, &enclave.public_key, &encode(&statement));
    call.assert(signed, code::INVALID_SIGNATURE)?;

    let mut anchor = Anchor {
        epoch: statement.epoch,
        term: statement.term,
        revision: statement.revision,
        root: statement.root,
        measurement: enclave.measurement,
        anchored_at_ms: now,
        sequence: 0,
    };
    let latest: Option<Anchor> = call.table_get(&anchors.latest, Ty::Id, &cluster.id)?;
    match latest {
        Some(latest) => {
            call.assert(is_newer(&anchor, &latest), code::NOT_NEWER)?;
            anchor.sequence = add(latest.sequence, 1)?;
        }
        None => anchors.latest.size = add(anchors.latest.size, 1)?,
    }
    call.table_put(&anchors.latest, Ty::Id, ANCHOR, &cluster.id, &anchor)?;
    call.emit(&StateAnchored {
        cluster_id: cluster.id,
        enclave_id: enclave.id,
        epoch: anchor.epoch,
        term: anchor.term,
        revision: anchor.revision,
        root: anchor.root,
        measurement: anchor.measurement,
        anchored_at_ms: now,
        sequence: anchor.sequence,
    });
    call.set(0, &anchors)?;
    Ok(vec![])
}

fn migrate(call: &mut Call<'_>) -> Returns {
    let mut anchors: Anchors = call.get(1)?;
    call.assert(anchors.version < PACKAGE_VERSION, code::NOT_AN_UPGRADE)?;
    anchors.version = PACKAGE_VERSION;
    call.emit(&AnchorsMigrated {
        anchors_id: anchors.id,
        version: PACKAGE_VERSION,
    });
    call.set(1, &anchors)?;
    Ok(vec![])
}

fn is_newer(anchor: &Anchor, latest: &Anchor) -> bool {
    anchor.epoch > latest.epoch
        || (anchor.epoch == latest.epoch
            && anchor.term >= latest.term
            && anchor.revision > latest.revision)
}

/// `set_oldest_statement`, for `params`.
pub(super) fn set_oldest_statement(
    call: &mut Call<'_>,
    anchors: &mut Anchors,
    oldest_statement_ms: u64,
) -> Result<(), Failure> {
    let mut call = call.inside("anchors");
    call.assert(anchors.version == PACKAGE_VERSION, code::WRONG_VERSION)?;
    let bounded = (LEAST_STATEMENT_MS..=GREATEST_STATEMENT_MS).contains(&oldest_statement_ms);
    call.assert(bounded, code::OUT_OF_BOUNDS)?;
    anchors.oldest_statement_ms = oldest_statement_ms;
    call.emit(&OldestStatementChanged {
        anchors_id: anchors.id,
        oldest_statement_ms,
    });
    Ok(())
}
