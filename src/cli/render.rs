//! What a person reads.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Fields of a connector's messages that are worth showing, and the summary that the reference
/// package adds to its last one.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, rename = "message")]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    warning: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    summary: Option<&'a RawValue>,
}

/// `summary` of the reference package's last message.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Summary {
    rows: Option<u64>,
    total: Option<u64>,
    table: Option<String>,
    location: Option<String>,
    first_date: Option<String>,
    last_date: Option<String>,
    look: Option<String>,
}

fn text(raw: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(raw?.get()).ok()
}

/// Turns a connector's lines into what a person reads, and remembers its summary.
#[derive(Debug, Default)]
pub struct Renderer {
    summary: Summary,
    colours: bool,
}

impl Renderer {
    /// `colours` only for a terminal.
    pub fn new(colours: bool) -> Self {
        Self { summary: Summary::default(), colours }
    }

    /// The readable form of whole lines; messages that say nothing to a person are left out.
    pub fn render(&mut self, lines: &str) -> String {
        let mut rendered = String::new();
        for line in lines.split_inclusive('\n') {
            if crate::output::is_json_objects(line.as_bytes()) {
                for message in serde_json::Deserializer::from_str(line).into_iter::<Message>() {
                    let Ok(message) = message else { break };
                    if let Some(readable) = self.message(&message) {
                        rendered.push_str(&readable);
                        rendered.push('\n');
                    }
                }
            } else {
                rendered.push_str(line);
            }
        }
        rendered
    }

