//! The commands that are needed, one method each.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::Pcrs;
use super::transport::Transport;
use super::wire::{Reader, SHA256, Writer};

const NO_SESSIONS: u16 = 0x8001;
const SESSIONS: u16 = 0x8002;

const NV_DEFINE_SPACE: u32 = 0x12a;
const CREATE_PRIMARY: u32 = 0x131;
const NV_INCREMENT: u32 = 0x134;
const NV_READ: u32 = 0x14e;
const CREATE: u32 = 0x153;
const LOAD: u32 = 0x157;
const QUOTE: u32 = 0x158;
const UNSEAL: u32 = 0x15e;
const FLUSH_CONTEXT: u32 = 0x165;
const NV_READ_PUBLIC: u32 = 0x169;
const START_AUTH_SESSION: u32 = 0x176;
const PCR_READ: u32 = 0x17e;
const POLICY_PCR: u32 = 0x17f;

const OWNER: u32 = 0x4000_0001;
const NULL: u32 = 0x4000_0007;
const PASSWORD: u32 = 0x4000_0009;
const ENDORSEMENT: u32 = 0x4000_000b;

const ALG_AES: u16 = 0x0006;
const ALG_KEYED_HASH: u16 = 0x0008;
const ALG_NULL: u16 = 0x0010;
const ALG_ECDSA: u16 = 0x0018;
const ALG_ECC: u16 = 0x0023;
const ALG_CFB: u16 = 0x0043;
const P256: u16 = 0x0003;

const FIXED_TPM: u32 = 1 << 1;
const FIXED_PARENT: u32 = 1 << 4;
const SENSITIVE_DATA_ORIGIN: u32 = 1 << 5;
const USER_WITH_AUTH: u32 = 1 << 6;
const NO_DA: u32 = 1 << 10;
const RESTRICTED: u32 = 1 << 16;
const DECRYPT: u32 = 1 << 17;
const SIGN: u32 = 1 << 18;

/// A counter that whoever reaches the TPM may read and raise, and nobody may lower.
const NV_COUNTER: u32 = 0x04 | 0x10 | 1 << 17 | 1 << 18 | 1 << 25;

/// `TPM_RC_HANDLE` of the first handle: there is no such index.
const NO_SUCH_HANDLE: u32 = 0x18b;
/// `TPM_RC_POLICY_FAIL` of the first session.
const POLICY_FAIL: u32 = 0x99d;
/// `TPM_RC_NV_UNINITIALIZED`.
const UNINITIALIZED: u32 = 0x14a;

/// The TPM is busy with itself.
const YIELDED: u32 = 0x908;
const TESTING: u32 = 0x90a;
const RETRY: u32 = 0x922;
/// How often, and after which pause, a busy TPM is asked again.
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(20);

/// The DER before a P-256 point in a `SubjectPublicKeyInfo`.
const SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A command failed.
#[derive(Debug, thiserror::Error)]
pub enum TpmError {
    /// The device can't be talked to.
    #[error("the TPM can't be talked to: {0}")]
    Io(#[from] io::Error),
    /// The TPM refuses.
    #[error("the TPM refuses command {command:#x} with code {code:#x}")]
    Refused {
        /// The command.
        command: u32,
        /// Its response code (TPM 2.0 library, part 2, 6.6).
        code: u32,
    },
    /// The PCRs are not as they were when it was sealed.
    #[error("the PCRs have changed since the secret was sealed: another system was booted")]
    PcrsChanged,
    /// PCRs kept changing.
    #[error("the PCRs change all the time")]
    Busy,
    /// The response isn't what the command gives.
    #[error("the TPM's response is not understood: {0}")]
    Malformed(&'static str),
}

/// A secret that was sealed: `TPM2B_PRIVATE` and `TPM2B_PUBLIC`.
pub(super) struct Sealed {
    private: Vec<u8>,
    public: Vec<u8>,
}

impl Sealed {
    pub(super) fn encode(&self) -> Vec<u8> {
        Writer::default()
            .bytes(b"DAASSEA1")
            .sized(&self.private)
            .sized(&self.public)
            .0
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes.strip_prefix(b"DAASSEA1")?);
        let (private, public) = (reader.sized()?.to_vec(), reader.sized()?.to_vec());
        reader.0.is_empty().then_some(Self { private, public })
    }
}

/// Speaks to a TPM.
pub(super) struct Commands {
    transport: Box<dyn Transport>,
}

/// The parameters of a response, after its handles.
struct Answer {
    bytes: Zeroizing<Vec<u8>>,
    at: usize,
}

impl Answer {
    fn reader(&self) -> Reader<'_> {
        Reader(self.bytes.get(self.at..).unwrap_or_default())
    }
}

