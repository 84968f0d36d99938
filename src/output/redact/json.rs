//! The little of JSON that redaction needs: where the strings of a line are, what they say, and
//! the values of a configuration. Unlike a full parser it keeps places, and takes lone
//! surrogates as JavaScript does.

use std::ops::Range;

use crate::foreign::{MAX_DEPTH, string_end};

/// Kinds of messages, which no secret can hide behind.
const KINDS: [&str; 9] = [
    "log",
    "isInProgress",
    "updateCurrentStatus",
    "updateLastImportDate",
    "updateLastRequstedDate",
    "addWarningToCurrentStatus",
    "updateCredentials",
    "updateFields",
    "error",
];

/// Fields that may be kept.
const KEPT_FIELDS: [&[u8]; 4] = [b"type", b"at", b"date", b"status"];

/// Whether a field of a message says how a run goes (contract, section 11): the host and the
/// inspector read these, so they stay as they are, as long as they are what their names say.
fn is_kept(name: &[u8], content: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(content) else { return false };
    match name {
        b"type" => KINDS.contains(&text),
        b"at" | b"date" => is_time(text),
        b"status" => {
            text == "in_progress" || text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() < 4
        }
        _ => false,
    }
}

/// Whether this is a day, or a point in time such as `2026-01-31T10:00:00.000Z`.
pub fn is_time(text: &str) -> bool {
    let Some(day) = crate::output::incremental_date(text) else { return false };
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let Some(time) = text[day.len()..].strip_prefix(['T', ' ']) else { return text.len() == day.len() };
    let mut parts = time.splitn(3, ':');
    let (hour, minute) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut rest = parts.next();
    let minute = if rest.is_some() {
        minute
    } else {
        let (minute, zone) = minute.split_at(digits(minute).min(2));
        rest = Some(zone);
        minute
    };
    if hour.len() != 2 || digits(hour) != 2 || minute.len() != 2 || digits(minute) != 2 {
        return false;
    }
    let mut rest = rest.unwrap_or_default();
    if digits(rest) == 2 {
        rest = &rest[2..];
        if let Some(fraction) = rest.strip_prefix('.') {
            rest = &fraction[digits(fraction).min(9)..];
        }
    }
    match rest.as_bytes() {
        [] | b"Z" => true,
        [b'+' | b'-', zone @ ..] => {
            let digits = zone.iter().filter(|byte| byte.is_ascii_digit()).count();
            digits == 4 && (zone.len() == 4 || (zone.len() == 5 && zone[2] == b':'))
        }
        _ => false,
    }
}

/// Finds the contents of the strings in a line of JSON objects, but for those of kept fields.
#[derive(Debug, Default)]
pub struct RedactableStrings {
    depth: usize,
    /// The field of a message whose value comes next, where it is one of those that may be kept.
    field: &'static [u8],
    at: usize,
}

