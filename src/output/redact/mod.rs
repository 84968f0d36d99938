//! Secrets stay out of everything that leaves a run (contract, section 11).
//!
//! Found are the values of secret parameters as they are, JSON-escaped, URL-encoded and in
//! base64, also where a stream splits them. Not found is what a connector makes of a secret in
//! any other way: a part of it, its digest, its hexadecimal form, base64 that is broken into
//! lines. Output that goes straight to a caller's descriptor is not seen here at all.

pub(crate) mod json;
mod matcher;
mod replace;
mod secrets;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

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

/// The secrets of a run. It may learn more of them while it goes on.
#[derive(Debug)]
pub struct Secrets {
    matcher: RwLock<Arc<Matcher>>,
    learnt: Mutex<Learnt>,
}

/// What a run has learnt beside what it knew.
#[derive(Debug)]
struct Learnt {
    values: usize,
    needles: BTreeSet<Vec<u8>>,
}

/// Values that a run learns at most, and bytes of the longest.
const MOST_LEARNT: usize = 256;
const LONGEST_LEARNT: usize = 16 * 1024;

impl Secrets {
    /// Finds the secrets in a run's variables. None where none shall be replaced.
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
        let needles = collector.into_needles();
        let matcher = RwLock::new(Arc::new(Matcher::new(needles.clone())));
        Some(Arc::new(Self { matcher, learnt: Mutex::new(Learnt { values: 0, needles }) }))
    }

    /// What finds the secrets that are known now.
    fn matcher(&self) -> Arc<Matcher> {
        self.matcher.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes what a message says of new credentials: its values are secrets from now on.
    pub fn learn(&self, credentials: &str) {
        self.learn_by(|collector| collector.credentials(credentials));
    }

    /// Takes a value that the connector itself names, and tells whether it is hidden from now on: what is
    /// short, a number or a date is not, and neither is one too many.
    pub fn learn_value(&self, value: &str) -> bool {
        self.redact(value) == "***" || self.learn_by(|collector| collector.value(value))
    }

    fn learn_by(&self, collect: impl FnOnce(&mut secrets::Collector)) -> bool {
        let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        let left = MOST_LEARNT.saturating_sub(learnt.values);
        if left == 0 {
            return false;
        }
        let mut collector = secrets::Collector::new(&[]);
        collect(&mut collector);
        let (count, needles) = collector.into_some_needles(left, LONGEST_LEARNT);
        let known = learnt.needles.len();
        learnt.needles.extend(needles);
        if learnt.needles.len() > known {
            learnt.values += count;
            let matcher = Arc::new(Matcher::new(learnt.needles.clone()));
            *self.matcher.write().unwrap_or_else(PoisonError::into_inner) = matcher;
        }
        count > 0
    }

    /// The text without its secrets.
    pub fn redact(&self, text: &str) -> String {
        let mut redacted = String::with_capacity(text.len());
        let mut at = 0;
        for range in self.matcher().ranges(text.as_bytes(), 0) {
            // needles are whole characters, so these are places between characters
            redacted.push_str(text.get(at..range.start).unwrap_or_default());
            redacted.push_str("***");
            at = range.end;
        }
        redacted.push_str(text.get(at..).unwrap_or_default());
        redacted
    }
}

impl Matcher {
    /// Whether these whole lines surely hold nothing to replace, and no beginning of it.
    fn pass_untouched(&self, lines: &[u8]) -> bool {
        if self.is_empty() {
            return true;
        }
        // The forms include the usual escapes. Unusual ones, and escaped backslashes, which may be
        // escapes within escapes, need the strings decoded.
        let has_unusual_escapes = || {
            memchr::memchr_iter(b'\\', lines).any(|at| matches!(lines.get(at + 1), Some(b'u' | b'/' | b'\\')))
        };
        !self.is_in(lines) && self.unfinished(lines) == lines.len() && !has_unusual_escapes()
    }
}
