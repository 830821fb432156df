//! The reference cases: answers of kube-apiserver 1.36 to the same requests.

use std::collections::BTreeMap;

use tokio::process::Command;

use crate::harness::{root, start};

/// How many cases of each file pass at least; raised when more do, never lowered.
const FLOORS: &[(&str, usize)] = &[
    ("identity", 17),
    ("objects", 113),
    ("protocol", 65),
    ("sequences", 8),
    ("tables", 36),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reference_cases() {
    let reference = root().join("../shared/k8s");
    let tool = reference.join("apidiff.py");
    if !tool.exists() {
        eprintln!("skipped: ../shared absent");
        return;
    }
    let server = start().await;
    let config = server.kubeconfig(&server.admin);
    let mut report = BTreeMap::new();
    for (name, floor) in FLOORS {
        let output = Command::new("python3")
            .arg(&tool)
            .args(["compare", "--kubeconfig"])
            .arg(&config)
            .arg(reference.join(format!("cases/{name}.json")))
            .output()
            .await
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        if std::env::var_os("APIDIFF_VERBOSE").is_some() {
            eprintln!("== {name}\n{text}");
        }
        let passed: usize = text
            .lines()
            .rev()
            .find_map(|l| {
                l.split_once(" passed,")
                    .and_then(|(n, _)| n.trim().parse().ok())
            })
            .unwrap_or_else(|| panic!("{name}: {text}"));
        let total = text.lines().last().unwrap_or_default().to_owned();
        eprintln!("{name}: {total}");
        report.insert(*name, (passed, *floor, text));
    }
    for (name, (passed, floor, text)) in report {
        assert!(
            passed >= floor,
            "{name}: {passed} passed, at least {floor} did before\n{text}"
        );
    }
}
