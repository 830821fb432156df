//! What definitions may say.
// upstream: apiextensions-apiserver/pkg/apis/apiextensions/validation/validation_test.go, apiserver/schema/validation_test.go

use apiextensions::Definition;
use apiextensions::rules::Cel;
use serde_json::{Value, json};

pub(crate) fn definition(schema: Value) -> Value {
    json!({"metadata": {"name": "foos.a.b"},
        "spec": {"group": "a.b", "scope": "Namespaced",
            "names": {"plural": "foos", "singular": "foo", "kind": "Foo", "listKind": "FooList"},
            "conversion": {"strategy": "None"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]},
        "status": {"storedVersions": ["v1"]}})
}

fn texts(object: &Value) -> Vec<String> {
    let definition = Definition::parse(object).unwrap();
    let errors = definition.validate(&Cel);
    errors.iter().map(ToString::to_string).collect()
}

fn of_schema(schema: Value) -> Vec<String> {
    texts(&definition(schema))
}

/// The errors about `spec.x`'s property schema, without the path to it.
fn of_property(property: Value) -> Vec<String> {
    const AT: &str = "spec.validation.openAPIV3Schema.properties[x]";
    of_schema(json!({"type": "object", "properties": {"x": property}}))
        .into_iter()
        .map(|text| text.strip_prefix(AT).map(str::to_owned).unwrap_or(text))
        .collect()
}

fn changed(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut object = definition(json!({"type": "object"}));
    change(&mut object);
    texts(&object)
}

