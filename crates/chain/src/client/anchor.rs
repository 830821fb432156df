//! Reading a cluster's latest anchor, which is an entry of a table: a dynamic field of it.

use serde::Deserialize;
use sui_sdk_types::{Address, Identifier, Object, ObjectType, StructTag, TypeTag};

use super::Client;
use crate::objects::{Anchor, Anchors};
use crate::{ChainError, Deployment};

const WHAT: &str = "anchor";

/// `0x2::dynamic_field::Field<ID, Anchor>`.
#[derive(Deserialize)]
struct Field {
    _id: Address,
    name: Address,
    value: Anchor,
}

impl Client {
    /// Where a cluster's state was last anchored; `None` when it never was.
    ///
    /// # Errors
    /// [`ChainError::Unexpected`] when the deployment names no anchors or what is found is no anchor of this
    /// cluster, or that of asking.
    pub async fn latest_anchor(
        &self,
        deployment: &Deployment,
        cluster: Address,
    ) -> Result<Option<Anchor>, ChainError> {
        let anchors = self
            .object::<Anchors>(deployment, deployment.anchors()?)
            .await?
            .value;
        let id_type = TypeTag::from(StructTag::new(
            Address::TWO,
            Identifier::from_static("object"),
            Identifier::from_static("ID"),
            Vec::new(),
        ));
        let id = anchors
            .latest
            .id
            .derive_dynamic_child_id(&id_type, cluster.as_bytes());
        let raw = match self.raw_object(id, WHAT, "bcs").await {
            Ok(raw) => raw,
            Err(ChainError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let unexpected = |reason: String| ChainError::Unexpected {
            what: WHAT,
            id: id.to_string(),
            reason,
        };
        let object: Object = raw
            .bcs
            .as_ref()
            .ok_or_else(|| unexpected("the ledger left its BCS out".to_owned()))?
            .deserialize()
            .map_err(|error| unexpected(error.to_string()))?;
        let anchor_type = TypeTag::from(StructTag::new(
            deployment.original_package,
            Identifier::from_static("anchors"),
            Identifier::from_static("Anchor"),
            Vec::new(),
        ));
        let expected = StructTag::new(
            Address::TWO,
            Identifier::from_static("dynamic_field"),
            Identifier::from_static("Field"),
            vec![id_type, anchor_type],
        );
        let (ObjectType::Struct(tag), Some(value)) = (object.object_type(), object.as_struct())
        else {
            return Err(unexpected("it is a package".to_owned()));
        };
        if tag != expected || object.object_id() != id {
            return Err(unexpected(format!("its type is {tag}")));
        }
        let field: Field = bcs::from_bytes(value.contents())
            .map_err(|error| unexpected(format!("its contents do not decode: {error}")))?;
        if field.name != cluster {
            return Err(unexpected("it is another cluster's".to_owned()));
        }
        Ok(Some(field.value))
    }
}
