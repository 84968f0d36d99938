//! `state`: where the next incremental run of a configuration goes on.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::value::RawValue;

use super::common::Printed;
use super::state_file::{default_file, incremental_date, read_state, replace};
use crate::error::{Code, Result, RunnerError};
use crate::foreign::refuse_depth;
use crate::host::Host;

/// Arguments of `state`.
#[derive(Debug, Args)]
pub struct StateArgs {
    /// What to do
    #[command(subcommand)]
    pub action: StateAction,

    /// State file, instead of the configuration's own
    #[arg(long, value_name = "FILE", global = true)]
    pub state: Option<String>,
}

/// What `state` can do.
#[derive(Debug, Subcommand)]
pub enum StateAction {
    /// Print the state of a configuration
    Get {
        /// The connector's configuration
        #[arg(value_name = "CONFIG")]
        config: String,
    },
    /// Set the state of a configuration
    Set {
        /// The connector's configuration
        #[arg(value_name = "CONFIG")]
        config: String,
        /// The last day that was loaded, or JSON such as {"date":"2026-01-31T00:00:00.000Z"}
        #[arg(value_name = "STATE")]
        value: String,
    },
    /// Forget the state of a configuration: the next run begins anew
    Clear {
        /// The connector's configuration
        #[arg(value_name = "CONFIG")]
        config: String,
    },
}

/// Reads or changes a state.
pub fn state(args: &StateArgs, host: &Host) -> Printed {
    act(args, host).unwrap_or_else(Printed::from)
}

fn act(args: &StateArgs, host: &Host) -> Result<Printed> {
    let (StateAction::Get { config } | StateAction::Set { config, .. } | StateAction::Clear { config }) =
        &args.action;
    let file = match &args.state {
        Some(file) => host.absolute(file),
        None => own_file(config, host)?,
    };
    match &args.action {
        StateAction::Get { .. } => {
            let text = read_state(&file)?;
            Ok(Printed {
                stderr: if file.exists() {
                    format!("{}\n", file.display())
                } else {
                    "No state yet: the next incremental run begins anew\n".to_owned()
                },
                ..Printed::ok(format!("{}\n", text.trim()))
            })
        }
        StateAction::Set { value, .. } => {
            let state = parse(value)?;
            replace(&file, &state)?;
            Ok(Printed::ok(format!("Set {state} in {}\n", file.display())))
        }
        StateAction::Clear { .. } => match std::fs::remove_file(&file) {
            Ok(()) => Ok(Printed::ok(format!("Removed {}: the next run begins anew\n", file.display()))),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                Ok(Printed::ok(format!("There was no state in {}\n", file.display())))
            }
            Err(cause) => Err(RunnerError::file("remove the state file", &file, &cause)),
        },
    }
}

/// The configuration's own state file. A configuration that is not there has none: a name with a
/// slip of the pen must not look like one that has never run.
fn own_file(config: &str, host: &Host) -> Result<PathBuf> {
    let invalid = |message| RunnerError::new(Code::InvalidConfig, message);
    let file = default_file(Path::new(config), host).ok_or_else(|| {
        invalid(
            "neither XDG_STATE_HOME nor HOME is set, so there is no folder for state; use --state".to_owned(),
        )
    })?;
    if !file.exists() && !host.absolute(config).exists() {
        return Err(invalid(format!(
            "there is no configuration {config}, and no state of it; check its path"
        )));
    }
    Ok(file)
}

/// A day, a timestamp, or a JSON object, as the JSON of a state.
fn parse(value: &str) -> Result<String> {
    let invalid = |message| RunnerError::new(Code::InvalidConfig, message);
    if value.trim_start().starts_with('{') {
        refuse_depth(value.as_bytes(), 0)
            .map_err(|cause| invalid(format!("the state cannot be used: {cause}")))?;
        let object = serde_json::from_str::<&RawValue>(value)
            .map_err(|cause| invalid(format!("the state is not valid JSON: {cause}")))?;
        let date = serde_json::from_str::<DateOnly>(value).map(|state| state.date);
        if !date.is_ok_and(|date| date.is_none_or(|date| incremental_date(&date).is_some())) {
            return Err(invalid(format!("the date in {value} is none; write it like 2026-01-31")));
        }
        return Ok(object.get().to_owned());
    }
    let date = match (incremental_date(value), value.len()) {
        (Some(day), 10) => format!("{day}T00:00:00.000Z"),
        (Some(_), _) if is_time(&value.as_bytes()[10..]) => value.to_owned(),
        _ => {
            return Err(invalid(format!(
                "{value:?} is no state; write a day such as 2026-01-31, a timestamp, or a JSON object"
            )));
        }
    };
    Ok(serde_json::json!({ "date": date }).to_string())
}

/// The one field of a state that is known here.
#[derive(serde::Deserialize)]
struct DateOnly {
    date: Option<String>,
}

/// Whether it looks like `T10:00:00.000Z`.
fn is_time(text: &[u8]) -> bool {
    text.len() >= "T10:00".len()
        && text[0] == b'T'
        && text[1..].iter().all(|&byte| byte.is_ascii_digit() || b":.Z+-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_a_day_a_timestamp_or_an_object() {
        assert_eq!(parse("2026-01-31").unwrap(), "{\"date\":\"2026-01-31T00:00:00.000Z\"}");
        assert_eq!(parse("2026-01-31T10:00:00Z").unwrap(), "{\"date\":\"2026-01-31T10:00:00Z\"}");
        assert_eq!(parse(" {\"date\": null} ").unwrap(), "{\"date\": null}");
        assert_eq!(parse("{\"cursor\":5}").unwrap(), "{\"cursor\":5}");
        let wrong = ["", "yesterday", "2026-1-31", "2026-01-31x", "2026-13-45", "2026-01-31Tnoon", "{", "[]"];
        for text in wrong.into_iter().chain(["{\"date\":5}", "{\"date\":\"soon\"}"]) {
            assert_eq!(parse(text).unwrap_err().code, Code::InvalidConfig, "{text}");
        }
    }
}
