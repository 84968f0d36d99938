//! Arguments: which command is meant, and the way to it.

use std::path::Path;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use serde::Serialize;

use super::check::{CheckArgs, check};
use super::common::{NAME, Printed, Terminal, nearest};
use super::doctor::{DoctorArgs, doctor};
use super::init::{InitArgs, init};
use super::look::{Facts, Paint};
use super::refused::{Reader, Refused, STYLES, forbids_colours, line, reader};
use super::run::{RunArgs, RunPlan};
use super::spec::{SpecArgs, spec};
use super::state::{StateArgs, state};
use super::store::{StoreArgs, store};
use crate::host::Host;

#[derive(Debug, Parser)]
#[command(
    name = NAME,
    version,
    about = "Runs OWOX Data Marts connectors, each in an isolated Node.js process",
    styles = STYLES,
    override_usage = "connector-runner [run] <CONFIG> [OPTIONS]\n       connector-runner <COMMAND>",
    // a path as first argument means `run`
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    after_help = after_help()
)]
struct Cli {
    #[command(flatten)]
    run: RunArgs,

    /// Print without colours; the variable `NO_COLOR` does the same
    #[arg(long, global = true)]
    no_color: bool,

    /// Node.js program that runs connectors [default: node on the PATH, else the one that runs this command]
    #[arg(long, global = true, value_name = "FILE")]
    node: Option<String>,

    #[command(subcommand)]
    command: Option<Command>,
}

/// What the help of `run` ends with. clap leaves the colours out where there are to be none.
fn after_help() -> String {
    let heading = |text| Paint { colours: true }.bold(text);
    format!(
        "{}\n  \
         {NAME} examples/quickstart.json\n  \
         {NAME} config.json --state config.state.json\n  \
         {NAME} config.json --run-type MANUAL_BACKFILL \\\n      --data StartDate=2026-01-01\n\n\
         {}\n\n\
         The first SIGINT, SIGTERM or SIGHUP lets it end within --grace-ms, the second kills it.\n\
         What the connector prints goes to stdout, everything else to stderr.",
        heading("Examples:"),
        super::exit::help(&heading("Exit codes:"))
    )
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a connector; the word may be left out
    #[command(after_help = after_help())]
    Run(Box<RunArgs>),
    /// Check a configuration without running it
    Check(Box<CheckArgs>),
    /// List sources and storages and their parameters
    Spec(SpecArgs),
    /// Write a configuration to start from
    Init(InitArgs),
    /// Say whether this machine can run connectors, and how well they are isolated
    Doctor(DoctorArgs),
    /// Show or change where the next incremental run goes on
    State(StateArgs),
    /// Look after the store of installed environments
    Store(StoreArgs),
}

/// What the arguments ask for.
#[derive(Debug, Serialize)]
#[serde(tag = "action", rename_all = "camelCase")]
pub enum Plan {
    /// Print and exit.
    Print(Printed),
    /// Run a connector.
    Run(RunPlan),
    /// Call [`perform`] with the same arguments, and where that says so, start this run, which only
    /// says whether it could begin, and show what it said.
    Connect(RunPlan),
    /// Call [`perform`] with the same arguments.
    Perform,
}

/// The definitions of all commands.
#[cfg(test)]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Why the first argument cannot be what is run: it is no file and no path, but like a command, or
/// another argument follows, as after a command.
fn mistyped(argv: &[String], commands: &clap::Command) -> Option<Refused> {
    let first = argv.get(2)?;
    let looks_like_a_path = first.contains(['.', '/']) || first.starts_with('-');
    if looks_like_a_path || commands.find_subcommand(first).is_some() || Path::new(first).exists() {
        return None;
    }
    let names: Vec<_> = commands.get_subcommands().map(clap::Command::get_name).collect();
    let meant = nearest(first, names.iter().copied());
    let is_followed = argv.get(3).is_some_and(|second| !second.starts_with('-'));
    (meant.is_some() || is_followed).then(|| Refused::mistyped(first, meant, &names))
}

/// The widest that help gets, and its width where there is no terminal.
const HELP_WIDTH: usize = 100;

