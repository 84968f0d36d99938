//! `updateCredentials`: the one message that carries secrets on purpose. A library's caller gets it
//! whole, since a host has to save what it says; everybody else gets it without its values, which are
//! secrets for the rest of the run (SECURITY.md).
//!
//! This comes before everything else that looks at a stream: what it lets through has masked messages
//! of this type only, and each in the same order as the whole ones that are kept for the caller.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The type of the message.
const TYPE: &str = "updateCredentials";

/// What stands for what is not shown.
const MARK: &[u8] = b"***";

/// Masks the messages of a stream.
#[derive(Debug)]
pub struct Credentials {
    /// Bytes of the longest line that is held back to see what it is.
    max_line: usize,
    /// The beginning of a line that may become messages.
    held: Vec<u8>,
    line: Line,
    /// The messages that were masked, as the caller gets them.
    whole: VecDeque<String>,
}

/// What the current line is.
#[derive(Debug, Default, PartialEq, Eq)]
enum Line {
    /// It may become messages.
    #[default]
    Open,
    /// Text: it passes as it comes.
    Text,
    /// A message that is too long: it is dropped.
    TooLong,
}

/// The members of an object, each as often as it stands there: `JSON.parse` takes the last of those
/// with one name, but others need not.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some((name, value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    all.push((name.0, value));
                }
                Ok(all)
            }
        }
        deserializer.deserialize_map(All).map(Self)
    }
}

/// A member's name, which may have escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Cow<'de, str>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Text).map(Self)
    }
}

impl Members<'_> {
    /// Whether any of its types, and whether the last of them, is ours.
    fn is_credentials(&self) -> (bool, bool) {
        let types = self.0.iter().filter(|(name, _)| name == "type");
        let mut found = (false, false);
        for (_, raw) in types {
            let is_ours = serde_json::from_str::<String>(raw.get()).is_ok_and(|kind| kind == TYPE);
            found = (found.0 || is_ours, is_ours);
        }
        found
    }

    /// The message without what it says: its time is kept, and which members it has.
    fn masked(&self) -> String {
        let mut text = format!("{{\"type\":\"{TYPE}\"");
        for (name, raw) in &self.0 {
            let time = serde_json::from_str::<String>(raw.get()).unwrap_or_default();
            let is_time = !time.is_empty() && time.bytes().all(|byte| b"0123456789-:. TZ+".contains(&byte));
            match name.as_ref() {
                "at" if is_time => {
                    text.push_str(",\"at\":");
                    text.push_str(raw.get());
                }
                "credentials" => text.push_str(",\"credentials\":\"***\""),
                _ => {}
            }
        }
        text.push('}');
        text
    }
}

/// Whether these bytes may hold such a message: its type may be written with escapes.
fn may_hold_one(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, TYPE.as_bytes()).is_some() || memchr::memmem::find(bytes, b"\\u00").is_some()
}

impl Credentials {
    /// Lines are held back up to so many bytes.
    pub fn new(max_line: usize) -> Self {
        Self { max_line, held: Vec::new(), line: Line::default(), whole: VecDeque::new() }
    }

