//! ServiceAccount tokens: issued by the `token` subresource, verified on requests and by TokenReview.
//!
//! A token is a JWT (ES256) with upstream's claims. Verification is in two steps: signature, issuer, times
//! and audience by the key; then that the account and whatever the token is bound to still exist with
//! the same uid.
// upstream: pkg/serviceaccount/{jwt,claims}.go

use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use registry::{GetOptions, Registry, RequestContext, Target, UserInfo};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Why a key cannot sign tokens.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Not an ECDSA P-256 key in PKCS#8.
    #[error("the ServiceAccount signing key is not an ECDSA P-256 key in PKCS#8 DER")]
    NotP256,
    /// A public key is not an uncompressed P-256 point.
    #[error("a ServiceAccount verification key is not an uncompressed P-256 point")]
    NotAPoint,
}

/// Why a token is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Signature, form, issuer, audience or times.
    #[error("{0}")]
    Jwt(#[from] jsonwebtoken::errors::Error),
    /// The claims are not those of a ServiceAccount.
    #[error("the claims are not those of a ServiceAccount")]
    Claims,
    /// The account is gone or was made anew.
    #[error("service account {0} has been invalidated")]
    Account(String),
    /// What the token is bound to is gone or was made anew.
    #[error("the {kind} {name:?} the token is bound to has been invalidated")]
    Bound {
        /// `pod`, `secret` or `node`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// None of the audiences asked for.
    #[error("token audiences {token:?} is invalid for the target audiences {wanted:?}")]
    Audience {
        /// The token's.
        token: Vec<String>,
        /// Those asked for.
        wanted: Vec<String>,
    },
    /// The token could not be signed.
    #[error("the token cannot be signed")]
    Sign,
}

/// A reference in the claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ref {
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
}

/// The `kubernetes.io` claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubernetesClaims {
    /// The account's namespace.
    pub namespace: String,
    /// The node of the pod the token is bound to, or the node it is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Ref>,
    /// The pod it is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Ref>,
    /// The secret it is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Ref>,
    /// The account.
    pub serviceaccount: Ref,
}

/// All claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Audiences.
    pub aud: Vec<String>,
    /// End, seconds since 1970.
    pub exp: i64,
    /// When issued.
    pub iat: i64,
    /// Issuer.
    pub iss: String,
    /// Token id.
    pub jti: String,
    /// The private claims.
    #[serde(rename = "kubernetes.io")]
    pub kubernetes: KubernetesClaims,
    /// Start.
    pub nbf: i64,
    /// `system:serviceaccount:<namespace>:<name>`.
    pub sub: String,
}

/// Signs and verifies tokens.
pub struct ServiceAccountTokens {
    issuer: String,
    audiences: Vec<String>,
    key: EncodingKey,
    public: Vec<PublicKey>,
}

struct PublicKey {
    id: String,
    x: String,
    y: String,
    key: DecodingKey,
}

impl PublicKey {
    fn new(point: &[u8]) -> Result<Self, KeyError> {
        let (Some(4), Some(x), Some(y), 65) = (
            point.first(),
            point.get(1..33),
            point.get(33..65),
            point.len(),
        ) else {
            return Err(KeyError::NotAPoint);
        };
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let key = DecodingKey::from_ec_components(&x, &y).map_err(|_| KeyError::NotAPoint)?;
        Ok(Self {
            id: URL_SAFE_NO_PAD.encode(Sha256::digest(point)),
            x,
            y,
            key,
        })
    }
}

