//! One run as the command line shows it: for a person, for a program (`--json`), or as it comes.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::common::Printed;
use super::connections::{Asked, connections};
use super::ending::{Ending, Failed, RunFacts, StateFacts};
use super::exit::{exit_code, status_of};
use super::findings::Finding;
use super::live::{Live, Phase, Step, preparing};
use super::look::{Facts, Paint, printable};
use super::run::{Look, RunPlan};
use super::seen::{Said, Seen, Summary};
use super::shown::escaped;
use super::stack::frame;
use crate::error::RunnerError;
use crate::observer::{Batch, BatchKind, StreamKind};
use crate::output::{Message, Table, is_json_objects, messages};
use crate::state::Wanted;

/// Clears the line that the cursor is on.
const CLEAR_LINE: &str = "\r\u{1b}[2K";

/// Texts for the two streams.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Texts {
    /// For stdout.
    pub stdout: String,
    /// For stderr.
    pub stderr: String,
    /// Whether the line that the cursor is on is cleared first.
    #[serde(skip)]
    clears: bool,
}

impl Texts {
    fn stderr(text: String) -> Self {
        Self { stderr: text, ..Self::default() }
    }

    fn stdout(text: String) -> Self {
        Self { stdout: text, ..Self::default() }
    }
}

/// What is known when a run begins.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Beginning {
    /// The run's id.
    pub run_id: String,
    /// The source's name.
    pub source: String,
    /// The storage's name.
    pub storage: String,
    /// The connectors package and its version.
    pub connectors: String,
    /// That it is the reference package, in words.
    pub notice: Option<String>,
    /// The state's file.
    pub state_file: Option<String>,
    /// The state's date.
    pub state_date: Option<String>,
    /// Why there is no state, where one was wanted.
    pub no_state: Option<String>,
    /// What has to be said of the state.
    pub state_notices: Vec<String>,
    /// What is in doubt of the configuration.
    pub findings: Vec<Finding>,
}

/// A run, from the command's start to its end.
#[derive(Debug, Default)]
pub struct Session {
    facts: Facts,
    config: String,
    run_type: String,
    look: Look,
    stdout: Paint,
    stderr: Paint,
    live: Live,
    seen: Seen,
    /// The step that was printed last, where there is no live line.
    printed: String,
    state: StateFacts,
    /// What is asked of it.
    wanted: Wanted,
    /// They were printed at the beginning, and are no warnings at the end.
    notices: Vec<String>,
}

impl Session {
    /// A run that was asked for, on this terminal.
    pub fn new(plan: &RunPlan, facts: Facts) -> Self {
        let paint = |is_terminal| Paint { colours: facts.colours(is_terminal, plan.look.no_color) };
        let (stdout, stderr) = (paint(facts.stdout), paint(facts.stderr));
        Self {
            config: plan.config.clone(),
            run_type: plan.run_type.clone(),
            look: plan.look,
            stdout,
            stderr,
            live: Live { unicode: facts.has_unicode(), paint: stderr, ..Live::default() },
            seen: Seen::default(),
            printed: String::new(),
            state: StateFacts::default(),
            wanted: Wanted {
                config: plan.config.clone(),
                run_type: plan.run_type.clone(),
                named: plan.state.clone(),
                own: plan.own_state,
                waits: plan.wait,
                at: String::new(),
                data: plan.data.clone(),
                resumes: plan.resume,
            },
            notices: Vec::new(),
            facts,
        }
    }

    /// What source and storage have said of a run that was not one.
    pub fn connections(&self, asked: &Asked) -> Printed {
        let mut printed = connections(&self.config, asked, self.stdout);
        printed.stdout = self.facts.fitted(&printed.stdout, self.facts.stdout && asked.answer.is_none());
        printed.shown(self.stdout, self.stderr)
    }

