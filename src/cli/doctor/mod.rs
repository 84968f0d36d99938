//! `doctor`: whether this machine can run connectors, and what isolation it can enforce.

mod checks;
mod machine;
mod text;

use clap::Args;
use serde::Serialize;

use super::common::{NAME, Printed, Terminal};
use crate::environment::{node_for, store::platform};
use crate::host::Host;
use crate::isolation::{Isolation, LayerReport, Mode, SeatBelt, probe, probe_helper};
use crate::output::redact::is_secret_variable;
use crate::protocol::policy::{Demand, Layer, Measured, PerLayer, Policy};
use machine::Machine;

/// Arguments of `doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 connectors can run here; 1 something that a run needs is missing, or with\n\
    --strict a layer that isolation 'strict' needs."
)]
pub struct DoctorArgs {
    /// Print the facts as JSON
    #[arg(long)]
    pub json: bool,

    /// Fail also where isolation 'strict' cannot be had
    #[arg(long)]
    pub strict: bool,

    /// Connectors package: an npm package's name, or the path of a package's folder
    #[arg(long, value_name = "PACKAGE")]
    pub connectors: Option<String>,

    /// Folder of the store [default: the variable `OWOX_RUNNER_STORE`, else in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    pub store: Option<String>,

    /// Folder for the runs' temporary directories
    #[arg(long, value_name = "DIR")]
    pub runs_dir: Option<String>,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Status {
    Ok,
    Warning,
    Error,
}

/// One thing that a run needs.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    status: Status,
    /// What was found, or what is wrong.
    detail: String,
    /// What to do, where something is not as it should be.
    remedy: Option<String>,
}

impl Check {
    fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, detail: detail.into(), remedy: None }
    }

    fn bad(name: &'static str, status: Status, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, status, detail: detail.into(), remedy: Some(remedy.into()) }
    }
}

/// One layer of isolation.
#[derive(Debug, Serialize)]
struct LayerState {
    name: &'static str,
    /// `full`, `partial` or `none`.
    enforced: &'static str,
    mechanism: String,
    reason: Option<String>,
    /// What to do for all of it.
    remedy: Option<String>,
}

/// A program that the runner starts beside connectors. It is confined unless isolation is `none`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Helper {
    name: &'static str,
    /// What it may do.
    may: &'static str,
    /// Each layer, as in the report of a run; what to do is the same as for connectors.
    layers: Vec<LayerReport>,
}

impl Helper {
    /// Layers that it shall have, and that are not all there.
    fn lacking(&self) -> Vec<&'static str> {
        let is_lacking = |layer: &&LayerReport| layer.requested != "off" && layer.enforced != "full";
        self.layers.iter().filter(is_lacking).map(|layer| layer.name).collect()
    }
}

/// Everything that `doctor` says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Findings {
    version: &'static str,
    platform: String,
    kernel: String,
    system: Option<String>,
    /// Whether connectors can run.
    can_run: bool,
    /// Layers of isolation `standard` that are not all there.
    lacking_in_standard: Vec<&'static str>,
    /// Whether isolation `strict` can be had.
    can_be_strict: bool,
    checks: Vec<Check>,
    layers: Vec<LayerState>,
    /// What confines the programs that work for runs.
    helpers: Vec<Helper>,
    /// Names of variables with which `standard` would pass on a secret.
    inherited_secrets: Vec<String>,
}

