//! Security contexts.
//!
//! upstream: pkg/apis/core/validation/validation.go#validatePodSpecSecurityContext, #ValidateSecurityContext

use std::collections::BTreeSet;
use std::sync::LazyLock;

use machinery::field::{Error, ErrorList, Path};
use machinery::validation::is_in_range;
use regex::Regex;
use serde_json::Value;

use crate::strategy::checks::{one_of, problems};
use crate::value::Read;

const SYSCTL: &str = r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
static SYSCTL_NAME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(SYSCTL).ok());
const MAX_ID: i64 = i32::MAX as i64;

/// upstream: #validateSysctls, #IsValidSysctlName
fn sysctls(context: &Value, path: &Path, errors: &mut ErrorList) {
    let mut names = BTreeSet::new();
    for (i, sysctl) in context.list("sysctls").iter().enumerate() {
        let path = path.index(i).child("name");
        let name = sysctl.text("name");
        let matches = SYSCTL_NAME.as_ref().is_some_and(|r| r.is_match(name));
        if name.is_empty() {
            errors.push(Error::required(&path, ""));
        } else if name.len() > 253 || !matches {
            errors.push(Error::invalid(
                &path,
                name,
                format!("must have at most 253 characters and match regex {SYSCTL}"),
            ));
        } else if !names.insert(name.replace('/', ".")) {
            errors.push(Error::duplicate(&path, name));
        }
    }
}

fn id(context: &Value, name: &'static str, path: &Path, errors: &mut ErrorList) {
    if let Some(number) = context.int(name) {
        problems(
            errors,
            &path.child(name),
            &number.into(),
            is_in_range(number, 0, MAX_ID),
        );
    }
}

pub(super) fn pod(spec: &Value, path: &Path, errors: &mut ErrorList) {
    let Some(context) = spec.member("securityContext").filter(|c| !c.is_null()) else {
        return;
    };
    for name in ["fsGroup", "runAsUser", "runAsGroup"] {
        id(context, name, path, errors);
    }
    for (i, group) in context.list("supplementalGroups").iter().enumerate() {
        let number = group.as_i64().unwrap_or(-1);
        problems(
            errors,
            &path.child("supplementalGroups").index(i),
            group,
            is_in_range(number, 0, MAX_ID),
        );
    }
    if spec.flag("shareProcessNamespace") && spec.flag("hostPID") {
        errors.push(Error::invalid(
            &path.child("shareProcessNamespace"),
            true,
            "ShareProcessNamespace and HostPID cannot both be enabled",
        ));
    }
    sysctls(context, &path.child("sysctls"), errors);
    let policy = context.text("fsGroupChangePolicy");
    if !policy.is_empty() {
        one_of(
            errors,
            &path.child("fsGroupChangePolicy"),
            policy,
            &["Always", "OnRootMismatch"],
        );
    }
    profile(context, "seccompProfile", path, errors);
    profile(context, "appArmorProfile", path, errors);
}

pub(super) fn container(container: &Value, path: &Path, errors: &mut ErrorList) {
    let Some(context) = container.member("securityContext").filter(|c| !c.is_null()) else {
        return;
    };
    for name in ["runAsUser", "runAsGroup"] {
        id(context, name, path, errors);
    }
    let proc_mount = context.text("procMount");
    if !proc_mount.is_empty() && !["Default", "Unmasked"].contains(&proc_mount) {
        errors.push(Error::not_supported(
            &path.child("procMount"),
            proc_mount,
            &["Default", "Unmasked"],
        ));
    }
    profile(context, "seccompProfile", path, errors);
    profile(context, "appArmorProfile", path, errors);
    if context
        .member("allowPrivilegeEscalation")
        .and_then(Value::as_bool)
        == Some(false)
    {
        if context.flag("privileged") {
            errors.push(Error::invalid(
                path,
                context.clone(),
                "cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
            ));
        }
        let added = context
            .member("capabilities")
            .map(|c| c.list("add"))
            .unwrap_or_default();
        if added.iter().any(|c| c.as_str() == Some("CAP_SYS_ADMIN")) {
            let text = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            errors.push(Error::invalid(path, context.clone(), text));
        }
    }
}

/// upstream: #validateSeccompProfileField, #ValidateAppArmorProfileField
fn profile(context: &Value, name: &'static str, path: &Path, errors: &mut ErrorList) {
    let Some(profile) = context.member(name).filter(|p| !p.is_null()) else {
        return;
    };
    let path = path.child(name);
    let kind = profile.text("type");
    let local = profile.text("localhostProfile");
    match kind {
        "Localhost" if local.is_empty() => {
            errors.push(Error::required(
                &path.child("localhostProfile"),
                format!("must be set when {} type is Localhost", what(name)),
            ));
        }
        "Localhost" => {}
        "RuntimeDefault" | "Unconfined" => {
            if !local.is_empty() {
                errors.push(Error::invalid(
                    &path.child("localhostProfile"),
                    local,
                    format!("can only be set when {} type is Localhost", what(name)),
                ));
            }
        }
        "" => errors.push(Error::required(
            &path.child("type"),
            "type is required when seccompProfile is set",
        )),
        other => errors.push(Error::not_supported(
            &path.child("type"),
            other,
            &["Localhost", "RuntimeDefault", "Unconfined"],
        )),
    }
}

fn what(name: &str) -> &'static str {
    if name == "seccompProfile" {
        "seccomp"
    } else {
        "AppArmor"
    }
}
