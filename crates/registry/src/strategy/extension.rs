//! Certificate signing requests, flow control.
//!
//! upstream: pkg/apis/{certificates,flowcontrol}/{v1/defaults,validation/validation}.go

use machinery::ObjectExt;
use machinery::field::{Error, ErrorList, Path};
use machinery::validation::{NameCheck, path_segment_name};
use serde_json::{Map, Value, json};

use super::{Strategy, StrategyContext, checks};
use crate::value::{Read, Write};

/// CertificateSigningRequests.
#[derive(Debug)]
pub(crate) struct CertificateSigningRequest;

impl Strategy for CertificateSigningRequest {
    fn name_check(&self) -> NameCheck {
        path_segment_name
    }

    fn has_status(&self) -> bool {
        true
    }

    /// upstream: pkg/registry/certificates/certificates/strategy.go#csrStrategy.PrepareForCreate: who asks is the server's word
    fn prepare_for_create(&self, context: &StrategyContext<'_>, request: &mut Value) {
        request.put("status", json!({}));
        let Some(spec) = request.ensure_object("spec") else {
            return;
        };
        let user = context.user;
        spec.put("username", user.name.as_str());
        spec.put("groups", json!(user.groups));
        if user.uid.is_empty() {
            spec.take_member("uid");
        } else {
            spec.put("uid", user.uid.as_str());
        }
        let extra: Map<String, Value> = user
            .extra
            .iter()
            .map(|(k, v)| (k.clone(), json!(v)))
            .collect();
        if extra.is_empty() {
            spec.take_member("extra");
        } else {
            spec.put("extra", extra);
        }
    }

    fn prepare_for_update(&self, _context: &StrategyContext<'_>, request: &mut Value, old: &Value) {
        crate::value::copy_member(request, old, "spec");
    }

    fn validate(&self, _context: &StrategyContext<'_>, request: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = request.field("spec").unwrap_or(&Value::Null);
        if let Err(why) = pem_request(spec.text("request")) {
            errors.push(Error::invalid(
                &path.child("request"),
                spec.text("request"),
                why,
            ));
        }
        if spec.list("usages").is_empty() {
            errors.push(Error::required(&path.child("usages"), ""));
        }
        let signer = spec.text("signerName");
        let at = path.child("signerName");
        if signer.is_empty() {
            errors.push(Error::required(&at, ""));
        } else if signer.split('/').count() != 2 {
            let text =
                "must be a fully qualified domain and path of the form 'example.com/signer-name'";
            errors.push(Error::invalid(&at, signer, text));
        }
        if let Some(seconds) = spec.int("expirationSeconds").filter(|s| *s < 600) {
            errors.push(Error::invalid(
                &path.child("expirationSeconds"),
                seconds,
                "may not specify a duration less than 600 seconds (10 minutes)",
            ));
        }
        errors
    }

    fn validate_update(
        &self,
        _context: &StrategyContext<'_>,
        _request: &Value,
        _old: &Value,
    ) -> ErrorList {
        ErrorList::new()
    }

    /// upstream: strategy.go#csrApprovalStrategy.PrepareForUpdate: only the conditions of approval and denial
    fn prepare_for_subresource(
        &self,
        subresource: &str,
        context: &StrategyContext<'_>,
        request: &mut Value,
        old: &Value,
    ) -> bool {
        if subresource != "approval" {
            return false;
        }
        let wanted = request
            .at(&["status", "conditions"])
            .cloned()
            .unwrap_or_else(|| json!([]));
        let version = request.at(&["metadata", "resourceVersion"]).cloned();
        let mut kept = old.clone();
        let now = machinery::time::format(context.now);
        let mut conditions = wanted.as_array().cloned().unwrap_or_default();
        for condition in &mut conditions {
            condition.default_to("lastUpdateTime", now.as_str());
            condition.default_to("lastTransitionTime", now.as_str());
        }
        kept.set_at(&["status", "conditions"], conditions.into());
        if let Some(version) = version {
            kept.set_at(&["metadata", "resourceVersion"], version);
        }
        *request = kept;
        true
    }

