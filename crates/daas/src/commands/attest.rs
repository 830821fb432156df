//! `daas attest`: any evidence, from anywhere, judged offline.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::SystemTime;

use anyhow::{Context, bail};
use clap::Subcommand;
use jiff::Timestamp;
use tee_verify::offline::{At, OfflinePolicy, Verdict, judge};
use tee_verify::{Collateral, Kind, read_collateral, read_evidence, read_root};

/// The largest file that is read.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Arguments of `daas attest`.
#[derive(Debug, clap::Args)]
pub(crate) struct AttestArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Verify evidence in a file and print what it says as JSON. Exits with 0 if it holds, with 2 if a
    /// check failed (its name is printed), with 1 if it could not be judged
    Verify(VerifyArgs),
}

#[derive(Debug, clap::Args)]
struct VerifyArgs {
    /// Evidence: raw, in hexadecimal, in base64, or as the JSON that a control plane answers with (whose collateral is
    /// then used where none is given)
    file: PathBuf,

    /// nitro, sgx, tdx, snp, tpm or simulated [default: recognised]
    #[arg(long)]
    kind: Option<Kind>,

    /// The time at which it must hold: RFC 3339, or `evidence` for the time that the evidence says [default: now]
    #[arg(long, value_name = "TIME|evidence")]
    at: Option<Moment>,

    /// DCAP collateral (sgx, tdx), JSON
    #[arg(long, value_name = "FILE")]
    collateral: Option<PathBuf>,

    /// Log of measured boot (tpm), as the kernel gives it in binary_bios_measurements
    #[arg(long, value_name = "FILE")]
    event_log: Option<PathBuf>,

    /// Certificates, public keys and revocation lists (snp, tpm), PEM or DER
    #[arg(long, value_name = "FILE", num_args = 1..)]
    certs: Vec<PathBuf>,

    /// A root certificate to trust besides the vendor's (tpm: or an attestation key), PEM or DER
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,

    /// What is expected: measurements, report data, age, least TCB; JSON
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy)]
struct Moment(At);

impl FromStr for Moment {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        if text == "evidence" {
            return Ok(Self(At::Evidence));
        }
        let time: Timestamp = text.parse()?;
        Ok(Self(At::Time(time.try_into()?)))
    }
}

/// Judges and prints.
pub(crate) fn run(args: &AttestArgs) -> anyhow::Result<ExitCode> {
    let Act::Verify(args) = &args.act;
    let verdict = verify(args)?;
    println!("{}", serde_json::to_string_pretty(&verdict)?);
    Ok(ExitCode::from(verdict.exit_code()))
}

