//! What the streams of one run and its supervision must know of each other.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// How far a run is, shared by its streams.
#[derive(Debug)]
pub struct Progress {
    ended: watch::Sender<bool>,
    abandoned: watch::Sender<bool>,
    activity: Mutex<Activity>,
}

#[derive(Debug)]
struct Activity {
    /// When the connector last printed something, or what it printed was last taken.
    last: Instant,
    /// Streams that wait for whoever takes the output: as long as one does, the connector is not
    /// silent but held up.
    delivering: usize,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            ended: watch::Sender::new(false),
            abandoned: watch::Sender::new(false),
            activity: Mutex::new(Activity { last: Instant::now(), delivering: 0 }),
        }
    }
}

impl Progress {
    fn activity(&self) -> std::sync::MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The process and its tree are gone: pipes need not be waited for any longer than they take
    /// to empty.
    pub fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Waits for [`Progress::end`].
    pub async fn ended(&self) {
        // `self` holds the sender, so that this never fails
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// Whoever takes the output is not waited for any more.
    pub fn abandon(&self) {
        self.abandoned.send_replace(true);
    }

    /// Whether output was given up.
    pub fn is_abandoned(&self) -> bool {
        *self.abandoned.borrow()
    }

    /// Something was read.
    pub(super) fn read(&self, bytes: usize) {
        if bytes > 0 {
            self.activity().last = Instant::now();
        }
    }

    /// Hands output over, unless that was given up.
    pub(super) async fn deliver(&self, delivery: impl Future<Output = ()>) {
        let _delivering = Delivering::begin(self);
        let mut abandoned = self.abandoned.subscribe();
        tokio::select! {
            biased;
            _ = abandoned.wait_for(|abandoned| *abandoned) => {}
            () = delivery => {}
        }
    }

    /// Waits until the connector has been silent for so long.
    pub async fn silent_for(&self, limit: Duration) {
        loop {
            let silent = {
                let activity = self.activity();
                if activity.delivering > 0 { Duration::ZERO } else { activity.last.elapsed() }
            };
            if silent >= limit {
                return;
            }
            tokio::time::sleep(limit.saturating_sub(silent)).await;
        }
    }
}

/// Held while output is on its way.
struct Delivering<'a>(&'a Progress);

impl<'a> Delivering<'a> {
    fn begin(progress: &'a Progress) -> Self {
        progress.activity().delivering += 1;
        Self(progress)
    }
}

impl Drop for Delivering<'_> {
    fn drop(&mut self) {
        let mut activity = self.0.activity();
        activity.delivering -= 1;
        activity.last = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connector_that_is_held_up_is_not_silent() {
        let progress = Progress::default();
        let limit = Duration::from_millis(1);
        let (release, held) = tokio::sync::oneshot::channel::<()>();
        let silence = async {
            progress.silent_for(limit).await;
            release.is_closed()
        };
        // ends only when the delivery is over, which ends when it is let go
        let delivery = progress.deliver(async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            drop(held);
        });
        let (let_go, ()) = tokio::join!(silence, delivery);
        assert!(let_go, "silence was noticed while output was on its way");
    }

    #[tokio::test]
    async fn output_that_was_given_up_is_not_waited_for() {
        let progress = Progress::default();
        tokio::join!(progress.deliver(std::future::pending()), async { progress.abandon() });
        progress.deliver(std::future::pending()).await;
        assert!(progress.is_abandoned());
    }
}
