//! Admission policies: refusing, warning, noting, changing.

use registry::{Registry, RequestContext, Status, UserInfo, WriteOptions};
use serde_json::{Value, json};

use super::common::*;

const GROUP: &str = "admissionregistration.k8s.io/v1";

fn rules(group: &str, resource: &str) -> Value {
    json!({"resourceRules": [{"apiGroups": [group], "apiVersions": ["*"], "operations": ["*"], "resources": [resource]}]})
}

/// A validating policy on config maps, with a binding of the same name.
async fn policy(r: &Registry, name: &str, mut spec: Value, mut binding: Value) {
    let fields = spec.as_object_mut().unwrap();
    fields
        .entry("matchConstraints")
        .or_insert_with(|| rules("", "configmaps"));
    let path = format!("{GROUP}/validatingadmissionpolicies");
    create(
        r,
        &path,
        None,
        json!({"metadata": {"name": name}, "spec": spec}),
    )
    .await
    .unwrap();
    binding["policyName"] = name.into();
    let fields = binding.as_object_mut().unwrap();
    fields
        .entry("validationActions")
        .or_insert_with(|| json!(["Deny"]));
    let path = format!("{GROUP}/validatingadmissionpolicybindings");
    let body = json!({"metadata": {"name": format!("{name}-binding")}, "spec": binding});
    create(r, &path, None, body).await.unwrap();
}

async fn mutation(r: &Registry, name: &str, mut spec: Value) {
    let fields = spec.as_object_mut().unwrap();
    fields
        .entry("matchConstraints")
        .or_insert_with(|| rules("", "configmaps"));
    let path = format!("{GROUP}/mutatingadmissionpolicies");
    create(
        r,
        &path,
        None,
        json!({"metadata": {"name": name}, "spec": spec}),
    )
    .await
    .unwrap();
    let path = format!("{GROUP}/mutatingadmissionpolicybindings");
    let body =
        json!({"metadata": {"name": format!("{name}-binding")}, "spec": {"policyName": name}});
    create(r, &path, None, body).await.unwrap();
}

async fn map(r: &Registry, name: &str, data: Value) -> Result<Value, Status> {
    let body = json!({"metadata": {"name": name}, "data": data});
    create(r, "v1/configmaps", Some("default"), body).await
}

async fn as_user(
    r: &Registry,
    who: &RequestContext,
    name: &str,
    data: Value,
) -> Result<Value, Status> {
    let t = target(r, "v1/configmaps", Some("default"), "");
    let body = json!({"metadata": {"name": name}, "data": data});
    r.create(who, &t, body, &WriteOptions::default())
        .await
        .map(value)
}

#[tokio::test]
async fn a_policy_refuses_in_upstreams_words() {
    let r = registry().await;
    let spec = json!({
        "variables": [
            {"name": "size", "expression": "has(object.data) ? object.data.size() : 0"},
            {"name": "limit", "expression": "variables.size * 0 + 1"},
        ],
        "validations": [
            {"expression": "variables.size <= variables.limit", "messageExpression": "'has ' + string(variables.size) + ' entries'",
             "reason": "Forbidden"},
            {"expression": "!has(object.data) || !('bad' in object.data)", "message": "no bad things"},
            {"expression": "object.metadata.name != 'expression'"},
        ],
    });
    policy(&r, "sizes", spec, json!({})).await;
    map(&r, "fine", json!({"a": "b"})).await.unwrap();
    let refused = map(&r, "large", json!({"a": "b", "c": "d"}))
        .await
        .unwrap_err();
    assert_eq!(
        refused.message,
        "configmaps \"large\" is forbidden: ValidatingAdmissionPolicy 'sizes' with binding 'sizes-binding' denied request: has 2 entries"
    );
    assert_eq!((refused.code, refused.reason.as_str()), (403, "Forbidden"));
    let refused = map(&r, "worse", json!({"bad": "b"})).await.unwrap_err();
    assert_eq!(
        refused.message,
        "configmaps \"worse\" is forbidden: ValidatingAdmissionPolicy 'sizes' with binding 'sizes-binding' denied request: no bad things"
    );
    assert_eq!((refused.code, refused.reason.as_str()), (422, "Invalid"));
    let refused = map(&r, "expression", json!({})).await.unwrap_err();
    assert!(
        refused
            .message
            .ends_with("denied request: failed expression: object.metadata.name != 'expression'"),
        "{}",
        refused.message
    );
}

