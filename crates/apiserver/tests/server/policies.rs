//! Admission policies, driven by kubectl.

use crate::harness::start;
use crate::kubectl::{Kubectl, binaries, run};

const POLICY: &str = r"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: replicas
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - apiGroups: [apps]
      apiVersions: [v1]
      operations: [CREATE, UPDATE]
      resources: [deployments]
  variables:
  - name: replicas
    expression: object.spec.replicas
  validations:
  - expression: variables.replicas <= 5
    messageExpression: '''at most 5 replicas, not '' + string(variables.replicas)'
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: replicas-everywhere
spec:
  policyName: replicas
  validationActions: [ACTION]
  matchResources:
    namespaceSelector:
      matchLabels:
        kubernetes.io/metadata.name: default
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata:
  name: team
spec:
  matchConstraints:
    resourceRules:
    - apiGroups: [apps]
      apiVersions: [v1]
      operations: [CREATE]
      resources: [deployments]
  reinvocationPolicy: IfNeeded
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration:
      expression: >-
        Object{metadata: Object.metadata{labels: {'team': has(object.metadata.labels) && 'app' in object.metadata.labels ?
        'of-' + object.metadata.labels['app'] : 'none'}}}
  - patchType: JSONPatch
    jsonPatch:
      expression: >-
        [JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('example.com/by'), value: request.userInfo.username}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata:
  name: team
spec:
  policyName: team
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_refuse_warn_and_change() {
    let Some(binary) = binaries().into_iter().next_back() else {
        eprintln!("skipped: no kubectl");
        return;
    };
    let server = start().await;
    let k = Kubectl::new(&server, &binary);
    k.ok_with(
        Some(&POLICY.replace("ACTION", "Deny")),
        &["apply", "-f", "-"],
    )
    .await;
    let create = [
        "create",
        "deployment",
        "web",
        "--image=web:1",
        "--replicas=9",
    ];
    let refused = k.fails(&create).await;
    assert!(
        refused.contains(
            "ValidatingAdmissionPolicy 'replicas' with binding 'replicas-everywhere' denied request: at most 5 replicas, not 9"
        ),
        "{refused}"
    );
    k.ok(&[
        "create",
        "deployment",
        "web",
        "--image=web:1",
        "--replicas=5",
    ])
    .await;
    let labels = k
        .ok(&[
            "get",
            "deployment",
            "web",
            "-o",
            "jsonpath={.metadata.labels}",
        ])
        .await;
    assert!(labels.contains(r#""team":"of-web""#), "{labels}");
    assert!(labels.contains(r#""example.com/by":"#), "{labels}");
    let patch = r#"{"spec":{"replicas":8}}"#;
    let refused = k.fails(&["patch", "deployment", "web", "-p", patch]).await;
    assert!(refused.contains("not 8"), "{refused}");
    // Elsewhere the binding does not hold; and where it warns, the change goes through.
    k.ok(&["create", "namespace", "elsewhere"]).await;
    k.ok(&[
        "-n",
        "elsewhere",
        "create",
        "deployment",
        "web",
        "--image=web:1",
        "--replicas=9",
    ])
    .await;
    k.ok_with(
        Some(&POLICY.replace("ACTION", "Warn, Audit")),
        &["apply", "-f", "-"],
    )
    .await;
    let strict = k
        .fails(&[
            "--warnings-as-errors",
            "patch",
            "deployment",
            "web",
            "-p",
            patch,
        ])
        .await;
    assert!(
        strict.contains(
            "Warning: Validation failed for ValidatingAdmissionPolicy 'replicas' with binding 'replicas-everywhere': at most 5 \
             replicas, not 8"
        ),
        "{strict}"
    );
    let replicas = k
        .ok(&[
            "get",
            "deployment",
            "web",
            "-o",
            "jsonpath={.spec.replicas}",
        ])
        .await;
    assert_eq!(replicas, "8");
    // What does not compile is not accepted.
    let faulty = POLICY.replace("variables.replicas <= 5", "variables.nope <= 5");
    let output = run(&binary, &k.config, Some(&faulty), &["apply", "-f", "-"]).await;
    assert!(!output.ok);
    let refused = output.err;
    assert!(
        refused.contains("spec.validations[0].expression: Invalid value: \"variables.nope <= 5\": compilation failed: ERROR: <input>:1:10: undefined field 'nope'"),
        "{refused}"
    );
}
