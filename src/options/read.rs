//! Options as they come from JavaScript: which there are, and what values they take.

use std::time::Duration;

use super::Options;
use crate::environment::Permit;
use crate::error::{Code, Result, RunnerError};
use crate::isolation::{Isolation, Mode};
use crate::output::redact::{MIN_CHARACTERS, Redaction};
use crate::process::EnvPolicy;
use crate::specifier::AllowedOrigins;

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
    /// An array of numbers.
    Numbers(Vec<f64>),
    /// A boolean.
    Flag(bool),
    /// Something like an `AbortSignal`, which JavaScript listens to.
    Signal,
    /// A function.
    Function,
    /// Anything else.
    Other,
}

/// Longest time in milliseconds: a month. More is taken for a mistake of units.
const MAX_MS: f64 = 31.0 * 24.0 * 3600.0 * 1000.0;

/// From one `onUsage` to the next.
const USAGE_EVERY_MS: u64 = 1000;

const KNOWN: &[&str] = &[
    "connectorsPackage",
    "runsDir",
    "nodePath",
    "env",
    "redact",
    "isolation",
    "onMessage",
    "onProgress",
    "report",
    "onUsage",
    "store",
    "storeDir",
    "refresh",
    "storeMaxAgeDays",
    "lockfile",
    "projectDir",
    "allowScripts",
    "allowSpecs",
    "eager",
    "stacks",
    "signal",
    "timeoutMs",
    "stallTimeoutMs",
    "graceMs",
    "memoryLimitMb",
    "maxConcurrentRuns",
];

const SECONDS_A_DAY: f64 = 86_400.0;

pub(super) fn invalid(message: String) -> RunnerError {
    RunnerError::new(Code::InvalidConfig, message)
}

impl Options {
    /// These options with `entries` (name and value, `undefined` left out) taking precedence.
    ///
    /// # Errors
    /// `INVALID_CONFIG` for an option that is unknown or of a wrong type.
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
            // the host has it, as all that is asked of Node.js before a run needs it as well
            ("nodePath", OptionValue::Text(text)) if !text.is_empty() && !text.contains('\0') => {}
            ("nodePath", _) => {
                return Err(invalid("option nodePath must be the path of a Node.js program".into()));
            }
            ("env", OptionValue::Text(text)) if text == "inherit" => self.env = Some(EnvPolicy::Inherit),
            ("env", OptionValue::Text(text)) if text == "minimal" => self.env = Some(EnvPolicy::Minimal),
            ("env", OptionValue::Texts(names)) => self.env = Some(EnvPolicy::Names(names)),
            ("onMessage", OptionValue::Function) => self.listeners.messages = true,
            ("onMessage", _) => return Err(invalid("option onMessage must be a function".into())),
            ("isolation", value) => {
                self.isolation = Isolation::from_option(value)?;
                self.store.free_install = self.isolation.mode == Mode::None;
            }
            ("store", OptionValue::Text(text)) if text == "off" => self.store.off = true,
            ("store", OptionValue::Text(text)) if text == "shared" => self.store.off = false,
            ("store", _) => return Err(invalid("option store must be 'shared' or 'off'".into())),
            ("storeDir", OptionValue::Text(text)) if !text.is_empty() => self.store.dir = Some(text),
            ("storeDir", _) => return Err(invalid("option storeDir must be the path of a folder".into())),
            ("refresh", OptionValue::Flag(refresh)) => self.store.refresh = refresh,
            ("eager", OptionValue::Flag(eager)) => self.script.eager = eager,
            ("eager", _) => return Err(invalid("option eager must be true or false".into())),
            ("stacks", OptionValue::Text(text)) if ["all", "unexpected"].contains(&text.as_str()) => {
                self.script.short_stacks = text == "unexpected";
            }
            ("stacks", _) => return Err(invalid("option stacks must be 'all' or 'unexpected'".into())),
            ("refresh", _) => return Err(invalid("option refresh must be true or false".into())),
            ("storeMaxAgeDays", OptionValue::Number(days)) if days > 0.0 && days.is_finite() => {
                self.store.max_age = Duration::try_from_secs_f64(days * SECONDS_A_DAY).ok();
            }
            ("storeMaxAgeDays", _) => {
                return Err(invalid("option storeMaxAgeDays must be a number of days above 0".into()));
            }
            ("lockfile", OptionValue::Text(text)) if !text.is_empty() => self.store.lockfile = Some(text),
            ("lockfile", _) => return Err(invalid("option lockfile must be the path of a file".into())),
            ("projectDir", OptionValue::Text(text)) if !text.is_empty() => self.store.project = Some(text),
            ("projectDir", _) => {
                return Err(invalid("option projectDir must be the path of a folder".into()));
            }
            ("allowScripts", OptionValue::Texts(permits)) => {
                permits.iter().try_for_each(|text| Permit::parse(text).map(drop))?;
                self.store.scripts = permits;
            }
            ("allowScripts", _) => {
                return Err(invalid("option allowScripts must be an array of package names".into()));
            }
            ("allowSpecs", OptionValue::Texts(names)) => {
                self.store.specs = AllowedOrigins::from_names(&names)?;
            }
            ("allowSpecs", _) => {
                return Err(invalid("option allowSpecs must be an array of 'file', 'git' and 'url'".into()));
            }
            // JavaScript calls the one and listens to the other
            ("onUsage", OptionValue::Function) => self.listeners.usage_every_ms = Some(USAGE_EVERY_MS),
            ("onUsage", _) => return Err(invalid("option onUsage must be a function".into())),
            ("onProgress", OptionValue::Function) | ("signal", OptionValue::Signal) => {}
            ("onProgress", _) => return Err(invalid("option onProgress must be a function".into())),
            ("report", OptionValue::Text(text)) if !text.is_empty() && !text.contains('\0') => {
                self.report = Some(text);
            }
            ("report", _) => return Err(invalid("option report must be the path of a file".into())),
            ("redact", value) => self.redact = redaction(value)?,
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

/// Reads the option `redact`. Its values are secret, so no message repeats them.
fn redaction(value: OptionValue) -> Result<Redaction> {
    let wrong = |name: &str| {
        invalid(format!(
            "option redact must be true, false or {{ names, values }}, both arrays of strings; {name} is not"
        ))
    };
    let mut redaction = Redaction::default();
    match value {
        OptionValue::Flag(enabled) => redaction.enabled = enabled,
        OptionValue::Fields(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("names", OptionValue::Texts(names)) => redaction.names = names,
                    ("values", OptionValue::Texts(values)) => {
                        if let Some(at) = values.iter().position(|text| text.chars().count() < MIN_CHARACTERS)
                        {
                            return Err(invalid(format!(
                                "option redact.values[{at}] is shorter than {MIN_CHARACTERS} characters, and would \
                                 be replaced in the middle of words"
                            )));
                        }
                        redaction.values = values;
                    }
                    (name, _) => return Err(wrong(name)),
                }
            }
        }
        _ => return Err(wrong("it")),
    }
    Ok(redaction)
}

