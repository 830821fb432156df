//! A CustomResourceDefinition, parsed.
// upstream: apiextensions-apiserver/pkg/apis/apiextensions/v1/types.go

mod checks;
mod openapi_schema;
mod spec;
mod status;

pub(crate) use status::approval_condition;

use machinery::ObjectExt;
use machinery::field::ErrorList;
use serde::Deserialize;
use serde_json::Value;

use crate::rules::Engine;
use crate::schema::Schema;

/// The parts of a definition that the server acts by. Fields are those of the API.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct Definition {
    pub metadata: Metadata,
    pub spec: Spec,
    pub status: Status,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct Metadata {
    pub name: String,
    pub uid: String,
    pub generation: i64,
    pub deletion_timestamp: Option<String>,
    pub annotations: std::collections::BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct Spec {
    pub group: String,
    pub names: Names,
    pub scope: String,
    pub versions: Vec<DefinitionVersion>,
    pub conversion: Option<Conversion>,
    pub preserve_unknown_fields: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct Names {
    pub plural: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub singular: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub short_names: Vec<String>,
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub list_kind: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
}

/// One version of a definition.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct DefinitionVersion {
    pub name: String,
    pub served: bool,
    pub storage: bool,
    pub deprecated: bool,
    pub deprecation_warning: Option<String>,
    pub schema: Option<Validation>,
    pub subresources: Option<Subresources>,
    pub additional_printer_columns: Vec<Column>,
    pub selectable_fields: Vec<SelectableField>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Validation {
    #[serde(rename = "openAPIV3Schema")]
    pub open_api_v3_schema: Option<Schema>,
}

/// The subresources of a version.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Subresources {
    pub status: Option<Value>,
    pub scale: Option<ScalePaths>,
}

/// Where a custom object has what its Scale shows, as dotted paths.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ScalePaths {
    /// The wanted number.
    #[serde(rename = "specReplicasPath")]
    pub spec_replicas: String,
    /// The actual number.
    #[serde(rename = "statusReplicasPath")]
    pub status_replicas: String,
    /// The selector's text.
    #[serde(rename = "labelSelectorPath")]
    pub label_selector: Option<String>,
}

