//! How a run ended, from the evidence there is (contract, section 6).

use super::report::signal_name;
use crate::error::{Code, RunnerError};
use crate::process::Exit;

/// The status that a connector prints when it has failed.
const STATUS_ERROR: i64 = 5;

/// Whether the connector succeeded.
///
/// # Errors
/// `CONNECTOR_FAILED` for an exit code other than 0, a signal, or a last status of 5.
pub fn verdict(exit: &Exit, last_status: Option<i64>) -> Result<(), RunnerError> {
    let failed = |message: String| Err(RunnerError::new(Code::ConnectorFailed, message));
    match (exit.code, exit.signal) {
        (Some(0), _) if last_status == Some(STATUS_ERROR) => failed(
            "Connector reported an error: its last status was 5, though it exited with code 0".to_owned(),
        ),
        (Some(0), _) => Ok(()),
        (Some(code), _) => failed(format!("Connector execution failed with exit code: {code}")),
        (None, signal) => failed(format!(
            "Connector execution failed with exit code: null ({})",
            signal.map_or_else(|| "unknown".to_owned(), signal_name)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: Option<i32>, signal: Option<i32>, status: Option<i64>) -> Result<(), String> {
        let exit = Exit { code, signal, cpu_ms: 0, peak_rss_bytes: 0 };
        verdict(&exit, status).map_err(|error| error.message)
    }

    #[test]
    fn each_ending_has_its_message() {
        assert_eq!(of(Some(0), None, None), Ok(()));
        assert_eq!(of(Some(0), None, Some(3)), Ok(()));
        assert!(of(Some(0), None, Some(5)).unwrap_err().contains("status was 5"));
        assert_eq!(of(Some(3), None, Some(3)).unwrap_err(), "Connector execution failed with exit code: 3");
        assert_eq!(
            of(None, Some(15), None).unwrap_err(),
            "Connector execution failed with exit code: null (SIGTERM)"
        );
    }
}
