//! The content of a state file: at the top the state that was written last, so that people, hosts
//! and earlier versions read `date` there; beside it those of other fingerprints.

use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use super::fingerprint::{Fingerprint, Parts};
use crate::foreign::nesting;
use crate::output::State;

/// The member that is ours.
const OURS: &str = "connectorRunner";

/// The form of it that is known here.
const VERSION: u32 = 1;

/// States that are kept at most: who edits a configuration more often begins the oldest anew.
const MAX_ENTRIES: usize = 32;

/// Deepest nesting of JSON: what reads a state goes down by recursion.
const MAX_DEPTH: usize = 100;

/// States by fingerprint.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StateFile {
    /// The state at the top.
    top: Option<Entry>,
    /// The others, the newest first.
    others: Vec<Entry>,
}

/// A state, and what it was written for: no fingerprint in files of earlier versions or by hand.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Entry {
    fingerprint: Option<String>,
    #[serde(default)]
    parts: Parts,
    state: State,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    checkpoints: Vec<Checkpoint>,
}

/// The member that is ours, as it is written.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Book {
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    #[serde(default, skip_serializing_if = "Parts::is_empty")]
    parts: Parts,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    checkpoints: Vec<Checkpoint>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    others: Vec<Entry>,
}

/// What a file has for a fingerprint.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// A state of its own.
    Own(State),
    /// One that does not say what it belongs to.
    Unclaimed(State),
    /// None; but of another, what is different and where that one was.
    Other {
        /// What is different, in words.
        changes: Vec<String>,
        /// The other's state.
        state: State,
    },
    /// Nothing at all.
    Nothing,
}

impl Found {
    /// The state to go on from.
    pub fn into_state(self) -> State {
        match self {
            Self::Own(state) | Self::Unclaimed(state) => state,
            Self::Other { .. } | Self::Nothing => State::default(),
        }
    }
}

impl Entry {
    fn is_of(&self, fingerprint: &Fingerprint) -> bool {
        self.fingerprint.as_ref().is_some_and(|id| fingerprint.matches(id, &self.parts))
    }

    /// Whether it is there for more than a checkpoint of a run that was the first.
    fn has_state(&self) -> bool {
        self.checkpoints.is_empty() || self.state != State::default()
    }
}

/// Checkpoints that are kept for one fingerprint at most, the newest first: a backfill that was
/// interrupted outlives the incremental runs of that night.
const MAX_CHECKPOINTS: usize = 8;

