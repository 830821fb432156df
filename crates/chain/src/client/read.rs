//! Reads.

use futures::StreamExt as _;
use sui_rpc::field::{FieldMask, FieldMaskUtil as _};
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_rpc::proto::sui::rpc::v2::filter;
use sui_sdk_types::{Address, Object, ObjectType, StructTag};

use super::{Client, parse};
use crate::error::from_status;
use crate::events::{EarnerSettled, Event};
use crate::objects::{Cluster, MoveObject, OnChain, SealToken, Stake, StakingPool};
use crate::{ChainError, Deployment};

impl Client {
    /// Chain identifier: digest of the genesis checkpoint, base58.
    ///
    /// # Errors
    /// That of asking.
    pub async fn chain_identifier(&self) -> Result<String, ChainError> {
        let info = self.service_info().await?;
        info.chain_id.ok_or(ChainError::Undecodable {
            action: "ask for the chain identifier",
            reason: "it has none".to_owned(),
        })
    }

    /// Current epoch.
    ///
    /// # Errors
    /// That of asking.
    pub async fn epoch(&self) -> Result<u64, ChainError> {
        Ok(self.service_info().await?.epoch())
    }

    /// Sequence number of the latest checkpoint.
    ///
    /// # Errors
    /// That of asking.
    pub async fn latest_checkpoint(&self) -> Result<u64, ChainError> {
        Ok(self.service_info().await?.checkpoint_height())
    }

    async fn service_info(&self) -> Result<proto::GetServiceInfoResponse, ChainError> {
        self.rpc
            .clone()
            .ledger_client()
            .get_service_info(proto::GetServiceInfoRequest::default())
            .await
            .map(tonic::Response::into_inner)
            .map_err(|status| from_status(&self.url, "ask for its state", status))
    }

    /// Price of a unit of gas, MIST.
    ///
    /// # Errors
    /// That of asking.
    pub async fn reference_gas_price(&self) -> Result<u64, ChainError> {
        let action = "ask for the gas price";
        let request = proto::GetEpochRequest::latest()
            .with_read_mask(FieldMask::from_str("reference_gas_price"));
        let response = self
            .rpc
            .clone()
            .ledger_client()
            .get_epoch(request)
            .await
            .map_err(|status| from_status(&self.url, action, status))?
            .into_inner();
        response
            .epoch
            .and_then(|epoch| epoch.reference_gas_price)
            .ok_or(ChainError::Undecodable {
                action,
                reason: "it has none".to_owned(),
            })
    }

    /// Balance of an address in SUI coins, MIST.
    ///
    /// # Errors
    /// That of asking.
    pub async fn balance(&self, owner: Address) -> Result<u64, ChainError> {
        let action = "ask for a balance";
        let request = proto::GetBalanceRequest::default()
            .with_owner(owner)
            .with_coin_type("0x2::sui::SUI");
        let response = self
            .rpc
            .clone()
            .state_client()
            .get_balance(request)
            .await
            .map_err(|status| from_status(&self.url, action, status))?
            .into_inner();
        Ok(response.balance().balance())
    }

    /// Time of a checkpoint, milliseconds since 1970.
    ///
    /// # Errors
    /// That of asking.
    pub async fn checkpoint_time(&self, sequence: u64) -> Result<u64, ChainError> {
        let action = "ask for a checkpoint";
        let request = proto::GetCheckpointRequest::by_sequence_number(sequence)
            .with_read_mask(FieldMask::from_str("summary.timestamp"));
        let response = self
            .rpc
            .clone()
            .ledger_client()
            .get_checkpoint(request)
            .await
            .map_err(|status| from_status(&self.url, action, status))?
            .into_inner();
        response
            .checkpoint
            .and_then(|checkpoint| checkpoint.summary)
            .and_then(|summary| summary.timestamp)
            .and_then(|time| sui_rpc::proto::proto_to_timestamp_ms(time).ok())
            .ok_or(ChainError::Undecodable {
                action,
                reason: "it has no time".to_owned(),
            })
    }

    /// Reads one object of the package, in its latest version.
    ///
    /// # Errors
    /// [`ChainError::NotFound`] when there is none, [`ChainError::Unexpected`] when it is of
    /// another type or package, or that of asking.
    pub async fn object<T: MoveObject>(
        &self,
        deployment: &Deployment,
        id: Address,
    ) -> Result<OnChain<T>, ChainError> {
        let unexpected = |reason: String| ChainError::Unexpected {
            what: T::WHAT,
            id: id.to_string(),
            reason,
        };
        let raw = self.raw_object(id, T::WHAT, "bcs").await?;
        let object: Object = raw
            .bcs
            .as_ref()
            .ok_or_else(|| unexpected("the ledger left its BCS out".to_owned()))?
            .deserialize()
            .map_err(|error| unexpected(error.to_string()))?;
        decode_object(deployment, id, &object)
    }

    /// As [`Client::object`], with `None` where there is no such object (any more).
    ///
    /// # Errors
    /// As [`Client::object`].
    pub async fn find<T: MoveObject>(
        &self,
        deployment: &Deployment,
        id: Address,
    ) -> Result<Option<OnChain<T>>, ChainError> {
        match self.object(deployment, id).await {
            Err(ChainError::NotFound { .. }) => Ok(None),
            other => other.map(Some),
        }
    }

    pub(crate) async fn raw_object(
        &self,
        id: Address,
        what: &'static str,
        mask: &str,
    ) -> Result<proto::Object, ChainError> {
        let request = proto::GetObjectRequest::new(&id).with_read_mask(FieldMask::from_str(mask));
        let response = self.rpc.clone().ledger_client().get_object(request).await;
        match response {
            Ok(response) => response
                .into_inner()
                .object
                .ok_or(ChainError::NotFound { what, id }),
            Err(status) if status.code() == tonic::Code::NotFound => {
                Err(ChainError::NotFound { what, id })
            }
            Err(status) => Err(from_status(&self.url, "read an object", status)),
        }
    }
}

