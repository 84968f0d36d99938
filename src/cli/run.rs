//! `run`: its arguments, and what they ask of a run. The run itself is JavaScript's to start,
//! since output goes to its streams.

use std::ffi::OsStr;
use std::path::Path;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;

use super::common::{ConnectorsArgs, EnvironmentArgs, project_of};
use crate::host::HelpersRead;
use crate::isolation::{Isolation, Mode};

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The connector's configuration, a JSON file, or - for standard input; paths in it count from its folder
    #[arg(value_name = "CONFIG")]
    config: Option<String>,

    /// What to load
    #[arg(long, value_name = "TYPE", value_enum, default_value = "INCREMENTAL", ignore_case = true)]
    run_type: RunType,

    /// A field of the run, such as StartDate=2026-01-01; may be repeated
    #[arg(long, value_name = "FIELD=VALUE", value_parser = field)]
    data: Vec<(String, String)>,

    /// File with the state of the last run: read before, written after a successful run
    /// [default: one for each configuration, in the user's folder for state]
    #[arg(long, value_name = "FILE")]
    state: Option<String>,

    /// Neither read nor write a state
    #[arg(long, conflicts_with = "state")]
    no_state: bool,

    /// Wait while another run of this configuration goes on, which moves the same state
    #[arg(long)]
    wait: bool,

    /// Go on where the same run was interrupted: of this type, with these fields
    #[arg(long, conflicts_with = "no_state")]
    resume: bool,

    #[command(flatten)]
    connectors: ConnectorsArgs,

    #[command(flatten)]
    place: PlaceArgs,

    /// Write an HTML page about the run, however it ends
    #[arg(long, value_name = "FILE")]
    report: Option<String>,

    #[command(flatten)]
    limits: LimitArgs,

    #[command(flatten)]
    isolation: IsolationArgs,

    #[command(flatten)]
    look: LookArgs,
}

/// They become the option `env`.
#[derive(Debug, Args)]
struct EnvArgs {
    /// Environment variable that the connector gets of this command's, and no other; may be repeated
    #[arg(long, value_name = "NAME", conflicts_with = "env_mode", value_parser = VariableName, help_heading = "Isolation")]
    env: Vec<String>,

    /// Environment variables that the connector gets: all, or those that programs need, without secrets
    /// [default: inherit, in strict minimal]
    #[arg(long, value_name = "MODE", value_parser = ["inherit", "minimal"], help_heading = "Isolation")]
    env_mode: Option<String>,
}

impl EnvArgs {
    /// The option; none where nothing was said.
    fn into_option(self) -> Option<serde_json::Value> {
        if self.env.is_empty() { self.env_mode.map(Into::into) } else { Some(self.env.into()) }
    }
}

/// Takes the name of a variable. What is none is not repeated: it may have a secret for its value.
#[derive(Debug, Clone, Copy)]
struct VariableName;

impl TypedValueParser for VariableName {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        let name = value.to_str().filter(|name| !name.is_empty() && !name.contains('='));
        name.map(ToOwned::to_owned).ok_or_else(|| {
            let text = "invalid value for '--env <NAME>': write the name of a variable, without its value\n";
            clap::Error::raw(ErrorKind::ValueValidation, text).with_cmd(command)
        })
    }
}

/// Where a run lives, and what it has of the command's own; they become the options of the same names.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    #[command(flatten)]
    environment: EnvironmentArgs,

    #[command(flatten)]
    env: EnvArgs,

    /// Install for this run alone, without the store
    #[arg(long, conflicts_with_all = ["store", "refresh"], help_heading = "Environment")]
    no_store: bool,

    /// Folder for the run's temporary directory [default: the system's temporary folder]
    #[arg(long, value_name = "DIR", help_heading = "Environment")]
    runs_dir: Option<String>,
}

impl PlaceArgs {
    /// The options of a run of this configuration.
    fn into_options(self, config: &str) -> serde_json::Map<String, serde_json::Value> {
        let Self { environment, env, no_store, runs_dir } = self;
        let mut options = serde_json::Map::new();
        let texts = [
            ("runsDir", runs_dir),
            ("lockfile", environment.lockfile_for(Path::new(config))),
            ("projectDir", project_of(config)),
            ("storeDir", environment.store),
            ("store", no_store.then(|| "off".to_owned())),
        ];
        options.extend(texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))));
        options.extend(env.into_option().map(|env| ("env".to_owned(), env)));
        if environment.refresh {
            options.insert("refresh".into(), true.into());
        }
        for (name, list) in
            [("allowScripts", environment.allow_scripts), ("allowSpecs", environment.allow_specs)]
        {
            if !list.is_empty() {
                options.insert(name.into(), list.into());
            }
        }
        options
    }
}

/// What `check --connect` asks of a run that only says whether it could begin.
pub fn plan_of_check(
    config: String,
    connectors: ConnectorsArgs,
    place: PlaceArgs,
    isolation: IsolationArgs,
    look: Look,
) -> RunPlan {
    let mut options = place.into_options(&config);
    options.extend(connectors.connectors.map(|name| ("connectorsPackage".to_owned(), name.into())));
    options.extend(isolation.into_option().map(|isolation| ("isolation".to_owned(), isolation)));
    RunPlan {
        config,
        run_type: RunType::Incremental.name().to_owned(),
        options: options.into(),
        look,
        ..RunPlan::default()
    }
}

