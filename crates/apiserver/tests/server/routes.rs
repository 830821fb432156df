//! Every route of the table: nobody gets in without a credential, nor with one that has no rights, and each refusal is a
//! Status in upstream's words.

use std::sync::Arc;

use audit::{Policy, Stage};
use registry::Verb;
use serde_json::Value;

use crate::auditing::{Events, recorded};
use crate::harness::start_with;

/// Rights that everybody who is authenticated has (`system:basic-user`).
const FOR_ALL: [&str; 3] = [
    "selfsubjectaccessreviews",
    "selfsubjectrulesreviews",
    "selfsubjectreviews",
];

#[tokio::test]
async fn every_route_is_authenticated_authorised_and_audited() {
    let events = Arc::new(Events::default());
    let audit = recorded(Policy::standard().unwrap(), &events);
    let server = start_with(|b| b.audit(audit)).await;
    let nobody = server.ca.issue("eve", &[], &[]);
    let mut stranger = server.client(None).await;
    let mut eve = server.client(Some(&nobody)).await;
    let mut routes = 0;
    for row in server.registry.table().iter() {
        let root = if row.group.is_empty() {
            format!("/api/{}", row.version)
        } else {
            format!("/apis/{}/{}", row.group, row.version)
        };
        let scope = if row.namespaced {
            "/namespaces/default"
        } else {
            ""
        };
        let mut all: Vec<(Verb, &str)> = row.verbs.iter().map(|v| (*v, "")).collect();
        all.extend(
            row.subresources
                .iter()
                .flat_map(|s| s.verbs.iter().map(move |v| (*v, s.name))),
        );
        for (verb, subresource) in all {
            let (method, named, query) = match verb {
                Verb::Create => ("POST", !subresource.is_empty(), ""),
                Verb::Get => ("GET", true, ""),
                Verb::List => ("GET", false, ""),
                Verb::Watch => ("GET", false, "?watch=1"),
                Verb::Update => ("PUT", true, ""),
                Verb::Patch => ("PATCH", true, ""),
                Verb::Delete => ("DELETE", true, ""),
                Verb::DeleteCollection => ("DELETE", false, ""),
            };
            let mut path = format!("{root}{scope}/{}", row.plural);
            if named {
                path.push_str("/x");
            }
            let mut resource = row.plural.clone();
            if !subresource.is_empty() {
                path.push_str(&format!("/{subresource}"));
                resource.push_str(&format!("/{subresource}"));
            }
            path.push_str(query);
            routes += 1;

            let answer = stranger.send(method, &path, &[], b"{}").await;
            assert_eq!(
                (answer.code, &answer.json()["reason"]),
                (401, &Value::from("Unauthorized")),
                "{method} {path}"
            );
            let event = events
                .of(answer.header("audit-id"), Stage::ResponseStarted)
                .await;
            assert_eq!(
                (
                    event.user.username.as_str(),
                    event.response_status.unwrap().code
                ),
                ("", 401),
                "{method} {path}"
            );

            if FOR_ALL.contains(&row.plural.as_str()) {
                continue;
            }
            let answer = eve.send(method, &path, &[], b"{}").await;
            let status = answer.json();
            assert_eq!(
                (answer.code, &status["reason"]),
                (403, &Value::from("Forbidden")),
                "{method} {path}"
            );
            let long = matches!(verb, Verb::Watch)
                || matches!(subresource, "exec" | "attach" | "portforward" | "proxy");
            let stage = if long {
                Stage::ResponseStarted
            } else {
                Stage::ResponseComplete
            };
            let event = events.of(answer.header("audit-id"), stage).await;
            let object = event.object_ref.unwrap();
            assert_eq!(
                (
                    event.user.username.as_str(),
                    event.verb.as_str(),
                    event.request_uri.as_str(),
                    event.response_status.unwrap().reason.as_str(),
                    event.annotations["authorization.k8s.io/decision"].as_str(),
                ),
                ("eve", verb.as_str(), path.as_str(), "Forbidden", "forbid"),
            );
            assert_eq!(
                (
                    object.api_group.as_str(),
                    object.api_version.as_str(),
                    object.resource.as_str(),
                    object.subresource.as_str(),
                ),
                (
                    row.group.as_str(),
                    row.version.as_str(),
                    row.plural.as_str(),
                    subresource
                ),
            );
            // What runs for long needs no seat, but a watch does until it has begun.
            assert_eq!(
                answer.header("x-kubernetes-pf-flowschema-uid").is_empty(),
                long && verb != Verb::Watch,
                "{method} {path}"
            );
            let group = if row.group.is_empty() {
                String::new()
            } else {
                format!(".{}", row.group)
            };
            let name = if named { " \"x\"" } else { "" };
            let place = match (row.namespaced, row.plural.as_str()) {
                (true, _) => "in the namespace \"default\"",
                // A namespace is within itself.
                (false, "namespaces") if named => "in the namespace \"x\"",
                _ => "at the cluster scope",
            };
            let want = format!(
                "{}{group}{name} is forbidden: User \"eve\" cannot {verb} resource \"{resource}\" in API group \"{}\" {place}",
                row.plural, row.group
            );
            assert_eq!(status["message"], want, "{method} {path}");
        }
    }
    assert!(routes > 400, "{routes} routes");
}

