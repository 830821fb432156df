//! The client: reads, and transactions from intent to checkpoint.

mod anchor;
mod execute;
mod read;

pub(crate) use read::decode_object;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use sui_rpc::field::{FieldMask, FieldMaskUtil as _};
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_sdk_types::{Address, Digest, StructTag, Transaction};
use sui_transaction_builder::ObjectInput;
use tokio::sync::Mutex;

use crate::call::{Assembly, Call};
use crate::error::from_status;
use crate::keystore::Key;
use crate::{ChainError, Deployment, Executed, SignedTransaction};

/// Most gas coins that one transaction may name. Upstream: `max_gas_payment_objects`.
const MAX_GAS_COINS: usize = 255;

/// How a [`Client`] behaves.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// How long an answer may take.
    pub request_timeout: Duration,
    /// How long to wait for an executed transaction to be in a checkpoint.
    pub checkpoint_timeout: Duration,
    /// Most gas that one transaction may cost, MIST. A transaction is simulated first and its
    /// budget is what it needs and a margin, never more than this.
    pub max_gas: u64,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(15),
            checkpoint_timeout: Duration::from_secs(30),
            max_gas: 500_000_000,
        }
    }
}

/// A client of one ledger. Cheap to clone; clones share the connection.
#[derive(Clone)]
pub struct Client {
    pub(crate) rpc: sui_rpc::Client,
    pub(crate) url: Arc<str>,
    pub(crate) options: ClientOptions,
    /// One transaction at a time per sender: two at once would pick the same gas coin.
    senders: Arc<Mutex<BTreeMap<Address, Arc<Mutex<()>>>>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the ledger at `url` (`http://host:port` or `https://…`). Nothing is sent yet;
    /// the connection is made when it is needed and again when it breaks.
    ///
    /// # Errors
    /// [`ChainError::Url`] when it is not such a URL.
    pub fn new(url: &str, options: ClientOptions) -> Result<Self, ChainError> {
        let bad = |reason: String| ChainError::Url {
            url: url.to_owned(),
            reason,
        };
        let uri: tonic::codegen::http::Uri = url
            .parse()
            .map_err(|error: tonic::codegen::http::uri::InvalidUri| bad(error.to_string()))?;
        match uri.scheme_str() {
            Some("http" | "https") => {}
            Some(other) => return Err(bad(format!("its scheme is {other}"))),
            None => return Err(bad("it has no scheme".to_owned())),
        }
        if uri.host().is_none_or(str::is_empty) {
            return Err(bad("it has no host".to_owned()));
        }
        let rpc = sui_rpc::Client::new(uri)
            .map_err(|status| bad(status.message().to_owned()))?
            .with_response_headers_timeout(options.request_timeout);
        Ok(Self {
            rpc,
            url: url.into(),
            options,
            senders: Arc::default(),
        })
    }

    /// A client of the ledger at `url`, which is asked for its chain identifier to see that it is
    /// there.
    ///
    /// # Errors
    /// [`ChainError::Url`], or [`ChainError::Unreachable`] when nothing answers.
    pub async fn connect(url: &str) -> Result<Self, ChainError> {
        let client = Self::new(url, ClientOptions::default())?;
        client.chain_identifier().await?;
        Ok(client)
    }

    /// Where the ledger is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Refuses a ledger that is another chain than the deployment's.
    ///
    /// # Errors
    /// [`ChainError::WrongChain`], or that of asking.
    pub async fn verify(&self, deployment: &Deployment) -> Result<(), ChainError> {
        let actual = self.chain_identifier().await?;
        if actual == deployment.chain {
            Ok(())
        } else {
            Err(ChainError::WrongChain {
                url: self.url.to_string(),
                expected: deployment.chain.clone(),
                actual,
            })
        }
    }

    /// Builds the transaction of a call: resolves its objects, selects gas coins, simulates it and
    /// sets the budget.
    ///
    /// Simulation shows an abort before anything is signed or paid.
    ///
    /// # Errors
    /// [`ChainError::InsufficientFunds`], [`ChainError::Aborted`] or [`ChainError::Failed`] (from
    /// the simulation, without a digest), [`ChainError::NotFound`], or that of asking.
    pub async fn build(&self, sender: Address, call: &Call) -> Result<Transaction, ChainError> {
        let needed = call.spend.saturating_add(self.options.max_gas);
        let (objects, price, (coins, available)) = futures::try_join!(
            self.resolve(call),
            self.reference_gas_price(),
            self.gas_coins(sender, needed)
        )?;
        if available <= call.spend {
            return Err(ChainError::InsufficientFunds {
                address: sender,
                available,
                needed: call.spend.saturating_add(1),
            });
        }
        let budget = self.options.max_gas.min(available - call.spend);

        let mut assembly = Assembly::new(call.package, sender, objects);
        (call.assemble)(&mut assembly)?;
        let mut builder = assembly.builder;
        builder.add_gas_objects(coins);
        builder.set_gas_price(price);
        builder.set_gas_budget(budget);
        let mut transaction = builder
            .try_build()
            .map_err(|error| ChainError::Unexpected {
                what: "call",
                id: call.name.to_owned(),
                reason: error.to_string(),
            })?;
        let used = match self.simulate(&transaction).await {
            Err(error) if budget < self.options.max_gas && error.is_about_gas() => {
                // What is left beside what is spent is not enough to pay for the gas.
                return Err(ChainError::InsufficientFunds {
                    address: sender,
                    available,
                    needed,
                });
            }
            other => other?,
        };
        let cost = used.computation.saturating_add(used.storage);
        // A fifth more than the simulation took: shared objects may have grown by then.
        transaction.gas_payment.budget = cost
            .saturating_add(cost / 5)
            .saturating_add(price.saturating_mul(1000))
            .min(budget);
        Ok(transaction)
    }

