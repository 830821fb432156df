//! Certificate signing requests, from approval to being cleared away.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use controllers::Clock;
use rcgen::{CertificateParams, DnType, KeyPair, SanType};
use registry::{CreateOptions, Patch, RequestContext, UserInfo};
use serde_json::{Value, json};

use crate::harness::{Cluster, at, condition};

const CLIENT: &str = "kubernetes.io/kube-apiserver-client";
const KUBELET: &str = "kubernetes.io/kube-apiserver-client-kubelet";
const SERVING: &str = "kubernetes.io/kubelet-serving";

/// PEM of a request, base64 as the API has it.
fn request(name: &str, organisation: &str, names: &[&str], uris: &[&str]) -> String {
    let mut params =
        CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
        .distinguished_name
        .push(DnType::OrganizationName, organisation);
    params
        .subject_alt_names
        .extend(uris.iter().map(|u| SanType::URI((*u).try_into().unwrap())));
    let pem = params
        .serialize_request(&KeyPair::generate().unwrap())
        .unwrap()
        .pem()
        .unwrap();
    STANDARD.encode(pem)
}

fn object(name: &str, signer: &str, request: String, usages: &[&str]) -> Value {
    json!({"metadata": {"name": name}, "spec": {"signerName": signer, "request": request, "usages": usages}})
}

async fn create_as(cluster: &Cluster, user: UserInfo, object: Value) {
    let target = cluster
        .registry
        .target(
            "certificates.k8s.io",
            "v1",
            "certificatesigningrequests",
            None,
            "",
        )
        .unwrap();
    cluster
        .registry
        .create(
            &RequestContext::new(user),
            &target,
            object,
            &CreateOptions::default(),
        )
        .await
        .unwrap();
}

async fn approve(cluster: &Cluster, name: &str) {
    let approved = json!({"status": {"conditions": [{"type": "Approved", "status": "True", "reason": "Test", "message": "m"}]}});
    cluster
        .api("certificatesigningrequests")
        .patch(None, name, "approval", Patch::Merge(approved))
        .await
        .unwrap();
}

async fn issued(cluster: &Cluster, name: &str) -> pki::PeerIdentity {
    let object = cluster
        .until("certificatesigningrequests", "", name, |r| {
            r.is_some_and(|r| at(r, "/status/certificate").is_string())
        })
        .await
        .unwrap();
    let pem = STANDARD
        .decode(object["status"]["certificate"].as_str().unwrap())
        .unwrap();
    let chain = pki::certificates_from_pem(std::str::from_utf8(&pem).unwrap()).unwrap();
    let authority = if object["spec"]["signerName"] == SERVING {
        &cluster.signers.serving
    } else {
        &cluster.signers.client
    };
    assert!(pki::is_certified_by(&chain[0], authority.der()));
    pki::parse_certificate(&chain[0]).unwrap()
}

