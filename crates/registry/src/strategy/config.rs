//! ConfigMaps and Secrets.
//!
//! upstream: pkg/registry/core/{configmap,secret}/strategy.go, pkg/apis/core/validation/validation.go

use machinery::ObjectExt;
use machinery::equality::semantic_opt;
use machinery::field::{Error, ErrorList, Path};
use machinery::validation::is_config_map_key;
use serde_json::Value;

use super::{Strategy, StrategyContext, checks};
use crate::value::{Read, Write};

/// Upstream's limit of the data of one object.
const MAX_SIZE: usize = 1024 * 1024;

/// ConfigMaps.
#[derive(Debug)]
pub(crate) struct ConfigMap;

impl Strategy for ConfigMap {
    /// upstream: #ValidateConfigMap
    fn validate(&self, _context: &StrategyContext<'_>, map: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let mut size = 0;
        for (key, value) in map.entries("data") {
            let path = Path::new("data").key(key.as_str());
            checks::problems(
                &mut errors,
                &path,
                &key.as_str().into(),
                is_config_map_key(key),
            );
            if map
                .member("binaryData")
                .is_some_and(|b| b.member(key).is_some())
            {
                errors.push(Error::invalid(
                    &path,
                    key.as_str(),
                    "duplicate of key present in binaryData",
                ));
            }
            size += value.as_str().map_or(0, str::len);
        }
        for (key, value) in map.entries("binaryData") {
            let path = Path::new("binaryData").key(key.as_str());
            checks::problems(
                &mut errors,
                &path,
                &key.as_str().into(),
                is_config_map_key(key),
            );
            size += decoded_size(value);
        }
        if size > MAX_SIZE {
            errors.push(Error::too_long(&Path::root(), MAX_SIZE));
        }
        errors
    }

    /// upstream: #ValidateConfigMapUpdate
    fn validate_update(
        &self,
        context: &StrategyContext<'_>,
        map: &Value,
        old: &Value,
    ) -> ErrorList {
        let mut errors = immutable(map, old, &["data", "binaryData"]);
        errors.extend(self.validate(context, map));
        errors
    }
}

/// Bytes of a base64 text.
fn decoded_size(value: &Value) -> usize {
    let text = value.as_str().unwrap_or_default();
    text.len() / 4 * 3
        - text
            .bytes()
            .rev()
            .take_while(|b| *b == b'=')
            .count()
            .min(text.len() / 4 * 3)
}

/// What is marked immutable stays as it is.
fn immutable(object: &Value, old: &Value, members: &[&'static str]) -> ErrorList {
    const TEXT: &str = "field is immutable when `immutable` is set";
    let mut errors = ErrorList::new();
    if !old.flag("immutable") {
        return errors;
    }
    if !object.flag("immutable") {
        errors.push(Error::forbidden(&Path::new("immutable"), TEXT));
    }
    for name in members {
        if !semantic_opt(object.member(name), old.member(name)) {
            errors.push(Error::forbidden(&Path::new(*name), TEXT));
        }
    }
    errors
}

/// Secrets.
#[derive(Debug)]
pub(crate) struct Secret;

impl Strategy for Secret {
    /// upstream: pkg/apis/core/v1/{defaults,conversion}.go#SetDefaults_Secret, #Convert_v1_Secret_To_core_Secret
    fn default(&self, secret: &mut Value) {
        secret.default_text("type", "Opaque");
        let Some(Value::Object(texts)) = secret.take_member("stringData") else {
            return;
        };
        if texts.is_empty() {
            return;
        }
        if let Some(data) = secret.ensure_object("data") {
            for (key, text) in texts {
                use base64::Engine as _;
                let bytes = text.as_str().unwrap_or_default();
                data.put(
                    &key,
                    base64::engine::general_purpose::STANDARD.encode(bytes),
                );
            }
        }
    }

    /// upstream: #ValidateSecret
    fn validate(&self, _context: &StrategyContext<'_>, secret: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("data");
        let mut size = 0;
        for (key, value) in secret.entries("data") {
            checks::problems(
                &mut errors,
                &path.key(key.as_str()),
                &key.as_str().into(),
                is_config_map_key(key),
            );
            size += decoded_size(value);
        }
        if size > MAX_SIZE {
            errors.push(Error::too_long(&path, MAX_SIZE));
        }
        let has = |key: &str| {
            secret
                .member("data")
                .is_some_and(|d| d.member(key).is_some())
        };
        let mut require = |key: &str| {
            if !has(key) {
                errors.push(Error::required(&path.key(key), ""));
            }
        };
        match secret.text("type") {
            "kubernetes.io/service-account-token" if !has_account(secret) => {
                let path = Path::new("metadata")
                    .child("annotations")
                    .key("kubernetes.io/service-account.name");
                errors.push(Error::required(&path, ""));
            }
            "kubernetes.io/dockercfg" => {
                require(".dockercfg");
                json_data(secret, ".dockercfg", &path, &mut errors);
            }
            "kubernetes.io/dockerconfigjson" => {
                require(".dockerconfigjson");
                json_data(secret, ".dockerconfigjson", &path, &mut errors);
            }
            "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
                require("username");
                require("password");
            }
            "kubernetes.io/ssh-auth" => require("ssh-privatekey"),
            "kubernetes.io/tls" => {
                require("tls.crt");
                require("tls.key");
            }
            _ => {}
        }
        errors
    }

    /// upstream: pkg/registry/core/secret/strategy.go#strategy.PrepareForUpdate
    fn prepare_for_update(&self, _context: &StrategyContext<'_>, secret: &mut Value, old: &Value) {
        if secret.text("type").is_empty() {
            secret.put("type", old.text("type"));
        }
    }

    /// upstream: #ValidateSecretUpdate
    fn validate_update(
        &self,
        context: &StrategyContext<'_>,
        secret: &Value,
        old: &Value,
    ) -> ErrorList {
        let mut errors = ErrorList::new();
        checks::immutable(
            &mut errors,
            &Path::new("type"),
            secret.member("type"),
            old.member("type"),
        );
        errors.extend(immutable(secret, old, &["data"]));
        errors.extend(self.validate(context, secret));
        errors
    }
}

/// Whether a token's secret names its service account.
fn has_account(secret: &Value) -> bool {
    secret
        .annotation("kubernetes.io/service-account.name")
        .is_some_and(|name| !name.is_empty())
}

fn json_data(secret: &Value, key: &str, path: &Path, errors: &mut ErrorList) {
    use base64::Engine as _;
    let Some(text) = secret
        .member("data")
        .map(|d| d.text(key))
        .filter(|t| !t.is_empty())
    else {
        return;
    };
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap_or_default();
    if let Err(error) = serde_json::from_slice::<serde_json::Map<String, Value>>(&bytes) {
        errors.push(Error::invalid(
            &path.key(key),
            "<secret contents redacted>",
            error.to_string(),
        ));
    }
}