fn parse(argv: &[String], columns: Option<usize>) -> Result<Cli, clap::Error> {
    let command = Cli::command().term_width(columns.unwrap_or(HELP_WIDTH).min(HELP_WIDTH));
    // the first two entries are node and the script
    let mut given: Vec<_> = argv.iter().skip(2).map(String::as_str).collect();
    // the word that may be left out: what is wrong is then wrong with a run
    // `-` is standard input
    if given.first().is_some_and(|first| {
        (!first.starts_with('-') || *first == "-") && command.find_subcommand(first).is_none()
    }) {
        given.insert(0, "run");
    }
    let matches = command.try_get_matches_from(std::iter::once(NAME).chain(given))?;
    Cli::from_arg_matches(&matches)
}

/// What to run or to do; or what was asked for by `--help`, or why nothing is done.
enum Asked {
    Run(RunPlan),
    Perform(Box<Cli>),
    Help(clap::Error),
    Refused(Refused),
}

fn asked(argv: &[String], columns: Option<usize>) -> Asked {
    let commands = Cli::command();
    let helped;
    let argv = match argv {
        // `help check`, as many have it
        [node, script, help, rest @ ..] if help == "help" && !Path::new(help).exists() => {
            helped = [&[node.clone(), script.clone()], rest, &["--help".to_owned()]].concat();
            &helped
        }
        _ => argv,
    };
    if let Some(refused) = mistyped(argv, &commands) {
        return Asked::Refused(refused);
    }
    let (run, no_color, node) = match parse(argv, columns) {
        Ok(Cli { command: Some(Command::Run(run)), no_color, node, .. }) => (*run, no_color, node),
        Ok(Cli { command: None, run, no_color, node }) => (run, no_color, node),
        Ok(cli) => return Asked::Perform(Box::new(cli)),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return Asked::Help(error);
        }
        Err(error) => return Asked::Refused(Refused::by_clap(&error)),
    };
    match run.into_plan(no_color) {
        Some(plan) => Asked::Run(plan.in_node(node)),
        None => Asked::Refused(Refused::no_path(&commands)),
    }
}

/// Reads `process.argv`; `at` is the time.
pub fn plan(argv: &[String], facts: &Facts, at: &str) -> Plan {
    let no_color = forbids_colours(argv);
    match asked(argv, facts.columns) {
        Asked::Run(run) => Plan::Run(run),
        Asked::Perform(cli) => match cli.command {
            Some(Command::Check(given)) if given.connect => {
                Plan::Connect(given.into_plan(cli.no_color).in_node(cli.node))
            }
            _ => Plan::Perform,
        },
        Asked::Help(help) => {
            let text = help.render();
            let is_painted = facts.colours(facts.stdout, no_color);
            Plan::Print(Printed::ok(if is_painted { text.ansi().to_string() } else { text.to_string() }))
        }
        Asked::Refused(refused) => {
            let told = refused.told(reader(argv, &Cli::command()), facts, no_color, at);
            Plan::Print(
                told.shown(paint(facts, facts.stdout, no_color), paint(facts, facts.stderr, no_color)),
            )
        }
    }
}

fn paint(facts: &Facts, is_terminal: bool, no_color: bool) -> Paint {
    Paint { colours: facts.colours(is_terminal, no_color) }
}