    /// Builds, signs, sends and waits for the checkpoint. The transaction must have succeeded.
    ///
    /// Not for payments that must survive a crash in the middle: those store the
    /// [`SignedTransaction`] between [`Client::build`] and [`Client::send`].
    ///
    /// # Errors
    /// Those of [`Client::build`], [`Client::send`] and [`Executed::into_success`].
    pub async fn submit(&self, key: &Key, call: &Call) -> Result<Executed, ChainError> {
        let turn = self.turn(key.address()).await;
        let _guard = turn.lock().await;
        let transaction = self.build(key.address(), call).await?;
        let signed = key.sign(transaction)?;
        self.send(&signed).await?.into_success()
    }

    /// Builds and signs, for a caller that stores the result before it sends it.
    ///
    /// # Errors
    /// Those of [`Client::build`].
    pub async fn prepare(&self, key: &Key, call: &Call) -> Result<SignedTransaction, ChainError> {
        key.sign(self.build(key.address(), call).await?)
    }

    async fn turn(&self, sender: Address) -> Arc<Mutex<()>> {
        let mut senders = self.senders.lock().await;
        Arc::clone(senders.entry(sender).or_default())
    }

    /// Finds out version, digest and owner of each object of a call.
    async fn resolve(&self, call: &Call) -> Result<BTreeMap<Address, ObjectInput>, ChainError> {
        let inputs = call.objects.iter().map(|(id, mutable)| async move {
            let object = self
                .raw_object(*id, "object", "object_id,version,digest,owner")
                .await?;
            Ok::<_, ChainError>((*id, object_input(*id, &object, *mutable)?))
        });
        let inputs: Vec<_> = futures::future::try_join_all(inputs).await?;
        Ok(inputs.into_iter().collect())
    }

    /// The largest SUI coins of an address, as many as it takes to hold `needed` MIST, and how much
    /// they hold.
    async fn gas_coins(
        &self,
        owner: Address,
        needed: u64,
    ) -> Result<(Vec<ObjectInput>, u64), ChainError> {
        let request = proto::ListOwnedObjectsRequest::default()
            .with_owner(owner)
            .with_object_type(StructTag::gas_coin())
            .with_page_size(500_u32)
            .with_read_mask(FieldMask::from_paths([
                "object_id",
                "version",
                "digest",
                "balance",
            ]));
        let action = "list gas coins";
        let mut stream = Box::pin(self.rpc.list_owned_objects(request));
        let mut coins = Vec::new();
        while let Some(object) = stream.next().await {
            let object = object.map_err(|status| from_status(&self.url, action, status))?;
            let id: Address = parse(action, "object_id", object.object_id())?;
            let digest: Digest = parse(action, "digest", object.digest())?;
            coins.push((object.balance(), id, object.version(), digest));
        }
        // Largest first, so that few are named.
        coins.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut total = 0_u64;
        let mut chosen = Vec::new();
        for (balance, id, version, digest) in coins.into_iter().take(MAX_GAS_COINS) {
            if total >= needed {
                break;
            }
            total = total.saturating_add(balance);
            chosen.push(ObjectInput::owned(id, version, digest));
        }
        Ok((chosen, total))
    }
}

fn object_input(
    id: Address,
    object: &proto::Object,
    mutable: bool,
) -> Result<ObjectInput, ChainError> {
    use proto::owner::OwnerKind;
    let action = "read an object's owner";
    let owner = object.owner();
    match owner.kind() {
        OwnerKind::Shared | OwnerKind::ConsensusAddress => {
            Ok(ObjectInput::shared(id, owner.version(), mutable))
        }
        OwnerKind::Address | OwnerKind::Immutable => Ok(ObjectInput::owned(
            id,
            object.version(),
            parse(action, "digest", object.digest())?,
        )),
        _ => Err(ChainError::Unexpected {
            what: "object",
            id: id.to_string(),
            reason: "it belongs to another object".to_owned(),
        }),
    }
}

pub(crate) fn parse<T: std::str::FromStr>(
    action: &'static str,
    field: &'static str,
    text: &str,
) -> Result<T, ChainError> {
    text.parse().map_err(|_| ChainError::Undecodable {
        action,
        reason: format!("{field} `{text}` is malformed"),
    })
}
