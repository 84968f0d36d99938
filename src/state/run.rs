//! The state of one run: taken and locked before anything is installed, moved on at its end.

use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::checkpoint::Checkpoint;
use super::fingerprint::Fingerprint;
use super::identity::NoState;
use super::live::Live;
use super::lock::{RunLock, Taken};
use super::notices::{date, notice, resuming};
use super::store::{Moved, Store};
use crate::connectors::Catalog;
use crate::error::{Code, Result, RunnerError};
use crate::host::Host;
use crate::observer::{Batch, StreamKind};
use crate::output::State;

/// Run types that may move the state. A backfill loads the past, and a custom run whatever was
/// asked for.
pub const MOVES_STATE: [&str; 2] = ["INCREMENTAL", "FULL_REFRESH"];

/// From one writing of a checkpoint to the next, while a run goes on.
const KEEP_EVERY: Duration = Duration::from_secs(1);

/// What is asked of a run's state.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Path of the configuration, as given.
    pub config: String,
    /// The run's type.
    pub run_type: String,
    /// The state file that was named.
    pub named: Option<String>,
    /// Whether the configuration's own is used, for lack of one that was named.
    pub own: bool,
    /// Whether the run waits for another one that has the state.
    pub waits: bool,
    /// When the run began, ISO 8601.
    pub at: String,
    /// The run's data.
    pub data: Vec<Value>,
    /// Whether it goes on where the same run was interrupted.
    pub resumes: bool,
}

impl Wanted {
    fn moves(&self) -> bool {
        MOVES_STATE.contains(&self.run_type.as_str())
    }

    /// What a configuration's own state says concerns incremental runs, and full ones begin it anew.
    fn reads(&self) -> bool {
        self.named.is_some() || self.run_type == "INCREMENTAL"
    }
}

/// The state of a run that goes on.
#[derive(Debug, Default)]
pub struct StateRun {
    store: Option<Store>,
    fingerprint: Fingerprint,
    /// Where the state was when the run began.
    beginning: State,
    reads: bool,
    moves: bool,
    lock: Option<RunLock>,
    /// Why there is none, although one was wanted.
    pub none: Option<NoState>,
    /// What whoever started the run has to know.
    pub notices: Vec<String>,
    has_moved: AtomicBool,
    /// The run itself, and the checkpoint that it goes on from.
    asked: Checkpoint,
    resumed: Option<State>,
    live: Live,
}

/// Whether a run can begin.
#[derive(Debug)]
pub enum Began {
    /// It can.
    Ready(Box<StateRun>),
    /// Another one goes on: the error that says which.
    Busy(RunnerError),
}

/// What became of the state at a run's end.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// It moved on.
    Moved,
    /// It was not to move, or the connector gave no date.
    Kept,
    /// It was no longer where the run began, in words.
    Superseded(String),
    /// A checkpoint could not be kept, in words.
    Unkept(String),
}

impl StateRun {
    /// Takes the state of a run of this configuration, whose references have been resolved.
    ///
    /// # Errors
    /// `STATE_UNAVAILABLE` where it cannot be read, or could not be written at the end.
    pub fn begin(wanted: &Wanted, config: &Value, catalog: &Catalog, host: &Host) -> Result<Began> {
        let asked = Checkpoint {
            run_type: wanted.run_type.clone(),
            data: Checkpoint::hash_of(&wanted.data),
            ..Checkpoint::default()
        };
        let mut run = Self { reads: wanted.reads(), moves: wanted.moves(), asked, ..Self::default() };
        let store = match &wanted.named {
            Some(file) => Some(Store::in_file(file, host)?),
            None if wanted.own => match Store::of(&wanted.config, host)? {
                Ok(store) => Some(store),
                Err(none) => {
                    run.none = Some(none);
                    if run.reads {
                        run.notices.push(format!("{}. This run loads everything", none.reason()));
                    }
                    None
                }
            },
            None => None,
        };
        let Some(store) = store else { return Ok(Began::Ready(Box::new(run))) };
        if run.moves {
            store.try_out()?;
            if let Some(busy) = run.lock(&store, wanted)? {
                return Ok(Began::Busy(busy));
            }
        }
        run.fingerprint = Fingerprint::of_file(&wanted.config, config, catalog, host);
        if wanted.resumes {
            let kept = store.checkpoint(&run.fingerprint, &run.asked)?.map(|kept| kept.state);
            run.notices.extend(resuming(kept.as_ref(), run.asked.run_type == "INCREMENTAL"));
            run.resumed = kept.filter(|kept| run.asked.run_type == "INCREMENTAL" || !kept.tables.is_empty());
        }
        if run.moves || run.reads {
            let found = store.find(Some(&run.fingerprint))?;
            if run.reads && run.resumed.is_none() {
                run.notices.extend(notice(&found, &store, &wanted.config));
            }
            run.beginning = found.into_state();
        }
        run.store = Some(store);
        Ok(Began::Ready(Box::new(run)))
    }

