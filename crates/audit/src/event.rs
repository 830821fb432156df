//! One audit event, in upstream's JSON form.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{Level, Stage};

/// What happened.
// upstream: apiserver/pkg/apis/audit/v1/types.go#Event
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    #[serde(flatten)]
    type_meta: TypeMeta,
    /// How much is recorded.
    pub level: Level,
    /// The `Audit-ID` header's value; the same for all events of one request.
    #[serde(rename = "auditID")]
    pub audit_id: String,
    /// When in the request's life.
    pub stage: Stage,
    /// The path with its query.
    #[serde(rename = "requestURI")]
    pub request_uri: String,
    /// The Kubernetes verb; off the API the method in lower case.
    pub verb: String,
    /// Who was authenticated; empty when nobody was.
    pub user: User,
    /// Whom that user acted as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impersonated_user: Option<User>,
    /// Where the request came from: what proxies say, then the connection's address.
    #[serde(rename = "sourceIPs", skip_serializing_if = "Vec::is_empty")]
    pub source_ips: Vec<String>,
    /// The client's own word for itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user_agent: String,
    /// What the request is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_ref: Option<ObjectReference>,
    /// The answer's status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_status: Option<ResponseStatus>,
    /// The request's body; from [`Level::Request`] on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_object: Option<Value>,
    /// The answer's body; at [`Level::RequestResponse`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_object: Option<Value>,
    /// When the request arrived.
    #[serde(serialize_with = "micro")]
    pub request_received_timestamp: Timestamp,
    /// When the stage was reached.
    #[serde(serialize_with = "micro")]
    pub stage_timestamp: Timestamp,
    /// What those who handled the request say of it: the decision and its reason, admission's findings.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct TypeMeta {
    kind: Fixed<0>,
    api_version: Fixed<1>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Fixed<const N: usize>;

impl<const N: usize> Serialize for Fixed<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if N == 0 { "Event" } else { "audit.k8s.io/v1" })
    }
}

impl Event {
    /// An event of a request that arrived at `received`, with nothing known of it yet.
    #[must_use]
    pub fn new(level: Level, stage: Stage, audit_id: String, received: Timestamp) -> Self {
        Self {
            type_meta: TypeMeta::default(),
            level,
            audit_id,
            stage,
            request_uri: String::new(),
            verb: String::new(),
            user: User::default(),
            impersonated_user: None,
            source_ips: Vec::new(),
            user_agent: String::new(),
            object_ref: None,
            response_status: None,
            request_object: None,
            response_object: None,
            request_received_timestamp: received,
            stage_timestamp: received,
            annotations: BTreeMap::new(),
        }
    }
}

/// A user as authenticated.
// upstream: api/authentication/v1/types.go#UserInfo
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct User {
    /// Name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// Stable identifier.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// What else is known; never a credential.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
}

/// What a request is about; empty strings where it does not say.
// upstream: apiserver/pkg/apis/audit/v1/types.go#ObjectReference
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectReference {
    /// Plural resource.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource: String,
    /// Namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// UID, when the body says it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// API group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_group: String,
    /// API version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// Resource version, when the body says it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// Subresource.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subresource: String,
}

/// The answer's status: the code always, the rest when the answer is a `Status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ResponseStatus {
    metadata: Empty,
    /// `Success` or `Failure`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// The text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The reason.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The details.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    /// The HTTP code.
    pub code: u16,
}

impl ResponseStatus {
    /// A status of which only the code is known.
    #[must_use]
    pub fn of_code(code: u16) -> Self {
        Self {
            code,
            ..Self::default()
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Empty {}

/// `2006-01-02T15:04:05.000000Z`.
// upstream: apimachinery/pkg/apis/meta/v1/micro_time.go#RFC3339Micro
#[must_use]
pub fn micro_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

fn micro<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ"))
}

/// Takes `managedFields` out of an object, or of each of a list's objects.
// upstream: apiserver/pkg/audit/request.go#removeManagedFields
#[must_use]
pub fn without_managed_fields(mut object: Value) -> Value {
    fn strip(object: &mut Value) {
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.shift_remove("managedFields");
        }
    }
    strip(&mut object);
    if let Some(items) = object.get_mut("items").and_then(Value::as_array_mut) {
        items.iter_mut().for_each(strip);
    }
    object
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_looks_as_upstreams() {
        let at: Timestamp = "2026-11-23T22:05:01.5Z".parse().unwrap();
        let mut event = Event::new(Level::Metadata, Stage::ResponseComplete, "id".into(), at);
        event.request_uri = "/api/v1/namespaces/a/pods/p".into();
        event.verb = "get".into();
        event.user.username = "alice".into();
        event.object_ref = Some(ObjectReference {
            resource: "pods".into(),
            namespace: "a".into(),
            name: "p".into(),
            api_version: "v1".into(),
            ..ObjectReference::default()
        });
        event.response_status = Some(ResponseStatus::of_code(200));
        event
            .annotations
            .insert("authorization.k8s.io/decision".into(), "allow".into());
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            concat!(
                r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"id","#,
                r#""stage":"ResponseComplete","requestURI":"/api/v1/namespaces/a/pods/p","verb":"get","#,
                r#""user":{"username":"alice"},"#,
                r#""objectRef":{"resource":"pods","namespace":"a","name":"p","apiVersion":"v1"},"#,
                r#""responseStatus":{"metadata":{},"code":200},"#,
                r#""requestReceivedTimestamp":"2026-11-23T22:05:01.500000Z","#,
                r#""stageTimestamp":"2026-11-23T22:05:01.500000Z","#,
                r#""annotations":{"authorization.k8s.io/decision":"allow"}}"#
            )
        );
    }

    #[test]
    fn managed_fields_go() {
        let object = json!({"metadata": {"name": "a", "managedFields": [1]}});
        assert_eq!(
            without_managed_fields(
                json!({"items": [object.clone()], "metadata": {"managedFields": []}})
            ),
            json!({"items": [{"metadata": {"name": "a"}}], "metadata": {}})
        );
    }
}