fn unknown_option(name: &str) -> String {
    let nearest = KNOWN
        .iter()
        .find(|known| known.eq_ignore_ascii_case(&name.replace(['_', '-'], "")))
        .map(|known| format!("; did you mean {known}?"));
    format!("option {name} is unknown{}", nearest.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::Limits;
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
        assert_eq!((run.runs_dir.as_deref(), run.env), (Some("/b"), Some(EnvPolicy::Minimal)));
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
    fn the_store_is_shared_unless_it_is_off() {
        assert!(!Options::default().store.off && !set("store", text("shared")).unwrap().store.off);
        assert!(set("store", text("off")).unwrap().store.off);
        let day = set("storeMaxAgeDays", OptionValue::Number(0.5)).unwrap().store.max_age;
        assert_eq!(day, Some(Duration::from_secs(43_200)));
    }

    #[test]
    fn redaction_is_on_unless_switched_off() {
        let fields = |name: &str, value| OptionValue::Fields(vec![(name.to_owned(), value)]);
        assert!(Options::default().redact.enabled);
        assert!(!set("redact", OptionValue::Flag(false)).unwrap().redact.enabled);
        let values = set("redact", fields("values", OptionValue::Texts(vec!["long enough".into()]))).unwrap();
        assert!(values.redact.enabled && values.redact.values.len() == 1);
        let short = set("redact", fields("values", OptionValue::Texts(vec!["hush".into()]))).unwrap_err();
        assert!(short.message.contains("values[0]") && !short.message.contains("hush"), "{}", short.message);
        for wrong in
            [text("yes"), fields("names", text("a")), fields("value", OptionValue::Texts(Vec::new()))]
        {
            assert_eq!(set("redact", wrong).unwrap_err().code, Code::InvalidConfig);
        }
    }

    #[test]
    fn wrong_types_and_unknown_names_are_named() {
        for name in KNOWN.iter().filter(|name| !["refresh", "eager", "isolation", "redact"].contains(name)) {
            assert!(set(name, OptionValue::Flag(true)).unwrap_err().message.contains(name));
        }
        assert!(set("refresh", text("yes")).is_err() && set("eager", text("yes")).is_err());
        assert!(set("storeMaxAgeDays", OptionValue::Number(0.0)).is_err());
        assert!(set("allowScripts", OptionValue::Texts(vec!["--evil".into()])).is_err());
        assert!(set("runs_dir", text("/a")).unwrap_err().message.ends_with("did you mean runsDir?"));
        assert!(set("colour", text("red")).unwrap_err().message.ends_with("colour is unknown"));
    }
}
