//! How a command prints: with colours or not, with a live line or not.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::shown::escape_sequence;
pub use super::shown::printable;

/// What JavaScript knows of the terminal.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Facts {
    /// Whether stdout is a terminal.
    #[serde(default)]
    pub stdout: bool,
    /// Whether stderr is one.
    #[serde(default)]
    pub stderr: bool,
    /// How wide stderr is, where it is a terminal.
    #[serde(default)]
    pub columns: Option<usize>,
    /// The environment's variables, as JavaScript sees them.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
}

impl Facts {
    fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a stream gets colours. What the person typed comes first, then `NO_COLOR`
    /// (no-color.org), then `FORCE_COLOR`, then what the stream is.
    pub fn colours(&self, is_terminal: bool, forbidden: bool) -> bool {
        if forbidden || self.variable("NO_COLOR").is_some() {
            return false;
        }
        match self.variable("FORCE_COLOR") {
            Some(level) => !matches!(level, "0" | "false"),
            None => is_terminal && !self.is_dumb(),
        }
    }

    /// A terminal that cannot move its cursor.
    fn is_dumb(&self) -> bool {
        self.variable("TERM") == Some("dumb")
    }

    /// Whether stderr can show a line that changes: not where a log is kept of what passes.
    pub fn can_be_live(&self) -> bool {
        let in_ci = self.variable("CI").is_some_and(|value| !matches!(value, "0" | "false"));
        self.stderr && !self.is_dumb() && !in_ci
    }

    /// Whether the terminal shows more than ASCII, by the variables of the C library.
    pub fn has_unicode(&self) -> bool {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| self.variable(name));
        locale.is_some_and(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        })
    }

    /// Text for stderr in lines that fit, the first of which begins at column `first`, from 0; the
    /// others are indented by so much.
    pub fn wrapped(&self, text: &str, first: usize, indent: usize) -> String {
        let Some(columns) = self.columns.filter(|_| self.stderr) else { return text.to_owned() };
        wrap(text, columns.saturating_sub(1).max(indent + LEAST_WIDTH), first, indent)
    }

    /// The same for a value whose lines are all indented by so much later.
    pub fn indented(&self, text: &str, indent: usize) -> String {
        let Some(columns) = self.columns.filter(|_| self.stderr) else { return text.to_owned() };
        wrap(text, columns.saturating_sub(1 + indent).max(LEAST_WIDTH), 0, 0)
    }

    /// What a command prints, in lines that fit: what is too long for a line goes on below its last
    /// column. JSON stays as it is.
    pub fn fitted(&self, text: &str, is_terminal: bool) -> String {
        let Some(columns) = self.columns.filter(|_| is_terminal) else { return text.to_owned() };
        if text.starts_with(['{', '[']) {
            return text.to_owned();
        }
        let mut fitted = String::with_capacity(text.len());
        for line in text.split_inclusive('\n') {
            let start = line.len() - line.trim_start().len();
            let indent = match line.trim_end().rfind("  ") {
                Some(at) if at >= start && at + MOST_INDENT_LEAVES < columns => width_of(&line[..at]) + 2,
                _ => start.max(2),
            };
            fitted.push_str(&wrap(line, columns.saturating_sub(1).max(indent + LEAST_WIDTH), 0, indent));
        }
        fitted
    }

    /// A path with the home folder as `~`, which shells understand.
    pub fn short(&self, path: &str) -> String {
        let home = self.variable("HOME").filter(|home| home.len() > 1);
        match home.and_then(|home| path.strip_prefix(home.trim_end_matches('/'))) {
            Some(rest) if rest.starts_with('/') => format!("~{rest}"),
            _ => path.to_owned(),
        }
    }
}

/// Paints text for one stream.
#[derive(Debug, Clone, Copy, Default)]
pub struct Paint {
    /// Whether it paints at all.
    pub colours: bool,
}

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Success.
    pub fn good(self, text: &str) -> String {
        self.with("1;32", text)
    }

    /// A warning.
    pub fn warning(self, text: &str) -> String {
        self.with("1;33", text)
    }

    /// An error.
    pub fn error(self, text: &str) -> String {
        self.with("1;31", text)
    }

    /// What is less important.
    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    /// What is more important.
    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }
}

/// What is left for the last column, or else it goes on at the left.
const MOST_INDENT_LEAVES: usize = 30;

/// Narrower than this nothing is wrapped.
const LEAST_WIDTH: usize = 20;

/// How many columns a text takes: sequences that change colours take none.
fn width_of(text: &str) -> usize {
    let mut width = 0;
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        width += rest[..at].chars().count();
        rest = escape_sequence(&rest[at + 1..]).1;
    }
    width + rest.chars().count()
}

/// Breaks lines at spaces. A word that is too long stays whole, so that it can be copied.
fn wrap(text: &str, width: usize, first: usize, indent: usize) -> String {
    let mut wrapped = String::new();
    let mut column = first;
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            wrapped.push('\n');
            column = 0;
        }
        if column + width_of(line) <= width {
            wrapped.push_str(line); // also one that has spaces for a reason
            continue;
        }
        for (number, word) in line.split(' ').enumerate() {
            let length = width_of(word);
            if number > 0 && column + 1 + length > width {
                wrapped.push('\n');
                wrapped.push_str(&" ".repeat(indent));
                column = indent;
            } else if number > 0 {
                wrapped.push(' ');
                column += 1;
            }
            wrapped.push_str(word);
            column += length;
        }
    }
    wrapped
}

