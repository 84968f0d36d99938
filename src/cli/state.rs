//! `state`: where the next incremental run of a configuration goes on.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::common::Printed;
use super::config_file::read_config;
use crate::error::{Code, Result, RunnerError};
use crate::host::Host;
use crate::run::find_connectors;
use crate::state::{Fingerprint, Found, NoState, STANDARD_INPUT, State, StateFile, Store, incremental_date};

/// Arguments of `state`.
#[derive(Debug, Args)]
pub struct StateArgs {
    /// What to do
    #[command(subcommand)]
    pub action: StateAction,

    /// State file, instead of the configuration's own
    #[arg(long, value_name = "FILE", global = true)]
    pub state: Option<String>,

    /// Connectors package: an npm package's name, or the path of a package's folder
    #[arg(long, value_name = "PACKAGE", global = true)]
    pub connectors: Option<String>,
}

/// What `state` can do.
#[derive(Debug, Subcommand)]
pub enum StateAction {
    /// Print the state of a configuration
    #[command(visible_alias = "show")]
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

        /// Also the states of what it loaded before it was edited
        #[arg(long)]
        all: bool,
    },
}

/// Reads or changes a state.
pub async fn state(args: &StateArgs, host: &Host) -> Printed {
    act(args, host).await.unwrap_or_else(Printed::from)
}

async fn act(args: &StateArgs, host: &Host) -> Result<Printed> {
    let (StateAction::Get { config } | StateAction::Set { config, .. } | StateAction::Clear { config, .. }) =
        &args.action;
    let store = store_of(config, args.state.as_deref(), host)?;
    let fingerprint = fingerprint(config, args.connectors.as_deref(), host).await;
    let fingerprint = fingerprint.as_ref();
    match &args.action {
        StateAction::Get { .. } => get(&store, fingerprint),
        StateAction::Set { value, .. } => {
            let state = parse(value)?;
            let text = json(&state);
            let stderr = store.find(fingerprint).ok().and_then(|found| differs(&found)).unwrap_or_default();
            store.put(fingerprint, state)?;
            Ok(Printed { stderr, ..Printed::ok(format!("Set {text} in {}\n", store.path().display())) })
        }
        StateAction::Clear { all, .. } => clear(&store, fingerprint, *all),
    }
}

fn json(state: &State) -> String {
    serde_json::to_string(state).unwrap_or_default()
}

/// That the state which is kept belongs to something else, and why that may seem so.
fn differs(found: &Found) -> Option<String> {
    let Found::Other { changes, .. } = found else { return None };
    Some(format!(
        "It loads something else than when it ran last: {} (by the connectors package as it is found here; \
         --connectors names another)\n",
        changes.join(", ")
    ))
}

fn get(store: &Store, fingerprint: Option<&Fingerprint>) -> Result<Printed> {
    let file = store.read()?;
    let found = file.find(fingerprint);
    let mut stderr = match &found {
        Found::Own(_) | Found::Unclaimed(_) => format!("{}\n", store.current_path().display()),
        Found::Other { .. } | Found::Nothing => {
            "No state yet: the next incremental run begins anew\n".to_owned()
        }
    };
    stderr.extend(differs(&found));
    let beside = file.beside(fingerprint);
    if beside > 0 {
        let states = if beside == 1 { "state is" } else { "states are" };
        let file = store.current_path().display();
        let _ = writeln!(stderr, "{beside} further {states} kept in {file}, of what it loaded before");
    }
    Ok(Printed { stderr, ..Printed::ok(format!("{}\n", json(&found.into_state()))) })
}

fn clear(store: &Store, fingerprint: Option<&Fingerprint>, all: bool) -> Result<Printed> {
    let file = store.current_path().display().to_string();
    // what cannot be read cannot be taken out of it
    let is_damaged = store.read().is_err();
    let was_there = if all || is_damaged { store.remove_all()? } else { store.remove(fingerprint)? };
    Ok(Printed::ok(match (was_there, store.exists()) {
        (true, false) => format!("Removed {file}: the next run begins anew\n"),
        (true, true) => format!("Cleared the state in {file}: the next run begins anew\n"),
        (false, _) => format!("There was no state in {file}\n"),
    }))
}

