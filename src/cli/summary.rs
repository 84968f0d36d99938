//! The block at the end of a run: how it went, what there is now, what comes next.

use std::fmt::Write as _;

use serde::Deserialize;

use super::common::NAME;
use super::exit::exit_code;
use super::look::{Facts, Paint, counted, grouped, megabytes, printable, seconds};
use super::seen::{Seen, Summary};

/// Warnings that the block repeats.
const WARNINGS_SHOWN: usize = 5;

/// Lines of an explanation that are shown.
const LINES_SHOWN: usize = 5;

/// Of a `RunResult`, what the block tells.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RunFacts {
    /// The whole run, milliseconds.
    pub duration_ms: u64,
    /// The same by phase.
    pub timings: Timings,
    /// Which environment it had.
    pub environment: Option<Environment>,
    /// What it used.
    pub resources: Resources,
    /// Warnings of the connector and of the runner.
    pub warnings: Vec<String>,
    /// What was asked of isolation, and what was enforced.
    pub isolation: Isolation,
}

/// The report of isolation.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Isolation {
    mode: String,
    layers: Vec<Layer>,
}

/// One of its layers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Layer {
    name: String,
    requested: String,
    enforced: String,
}

/// Milliseconds by phase.
#[expect(clippy::struct_field_names, reason = "the names that JavaScript knows")]
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Timings {
    environment_ms: u64,
    spawn_ms: u64,
    execution_ms: u64,
    cleanup_ms: u64,
}

/// Whether the environment was in the store.
#[derive(Debug, Deserialize)]
pub struct Environment {
    cached: bool,
}

/// What it used.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Resources {
    peak_rss_bytes: u64,
}

/// What became of the state.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StateFacts {
    /// Its file; none with `--no-state`.
    pub file: Option<String>,
    /// Its date before.
    pub from: Option<String>,
    /// The date that the connector gave.
    pub to: Option<String>,
    /// Whether that was written.
    pub moved: bool,
}

/// Why a run failed.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Failed {
    /// The error's message.
    pub message: String,
    /// Its code.
    pub code: Option<String>,
    /// More about the cause, or the remedy.
    pub hint: Option<String>,
    /// The end of what the connector wrote to stderr.
    pub stderr_tail: Option<String>,
    /// What is known of the run, if it began.
    pub result: Option<RunFacts>,
    /// The signal by which the command was asked to stop.
    pub signal: Option<String>,
}

/// What both blocks are written from.
#[derive(Debug)]
pub struct Ending<'a> {
    /// Where it is printed.
    pub facts: &'a Facts,
    /// Its colours.
    pub paint: Paint,
    /// Path of the configuration, as it was given.
    pub config: &'a str,
    /// The run's type.
    pub run_type: &'a str,
    /// What the connector said.
    pub seen: &'a Seen,
    /// What became of the state.
    pub state: &'a StateFacts,
}

/// Lines of a name and a value.
struct Block<'a> {
    text: String,
    paint: Paint,
    facts: &'a Facts,
}

/// Where the values of a block begin.
const INDENT: usize = 11;

impl Block<'_> {
    /// A row in lines that fit.
    fn row(&mut self, name: &str, value: &str) {
        let value = self.facts.indented(value, INDENT);
        self.lines(name, &value);
    }

    /// A row that is not broken, since somebody may want to copy it.
    fn lines(&mut self, name: &str, value: &str) {
        let mut name = self.paint.dim(&format!("{name:<8}"));
        for line in value.lines() {
            let _ = writeln!(self.text, "  {name} {line}"); // a String takes everything
            name = " ".repeat(8);
        }
    }
}