    fn lock(&mut self, store: &Store, wanted: &Wanted) -> Result<Option<RunnerError>> {
        let Some(base) = store.lock_base() else { return Ok(None) };
        match RunLock::try_take(&base, store.path(), &wanted.at)? {
            Taken::Ours(lock) => self.lock = Some(lock),
            Taken::Held(holder) => return Ok(Some(holder.error(store.path()))),
            Taken::Impossible(why) => {
                self.notices.push(format!("nothing keeps a second run of this configuration out: {why}"));
            }
        }
        Ok(None)
    }

    /// The file of the state, where there is one.
    pub fn file(&self) -> Option<&Path> {
        self.store.as_ref().map(Store::path)
    }

    /// What the connector is told.
    pub fn told(&self) -> State {
        if let Some(resumed) = &self.resumed {
            return resumed.clone();
        }
        if self.reads { self.beginning.clone() } else { State::default() }
    }

    /// The lock for the helper that watches the run's tree, so that it ends with that.
    pub fn descriptor(&self) -> Option<OwnedFd> {
        self.lock.as_ref()?.descriptor()
    }

    /// Whether the run has moved the state on.
    pub fn has_moved(&self) -> bool {
        self.has_moved.load(Ordering::Relaxed)
    }

    /// Looks at what the connector prints for how far it is.
    pub fn passes(&self, stream: StreamKind, batches: &[Batch]) {
        self.live.passes(stream, batches);
    }

    /// Does a run's work, and keeps how far it is meanwhile: who is killed with it tells nobody.
    pub async fn keeping<T>(self: &Arc<Self>, work: impl Future<Output = T>) -> T {
        if self.store.is_none() {
            return work.await;
        }
        tokio::select! {
            biased;
            done = work => done,
            never = self.keep_forgetting() => match never {},
            never = self.keep_checkpoints() => match never {},
        }
    }

    /// Keeps how far the run is, whenever that is news.
    async fn keep_checkpoints(self: &Arc<Self>) -> Infallible {
        let mut told = None;
        loop {
            let state = self.live.next(&mut told).await;
            // what cannot be kept now is said at the end
            self.unless_ended(move |run| run.keep(&state)).await;
            tokio::time::sleep(KEEP_EVERY).await;
        }
    }

    /// Forgets what others have loaded into tables that begin anew.
    async fn keep_forgetting(self: &Arc<Self>) -> Infallible {
        let mut told = Vec::new();
        loop {
            let tables = self.live.fresh(&mut told).await;
            self.unless_ended(move |run| run.forget(&tables)).await;
        }
    }

    async fn unless_ended(self: &Arc<Self>, write: impl FnOnce(&Self) -> Result<()> + Send + 'static) {
        let this = Arc::clone(self);
        let _ = tokio::task::spawn_blocking(move || this.live.unless_ended(|| write(&this))).await;
    }

    fn forget(&self, tables: &[String]) -> Result<()> {
        let Some(store) = &self.store else { return Ok(()) };
        store.forget_tables(&self.fingerprint, tables, self.moves)
    }

    /// Keeps how far a run came that failed. Where it did not say so, what was kept before counts.
    pub fn interrupted(&self, reached: Option<&State>) -> Settled {
        self.live.end();
        let kept = reached.map_or(Ok(()), |state| self.keep(state));
        Self::kept(kept)
    }

    /// Moves the state on after the connector has succeeded, and forgets how far the same run came
    /// before.
    ///
    /// # Errors
    /// As [`StateRun::settle`].
    pub fn succeeded(&self, reached: Option<&State>) -> Result<Settled> {
        self.live.end();
        match (self.settle(reached)?, &self.store) {
            (Settled::Kept, Some(store)) => {
                Ok(Self::kept(store.end_checkpoints(&self.fingerprint, &self.asked)))
            }
            (settled, _) => Ok(settled),
        }
    }

    fn keep(&self, state: &State) -> Result<()> {
        let Some(store) = &self.store else { return Ok(()) };
        store.keep_checkpoint(&self.fingerprint, Checkpoint { state: state.clone(), ..self.asked.clone() })
    }

    fn kept(kept: Result<()>) -> Settled {
        match kept {
            Ok(()) => Settled::Kept,
            Err(error) => Settled::Unkept(format!("how far the run came is not kept: {}", error.message)),
        }
    }

    /// Moves the state on after the connector has succeeded.
    ///
    /// # Errors
    /// `STATE_UNAVAILABLE`, with what that means for the rows, which are saved.
    pub fn settle(&self, reached: Option<&State>) -> Result<Settled> {
        let (Some(store), Some(reached), true) = (&self.store, reached, self.moves) else {
            return Ok(Settled::Kept);
        };
        let moved = store.move_on(&self.fingerprint, &self.beginning, reached.clone(), &self.asked);
        match moved.map_err(|error| self.unsettled(&error, reached))? {
            Moved::Written => {
                self.has_moved.store(true, Ordering::Relaxed);
                Ok(Settled::Moved)
            }
            Moved::Superseded(current) => Ok(Settled::Superseded(format!(
                "the state was changed while this run went on, and is not moved: it is {} now, this run began at {} \
                 and came to {}",
                date(&current),
                date(&self.beginning),
                date(reached)
            ))),
        }
    }