/// The store of a configuration: in a file that was named, or its own. A configuration that is not
/// there has none: a name with a slip of the pen must not look like one that has never run.
///
/// # Errors
/// `INVALID_CONFIG` where it has none, `STATE_UNAVAILABLE`.
fn store_of(config: &str, named: Option<&str>, host: &Host) -> Result<Store> {
    let invalid = |message: String| RunnerError::new(Code::InvalidConfig, message);
    let store = match named {
        Some(file) => Store::in_file(file, host)?,
        None => Store::of(config, host)?.map_err(|none| invalid(none.reason().to_owned()))?,
    };
    if named.is_none() && !store.exists() && !host.absolute(config).exists() {
        let message = format!("there is no configuration {config}, and no state of it; check its path");
        return Err(invalid(message));
    }
    Ok(store)
}

/// What a configuration loads; none where that cannot be known, such as of a file that is gone, or
/// whose source another connectors package has. Then the state that was written last is meant.
async fn fingerprint(config: &str, connectors: Option<&str>, host: &Host) -> Option<Fingerprint> {
    // what comes there is not there twice
    if config == STANDARD_INPUT {
        return None;
    }
    let value: Value = serde_json::from_str(&read_config(config, host).ok()?).ok()?;
    let connectors = find_connectors(connectors, host).await.ok()?;
    connectors.catalog.sources.contains_key(value["source"]["name"].as_str()?).then_some(())?;
    Some(Fingerprint::of_file(config, &value, &connectors.catalog, host))
}

/// Whether a run of this configuration would find its state in order: why it would not, or what
/// has to be known of it.
///
/// # Errors
/// `STATE_UNAVAILABLE`.
pub fn try_state(config: &str, named: Option<&str>, host: &Host) -> Result<Option<NoState>> {
    let store = match named {
        Some(file) => Store::in_file(file, host)?,
        None => match Store::of(config, host)? {
            Ok(store) => store,
            Err(none) => return Ok(Some(none)),
        },
    };
    store.read()?;
    store.try_out().map(|()| None)
}

/// A day, a timestamp, or a JSON object, as a state.
fn parse(value: &str) -> Result<State> {
    let invalid = |message| RunnerError::new(Code::InvalidConfig, message);
    if value.trim_start().starts_with('{') {
        // as a file would be read, so that nothing gets in that could not be read again
        StateFile::parse(value).map_err(|cause| invalid(format!("the state is not valid JSON: {cause}")))?;
        let state: State = serde_json::from_str(value)
            .map_err(|cause| invalid(format!("the state is not valid JSON: {cause}")))?;
        let is_null = state.rest.get("date").is_none_or(|date| date == "null");
        if !is_null || state.date.as_deref().is_some_and(|date| incremental_date(date).is_none()) {
            return Err(invalid(format!("the date in {value} is none; write it like 2026-01-31")));
        }
        return Ok(state);
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
    Ok(State { date: Some(date), ..State::default() })
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
        let parse = |text: &str| parse(text).map(|state| json(&state));
        assert_eq!(parse("2026-01-31").unwrap(), "{\"date\":\"2026-01-31T00:00:00.000Z\"}");
        assert_eq!(parse("2026-01-31T10:00:00Z").unwrap(), "{\"date\":\"2026-01-31T10:00:00Z\"}");
        assert_eq!(parse(" {\"date\": null} ").unwrap(), "{\"date\":null}");
        assert_eq!(parse("{\"cursor\":5}").unwrap(), "{\"cursor\":5}");
        let wrong = ["", "yesterday", "2026-1-31", "2026-01-31x", "2026-13-45", "2026-01-31Tnoon", "{", "[]"];
        for text in wrong.into_iter().chain(["{\"date\":5}", "{\"date\":\"soon\"}"]) {
            assert_eq!(parse(text).unwrap_err().code, Code::InvalidConfig, "{text}");
        }
    }
}
