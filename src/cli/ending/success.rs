//! How a run went, what there is now, what comes next.

use std::fmt::Write as _;

use super::{Block, Ending, Isolation, RunFacts, StateFacts, Timings};
use crate::cli::common::NAME;
use crate::cli::look::{grouped, megabytes, printable, seconds};
use crate::cli::seen::Summary;
use crate::cli::shown;
use crate::state::MOVES_STATE;

/// Warnings that the block repeats.
const WARNINGS_SHOWN: usize = 5;

impl Ending<'_> {
    /// The block of a successful run.
    pub fn success(&self, run: &RunFacts) -> String {
        let title = self.paint.good(&format!("Done in {}", seconds(run.duration_ms)));
        let mut block = Block { text: title + "\n", paint: self.paint, facts: self.facts };
        self.tables(&mut block);
        block.row("Time", &time(run));
        if run.resources.peak_rss_bytes > 0 {
            block.row("Memory", &format!("{} at most", megabytes(run.resources.peak_rss_bytes)));
        }
        if !run.isolation.mode.is_empty() {
            block.row("Isolated", &isolated(&run.isolation));
        }
        block.row("State", &self.state_after_success());
        if let Some(based) = self.based_on() {
            block.row("", &based);
        }
        for look in self.seen.summaries.iter().filter_map(|summary| summary.look.as_deref()) {
            block.lines("Look", &printable(look, false));
        }
        if self.state.moved && self.run_type == "INCREMENTAL" {
            let date = self.state.to.as_deref().map(shown::date).unwrap_or_default();
            block.row("Next", &format!("the same command goes on from {date}"));
        }
        for warning in run.warnings.iter().take(WARNINGS_SHOWN) {
            let warning = printable(warning, false);
            let _ = writeln!(block.text, "  {} {warning}", self.paint.warning("warning:"));
        }
        if run.warnings.len() > WARNINGS_SHOWN {
            let more = run.warnings.len() - WARNINGS_SHOWN;
            let _ = writeln!(block.text, "  {} {more} more, see above", self.paint.warning("warning:"));
        }
        block.text
    }

    fn tables(&self, block: &mut Block) {
        let saved = |summary: &Summary| {
            let total = summary.total.map(|total| format!(", {} in the table now", grouped(total)));
            format!("{} saved{}", grouped(summary.rows.unwrap_or_default()), total.unwrap_or_default())
        };
        match &self.seen.summaries[..] {
            [] => {
                if let Some(rows) = self.seen.rows() {
                    block.row("Rows", &format!("{}, as the connector says", grouped(rows)));
                }
            }
            [one] => {
                if one.rows.is_some() {
                    block.row("Rows", &saved(one));
                }
                if let Some(table) = &one.table {
                    block.row("Table", &printable(table, false));
                }
            }
            several => {
                let rows = grouped(self.seen.rows().unwrap_or_default());
                block.row("Rows", &format!("{rows} saved in {} tables", several.len()));
                let lines = several.iter().map(|one| {
                    let table = printable(one.table.as_deref().unwrap_or("?"), false);
                    format!("{table}: {}", saved(one))
                });
                block.row("Tables", &lines.collect::<Vec<_>>().join("\n"));
            }
        }
        let all = || self.seen.summaries.iter();
        if let Some(location) = all().find_map(|summary| summary.location.as_deref()) {
            block.row("In", &printable(&self.facts.short(location), false));
        }
        let first = all().filter_map(|summary| summary.first_date.as_deref()).min();
        let last = all().filter_map(|summary| summary.last_date.as_deref()).max();
        match (first, last) {
            (Some(first), Some(last)) => {
                block.row("Dates", &format!("{} to {}", shown::date(first), shown::date(last)));
            }
            _ => {
                // of a run that does not move the state, what it said
                if let Some(date) = self.state.to.as_deref().or(self.seen.date.as_deref()) {
                    block.row("Dates", &format!("up to {}", shown::date(date)));
                }
            }
        }
    }

    /// What the run was based on, where nobody could ask whether the table is still there: connectors
    /// of 0.11 say nothing of their tables.
    fn based_on(&self) -> Option<String> {
        let summaries = &self.seen.summaries;
        let is_asked = !summaries.is_empty() && summaries.iter().all(|summary| !summary.is_unchecked);
        if is_asked || self.run_type != "INCREMENTAL" || self.state.file.is_none() {
            return None;
        }
        let from = self.state.from.as_deref().map(shown::date)?;
        let config = self.config;
        Some(format!(
            "this run began at {from} because the state said so; whether the table still has what came before was not \
             asked. If it was emptied or deleted: {NAME} state clear {config}, and run again"
        ))
    }

    fn state_after_success(&self) -> String {
        let StateFacts { file, from, to, moved, none } = self.state;
        let Some(file) = file else {
            let none = none.as_ref().map(|why| format!("none: {why}"));
            return none.unwrap_or_else(|| "neither read nor written (--no-state)".to_owned());
        };
        if !moved && !MOVES_STATE.contains(&self.run_type) {
            return "not moved: only INCREMENTAL and FULL_REFRESH runs do that".to_owned();
        }
        let file = self.facts.short(file);
        match (moved, from.as_deref().map(shown::date), to.as_deref().map(shown::date)) {
            (true, Some(from), Some(to)) if from == to => format!("still {to}, in {file}"),
            (true, Some(from), Some(to)) => format!("from {from} to {to}, in {file}"),
            (true, None, Some(to)) => format!("set to {to}, in {file}"),
            (false, _, Some(_)) => "not moved: it was changed while this run went on".to_owned(),
            _ => "not moved: the connector gave no date".to_owned(),
        }
    }
}

