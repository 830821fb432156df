//! Names and meanings of the package's abort codes, as in the Move sources.

use crate::Abort;

mod interface;

use interface::{INTERFACE, UPGRADES};

const STAKING: &[(&str, &str)] = &[
    (
        "EWrongVersion",
        "the object belongs to another version of the package",
    ),
    ("EUnknownTier", "there is no such tier"),
    ("EBelowMinimum", "the amount is below the tier's minimum"),
    ("ENotOwner", "the sender does not own the stake"),
    ("ENotActive", "the stake is not active"),
    ("EStillLocked", "the stake is still locked up"),
    ("ENotUnbonding", "the stake is not unbonding"),
    ("EStillUnbonding", "the unbonding period is not over"),
    (
        "ENotSlashable",
        "the stake is withdrawn or slashed out: there is nothing to slash",
    ),
    ("EZeroAmount", "the amount is zero"),
    ("ETreasuryTooSmall", "the treasury holds less"),
    ("EOutOfBounds", "a parameter is out of its bounds"),
    ("ETextTooLong", "a text is longer than allowed"),
    (
        "ENotAnUpgrade",
        "the object already has the package's version",
    ),
    ("EPaused", "governance has stopped new stake"),
    ("ENotJailed", "the stake is not jailed"),
    ("EStillJailed", "the sentence is not over"),
    (
        "ETombstoned",
        "the stake is tombstoned: it never counts again",
    ),
    ("EJailed", "the stake is jailed"),
    ("EAccused", "a case against the stake is pending"),
    (
        "ECommission",
        "the commission is above the greatest, or rises by more than its step",
    ),
    (
        "ETooSoon",
        "the commission or the key was changed less than a day ago",
    ),
    ("EWrongTier", "the stake is not of the node tier"),
];

const SHARES: &[(&str, &str)] = &[
    ("", ""),
    (
        "EWorthless",
        "losses have left next to nothing behind a share",
    ),
    ("ETooMany", "there are not so many shares"),
];

const UNBONDING: &[(&str, &str)] = &[
    ("", ""),
    (
        "EWrongStake",
        "the stake is not the one whose queue this is part of",
    ),
];

const DELEGATION: &[(&str, &str)] = &[
    ("", ""),
    ("EWrongStake", "the delegation is to another stake"),
    (
        "ENotEnrolled",
        "the stake does not earn: it is not enrolled",
    ),
    (
        "EZeroAmount",
        "an amount of zero, or of nothing that is left",
    ),
    ("EDust", "too little would remain: take all"),
    ("ENothingOwed", "there is nothing to claim"),
    ("ENotEmpty", "there is something in it"),
];

const NODE_KEYS: &[(&str, &str)] = &[
    ("", ""),
    ("ENotOwner", "the sender does not own the stake"),
    ("EWrongStake", "the stake is not the token's"),
    (
        "EKeyUsed",
        "the key is the present one, or one that the stake had before",
    ),
    (
        "EInvalidProof",
        "the proof is not the new key's signature over the rotation",
    ),
];

const GATEWAY: &[(&str, &str)] = &[
    (
        "EWrongVersion",
        "the object belongs to another version of the package",
    ),
    (
        "ENotOwner",
        "the sender does not own the stake or the token",
    ),
    (
        "EInsufficientStake",
        "the stake is not an active, sufficient stake of the node tier",
    ),
    (
        "EInvalidNodeId",
        "the node id is empty, too long, or not a valid node name",
    ),
    ("EInvalidNodeKey", "the node key is not 32 bytes"),
    ("EInvalidCommitment", "the commitment is not 32 bytes"),
    ("EInvalidTtl", "the time to live is out of its bounds"),
    ("EInvalidEndpoint", "the endpoint is too long"),
    ("ENodeIdTaken", "a live token holds the node's name"),
    ("EStakeInUse", "the stake already backs a live token"),
    ("EWrongStake", "the stake is not the token's"),
    ("ERevoked", "the token is revoked"),
    (
        "ESuperseded",
        "the token expired, and its node name or stake went to another token",
    ),
    (
        "EStillBacked",
        "the token's stake is sufficient, so only its owner or governance may revoke it",
    ),
    (
        "ENotAnUpgrade",
        "the object already has the package's version",
    ),
    ("EPaused", "governance has stopped new tokens"),
    ("EClusterNotOpen", "the cluster is suspended or closed"),
    (
        "EUntrustedEnclave",
        "the enclave is another cluster's, revoked, or runs what is no longer allowed",
    ),
    (
        "EInvalidSignature",
        "the signature is not the enclave's over this statement",
    ),
    (
        "EStaleStatement",
        "the statement is from the future or too old",
    ),
    (
        "EConsumed",
        "the token was used with its present commitment",
    ),
    ("EWrongCluster", "the cluster is not the token's"),
    ("EExpired", "the token has expired"),
    ("EOutOfBounds", "a rule is out of its bounds"),
];

