//! The page, but for what was printed ([`super::printed`]) and its charts ([`super::curves`]).

use std::time::Duration;

use serde_json::Value;

use super::html::Html;
use super::record::Recording;
use super::settings::{self, Settings};
use super::{Facts, text};
use crate::error::{Code, RunnerError};
use crate::numbers;
use crate::observer::Phase;
use crate::observer::Step;
use crate::run::{Failure, Outcome, Status};
use crate::state::State;

const STYLE: &str = include_str!("style.css");

/// What a browser may load for this page: nothing.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// Writes the report of a run.
pub fn write(facts: &Facts, recording: &Recording, outcome: &Outcome) -> String {
    let mut html = Html::default();
    let page = Page { facts, recording, outcome };
    page.head(&mut html);
    html.raw("<main>\n");
    page.timeline(&mut html);
    page.resources(&mut html);
    page.progress(&mut html);
    page.events(&mut html);
    page.log(&mut html);
    page.isolation(&mut html);
    page.configuration(&mut html);
    html.raw("</main>\n<footer><p>Written by @owox/connector-runner ");
    html.text(env!("CARGO_PKG_VERSION"));
    html.raw(". Secrets are replaced by ***; times in the charts count from the connector\u{2019}s start.</p></footer>\n</body>\n</html>\n");
    html.into_string()
}

/// All that the page is written from.
pub(super) struct Page<'a> {
    pub(super) facts: &'a Facts,
    pub(super) recording: &'a Recording,
    pub(super) outcome: &'a Outcome,
}

/// How the verdict is said and shown.
fn verdict(outcome: &Outcome) -> (&'static str, &'static str, &'static str) {
    let code = match &outcome.failure {
        Some(Failure::Ours(error)) => Some(error.code),
        _ => None,
    };
    let status = match (outcome.report.as_ref().map(|report| report.status), code) {
        // such as a run whose folder could not be removed
        (Some(Status::Success), Some(_)) => Some(Status::Failed),
        (None, Some(Code::Aborted)) => Some(Status::Cancelled),
        (None, Some(Code::Timeout)) => Some(Status::Timeout),
        (status, _) => status,
    };
    match status {
        Some(Status::Success) => ("Succeeded", "\u{2713}", "good"),
        Some(Status::Failed) => ("Failed", "\u{2717}", "bad"),
        Some(Status::Timeout) => ("Took too long", "\u{2717}", "bad"),
        Some(Status::Stalled) => ("Fell silent", "\u{2717}", "bad"),
        Some(Status::Cancelled) => ("Cancelled", "\u{25a0}", "care"),
        Some(Status::MemoryLimit) => ("Out of memory", "\u{2717}", "bad"),
        None => ("Did not start", "\u{2717}", "bad"),
    }
}