    /// What is written of texts: all that a run prints takes this way, but for what is printed as it
    /// comes.
    #[must_use]
    pub fn shown(&self, texts: &Texts) -> Texts {
        let stdout = match self.look.json {
            true if self.facts.stdout => escaped(&texts.stdout),
            true => texts.stdout.clone(),
            false => printable(&texts.stdout, self.stdout.colours),
        };
        let clear = if texts.clears { CLEAR_LINE } else { "" };
        let stderr = clear.to_owned() + &printable(&texts.stderr, self.stderr.colours);
        Texts { stdout, stderr, clears: false }
    }

    /// Whether there is a line that changes.
    pub fn is_live(&self) -> bool {
        self.facts.can_be_live() && !self.look.quiet
    }

    /// The live line at this moment.
    pub fn line(&self, elapsed_ms: u64, columns: usize) -> String {
        printable(&self.live.line(&self.seen, elapsed_ms, columns), self.stderr.colours).replace('\n', " ")
    }

    /// One line of `--json`. `at` is the time, `fields` a JSON object.
    fn event(kind: &str, at: &str, fields: &Value) -> String {
        let mut event = Map::new();
        event.insert("type".into(), kind.into());
        event.insert("at".into(), at.into());
        event.extend(fields.as_object().cloned().unwrap_or_default());
        format!("{}\n", Value::Object(event))
    }

    /// The configuration was read and the connectors package found.
    pub fn begin(&mut self, beginning: Beginning, at: &str) -> Texts {
        let Beginning { run_id, source, storage, connectors, notice, state_file, state_date, .. } = beginning;
        self.live.storage.clone_from(&storage);
        let mut texts = Texts::default();
        if let Some(notice) = notice.as_ref().filter(|_| !self.look.quiet) {
            // how to name another one is in the help, and in the error of a source that is missing
            let short = notice.split(" (").next().unwrap_or(notice);
            texts.stderr = format!("{}\n", self.stderr.dim(&self.facts.wrapped(short, 0, 0)));
        }
        texts.stderr.extend(beginning.findings.iter().map(|finding| finding.line(&self.config, self.stderr)));
        for notice in &beginning.state_notices {
            let label = self.stderr.warning("warning:");
            let notice = self.facts.wrapped(&printable(notice, false), "warning: ".len(), 2);
            let _ = writeln!(texts.stderr, "{label} {notice}"); // a String takes everything
        }
        self.notices = notice.into_iter().chain(beginning.state_notices).collect();
        if self.look.json {
            let mut fields = json!({
                "runId": run_id, "runType": self.run_type, "config": self.config, "source": source,
                "storage": storage, "connectors": connectors,
                "state": { "file": state_file, "date": state_date },
            });
            if !beginning.findings.is_empty() {
                fields["findings"] = json!(beginning.findings);
            }
            texts.stdout = Self::event("start", at, &fields);
        }
        let none = beginning.no_state;
        self.state = StateFacts { file: state_file, from: state_date, none, ..StateFacts::default() };
        texts
    }

    /// Something takes time before the connector can start; `step` is JSON.
    pub fn step(&mut self, step: &str, at: &str) -> Texts {
        let fields: Value = serde_json::from_str(step).unwrap_or_default();
        let known: Step = serde_json::from_str(step).unwrap_or_default();
        let said = preparing(&self.live.storage, &known);
        self.live.phase = Phase::Preparing(known);
        let mut texts = Texts::default();
        if self.look.json {
            texts.stdout = Self::event("step", at, &fields);
        }
        if !self.look.quiet && !self.is_live() && said != self.printed {
            texts.stderr = format!("{said}\n");
            self.printed = said;
        }
        texts
    }

    /// The connector runs.
    pub fn spawned(&mut self, pid: u32, at: &str) -> Texts {
        self.live.phase = Phase::Running;
        if self.look.json {
            Texts::stdout(Self::event("spawn", at, &json!({ "pid": pid })))
        } else {
            Texts::default()
        }
    }

