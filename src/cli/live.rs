//! The line that shows on a terminal how far a run is.

use serde::Deserialize;

use super::look::{Paint, counted, megabytes, minutes};
use super::seen::{Doing, Seen};

/// Of a step before the connector can start, as `onProgress` has it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Step {
    /// `installing`, `waiting` or `verifying`.
    pub phase: String,
    /// The process that is waited for.
    #[serde(default)]
    pub pid: Option<u32>,
}

/// How far the runner is.
#[derive(Debug, Clone, Default)]
pub enum Phase {
    /// Reads the configuration and finds the connectors package.
    #[default]
    Beginning,
    /// Prepares the environment.
    Preparing(Step),
    /// The connector runs.
    Running,
    /// It was asked to stop.
    Stopping,
}

/// The line.
#[derive(Debug, Default)]
pub struct Live {
    /// How far the runner is.
    pub phase: Phase,
    /// The storage, for which the environment is prepared.
    pub storage: String,
    /// Resident memory of the run's processes, bytes; 0 while it is not known.
    pub rss_bytes: u64,
    /// Whether the terminal shows more than ASCII.
    pub unicode: bool,
    /// Its colours.
    pub paint: Paint,
}

/// After this time somebody may want to know what an installation waits for.
const NPM_IS_SLOW_MS: u64 = 20_000;

/// Between two pictures of the spinner, milliseconds.
const TURN_MS: u64 = 200;

impl Live {
    /// The line at a moment, for a terminal of so many columns. It never fills the last one, where
    /// some terminals go on to the next line.
    pub fn line(&self, seen: &Seen, elapsed_ms: u64, columns: usize) -> String {
        let width = columns.saturating_sub(1);
        let spinner = self.spinner(elapsed_ms);
        let mut what = self.what(seen);
        let mut facts = self.facts(seen, elapsed_ms);
        let separator = if self.unicode { " · " } else { ", " };
        let length = |what: &str, facts: &[(u8, String)]| {
            let all: usize =
                facts.iter().map(|(_, fact)| separator.chars().count() + fact.chars().count()).sum();
            2 + what.chars().count() + all
        };
        // what matters least goes first
        while length(&what, &facts) > width
            && let Some(least) = facts.iter().map(|(rank, _)| *rank).max()
        {
            facts.retain(|(rank, _)| *rank != least);
        }
        if length(&what, &facts) > width {
            what = what.chars().take(width.saturating_sub(2)).collect();
        }
        if width < 3 {
            return String::new();
        }
        let mut after = String::new();
        for (_, fact) in facts {
            after.push_str(separator);
            after.push_str(&fact);
        }
        format!("{spinner} {}{}", self.paint.bold(&what), self.paint.dim(&after))
    }