impl Page<'_> {
    fn redacted(&self, text: &str) -> String {
        self.facts.secrets.as_ref().map_or_else(|| text.to_owned(), |secrets| secrets.redact(text))
    }

    fn head(&self, html: &mut Html) {
        let Self { facts, recording, outcome } = self;
        let (said, sign, class) = verdict(outcome);
        html.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"");
        html.raw(POLICY)
            .raw("\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        html.raw("<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"robots\" content=\"noindex\">\n<link rel=\"icon\" href=\"data:,\">\n<title>");
        let name = self.redacted(&facts.config_name);
        html.raw(said).raw(": ").text(&name).raw("</title>\n<style>\n").raw(STYLE);
        html.raw("</style>\n</head>\n<body>\n<header>\n<h1><span class=\"").raw(class);
        html.raw("\"><span aria-hidden=\"true\">")
            .raw(sign)
            .raw("</span> ")
            .raw(said)
            .raw("</span> \u{2013} ");
        html.text(&name)
            .raw("</h1>\n<p class=\"quiet\">")
            .text(&facts.source)
            .raw(" \u{2192} ")
            .text(&facts.storage);
        html.raw(", ").text(&text::moment(recording.called)).raw("</p>\n");
        if let Some(Failure::Ours(error)) = &outcome.failure {
            self.failure(html, error);
        }
        self.facts_list(html);
        html.raw("</header>\n");
    }

    fn failure(&self, html: &mut Html, error: &RunnerError) {
        html.raw("<div class=\"verdict ")
            .raw(verdict(self.outcome).2)
            .raw("\"><strong>")
            .text(&self.redacted(&error.message))
            .raw("</strong>");
        if let Some(hint) = error.hint.as_deref().filter(|hint| !hint.trim().is_empty()) {
            html.raw("<pre>").text(self.redacted(hint).trim_end()).raw("</pre>");
        }
        if error.code == Code::ConnectorFailed
            && let Some(words) = self.last_words()
        {
            html.raw("<p>The connector said:</p><pre>").text(words).raw("</pre>");
        }
        let tables = self.outcome.report.as_ref().map(|report| report.tables.as_slice()).unwrap_or_default();
        if !tables.is_empty() {
            html.raw("<p>What became of each table:</p><ul>");
            for table in tables {
                html.raw("<li>").text(&table.table).raw(": ").text(&table.sentence()).raw("</li>");
            }
            html.raw("</ul>");
        }
        html.raw("<p>Code <code>").raw(error.code.as_str()).raw("</code></p></div>\n");
    }

    /// The figures that most look for.
    fn facts_list(&self, html: &mut Html) {
        let Self { recording, outcome, .. } = self;
        let report = outcome.report.as_ref();
        let fact = |html: &mut Html, name: &'static str, value: &str, more: &str| {
            html.raw("<div><dt>").raw(name).raw("</dt><dd>").text(value);
            if !more.is_empty() {
                html.raw("<small>").text(more).raw("</small>");
            }
            html.raw("</dd></div>\n");
        };
        html.raw("<dl class=\"facts\">\n");
        let connector = report.map(|report| Duration::from_millis(report.timings.execution_ms));
        let of_it = connector.map(|time| format!("connector: {}", text::duration(time)));
        fact(html, "Time", &text::duration(recording.elapsed), &of_it.unwrap_or_default());
        let rows = report.and_then(|report| report.rows);
        if let Some(rows) = rows {
            fact(html, "Rows saved", &numbers::count(rows), "");
        }
        let day = |state: &State| match &state.date {
            Some(date) => text::days(date).map_or_else(|| date.clone(), text::date),
            None => format!("of {} tables", state.tables.len()),
        };
        if let Some(state) = report.and_then(|report| report.state.as_ref()) {
            fact(html, "State", &day(state), "where the next run goes on");
        } else if let Some(checkpoint) = report.and_then(|report| report.checkpoint.as_ref()) {
            fact(html, "Reached", &day(checkpoint), "not kept as state");
        }
        if let Some(report) = report {
            #[expect(clippy::cast_precision_loss, reason = "for people")]
            let peak = report.resources.peak_rss_bytes as f64;
            let limit = self.facts.limits.memory_mb.map(|limit| format!("of {limit} MB allowed"));
            fact(html, "Memory, peak", &text::bytes(peak), &limit.unwrap_or_default());
            let cpu = Duration::from_millis(report.resources.cpu_ms);
            fact(html, "CPU time", &text::duration(cpu), "");
            let (ended, how) = match (&report.signal, report.exit_code) {
                (Some(signal), _) => ("Ended by", signal.clone()),
                (None, code) => ("Exit code", code.unwrap_or_default().to_string()),
            };
            fact(html, ended, &how, "");
        }
        let (warnings, errors) = (self.warning_count(), recording.errors.count());
        fact(html, "Warnings", &numbers::count(warnings), "");
        fact(html, "Errors", &numbers::count(errors), "");
        html.raw("</dl>\n");
    }

    fn timeline(&self, html: &mut Html) {
        let recording = self.recording;
        let whole = recording.elapsed.as_secs_f64().max(1e-9);
        section(html, "Time line");
        html.raw("<table class=\"phases\"><thead class=\"quiet\"><tr><th scope=\"col\">Phase</th><th scope=\"col\">When</th><th scope=\"col\" class=\"time\">Time</th></tr></thead>\n<tbody>\n");
        for (index, (phase, from)) in recording.phases.iter().enumerate() {
            let until = recording.phases.get(index + 1).map_or(recording.elapsed, |next| next.1);
            let time = until.saturating_sub(*from);
            if *phase == Phase::Queue && time < Duration::from_millis(1) {
                continue;
            }
            let name = match phase {
                Phase::Queue => "Waiting for its turn",
                Phase::Environment => "Preparing",
                Phase::Spawn => "Starting",
                Phase::Execution => "Running",
                Phase::Cleanup => "Cleaning up",
            };
            html.raw("<tr><th scope=\"row\">").raw(name);
            if *phase == Phase::Environment {
                self.steps(html);
            }
            html.raw(
                "</th><td><svg role=\"img\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\"><title>",
            );
            html.raw(name).raw("</title><desc>From ").text(&text::duration(*from)).raw(" to ");
            html.text(&text::duration(until))
                .raw(" after the call</desc><rect class=\"bed\" width=\"1000\" height=\"10\"/><rect x=\"");
            let start = (from.as_secs_f64() / whole * 1000.0).min(996.0);
            let width = (time.as_secs_f64() / whole * 1000.0).clamp(4.0, 1000.0 - start);
            html.number(start)
                .raw("\" width=\"")
                .number(width)
                .raw("\" height=\"10\"/></svg></td><td class=\"time\">");
            html.text(&text::duration(time)).raw("</td></tr>\n");
        }
        html.raw("</tbody></table>\n");
        let statuses = &recording.statuses;
        if statuses.count() > 0 {
            html.raw("<p class=\"quiet\">The connector reported: ");
            for (index, (at, status)) in statuses.iter().enumerate() {
                html.raw(if index == 0 { "" } else { "; " }).text(&text::status(*status)).raw(" after ");
                html.text(&text::duration(*at));
            }
            left_out(html, statuses.left_out(), "more");
            html.raw(".</p>\n");
        }
        html.raw("</section>\n");
    }

    /// What took time in the environment.
    fn steps(&self, html: &mut Html) {
        if let Some(environment) = self.outcome.report.as_ref().and_then(|report| report.environment.as_ref())
            && environment.cached
        {
            html.raw("<br><small class=\"quiet\">from the store</small>");
        }
        for (step, at) in &self.recording.steps {
            let name = match step {
                Step::Installing => "installing with npm, from ",
                Step::Waiting { .. } => "waiting for another run\u{2019}s installation, from ",
                Step::Verifying => "verifying after a crash, from ",
            };
            html.raw("<br><small class=\"quiet\">").raw(name).text(&text::duration(*at)).raw("</small>");
        }
    }

    /// Whatever layers the result has.
    fn isolation(&self, html: &mut Html) {
        section(html, "Isolation");
        let isolation = self.outcome.report.as_ref().map(|report| &report.isolation);
        let Some(Ok(isolation)) = isolation.map(serde_json::to_value) else {
            html.raw("<p>No process was started, so that nothing had to be enforced.</p></section>\n");
            return;
        };
        let mode = self.member(&isolation, "mode");
        if !mode.is_empty() {
            html.raw("<p>Mode: <code>").text(&mode).raw("</code></p>\n");
        }
        self.layers(html, isolation.get("layers"));
        if let Some(install) = isolation.get("install") {
            html.raw("<h3>npm, which installed for this run</h3>\n");
            self.layers(html, Some(install));
        }
        html.raw("</section>\n");
    }

    fn member(&self, value: &Value, name: &str) -> String {
        match value.get(name) {
            Some(Value::String(text)) => self.redacted(text),
            Some(Value::Null) | None => String::new(),
            Some(other) => self.redacted(&other.to_string()),
        }
    }

    fn layers(&self, html: &mut Html, layers: Option<&Value>) {
        let member = |value: &Value, name: &str| self.member(value, name);
        html.raw("<ul class=\"layers\">\n");
        for layer in layers.and_then(Value::as_array).into_iter().flatten() {
            let name = if layer.get("id").is_some() { member(layer, "id") } else { member(layer, "name") };
            let enforced = member(layer, "enforced");
            let class = match enforced.as_str() {
                "full" => "good",
                "partial" => "care",
                _ if member(layer, "requested") == "off" => "quiet",
                _ => "bad",
            };
            html.raw("<li><strong>").text(&name).raw("</strong> <span class=\"badge ").raw(class).raw("\">");
            html.text(&enforced).raw("</span> <span class=\"quiet\">requested: ");
            html.text(&member(layer, "requested")).raw("</span>");
            for (before, name) in [("<br>", "mechanism"), ("<br><span class=\"quiet\">", "reason")] {
                let text = member(layer, name);
                if !text.is_empty() && text != "none" {
                    html.raw(before).text(&text).raw(if name == "reason" { "</span>" } else { "" });
                }
            }
            html.raw("</li>\n");
        }
        html.raw("</ul>\n");
    }

    fn configuration(&self, html: &mut Html) {
        let Self { facts, outcome, .. } = self;
        let secrets = facts.secrets.as_deref();
        let (source, storage) =
            settings::of_config(&facts.config.0, &facts.marked, &facts.redaction, secrets);
        let run = settings::of_run(&facts.config.1, &facts.marked, &facts.redaction, secrets);
        section(html, "Configuration");
        let heading = |html: &mut Html, what: &'static str, name: &str| {
            html.raw("<h3>").raw(what).text(name).raw("</h3>\n");
        };
        heading(html, "Source ", &facts.source);
        settings_table(html, &source);
        heading(html, "Storage ", &facts.storage);
        settings_table(html, &storage);
        heading(html, "Run", "");
        let limits = &facts.limits;
        let milliseconds = |limit: Option<Duration>| limit.map(text::duration);
        let environment = outcome.report.as_ref().and_then(|report| report.environment.as_ref());
        let more = [
            ("Data mart", Some(self.redacted(&facts.ids.0))),
            ("Run id", Some(self.redacted(&facts.ids.1))),
            ("Connectors package", facts.connectors.as_deref().map(|name| self.redacted(name))),
            ("Environment", environment.map(|environment| environment.key.clone())),
            ("Time limit", milliseconds(limits.timeout)),
            ("Silence limit", milliseconds(limits.stall)),
            ("Time to end by itself", Some(text::duration(limits.grace))),
            ("Memory limit", limits.memory_mb.map(|limit| format!("{limit} MB"))),
        ];
        let mut all = run;
        let named = more.into_iter().filter_map(|(name, value)| Some((name, value?)));
        all.shown.extend(
            named.map(|(name, value)| settings::Setting { path: vec![name.to_owned()], value: Some(value) }),
        );
        settings_table(html, &all);
        html.raw("</section>\n");
    }
}

