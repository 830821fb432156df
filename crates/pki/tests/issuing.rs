//! Certificates as issued, seen by rustls' verifier and by the parser.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pki::{
    AuthorityError, BACKDATE, Backing, CertificateAuthority, IssueError, KeyPair, Profile,
    UserRole, certificates_from_pem, is_certified_by, parse_certificate, pem_private_key,
    spki_sha256,
};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::UnixTime;

const DAY: Duration = Duration::from_secs(86_400);

fn authority() -> CertificateAuthority {
    CertificateAuthority::generate("daas-ca", SystemTime::now(), 365 * DAY).unwrap()
}

fn roots(ca: &CertificateAuthority) -> Arc<rustls::RootCertStore> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca.der().clone()).unwrap();
    Arc::new(roots)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn node() -> Profile {
    Profile::NodeClient {
        node: "worker-0".to_owned(),
        token: [0x1a; 32],
    }
}

#[test]
fn a_node_client_certificate_names_node_group_and_token() {
    let (ca, key, now) = (authority(), KeyPair::generate().unwrap(), SystemTime::now());
    let issued = ca
        .issue(&key.request().unwrap(), &node(), now, now + DAY)
        .unwrap();
    let peer = parse_certificate(&issued.der).unwrap();
    assert_eq!(peer.common_name, "system:node:worker-0");
    assert_eq!(peer.organisations, ["system:nodes"]);
    assert_eq!(peer.backing().unwrap(), Some(Backing::Token([0x1a; 32])));
    assert_eq!(peer.serial, issued.serial);
    assert_eq!(peer.not_after, issued.not_after);
    let backdated = now.duration_since(peer.not_before).unwrap();
    assert!(backdated >= BACKDATE && backdated < BACKDATE + Duration::from_secs(2));

    let clients = WebPkiClientVerifier::builder_with_provider(roots(&ca), provider())
        .build()
        .unwrap();
    clients
        .verify_client_cert(&issued.der, &[], UnixTime::now())
        .unwrap();
    let other = WebPkiClientVerifier::builder_with_provider(roots(&authority()), provider())
        .build()
        .unwrap();
    assert!(
        other
            .verify_client_cert(&issued.der, &[], UnixTime::now())
            .is_err()
    );
    // A client's certificate is none of a server.
    let servers = WebPkiServerVerifier::builder_with_provider(roots(&ca), provider())
        .build()
        .unwrap();
    let name = "worker-0".try_into().unwrap();
    assert!(
        servers
            .verify_server_cert(&issued.der, &[], &name, &[], UnixTime::now())
            .is_err()
    );
}

#[test]
fn serving_certificates_hold_for_their_names_only() {
    let (ca, key, now) = (authority(), KeyPair::generate().unwrap(), SystemTime::now());
    let profile = Profile::NodeServing {
        node: "worker-0".to_owned(),
        addresses: vec!["10.0.0.7".parse().unwrap(), "::1".parse().unwrap()],
    };
    let issued = ca
        .issue(&key.request().unwrap(), &profile, now, now + DAY)
        .unwrap();
    let servers = WebPkiServerVerifier::builder_with_provider(roots(&ca), provider())
        .build()
        .unwrap();
    let verify = |name: &str| {
        let name = name.to_owned().try_into().unwrap();
        servers.verify_server_cert(&issued.der, &[], &name, &[], UnixTime::now())
    };
    for name in ["worker-0", "10.0.0.7", "::1"] {
        verify(name).unwrap();
    }
    assert!(verify("worker-1").is_err());
    assert!(verify("10.0.0.8").is_err());
}

#[test]
fn user_roles_are_groups() {
    let (ca, key, now) = (authority(), KeyPair::generate().unwrap(), SystemTime::now());
    for (role, group) in [
        (UserRole::User, "daas:user"),
        (UserRole::Operator, "daas:operator"),
        (UserRole::Admin, "daas:admin"),
    ] {
        let profile = Profile::User {
            address: "0xab".to_owned(),
            role,
            stake: [9; 32],
        };
        let issued = ca
            .issue(&key.request().unwrap(), &profile, now, now + DAY)
            .unwrap();
        let peer = parse_certificate(&issued.der).unwrap();
        assert_eq!(
            (peer.common_name.as_str(), &peer.organisations[..]),
            ("0xab", &[group.to_owned()][..])
        );
        assert_eq!(peer.backing().unwrap(), Some(Backing::Stake([9; 32])));
    }
}