fn verify(args: &VerifyArgs) -> anyhow::Result<Verdict> {
    let file = read(&args.file)?;
    let evidence =
        read_evidence(&file, args.kind).with_context(|| format!("{}", args.file.display()))?;
    let mut collateral = Collateral::default();
    if let Some(path) = &args.event_log {
        collateral.event_log = Some(read(path)?);
    }
    if let Some(path) = &args.collateral {
        collateral
            .add_dcap(&read(path)?)
            .with_context(|| format!("{}", path.display()))?;
    }
    let mut roots = Vec::new();
    if let Some(path) = &args.root {
        let file = read(path)?;
        let root = read_root(&file)
            .with_context(|| format!("{}: no certificate or public key", path.display()))?;
        roots.push(root);
        collateral.add(&file)?;
    }
    for path in &args.certs {
        collateral
            .add(&read(path)?)
            .with_context(|| format!("{}", path.display()))?;
    }
    let given = !args.certs.is_empty() || args.collateral.is_some();
    if let Some(travelled) = read_collateral(&file).filter(|_| !given) {
        collateral.extend(travelled);
    }
    let policy = match &args.policy {
        Some(path) => serde_json::from_slice(&read(path)?)
            .with_context(|| format!("{}: not a policy", path.display()))?,
        None => OfflinePolicy::default(),
    };
    let at = match args.at {
        Some(Moment(at)) => at,
        None => At::Time(SystemTime::now()),
    };
    Ok(judge(&evidence, &collateral, &policy, &roots, at))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let at = || format!("{}", path.display());
    let mut content = Vec::new();
    std::fs::File::open(path)
        .with_context(at)?
        .take(MAX_FILE + 1)
        .read_to_end(&mut content)
        .with_context(at)?;
    if content.len() as u64 > MAX_FILE {
        bail!("{}: more than {MAX_FILE} bytes", path.display());
    }
    Ok(content)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn vectors() -> Option<PathBuf> {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
        if path.is_dir() {
            return Some(path);
        }
        println!("skipped: ../shared absent");
        None
    }

    /// `daas attest verify <arguments>`, where `{v}` is the folder of the vectors.
    fn attest(folder: &Path, arguments: &str) -> anyhow::Result<Verdict> {
        let folder = folder.display().to_string();
        let arguments = arguments.replace("{v}", &folder);
        let all = ["daas", "attest", "verify"]
            .into_iter()
            .chain(arguments.split_whitespace());
        let Command::Attest(args) = Cli::try_parse_from(all)?.command else {
            panic!("another command");
        };
        let Act::Verify(args) = args.act;
        verify(&args)
    }

    #[test]
    fn real_evidence_is_judged_by_its_kind() {
        let Some(folder) = vectors() else { return };
        let nitro = "{v}/nitro/sui_3_test_nitro_attestation.cose";
        let snp = "{v}/snp/virtee_milan_report.hex --kind snp --at 2025-01-01T00:00:00Z";
        let amd =
            "--certs {v}/snp/virtee_vcek_milan.der {v}/snp/ask_milan.pem {v}/snp/ark_milan.pem";
        let tdx = "{v}/tdx/phala_tdx_quote.bin --collateral {v}/tdx/phala_tdx_collateral.json";
        for (arguments, code) in [
            (format!("{nitro} --kind nitro --at evidence"), 0),
            (
                format!("{nitro} --at evidence --root {{v}}/nitro/aws_root.der"),
                0,
            ),
            (nitro.to_owned(), 2),
            ("{v}/nitro/sui_1_x.cose --at evidence".to_owned(), 2),
            (format!("{snp} {amd}"), 0),
            (snp.to_owned(), 1),
            (format!("{tdx} --at 2025-06-25T00:00:00Z"), 0),
            (tdx.to_owned(), 2),
            (format!("{tdx} --at evidence"), 1),
        ] {
            let verdict = attest(&folder, &arguments).unwrap();
            assert_eq!(verdict.exit_code(), code, "{arguments}: {verdict:?}");
        }
    }

    #[test]
    fn another_root_is_trusted_when_it_is_named() {
        let Some(folder) = vectors() else { return };
        let document = std::fs::read(folder.join("nitro/oyster_custom_root.cose")).unwrap();
        // The only certificate of its bundle: `cabundle`, an array of one, of 0x194 bytes.
        let mark = b"cabundle\x81\x59\x01\x94";
        let at = document
            .windows(mark.len())
            .position(|w| w == mark)
            .unwrap()
            + mark.len();
        let work = tempfile::tempdir().unwrap();
        let root = work.path().join("root.der");
        std::fs::write(&root, &document[at..at + 0x194]).unwrap();
        let arguments = "{v}/nitro/oyster_custom_root.cose --at evidence";
        let refused = attest(&folder, arguments).unwrap();
        assert!(matches!(refused, Verdict::Refused { check: "root", .. }));
        let trusted = attest(&folder, &format!("{arguments} --root {}", root.display())).unwrap();
        // All of its PCRs are zero.
        assert!(
            matches!(trusted, Verdict::Refused { check: "debug", .. }),
            "{trusted:?}"
        );
    }

    #[test]
    fn a_control_planes_answer_brings_its_collateral() {
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;
        let Some(folder) = vectors() else { return };
        let read = |name: &str| STANDARD.encode(std::fs::read(folder.join(name)).unwrap());
        let answer = |certificates: &[&str]| {
            let certificates: Vec<String> = certificates.iter().map(|name| read(name)).collect();
            serde_json::json!({
                "cluster": "0x00", "kind": "snp", "nonce": "00",
                "evidence": { "kind": "snp", "body": read("snp/coco_test-report.bin") },
                "collateral": { "certificates": certificates },
            })
        };
        let work = tempfile::tempdir().unwrap();
        let file = work.path().join("answer.json");
        let at = format!("{} --at 2025-01-01T00:00:00Z", file.display());
        let judged = |answer: serde_json::Value, more: &str| {
            std::fs::write(&file, answer.to_string()).unwrap();
            attest(&folder, &format!("{at} {more}")).unwrap()
        };
        let whole = answer(&["snp/coco_test-vcek.der"]);
        assert_eq!(judged(whole.clone(), "").exit_code(), 0);
        assert_eq!(judged(answer(&[]), "").exit_code(), 1);
        // What is given on the command line counts instead.
        let other = "--certs {v}/snp/coco_test-vcek-invalid-new.der";
        assert_eq!(judged(whole.clone(), other).exit_code(), 2);
        let policy = work.path().join("policy.json");
        std::fs::write(&policy, r#"{"snpMaxVmpl": 0, "reportData": "00"}"#).unwrap();
        let policy = format!("--policy {}", policy.display());
        let refused = judged(whole.clone(), &policy);
        assert!(
            matches!(
                refused,
                Verdict::Refused {
                    check: "binding",
                    ..
                }
            ),
            "{refused:?}"
        );
        std::fs::write(&file, whole.to_string()).unwrap();
        assert!(attest(&folder, &format!("{at} --kind nitro")).is_err());
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let work = tempfile::tempdir().unwrap();
        let file = work.path().join("file");
        let arguments = format!("{}", file.display());
        assert!(attest(work.path(), &arguments).is_err());
        std::fs::write(&file, b"\x01\x02").unwrap();
        assert!(attest(work.path(), &arguments).is_err());
        let policy = format!("{arguments} --kind nitro --policy {arguments}");
        assert!(attest(work.path(), &policy).is_err());
        assert!(attest(work.path(), &format!("{arguments} --at yesterday")).is_err());
        std::fs::write(&file, vec![0; 4 * 1024 * 1024 + 1]).unwrap();
        assert!(attest(work.path(), &arguments).is_err());
    }
}
