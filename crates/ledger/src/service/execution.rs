//! `TransactionExecutionService`.

use contract_model::ReturnValue;
use sui_rpc::field::FieldMaskTree;
use sui_rpc::merge::Merge as _;
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_rpc::proto::sui::rpc::v2::simulate_transaction_request::TransactionChecks;
use sui_rpc::proto::sui::rpc::v2::transaction_execution_service_server::TransactionExecutionService;
use sui_sdk_types::{ObjectReference, SignedTransaction, Transaction, UserSignature};
use tonic::{Request, Response, Status};

use super::Services;
use crate::execute::{self, Checks, Executed, Moment, Refusal};
use crate::executor::wall_clock_ms;
use crate::gas;
use crate::render;
use crate::state::State;

fn decode(transaction: Option<&proto::Transaction>) -> Result<Transaction, Status> {
    transaction
        .ok_or_else(|| Status::invalid_argument("transaction is missing"))?
        .try_into()
        .map_err(|error: sui_rpc::proto::TryFromProtoError| {
            Status::invalid_argument(format!("the transaction does not decode: {error}"))
        })
}

#[tonic::async_trait]
impl TransactionExecutionService for Services {
    async fn execute_transaction(
        &self,
        request: Request<proto::ExecuteTransactionRequest>,
    ) -> Result<Response<proto::ExecuteTransactionResponse>, Status> {
        let request = request.into_inner();
        let mask = render::checked_mask::<proto::ExecutedTransaction>(
            request.read_mask.as_ref(),
            "effects.status,checkpoint",
        )?;
        let transaction = decode(request.transaction.as_ref())?;
        let signatures = request
            .signatures
            .iter()
            .map(|signature| {
                UserSignature::try_from(signature).map_err(|error| {
                    Status::invalid_argument(format!("a signature does not decode: {error}"))
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let signed = SignedTransaction {
            transaction,
            signatures,
        };
        execute::check_signed(&signed)?;
        let executed = self.execute(signed).await?;
        let message = render::transaction(&self.now(), &executed, &mask);
        Ok(Response::new(proto::ExecuteTransactionResponse::new(
            message,
        )))
    }

    async fn simulate_transaction(
        &self,
        request: Request<proto::SimulateTransactionRequest>,
    ) -> Result<Response<proto::SimulateTransactionResponse>, Status> {
        let request = request.into_inner();
        let mask = render::mask(request.read_mask.as_ref(), "transaction.effects.status");
        let mut transaction = decode(request.transaction.as_ref())?;
        execute::check_shape(&transaction)?;
        let state = self.now();
        let epoch = state.epoch();
        let moment = Moment {
            epoch: epoch.number,
            epoch_start_ms: epoch.start_ms,
            timestamp_ms: wall_clock_ms().max(state.timestamp_ms()),
            price: self.price,
        };
        let checks = match request.checks() {
            TransactionChecks::Disabled => Checks::None,
            _ => Checks::All,
        };
        if checks == Checks::All && request.do_gas_selection() {
            select_gas(&state, &moment, &mut transaction)?;
        }
        let executed = execute::execute(
            &state,
            &moment,
            SignedTransaction {
                transaction,
                signatures: Vec::new(),
            },
            checks,
        )?;
        let mut response = proto::SimulateTransactionResponse::default();
        if let Some(submask) = mask.subtree("transaction") {
            response.transaction = Some(simulated(&state, &executed, &submask));
        }
        if mask.subtree("command_outputs").is_some() {
            response.command_outputs = executed.results.iter().map(|v| outputs(v)).collect();
        }
        if mask.contains("suggested_gas_price") {
            response.suggested_gas_price = Some(self.price);
        }
        Ok(Response::new(response))
    }
}

/// Fills in the gas payment: price, coins and, where it is 0, a budget with a margin.
fn select_gas(
    state: &State,
    moment: &Moment,
    transaction: &mut Transaction,
) -> Result<(), Refusal> {
    let payment = &mut transaction.gas_payment;
    if payment.price == 0 {
        payment.price = moment.price;
    }
    let estimate = payment.budget == 0;
    let used: Vec<_> = execute::programmable_inputs(&transaction.kind);
    let payment = &mut transaction.gas_payment;
    let mut total = payment
        .objects
        .iter()
        .filter_map(|reference| state.world.coin(*reference.object_id()))
        .fold(0, u64::saturating_add);
    if payment.objects.is_empty() {
        for (balance, coin) in state.coins_of(payment.owner) {
            if used.contains(&coin.object_id()) || payment.objects.len() >= 256 {
                continue;
            }
            total = total.saturating_add(balance);
            payment.objects.push(ObjectReference::new(
                coin.object_id(),
                coin.version(),
                coin.digest(),
            ));
        }
    }
    if estimate {
        // Half of it at most: the rest is what the transaction may want to use.
        transaction.gas_payment.budget = gas::MAX_BUDGET.min(total / 2);
        let tried = execute::execute(
            state,
            moment,
            SignedTransaction {
                transaction: transaction.clone(),
                signatures: Vec::new(),
            },
            Checks::All,
        )?;
        let cost = tried.record.effects.gas_summary().gas_used();
        transaction.gas_payment.budget = cost
            .saturating_add(cost / 5)
            .saturating_add(1000 * moment.price)
            .min(total);
    }
    Ok(())
}

/// A simulated transaction: in no checkpoint.
fn simulated(
    state: &State,
    executed: &Executed,
    mask: &FieldMaskTree,
) -> proto::ExecutedTransaction {
    let record = &executed.record;
    let mut message = proto::ExecutedTransaction::default();
    if mask.contains("digest") {
        message.digest = Some(record.digest().to_string());
    }
    if let Some(submask) = mask.subtree("transaction") {
        message.transaction = Some(proto::Transaction::merge_from(
            record.signed.transaction.clone(),
            &submask,
        ));
    }
    if let Some(submask) = mask.subtree("effects") {
        message.effects = Some(render::effects(
            &record.effects,
            &|id, version| {
                state
                    .object_at(id, version)
                    .map(|object| render::object_type(object))
            },
            &record.written,
            &submask,
        ));
    }
    if let Some(submask) = mask.subtree("events") {
        message.events = record
            .events
            .clone()
            .map(|events| proto::TransactionEvents::merge_from(events, &submask));
    }
    if mask.contains("balance_changes") {
        let before = render::inputs(state, &record.effects);
        message.balance_changes = render::balance_changes(&before, &record.written);
    }
    message
}

/// What a command returned.
fn outputs(values: &[ReturnValue]) -> proto::CommandResult {
    let mut result = proto::CommandResult::default();
    result.return_values = values
        .iter()
        .map(|value| {
            let mut bcs = proto::Bcs::from(value.contents.clone());
            bcs.name = Some(value.type_.to_string());
            let mut output = proto::CommandOutput::default();
            output.value = Some(bcs);
            output
        })
        .collect();
    result
}