    fn unsettled(&self, error: &RunnerError, reached: &State) -> RunnerError {
        let message = format!(
            "the connector has succeeded and its rows are saved, but {}; the state is still {}",
            error.message,
            date(&self.beginning)
        );
        let hint = error.hint.as_ref().map(|hint| format!("{hint}. ")).unwrap_or_default();
        let then = format!(
            "Then state set CONFIG {} puts it where this run came to; without that the next run loads the same once more",
            date(reached)
        );
        RunnerError::new(Code::StateUnavailable, message).with_hint(hint + &then)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn host(folder: &Path) -> Host {
        let home = folder.display().to_string();
        Host { cwd: folder.to_owned(), variables: vec![("XDG_STATE_HOME".into(), home)], ..Host::default() }
    }

    fn wanted(run_type: &str) -> Wanted {
        Wanted { config: "c.json".into(), run_type: run_type.into(), own: true, ..Wanted::default() }
    }

    fn begin(wanted: &Wanted, source: &str, folder: &Path) -> Box<StateRun> {
        let config =
            json!({ "source": { "name": source, "config": {} }, "storage": { "name": "T", "config": {} } });
        match StateRun::begin(wanted, &config, &Catalog::default(), &host(folder)).unwrap() {
            Began::Ready(run) => run,
            Began::Busy(error) => panic!("{error}"),
        }
    }

    fn state(date: &str) -> State {
        State { date: Some(date.into()), ..State::default() }
    }

    #[test]
    fn a_run_is_told_its_own_state_and_only_forward_types_move_it() {
        let folder = tempfile::tempdir().unwrap();
        let told = |run_type: &str, source: &str| begin(&wanted(run_type), source, folder.path());
        let first = told("INCREMENTAL", "S");
        assert_eq!((first.told(), first.notices.len()), (State::default(), 0));
        assert_eq!(first.settle(Some(&state("2026-01-01"))).unwrap(), Settled::Moved);
        drop(first);
        assert_eq!(told("INCREMENTAL", "S").told(), state("2026-01-01"));
        for run_type in ["FULL_REFRESH", "MANUAL_BACKFILL", "CUSTOM"] {
            assert_eq!(told(run_type, "S").told(), State::default());
        }
        for run_type in ["MANUAL_BACKFILL", "CUSTOM", "OTHER"] {
            assert_eq!(told(run_type, "S").settle(Some(&state("2027-01-01"))).unwrap(), Settled::Kept);
        }
        assert_eq!(told("INCREMENTAL", "S").settle(None).unwrap(), Settled::Kept);
        let edited = told("INCREMENTAL", "Other");
        assert_eq!(edited.told(), State::default());
        for words in ["source.name is another", "2026-01-01", "state set c.json 2026-01-01", "undone"] {
            assert!(edited.notices[0].contains(words), "{}", edited.notices[0]);
        }
        edited.settle(Some(&state("2026-03-03"))).unwrap();
        drop(edited);
        let undone = told("INCREMENTAL", "S");
        assert_eq!((undone.told(), undone.notices.len()), (state("2026-01-01"), 0));
    }

    #[test]
    fn a_second_run_is_refused_while_the_first_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let first = begin(&wanted("INCREMENTAL"), "S", folder.path());
        let second =
            StateRun::begin(&wanted("FULL_REFRESH"), &json!({}), &Catalog::default(), &host(folder.path()));
        let Began::Busy(error) = second.unwrap() else { panic!("both run") };
        assert_eq!(error.code, Code::RunInProgress);
        begin(&wanted("MANUAL_BACKFILL"), "S", folder.path());
        drop(first);
        begin(&wanted("INCREMENTAL"), "S", folder.path());
    }

    #[test]
    fn a_state_that_cannot_be_written_after_all_says_that_the_rows_are_saved() {
        let folder = tempfile::tempdir().unwrap();
        let run =
            begin(&Wanted { named: Some("deep/s.json".into()), ..wanted("INCREMENTAL") }, "S", folder.path());
        std::fs::remove_dir_all(folder.path().join("deep")).unwrap();
        std::fs::write(folder.path().join("deep"), "").unwrap();
        let error = run.settle(Some(&state("2026-01-02T00:00:00.000Z"))).unwrap_err();
        assert_eq!(error.code, Code::StateUnavailable);
        assert!(error.message.contains("rows are saved"), "{error}");
        assert!(error.hint.unwrap().contains("state set CONFIG 2026-01-02 "));
    }
}
