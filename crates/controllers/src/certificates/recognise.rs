//! What requests for the signers of `kubernetes.io` must be.
// upstream: pkg/apis/certificates/helpers.go

use std::collections::BTreeSet;

use pki::CertificateRequest;

const SERVING: &[&str] = &["digital signature", "key encipherment", "server auth"];
const CLIENT: &[&str] = &["client auth", "digital signature", "key encipherment"];

/// Why a request is none for its signer, in upstream's words.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum Unfit {
    #[error("subject organization is not system:nodes")]
    Organisation,
    #[error("subject common name does not begin with system:node:")]
    CommonName,
    #[error("DNS or IP subjectAltName is required")]
    NoName,
    #[error("DNS subjectAltNames are not allowed")]
    Dns,
    #[error("Email subjectAltNames are not allowed")]
    Email,
    #[error("IP subjectAltNames are not allowed")]
    Ip,
    #[error("URI subjectAltNames are not allowed")]
    Uri,
    #[error("usages did not match [{}]", .0.join(" "))]
    Usages(&'static [&'static str]),
    #[error("invalid usage for client certificate: {0}")]
    ClientUsage(String),
    #[error("missing required usage for client certificate: client auth")]
    NoClientAuth,
}

/// upstream: #ValidateKubeletServingCSR
pub(super) fn kubelet_serving(
    request: &CertificateRequest,
    usages: &[String],
) -> Result<(), Unfit> {
    if request.organisations != ["system:nodes"] {
        return Err(Unfit::Organisation);
    }
    if request.dns_names.is_empty() && request.addresses.is_empty() {
        return Err(Unfit::NoName);
    }
    if !request.emails.is_empty() {
        return Err(Unfit::Email);
    }
    if !request.uris.is_empty() {
        return Err(Unfit::Uri);
    }
    exactly(usages, SERVING)?;
    node_name(request)
}

/// upstream: #ValidateKubeletClientCSR
pub(super) fn kubelet_client(request: &CertificateRequest, usages: &[String]) -> Result<(), Unfit> {
    if request.organisations != ["system:nodes"] {
        return Err(Unfit::Organisation);
    }
    if !request.dns_names.is_empty() {
        return Err(Unfit::Dns);
    }
    if !request.emails.is_empty() {
        return Err(Unfit::Email);
    }
    if !request.addresses.is_empty() {
        return Err(Unfit::Ip);
    }
    if !request.uris.is_empty() {
        return Err(Unfit::Uri);
    }
    node_name(request)?;
    exactly(usages, CLIENT)
}

/// upstream: signer.go#validAPIServerClientUsages
pub(super) fn api_client(usages: &[String]) -> Result<(), Unfit> {
    for usage in usages {
        match usage.as_str() {
            "signing" | "digital signature" | "key encipherment" | "client auth" => {}
            other => return Err(Unfit::ClientUsage(other.to_owned())),
        }
    }
    if usages.iter().any(|u| u == "client auth") {
        Ok(())
    } else {
        Err(Unfit::NoClientAuth)
    }
}

fn node_name(request: &CertificateRequest) -> Result<(), Unfit> {
    if request.common_name.starts_with("system:node:") {
        Ok(())
    } else {
        Err(Unfit::CommonName)
    }
}

/// All of them; key encipherment, which only RSA needs, may be left out.
fn exactly(usages: &[String], wanted: &'static [&'static str]) -> Result<(), Unfit> {
    let given: BTreeSet<&str> = usages.iter().map(String::as_str).collect();
    let all: BTreeSet<&str> = wanted.iter().copied().collect();
    let mut fewer = all.clone();
    fewer.remove("key encipherment");
    if given == all || given == fewer {
        Ok(())
    } else {
        Err(Unfit::Usages(wanted))
    }
}
