//! The one error type that leaves the core: a stable code, and a message that names the cause
//! and the remedy.

use std::fmt::Display;
use std::path::Path;

/// Stable error codes (contract, section 11). JavaScript sees them as `error.code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// A configuration, an option or an argument is wrong.
    InvalidConfig,
    /// The connectors package has no such storage, or the storage has no manifest.
    StorageNotFound,
    /// The storage does not run under Node.js.
    StorageUnsupported,
    /// A data mart id or run id is missing or cannot be used.
    InvalidId,
    /// A connectors package that was named could not be found or read.
    ConnectorsNotFound,
    /// npm is missing or failed.
    InstallFailed,
    /// The connector's process could not be started.
    SpawnFailed,
    /// The connector ran and failed.
    ConnectorFailed,
    /// The run took longer than `timeoutMs`.
    Timeout,
    /// The connector printed nothing new for `stallTimeoutMs`.
    Stalled,
    /// The run needed more memory than it may have, or than there was.
    MemoryLimit,
    /// The run was cancelled.
    Aborted,
    /// Another process has been installing the same environment for too long.
    StoreLockTimeout,
    /// The requested isolation cannot be enforced.
    IsolationUnavailable,
    /// A state cannot be read or written.
    StateUnavailable,
    /// Another run of the same configuration holds its lock.
    RunInProgress,
    /// Something that should not happen: a bug here, or a file system that refused.
    Internal,
}

impl Code {
    /// All of them.
    const ALL: [Code; 17] = [
        Code::InvalidConfig,
        Code::StorageNotFound,
        Code::StorageUnsupported,
        Code::InvalidId,
        Code::ConnectorsNotFound,
        Code::InstallFailed,
        Code::SpawnFailed,
        Code::ConnectorFailed,
        Code::Timeout,
        Code::Stalled,
        Code::MemoryLimit,
        Code::Aborted,
        Code::StoreLockTimeout,
        Code::IsolationUnavailable,
        Code::StateUnavailable,
        Code::RunInProgress,
        Code::Internal,
    ];

    /// The code that JavaScript sees as this; `INTERNAL` for what is none.
    pub fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|code| code.as_str() == name).unwrap_or(Code::Internal)
    }

    /// The code as JavaScript sees it.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::InvalidConfig => "INVALID_CONFIG",
            Code::StorageNotFound => "STORAGE_NOT_FOUND",
            Code::StorageUnsupported => "STORAGE_UNSUPPORTED",
            Code::InvalidId => "INVALID_ID",
            Code::ConnectorsNotFound => "CONNECTORS_NOT_FOUND",
            Code::InstallFailed => "INSTALL_FAILED",
            Code::SpawnFailed => "SPAWN_FAILED",
            Code::ConnectorFailed => "CONNECTOR_FAILED",
            Code::Timeout => "TIMEOUT",
            Code::Stalled => "STALLED",
            Code::MemoryLimit => "MEMORY_LIMIT",
            Code::Aborted => "ABORT_ERR",
            Code::StoreLockTimeout => "STORE_LOCK_TIMEOUT",
            Code::IsolationUnavailable => "ISOLATION_UNAVAILABLE",
            Code::StateUnavailable => "STATE_UNAVAILABLE",
            Code::RunInProgress => "RUN_IN_PROGRESS",
            Code::Internal => "INTERNAL",
        }
    }
}

/// What kind of JavaScript error the message belongs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ErrorKind {
    /// `Error`, or `ConnectorRunError` where a run was asked for.
    #[default]
    Plain,
    /// `TypeError`: an argument of a wrong type (contract, section 6).
    Type,
}

/// An error with a stable code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RunnerError {
    /// Stable code.
    pub code: Code,
    /// What failed and what to do about it; never a secret.
    pub message: String,
    /// Kind of the JavaScript error.
    pub kind: ErrorKind,
    /// More help, where the message itself is fixed by the contract.
    pub hint: Option<String>,
}

impl RunnerError {
    /// An error of the plain kind.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), kind: ErrorKind::Plain, hint: None }
    }

    /// The same error with more help.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A wrong argument, thrown as `TypeError`.
    pub fn wrong_type(message: impl Into<String>) -> Self {
        Self { code: Code::InvalidConfig, message: message.into(), kind: ErrorKind::Type, hint: None }
    }

    /// A file operation that failed: what was tried, on which path, and the system's reason.
    pub fn file(action: &str, path: &Path, cause: &impl Display) -> Self {
        Self::new(Code::Internal, format!("failed to {action} {}: {cause}", path.display()))
    }
}

/// Result with a [`RunnerError`].
pub type Result<T, E = RunnerError> = std::result::Result<T, E>;
