//! Exit codes. Only verdicts that the original did not have get one of their own (contract,
//! section 9); they are those that `timeout` and shells use.

/// For everything that has no code of its own.
const FAILURE: i32 = 1;

/// The exit code for an error's code; `signal` is what the command itself was asked to stop by.
pub fn exit_code(error: Option<&str>, signal: Option<&str>) -> i32 {
    match error {
        Some("TIMEOUT") => 124,
        Some("STALLED") => 125,
        Some("MEMORY_LIMIT") => 137,
        Some("ABORT_ERR") if signal == Some("SIGTERM") => 143,
        Some("ABORT_ERR") => 130,
        _ => FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_verdicts_have_codes_of_their_own() {
        for (error, signal, code) in [
            (None, None, 1),
            (Some("CONNECTOR_FAILED"), None, 1),
            (Some("CONNECTOR_FAILED"), Some("SIGTERM"), 1),
            (Some("TIMEOUT"), None, 124),
            (Some("STALLED"), None, 125),
            (Some("MEMORY_LIMIT"), None, 137),
            (Some("ABORT_ERR"), Some("SIGINT"), 130),
            (Some("ABORT_ERR"), Some("SIGTERM"), 143),
        ] {
            assert_eq!(exit_code(error, signal), code, "{error:?} {signal:?}");
        }
    }
}
