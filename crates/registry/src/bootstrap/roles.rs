//! Cluster roles for users and components.
//!
//! upstream: plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go

use super::rbac::{Role, n, r, role, u};

pub(super) const ROLES: &[Role] = &[
    role("admin", "", &[]),
    role("cluster-admin", "", &[r("*", "*", "*"), u("*", "*")]),
    role("edit", "admin", &[]),
    role(
        "system:aggregate-to-admin",
        "admin",
        &[
            r(
                "create",
                "authorization.k8s.io",
                "localsubjectaccessreviews",
            ),
            r(
                "create delete deletecollection get list patch update watch",
                "rbac.authorization.k8s.io",
                "rolebindings roles",
            ),
        ],
    ),
    role(
        "system:aggregate-to-edit",
        "edit",
        &[
            r(
                "get list watch",
                "core",
                "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy",
            ),
            r("impersonate", "core", "serviceaccounts"),
            r(
                "create delete deletecollection patch update",
                "core",
                "pods pods/attach pods/exec pods/portforward pods/proxy",
            ),
            r("create", "core", "pods/eviction"),
            r(
                "create delete deletecollection patch update",
                "core",
                "configmaps persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy",
            ),
            r("create", "core", "serviceaccounts/token"),
            r(
                "create delete deletecollection patch update",
                "core events.k8s.io",
                "events",
            ),
            r(
                "create delete deletecollection patch update",
                "apps",
                "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale",
            ),
            r(
                "create delete deletecollection patch update",
                "autoscaling",
                "horizontalpodautoscalers",
            ),
            r(
                "create delete deletecollection patch update",
                "batch",
                "cronjobs jobs",
            ),
            r(
                "create delete deletecollection patch update",
                "extensions",
                "daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets replicasets/scale replicationcontrollers/scale",
            ),
            r(
                "create delete deletecollection patch update",
                "policy",
                "poddisruptionbudgets",
            ),
            r(
                "create delete deletecollection patch update",
                "networking.k8s.io",
                "ingresses networkpolicies",
            ),
            r(
                "create delete deletecollection get list patch update watch",
                "coordination.k8s.io",
                "leases",
            ),
            r(
                "create delete deletecollection patch update",
                "resource.k8s.io",
                "resourceclaims resourceclaimtemplates",
            ),
        ],
    ),
    role(
        "system:aggregate-to-view",
        "view",
        &[
            r(
                "get list watch",
                "core",
                "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status",
            ),
            r(
                "get list watch",
                "core",
                "bindings limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status",
            ),
            r("get list watch", "core", "namespaces"),
            r("get list watch", "core events.k8s.io", "events"),
            r("get list watch", "discovery.k8s.io", "endpointslices"),
            r(
                "get list watch",
                "apps",
                "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
            ),
            r(
                "get list watch",
                "autoscaling",
                "horizontalpodautoscalers horizontalpodautoscalers/status",
            ),
            r(
                "get list watch",
                "batch",
                "cronjobs cronjobs/status jobs jobs/status",
            ),
            r(
                "get list watch",
                "extensions",
                "daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale",
            ),
            r(
                "get list watch",
                "policy",
                "poddisruptionbudgets poddisruptionbudgets/status",
            ),
            r(
                "get list watch",
                "networking.k8s.io",
                "ingresses ingresses/status networkpolicies",
            ),
            r(
                "get list watch",
                "resource.k8s.io",
                "resourceclaims resourceclaims/status resourceclaimtemplates",
            ),
        ],
    ),
    role(
        "system:auth-delegator",
        "",
        &[
            r("create", "authentication.k8s.io", "tokenreviews"),
            r("create", "authorization.k8s.io", "subjectaccessreviews"),
        ],
    ),
    role(
        "system:basic-user",
        "",
        &[
            r(
                "create",
                "authorization.k8s.io",
                "selfsubjectaccessreviews selfsubjectrulesreviews",
            ),
            r("create", "authentication.k8s.io", "selfsubjectreviews"),
        ],
    ),
    role(
        "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        "",
        &[r(
            "create",
            "certificates.k8s.io",
            "certificatesigningrequests/nodeclient",
        )],
    ),
    role(
        "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        "",
        &[r(
            "create",
            "certificates.k8s.io",
            "certificatesigningrequests/selfnodeclient",
        )],
    ),
    role(
        "system:certificates.k8s.io:kube-apiserver-client-approver",
        "",
        &[n(
            "approve",
            "certificates.k8s.io",
            "signers",
            "kubernetes.io/kube-apiserver-client",
        )],
    ),
    role(
        "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver",
        "",
        &[n(
            "approve",
            "certificates.k8s.io",
            "signers",
            "kubernetes.io/kube-apiserver-client-kubelet",
        )],
    ),
    role(
        "system:certificates.k8s.io:kubelet-serving-approver",
        "",
        &[n(
            "approve",
            "certificates.k8s.io",
            "signers",
            "kubernetes.io/kubelet-serving",
        )],
    ),
    role(
        "system:certificates.k8s.io:legacy-unknown-approver",
        "",
        &[n(
            "approve",
            "certificates.k8s.io",
            "signers",
            "kubernetes.io/legacy-unknown",
        )],
    ),
    role(
        "system:discovery",
        "",
        &[u(
            "get",
            "/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/",
        )],
    ),
    role(
        "system:heapster",
        "",
        &[
            r("get list watch", "core", "events namespaces nodes pods"),
            r("get list watch", "extensions", "deployments"),
        ],
    ),
    role(
        "system:kube-aggregator",
        "",
        &[r("get list watch", "core", "endpoints services")],
    ),
    role(
        "system:kube-controller-manager",
        "",
        &[
            r("create patch update", "core events.k8s.io", "events"),
            r("create", "coordination.k8s.io", "leases"),
            n(
                "get update",
                "coordination.k8s.io",
                "leases",
                "kube-controller-manager",
            ),
            r("create", "core", "secrets serviceaccounts"),
            r("delete", "core", "secrets"),
            r(
                "get",
                "core",
                "configmaps namespaces secrets serviceaccounts",
            ),
            r("update", "core", "secrets serviceaccounts"),
            r("create", "authentication.k8s.io", "tokenreviews"),
            r("create", "authorization.k8s.io", "subjectaccessreviews"),
            r("list watch", "*", "*"),
            r("create", "core", "serviceaccounts/token"),
        ],
    ),
    role(
        "system:kube-dns",
        "",
        &[r("list watch", "core", "endpoints services")],
    ),
    role(
        "system:kube-scheduler",
        "",
        &[
            r("create patch update", "core events.k8s.io", "events"),
            r("create", "coordination.k8s.io", "leases"),
            n(
                "get list update watch",
                "coordination.k8s.io",
                "leases",
                "kube-scheduler",
            ),
            r(
                "create delete deletecollection get list patch update watch",
                "coordination.k8s.io",
                "leasecandidates",
            ),
            r("get list watch", "core", "nodes"),
            r("delete get list watch", "core", "pods"),
            r("create", "core", "bindings pods/binding"),
            r("patch update", "core", "pods/status"),
            r("get list watch", "core", "replicationcontrollers services"),
            r("get list watch", "apps extensions", "replicasets"),
            r("get list watch", "apps", "statefulsets"),
            r("get list watch", "policy", "poddisruptionbudgets"),
            r(
                "get list watch",
                "core",
                "persistentvolumeclaims persistentvolumes",
            ),
            r("create", "authentication.k8s.io", "tokenreviews"),
            r("create", "authorization.k8s.io", "subjectaccessreviews"),
            r("get list watch", "storage.k8s.io", "csinodes"),
            r("get list watch", "storage.k8s.io", "volumeattachments"),
            r("get list watch", "core", "namespaces"),
            r("get list watch", "storage.k8s.io", "csidrivers"),
            r("get list watch", "storage.k8s.io", "csistoragecapacities"),
            r("get list watch", "resource.k8s.io", "deviceclasses"),
            r(
                "get list patch update watch",
                "resource.k8s.io",
                "resourceclaims",
            ),
            r(
                "get list patch update watch",
                "resource.k8s.io",
                "resourceclaims/status",
            ),
            r("update", "core", "pods/finalizers"),
            r("get list watch", "resource.k8s.io", "resourceslices"),
            r("create delete", "resource.k8s.io", "resourceclaims"),
            r("patch update", "resource.k8s.io", "resourceclaims/binding"),
        ],
    ),
    role(
        "system:kubelet-api-admin",
        "",
        &[
            r("get list watch", "core", "nodes"),
            r("proxy", "core", "nodes"),
            r(
                "*",
                "core",
                "nodes/log nodes/metrics nodes/proxy nodes/stats",
            ),
            r("*", "core", "nodes/configz nodes/healthz nodes/pods"),
        ],
    ),
    role(
        "system:monitoring",
        "",
        &[
            u(
                "get",
                "/flagz /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/* /statusz",
            ),
            r("get", "core", "nodes/metrics"),
        ],
    ),
    role(
        "system:node",
        "",
        &[
            r("create", "authentication.k8s.io", "tokenreviews"),
            r(
                "create",
                "authorization.k8s.io",
                "localsubjectaccessreviews subjectaccessreviews",
            ),
            r("get list watch", "core", "services"),
            r("create get list watch", "core", "nodes"),
            r("patch update", "core", "nodes/status"),
            r("patch update", "core", "nodes"),
            r("create patch update", "core events.k8s.io", "events"),
            r("get list watch", "core", "pods"),
            r("create delete", "core", "pods"),
            r("patch update", "core", "pods/status"),
            r("create", "core", "pods/eviction"),
            r("get list watch", "core", "configmaps secrets"),
            r("get", "core", "persistentvolumeclaims persistentvolumes"),
            r("get", "core", "endpoints"),
            r(
                "create get list watch",
                "certificates.k8s.io",
                "certificatesigningrequests",
            ),
            r(
                "create delete get patch update",
                "coordination.k8s.io",
                "leases",
            ),
            r("get", "storage.k8s.io", "volumeattachments"),
            r("create", "core", "serviceaccounts/token"),
            r("get patch update", "core", "persistentvolumeclaims/status"),
            r("get list watch", "storage.k8s.io", "csidrivers"),
            r(
                "create delete get patch update",
                "storage.k8s.io",
                "csinodes",
            ),
            r("get list watch", "node.k8s.io", "runtimeclasses"),
            r("get", "resource.k8s.io", "resourceclaims"),
            r("deletecollection", "resource.k8s.io", "resourceslices"),
            r("get", "core", "serviceaccounts"),
        ],
    ),
    role(
        "system:node-bootstrapper",
        "",
        &[r(
            "create get list watch",
            "certificates.k8s.io",
            "certificatesigningrequests",
        )],
    ),
    role(
        "system:node-problem-detector",
        "",
        &[
            r("get", "core", "nodes"),
            r("patch", "core", "nodes/status"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:node-proxier",
        "",
        &[
            r("list watch", "core", "endpoints services"),
            r("get list watch", "core", "nodes"),
            r("create patch update", "core events.k8s.io", "events"),
            r("list watch", "networking.k8s.io", "servicecidrs"),
            r("list watch", "discovery.k8s.io", "endpointslices"),
        ],
    ),
    role(
        "system:persistent-volume-provisioner",
        "",
        &[
            r("create delete get list watch", "core", "persistentvolumes"),
            r("get list update watch", "core", "persistentvolumeclaims"),
            r("get list watch", "storage.k8s.io", "storageclasses"),
            r("watch", "core", "events"),
            r("create patch update", "core events.k8s.io", "events"),
        ],
    ),
    role(
        "system:public-info-viewer",
        "",
        &[u("get", "/healthz /livez /readyz /version /version/")],
    ),
    role(
        "system:service-account-issuer-discovery",
        "",
        &[u(
            "get",
            "/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/",
        )],
    ),
    role(
        "system:volume-scheduler",
        "",
        &[
            r("get list patch update watch", "core", "persistentvolumes"),
            r("get list watch", "storage.k8s.io", "storageclasses"),
            r(
                "get list patch update watch",
                "core",
                "persistentvolumeclaims",
            ),
        ],
    ),
    role("view", "edit", &[]),
];
