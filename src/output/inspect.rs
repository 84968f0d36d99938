//! What a connector's messages tell about its run: the last status, warnings, and the state.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::redact::json::escape;
use super::state::State;
use super::tables::Tables;
use crate::foreign::{beginning, cut};

/// Warnings kept of one run; more are counted, not kept.
pub const MAX_WARNINGS: usize = 1000;

/// Bytes that are kept of one warning, and of all. What is beyond is cut, or counted.
const WARNING_BYTES: usize = 16 * 1024;
const ALL_WARNINGS_BYTES: usize = 1024 * 1024;

/// Most bytes of a state, with a date for each of its tables.
const STATE_BYTES: usize = 64 * 1024;

/// Whether a line is one or more JSON objects, back to back or separated by white space.
pub fn is_json_objects(line: &[u8]) -> bool {
    holds_json_objects(line) && std::str::from_utf8(line).is_ok()
}

/// The same of a line that is UTF-8.
pub fn holds_json_objects(line: &[u8]) -> bool {
    let mut rest = line.trim_ascii();
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        if rest[0] != b'{' {
            return false;
        }
        // IgnoredAny does not recurse, so depth costs no stack; and it accepts lone surrogates,
        // as JSON.parse does.
        let mut parser = serde_json::Deserializer::from_slice(rest).into_iter::<IgnoredAny>();
        match parser.next() {
            Some(Ok(_)) => rest = rest[parser.byte_offset()..].trim_ascii_start(),
            _ => return false,
        }
    }
    true
}

/// The fields of contract section 10 that say how a run goes. Raw, since connectors are free
/// in what they put there.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    date: Option<&'a RawValue>,
    #[serde(borrow)]
    warning: Option<&'a RawValue>,
    #[serde(borrow)]
    summary: Option<&'a RawValue>,
    #[serde(borrow)]
    progress: Option<&'a RawValue>,
    #[serde(borrow)]
    tables: Option<&'a RawValue>,
    #[serde(borrow)]
    reached: Option<&'a RawValue>,
    #[serde(borrow)]
    fresh: Option<&'a RawValue>,
}

/// What the reference package says of a table that it has saved.
#[derive(Deserialize)]
struct Summary {
    rows: u64,
}

/// Bytes of the longest `tables`, `progress` or `summary` that is read.
const MEMBER_BYTES: usize = 1024 * 1024;

/// Bytes of a long text in JSON that are read, with its escapes: what is kept of it is shorter.
const TEXT_BYTES: usize = 8 * WARNING_BYTES;

/// A text that is short: the type of a message, the name of a status.
fn text(raw: Option<&RawValue>) -> Option<String> {
    let raw = raw?.get();
    if raw.len() > TEXT_BYTES { None } else { serde_json::from_str(raw).ok() }
}

/// A text, cut where it is long. It may be as long as a line, so there is no copy of it.
fn cut_text(raw: Option<&RawValue>, most: usize) -> Option<String> {
    let raw = raw?.get();
    if memchr::memchr(b'\\', raw.as_bytes()).is_none() {
        return Some(beginning(serde_json::from_str(raw).ok()?, most, 0));
    }
    if raw.len() <= TEXT_BYTES {
        return Some(cut(serde_json::from_str(raw).ok()?, most));
    }
    // where a character begins that is no part of an escape
    let mut end = 1;
    while end < TEXT_BYTES {
        let rest = &raw.as_bytes()[end..];
        end += match rest.first()? {
            b'\\' => escape(rest).1,
            _ => memchr::memchr(b'\\', &rest[..TEXT_BYTES - end]).unwrap_or(TEXT_BYTES - end),
        };
    }
    let end = (1..=end).rev().find(|&end| raw.is_char_boundary(end))?;
    let read: String = serde_json::from_str(&format!("{}\"", raw.get(..end)?)).ok()?;
    Some(beginning(&read, most, raw.len() - end - 1))
}

