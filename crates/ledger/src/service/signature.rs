//! `SignatureVerificationService`.

use std::borrow::Cow;

use sui_crypto::{SuiVerifier as _, UserSignatureVerifier};
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_rpc::proto::sui::rpc::v2::signature_verification_service_server::SignatureVerificationService;
use sui_sdk_types::{PersonalMessage, UserSignature};
use tonic::{Request, Response, Status};

use super::{Services, parse_address};

#[tonic::async_trait]
impl SignatureVerificationService for Services {
    async fn verify_signature(
        &self,
        request: Request<proto::VerifySignatureRequest>,
    ) -> Result<Response<proto::VerifySignatureResponse>, Status> {
        let request = request.into_inner();
        let invalid = |error: &dyn std::fmt::Display| Status::invalid_argument(error.to_string());
        let message = request
            .message
            .as_ref()
            .ok_or_else(|| Status::invalid_argument("message is missing"))?;
        let signature = UserSignature::try_from(
            request
                .signature
                .as_ref()
                .ok_or_else(|| Status::invalid_argument("signature is missing"))?,
        )
        .map_err(|error| invalid(&error))?;
        let verifier = UserSignatureVerifier::new();
        let (verified, sender) = match message.name() {
            "PersonalMessage" => {
                let text: Vec<u8> = message.deserialize().map_err(|error| invalid(&error))?;
                let message = PersonalMessage(Cow::Owned(text));
                (verifier.verify_personal_message(&message, &signature), None)
            }
            "TransactionData" => {
                let transaction: sui_sdk_types::Transaction =
                    message.deserialize().map_err(|error| invalid(&error))?;
                (
                    verifier.verify_transaction(&transaction, &signature),
                    Some(transaction.sender),
                )
            }
            other => {
                return Err(Status::invalid_argument(format!(
                    "the message is a `{other}`; PersonalMessage and TransactionData can be verified"
                )));
            }
        };
        let address = match request.address.as_deref() {
            Some(text) => Some(parse_address("address", text)?),
            None => sender,
        };
        let reason = match verified {
            Err(error) => Some(error.to_string()),
            Ok(()) => address
                .filter(|address| {
                    !signature
                        .derive_addresses()
                        .any(|derived| derived == *address)
                })
                .map(|address| {
                    format!(
                        "the signature is that of {}, not of {address}",
                        signature.derive_address()
                    )
                }),
        };
        let mut response = proto::VerifySignatureResponse::default();
        response.is_valid = Some(reason.is_none());
        response.reason = reason;
        Ok(Response::new(response))
    }
}