#[tokio::test]
async fn errors_follow_the_failure_policy() {
    let r = registry().await;
    let failing = json!([{"expression": "object.nope == 1"}]);
    policy(
        &r,
        "ignores",
        json!({"failurePolicy": "Ignore", "validations": failing}),
        json!({}),
    )
    .await;
    map(&r, "a", json!({})).await.unwrap();
    policy(&r, "fails", json!({"validations": failing}), json!({})).await;
    let refused = map(&r, "b", json!({})).await.unwrap_err();
    assert_eq!(
        refused.message,
        "configmaps \"b\" is forbidden: ValidatingAdmissionPolicy 'fails' with binding 'fails-binding' denied request: \
         expression 'object.nope == 1' resulted in error: no such key: nope"
    );
    // The configurations of admission themselves are subject to none.
    let r = registry().await;
    let all = json!({"resourceRules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]});
    policy(
        &r,
        "locks",
        json!({"matchConstraints": all, "validations": [{"expression": "false"}]}),
        json!({}),
    )
    .await;
    map(&r, "c", json!({})).await.unwrap_err();
    let path = format!("{GROUP}/validatingadmissionpolicybindings");
    let body = json!({"metadata": {"name": "more"}, "spec": {"policyName": "locks", "validationActions": ["Audit"]}});
    create(&r, &path, None, body).await.unwrap();
}

#[tokio::test]
async fn bindings_warn_and_note() {
    let r = registry().await;
    let spec = json!({
        "validations": [{"expression": "false", "message": "never"}],
        "auditAnnotations": [
            {"key": "name", "valueExpression": "'it is ' + object.metadata.name"},
            {"key": "nothing", "valueExpression": "null"},
        ],
    });
    policy(
        &r,
        "watches",
        spec,
        json!({"validationActions": ["Warn", "Audit"]}),
    )
    .await;
    let who = context();
    as_user(&r, &who, "a", json!({})).await.unwrap();
    assert_eq!(
        who.take_warnings(),
        [
            "Validation failed for ValidatingAdmissionPolicy 'watches' with binding 'watches-binding': never"
        ]
    );
    let annotations = who.take_annotations();
    assert_eq!(annotations["watches/name"], "it is a");
    assert!(!annotations.contains_key("watches/nothing"));
    let failure: Value =
        serde_json::from_str(&annotations["validation.policy.admission.k8s.io/validation_failure"])
            .unwrap();
    assert_eq!(
        failure,
        json!([{"message": "never", "policy": "watches", "binding": "watches-binding", "expressionIndex": 0,
            "validationActions": ["Warn", "Audit"]}])
    );
}

#[tokio::test]
async fn parameters_conditions_and_selectors() {
    let r = registry().await;
    map(&r, "limits", json!({"max": "1"})).await.unwrap();
    let spec = json!({
        "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "matchConditions": [{"name": "not-limits", "expression": "object.metadata.name != 'limits'"}],
        "matchConstraints": {
            "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}],
            "objectSelector": {"matchExpressions": [{"key": "free", "operator": "DoesNotExist"}]},
            "excludeResourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"],
                "resourceNames": ["excluded"]}],
        },
        "validations": [{"expression": "object.data.size() <= int(params.data.max)", "messageExpression": "'at most ' + params.data.max"}],
    });
    let binding = json!({"paramRef": {"name": "limits", "namespace": "default", "parameterNotFoundAction": "Deny"}});
    policy(&r, "limited", spec, binding).await;
    let two = json!({"a": "1", "b": "2"});
    map(&r, "one", json!({"a": "1"})).await.unwrap();
    let refused = map(&r, "two", two.clone()).await.unwrap_err();
    assert!(
        refused.message.ends_with("denied request: at most 1"),
        "{}",
        refused.message
    );
    map(&r, "excluded", two.clone()).await.unwrap();
    let body = json!({"metadata": {"name": "free", "labels": {"free": "yes"}}, "data": two});
    create(&r, "v1/configmaps", Some("default"), body)
        .await
        .unwrap();
    let path = format!("{GROUP}/validatingadmissionpolicybindings");
    let body = json!({"metadata": {"name": "missing"}, "spec": {"policyName": "limited", "validationActions": ["Deny"],
        "paramRef": {"name": "nope", "namespace": "default", "parameterNotFoundAction": "Deny"}}});
    create(&r, &path, None, body).await.unwrap();
    let refused = map(&r, "three", json!({"a": "1"})).await.unwrap_err();
    assert_eq!(
        refused.message,
        "configmaps \"three\" is forbidden: ValidatingAdmissionPolicy 'limited' with binding 'missing' denied request: \
         failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
    );
}

