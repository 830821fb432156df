//! apps, batch, autoscaling and policy.
//!
//! upstream: pkg/registry/*/rest/storage_*.go, pkg/apis/*/v1/conversion.go (field labels)

use crate::convert::AutoscalerV1;
use crate::table::row::{Row, computed, row};

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(
            "apps",
            "v1",
            "ControllerRevision",
            "controllerrevisions",
            "controllerrevision",
        )
        .namespaced(),
        row("apps", "v1", "DaemonSet", "daemonsets", "daemonset")
            .namespaced()
            .short(&["ds"])
            .categories(&["all"])
            .status(),
        row("apps", "v1", "Deployment", "deployments", "deployment")
            .namespaced()
            .short(&["deploy"])
            .categories(&["all"])
            .scale()
            .status(),
        row("apps", "v1", "ReplicaSet", "replicasets", "replicaset")
            .namespaced()
            .short(&["rs"])
            .categories(&["all"])
            .scale()
            .status(),
        row("apps", "v1", "StatefulSet", "statefulsets", "statefulset")
            .namespaced()
            .short(&["sts"])
            .categories(&["all"])
            .scale()
            .status(),
        row(
            "autoscaling",
            "v2",
            "HorizontalPodAutoscaler",
            "horizontalpodautoscalers",
            "horizontalpodautoscaler",
        )
        .namespaced()
        .short(&["hpa"])
        .categories(&["all"])
        .status(),
        row(
            "autoscaling",
            "v1",
            "HorizontalPodAutoscaler",
            "horizontalpodautoscalers",
            "horizontalpodautoscaler",
        )
        .namespaced()
        .short(&["hpa"])
        .categories(&["all"])
        .status()
        .stored_as(
            "/autoscaling/horizontalpodautoscalers/",
            "autoscaling/v2",
            &AutoscalerV1,
        ),
        row("batch", "v1", "CronJob", "cronjobs", "cronjob")
            .namespaced()
            .short(&["cj"])
            .categories(&["all"])
            .status(),
        row("batch", "v1", "Job", "jobs", "job")
            .namespaced()
            .categories(&["all"])
            .fields(
                &[computed("status.successful", "status.succeeded", "0")],
                "field label %q not supported for batchv1.Job",
            )
            .status(),
        row(
            "policy",
            "v1",
            "PodDisruptionBudget",
            "poddisruptionbudgets",
            "poddisruptionbudget",
        )
        .namespaced()
        .short(&["pdb"])
        .status(),
    ]
}