fn password() -> Vec<u8> {
    Writer::default().word(PASSWORD).short(0).byte(1).short(0).0
}

impl Commands {
    pub(super) fn new(transport: impl Transport) -> Self {
        Self {
            transport: Box::new(transport),
        }
    }

    /// Sends a command; returns the parameters of its response.
    fn send(
        &mut self,
        code: u32,
        handles: &[u32],
        authorization: Option<&[u8]>,
        parameters: &[u8],
    ) -> Result<Answer, TpmError> {
        let mut body = Writer::default();
        for handle in handles {
            body = body.word(*handle);
        }
        if let Some(authorization) = authorization {
            let length = u32::try_from(authorization.len()).unwrap_or(u32::MAX);
            body = body.word(length).bytes(authorization);
        }
        let body = Zeroizing::new(body.bytes(parameters).0);
        let size = u32::try_from(body.len() + 10).unwrap_or(u32::MAX);
        let tag = if authorization.is_some() {
            SESSIONS
        } else {
            NO_SESSIONS
        };
        let command = Writer::default().short(tag).word(size).word(code);
        let command = Zeroizing::new(command.bytes(&body).0);
        let mut tries = 0;
        loop {
            let bytes = Zeroizing::new(self.transport.transmit(&command)?);
            let mut reader = Reader(&bytes);
            let header = reader.short().zip(reader.word()).zip(reader.word());
            let ((_tag, size), result) = header.ok_or(TpmError::Malformed("its header"))?;
            if usize::try_from(size) != Ok(bytes.len()) {
                return Err(TpmError::Malformed("its length"));
            }
            match result {
                0 => return Ok(Answer { bytes, at: 10 }),
                // It has not begun: the same command is to be sent again.
                RETRY | TESTING | YIELDED if tries < TRIES => {
                    tries += 1;
                    std::thread::sleep(PAUSE);
                }
                result => {
                    return Err(TpmError::Refused {
                        command: code,
                        code: result,
                    });
                }
            }
        }
    }

    /// As [`Commands::send`] with sessions: what is left are the parameters alone.
    fn authorized(
        &mut self,
        code: u32,
        handles: &[u32],
        authorization: &[u8],
        parameters: &[u8],
    ) -> Result<Answer, TpmError> {
        let mut answer = self.send(code, handles, Some(authorization), parameters)?;
        Self::trim(&mut answer)?;
        Ok(answer)
    }

    /// Reads the size of the parameters and leaves out what follows them.
    fn trim(answer: &mut Answer) -> Result<(), TpmError> {
        let short = TpmError::Malformed("its parameters");
        let Some(size) = answer.reader().word() else {
            return Err(short);
        };
        answer.at += 4;
        let end = usize::try_from(size)
            .ok()
            .and_then(|size| answer.at.checked_add(size));
        match end {
            Some(end) if end <= answer.bytes.len() => {
                answer.bytes.truncate(end);
                Ok(())
            }
            _ => Err(short),
        }
    }