#[tokio::test]
async fn expressions_know_the_request() {
    let r = registry().await;
    let spec = json!({"validations": [
        {"expression": "request.operation == 'CREATE' && request.namespace == 'default' && request.resource.resource == 'configmaps'"},
        {"expression": "request.kind.kind == 'ConfigMap' && request.userInfo.username == 'ann' && 'devs' in request.userInfo.groups"},
        {"expression": "oldObject == null && namespaceObject.metadata.name == 'default' && request.dryRun == false"},
        {"expression": "!authorizer.group('').resource('secrets').namespace('default').check('get').allowed()"},
        {"expression": "!authorizer.requestResource.check('create').allowed() && !authorizer.path('/healthz').check('get').allowed()"},
        {"expression": "authorizer.serviceAccount('kube-system', 'x').group('').resource('pods').check('list').allowed()"},
    ]});
    policy(&r, "request", spec, json!({})).await;
    let who = RequestContext::new(UserInfo {
        name: "ann".into(),
        groups: vec!["devs".into()],
        ..UserInfo::default()
    });
    as_user(&r, &who, "a", json!({})).await.unwrap();
}

#[tokio::test]
async fn faulty_expressions_are_refused() {
    let r = registry().await;
    let path = format!("{GROUP}/validatingadmissionpolicies");
    let body = json!({"metadata": {"name": "a"}, "spec": {
        "matchConstraints": rules("", "configmaps"),
        "variables": [{"name": "in", "expression": "1"}, {"name": "v", "expression": "nope"}],
        "matchConditions": [{"name": "c", "expression": "1"}],
        "validations": [
            {"expression": "object.x ==", "reason": "Because"},
            {"expression": "object.x"},
            {"expression": "true", "messageExpression": "1"},
            {"expression": "params.x == 1"},
        ],
        "auditAnnotations": [{"key": "k", "valueExpression": "1"}],
    }});
    let refused = create(&r, &path, None, body).await.unwrap_err();
    let causes = refused.details.unwrap().causes;
    let said: Vec<(&str, &str)> = causes
        .iter()
        .map(|c| (c.field.as_str(), c.message.as_str()))
        .collect();
    let of = |field: &str| {
        said.iter()
            .find(|(f, _)| *f == field)
            .unwrap_or_else(|| panic!("{field} in {said:#?}"))
            .1
    };
    assert_eq!(
        of("spec.variables[0].name"),
        "Invalid value: \"in\": name is not a valid CEL identifier"
    );
    assert_eq!(
        of("spec.variables[1].expression"),
        "Invalid value: \"nope\": compilation failed: ERROR: <input>:1:1: undeclared reference to 'nope' (in container '')\n \
         | nope\n | ^"
    );
    assert_eq!(
        of("spec.matchConditions[0].expression"),
        "Invalid value: \"1\": must evaluate to bool"
    );
    assert!(
        of("spec.validations[0].expression")
            .contains("Syntax error: mismatched input '<EOF>' expecting")
    );
    assert!(of("spec.validations[0].reason").starts_with("Unsupported value: \"Because\""));
    assert_eq!(
        of("spec.validations[1].expression"),
        "Invalid value: \"object.x\": must evaluate to bool"
    );
    assert_eq!(
        of("spec.validations[2].messageExpression"),
        "Invalid value: \"1\": must evaluate to string"
    );
    assert!(of("spec.validations[3].expression").contains("undeclared reference to 'params'"));
    assert_eq!(
        of("spec.auditAnnotations[0].valueExpression"),
        "Invalid value: \"1\": must evaluate to one of [string null_type]"
    );
    // A policy's defaults.
    let body = json!({"metadata": {"name": "a"}, "spec": {"matchConstraints": rules("", "configmaps"),
        "validations": [{"expression": "true"}]}});
    let made = create(&r, &path, None, body).await.unwrap();
    assert_eq!(made["spec"]["failurePolicy"], "Fail");
    assert_eq!(
        made["spec"]["matchConstraints"]["matchPolicy"],
        "Equivalent"
    );
    assert_eq!(
        made["spec"]["matchConstraints"]["resourceRules"][0]["scope"],
        "*"
    );
    let path = format!("{GROUP}/validatingadmissionpolicybindings");
    let body = json!({"metadata": {"name": "b"}, "spec": {"policyName": "a", "validationActions": ["Deny", "Warn"],
        "paramRef": {"name": "x", "selector": {}}}});
    let refused = create(&r, &path, None, body).await.unwrap_err();
    assert!(
        refused
            .message
            .contains("must not contain both Deny and Warn"),
        "{}",
        refused.message
    );
    assert!(
        refused
            .message
            .contains("name and selector are mutually exclusive")
    );
}

