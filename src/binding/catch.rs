//! Errors on their way to JavaScript.

use crate::error::{ErrorKind, RunnerError};

/// Prefix of the code of an error that JavaScript shall make a `TypeError`.
const TYPE: &str = "TYPE/";

/// Error of synchronous functions: its status becomes `error.code`.
pub type JsError = napi::Error<String>;

/// Result of synchronous functions. napi's macros know it by this name.
pub type Result<T, E = JsError> = std::result::Result<T, E>;

impl From<RunnerError> for JsError {
    fn from(error: RunnerError) -> Self {
        let code = error.code.as_str();
        let status = match error.kind {
            ErrorKind::Plain => code.to_owned(),
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
