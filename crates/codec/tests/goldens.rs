//! Each golden object turns from JSON, YAML and protobuf into each other; protobuf byte for byte.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

#[path = "goldens/kinds.rs"]
mod kinds;

use std::path::PathBuf;

use codec::{json, protobuf, yaml};
use proptest::prelude::*;
use serde_json::Value;

fn goldens() -> Vec<(String, PathBuf)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/k8s/goldens");
    let Ok(files) = std::fs::read_dir(folder) else {
        println!("skipped: ../shared absent");
        return Vec::new();
    };
    let mut out: Vec<(String, PathBuf)> = files
        .map(|f| f.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "json"))
        .map(|p| {
            (
                p.file_stem().unwrap().to_str().unwrap().to_owned(),
                p.with_extension(""),
            )
        })
        .collect();
    out.sort();
    out
}

fn read(base: &std::path::Path, extension: &str) -> Vec<u8> {
    let mut name = base.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    std::fs::read(PathBuf::from(name)).unwrap()
}

#[test]
fn json_and_yaml_agree() {
    for (name, base) in goldens() {
        let from_json = json::decode(&read(&base, "json")).unwrap();
        let from_yaml = yaml::decode(&read(&base, "yaml")).unwrap();
        assert_eq!(from_json.value, from_yaml.value, "{name}");
        let again = yaml::decode(&yaml::encode(&from_json.value).unwrap()).unwrap();
        assert_eq!(again.value, from_json.value, "{name}");
        assert_eq!(
            json::decode(&json::encode(&from_json.value)).unwrap().value,
            from_json.value,
            "{name}"
        );
    }
}

#[test]
fn protobuf_byte_for_byte() {
    let (mut passed, mut unknown) = (0, Vec::new());
    let mut failed = Vec::new();
    for (name, base) in goldens() {
        if name.ends_with("after_roundtrip") {
            continue;
        }
        let value: Value = json::decode(&read(&base, "json")).unwrap().value;
        let want = read(&base, "pb");
        let text = |n: &str| value[n].as_str().unwrap_or_default().to_owned();
        if schema::lookup_api_version(&text("apiVersion"), &text("kind")).is_none() {
            unknown.push(name);
            continue;
        }
        match protobuf::encode(&value) {
            Ok(got) if got == want => {}
            Ok(got) => {
                let at = got.iter().zip(&want).take_while(|(a, b)| a == b).count();
                failed.push(format!(
                    "{name}: encodes differently at {at} of {} ({})",
                    want.len(),
                    got.len()
                ));
                continue;
            }
            Err(e) => {
                failed.push(format!("{name}: {e}"));
                continue;
            }
        }
        match protobuf::decode(&want, None) {
            Ok(got) if got == value => passed += 1,
            Ok(got) => failed.push(format!(
                "{name}: decodes differently: {}",
                first_difference(&value, &got, "")
            )),
            Err(e) => failed.push(format!("{name}: {e}")),
        }
    }
    println!(
        "{passed} turned both ways, {} of kinds no longer served: {unknown:?}",
        unknown.len()
    );
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(unknown.len() <= 84);
}

fn first_difference(want: &Value, got: &Value, path: &str) -> String {
    if let (Value::Object(a), Value::Object(b)) = (want, got) {
        for k in a.keys().chain(b.keys()) {
            let (x, y) = (
                a.get(k).unwrap_or(&Value::Null),
                b.get(k).unwrap_or(&Value::Null),
            );
            if x != y {
                return first_difference(x, y, &format!("{path}.{k}"));
            }
        }
    }
    format!("{path}: want {want} got {got}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Damaged bytes are refused or read, never more; what is read can be written.
    #[test]
    fn damaged_protobuf(seed in any::<u64>(), cut in 0..200_usize, flip in any::<u8>()) {
        for (_, base) in goldens().into_iter().filter(|(n, _)| n.ends_with("v1.Pod") || n.contains("v1.CustomResourceDefinition")) {
            let mut bytes = read(&base, "pb");
            let at = (seed as usize) % bytes.len();
            bytes[at] ^= flip;
            bytes.truncate(bytes.len() - cut.min(bytes.len()));
            let _ = protobuf::decode(&bytes, None);
        }
    }

    #[test]
    fn random_protobuf(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let ty = schema::lookup("", "v1", "Pod").unwrap();
        if let Ok(v) = protobuf::decode_message(ty, &bytes) {
            let _ = protobuf::encode_message(ty, &v);
        }
    }
}
