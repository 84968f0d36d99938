//! The block at the end of a run: of a successful one how it went, what there is now and what comes
//! next; of a failed one why, and what to do.

mod failure;
mod success;

use std::fmt::Write as _;

use serde::Deserialize;

use super::findings::Finding;
use super::look::{Facts, Paint};
use super::seen::Seen;
use crate::output::Table;

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
    /// How far it came.
    pub checkpoint: Option<Reached>,
}

/// How far a run came.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Reached {
    /// The earliest of its tables' dates.
    pub date: Option<String>,
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
    /// Why there is no file, where one was wanted.
    pub none: Option<String>,
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
    /// What is known of the run, if its process was started.
    pub result: Option<RunFacts>,
    /// What is known of it otherwise, if it was called for.
    pub run: Option<FailedFacts>,
    /// The signal by which the command was asked to stop.
    pub signal: Option<String>,
    /// What is wrong with the configuration, where that is why nothing was started.
    pub findings: Vec<Finding>,
}

/// Of a `FailedRun`, what the block tells.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FailedFacts {
    phase: Option<String>,
    duration_ms: u64,
    tables: Vec<Table>,
}

impl Failed {
    /// What became of each table.
    pub fn tables(&self) -> &[Table] {
        self.run.as_ref().map(|run| run.tables.as_slice()).unwrap_or_default()
    }

    /// Whether it failed in this phase, without a process.
    fn is_in(&self, phase: &str) -> bool {
        self.result.is_none() && self.run.as_ref().is_some_and(|run| run.phase.as_deref() == Some(phase))
    }
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

impl Ending<'_> {
    /// The row below either block, where there is a page about the run.
    pub fn report(&self, path: &str) -> String {
        let mut block = Block { text: String::new(), paint: self.paint, facts: self.facts };
        block.lines("Report", path);
        block.text
    }
}

/// The last row of every failure. The page has a section for each code.
pub fn code_row(code: &str, exit_code: i32) -> String {
    format!("{code}, exit code {exit_code}; see docs/troubleshooting.md")
}

/// What the tests of both blocks begin with.
#[cfg(test)]
mod examples {
    use super::*;

    pub fn seen(lines: &[&str]) -> Seen {
        let mut seen = Seen::default();
        for line in lines {
            seen.take(&serde_json::from_str(line).unwrap());
        }
        seen
    }

    pub fn run() -> RunFacts {
        serde_json::from_str(
            r#"{"durationMs":4240,"timings":{"environmentMs":2900,"spawnMs":100,"executionMs":1100,"cleanupMs":140},
            "environment":{"key":"k","cached":false},"resources":{"peakRssBytes":157286400},"warnings":["careful"],"isolation":{"mode":"standard","layers":[
            {"name":"files","requested":"preferred","enforced":"full"},{"name":"tcpPorts","requested":"off","enforced":"none"}]}}"#,
        )
        .unwrap()
    }

    pub fn state(from: Option<&str>, to: Option<&str>, moved: bool) -> StateFacts {
        let text = |text: Option<&str>| text.map(ToOwned::to_owned);
        StateFacts { file: Some("/home/u/s.json".into()), from: text(from), to: text(to), moved, none: None }
    }

    pub fn ending<'a>(facts: &'a Facts, seen: &'a Seen, state: &'a StateFacts) -> Ending<'a> {
        let paint = Paint::default();
        Ending { facts, paint, config: "c.json", run_type: "INCREMENTAL", seen, state }
    }
}