/// A printer column.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct Column {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub format: String,
    pub description: String,
    pub priority: i32,
    pub json_path: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct SelectableField {
    pub json_path: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Conversion {
    pub strategy: String,
    pub webhook: Option<Webhook>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct Webhook {
    pub client_config: Option<Value>,
    pub conversion_review_versions: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct Status {
    #[serde(deserialize_with = "list")]
    pub conditions: Vec<Condition>,
    pub accepted_names: Names,
    #[serde(deserialize_with = "list")]
    pub stored_versions: Vec<String>,
}

/// Null is an empty list.
fn list<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Vec<T>, D::Error> {
    Option::<Vec<T>>::deserialize(from).map(Option::unwrap_or_default)
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Condition {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
    pub reason: String,
    pub message: String,
}

impl Definition {
    /// Parses a definition that the table's types have shaped.
    pub fn parse(object: &Value) -> Result<Self, serde_json::Error> {
        Self::deserialize(object)
    }

    /// Whether a condition is true.
    pub fn is(&self, condition: &str) -> bool {
        self.status
            .conditions
            .iter()
            .any(|c| c.kind == condition && c.status == "True")
    }

    /// Whether instances may be read, though no longer made.
    pub fn terminating(&self) -> bool {
        self.metadata.deletion_timestamp.is_some() || self.is("Terminating")
    }

    /// Whether its resources are there for requests.
    // upstream: apiserver/customresource_handler.go#ServeHTTP
    pub fn is_served(&self) -> bool {
        self.is("NamesAccepted") || self.is("Established")
    }

    /// Whether its conversion webhook has a bundle that holds no certificates.
    pub(crate) fn has_invalid_bundle(&self) -> bool {
        spec::has_invalid_bundle(self)
    }

    /// Whether instances are in namespaces.
    pub fn namespaced(&self) -> bool {
        self.spec.scope == "Namespaced"
    }

    /// A version by its name.
    pub fn version(&self, name: &str) -> Option<&DefinitionVersion> {
        self.spec.versions.iter().find(|v| v.name == name)
    }

    /// The version that objects are stored in.
    pub fn storage_version(&self) -> Option<&DefinitionVersion> {
        self.spec.versions.iter().find(|v| v.storage)
    }

    /// Validates a new definition. Rules are compiled by `engine`.
    // upstream: validation.go#ValidateCustomResourceDefinition
    pub fn validate(&self, engine: &dyn Engine) -> ErrorList {
        let mut errors = ErrorList::new();
        if self.metadata.name != format!("{}.{}", self.spec.names.plural, self.spec.group) {
            errors.push(machinery::field::Error::invalid(
                &machinery::field::Path::new("metadata").child("name"),
                self.metadata.name.as_str(),
                "must be spec.names.plural+\".\"+spec.group",
            ));
        }
        errors.extend(spec::validate(self, None, engine));
        errors.extend(status::validate(self));
        errors.extend(status::stored_versions(self));
        errors.extend(status::approval(self, None));
        errors.extend(status::preserve(self, None));
        errors
    }

    /// Validates a changed definition.
    // upstream: validation.go#ValidateCustomResourceDefinitionUpdate
    pub fn validate_update(&self, old: &Self, engine: &dyn Engine) -> ErrorList {
        let mut errors = spec::validate(self, Some(old), engine);
        errors.extend(spec::immutable(self, old));
        errors.extend(status::validate(self));
        errors.extend(status::stored_versions(self));
        errors.extend(status::approval(self, Some(old)));
        errors.extend(status::preserve(self, Some(old)));
        errors
    }

    /// Validates a changed status.
    pub fn validate_status(&self) -> ErrorList {
        status::validate(self)
    }

    /// What a definition warns of: formats without meaning, sets of what isn't scalar; of a changed one only what is new.
    // upstream: registry/customresourcedefinition/strategy.go#WarningsOnCreate
    pub fn warnings(&self, old: Option<&Self>) -> Vec<String> {
        let mut all = self.all_warnings();
        if let Some(old) = old {
            let before = old.all_warnings();
            all.retain(|w| !before.contains(w));
        }
        all
    }

    fn all_warnings(&self) -> Vec<String> {
        let (mut formats, mut sets) = (Vec::new(), Vec::new());
        for schema in self.schemas() {
            schema.any(&mut |s| {
                if !s.format.is_empty() && !crate::validate::is_known_format(&s.format, &s.kind) {
                    formats.push(format!(
                        "unrecognized format {}",
                        machinery::go::quote(&s.format)
                    ));
                }
                if s.list_type.as_deref() == Some("set")
                    && let Some(kind) = s.element().map(|i| i.kind.as_str())
                    && matches!(kind, "object" | "array")
                {
                    sets.push(format!(
                        "x-kubernetes-list-type: set for items of type \"{kind}\" is not supported by server-side apply or CEL validation rules"
                    ));
                }
                false
            });
        }
        sets.sort();
        sets.dedup();
        formats.extend(sets);
        formats
    }

    /// The schemas of all versions.
    pub fn schemas(&self) -> impl Iterator<Item = &Schema> {
        self.spec
            .versions
            .iter()
            .filter_map(DefinitionVersion::schema)
    }
}

impl DefinitionVersion {
    /// Its schema.
    pub fn schema(&self) -> Option<&Schema> {
        self.schema.as_ref()?.open_api_v3_schema.as_ref()
    }

    /// Whether `status` is a subresource.
    pub fn has_status(&self) -> bool {
        self.subresources
            .as_ref()
            .is_some_and(|s| s.status.is_some())
    }

    /// Where the Scale is, when `scale` is a subresource.
    pub fn scale(&self) -> Option<&ScalePaths> {
        self.subresources.as_ref()?.scale.as_ref()
    }
}

/// Fills in what upstream defaults.
// upstream: apis/apiextensions/v1/defaults.go
pub fn set_defaults(object: &mut Value) {
    let kind = object.text_at(&["spec", "names", "kind"]).to_owned();
    if object.at(&["spec"]).is_none() {
        return;
    }
    if object.text_at(&["spec", "names", "singular"]).is_empty() && !kind.is_empty() {
        object.set_at(&["spec", "names", "singular"], kind.to_lowercase().into());
    }
    if object.text_at(&["spec", "names", "listKind"]).is_empty() && !kind.is_empty() {
        object.set_at(&["spec", "names", "listKind"], format!("{kind}List").into());
    }
    if object.at(&["spec", "conversion"]).is_none() {
        object.set_at(
            &["spec", "conversion"],
            serde_json::json!({"strategy": "None"}),
        );
    }
    let service = ["spec", "conversion", "webhook", "clientConfig", "service"];
    if object.at(&service).is_some_and(Value::is_object) {
        let port = [&service[..], &["port"]].concat();
        if object.at(&port).is_none() {
            object.set_at(&port, 443.into());
        }
    }
    let stored = object.at(&["status", "storedVersions"]);
    if stored.and_then(Value::as_array).is_none_or(Vec::is_empty)
        && let Some(name) = storage_version_of(object)
    {
        if object.at(&["status"]).is_none_or(Value::is_null) {
            object.set_at(&["status"], serde_json::json!({}));
        }
        object.set_at(&["status", "storedVersions"], serde_json::json!([name]));
    }
}

/// The name of the storage version in a definition.
pub fn storage_version_of(object: &Value) -> Option<String> {
    let versions = object.at(&["spec", "versions"])?.as_array()?;
    let storage = versions
        .iter()
        .find(|v| v.get("storage").and_then(Value::as_bool) == Some(true))?;
    storage.get("name")?.as_str().map(str::to_owned)
}
