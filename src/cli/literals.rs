//! What JSON takes without a word and a run would not do as meant: a key that stands twice, a number
//! that loses digits, the placeholder of an example. Found in the text, since a parsed value has
//! lost them.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::findings::{Findings, Severity};

/// Most findings of one file: who has more has another problem.
const MOST: usize = 50;

/// An object or array that is open.
struct Open<'a> {
    /// The keys of an object so far, decoded, and where each stands first; none of an array.
    keys: Option<HashMap<String, &'a str>>,
    /// The key that the next value belongs to.
    key: String,
    /// The number of the next element.
    index: usize,
    /// Whether the next text of an object is a key.
    expects_key: bool,
}

/// Finds them in a text that is JSON. Nothing is parsed recursively: the text may be nested as deep
/// as it likes.
pub fn literals<'a>(text: &'a str, findings: &mut Findings<'a>) {
    let before = findings.all.len();
    let mut open: Vec<Open<'a>> = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if findings.all.len() - before >= MOST {
            return;
        }
        let end = match byte {
            b'"' => end_of_text(bytes, at),
            b'-' | b'0'..=b'9' => end_of_number(bytes, at),
            _ => at + 1,
        };
        let token = text.get(at..end).unwrap_or_default();
        at = end;
        match byte {
            b'{' | b'[' => open.push(Open {
                keys: (byte == b'{').then(HashMap::new),
                key: String::new(),
                index: 0,
                expects_key: byte == b'{',
            }),
            b'}' | b']' => drop(open.pop()),
            b',' => {
                if let Some(inner) = open.last_mut() {
                    inner.index += 1;
                    inner.expects_key = inner.keys.is_some();
                }
            }
            b'"' => match open.last_mut() {
                Some(inner) if inner.expects_key => {
                    inner.expects_key = false;
                    // a text that Rust cannot hold is told apart by how it is written
                    inner.key = serde_json::from_str(token).unwrap_or_else(|_| token.to_owned());
                    let first = inner.keys.as_mut().and_then(|keys| keys.insert(inner.key.clone(), token));
                    if let Some(first) = first {
                        twice(&path_of(&open), first, token, findings);
                    }
                }
                _ => example(&open, token, findings),
            },
            b'-' | b'0'..=b'9' => {
                if let Some(how) = lost(token) {
                    findings.add(Severity::Error, &path_of(&open), token, how.to_owned());
                }
            }
            _ => {}
        }
    }
}

fn twice<'a>(path: &str, first: &'a str, again: &'a str, findings: &mut Findings<'a>) {
    let (line, column) = findings.place(first);
    let message =
        format!("stands twice: the one on line {line}, column {column} would be ignored; remove one of them");
    findings.add(Severity::Error, path, again, message);
}

/// A text in the parameters that an example has for the reader's own.
fn example<'a>(open: &[Open<'a>], token: &'a str, findings: &mut Findings<'a>) {
    let is_parameter = match open {
        [whole, section, ..] => {
            ["source", "storage"].contains(&whole.key.as_str()) && section.key == "config"
        }
        _ => false,
    };
    let is_listed = open.last().is_some_and(|inner| inner.keys.is_none());
    let found = serde_json::from_str::<String>(token).ok().filter(|_| is_parameter);
    if let Some(found) = found.as_deref().and_then(|text| placeholder(text, is_listed)) {
        let message = format!("still has the example's {found}; put your own value there");
        findings.add(Severity::Error, &path_of(open), token, message);
    }
}

/// `source.config.Fields[1]`
fn path_of(open: &[Open<'_>]) -> String {
    let mut path = String::new();
    for inner in open {
        if inner.keys.is_none() {
            let _ = write!(path, "[{}]", inner.index); // a String takes everything
            continue;
        }
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(&inner.key);
    }
    path
}

/// What the documents of the storages have instead of names.
const OF_THE_DOCUMENTS: [&str; 3] = ["your-bucket", "your_database", "your-project"];

/// The placeholder in a text: `YOUR_ACCESS_TOKEN`, also as a part of an address, `<ACCESS_TOKEN>`,
/// `…`. `is_listed`: of a list's elements, which may be texts of the data, only the first counts.
fn placeholder(text: &str, is_listed: bool) -> Option<&str> {
    let is_word = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-');
    let words = text.split(|character: char| !is_word(character));
    let named = words.into_iter().find(|word| {
        let rest = word.strip_prefix("YOUR_").or_else(|| word.strip_prefix("YOUR-"));
        let is_shouted = rest.is_some_and(|rest| {
            rest.starts_with(|first: char| first.is_ascii_uppercase())
                && !rest.contains(|letter: char| letter.is_ascii_lowercase())
        });
        is_shouted || OF_THE_DOCUMENTS.contains(word)
    });
    if named.is_some() || is_listed {
        return named;
    }
    let trimmed = text.trim();
    let inner = trimmed.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    let is_bracketed = inner.is_some_and(|inner| {
        let is_shouted = inner.len() > 2
            && inner.contains(|letter: char| letter.is_ascii_uppercase())
            && inner.chars().all(|letter| letter.is_ascii_uppercase() || matches!(letter, '_' | '-' | ' '));
        is_shouted || inner.to_ascii_lowercase().starts_with("your")
    });
    (is_bracketed || trimmed == "…").then_some(trimmed)
}

/// What becomes of a number that a double cannot hold; `None` where nothing is lost. A fraction is
/// rounded as everywhere: what counts is a whole number, most often an id, that becomes another one.
fn lost(literal: &str) -> Option<&'static str> {
    /// From here on doubles skip whole numbers.
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    let number: f64 = literal.parse().ok()?;
    if !number.is_finite() {
        return Some("is too large for a number and would arrive as nothing; put it in quotes");
    }
    let digits = decimal(literal);
    if number == 0.0 && !digits.0.is_empty() {
        return Some("is too small for a number and would arrive as 0; put it in quotes");
    }
    // the shortest digits that stand for this double, as JavaScript writes it
    let is_changed = number.abs() >= WHOLE && decimal(&format!("{number:e}")) != digits;
    is_changed
        .then_some("has more digits than a number keeps and would arrive as another one; put it in quotes")
}