    fn spinner(&self, elapsed_ms: u64) -> char {
        let pictures: &[char] = if self.unicode {
            &['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
        } else {
            &['-', '\\', '|', '/']
        };
        let turn = usize::try_from(elapsed_ms / TURN_MS).unwrap_or_default();
        pictures[turn % pictures.len()]
    }

    fn what(&self, seen: &Seen) -> String {
        match (&self.phase, seen.doing) {
            (Phase::Beginning, _) => "Starting".to_owned(),
            (Phase::Preparing(step), _) => preparing(&self.storage, step),
            (Phase::Stopping, _) => "Stopping".to_owned(),
            (Phase::Running, Doing::Unsaid) => "Running".to_owned(),
            (Phase::Running, Doing::Importing) => "Importing".to_owned(),
            (Phase::Running, Doing::Saving) => "Saving".to_owned(),
            (Phase::Running, Doing::CleaningUp) => "Cleaning up".to_owned(),
            (Phase::Running, Doing::Finishing) => "Finishing".to_owned(),
            (Phase::Running, Doing::Failing) => "Failing".to_owned(),
        }
    }

    /// With a rank: the higher, the less it matters.
    fn facts(&self, seen: &Seen, elapsed_ms: u64) -> Vec<(u8, String)> {
        let mut facts = Vec::new();
        if let Some(rows) = seen.rows() {
            facts.push((1, counted(rows)));
        }
        if let Some(date) = &seen.date {
            facts.push((2, format!("up to {date}")));
        }
        facts.push((0, minutes(elapsed_ms / 1000)));
        if elapsed_ms > NPM_IS_SLOW_MS
            && matches!(&self.phase, Phase::Preparing(step) if step.phase == "installing")
        {
            facts.push((4, "does npm reach its registry?".to_owned()));
        }
        if self.rss_bytes > 0 {
            facts.push((3, megabytes(self.rss_bytes)));
        }
        facts
    }
}

/// What a step is, for a person.
pub fn preparing(storage: &str, step: &Step) -> String {
    let what = match (step.phase.as_str(), step.pid) {
        ("waiting", Some(pid)) => format!("waiting for process {pid}, which installs the same environment"),
        ("waiting", None) => "waiting for another run, which installs the same environment".to_owned(),
        ("verifying", _) => "verifying the environment after a crash".to_owned(),
        _ => format!("installing what the storage {storage} needs with npm, once"),
    };
    format!("Preparing: {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn importing() -> (Live, Seen) {
        let mut seen = Seen::default();
        for line in [
            r#"{"type":"updateCurrentStatus","status":1}"#,
            r#"{"type":"log","message":"7126 rows were fetched"}"#,
            r#"{"type":"updateLastRequstedDate","date":"2026-10-30T00:00:00.000Z"}"#,
        ] {
            seen.take(&serde_json::from_str(line).unwrap());
        }
        let live = Live { phase: Phase::Running, rss_bytes: 143 << 20, unicode: true, ..Live::default() };
        (live, seen)
    }

    #[test]
    fn it_says_phase_rows_dates_time_and_memory() {
        let (live, seen) = importing();
        assert_eq!(
            live.line(&seen, 12_300, 80),
            "⠙ Importing · 7,126 rows · up to 2026-10-30 · 12 s · 143 MB"
        );
        let ascii = Live { unicode: false, ..live };
        assert_eq!(
            ascii.line(&seen, 75_000, 80),
            "/ Importing, 7,126 rows, up to 2026-10-30, 1 min 15 s, 143 MB"
        );
    }

    #[test]
    fn what_matters_least_is_left_out_where_there_is_no_room() {
        let (mut live, seen) = importing();
        assert_eq!(live.line(&seen, 0, 55), "⠋ Importing · 7,126 rows · up to 2026-10-30 · 0 s");
        assert_eq!(live.line(&seen, 0, 40), "⠋ Importing · 7,126 rows · 0 s");
        assert_eq!(live.line(&seen, 0, 20), "⠋ Importing · 0 s");
        assert_eq!(live.line(&seen, 0, 8), "⠋ Impor");
        assert_eq!(live.line(&seen, 0, 0), "");
        live.phase = Phase::Preparing(Step { phase: "waiting".into(), pid: Some(4_000_000) });
        live.storage = "GoogleBigQuery".into();
        for columns in 0..120 {
            assert!(live.line(&seen, 3_600_000, columns).chars().count() <= columns.saturating_sub(1));
        }
    }

    #[test]
    fn each_step_is_said_in_words() {
        for (step, words) in [
            (r#"{"phase":"installing"}"#, "installing what the storage DuckDb needs"),
            (r#"{"phase":"waiting","pid":7,"seconds":3}"#, "waiting for process 7"),
            (r#"{"phase":"waiting","pid":null}"#, "waiting for another run"),
            (r#"{"phase":"verifying"}"#, "verifying"),
        ] {
            let text = preparing("DuckDb", &serde_json::from_str(step).unwrap());
            assert!(text.starts_with("Preparing: ") && text.contains(words), "{text}");
        }
    }
}