fn time(run: &RunFacts) -> String {
    let Timings { environment_ms, spawn_ms, execution_ms, cleanup_ms } = &run.timings;
    let cached = run.environment.as_ref().is_some_and(|environment| environment.cached);
    let mut text = format!(
        "{} preparing{}, {} connector",
        seconds(environment_ms + spawn_ms),
        if cached { " (from the store)" } else { "" },
        seconds(*execution_ms)
    );
    if *cleanup_ms >= 100 {
        let _ = write!(text, ", {} clean-up", seconds(*cleanup_ms));
    }
    text
}

/// The mode, and what this machine could not enforce of it.
fn isolated(isolation: &Isolation) -> String {
    let weak = isolation.layers.iter().filter(|layer| layer.requested != "off" && layer.enforced != "full");
    let weak: Vec<_> = weak.map(|layer| format!("{} {}", layer.name, layer.enforced)).collect();
    match &weak[..] {
        [] => isolation.mode.clone(),
        weak => format!("{}, but {}", isolation.mode, weak.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::{ending, run, seen, state};
    use super::*;
    use crate::cli::look::Facts;
    use crate::cli::seen::Seen;

    #[test]
    fn the_end_tells_what_a_person_wants_to_know() {
        let seen = seen(&[
            r#"{"type":"log","message":"m","summary":{"rows":7126,"total":7126,"table":"t","location":"/f.duckdb","firstDate":"1999-01-04","lastDate":"2026-10-30","look":"duckdb /f.duckdb"}}"#,
        ]);
        let facts = Facts::default();
        let state = state(Some("2026-10-28T00:00:00.000Z"), Some("2026-10-30T00:00:00.000Z"), true);
        assert_eq!(
            ending(&facts, &seen, &state).success(&run()),
            "Done in 4.2 s\n  \
             Rows     7,126 saved, 7,126 in the table now\n  \
             Table    t\n  \
             In       /f.duckdb\n  \
             Dates    1999-01-04 to 2026-10-30\n  \
             Time     3.0 s preparing, 1.1 s connector, 0.1 s clean-up\n  \
             Memory   150 MB at most\n  \
             Isolated standard\n  \
             State    from 2026-10-28 to 2026-10-30, in /home/u/s.json\n  \
             Look     duckdb /f.duckdb\n  \
             Next     the same command goes on from 2026-10-30\n  \
             warning: careful\n"
        );
    }

    #[test]
    fn what_could_not_be_enforced_is_named() {
        let isolation = serde_json::from_str(
            r#"{"mode":"strict","layers":[{"name":"files","requested":"preferred","enforced":"none"},
            {"name":"processes","requested":"required","enforced":"full"}]}"#,
        );
        assert_eq!(isolated(&isolation.unwrap()), "strict, but files none");
    }

    #[test]
    fn several_tables_are_added_up() {
        let seen = seen(&[
            r#"{"summary":{"rows":1000,"table":"a","firstDate":"2026-01-02","lastDate":"2026-01-03"}}"#,
            r#"{"summary":{"rows":2,"total":5,"table":"b","firstDate":"2026-01-01","lastDate":"2026-01-02"}}"#,
        ]);
        let (facts, state) = (Facts::default(), state(None, None, false));
        let text = ending(&facts, &seen, &state).success(&run());
        for line in [
            "  Rows     1,002 saved in 2 tables",
            "  Tables   a: 1,000 saved",
            "           b: 2 saved, 5 in the table now",
            "  Dates    2026-01-01 to 2026-01-03",
        ] {
            assert!(text.lines().any(|printed| printed == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn what_became_of_the_state_is_said_in_each_case() {
        let (facts, seen) = (Facts::default(), Seen::default());
        let day = Some("2026-01-02T00:00:00.000Z");
        for (state, run_type, words) in [
            (state(None, day, true), "INCREMENTAL", "set to 2026-01-02, in /home/u/s.json"),
            (state(day, day, true), "INCREMENTAL", "still 2026-01-02, in /home/u/s.json"),
            (
                state(day, day, false),
                "MANUAL_BACKFILL",
                "not moved: only INCREMENTAL and FULL_REFRESH runs do that",
            ),
            (state(day, None, false), "INCREMENTAL", "not moved: the connector gave no date"),
            (state(day, day, false), "INCREMENTAL", "not moved: it was changed while this run went on"),
            (
                StateFacts { none: Some("no home".into()), ..StateFacts::default() },
                "INCREMENTAL",
                "none: no home",
            ),
            (state(day, None, false), "CUSTOM", "not moved: only INCREMENTAL and FULL_REFRESH runs do that"),
            (StateFacts::default(), "INCREMENTAL", "neither read nor written (--no-state)"),
        ] {
            let ending = Ending { run_type, ..ending(&facts, &seen, &state) };
            assert_eq!(ending.state_after_success(), words);
        }
    }

    #[test]
    fn what_nobody_asked_is_said() {
        let facts = Facts::default();
        let day = Some("2026-01-02T00:00:00.000Z");
        let text = |seen: &Seen, state: &StateFacts, run_type| {
            Ending { run_type, ..ending(&facts, seen, state) }.based_on().unwrap_or_default()
        };
        let told = text(&Seen::default(), &state(day, day, true), "INCREMENTAL");
        assert!(told.contains("began at 2026-01-02") && told.contains("state clear c.json"), "{told}");
        let asked = seen(&[r#"{"summary":{"rows":1,"table":"a"}}"#]);
        let unasked = seen(&[
            r#"{"summary":{"rows":1,"table":"a"}}"#,
            r#"{"summary":{"table":"b","isUnchecked":true}}"#,
        ]);
        assert_eq!(text(&asked, &state(day, day, true), "INCREMENTAL"), "");
        assert_ne!(text(&unasked, &state(day, day, true), "INCREMENTAL"), "");
        for (from, run_type) in [(None, "INCREMENTAL"), (day, "FULL_REFRESH")] {
            assert_eq!(text(&Seen::default(), &state(from, day, true), run_type), "");
        }
    }

    #[test]
    fn many_warnings_are_not_repeated() {
        let (facts, seen, state) = (Facts::default(), Seen::default(), StateFacts::default());
        let run = RunFacts { warnings: vec!["w".into(); 8], ..run() };
        let text = ending(&facts, &seen, &state).success(&run);
        assert_eq!(text.matches("warning: w\n").count(), 5);
        assert!(text.ends_with("warning: 3 more, see above\n"), "{text}");
    }
}