/// 1234567 as 1,234,567.
pub fn grouped(number: u64) -> String {
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

/// A number of rows.
pub fn counted(rows: u64) -> String {
    format!("{} row{}", grouped(rows), if rows == 1 { "" } else { "s" })
}

/// Seconds with one digit, or minutes for long runs.
pub fn seconds(milliseconds: u64) -> String {
    let tenths = (milliseconds + 50) / 100;
    if tenths < 600 {
        format!("{}.{} s", tenths / 10, tenths % 10)
    } else {
        minutes((milliseconds + 500) / 1000)
    }
}

/// Whole seconds, minutes or hours.
pub fn minutes(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// Memory, in the megabytes of `--memory-limit-mb`.
pub fn megabytes(bytes: u64) -> String {
    format!("{} MB", grouped(bytes.div_ceil(1024 * 1024)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(variables: &[(&str, &str)]) -> Facts {
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Facts { stdout: true, stderr: true, columns: None, variables }
    }

    #[test]
    fn who_asks_for_no_colours_gets_none() {
        for (variables, is_terminal, forbidden, wanted) in [
            (&[][..], true, false, true),
            (&[], false, false, false),
            (&[], true, true, false),
            (&[("NO_COLOR", "1")], true, false, false),
            (&[("NO_COLOR", "")], true, false, true),
            (&[("TERM", "dumb")], true, false, false),
            (&[("FORCE_COLOR", "1")], false, false, true),
            (&[("FORCE_COLOR", "0")], true, false, false),
            (&[("FORCE_COLOR", "1"), ("NO_COLOR", "1")], false, false, false),
            (&[("FORCE_COLOR", "1")], false, true, false),
            (&[("CI", "true")], true, false, true),
        ] {
            assert_eq!(facts(variables).colours(is_terminal, forbidden), wanted, "{variables:?}");
        }
    }

    #[test]
    fn a_live_line_is_for_people() {
        assert!(facts(&[]).can_be_live());
        assert!(facts(&[("CI", "false")]).can_be_live());
        for variables in [&[("CI", "true")][..], &[("CI", "1")], &[("TERM", "dumb")]] {
            assert!(!facts(variables).can_be_live(), "{variables:?}");
        }
        assert!(!Facts { stderr: false, ..facts(&[]) }.can_be_live());
    }

    #[test]
    fn unicode_is_what_the_locale_says() {
        for (variables, wanted) in [
            (&[("LANG", "en_GB.UTF-8")][..], true),
            (&[("LC_ALL", "C"), ("LANG", "en_GB.UTF-8")], false),
            (&[("LC_ALL", ""), ("LANG", "C.utf8")], true),
            (&[], false),
        ] {
            assert_eq!(facts(variables).has_unicode(), wanted, "{variables:?}");
        }
    }

    #[test]
    fn the_home_folder_is_a_tilde() {
        let at_home = facts(&[("HOME", "/home/u")]);
        assert_eq!(at_home.short("/home/u/a/b.json"), "~/a/b.json");
        assert_eq!(at_home.short("/home/us/a"), "/home/us/a");
        assert_eq!(facts(&[]).short("/x"), "/x");
    }

    #[test]
    fn lines_break_at_spaces_and_long_words_stay_whole() {
        assert_eq!(wrap("one two three", 30, 0, 2), "one two three");
        assert_eq!(wrap("one two three four", 10, 3, 2), "one two\n  three\n  four");
        assert_eq!(wrap("in /a/very/long/path.json now", 12, 0, 2), "in\n  /a/very/long/path.json\n  now");
        assert_eq!(wrap("    x:   }\n         ^", 20, 0, 2), "    x:   }\n         ^");
        let narrow = Facts { columns: Some(5), ..facts(&[]) };
        assert_eq!(narrow.wrapped("twelve times three words", 0, 0), "twelve times three\nwords");
        assert_eq!(facts(&[]).wrapped("as it is", 100, 0), "as it is");
        let fit = |text: &str| Facts { columns: Some(41), ..facts(&[]) }.fitted(text, true);
        for (text, shown) in [
            (
                "  Nm  some words that are too long for it\nx\n",
                "  Nm  some words that are too long for\n      it\nx\n",
            ),
            (
                "      some words that are too long to fit\n",
                "      some words that are too long to\n      fit\n",
            ),
            ("f.json:1:1: error: some words that do not\n", "f.json:1:1: error: some words that do\n  not\n"),
            ("a column  another  some words that do not\n", "a column  another  some words that do\n  not\n"),
            ("words that just fit into the whole line:\n", "words that just fit into the whole line:\n"),
            (
                "\u{1b}[32mwords that just fit into the whole\u{1b}[0m line\n",
                "\u{1b}[32mwords that just fit into the whole\u{1b}[0m line\n",
            ),
        ] {
            assert_eq!(fit(text), shown);
        }
        let json = "{ \"a\": \"some words that are too long for it\" }";
        assert_eq!(fit(json), json);
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(
            ["7", "999", "1,000", "1,234,567"],
            [7, 999, 1000, 1_234_567].map(grouped).each_ref().map(String::as_str)
        );
        assert_eq!([0, 949, 59_940, 61_000].map(seconds), ["0.0 s", "0.9 s", "59.9 s", "1 min 1 s"]);
        assert_eq!([59, 60, 7260].map(minutes), ["59 s", "1 min 0 s", "2 h 1 min"]);
        assert_eq!(megabytes(150 << 20), "150 MB");
    }
}
