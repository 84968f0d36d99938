//! What a person reads.

use std::fmt::Write as _;

use super::{Findings, NAME, Status, Terminal};
use crate::cli::look::Paint;

/// A colour.
type Colour = fn(Paint, &str) -> String;

/// Most columns of a line, and fewest; between them as the terminal has it.
const WIDTHS: (usize, usize) = (60, 100);

/// The whole text.
pub fn render(findings: &Findings, terminal: Terminal) -> String {
    let (least, most) = WIDTHS;
    // the last column stays free: some terminals go to the next line after it
    let width = terminal.columns.map_or(most, |columns| columns.saturating_sub(1).clamp(least, most));
    let mut text = Text { written: String::new(), paint: Paint { colours: terminal.colours }, width };
    let system = findings.system.as_ref().map(|system| format!(", {system}")).unwrap_or_default();
    text.line(&format!("{NAME} {} on {}", findings.version, findings.platform));
    text.line(&format!("Linux {}{system}\n", findings.kernel));

    text.heading("What a run needs");
    for check in &findings.checks {
        let (word, colour): (_, Colour) = match check.status {
            Status::Ok => ("ok", Paint::good),
            Status::Warning => ("warning", Paint::warning),
            Status::Error => ("error", Paint::error),
        };
        text.entry(word, colour, check.name, &check.detail, check.remedy.as_deref());
    }

    if !findings.layers.is_empty() {
        text.line("");
        text.heading("Isolation, as tried just now");
    }
    for (index, layer) in findings.layers.iter().enumerate() {
        let same = findings.layers[..index].iter().find(|before| {
            layer.enforced == "none" && before.enforced == "none" && before.reason == layer.reason
        });
        let colour: Colour = match layer.enforced {
            "full" => Paint::good,
            "partial" => Paint::warning,
            _ => Paint::error,
        };
        if let Some(before) = same {
            text.entry(layer.enforced, colour, layer.name, &format!("as {}", before.name), None);
            continue;
        }
        let mut detail = if layer.enforced == "none" { String::new() } else { layer.mechanism.clone() };
        if let Some(reason) = layer.reason.as_deref().filter(|reason| !reason.is_empty()) {
            let separator = if detail.is_empty() { "" } else { "; " };
            let _ = write!(detail, "{separator}{reason}");
        }
        text.entry(layer.enforced, colour, layer.name, &detail, layer.remedy.as_deref());
    }

    if !findings.helpers.is_empty() {
        text.line("\nWhat works for connectors (in isolation 'none' npm may do all that its user may)");
    }
    for helper in &findings.helpers {
        let lacking = helper.lacking();
        if lacking.is_empty() {
            text.entry("full", Paint::good, helper.name, &format!("may {}", helper.may), None);
        } else {
            let detail = format!("may only {}, but without all of {}", helper.may, lacking.join(", "));
            text.entry("partial", Paint::warning, helper.name, &detail, None);
        }
    }

    if !findings.inherited_secrets.is_empty() {
        text.line("");
        text.heading("Secrets of the host");
        let names = findings.inherited_secrets.join(", ");
        let remedy = "isolation: 'strict', env: 'minimal' or a list of names keeps them from connectors";
        let detail = format!("in isolation 'standard' every connector gets {names}");
        text.entry("warning", Paint::warning, "environment", &detail, Some(remedy));
    }

    text.line("");
    text.line(if findings.can_run { "Connectors can run here." } else { "Connectors cannot run here." });
    text.line(&match findings.lacking_in_standard.as_slice() {
        [] => "Isolation 'standard' is enforced in full.".to_owned(),
        lacking => format!("Isolation 'standard' runs without all of: {}.", lacking.join(", ")),
    });
    text.line(if findings.can_be_strict {
        "Isolation 'strict' can be had."
    } else {
        "Isolation 'strict' cannot be had: runs that ask for it are refused with ISOLATION_UNAVAILABLE."
    });
    text.written
}

struct Text {
    written: String,
    paint: Paint,
    width: usize,
}

impl Text {
    fn line(&mut self, line: &str) {
        self.written.push_str(line);
        self.written.push('\n');
    }

    fn heading(&mut self, heading: &str) {
        let heading = self.paint.bold(heading);
        self.line(&heading);
    }

    /// `word  name  detail`, and what to do below.
    fn entry(&mut self, word: &str, colour: Colour, name: &str, detail: &str, remedy: Option<&str>) {
        const INDENT: usize = 26;
        let padded = format!("{word:<9}");
        let shown = colour(self.paint, &padded);
        let _ = write!(self.written, "  {shown}{name:<15}");
        self.wrapped(detail, INDENT);
        if let Some(remedy) = remedy {
            let _ = write!(self.written, "{:INDENT$}", "");
            self.wrapped(&format!("→ {remedy}"), INDENT + 2);
        }
    }

    /// Words up to the end of the line, further lines indented.
    fn wrapped(&mut self, text: &str, indent: usize) {
        let mut column = indent;
        let mut is_first = true;
        for word in text.split_whitespace() {
            let width = word.chars().count() + 1;
            if !is_first && column + width > self.width {
                let _ = write!(self.written, "\n{:indent$}", "");
                column = indent;
            } else if !is_first {
                self.written.push(' ');
            }
            self.written.push_str(word);
            column += width;
            is_first = false;
        }
        while self.written.ends_with(' ') {
            self.written.pop();
        }
        self.written.push('\n');
    }
}