#[tokio::test]
async fn mutations_apply_and_patch() {
    let r = registry().await;
    mutation(&r, "a-labels", json!({
        "mutations": [
            {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression":
                "Object{metadata: Object.metadata{labels: {'made': 'here', 'by': request.operation}}}"}},
            {"patchType": "JSONPatch", "jsonPatch": {"expression":
                "[JSONPatch{op: 'add', path: '/metadata/annotations', value: {'labels': string(object.metadata.labels.size())}}]"}},
        ],
    }))
    .await;
    let made = map(&r, "a", json!({"k": "v"})).await.unwrap();
    assert_eq!(
        made["metadata"]["labels"],
        json!({"made": "here", "by": "CREATE"})
    );
    assert_eq!(made["metadata"]["annotations"], json!({"labels": "2"}));
    assert_eq!(made["data"], json!({"k": "v"}));
    // A list by keys is merged, and defaults are set on what is added.
    mutation(&r, "sidecar", json!({
        "matchConstraints": rules("", "pods"),
        "matchConditions": [{"name": "new", "expression": "request.operation == 'CREATE'"}],
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression":
            "Object{spec: Object.spec{containers: [Object.spec.containers{name: 'proxy', image: 'proxy:1'}]}}"}}],
    }))
    .await;
    let body = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "main", "image": "app:1"}]}});
    let pod = create(&r, "v1/pods", Some("default"), body).await.unwrap();
    let containers = pod["spec"]["containers"].as_array().unwrap();
    let mut names: Vec<&str> = containers
        .iter()
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["main", "proxy"]);
    assert!(
        containers
            .iter()
            .all(|c| c["terminationMessagePath"] == "/dev/termination-log")
    );
}

#[tokio::test]
async fn mutations_are_run_again_when_a_later_one_changes_the_object() {
    let r = registry().await;
    mutation(&r, "a-counts", json!({
        "reinvocationPolicy": "IfNeeded",
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression":
            "Object{metadata: Object.metadata{annotations: {'labels': has(object.metadata.labels) ? string(object.metadata.labels.size()) : '0'}}}"}}],
    }))
    .await;
    mutation(
        &r,
        "b-labels",
        json!({
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression":
                "Object{metadata: Object.metadata{labels: {'a': 'b'}}}"}}],
        }),
    )
    .await;
    let made = map(&r, "a", json!({})).await.unwrap();
    assert_eq!(made["metadata"]["annotations"], json!({"labels": "1"}));
}

