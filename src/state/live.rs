//! How far a run is while it goes on, for whoever keeps it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::observer::{Batch, BatchKind, StreamKind};
use crate::output::{Inspector, State};

/// What a run prints of how far it is.
#[derive(Debug, Default)]
pub struct Live {
    inspector: Mutex<Inspector>,
    reached: watch::Sender<Option<State>>,
    fresh: watch::Sender<Vec<String>>,
    /// Whether the run has ended, and what it came to is written by others.
    ended: Mutex<bool>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    /// Looks at output as it passes.
    pub fn passes(&self, stream: StreamKind, batches: &[Batch]) {
        if stream != StreamKind::Stdout {
            return;
        }
        let mut inspector = locked(&self.inspector);
        for batch in batches.iter().filter(|batch| batch.kind == BatchKind::Json) {
            inspector.read(&batch.text);
        }
        if !inspector.fresh.is_empty() {
            let fresh = std::mem::take(&mut inspector.fresh);
            self.fresh.send_replace(fresh);
        }
        let reached = inspector.checkpoint();
        self.reached.send_if_modified(|known| {
            let is_news = reached.is_some() && *known != reached;
            if is_news {
                *known = reached;
            }
            is_news
        });
    }

    /// Tables that begin anew, when it has said so.
    pub async fn fresh(&self, told: &mut Vec<String>) -> Vec<String> {
        let mut fresh = self.fresh.subscribe();
        let news = fresh.wait_for(|fresh| !fresh.is_empty() && fresh != told).await;
        let tables = news.map(|news| news.clone()).unwrap_or_default();
        told.clone_from(&tables);
        tables
    }

    /// How far it is, when that is news.
    pub async fn next(&self, told: &mut Option<State>) -> State {
        let mut reached = self.reached.subscribe();
        // `self` holds the sender, so that this never fails
        let news = reached.wait_for(|reached| reached.is_some() && reached != told).await;
        let state = news.map(|news| news.clone()).unwrap_or_default();
        told.clone_from(&state);
        state.unwrap_or_default()
    }

    /// Writes something as long as the run goes on.
    pub fn unless_ended<T>(&self, write: impl FnOnce() -> T) -> Option<T> {
        let ended = locked(&self.ended);
        (!*ended).then(write)
    }

    /// The run has ended: waits for what is being written, and nothing is any more.
    pub fn end(&self) {
        *locked(&self.ended) = true;
    }
}
