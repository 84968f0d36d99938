//! Arguments that are wrong, or none at all: in words for a person, and with `--json` also as the
//! line that a program waits for.

use std::fmt::Write as _;

use clap::Command;
use clap::builder::styling::{AnsiColor, Style, Styles};
use clap::error::ErrorKind;
use serde_json::json;

use super::common::{NAME, Printed};
use super::look::{Facts, Paint};
use super::session::Session;
use crate::error::{Code, RunnerError};

/// Said when no configuration is given (contract, section 9).
const NO_PATH: &str = "Please provide a path to the json config file";

/// What tells of names.
const SPEC: &str = "connector-runner spec";

/// How clap paints what it prints: as [`Paint`] does.
pub const STYLES: Styles = Styles::plain()
    .header(Style::new().bold())
    .usage(Style::new().bold())
    .literal(Style::new().bold())
    .placeholder(Style::new().dimmed())
    .error(AnsiColor::Red.on_default().bold())
    .valid(AnsiColor::Green.on_default().bold())
    .invalid(AnsiColor::Yellow.on_default().bold());

/// What was typed after the command's name, up to `--`.
pub fn options(argv: &[String]) -> impl Iterator<Item = &str> {
    // the first two entries are node and the script
    argv.iter().skip(2).map(String::as_str).take_while(|argument| *argument != "--")
}

/// Whether colours were declined. What is wrong cannot be asked for that.
pub fn forbids_colours(argv: &[String]) -> bool {
    options(argv).any(|argument| argument == "--no-color")
}

/// What a program that called the command reads from stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Nothing, or text.
    Person,
    /// The events of `run --json`.
    Events,
    /// The one answer of another command with `--json`.
    Answer,
}

/// Who reads what these arguments bring about, as far as wrong ones tell: `--json` is among them,
/// and the command that they name has it.
pub fn reader(argv: &[String], top: &Command) -> Reader {
    let asks = |argument: &str| argument == "--json" || argument.starts_with("--json=");
    if !options(argv).any(asks) {
        return Reader::Person;
    }
    let has_json = |command: &Command| command.get_arguments().any(|known| known.get_long() == Some("json"));
    let (mut command, mut is_offered) = (top, has_json(top));
    for name in options(argv).filter(|argument| !argument.starts_with("--no-color") && !asks(argument)) {
        let Some(below) = command.find_subcommand(name) else { break };
        // what is below `store` has its options
        is_offered = has_json(below) || (is_offered && command.get_name() != top.get_name());
        command = below;
    }
    match command.get_name() {
        _ if !is_offered => Reader::Person,
        NAME | "run" => Reader::Events,
        _ => Reader::Answer,
    }
}

/// The line for whoever reads JSON; nothing for a person.
pub fn line(reader: Reader, error: &RunnerError, exit_code: i32, at: &str) -> String {
    match reader {
        Reader::Person => String::new(),
        Reader::Events => Session::refused(error, exit_code, at),
        Reader::Answer => {
            let RunnerError { code, message, hint, .. } = error;
            let error = json!({ "code": code.as_str(), "message": message, "hint": hint });
            format!("{}\n", json!({ "type": "error", "exitCode": exit_code, "error": error }))
        }
    }
}

/// Arguments that are not taken.
#[derive(Debug)]
pub struct Refused {
    error: RunnerError,
    /// For a person, without and with colours.
    plain: String,
    painted: String,
}

impl Refused {
    fn new(message: &str, hint: &str, text: impl Fn(Paint) -> String) -> Self {
        let error = RunnerError::new(Code::InvalidConfig, message).with_hint(hint);
        Self { error, plain: text(Paint { colours: false }), painted: text(Paint { colours: true }) }
    }

    /// By clap, which says what is wrong in its first paragraph, and then what to do.
    pub fn by_clap(error: &clap::Error) -> Self {
        let text = error.render();
        let plain = text.to_string();
        let mut paragraphs = plain.split("\n\n").map(str::trim);
        let first = paragraphs.next().unwrap_or_default();
        let words: Vec<_> = first.trim_start_matches("error: ").lines().map(str::trim).collect();
        let more: Vec<_> = paragraphs.filter(|text| !text.starts_with("For more information")).collect();
        // whoever does not know the names that have to be given needs to know where they are
        let is_unnamed = error.kind() == ErrorKind::MissingRequiredArgument && first.contains("<NAME>");
        let tip = |paint: Paint| format!("{} '{}' lists the names", paint.good("tip:"), paint.good(SPEC));
        let hint = is_unnamed.then(|| tip(Paint::default())).into_iter();
        let hint: Vec<_> = hint.chain(more.into_iter().map(ToOwned::to_owned)).collect();
        Self::new(&words.join(" "), &hint.join("\n"), |paint| {
            let text = if paint.colours { text.ansi().to_string() } else { plain.clone() };
            match text.split_once("\n\n").filter(|_| is_unnamed) {
                Some((first, rest)) => format!("{first}\n\n  {}\n\n{rest}", tip(paint)),
                None => text,
            }
        })
    }

    /// A first argument that is neither a command nor a file; `meant` is the command that is like it.
    pub fn mistyped(first: &str, meant: Option<&str>, commands: &[&str]) -> Self {
        let message = |first: &str| format!("there is no command '{first}', and no file of that name");
        let hint = |paint: Paint| match meant {
            Some(meant) => format!("did you mean '{}'?", paint.good(meant)),
            None => format!("there are {}", commands.join(", ")),
        };
        Self::new(&message(first), &hint(Paint::default()), |paint| {
            let (error, tip) = (paint.error("error:"), paint.good("tip:"));
            format!("{error} {}\n\n  {tip} {}\n", message(&paint.warning(first)), hint(paint))
        })
    }

