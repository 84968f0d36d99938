//! How a run ended, from all the evidence there is. `docs/verdicts.md` has this as a table.

use serde::Serialize;

use crate::cancellation::{Stop, StopReason};
use crate::error::{Code, RunnerError};
use crate::process::{Cause, Exit, Usage, signal_name};

/// The statuses that a connector prints while it imports, and when it has failed.
const STATUS_IMPORTING: i64 = 1;
const STATUS_ERROR: i64 = 5;

/// What a shell adds to a signal's number to make an exit code of it.
const BY_SIGNAL: i32 = 128;

/// The signals by which V8 ends a process that has no memory left: it depends on its build.
const ABORTS: [i32; 3] = [libc::SIGABRT, libc::SIGTRAP, libc::SIGILL];

/// How a run ended (contract, section 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The connector did its work.
    Success,
    /// It did not.
    Failed,
    /// It took longer than `timeoutMs`, and was ended.
    Timeout,
    /// It printed nothing new for `stallTimeoutMs`, and was ended.
    Stalled,
    /// It was cancelled.
    Cancelled,
    /// It needed more memory than it may have, or than there was.
    MemoryLimit,
}

impl StopReason {
    /// The status of a run that was ended for it.
    pub fn status(self) -> Status {
        match self {
            Self::Cancelled => Status::Cancelled,
            Self::Timeout(_) => Status::Timeout,
            Self::Stalled(_) => Status::Stalled,
        }
    }
}

/// What is known of a run whose process has ended.
#[derive(Debug, Clone, Default)]
pub struct Evidence<'a> {
    /// How the process ended, and who began it.
    pub exit: Exit,
    /// What its tree used.
    pub usage: Usage,
    /// Why it was asked to stop, if it was.
    pub stop: Option<Stop>,
    /// The last `updateCurrentStatus`.
    pub last_status: Option<i64>,
    /// The end of what it wrote to stderr.
    pub stderr_tail: &'a str,
    /// The option `memoryLimitMb`.
    pub memory_limit_mb: Option<u64>,
}

/// The one verdict, and for all but success what the caller is told. The first rule that fits
/// decides; they are in the order of causes, so that what follows from a cause is not taken for
/// one.
pub fn verdict(evidence: &Evidence<'_>) -> (Status, Option<RunnerError>) {
    let memory = |what: String| {
        (Status::MemoryLimit, Some(RunnerError::new(Code::MemoryLimit, what).with_hint(MEMORY_HINT)))
    };
    let Evidence { exit, usage, .. } = evidence;
    match (exit.cause, evidence.stop) {
        (Cause::Memory, _) => return memory(over_limit(evidence)),
        (Cause::Stopped, Some(stop)) => return (stop.reason.status(), Some(stop.reason.error())),
        (Cause::Stopped | Cause::HostGone | Cause::Itself, _) => {}
    }
    // a process that a shell or a script has started may be ended by a signal as well
    let signal = exit.signal.or_else(|| exit.code.map(|code| code - BY_SIGNAL));
    if signal.is_some_and(|signal| ABORTS.contains(&signal)) && says_out_of_memory(evidence.stderr_tail) {
        return memory(heap_abort(evidence));
    }
    if signal == Some(libc::SIGKILL) && usage.out_of_memory {
        return memory(format!(
            "The system ran out of memory and killed the connector, which had used up to {} MB",
            megabytes(usage.peak_rss_bytes)
        ));
    }
    let failed = |message: String| (Status::Failed, Some(RunnerError::new(Code::ConnectorFailed, message)));
    match (exit.code, exit.signal) {
        (Some(0), _) if evidence.last_status == Some(STATUS_ERROR) => failed(
            "Connector reported an error: its last status was 5, though it exited with code 0".to_owned(),
        ),
        (Some(0), _) if evidence.last_status == Some(STATUS_IMPORTING) => failed(
            "Connector ended in mid-import: its last status was 1 (import in progress), though it exited with code 0"
                .to_owned(),
        ),
        (Some(0), _) => (Status::Success, None),
        (Some(code), _) => failed(format!("Connector execution failed with exit code: {code}")),
        (None, signal) => failed(format!(
            "Connector execution failed with exit code: null ({})",
            signal.map_or_else(|| "unknown".to_owned(), signal_name)
        )),
    }
}

const MEMORY_HINT: &str =
    "Load less at once, such as a shorter range of dates, or allow more with memoryLimitMb";

fn over_limit(evidence: &Evidence<'_>) -> String {
    let processes = match evidence.usage.peak_processes {
        0 | 1 => String::new(),
        several => format!(" in {several} processes"),
    };
    format!(
        "The connector used {} MB of memory{processes}, more than its limit of {} MB (memoryLimitMb), and was ended",
        megabytes(evidence.usage.peak_rss_bytes),
        evidence.memory_limit_mb.unwrap_or_default(),
    )
}

fn heap_abort(evidence: &Evidence<'_>) -> String {
    let limit = match evidence.memory_limit_mb {
        Some(limit) => format!("; its limit is {limit} MB (memoryLimitMb)"),
        None => String::new(),
    };
    format!(
        "The connector ran out of memory: its JavaScript heap was full at {} MB resident{limit}",
        megabytes(evidence.usage.peak_rss_bytes)
    )
}

