//! Layouts of the module `node_keys`.

use serde::{Deserialize, Serialize};
use sui_sdk_types::Address;

/// [`RotationStatement::intent`].
pub const INTENT_ROTATION: u8 = 32;

/// What a node's new key signs (as BCS, Ed25519).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationStatement {
    /// [`INTENT_ROTATION`].
    pub intent: u8,
    /// The Seal token.
    pub token_id: Address,
    /// The token's, which the rotation ends.
    pub generation: u64,
    /// The key until now.
    pub old_key: Vec<u8>,
    /// The key that signs.
    pub new_key: Vec<u8>,
}

super::move_types!("node_keys":
    objects {}
    events {}
    values { RotationStatement }
);
