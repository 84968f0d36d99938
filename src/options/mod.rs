//! Options of the runner and of a run (contract, section 11), and the only place for their
//! defaults.

mod isolation;
mod read;

use std::time::Duration;

pub use read::OptionValue;

use crate::context::Variables;
use crate::environment::StoreOptions;
use crate::host::Host;
use crate::isolation::{Isolation, Mode};
use crate::output::redact::Redaction;
use crate::process::{EnvPolicy, Supervision};
use crate::template::Script;

/// What a caller has asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Name or folder of the connectors package; looked for where absent.
    pub connectors_package: Option<String>,
    /// Folder for the runs' directories; the system's temporary folder where absent.
    pub runs_dir: Option<String>,
    /// Variables that reach the connector; by default as the isolation's mode has it.
    pub env: Option<EnvPolicy>,
    /// How a run is isolated.
    pub isolation: Isolation,
    /// How long and with how much memory.
    pub limits: Limits,
    /// How many runs of one runner may go on at the same time; none: as many as there are.
    pub max_concurrent_runs: Option<usize>,
    /// What the caller listens to.
    pub listeners: Listeners,
    /// Where a report of the run is written.
    pub report: Option<String>,
    /// What the run's script does.
    pub script: Script,
    /// Where dependencies come from.
    pub store: StoreOptions,
    /// What is replaced in everything that leaves a run.
    pub redact: Redaction,
}

/// What a caller listens to: what nobody wants is not made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Listeners {
    /// Parsed messages.
    pub messages: bool,
    /// What the run's processes use, and in milliseconds how often.
    pub usage_every_ms: Option<u64>,
}

/// What a run may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// From its turn to its end.
    pub timeout: Option<Duration>,
    /// Without any output.
    pub stall: Option<Duration>,
    /// From SIGTERM to SIGKILL.
    pub grace: Duration,
    /// Resident memory of the whole tree, in MB of 1,048,576 bytes.
    pub memory_mb: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { timeout: None, stall: None, grace: Duration::from_secs(10), memory_mb: None }
    }
}

/// Variable with which the supervisor's fallback for other systems is tested on this one.
const SUPERVISION: &str = "OWOX_RUNNER_SUPERVISION";

/// From one point of a report's charts to the next, while a run is young.
const CHART_EVERY_MS: u64 = 25;

impl Options {
    /// The variables that reach a connector. In `strict` these are few, and what makes a program
    /// load code of the host's passes by its name only.
    pub fn variables(&self, all: Variables) -> Variables {
        let is_strict = self.isolation.mode == Mode::Strict;
        let by_mode = if is_strict { EnvPolicy::Minimal } else { EnvPolicy::Inherit };
        let mut passed = self.env.as_ref().unwrap_or(&by_mode).apply(all);
        if is_strict && self.env == Some(EnvPolicy::Inherit) {
            passed.retain(|(name, _)| !loads_code(name));
        }
        passed
    }

    /// Whether standard input may be the host's.
    pub fn inherit_stdin(&self) -> bool {
        self.isolation.mode == Mode::None
    }

    /// How a connector's process is watched.
    pub fn supervision(&self, host: &Host) -> Supervision {
        Supervision {
            namespace: self.isolation.namespace(),
            portable: host.variable(SUPERVISION) == Some("portable"),
            memory_limit_bytes: self.limits.memory_mb.map(|limit| limit * 1024 * 1024),
            sample_every_ms: if self.report.is_some() {
                Some(CHART_EVERY_MS)
            } else {
                self.listeners.usage_every_ms
            },
        }
    }
}

/// Whether a variable of this name makes Node.js or the loader run code that it names.
fn loads_code(name: &str) -> bool {
    matches!(name, "NODE_OPTIONS" | "NODE_PATH" | "NODE_REPL_EXTERNAL_MODULE") || name.starts_with("LD_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;

    fn set(name: &str, value: OptionValue) -> Result<Options> {
        Options::default().with(vec![(name.to_owned(), value)])
    }

    fn text(text: &str) -> OptionValue {
        OptionValue::Text(text.into())
    }

    // Case 34.
    #[test]
    fn variables_that_load_code_reach_strict_runs_by_their_names_only() {
        let names = ["PATH", "HOME", "NODE_OPTIONS", "LD_PRELOAD", "OW_CONFIG"];
        let passed = |options: &Options| -> Vec<String> {
            let all = names.iter().map(|name| ((*name).to_owned(), String::new())).collect();
            options.variables(all).into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(passed(&Options::default()), names, "standard passes all on");
        let strict = set("isolation", text("strict")).unwrap();
        assert_eq!(passed(&strict), ["PATH", "OW_CONFIG"]);
        let inherit = strict.with(vec![("env".into(), text("inherit"))]).unwrap();
        assert_eq!(passed(&inherit), ["PATH", "HOME", "OW_CONFIG"]);
        let both = OptionValue::Texts(vec!["NODE_OPTIONS".into(), "LD_PRELOAD".into()]);
        let by_name = strict.with(vec![("env".into(), both)]).unwrap();
        assert_eq!(passed(&by_name), ["NODE_OPTIONS", "LD_PRELOAD", "OW_CONFIG"]);
    }

    #[test]
    fn only_isolation_none_may_read_the_hosts_input() {
        assert!(set("isolation", text("none")).unwrap().inherit_stdin());
        for mode in ["standard", "strict"] {
            assert!(!set("isolation", text(mode)).unwrap().inherit_stdin());
        }
    }
}
