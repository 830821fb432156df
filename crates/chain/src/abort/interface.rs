//! The codes of the modules `k8s_interface` and `upgrades`.

pub(super) const INTERFACE: &[(&str, &str)] = &[
    (
        "EWrongVersion",
        "the object belongs to another version of the package",
    ),
    (
        "EWrongCluster",
        "the interface or the request is another cluster's",
    ),
    ("EExists", "the cluster has an interface already"),
    ("EOutOfBounds", "a value is out of its bounds"),
    ("ENotOwner", "the sender is no owner of the cluster"),
    ("EInvalidNamespace", "the namespace is no valid name"),
    ("EUnknownPermission", "there is no such permission"),
    (
        "EInsufficientStake",
        "the stake is not the sender's, or not sufficient for this",
    ),
    (
        "ENotPermitted",
        "the sender has no permission for this here and now",
    ),
    ("EClusterNotOpen", "the cluster is suspended or closed"),
    (
        "EUntrustedEnclave",
        "the enclave is another cluster's, revoked, or runs what is no longer allowed",
    ),
    ("ENoEncryptionKey", "the enclave has no key to encrypt to"),
    ("EInvalidPayload", "the payload is empty or too long"),
    ("EWrongDigest", "the digest is not the payload's"),
    ("EWrongFee", "the fee is not what the interface asks"),
    ("ENotPending", "the request is answered or refunded"),
    ("ETooLate", "the time for the answer is over"),
    ("ETooEarly", "the time for the answer is not over"),
    (
        "EInvalidSignature",
        "the signature is not the enclave's over this statement",
    ),
    ("EInvalidResult", "the digest of the result is not 32 bytes"),
    ("EEarnedTooLittle", "the interface has earned less"),
    (
        "ENotAnUpgrade",
        "the object already has the package's version",
    ),
    ("EPaused", "governance has stopped new requests"),
];

pub(super) const UPGRADES: &[(&str, &str)] = &[
    (
        "EWrongVersion",
        "the object belongs to another version of the package",
    ),
    ("EHeld", "a capability is held already"),
    ("ENotHeld", "no capability is held"),
    ("EPending", "an upgrade is proposed already"),
    ("ENotPending", "no upgrade is proposed"),
    ("EInvalidDigest", "the digest is not 32 bytes"),
    ("ETimelocked", "the upgrade's time has not come"),
    ("EExpired", "the upgrade's time is over"),
    (
        "ENotAnUpgrade",
        "the object already has the package's version",
    ),
];