    /// A command that gives a handle before its parameters.
    fn loaded(
        &mut self,
        code: u32,
        handle: u32,
        parameters: &[u8],
    ) -> Result<(u32, Answer), TpmError> {
        let mut answer = self.send(code, &[handle], Some(&password()), parameters)?;
        let loaded = answer
            .reader()
            .word()
            .ok_or(TpmError::Malformed("a handle"))?;
        answer.at += 4;
        if let Err(error) = Self::trim(&mut answer) {
            let _ = self.flush(loaded);
            return Err(error);
        }
        Ok((loaded, answer))
    }

    fn flush(&mut self, handle: u32) -> Result<(), TpmError> {
        let handle = handle.to_be_bytes();
        self.send(FLUSH_CONTEXT, &[], None, &handle).map(|_| ())
    }

    /// Does something with a loaded object, and unloads it whatever comes of it: TPMs hold few.
    fn with<T>(
        &mut self,
        handle: u32,
        act: impl FnOnce(&mut Self) -> Result<T, TpmError>,
    ) -> Result<T, TpmError> {
        let done = act(self);
        let flushed = self.flush(handle);
        let done = done?;
        flushed.map(|()| done)
    }

    fn create_primary(
        &mut self,
        hierarchy: u32,
        template: &[u8],
    ) -> Result<(u32, Answer), TpmError> {
        let parameters = Writer::default()
            .sized(&[0; 4])
            .sized(template)
            .sized(&[])
            .word(0);
        self.loaded(CREATE_PRIMARY, hierarchy, &parameters.0)
    }

    /// The attestation key: restricted to sign what the TPM itself says. Always the same one.
    fn load_attestation_key(&mut self) -> Result<(u32, Answer), TpmError> {
        let attributes =
            FIXED_TPM | FIXED_PARENT | SENSITIVE_DATA_ORIGIN | USER_WITH_AUTH | RESTRICTED | SIGN;
        let template = Writer::default()
            .short(ALG_ECC)
            .short(SHA256)
            .word(attributes)
            .sized(&[])
            .short(ALG_NULL)
            .short(ALG_ECDSA)
            .short(SHA256)
            .short(P256)
            .short(ALG_NULL)
            .sized(&[])
            .sized(&[]);
        self.create_primary(ENDORSEMENT, &template.0)
    }

    /// The storage key that secrets are sealed under. Always the same one.
    fn load_storage_key(&mut self) -> Result<u32, TpmError> {
        let attributes = FIXED_TPM
            | FIXED_PARENT
            | SENSITIVE_DATA_ORIGIN
            | USER_WITH_AUTH
            | NO_DA
            | RESTRICTED
            | DECRYPT;
        let template = Writer::default()
            .short(ALG_ECC)
            .short(SHA256)
            .word(attributes)
            .sized(&[])
            .short(ALG_AES)
            .short(128)
            .short(ALG_CFB)
            .short(ALG_NULL)
            .short(P256)
            .short(ALG_NULL)
            .sized(&[])
            .sized(&[]);
        self.create_primary(OWNER, &template.0)
            .map(|(handle, _)| handle)
    }

    /// The DER of the attestation key's `SubjectPublicKeyInfo`.
    pub(super) fn attestation_key(&mut self) -> Result<Vec<u8>, TpmError> {
        let (handle, answer) = self.load_attestation_key()?;
        self.flush(handle)?;
        let point = || {
            let mut public = Reader(answer.reader().sized()?);
            // Type, name algorithm, attributes.
            public.take(8)?;
            public.sized()?;
            // Symmetric, scheme and its hash, curve, key derivation.
            public.take(10)?;
            let mut point = vec![4];
            for coordinate in [public.sized()?, public.sized()?] {
                point.resize(point.len() + 32usize.checked_sub(coordinate.len())?, 0);
                point.extend(coordinate);
            }
            Some(point)
        };
        let point = point().ok_or(TpmError::Malformed("a public key"))?;
        Ok([&SPKI[..], &point].concat())
    }

