//! One APIService that another server answers.

use machinery::ObjectExt;
use serde_json::{Value, json};
use webhook::{ClientConfig, Target, Trust};

/// An APIService with a Service.
pub(crate) struct Remote {
    pub(super) name: String,
    pub(super) group: String,
    pub(super) version: String,
    pub(super) namespace: String,
    pub(super) service: String,
    pub(super) port: u16,
    /// Why the trust cannot be used, or it.
    pub(super) trust: Result<Trust, String>,
    pub(super) available: bool,
    pub(super) group_priority: i64,
    pub(super) version_priority: i64,
}

/// Group and version that an APIService is about.
pub(super) fn key(object: &Value) -> (String, String) {
    (
        object.text_at(&["spec", "group"]).to_owned(),
        object.text_at(&["spec", "version"]).to_owned(),
    )
}

impl Remote {
    /// `None` of a local one.
    pub(super) fn parse(object: &Value) -> Option<Self> {
        let service = object.at(&["spec", "service"]).filter(|s| s.is_object())?;
        let text = |v: &Value, name: &str| {
            v.get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let spec = object.field("spec")?;
        let insecure = spec
            .get("insecureSkipTLSVerify")
            .and_then(Value::as_bool)
            .unwrap_or_default();
        let trust = if insecure {
            Ok(Trust::Insecure)
        } else {
            ClientConfig::parse(&json!({"caBundle": text(spec, "caBundle"), "service": service}))
                .map(|c| c.trust)
                .map_err(|e| e.to_string())
        };
        let available = object
            .at(&["status", "conditions"])
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .any(|c| text(c, "type") == "Available" && text(c, "status") == "True");
        let number = |name: &str| spec.get(name).and_then(Value::as_i64).unwrap_or_default();
        let (group, version) = key(object);
        Some(Self {
            name: object.name().to_owned(),
            group,
            version,
            namespace: text(service, "namespace"),
            service: text(service, "name"),
            port: service
                .get("port")
                .and_then(Value::as_u64)
                .and_then(|p| u16::try_from(p).ok())
                .unwrap_or(443),
            trust,
            available,
            group_priority: number("groupPriorityMinimum"),
            version_priority: number("versionPriority"),
        })
    }

    pub(super) fn target(&self) -> Target {
        Target::Service {
            namespace: self.namespace.clone(),
            name: self.service.clone(),
            port: self.port,
            path: String::new(),
        }
    }

    /// The path that the server must answer.
    pub(super) fn root(&self) -> String {
        if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        }
    }

    pub(super) fn group_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}
