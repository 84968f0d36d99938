//! What the connector printed, as the page shows it: warnings, errors, last words, and the log to
//! which they link.

use super::bounded::Ends;
use super::html::Html;
use super::page::{Page, section};
use super::record::{Entry, Kind, Recording};
use super::text;
use crate::numbers;
use crate::observer::StreamKind;
use crate::run::Outcome;

impl Page<'_> {
    /// What a connector that failed said last of why: the line of an uncaught error, else its last
    /// message of an error, else its last line on stderr.
    pub(super) fn last_words(&self) -> Option<&str> {
        let lines = || self.outcome.stderr_tail_text().lines().rev().filter(|line| !line.trim().is_empty());
        let names_error = |line: &&str| {
            let name = line.split([':', ' ']).next().unwrap_or_default();
            line.contains(": ") && (name.ends_with("Error") || name.ends_with("Exception"))
        };
        let message = || {
            let errors: Vec<_> = self.recording.errors.tail().collect();
            errors
                .into_iter()
                .rev()
                .find(|entry| !entry.text.starts_with("status: "))
                .map(|entry| entry.text.as_str())
        };
        lines().find(names_error).or_else(message).or_else(|| lines().next())
    }

    /// Warnings of the runner about itself: those of the result that the connector has not printed.
    fn own_warnings(&self) -> Vec<&str> {
        let printed = self.recording.warnings.count();
        let all = self.outcome.report.as_ref().map(|report| report.warnings.as_slice()).unwrap_or_default();
        // the connector's come first, as many as there were or are kept
        let kept = usize::try_from(printed).unwrap_or(usize::MAX).min(crate::output::MAX_WARNINGS);
        let overflow = usize::from(printed > crate::output::MAX_WARNINGS as u64);
        all.iter().skip(kept + overflow).map(String::as_str).collect()
    }

    pub(super) fn warning_count(&self) -> u64 {
        self.recording.warnings.count() + self.own_warnings().len() as u64
    }

    pub(super) fn events(&self, html: &mut Html) {
        section(html, "Warnings and errors");
        let own = self.own_warnings();
        let Recording { errors, warnings, .. } = self.recording;
        if own.is_empty()
            && errors.count() == 0
            && warnings.count() == 0
            && self.outcome.stderr_tail_text().is_empty()
        {
            html.raw("<p>None.</p></section>\n");
            return;
        }
        if errors.count() > 0 {
            html.raw("<h3 class=\"bad\">Errors of the connector</h3>\n");
            self.event_list(html, errors);
        }
        if warnings.count() > 0 {
            html.raw("<h3 class=\"care\">Warnings of the connector</h3>\n");
            self.event_list(html, warnings);
        }
        if !own.is_empty() {
            html.raw("<h3 class=\"care\">Warnings of the runner</h3>\n<ul class=\"events\">\n");
            for warning in own {
                html.raw("<li><span class=\"text\">").text(warning).raw("</span></li>\n");
            }
            html.raw("</ul>\n");
        }
        let tail = self.outcome.stderr_tail_text();
        if !tail.is_empty() {
            html.raw("<h3>The end of stderr</h3>\n<pre class=\"tail\">").text(tail).raw("</pre>\n");
        }
        html.raw("</section>\n");
    }

    fn event_list(&self, html: &mut Html, entries: &Ends<Entry>) {
        if entries.left_out() > 0 {
            html.raw("<p class=\"more\">").text(&numbers::count(entries.left_out()));
            html.raw(" earlier ones are left out; these are the last ")
                .integer(entries.tail().count() as u64);
            html.raw(".</p>\n");
        }
        html.raw("<ul class=\"events\">\n");
        for entry in entries.iter() {
            html.raw("<li><span class=\"place\">");
            let is_shown = self.recording.log.iter().any(|line| line.place == entry.place);
            if is_shown {
                html.raw("<a href=\"#");
                line_id(html, entry);
                html.raw("\">");
            }
            place(html, entry);
            html.raw(if is_shown { "</a>" } else { "" }).raw(", after ");
            html.text(&text::duration(entry.place.at)).raw("</span><span class=\"text\">");
            entry_text(html, entry);
            html.raw("</span></li>\n");
        }
        html.raw("</ul>\n");
    }

    pub(super) fn log(&self, html: &mut Html) {
        let Recording { log, lines, .. } = self.recording;
        section(html, "Log");
        html.raw("<p class=\"quiet\">").text(&numbers::counted(lines.0, "line")).raw(" on stdout, ");
        html.text(&numbers::count(lines.1)).raw(" on stderr; times count from the call.</p>\n");
        if log.count() == 0 {
            html.raw(if self.facts.is_read {
                "<p>Nothing was printed.</p>\n"
            } else {
                "<p>Output that goes straight to a descriptor of the host\u{2019}s is not seen.</p>\n"
            });
        } else {
            let mut seen = None;
            html.raw("<ol class=\"log\">\n");
            log.head().iter().for_each(|entry| log_line(html, entry, &mut seen));
            if log.left_out() > 0 {
                html.raw("<li class=\"more\">");
                html.text(&numbers::count(log.left_out())).raw(" lines are left out here</li>\n");
            }
            log.tail().for_each(|entry| log_line(html, entry, &mut seen));
            html.raw("</ol>\n");
        }
        html.raw("</section>\n");
    }
}

impl Outcome {
    /// What stderr ended with, where the run failed: then it may say why.
    fn stderr_tail_text(&self) -> &str {
        match (&self.failure, &self.stderr_tail) {
            (Some(_), Some(tail)) => tail.trim_end(),
            _ => "",
        }
    }
}

fn stream_name(stream: StreamKind) -> &'static str {
    match stream {
        StreamKind::Stdout => "stdout",
        StreamKind::Stderr => "stderr",
    }
}

fn line_id(html: &mut Html, entry: &Entry) {
    html.raw(stream_name(entry.place.stream)).raw("-").integer(entry.place.line);
}

fn place(html: &mut Html, entry: &Entry) {
    html.raw(stream_name(entry.place.stream)).raw(" line ").text(&numbers::count(entry.place.line));
}

fn entry_text(html: &mut Html, entry: &Entry) {
    html.text(&entry.text);
    if entry.cut > 0 {
        html.raw(" <span class=\"care\">\u{2026} and ").text(&numbers::count(entry.cut as u64));
        html.raw(" more characters</span>");
    }
}

fn log_line(html: &mut Html, entry: &Entry, seen: &mut Option<(StreamKind, u64)>) {
    let line = (entry.place.stream, entry.place.line);
    html.raw("<li");
    // several messages may stand on one line
    if *seen != Some(line) {
        html.raw(" id=\"");
        line_id(html, entry);
        html.raw("\"");
        *seen = Some(line);
    }
    html.raw("><span class=\"place\">");
    html.raw(stream_name(entry.place.stream))
        .raw(" ")
        .text(&numbers::count(entry.place.line))
        .raw(" \u{b7} ");
    html.text(&text::duration(entry.place.at)).raw("</span><span class=\"text");
    html.raw(match entry.kind {
        Kind::Warning => " care\">warning: ",
        Kind::Error => " bad\">error: ",
        Kind::Message => " quiet\">",
        Kind::Plain => "\">",
    });
    entry_text(html, entry);
    html.raw("</span></li>\n");
}
