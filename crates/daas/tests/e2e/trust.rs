//! What a running system proves of itself, and that its keys change under it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::system::{DAAS, System, text, within};

/// The passport, anchors, a new key epoch, and a Secret that is nowhere on disk.
pub(crate) fn check(system: &System) {
    let canary = format!(
        "canary-{}-{:?}",
        std::process::id(),
        std::time::Instant::now()
    )
    .replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let literal = format!("--from-literal=value={canary}");
    system.kubectl(&["create", "secret", "generic", "canary", &literal]);

    let anchored = system.json(&["cluster", "anchor"]);
    let revision = anchored["revision"].as_u64().unwrap();
    assert_eq!(anchored["epoch"], 1, "{anchored}");
    // Nobody's privilege: a new process with nothing but the chain's address and the deployment.
    let verified = system.daas(&["verify"], &["--output", "json"]);
    assert_eq!(verified.status.code(), Some(3), "{}", text(&verified));
    let passport: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(passport["verdict"], "simulated", "{passport}");
    assert!(passport["anchor"]["revision"].as_u64().unwrap() >= revision);
    let evidence = &passport["instances"][0]["evidence"];
    assert!(evidence["source"].as_str().unwrap().starts_with("daas "));
    let page = system.daas(&["verify"], &[]);
    assert!(text(&page).contains("proves nothing"), "{}", text(&page));
    // The whole cluster, by its id.
    let cluster = passport["cluster"].as_str().unwrap();
    let whole = system.daas(&["verify", cluster], &[]);
    assert_eq!(whole.status.code(), Some(3), "{}", text(&whole));

    // Custodians, and a plan for them.
    let work = system.path().join("custodians");
    fs::create_dir_all(&work).unwrap();
    let mut plan = vec!["recovery".to_owned(), "plan".to_owned()];
    plan.extend(["--threshold", "2", "--out", work.to_str().unwrap()].map(str::to_owned));
    for number in 1..=2 {
        let file = work.join(format!("{number}.key"));
        let made = Command::new(DAAS)
            .args(["recovery", "custodian", "--output", "json", "--out"])
            .arg(&file)
            .output()
            .unwrap();
        let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
        plan.extend([
            "--custodian".to_owned(),
            made["publicKey"].as_str().unwrap().to_owned(),
        ]);
    }
    let plan: Vec<_> = plan.iter().map(String::as_str).collect();
    assert_eq!(system.json(&plan).as_array().unwrap().len(), 2);
    let share = fs::read_to_string(work.join("share-1.json")).unwrap();
    assert!(share.contains("sealed"), "{share}");

    let rotated = system.json(&["cluster", "rotate-keys"]);
    assert_eq!(rotated["epoch"], 2, "{rotated}");
    within(Duration::from_secs(60), "the new epoch is anchored", || {
        system.json(&["cluster", "anchor"])["epoch"] == 2
    });
    let read = system.kubectl(&["get", "secret", "canary", "-o", "jsonpath={.data.value}"]);
    let found = search(
        &system.path().join("server"),
        &[canary.as_bytes(), read.as_bytes()],
    )
    .or_else(|| {
        search(
            &system.path().join("logs"),
            &[canary.as_bytes(), read.as_bytes()],
        )
    })
    .or_else(|| search(&system.path().join("ledger"), &[canary.as_bytes()]));
    assert_eq!(found, None, "the Secret is on disk");
    let upgrades = system.json(&["cluster", "upgrade", "show"]);
    assert_eq!(upgrades[0]["status"], "approved", "{upgrades}");
}

/// Every file below a directory.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// The first file that has one of these.
fn search(directory: &Path, needles: &[&[u8]]) -> Option<String> {
    files(directory).into_iter().find_map(|path| {
        let content = fs::read(&path).unwrap_or_default();
        let has = |needle: &&[u8]| {
            content
                .windows(needle.len())
                .any(|window| window == *needle)
        };
        let found = needles.iter().any(has);
        found.then(|| path.display().to_string())
    })
}