const REGISTRY: &[(&str, &str)] = &[
    (
        "EWrongVersion",
        "the object belongs to another version of the package",
    ),
    ("EWrongCluster", "the capability is another cluster's"),
    (
        "EInvalidName",
        "the name is empty, too long or has characters that it cannot have",
    ),
    ("EUnknownKind", "there is no such kind of TEE"),
    (
        "EInvalidMeasurement",
        "the measurement has no valid length or is all zero",
    ),
    ("EAlreadyApproved", "the measurement is already allowed"),
    (
        "ENotApproved",
        "the measurement is not on the allow-list, or is retired",
    ),
    ("EFull", "the allow-list or the list of endpoints is full"),
    ("EInvalidUrl", "the URL is empty or too long"),
    ("EInvalidKeyHash", "the TLS key hash is not 32 bytes"),
    ("EUnknownEndpoint", "there is no such endpoint"),
    ("ETextTooLong", "a text is longer than allowed"),
    (
        "ENotAnUpgrade",
        "the object already has the package's version",
    ),
    ("EInvalidPublicKey", "the public key is not 32 bytes"),
    ("EAlreadyRevoked", "the enclave is revoked already"),
    ("EOutOfBounds", "a value is out of its bounds"),
    ("EKeyInUse", "an enclave of the cluster has this key"),
    ("EAttestedOnly", "the cluster admits attested enclaves only"),
    ("EClosed", "the cluster is closed"),
    (
        "EStaleStatement",
        "the document or statement is from the future or too old",
    ),
    (
        "EWrongBinding",
        "the document is bound to something else than this registration",
    ),
    (
        "EUntrustedVoucher",
        "a voucher is given twice, or is no trusted enclave of the cluster",
    ),
    (
        "EInvalidSignature",
        "a signature is not the voucher's over this statement",
    ),
    ("ENoQuorum", "too few enclaves vouch"),
    ("EUnchanged", "it is so already"),
    (
        "EInvalidEncryptionKey",
        "the encryption key is neither empty nor 32 bytes",
    ),
    (
        "EInvalidEvidence",
        "the digest of the evidence is not 32 bytes",
    ),
];

const SLASHING: &[(&str, &str)] = &[
    (
        "EWrongVersion",
        "the object belongs to another version of the package",
    ),
    ("EUnknownKind", "there is no such kind of fault"),
    (
        "EUntrustedEnclave",
        "the enclave is another cluster's, revoked, or runs what is no longer allowed",
    ),
    (
        "EInvalidSignature",
        "the signature is not the enclave's over this statement",
    ),
    (
        "EStaleEvidence",
        "the statement is from the future, older than the evidence window, about what is, or later than the token's life",
    ),
    ("EReplayed", "the evidence was reported before"),
    ("EWrongTier", "the stake is not of the node tier"),
    ("ENotSlashable", "the stake is withdrawn or slashed out"),
    ("ECorrelatedOutage", "too many nodes failed together"),
    ("EBondTooSmall", "the bond is too small"),
    ("EClosed", "the case is executed or rejected already"),
    ("EAppealOpen", "the appeal window is still open"),
    ("EAppealOver", "the appeal window is over"),
    ("EWrongStake", "the stake is not the case's"),
    ("EWrongCluster", "the cluster is not the case's"),
    ("EOutOfBounds", "a rule is out of its bounds"),
    (
        "ENotAnUpgrade",
        "the object already has the package's version",
    ),
    ("EWrongToken", "the token is not the stake's"),
    (
        "ENotEquivocation",
        "the messages are not two different heartbeats of the node for one slot",
    ),
    ("EWrongKey", "the node never had the key"),
    (
        "EProven",
        "the node's own signatures prove the case: governance alone can reject it",
    ),
    (
        "ENotAnOutage",
        "no more than the set share of the nodes failed, or it is known that they did",
    ),
];

const ANCHORS: &[(&str, &str)] = &[
    (
        "EWrongVersion",
        "the object belongs to another version of the package",
    ),
    (
        "EUntrustedEnclave",
        "the enclave is another cluster's, revoked, or runs what is no longer allowed",
    ),
    (
        "EInvalidSignature",
        "the signature is not the enclave's over this statement",
    ),
    (
        "EStaleStatement",
        "the statement is from the future or too old",
    ),
    ("EInvalidRoot", "the root is not 32 bytes"),
    (
        "ENotNewer",
        "the state is not newer than the one that is anchored",
    ),
    (
        "ENotAnUpgrade",
        "the object already has the package's version",
    ),
    ("EOutOfBounds", "a rule is out of its bounds"),
];

