//! Devices made of software that produce real evidence under roots of their own.
//!
//! A verifier accepts them only if its policy names the root.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use aws_nitro_enclaves_nsm_api::api::{
    AttestationDoc, Digest as DigestName, ErrorCode, Request, Response,
};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P384_SHA384,
};
use sha2::{Digest as _, Sha256};

use tee_verify::{Binding, Collateral, Evidence, Kind, Measurement};

use crate::nitro::Nsm;
use crate::{
    AttestError, Capabilities, CollateralError, Provider, SealKey, SealKeyError, SealPolicy,
};

const VALID: &str = "certificates of a test can be made";

/// A Nitro Secure Module with a private root: it signs real documents about the image that it is told of.
pub struct FakeNsm {
    root: Vec<u8>,
    bundle: Vec<Vec<u8>>,
    certificate: Vec<u8>,
    key: EcdsaKeyPair,
    pcrs: BTreeMap<u16, [u8; 48]>,
}

fn params(name: &str, authority: bool) -> CertificateParams {
    let now = SystemTime::now();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = (now - Duration::from_secs(3600)).into();
    params.not_after = (now + Duration::from_secs(3 * 3600)).into();
    if authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    } else {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    }
    params
}

#[allow(clippy::expect_used)]
impl FakeNsm {
    /// A module that measured `image` (PCR 0). An image of zeros is a debug enclave's.
    ///
    /// # Panics
    /// When keys or certificates can't be made.
    #[must_use]
    pub fn new(image: [u8; 48]) -> Self {
        let generate = || KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).expect(VALID);
        let (root_key, zonal_key, key) = (generate(), generate(), generate());
        let root_params = params("aws.nitro-enclaves", true);
        let root = root_params.self_signed(&root_key).expect(VALID);
        let issuer = Issuer::from_params(&root_params, &root_key);
        let zonal_params = params("zonal.nitro-enclaves", true);
        let zonal = zonal_params.signed_by(&zonal_key, &issuer).expect(VALID);
        let issuer = Issuer::from_params(&zonal_params, &zonal_key);
        let leaf = params("i-0123456789abcdef0-enc", false)
            .signed_by(&key, &issuer)
            .expect(VALID);
        let mut pcrs: BTreeMap<u16, [u8; 48]> = (0..16).map(|index| (index, [0; 48])).collect();
        pcrs.insert(0, image);
        if image != [0; 48] {
            pcrs.insert(1, [1; 48]);
            pcrs.insert(2, [2; 48]);
        }
        let pkcs8 = key.serialize_der();
        Self {
            root: root.der().to_vec(),
            bundle: vec![root.der().to_vec(), zonal.der().to_vec()],
            certificate: leaf.der().to_vec(),
            key: EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &pkcs8).expect(VALID),
            pcrs,
        }
    }

    /// The root certificate, DER.
    #[must_use]
    pub fn root(&self) -> &[u8] {
        &self.root
    }

    /// The root's fingerprint, for `Policy::trust_root`.
    #[must_use]
    pub fn root_sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.root).into()
    }

    fn document(&self, parts: [Option<Vec<u8>>; 3]) -> Option<Vec<u8>> {
        let [user_data, nonce, public_key] = parts;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let document = AttestationDoc::new(
            "i-0123456789abcdef0-enc0123456789abcdef".to_owned(),
            DigestName::SHA384,
            u64::try_from(since.as_millis()).ok()?,
            self.pcrs
                .iter()
                .map(|(index, value)| (usize::from(*index), value.to_vec()))
                .collect(),
            self.certificate.clone(),
            self.bundle.clone(),
            user_data,
            nonce,
            public_key,
        )
        .to_binary();
        let protected = [0x44, 0xa1, 0x01, 0x38, 0x22];
        let length = u16::try_from(document.len()).ok()?.to_be_bytes();
        let payload = [&[0x59][..], &length, &document].concat();
        let signed = [b"\x84\x6aSignature1", &protected[..], &[0x40], &payload].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).ok()?;
        Some(
            [
                &[0x84][..],
                &protected,
                &[0xa0],
                &payload,
                &[0x58, 96],
                signature.as_ref(),
            ]
            .concat(),
        )
    }
}

impl Nsm for FakeNsm {
    fn process(&self, request: Request) -> Response {
        match request {
            Request::DescribePCR { index } => match self.pcrs.get(&index) {
                Some(value) => Response::DescribePCR {
                    lock: true,
                    data: value.to_vec(),
                },
                None => Response::Error(ErrorCode::InvalidIndex),
            },
            Request::Attestation {
                user_data,
                nonce,
                public_key,
            } => {
                let parts = [user_data, nonce, public_key].map(|part| part.map(|b| b.to_vec()));
                if parts.iter().flatten().any(|part| part.len() > 1024) {
                    return Response::Error(ErrorCode::InputTooLarge);
                }
                self.document(parts)
                    .map_or(Response::Error(ErrorCode::InternalError), |document| {
                        Response::Attestation { document }
                    })
            }
            _ => Response::Error(ErrorCode::InvalidOperation),
        }
    }
}