/// A part of the page; the caller ends it.
pub(super) fn section(html: &mut Html, title: &'static str) {
    html.raw("<section>\n<h2>").raw(title).raw("</h2>\n");
}

fn left_out(html: &mut Html, count: u64, what: &'static str) {
    if count > 0 {
        html.raw(", and ").text(&numbers::count(count)).raw(" ").raw(what);
    }
}

fn settings_table(html: &mut Html, settings: &Settings) {
    if settings.shown.is_empty() {
        html.raw("<p class=\"quiet\">No parameters.</p>\n");
        return;
    }
    html.raw("<table class=\"settings\"><tbody>\n");
    for setting in &settings.shown {
        html.raw("<tr><th scope=\"row\">");
        for (index, name) in setting.path.iter().enumerate() {
            html.raw(if index == 0 { "" } else { " \u{203a} " }).text(name);
        }
        html.raw("</th><td>");
        match &setting.value {
            Some(value) => html.text(value),
            None => html.raw("<span class=\"quiet\">*** (secret)</span>"),
        };
        html.raw("</td></tr>\n");
    }
    html.raw("</tbody></table>\n");
    if settings.left_out > 0 {
        html.raw("<p class=\"more\">").text(&numbers::count(settings.left_out as u64));
        html.raw(" more are left out.</p>\n");
    }
}