    /// What its processes use; `usage` is JSON.
    pub fn usage(&mut self, usage: &str, at: &str) -> Texts {
        let fields: Value = serde_json::from_str(usage).unwrap_or_default();
        self.live.rss_bytes = fields["rssBytes"].as_u64().unwrap_or_default();
        if self.look.json { Texts::stdout(Self::event("usage", at, &fields)) } else { Texts::default() }
    }

    /// What the arguments ask of its state.
    pub fn wanted_state(&self, at: String) -> Wanted {
        Wanted { at, ..self.wanted.clone() }
    }

    /// Another run goes on, and this one waits for it.
    pub fn waiting(&self, message: &str) -> Texts {
        let text = format!("Waiting: {message}");
        if self.look.quiet { Texts::default() } else { Texts::stderr(self.facts.wrapped(&text, 0, 2) + "\n") }
    }

    /// A signal came.
    pub fn stopping(&mut self, signal: &str) -> Texts {
        self.live.phase = Phase::Stopping;
        // the terminal has written ^C where the line was
        let text = format!("Stopping ({signal}); once more kills the connector\n");
        Texts { clears: self.is_live(), ..Texts::stderr(text) }
    }

    /// Whole lines of the connector's stdout; `None` where they are to be printed as they are.
    pub fn stdout(&mut self, lines: &str, at: &str) -> Option<Texts> {
        let readable = self.read(lines); // also remembers how far it is
        if self.look.json {
            return Some(Texts::stdout(Self::message_events(StreamKind::Stdout, lines, at)));
        }
        if self.look.quiet {
            return Some(Texts::stderr(readable));
        }
        self.facts.stdout.then(|| Texts::stdout(readable))
    }

    /// Text of the connector's stderr; `None` where it is to be printed as it is.
    pub fn stderr(&mut self, text: &str, at: &str) -> Option<Texts> {
        if self.look.json {
            return Some(Texts::stdout(Self::message_events(StreamKind::Stderr, text, at)));
        }
        let readable = |line: &str| {
            let line = printable(line, self.stderr.colours);
            // where in the code: for those who look for it
            match frame(&line) {
                Some(place) if place.is_empty() => place,
                Some(place) => self.stderr.dim(place.trim_end()) + "\n",
                None => line,
            }
        };
        self.facts.stderr.then(|| Texts::stderr(text.split_inclusive('\n').map(readable).collect()))
    }

    /// Each message as it was printed, byte for byte.
    fn message_events(stream: StreamKind, text: &str, at: &str) -> String {
        let batch = Batch { kind: BatchKind::Text, text: text.to_owned() };
        let Some(array) = messages(stream, &batch) else { return String::new() };
        let all: Vec<&RawValue> = serde_json::from_str(&array).unwrap_or_default();
        let at = Value::from(at);
        let mut events = String::with_capacity(array.len() + all.len() * 64);
        for message in all {
            let message = message.get();
            let _ = writeln!(events, "{{\"type\":\"message\",\"at\":{at},\"message\":{message}}}");
        }
        events
    }

    /// Lines for a person. With `--quiet` only warnings and errors.
    fn read(&mut self, lines: &str) -> String {
        let mut readable = String::new();
        let paint = if self.look.quiet { self.stderr } else { self.stdout };
        for line in lines.split_inclusive('\n') {
            if !is_json_objects(line.as_bytes()) {
                if !self.look.quiet {
                    readable.push_str(&printable(line, paint.colours));
                }
                continue;
            }
            for message in serde_json::Deserializer::from_str(line).into_iter::<Message>() {
                let Ok(message) = message else { break };
                let (label, text) = match self.seen.take(&message) {
                    Said::Log(text) if !self.look.quiet => (String::new(), text),
                    Said::Warning(text) => (paint.warning("warning:") + " ", text),
                    Said::Error(text) => (paint.error("error:") + " ", text),
                    Said::Log(_) | Said::Nothing => continue,
                };
                readable.push_str(&label);
                readable.push_str(printable(&text, paint.colours).trim_end_matches('\n'));
                readable.push('\n');
            }
        }
        readable
    }