/// An SNP guest with a chip and authorities of its own. Its certificates are collateral, as those of real chips are.
pub struct FakeSnp {
    root: Vec<u8>,
    collateral: Collateral,
    key: EcdsaKeyPair,
    measurement: Measurement,
}

#[allow(clippy::expect_used, clippy::missing_panics_doc)]
impl FakeSnp {
    /// A guest with this launch digest.
    #[must_use]
    pub fn new(launch: [u8; 48]) -> Self {
        let generate = || KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).expect(VALID);
        let (root_key, middle_key, key) = (generate(), generate(), generate());
        let root_params = params("ARK-Test", true);
        let root = root_params.self_signed(&root_key).expect(VALID);
        let issuer = Issuer::from_params(&root_params, &root_key);
        let middle_params = params("SEV-Test", true);
        let middle = middle_params.signed_by(&middle_key, &issuer).expect(VALID);
        let issuer = Issuer::from_params(&middle_params, &middle_key);
        let mut leaf_params = params("SEV-VCEK", false);
        let amd = |tail: &[u64]| [&[1, 3, 6, 1, 4, 1, 3704, 1][..], tail].concat();
        leaf_params.custom_extensions = [1, 2, 3, 8]
            .into_iter()
            .map(|part| CustomExtension::from_oid_content(&amd(&[3, part]), vec![2, 1, 1]))
            .collect();
        leaf_params
            .custom_extensions
            .push(CustomExtension::from_oid_content(
                &amd(&[4]),
                vec![0xc1; 64],
            ));
        let leaf = leaf_params.signed_by(&key, &issuer).expect(VALID);
        let mut collateral = Collateral::default();
        for der in [leaf.der(), middle.der(), root.der()] {
            collateral.add(der).expect(VALID);
        }
        let pkcs8 = key.serialize_der();
        Self {
            root: root.der().to_vec(),
            collateral,
            key: EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &pkcs8).expect(VALID),
            measurement: Measurement::from_bytes(&launch).expect("a launch digest"),
        }
    }

    /// The root certificate, DER.
    #[must_use]
    pub fn root(&self) -> &[u8] {
        &self.root
    }
}

impl Provider for FakeSnp {
    fn kind(&self) -> Kind {
        Kind::Snp
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            hardware_rooted: false,
            seal: false,
            counter: false,
            runtime_measure: false,
        }
    }

    fn measurement(&self) -> &Measurement {
        &self.measurement
    }

    fn attest(&self, binding: &Binding) -> Result<Evidence, AttestError> {
        let failed = |reason: &str| AttestError::Device {
            kind: Kind::Snp,
            reason: reason.to_owned(),
        };
        let mut report = vec![0; 0x2a0];
        for (offset, value) in [
            (0, &2u32.to_le_bytes()[..]),
            (8, &0x3_0000u64.to_le_bytes()),
            (0x34, &1u32.to_le_bytes()),
            (0x50, binding.as_bytes()),
            (0x90, self.measurement.as_bytes()),
            (0x180, &[1, 1, 0, 0, 0, 0, 1, 1]),
            (0x1a0, &[0xc1; 64]),
        ] {
            for (to, from) in report.iter_mut().skip(offset).zip(value) {
                *to = *from;
            }
        }
        let signature = self
            .key
            .sign(&SystemRandom::new(), &report)
            .map_err(|_| failed("no signature"))?;
        for number in signature.as_ref().chunks(48) {
            report.extend(number.iter().rev());
            report.extend([0; 24]);
        }
        report.resize(0x4a0, 0);
        Evidence::new(Kind::Snp, report).map_err(|_| failed("too large"))
    }

    fn collateral(&self) -> Result<Collateral, CollateralError> {
        Ok(self.collateral.clone())
    }

    fn seal_key(&self, _policy: SealPolicy, _label: &str) -> Result<SealKey, SealKeyError> {
        Err(SealKeyError::Unsupported(Kind::Snp))
    }
}

/// A certificate of no meaning, DER.
///
/// # Panics
/// When it can't be made.
#[must_use]
#[allow(clippy::expect_used)]
pub fn certificate() -> Vec<u8> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).expect(VALID);
    let certificate = params("SEV-VCEK", false).self_signed(&key).expect(VALID);
    certificate.der().to_vec()
}
