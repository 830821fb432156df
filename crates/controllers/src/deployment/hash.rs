//! The hash of a pod template, in names and labels of replica sets.
// upstream: pkg/controller/controller_utils.go#ComputeHash, pkg/controller/deployment/util/deployment_util.go#EqualIgnoreHash

use k8s_openapi::api::core::v1::PodTemplateSpec;

/// The label of pods and replica sets.
pub(super) const LABEL: &str = "pod-template-hash";

/// FNV-1a of 32 bits over the template's JSON (whose members have a fixed order) and the collision count, in the letters
/// of generated names. Upstream hashes Go's print of the object instead, so the values differ from its, as they differ
/// between its versions.
pub(super) fn of(template: &PodTemplateSpec, collisions: Option<i32>) -> String {
    let bytes = serde_json::to_vec(template).unwrap_or_default();
    let collisions = collisions
        .and_then(|c| u32::try_from(c).ok())
        .map(|c| u64::from(c).to_le_bytes());
    let hash = bytes
        .into_iter()
        .chain(collisions.into_iter().flatten())
        .fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
    machinery::names::safe_encode(&hash.to_string())
}

/// Whether two templates are the same but for the label.
pub(super) fn equal_ignoring(a: &PodTemplateSpec, b: &PodTemplateSpec) -> bool {
    let bare = |t: &PodTemplateSpec| {
        let mut t = t.clone();
        if let Some(meta) = &mut t.metadata {
            if let Some(labels) = &mut meta.labels {
                labels.remove(LABEL);
            }
            meta.labels = meta.labels.take().filter(|l| !l.is_empty());
            meta.annotations = meta.annotations.take().filter(|a| !a.is_empty());
            meta.creation_timestamp = None;
        }
        t
    };
    bare(a) == bare(b)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(image: &str, hash: Option<&str>) -> PodTemplateSpec {
        let mut labels = json!({"app": "web"});
        if let Some(hash) = hash {
            labels[LABEL] = hash.into();
        }
        serde_json::from_value(json!({"metadata": {"labels": labels},
            "spec": {"containers": [{"name": "c", "image": image}]}}))
        .unwrap()
    }

    #[test]
    fn it_depends_on_the_template_and_the_collisions_alone_and_never_changes() {
        let a = of(&template("a", None), None);
        assert_eq!(a, of(&template("a", None), None));
        assert_ne!(a, of(&template("b", None), None));
        assert_ne!(a, of(&template("a", None), Some(1)));
        assert!(
            a.len() <= 10
                && a.bytes()
                    .all(|b| machinery::names::SUFFIX_ALPHABET.contains(&b))
        );
        // A value that replica sets of earlier versions have.
        assert_eq!(a, GOLDEN);
        assert!(equal_ignoring(
            &template("a", Some("x")),
            &template("a", None)
        ));
        assert!(!equal_ignoring(&template("a", None), &template("b", None)));
    }

    const GOLDEN: &str = "78dbf6cfb9";
}
