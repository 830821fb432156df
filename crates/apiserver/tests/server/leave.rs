//! Who may approve certificates, and name owners.

use serde_json::json;

use crate::harness::start;
use crate::webhooks::{config_map, config_map_of};

#[tokio::test]
async fn signing_approving_and_owning_need_leave() {
    let server = start().await;
    let mut admin = server.admin().await;
    let jane = server.ca.issue("jane", &["devs"], &[]);
    let mut client = server.client(Some(&jane)).await;
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let role = json!({"metadata": {"name": "devs"}, "rules": [
        {"apiGroups": ["certificates.k8s.io"], "resources": ["certificatesigningrequests", "certificatesigningrequests/approval"], "verbs": ["*"]},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "update"]}]});
    assert_eq!(
        admin.post(&format!("{rbac}/clusterroles"), role).await.code,
        201
    );
    let binding = json!({"metadata": {"name": "devs"}, "subjects": [{"kind": "Group", "name": "devs", "apiGroup": "rbac.authorization.k8s.io"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "devs"}});
    assert_eq!(
        admin
            .post(&format!("{rbac}/clusterrolebindings"), binding)
            .await
            .code,
        201
    );
    let request = |organisation: &str| {
        use base64::Engine as _;
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "x");
        params
            .distinguished_name
            .push(rcgen::DnType::OrganizationName, organisation);
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = params.serialize_request(&key).unwrap().pem().unwrap();
        base64::engine::general_purpose::STANDARD.encode(pem)
    };
    let object = |name: &str, organisation: &str| {
        json!({"metadata": {"name": name}, "spec": {"signerName": "kubernetes.io/kube-apiserver-client",
            "request": request(organisation), "usages": ["client auth"]}})
    };
    let requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let mut made = client.post(requests, object("own", "devs")).await;
    for _ in 0..100 {
        if made.code != 403 {
            break;
        }
        // The authoriser has not seen the binding yet.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        made = client.post(requests, object("own", "devs")).await;
    }
    assert_eq!(made.code, 201, "{}", made.text());
    let masters = client
        .post(requests, object("masters", "system:masters"))
        .await;
    assert_eq!(masters.code, 403);
    assert!(
        masters.text().contains(
            "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed"
        ),
        "{}",
        masters.text()
    );
    let approval = json!({"status": {"conditions": [{"type": "Approved", "status": "True", "reason": "r", "message": "m"}]}}).to_string();
    let approve = [("content-type", "application/merge-patch+json")];
    let path = format!("{requests}/own/approval");
    let refused = client
        .send("PATCH", &path, &approve, approval.as_bytes())
        .await;
    assert_eq!(refused.code, 403);
    assert!(
        refused.text().contains(
            "user not permitted to approve requests with signerName \\\"kubernetes.io/kube-apiserver-client\\\""
        ),
        "{}",
        refused.text()
    );
    assert_eq!(
        admin
            .send("PATCH", &path, &approve, approval.as_bytes())
            .await
            .code,
        200
    );

    // An owner that waits needs leave to change its finalizers; naming one later needs leave to delete the object.
    assert_eq!(config_map(&mut admin, "owner").await.code, 201);
    let uid = admin
        .get("/api/v1/namespaces/default/configmaps/owner")
        .await
        .json()["metadata"]["uid"]
        .clone();
    let owned = |blocks: bool| {
        json!({"metadata": {"name": format!("owned-{blocks}"), "ownerReferences": [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid, "blockOwnerDeletion": blocks}]}})
    };
    let blocking = config_map_of(&mut client, owned(true)).await;
    assert_eq!(blocking.code, 403);
    assert!(blocking.text().contains(
        "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on"
    ));
    let made = config_map_of(&mut client, owned(false)).await;
    assert_eq!(made.code, 201, "{}", made.text());
    let mut freed = made.json();
    freed["metadata"]["ownerReferences"] = json!([]);
    let freed = client
        .send(
            "PUT",
            "/api/v1/namespaces/default/configmaps/owned-false",
            &[("content-type", "application/json")],
            freed.to_string().as_bytes(),
        )
        .await;
    assert_eq!(freed.code, 403);
    assert!(
        freed
            .text()
            .contains("cannot set an ownerRef on a resource you can't delete")
    );
}