    fn validate_subresource(
        &self,
        _subresource: &str,
        _context: &StrategyContext<'_>,
        request: &Value,
        _old: &Value,
    ) -> ErrorList {
        let mut errors = ErrorList::new();
        let conditions = request
            .at(&["status", "conditions"])
            .and_then(Value::as_array);
        let has = |kind: &str| conditions.is_some_and(|c| c.iter().any(|c| c.text("type") == kind));
        if has("Approved") && has("Denied") {
            let path = Path::new("status").child("conditions");
            errors.push(Error::invalid(
                &path,
                "Denied",
                "Approved and Denied conditions are mutually exclusive",
            ));
        }
        errors
    }
}

/// upstream: pkg/apis/certificates/helpers.go#ParseCSR
fn pem_request(text: &str) -> Result<(), String> {
    use base64::Engine as _;
    let wrong = || "PEM block type must be CERTIFICATE REQUEST".to_owned();
    let engine = base64::engine::general_purpose::STANDARD;
    let pem = engine
        .decode(text)
        .ok()
        .and_then(|b| String::from_utf8(b).ok())
        .ok_or_else(wrong)?;
    let body = pem
        .split_once("-----BEGIN CERTIFICATE REQUEST-----")
        .and_then(|(_, rest)| rest.split_once("-----END CERTIFICATE REQUEST-----"))
        .map(|(body, _)| body.split_whitespace().collect::<String>())
        .ok_or_else(wrong)?;
    let der = engine.decode(body).map_err(|_| wrong())?;
    // A PKCS #10 request is a DER sequence.
    if der.first() == Some(&0x30) {
        Ok(())
    } else {
        Err("asn1: structure error: not a certificate request".to_owned())
    }
}

/// FlowSchemas.
#[derive(Debug)]
pub(crate) struct FlowSchema;

impl Strategy for FlowSchema {
    fn default(&self, schema: &mut Value) {
        if let Some(spec) = schema.ensure_object("spec") {
            spec.default_number("matchingPrecedence", 1000);
        }
        schema.default_to("status", json!({}));
    }

    fn has_status(&self) -> bool {
        true
    }

    fn generation(&self) -> bool {
        true
    }

    fn validate(&self, _context: &StrategyContext<'_>, schema: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = schema.field("spec").unwrap_or(&Value::Null);
        let precedence = spec.int("matchingPrecedence").unwrap_or_default();
        if precedence <= 0 {
            errors.push(Error::invalid(
                &path.child("matchingPrecedence"),
                precedence,
                "must be a positive value",
            ));
        }
        if precedence > 10000 {
            errors.push(Error::invalid(
                &path.child("matchingPrecedence"),
                precedence,
                "must not be greater than 10000",
            ));
        }
        if precedence == 1 && schema.name() != "exempt" {
            errors.push(Error::invalid(
                &path.child("matchingPrecedence"),
                1,
                "only the schema named 'exempt' may have matchingPrecedence 1",
            ));
        }
        if spec
            .text_at(&["priorityLevelConfiguration", "name"])
            .is_empty()
        {
            errors.push(Error::required(
                &path.child("priorityLevelConfiguration").child("name"),
                "must reference a priority level",
            ));
        }
        errors
    }
}

/// PriorityLevelConfigurations.
#[derive(Debug)]
pub(crate) struct PriorityLevel;

impl Strategy for PriorityLevel {
    fn default(&self, level: &mut Value) {
        if let Some(spec) = level.ensure_object("spec") {
            for kind in ["exempt", "limited"] {
                let Some(part) = spec.member_mut(kind).filter(|p| p.is_object()) else {
                    continue;
                };
                part.default_to(
                    "nominalConcurrencyShares",
                    if kind == "limited" { 30 } else { 0 },
                );
                part.default_to("lendablePercent", 0);
                if let Some(queuing) = part
                    .member_mut("limitResponse")
                    .and_then(|r| r.member_mut("queuing"))
                    .filter(|q| q.is_object())
                {
                    queuing.default_number("handSize", 8);
                    queuing.default_number("queues", 64);
                    queuing.default_number("queueLengthLimit", 50);
                }
            }
        }
        level.default_to("status", json!({}));
    }

    fn has_status(&self) -> bool {
        true
    }

    fn generation(&self) -> bool {
        true
    }

    fn validate(&self, _context: &StrategyContext<'_>, level: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let kind = level.text_at(&["spec", "type"]);
        checks::one_of(
            &mut errors,
            &Path::new("spec").child("type"),
            kind,
            &["Exempt", "Limited"],
        );
        errors
    }
}