    /// Takes what was read, and gives it with its messages masked. The whole ones are `found`.
    pub fn push<'a>(&mut self, bytes: &'a [u8], found: &mut Vec<String>) -> Cow<'a, [u8]> {
        let is_plain = self.held.is_empty() && self.line != Line::TooLong && !may_hold_one(bytes);
        if is_plain {
            let last = memchr::memrchr(b'\n', bytes).map_or(0, |end| end + 1);
            let is_text = if last > 0 { false } else { self.line == Line::Text };
            let rest = &bytes[last..];
            if is_text || !may_become_json(rest) || rest.is_empty() {
                self.line = if rest.is_empty() && last > 0 { Line::Open } else { Line::Text };
                if bytes.is_empty() {
                    self.line = if is_text { Line::Text } else { Line::Open };
                }
                return Cow::Borrowed(bytes);
            }
        }
        let mut passed = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        if !self.held.is_empty() || self.line != Line::Open {
            // what was begun
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            self.part(&rest[..end], &mut passed, found);
            rest = &rest[end..];
        }
        // whole lines that hold none pass at once
        if let Some(end) = memchr::memrchr(b'\n', rest)
            && !may_hold_one(&rest[..=end])
        {
            passed.extend_from_slice(&rest[..=end]);
            rest = &rest[end + 1..];
        }
        for part in rest.split_inclusive(|byte| *byte == b'\n') {
            self.part(part, &mut passed, found);
        }
        Cow::Owned(passed)
    }

    /// Gives what was held back when the stream has ended.
    pub fn finish(&mut self, found: &mut Vec<String>) -> Vec<u8> {
        let mut passed = Vec::new();
        let line = std::mem::take(&mut self.held);
        self.end_line(line, &mut passed, found);
        passed
    }

    /// The whole message that belongs to the next masked one.
    pub fn next_whole(&mut self) -> Option<String> {
        self.whole.pop_front()
    }

    /// Whether there are messages that the caller has to get.
    pub fn is_waiting(&self) -> bool {
        !self.whole.is_empty()
    }

    /// Takes a line, or a part of one.
    fn part(&mut self, part: &[u8], passed: &mut Vec<u8>, found: &mut Vec<String>) {
        let ends = part.ends_with(b"\n");
        match self.line {
            Line::Text => passed.extend_from_slice(part),
            Line::TooLong if ends => passed.push(b'\n'),
            Line::TooLong => {}
            Line::Open => {
                self.held.extend_from_slice(part);
                if ends {
                    let line = std::mem::take(&mut self.held);
                    self.end_line(line, passed, found);
                } else if !may_become_json(&self.held) {
                    passed.append(&mut self.held);
                    self.line = Line::Text;
                } else if self.held.len() > self.max_line {
                    if may_hold_one(&self.held) {
                        self.held = Vec::new();
                        passed.extend_from_slice(MARK);
                        self.line = Line::TooLong;
                    } else {
                        *passed = std::mem::take(&mut self.held);
                        self.line = Line::Text;
                    }
                }
            }
        }
        if ends {
            self.line = Line::Open;
        }
    }

    /// Decides what a line is that has ended.
    fn end_line(&mut self, mut line: Vec<u8>, passed: &mut Vec<u8>, found: &mut Vec<String>) {
        if !may_hold_one(&line) || !may_become_json(&line) {
            // a long one is not copied
            if passed.is_empty() {
                *passed = line;
            } else {
                passed.append(&mut line);
            }
            return;
        }
        let text = String::from_utf8_lossy(&line);
        let rest = each_object(&text, |between, object, members| {
            passed.extend_from_slice(between.as_bytes());
            let (is_any, is_last) = members.is_credentials();
            if !is_any {
                passed.extend_from_slice(object.as_bytes());
                return;
            }
            let masked = members.masked();
            passed.extend_from_slice(masked.as_bytes());
            found.push(object.to_owned());
            // JavaScript takes it for another message otherwise
            self.whole.push_back(if is_last { object.to_owned() } else { masked });
        });
        // one that was cut off is nothing that a host could save
        let is_cut = memchr::memmem::find(rest.as_bytes(), TYPE.as_bytes()).is_some();
        if is_cut && rest.trim_start().starts_with('{') {
            passed.extend_from_slice(MARK);
            passed.extend_from_slice(if rest.ends_with('\n') { b"\n" } else { b"" });
        } else {
            passed.extend_from_slice(rest.as_bytes());
        }
    }

    /// The lines as the caller gets them: with the whole messages in place of the masked ones.
    pub fn unmasked(&mut self, lines: &str) -> String {
        let mut text = String::with_capacity(lines.len());
        for line in lines.split_inclusive('\n') {
            if !line.contains(TYPE) || !may_become_json(line.as_bytes()) {
                text.push_str(line);
                continue;
            }
            let rest = each_object(line, |between, object, members| {
                text.push_str(between);
                let whole = if members.is_credentials().0 { self.next_whole() } else { None };
                text.push_str(whole.as_deref().unwrap_or(object));
            });
            text.push_str(rest);
        }
        text
    }
}

/// Calls `take` with each object at the beginning of a line, and what stands before it; gives what
/// follows them.
fn each_object<'a>(line: &'a str, mut take: impl FnMut(&str, &'a str, &Members<'a>)) -> &'a str {
    let mut rest = line;
    loop {
        let object = rest.trim_start();
        let between = &rest[..rest.len() - object.len()];
        let mut parser = serde_json::Deserializer::from_str(object).into_iter::<Members>();
        let Some(Ok(members)) = parser.next() else { return rest };
        let end = parser.byte_offset();
        take(between, &object[..end], &members);
        rest = &object[end..];
    }
}