/// Every path that is no resource: who gets in, and that it leaves a trace.
#[tokio::test]
async fn every_path_beside_the_resources_is_authenticated_authorised_and_audited() {
    // Path, what nobody gets, what anybody gets. upstream: bootstrappolicy/policy.go, system:discovery, system:public-info-viewer
    const PATHS: [(&str, u16, u16); 20] = [
        ("/healthz", 200, 200),
        ("/livez?verbose", 200, 200),
        ("/readyz", 200, 200),
        ("/version", 200, 200),
        ("/api", 401, 200),
        ("/api/v1", 401, 200),
        ("/apis", 401, 200),
        ("/apis/apps", 401, 200),
        ("/apis/apps/v1", 401, 200),
        ("/openapi/v2", 401, 200),
        ("/openapi/v3", 401, 200),
        ("/openapi/v3/apis/apps/v1", 401, 200),
        ("/", 401, 403),
        ("/metrics", 401, 403),
        ("/audit/head", 401, 403),
        ("/audit/log", 401, 403),
        ("/openid/v1/jwks", 401, 403),
        ("/.well-known/openid-configuration", 401, 403),
        ("/logs", 401, 403),
        ("/nothing", 401, 403),
    ];
    let events = Arc::new(Events::default());
    let audit = recorded(Policy::standard().unwrap(), &events);
    let server = start_with(|b| b.audit(audit)).await;
    let nobody = server.ca.issue("eve", &[], &[]);
    let mut stranger = server.client(None).await;
    let mut eve = server.client(Some(&nobody)).await;
    for (path, unknown, known) in PATHS {
        for (client, name, code) in [(&mut stranger, "", unknown), (&mut eve, "eve", known)] {
            let answer = client.get(path).await;
            assert_eq!(answer.code, code, "{path} for {name:?}");
            let stage = if code == 401 {
                Stage::ResponseStarted
            } else {
                Stage::ResponseComplete
            };
            let event = events.of(answer.header("audit-id"), stage).await;
            assert_eq!(
                (
                    event.request_uri.as_str(),
                    event.response_status.unwrap().code
                ),
                (path, code)
            );
            assert!(event.object_ref.is_none(), "{path}");
            if code >= 400 {
                assert_eq!(answer.json()["kind"], "Status", "{path}");
            }
        }
        let posted = stranger.send("POST", path, &[], b"").await.code;
        assert!(matches!(posted, 401 | 403 | 405), "{path}: {posted}");
    }
}
