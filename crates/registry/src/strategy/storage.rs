//! Volumes, claims and storage.k8s.io.
//!
//! upstream: pkg/apis/core/validation/validation.go, pkg/apis/storage/{v1/defaults,validation/validation}.go,
//! pkg/registry/{core/persistentvolume,core/persistentvolumeclaim,storage}/*/strategy.go

use machinery::ObjectExt;
use machinery::field::{Error, ErrorList, Path};
use machinery::time;
use machinery::validation::is_qualified_name;
use serde_json::{Value, json};

use super::{Strategy, StrategyContext, checks, defaults, pod_validation, quantity};
use crate::value::{Read, Write, copy_member};

const ACCESS_MODES: &[&str] = &[
    "ReadOnlyMany",
    "ReadWriteMany",
    "ReadWriteOnce",
    "ReadWriteOncePod",
];
/// Members of a persistent volume's spec that are its source.
const SOURCES: &[&str] = &[
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "azureDisk",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "local",
    "storageos",
    "csi",
    "flexVolume",
];

fn protect(object: &mut Value, finalizer: &str) {
    let mut finalizers: Vec<String> = object.finalizers().into_iter().map(str::to_owned).collect();
    if !finalizers.iter().any(|f| f == finalizer) {
        finalizers.push(finalizer.to_owned());
        object.set_finalizers(&finalizers.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

/// PersistentVolumes.
#[derive(Debug)]
pub(crate) struct PersistentVolume;

impl Strategy for PersistentVolume {
    fn default(&self, volume: &mut Value) {
        if let Some(spec) = volume.ensure_object("spec") {
            spec.default_text("persistentVolumeReclaimPolicy", "Retain");
            spec.default_to("volumeMode", "Filesystem");
            if let Some(capacity) = spec.member_mut("capacity") {
                defaults::resource_list(capacity);
            }
            defaults::volume_source(spec);
        }
        if let Some(status) = volume.ensure_object("status") {
            status.default_text("phase", "Pending");
        }
    }

    fn has_status(&self) -> bool {
        true
    }

    /// upstream: strategy.go#persistentvolumeStrategy.PrepareForCreate; plugin/pkg/admission/storage/storageobjectinuseprotection
    fn prepare_for_create(&self, context: &StrategyContext<'_>, volume: &mut Value) {
        volume.put(
            "status",
            json!({"phase": "Pending", "lastPhaseTransitionTime": time::format(context.now)}),
        );
        protect(volume, "kubernetes.io/pv-protection");
    }

    /// upstream: strategy.go#persistentvolumeStatusStrategy.PrepareForUpdate
    fn prepare_for_status_update(
        &self,
        context: &StrategyContext<'_>,
        volume: &mut Value,
        old: &Value,
    ) {
        crate::value::keep_all_but_status(volume, old);
        if volume.text_at(&["status", "phase"]) != old.text_at(&["status", "phase"]) {
            volume.set_at(
                &["status", "lastPhaseTransitionTime"],
                time::format(context.now).into(),
            );
        }
    }

    /// upstream: #ValidatePersistentVolumeSpec
    fn validate(&self, _context: &StrategyContext<'_>, volume: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = volume.field("spec").unwrap_or(&Value::Null);
        access_modes(spec, &path, "", &mut errors);
        let capacity = spec.member("capacity").and_then(Value::as_object);
        if capacity.is_none_or(serde_json::Map::is_empty) {
            errors.push(Error::required(&path.child("capacity"), ""));
        }
        for (name, amount) in capacity.into_iter().flatten() {
            let path = path.child("capacity").key(name.as_str());
            if name != "storage" {
                errors.push(Error::not_supported(&path, name.as_str(), &["storage"]));
            } else if !quantity::is_positive(amount) {
                let text = quantity::canonical(amount).unwrap_or_default();
                errors.push(Error::invalid(&path, text, "must be greater than zero"));
            }
        }
        let policy = spec.text("persistentVolumeReclaimPolicy");
        if !policy.is_empty() {
            let supported = ["Delete", "Recycle", "Retain"];
            checks::one_of(
                &mut errors,
                &path.child("persistentVolumeReclaimPolicy"),
                policy,
                &supported,
            );
        }
        let mut count = 0;
        for kind in SOURCES {
            let Some(source) = spec.member(kind).filter(|s| !s.is_null()) else {
                continue;
            };
            count += 1;
            if count > 1 {
                errors.push(Error::forbidden(
                    &path.child(*kind),
                    "may not specify more than 1 volume type",
                ));
            } else if *kind == "hostPath" {
                pod_validation::host_path(source, &path.child("hostPath"), &mut errors);
            }
        }
        if count == 0 {
            errors.push(Error::required(&path, "must specify a volume type"));
        }
        if let Some(required) = spec
            .member("nodeAffinity")
            .and_then(|a| a.member("required"))
        {
            pod_validation::node_selector(
                required,
                &path.child("nodeAffinity").child("required"),
                &mut errors,
            );
        } else if spec.has("local") {
            errors.push(Error::required(
                &Path::new("metadata").child("annotations"),
                "Local volume requires node affinity",
            ));
        }
        mode(spec, &path, &mut errors);
        errors
    }

    /// upstream: #ValidatePersistentVolumeUpdate
    fn validate_update(
        &self,
        context: &StrategyContext<'_>,
        volume: &Value,
        old: &Value,
    ) -> ErrorList {
        let mut errors = self.validate(context, volume);
        let of = |v: &Value| {
            let spec = v.field("spec").cloned().unwrap_or_default();
            let sources: serde_json::Map<String, Value> = SOURCES
                .iter()
                .filter_map(|k| Some(((*k).to_owned(), spec.member(k)?.clone())))
                .collect();
            Value::Object(sources)
        };
        if !machinery::equality::semantic(&of(volume), &of(old)) {
            errors.push(Error::forbidden(
                &Path::new("spec").child("persistentvolumesource"),
                "spec.persistentvolumesource is immutable after creation",
            ));
        }
        let path = Path::new("spec").child("volumeMode");
        checks::immutable(
            &mut errors,
            &path,
            volume.at(&["spec", "volumeMode"]),
            old.at(&["spec", "volumeMode"]),
        );
        errors
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

fn access_modes(spec: &Value, path: &Path, detail: &str, errors: &mut ErrorList) {
    let path = path.child("accessModes");
    let modes = spec.list("accessModes");
    if modes.is_empty() {
        errors.push(Error::required(&path, detail));
    }
    for mode in modes {
        let text = mode.as_str().unwrap_or_default();
        if !ACCESS_MODES.contains(&text) {
            errors.push(Error::not_supported(&path, text, ACCESS_MODES));
        }
    }
    if modes.len() > 1 && modes.iter().any(|m| m.as_str() == Some("ReadWriteOncePod")) {
        errors.push(Error::forbidden(
            &path,
            "may not use ReadWriteOncePod with other access modes",
        ));
    }
}

fn mode(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let mode = spec.text("volumeMode");
    if !mode.is_empty() && !["Block", "Filesystem"].contains(&mode) {
        errors.push(Error::not_supported(
            &path.child("volumeMode"),
            mode,
            &["Block", "Filesystem"],
        ));
    }
}

/// PersistentVolumeClaims.
#[derive(Debug)]
pub(crate) struct PersistentVolumeClaim;

impl Strategy for PersistentVolumeClaim {
    fn default(&self, claim: &mut Value) {
        if let Some(spec) = claim.ensure_object("spec") {
            defaults::claim_spec(spec);
        }
        if let Some(status) = claim.ensure_object("status") {
            status.default_text("phase", "Pending");
        }
    }

    fn has_status(&self) -> bool {
        true
    }

    fn prepare_for_create(&self, _context: &StrategyContext<'_>, claim: &mut Value) {
        claim.put("status", json!({"phase": "Pending"}));
        protect(claim, "kubernetes.io/pvc-protection");
    }

    /// upstream: #ValidatePersistentVolumeClaimSpec
    fn validate(&self, _context: &StrategyContext<'_>, claim: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = claim.field("spec").unwrap_or(&Value::Null);
        access_modes(
            spec,
            &path,
            "at least 1 access mode is required",
            &mut errors,
        );
        errors.extend(machinery::labels::validate_label_selector(
            spec.member("selector"),
            false,
            &path.child("selector"),
        ));
        match spec.at(&["resources", "requests", "storage"]) {
            None => errors.push(Error::required(&path.child("resources").key("storage"), "")),
            Some(amount) if !quantity::is_positive(amount) => {
                let text = quantity::canonical(amount).unwrap_or_default();
                errors.push(Error::invalid(
                    &path.child("resources").key("storage"),
                    text,
                    "must be greater than zero",
                ));
            }
            Some(_) => {}
        }
        checks::optional_subdomain(
            &mut errors,
            &path.child("storageClassName"),
            spec.text("storageClassName"),
        );
        mode(spec, &path, &mut errors);
        errors
    }

    /// upstream: #ValidatePersistentVolumeClaimUpdate
    fn validate_update(
        &self,
        context: &StrategyContext<'_>,
        claim: &Value,
        old: &Value,
    ) -> ErrorList {
        let mut errors = self.validate(context, claim);
        let empty = json!({});
        let (spec, was) = (
            claim.field("spec").unwrap_or(&empty),
            old.field("spec").unwrap_or(&empty),
        );
        let mut kept = spec.clone();
        if was.text("volumeName").is_empty() {
            copy_member(&mut kept, was, "volumeName");
        }
        if !was.has("storageClassName") {
            copy_member(&mut kept, was, "storageClassName");
        }
        if old.text_at(&["status", "phase"]) == "Bound" {
            copy_member(&mut kept, was, "resources");
        }
        copy_member(&mut kept, was, "volumeAttributesClassName");
        if !machinery::equality::semantic(&kept, was) {
            let text = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
            errors.push(Error::forbidden(&Path::new("spec"), text));
        }
        let (now, before) = (
            spec.at(&["resources", "requests", "storage"]),
            was.at(&["resources", "requests", "storage"]),
        );
        if let (Some(now), Some(before)) = (now, before)
            && quantity::compare(now, before) == Some(std::cmp::Ordering::Less)
        {
            let path = Path::new("spec")
                .child("resources")
                .child("requests")
                .child("storage");
            errors.push(Error::forbidden(
                &path,
                "field can not be less than status.capacity",
            ));
        }
        errors
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

/// StorageClasses.
#[derive(Debug)]
pub(crate) struct StorageClass;

impl Strategy for StorageClass {
    fn default(&self, class: &mut Value) {
        class.default_to("reclaimPolicy", "Delete");
        class.default_to("volumeBindingMode", "Immediate");
    }

    fn validate(&self, _context: &StrategyContext<'_>, class: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let provisioner = class.text("provisioner");
        if provisioner.is_empty() {
            errors.push(Error::required(&Path::new("provisioner"), ""));
        } else {
            let lower = provisioner.to_lowercase();
            checks::problems(
                &mut errors,
                &Path::new("provisioner"),
                &provisioner.into(),
                is_qualified_name(&lower),
            );
        }
        let policy = class.text("reclaimPolicy");
        if !["Delete", "Retain"].contains(&policy) {
            errors.push(Error::not_supported(
                &Path::new("reclaimPolicy"),
                policy,
                &["Delete", "Retain"],
            ));
        }
        let mode = class.text("volumeBindingMode");
        checks::one_of(
            &mut errors,
            &Path::new("volumeBindingMode"),
            mode,
            &["Immediate", "WaitForFirstConsumer"],
        );
        errors
    }

    /// upstream: #ValidateStorageClassUpdate
    fn validate_update(
        &self,
        context: &StrategyContext<'_>,
        class: &Value,
        old: &Value,
    ) -> ErrorList {
        let mut errors = self.validate(context, class);
        for name in ["parameters", "provisioner", "reclaimPolicy"] {
            if !machinery::equality::semantic_opt(class.member(name), old.member(name)) {
                errors.push(Error::forbidden(
                    &Path::new(name),
                    format!("updates to {name} are forbidden."),
                ));
            }
        }
        let path = Path::new("volumeBindingMode");
        checks::immutable(
            &mut errors,
            &path,
            class.member("volumeBindingMode"),
            old.member("volumeBindingMode"),
        );
        errors
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

/// CSIDrivers.
#[derive(Debug)]
pub(crate) struct CsiDriver;

impl Strategy for CsiDriver {
    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn default(&self, driver: &mut Value) {
        let Some(spec) = driver.ensure_object("spec") else {
            return;
        };
        spec.default_to("attachRequired", true);
        spec.default_to("podInfoOnMount", false);
        spec.default_to("storageCapacity", false);
        spec.default_to("fsGroupPolicy", "ReadWriteOnceWithFSType");
        if spec.list("volumeLifecycleModes").is_empty() {
            spec.put("volumeLifecycleModes", json!(["Persistent"]));
        }
        spec.default_to("requiresRepublish", false);
        spec.default_to("seLinuxMount", false);
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}

/// CSINodes, VolumeAttachments and the like: kept as they are; deletion answers with the object.
#[derive(Debug)]
pub(crate) struct Returned {
    pub(crate) status: bool,
}

impl Strategy for Returned {
    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn has_status(&self) -> bool {
        self.status
    }

    fn returns_deleted_object(&self) -> bool {
        true
    }
}
