//! `check`: what can be known of a configuration without running it.

use std::fmt::Write as _;
use std::path::Path;

use clap::Args;
use serde_json::json;

use super::common::{ConnectorsArgs, Printed, Terminal, project_of};
use super::config_file::{explain, read_config};
use super::examine::{Examined, examine};
use super::findings::{Findings, Severity, counted};
use super::look::Paint;
use super::run::{IsolationArgs, Look, PlaceArgs, RunPlan, plan_of_check};
use super::state::try_state;
use crate::connectors::{Depth, storage_dependencies};
use crate::environment::{Project, Published, published};
use crate::error::{Result, RunnerError};
use crate::host::Host;
use crate::run::{Connectors, describe_connectors};
use crate::specifier::{AllowedOrigins, Origin, origin};

/// Arguments of `check`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag by itself")]
pub struct CheckArgs {
    /// The connector's configuration, a JSON file
    #[arg(value_name = "CONFIG")]
    pub config: String,

    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,

    /// Also ask npm whether the versions that the storage needs are there
    #[arg(long)]
    pub online: bool,

    /// Also let source and storage try what a run needs, in an environment and isolation like a run's,
    /// without moving a row: whether they can be reached, accept the credentials, and may be written
    #[arg(long)]
    pub connect: bool,

    /// State file that a run would be given, instead of the configuration's own
    #[arg(long, value_name = "FILE")]
    pub state: Option<String>,

    /// A run would neither read nor write a state
    #[arg(long, conflicts_with = "state")]
    pub no_state: bool,

    #[command(flatten)]
    pub connectors: ConnectorsArgs,

    #[command(flatten)]
    pub place: PlaceArgs,

    #[command(flatten)]
    pub isolation: IsolationArgs,
}

impl CheckArgs {
    /// The run that `--connect` asks for.
    pub fn into_plan(self, no_color: bool) -> RunPlan {
        // its steps go to a person, and its one answer to a program
        let look = Look { json: false, quiet: self.json, no_color };
        plan_of_check(self.config, self.connectors, self.place, self.isolation, look)
    }
}

/// Checks a configuration. The exit code is 1 where a run would fail.
pub async fn check(args: &CheckArgs, host: &Host, terminal: Terminal) -> Printed {
    let host = Host { helpers_read: args.isolation.helpers_read(), ..host.clone() };
    act(args, &host, Paint { colours: terminal.colours }).await.unwrap_or_else(Printed::from)
}

async fn act(args: &CheckArgs, host: &Host, paint: Paint) -> Result<Printed> {
    let text = read_config(&args.config, host)?;
    let text = text.as_str();
    if let Some(explained) = explain(text) {
        return Ok(malformed(args, text, &explained, paint));
    }
    let connectors =
        describe_connectors(args.connectors.connectors.as_deref(), host, Depth::Parameters).await?;
    let folder = host.absolute(&args.config).parent().map(Path::to_owned).unwrap_or_default();
    let Examined { mut findings, storage } = examine(text, folder, &connectors);
    if let Some((storage, at)) = storage {
        dependencies(
            &storage,
            at,
            &connectors,
            args.online.then(|| (host, project(args, host))),
            &mut findings,
        )
        .await?;
    }
    if !args.no_state {
        state(args, text, host, &mut findings);
    }
    Ok(shown(args, &findings, Some(&connectors.package.title()), paint))
}

/// Whether a run could keep its state.
fn state<'a>(args: &CheckArgs, text: &'a str, host: &Host, findings: &mut Findings<'a>) {
    match try_state(&args.config, args.state.as_deref(), host) {
        Ok(None) => {}
        Ok(Some(none)) => findings.add(Severity::Warning, "", text, none.reason().to_owned()),
        Err(RunnerError { message, hint, .. }) => {
            let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            findings.add(Severity::Error, "", text, message + &hint);
        }
    }
}

