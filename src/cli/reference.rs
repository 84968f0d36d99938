//! What pages have of the same definitions as `--help`, between marks; the rest of them is written
//! by hand. Only for tests: what ships does not need it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Arg, Command};

use super::args::command;
use super::exit::EXIT_CODES;

/// The pages that have generated parts.
const PAGES: [&str; 2] = ["docs/cli.md", "README.md"];

fn path(page: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(page)
}

/// A page with its generated parts as they should be.
fn renewed(page: &str) -> String {
    let mut top = command();
    top.build(); // gives the subcommands the options that all have
    let commands = top.get_subcommands().map(|command| documented(command, 3)).collect::<String>();
    let parts = [("exit codes", exit_codes()), ("commands", commands)];
    parts.into_iter().fold(page.to_owned(), |page, (part, text)| replaced(&page, part, &text))
}

/// A page with another text between two marks, where it has them.
fn replaced(page: &str, part: &str, text: &str) -> String {
    let (begin, end) = (format!("<!-- generated: {part} -->\n"), format!("<!-- end of {part} -->"));
    let Some((before, rest)) = page.split_once(&begin) else { return page.to_owned() };
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("there is no {end}"));
    format!("{before}{begin}\n{}\n\n{end}{after}", text.trim())
}

fn exit_codes() -> String {
    let mut table = "| exit code | `status` | `code` | when |\n| --- | --- | --- | --- |\n".to_owned();
    for entry in &EXIT_CODES {
        let error = match (entry.error, entry.code) {
            ("", 0) => "–".to_owned(),
            ("", _) => "any other".to_owned(),
            (error, _) => format!("`{error}`"),
        };
        let _ = writeln!(table, "| {} | `{}` | {error} | {} |", entry.code, entry.status, entry.meaning);
    }
    table
}

/// A command, and those below it.
fn documented(command: &Command, level: usize) -> String {
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let mut text = format!("{} `{name}`\n\n", "#".repeat(level));
    if let Some(about) = command.get_about() {
        let _ = writeln!(text, "{about}.\n");
    }
    let usage = command.clone().render_usage().to_string();
    let _ = writeln!(text, "    {}\n", usage.trim_start_matches("Usage: "));
    let arguments: Vec<_> =
        command.get_arguments().filter(|arg| arg.get_id() != "help" && arg.get_id() != "no_color").collect();
    if !arguments.is_empty() {
        text.push_str("| argument | meaning |\n| --- | --- |\n");
        for argument in arguments {
            let _ = writeln!(text, "| {} | {} |", spelled(argument), meaning(argument));
        }
        text.push('\n');
    }
    for below in command.get_subcommands() {
        text.push_str(&documented(below, level + 1));
    }
    text
}

/// An argument as people type it.
fn spelled(argument: &Arg) -> String {
    let mut spelled = String::new();
    if let Some(short) = argument.get_short() {
        let _ = write!(spelled, "`-{short}`, ");
    }
    let values: Vec<_> =
        argument.get_value_names().unwrap_or_default().iter().map(|name| format!("{name}")).collect();
    let takes_value = argument.get_action().takes_values();
    match argument.get_long() {
        Some(long) if takes_value => {
            let _ = write!(spelled, "`--{long} {}`", values.join(" "));
        }
        Some(long) => {
            let _ = write!(spelled, "`--{long}`");
        }
        None => {
            let _ = write!(spelled, "`{}`", values.join(" "));
        }
    }
    spelled
}

fn meaning(argument: &Arg) -> String {
    let mut text = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let values = argument.get_possible_values();
    if argument.get_action().takes_values() && !values.is_empty() {
        let each = values.iter().map(|value| {
            let help = value.get_help().map(|help| format!(" ({help})"));
            format!("`{}`{}", value.get_name(), help.unwrap_or_default())
        });
        let _ = write!(text, ": {}", each.collect::<Vec<_>>().join(", "));
    }
    let defaults: Vec<_> =
        argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if argument.get_action().takes_values() && !defaults.is_empty() {
        let _ = write!(text, " [default: {}]", defaults.join(", "));
    }
    text.replace('|', "\\|").replace('<', "\\<")
}

/// `UPDATE_DOCS=1` writes the pages anew (`npm run docs:cli`).
#[test]
fn docs_cli_is_what_help_says() {
    for page in PAGES {
        let text = std::fs::read_to_string(path(page)).unwrap();
        let wanted = renewed(&text);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path(page), wanted).unwrap();
        } else {
            assert!(
                text == wanted,
                "{page} is not what --help says any more: npm run docs:cli writes it anew"
            );
        }
    }
}

#[test]
fn every_command_and_option_is_documented() {
    let text = std::fs::read_to_string(path("docs/cli.md")).unwrap();
    for words in ["store warm", "state set", "--memory-limit-mb MB", "MANUAL_BACKFILL", "--quiet", "| 137 |"]
    {
        assert!(text.contains(words), "{words}");
    }
    assert!(std::fs::read_to_string(path("README.md")).unwrap().contains("| 137 |"));
}
