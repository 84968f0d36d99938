//! What `check` finds, where in the file, and the JSON that it looks at: texts that know their
//! place.

use std::fmt::Write as _;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::look::Paint;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A run would fail, or not do what was meant.
    Error,
    /// A run would work.
    Warning,
}

/// One thing to mend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Where in the configuration, such as `source.config.Path`; empty for the file itself.
    pub path: String,
    /// What is wrong and what to do; never a value that may be secret.
    pub message: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Whether it would be an error if a manifest said what a class does: a run tells of it, and goes
    /// on.
    #[serde(skip)]
    pub is_doubt: bool,
}

impl Finding {
    /// The finding in one line, with the file's name as it was given.
    pub fn line(&self, config: &str, paint: Paint) -> String {
        let severity = match self.severity {
            Severity::Error => paint.error("error:"),
            Severity::Warning => paint.warning("warning:"),
        };
        let about = if self.path.is_empty() { String::new() } else { format!("{}: ", self.path) };
        let place = paint.bold(&format!("{config}:{}:{}:", self.line, self.column));
        format!("{place} {severity} {about}{}\n", self.message)
    }
}

/// `2 errors and 1 warning`; nothing of what there is none of.
pub fn counted(all: &[Finding]) -> String {
    let mut text = String::new();
    for (severity, one) in [(Severity::Error, "error"), (Severity::Warning, "warning")] {
        let number = all.iter().filter(|finding| finding.severity == severity).count();
        if number == 0 {
            continue;
        }
        let and = if text.is_empty() { "" } else { " and " };
        let _ = write!(text, "{and}{number} {one}{}", if number == 1 { "" } else { "s" });
    }
    text
}

/// Collects what is found in one text.
#[derive(Debug)]
pub struct Findings<'a> {
    text: &'a str,
    /// In the order in which they were found.
    pub all: Vec<Finding>,
}

impl<'a> Findings<'a> {
    /// Nothing found yet.
    pub fn new(text: &'a str) -> Self {
        Self { text, all: Vec::new() }
    }

    /// Adds a finding about a part of the text.
    pub fn add(&mut self, severity: Severity, path: &str, at: &'a str, message: String) {
        let (line, column) = self.place(at);
        self.all.push(Finding { severity, path: path.to_owned(), message, line, column, is_doubt: false });
    }

    /// Adds a finding that never refuses a run, which tells of it as a warning.
    pub fn doubt(&mut self, severity: Severity, path: &str, at: &'a str, message: String) {
        self.add(severity, path, at, message);
        if let Some(last) = self.all.last_mut() {
            last.is_doubt = true;
        }
    }

    /// Whether a run would fail.
    pub fn has_errors(&self) -> bool {
        self.all.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// Line and column of a part of the text; 1 and 1 for what is no part of it.
    pub fn place(&self, part: &str) -> (usize, usize) {
        let offset = (part.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        let before = self.text.get(..offset).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }
}

/// A member of an object.
#[derive(Debug, Clone)]
pub struct Member<'a> {
    /// Its key.
    pub key: String,
    /// Its value's text.
    pub value: &'a str,
    /// The key's text where it can be found, else the value's.
    pub at: &'a str,
}

/// The members of a text that is a JSON object, in order; of equal keys all. `None` for any other.
pub fn members<'a>(within: &'a str, text: &'a str) -> Option<Vec<Member<'a>>> {
    let Pairs(pairs) = serde_json::from_str(text).ok()?;
    let member = |(key, value): (String, &'a RawValue)| {
        let value = value.get();
        Member { at: key_text(within, &key, value).unwrap_or(value), key, value }
    };
    Some(pairs.into_iter().map(member).collect())
}

/// The text of a key: right before the colon before its value.
fn key_text<'a>(within: &'a str, key: &str, value: &'a str) -> Option<&'a str> {
    let offset = (value.as_ptr() as usize).checked_sub(within.as_ptr() as usize)?;
    let before = within.get(..offset)?.trim_end().strip_suffix(':')?.trim_end();
    let quoted = serde_json::to_string(key).ok()?;
    before.ends_with(&quoted).then(|| &before[before.len() - quoted.len()..])
}

/// The pairs of an object, values as they are written.
struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Pairs<'de>;
            fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}
