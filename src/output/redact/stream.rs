//! Redacting a stream, however its bytes arrive.

use std::borrow::Cow;
use std::sync::Arc;

use super::Secrets;
use super::json::{Decoded, redactable_strings};
use super::matcher::Matcher;
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

    /// Takes what was read and gives what may pass.
    pub fn push<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(secrets) = self.secrets.as_ref().map(|secrets| secrets.matcher()) else {
            return Cow::Borrowed(bytes);
        };
        let mut passed = Vec::new();
        let mut rest = bytes;
        // most output holds no secret, and then whole lines need not be looked at one by one
        if self.buffer.is_empty()
            && let Some(end) = memchr::memrchr(b'\n', bytes)
            && secrets.pass_untouched(&bytes[..=end])
        {
            self.inside_text = false;
            if end + 1 == bytes.len() {
                return Cow::Borrowed(bytes);
            }
            passed.extend_from_slice(&bytes[..=end]);
            rest = &bytes[end + 1..];
        }
        self.buffer.extend_from_slice(rest);
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
        redact_json(secrets, &self.buffer[..length], passed);
        self.remove_front(length);
    }

    /// Whether the line that ends here may be one of a secret of several lines, which are text.
    fn is_amid_secret(&self, secrets: &Matcher, end: usize) -> bool {
        let held = secrets.unfinished(&self.buffer[..self.text]);
        (held..self.text).any(|start| secrets.reaches(&self.buffer[start..end], self.text - start))
            || secrets.reaches(&self.buffer[self.text..end], end - self.text)
    }

    fn pass_text(&mut self, secrets: &Matcher, all: bool, passed: &mut Vec<u8>) {
        let text = &self.buffer[..self.text];
        let end = if all { text.len() } else { secrets.unfinished(text) };
        if end == 0 {
            return;
        }
        let mut at = 0;
        let mut covered = 0;
        for range in secrets.ranges(text, self.covered) {
            if range.start >= end {
                break;
            }
            passed.extend_from_slice(&text[at..range.start]);
            if range.start > 0 || self.covered == 0 {
                passed.extend_from_slice(MARK);
            }
            at = range.end.min(end);
            covered = range.end - at;
        }
        passed.extend_from_slice(&text[at..end]);
        self.text -= end;
        self.covered = covered;
        self.remove_front(end);
    }

    fn remove_front(&mut self, count: usize) {
        self.buffer.drain(..count);
        self.searched = self.searched.saturating_sub(count);
    }
}

/// Whether a line with this beginning may be one of JSON objects.
fn may_become_json(beginning: &[u8]) -> bool {
    matches!(beginning.trim_ascii_start().first(), None | Some(b'{'))
}

/// Replaces secrets inside the strings of a line of JSON objects.
fn redact_json(secrets: &Matcher, line: &[u8], passed: &mut Vec<u8>) {
    let mut at = 0;
    for string in redactable_strings(line) {
        let content = &line[string.clone()];
        let ranges = if memchr::memchr(b'\\', content).is_none() {
            secrets.ranges(content, 0)
        } else {
            let decoded = Decoded::new(content);
            let found = secrets.ranges(&decoded.bytes, 0);
            found.iter().map(|range| decoded.origin(range)).collect()
        };
        for range in ranges {
            passed.extend_from_slice(&line[at..string.start + range.start]);
            passed.extend_from_slice(MARK);
            at = string.start + range.end;
        }
    }
    passed.extend_from_slice(&line[at..]);
}