/// Digits and the power of ten of a number's text, without zeroes at either end.
fn decimal(literal: &str) -> (String, i64) {
    let text = literal.trim_start_matches('-');
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.trim_start_matches('+').parse().unwrap_or(i64::MAX / 2);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let short = digits.trim_end_matches('0');
    let scale = |length: usize| i64::try_from(length).unwrap_or(i64::MAX / 4);
    let power = exponent - scale(fraction.len()) + scale(digits.len() - short.len());
    (short.to_owned(), if short.is_empty() { 0 } else { power })
}

fn end_of_text(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn end_of_number(bytes: &[u8], start: usize) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    let length = rest.iter().position(|byte| !matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'));
    start + length.unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let mut findings = Findings::new(text);
        literals(text, &mut findings);
        let shown = findings.all.iter().map(|one| {
            let message = one.message.split([';', ':']).next().unwrap_or_default();
            format!("{}:{} {} {message}", one.line, one.column, one.path)
        });
        shown.collect()
    }

    #[test]
    fn a_number_is_lost_where_it_becomes_another_one() {
        for literal in [
            "7012345678901234567",
            "-7012345678901234567",
            "9007199254740993",
            "9007199254740991.5",
            "7012345678901234567.0",
            "70123456789012345.67e2",
            "1e400",
            "-1E+400",
            "1e-400",
            "1e99999999999999999999",
        ] {
            assert!(lost(literal).is_some(), "{literal}");
        }
        for literal in [
            "0",
            "-0.0",
            "0e999",
            "1",
            "0.1",
            "0.1000000000000000055",
            "3.14159265358979323846",
            "123456789012345.6789",
            "9007199254740992",
            "9007199254740994",
            "7012345678901235000",
            "7.012345678901235e18",
            "1e23",
            "1.7976931348623157e308",
            "1e21",
            "100000000000000000000",
        ] {
            assert_eq!(lost(literal), None, "{literal}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_found_at_any_depth_however_it_is_written() {
        let text = "{\n  \"a\": {\"x\": 1, \"y\": {\"x\": 1}, \"\\u0078\": 2},\n  \"b\": [{}, {\"c\": 1, \"c\": 1}],\n  \"a\": 1\n}";
        assert_eq!(found(text), ["2:32 a.x stands twice", "3:22 b[1].c stands twice", "4:3 a stands twice"]);
        assert_eq!(
            found(r#"{"a": {"b": 1}, "b": {"b": ["a", "a", "b"]}, "\"": "{\"a\":1,\"a\":1}"}"#).len(),
            0
        );
        assert!(found(r#"{"\ud800": 1, "\ud800": 1}"#)[0].contains("stands twice"));
    }

    #[test]
    fn examples_placeholders_are_found_in_parameters() {
        let within = |value: &str| {
            let text = format!("{{\"source\": {{\"config\": {{\"A\": {value}}}}}}}");
            !found(&text).is_empty()
        };
        for value in [
            r#""YOUR_ACCESS_TOKEN""#,
            r#"{ "value": "YOUR_APP_ID" }"#,
            r#"{ "oauth2": { "B": "YOUR_APP_ID" } }"#,
            r#"["1", "YOUR_ADVERTISER_ID"]"#,
            r#""s3://YOUR_BUCKET_NAME/athena_dir""#,
            r#""s3://your-bucket/x/""#,
            r#""{\"project_id\": \"YOUR_PROJECT_ID\"}""#,
            r#""https://h/?key=YOUR_KEY&x=1""#,
            r#""<ACCESS_TOKEN>""#,
            r#""<your token>""#,
            r#""…""#,
        ] {
            assert!(within(value), "{value}");
        }
        for value in [
            r#""yours""#,
            r#""YOUR_""#,
            r#""MY_YOUR_TOKEN""#,
            r#""your-bucket-2026""#,
            r#""<none>""#,
            r#""<a> <b>""#,
            r#"["…", "<NULL>"]"#,
            r#""YOUR_Name""#,
            r#""a … b""#,
        ] {
            assert!(!within(value), "{value}");
        }
        assert_eq!(found(r#"{"name": "YOUR_NAME", "$comment": "YOUR_TOKEN"}"#).len(), 0);
    }

    #[test]
    fn foreign_text_takes_no_stack_and_no_end() {
        let deep = format!("{}{}", "[".repeat(300_000), "]".repeat(300_000));
        assert_eq!(found(&deep).len(), 0);
        let many = format!("{{{}\"k\": 1}}", "\"k\": 1e999, ".repeat(10_000));
        assert_eq!(found(&many).len(), MOST);
    }
}
