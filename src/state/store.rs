//! The states of one configuration, in its file.

use std::path::{Path, PathBuf};

use super::checkpoint::Checkpoint;
use super::file::{Found, StateFile};
use super::fingerprint::Fingerprint;
use super::identity::{NoState, own_file, state_folder};
use super::lock::editing;
use super::place::{MAX_BYTES, Place, unavailable};
use crate::error::{Code, Result, RunnerError};
use crate::host::Host;
use crate::output::State;

/// The states of a configuration.
#[derive(Debug, Clone)]
pub struct Store {
    place: Place,
    /// Where earlier versions had it.
    before: Option<Place>,
    state_folder: Option<PathBuf>,
}

/// What was found when a state was to move.
#[derive(Debug, Clone, PartialEq)]
pub enum Moved {
    /// It has been written.
    Written,
    /// It is no longer where the run began, and stays: what it is now.
    Superseded(State),
}

impl Store {
    /// The store in a file that was named.
    ///
    /// # Errors
    /// `STATE_UNAVAILABLE`.
    pub fn in_file(file: &str, host: &Host) -> Result<Self> {
        let place = Place::at(&host.absolute(file))?;
        Ok(Self { place, before: None, state_folder: state_folder(host) })
    }

    /// A configuration's own, or why it has none.
    ///
    /// # Errors
    /// `STATE_UNAVAILABLE`.
    pub fn of(config: &str, host: &Host) -> Result<Result<Self, NoState>> {
        let own = match own_file(config, host) {
            Ok(own) => own,
            Err(none) => return Ok(Err(none)),
        };
        let before = if own.before == own.path { None } else { Some(Place::at(&own.before)?) };
        Ok(Ok(Self { place: Place::at(&own.path)?, before, state_folder: state_folder(host) }))
    }

    /// The file's path, as it was named.
    pub fn path(&self) -> &Path {
        &self.place.named
    }

    /// The file that is read: the one of an earlier version until there is a new one.
    fn current(&self) -> &Place {
        self.before.as_ref().filter(|before| !self.place.exists() && before.exists()).unwrap_or(&self.place)
    }

    /// The path of the file that is read.
    pub fn current_path(&self) -> &Path {
        &self.current().named
    }

    /// Whether there is a file.
    pub fn exists(&self) -> bool {
        self.current().exists()
    }

    /// Whether what is there comes from an earlier version.
    pub fn is_of_before(&self) -> bool {
        !std::ptr::eq(self.current(), &raw const self.place)
    }

    /// Where the locks of this state lie, without their suffix.
    pub fn lock_base(&self) -> Option<PathBuf> {
        self.place.lock_file(self.state_folder.as_deref())
    }

    /// Tries whether it can be written, without changing it.
    ///
    /// # Errors
    /// `STATE_UNAVAILABLE`.
    pub fn try_out(&self) -> Result<()> {
        self.place.try_out()
    }

    /// All that is kept.
    ///
    /// # Errors
    /// `STATE_UNAVAILABLE` for a file that cannot be read, or is none.
    pub fn read(&self) -> Result<StateFile> {
        let place = self.current();
        let Some(text) = place.read()? else { return Ok(StateFile::default()) };
        StateFile::parse(&text).map_err(|cause| {
            unavailable("used", &place.named, &cause).with_hint("mend it, or delete it to start anew")
        })
    }