/// An object of the package as its type, if it is one.
pub(crate) fn decode_object<T: MoveObject>(
    deployment: &Deployment,
    id: Address,
    object: &Object,
) -> Result<OnChain<T>, ChainError> {
    let unexpected = |reason: String| ChainError::Unexpected {
        what: T::WHAT,
        id: id.to_string(),
        reason,
    };
    let (ObjectType::Struct(tag), Some(value)) = (object.object_type(), object.as_struct()) else {
        return Err(unexpected("it is a package".to_owned()));
    };
    if *tag.address() != deployment.original_package
        || tag.module().as_str() != T::MODULE
        || tag.name().as_str() != T::NAME
    {
        return Err(unexpected(format!("its type is {tag}")));
    }
    if object.object_id() != id {
        return Err(unexpected(format!("it is object {}", object.object_id())));
    }
    let contents = bcs::from_bytes(value.contents())
        .map_err(|error| unexpected(format!("its contents do not decode: {error}")))?;
    Ok(OnChain {
        value: contents,
        version: object.version(),
        digest: object.digest(),
        owner: *object.owner(),
    })
}

/// Typed reads of the package's objects.
impl Client {
    /// A stake.
    ///
    /// # Errors
    /// As [`Client::object`].
    pub async fn stake(&self, on: &Deployment, id: Address) -> Result<Stake, ChainError> {
        Ok(self.object(on, id).await?.value)
    }

    /// A Seal token.
    ///
    /// # Errors
    /// As [`Client::object`].
    pub async fn seal_token(&self, on: &Deployment, id: Address) -> Result<SealToken, ChainError> {
        Ok(self.object(on, id).await?.value)
    }

    /// A cluster.
    ///
    /// # Errors
    /// As [`Client::object`].
    pub async fn cluster(&self, on: &Deployment, id: Address) -> Result<Cluster, ChainError> {
        Ok(self.object(on, id).await?.value)
    }

    /// The staking pool.
    ///
    /// # Errors
    /// As [`Client::object`].
    pub async fn pool(&self, on: &Deployment) -> Result<StakingPool, ChainError> {
        Ok(self.object(on, on.staking_pool.id).await?.value)
    }

    /// Everything that an address ever staked, in the order of staking, as it is now.
    ///
    /// Stakes are shared objects, so that no list of an owner's objects has them; this goes through
    /// the events of the owner's transactions.
    ///
    /// # Errors
    /// As [`Client::object`].
    pub async fn stakes_of(
        &self,
        on: &Deployment,
        owner: Address,
    ) -> Result<Vec<Stake>, ChainError> {
        let mut stakes = Vec::new();
        for event in self.events_of(on, owner).await? {
            if let Event::Staked(staked) = event
                && let Some(stake) = self.find(on, staked.stake_id).await?
            {
                stakes.push(stake.value);
            }
        }
        Ok(stakes)
    }

    /// Every Seal token that an address ever minted, in the order of minting, as it is now.
    ///
    /// # Errors
    /// As [`Client::object`].
    pub async fn seal_tokens_of(
        &self,
        on: &Deployment,
        owner: Address,
    ) -> Result<Vec<SealToken>, ChainError> {
        let mut tokens = Vec::new();
        for event in self.events_of(on, owner).await? {
            if let Event::SealTokenCreated(created) = event
                && let Some(token) = self.find(on, created.token_id).await?
            {
                tokens.push(token.value);
            }
        }
        Ok(tokens)
    }

    /// The package's events in the transactions that an address sent, oldest first.
    ///
    /// # Errors
    /// That of asking.
    pub async fn events_of(
        &self,
        on: &Deployment,
        sender: Address,
    ) -> Result<Vec<Event>, ChainError> {
        let filter = proto::EventFilter::all([
            filter::event::sender(sender),
            filter::event::event_type(on.original_package.to_string()),
        ]);
        self.list_events(on, filter).await
    }

    /// How an enrolled stake stood when its rewards were last touched; `None` when it never was enrolled.
    ///
    /// # Errors
    /// That of asking.
    pub async fn earner(
        &self,
        on: &Deployment,
        stake: Address,
    ) -> Result<Option<EarnerSettled>, ChainError> {
        let settled = format!("{}::rewards::EarnerSettled", on.original_package);
        let filter = proto::EventFilter::all([filter::event::event_type(settled)]);
        let events = self.list_events(on, filter).await?;
        Ok(events.into_iter().rev().find_map(|event| match event {
            Event::EarnerSettled(settled) if settled.stake_id == stake => Some(settled),
            _ => None,
        }))
    }

    async fn list_events(
        &self,
        on: &Deployment,
        filter: proto::EventFilter,
    ) -> Result<Vec<Event>, ChainError> {
        let action = "list events";
        let request = proto::ListEventsRequest::default()
            .with_filter(filter)
            .with_read_mask(FieldMask::from_str("event_type,contents"));
        let mut frames = Box::pin(self.rpc.list_events(request));
        let mut events = Vec::new();
        while let Some(frame) = frames.next().await {
            let frame = frame.map_err(|status| from_status(&self.url, action, status))?;
            if let Some(event) = &frame.event {
                let event_type: StructTag = parse(action, "event_type", event.event_type())?;
                if *event_type.address() == on.original_package {
                    let contents = event.contents().value.clone().unwrap_or_default();
                    events.push(Event::decode(&event_type, &contents));
                }
            }
        }
        Ok(events)
    }
}