    /// The page about the run was written.
    pub fn reported(&self, path: &str) -> Texts {
        Texts::stderr(self.ending().report(path))
    }

    fn ending(&self) -> Ending<'_> {
        Ending {
            facts: &self.facts,
            paint: self.stderr,
            config: &self.config,
            run_type: &self.run_type,
            seen: &self.seen,
            state: &self.state,
        }
    }

    /// The end of a successful run. `result` is JSON of the `RunResult`, `moved` whether the state
    /// was written.
    pub fn succeed(&mut self, result: &str, moved: bool, at: &str) -> Texts {
        let raw: Value = serde_json::from_str(result).unwrap_or_default();
        self.state.to = raw["state"]["date"].as_str().map(ToOwned::to_owned);
        self.state.moved = moved;
        let mut run: RunFacts = serde_json::from_str(result).unwrap_or_default();
        run.warnings.retain(|warning| !self.notices.contains(warning));
        let mut texts = Texts::default();
        if self.look.json {
            let rows = json!(self.seen.rows());
            let tables = self.summaries();
            texts.stdout = self.result_event(("success", 0), &Value::Null, (rows, tables), &raw, at);
        }
        if !self.look.quiet {
            texts.stderr = self.ending().success(&run);
        }
        texts
    }

    /// The end of a failed run; gives the exit code as well. `error` is JSON of the error.
    pub fn fail(&mut self, error: &str, at: &str) -> (Texts, i32) {
        let failed: Failed = serde_json::from_str(error).unwrap_or_default();
        let raw: Value = serde_json::from_str(error).unwrap_or_default();
        let code = exit_code(failed.code.as_deref(), failed.signal.as_deref());
        let mut texts = Texts::stderr(self.ending().failure(&failed));
        if self.look.json {
            let status = status_of(failed.code.as_deref().unwrap_or_default());
            let of = |name: &str| raw.get(name).cloned().unwrap_or_default();
            let mut error = json!({
                "code": of("code"), "message": of("message"), "hint": of("hint"), "stderrTail": of("stderrTail"),
                "run": of("run"),
            });
            if !failed.findings.is_empty() {
                error["findings"] = of("findings");
            }
            let result = of("result");
            let loaded = if failed.tables().is_empty() {
                (json!(self.seen.rows()), self.summaries())
            } else {
                (result["rows"].clone(), self.tables(failed.tables()))
            };
            texts.stdout = self.result_event((status, code), &error, loaded, &result, at);
        }
        (texts, code)
    }

    /// The only line of a run whose arguments are wrong.
    pub fn refused(error: &RunnerError, exit_code: i32, at: &str) -> String {
        let RunnerError { code, message, hint, .. } = error;
        let error = json!({ "code": code.as_str(), "message": message, "hint": hint, "stderrTail": null, "run": null });
        let verdict = (status_of(code.as_str()), exit_code);
        let nothing = (Value::Null, Vec::new());
        Self::default().result_event(verdict, &error, nothing, &Value::Null, at)
    }

    /// What was saved.
    fn summaries(&self) -> Vec<Value> {
        self.seen.summaries.iter().map(|summary| summary_of(Some(summary), &json!({}))).collect()
    }

    /// What became of each table of a run that failed.
    fn tables(&self, tables: &[Table]) -> Vec<Value> {
        let summary = |name: &str| self.seen.summaries.iter().rfind(|one| one.table.as_deref() == Some(name));
        tables.iter().map(|table| summary_of(summary(&table.table), &json!(table))).collect()
    }

    fn result_event(
        &self,
        (status, exit_code): (&str, i32),
        error: &Value,
        (rows, tables): (Value, Vec<Value>),
        run: &Value,
        at: &str,
    ) -> String {
        let StateFacts { file, from, to, moved, .. } = &self.state;
        let fields = json!({
            "status": status,
            "exitCode": exit_code,
            "error": error,
            "rows": rows,
            "tables": tables,
            "state": { "file": file, "from": from, "to": to, "moved": moved },
            "run": run,
        });
        Self::event("result", at, &fields)
    }
}

