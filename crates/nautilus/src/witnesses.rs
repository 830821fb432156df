//! Reading what security depends on from the chain: the allow-list and the anchors.
//!
//! One node may hide what is newer. With witnesses (`chainWitnesses`), nodes of other operators, the allow-list counts as a
//! majority of all nodes confirms it, and the newest anchor that any of them shows counts: anchors only grow, so one
//! honest node is enough to see a rollback.

use std::sync::Arc;

use chain::objects::{Anchor, Cluster};
use chain::{Address, ChainError, Client, ClientOptions, Deployment, Quorum};
use futures::future::join_all;

/// The chain as several nodes show it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Witnesses {
    first: Client,
    all: Option<Arc<Quorum>>,
    needed: usize,
}

impl Witnesses {
    /// The node that everything else is asked of, and the witnesses' URLs. Refuses nodes of another chain.
    ///
    /// # Errors
    /// [`ChainError`].
    pub(crate) async fn connect(
        first: Client,
        urls: &[String],
        deployment: &Deployment,
    ) -> Result<Self, ChainError> {
        if urls.is_empty() {
            return Ok(Self {
                first,
                all: None,
                needed: 1,
            });
        }
        let mut nodes = vec![first.url().to_owned()];
        nodes.extend(urls.iter().cloned());
        let needed = nodes.len() / 2 + 1;
        let quorum = Quorum::new(&nodes, needed, &ClientOptions::default())?;
        quorum.verify(deployment).await?;
        Ok(Self {
            first,
            all: Some(Arc::new(quorum)),
            needed,
        })
    }

    /// The cluster: a version that a majority confirms.
    ///
    /// # Errors
    /// [`ChainError`].
    pub(crate) async fn cluster(
        &self,
        deployment: &Deployment,
        id: Address,
    ) -> Result<Cluster, ChainError> {
        match &self.all {
            Some(all) => Ok(all.object::<Cluster>(deployment, id).await?.value),
            None => self.first.cluster(deployment, id).await,
        }
    }

    /// The newest anchor that any node shows, once a majority has answered.
    ///
    /// # Errors
    /// [`ChainError`].
    pub(crate) async fn latest_anchor(
        &self,
        deployment: &Deployment,
        cluster: Address,
    ) -> Result<Option<Anchor>, ChainError> {
        let Some(all) = &self.all else {
            return self.first.latest_anchor(deployment, cluster).await;
        };
        let asked = all
            .nodes()
            .iter()
            .map(|node| node.latest_anchor(deployment, cluster));
        let (mut answered, mut failure, mut newest) = (0, None, None::<Anchor>);
        for answer in join_all(asked).await {
            match answer {
                Ok(found) => {
                    answered += 1;
                    let sequence = |anchor: &Option<Anchor>| anchor.as_ref().map(|a| a.sequence);
                    if sequence(&found) > sequence(&newest) {
                        newest = found;
                    }
                }
                Err(error) => failure = Some(error.to_string()),
            }
        }
        if answered < self.needed {
            return Err(ChainError::TooFew {
                what: "anchor",
                agreeing: answered,
                needed: self.needed,
                failure,
            });
        }
        Ok(newest)
    }
}