/// V8's last words.
fn says_out_of_memory(stderr: &str) -> bool {
    stderr.contains("JavaScript heap out of memory")
        || stderr
            .lines()
            .any(|line| line.contains("FATAL ERROR") && line.to_ascii_lowercase().contains("out of memory"))
}

fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1024 * 1024)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const HEAP: &str =
        "x\nFATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n";

    fn ended(code: Option<i32>, signal: Option<i32>) -> Evidence<'static> {
        Evidence { exit: Exit { code, signal, cause: Cause::Itself }, ..Evidence::default() }
    }

    fn stopped(reason: StopReason, cause: Cause, code: Option<i32>) -> Evidence<'static> {
        let mut evidence = ended(code, code.is_none().then_some(15));
        evidence.exit.cause = cause;
        evidence.stop = Some(Stop { reason, grace: None });
        evidence
    }

    #[test]
    fn each_row_of_the_table() {
        let status5 = Evidence { last_status: Some(5), ..ended(Some(0), None) };
        let heap = |code, signal| Evidence { stderr_tail: HEAP, ..ended(code, signal) };
        let killed_by_kernel = |signal| Evidence {
            usage: Usage { out_of_memory: true, ..Usage::default() },
            ..ended(None, Some(signal))
        };
        let memory = |stop| Evidence {
            exit: Exit { code: None, signal: Some(9), cause: Cause::Memory },
            stop,
            ..Evidence::default()
        };
        let cancelled = Some(Stop { reason: StopReason::Cancelled, grace: None });
        let timeout = StopReason::Timeout(SECOND);
        for (evidence, status, code) in [
            (ended(Some(0), None), Status::Success, None),
            (Evidence { last_status: Some(3), ..ended(Some(0), None) }, Status::Success, None),
            (status5, Status::Failed, Some(Code::ConnectorFailed)),
            // it ended in mid-import; the clean-up after it may still have been on
            (
                Evidence { last_status: Some(1), ..ended(Some(0), None) },
                Status::Failed,
                Some(Code::ConnectorFailed),
            ),
            (Evidence { last_status: Some(2), ..ended(Some(0), None) }, Status::Success, None),
            (ended(Some(3), None), Status::Failed, Some(Code::ConnectorFailed)),
            (ended(None, Some(15)), Status::Failed, Some(Code::ConnectorFailed)),
            (ended(None, Some(9)), Status::Failed, Some(Code::ConnectorFailed)),
            (memory(None), Status::MemoryLimit, Some(Code::MemoryLimit)),
            (memory(cancelled), Status::MemoryLimit, Some(Code::MemoryLimit)),
            (heap(None, Some(6)), Status::MemoryLimit, Some(Code::MemoryLimit)),
            (heap(Some(134), None), Status::MemoryLimit, Some(Code::MemoryLimit)),
            // it only talks about memory
            (heap(Some(1), None), Status::Failed, Some(Code::ConnectorFailed)),
            (ended(None, Some(6)), Status::Failed, Some(Code::ConnectorFailed)),
            (killed_by_kernel(9), Status::MemoryLimit, Some(Code::MemoryLimit)),
            (killed_by_kernel(15), Status::Failed, Some(Code::ConnectorFailed)),
            (stopped(timeout, Cause::Stopped, None), Status::Timeout, Some(Code::Timeout)),
            // it made use of the grace and ended cleanly, and still did not finish its work in time
            (stopped(timeout, Cause::Stopped, Some(0)), Status::Timeout, Some(Code::Timeout)),
            (
                stopped(StopReason::Stalled(SECOND), Cause::Stopped, None),
                Status::Stalled,
                Some(Code::Stalled),
            ),
            (stopped(StopReason::Cancelled, Cause::Stopped, None), Status::Cancelled, Some(Code::Aborted)),
            // asked too late: it had ended by itself
            (stopped(StopReason::Cancelled, Cause::Itself, Some(0)), Status::Success, None),
            (stopped(timeout, Cause::Itself, Some(4)), Status::Failed, Some(Code::ConnectorFailed)),
        ] {
            let (given, error) = verdict(&evidence);
            assert_eq!((given, error.map(|error| error.code)), (status, code), "{evidence:?}");
        }
    }

    #[test]
    fn messages_of_the_contract_and_of_memory() {
        let message = |evidence: &Evidence<'_>| verdict(evidence).1.unwrap().message;
        assert_eq!(message(&ended(Some(3), None)), "Connector execution failed with exit code: 3");
        assert_eq!(
            message(&ended(None, Some(15))),
            "Connector execution failed with exit code: null (SIGTERM)"
        );
        let evidence = Evidence {
            exit: Exit { cause: Cause::Memory, ..Exit::default() },
            usage: Usage { peak_rss_bytes: 403 << 20, peak_processes: 2, ..Usage::default() },
            memory_limit_mb: Some(400),
            ..Evidence::default()
        };
        let text = message(&evidence);
        assert!(
            text.contains("403 MB of memory in 2 processes") && text.contains("limit of 400 MB"),
            "{text}"
        );
    }
}