#[test]
fn what_a_request_asks_for_is_ignored() {
    // A request of another tool, asking for cluster-admin, a CA and another's name.
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["worker-1".to_owned()]).unwrap();
    params
        .distinguished_name
        .push(rcgen::DnType::OrganizationName, "system:masters");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let request = params.serialize_request(&key).unwrap();
    let (ca, now) = (authority(), SystemTime::now());
    let issued = ca.issue(request.der(), &node(), now, now + DAY).unwrap();
    let peer = parse_certificate(&issued.der).unwrap();
    assert_eq!(peer.organisations, ["system:nodes"]);
    assert!(peer.dns_names.is_empty());
    let (_, parsed) = x509_parser::parse_x509_certificate(&issued.der).unwrap();
    assert!(!parsed.is_ca());
}

#[test]
fn bad_requests_are_refused() {
    let (ca, key, now) = (authority(), KeyPair::generate().unwrap(), SystemTime::now());
    let good = key.request().unwrap();
    let refuse = |request: &[u8]| ca.issue(request, &node(), now, now + DAY).err().unwrap();
    let mut trailing = good.to_vec();
    trailing.push(0);
    assert!(matches!(refuse(&trailing), IssueError::RequestSize));
    assert!(matches!(
        refuse(&vec![0x30; 10_000]),
        IssueError::RequestSize
    ));
    assert!(matches!(refuse(b""), IssueError::Malformed));
    let mut tampered = good.to_vec();
    let last = tampered.len() - 1;
    tampered[last] ^= 1;
    assert!(matches!(refuse(&tampered), IssueError::Possession));
    // No prefix panics, whatever it parses as.
    for length in 0..good.len() {
        refuse(&good[..length]);
    }
    let ed25519 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let request = rcgen::CertificateParams::default()
        .serialize_request(&ed25519)
        .unwrap();
    assert!(matches!(refuse(request.der()), IssueError::KeyKind));
}

#[test]
fn validity_is_capped() {
    let (ca, key, now) = (authority(), KeyPair::generate().unwrap(), SystemTime::now());
    let issue = |end| ca.issue_for(&key, &node(), now, end);
    let long = issue(now + 4000 * DAY).unwrap();
    let authority_end = parse_certificate(ca.der()).unwrap().not_after;
    assert_eq!(long.not_after, authority_end);
    assert!(matches!(issue(now - DAY), Err(IssueError::Expired)));
    let (one, two) = (issue(now + DAY).unwrap(), issue(now + DAY).unwrap());
    assert_ne!(one.serial, two.serial);
}

#[test]
fn an_authority_is_restored_from_its_parts() {
    let ca = authority();
    let again = CertificateAuthority::restore(ca.der(), &ca.key_pkcs8()).unwrap();
    let (key, now) = (KeyPair::generate().unwrap(), SystemTime::now());
    let issued = again.issue_for(&key, &node(), now, now + DAY).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(roots(&ca), provider())
        .build()
        .unwrap();
    clients
        .verify_client_cert(&issued.der, &[], UnixTime::now())
        .unwrap();
    let wrong = CertificateAuthority::restore(ca.der(), &authority().key_pkcs8());
    assert!(matches!(wrong, Err(AuthorityError::Mismatch)));
    let leaf = CertificateAuthority::restore(&issued.der, &key.pkcs8());
    assert!(matches!(leaf, Err(AuthorityError::Certificate)));
}

#[test]
fn pem_is_what_others_read() {
    let (ca, key) = (authority(), KeyPair::generate().unwrap());
    assert_eq!(
        certificates_from_pem(&ca.pem()).unwrap(),
        [ca.der().clone()]
    );
    assert!(certificates_from_pem("").is_err());
    let again = rcgen::KeyPair::from_pem(&pem_private_key(&key)).unwrap();
    let now = SystemTime::now();
    let issued = ca.issue_for(&key, &node(), now, now + DAY).unwrap();
    let spki = rcgen::PublicKeyData::subject_public_key_info(&again);
    let expected: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(&spki).into();
    assert_eq!(spki_sha256(&issued.der).unwrap(), expected);
    assert_eq!(
        *KeyPair::from_pkcs8(&key.pkcs8()).unwrap().pkcs8(),
        *key.pkcs8()
    );
}

#[test]
fn who_certified_a_certificate() {
    let (ca, other, now) = (authority(), authority(), SystemTime::now());
    let key = KeyPair::generate().unwrap();
    let issued = ca
        .issue(&key.request().unwrap(), &node(), now, now + DAY)
        .unwrap();
    assert!(is_certified_by(&issued.der, ca.der()));
    assert!(is_certified_by(ca.der(), ca.der()));
    // Of the same name, with another key.
    assert!(!is_certified_by(&issued.der, other.der()));
    assert!(!is_certified_by(ca.der(), &issued.der));
    assert!(!is_certified_by(&[], ca.der()));
    assert!(!is_certified_by(&issued.der, &[0x30]));
    let mut forged = issued.der.to_vec();
    let middle = forged.len() / 2;
    forged[middle] ^= 1;
    assert!(!is_certified_by(&forged, ca.der()));
}
