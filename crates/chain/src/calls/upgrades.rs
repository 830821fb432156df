//! The entries of the module `upgrades` that need no new modules.

use sui_sdk_types::Address;

use super::UPGRADES;
use crate::call::Call;
use crate::{ChainError, Deployment};

/// Hands the package's `UpgradeCap` in, for good, with the `AdminCap` `cap` of the sender.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no upgrades.
pub fn hold_upgrade_cap(
    deployment: &Deployment,
    cap: Address,
    upgrade_cap: Address,
) -> Result<Call, ChainError> {
    let upgrades = deployment.upgrades()?;
    Ok(
        Call::new(deployment, "hand the upgrade capability in", move |tx| {
            let arguments = vec![
                tx.object(cap)?,
                tx.object(upgrades)?,
                tx.object(upgrade_cap)?,
            ];
            tx.call(UPGRADES, "hold", arguments);
            Ok(())
        })
        .reads(cap)
        .changes(upgrades)
        .changes(upgrade_cap),
    )
}

/// Proposes an upgrade by the digest of its modules and dependencies, with the `AdminCap` `cap` of the
/// sender.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no upgrades or no parameters.
pub fn propose_upgrade(
    deployment: &Deployment,
    cap: Address,
    digest: [u8; 32],
) -> Result<Call, ChainError> {
    let (upgrades, params) = (deployment.upgrades()?, deployment.params()?);
    Ok(Call::new(deployment, "propose an upgrade", move |tx| {
        let arguments = vec![
            tx.object(cap)?,
            tx.object(upgrades)?,
            tx.object(params)?,
            tx.pure(&digest.to_vec()),
            tx.clock()?,
        ];
        tx.call(UPGRADES, "propose", arguments);
        Ok(())
    })
    .reads(cap)
    .changes(upgrades)
    .reads(params)
    .with_clock())
}

/// Takes a proposed upgrade back, with the `AdminCap` `cap` of the sender.
///
/// # Errors
/// [`ChainError::Unexpected`] when the deployment names no upgrades.
pub fn cancel_upgrade(deployment: &Deployment, cap: Address) -> Result<Call, ChainError> {
    let upgrades = deployment.upgrades()?;
    Ok(Call::new(deployment, "cancel an upgrade", move |tx| {
        let arguments = vec![tx.object(cap)?, tx.object(upgrades)?];
        tx.call(UPGRADES, "cancel", arguments);
        Ok(())
    })
    .reads(cap)
    .changes(upgrades))
}