#[tokio::test]
async fn faulty_mutations_are_refused() {
    let r = registry().await;
    let path = format!("{GROUP}/mutatingadmissionpolicies");
    let body = |mutations: Value| json!({"metadata": {"name": "m"}, "spec": {"matchConstraints": rules("", "configmaps"), "mutations": mutations}});
    for (mutation, said) in [
        (
            json!({"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "{'a': 1}"}}),
            "must evaluate to Object",
        ),
        (
            json!({"patchType": "JSONPatch", "jsonPatch": {"expression": "[1]"}}),
            "must evaluate to list(JSONPatch)",
        ),
        (
            json!({"patchType": "JSONPatch", "jsonPatch": {"expression": "[JSONPatch{nope: 'x'}]"}}),
            "undefined field 'nope'",
        ),
        (
            json!({"patchType": "JSONPatch"}),
            "spec.mutations[0].jsonPatch: Required value",
        ),
        (
            json!({"patchType": "Other"}),
            "supported values: \"ApplyConfiguration\", \"JSONPatch\"",
        ),
    ] {
        let refused = create(&r, &path, None, body(json!([mutation])))
            .await
            .unwrap_err();
        assert!(refused.message.contains(said), "{}", refused.message);
    }
    mutation(
        &r,
        "atomic",
        json!({
            "matchConstraints": rules("", "services"),
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression":
                "Object{spec: Object.spec{externalIPs: ['10.0.0.1'], selector: {'a': 'b'}}}"}}],
        }),
    )
    .await;
    let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}});
    let refused = create(&r, "v1/services", Some("default"), service)
        .await
        .unwrap_err();
    assert_eq!(
        refused.message,
        "policy 'atomic' with binding 'atomic-binding' denied request: error applying patch: invalid ApplyConfiguration: may not \
         mutate atomic arrays, maps or structs: .spec.externalIPs"
    );
    mutation(
        &r,
        "misnamed",
        json!({
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression":
                "Object{metadata: Object.spec{labels: {'a': 'b'}}}"}}],
        }),
    )
    .await;
    let refused = map(&r, "x", json!({})).await.unwrap_err();
    assert!(
        refused.message.contains(
            "type mismatch: unexpected type name \"Object.spec\", expected \"Object.metadata\", which matches field name path from \
             root Object type"
        ),
        "{}",
        refused.message
    );
}

#[tokio::test]
async fn expressions_are_checked_by_the_types_that_rules_name() {
    let r = registry().await;
    let path = format!("{GROUP}/validatingadmissionpolicies");
    let body = json!({"metadata": {"name": "a"}, "spec": {
        "matchConstraints": {"resourceRules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["*"],
            "resources": ["deployments", "replicasets", "deployments/scale"]}]},
        "variables": [{"name": "spec", "expression": "object.spec"}],
        "validations": [
            {"expression": "object.replicas > 1"},
            {"expression": "variables.spec.replicas > 1 && object.metadata.namespace == 'a'", "messageExpression": "object.nope"},
            {"expression": "object.spec.template.spec.containers.all(c, c.image.startsWith('a') && has(c.resources.limits))"},
            {"expression": "object.spec.replicas == 'a'"},
        ],
    }});
    let refused = create(&r, &path, None, body.clone()).await.unwrap_err();
    // What no type of any object can be is refused at once.
    assert!(
        refused
            .message
            .contains("spec.validations[1].messageExpression"),
        "{}",
        refused.message
    );
    let mut body = body;
    body["spec"]["validations"][1]["messageExpression"] = "string(object.nope)".into();
    let policy = create(&r, &path, None, body).await.unwrap();
    let warnings = registry::admission::expression_warnings(&r, &policy);
    let fields: Vec<&str> = warnings.iter().map(|w| w.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "spec.validations[0].expression",
            "spec.validations[1].messageExpression",
            "spec.validations[3].expression"
        ]
    );
    assert_eq!(
        warnings[0].warning,
        "apps/v1, Kind=Deployment: ERROR: <input>:1:7: undefined field 'replicas'\n | object.replicas > 1\n | ......^\n\n\
         apps/v1, Kind=ReplicaSet: ERROR: <input>:1:7: undefined field 'replicas'\n | object.replicas > 1\n | ......^\n"
    );
}

