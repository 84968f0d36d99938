//! Asking a run to stop, from wherever: a signal, `cancel(runId)`, a timeout.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::error::{Code, Result, RunnerError};

/// Why a run has to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// Somebody cancelled it.
    Cancelled,
    /// It took longer than this (`timeoutMs`).
    Timeout(Duration),
    /// It showed no sign of life for so long (`stallTimeoutMs`).
    Stalled(Duration),
}

impl StopReason {
    /// What the caller is told.
    pub fn error(self) -> RunnerError {
        match self {
            Self::Cancelled => RunnerError::new(Code::Aborted, "The run was cancelled"),
            Self::Timeout(limit) => RunnerError::new(
                Code::Timeout,
                format!("The run did not finish within {} ms (timeoutMs) and was ended", limit.as_millis()),
            ),
            Self::Stalled(limit) => RunnerError::new(
                Code::Stalled,
                format!(
                    "The connector printed nothing new for {} ms (stallTimeoutMs) and was ended",
                    limit.as_millis()
                ),
            ),
        }
    }
}

/// A request to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// Why.
    pub reason: StopReason,
    /// From SIGTERM to SIGKILL; the run's own `graceMs` where absent.
    pub grace: Option<Duration>,
}

/// The one place where a run is asked to stop, and where everything that waits looks. Clones
/// are the same cancellation.
#[derive(Debug, Clone)]
pub struct Cancellation(Arc<watch::Sender<Option<Stop>>>);

impl Default for Cancellation {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Cancellation {
    /// Asks the run to stop. The first reason stays; asking again can only shorten the grace.
    pub fn request(&self, reason: StopReason, grace: Option<Duration>) {
        self.0.send_if_modified(|stop| match stop {
            None => {
                *stop = Some(Stop { reason, grace });
                true
            }
            Some(before) => {
                let is_shorter = grace.is_some_and(|grace| before.grace.is_none_or(|before| grace < before));
                if is_shorter {
                    before.grace = grace;
                }
                is_shorter
            }
        });
    }

    /// Whether the run was asked to stop.
    pub fn requested(&self) -> Option<Stop> {
        *self.0.borrow()
    }

    /// Waits until the run is asked to stop; for ever if it never is.
    pub async fn wait(&self) -> Stop {
        let mut changes = self.watch();
        loop {
            if let Some(stop) = *changes.borrow_and_update() {
                return stop;
            }
            // `self` holds the sender, so that this never fails
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// For those who must also learn that the grace became shorter.
    pub fn watch(&self) -> watch::Receiver<Option<Stop>> {
        self.0.subscribe()
    }

    /// Goes on, or gives up between two steps.
    ///
    /// # Errors
    /// The reason's error once the run was asked to stop.
    pub fn check(&self) -> Result<()> {
        self.requested().map_or(Ok(()), |stop| Err(stop.reason.error()))
    }

    /// Does `work`, and asks it to stop when its time is over.
    pub async fn within<T>(&self, timeout: Option<Duration>, work: impl Future<Output = T>) -> T {
        let alarm = async {
            if let Some(timeout) = timeout {
                tokio::time::sleep(timeout).await;
                self.request(StopReason::Timeout(timeout), None);
            }
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            biased;
            never = alarm => match never {},
            done = work => done,
        }
    }

    /// Does `work`, which must be safe to drop at any await, unless the run is asked to stop.
    ///
    /// # Errors
    /// Those of the work, or the reason's error.
    pub async fn or_stop<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            stop = self.wait() => Err(stop.reason.error()),
            done = work => done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn the_first_reason_stays_and_grace_only_shrinks() {
        let cancellation = Cancellation::default();
        assert_eq!(cancellation.requested(), None);
        cancellation.check().unwrap();
        cancellation.clone().request(StopReason::Timeout(SECOND), None);
        cancellation.request(StopReason::Cancelled, Some(SECOND));
        cancellation.request(StopReason::Cancelled, Some(SECOND * 2));
        let expected = Stop { reason: StopReason::Timeout(SECOND), grace: Some(SECOND) };
        assert_eq!(cancellation.requested(), Some(expected));
        assert_eq!(cancellation.wait().await, expected);
        assert_eq!(cancellation.check().unwrap_err().code, Code::Timeout);
    }

    #[tokio::test]
    async fn work_is_dropped_when_the_run_is_asked_to_stop() {
        let cancellation = Cancellation::default();
        assert_eq!(cancellation.or_stop(async { Ok(7) }).await.unwrap(), 7);
        let asked = cancellation.clone();
        let (work, ()) =
            tokio::join!(cancellation.or_stop(std::future::pending::<Result<()>>()), async move {
                asked.request(StopReason::Cancelled, None);
            });
        assert_eq!(work.unwrap_err().code, Code::Aborted);
        assert!(cancellation.or_stop(async { Ok(7) }).await.is_err(), "nothing starts any more");
    }
}
