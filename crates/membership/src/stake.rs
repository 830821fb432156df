//! Stakes and Seal tokens as the chain has them, in memory, live.
//!
//! [`LiveView`] holds the state, [`follow`] keeps it current from the chain's events, [`Enforcer`] acts on
//! what it withdraws. Everything fails closed: as long as the view has not caught up with the chain, or has
//! not been known to be current for longer than its bound, it vouches for nobody.

mod enforce;
mod follow;
mod judge;
mod state;
mod view;

pub use enforce::{Enforcer, NodeControl, NodeControlError};
pub use follow::follow;
pub use judge::{NotLive, role_of};
pub(crate) use judge::{stake as judge_stake, token as judge_token};
pub use state::{StakeState, TokenState};
pub use view::{LiveView, Revoked, Subject, ViewOptions};