/// Reads the messages of one run as they pass.
#[derive(Debug, Default, Clone)]
pub struct Inspector {
    /// The last `updateCurrentStatus`; 5 means error.
    pub last_status: Option<i64>,
    /// Texts of `addWarningToCurrentStatus`.
    pub warnings: Vec<String>,
    /// How far it is: the last `updateLastRequstedDate`, or `reached` of a sign of life, as the
    /// connector printed it.
    pub reached: Option<State>,
    /// Tables that begin anew, or are replaced: the last that a sign of life has told of.
    pub fresh: Vec<String>,
    /// The rows of all `summary`s.
    pub rows: Option<u64>,
    /// What became of each table, where the connector tells.
    pub tables: Tables,
    dropped: usize,
    /// Bytes of the warnings.
    bytes: usize,
    /// States that were too long to be kept.
    long_states: usize,
    /// Whether a date came that was behind the one before it.
    went_back: bool,
}

impl Inspector {
    /// Looks at a batch of JSON lines.
    pub fn read(&mut self, json_lines: &str) {
        // Most messages are logs; only lines that name one of these types are parsed.
        let relevant = [
            "updateCurrentStatus",
            "addWarningToCurrentStatus",
            "updateLastRequstedDate",
            "\"summary\"",
            "\"progress\"",
            "\"tables\"",
            "\"reached\"",
            "\"fresh\"",
        ];
        if !relevant.iter().any(|kind| memchr::memmem::find(json_lines.as_bytes(), kind.as_bytes()).is_some())
        {
            return;
        }
        for line in json_lines.lines().filter(|line| relevant.iter().any(|kind| line.contains(kind))) {
            for message in serde_json::Deserializer::from_str(line).into_iter::<Message>() {
                match message {
                    Ok(message) => self.take(&message),
                    Err(_) => break,
                }
            }
        }
    }

    fn take(&mut self, message: &Message) {
        let is_short = |raw: &&RawValue| raw.get().len() <= MEMBER_BYTES;
        if let Some(raw) = message.tables.filter(is_short) {
            self.tables.named(raw);
        }
        if let Some(raw) = message.progress.filter(is_short) {
            self.tables.progress(raw);
        }
        if let Some(raw) = message.summary.filter(is_short) {
            self.tables.summary(raw);
            if let Ok(Summary { rows }) = serde_json::from_str(raw.get()) {
                self.rows = Some(self.rows.unwrap_or_default().saturating_add(rows));
            }
        }
        match text(message.kind).as_deref() {
            Some("updateCurrentStatus") => {
                if let Some(status) = number(message.status) {
                    self.last_status = Some(status);
                }
            }
            Some("updateLastRequstedDate") => {
                let parts = [message.date, message.tables];
                self.reach(&parts, || State::said(message.date, message.tables));
            }
            Some("isInProgress") => {
                self.reach(&[message.reached], || message.reached.and_then(State::said_whole));
                if let Some(fresh) = message.fresh.filter(|fresh| fresh.get().len() <= STATE_BYTES) {
                    self.fresh = serde_json::from_str(fresh.get()).unwrap_or_default();
                }
            }
            Some("addWarningToCurrentStatus") => {
                let warning = cut_text(message.warning, WARNING_BYTES)
                    .unwrap_or_else(|| "the connector added a warning to its status".to_owned());
                let bytes = self.bytes + warning.len();
                if self.warnings.len() < MAX_WARNINGS && bytes <= ALL_WARNINGS_BYTES {
                    self.bytes = bytes;
                    self.warnings.push(warning);
                } else {
                    self.dropped += 1;
                }
            }
            _ => {}
        }
    }

    /// Takes how far it is from parts of a message, unless they are too long to be a state.
    fn reach(&mut self, parts: &[Option<&RawValue>], said: impl FnOnce() -> Option<State>) {
        let bytes: usize = parts.iter().flatten().map(|part| part.get().len()).sum();
        if bytes > STATE_BYTES {
            self.long_states += 1;
        } else if let Some(reached) = said() {
            let before = self.reached.as_ref().map(|before| (&before.date, before.tables.is_empty()));
            self.went_back |= reached.tables.is_empty()
                && before.is_some_and(|(date, is_all)| is_all && *date > reached.date);
            self.reached = Some(reached);
        }
    }