/// A state's date, without the time where that is midnight.
fn day(date: &str) -> &str {
    date.strip_suffix("T00:00:00.000Z").unwrap_or(date)
}

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
        for look in self.seen.summaries.iter().filter_map(|summary| summary.look.as_deref()) {
            block.lines("Look", &printable(look, false));
        }
        if self.state.moved && self.run_type == "INCREMENTAL" {
            let date = self.state.to.as_deref().map(day).unwrap_or_default();
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
            (Some(first), Some(last)) => block.row("Dates", &format!("{first} to {last}")),
            _ => {
                if let Some(date) = self.state.to.as_deref() {
                    block.row("Dates", &format!("up to {}", day(date)));
                }
            }
        }
    }

    fn state_after_success(&self) -> String {
        let StateFacts { file, from, to, moved } = self.state;
        let Some(file) = file else { return "neither read nor written (--no-state)".to_owned() };
        let file = self.facts.short(file);
        match (moved, from.as_deref().map(day), to.as_deref().map(day)) {
            (true, Some(from), Some(to)) if from == to => format!("still {to}, in {file}"),
            (true, Some(from), Some(to)) => format!("from {from} to {to}, in {file}"),
            (true, None, Some(to)) => format!("set to {to}, in {file}"),
            (_, _, Some(_)) => "not moved: only INCREMENTAL and FULL_REFRESH runs do that".to_owned(),
            _ => "not moved: the connector gave no date".to_owned(),
        }
    }

    /// The block of a failed run: what, why, what now, where to read on, and the exit code.
    pub fn failure(&self, failed: &Failed) -> String {
        let code = failed.code.as_deref().unwrap_or("INTERNAL");
        // the first line is the original's
        let title = self.paint.error("Error running connector:");
        let message = printable(&failed.message, false);
        let message = self.facts.wrapped(&message, "Error running connector: ".len(), 2);
        let text = format!("{title} {message}\n");
        let mut block = Block { text, paint: self.paint, facts: self.facts };
        let (why, remedy) = self.why_and_remedy(code, failed);
        if let Some(why) = why {
            block.row("Why", &printable(&why, false));
        }
        if let Some(run) = &failed.result {
            let rows = self.seen.rows().map(|rows| format!(", {} so far", counted(rows)));
            block.row("After", &format!("{}{}", seconds(run.duration_ms), rows.unwrap_or_default()));
            if let Some(file) = &self.state.file {
                let at = self.state.from.as_deref().map(day);
                let kept = at.map(|at| format!("still {at}, in {}", self.facts.short(file)));
                block.row("State", &kept.unwrap_or_else(|| "none yet: nothing was written".to_owned()));
            }
        }
        if let Some(remedy) = remedy {
            block.row("Do", &remedy);
        }
        block.row("Code", &code_row(code, exit_code(Some(code), failed.signal.as_deref())));
        block.text
    }

    fn why_and_remedy(&self, code: &str, failed: &Failed) -> (Option<String>, Option<String>) {
        let hint = failed.hint.as_deref().map(str::trim_end).filter(|hint| !hint.trim().is_empty());
        let config = self.config;
        let (why, remedy) = match code {
            "CONNECTOR_FAILED" => {
                let words = failed.stderr_tail.as_deref().and_then(last_words);
                let why = words.or_else(|| self.seen.error.clone());
                let remedy = match why {
                    Some(_) => "mend what it says, and run the same command again",
                    None => "look at what the connector printed above",
                };
                (why, Some(remedy.to_owned()))
            }
            "MEMORY_LIMIT" => (None, hint.map(ToOwned::to_owned)),
            "TIMEOUT" => {
                (None, Some("allow more with --timeout-ms, or load a shorter range of dates".into()))
            }
            "STALLED" => {
                (None, Some("find out what it waits for, or allow more with --stall-timeout-ms".into()))
            }
            "ABORT_ERR" => {
                (None, Some("run the same command again: what was not finished is loaded then".into()))
            }
            "INVALID_CONFIG" if super::missing_field(&failed.message).is_some() => {
                let field = super::missing_field(&failed.message).unwrap_or_default();
                (
                    None,
                    Some(format!(
                        "see \"{field}\" in {config}; all that is wrong says {NAME} check {config}"
                    )),
                )
            }
            "INSTALL_FAILED" => (hint.map(|hint| last_lines(hint, LINES_SHOWN)), None),
            _ => (hint.map(|hint| first_lines(hint, LINES_SHOWN)), None),
        };
        (why, remedy)
    }
}

