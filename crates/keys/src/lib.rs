//! The cluster's keys: how they come from one root, change, and pass from one instance to another.
//!
//! - A [`KeyRing`] holds the **root key** of the newest epoch. It is random and born in the first instance, never
//!   derived from anything that a host has. [`KeyRing::key`] gives a key for one [`Purpose`] and one epoch
//!   (HKDF-SHA-256); no two purposes, epochs, clusters or realms share one.
//! - A new **epoch** ([`KeyRing::rotate`]) has a fresh root. The roots of older epochs stay, wrapped under the newest
//!   one, for as long as something sealed under them is there; [`KeyRing::forget_before`] ends that. Who has only an
//!   older root can't get to a newer one.
//! - What is not secret of a ring is its [`PublicRing`], kept on disk in clear and authenticated by the root.
//! - The root leaves an instance in three ways only: sealed to the device ([`cache`]), to another instance's attested
//!   HPKE key ([`handover`]), and to a recovery key that exists only in shares ([`recovery`]).
//!
//! Keys of a simulated TEE and those of real ones are of different [`Realm`]s, and neither opens what is of the other.
//!
//! Roots are kept in pages of their own that are neither swapped nor dumped ([`Guarded`]). Nothing here has a `Debug`
//! form that shows a key. The crate does no input or output and reads no clock.

pub mod cache;
mod derive;
mod encoding;
mod error;
mod guarded;
pub mod handover;
pub mod recovery;
mod ring;
mod scope;
mod wrap;

pub use derive::{Key, Purpose};
pub use error::KeyError;
pub use guarded::Guarded;
pub use ring::{KeyRing, PublicRing, WrappedRoot};
pub use scope::{Realm, Scope};
