//! Custom resources as kubectl and kube-rs use them, with the controllers running.

use std::time::Duration;

use futures::TryStreamExt;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{PatchParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, CustomResource, CustomResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::backend::{Backend, reply};
use crate::harness::{Running, start};
use crate::kubectl::{Kubectl, binaries, run};

const DEFINITION: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget, shortNames: [wg], categories: [all, toys]}
  versions:
  - name: v1
    served: true
    storage: true
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size, description: How large it is}
    - {name: Color, type: string, jsonPath: .spec.color}
    selectableFields: [{jsonPath: .spec.color}]
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.size, statusReplicasPath: .status.size}
    schema:
      openAPIV3Schema:
        description: A widget is a toy.
        type: object
        properties:
          spec:
            description: What is wanted of the widget.
            type: object
            required: [size]
            properties:
              size: {type: integer, minimum: 0, maximum: 9, description: The size in units.}
              color: {type: string, default: red}
              parts:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items: {type: object, required: [name], properties: {name: {type: string}, num: {type: integer}}}
            x-kubernetes-validations:
            - {rule: "self.size >= oldSelf.size", message: it does not shrink}
          status:
            type: object
            properties: {size: {type: integer}}
"#;

const WIDGET: &str = r"
apiVersion: example.com/v1
kind: Widget
metadata: {name: a}
spec: {size: 1, parts: [{name: p, num: 1}]}
";

/// The controllers, until dropped.
pub(crate) struct Controllers(CancellationToken);

