//! APIServices.
//!
//! upstream: kube-aggregator/pkg/registry/apiservice/strategy.go, pkg/apis/apiregistration/validation/validation.go

use machinery::field::{Error, ErrorList, Path};
use machinery::validation::{
    NameCheck, is_dns1035_label, is_dns1123_subdomain, is_valid_port_num, path_segment_name,
};
use machinery::{ObjectExt, time};
use serde_json::{Value, json};

use super::{Strategy, StrategyContext};
use crate::value::{Read, Write};

#[derive(Debug)]
pub(crate) struct ApiService;

impl Strategy for ApiService {
    fn default(&self, object: &mut Value) {
        if let Some(service) = object
            .member_mut("spec")
            .and_then(|s| s.member_mut("service"))
            .filter(|s| s.is_object())
        {
            service.default_to("port", 443);
        }
    }

    fn name_check(&self) -> NameCheck {
        path_segment_name
    }

    fn has_status(&self) -> bool {
        true
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn prepare_for_create(&self, context: &StrategyContext<'_>, object: &mut Value) {
        object.put("status", json!({}));
        // What this server serves itself is there at once.
        if !object.field("spec").is_some_and(|s| s.has("service")) {
            let available = json!({"type": "Available", "status": "True",
                "lastTransitionTime": time::format(context.now), "reason": "Local",
                "message": "Local APIServices are always available"});
            object.put("status", json!({"conditions": [available]}));
        }
    }

    fn validate(&self, _context: &StrategyContext<'_>, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let nothing = Value::Null;
        let spec = object.field("spec").unwrap_or(&nothing);
        let (group, version) = (spec.text("group"), spec.text("version"));
        let path = Path::new("spec");
        let wanted = format!("{version}.{group}");
        if object.name() != wanted {
            errors.push(Error::invalid(
                &Path::new("metadata").child("name"),
                object.name(),
                format!(
                    "must be `spec.version+\".\"+spec.group`: {}",
                    machinery::go::quote(&wanted)
                ),
            ));
        }
        if group.is_empty() && version != "v1" {
            errors.push(Error::required(
                &path.child("group"),
                "only v1 may have an empty group and it better be legacy kube",
            ));
        }
        if !group.is_empty() {
            for why in is_dns1123_subdomain(group) {
                errors.push(Error::invalid(&path.child("group"), group, why));
            }
        }
        for why in is_dns1035_label(version) {
            errors.push(Error::invalid(&path.child("version"), version, why));
        }
        for (name, most) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1000)] {
            let given = spec.int(name).unwrap_or_default();
            if given <= 0 || given > most {
                errors.push(Error::invalid(
                    &path.child(name),
                    given,
                    format!("must be positive and less than {most}"),
                ));
            }
        }
        let bundle = spec.text("caBundle");
        let insecure = spec.flag("insecureSkipTLSVerify");
        let Some(service) = spec.member("service").filter(|s| !s.is_null()) else {
            if !bundle.is_empty() {
                errors.push(Error::invalid(
                    &path.child("caBundle"),
                    format!("{} bytes", decoded_length(bundle)),
                    "local APIServices may not have a caBundle",
                ));
            }
            if insecure {
                errors.push(Error::invalid(
                    &path.child("insecureSkipTLSVerify"),
                    true,
                    "local APIServices may not have insecureSkipTLSVerify",
                ));
            }
            return errors;
        };
        let at = path.child("service");
        for name in ["namespace", "name"] {
            if service.text(name).is_empty() {
                errors.push(Error::required(&at.child(name), ""));
            }
        }
        let port = service.int("port").unwrap_or_default();
        let wrong = is_valid_port_num(port);
        if !wrong.is_empty() {
            errors.push(Error::invalid(
                &at.child("port"),
                port,
                format!("port is not valid: {}", wrong.join(", ")),
            ));
        }
        if insecure && !bundle.is_empty() {
            errors.push(Error::invalid(
                &path.child("insecureSkipTLSVerify"),
                true,
                "may not be true if caBundle is present",
            ));
        }
        errors
    }

    fn validate_status_update(
        &self,
        _context: &StrategyContext<'_>,
        object: &Value,
        _old: &Value,
    ) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("status").child("conditions");
        let nothing = Value::Null;
        let status = object.field("status").unwrap_or(&nothing);
        for (i, condition) in status.list("conditions").iter().enumerate() {
            let given = condition.text("status");
            if !["True", "False", "Unknown"].contains(&given) {
                errors.push(Error::not_supported(
                    &path.index(i).child("status"),
                    given,
                    &["True", "False", "Unknown"],
                ));
            }
        }
        errors
    }

    fn reset_fields(&self, subresource: &str) -> &'static [&'static str] {
        match subresource {
            "status" => &["spec", "metadata"],
            _ => &["status"],
        }
    }
}

/// Length of what base64 text holds.
fn decoded_length(text: &str) -> usize {
    text.trim_end_matches('=').len() * 3 / 4
}