/// One table as `--json` has it; what is `known` wins.
fn summary_of(summary: Option<&Summary>, known: &Value) -> Value {
    let one = summary.cloned().unwrap_or_default();
    let mut all = json!({
        "table": one.table, "committed": true, "rows": one.rows, "total": one.total,
        "firstDate": one.first_date, "lastDate": one.last_date,
    });
    for (name, value) in known.as_object().into_iter().flatten() {
        all[name] = value.clone();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "2026-01-01T00:00:00.000Z";
    const LINES: &str = concat!(
        "plain\u{1b}[2J text\n",
        "{\"type\":\"log\",\"message\":\"hello\"}{\"type\":\"isInProgress\",\"status\":1}\n",
        "{\"type\":\"addWarningToCurrentStatus\",\"warning\":\"w\"}\n",
        "{\"type\":\"somethingNew\",\"x\":1.10}\n",
        "no end"
    );

    fn session(terminal: bool, change: impl FnOnce(&mut Look)) -> Session {
        let mut plan =
            RunPlan { config: "c.json".into(), run_type: "INCREMENTAL".into(), ..RunPlan::default() };
        change(&mut plan.look);
        let facts = Facts { stdout: terminal, stderr: terminal, ..Facts::default() };
        Session::new(&plan, facts)
    }

    #[test]
    fn a_terminal_gets_what_a_person_reads_and_a_pipe_what_was_printed() {
        let shown = session(true, |look| look.no_color = true).stdout(LINES, AT).unwrap();
        assert_eq!(shown, Texts::stdout("plain text\nhello\nwarning: w\nno end".into()));
        assert_eq!(session(false, |_| {}).stdout(LINES, AT), None);
        let error = "{\"type\":\"error\",\"error\":\"e\"}\n";
        let painted = session(true, |_| {}).stdout(error, AT).unwrap().stdout;
        assert_eq!(painted, "\u{1b}[1;31merror:\u{1b}[0m e\n");
        assert_eq!(session(false, |_| {}).stderr("x", AT), None);
        assert_eq!(session(true, |_| {}).stderr("\u{1b}[2Jx", AT).unwrap().stderr, "x");
    }

    #[test]
    fn quiet_leaves_warnings_and_errors() {
        for terminal in [true, false] {
            let mut quiet = session(terminal, |look| (look.quiet, look.no_color) = (true, true));
            assert_eq!(quiet.stdout(LINES, AT), Some(Texts::stderr("warning: w\n".into())));
            let notice = Beginning { notice: Some("n".into()), ..Beginning::default() };
            assert_eq!(quiet.begin(notice, AT), Texts::default());
            assert_eq!(quiet.step("{\"phase\":\"installing\"}", AT), Texts::default());
            assert!(!quiet.is_live());
            assert_eq!(quiet.succeed("{}", false, AT), Texts::default());
            assert!(quiet.fail("{\"message\":\"m\"}", AT).0.stderr.contains("m\n"));
        }
    }

    #[test]
    fn json_is_one_object_a_line_and_keeps_messages_byte_for_byte() {
        let mut json = session(false, |look| look.json = true);
        let lines = json.stdout(LINES, AT).unwrap().stdout;
        let all: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of_type = |kind| all.iter().filter(|event| event["message"]["type"] == kind).count();
        assert_eq!((all.len(), of_type("text"), of_type("log"), of_type("somethingNew")), (6, 2, 1, 1));
        assert!(lines.contains("\"message\":{\"type\":\"somethingNew\",\"x\":1.10}}\n"), "{lines}");
        let error = json.stderr("oh\n", AT).unwrap();
        assert_eq!(
            error.stdout,
            format!(
                "{{\"type\":\"message\",\"at\":\"{AT}\",\"message\":{{\"type\":\"text\",\"stream\":\"stderr\",\"text\":\"oh\"}}}}\n"
            )
        );
        assert_eq!(error.stderr, "");
    }

    #[test]
    fn the_last_event_says_how_it_went() {
        let mut json = session(false, |look| look.json = true);
        let beginning =
            Beginning { state_file: Some("s".into()), state_date: Some("d".into()), ..Beginning::default() };
        json.begin(beginning, AT);
        let text = json.succeed("{\"status\":\"success\",\"state\":{\"date\":\"e\"}}", true, AT).stdout;
        let event: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&event["type"], &event["at"], &event["status"]),
            (&json!("result"), &json!(AT), &json!("success"))
        );
        assert_eq!(event["state"], json!({ "file": "s", "from": "d", "to": "e", "moved": true }));
        let (texts, code) = json.fail("{\"message\":\"m\",\"code\":\"TIMEOUT\",\"result\":{\"pid\":1}}", AT);
        let event: Value = serde_json::from_str(&texts.stdout).unwrap();
        assert_eq!((code, &event["exitCode"], &event["status"]), (124, &json!(124), &json!("timeout")));
        assert_eq!(event["error"]["message"], "m");
        assert_eq!(event["run"], json!({ "pid": 1 }));
    }

    #[test]
    fn a_step_is_printed_once_where_there_is_no_live_line() {
        let mut plain = session(false, |_| {});
        let first = plain.step("{\"phase\":\"waiting\",\"pid\":7,\"seconds\":1}", AT);
        assert!(first.stderr.contains("process 7"), "{first:?}");
        assert_eq!(plain.step("{\"phase\":\"waiting\",\"pid\":7,\"seconds\":2}", AT), Texts::default());
        assert_eq!(session(true, |_| {}).step("{\"phase\":\"installing\"}", AT), Texts::default());
    }

    #[test]
    fn nothing_that_is_shown_acts_upon_a_terminal() {
        let evil = "2026-01-02\u{1b}]52;c;cm0=\u{7}\u{1b}[2J\u{202e}\u{9b}2J";
        let mut session = session(true, |_| {});
        let summary = json!({ "summary": { "rows": 1, "table": evil, "firstDate": evil, "lastDate": evil } });
        session.stdout(&format!("{summary}\n"), AT);
        let beginning = Beginning { state_date: Some(evil.into()), ..Beginning::default() };
        let finding = Finding {
            severity: crate::cli::findings::Severity::Warning,
            path: evil.into(),
            message: evil.into(),
            line: 1,
            column: 1,
            is_doubt: false,
        };
        let begun = session.begin(Beginning { findings: vec![finding], ..beginning }, AT);
        let result =
            json!({ "status": "success", "state": { "date": evil }, "warnings": [evil] }).to_string();
        let ended = session.succeed(&result, true, AT);
        let failed = session.fail(&json!({ "message": evil, "code": evil, "hint": evil }).to_string(), AT).0;
        for texts in [begun, ended, failed, session.reported(evil), session.waiting(evil)] {
            let shown = session.shown(&texts).stderr;
            let controls: String = shown.chars().filter(|c| crate::cli::shown::is_control(*c)).collect();
            assert_eq!(controls.replace('\u{1b}', ""), "", "{shown:?}");
            assert!(!shown.contains("\u{1b}]") && !shown.contains("\u{1b}[2J"), "{shown:?}");
        }
        let mut session = super::tests::session(true, |look| look.json = true);
        let line = session.stdout("{\"type\":\"log\",\"message\":\"\u{202e}\u{9b}2J\"}\n", AT).unwrap();
        assert!(session.shown(&line).stdout.contains("\"message\":\"\\u202e\\u009b2J\""), "{line:?}");
    }
}