impl StateFile {
    /// Reads a file's text.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        if nesting(text.as_bytes()) > MAX_DEPTH {
            return Err(format!("it is nested more than {MAX_DEPTH} levels deep"));
        }
        if !text.trim_start().starts_with('{') {
            // said first: serde speaks of the types in its code
            serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|cause| cause.to_string())?;
            return Err("it is not a JSON object".to_owned());
        }
        let mut state: State = serde_json::from_str(text).map_err(|cause| cause.to_string())?;
        let book: Option<Book> = match state.rest.get(OURS) {
            Some(raw) => {
                let version = serde_json::from_str::<Book>(raw);
                Some(version.map_err(|cause| format!("its member {OURS} is damaged: {cause}"))?)
            }
            None => None,
        };
        state.rest.take(OURS);
        let Some(book) = book else {
            return Ok(Self { top: entry(None, Parts::new(), state, Vec::new()), others: Vec::new() });
        };
        if book.version > VERSION {
            return Err("a later version of the runner has written it".to_owned());
        }
        let top = entry(book.fingerprint, book.parts, state, book.checkpoints);
        Ok(Self { top, others: book.others })
    }

    /// The file's text.
    pub fn text(&self) -> String {
        let mut state = self.top.as_ref().map(|top| top.state.clone()).unwrap_or_default();
        let claim = self.top.as_ref().and_then(|top| Some((top.fingerprint.clone()?, top.parts.clone())));
        if claim.is_some() || !self.others.is_empty() {
            let (fingerprint, parts) = claim.unzip();
            let book = Book {
                version: VERSION,
                fingerprint,
                parts: parts.unwrap_or_default(),
                checkpoints: self.top.as_ref().map(|top| top.checkpoints.clone()).unwrap_or_default(),
                others: self.others.clone(),
            };
            state.rest.set(OURS, &book);
        }
        serde_json::to_string(&state).unwrap_or_default() + "\n"
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.top.is_none() && self.others.is_empty()
    }

    /// How many states are kept beside the one of this fingerprint.
    pub fn beside(&self, fingerprint: Option<&Fingerprint>) -> usize {
        let all = self.top.iter().chain(&self.others);
        let own = fingerprint.map(|fingerprint| all.clone().filter(|entry| entry.is_of(fingerprint)).count());
        let unclaimed = self.top.iter().filter(|top| top.fingerprint.is_none()).count();
        all.count() - own.unwrap_or(usize::from(self.top.is_some())).max(unclaimed)
    }

    /// The state for a fingerprint; without one what is at the top.
    pub fn find(&self, fingerprint: Option<&Fingerprint>) -> Found {
        let Some(fingerprint) = fingerprint else {
            return self.top.as_ref().map_or(Found::Nothing, |top| Found::Own(top.state.clone()));
        };
        let mut all = self.top.iter().chain(&self.others).filter(|entry| entry.has_state());
        if let Some(own) = all.clone().find(|entry| entry.is_of(fingerprint)) {
            return Found::Own(own.state.clone());
        }
        match self.top.as_ref().filter(|top| top.fingerprint.is_none()) {
            Some(top) => Found::Unclaimed(top.state.clone()),
            None => all.next().map_or(Found::Nothing, |other| Found::Other {
                changes: fingerprint.changes(&other.parts),
                state: other.state.clone(),
            }),
        }
    }

    /// Puts a state at the top, for a fingerprint; what was there stays beside it, unless it is this
    /// one's or nobody's. Without a fingerprint the state at the top becomes this one.
    pub fn put(&mut self, fingerprint: Option<&Fingerprint>, state: State) {
        if let (None, Some(top)) = (fingerprint, &mut self.top) {
            top.state = state;
            return;
        }
        self.remove(fingerprint);
        self.others.splice(0..0, self.top.take());
        self.others.truncate(MAX_ENTRIES - 1);
        let (id, parts) = fingerprint.map(|one| (one.id.clone(), one.parts.clone())).unzip();
        self.top =
            Some(Entry { fingerprint: id, parts: parts.unwrap_or_default(), state, checkpoints: Vec::new() });
    }

    /// Moves the state of a fingerprint on, as a run has that came so far: checkpoints of the same
    /// run are over, those of others stay, but for a run that has replaced the tables.
    pub fn advance(&mut self, fingerprint: &Fingerprint, state: State, run: &Checkpoint) {
        let own = self.top.iter_mut().chain(&mut self.others).find(|entry| entry.is_of(fingerprint));
        let mut checkpoints = own.map(|own| std::mem::take(&mut own.checkpoints)).unwrap_or_default();
        checkpoints.retain(|kept| !run.ends(kept));
        self.put(Some(fingerprint), state);
        if let Some(top) = &mut self.top {
            top.checkpoints = checkpoints;
        }
    }

    /// The checkpoint of a run of a fingerprint.
    pub fn checkpoint(&self, fingerprint: &Fingerprint, run: &Checkpoint) -> Option<&Checkpoint> {
        let own = self.top.iter().chain(&self.others).find(|entry| entry.is_of(fingerprint));
        own?.checkpoints.iter().find(|kept| kept.is_of(run))
    }

    /// Keeps a checkpoint beside the state of a fingerprint, which stays where it is. Gives whether
    /// it was another one.
    pub fn keep_checkpoint(&mut self, fingerprint: &Fingerprint, checkpoint: Checkpoint) -> bool {
        let mut all = self.top.iter_mut().chain(&mut self.others);
        if let Some(own) = all.find(|entry| entry.is_of(fingerprint)) {
            if own.checkpoints.contains(&checkpoint) {
                return false;
            }
            own.checkpoints.retain(|kept| !kept.is_of(&checkpoint));
            own.checkpoints.insert(0, checkpoint);
            own.checkpoints.truncate(MAX_CHECKPOINTS);
            return true;
        }
        let (fingerprint, parts) = (Some(fingerprint.id.clone()), fingerprint.parts.clone());
        let checkpoints = vec![checkpoint];
        self.others.insert(0, Entry { fingerprint, parts, checkpoints, ..Entry::default() });
        self.others.truncate(MAX_ENTRIES - 1);
        true
    }

    /// Forgets what is kept of tables of a fingerprint's destination that begin anew: whoever had
    /// loaded them before would leave out what they had. A run that loads all of it again
    /// `keeps_own`. Gives whether there was any.
    pub fn forget_tables(&mut self, fingerprint: &Fingerprint, tables: &[String], keeps_own: bool) -> bool {
        let mut is_less = false;
        for entry in self.top.iter_mut().chain(&mut self.others) {
            let is_own = entry.fingerprint.is_none() || entry.is_of(fingerprint);
            if !is_own && !fingerprint.has_destination_of(&entry.parts) {
                continue;
            }
            let before = entry.checkpoints.len();
            entry.checkpoints.retain(|kept| !kept.state.has_any(tables));
            is_less |= entry.checkpoints.len() < before;
            if entry.state.has_any(tables) && !(is_own && keeps_own) {
                entry.state.forget(tables);
                is_less = true;
            }
        }
        is_less
    }

    /// Forgets the checkpoints that the end of a run of a fingerprint is the end of. Gives whether
    /// there were any.
    pub fn end_checkpoints(&mut self, fingerprint: &Fingerprint, run: &Checkpoint) -> bool {
        let mut all = self.top.iter_mut().chain(&mut self.others);
        let Some(own) = all.find(|entry| entry.is_of(fingerprint)) else { return false };
        let before = own.checkpoints.len();
        own.checkpoints.retain(|kept| !run.ends(kept));
        let is_less = own.checkpoints.len() < before;
        self.others.retain(|entry| !entry.checkpoints.is_empty() || entry.state != State::default());
        is_less
    }

    /// Forgets the state for a fingerprint; without one what is at the top. Gives whether there was
    /// any.
    pub fn remove(&mut self, fingerprint: Option<&Fingerprint>) -> bool {
        let before = self.others.len();
        let is_gone = match fingerprint {
            None => self.top.take().is_some(),
            Some(fingerprint) => {
                self.others.retain(|entry| !entry.is_of(fingerprint));
                self.top.take_if(|top| top.fingerprint.is_none() || top.is_of(fingerprint)).is_some()
            }
        };
        is_gone || self.others.len() < before
    }

    /// Forgets the oldest of the others; gives whether there was one.
    pub fn forget_oldest(&mut self) -> bool {
        self.others.pop().is_some()
    }
}