    /// How far it is, for a run that goes on there if this one does not come to its end. A date for
    /// all tables that goes back is of a connector that loads one account or node after the other,
    /// and says nothing of those that come later.
    pub fn checkpoint(&self) -> Option<State> {
        self.reached.clone().filter(|_| !self.went_back)
    }

    /// The warnings, and a last line for those that were too many to keep.
    pub fn into_warnings(self) -> Vec<String> {
        let mut warnings = self.warnings;
        if self.dropped > 0 {
            warnings.push(format!("{} more warnings were not kept", self.dropped));
        }
        if self.long_states > 0 {
            warnings
                .push(format!("{} states of more than {STATE_BYTES} bytes were not kept", self.long_states));
        }
        warnings
    }
}

/// A number, or a string that holds one.
fn number(raw: Option<&RawValue>) -> Option<i64> {
    let raw = raw?;
    serde_json::from_str::<i64>(raw.get()).ok().or_else(|| text(Some(raw))?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_warning_is_cut_without_reading_all_of_it() {
        let warning = |text: &str| {
            let mut inspector = Inspector::default();
            inspector.read(&format!(r#"{{"type":"addWarningToCurrentStatus","warning":"{text}"}}"#));
            inspector.into_warnings().remove(0)
        };
        let size = 20 * WARNING_BYTES;
        assert!(
            warning(&"w".repeat(size)).ends_with(&format!("w… ({} more bytes were cut)", 19 * WARNING_BYTES))
        );
        for shift in 0..12 {
            let text = "x".repeat(shift) + &"\\ud83d\\ude00".repeat(size / 12);
            let shown = warning(&text);
            assert!(shown.starts_with(&("x".repeat(shift) + "😀")) && shown.contains("more bytes were cut"));
            assert!(shown.len() < WARNING_BYTES + 100 && !shown.contains('\u{FFFD}'), "{shift}");
        }
        assert!(warning(&("\\n".to_owned() + &"ж".repeat(size))).starts_with("\nж"));
    }

    #[test]
    fn json_objects_are_told_from_everything_else() {
        for line in ["{}", " {} \n", "{\"a\":{\"b\":\"}\"}}{}\n", "{} {}\r\n", "{\"a\":\"\\ud800\"}"] {
            assert!(is_json_objects(line.as_bytes()), "{line}");
        }
        for line in ["", "\n", "1", "[]", "\"{}\"", "{", "{}x", "x{}", "{}[]", "{a:1}", "{\"a\":1,}", "{}{"] {
            assert!(!is_json_objects(line.as_bytes()), "{line}");
        }
        let deep = "{\"a\":".repeat(100_000) + "1" + &"}".repeat(100_000);
        assert!(is_json_objects(deep.as_bytes()));
        assert!(!is_json_objects(b"{\"a\":\"\xFF\"}"));
    }

    #[test]
    fn the_last_status_and_date_and_every_warning_are_kept() {
        let mut inspector = Inspector::default();
        inspector.read(concat!(
            "{\"type\":\"updateCurrentStatus\",\"status\":1}{\"type\":\"updateCurrentStatus\",\"status\":\"5\"}\n",
            "{\"type\":\"addWarningToCurrentStatus\",\"status\":1,\"warning\":\"slow\"}\n",
            "{\"type\":\"updateLastRequstedDate\",\"date\":\"2026-01-01T00:00:00.000Z\"}\n",
            "{\"type\":\"updateLastRequstedDate\",\"date\":\"2026-01-02T00:00:00.000Z\"}\n",
            "{\"type\":\"log\",\"message\":\"updateCurrentStatus\",\"status\":3}\n",
        ));
        assert_eq!(inspector.last_status, Some(5));
        let reached = inspector.reached.as_ref().and_then(|reached| reached.date.as_deref());
        assert_eq!(reached, Some("2026-01-02T00:00:00.000Z"));
        assert_eq!(inspector.into_warnings(), ["slow"]);
    }

    #[test]
    fn odd_values_in_messages_do_no_harm() {
        let mut inspector = Inspector::default();
        inspector.read(concat!(
            "{\"type\":\"updateCurrentStatus\",\"status\":{\"$serde_json::private::Number\":\"1\"}}\n",
            "{\"type\":[\"updateCurrentStatus\"],\"status\":5}\n",
            "{\"type\":\"updateLastRequstedDate\",\"date\":7}\n",
        ));
        assert_eq!((inspector.last_status, inspector.reached), (None, None));
    }

    #[test]
    fn a_date_for_everything_that_goes_back_is_no_checkpoint() {
        let read = |lines: &str| {
            let mut inspector = Inspector::default();
            inspector.read(lines);
            (inspector.reached.is_some(), inspector.checkpoint().is_some())
        };
        let one = |day: &str| format!("{{\"type\":\"updateLastRequstedDate\",\"date\":\"2026-01-{day}\"}}\n");
        assert_eq!(read(&(one("01") + &one("02") + &one("02"))), (true, true));
        assert_eq!(read(&(one("02") + &one("01") + &one("03"))), (true, false));
        let tables = |day: &str| one(day).replace('}', ",\"tables\":{\"t\":{\"date\":\"2026-01-01\"}}}");
        assert_eq!(read(&(tables("02") + &tables("01"))), (true, true), "each table has its own");
    }

    #[test]
    fn how_far_it_is_may_be_said_by_table_and_without_moving_a_hosts_state() {
        let mut inspector = Inspector::default();
        let json = |inspector: &Inspector| serde_json::to_string(&inspector.reached).unwrap();
        inspector.read(
            "{\"type\":\"updateLastRequstedDate\",\"date\":\"2026-06-01\",\"tables\":{\"late\":{\"date\":\"2026-05-01\"}}}\n",
        );
        assert_eq!(json(&inspector), r#"{"date":"2026-05-01","tables":{"late":{"date":"2026-05-01"}}}"#);
        inspector.read("{\"type\":\"isInProgress\",\"status\":true,\"reached\":{\"date\":\"2026-07-01\"}}\n");
        assert_eq!(json(&inspector), r#"{"date":"2026-07-01"}"#);
        inspector.read(
            "{\"type\":\"isInProgress\",\"reached\":7}{\"type\":\"log\",\"reached\":{\"date\":\"x\"}}\n",
        );
        assert_eq!(json(&inspector), r#"{"date":"2026-07-01"}"#);
    }

    #[test]
    fn long_warnings_are_cut_and_many_of_them_counted() {
        let mut inspector = Inspector::default();
        let long =
            format!("{{\"type\":\"addWarningToCurrentStatus\",\"warning\":\"{}\"}}\n", "w".repeat(5_000_000));
        for _ in 0..100 {
            inspector.read(&long);
        }
        let date = |text: &str| format!("{{\"type\":\"updateLastRequstedDate\",\"date\":\"{text}\"}}\n");
        inspector.read(&date("2026-01-01"));
        inspector.read(&date(&"2".repeat(1_000_000)));
        assert_eq!(inspector.reached.as_ref().and_then(|state| state.date.as_deref()), Some("2026-01-01"));
        let warnings = inspector.into_warnings();
        let kept: usize = warnings.iter().map(String::capacity).sum();
        assert!(kept < 2 * ALL_WARNINGS_BYTES, "{kept} bytes are kept");
        let [first, .., dropped, dates] = warnings.as_slice() else { panic!("{}", warnings.len()) };
        assert!(first.ends_with("www… (4983616 more bytes were cut)"), "{}", &first[first.len() - 60..]);
        let expected = format!("{} more warnings were not kept", 102 - warnings.len());
        assert_eq!(*dropped, expected);
        assert_eq!(dates, "1 states of more than 65536 bytes were not kept");
    }

    #[test]
    fn warnings_are_bounded() {
        let mut inspector = Inspector::default();
        let line = "{\"type\":\"addWarningToCurrentStatus\",\"warning\":\"w\"}\n".repeat(MAX_WARNINGS + 5);
        inspector.read(&line);
        let warnings = inspector.into_warnings();
        assert_eq!(warnings.len(), MAX_WARNINGS + 1);
        assert_eq!(warnings.last().unwrap(), "5 more warnings were not kept");
    }
}