impl Drop for Controllers {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

pub(crate) fn controllers(server: &Running) -> Controllers {
    let stop = CancellationToken::new();
    let options = controllers::Options::new(
        "10.42.0.0/16".parse().unwrap(),
        24,
        server.ca.pem().to_owned(),
    );
    let (registry, ended) = (server.registry.clone(), stop.clone());
    tokio::spawn(async move { controllers::run(registry, options, ended).await.unwrap() });
    Controllers(stop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_lives_with_custom_resources() {
    for binary in binaries() {
        let server = start().await;
        let _controllers = controllers(&server);
        let k = Kubectl::new(&server, &binary);
        k.ok_with(Some(DEFINITION), &["apply", "-f", "-"]).await;
        k.ok(&[
            "wait",
            "--for=condition=Established",
            "crd/widgets.example.com",
            "--timeout=20s",
        ])
        .await;
        let listed = k.ok(&["api-resources", "--api-group=example.com"]).await;
        assert!(
            listed.contains("widgets") && listed.contains("wg") && listed.contains("Widget"),
            "{listed}"
        );
        k.ok_with(Some(WIDGET), &["apply", "-f", "-"]).await;
        let again = k.ok_with(Some(WIDGET), &["apply", "-f", "-"]).await;
        assert!(again.contains("unchanged"), "{again}");
        let table = k.ok(&["get", "wg"]).await;
        let words: Vec<Vec<&str>> = table
            .lines()
            .map(|l| l.split_whitespace().collect())
            .collect();
        assert_eq!(words, [["NAME", "SIZE", "COLOR"], ["a", "1", "red"]]);
        assert!(
            k.ok(&["get", "toys"])
                .await
                .contains("widget.example.com/a")
                || table.contains('a')
        );
        assert!(k.ok(&["get", "all"]).await.contains("widget.example.com/a"));
        let selected = k
            .ok(&[
                "get",
                "widgets",
                "--field-selector=spec.color=blue",
                "-o",
                "name",
            ])
            .await;
        assert_eq!(selected, "");
        let explained = k.ok(&["explain", "widget.spec"]).await;
        assert!(
            explained.contains("The size in units.")
                && explained.contains("size\t<integer> -required-")
                && explained.contains("What is wanted of the widget."),
            "{explained}"
        );
        let explained = k
            .ok(&["explain", "widgets.spec", "--output=plaintext-openapiv2"])
            .await;
        assert!(explained.contains("The size in units."), "{explained}");
        let unknown = WIDGET.replace("size: 1", "size: 1, odd: 2");
        let output = run(&binary, &k.config, Some(&unknown), &["apply", "-f", "-"]).await;
        assert!(
            !output.ok && output.err.contains("unknown field \"spec.odd\""),
            "{}",
            output.err
        );
        k.ok(&["scale", "widget/a", "--replicas=3"]).await;
        let size = k
            .ok(&["get", "widget", "a", "-o", "jsonpath={.spec.size}"])
            .await;
        assert_eq!(size, "3");
        let refused = k
            .fails(&[
                "patch",
                "widget",
                "a",
                "--type=merge",
                "-p",
                r#"{"spec":{"size":2}}"#,
            ])
            .await;
        assert!(refused.contains("it does not shrink"), "{refused}");
        let refused = k
            .fails(&[
                "patch",
                "widget",
                "a",
                "--type=merge",
                "-p",
                r#"{"spec":{"size":20}}"#,
            ])
            .await;
        assert!(
            refused.contains("spec.size in body should be less than or equal to 9"),
            "{refused}"
        );
        k.ok(&[
            "patch",
            "widget",
            "a",
            "--subresource=status",
            "--type=merge",
            "-p",
            r#"{"status":{"size":3}}"#,
        ])
        .await;
        let shared = |part: &str| {
            format!(
                "apiVersion: example.com/v1\nkind: Widget\nmetadata: {{name: b}}\nspec: {{size: 1, parts: [{part}]}}\n"
            )
        };
        for (manager, part) in [("one", "{name: p, num: 1}"), ("two", "{name: q, num: 2}")] {
            let manager = format!("--field-manager={manager}");
            let apply = ["apply", "--server-side", &manager, "-f", "-"];
            k.ok_with(Some(&shared(part)), &apply).await;
        }
        let names = k
            .ok(&["get", "widget", "b", "-o", "jsonpath={.spec.parts[*].name}"])
            .await;
        assert_eq!(names, "p q");
        let output = run(
            &binary,
            &k.config,
            Some(&shared("{name: p, num: 5}")),
            &["apply", "--server-side", "--field-manager=three", "-f", "-"],
        )
        .await;
        assert!(
            !output.ok && output.err.contains(".spec.parts[name=\"p\"].num"),
            "{}",
            output.err
        );
        let diff = run(
            &binary,
            &k.config,
            Some(
                &WIDGET
                    .replace("num: 1", "num: 7")
                    .replace("size: 1", "size: 5"),
            ),
            &["diff", "-f", "-"],
        )
        .await;
        assert!(diff.out.contains("num: 7"), "{}{}", diff.out, diff.err);
        k.ok(&["delete", "crd", "widgets.example.com", "--timeout=30s"])
            .await;
        let gone = k.fails(&["get", "widgets"]).await;
        // By what it remembers of discovery, or by what there is.
        assert!(
            gone.contains("the server doesn't have a resource type")
                || gone.contains("could not find the requested resource"),
            "{gone}"
        );
    }
}

fn definition() -> Value {
    let yaml = codec::yaml::decode(DEFINITION.as_bytes()).unwrap();
    yaml.value
}

/// Makes the definition and waits until it is established.
async fn establish(server: &Running, definition: Value) {
    let mut admin = server.admin().await;
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let made = admin.post(path, definition).await;
    assert_eq!(made.code, 201, "{}", made.text());
    let name = made.json()["metadata"]["name"].as_str().unwrap().to_owned();
    for _ in 0..500 {
        let now = admin.get(&format!("{path}/{name}")).await.json();
        let conditions = now["status"]["conditions"].as_array().cloned();
        let established = conditions
            .iter()
            .flatten()
            .any(|c| c["type"] == "Established" && c["status"] == "True");
        if established {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never established");
}

const WIDGETS: &str = "/apis/example.com/v1/namespaces/default/widgets";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http() {
    let server = start().await;
    let _controllers = controllers(&server);
    let mut admin = server.admin().await;
    let before = admin.get("/openapi/v3").await.json();
    let aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let told = admin
        .send("GET", "/apis", &[("accept", aggregated)], b"")
        .await;
    assert_eq!(admin.get(WIDGETS).await.code, 404);
    establish(&server, definition()).await;

    // Discovery, both forms, with another ETag.
    let now = admin
        .send("GET", "/apis", &[("accept", aggregated)], b"")
        .await;
    assert_ne!(told.header("etag"), now.header("etag"));
    let groups = now.json();
    let group = groups["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|g| g["metadata"]["name"] == "example.com")
        .unwrap()
        .clone();
    let resource = &group["versions"][0]["resources"][0];
    assert_eq!(
        *resource,
        json!({"resource": "widgets", "responseKind": {"group": "example.com", "version": "v1", "kind": "Widget"},
            "scope": "Namespaced", "singularResource": "widget",
            "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
            "shortNames": ["wg"], "categories": ["all", "toys"],
            "subresources": [
                {"subresource": "scale", "responseKind": {"group": "autoscaling", "version": "v1", "kind": "Scale"}, "verbs": ["get", "patch", "update"]},
                {"subresource": "status", "responseKind": {"group": "example.com", "version": "v1", "kind": "Widget"}, "verbs": ["get", "patch", "update"]}]})
    );
    let legacy = admin.get("/apis/example.com/v1").await.json();
    assert_eq!(legacy["resources"][0]["name"], "widgets");
    assert_eq!(
        admin.get("/apis/example.com").await.json()["preferredVersion"]["version"],
        "v1"
    );

    // OpenAPI: a new path, the others as they were.
    let after = admin.get("/openapi/v3").await.json();
    assert_eq!(
        before["paths"]["apis/apps/v1"],
        after["paths"]["apis/apps/v1"]
    );
    let url = after["paths"]["apis/example.com/v1"]["serverRelativeURL"]
        .as_str()
        .unwrap();
    let document = admin.get(url).await.json();
    let schema = &document["components"]["schemas"]["com.example.v1.Widget"];
    assert_eq!(
        schema["properties"]["spec"]["properties"]["size"]["maximum"],
        9
    );
    assert_eq!(
        schema["x-kubernetes-group-version-kind"],
        json!([{"group": "example.com", "version": "v1", "kind": "Widget"}])
    );
    assert!(
        document["paths"]
            .get("/apis/example.com/v1/namespaces/{namespace}/widgets/{name}/scale")
            .is_some()
    );
    let v2 = admin.get("/openapi/v2").await.json();
    assert_eq!(
        v2["definitions"]["com.example.v1.Widget"]["properties"]["metadata"]["$ref"],
        "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    );

    // Encodings: no protobuf of custom objects, but of their metadata; no strategic merge.
    let widget = |name: &str| json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": {"size": 1}});
    assert_eq!(admin.post(WIDGETS, widget("a")).await.code, 201);
    let protobuf = "application/vnd.kubernetes.protobuf";
    let refused = admin
        .send("GET", WIDGETS, &[("accept", protobuf)], b"")
        .await;
    assert_eq!(refused.code, 406);
    let both = format!("{protobuf},application/json");
    let answer = admin.send("GET", WIDGETS, &[("accept", &both)], b"").await;
    assert_eq!(
        (answer.code, answer.header("content-type")),
        (200, "application/json")
    );
    let posted = admin
        .send("POST", WIDGETS, &[("content-type", protobuf)], b"k8s\0")
        .await;
    assert_eq!(posted.code, 415);
    let strategic = admin
        .send(
            "PATCH",
            &format!("{WIDGETS}/a"),
            &[("content-type", "application/strategic-merge-patch+json")],
            b"{}",
        )
        .await;
    assert_eq!(strategic.code, 415);
    assert_eq!(
        strategic.json()["message"],
        "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    );

    // Pages, dry run, columns, ages.
    for i in 0..7 {
        assert_eq!(
            admin.post(WIDGETS, widget(&format!("p{i}"))).await.code,
            201
        );
    }
    let dry = admin
        .post(&format!("{WIDGETS}?dryRun=All"), widget("dry"))
        .await;
    assert_eq!(dry.code, 201);
    assert_eq!(admin.get(&format!("{WIDGETS}/dry")).await.code, 404);
    let mut names = Vec::new();
    let mut token = String::new();
    loop {
        let page = admin
            .get(&format!("{WIDGETS}?limit=3&continue={token}"))
            .await
            .json();
        for item in page["items"].as_array().unwrap() {
            names.push(item["metadata"]["name"].as_str().unwrap().to_owned());
        }
        assert_eq!(page["kind"], "WidgetList");
        token = page["metadata"]["continue"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(names, ["a", "p0", "p1", "p2", "p3", "p4", "p5", "p6"]);
    let table = admin
        .send(
            "GET",
            &format!("{WIDGETS}?limit=1"),
            &[("accept", "application/json;as=Table;g=meta.k8s.io;v=v1")],
            b"",
        )
        .await
        .json();
    let columns: Vec<_> = table["columnDefinitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| {
            (
                c["name"].clone(),
                c["type"].clone(),
                c["description"].clone(),
            )
        })
        .collect();
    assert_eq!(
        columns[1..],
        [
            (json!("Size"), json!("integer"), json!("How large it is")),
            (
                json!("Color"),
                json!("string"),
                json!("Custom resource definition column (in JSONPath format): .spec.color")
            ),
        ]
    );
    assert_eq!(table["rows"][0]["cells"], json!(["a", 1, "red"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_are_asked_for() {
    let server = start().await;
    let _controllers = controllers(&server);
    establish(&server, definition()).await;
    let mut admin = server.admin().await;
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let role = json!({"metadata": {"name": "reader"}, "rules": [{"apiGroups": ["example.com"], "resources": ["widgets"], "verbs": ["get", "list"]}]});
    let made = admin.post(&format!("{rbac}/clusterroles"), role).await;
    assert_eq!(made.code, 201, "{}", made.text());
    let binding = json!({"metadata": {"name": "reader"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ann"}]});
    admin
        .post(&format!("{rbac}/clusterrolebindings"), binding)
        .await;
    let ann = server.ca.issue("ann", &[], &[]);
    let mut ann = server.client(Some(&ann)).await;
    assert_eq!(ann.get(WIDGETS).await.code, 200);
    let refused = ann
        .post(
            WIDGETS,
            json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "x"}, "spec": {"size": 1}}),
        )
        .await;
    assert_eq!(refused.code, 403);
    assert_eq!(
        refused.json()["message"],
        "widgets.example.com is forbidden: User \"ann\" cannot create resource \"widgets\" in API group \"example.com\" in the namespace \"default\""
    );
}

/// A webhook that moves `spec.size` (v1) to `spec.length` (v2) and back.
async fn converter() -> Backend {
    Backend::start(&["127.0.0.1"], None, |got| {
        let review: Value = serde_json::from_slice(&got.body).unwrap();
        let desired = review["request"]["desiredAPIVersion"].as_str().unwrap();
        let (from, to) = match desired {
            "example.com/v2" => ("size", "length"),
            _ => ("length", "size"),
        };
        let objects: Vec<Value> = review["request"]["objects"]
            .as_array()
            .unwrap()
            .iter()
            .map(|o| {
                let mut o = o.clone();
                let size = o["spec"].as_object_mut().unwrap().remove(from).unwrap();
                o["spec"][to] = size;
                o["apiVersion"] = desired.into();
                o
            })
            .collect();
        reply(
            200,
            &json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
            "response": {"uid": review["request"]["uid"], "result": {"status": "Success"}, "convertedObjects": objects}}),
        )
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_converts() {
    let server = start().await;
    let _controllers = controllers(&server);
    let hook = converter().await;
    let version = |name: &str, field: &str, storage: bool| {
        json!({"name": name, "served": true, "storage": storage, "schema": {"openAPIV3Schema": {"type": "object",
            "properties": {"spec": {"type": "object", "required": [field], "properties": {field: {"type": "integer"}}}}}}})
    };
    let mut crd = definition();
    crd["spec"]["versions"] = json!([version("v1", "size", true), version("v2", "length", false)]);
    crd["spec"]["conversion"] = json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"],
        "clientConfig": hook.client_config("/convert")}});
    establish(&server, crd).await;
    let mut admin = server.admin().await;
    let widget = json!({"apiVersion": "example.com/v2", "kind": "Widget", "metadata": {"name": "a"}, "spec": {"length": 4}});
    let second = "/apis/example.com/v2/namespaces/default/widgets";
    let made = admin.post(second, widget).await;
    assert_eq!(made.code, 201, "{}", made.text());
    assert_eq!(made.json()["spec"], json!({"length": 4}));
    let first = admin.get(&format!("{WIDGETS}/a")).await.json();
    assert_eq!(
        (&first["apiVersion"], &first["spec"]),
        (&json!("example.com/v1"), &json!({"size": 4}))
    );
    let patched = admin
        .send(
            "PATCH",
            &format!("{second}/a"),
            &[("content-type", "application/merge-patch+json")],
            br#"{"spec":{"length":6}}"#,
        )
        .await;
    assert_eq!(patched.json()["spec"], json!({"length": 6}));
    let listed = admin.get(second).await.json();
    assert_eq!(listed["items"][0]["spec"], json!({"length": 6}));
    // A certificate that the bundle doesn't know is not trusted.
    let other = converter().await;
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com";
    let ca = other.client_config("/")["caBundle"].clone();
    let patch = json!({"spec": {"conversion": {"webhook": {"clientConfig": {"caBundle": ca}}}}});
    let changed = admin
        .send(
            "PATCH",
            path,
            &[("content-type", "application/merge-patch+json")],
            &serde_json::to_vec(&patch).unwrap(),
        )
        .await;
    assert_eq!(changed.code, 200, "{}", changed.text());
    let failed = admin.get(&format!("{second}/a")).await;
    assert_eq!(failed.code, 500);
    let message = failed.json()["message"].as_str().unwrap().to_owned();
    assert!(
        message.starts_with(
            "conversion webhook for example.com/v1, Kind=Widget failed: Post \"https://127.0.0.1:"
        ),
        "{message}"
    );
    assert_eq!(admin.get(&format!("{WIDGETS}/a")).await.code, 200);
}

/// A resource as an operator in Rust declares it.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "toys.example.com",
    version = "v1",
    kind = "Robot",
    namespaced,
    status = "RobotStatus",
    shortname = "rb",
    printcolumn = r#"{"name": "Arms", "type": "integer", "jsonPath": ".spec.arms"}"#,
    scale(
        spec_replicas_path = ".spec.arms",
        status_replicas_path = ".status.arms"
    ),
    validation = Rule::new("self.spec.arms < 10").message("too many arms")
)]
#[serde(rename_all = "camelCase")]
struct RobotSpec {
    /// How many arms it has.
    arms: i32,
    #[serde(default)]
    label: Option<String>,
    #[serde(default = "two")]
    legs: i32,
}

fn two() -> i32 {
    2
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
struct RobotStatus {
    arms: i32,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kube_rs_declares_writes_and_watches() {
    let server = start().await;
    let _controllers = controllers(&server);
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let config = kube::config::Kubeconfig::read_from(server.kubeconfig(&server.admin)).unwrap();
    let config = kube::Config::from_custom_kubeconfig(config, &Default::default())
        .await
        .unwrap();
    let client = Client::try_from(config).unwrap();
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let ssa = PatchParams::apply("operator").force();
    let name = Robot::crd_name();
    crds.patch(name, &ssa, &kube::api::Patch::Apply(Robot::crd()))
        .await
        .unwrap();
    let established = await_condition(crds.clone(), name, conditions::is_crd_established());
    tokio::time::timeout(Duration::from_secs(20), established)
        .await
        .unwrap()
        .unwrap();
    let robots: Api<Robot> = Api::namespaced(client.clone(), "default");
    let mut seen =
        std::pin::pin!(watcher(robots.clone(), watcher::Config::default()).applied_objects());
    let made: Robot = serde_json::from_value(
        json!({"apiVersion": "toys.example.com/v1", "kind": "Robot", "metadata": {"name": "r"}, "spec": {"arms": 2, "legs": 2}}),
    )
    .unwrap();
    let made = robots.create(&PostParams::default(), &made).await.unwrap();
    assert_eq!((made.spec.arms, made.spec.legs), (2, 2));
    let first = tokio::time::timeout(Duration::from_secs(20), seen.try_next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(first.spec, made.spec);
    let status =
        json!({"apiVersion": "toys.example.com/v1", "kind": "Robot", "status": {"arms": 2}});
    let after = robots
        .patch_status("r", &ssa, &kube::api::Patch::Apply(status))
        .await
        .unwrap();
    assert_eq!(after.status, Some(RobotStatus { arms: 2 }));
    let scale = robots.get_scale("r").await.unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(2));
    let many = json!({"spec": {"arms": 10}});
    let refused = robots
        .patch("r", &PatchParams::default(), &kube::api::Patch::Merge(many))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("too many arms"), "{refused}");
    robots.delete("r", &Default::default()).await.unwrap();
    crds.delete(name, &Default::default()).await.unwrap();
}
