//! Secrets stay out of everything that leaves a run (contract, section 11).
//!
//! Found are the values of secret parameters as they are, JSON-escaped, URL-encoded and in
//! base64, also where a stream splits them. Not found is what a connector makes of a secret in
//! any other way: a part of it, its digest, its hexadecimal form, base64 that is broken into
//! lines. Output that goes straight to a caller's descriptor is not seen here at all.

pub(crate) mod json;
mod matcher;
mod secrets;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use matcher::Matcher;
pub use secrets::{MIN_CHARACTERS, Marked, comparable, is_secret_name, is_secret_variable, percent_decoded};
pub use stream::Redactor;

/// The option `redact`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redaction {
    /// Whether anything is replaced.
    pub enabled: bool,
    /// Parameters and variables whose values are secret, beside those that look so.
    pub names: Vec<String>,
    /// More secret values.
    pub values: Vec<String>,
}

impl Default for Redaction {
    fn default() -> Self {
        Self { enabled: true, names: Vec::new(), values: Vec::new() }
    }
}

/// The secrets of a run.
#[derive(Debug)]
pub struct Secrets {
    matcher: Matcher,
}

impl Secrets {
    /// Finds the secrets in a run's variables. None where there are none, or none shall be
    /// replaced.
    pub fn find(redaction: &Redaction, variables: &[(String, String)], marked: &Marked) -> Option<Arc<Self>> {
        if !redaction.enabled {
            return None;
        }
        let mut collector = secrets::Collector::new(&redaction.names);
        redaction.values.iter().for_each(|value| collector.given(value));
        for (name, value) in variables {
            match name.as_str() {
                "OW_CONFIG" => collector.config(value, marked),
                "OW_RUN_CONFIG" => collector.run_config(value),
                _ => collector.variable(name, value),
            }
        }
        let matcher = Matcher::new(collector.into_needles())?;
        Some(Arc::new(Self { matcher }))
    }

    /// The text without its secrets.
    pub fn redact(&self, text: &str) -> String {
        let mut redacted = String::with_capacity(text.len());
        let mut at = 0;
        for range in self.matcher.ranges(text.as_bytes(), 0) {
            // needles are whole characters, so these are places between characters
            redacted.push_str(text.get(at..range.start).unwrap_or_default());
            redacted.push_str("***");
            at = range.end;
        }
        redacted.push_str(text.get(at..).unwrap_or_default());
        redacted
    }

    /// Whether these whole lines surely hold nothing to replace, and no beginning of it.
    fn pass_untouched(&self, lines: &[u8]) -> bool {
        // The forms include the usual escapes. Unusual ones, and escaped backslashes, which may be
        // escapes within escapes, need the strings decoded.
        let has_unusual_escapes = || {
            memchr::memchr_iter(b'\\', lines).any(|at| matches!(lines.get(at + 1), Some(b'u' | b'/' | b'\\')))
        };
        !self.matcher.is_in(lines) && self.matcher.unfinished(lines) == lines.len() && !has_unusual_escapes()
    }
}
