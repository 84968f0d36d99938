//! Options of the runner and of a run (contract, section 11), and the only place for their
//! defaults.

use std::time::Duration;

use crate::error::{Code, Result, RunnerError};
use crate::host::Host;
use crate::process::{EnvPolicy, Namespace, Supervision};

/// An option's value as it came from JavaScript.
#[derive(Debug, Clone, PartialEq)]
pub enum OptionValue {
    /// A number.
    Number(f64),
    /// The fields of a plain object; those that are undefined are left out.
    Fields(Vec<(String, OptionValue)>),
    /// A string.
    Text(String),
    /// An array of strings.
    Texts(Vec<String>),
    /// A boolean.
    Flag(bool),
    /// Something like an `AbortSignal`, which JavaScript listens to.
    Signal,
    /// Anything else.
    Other,
}

/// What this version does with options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Name or folder of the connectors package; looked for where absent.
    pub connectors_package: Option<String>,
    /// Folder for the runs' directories; the system's temporary folder where absent.
    pub runs_dir: Option<String>,
    /// Variables that reach the connector; all by default.
    pub env: EnvPolicy,
    /// Whether standard input may be the host's: `isolation: 'none'` was asked for.
    pub inherit_stdin: bool,
    /// How long and with how much memory.
    pub limits: Limits,
    /// How many runs of one runner may go on at the same time; none: as many as there are.
    pub max_concurrent_runs: Option<usize>,
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

/// Longest time in milliseconds: a month. More is taken for a mistake of units.
const MAX_MS: f64 = 31.0 * 24.0 * 3600.0 * 1000.0;

/// Options of the contract that this version does not have yet. They are refused: an option that
/// was ignored would be a promise broken in silence.
const LATER: [&str; 4] = ["redact", "onMessage", "storeDir", "lockfile"];

const KNOWN: [&str; 11] = [
    "connectorsPackage",
    "runsDir",
    "env",
    "isolation",
    "store",
    "signal",
    "timeoutMs",
    "stallTimeoutMs",
    "graceMs",
    "memoryLimitMb",
    "maxConcurrentRuns",
];

fn invalid(message: String) -> RunnerError {
    RunnerError::new(Code::InvalidConfig, message)
}

impl Options {
    /// These options with `entries` (name and value, `undefined` left out) taking precedence.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for an option that is unknown, not built yet, or of a wrong type;
    /// `ISOLATION_UNAVAILABLE` for an isolation that cannot be enforced.
    pub fn with(&self, entries: Vec<(String, OptionValue)>) -> Result<Self> {
        let mut options = self.clone();
        for (name, value) in entries {
            options.set(&name, value)?;
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: OptionValue) -> Result<()> {
        match (name, value) {
            ("connectorsPackage", OptionValue::Text(text)) if !text.is_empty() => {
                self.connectors_package = Some(text);
            }
            ("runsDir", OptionValue::Text(text)) if !text.is_empty() => self.runs_dir = Some(text),
            ("env", OptionValue::Text(text)) if text == "inherit" => self.env = EnvPolicy::Inherit,
            ("env", OptionValue::Text(text)) if text == "minimal" => self.env = EnvPolicy::Minimal,
            ("env", OptionValue::Texts(names)) => self.env = EnvPolicy::Names(names),
            ("isolation", OptionValue::Text(text)) if text == "none" => self.inherit_stdin = true,
            ("isolation", _) => {
                return Err(RunnerError::new(
                    Code::IsolationUnavailable,
                    "option isolation: this version enforces none; leave it out, or say 'none'",
                ));
            }
            // Each run installs for itself, which is what 'off' means.
            ("store", OptionValue::Text(text)) if text == "off" => {}
            ("store", _) => {
                return Err(invalid(
                    "option store: this version has no shared store; leave it out, or say 'off'".into(),
                ));
            }
            ("connectorsPackage", _) => {
                return Err(invalid(
                    "option connectorsPackage must be a package's name or the path of its folder".into(),
                ));
            }
            ("runsDir", _) => return Err(invalid("option runsDir must be the path of a folder".into())),
            ("env", _) => {
                return Err(invalid(
                    "option env must be 'inherit', 'minimal' or an array of variable names".into(),
                ));
            }
            ("signal", OptionValue::Signal) => {} // JavaScript listens to it
            ("signal", _) => return Err(invalid("option signal must be an AbortSignal".into())),
            ("timeoutMs", value) => self.limits.timeout = Some(time(name, &value, 1.0)?),
            ("stallTimeoutMs", value) => self.limits.stall = Some(time(name, &value, 1.0)?),
            ("graceMs", value) => self.limits.grace = time(name, &value, 0.0)?,
            ("memoryLimitMb", value) => {
                let limit = number(name, &value, MIN_MEMORY_MB, MAX_MEMORY_MB, "megabytes")?;
                self.limits.memory_mb = Some(limit);
            }
            ("maxConcurrentRuns", value) => {
                let runs = number(name, &value, 1.0, f64::from(u16::MAX), "runs")?;
                self.max_concurrent_runs = usize::try_from(runs).ok();
            }
            (later, _) if LATER.contains(&later) => {
                return Err(invalid(format!(
                    "option {later} is not supported by this version; leave it out"
                )));
            }
            (unknown, _) => return Err(invalid(unknown_option(unknown))),
        }
        Ok(())
    }
}

/// Least limit of memory that makes sense: Node.js alone takes some 45 MB.
const MIN_MEMORY_MB: f64 = 64.0;

/// Largest limit: a tebibyte.
const MAX_MEMORY_MB: f64 = 1024.0 * 1024.0;

/// A whole number within bounds; fractions are rounded up.
fn number(name: &str, value: &OptionValue, least: f64, most: f64, unit: &str) -> Result<u64> {
    match value {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "compared with its bounds, which are whole and positive"
        )]
        OptionValue::Number(number) if (least..=most).contains(&number.ceil()) && *number >= least => {
            Ok(number.ceil() as u64)
        }
        _ => Err(invalid(format!("option {name} must be a number of {unit} from {least} to {most}"))),
    }
}

