//! `/version`, `/`, and what OpenID discovery says of ServiceAccount tokens.

use http::StatusCode;
use serde_json::json;

use crate::chain::Handler;
use crate::respond::{self, Reply};

/// The Kubernetes version this server speaks.
pub(crate) const MINOR: &str = "36";

pub(crate) fn version() -> Reply {
    let version = env!("CARGO_PKG_VERSION");
    respond::json(
        StatusCode::OK,
        &json!({
            "major": "1",
            "minor": MINOR,
            "emulationMajor": "1",
            "emulationMinor": MINOR,
            "minCompatibilityMajor": "1",
            "minCompatibilityMinor": "35",
            "gitVersion": format!("v1.{MINOR}.2+daas.{version}"),
            "gitCommit": "",
            "gitTreeState": "",
            "buildDate": "1970-01-01T00:00:00Z",
            "goVersion": "",
            "compiler": "rustc",
            "platform": format!("linux/{}", if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }),
        }),
    )
}

/// The paths there are.
// upstream: apiserver/pkg/server/routes/index.go
pub(crate) fn root(handler: &Handler) -> Reply {
    let mut paths: Vec<String> = [
        "/.well-known/openid-configuration",
        "/api",
        "/apis",
        "/apis/",
        "/openapi/v2",
        "/openapi/v3",
        "/openid/v1/jwks",
        "/version",
        "/metrics",
    ]
    .iter()
    .map(|s| (*s).to_owned())
    .collect();
    paths.extend(handler.health.paths());
    for (group, versions) in handler.registry.resources().groups() {
        if group.is_empty() {
            paths.extend(versions.iter().map(|v| format!("/api/{v}")));
        } else {
            paths.push(format!("/apis/{group}"));
            paths.extend(versions.iter().map(|v| format!("/apis/{group}/{v}")));
        }
    }
    paths.sort();
    respond::json(StatusCode::OK, &json!({ "paths": paths }))
}

// upstream: pkg/routes/openidmetadata.go
pub(crate) fn jwks(handler: &Handler) -> Reply {
    let Some(tokens) = handler.authenticator.tokens() else {
        return respond::page_not_found();
    };
    let bytes = serde_json::to_vec(&tokens.keys().jwks()).unwrap_or_default();
    let mut reply = respond::reply(StatusCode::OK, "application/jwk-set+json", bytes);
    reply.headers_mut().insert(
        http::header::CACHE_CONTROL,
        http::HeaderValue::from_static("public, max-age=3600"),
    );
    reply
}

pub(crate) fn openid_configuration(handler: &Handler) -> Reply {
    let Some(tokens) = handler.authenticator.tokens() else {
        return respond::page_not_found();
    };
    let issuer = tokens.keys().issuer();
    let mut reply = respond::json(
        StatusCode::OK,
        &json!({
            "issuer": issuer,
            "jwks_uri": format!("{}/openid/v1/jwks", issuer.trim_end_matches('/')),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        }),
    );
    reply.headers_mut().insert(
        http::header::CACHE_CONTROL,
        http::HeaderValue::from_static("public, max-age=3600"),
    );
    reply
}
