//! Why a run failed, and what to do.

use super::{Block, Ending, Failed, FailedFacts, code_row};
use crate::cli::common::NAME;
use crate::cli::config_file::missing_field;
use crate::cli::exit::exit_code;
use crate::cli::look::{counted, printable, seconds};
use crate::cli::shown;
use crate::output::Table;
use crate::report::UNWRITTEN;

/// Lines of an explanation that are shown.
const LINES_SHOWN: usize = 5;

/// What takes less than this is not worth a row, where it did not come to a process.
const LEAST_TOLD_MS: u64 = 1000;

impl Ending<'_> {
    /// The block of a failed run: what, why, what now, where to read on, and the exit code.
    pub fn failure(&self, failed: &Failed) -> String {
        let code = failed.code.as_deref().unwrap_or("INTERNAL");
        // the first line is the original's
        let title = self.paint.error("Error running connector:");
        let message = printable(&as_typed(&failed.message), false);
        let message = self.facts.wrapped(&message, "Error running connector: ".len(), 2);
        let mut text = format!("{title} {message}\n");
        text.extend(failed.findings.iter().map(|finding| finding.line(self.config, self.paint)));
        let mut block = Block { text, paint: self.paint, facts: self.facts };
        let (why, remedy) = self.why_and_remedy(code, failed);
        if let Some(why) = why {
            block.row("Why", &printable(&why, false));
        }
        if let Some(run) = &failed.result {
            // sentences of 0.11 do not tell what has been saved
            let rows = self.seen.rows().filter(|_| failed.tables().is_empty());
            let rows = rows.map(|rows| format!(", {} so far", counted(rows)));
            block.row("After", &format!("{}{}", seconds(run.duration_ms), rows.unwrap_or_default()));
            if !failed.tables().is_empty() {
                block.row("Tables", &tables(failed.tables()));
            }
            if let Some(file) = &self.state.file {
                let at = self.state.from.as_deref().map(shown::date);
                let kept = at.map(|at| format!("still {at}, in {}", self.facts.short(file)));
                block.row("State", &kept.unwrap_or_else(|| "none yet, and none was written".to_owned()));
                if let Some(reached) = &run.checkpoint {
                    let to = reached.date.as_deref().map(|date| format!("to {}: ", shown::date(date)));
                    let to = to.unwrap_or_default();
                    block.row("Reached", &format!("{to}the same command with --resume goes on there"));
                }
            }
        }
        if let (None, Some(FailedFacts { phase: Some(phase), duration_ms, .. })) =
            (&failed.result, &failed.run)
            && *duration_ms >= LEAST_TOLD_MS
        {
            let doing = match phase.as_str() {
                "queue" => "waiting for its turn",
                "environment" => "preparing",
                _ => "starting the connector",
            };
            block.row("After", &format!("{}, while {doing}", seconds(*duration_ms)));
        }
        let warnings = failed.result.iter().flat_map(|run| &run.warnings);
        for warning in warnings.filter(|warning| warning.contains(UNWRITTEN)) {
            block.row("Report", &printable(warning, false));
        }
        if let Some(remedy) = remedy {
            block.row("Do", &as_typed(&remedy));
        }
        block.row("Code", &code_row(code, exit_code(Some(code), failed.signal.as_deref())));
        block.text
    }

    fn why_and_remedy(&self, code: &str, failed: &Failed) -> (Option<String>, Option<String>) {
        let hint = failed.hint.as_deref().map(str::trim_end).filter(|hint| !hint.trim().is_empty());
        let config = self.config;
        let (why, remedy) = match code {
            _ if !failed.findings.is_empty() => {
                (None, Some(format!("mend these places of {config}, and run the same command again")))
            }
            "CONNECTOR_FAILED" => {
                let words = failed.stderr_tail.as_deref().and_then(last_words);
                let why = words.or_else(|| self.seen.error.clone());
                let remedy = match &why {
                    // most of what is wrong with parameters is found without a run, by line and column
                    Some(why) if why.to_ascii_lowercase().contains("parameter ") => {
                        format!("{NAME} check {config} says where; then run the same command again")
                    }
                    Some(_) => "mend what it says, and run the same command again".to_owned(),
                    None => "look at what the connector printed above".to_owned(),
                };
                (why, Some(remedy))
            }
            "MEMORY_LIMIT" | "STATE_UNAVAILABLE" | "RUN_IN_PROGRESS" => (None, hint.map(ToOwned::to_owned)),
            "TIMEOUT" if failed.is_in("environment") => (
                None,
                Some(format!(
                    "allow more with --timeout-ms, or prepare it first: {NAME} store warm {config}"
                )),
            ),
            "TIMEOUT" => {
                (None, Some("allow more with --timeout-ms, or load a shorter range of dates".into()))
            }
            "STALLED" => {
                (None, Some("find out what it waits for, or allow more with --stall-timeout-ms".into()))
            }
            "ABORT_ERR" => {
                (None, Some("run the same command again: what was not finished is loaded then".into()))
            }
            "INVALID_CONFIG" if missing_field(&failed.message).is_some() => {
                let field = missing_field(&failed.message).unwrap_or_default();
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

/// Tables that are shown; the page and `--json` have all.
const TABLES_SHOWN: usize = 3;

/// What became of each table, a line each: those in which rows are, or may be, come first.
fn tables(tables: &[Table]) -> String {
    let line = |table: &Table| format!("{}: {}", printable(&table.table, false), table.sentence());
    let mut ordered: Vec<_> = tables.iter().collect();
    ordered.sort_by_key(|table| table.committed == Some(false));
    let mut lines: Vec<_> = ordered.iter().take(TABLES_SHOWN).map(|table| line(table)).collect();
    if let Some(rest) = ordered.get(TABLES_SHOWN..).filter(|rest| !rest.is_empty()) {
        let saved = rest.iter().filter(|table| table.committed == Some(true)).count();
        lines.push(format!("{} more, {saved} of them saved", rest.len()));
    }
    lines.join("\n")
}

/// Options of a program, as they are called here, where they can be mistaken for nothing else.
const OPTIONS: [(&str, &str); 11] = [
    ("stallTimeoutMs", "--stall-timeout-ms"),
    ("timeoutMs", "--timeout-ms"),
    ("graceMs", "--grace-ms"),
    ("memoryLimitMb", "--memory-limit-mb"),
    ("option report", "--report"),
    ("option runsDir", "--runs-dir"),
    ("option nodePath (--node)", "--node"),
    ("option storeDir", "--store"),
    ("option lockfile", "--lockfile"),
    ("option allowScripts", "--allow-scripts"),
    ("option allowSpecs", "--allow-specs"),
];

/// A text that names options, for whoever has typed them.
fn as_typed(text: &str) -> String {
    OPTIONS.iter().fold(text.to_owned(), |text, (name, flag)| {
        text.replace(&format!("option {name}"), flag).replace(name, flag)
    })
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
    use super::super::StateFacts;
    use super::super::examples::{ending, run, seen, state};
    use super::*;
    use crate::cli::look::Facts;
    use crate::cli::seen::Seen;

    fn failed(code: &str, hint: Option<&str>, stderr: Option<&str>) -> Failed {
        Failed {
            message: "m".into(),
            code: Some(code.into()),
            hint: hint.map(ToOwned::to_owned),
            stderr_tail: stderr.map(ToOwned::to_owned),
            result: stderr.map(|_| run()),
            run: None,
            signal: None,
            findings: Vec::new(),
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
    fn what_became_of_each_table_is_said_whatever_the_state_is() {
        let (facts, state) = (Facts::default(), state(None, None, false));
        let seen = seen(&[r#"{"summary":{"rows":2,"table":"a"}}"#]);
        let table = |name: &str, committed| Table {
            table: name.into(),
            committed,
            rows: committed.map(|saved| if saved { 2 } else { 0 }),
            read: Some(5),
        };
        let fail = |tables: Vec<Table>| {
            let run = Some(FailedFacts { phase: None, duration_ms: 0, tables });
            ending(&facts, &seen, &state).failure(&Failed { run, ..failed("TIMEOUT", None, Some("")) })
        };
        let text = fail(vec![table("b", Some(false)), table("a", Some(true)), table("c", None)]);
        assert!(
            text.contains(
                "  After    4.2 s\n  \
                 Tables   a: 2 rows saved\n           c: was being saved: look whether its rows are there\n           \
                 b: nothing saved, 5 rows read\n  \
                 State    none yet, and none was written\n"
            ),
            "{text}"
        );
        let text = fail((0..9).map(|number| table(&number.to_string(), Some(number == 8))).collect());
        assert!(
            text.contains("Tables   8: 2 rows saved\n") && text.contains("6 more, 0 of them saved\n"),
            "{text}"
        );
    }

    #[test]
    fn a_run_that_did_not_come_to_a_process_says_what_it_was_doing() {
        let (facts, seen, state) = (Facts::default(), Seen::default(), StateFacts::default());
        let text = |code, phase: &str, duration_ms| {
            let run = Some(FailedFacts { phase: Some(phase.into()), duration_ms, tables: Vec::new() });
            ending(&facts, &seen, &state).failure(&Failed { run, ..failed(code, None, None) })
        };
        assert_eq!(
            text("TIMEOUT", "environment", 5020),
            "Error running connector: m\n  \
             After    5.0 s, while preparing\n  \
             Do       allow more with --timeout-ms, or prepare it first: connector-runner store warm c.json\n  \
             Code     TIMEOUT, exit code 124; see docs/troubleshooting.md\n"
        );
        assert!(
            text("ABORT_ERR", "queue", 61_000).contains("After    1 min 1 s, while waiting for its turn\n")
        );
        assert!(!text("STORAGE_NOT_FOUND", "environment", 200).contains("After"));
    }

    #[test]
    fn options_are_called_what_was_typed() {
        for (text, typed) in [
            ("not finish within 5 ms (timeoutMs) and", "not finish within 5 ms (--timeout-ms) and"),
            ("option stallTimeoutMs must be", "--stall-timeout-ms must be"),
            ("option report: / names no file", "--report: / names no file"),
            ("a report of options", "a report of options"),
        ] {
            assert_eq!(as_typed(text), typed);
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