#[tokio::test]
async fn selectors_of_devices_are_expressions() {
    let r = registry().await;
    let class = |expression: &str| json!({"metadata": {"name": "gpu"}, "spec": {"selectors": [{"cel": {"expression": expression}}]}});
    let path = "resource.k8s.io/v1/deviceclasses";
    for (expression, said) in [
        (
            "device.nope == 'a'",
            "spec.selectors[0].cel.expression: Invalid value: \"device.nope == 'a'\": compilation failed: ERROR: <input>:1:7: undefined field 'nope'",
        ),
        (
            "device.driver",
            "must evaluate to bool or the unknown type, not string",
        ),
    ] {
        let refused = create(&r, path, None, class(expression)).await.unwrap_err();
        assert!(refused.message.contains(said), "{}", refused.message);
    }
    let fine = "device.driver == 'gpu.example.com' && device.attributes['gpu.example.com'].model == 'a' && \
                device.capacity['gpu.example.com'].memory.compareTo(quantity('10Gi')) >= 0";
    create(&r, path, None, class(fine)).await.unwrap();
    let claim = json!({"metadata": {"name": "c"}, "spec": {"devices": {"requests": [{"name": "r", "exactly": {
        "deviceClassName": "gpu", "selectors": [{"cel": {"expression": "1"}}]}}]}}});
    let refused = create(
        &r,
        "resource.k8s.io/v1/resourceclaims",
        Some("default"),
        claim,
    )
    .await
    .unwrap_err();
    assert!(
        refused
            .message
            .contains("spec.devices.requests[0].exactly.selectors[0].cel.expression"),
        "{}",
        refused.message
    );
}

#[tokio::test]
async fn parameters_are_for_those_who_may_read_them() {
    let r = registry().await;
    let who = RequestContext::new(UserInfo {
        name: "ann".into(),
        ..UserInfo::default()
    });
    let policy = |name: &str| {
        json!({"metadata": {"name": name}, "spec": {"matchConstraints": rules("", "configmaps"),
            "paramKind": {"apiVersion": "v1", "kind": "Secret"},
            "validations": [{"expression": "params.data.size() > 0"}]}})
    };
    let path = format!("{GROUP}/validatingadmissionpolicies");
    let t = target(&r, &path, None, "");
    let options = WriteOptions::default();
    let refused = r.create(&who, &t, policy("a"), &options).await.unwrap_err();
    assert!(
        refused.message.contains(
            "spec.paramKind: Forbidden: user ann must have \"get\" permission on all objects of the referenced paramKind \
             (kind=Secret, apiVersion=v1)"
        ),
        "{}",
        refused.message
    );
    create(&r, &path, None, policy("a")).await.unwrap();
    let path = format!("{GROUP}/validatingadmissionpolicybindings");
    let t = target(&r, &path, None, "");
    let binding = json!({"metadata": {"name": "a"}, "spec": {"policyName": "a", "validationActions": ["Deny"],
        "paramRef": {"name": "x", "namespace": "default"}}});
    let refused = r.create(&who, &t, binding, &options).await.unwrap_err();
    assert!(
        refused.message.contains("spec.paramRef: Forbidden"),
        "{}",
        refused.message
    );
    // A kind that there is not is a fault of the policy.
    let mut unknown = policy("unknown");
    unknown["spec"]["paramKind"] = json!({"apiVersion": "example.com/v1", "kind": "Nope"});
    create(
        &r,
        &format!("{GROUP}/validatingadmissionpolicies"),
        None,
        unknown,
    )
    .await
    .unwrap();
    let binding = json!({"metadata": {"name": "u"}, "spec": {"policyName": "unknown", "validationActions": ["Deny"]}});
    create(&r, &path, None, binding).await.unwrap();
    let refused = map(&r, "x", json!({})).await.unwrap_err();
    assert_eq!(
        refused.message,
        "configmaps \"x\" is forbidden: ValidatingAdmissionPolicy 'unknown' denied request: failed to configure policy: failed to \
         find resource referenced by paramKind: 'example.com/v1, Kind=Nope'"
    );
}

