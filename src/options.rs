//! Options of the runner and of a run (contract, section 11), and the only place for their
//! defaults.

use crate::error::{Code, Result, RunnerError};
use crate::output::redact::{MIN_CHARACTERS, Redaction};
use crate::process::EnvPolicy;

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
    /// What is replaced in everything that leaves a run.
    pub redact: Redaction,
}

/// Options of the contract that this version does not have yet. They are refused: an option that
/// was ignored would be a promise broken in silence.
const LATER: [&str; 9] = [
    "signal",
    "timeoutMs",
    "stallTimeoutMs",
    "graceMs",
    "memoryLimitMb",
    "onMessage",
    "storeDir",
    "maxConcurrentRuns",
    "lockfile",
];

const KNOWN: [&str; 6] = ["connectorsPackage", "runsDir", "env", "isolation", "store", "redact"];

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
        for name in ["connectorsPackage", "runsDir", "env"] {
            assert!(set(name, OptionValue::Flag(true)).unwrap_err().message.contains(name));
        }
        assert!(set("runs_dir", text("/a")).unwrap_err().message.ends_with("did you mean runsDir?"));
        assert!(set("colour", text("red")).unwrap_err().message.ends_with("colour is unknown"));
    }
}