/// They become the option `isolation`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Isolation")]
pub struct IsolationArgs {
    /// How strictly the connector is isolated [default: standard]
    #[arg(long = "isolation", value_name = "MODE", value_parser = ["none", "standard", "strict"])]
    mode: Option<String>,

    /// File or folder that the connector may read in strict; may be repeated
    #[arg(long, value_name = "PATH")]
    allow_read: Vec<String>,

    /// File or folder that the connector may write; may be repeated
    #[arg(long, value_name = "PATH")]
    allow_write: Vec<String>,

    /// Port that the connector may connect to; may be repeated [default: all]
    #[arg(long, value_name = "PORT")]
    allow_port: Vec<u16>,
}

impl IsolationArgs {
    /// What programs may read that load a package's code before it runs.
    pub fn helpers_read(&self) -> HelpersRead {
        let mode = self.mode.as_deref().and_then(Mode::from_name).unwrap_or_default();
        Isolation { mode, read: self.allow_read.clone(), ..Isolation::default() }.helpers_read()
    }

    /// The option; none where nothing was said.
    fn into_option(self) -> Option<serde_json::Value> {
        let mut option = serde_json::Map::new();
        if let Some(mode) = self.mode {
            option.insert("mode".into(), mode.into());
        }
        for (name, paths) in [("read", self.allow_read), ("write", self.allow_write)] {
            if !paths.is_empty() {
                option.insert(name.into(), paths.into());
            }
        }
        if !self.allow_port.is_empty() {
            option.insert("tcpPorts".into(), self.allow_port.into());
        }
        (!option.is_empty()).then_some(option.into())
    }
}

/// How it prints.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct LookArgs {
    /// Print one JSON object a line on stdout, as docs/cli.md describes them
    #[arg(long)]
    json: bool,

    /// Print nothing but warnings and errors
    #[arg(long, short)]
    quiet: bool,

    /// Print the stacks of errors that connectors expect as well
    #[arg(long)]
    verbose: bool,
}

/// They become the options of the same names, and are checked there.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// End the run when it takes longer [default: no limit]
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,

    /// End the run when the connector prints nothing for so long [default: no limit]
    #[arg(long, value_name = "MS")]
    stall_timeout_ms: Option<u64>,

    /// Time to end by itself before it is killed [default: 10000]
    #[arg(long, value_name = "MS")]
    grace_ms: Option<u64>,

    /// End the run when its processes use more memory together [default: no limit]
    #[arg(long, value_name = "MB")]
    memory_limit_mb: Option<u64>,
}

/// Run types of the contract (section 3).
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

/// A run that was asked for.
#[derive(Debug, Default, Serialize)]
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
    /// Options of the runner, as `RunnerOptions` has them.
    pub options: serde_json::Value,
    /// Whether the configuration's own state file is used, for lack of `state`: what it says
    /// concerns incremental runs, and full ones begin it anew.
    pub own_state: bool,
    /// Whether it goes on where the same run was interrupted.
    pub resume: bool,
    /// Whether it waits for another run that moves the same state.
    pub wait: bool,
    /// How it prints.
    pub look: Look,
}

impl RunPlan {
    /// The same in this Node.js program, where one was named.
    #[must_use]
    pub fn in_node(mut self, program: Option<String>) -> Self {
        if let (Some(program), Some(options)) = (program, self.options.as_object_mut()) {
            options.insert("nodePath".into(), program.into());
        }
        self
    }
}

/// How a run prints.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Look {
    /// For a program that reads stdout.
    pub json: bool,
    /// Only warnings and errors.
    pub quiet: bool,
    /// Without colours.
    pub no_color: bool,
}

impl RunArgs {
    /// The run; `None` without a configuration.
    pub fn into_plan(self, no_color: bool) -> Option<RunPlan> {
        let data = self.data.into_iter();
        let config = self.config?;
        let mut options = self.place.into_options(&config);
        let texts = [
            ("connectorsPackage", self.connectors.connectors),
            ("report", self.report),
            ("stacks", (!self.look.verbose).then(|| "unexpected".to_owned())),
        ];
        options.extend(texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))));
        let limits = [
            ("timeoutMs", self.limits.timeout_ms),
            ("stallTimeoutMs", self.limits.stall_timeout_ms),
            ("graceMs", self.limits.grace_ms),
            ("memoryLimitMb", self.limits.memory_limit_mb),
        ];
        options.extend(limits.into_iter().filter_map(|(name, limit)| Some((name.to_owned(), limit?.into()))));
        if let Some(isolation) = self.isolation.into_option() {
            options.insert("isolation".into(), isolation);
        }
        Some(RunPlan {
            config,
            run_type: self.run_type.name().to_owned(),
            data: data.map(|(name, value)| json!({ "configField": name, "value": value })).collect(),
            own_state: self.state.is_none() && !self.no_state,
            state: self.state,
            resume: self.resume,
            wait: self.wait,
            options: options.into(),
            look: Look { json: self.look.json, quiet: self.look.quiet, no_color },
        })
    }
}
