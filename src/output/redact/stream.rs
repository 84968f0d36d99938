//! Redacting a stream, however its bytes arrive.

use std::borrow::Cow;
use std::sync::Arc;

use super::Secrets;
use super::matcher::Matcher;
use super::replace::{redact_json, redact_text};
use crate::output::{MAX_LINE_BYTES, is_json_objects};

/// What stands for a secret.
pub const MARK: &[u8] = b"***";

/// Replaces secrets in a stream. A line that is JSON stays JSON. Text passes at once, but for an
/// end that may be the beginning of a secret; a line that may become JSON waits for its end.
#[derive(Debug)]
pub struct Redactor {
    secrets: Option<Arc<Secrets>>,
    /// What has not passed yet: first text that is held back, then the current line.
    buffer: Vec<u8>,
    /// How many bytes of it are known to be text.
    text: usize,
    /// How many bytes of it belong to a secret whose mark has passed.
    covered: usize,
    /// How many bytes of it were searched for line ends.
    searched: usize,
    /// Whether the current line is known to be text.
    inside_text: bool,
    /// Bytes of the longest line that is held back to see whether it is JSON; what is longer is
    /// treated as text.
    max_line: usize,
}

impl Redactor {
    /// A redactor of these secrets; without any, everything passes untouched.
    pub fn new(secrets: Option<Arc<Secrets>>) -> Self {
        let max_line = MAX_LINE_BYTES;
        Self { secrets, buffer: Vec::new(), text: 0, covered: 0, searched: 0, inside_text: false, max_line }
    }

    /// The same with another limit for a line, in bytes.
    #[must_use]
    pub fn with_max_line(self, max_line: usize) -> Self {
        Self { max_line, ..self }
    }

    /// Takes what was read and gives what may pass. What is owned is not copied where it is one line.
    pub fn push<'a>(&mut self, bytes: impl Into<Cow<'a, [u8]>>) -> Cow<'a, [u8]> {
        let bytes = bytes.into();
        let Some(secrets) = self.secrets.as_ref().map(|secrets| secrets.matcher()) else { return bytes };
        let mut passed = Vec::new();
        // most output holds no secret, and then whole lines need not be looked at one by one
        if self.buffer.is_empty()
            && let Some(end) = memchr::memrchr(b'\n', &bytes)
            && secrets.pass_untouched(&bytes[..=end])
        {
            self.inside_text = false;
            if end + 1 == bytes.len() {
                return bytes;
            }
            self.buffer.extend_from_slice(&bytes[end + 1..]);
            passed = bytes.into_owned();
            passed.truncate(end + 1);
        } else if self.buffer.is_empty() {
            self.buffer = bytes.into_owned();
        } else {
            self.buffer.extend_from_slice(&bytes);
        }
        self.advance(&secrets, false, &mut passed);
        Cow::Owned(passed)
    }

    /// Gives what was held back when the stream has ended.
    pub fn finish(&mut self) -> Vec<u8> {
        let mut passed = Vec::new();
        if let Some(secrets) = self.secrets.as_ref().map(|secrets| secrets.matcher()) {
            self.advance(&secrets, true, &mut passed);
        }
        passed
    }

    fn advance(&mut self, secrets: &Matcher, at_end: bool, passed: &mut Vec<u8>) {
        while let Some(found) = memchr::memchr(b'\n', &self.buffer[self.searched..]) {
            let end = self.searched + found + 1;
            self.searched = end;
            self.end_line(secrets, end, passed);
        }
        self.searched = self.buffer.len();
        let line = &self.buffer[self.text..];
        if !line.is_empty() {
            if at_end {
                self.end_line(secrets, self.buffer.len(), passed);
            } else if self.inside_text || !may_become_json(line) || line.len() > self.max_line {
                self.text = self.buffer.len();
                self.inside_text = true;
            }
        }
        self.pass_text(secrets, at_end, passed);
    }

    /// Decides what the line is that ends here.
    fn end_line(&mut self, secrets: &Matcher, end: usize, passed: &mut Vec<u8>) {
        let line = &self.buffer[self.text..end];
        if self.inside_text || !is_json_objects(line) || self.is_amid_secret(secrets, end) {
            self.text = end;
            self.inside_text = false;
            return;
        }
        let length = line.len();
        self.pass_text(secrets, true, passed);
        let kept = redact_json(secrets, &mut self.buffer[..length]);
        self.pass_front(length, kept, passed);
    }

    /// Whether the line that ends here may be one of a secret of several lines, which are text.
    fn is_amid_secret(&self, secrets: &Matcher, end: usize) -> bool {
        let held = secrets.unfinished(&self.buffer[..self.text]);
        (held..self.text).any(|start| secrets.reaches(&self.buffer[start..end], self.text - start))
            || secrets.reaches(&self.buffer[self.text..end], end - self.text)
    }

    fn pass_text(&mut self, secrets: &Matcher, all: bool, passed: &mut Vec<u8>) {
        let text = &mut self.buffer[..self.text];
        let end = if all { text.len() } else { secrets.unfinished(text) };
        if end == 0 {
            return;
        }
        let redacted = redact_text(secrets, text, end, self.covered);
        self.text -= end;
        self.covered = redacted.covered;
        self.pass_front(end, redacted.kept, passed);
        if redacted.needs_mark {
            passed.extend_from_slice(MARK);
        }
    }

    /// Passes the first `kept` bytes of the buffer, which stand for its first `count`. They are moved
    /// where they are most of it: a long line is not copied.
    fn pass_front(&mut self, count: usize, kept: usize, passed: &mut Vec<u8>) {
        self.searched = self.searched.saturating_sub(count);
        if passed.is_empty() && count > self.buffer.len() / 2 {
            let rest = self.buffer.split_off(count);
            *passed = std::mem::replace(&mut self.buffer, rest);
            passed.truncate(kept);
        } else {
            passed.extend_from_slice(&self.buffer[..kept]);
            self.buffer.drain(..count);
        }
    }
}

/// Whether a line with this beginning may be one of JSON objects.
fn may_become_json(beginning: &[u8]) -> bool {
    matches!(beginning.trim_ascii_start().first(), None | Some(b'{'))
}
