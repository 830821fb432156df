//! `StateService`: what is live now.

use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_rpc::proto::sui::rpc::v2::state_service_server::StateService;
use sui_sdk_types::{Owner, StructTag, TypeTag};
use tonic::{Request, Response, Status};

use super::{Services, page, parse_address};
use crate::filter::type_matches;
use crate::gas::Supply;
use crate::render;
use crate::state::State;

fn parse_type(field: &'static str, text: &str) -> Result<TypeTag, Status> {
    text.parse()
        .map_err(|_| Status::invalid_argument(format!("{field} `{text}` is not a Move type")))
}

fn is_sui(tag: &TypeTag) -> bool {
    matches!(tag, TypeTag::Struct(tag) if **tag == StructTag::sui())
}

fn balance(state: &State, owner: sui_sdk_types::Address) -> proto::Balance {
    let total = state
        .coins_of(owner)
        .iter()
        .map(|(balance, _)| *balance)
        .fold(0, u64::saturating_add);
    let mut message = proto::Balance::default();
    message.coin_type = Some(StructTag::sui().to_string());
    message.balance = Some(total);
    message.address_balance = Some(0);
    message.coin_balance = Some(total);
    message
}

#[tonic::async_trait]
impl StateService for Services {
    async fn list_dynamic_fields(
        &self,
        request: Request<proto::ListDynamicFieldsRequest>,
    ) -> Result<Response<proto::ListDynamicFieldsResponse>, Status> {
        let request = request.into_inner();
        let mask = render::checked_mask::<proto::DynamicField>(
            request.read_mask.as_ref(),
            "parent,field_id",
        )?;
        let parent = parse_address("parent", request.parent())?;
        let state = self.now();
        let fields = state
            .world
            .objects()
            .filter(|object| *object.owner() == Owner::Object(parent));
        let (fields, next) = page(fields, request.page_size, request.page_token.as_deref())?;
        let fields = fields
            .into_iter()
            .map(|object| {
                let mut field = proto::DynamicField::default();
                if mask.contains("kind") {
                    field.set_kind(proto::dynamic_field::DynamicFieldKind::Field);
                }
                if mask.contains("parent") {
                    field.parent = Some(parent.to_string());
                }
                if mask.contains("field_id") {
                    field.field_id = Some(object.object_id().to_string());
                }
                if mask.contains("value_type") {
                    field.value_type = object
                        .as_struct()
                        .and_then(|data| data.object_type().type_params().get(1))
                        .map(ToString::to_string);
                }
                if let Some(submask) = mask.subtree("field_object") {
                    field.field_object = Some(render::object(object, &submask));
                }
                field
            })
            .collect();
        let mut response = proto::ListDynamicFieldsResponse::default();
        response.dynamic_fields = fields;
        response.next_page_token = next;
        Ok(Response::new(response))
    }

    async fn list_owned_objects(
        &self,
        request: Request<proto::ListOwnedObjectsRequest>,
    ) -> Result<Response<proto::ListOwnedObjectsResponse>, Status> {
        let request = request.into_inner();
        let mask = render::checked_mask::<proto::Object>(
            request.read_mask.as_ref(),
            "object_id,version,object_type",
        )?;
        let owner = parse_address("owner", request.owner())?;
        let wanted = request
            .object_type
            .as_deref()
            .map(|text| parse_type("object_type", text))
            .transpose()?;
        let state = self.now();
        let is_coin = wanted
            .as_ref()
            .is_some_and(|wanted| type_matches(wanted, &StructTag::gas_coin()));
        let objects: Box<dyn Iterator<Item = _> + Send> = if is_coin {
            // Coins come largest first, as on Sui.
            let coins = state.coins_of(owner);
            Box::new(coins.into_iter().map(|(_, coin)| coin))
        } else {
            Box::new(
                state
                    .world
                    .owned_by(owner)
                    .filter(|object| {
                        wanted.as_ref().is_none_or(|wanted| {
                            object
                                .as_struct()
                                .is_some_and(|data| type_matches(wanted, data.object_type()))
                        })
                    })
                    .cloned(),
            )
        };
        let (objects, next) = page(objects, request.page_size, request.page_token.as_deref())?;
        let mut response = proto::ListOwnedObjectsResponse::default();
        response.objects = objects
            .iter()
            .map(|object| render::object(object, &mask))
            .collect();
        response.next_page_token = next;
        Ok(Response::new(response))
    }

    async fn get_coin_info(
        &self,
        request: Request<proto::GetCoinInfoRequest>,
    ) -> Result<Response<proto::GetCoinInfoResponse>, Status> {
        let request = request.into_inner();
        let tag = parse_type("coin_type", request.coin_type())?;
        if !is_sui(&tag) {
            return Err(Status::not_found(format!("there is no coin {tag}")));
        }
        let total = Supply::of(&self.now()).total();
        let mut metadata = proto::CoinMetadata::default();
        metadata.decimals = Some(9);
        metadata.name = Some("Sui".to_owned());
        metadata.symbol = Some("SUI".to_owned());
        metadata.description = Some("SUI of a development ledger, worth nothing".to_owned());
        let mut treasury = proto::CoinTreasury::default();
        treasury.total_supply = u64::try_from(total).ok();
        treasury.set_supply_state(proto::coin_treasury::SupplyState::Fixed);
        let mut response = proto::GetCoinInfoResponse::default();
        response.coin_type = Some(tag.to_string());
        response.metadata = Some(metadata);
        response.treasury = Some(treasury);
        Ok(Response::new(response))
    }

    async fn get_balance(
        &self,
        request: Request<proto::GetBalanceRequest>,
    ) -> Result<Response<proto::GetBalanceResponse>, Status> {
        let request = request.into_inner();
        let owner = parse_address("owner", request.owner())?;
        let tag = parse_type("coin_type", request.coin_type())?;
        let mut response = proto::GetBalanceResponse::default();
        response.balance = Some(if is_sui(&tag) {
            balance(&self.now(), owner)
        } else {
            let mut none = proto::Balance::default();
            none.coin_type = Some(tag.to_string());
            none.balance = Some(0);
            none.address_balance = Some(0);
            none.coin_balance = Some(0);
            none
        });
        Ok(Response::new(response))
    }

    async fn list_balances(
        &self,
        request: Request<proto::ListBalancesRequest>,
    ) -> Result<Response<proto::ListBalancesResponse>, Status> {
        let request = request.into_inner();
        let owner = parse_address("owner", request.owner())?;
        let balance = balance(&self.now(), owner);
        let balances = (balance.balance() > 0).then_some(balance).into_iter();
        let (balances, next) = page(balances, request.page_size, request.page_token.as_deref())?;
        let mut response = proto::ListBalancesResponse::default();
        response.balances = balances;
        response.next_page_token = next;
        Ok(Response::new(response))
    }
}
