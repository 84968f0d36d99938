//! States of runs of the command line, on their way from where they are taken to where a run is
//! executed: locks are descriptors, which no JavaScript holds.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use crate::state::StateRun;

#[derive(Default)]
struct Kept {
    last: u32,
    runs: HashMap<u32, Arc<StateRun>>,
}

static KEPT: LazyLock<Mutex<Kept>> = LazyLock::new(Mutex::default);

fn kept() -> MutexGuard<'static, Kept> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a state; gives the number by which JavaScript knows it.
pub fn keep(run: Arc<StateRun>) -> u32 {
    let mut kept = kept();
    kept.last = kept.last.wrapping_add(1);
    let token = kept.last;
    kept.runs.insert(token, run);
    token
}

/// The state of this number.
pub fn of(token: u32) -> Option<Arc<StateRun>> {
    kept().runs.get(&token).cloned()
}

/// Keeps it no longer.
pub fn release(token: u32) {
    let released = kept().runs.remove(&token);
    drop(released); // outside of the lock, since it removes files
}