#[test]
fn the_spec() {
    assert!(changed(|_| {}).is_empty());
    assert_eq!(
        changed(|d| d["spec"]["group"] = "nodot".into()),
        [
            "metadata.name: Invalid value: \"foos.a.b\": must be spec.names.plural+\".\"+spec.group",
            "spec.group: Invalid value: \"nodot\": should be a domain with at least one dot"
        ]
    );
    assert_eq!(
        changed(|d| d["spec"]["scope"] = "Planet".into()),
        [
            "spec.scope: Unsupported value: \"Planet\": supported values: \"Cluster\", \"Namespaced\""
        ]
    );
    assert_eq!(
        changed(|d| d["spec"]["names"]["listKind"] = "Foo".into()),
        ["spec.names.listKind: Invalid value: \"Foo\": kind and listKind may not be the same"]
    );
    assert_eq!(
        changed(|d| d["spec"]["versions"][0]["storage"] = false.into()),
        [
            "spec.versions: Invalid value: [\"v1\"]: must have exactly one version marked as storage version"
        ]
    );
    assert_eq!(
        changed(|d| d["status"]["storedVersions"] = json!(["v0", "v1"])),
        [
            "status.storedVersions[0]: Invalid value: \"v0\": missing from spec.versions; v0 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v0 and removes v0 from status.storedVersions"
        ]
    );
    assert_eq!(
        changed(|d| d["spec"]["preserveUnknownFields"] = true.into()),
        [
            "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        ]
    );
    assert_eq!(
        changed(|d| d["spec"]["versions"][0]["deprecationWarning"] = "x".into()),
        [
            "spec.versions[0].deprecationWarning: Invalid value: \"x\": can only be set for deprecated versions"
        ]
    );
    assert_eq!(
        changed(|d| {
            d["spec"]["group"] = "x.k8s.io".into();
            d["metadata"]["name"] = "foos.x.k8s.io".into();
        }),
        [
            "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation \"api-approved.kubernetes.io\", see https://github.com/kubernetes/enhancements/pull/1111"
        ]
    );
}

#[test]
fn parts_of_a_version() {
    assert_eq!(
        changed(|d| d["spec"]["versions"][0]["additionalPrinterColumns"] =
            json!([{"name": "", "type": "odd", "format": "odd", "jsonPath": "x"}])),
        [
            "spec.additionalPrinterColumns[0].name: Required value",
            "spec.additionalPrinterColumns[0].type: Invalid value: \"odd\": must be one of boolean,date,integer,number,string",
            "spec.additionalPrinterColumns[0].format: Invalid value: \"odd\": must be one of byte,date,date-time,double,float,int32,int64,password",
            "spec.additionalPrinterColumns[0].JSONPath: Invalid value: \"x\": must be a simple json path starting with ."
        ]
    );
    assert_eq!(
        changed(
            |d| d["spec"]["versions"][0]["subresources"] = json!({"scale": {"specReplicasPath": ".status.n", "statusReplicasPath": "", "labelSelectorPath": ".x"}})
        ),
        [
            "spec.subresources.scale.specReplicasPath: Invalid value: \".status.n\": should be a json path under .spec",
            "spec.subresources.scale.statusReplicasPath: Required value",
            "spec.subresources.scale.labelSelectorPath: Invalid value: \".x\": should be a json path under either .spec or .status"
        ]
    );
    let mut fields = definition(
        json!({"type": "object", "properties": {"a": {"type": "string"}, "o": {"type": "object"}, "l": {"type": "array", "items": {"type": "string"}}}}),
    );
    fields["spec"]["versions"][0]["selectableFields"] = json!([{"jsonPath": ".a"}, {"jsonPath": ".a"}, {"jsonPath": ".o"}, {"jsonPath": ".z"}, {"jsonPath": ".l[0]"}]);
    assert_eq!(
        texts(&fields),
        [
            "spec.selectableFields[1].jsonPath: Duplicate value: \".a\"",
            "spec.selectableFields[2].jsonPath: Invalid value: \".o\": must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.",
            "spec.selectableFields[3].jsonPath: Invalid value: \".z\": is an invalid path: does not refer to a valid field",
            "spec.selectableFields[4].jsonPath: Invalid value: \".l[0]\": is an invalid path: array notation is not allowed"
        ]
    );
    // What versions don't have alike is told where it stands.
    let mut two = definition(json!({"type": "object"}));
    let mut second = two["spec"]["versions"][0].clone();
    second["name"] = "v2".into();
    second["storage"] = false.into();
    second["schema"]["openAPIV3Schema"] = json!({"type": "object", "properties": {"x": {}}});
    two["spec"]["versions"].as_array_mut().unwrap().push(second);
    assert_eq!(
        texts(&two),
        [
            "spec.versions[1].schema.openAPIV3Schema.properties[x].type: Required value: must not be empty for specified object fields"
        ]
    );
}

#[test]
fn conversion() {
    let with = |conversion: Value| changed(|d| d["spec"]["conversion"] = conversion);
    assert_eq!(
        with(json!({"strategy": "Odd"})),
        [
            "spec.conversion.strategy: Unsupported value: \"Odd\": supported values: \"None\", \"Webhook\""
        ]
    );
    assert_eq!(
        with(json!({"strategy": "Webhook"})),
        [
            "spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook",
            "spec.conversion.conversionReviewVersions: Required value"
        ]
    );
    assert_eq!(
        with(
            json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v7", "v7"], "clientConfig": {"url": "http://x/y"}}})
        ),
        [
            "spec.conversion.webhookClientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]",
            "spec.conversion.conversionReviewVersions[1]: Invalid value: \"v7\": duplicate version",
            "spec.conversion.conversionReviewVersions: Invalid value: [\"v7\",\"v7\"]: must include at least one of v1, v1beta1"
        ]
    );
    assert_eq!(
        with(json!({"strategy": "None", "webhook": {"conversionReviewVersions": ["v1"]}})),
        [
            "spec.conversion.conversionReviewVersions: Forbidden: should not be set when strategy is not set to Webhook"
        ]
    );
}

#[test]
fn structure() {
    assert_eq!(
        of_property(json!({"items": {"type": "string"}})),
        [".type: Required value: must not be empty for specified object fields"]
    );
    assert_eq!(
        of_property(json!({"type": "array"})),
        [".items: Required value: must be specified"]
    );
    assert_eq!(
        of_property(json!({"type": "array", "items": {}})),
        [".items.type: Required value: must not be empty for specified array items"]
    );
    assert_eq!(
        of_schema(json!({"type": "object", "additionalProperties": {"type": "string"}})),
        [
            "spec.validation.openAPIV3Schema.additionalProperties: Forbidden: must not be used at the root"
        ]
    );
    assert_eq!(
        of_schema(json!({"type": "string"})),
        [
            "spec.validation.openAPIV3Schema.type: Invalid value: \"string\": must be object at the root"
        ]
    );
    assert_eq!(
        of_property(
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "anyOf": [{"type": "object", "description": "d", "properties": {"a": {"nullable": true}}}]})
        ),
        [
            ".anyOf[0].description: Forbidden: must be empty to be structural",
            ".anyOf[0].properties[a].nullable: Forbidden: must be false to be structural",
            ".anyOf[0].type: Forbidden: must be empty to be structural"
        ]
    );
    assert_eq!(
        of_schema(json!({"type": "object", "anyOf": [{"properties": {"gone": {"minLength": 1}}}]})),
        [
            "spec.validation.openAPIV3Schema.properties[gone]: Required value: because it is defined in spec.validation.openAPIV3Schema.anyOf[0].properties[gone]"
        ]
    );
    assert!(
        of_property(json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}))
            .is_empty()
    );
    assert_eq!(
        of_property(json!({"type": "string", "x-kubernetes-embedded-resource": true})),
        [
            ".properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
            ".type: Invalid value: \"string\": must be object if x-kubernetes-embedded-resource is true"
        ]
    );
    assert_eq!(
        of_schema(
            json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}})
        ),
        [
            "spec.validation.openAPIV3Schema.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified"
        ]
    );
    assert!(
        of_schema(json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 5}}}}}))
            .is_empty()
    );
}