fn entry(
    fingerprint: Option<String>,
    parts: Parts,
    state: State,
    checkpoints: Vec<Checkpoint>,
) -> Option<Entry> {
    let is_any = fingerprint.is_some() || state != State::default();
    is_any.then_some(Entry { fingerprint, parts, state, checkpoints })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(id: &str) -> Fingerprint {
        Fingerprint {
            id: id.into(),
            parts: Parts::from([("source.config.Path".to_owned(), id.to_owned())]),
            ..Fingerprint::default()
        }
    }

    fn state(text: &str) -> State {
        serde_json::from_str(text).unwrap()
    }

    fn again(file: &StateFile) -> StateFile {
        StateFile::parse(&file.text()).unwrap()
    }

    #[test]
    fn each_fingerprint_has_its_own_and_an_undone_edit_finds_it_again() {
        let (a, b) = (fingerprint("a"), fingerprint("b"));
        let mut file = StateFile::parse("{}").unwrap();
        assert_eq!(file.find(Some(&a)), Found::Nothing);
        file.put(Some(&a), state(r#"{"date":"1","cursor":7012345678901234567.10}"#));
        let Found::Other { changes, state: other } = again(&file).find(Some(&b)) else { panic!("found") };
        assert_eq!(
            (changes, other.date),
            (vec!["source.config.Path is another".to_owned()], Some("1".into()))
        );
        let mut file = again(&file);
        file.put(Some(&b), state(r#"{"date":"2"}"#));
        let mut file = again(&file);
        assert!(file.text().starts_with(r#"{"date":"2","#), "others read the newest: {}", file.text());
        let first = state(r#"{"date":"1","cursor":7012345678901234567.10}"#);
        assert_eq!(file.find(Some(&a)), Found::Own(first.clone()));
        assert_eq!((file.beside(Some(&a)), file.beside(Some(&fingerprint("c")))), (1, 2));
        // whoever changes the date at the top by hand changes the state that is there
        let edited = StateFile::parse(&file.text().replace(r#""date":"2""#, r#""date":"9""#)).unwrap();
        assert_eq!(edited.find(Some(&b)).into_state().date.as_deref(), Some("9"));
        assert!(file.remove(Some(&b)) && !file.remove(Some(&b)));
        let mut file = again(&file);
        assert_eq!(file.find(Some(&a)), Found::Own(first));
        assert!(file.remove(Some(&a)) && file.is_empty() && again(&file).is_empty());
    }

    #[test]
    fn a_checkpoint_is_kept_beside_the_state_until_that_moves() {
        let (a, b) = (fingerprint("a"), fingerprint("b"));
        let reached = Checkpoint {
            run_type: "INCREMENTAL".into(),
            state: state(r#"{"date":"2","tables":{"t":{"date":"2","reachedAt":"3"}}}"#),
            ..Checkpoint::default()
        };
        // of the first run that there was: no state, and what is found says so
        let mut file = StateFile::parse(r#"{"date":"1"}"#).unwrap();
        assert!(file.keep_checkpoint(&b, reached.clone()));
        let mut file = again(&file);
        assert_eq!(file.checkpoint(&b, &reached), Some(&reached));
        assert_eq!(file.find(Some(&b)), Found::Unclaimed(state(r#"{"date":"1"}"#)));
        // beside a state
        file.put(Some(&a), state(r#"{"date":"1"}"#));
        assert!(file.keep_checkpoint(&a, reached.clone()));
        assert!(!file.keep_checkpoint(&a, reached.clone()), "it is there");
        let mut file = again(&file);
        let both =
            |file: &StateFile| [&a, &b].map(|fingerprint| file.checkpoint(fingerprint, &reached).cloned());
        assert_eq!(both(&file), [Some(reached.clone()), Some(reached.clone())]);
        assert_eq!(file.find(Some(&a)), Found::Own(state(r#"{"date":"1"}"#)));
        assert!(file.end_checkpoints(&b, &reached) && !file.end_checkpoints(&b, &reached));
        // each run has its own, and ends its own; a full refresh ends all
        let backfill = Checkpoint { run_type: "MANUAL_BACKFILL".into(), ..reached.clone() };
        file.keep_checkpoint(&a, backfill.clone());
        file.advance(&a, state(r#"{"date":"5"}"#), &reached);
        let mut file = again(&file);
        assert_eq!(both(&file), [None, None]);
        assert_eq!(file.checkpoint(&a, &backfill), Some(&backfill));
        let full = Checkpoint { run_type: "FULL_REFRESH".into(), ..Checkpoint::default() };
        file.advance(&a, state(r#"{"date":"6"}"#), &full);
        assert_eq!(file.checkpoint(&a, &backfill), None);
        assert_eq!(file.beside(Some(&a)), 0);
    }

    #[test]
    fn tables_that_begin_anew_are_forgotten_by_all_who_load_there() {
        let of = |id: &str, folder: &str, table: &str| {
            let parts =
                [("source.name", id), ("storage.Folder", folder), ("storage.DestinationTableName", table)];
            let parts = parts.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            Fingerprint { id: id.into(), parts, ..Fingerprint::default() }
        };
        let (a, b, c) = (of("a", "f", "x"), of("b", "f", "y"), of("c", "other", "x"));
        let both = r#"{"date":"1","tables":{"t":{"date":"1"},"u":{"date":"1"}}}"#;
        let reached = Checkpoint { run_type: "R".into(), state: state(both), ..Checkpoint::default() };
        let mut file = StateFile::default();
        for one in [&a, &b, &c] {
            file.put(Some(one), state(both));
            file.keep_checkpoint(one, reached.clone());
        }
        let tables = ["t".to_owned()];
        let rest = r#"{"tables":{"u":{"date":"1"}}}"#;
        // by a run that loads all of it again, and then by a backfill
        for (keeps_own, own) in [(true, both), (false, rest)] {
            assert!(file.forget_tables(&a, &tables, keeps_own));
            let found = [&a, &b, &c].map(|one| file.find(Some(one)).into_state());
            assert_eq!(found, [state(own), state(rest), state(both)]);
        }
        assert!(!file.forget_tables(&a, &tables, false));
        let kept = [&a, &b, &c].map(|one| file.checkpoint(one, &reached).is_some());
        assert_eq!(kept, [false, false, true]);
        // a date alone says something of every table
        file.put(Some(&a), state(r#"{"date":"1"}"#));
        assert!(file.forget_tables(&a, &tables, false));
        assert_eq!(file.find(Some(&a)), Found::Own(State::default()));
    }

    #[test]
    fn a_file_of_before_counts_for_the_first_that_comes() {
        let (a, b) = (fingerprint("a"), fingerprint("b"));
        let old = r#"{"date":"1","mine":[1]}"#;
        let mut file = StateFile::parse(old).unwrap();
        assert_eq!(file.text().trim(), old);
        assert_eq!(file.find(Some(&a)), Found::Unclaimed(state(old)));
        file.put(Some(&a), state(old));
        let file = again(&file);
        assert!(matches!(file.find(Some(&b)), Found::Other { .. }));
        assert_eq!((file.find(Some(&a)), file.beside(Some(&a))), (Found::Own(state(old)), 0));
    }

    #[test]
    fn no_more_are_kept_than_a_file_holds() {
        let mut file = StateFile::default();
        for id in 0..100 {
            file.put(Some(&fingerprint(&format!("f{id}"))), state(r#"{"date":"1"}"#));
        }
        assert_eq!(file.others.len(), MAX_ENTRIES - 1);
        assert!(matches!(file.find(Some(&fingerprint("f69"))), Found::Own(_)));
        assert!(matches!(file.find(Some(&fingerprint("f0"))), Found::Other { .. }));
    }

    #[test]
    fn what_is_damaged_is_told() {
        let deep = format!("{{\"x\":{}1{}}}", "[".repeat(50_000), "]".repeat(50_000));
        for (text, why) in [
            ("", "EOF"),
            ("{", "EOF"),
            ("[]", "not a JSON object"),
            ("7", "not a JSON object"),
            ("{\"a\":1}{", "trailing"),
            (deep.as_str(), "nested"),
            (r#"{"connectorRunner":5}"#, "damaged"),
            (r#"{"connectorRunner":{"version":2}}"#, "later version"),
        ] {
            let said = StateFile::parse(text).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        assert!(StateFile::parse(r#"{"a":"[[[\"[[","b":null}"#).is_ok());
    }
}
