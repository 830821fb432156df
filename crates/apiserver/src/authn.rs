//! Who sends a request: client certificates, ServiceAccount tokens, or nobody (anonymous, for the
//! paths upstream allows it on).

pub mod gate;
pub mod service_account;
mod x509;

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub use registry::UserInfo;
pub(crate) use x509::CertificateError;

use crate::connection::ConnectionInfo;
use gate::{CertificateIdentity, IdentityGate};
use service_account::{BoundTokens, ServiceAccountTokens};

/// The group of everybody who was authenticated.
pub(crate) const AUTHENTICATED: &str = "system:authenticated";
/// The group of everybody else.
pub(crate) const UNAUTHENTICATED: &str = "system:unauthenticated";
/// The user without a credential.
pub(crate) const ANONYMOUS: &str = "system:anonymous";

/// An authenticated request.
pub(crate) struct Authenticated {
    pub(crate) user: UserInfo,
    /// The certificate's identity, when that is how: long-running requests ask the gate again.
    pub(crate) certificate: Option<Arc<CertificateIdentity>>,
}

/// Why a request is answered 401. The text is for the log and the audit.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthenticationError {
    #[error("client certificate: {0}")]
    Certificate(#[from] CertificateError),
    #[error("the certificate's identity is not live: {0}")]
    Refused(#[from] gate::Refusal),
    #[error("bearer token: {0}")]
    Token(#[from] service_account::TokenError),
    #[error("this server takes no bearer tokens")]
    NoTokens,
    #[error("no credential")]
    None,
}

/// The authenticators in upstream's order: x509, bearer token, anonymous.
// upstream: pkg/kubeapiserver/authenticator/config.go#Config.New
pub(crate) struct Authenticator {
    gate: Arc<dyn IdentityGate>,
    tokens: Option<BoundTokens>,
}

impl Authenticator {
    pub(crate) fn new(
        gate: Arc<dyn IdentityGate>,
        tokens: Option<Arc<ServiceAccountTokens>>,
        registry: &registry::Registry,
    ) -> Self {
        Self {
            gate,
            tokens: tokens.map(|t| BoundTokens::new(t, registry.clone())),
        }
    }

    pub(crate) fn gate(&self) -> &Arc<dyn IdentityGate> {
        &self.gate
    }

    pub(crate) fn tokens(&self) -> Option<&BoundTokens> {
        self.tokens.as_ref()
    }

    /// Authenticates the certificate of a connection, if it has one.
    pub(crate) fn certificate(
        &self,
        connection: &ConnectionInfo,
    ) -> Result<Option<Authenticated>, AuthenticationError> {
        let Some(identity) = connection.identity()? else {
            return Ok(None);
        };
        // TLS checked the times once; the connection may outlive the certificate.
        if identity.remaining().is_zero() {
            return Err(CertificateError::Expired.into());
        }
        self.gate.check(&identity)?;
        let mut user = UserInfo {
            name: identity.common_name.clone(),
            groups: identity.organizations.clone(),
            ..UserInfo::default()
        };
        user.extra.insert(
            "authentication.kubernetes.io/credential-id".to_owned(),
            vec![format!(
                "X509SHA256={}",
                hex::encode(identity.certificate_sha256)
            )],
        );
        user.groups.push(AUTHENTICATED.to_owned());
        Ok(Some(Authenticated {
            user,
            certificate: Some(identity),
        }))
    }

    /// Authenticates a request; an anonymous one only where `anonymous` allows it.
    pub(crate) async fn request(
        &self,
        connection: &ConnectionInfo,
        headers: &http::HeaderMap,
        anonymous: bool,
    ) -> Result<Authenticated, AuthenticationError> {
        if let Some(found) = self.certificate(connection)? {
            return Ok(found);
        }
        if let Some(token) = bearer(headers) {
            let tokens = self.tokens.as_ref().ok_or(AuthenticationError::NoTokens)?;
            let mut user = tokens.authenticate(&token, None).await?.user;
            user.groups.push(AUTHENTICATED.to_owned());
            return Ok(Authenticated {
                user,
                certificate: None,
            });
        }
        if !anonymous {
            return Err(AuthenticationError::None);
        }
        let user = UserInfo {
            name: ANONYMOUS.to_owned(),
            groups: vec![UNAUTHENTICATED.to_owned()],
            ..UserInfo::default()
        };
        Ok(Authenticated {
            user,
            certificate: None,
        })
    }
}

/// The token in `Authorization: Bearer <token>`, or in a WebSocket subprotocol: browsers set no headers.
// upstream: apiserver/pkg/authentication/request/bearertoken, .../websocket/protocol.go
fn bearer(headers: &http::HeaderMap) -> Option<Cow<'_, str>> {
    if let Some(value) = headers.get(http::header::AUTHORIZATION) {
        let (scheme, token) = value.to_str().ok()?.trim().split_once(' ')?;
        let token = token.trim();
        return (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
            .then_some(Cow::Borrowed(token));
    }
    let protocols = headers.get("sec-websocket-protocol")?.to_str().ok()?;
    let encoded = protocols
        .split(',')
        .find_map(|p| p.trim().strip_prefix(WEBSOCKET_BEARER))?;
    let token = URL_SAFE_NO_PAD.decode(encoded).ok()?;
    String::from_utf8(token)
        .ok()
        .filter(|t| !t.is_empty())
        .map(Cow::Owned)
}

/// The subprotocol that carries a token.
pub(crate) const WEBSOCKET_BEARER: &str = "base64url.bearer.authorization.k8s.io.";

impl ConnectionInfo {
    /// The leaf certificate's identity, parsed once per connection.
    pub(crate) fn identity(&self) -> Result<Option<Arc<CertificateIdentity>>, CertificateError> {
        let Some(leaf) = self.peer_certificates.first() else {
            return Ok(None);
        };
        self.identity
            .get_or_init(|| x509::identity(leaf).map(Arc::new))
            .clone()
            .map(Some)
    }
}