#[test]
fn what_a_schema_may_say() {
    assert_eq!(
        of_property(json!({"type": "odd"})),
        [
            ".type: Unsupported value: \"odd\": supported values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\""
        ]
    );
    assert_eq!(
        of_property(json!({"type": "array", "uniqueItems": true, "items": {"type": "string"}})),
        [
            ".uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        ]
    );
    assert_eq!(
        of_property(
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}})
        ),
        [
            ".additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"
        ]
    );
    assert_eq!(
        of_property(json!({"type": "string", "$ref": "#/x"})),
        [".$ref: Forbidden: $ref is not supported"]
    );
    assert_eq!(
        of_property(json!({"type": "string", "pattern": "("})).len(),
        1
    );
    assert_eq!(
        of_property(
            json!({"type": "array", "x-kubernetes-list-type": "map", "items": {"type": "object", "properties": {"k": {"type": "string"}}}})
        ),
        [
            ".x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map"
        ]
    );
    assert_eq!(
        of_property(
            json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k", "z"],
            "items": {"type": "object", "properties": {"k": {"type": "string"}}}})
        ),
        [
            ".x-kubernetes-list-map-keys: Invalid value: [\"k\",\"z\"]: entries must all be names of item properties",
            ".items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
        ]
    );
    assert_eq!(
        of_property(
            json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "object", "nullable": true}})
        ),
        [
            ".items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set",
            ".items.nullable: Forbidden: cannot be nullable when x-kubernetes-list-type is set"
        ]
    );
    assert_eq!(
        of_property(json!({"type": "string", "x-kubernetes-list-type": "atomic"})),
        [".type: Invalid value: \"string\": must be array if x-kubernetes-list-type is specified"]
    );
    let mut with_status = definition(json!({"type": "object", "maxProperties": 3}));
    with_status["spec"]["versions"][0]["subresources"] = json!({"status": {}});
    assert!(texts(&with_status)[0].contains(
        "fields are allowed at the root of the schema if the status subresource is enabled"
    ));
}

#[test]
fn defaults() {
    assert!(of_property(json!({"type": "string", "default": "a"})).is_empty());
    assert_eq!(
        of_property(json!({"type": "integer", "default": "a"})),
        [".default: Invalid value: \"string\":  in body must be of type integer: \"string\""]
    );
    assert_eq!(
        of_property(
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "default": {"b": 1}})
        ),
        [".default: Invalid value: {\"b\":1}: must not have unknown fields"]
    );
    assert_eq!(
        of_schema(
            json!({"type": "object", "properties": {"kind": {"type": "string", "default": "x"}}})
        ),
        [
            "spec.validation.openAPIV3Schema.properties[kind].default: Forbidden: must not be set in top-level kind"
        ]
    );
}

#[test]
fn updates_keep_what_was_wrong_but_not_more() {
    let mut old = definition(json!({"type": "object", "properties": {"x": {"type": "odd"}}}));
    old["status"]["conditions"] = json!([{"type": "Established", "status": "True"}]);
    let update = |new: &Value| -> Vec<String> {
        let (new, old) = (
            Definition::parse(new).unwrap(),
            Definition::parse(&old).unwrap(),
        );
        let errors = new.validate_update(&old, &Cel);
        errors.iter().map(ToString::to_string).collect()
    };
    assert!(update(&old).is_empty());
    let mut other = old.clone();
    other["spec"]["names"]["kind"] = "Bar".into();
    other["spec"]["scope"] = "Cluster".into();
    assert_eq!(
        update(&other),
        [
            "spec.scope: Invalid value: \"Cluster\": field is immutable",
            "spec.names.kind: Invalid value: \"Bar\": field is immutable"
        ]
    );
}

#[test]
fn warnings() {
    let with = |schema: Value| Definition::parse(&definition(schema)).unwrap();
    let new = with(json!({"type": "object", "properties": {
        "f": {"type": "string", "format": "odd"},
        "s": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "object", "x-kubernetes-map-type": "atomic"}}}}));
    assert_eq!(
        new.warnings(None),
        [
            "unrecognized format \"odd\"",
            "x-kubernetes-list-type: set for items of type \"object\" is not supported by server-side apply or CEL validation rules"
        ]
    );
    assert!(new.warnings(Some(&new)).is_empty());
}

#[test]
fn a_bundle_without_certificates_establishes_nothing() {
    let mut object = definition(json!({"type": "object"}));
    object["spec"]["conversion"] = json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"],
        "clientConfig": {"url": "https://a.b/c", "caBundle": "aGVsbG8="}}});
    // It may come so, and be put right later.
    assert!(texts(&object).is_empty());
    let parsed = Definition::parse(&object).unwrap();
    assert_eq!(
        apiextensions::names::established(&parsed).reason,
        "InvalidCABundle"
    );
    let without = Definition::parse(&definition(json!({"type": "object"}))).unwrap();
    assert_eq!(apiextensions::names::established(&without).status, "True");
}