fn time(name: &str, value: &OptionValue, least: f64) -> Result<Duration> {
    number(name, value, least, MAX_MS, "milliseconds").map(Duration::from_millis)
}

impl Options {
    /// How a connector's process is watched. `isolation: 'none'` is as the original was, so
    /// without a namespace.
    pub fn supervision(&self, host: &Host) -> Supervision {
        Supervision {
            namespace: if self.inherit_stdin { Namespace::Off } else { Namespace::Preferred },
            portable: host.variable(SUPERVISION) == Some("portable"),
            memory_limit_bytes: self.limits.memory_mb.map(|limit| limit * 1024 * 1024),
        }
    }
}

fn unknown_option(name: &str) -> String {
    let nearest = KNOWN
        .iter()
        .chain(&LATER)
        .find(|known| known.eq_ignore_ascii_case(&name.replace(['_', '-'], "")))
        .map(|known| format!("; did you mean {known}?"));
    format!("option {name} is unknown{}", nearest.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: OptionValue) -> Result<Options> {
        Options::default().with(vec![(name.to_owned(), value)])
    }

    fn text(text: &str) -> OptionValue {
        OptionValue::Text(text.into())
    }

    #[test]
    fn a_runs_options_win_over_the_runners() {
        let runner = Options::default()
            .with(vec![("runsDir".into(), text("/a")), ("env".into(), text("minimal"))])
            .unwrap();
        let run = runner.with(vec![("runsDir".into(), text("/b"))]).unwrap();
        assert_eq!((run.runs_dir.as_deref(), run.env), (Some("/b"), EnvPolicy::Minimal));
    }

    #[test]
    fn what_is_not_built_yet_is_refused() {
        for name in LATER {
            let error = set(name, OptionValue::Other).unwrap_err();
            assert_eq!(error.code, Code::InvalidConfig);
            assert!(error.message.contains(name), "{}", error.message);
        }
        assert_eq!(set("isolation", text("strict")).unwrap_err().code, Code::IsolationUnavailable);
        assert!(set("store", text("shared")).is_err());
        set("store", text("off")).unwrap();
        assert!(set("isolation", text("none")).unwrap().inherit_stdin);
    }

    #[test]
    fn numbers_have_bounds_and_units() {
        let options = Options::default()
            .with(vec![
                ("timeoutMs".into(), OptionValue::Number(1.5)),
                ("stallTimeoutMs".into(), OptionValue::Number(20.0)),
                ("graceMs".into(), OptionValue::Number(0.0)),
                ("memoryLimitMb".into(), OptionValue::Number(400.0)),
                ("maxConcurrentRuns".into(), OptionValue::Number(3.0)),
            ])
            .unwrap();
        let expected = Limits {
            timeout: Some(Duration::from_millis(2)),
            stall: Some(Duration::from_millis(20)),
            grace: Duration::ZERO,
            memory_mb: Some(400),
        };
        assert_eq!((options.limits, options.max_concurrent_runs), (expected, Some(3)));
        assert_eq!(Options::default().limits.grace, Duration::from_secs(10));
        for name in ["timeoutMs", "stallTimeoutMs", "graceMs", "memoryLimitMb", "maxConcurrentRuns"] {
            for number in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
                let error = set(name, OptionValue::Number(number)).unwrap_err();
                assert!(error.message.contains(name) && error.message.contains("from"), "{}", error.message);
            }
            assert!(set(name, text("10")).unwrap_err().message.contains(name));
        }
        for (name, number) in [("timeoutMs", 0.0), ("memoryLimitMb", 63.0), ("maxConcurrentRuns", 0.5)] {
            assert!(set(name, OptionValue::Number(number)).is_err(), "{name}");
        }
        set("signal", OptionValue::Signal).unwrap();
        assert!(set("signal", OptionValue::Flag(true)).unwrap_err().message.contains("AbortSignal"));
    }

    #[test]
    fn wrong_types_and_unknown_names_are_named() {
        for name in ["connectorsPackage", "runsDir", "env"] {
            assert!(set(name, OptionValue::Flag(true)).unwrap_err().message.contains(name));
        }
        assert!(set("runs_dir", text("/a")).unwrap_err().message.ends_with("did you mean runsDir?"));
        assert!(set("colour", text("red")).unwrap_err().message.ends_with("colour is unknown"));
    }
}