/// Does what a command other than `run` asks for, and says what to print.
pub async fn perform(argv: &[String], host: &Host, facts: &Facts) -> Printed {
    let Asked::Perform(cli) = asked(argv, facts.columns) else { return Printed::default() }; // `plan` answers
    let terminal = Terminal {
        colours: facts.colours(facts.stdout, cli.no_color),
        columns: facts.columns.filter(|_| facts.stdout),
    };
    let named = cli.node.map(|node| Host { node_path: Some(node.into()), ..host.clone() });
    let host = named.as_ref().unwrap_or(host);
    let printed = match cli.command {
        Some(Command::Check(given)) => check(&given, host, terminal).await,
        Some(Command::Spec(given)) => spec(&given, host, terminal).await,
        Some(Command::Init(given)) => init(&given, host).await,
        Some(Command::Doctor(given)) => doctor(&given, host, terminal).await,
        Some(Command::State(given)) => state(&given, host).await,
        Some(Command::Store(given)) => store(&given, host, terminal).await,
        Some(Command::Run(_)) | None => Printed::default(),
    };
    let (stdout, stderr) =
        (paint(facts, facts.stdout, cli.no_color), paint(facts, facts.stderr, cli.no_color));
    let mut printed = printed.told(stderr);
    printed.stdout = facts.fitted(&printed.stdout, facts.stdout);
    printed.stderr = facts.fitted(&printed.stderr, facts.stderr);
    if let Some(error) = &printed.error
        && reader(argv, &Cli::command()) == Reader::Answer
    {
        printed.stdout = line(Reader::Answer, error, printed.exit_code, "");
    }
    printed.shown(stdout, stderr)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(args: &[&str]) -> Plan {
        let all: Vec<_> = ["node", "cli.js"].iter().chain(args).map(|arg| (*arg).to_owned()).collect();
        plan(&all, &Facts::default(), "")
    }

    fn printed(args: &[&str]) -> (String, bool, i32) {
        match of(args) {
            Plan::Print(Printed { stdout, stderr, exit_code, .. }) => {
                let is_error = stdout.is_empty();
                (if is_error { stderr } else { stdout }, is_error, exit_code)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_path_is_a_run_with_or_without_the_word() {
        for args in [&["a.json"][..], &["run", "a.json"]] {
            let Plan::Run(run) = of(args) else { panic!("no run") };
            assert_eq!(
                (run.config.as_str(), run.run_type.as_str(), run.data.len()),
                ("a.json", "INCREMENTAL", 0)
            );
        }
    }

    #[test]
    fn options_reach_the_run() {
        let Plan::Run(run) = of(&[
            "a.json",
            "--run-type",
            "manual_backfill",
            "--data",
            "StartDate=2026-01-01",
            "--data",
            "Q=a=b",
            "--state",
            "s.json",
            "--connectors",
            "@owox/connectors",
            "--runs-dir",
            "/r",
        ]) else {
            panic!("no run")
        };
        assert_eq!(run.run_type, "MANUAL_BACKFILL");
        assert_eq!(
            run.data,
            [
                json!({"configField":"StartDate","value":"2026-01-01"}),
                json!({"configField":"Q","value":"a=b"})
            ]
        );
        assert_eq!(run.state.as_deref(), Some("s.json"));
        assert_eq!(
            run.options,
            json!({
                "connectorsPackage": "@owox/connectors",
                "runsDir": "/r",
                "projectDir": ".",
                "stacks": "unexpected",
            })
        );
    }

    #[test]
    fn other_commands_are_performed() {
        for args in [
            &["check", "a.json"][..],
            &["spec"],
            &["spec", "CsvFile", "--json"],
            &["init", "--source", "CsvFile", "--storage", "DuckDb"],
            &["doctor"],
            &["state", "get", "a.json"],
            &["doctor", "--json"],
            &["store", "warm", "a.json"],
        ] {
            assert!(matches!(of(args), Plan::Perform), "{args:?}");
        }
    }

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_path_is_the_originals_message() {
        let (text, is_error, exit_code) = printed(&[]);
        assert!(text.starts_with("Please provide a path to the json config file\n"));
        assert_eq!((is_error, exit_code), (true, 1));
    }

    #[test]
    fn help_and_version_are_no_errors() {
        let (help, is_error, exit_code) = printed(&["--help"]);
        assert_eq!((is_error, exit_code), (false, 0));
        for word in ["--run-type", "--data", "--state", "--connectors", "MANUAL_BACKFILL", "Exit codes"] {
            assert!(help.contains(word), "{word} in\n{help}");
        }
        assert_eq!(printed(&["help"]), printed(&["--help"]));
        assert_eq!(printed(&["help", "store", "list"]), printed(&["store", "list", "--help"]));
        assert!(printed(&["help", "chekc"]).1);
        assert_eq!(printed(&["--version"]).0, format!("{NAME} {}\n", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn mistakes_are_explained() {
        let (text, is_error, exit_code) = printed(&["a.json", "--run-typ", "CUSTOM"]);
        assert!(text.contains("--run-type") && is_error && exit_code == 1, "{text}");
        assert!(printed(&["a.json", "--run-type", "FULL"]).0.contains("FULL_REFRESH"));
        assert!(printed(&["a.json", "--data", "novalue"]).0.contains("FIELD=VALUE"));
        assert!(printed(&["chekc", "a.json"]).0.contains("did you mean 'check'?"));
        assert!(printed(&["rnu", "a.json"]).0.contains("did you mean 'run'?"));
        assert!(printed(&["frobnicate", "a.json"]).0.contains("there are run, check, "));
        assert!(printed(&["a.json", "b.json"]).0.contains("unexpected argument 'b.json'"));
        assert!(printed(&["check"]).0.contains("<CONFIG>"));
        assert!(printed(&["store", "lst"]).0.contains("'list'"));
    }
}
