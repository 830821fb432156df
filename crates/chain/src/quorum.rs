//! Reading through several nodes, so that no single one has to be believed.
//!
//! A node can withhold what happened, or make something up. [`Quorum::object`] takes an object's
//! version for true only when enough nodes confirm it, with the same digest, which is computed here
//! from the bytes. Nodes that are merely behind do not disturb: the newest version that is
//! confirmed wins. Two nodes that have different contents for the same version of the same object
//! are on different histories, and that is an error of its own.
//!
//! What this cannot do is see through nodes that lie together: choose them from different
//! operators.

use std::collections::BTreeMap;

use futures::future::join_all;
use sui_rpc::field::{FieldMask, FieldMaskUtil as _};
use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_sdk_types::{Address, Digest, Object};

use crate::error::from_status;
use crate::objects::{MoveObject, OnChain};
use crate::{ChainError, Client, ClientOptions, Deployment};

/// Several nodes of one chain.
#[derive(Clone, Debug)]
pub struct Quorum {
    nodes: Vec<Client>,
    needed: usize,
}

impl Quorum {
    /// Nodes at these URLs, of which `needed` have to agree. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ChainError::Url`] for a URL that is none, [`ChainError::Quorum`] when `needed` is 0 or more
    /// than there are nodes, or a node is named twice.
    pub fn new(
        urls: &[String],
        needed: usize,
        options: &ClientOptions,
    ) -> Result<Self, ChainError> {
        let wrong = |reason: String| ChainError::Quorum { reason };
        if needed == 0 || needed > urls.len() {
            return Err(wrong(format!(
                "{needed} of {} nodes cannot agree: need between 1 and all of them",
                urls.len()
            )));
        }
        if let Some(url) = (1..urls.len()).find_map(|index| {
            let (before, rest) = urls.split_at_checked(index)?;
            rest.first().filter(|url| before.contains(url))
        }) {
            return Err(wrong(format!("{url} is named twice")));
        }
        let nodes = urls
            .iter()
            .map(|url| Client::new(url, options.clone()))
            .collect::<Result<_, _>>()?;
        Ok(Self { nodes, needed })
    }

    /// The nodes' clients, in the order of their URLs.
    #[must_use]
    pub fn nodes(&self) -> &[Client] {
        &self.nodes
    }

    /// Refuses when a node is another chain than the deployment's, or too few answer.
    ///
    /// # Errors
    /// [`ChainError::WrongChain`] of the first such node; [`ChainError::TooFew`].
    pub async fn verify(&self, deployment: &Deployment) -> Result<(), ChainError> {
        let answers = join_all(self.nodes.iter().map(|node| node.verify(deployment))).await;
        let mut agreeing = 0;
        let mut failure = None;
        for answer in answers {
            match answer {
                Ok(()) => agreeing += 1,
                Err(error) if error.is_retriable() => failure = Some(error),
                Err(error) => return Err(error),
            }
        }
        self.enough("the chain identifier", agreeing, failure)
    }

    /// Reads an object: its newest version that enough nodes confirm.
    ///
    /// # Errors
    /// [`ChainError::Disagreement`] when two nodes have different contents for the same version;
    /// [`ChainError::TooFew`] when too few answer or confirm; [`ChainError::NotFound`] when enough
    /// nodes have no such object; otherwise as [`Client::object`].
    pub async fn object<T: MoveObject>(
        &self,
        deployment: &Deployment,
        id: Address,
    ) -> Result<OnChain<T>, ChainError> {
        let latest = join_all(
            self.nodes
                .iter()
                .map(|node| node.whole_object(id, T::WHAT, None)),
        );
        let mut seen: BTreeMap<u64, Object> = BTreeMap::new();
        let mut missing = 0;
        let mut failure = None;
        for answer in latest.await {
            match answer {
                Ok(object) => self.note(T::WHAT, &mut seen, object)?,
                Err(ChainError::NotFound { .. }) => missing += 1,
                Err(error) => failure = Some(error),
            }
        }
        if missing >= self.needed {
            return Err(ChainError::NotFound { what: T::WHAT, id });
        }
        // Newest first: those that are ahead of it confirm it from their history.
        let mut most = 0;
        for (version, object) in seen.into_iter().rev() {
            let digest = object.digest();
            let confirmed = self.confirm(T::WHAT, id, version, digest).await?;
            if confirmed >= self.needed {
                return crate::client::decode_object(deployment, id, &object);
            }
            most = most.max(confirmed);
        }
        self.enough(T::WHAT, most, failure)?;
        Err(ChainError::NotFound { what: T::WHAT, id })
    }

    fn note(
        &self,
        what: &'static str,
        seen: &mut BTreeMap<u64, Object>,
        object: Object,
    ) -> Result<(), ChainError> {
        match seen.get(&object.version()) {
            Some(known) if known.digest() != object.digest() => {
                Err(disagreement(what, &object, known.digest()))
            }
            Some(_) => Ok(()),
            None => {
                seen.insert(object.version(), object);
                Ok(())
            }
        }
    }

    /// How many nodes have this version with this digest.
    async fn confirm(
        &self,
        what: &'static str,
        id: Address,
        version: u64,
        digest: Digest,
    ) -> Result<usize, ChainError> {
        let answers = join_all(
            self.nodes
                .iter()
                .map(|node| node.whole_object(id, what, Some(version))),
        )
        .await;
        let mut confirmed = 0;
        for object in answers.into_iter().flatten() {
            if object.digest() != digest {
                return Err(disagreement(what, &object, digest));
            }
            confirmed += 1;
        }
        Ok(confirmed)
    }

    fn enough(
        &self,
        what: &'static str,
        agreeing: usize,
        failure: Option<ChainError>,
    ) -> Result<(), ChainError> {
        if agreeing >= self.needed {
            return Ok(());
        }
        Err(ChainError::TooFew {
            what,
            agreeing,
            needed: self.needed,
            failure: failure.map(|error| error.to_string()),
        })
    }
}

fn disagreement(what: &'static str, object: &Object, other: Digest) -> ChainError {
    ChainError::Disagreement {
        what,
        id: object.object_id(),
        version: object.version(),
        digests: Box::new([object.digest(), other]),
    }
}

impl Client {
    /// An object with everything that its digest covers, in its latest version or a given one.
    async fn whole_object(
        &self,
        id: Address,
        what: &'static str,
        version: Option<u64>,
    ) -> Result<Object, ChainError> {
        let action = "read an object";
        let mut request =
            proto::GetObjectRequest::new(&id).with_read_mask(FieldMask::from_str("bcs"));
        request.version = version;
        let response = self
            .rpc
            .clone()
            .ledger_client()
            .get_object(request)
            .await
            .map_err(|status| match status.code() {
                tonic::Code::NotFound => ChainError::NotFound { what, id },
                _ => from_status(&self.url, action, status),
            })?;
        let undecodable = |reason: String| ChainError::Undecodable { action, reason };
        let object: Object = response
            .into_inner()
            .object
            .and_then(|object| object.bcs)
            .ok_or_else(|| undecodable("it has no BCS".to_owned()))?
            .deserialize()
            .map_err(|error| undecodable(error.to_string()))?;
        if object.object_id() != id || version.is_some_and(|version| object.version() != version) {
            return Err(undecodable("it is another object".to_owned()));
        }
        Ok(object)
    }
}