    /// The values of PCRs of the SHA-256 bank.
    pub(super) fn read_pcrs(&mut self, pcrs: &BTreeSet<u8>) -> Result<Pcrs, TpmError> {
        let mut values = Pcrs::new();
        let mut left = pcrs.clone();
        while !left.is_empty() {
            let parameters = Writer::default().selection(&left).0;
            let answer = self.send(PCR_READ, &[], None, &parameters)?;
            let read = || {
                let mut reader = answer.reader();
                reader.word()?;
                let given = reader.selection()?;
                let count = usize::try_from(reader.word()?).ok()?;
                (count == given.len() && count > 0).then_some(())?;
                let mut read = Vec::new();
                for index in given {
                    let value: [u8; 32] = reader.sized()?.try_into().ok()?;
                    read.push((index, value));
                }
                Some(read)
            };
            // Without a SHA-256 bank nothing is given.
            for (index, value) in read().ok_or(TpmError::Malformed("PCRs of SHA-256"))? {
                if !left.remove(&index) {
                    return Err(TpmError::Malformed("a PCR that wasn't asked for"));
                }
                values.insert(index, value);
            }
        }
        Ok(values)
    }

    /// A quote: `TPMS_ATTEST` and `TPMT_SIGNATURE`.
    pub(super) fn quote(
        &mut self,
        data: &[u8],
        pcrs: &BTreeSet<u8>,
    ) -> Result<(Vec<u8>, Vec<u8>), TpmError> {
        let (key, _) = self.load_attestation_key()?;
        let parameters = Writer::default()
            .sized(data)
            .short(ALG_NULL)
            .selection(pcrs)
            .0;
        let answer = self.with(key, |tpm| {
            tpm.authorized(QUOTE, &[key], &password(), &parameters)
        })?;
        let mut reader = answer.reader();
        let attest = reader.sized().ok_or(TpmError::Malformed("a quote"))?;
        Ok((attest.to_vec(), reader.0.to_vec()))
    }

    /// Seals a secret to the PCRs as they are now.
    pub(super) fn seal(&mut self, secret: &[u8], pcrs: &BTreeSet<u8>) -> Result<Sealed, TpmError> {
        let values = self.read_pcrs(pcrs)?;
        let digest = Sha256::digest(values.values().copied().collect::<Vec<_>>().concat());
        // What `TPM2_PolicyPCR` makes of an empty policy.
        let step = Writer::default()
            .bytes(&[0; 32])
            .word(POLICY_PCR)
            .selection(pcrs)
            .bytes(&digest)
            .0;
        let policy = Sha256::digest(step);
        let public = Writer::default()
            .short(ALG_KEYED_HASH)
            .short(SHA256)
            .word(FIXED_TPM | FIXED_PARENT | NO_DA)
            .sized(&policy)
            .short(ALG_NULL)
            .sized(&[])
            .0;
        let sensitive = Zeroizing::new(Writer::default().sized(&[]).sized(secret).0);
        let parameters = Zeroizing::new(
            Writer::default()
                .sized(&sensitive)
                .sized(&public)
                .sized(&[])
                .word(0)
                .0,
        );
        let parent = self.load_storage_key()?;
        let answer = self.with(parent, |tpm| {
            tpm.authorized(CREATE, &[parent], &password(), &parameters)
        })?;
        let mut reader = answer.reader();
        let parts = reader.sized().zip(reader.sized());
        let (private, public) = parts.ok_or(TpmError::Malformed("a sealed object"))?;
        Ok(Sealed {
            private: private.to_vec(),
            public: public.to_vec(),
        })
    }