/// What npm would have of the project beside the configuration.
fn project(args: &CheckArgs, host: &Host) -> Project {
    let folder = project_of(&args.config).map_or_else(|| host.cwd.clone(), |folder| host.absolute(&folder));
    Project::of(&folder, host)
}

/// Whether what npm would install for a storage can be: by its form, and where a host is given also
/// by asking npm.
async fn dependencies<'a>(
    storage: &str,
    at: &'a str,
    connectors: &Connectors,
    online: Option<(&Host, Project)>,
    findings: &mut Findings<'a>,
) -> Result<()> {
    let Connectors { package, catalog } = connectors;
    let mut all = package.manifest.runner_dependencies();
    all.extend(storage_dependencies(catalog, package, storage)?);
    for dependency in all {
        let (name, version) = (&dependency.name, &dependency.version);
        if let Err(error) = dependency.check() {
            findings.add(Severity::Error, "storage.name", at, error.message);
            continue;
        }
        // a run may allow it
        if let Err(error) = AllowedOrigins::default().check(name, version, &package.root) {
            findings.add(Severity::Warning, "storage.name", at, error.message);
            continue;
        }
        let is_of_registry = origin(version) == Some(Origin::Registry);
        let Some((host, project)) = online.as_ref().filter(|_| is_of_registry) else { continue };
        let (severity, message) = match published(name, version, project, host).await? {
            Published::Yes => continue,
            Published::No(why) => {
                let has_not = "which npm's registry does not have, or not all that it needs";
                (Severity::Error, format!("needs {name}@{version}, {has_not}: {why}"))
            }
            Published::Unknown(why) => {
                (Severity::Warning, format!("needs {name}@{version}, of which npm could not tell: {why}"))
            }
        };
        findings.add(severity, "storage.name", at, message);
    }
    Ok(())
}

/// The answer for a text that is not JSON.
fn malformed(args: &CheckArgs, text: &str, explained: &str, paint: Paint) -> Printed {
    let error = serde_json::from_str::<serde::de::IgnoredAny>(text).err();
    let (line, column) = error.as_ref().map_or((1, 1), |error| (error.line(), error.column()));
    if !args.json {
        // what it is, and below it the line
        let explained = explained.split_once(": ").map_or(explained, |(_, rest)| rest);
        let (config, label) = (&args.config, paint.error("error:"));
        let place = paint.bold(&format!("{config}:{line}:{column}:"));
        let stdout = format!("{place} {label} {explained}\n{config} is not valid JSON\n");
        return Printed { stdout, exit_code: 1, ..Printed::default() };
    }
    let reason = error.map(|error| error.to_string()).unwrap_or_default();
    let finding = json!({ "severity": "error", "path": "", "message": format!("the file is not valid JSON: {reason}"), "line": line, "column": column });
    let answer = json!({ "ok": false, "connectors": null, "findings": [finding] });
    Printed { stdout: format!("{answer}\n"), exit_code: 1, ..Printed::default() }
}

fn shown(args: &CheckArgs, findings: &Findings, package: Option<&str>, paint: Paint) -> Printed {
    let failed = findings.has_errors();
    let exit_code = i32::from(failed);
    if args.json {
        let answer = json!({ "ok": !failed, "connectors": package, "findings": findings.all });
        return Printed { stdout: format!("{answer}\n"), exit_code, ..Printed::default() };
    }
    let mut stdout: String = findings.all.iter().map(|finding| finding.line(&args.config, paint)).collect();
    let counted = counted(&findings.all);
    let _ = match (failed, findings.all.is_empty()) {
        (_, true) => writeln!(stdout, "{}", paint.good(&format!("{} is fine", args.config))),
        (false, _) => writeln!(stdout, "{} can be run: {counted}", args.config),
        (true, _) => writeln!(stdout, "{} has {counted}", args.config),
    };
    Printed { stdout, exit_code, ..Printed::default() }
}
