//! The little of JSON that redaction needs: where the strings of a line are, what they say, and
//! the values of a configuration. Unlike a full parser it keeps places, and takes lone
//! surrogates as JavaScript does.

use std::ops::Range;

/// The string that starts after the quote before `start`: the index of its closing quote.
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        let found = at + memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[found] == b'"' {
            return Some(found);
        }
        at = found + 2;
    }
}

/// Fields of a message that say how a run goes; the host and the inspector read them, so their
/// values stay as they are (contract, section 11).
const KEPT: [&[u8]; 4] = [b"type", b"at", b"status", b"date"];

/// The contents of the strings in a line of JSON objects, but for those of kept fields.
pub fn redactable_strings(line: &[u8]) -> Vec<Range<usize>> {
    let mut strings = Vec::new();
    let mut depth = 0_usize;
    let mut kept = false;
    let mut at = 0;
    while at < line.len() {
        match line[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 1 => kept = false,
            b'"' => {
                let Some(end) = string_end(line, at + 1) else { return strings };
                let content = at + 1..end;
                let is_key = line[end + 1..].trim_ascii_start().first() == Some(&b':');
                if is_key && depth == 1 {
                    kept = KEPT.contains(&&line[content.clone()]);
                }
                if is_key || depth != 1 || !kept {
                    strings.push(content);
                }
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    strings
}

/// A string without its escapes, and where each byte of it came from.
#[derive(Debug, Default)]
pub struct Decoded {
    /// What the string says, as UTF-8; a lone surrogate becomes U+FFFD, as when it is printed.
    pub bytes: Vec<u8>,
    places: Vec<usize>,
}

impl Decoded {
    /// Decodes what stands between two quotes.
    pub fn new(content: &[u8]) -> Self {
        let mut decoded = Self::default();
        let mut at = 0;
        while at < content.len() {
            if content[at] != b'\\' {
                decoded.bytes.push(content[at]);
                decoded.places.push(at);
                at += 1;
                continue;
            }
            let (character, length) = escape(&content[at..]);
            let mut space = [0; 4];
            for byte in character.encode_utf8(&mut space).bytes() {
                decoded.bytes.push(byte);
                decoded.places.push(at);
            }
            at += length;
        }
        decoded.places.push(content.len());
        decoded
    }

    /// The range of the content that a range of the decoded bytes came from.
    pub fn origin(&self, range: &Range<usize>) -> Range<usize> {
        self.places[range.start]..self.places[range.end]
    }

    /// As text.
    pub fn into_text(self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// The character that an escape stands for, and the escape's length.
fn escape(text: &[u8]) -> (char, usize) {
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

/// How deep values are read. What lies deeper is left out.
const MAX_DEPTH: usize = 200;

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

    fn value(&mut self, depth: usize) -> Option<Value<'a>> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.space();
        let start = self.at;
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
        redactable_strings(line.as_bytes()).into_iter().map(|range| &line[range]).collect()
    }

    #[test]
    fn kept_fields_are_those_of_the_message_itself() {
        assert_eq!(strings(r#"{"type":"log","message":"m\"","x":1}"#), ["type", "message", r#"m\""#, "x"]);
        assert_eq!(
            strings(r#"{"status":{"date":"in"},"a":["x"],"date" : "out"}{"at":"y"}"#),
            ["status", "date", "in", "a", "x", "date", "at"]
        );
        assert_eq!(strings(r#"{"status":"kept","y":"not"}"#), ["status", "y", "not"]);
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
}
