//! `LedgerService`.

use sui_rpc::field::FieldMask;
use sui_rpc::proto::google::rpc as google;
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_rpc::proto::sui::rpc::v2::ledger_service_server::LedgerService;
use sui_rpc::proto::timestamp_ms_to_proto;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};

use super::{Services, parse_address, parse_digest};
use crate::render;
use crate::state::State;

/// Most items of a batch request.
const MAX_BATCH: usize = 1000;

fn get_object(
    state: &State,
    request: &proto::GetObjectRequest,
    mask: Option<&FieldMask>,
) -> Result<proto::Object, Status> {
    let mask = render::checked_mask::<proto::Object>(mask, "object_id,version,digest")?;
    let id = parse_address("object_id", request.object_id())?;
    let object = match request.version {
        Some(version) => state.object_at(id, version),
        None => state.world.get(id),
    };
    match object {
        Some(object) => Ok(render::object(object, &mask)),
        None => Err(Status::not_found(match request.version {
            Some(version) => format!("object {id} has no version {version}"),
            None => format!("object {id} does not exist"),
        })),
    }
}

fn get_transaction(
    state: &State,
    digest: &str,
    mask: Option<&FieldMask>,
) -> Result<proto::ExecutedTransaction, Status> {
    let mask = render::checked_mask::<proto::ExecutedTransaction>(mask, "digest")?;
    let digest = parse_digest(digest)?;
    let transaction = state
        .transaction(&digest)
        .ok_or_else(|| Status::not_found(format!("transaction {digest} is not known")))?;
    Ok(render::transaction(state, transaction, &mask))
}

fn error(status: &Status) -> google::Status {
    google::Status {
        code: status.code().into(),
        message: status.message().to_owned(),
        ..google::Status::default()
    }
}

#[tonic::async_trait]
impl LedgerService for Services {
    async fn get_service_info(
        &self,
        _: Request<proto::GetServiceInfoRequest>,
    ) -> Result<Response<proto::GetServiceInfoResponse>, Status> {
        let state = self.now();
        let mut info = proto::GetServiceInfoResponse::default();
        info.chain_id = Some(state.chain().to_string());
        info.chain = Some("k3s-daas-development".to_owned());
        info.epoch = Some(state.epoch().number);
        info.checkpoint_height = Some(state.height());
        info.timestamp = Some(timestamp_ms_to_proto(state.timestamp_ms()));
        info.lowest_available_checkpoint = Some(0);
        info.lowest_available_checkpoint_objects = Some(0);
        info.server = Some(concat!("daas-ledger/", env!("CARGO_PKG_VERSION")).to_owned());
        Ok(Response::new(info))
    }

    async fn get_object(
        &self,
        request: Request<proto::GetObjectRequest>,
    ) -> Result<Response<proto::GetObjectResponse>, Status> {
        let request = request.into_inner();
        let object = get_object(&self.now(), &request, request.read_mask.as_ref())?;
        Ok(Response::new(proto::GetObjectResponse::new(object)))
    }

    async fn batch_get_objects(
        &self,
        request: Request<proto::BatchGetObjectsRequest>,
    ) -> Result<Response<proto::BatchGetObjectsResponse>, Status> {
        let request = request.into_inner();
        if request.requests.len() > MAX_BATCH {
            return Err(Status::invalid_argument(format!(
                "at most {MAX_BATCH} objects can be asked for at once"
            )));
        }
        let state = self.now();
        let objects = request
            .requests
            .iter()
            .map(
                |each| match get_object(&state, each, request.read_mask.as_ref()) {
                    Ok(object) => proto::GetObjectResult::new_object(object),
                    Err(status) => proto::GetObjectResult::new_error(error(&status)),
                },
            )
            .collect();
        Ok(Response::new(proto::BatchGetObjectsResponse::new(objects)))
    }

    async fn get_transaction(
        &self,
        request: Request<proto::GetTransactionRequest>,
    ) -> Result<Response<proto::GetTransactionResponse>, Status> {
        let request = request.into_inner();
        let transaction =
            get_transaction(&self.now(), request.digest(), request.read_mask.as_ref())?;
        Ok(Response::new(proto::GetTransactionResponse::new(
            transaction,
        )))
    }

    async fn batch_get_transactions(
        &self,
        request: Request<proto::BatchGetTransactionsRequest>,
    ) -> Result<Response<proto::BatchGetTransactionsResponse>, Status> {
        let request = request.into_inner();
        if request.digests.len() > MAX_BATCH {
            return Err(Status::invalid_argument(format!(
                "at most {MAX_BATCH} transactions can be asked for at once"
            )));
        }
        let state = self.now();
        let transactions = request
            .digests
            .iter()
            .map(
                |digest| match get_transaction(&state, digest, request.read_mask.as_ref()) {
                    Ok(transaction) => proto::GetTransactionResult::new_transaction(transaction),
                    Err(status) => proto::GetTransactionResult::new_error(error(&status)),
                },
            )
            .collect();
        Ok(Response::new(proto::BatchGetTransactionsResponse::new(
            transactions,
        )))
    }

    async fn get_checkpoint(
        &self,
        request: Request<proto::GetCheckpointRequest>,
    ) -> Result<Response<proto::GetCheckpointResponse>, Status> {
        use proto::get_checkpoint_request::CheckpointId;
        let request = request.into_inner();
        let mask = render::checked_mask::<proto::Checkpoint>(
            request.read_mask.as_ref(),
            "sequence_number,digest",
        )?;
        let state = self.now();
        let found = match &request.checkpoint_id {
            None => state.tip(),
            Some(CheckpointId::SequenceNumber(sequence)) => state.checkpoint(*sequence),
            Some(CheckpointId::Digest(digest)) => {
                state.checkpoint_with_digest(&parse_digest(digest)?)
            }
            Some(_) => return Err(Status::invalid_argument("unknown kind of checkpoint id")),
        };
        let found = found.ok_or_else(|| Status::not_found("there is no such checkpoint"))?;
        Ok(Response::new(proto::GetCheckpointResponse::new(
            render::checkpoint(&state, found, &mask),
        )))
    }

    async fn get_epoch(
        &self,
        request: Request<proto::GetEpochRequest>,
    ) -> Result<Response<proto::GetEpochResponse>, Status> {
        let request = request.into_inner();
        let mask = render::checked_mask::<proto::Epoch>(request.read_mask.as_ref(), "epoch")?;
        let state = self.now();
        let epoch = match request.epoch {
            None => Some(state.epoch()),
            Some(number) => usize::try_from(number)
                .ok()
                .and_then(|number| state.epochs.get(number).copied()),
        };
        let epoch = epoch.ok_or_else(|| Status::not_found("there is no such epoch"))?;
        Ok(Response::new(proto::GetEpochResponse::new(render::epoch(
            &epoch, self.price, &mask,
        ))))
    }

    async fn list_checkpoints(
        &self,
        request: Request<proto::ListCheckpointsRequest>,
    ) -> Result<Response<BoxStream<proto::ListCheckpointsResponse>>, Status> {
        self.checkpoints(&request.into_inner()).map(Response::new)
    }

    async fn list_transactions(
        &self,
        request: Request<proto::ListTransactionsRequest>,
    ) -> Result<Response<BoxStream<proto::ListTransactionsResponse>>, Status> {
        self.transactions(&request.into_inner()).map(Response::new)
    }

    async fn list_events(
        &self,
        request: Request<proto::ListEventsRequest>,
    ) -> Result<Response<BoxStream<proto::ListEventsResponse>>, Status> {
        self.events(&request.into_inner()).map(Response::new)
    }
}
