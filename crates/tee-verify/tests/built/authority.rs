//! Certificates of a private root.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CustomExtension,
    DistinguishedName, DnType, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P384_SHA384, RevokedCertParams, SerialNumber, date_time_ymd,
};
use sha2::{Digest as _, Sha256};

/// Everything is valid in 2026.
pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_782_864_000)
}

/// 2030: everything has expired.
pub(crate) fn too_late() -> SystemTime {
    now() + Duration::from_secs(4 * 366 * 86_400)
}

/// A key and its certificate.
pub(crate) struct Entity {
    pub(crate) key: KeyPair,
    pub(crate) der: Vec<u8>,
    params: CertificateParams,
}

/// What a certificate is for.
#[derive(Clone, Copy)]
pub(crate) enum Use {
    Authority,
    Leaf,
}

fn params(name: &str, purpose: Use, extensions: Vec<CustomExtension>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params.custom_extensions = extensions;
    match purpose {
        Use::Authority => {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        }
        Use::Leaf => params.key_usages = vec![KeyUsagePurpose::DigitalSignature],
    }
    params
}

impl Entity {
    pub(crate) fn root(name: &str) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let params = params(name, Use::Authority, Vec::new());
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { key, der, params }
    }

    pub(crate) fn issue(&self, name: &str, purpose: Use, extensions: Vec<CustomExtension>) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        self.certify(key, name, purpose, extensions)
    }

    pub(crate) fn certify(
        &self,
        key: KeyPair,
        name: &str,
        purpose: Use,
        extensions: Vec<CustomExtension>,
    ) -> Self {
        let mut params = params(name, purpose, extensions);
        params.serial_number = Some(SerialNumber::from_slice(&Sha256::digest(name)[..8]));
        let issuer = Issuer::from_params(&self.params, &self.key);
        let der = params.signed_by(&key, &issuer).unwrap().der().to_vec();
        Self { key, der, params }
    }

    /// A revocation list with these certificates on it, for the first half of 2026 and the second.
    pub(crate) fn revoke(&self, names: &[&str]) -> Vec<u8> {
        let revoked_certs = names
            .iter()
            .map(|name| RevokedCertParams {
                serial_number: SerialNumber::from_slice(&Sha256::digest(name)[..8]),
                revocation_time: date_time_ymd(2026, 2, 1),
                reason_code: None,
                invalidity_date: None,
            })
            .collect();
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 2, 1),
            next_update: date_time_ymd(2026, 12, 1),
            crl_number: SerialNumber::from(1u64),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let issuer = Issuer::from_params(&self.params, &self.key);
        list.signed_by(&issuer).unwrap().der().to_vec()
    }

    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(&self.der).into()
    }

    /// `r ‖ s`.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &self.key.serialize_der())
                .unwrap();
        let signature = key.sign(&SystemRandom::new(), message).unwrap();
        signature.as_ref().to_vec()
    }
}
