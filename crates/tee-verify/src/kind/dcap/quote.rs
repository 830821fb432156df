//! The layout of quotes, versions 3, 4 and 5 (Intel SGX and TDX DCAP quote generation libraries).

use crate::Kind;

const HEADER: usize = 48;
pub(super) const ENCLAVE_REPORT: usize = 384;
const TD_REPORT_10: usize = 584;
const TD_REPORT_15: usize = 648;
/// With more on service domains and on where the domain was launched; what was there before is as before.
const TD_REPORT_15_EXTENDED: usize = 885;
const VENDOR: [u8; 16] = [
    0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07,
];
const ECDSA_P256: u16 = 2;
const TDX: u32 = 0x81;
/// Certification data: the platform's id, plain or encrypted, without a certificate.
const PLATFORM_IDS: std::ops::RangeInclusive<u16> = 1..=3;
const PCK_CHAIN: u16 = 5;
const QE_REPORT: u16 = 6;

/// What is wrong with the layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QuoteError {
    Malformed,
    Unsupported(&'static str),
}

/// What a quote says.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body<'a> {
    /// An enclave report.
    Enclave(&'a [u8]),
    /// A TD report, 1.0, 1.5 or 1.5 extended.
    Domain(&'a [u8]),
}

/// The parts of a quote.
pub(super) struct Quote<'a> {
    pub(super) body: Body<'a>,
    /// What the attestation key signs.
    pub(super) signed: &'a [u8],
    pub(super) signature: &'a [u8],
    pub(super) attestation_key: &'a [u8],
    pub(super) qe_report: &'a [u8],
    pub(super) qe_report_signature: &'a [u8],
    pub(super) qe_auth_data: &'a [u8],
    /// PEM; `None` when the collateral must bring it.
    pub(super) pck_chain: Option<&'a [u8]>,
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn short(&mut self) -> Option<u16> {
        let (bytes, rest) = self.0.split_first_chunk::<2>()?;
        self.0 = rest;
        Some(u16::from_le_bytes(*bytes))
    }

    fn word(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*bytes))
    }

    /// A field after its length.
    fn sized(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.word()?).ok()?;
        self.take(length)
    }
}

/// Reads a quote of this kind, completely.
pub(super) fn parse(kind: Kind, quote: &[u8]) -> Result<Quote<'_>, QuoteError> {
    let mut fields = Fields(quote);
    let header = header(&mut fields).ok_or(QuoteError::Malformed)?;
    if header.vendor != VENDOR {
        return Err(QuoteError::Malformed);
    }
    if !(3..=5).contains(&header.version) {
        return Err(QuoteError::Unsupported("a quote of this version"));
    }
    if header.key_type != ECDSA_P256 {
        return Err(QuoteError::Unsupported("this type of attestation key"));
    }
    let expected = match (kind, header.version) {
        (Kind::Sgx, _) => 0,
        (Kind::Tdx, 4 | 5) => TDX,
        _ => return Err(QuoteError::Malformed),
    };
    if header.tee_type != expected {
        return Err(QuoteError::Malformed);
    }
    let length = if header.version < 5 {
        match kind {
            Kind::Tdx => TD_REPORT_10,
            _ => ENCLAVE_REPORT,
        }
    } else {
        let (body_type, size) = fields
            .short()
            .zip(fields.word())
            .ok_or(QuoteError::Malformed)?;
        let length = match (kind, body_type) {
            (Kind::Sgx, 1) => ENCLAVE_REPORT,
            (Kind::Tdx, 2) => TD_REPORT_10,
            (Kind::Tdx, 3) => TD_REPORT_15,
            (Kind::Tdx, 4) => TD_REPORT_15_EXTENDED,
            (Kind::Tdx, 5..) => return Err(QuoteError::Unsupported("a report of this type")),
            _ => return Err(QuoteError::Malformed),
        };
        if usize::try_from(size) != Ok(length) {
            return Err(QuoteError::Malformed);
        }
        length
    };
    rest(kind, quote, fields, length, header.version).ok_or(QuoteError::Malformed)
}

struct Header<'a> {
    version: u16,
    key_type: u16,
    tee_type: u32,
    vendor: &'a [u8],
}

fn header<'a>(fields: &mut Fields<'a>) -> Option<Header<'a>> {
    let mut fields = Fields(fields.take(HEADER)?);
    let (version, key_type, tee_type) = (fields.short()?, fields.short()?, fields.word()?);
    fields.take(4)?;
    Some(Header {
        version,
        key_type,
        tee_type,
        vendor: fields.take(16)?,
    })
}

fn rest<'a>(
    kind: Kind,
    quote: &'a [u8],
    mut fields: Fields<'a>,
    length: usize,
    version: u16,
) -> Option<Quote<'a>> {
    let report = fields.take(length)?;
    let (signed, _) = quote.split_at_checked(quote.len().checked_sub(fields.0.len())?)?;
    let mut data = Fields(fields.sized()?);
    let padding = fields.0;
    // TDX quoting services give buffers of fixed size.
    let padded = kind == Kind::Tdx && padding.iter().all(|b| *b == 0);
    if !padding.is_empty() && !padded {
        return None;
    }
    let (signature, attestation_key) = (data.take(64)?, data.take(64)?);
    if version > 3 {
        let wrapped = data.short()? == QE_REPORT;
        let inner = data.sized()?;
        if !wrapped || !data.0.is_empty() {
            return None;
        }
        data = Fields(inner);
    }
    let (qe_report, qe_report_signature) = (data.take(ENCLAVE_REPORT)?, data.take(64)?);
    let length = usize::from(data.short()?);
    let qe_auth_data = data.take(length)?;
    let certification = data.short()?;
    let content = data.sized()?;
    let pck_chain = match certification {
        PCK_CHAIN => Some(content),
        id if PLATFORM_IDS.contains(&id) => None,
        _ => return None,
    };
    data.0.is_empty().then_some(Quote {
        body: match kind {
            Kind::Tdx => Body::Domain(report),
            _ => Body::Enclave(report),
        },
        signed,
        signature,
        attestation_key,
        qe_report,
        qe_report_signature,
        qe_auth_data,
        pck_chain,
    })
}