    /// A run of nothing. Whoever calls a command without arguments wants to know what there is.
    pub fn no_path(top: &Command) -> Self {
        let usage = format!("{NAME} [run] <CONFIG> [OPTIONS]");
        let commands: Vec<_> = top
            .get_subcommands()
            .map(|command| {
                let about = command.get_about().map(ToString::to_string).unwrap_or_default();
                (command.get_name().to_owned(), about)
            })
            .collect();
        let width = commands.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        Self::new(NO_PATH, &format!("Usage: {usage}; --help lists the options"), |paint| {
            let mut text = format!("{NO_PATH}\n\n{} {usage}\n", paint.bold("Usage:"));
            let _ = writeln!(text, "       {NAME} <COMMAND>\n\n{}", paint.bold("Commands:"));
            for (name, about) in &commands {
                let _ = writeln!(text, "  {}  {about}", paint.bold(&format!("{name:<width$}")));
            }
            text + &format!("\n{} lists the options\n", paint.bold("--help"))
        })
    }

    /// What is printed of it.
    pub fn told(self, reader: Reader, facts: &Facts, forbids_colours: bool, at: &str) -> Printed {
        let is_painted = facts.colours(facts.stderr, forbids_colours);
        let text = if is_painted { &self.painted } else { &self.plain };
        let printed = Printed::error(facts.fitted(text, facts.stderr));
        Printed { stdout: line(reader, &self.error, printed.exit_code, at), ..printed }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::args::command;
    use super::*;

    fn reader_of(args: &str) -> Reader {
        let all: Vec<_> =
            ["node", "cli.js"].into_iter().chain(args.split_whitespace()).map(ToOwned::to_owned).collect();
        reader(&all, &command())
    }

    #[test]
    fn who_reads_is_known_before_the_arguments_are_right() {
        for (args, wanted) in [
            ("", Reader::Person),
            ("--json", Reader::Events),
            ("a.json --jsn", Reader::Person),
            ("a.json --wrong --json", Reader::Events),
            ("--json=yes a.json", Reader::Events),
            ("run --json", Reader::Events),
            ("a.json -- --json", Reader::Person),
            ("chekc --json", Reader::Events),
            ("check --json", Reader::Answer),
            ("--no-color check --json", Reader::Answer),
            ("spec a b --json", Reader::Answer),
            ("doctor --json --wrong", Reader::Answer),
            ("store --json lst", Reader::Answer),
            ("store list --json --wrong", Reader::Answer),
            ("store prune --max-age x --json", Reader::Answer),
            // these have no --json, which is what is wrong
            ("state get a.json --json", Reader::Person),
            ("init --json", Reader::Person),
        ] {
            assert_eq!(reader_of(args), wanted, "{args}");
        }
    }

    #[test]
    fn a_line_has_code_message_and_what_to_do() {
        let error = command().try_get_matches_from([NAME, "a.json", "--run-typ", "CUSTOM"]).unwrap_err();
        let told = |reader| Refused::by_clap(&error).told(reader, &Facts::default(), false, "now");
        let Printed { stdout, stderr, exit_code, .. } = told(Reader::Events);
        let event: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!((&event["type"], &event["at"]), (&json!("result"), &json!("now")));
        assert_eq!((&event["status"], &event["exitCode"]), (&json!("failed"), &json!(exit_code)));
        assert_eq!(event["error"]["code"], "INVALID_CONFIG");
        assert_eq!(event["error"]["message"], "unexpected argument '--run-typ' found");
        let hint = event["error"]["hint"].as_str().unwrap();
        assert!(hint.starts_with("tip: a similar argument exists: '--run-type'\nUsage: "), "{hint}");
        assert!(!hint.contains("For more information") && stdout.lines().count() == 1, "{stdout}");
        assert!(stderr.starts_with("error: unexpected argument '--run-typ' found\n"), "{stderr}");

        let answer: Value = serde_json::from_str(&told(Reader::Answer).stdout).unwrap();
        assert_eq!((&answer["type"], &answer["exitCode"]), (&json!("error"), &json!(1)));
        assert_eq!(answer["error"]["code"], "INVALID_CONFIG");
        assert_eq!(told(Reader::Person).stdout, "");
    }

    #[test]
    fn colours_are_the_only_difference_between_the_two_texts() {
        let wrong = command().try_get_matches_from([NAME, "store", "lst"]).unwrap_err();
        for refused in [
            Refused::by_clap(&wrong),
            Refused::mistyped("chekc", Some("check"), &[]),
            Refused::no_path(&command()),
        ] {
            assert!(refused.painted.contains("\u{1b}[") && !refused.plain.contains('\u{1b}'), "{refused:?}");
            assert_eq!(super::super::look::printable(&refused.painted, false), refused.plain);
        }
        let terminal = Facts { stderr: true, ..Facts::default() };
        let red = |forbids| {
            let refused = Refused::mistyped("chekc", Some("check"), &[]);
            refused.told(Reader::Person, &terminal, forbids, "").stderr.starts_with("\u{1b}[1;31merror:")
        };
        assert_eq!((red(false), red(true)), (true, false));
    }
}