    /// The secret, if the PCRs are as they were.
    pub(super) fn unseal(
        &mut self,
        sealed: &Sealed,
        pcrs: &BTreeSet<u8>,
    ) -> Result<Zeroizing<Vec<u8>>, TpmError> {
        let parent = self.load_storage_key()?;
        let parameters = Writer::default()
            .sized(&sealed.private)
            .sized(&sealed.public)
            .0;
        let (object, _) = self.with(parent, |tpm| tpm.loaded(LOAD, parent, &parameters))?;
        self.with(object, |tpm| {
            let session = tpm.policy_session()?;
            tpm.with(session, |tpm| {
                let parameters = Writer::default().sized(&[]).selection(pcrs).0;
                tpm.send(POLICY_PCR, &[session], None, &parameters)?;
                let authorization = Writer::default().word(session).short(0).byte(1).short(0);
                let answer = tpm
                    .authorized(UNSEAL, &[object], &authorization.0, &[])
                    .map_err(|error| match error {
                        TpmError::Refused {
                            code: POLICY_FAIL, ..
                        } => TpmError::PcrsChanged,
                        other => other,
                    })?;
                let secret = answer.reader().sized();
                let secret = secret.ok_or(TpmError::Malformed("an unsealed secret"))?;
                Ok(Zeroizing::new(secret.to_vec()))
            })
        })
    }

    fn policy_session(&mut self) -> Result<u32, TpmError> {
        let nonce: [u8; 16] = rand::random();
        let parameters = Writer::default()
            .sized(&nonce)
            .sized(&[])
            .byte(1)
            .short(ALG_NULL)
            .short(SHA256)
            .0;
        let answer = self.send(START_AUTH_SESSION, &[NULL, NULL], None, &parameters)?;
        answer
            .reader()
            .word()
            .ok_or(TpmError::Malformed("a session"))
    }

    /// Makes the counter unless it is there.
    fn define_counter(&mut self, index: u32) -> Result<(), TpmError> {
        match self.send(NV_READ_PUBLIC, &[index], None, &[]) {
            Ok(answer) => {
                let mut reader = answer.reader();
                let is_counter = || {
                    let mut public = Reader(reader.sized()?);
                    public.take(6)?;
                    // The type of an index is bits 4 to 7 of its attributes.
                    (public.word()? >> 4 & 0xf == 1).then_some(())
                };
                let mut is_counter = is_counter;
                return is_counter().ok_or(TpmError::Malformed("the index is no counter"));
            }
            Err(TpmError::Refused {
                code: NO_SUCH_HANDLE,
                ..
            }) => {}
            Err(error) => return Err(error),
        }
        let public = Writer::default()
            .word(index)
            .short(SHA256)
            .word(NV_COUNTER)
            .sized(&[])
            .short(8)
            .0;
        let parameters = Writer::default().sized(&[]).sized(&public).0;
        self.authorized(NV_DEFINE_SPACE, &[OWNER], &password(), &parameters)?;
        self.raise(index)
    }

    fn raise(&mut self, index: u32) -> Result<(), TpmError> {
        self.authorized(NV_INCREMENT, &[index, index], &password(), &[])
            .map(|_| ())
    }

    fn value(&mut self, index: u32) -> Result<u64, TpmError> {
        let parameters = Writer::default().short(8).short(0).0;
        let answer = self.authorized(NV_READ, &[index, index], &password(), &parameters)?;
        let content = answer.reader().sized();
        content
            .and_then(|content| Reader(content).long())
            .ok_or(TpmError::Malformed("a counter"))
    }

    /// The counter's value; the counter is made at the first time.
    pub(super) fn read_counter(&mut self, index: u32) -> Result<u64, TpmError> {
        self.define_counter(index)?;
        match self.value(index) {
            // Made, and the power failed before it was raised for the first time.
            Err(TpmError::Refused {
                code: UNINITIALIZED,
                ..
            }) => {
                self.raise(index)?;
                self.value(index)
            }
            other => other,
        }
    }

    /// Raises the counter, and returns its new value.
    pub(super) fn increment_counter(&mut self, index: u32) -> Result<u64, TpmError> {
        self.define_counter(index)?;
        self.raise(index)?;
        self.value(index)
    }
}