/// Whether a line with this beginning may be one of messages.
fn may_become_json(beginning: &[u8]) -> bool {
    matches!(beginning.trim_ascii_start().first(), None | Some(b'{'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::MAX_LINE_BYTES;

    /// What passes of a stream that comes in these pieces, the same for the caller, and what was found.
    fn pass(pieces: &[&[u8]]) -> (String, String, Vec<String>) {
        let (mut credentials, mut found, mut shown) =
            (Credentials::new(MAX_LINE_BYTES), Vec::new(), Vec::new());
        for piece in pieces {
            shown.extend_from_slice(&credentials.push(piece, &mut found));
        }
        shown.extend(credentials.finish(&mut found));
        let shown = String::from_utf8(shown).unwrap();
        let whole = credentials.unmasked(&shown);
        (shown, whole, found)
    }

    const MESSAGE: &str = r#"{"type":"updateCredentials","at":"2026-01-01 00:00:00","credentials":{"refresh_token":"new-token-1","n":{"pin":12345678}}}"#;
    const MASKED: &str = r#"{"type":"updateCredentials","at":"2026-01-01 00:00:00","credentials":"***"}"#;

    #[test]
    fn the_caller_gets_it_whole_and_nobody_else_its_values_however_it_arrives() {
        let text = format!(
            "plain\n{{\"a\":1}}{MESSAGE} {{\"b\":2}}{}\n  {MESSAGE}\r\n{{\"type\":\"log\",\"message\":\"updateCredentials\"}}\n{MESSAGE}",
            MESSAGE.replace("new-token-1", "new-token-2")
        );
        let expected = text.replace("new-token-2", "new-token-1").replace(MESSAGE, MASKED);
        for cut in 0..text.len() {
            let (shown, whole, found) = pass(&[&text.as_bytes()[..cut], &text.as_bytes()[cut..]]);
            assert_eq!(shown, expected, "{cut}");
            assert_eq!((whole, found.len()), (text.clone(), 4));
        }
        let bytes: Vec<_> = text.as_bytes().chunks(1).collect();
        assert_eq!(pass(&bytes).0, expected);
    }

    #[test]
    fn a_message_in_disguise_shows_nothing() {
        for (message, is_whole) in [
            (r#"{"credentials":{"t":"new-token-1"},"type":"updateCredentials"}"#, true),
            (r#"{"\u0074ype":"updateCredential\u0073","credentials":"new-token-1"}"#, true),
            (r#"{"type":"log","type":"updateCredentials","message":"new-token-1"}"#, true),
            (r#"{"type":"updateCredentials","type":"log","message":"new-token-1"}"#, false),
            (r#"{"type":"updateCredentials","at":"new-token-1","token":["new-token-1"]}"#, true),
        ] {
            let (shown, whole, found) = pass(&[message.as_bytes(), b"\n"]);
            assert!(!shown.contains("new-token-1") && shown.ends_with("}\n"), "{shown}");
            serde_json::from_str::<serde_json::Value>(&shown).unwrap();
            assert_eq!(whole.contains("new-token-1"), is_whole, "{message}");
            assert_eq!(found, [message]);
        }
        for cut in [
            r#"{"type":"updateCredentials","credentials":{"t":"new-token-1"#,
            r#"{"a":1}{"type":"updateCredentials","credentials":{"t":"new-token-1"}"#,
        ] {
            let (shown, whole, found) = pass(&[cut.as_bytes()]);
            assert!(shown.ends_with("***") && !whole.contains("new-token-1") && found.is_empty(), "{shown}");
        }
    }

    #[test]
    fn one_that_is_too_long_is_dropped_and_the_next_line_is_there() {
        let start = br#"{"type":"updateCredentials","credentials":""#;
        let long = vec![b'x'; MAX_LINE_BYTES];
        let (shown, whole, found) = pass(&[start, &long, b"new-token-1\"}\n", b"next\n"]);
        assert_eq!((shown.as_str(), whole.as_str(), found.len()), ("***\nnext\n", "***\nnext\n", 0));
    }

    #[test]
    fn everything_else_passes_as_it_comes() {
        let mut credentials = Credentials::new(MAX_LINE_BYTES);
        let mut push = |text: &'static str| {
            String::from_utf8(credentials.push(text.as_bytes(), &mut Vec::new()).into_owned()).unwrap()
        };
        assert_eq!(["te", "xt", "{", "}\n"].map(&mut push), ["te", "xt", "{", "}\n"]);
        assert_eq!(
            ["{\"a", "\":1}", "\nte", "xt\n", "", "{", "\n"].map(&mut push),
            ["", "", "{\"a\":1}\nte", "xt\n", "", "", "{\n"]
        );
    }
}
