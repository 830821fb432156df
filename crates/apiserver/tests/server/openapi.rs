//! OpenAPI documents as kubectl reads them.

use crate::harness::start;
use crate::kubectl::{Kubectl, binaries, run};

const POD: &str = r"
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - {name: web, image: 'web:1', imagee: x}
  - {name: side, image: 'side:1'}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_validates_explains_and_merges() {
    for binary in binaries() {
        let server = start().await;
        let k = Kubectl::new(&server, &binary);
        let output = run(
            &binary,
            &k.config,
            Some(POD),
            &["apply", "--validate=strict", "-f", "-"],
        )
        .await;
        assert!(!output.ok, "{}", output.out);
        assert!(
            output
                .err
                .contains("unknown field \"spec.containers[0].imagee\""),
            "{}",
            output.err
        );
        let output = run(
            &binary,
            &k.config,
            Some(POD),
            &["apply", "--validate=warn", "-f", "-"],
        )
        .await;
        assert!(output.ok, "{}", output.err);
        assert!(
            output.err.contains("Warning: unknown field"),
            "{}",
            output.err
        );

        let explained = k
            .ok(&["explain", "deployments.spec.template.spec.containers.ports"])
            .await;
        assert!(
            explained.contains("containerPort\t<integer> -required-"),
            "{explained}"
        );
        assert!(
            explained.contains("GROUP:      apps") && explained.contains("VERSION:    v1"),
            "{explained}"
        );
        let explained = k.ok(&["explain", "pod.spec"]).await;
        let words = explained.split_whitespace().collect::<Vec<_>>().join(" ");
        for text in [
            "DESCRIPTION: Specification of the desired behavior of the pod.",
            "PodSpec is a description of a pod.",
            "List of containers belonging to the pod. Containers cannot currently be added or removed.",
        ] {
            assert!(words.contains(text), "{text}: {explained}");
        }
        // The older printer reads v2, as protobuf.
        let explained = k
            .ok(&[
                "explain",
                "pods.spec.containers",
                "--output=plaintext-openapiv2",
            ])
            .await;
        assert!(
            explained.contains("imagePullPolicy\t<string>")
                && explained.contains("A single application container"),
            "{explained}"
        );
        let explained = k.ok(&["explain", "pods", "--recursive"]).await;
        assert!(explained.contains("hostNetwork\t<boolean>"), "{explained}");

        // A three-way merge by the merge keys of the document: one container changes, one goes.
        let changed = POD.replace("web:1", "web:2").replace(", imagee: x", "");
        k.ok_with(Some(&changed), &["apply", "-f", "-"]).await;
        let images = k
            .ok(&[
                "get",
                "pod",
                "web",
                "-o",
                "jsonpath={.spec.containers[*].image}",
            ])
            .await;
        assert_eq!(images, "web:2 side:1");
        let raw = k.ok(&["get", "--raw", "/openapi/v3"]).await;
        assert!(raw.contains("/openapi/v3/apis/apps/v1?hash="), "{raw}");
        let v2 = k.ok(&["get", "--raw", "/openapi/v2"]).await;
        assert!(v2.contains("\"swagger\":\"2.0\""));
    }
}