    fn message(&mut self, message: &Message) -> Option<String> {
        if let Some(summary) = message.summary.and_then(|raw| serde_json::from_str(raw.get()).ok()) {
            self.summary = summary;
            return None; // shown at the end
        }
        match text(message.kind)?.as_str() {
            "log" => text(message.text),
            "addWarningToCurrentStatus" => {
                Some(self.paint("33", &format!("warning: {}", text(message.warning).unwrap_or_default())))
            }
            "error" => Some(self.paint("31", &format!("error: {}", text(message.error).unwrap_or_default()))),
            _ => None,
        }
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colours { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// What is known of a step before the connector can start.
#[derive(Deserialize)]
struct Step {
    phase: String,
    #[serde(default)]
    pid: Option<u32>,
}

/// The line shown while the environment is not ready. `step` is JSON of what is done.
pub fn preparing(storage: &str, step: &str, seconds: u64) -> String {
    let elapsed = if seconds == 0 { String::new() } else { format!(" {seconds}s") };
    let step = serde_json::from_str(step).unwrap_or(Step { phase: String::new(), pid: None });
    let what = match (step.phase.as_str(), step.pid) {
        ("waiting", Some(pid)) => format!("waiting for process {pid}, which installs the same environment"),
        ("waiting", None) => "waiting for another run, which installs the same environment".to_owned(),
        ("verifying", _) => "verifying the environment after a crash".to_owned(),
        _ => format!("installing what the storage {storage} needs with npm, once"),
    };
    format!("Preparing: {what}{elapsed}")
}

/// What the end of a run is told from.
#[derive(Debug, Default)]
pub struct SummaryFacts {
    /// Whole run, milliseconds.
    pub duration_ms: u64,
    /// Preparing the environment, milliseconds.
    pub environment_ms: u64,
    /// The connector itself, milliseconds.
    pub execution_ms: u64,
    /// Warnings.
    pub warnings: Vec<String>,
    /// The state's date.
    pub date: Option<String>,
    /// Where the state was written, if it was.
    pub state_file: Option<String>,
}

/// The block at the end of a successful run.
pub fn summary(renderer: &Renderer, facts: &SummaryFacts) -> String {
    let Summary { rows, total, table, location, first_date, last_date, look } = &renderer.summary;
    let mut lines = vec![renderer.paint("32", &format!("Done in {}", seconds(facts.duration_ms)))];
    let mut row = |name: &str, value: String| lines.push(format!("  {name:<8} {value}"));
    if let Some(rows) = rows {
        let total = total.map(|total| format!(", {} in the table now", grouped(total)));
        row("Rows", format!("{} saved{}", grouped(*rows), total.unwrap_or_default()));
    }
    if let Some(table) = table {
        row("Table", table.clone());
    }
    if let Some(location) = location {
        row("In", location.clone());
    }
    match (first_date, last_date) {
        (Some(first), Some(last)) => row("Dates", format!("{first} to {last}")),
        _ => {
            if let Some(date) = &facts.date {
                row("Up to", date.clone());
            }
        }
    }
    row(
        "Time",
        format!("{} preparing, {} connector", seconds(facts.environment_ms), seconds(facts.execution_ms)),
    );
    if let Some(file) = &facts.state_file {
        row("State", format!("{file} (the next run goes on from here)"));
    }
    if let Some(look) = look {
        row("Look", look.clone());
    }
    for warning in &facts.warnings {
        lines.push(renderer.paint("33", &format!("  warning: {warning}")));
    }
    lines.join("\n") + "\n"
}

/// What is shown of a failure, after the contract's first line.
pub fn failure_text(
    message: &str,
    field: Option<(&str, &str)>,
    hint: Option<&str>,
    code: Option<&str>,
) -> String {
    let mut text = format!("Error running connector: {message}\n");
    if let Some((field, file)) = field {
        let _ = writeln!(text, "  see \"{field}\" in {file}");
    }
    if let Some(hint) = hint.filter(|hint| !hint.trim().is_empty()) {
        for line in hint.trim_end().lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    if let Some(code) = code {
        let _ = writeln!(text, "  code {code}");
    }
    text
}

/// Seconds with one digit, or minutes for long runs.
fn seconds(milliseconds: u64) -> String {
    let tenths = (milliseconds + 50) / 100;
    if tenths < 600 {
        format!("{}.{} s", tenths / 10, tenths % 10)
    } else {
        let whole = (milliseconds + 500) / 1000;
        format!("{} min {} s", whole / 60, whole % 60)
    }
}

/// 1234567 as 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_rendered_and_other_lines_pass() {
        let mut renderer = Renderer::new(false);
        let shown = renderer.render(concat!(
            "plain text\n",
            "{\"type\":\"log\",\"message\":\"hello\"}{\"type\":\"isInProgress\",\"status\":1}\n",
            "{\"type\":\"addWarningToCurrentStatus\",\"warning\":\"w\"}\n",
            "{\"type\":\"somethingNew\",\"x\":1}\n",
            "no end"
        ));
        assert_eq!(shown, "plain text\nhello\nwarning: w\nno end");
        assert!(
            Renderer::new(true)
                .render("{\"type\":\"error\",\"error\":\"e\"}\n")
                .contains("\u{1b}[31merror: e")
        );
    }

    #[test]
    fn the_end_tells_what_a_person_wants_to_know() {
        let mut renderer = Renderer::new(false);
        renderer.render(
            "{\"type\":\"log\",\"message\":\"m\",\"summary\":{\"rows\":7126,\"total\":7126,\"table\":\"t\",\"location\":\"/f.duckdb\",\"firstDate\":\"1999-01-04\",\"lastDate\":\"2026-10-30\",\"look\":\"duckdb /f.duckdb\"}}\n",
        );
        let facts = SummaryFacts {
            duration_ms: 4_240,
            environment_ms: 3_000,
            execution_ms: 1_100,
            warnings: vec!["careful".into()],
            state_file: Some("s.json".into()),
            ..SummaryFacts::default()
        };
        assert_eq!(
            summary(&renderer, &facts),
            "Done in 4.2 s\n  \
             Rows     7,126 saved, 7,126 in the table now\n  \
             Table    t\n  \
             In       /f.duckdb\n  \
             Dates    1999-01-04 to 2026-10-30\n  \
             Time     3.0 s preparing, 1.1 s connector\n  \
             State    s.json (the next run goes on from here)\n  \
             Look     duckdb /f.duckdb\n  \
             warning: careful\n"
        );
    }

    #[test]
    fn a_failure_names_field_and_hint() {
        assert_eq!(
            failure_text(
                "Source name is required",
                Some(("source.name", "a.json")),
                Some("x\ny\n"),
                Some("INVALID_CONFIG")
            ),
            "Error running connector: Source name is required\n  see \"source.name\" in a.json\n  x\n  y\n  code INVALID_CONFIG\n"
        );
        assert_eq!(failure_text("m", None, None, None), "Error running connector: m\n");
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(
            ["7", "999", "1,000", "1,234,567"],
            [7, 999, 1000, 1_234_567].map(grouped).each_ref().map(String::as_str)
        );
        assert_eq!([0, 949, 59_940, 61_000].map(seconds), ["0.0 s", "0.9 s", "59.9 s", "1 min 1 s"]);
    }
}
