//! How long evidence of each kind takes to make and to verify. SGX and TDX need the vectors beside the workspace; a real
//! TPM or secure module takes far longer to make evidence than the software here.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use divan::{Bencher, black_box};
use tee::nitro::Nitro;
use tee::testing::{FakeNsm, FakeSnp};
use tee::{Provider, Simulated};
use tee_verify::offline::{At, OfflinePolicy, judge};
use tee_verify::{Binding, Collateral, Evidence, Kind, Policy, read_evidence, verify};

const BINDING: Binding = Binding([5; 32]);

fn main() {
    divan::main();
}

fn bench(bencher: Bencher<'_, '_>, provider: &dyn Provider, policy: Policy) {
    let policy = policy.allow(provider.kind(), provider.measurement().clone());
    let (evidence, collateral) = (
        provider.attest(&BINDING).unwrap(),
        provider.collateral().unwrap(),
    );
    let now = SystemTime::now();
    bencher.bench_local(|| {
        verify(
            black_box(&evidence),
            black_box(&collateral),
            &policy,
            now,
            &BINDING,
        )
        .unwrap()
    });
}

fn simulated() -> (Simulated, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("device.key");
    (
        Simulated::open_as(&key, Path::new("/proc/version")).unwrap(),
        directory,
    )
}

#[divan::bench]
fn verify_simulated(bencher: Bencher<'_, '_>) {
    let (provider, _directory) = simulated();
    bench(bencher, &provider, Policy::new());
}

#[divan::bench]
fn verify_nitro(bencher: Bencher<'_, '_>) {
    let module = FakeNsm::new([9; 48]);
    let policy = Policy::new().trust_root(Kind::Nitro, module.root_sha256());
    bench(bencher, &Nitro::open(module).unwrap(), policy);
}

#[divan::bench]
fn verify_snp(bencher: Bencher<'_, '_>) {
    let guest = FakeSnp::new([9; 48]);
    let root = tee_verify::read_root(guest.root()).unwrap();
    bench(bencher, &guest, Policy::new().trust_root(Kind::Snp, root));
}

#[divan::bench]
fn make_simulated(bencher: Bencher<'_, '_>) {
    let (provider, _directory) = simulated();
    bencher.bench_local(|| provider.attest(black_box(&BINDING)).unwrap());
}

#[divan::bench]
fn make_nitro_in_software(bencher: Bencher<'_, '_>) {
    let provider = Nitro::open(FakeNsm::new([9; 48])).unwrap();
    bencher.bench_local(|| provider.attest(black_box(&BINDING)).unwrap());
}

fn vectors() -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: ../shared absent");
    None
}

/// A real quote, with everything that is checked offline.
fn quote(bencher: Bencher<'_, '_>, kind: Kind, files: [&str; 2], at: u64) {
    let Some(folder) = vectors() else { return };
    let [quote, documents] = files.map(|file| std::fs::read(folder.join(file)).unwrap());
    let evidence: Evidence = read_evidence(&quote, Some(kind)).unwrap();
    let mut collateral = Collateral::default();
    collateral.add_dcap(&documents).unwrap();
    let at = At::Time(UNIX_EPOCH + Duration::from_secs(at));
    let policy = OfflinePolicy::default();
    let check = || judge(black_box(&evidence), &collateral, &policy, &[], at);
    assert_eq!(check().exit_code(), 0);
    bencher.bench_local(check);
}

/// A time at which the vectors' collateral is valid.
const JUNE_2025: u64 = 1_750_809_600;

#[divan::bench]
fn verify_sgx(bencher: Bencher<'_, '_>) {
    let files = ["sgx/phala_sgx_quote.bin", "sgx/phala_sgx_collateral.json"];
    quote(bencher, Kind::Sgx, files, JUNE_2025);
}

#[divan::bench]
fn verify_tdx(bencher: Bencher<'_, '_>) {
    let files = ["tdx/phala_tdx_quote.bin", "tdx/phala_tdx_collateral.json"];
    quote(bencher, Kind::Tdx, files, JUNE_2025);
}
