//! The functions of the Sui framework that transactions may call directly, for SUI coins.

use sui_sdk_types::Address;

use crate::execute::call::{Call, Failure, Returns, add};
use crate::layout::framework::{Clock, Coin};
use crate::package::Parameter::{Mut, Ref, Value};
use crate::package::{Function, Module};
use crate::types::{Ty, encode};

/// `sui::balance::ENotEnough`
const NOT_ENOUGH: u64 = 2;
/// `sui::balance::ENonZero`
const NON_ZERO: u64 = 0;

macro_rules! generic {
    ($name:literal, $body:ident, [$($parameter:expr),*], $context:literal, [$($return:expr),*]) => {
        Function {
            name: $name,
            generic: true,
            parameters: &[$($parameter),*],
            context: $context,
            returns: &[$($return),*],
            body: $body,
        }
    };
}

/// The framework's modules, as far as they are modelled. A type parameter is a coin's: SUI.
pub(crate) const MODULES: &[Module] = &[
    Module {
        name: "clock",
        init: None,
        functions: &[Function {
            name: "timestamp_ms",
            generic: false,
            parameters: &[Ref(Ty::Clock)],
            context: false,
            returns: &[Ty::U64],
            body: timestamp_ms,
        }],
    },
    Module {
        name: "coin",
        init: None,
        functions: &[
            generic!("value", value, [Ref(Ty::Coin)], false, [Ty::U64]),
            generic!(
                "split",
                split,
                [Mut(Ty::Coin), Value(Ty::U64)],
                true,
                [Ty::Coin]
            ),
            generic!("join", join, [Mut(Ty::Coin), Value(Ty::Coin)], false, []),
            generic!("zero", zero, [], true, [Ty::Coin]),
            generic!("destroy_zero", destroy_zero, [Value(Ty::Coin)], false, []),
        ],
    },
    Module {
        name: "nitro_attestation",
        init: None,
        functions: &[Function {
            name: "load_nitro_attestation",
            generic: false,
            parameters: &[Value(Ty::Bytes), Ref(Ty::Clock)],
            context: false,
            returns: &[Ty::Sui("nitro_attestation", "NitroAttestationDocument")],
            body: load_nitro_attestation,
        }],
    },
    Module {
        name: "transfer",
        init: None,
        functions: &[generic!(
            "public_transfer",
            public_transfer,
            [Value(Ty::Param), Value(Ty::Address)],
            false,
            []
        )],
    },
];

/// As on a network that has not enabled the feature: the model verifies no documents.
fn load_nitro_attestation(call: &mut Call<'_>) -> Returns {
    /// `sui::nitro_attestation::ENotSupportedError`
    const NOT_SUPPORTED: u64 = 0;
    Err(call.abort_at(
        Address::TWO,
        "nitro_attestation",
        "load_nitro_attestation_internal",
        NOT_SUPPORTED,
    ))
}

fn timestamp_ms(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Clock>(0)?.timestamp_ms)])
}

fn value(call: &mut Call<'_>) -> Returns {
    Ok(vec![encode(&call.get::<Coin>(0)?.balance)])
}

fn split(call: &mut Call<'_>) -> Returns {
    let mut coin: Coin = call.get(0)?;
    let amount: u64 = call.get(1)?;
    let id = call.fresh_id();
    coin.balance = coin.balance.checked_sub(amount).ok_or(call.abort_at(
        Address::TWO,
        "balance",
        "split",
        NOT_ENOUGH,
    ))?;
    call.set(0, &coin)?;
    Ok(vec![encode(&Coin {
        id,
        balance: amount,
    })])
}

fn join(call: &mut Call<'_>) -> Returns {
    let mut coin: Coin = call.get(0)?;
    let other: Coin = call.get(1)?;
    coin.balance = add(coin.balance, other.balance)?;
    call.delete(other.id);
    call.set(0, &coin)?;
    Ok(vec![])
}

fn zero(call: &mut Call<'_>) -> Returns {
    let id = call.fresh_id();
    Ok(vec![encode(&Coin { id, balance: 0 })])
}

fn destroy_zero(call: &mut Call<'_>) -> Returns {
    let coin: Coin = call.get(0)?;
    if coin.balance != 0 {
        return Err(call.abort_at(Address::TWO, "balance", "destroy_zero", NON_ZERO));
    }
    call.delete(coin.id);
    Ok(vec![])
}

fn public_transfer(call: &mut Call<'_>) -> Returns {
    let recipient: Address = call.get(1)?;
    call.transfer(0, recipient)?;
    Ok(vec![])
}

/// What a generic framework function here accepts for its type parameter.
pub(crate) fn accepts_parameter(
    module: &str,
    parameter: &sui_sdk_types::TypeTag,
    package: Address,
) -> Result<(), Failure> {
    let abilities = crate::types::Abilities::of(parameter, package);
    let fits = match module {
        "coin" => *parameter == sui_sdk_types::StructTag::sui().into(),
        _ => abilities.key && abilities.store,
    };
    if fits {
        Ok(())
    } else {
        Err(Failure::TypeArgument)
    }
}
