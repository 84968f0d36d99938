//! Errors on their way to JavaScript.

use crate::error::{ErrorKind, RunnerError};

/// Prefixes of the codes of our errors on their way through napi. They tell JavaScript that it
/// has to make the error of its own realm; a code on an error of the caller's means nothing.
const PLAIN: &str = "owox:";
const TYPE: &str = "owox:TypeError:";

/// Error of synchronous functions: its status becomes `error.code`.
pub type JsError = napi::Error<String>;

/// Result of synchronous functions. napi's macros know it by this name.
pub type Result<T, E = JsError> = std::result::Result<T, E>;

impl From<RunnerError> for JsError {
    fn from(error: RunnerError) -> Self {
        let code = error.code.as_str();
        let status = match error.kind {
            ErrorKind::Plain => format!("{PLAIN}{code}"),
            ErrorKind::Type => format!("{TYPE}{code}"),
        };
        JsError::new(status, error.message)
    }
}

/// Lets an error of napi through: an exception that JavaScript threw stays pending and reaches
/// the caller as the same object.
pub trait LetThrough<T> {
    fn let_through(self) -> Result<T>;
}

impl<T> LetThrough<T> for napi::Result<T> {
    fn let_through(self) -> Result<T> {
        self.map_err(|error| JsError::new(error.status.as_ref().to_owned(), error.reason.clone()))
    }
}
