//! State: where the next incremental run of a configuration goes on, and how it is kept.
//!
//! A state belongs to a configuration ([`identity`]) and to what that loads ([`fingerprint`]). It is
//! kept in a file ([`place`], [`file`]), which a [`Store`] reads and moves on; [`StateRun`] is all of
//! it for one run, with the lock that keeps a second one out.

mod canonical;
mod checkpoint;
mod file;
mod fingerprint;
mod identity;
mod live;
mod lock;
mod moves;
mod notices;
mod place;
mod run;
mod store;

pub use crate::output::{Rest, State, TableState, incremental_date};
pub use checkpoint::Checkpoint;
pub use file::{Found, StateFile};
pub use fingerprint::{Fingerprint, Parts};
pub use identity::{NoState, STANDARD_INPUT, path_as_given, state_folder};
pub use lock::{Holder, RunLock, Taken};
pub use moves::moves_state;
pub use place::MAX_BYTES;
pub use run::{Began, MOVES_STATE, Settled, StateRun, Wanted};
pub use store::{Moved, Store};