/// Widgets in two versions, served.
async fn widgets(r: &Registry) {
    let crds = "apiextensions.k8s.io/v1/customresourcedefinitions";
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "size": {"type": "integer"},
        "parts": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "n": {"type": "integer"}}}}}}}});
    let version = |name: &str, storage: bool| json!({"name": name, "served": true, "storage": storage, "schema": {"openAPIV3Schema": schema}});
    let definition = json!({"metadata": {"name": "widgets.example.com"}, "spec": {"group": "example.com", "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"}, "versions": [version("v1", true), version("v2", false)]}});
    create(r, crds, None, definition).await.unwrap();
    let mut object = get(r, crds, None, "widgets.example.com").await.unwrap();
    object["status"]["acceptedNames"] = object["spec"]["names"].clone();
    object["status"]["conditions"] = json!([
        {"type": "NamesAccepted", "status": "True", "reason": "", "message": ""},
        {"type": "Established", "status": "True", "reason": "", "message": ""}]);
    let path = format!("{crds}/status");
    update(r, &path, None, "widgets.example.com", object)
        .await
        .unwrap();
}

#[tokio::test]
async fn custom_resources_are_seen_in_the_version_that_a_rule_names() {
    let r = registry().await;
    widgets(&r).await;
    let v1 = json!({"resourceRules": [{"apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["*"],
        "resources": ["widgets"]}]});
    let spec = json!({"matchConstraints": v1, "validations": [
        {"expression": "object.apiVersion == 'example.com/v1' && request.kind.version == 'v1' && request.requestKind.version == 'v2'",
         "messageExpression": "object.apiVersion + ' as ' + request.kind.version"},
        {"expression": "object.spec.size < 5"},
    ]});
    policy(&r, "sizes", spec, json!({})).await;
    mutation(
        &r,
        "parts",
        json!({
            "matchConstraints": v1,
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression":
                "Object{spec: Object.spec{parts: [Object.spec.parts{name: 'b', n: 2}]}}"}}],
        }),
    )
    .await;
    let widget = |size: i64| json!({"apiVersion": "example.com/v2", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": size, "parts": [{"name": "a", "n": 1}, {"name": "b", "n": 1}]}});
    let refused = create(&r, "example.com/v2/widgets", Some("default"), widget(7))
        .await
        .unwrap_err();
    assert!(
        refused
            .message
            .ends_with("failed expression: object.spec.size < 5"),
        "{}",
        refused.message
    );
    let made = create(&r, "example.com/v2/widgets", Some("default"), widget(3))
        .await
        .unwrap();
    assert_eq!(made["apiVersion"], "example.com/v2");
    assert_eq!(
        made["spec"]["parts"],
        json!([{"name": "a", "n": 1}, {"name": "b", "n": 2}])
    );
    let typed = json!({"spec": {"matchConstraints": v1, "validations": [{"expression": "object.spec.nope == 1 && object.metadata.labels.size() > 0"}]}});
    let warnings = registry::admission::expression_warnings(&r, &typed);
    assert_eq!(
        warnings[0].warning,
        "example.com/v1, Kind=Widget: ERROR: <input>:1:12: undefined field 'nope'\n | object.spec.nope == 1 && object.metadata.labels.size() > 0\n \
         | ...........^\n"
    );
}
