//! Waiting for another process that installs the same environment.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::environment::lock::FileLock;
use crate::error::{Code, Result, RunnerError};
use crate::host::Host;
use crate::observer::{Observer, Step};

/// Between two reports of waiting.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Between two looks at a lock.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Variable with another such time, in seconds.
const LOCK_TIMEOUT_VARIABLE: &str = "OWOX_RUNNER_STORE_LOCK_TIMEOUT";

/// How long to wait for another process that installs the same environment.
const LOCK_TIMEOUT: Duration = Duration::from_secs(600);

/// One wait, with what was said of it.
pub struct Waiting {
    begun: Instant,
    limit: Duration,
    reported: Option<Instant>,
}

impl Waiting {
    /// Begins now.
    pub fn new(host: &Host) -> Self {
        Self { begun: Instant::now(), limit: lock_timeout(host), reported: None }
    }

    /// Waits for a moment before the next look at the lock.
    ///
    /// # Errors
    /// `STORE_LOCK_TIMEOUT` when it has taken too long.
    pub async fn pause<O: Observer>(&mut self, path: &Path, observer: &O) -> Result<()> {
        if self.begun.elapsed() > self.limit {
            return Err(lock_timed_out(path, self.limit));
        }
        if self.reported.is_none_or(|at| at.elapsed() >= REPORT_EVERY) {
            self.reported = Some(Instant::now());
            let holder = FileLock::read_note(path).trim().parse().ok();
            observer.step(Step::Waiting { pid: holder, seconds: self.begun.elapsed().as_secs() }).await;
        }
        tokio::time::sleep(LOCK_PAUSE).await;
        Ok(())
    }
}

fn lock_timeout(host: &Host) -> Duration {
    let seconds = host.variable(LOCK_TIMEOUT_VARIABLE).and_then(|text| text.parse().ok());
    seconds.map_or(LOCK_TIMEOUT, Duration::from_secs)
}

fn lock_timed_out(path: &Path, limit: Duration) -> RunnerError {
    let note = FileLock::read_note(path);
    let holder = if note.is_empty() { "another process".to_owned() } else { format!("process {note}") };
    RunnerError::new(
        Code::StoreLockTimeout,
        format!(
            "{holder} has been installing the same environment for {} s and holds {}; wait for it, end it, or wait \
             longer with {LOCK_TIMEOUT_VARIABLE} (seconds)",
            limit.as_secs(),
            path.display()
        ),
    )
}