async fn failed(cluster: &Cluster, name: &str) -> String {
    let object = cluster
        .until("certificatesigningrequests", "", name, |r| {
            r.is_some_and(|r| condition(r, "Failed")["status"] == "True")
        })
        .await
        .unwrap();
    assert!(at(&object, "/status/certificate").is_null());
    let failed = condition(&object, "Failed");
    assert_eq!(failed["reason"], "SignerValidationFailure");
    failed["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_is_approved_is_signed_and_nothing_else() {
    let cluster = Cluster::start().await;
    let usages = ["digital signature", "client auth"];
    let of = |name: &str, object| {
        let made = object;
        let cluster = &cluster;
        let name = name.to_owned();
        async move {
            cluster.create("certificatesigningrequests", made).await;
            name
        }
    };
    let mut jane = object("jane", CLIENT, request("jane", "devs", &[], &[]), &usages);
    jane["spec"]["expirationSeconds"] = json!(1200);
    of("jane", jane).await;
    of(
        "waits",
        object("waits", CLIENT, request("jane", "devs", &[], &[]), &usages),
    )
    .await;
    approve(&cluster, "jane").await;
    let certificate = issued(&cluster, "jane").await;
    assert_eq!(
        (certificate.common_name.as_str(), certificate.organisations),
        ("jane", vec!["devs".to_owned()])
    );
    let life = certificate
        .not_after
        .duration_since(std::time::SystemTime::now())
        .unwrap();
    assert!(life <= Duration::from_secs(1200) && life > Duration::from_secs(1100));
    let waits = cluster.get("certificatesigningrequests", "waits").await;
    assert!(at(&waits.unwrap(), "/status/certificate").is_null());

    let serving = ["digital signature", "server auth"];
    let node = request("system:node:a", "system:nodes", &["a", "10.0.0.1"], &[]);
    of("serving", object("serving", SERVING, node, &serving)).await;
    approve(&cluster, "serving").await;
    assert_eq!(issued(&cluster, "serving").await.dns_names, ["a"]);

    // What does not fit its signer, and what stands for a stake or the control plane.
    let cases = [
        (
            "usage",
            CLIENT,
            request("x", "devs", &[], &[]),
            vec!["server auth", "client auth"],
            "invalid usage for client certificate: server auth",
        ),
        (
            "nodes",
            SERVING,
            request("system:node:a", "devs", &["a"], &[]),
            serving.to_vec(),
            "subject organization is not system:nodes",
        ),
        (
            "nameless",
            SERVING,
            request("system:node:a", "system:nodes", &[], &[]),
            serving.to_vec(),
            "DNS or IP subjectAltName is required",
        ),
        (
            "stake",
            CLIENT,
            request("0x1", "devs", &[], &["daas://stake/0x01"]),
            usages.to_vec(),
            "\"daas://stake/0x01\" cannot be put into a certificate",
        ),
        (
            "plane",
            CLIENT,
            request("daas:control-plane", "devs", &[], &[]),
            usages.to_vec(),
            "\"daas:control-plane\" cannot be put into a certificate",
        ),
        (
            "admin",
            CLIENT,
            request("x", "DAAS:admin", &[], &[]),
            usages.to_vec(),
            "\"DAAS:admin\" cannot be put into a certificate",
        ),
    ];
    for (name, signer, request, usages, why) in cases {
        of(name, object(name, signer, request, &usages)).await;
        approve(&cluster, name).await;
        assert_eq!(failed(&cluster, name).await, why);
    }
    cluster.settle().await;
}

#[tokio::test]
async fn a_kubelets_own_request_is_approved_when_it_may_make_it() {
    let cluster = Cluster::start().await;
    let usages = ["digital signature", "client auth"];
    let user = |group: &str| UserInfo {
        name: "system:node:a".to_owned(),
        groups: vec![group.to_owned()],
        ..UserInfo::default()
    };
    // Where no API server has given its authoriser, only the control plane's own accounts may.
    let node = || request("system:node:a", "system:nodes", &[], &[]);
    create_as(
        &cluster,
        user("system:nodes"),
        object("refused", KUBELET, node(), &usages),
    )
    .await;
    create_as(
        &cluster,
        user("system:serviceaccounts:kube-system"),
        object("own", KUBELET, node(), &usages),
    )
    .await;
    assert_eq!(issued(&cluster, "own").await.common_name, "system:node:a");
    let own = cluster
        .get("certificatesigningrequests", "own")
        .await
        .unwrap();
    let approved = condition(&own, "Approved");
    assert_eq!(
        (&approved["reason"], &approved["message"]),
        (
            &json!("AutoApproved"),
            &json!("Auto approving self kubelet client certificate after SubjectAccessReview.")
        )
    );
    let refused = cluster
        .get("certificatesigningrequests", "refused")
        .await
        .unwrap();
    assert!(at(&refused, "/status/conditions").is_null());
    cluster.settle().await;
}

#[tokio::test(start_paused = true)]
async fn old_requests_are_cleared_away() {
    let cluster = Cluster::start_with(Clock::tokio()).await;
    let usages = ["digital signature", "client auth"];
    for name in ["denied", "forgotten"] {
        cluster
            .create(
                "certificatesigningrequests",
                object(name, CLIENT, request("x", "devs", &[], &[]), &usages),
            )
            .await;
    }
    let denied = json!({"status": {"conditions": [{"type": "Denied", "status": "True", "reason": "Test", "message": "m"}]}});
    cluster
        .api("certificatesigningrequests")
        .patch(None, "denied", "approval", Patch::Merge(denied))
        .await
        .unwrap();
    let start = tokio::time::Instant::now();
    tokio::time::sleep(Duration::from_secs(3000)).await;
    assert!(
        cluster
            .get("certificatesigningrequests", "denied")
            .await
            .is_some()
    );
    tokio::time::sleep(Duration::from_secs(700)).await;
    cluster
        .until("certificatesigningrequests", "", "denied", |r| r.is_none())
        .await;
    assert!(
        cluster
            .get("certificatesigningrequests", "forgotten")
            .await
            .is_some()
    );
    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    cluster
        .until("certificatesigningrequests", "", "forgotten", |r| {
            r.is_none()
        })
        .await;
    assert!(start.elapsed() >= Duration::from_secs(24 * 3600));
}
