//! Exit codes. Only verdicts that the original did not have get one of their own (contract,
//! section 9); they are those that `timeout` and shells use.

/// One exit code of the command.
#[derive(Debug)]
pub struct ExitCode {
    /// The code.
    pub code: i32,
    /// The run's `status`.
    pub status: &'static str,
    /// The error's `code`; for the code of a general failure those that have no other.
    pub error: &'static str,
    /// What happened.
    pub meaning: &'static str,
}

const fn entry(code: i32, status: &'static str, error: &'static str, meaning: &'static str) -> ExitCode {
    ExitCode { code, status, error, meaning }
}

/// Every exit code. Help, documentation and the command itself use this table.
pub const EXIT_CODES: [ExitCode; 8] = [
    entry(0, "success", "", "the connector succeeded"),
    entry(1, "failed", "", "it failed, could not be started or was refused, or the arguments are wrong"),
    entry(124, "timeout", "TIMEOUT", "it took longer than --timeout-ms"),
    entry(125, "stalled", "STALLED", "it printed nothing new for --stall-timeout-ms"),
    entry(129, "cancelled", "ABORT_ERR", "it was stopped by SIGHUP (its terminal was closed)"),
    entry(130, "cancelled", "ABORT_ERR", "it was stopped by SIGINT (Ctrl-C)"),
    entry(137, "memory_limit", "MEMORY_LIMIT", "it ran out of memory, or of --memory-limit-mb"),
    entry(143, "cancelled", "ABORT_ERR", "it was stopped by SIGTERM"),
];

/// For everything that has no code of its own.
const FAILURE: i32 = 1;

/// What signals make of a run that was stopped.
const BY_SIGNAL: [(&str, i32); 3] = [("SIGHUP", 129), ("SIGINT", 130), ("SIGTERM", 143)];

/// The signal for a run that was stopped by something else.
const BY_DEFAULT: &str = "SIGINT";

/// The exit code for an error's code; `signal` is what the command itself was asked to stop by.
pub fn exit_code(error: Option<&str>, signal: Option<&str>) -> i32 {
    let of_error = |entry: &&ExitCode| error == Some(entry.error) && !entry.error.is_empty();
    let code_by = |signal| BY_SIGNAL.iter().find(|(name, _)| *name == signal).map(|(_, code)| *code);
    let stopped = signal.and_then(code_by).or_else(|| code_by(BY_DEFAULT));
    let by_signal = |entry: &&ExitCode| stopped == Some(entry.code);
    let mut entries = EXIT_CODES.iter().filter(of_error);
    let first = entries.clone().next();
    entries.find(by_signal).or(first).map_or(FAILURE, |entry| entry.code)
}

/// The `status` for an error's code, also where there is no result.
pub fn status_of(error: &str) -> &'static str {
    let found = EXIT_CODES.iter().find(|entry| entry.error == error && !error.is_empty());
    found.map_or("failed", |entry| entry.status)
}

/// The table as text for `--help`, below a heading.
pub fn help(heading: &str) -> String {
    let lines = EXIT_CODES.iter().map(|entry| format!("  {:>3}  {}", entry.code, entry.meaning));
    format!("{heading}\n{}", lines.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_verdicts_have_codes_of_their_own() {
        for (error, signal, code) in [
            (None, None, 1),
            (Some(""), None, 1),
            (Some("CONNECTOR_FAILED"), None, 1),
            (Some("CONNECTOR_FAILED"), Some("SIGTERM"), 1),
            (Some("TIMEOUT"), None, 124),
            (Some("TIMEOUT"), Some("SIGTERM"), 124),
            (Some("STALLED"), None, 125),
            (Some("MEMORY_LIMIT"), None, 137),
            (Some("MEMORY_LIMIT"), Some("SIGINT"), 137),
            (Some("ABORT_ERR"), None, 130),
            (Some("ABORT_ERR"), Some("SIGINT"), 130),
            (Some("ABORT_ERR"), Some("SIGTERM"), 143),
            (Some("ABORT_ERR"), Some("SIGHUP"), 129),
            (Some("TIMEOUT"), Some("SIGHUP"), 124),
            (Some("CONNECTOR_FAILED"), Some("SIGHUP"), 1),
        ] {
            assert_eq!(exit_code(error, signal), code, "{error:?} {signal:?}");
        }
    }

    #[test]
    fn a_status_is_known_without_a_result() {
        for (error, status) in [
            ("TIMEOUT", "timeout"),
            ("ABORT_ERR", "cancelled"),
            ("MEMORY_LIMIT", "memory_limit"),
            ("INVALID_CONFIG", "failed"),
            ("", "failed"),
        ] {
            assert_eq!(status_of(error), status);
        }
    }
}