/// Says what this machine can do.
pub async fn doctor(args: &DoctorArgs, host: &Host, terminal: Terminal) -> Printed {
    let machine = Machine::look(host);
    let mut checks = checks::all(args, host).await;
    let layers = match probe(host).await {
        Ok(mut report) => {
            for layer in report.layers.iter_mut().filter(|layer| layer.name == Layer::Files.name()) {
                add_seat_belt(layer, host).await;
            }
            report.layers.into_iter().map(|layer| state_of(layer, &machine)).collect::<Vec<_>>()
        }
        Err(error) => {
            let remedy = "Please report this with the output of doctor --json";
            checks.push(Check::bad("isolation", Status::Error, error.message, remedy));
            Vec::new()
        }
    };
    let helpers = helpers(host).await;
    let lacking = |mode: Mode| {
        let isolation = Isolation::from(mode);
        let wanted = Layer::ALL.into_iter().filter(|layer| isolation.demand(*layer) != Demand::Off);
        let is_full = |name: &str| layers.iter().any(|layer| layer.name == name && layer.enforced == "full");
        wanted.map(Layer::name).filter(|name| !is_full(name)).collect::<Vec<_>>()
    };
    let (lacking_in_standard, lacking_in_strict) = (lacking(Mode::Standard), lacking(Mode::Strict));
    let findings = Findings {
        version: env!("CARGO_PKG_VERSION"),
        platform: platform(),
        kernel: machine.kernel.clone(),
        system: machine.system.clone(),
        can_run: checks.iter().all(|check| check.status != Status::Error),
        lacking_in_standard,
        can_be_strict: lacking_in_strict.is_empty(),
        checks,
        layers,
        helpers,
        inherited_secrets: inherited_secrets(host),
    };
    let is_well = findings.can_run && (findings.can_be_strict || !args.strict);
    let stdout = if args.json {
        serde_json::to_string_pretty(&findings).map(|json| json + "\n").unwrap_or_default()
    } else {
        text::render(&findings, terminal)
    };
    Printed { stdout, exit_code: i32::from(!is_well), ..Printed::default() }
}

/// What confines npm, and what reads a connectors package.
async fn helpers(host: &Host) -> Vec<Helper> {
    let mut helpers = Vec::new();
    for (name, may, has_network) in [
        (
            "npm",
            "write the environment that it fills, its cache and node-gyp's headers, and use the network",
            true,
        ),
        ("package reader", "read the package and what it requires, write nowhere, and use no network", false),
    ] {
        // where it cannot be tried, the check of isolation has said so
        if let Ok(layers) = probe_helper(has_network, host).await {
            helpers.push(Helper { name, may, layers });
        }
    }
    helpers
}

/// What stands in for the kernel's rules for files, where it has none.
async fn add_seat_belt(layer: &mut LayerReport, host: &Host) {
    let policy = Policy { demands: PerLayer::all(Demand::Preferred), ..Policy::default() };
    let Ok(node) = node_for(&host.variables, host) else { return }; // which another check says
    if let Some(seat_belt) = SeatBelt::fasten(Some(&policy), &node, host).await {
        let mut measured = Measured::none(layer.reason.take().unwrap_or_default());
        seat_belt.improve(&mut measured);
        *layer = LayerReport::new(Layer::Files, Demand::Preferred, measured);
    }
}

fn state_of(layer: LayerReport, machine: &Machine) -> LayerState {
    let LayerReport { name, enforced, mechanism, reason, .. } = layer;
    let known = Layer::ALL.into_iter().find(|layer| layer.name() == name);
    let remedy = known.filter(|_| enforced != "full").map(|layer| machine.remedy(layer, reason.as_deref()));
    LayerState { name, enforced, mechanism, reason, remedy }
}

/// Names that look secret, of variables whose values could be.
fn inherited_secrets(host: &Host) -> Vec<String> {
    let mut names: Vec<_> = host
        .variables
        .iter()
        .filter(|(name, value)| !name.starts_with("OW_") && is_secret_variable(name, value))
        .map(|(name, _)| name.clone())
        .collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_look_secret_are_named_and_never_shown() {
        let variables = [
            ("AWS_SECRET_ACCESS_KEY", "abcdefghijkl"),
            ("GITHUB_TOKEN", "ghp_abcdefgh"),
            ("DB_PASSWORD", "short"),
            ("TOKENIZERS_PARALLELISM", "false"),
            ("OW_TOKEN", "abcdefghijkl"),
            ("HOME", "/home/somebody"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let host = Host { variables, ..Host::default() };
        assert_eq!(inherited_secrets(&host), ["AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN"]);
    }
}
