//! Who may approve and sign certificate requests, and what none may ask for.
//!
//! upstream: plugin/pkg/admission/certificates/{approval,signing,subjectrestriction}/admission.go

use async_trait::async_trait;
use machinery::go::quote;
use serde_json::Value;

use super::{AccessRequest, Admission, Attributes, Operation};
use crate::Status;
use crate::registry::Registry;
use crate::value::Read;

const GROUP: &str = "certificates.k8s.io";
const PLURAL: &str = "certificatesigningrequests";
/// The signer of clients of this server.
const API_CLIENT: &str = "kubernetes.io/kube-apiserver-client";

/// Whether a user may use a signer: by its name, or by its domain's `*`.
///
/// upstream: plugin/pkg/admission/certificates/util.go#IsAuthorizedForSignerName
fn may(registry: &Registry, attributes: &Attributes<'_>, verb: &str, signer: &str) -> bool {
    let wildcard = match signer.split_once('/') {
        Some((domain, _)) => format!("{domain}/*"),
        None => format!("{signer}/*"),
    };
    [signer, &wildcard].into_iter().any(|name| {
        registry.allows(&AccessRequest {
            name,
            ..AccessRequest::new(attributes.context.user(), verb, GROUP, "signers")
        })
    })
}

fn signer(request: Option<&Value>) -> String {
    request
        .and_then(|r| r.member("spec"))
        .map(|s| s.text("signerName").to_owned())
        .unwrap_or_default()
}

/// Approving and denying needs the verb `approve` on the signer.
#[derive(Debug)]
pub struct CertificateApproval;

#[async_trait]
impl Admission for CertificateApproval {
    fn name(&self) -> &'static str {
        "CertificateApproval"
    }

    fn handles(&self, operation: Operation) -> bool {
        operation == Operation::Update
    }

    async fn validate(
        &self,
        registry: &Registry,
        attributes: &Attributes<'_>,
        object: Option<&Value>,
    ) -> Result<(), Status> {
        if !attributes.is_of(GROUP, PLURAL) || attributes.subresource != "approval" {
            return Ok(());
        }
        let signer = signer(attributes.old.or(object));
        if may(registry, attributes, "approve", &signer) {
            return Ok(());
        }
        Err(attributes.forbidden(
            object,
            format!(
                "user not permitted to approve requests with signerName {}",
                quote(&signer)
            ),
        ))
    }
}

/// Putting the certificate (or a condition) into the status needs the verb `sign` on the signer.
#[derive(Debug)]
pub struct CertificateSigning;

#[async_trait]
impl Admission for CertificateSigning {
    fn name(&self) -> &'static str {
        "CertificateSigning"
    }

    fn handles(&self, operation: Operation) -> bool {
        operation == Operation::Update
    }

    async fn validate(
        &self,
        registry: &Registry,
        attributes: &Attributes<'_>,
        object: Option<&Value>,
    ) -> Result<(), Status> {
        if !attributes.is_of(GROUP, PLURAL) || attributes.subresource != "status" {
            return Ok(());
        }
        let status = |o: Option<&Value>, name: &str| {
            o.and_then(|o| o.member("status"))
                .and_then(|s| s.member(name))
                .cloned()
        };
        let same = ["certificate", "conditions"]
            .iter()
            .all(|name| status(object, name) == status(attributes.old, name));
        if same {
            return Ok(());
        }
        let signer = signer(attributes.old);
        if may(registry, attributes, "sign", &signer) {
            return Ok(());
        }
        Err(attributes.forbidden(
            object,
            format!(
                "user not permitted to sign requests with signerName {}",
                quote(&signer)
            ),
        ))
    }
}

/// No certificate makes its holder a member of `system:masters`.
#[derive(Debug)]
pub struct CertificateSubjectRestriction;

#[async_trait]
impl Admission for CertificateSubjectRestriction {
    fn name(&self) -> &'static str {
        "CertificateSubjectRestriction"
    }

    fn handles(&self, operation: Operation) -> bool {
        operation == Operation::Create
    }

    async fn validate(
        &self,
        _registry: &Registry,
        attributes: &Attributes<'_>,
        object: Option<&Value>,
    ) -> Result<(), Status> {
        if !attributes.is_for(GROUP, PLURAL) || signer(object) != API_CLIENT {
            return Ok(());
        }
        let request = object
            .and_then(|o| o.member("spec"))
            .map(|s| s.text("request"))
            .unwrap_or_default();
        let organisations = organisations(request)
            .map_err(|why| attributes.forbidden(object, format!("failed to parse CSR: {why}")))?;
        if organisations.iter().any(|o| o == "system:masters") {
            return Err(attributes.forbidden(
                object,
                format!("use of {API_CLIENT} signer with system:masters group is not allowed"),
            ));
        }
        Ok(())
    }
}

/// The organisations in the subject of a request, as the API holds it.
fn organisations(request: &str) -> Result<Vec<String>, String> {
    use base64::Engine as _;
    use x509_parser::certification_request::X509CertificationRequest;
    use x509_parser::pem::parse_x509_pem;
    use x509_parser::prelude::FromDer as _;
    let pem = base64::engine::general_purpose::STANDARD
        .decode(request)
        .map_err(|_| "PEM block type must be CERTIFICATE REQUEST")?;
    let (_, pem) =
        parse_x509_pem(&pem).map_err(|_| "PEM block type must be CERTIFICATE REQUEST")?;
    let (_, parsed) =
        X509CertificationRequest::from_der(&pem.contents).map_err(|e| e.to_string())?;
    parsed
        .certification_request_info
        .subject
        .iter_organization()
        .map(|o| o.as_str().map(str::to_owned).map_err(|e| e.to_string()))
        .collect()
}
