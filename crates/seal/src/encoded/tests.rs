//! The vectors that the contract and this crate share: `contracts/vectors/seal_tokens.json`. The Move
//! test `contracts/tests/seal_vectors_tests.move` is made of them; `UPDATE_VECTORS=1` writes both anew.

use std::fmt::Write as _;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::{NodeKey, Secret};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Vector {
    name: String,
    token: String,
    stake: String,
    owner: String,
    cluster: String,
    node: String,
    node_key: String,
    /// Of tests only: no real token's is written anywhere.
    secret: String,
    commitment: String,
    permissions: u64,
    issued_at_ms: u64,
    expires_at_ms: u64,
    generation: u64,
    flags: u8,
    encoded: String,
}

fn contracts() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../contracts")
}

fn token(name: &str, number: u8) -> (EncodedToken, Secret) {
    let secret = Secret::from_bytes(&[number; 32]).unwrap();
    let key = NodeKey::from_seed(&[number + 1; 32]).unwrap().public();
    let node: NodeId = name.parse().unwrap();
    let token = EncodedToken {
        token: ObjectId([number + 2; 32]),
        stake: ObjectId([number + 3; 32]),
        owner: Bytes32([number + 4; 32]),
        cluster: ObjectId([number + 5; 32]),
        commitment: Commitment::to(&secret, &node, &key),
        node,
        node_key: key,
        permissions: u64::from(number % 8),
        issued_at_ms: 1_700_000_000_000 + u64::from(number),
        expires_at_ms: 1_700_604_800_000,
        generation: u64::from(number) * 1_000,
        revoked: number & 1 != 0,
        consumed: number & 2 != 0,
    };
    (token, secret)
}

fn vectors() -> Vec<Vector> {
    let longest = "n".repeat(63);
    let cases = [("plain", "worker-0", 8), ("revoked", "a.b-c", 17)];
    let more = [("consumed", longest.as_str(), 34), ("both", "z", 51)];
    let all = cases.into_iter().chain(more);
    all.map(|(name, node, number)| {
        let (token, secret) = token(node, number);
        Vector {
            name: name.to_owned(),
            token: hex::encode(token.token.0),
            stake: hex::encode(token.stake.0),
            owner: hex::encode(token.owner.0),
            cluster: hex::encode(token.cluster.0),
            node: node.to_owned(),
            node_key: hex::encode(token.node_key.as_bytes()),
            secret: hex::encode(secret.as_bytes()),
            commitment: hex::encode(token.commitment.as_bytes()),
            permissions: token.permissions,
            issued_at_ms: token.issued_at_ms,
            expires_at_ms: token.expires_at_ms,
            generation: token.generation,
            flags: u8::from(token.revoked) | (u8::from(token.consumed) << 1),
            encoded: hex::encode(token.encode()),
        }
    })
    .collect()
}

/// The Move test of the vectors.
fn move_test(vectors: &[Vector]) -> String {
    let mut text = String::from(
        "// SPDX-License-Identifier: Apache-2.0
//
// Made of contracts/vectors/seal_tokens.json by a test of the crate `seal`, which reads the same file.

/// The contract encodes tokens and hashes commitments as the crate `seal` does.
#[test_only]
module k3s_daas::seal_vectors_tests;

use k3s_daas::k8s_gateway;
use std::unit_test::assert_eq;
use sui::bcs;
use sui::hash;

/// blake2b-256 over the domain and each part after its length.
fun commitment(secret: vector<u8>, node: vector<u8>, key: vector<u8>): vector<u8> {
    let mut message = b\"k3s-daas/seal/commitment/v1\";
    vector[secret, node, key].do!(|part| {
        message.append(bcs::to_bytes(&part.length()));
        message.append(part);
    });
    hash::blake2b256(&message)
}
",
    );
    for vector in vectors {
        let Vector {
            name,
            token,
            stake,
            owner,
            cluster,
            node,
            node_key,
            secret,
            commitment,
            permissions,
            issued_at_ms,
            expires_at_ms,
            generation,
            flags,
            encoded,
        } = vector;
        write!(
            text,
            "
#[test]
fun {name}() {{
    let commitment = x\"{commitment}\";
    assert_eq!(
        commitment(x\"{secret}\", b\"{node}\", x\"{node_key}\"),
        commitment,
    );
    let encoded = k8s_gateway::encoding_for_testing(
        object::id_from_address(@0x{token}),
        object::id_from_address(@0x{stake}),
        @0x{owner},
        object::id_from_address(@0x{cluster}),
        b\"{node}\".to_string(),
        x\"{node_key}\",
        commitment,
        {permissions},
        vector[{issued_at_ms}, {expires_at_ms}],
        {generation},
        {flags},
    );
    assert_eq!(encoded, x\"{encoded}\");
}}
"
        )
        .unwrap();
    }
    text
}

#[test]
fn contract_and_crate_share_their_vectors() {
    let json = contracts().join("vectors/seal_tokens.json");
    let source = contracts().join("tests/seal_vectors_tests.move");
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&vectors()).unwrap() + "\n";
        std::fs::write(&json, text).unwrap();
        std::fs::write(&source, move_test(&vectors())).unwrap();
    }
    let written: Vec<Vector> = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(written, vectors());
    assert_eq!(
        std::fs::read_to_string(&source).unwrap(),
        move_test(&written)
    );
    for vector in &written {
        let bytes = hex::decode(&vector.encoded).unwrap();
        let decoded = EncodedToken::decode(&bytes).unwrap();
        assert_eq!(decoded.encode(), bytes, "{}", vector.name);
        let secret = Secret::from_bytes(&hex::decode(&vector.secret).unwrap()).unwrap();
        let opened = decoded
            .commitment
            .opens(&secret, &decoded.node, &decoded.node_key);
        assert!(opened, "{}", vector.name);
        assert_eq!(decoded.revoked, vector.flags & 1 != 0);
        assert_eq!(decoded.consumed, vector.flags & 2 != 0);
    }
}

#[test]
fn what_is_not_exactly_a_token_is_refused() {
    let (token, _) = token("worker-0", 8);
    let good = token.encode();
    assert_eq!(EncodedToken::decode(&good).unwrap(), token);
    for cut in 0..good.len() {
        assert!(EncodedToken::decode(&good[..cut]).is_err(), "{cut}");
    }
    let mut longer = good.clone();
    longer.push(0);
    assert_eq!(
        EncodedToken::decode(&longer),
        Err(InvalidEncodedToken::Malformed)
    );
    let mut other = good.clone();
    other[0] = 2;
    assert_eq!(
        EncodedToken::decode(&other),
        Err(InvalidEncodedToken::UnknownEncoding(2))
    );
    let mut flags = good.clone();
    *flags.last_mut().unwrap() = 4;
    assert_eq!(
        EncodedToken::decode(&flags),
        Err(InvalidEncodedToken::Malformed)
    );
    assert_eq!(
        EncodedToken::decode(&[1; 513]),
        Err(InvalidEncodedToken::TooLong)
    );
    let mut name = good;
    name[1 + 4 * 32 + 1] = b'W';
    assert_eq!(
        EncodedToken::decode(&name),
        Err(InvalidEncodedToken::InvalidNode)
    );
}

proptest! {
    /// No bytes panic, and what decodes is what encodes to them.
    #[test]
    fn decoding_is_the_inverse_of_encoding(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = 1;
        }
        if let Ok(token) = EncodedToken::decode(&bytes) {
            prop_assert_eq!(token.encode(), bytes);
        }
    }
}