const PARAMS: &[(&str, &str)] = &[
    (
        "EWrongVersion",
        "the object belongs to another version of the package",
    ),
    ("EUnknownKind", "no such kind of change"),
    (
        "EMalformed",
        "the change has not the values that its kind has",
    ),
    ("EFull", "too many changes are pending"),
    ("EUnknownChange", "no such change is pending"),
    ("ETimelocked", "the change's time has not come"),
    ("EExpired", "the change's time is over"),
    ("EOutOfBounds", "a value is out of its bounds"),
    ("EUnchanged", "it is already paused, or not paused"),
    (
        "ENotAnUpgrade",
        "the object already has the package's version",
    ),
    (
        "EWrongTarget",
        "the change is one for another of the `execute` functions",
    ),
];

const REWARDS: &[(&str, &str)] = &[
    (
        "EWrongVersion",
        "the shared object belongs to another version of the package",
    ),
    ("EUnknownCluster", "the cluster is not admitted"),
    (
        "EUntrustedEnclave",
        "the enclave is another cluster's, revoked, or runs what is no longer allowed",
    ),
    (
        "EInvalidSignature",
        "the signature is not the enclave's over this statement",
    ),
    (
        "EStaleStatement",
        "the statement is from the future, too old, or not newer than the last",
    ),
    ("ENotOwner", "the sender does not own the stake"),
    ("EWrongTier", "the stake is not of the node tier"),
    ("ENotActive", "the stake is not in good standing"),
    ("EEnrolled", "the stake already earns"),
    ("ENotEnrolled", "the stake does not earn"),
    ("ENotYet", "the stake earns from the next epoch on"),
    ("EOutOfBounds", "a value is out of its bounds"),
    ("EZeroAmount", "an amount of zero"),
    ("ENothingOwed", "there is nothing to claim"),
    ("EUnchanged", "the cluster already is, or is not, admitted"),
    ("EFull", "too many clusters are admitted"),
    (
        "ENotAnUpgrade",
        "the object already has the package's version",
    ),
];

impl Abort {
    /// The abort of a module with a code; its name and meaning are looked up.
    #[must_use]
    pub fn new(module: &str, function: Option<&str>, code: u64) -> Self {
        let codes = match module {
            "staking" => STAKING,
            "k8s_gateway" => GATEWAY,
            "k8s_interface" => INTERFACE,
            "upgrades" => UPGRADES,
            "enclave_registry" => REGISTRY,
            "slashing" => SLASHING,
            "shares" => SHARES,
            "unbonding" => UNBONDING,
            "delegation" => DELEGATION,
            "node_keys" => NODE_KEYS,
            "anchors" => ANCHORS,
            "params" => PARAMS,
            "rewards" => REWARDS,
            _ => &[],
        };
        let known = usize::try_from(code).ok().and_then(|code| codes.get(code));
        // Modules without a versioned object have no code 0.
        let known = known.filter(|(name, _)| !name.is_empty());
        Self {
            module: module.to_owned(),
            function: function.map(str::to_owned),
            code,
            name: known.map(|(name, _)| *name),
            meaning: known.map(|(_, meaning)| *meaning),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    /// The names and codes are those of the Move sources. A code that has no name here yet is
    /// shown as its number.
    #[test]
    fn names_are_those_of_the_contracts() {
        let sources =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/sources");
        for (module, table) in [
            ("staking", STAKING),
            ("k8s_gateway", GATEWAY),
            ("k8s_interface", INTERFACE),
            ("upgrades", UPGRADES),
            ("enclave_registry", REGISTRY),
            ("slashing", SLASHING),
            ("anchors", ANCHORS),
            ("params", PARAMS),
            ("rewards", REWARDS),
        ] {
            let text =
                std::fs::read_to_string(sources.join(module).with_extension("move")).unwrap();
            let constants: std::collections::BTreeMap<u64, &str> = text
                .lines()
                .filter_map(|line| line.trim().strip_prefix("const "))
                .filter_map(|line| line.strip_suffix(';')?.split_once(": u64 = "))
                .filter(|(name, _)| name.starts_with('E'))
                .map(|(name, code)| (code.parse().unwrap(), name))
                .collect();
            for (code, (name, _)) in (0..).zip(table) {
                assert_eq!(constants.get(&code), Some(name), "{module} {code}");
                assert_eq!(Abort::new(module, None, code).name, Some(*name));
            }
        }
        assert_eq!(Abort::new("staking", None, 99).name, None);
    }
}