impl ServiceAccountTokens {
    /// Signs with an ECDSA P-256 key (PKCS#8 DER). `issuer` is an URL such as
    /// `https://kubernetes.default.svc.cluster.local`; `audiences` are those of the API server, the
    /// issuer when empty.
    ///
    /// # Errors
    /// When the key is not such a key.
    pub fn new(
        pkcs8: &[u8],
        issuer: impl Into<String>,
        audiences: Vec<String>,
    ) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
            .map_err(|_| KeyError::NotP256)?;
        let issuer = issuer.into();
        Ok(Self {
            audiences: if audiences.is_empty() {
                vec![issuer.clone()]
            } else {
                audiences
            },
            issuer,
            key: EncodingKey::from_ec_der(pkcs8),
            public: vec![PublicKey::new(pair.public_key().as_ref())?],
        })
    }

    /// Also accepts tokens signed by an earlier key, given as its uncompressed P-256 point.
    ///
    /// # Errors
    /// When it is not such a point.
    pub fn also_accept(mut self, point: &[u8]) -> Result<Self, KeyError> {
        self.public.push(PublicKey::new(point)?);
        Ok(self)
    }

    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The API server's audiences.
    #[must_use]
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// The public keys as a JSON Web Key Set (`/openid/v1/jwks`).
    #[must_use]
    pub fn jwks(&self) -> Value {
        let keys: Vec<Value> = self
            .public
            .iter()
            .map(|k| json!({"use": "sig", "kty": "EC", "kid": k.id, "crv": "P-256", "alg": "ES256", "x": k.x, "y": k.y}))
            .collect();
        json!({ "keys": keys })
    }

    /// Signs claims.
    ///
    /// # Errors
    /// When the signature fails.
    pub fn sign(&self, claims: &Claims) -> Result<String, TokenError> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = None;
        header.kid = self.public.first().map(|k| k.id.clone());
        jsonwebtoken::encode(&header, claims, &self.key).map_err(|_| TokenError::Sign)
    }

    /// Verifies all but what is in the cluster. `audiences` of `None` are the API server's.
    /// Returns the claims and the audiences both sides have.
    ///
    /// # Errors
    /// When anything does not hold.
    pub fn verify(
        &self,
        token: &str,
        audiences: Option<&[String]>,
    ) -> Result<(Claims, Vec<String>), TokenError> {
        let header = jsonwebtoken::decode_header(token)?;
        let mut validation = Validation::new(Algorithm::ES256);
        validation.leeway = 0;
        validation.validate_nbf = true;
        validation.validate_aud = false;
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "sub", "aud"]);
        let mut result = Err(jsonwebtoken::errors::ErrorKind::InvalidSignature.into());
        for key in &self.public {
            if header.kid.as_ref().is_some_and(|kid| *kid != key.id) {
                continue;
            }
            result = jsonwebtoken::decode::<Claims>(token, &key.key, &validation);
            if result.is_ok() {
                break;
            }
        }
        let claims = result?.claims;
        let wanted = audiences
            .filter(|a| !a.is_empty())
            .unwrap_or(&self.audiences);
        let common: Vec<String> = wanted
            .iter()
            .filter(|a| claims.aud.contains(a))
            .cloned()
            .collect();
        if common.is_empty() {
            return Err(TokenError::Audience {
                token: claims.aud,
                wanted: wanted.to_vec(),
            });
        }
        Ok((claims, common))
    }
}

/// A verified token.
pub(crate) struct TokenIdentity {
    pub(crate) user: UserInfo,
    pub(crate) audiences: Vec<String>,
}

/// Tokens checked against the objects they are bound to.
pub(crate) struct BoundTokens {
    tokens: Arc<ServiceAccountTokens>,
    registry: Registry,
}

impl BoundTokens {
    pub(crate) fn new(tokens: Arc<ServiceAccountTokens>, registry: Registry) -> Self {
        Self { tokens, registry }
    }

    pub(crate) fn keys(&self) -> &ServiceAccountTokens {
        &self.tokens
    }

    /// Verifies a token wholly.
    // upstream: pkg/serviceaccount/claims.go#validator.Validate
    pub(crate) async fn authenticate(
        &self,
        token: &str,
        audiences: Option<&[String]>,
    ) -> Result<TokenIdentity, TokenError> {
        let (claims, audiences) = self.tokens.verify(token, audiences)?;
        let k = &claims.kubernetes;
        let expected = format!(
            "system:serviceaccount:{}:{}",
            k.namespace, k.serviceaccount.name
        );
        if claims.sub != expected || k.namespace.is_empty() || k.serviceaccount.name.is_empty() {
            return Err(TokenError::Claims);
        }
        if !self
            .lives("serviceaccounts", &k.namespace, &k.serviceaccount)
            .await
        {
            return Err(TokenError::Account(format!(
                "{}/{}",
                k.namespace, k.serviceaccount.name
            )));
        }
        for (kind, resource, reference) in
            [("secret", "secrets", &k.secret), ("pod", "pods", &k.pod)]
        {
            if let Some(r) = reference
                && !self.lives(resource, &k.namespace, r).await
            {
                return Err(TokenError::Bound {
                    kind,
                    name: r.name.clone(),
                });
            }
        }
        // A node beside a pod only tells where the pod ran; by itself the token is bound to it.
        if let (Some(node), None, None) = (&k.node, &k.pod, &k.secret)
            && !self.lives("nodes", "", node).await
        {
            return Err(TokenError::Bound {
                kind: "node",
                name: node.name.clone(),
            });
        }
        Ok(TokenIdentity {
            user: user(&claims),
            audiences,
        })
    }