/// The last row of every failure. The page has a section for each code.
pub fn code_row(code: &str, exit_code: i32) -> String {
    format!("{code}, exit code {exit_code}; see docs/troubleshooting.md")
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

fn first_lines(text: &str, count: usize) -> String {
    text.lines().take(count).collect::<Vec<_>>().join("\n")
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Most characters of an explanation's line.
const WIDTH: usize = 300;

/// What stderr says of the cause: the last line that names an error, and what belongs to it, or
/// else the last line.
fn last_words(stderr: &str) -> Option<String> {
    let is_trace = |line: &str| line.trim_start().starts_with("at ") || line.starts_with("Node.js v");
    let lines: Vec<_> = stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    let names_error = |line: &&str| {
        !is_trace(line)
            && !line.starts_with("Caused by")
            && !line.starts_with(char::is_whitespace)
            && (line.contains("Error: ") || line.starts_with("error: ") || line.ends_with("Error"))
    };
    let words = match lines.iter().rposition(names_error) {
        Some(at) => lines[at..].iter().take_while(|line| !is_trace(line)).take(3).copied().collect(),
        None => vec![*lines.iter().rfind(|line| !is_trace(line))?],
    };
    let short = words.into_iter().map(|line: &str| line.trim_end().chars().take(WIDTH).collect::<String>());
    Some(short.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(lines: &[&str]) -> Seen {
        let mut seen = Seen::default();
        for line in lines {
            seen.take(&serde_json::from_str(line).unwrap());
        }
        seen
    }

    fn run() -> RunFacts {
        serde_json::from_str(
            r#"{"durationMs":4240,"timings":{"environmentMs":2900,"spawnMs":100,"executionMs":1100,"cleanupMs":140},
            "environment":{"key":"k","cached":false},"resources":{"peakRssBytes":157286400},"warnings":["careful"],"isolation":{"mode":"standard","layers":[
            {"name":"files","requested":"preferred","enforced":"full"},{"name":"tcpPorts","requested":"off","enforced":"none"}]}}"#,
        )
        .unwrap()
    }

    fn state(from: Option<&str>, to: Option<&str>, moved: bool) -> StateFacts {
        let text = |text: Option<&str>| text.map(ToOwned::to_owned);
        StateFacts { file: Some("/home/u/s.json".into()), from: text(from), to: text(to), moved }
    }

    fn ending<'a>(facts: &'a Facts, seen: &'a Seen, state: &'a StateFacts) -> Ending<'a> {
        let paint = Paint::default();
        Ending { facts, paint, config: "c.json", run_type: "INCREMENTAL", seen, state }
    }

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
            (StateFacts::default(), "INCREMENTAL", "neither read nor written (--no-state)"),
        ] {
            let ending = Ending { run_type, ..ending(&facts, &seen, &state) };
            assert_eq!(ending.state_after_success(), words);
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

    fn failed(code: &str, hint: Option<&str>, stderr: Option<&str>) -> Failed {
        Failed {
            message: "m".into(),
            code: Some(code.into()),
            hint: hint.map(ToOwned::to_owned),
            stderr_tail: stderr.map(ToOwned::to_owned),
            result: stderr.map(|_| run()),
            signal: None,
        }
    }

    #[test]
    fn a_failure_says_what_why_and_what_to_do_in_ten_lines() {
        let (facts, state) = (Facts::default(), state(Some("2026-10-28T00:00:00.000Z"), None, false));
        let seen = seen(&[r#"{"type":"log","message":"12 rows were fetched"}"#]);
        let stderr = "Error: earlier\n    at a\nnoise\nConnectorError: Path is missing\nand Table too\n    at f (x.js:1:2)\nCaused by: Error: y\n    at g\nNode.js v22\n";
        let text = ending(&facts, &seen, &state).failure(&failed("CONNECTOR_FAILED", None, Some(stderr)));
        assert_eq!(
            text,
            "Error running connector: m\n  \
             Why      ConnectorError: Path is missing\n           and Table too\n  \
             After    4.2 s, 12 rows so far\n  \
             State    still 2026-10-28, in /home/u/s.json\n  \
             Do       mend what it says, and run the same command again\n  \
             Code     CONNECTOR_FAILED, exit code 1; see docs/troubleshooting.md\n"
        );
        let npm = "npm error\n".repeat(40);
        for failed in [
            failed("INSTALL_FAILED", Some(&npm), None),
            failed("INVALID_CONFIG", Some(&npm), None),
            failed("CONNECTOR_FAILED", None, Some(&"Error: \u{1b}[2Jx\n".repeat(100))),
        ] {
            let text = ending(&facts, &seen, &state).failure(&failed);
            assert!(text.lines().count() <= 10 && !text.contains('\u{1b}'), "{text}");
        }
    }

    #[test]
    fn the_cause_is_the_last_error_on_stderr_or_the_last_line() {
        for (stderr, words) in [
            ("", None),
            ("\n  \n", None),
            ("just a line\n", Some("just a line")),
            ("TypeError: x\n    at y\n\nNode.js v22.1.0\n", Some("TypeError: x")),
            ("Error: one\n    at y\nError: two\n    at z\n", Some("Error: two")),
            ("Error: x\n    at y {\n  [cause]: Error: z\n}\n", Some("Error: x")),
            ("    at y\n", None),
        ] {
            assert_eq!(last_words(stderr).as_deref(), words, "{stderr:?}");
        }
    }
}