impl RedactableStrings {
    /// The next one. The line may have changed before the end of the one that was given last.
    pub fn next(&mut self, line: &[u8]) -> Option<Range<usize>> {
        while self.at < line.len() {
            let start = self.at;
            self.at += 1;
            match line[start] {
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                b',' if self.depth == 1 => self.field = b"",
                b'"' => {
                    let Some(end) = string_end(line, start + 1) else {
                        self.at = line.len();
                        return None;
                    };
                    self.at = end + 1;
                    let content = start + 1..end;
                    let is_key = is_key(line, end);
                    if is_key && self.depth == 1 {
                        let known = KEPT_FIELDS.iter().find(|field| ***field == line[content.clone()]);
                        self.field = known.copied().unwrap_or_default();
                    }
                    if is_key || self.depth != 1 || !is_kept(self.field, &line[content.clone()]) {
                        return Some(content);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// Whether the string that ends with this quote is a key.
fn is_key(json: &[u8], quote: usize) -> bool {
    json[quote + 1..].trim_ascii_start().first() == Some(&b':')
}

/// A string without its escapes, and where each byte of it came from.
#[derive(Debug, Default)]
pub struct Decoded {
    /// What the string says, as UTF-8; a lone surrogate becomes U+FFFD, as when it is printed.
    pub bytes: Vec<u8>,
    /// In order: only these move the rest, and a long string has few.
    escapes: Vec<Escape>,
}

/// An escape: where it stands, and where what it stands for.
#[derive(Debug)]
struct Escape {
    origin: Range<usize>,
    decoded: Range<usize>,
}

impl Decoded {
    /// Decodes what stands between two quotes.
    pub fn new(content: &[u8]) -> Self {
        let mut decoded = Self { bytes: Vec::with_capacity(content.len()), escapes: Vec::new() };
        let mut at = 0;
        while let Some(found) = memchr::memchr(b'\\', content.get(at..).unwrap_or_default()) {
            let start = at + found;
            decoded.bytes.extend_from_slice(&content[at..start]);
            let (character, length) = escape(&content[start..]);
            let before = decoded.bytes.len();
            decoded.bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            at = start + length;
            decoded.escapes.push(Escape { origin: start..at, decoded: before..decoded.bytes.len() });
        }
        decoded.bytes.extend_from_slice(content.get(at..).unwrap_or_default());
        decoded
    }

    /// The range of the content that a range of the decoded bytes came from.
    pub fn origin(&self, range: &Range<usize>) -> Range<usize> {
        self.place(range.start)..self.place(range.end)
    }

    fn place(&self, at: usize) -> usize {
        let before = self.escapes.partition_point(|escape| escape.decoded.start <= at);
        match before.checked_sub(1).map(|last| &self.escapes[last]) {
            Some(Escape { origin, decoded }) if at < decoded.end => origin.start,
            Some(Escape { origin, decoded }) => origin.end + (at - decoded.end),
            None => at,
        }
    }

    /// As text.
    pub fn into_text(self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// The character that an escape stands for, and the escape's length.
pub fn escape(text: &[u8]) -> (char, usize) {
    let unit = |at: usize| -> Option<u32> {
        let digits = text.get(at..at + 4)?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let simple = match text.get(1) {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => {
            let Some(first) = unit(2) else { return ('\u{FFFD}', 2) };
            if (0xD800..0xDC00).contains(&first) && text.get(6..8) == Some(b"\\u") {
                let second = unit(8).filter(|second| (0xDC00..0xE000).contains(second));
                if let Some(second) = second {
                    let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                    return (char::from_u32(code).unwrap_or('\u{FFFD}'), 12);
                }
            }
            return (char::from_u32(first).unwrap_or('\u{FFFD}'), 6);
        }
        Some(&other) if other.is_ascii() => char::from(other),
        _ => return ('\u{FFFD}', 1),
    };
    (simple, 2)
}

/// A value of a configuration.
#[derive(Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A string.
    Text(String),
    /// An array.
    Array(Vec<Value<'a>>),
    /// An object, and how it is written.
    Object(Vec<(String, Value<'a>)>, &'a str),
    /// A number, a boolean, or null, as it is written.
    Other(&'a str),
    /// An array or object that lies deeper than values are read, as it is written.
    Deep(&'a str),
}

impl Value<'_> {
    /// A member of an object.
    pub fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Value::Object(members, _) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }
}

/// The texts of the strings in JSON that is not read as a value, but for keys.
pub fn texts(raw: &str) -> impl Iterator<Item = String> {
    let json = raw.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + memchr::memchr(b'"', &json[at..])? + 1;
            let end = string_end(json, start)?;
            at = end + 1;
            if !is_key(json, end) {
                return Some(Decoded::new(&json[start..end]).into_text());
            }
        }
    })
}

/// Reads JSON that `JSON.stringify` made; none where the text is something else.
pub fn parse(text: &str) -> Option<Value<'_>> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.space();
    (reader.at == text.len()).then_some(value)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// Steps over this byte, if it comes next after white space.
    fn take(&mut self, byte: u8) -> bool {
        self.space();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn string(&mut self) -> Option<String> {
        if !self.take(b'"') {
            return None;
        }
        let end = string_end(self.text.as_bytes(), self.at)?;
        let text = Decoded::new(&self.text.as_bytes()[self.at..end]).into_text();
        self.at = end + 1;
        Some(text)
    }

    /// Steps over an array or object.
    fn skip(&mut self) -> Option<&'a str> {
        let (json, start) = (self.text.as_bytes(), self.at);
        let mut depth = 0_usize;
        loop {
            match *json.get(self.at)? {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                b'"' => self.at = string_end(json, self.at + 1)?,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(&self.text[start..self.at]);
            }
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value<'a>> {
        self.space();
        let start = self.at;
        if depth > MAX_DEPTH && matches!(self.peek(), Some(b'[' | b'{')) {
            return self.skip().map(Value::Deep);
        }
        match self.peek()? {
            b'"' => self.string().map(Value::Text),
            b'[' => {
                self.at += 1;
                let mut items = Vec::new();
                while !self.take(b']') {
                    if !items.is_empty() && !self.take(b',') {
                        return None;
                    }
                    items.push(self.value(depth + 1)?);
                }
                Some(Value::Array(items))
            }
            b'{' => {
                self.at += 1;
                let mut members = Vec::new();
                while !self.take(b'}') {
                    if !members.is_empty() && !self.take(b',') {
                        return None;
                    }
                    let key = self.string()?;
                    if !self.take(b':') {
                        return None;
                    }
                    members.push((key, self.value(depth + 1)?));
                }
                Some(Value::Object(members, &self.text[start..self.at]))
            }
            _ => {
                let is_literal = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
                while self.peek().is_some_and(is_literal) {
                    self.at += 1;
                }
                (self.at > start).then(|| Value::Other(&self.text[start..self.at]))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(line: &str) -> Vec<&str> {
        let mut strings = RedactableStrings::default();
        std::iter::from_fn(|| strings.next(line.as_bytes())).map(|range| &line[range]).collect()
    }

    #[test]
    fn kept_fields_are_those_of_the_message_itself() {
        assert_eq!(strings(r#"{"type":"log","message":"m\"","x":1}"#), ["type", "message", r#"m\""#, "x"]);
        assert_eq!(
            strings(
                r#"{"status":{"date":"in"},"a":["x"],"date" : "2026-01-31"}{"at":"2026-01-31 10:00:00"}"#
            ),
            ["status", "date", "in", "a", "x", "date", "at"]
        );
        assert_eq!(strings(r#"{"status":"in_progress","y":"not"}"#), ["status", "y", "not"]);
    }

    #[test]
    fn what_a_string_says_is_mapped_to_where_it_is_written() {
        let content = r"a\n\u0416\ud83d\ude00\/\ud800z";
        let decoded = Decoded::new(content.as_bytes());
        assert_eq!(String::from_utf8(decoded.bytes.clone()).unwrap(), "a\nЖ😀/\u{FFFD}z");
        assert_eq!(&content[decoded.origin(&(2..4))], r"\u0416");
        assert_eq!(&content[decoded.origin(&(1..8))], r"\n\u0416\ud83d\ude00");
    }

    #[test]
    fn values_are_read_and_other_text_is_refused() {
        let Some(Value::Object(members, raw)) = parse(r#" {"a":["x",1,null],"b":{"c":"\"d"}} "#) else {
            panic!("no object")
        };
        assert_eq!(raw, r#"{"a":["x",1,null],"b":{"c":"\"d"}}"#);
        assert_eq!(
            members[0].1,
            Value::Array(vec![Value::Text("x".into()), Value::Other("1"), Value::Other("null")])
        );
        assert_eq!(members[1].1.member("c"), Some(&Value::Text("\"d".into())));
        for text in ["", "{", "[1", "{\"a\"}", "{\"a\":1", "\"", "{}x", "[1 2]", "\"\\"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&"[".repeat(100_000)), None);
    }

    #[test]
    fn what_lies_deep_is_kept_as_it_is_written() {
        let nested = |levels: usize, inner: &str| "[".repeat(levels) + inner + &"]".repeat(levels);
        let deep = nested(100_000, r#"{"key":"]\"te\u0078t"}"#);
        let text = format!(r#"{{"a":{deep},"b":1}}"#);
        let Some(Value::Object(members, _)) = parse(&text) else { panic!("no object") };
        assert_eq!(members[1], ("b".to_owned(), Value::Other("1")));
        let mut inner = &members[0].1;
        let mut levels = 0;
        while let Value::Array(items) = inner {
            (inner, levels) = (&items[0], levels + 1);
        }
        let Value::Deep(raw) = inner else { panic!("{inner:?}") };
        assert_eq!((levels, raw.len()), (MAX_DEPTH, deep.len() - 2 * MAX_DEPTH));
        assert_eq!(texts(raw).collect::<Vec<_>>(), ["]\"text"]);
    }

    #[test]
    fn only_what_is_a_time_is_one() {
        for text in [
            "2026-01-31",
            "2026-01-31T10:00:00.000Z",
            "2026-01-31 10:00:00",
            "2026-01-31T10:00",
            "2026-01-31T10:00Z",
            "2026-01-31T10:00:00.123456+01:00",
            "2026-01-31T10:00:00-0100",
        ] {
            assert!(is_time(text), "{text}");
        }
        for text in [
            "",
            "2026-02-31",
            "2026-01-31T",
            "2026-01-31-12345678",
            "2026-01-31T10:00:00.12345678901",
            "2026-01-31T10:00:00Zsecret",
            "2026-01-31T1é:00",
        ] {
            assert!(!is_time(text), "{text}");
        }
    }
}