    async fn lives(&self, resource: &str, namespace: &str, reference: &Ref) -> bool {
        let Some(row) = self.registry.table().find("", "v1", resource) else {
            return false;
        };
        let target = Target::object(
            row,
            Some(namespace).filter(|n| !n.is_empty()),
            &reference.name,
        );
        let got = self
            .registry
            .get(&RequestContext::system(), &target, &GetOptions::default())
            .await;
        let Ok(object) = got else { return false };
        let object = object.value();
        let metadata = object.get("metadata");
        let uid = metadata.and_then(|m| m.get("uid")).and_then(Value::as_str);
        let deleted = metadata
            .and_then(|m| m.get("deletionTimestamp"))
            .and_then(Value::as_str);
        // Tokens go on for a minute after their object's deletion time.
        let gone = deleted
            .and_then(|t| t.parse::<jiff::Timestamp>().ok())
            .is_some_and(|t| jiff::Timestamp::now().as_second() > t.as_second() + 60);
        uid == Some(reference.uid.as_str()) && !gone
    }
}

/// upstream: pkg/serviceaccount/util.go#ServiceAccountInfo.UserInfo
fn user(claims: &Claims) -> UserInfo {
    let k = &claims.kubernetes;
    let mut user = UserInfo {
        name: claims.sub.clone(),
        uid: k.serviceaccount.uid.clone(),
        groups: vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{}", k.namespace),
        ],
        ..UserInfo::default()
    };
    let mut extra = |key: &str, value: &str| {
        user.extra.insert(
            format!("authentication.kubernetes.io/{key}"),
            vec![value.to_owned()],
        );
    };
    extra("credential-id", &format!("JTI={}", claims.jti));
    if let Some(pod) = &k.pod {
        extra("pod-name", &pod.name);
        extra("pod-uid", &pod.uid);
    }
    if let Some(node) = &k.node {
        extra("node-name", &node.name);
        extra("node-uid", &node.uid);
    }
    user
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn tokens() -> ServiceAccountTokens {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let der = key.to_pkcs8v1().unwrap();
        ServiceAccountTokens::new(der.as_ref(), "https://test", vec![]).unwrap()
    }

    fn claims(from: i64, to: i64) -> Claims {
        let now = jiff::Timestamp::now().as_second();
        Claims {
            aud: vec!["https://test".into()],
            exp: now + to,
            iat: now + from,
            iss: "https://test".into(),
            jti: "id".into(),
            kubernetes: KubernetesClaims {
                namespace: "ns".into(),
                node: None,
                pod: None,
                secret: None,
                serviceaccount: Ref {
                    name: "sa".into(),
                    uid: "u".into(),
                },
            },
            nbf: now + from,
            sub: "system:serviceaccount:ns:sa".into(),
        }
    }

    #[test]
    fn round_trip_and_refusals() {
        let keys = tokens();
        let good = keys.sign(&claims(0, 100)).unwrap();
        assert_eq!(
            keys.verify(&good, None).unwrap().0.sub,
            "system:serviceaccount:ns:sa"
        );
        assert!(
            keys.verify(&good, Some(&["other".to_owned()])).is_err(),
            "another audience"
        );
        assert!(tokens().verify(&good, None).is_err(), "another key");
        assert!(
            keys.verify(&keys.sign(&claims(-100, -10)).unwrap(), None)
                .is_err(),
            "expired"
        );
        assert!(
            keys.verify(&keys.sign(&claims(50, 100)).unwrap(), None)
                .is_err(),
            "not yet"
        );
        let mut other = claims(0, 100);
        other.iss = "https://other".into();
        assert!(
            keys.verify(&keys.sign(&other).unwrap(), None).is_err(),
            "another issuer"
        );
        let mut parts: Vec<&str> = good.split('.').collect();
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        parts[0] = &none;
        assert!(keys.verify(&parts.join("."), None).is_err(), "no algorithm");
        assert!(keys.verify("nope", None).is_err());
    }
}
