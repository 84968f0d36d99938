//! The state file: where the next incremental run goes on.

use std::io::Write;
use std::path::Path;

use serde_json::value::RawValue;

use crate::error::{Code, Result, RunnerError};

/// Run types that may move the state. A backfill loads the past, and a custom run whatever was
/// asked for.
const MOVES_STATE: [&str; 2] = ["INCREMENTAL", "FULL_REFRESH"];

/// The text of a state file; `{}` where there is none yet.
///
/// # Errors
/// `INVALID_CONFIG` for a file that cannot be read or is not a JSON object.
pub fn read_state(path: &Path) -> Result<String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok("{}".to_owned()),
        Err(cause) => return Err(invalid(path, &cause)),
    };
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
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |cause: &dyn std::fmt::Display| RunnerError::file("write the state file", path, &cause);
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|cause| failed(&cause))?;
    let content = serde_json::json!({ "date": date });
    writeln!(file, "{content}").and_then(|()| file.as_file().sync_all()).map_err(|cause| failed(&cause))?;
    file.persist(path).map_err(|cause| failed(&cause.error))?;
    Ok(true)
}

/// The day (YYYY-MM-DD) of a state's `date`, for connectors of 0.11, which read it only from the
/// parameter `LastRequestedDate`.
pub fn incremental_date(date: &str) -> Option<&str> {
    let day = date.get(..10)?;
    let is_day = day.bytes().enumerate().all(|(index, byte)| match index {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    is_day.then_some(day)
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
    fn only_a_date_becomes_a_day() {
        assert_eq!(incremental_date("2026-01-02T03:04:05.000Z"), Some("2026-01-02"));
        assert_eq!(incremental_date("2026-01-02"), Some("2026-01-02"));
        for text in ["", "yesterday!!", "2026-1-02", "20260102"] {
            assert_eq!(incremental_date(text), None, "{text}");
        }
    }
}