    /// What is kept for a fingerprint; without one what was written last.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn find(&self, fingerprint: Option<&Fingerprint>) -> Result<Found> {
        self.read().map(|file| file.find(fingerprint))
    }

    /// Writes the state of a fingerprint.
    ///
    /// # Errors
    /// As [`Store::read`], and where it cannot be written: then nothing has changed.
    pub fn put(&self, fingerprint: Option<&Fingerprint>, state: State) -> Result<()> {
        self.edit(|store| {
            let mut file = store.read()?;
            file.put(fingerprint, state);
            store.write(file)
        })
    }

    /// Moves the state of a fingerprint on after a run, if it is where that began, or between there
    /// and where it came: a run that was overtaken never moves it back, and what somebody has set or
    /// cleared meanwhile counts.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn move_on(
        &self,
        fingerprint: &Fingerprint,
        beginning: &State,
        state: State,
        run: &Checkpoint,
    ) -> Result<Moved> {
        self.edit(|store| {
            let mut file = store.read()?;
            let current = file.find(Some(fingerprint)).into_state();
            let is_on_the_way = beginning.is_behind(&current) && current.is_behind(&state);
            if current != *beginning && !is_on_the_way {
                return Ok(Moved::Superseded(current));
            }
            file.advance(fingerprint, State { rest: current.rest, ..state }, run);
            store.write(file).map(|()| Moved::Written)
        })
    }

    /// The checkpoint of a run of a fingerprint.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn checkpoint(&self, fingerprint: &Fingerprint, run: &Checkpoint) -> Result<Option<Checkpoint>> {
        self.read().map(|file| file.checkpoint(fingerprint, run).cloned())
    }

    /// Keeps a checkpoint.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn keep_checkpoint(&self, fingerprint: &Fingerprint, checkpoint: Checkpoint) -> Result<()> {
        self.edit(|store| {
            let mut file = store.read()?;
            if file.keep_checkpoint(fingerprint, checkpoint) { store.write(file) } else { Ok(()) }
        })
    }

    /// Forgets what is kept of tables that begin anew, as [`StateFile::forget_tables`].
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn forget_tables(&self, fingerprint: &Fingerprint, tables: &[String], keeps_own: bool) -> Result<()> {
        self.edit(|store| {
            let mut file = store.read()?;
            if file.forget_tables(fingerprint, tables, keeps_own) { store.write(file) } else { Ok(()) }
        })
    }

    /// Forgets the checkpoints that the end of a run is the end of.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn end_checkpoints(&self, fingerprint: &Fingerprint, run: &Checkpoint) -> Result<()> {
        self.edit(|store| {
            let mut file = store.read()?;
            match file.end_checkpoints(fingerprint, run) {
                true if file.is_empty() => store.remove_files().map(drop),
                true => store.write(file),
                false => Ok(()),
            }
        })
    }

    /// Forgets the state of a fingerprint; without one what was written last. Gives whether there
    /// was any.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub fn remove(&self, fingerprint: Option<&Fingerprint>) -> Result<bool> {
        self.edit(|store| {
            let mut file = store.read()?;
            if !file.remove(fingerprint) {
                return Ok(false);
            }
            if file.is_empty() { store.remove_files() } else { store.write(file).map(|()| true) }
        })
    }

    /// Forgets everything, also what cannot be read. Gives whether there was anything.
    ///
    /// # Errors
    /// `STATE_UNAVAILABLE`.
    pub fn remove_all(&self) -> Result<bool> {
        self.edit(Self::remove_files)
    }

    fn remove_files(&self) -> Result<bool> {
        let of_before = self.before.as_ref().map_or(Ok(false), Place::remove)?;
        Ok(self.place.remove()? || of_before)
    }

    fn edit<T>(&self, edit: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        editing(self.lock_base().as_deref(), || edit(self))
    }

    fn write(&self, mut file: StateFile) -> Result<()> {
        let mut text = file.text();
        while text.len() as u64 > MAX_BYTES {
            if !file.forget_oldest() {
                let message = "the state is larger than 1 MiB; a connector has to keep less in it";
                return Err(RunnerError::new(Code::StateUnavailable, message));
            }
            text = file.text();
        }
        self.place.write(&text)?;
        // it lives on in the new one; left behind, another link to the same file would take it
        match &self.before {
            Some(before) => before.remove().map(drop),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fingerprint::Parts;
    use super::*;

    fn fingerprint(id: &str) -> Fingerprint {
        let parts = Parts::from([("source.name".to_owned(), id.to_owned())]);
        Fingerprint { id: id.into(), parts, ..Fingerprint::default() }
    }

    fn state(date: &str) -> State {
        State { date: Some(date.into()), ..State::default() }
    }

    fn run() -> Checkpoint {
        Checkpoint { run_type: "INCREMENTAL".into(), ..Checkpoint::default() }
    }

    fn store(folder: &Path) -> Store {
        let host = Host {
            cwd: folder.to_owned(),
            variables: vec![("XDG_STATE_HOME".into(), folder.display().to_string())],
            ..Host::default()
        };
        Store::in_file("s.json", &host).unwrap()
    }

    // Point 7.
    #[test]
    fn a_run_that_was_overtaken_never_moves_the_state_back() {
        let folder = tempfile::tempdir().unwrap();
        let (store, a) = (store(folder.path()), fingerprint("a"));
        let none = State::default();
        assert_eq!(store.move_on(&a, &none, state("2026-06-06"), &run()).unwrap(), Moved::Written);
        let current = || store.find(Some(&a)).unwrap().into_state().date.unwrap();
        let superseded = Moved::Superseded(state("2026-06-06"));
        assert_eq!(store.move_on(&a, &none, state("2026-01-01"), &run()).unwrap(), superseded);
        assert_eq!(current(), "2026-06-06");
        // it has everything from its beginning on, and came further
        assert_eq!(store.move_on(&a, &none, state("2026-06-07"), &run()).unwrap(), Moved::Written);
        // what a person has set or cleared meanwhile counts
        store.put(Some(&a), state("2026-02-01")).unwrap();
        let late = store.move_on(&a, &state("2026-06-07"), state("2026-06-08"), &run()).unwrap();
        assert_eq!(late, Moved::Superseded(state("2026-02-01")));
        store.remove(Some(&a)).unwrap();
        assert_eq!(
            store.move_on(&a, &state("2026-02-01"), state("2026-03-01"), &run()).unwrap(),
            Moved::Superseded(none)
        );
        // a run that nobody overtook may say where the state is, as before
        store.put(Some(&a), state("2026-06-06")).unwrap();
        assert_eq!(
            store.move_on(&a, &state("2026-06-06"), state("2026-05-05"), &run()).unwrap(),
            Moved::Written
        );
        assert_eq!(current(), "2026-05-05");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no lock is left");
    }

    #[test]
    fn many_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        std::thread::scope(|scope| {
            for id in 0..8 {
                let store = &store;
                scope.spawn(move || {
                    store.put(Some(&fingerprint(&format!("f{id}"))), state("2026-01-01")).unwrap();
                });
            }
        });
        for id in 0..8 {
            assert!(matches!(store.find(Some(&fingerprint(&format!("f{id}")))).unwrap(), Found::Own(_)));
        }
    }

    #[test]
    fn what_else_is_in_a_state_stays() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("s.json"),
            "{\"mine\":70123456789012345678,\"date\":\"2026-01-01\"}",
        )
        .unwrap();
        let (store, a) = (store(folder.path()), fingerprint("a"));
        let Found::Unclaimed(beginning) = store.find(Some(&a)).unwrap() else { panic!("claimed") };
        store.move_on(&a, &beginning, state("2026-02-02"), &run()).unwrap();
        let Found::Own(now) = store.find(Some(&a)).unwrap() else { panic!("not its own") };
        assert_eq!(
            serde_json::to_string(&now).unwrap(),
            r#"{"date":"2026-02-02","mine":70123456789012345678}"#
        );
        assert_eq!(store.read().unwrap().beside(Some(&a)), 0);
    }
}
