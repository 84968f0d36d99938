//! The state file: where the next incremental run goes on.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::error::{Code, Result, RunnerError};
use crate::foreign::{read_text, refuse_depth};
use crate::host::Host;

/// Run types that may move the state. A backfill loads the past, and a custom run whatever was
/// asked for.
pub const MOVES_STATE: [&str; 2] = ["INCREMENTAL", "FULL_REFRESH"];

/// The state file of a configuration: in the user's folder for state (XDG base directories),
/// named by the configuration's file and a hash of its path. `None` where there is no such folder.
pub fn default_file(config: &Path, host: &Host) -> Option<PathBuf> {
    let base = match host.variable("XDG_STATE_HOME") {
        // the convention has relative paths ignored
        Some(folder) if folder.starts_with('/') => PathBuf::from(folder),
        _ => Path::new(host.variable("HOME")?).join(".local").join("state"),
    };
    let config = host.absolute(config);
    let config = std::fs::canonicalize(&config).unwrap_or(config);
    let hash = Sha256::digest(config.as_os_str().as_encoded_bytes());
    let mut name = config.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    name.push('-');
    for byte in &hash[..6] {
        let _ = write!(name, "{byte:02x}"); // a String takes everything
    }
    Some(base.join("owox-connector-runner").join(name + ".json"))
}

/// The text of a state file; `{}` where there is none yet.
///
/// # Errors
/// `INVALID_CONFIG` for a file that cannot be read or is not a JSON object.
pub fn read_state(path: &Path) -> Result<String> {
    let text = match read_text(path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok("{}".to_owned()),
        Err(cause) => return Err(invalid(path, &cause)),
    };
    refuse_depth(text.as_bytes(), 0).map_err(|cause| invalid(path, &cause))?;
    let state: &RawValue = serde_json::from_str(&text).map_err(|cause| invalid(path, &cause))?;
    if !state.get().starts_with('{') {
        return Err(invalid(path, &"it is not a JSON object"));
    }
    Ok(text)
}

fn invalid(path: &Path, cause: &dyn std::fmt::Display) -> RunnerError {
    RunnerError::new(
        Code::InvalidConfig,
        format!(
            "the state file {} cannot be used: {cause}; mend it, or delete it to start anew",
            path.display()
        ),
    )
}

/// Writes the state after a successful run, in one step: a reader sees the old file or the new
/// one. Nothing is written for run types that do not move the state, or without a date.
/// Gives whether it was written.
///
/// # Errors
/// `INTERNAL`, naming the path.
pub fn write_state(path: &Path, run_type: &str, date: Option<&str>) -> Result<bool> {
    let Some(date) = date.filter(|_| MOVES_STATE.contains(&run_type)) else { return Ok(false) };
    replace(path, &serde_json::json!({ "date": date }).to_string())?;
    Ok(true)
}

/// Replaces a state file in one step; its folder is made where it is missing.
///
/// # Errors
/// `INTERNAL`, naming the path.
pub fn replace(path: &Path, content: &str) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |cause: &dyn std::fmt::Display| RunnerError::file("write the state file", path, &cause);
    std::fs::create_dir_all(folder).map_err(|cause| failed(&cause))?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|cause| failed(&cause))?;
    writeln!(file, "{content}").and_then(|()| file.as_file().sync_all()).map_err(|cause| failed(&cause))?;
    file.persist(path).map_err(|cause| failed(&cause.error))?;
    Ok(())
}

/// The day (YYYY-MM-DD) of a state's `date`, for connectors of 0.11, which read it only from the
/// parameter `LastRequestedDate`.
pub fn incremental_date(date: &str) -> Option<&str> {
    let day = date.get(..10)?;
    let is_day = day.bytes().enumerate().all(|(index, byte)| match index {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    let number = |range| day.get(range).and_then(|digits: &str| digits.parse::<u32>().ok());
    let (year, month) = (number(0..4)?, number(5..7)?);
    let longest = match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (is_day && (1..=longest).contains(&number(8..10)?)).then_some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_survives_the_way_and_only_forward_runs_move_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.json");
        assert_eq!(read_state(&path).unwrap(), "{}");
        assert!(write_state(&path, "INCREMENTAL", Some("2026-01-02T00:00:00.000Z")).unwrap());
        let written = "{\"date\":\"2026-01-02T00:00:00.000Z\"}\n";
        assert_eq!(read_state(&path).unwrap(), written);
        for (run_type, date) in [("MANUAL_BACKFILL", Some("x")), ("CUSTOM", Some("x")), ("INCREMENTAL", None)]
        {
            assert!(!write_state(&path, run_type, date).unwrap());
        }
        assert_eq!(read_state(&path).unwrap(), written);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_broken_state_is_an_error_that_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.json");
        for text in ["{", "[]", "7", ""] {
            std::fs::write(&path, text).unwrap();
            let error = read_state(&path).unwrap_err();
            assert_eq!(error.code, Code::InvalidConfig);
            assert!(
                error.message.contains("s.json") && error.message.contains("delete it"),
                "{}",
                error.message
            );
        }
    }

    #[test]
    fn each_configuration_has_a_file_of_its_own() {
        let host = |variables: &[(&str, &str)]| Host {
            variables: variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            cwd: "/nowhere".into(),
            ..Host::default()
        };
        let home = host(&[("HOME", "/home/u")]);
        let file = |config: &str, host: &Host| default_file(Path::new(config), host).unwrap();
        let first = file("a/config.json", &home);
        assert_eq!(first.parent().unwrap(), Path::new("/home/u/.local/state/owox-connector-runner"));
        assert!(first.file_name().unwrap().to_str().unwrap().starts_with("config-"));
        assert_eq!(first, file("/nowhere/a/config.json", &home));
        assert_ne!(first, file("b/config.json", &home));
        assert!(file("x", &host(&[("HOME", "/h"), ("XDG_STATE_HOME", "/s")])).starts_with("/s"));
        assert!(file("x", &host(&[("HOME", "/h"), ("XDG_STATE_HOME", "s")])).starts_with("/h"));
        assert_eq!(default_file(Path::new("x"), &host(&[])), None);
    }

    #[test]
    fn only_a_date_becomes_a_day() {
        assert_eq!(incremental_date("2026-01-02T03:04:05.000Z"), Some("2026-01-02"));
        assert_eq!(incremental_date("2026-01-02"), Some("2026-01-02"));
        for text in ["", "yesterday!!", "2026-1-02", "20260102", "2026-13-01", "2026-02-29", "2026-01-00"] {
            assert_eq!(incremental_date(text), None, "{text}");
        }
    }
}
