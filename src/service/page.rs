//! The page about a run, where one is wanted.

use std::path::Path;

use crate::error::Result;
use crate::report::{self, Facts, Recorder, Reporting};
use crate::run::Outcome;

/// The page, if there will be one.
pub(super) struct Page(Option<Reporting>);

impl Page {
    /// A page at this path for a run that begins now.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for a path that no page can be written to.
    pub(super) async fn of(path: Option<&Path>, facts: impl FnOnce() -> Facts) -> Result<Self> {
        let Some(path) = path else { return Ok(Self(None)) };
        let facts = facts();
        let target = report::target(path.to_owned()).await?;
        Ok(Self(Some(Reporting::new(target, facts))))
    }

    /// Whoever remembers the run for it.
    pub(super) fn recorder(&self) -> Option<Recorder> {
        self.0.as_ref().map(|reporting| reporting.recorder.clone())
    }

    /// What it says was asked for.
    pub(super) fn facts(&mut self) -> Option<&mut Facts> {
        self.0.as_mut().map(|reporting| &mut reporting.facts)
    }

    /// Writes it, and gives the outcome that says where it is.
    pub(super) async fn written(self, outcome: Outcome) -> Outcome {
        match self.0 {
            Some(reporting) => reporting.write(outcome).await,
            None => outcome,
        }
    }
}
