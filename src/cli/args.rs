//! Arguments.

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, ValueEnum};
use serde::Serialize;
use serde_json::json;

/// The CLI's name.
const NAME: &str = "owox-connector-runner";

/// Words that are commands of the contract but not of this version.
const LATER: [&str; 6] = ["check", "spec", "init", "doctor", "state", "store"];

/// Said when no configuration is given (contract, section 9).
const NO_PATH: &str = "Please provide a path to the json config file";

#[derive(Parser)]
#[command(
    name = NAME,
    version,
    about = "Runs an OWOX Data Marts connector in an isolated Node.js process",
    override_usage = "owox-connector-runner [run] <CONFIG> [OPTIONS]",
    after_help = "Examples:\n  \
        owox-connector-runner examples/quickstart.json\n  \
        owox-connector-runner config.json --state config.state.json\n  \
        owox-connector-runner config.json --run-type MANUAL_BACKFILL --data StartDate=2026-01-01 --data EndDate=2026-01-31\n\n\
        Exit codes: 0 the connector succeeded, 1 anything else.\n\
        What the connector prints goes to stdout, everything else to stderr."
)]
struct Cli {
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Args)]
struct RunArgs {
    /// The connector's configuration, a JSON file; paths in it count from its folder
    #[arg(value_name = "CONFIG")]
    config: Option<String>,

    /// What to load
    #[arg(long, value_name = "TYPE", value_enum, default_value = "INCREMENTAL", ignore_case = true)]
    run_type: RunType,

    /// A field of the run, such as StartDate=2026-01-01; may be repeated
    #[arg(long, value_name = "FIELD=VALUE", value_parser = field)]
    data: Vec<(String, String)>,

    /// File with the state of the last run: read before, written after a successful run
    #[arg(long, value_name = "FILE")]
    state: Option<String>,

    /// Connectors package: an npm package's name, or the path of a package's folder
    #[arg(long, value_name = "PACKAGE")]
    connectors: Option<String>,

    /// Folder for the run's temporary directory [default: the system's temporary folder]
    #[arg(long, value_name = "DIR")]
    runs_dir: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
enum RunType {
    /// Go on from the last state
    Incremental,
    /// Load the range given by --data
    ManualBackfill,
    /// Load everything anew
    FullRefresh,
    /// Load with the parameters given by --data
    Custom,
}

impl RunType {
    fn name(self) -> &'static str {
        match self {
            RunType::Incremental => "INCREMENTAL",
            RunType::ManualBackfill => "MANUAL_BACKFILL",
            RunType::FullRefresh => "FULL_REFRESH",
            RunType::Custom => "CUSTOM",
        }
    }
}

/// `field=value`.
fn field(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as FIELD=VALUE, such as StartDate=2026-01-01".to_owned()),
    }
}

/// What the arguments ask for.
#[derive(Debug, Serialize)]
#[serde(tag = "action", rename_all = "camelCase")]
pub enum Plan {
    /// Print a text and exit.
    #[serde(rename_all = "camelCase")]
    Print {
        /// The text.
        text: String,
        /// Whether it belongs on stderr.
        is_error: bool,
        /// The exit code.
        exit_code: i32,
    },
    /// Run a connector.
    Run(RunPlan),
}

/// A run that was asked for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunPlan {
    /// Path of the configuration, as given.
    pub config: String,
    /// What becomes of the run configuration's `type`.
    pub run_type: String,
    /// What becomes of its `data`.
    pub data: Vec<serde_json::Value>,
    /// Path of the state file, as given.
    pub state: Option<String>,
    /// The option `connectorsPackage`.
    pub connectors_package: Option<String>,
    /// The option `runsDir`.
    pub runs_dir: Option<String>,
}

/// Reads `process.argv`: the first two entries are node and the script.
pub fn plan(argv: &[String]) -> Plan {
    let mut given: Vec<&str> = argv.iter().skip(2).map(String::as_str).collect();
    match given.first() {
        Some(&"run") => {
            given.remove(0);
        }
        Some(later) if LATER.contains(later) => {
            let text = format!("{NAME} {later} is not part of this version; see {NAME} --help\n");
            return Plan::Print { text, is_error: true, exit_code: 1 };
        }
        _ => {}
    }
    let parsed = Cli::command()
        .try_get_matches_from(std::iter::once(NAME).chain(given))
        .and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(Cli { run: RunArgs { config: Some(config), run_type, data, state, connectors, runs_dir } }) => {
            Plan::Run(RunPlan {
                config,
                run_type: run_type.name().to_owned(),
                data: data
                    .into_iter()
                    .map(|(name, value)| json!({ "configField": name, "value": value }))
                    .collect(),
                state,
                connectors_package: connectors,
                runs_dir,
            })
        }
        Ok(_) => Plan::Print {
            text: format!("{NO_PATH}\nUsage: {NAME} [run] <CONFIG> [OPTIONS]; --help lists the options\n"),
            is_error: true,
            exit_code: 1,
        },
        Err(error) => {
            let wanted = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            Plan::Print { text: error.render().to_string(), is_error: !wanted, exit_code: i32::from(!wanted) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(args: &[&str]) -> Plan {
        let all: Vec<_> = ["node", "cli.js"].iter().chain(args).map(|arg| (*arg).to_owned()).collect();
        plan(&all)
    }

    fn printed(args: &[&str]) -> (String, bool, i32) {
        match of(args) {
            Plan::Print { text, is_error, exit_code } => (text, is_error, exit_code),
            Plan::Run(run) => panic!("{run:?}"),
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
        assert_eq!(run.connectors_package.as_deref(), Some("@owox/connectors"));
        assert_eq!(run.runs_dir.as_deref(), Some("/r"));
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
        assert_eq!(printed(&["--version"]).0, format!("{NAME} {}\n", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn mistakes_are_explained() {
        let (text, is_error, exit_code) = printed(&["a.json", "--run-typ", "CUSTOM"]);
        assert!(text.contains("--run-type") && is_error && exit_code == 1, "{text}");
        assert!(printed(&["a.json", "--run-type", "FULL"]).0.contains("FULL_REFRESH"));
        assert!(printed(&["a.json", "--data", "novalue"]).0.contains("FIELD=VALUE"));
        assert!(printed(&["check", "a.json"]).0.contains("not part of this version"));
    }
}
