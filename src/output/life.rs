//! Signs of life: what of a connector's output shows that it goes on, for `stallTimeoutMs`.
//!
//! Whatever it prints does, but for a heartbeat (`isInProgress`, or a message with `progress`) that
//! says no more than the one before it: a timer sends those also while everything else hangs. A
//! wait that is announced is life until it is over.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Longest wait that is believed: quotas of a day are over by then.
pub const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Bytes of the longest line that is looked at. Heartbeats are short; what is longer is life.
const LONGEST_LINE: usize = 16 * 1024;

/// Heartbeats, by table, that are remembered; each further one counts as new.
const MOST_HEARTBEATS: usize = 4096;

/// Members that change though nothing else does.
const TIMES: [&str; 7] = ["at", "time", "timestamp", "elapsed", "elapsedMs", "uptime", "durationMs"];

/// What output shows.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Sign {
    /// It is more than a heartbeat that says the same again.
    pub is_alive: bool,
    /// What it says of waiting.
    pub wait: Option<Wait>,
}

/// What a connector says of waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// For so long from now.
    For(Duration),
    /// It goes on: a heartbeat that says something new, and nothing of a wait.
    Over,
}

/// Looks for signs of life in one stream.
#[derive(Debug, Default)]
pub struct Life {
    line: Vec<u8>,
    /// The rest of the line need not be looked at.
    is_known: bool,
    /// By type and table, what the last heartbeat said.
    said: HashMap<u64, u64>,
    /// A heartbeat has announced a wait that another one may end.
    waits: bool,
}

type Members<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// A wait that a message announces.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Waiting {
    until_ms: f64,
}

impl Life {
    /// Takes what was read; `now_ms` is the time since 1970.
    pub fn push(&mut self, bytes: &[u8], now_ms: f64) -> Sign {
        let mut sign = Sign::default();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let ends = part.ends_with(b"\n");
            if self.is_known {
                sign.is_alive = true;
            } else {
                self.line.extend_from_slice(&part[..part.len().min(LONGEST_LINE)]);
                let is_json = matches!(self.line.trim_ascii_start().first(), None | Some(b'{'));
                if part.len() > LONGEST_LINE || self.line.len() > LONGEST_LINE {
                    self.is_known = true;
                    sign.is_alive = true;
                    self.line.clear();
                } else if ends {
                    let line = std::mem::take(&mut self.line);
                    sign.add(self.judge(&line, now_ms));
                } else {
                    // an object may yet turn out to be a heartbeat
                    sign.is_alive |= !is_json;
                }
            }
            if ends {
                self.is_known = false;
            }
        }
        sign
    }

    /// What a whole line shows.
    fn judge(&mut self, line: &[u8], now_ms: f64) -> Sign {
        let alive = Sign { is_alive: true, wait: None };
        let Ok(line) = std::str::from_utf8(line) else { return alive };
        if !line.trim_start().starts_with('{') {
            return Sign { wait: announced(line), ..alive };
        }
        let mut sign = Sign::default();
        let mut messages = serde_json::Deserializer::from_str(line).into_iter::<Members>();
        loop {
            match messages.next() {
                Some(Ok(message)) => sign.add(self.message(&message, now_ms)),
                Some(Err(_)) => return Sign { is_alive: true, ..sign },
                None => return sign,
            }
        }
    }

    fn message(&mut self, message: &Members<'_>, now_ms: f64) -> Sign {
        let text =
            |name: &str| message.get(name).and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        let kind = text("type").unwrap_or_default();
        let progress = message.get("progress").filter(|raw| raw.get().starts_with('{'));
        if kind != "isInProgress" && progress.is_none() {
            let wait = text("message").as_deref().and_then(announced);
            return Sign { is_alive: true, wait };
        }
        let mut said = DefaultHasher::new();
        let mut of = DefaultHasher::new();
        kind.hash(&mut of);
        let progress: Members =
            progress.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        progress.get("table").map(|raw| raw.get()).hash(&mut of);
        // the text of a log only says again what its progress says
        let own = message.iter().filter(|(name, _)| *name != "progress" && *name != "message");
        for (name, raw) in own.chain(&progress).filter(|(name, _)| !TIMES.contains(&name.as_ref())) {
            (name, raw.get()).hash(&mut said);
        }
        let (of, said) = (of.finish(), said.finish());
        let before = self.said.get(&of).copied();
        let is_new = before != Some(said);
        if self.said.len() < MOST_HEARTBEATS || self.said.contains_key(&of) {
            self.said.insert(of, said);
        }
        let waiting = message.get("waiting").and_then(|raw| serde_json::from_str::<Waiting>(raw.get()).ok());
        let wait = match waiting {
            Some(Waiting { until_ms }) => wait_of((until_ms - now_ms) / 1000.0),
            // the first of a table need not have happened after the wait
            None => (is_new && self.waits && before.is_some()).then_some(Wait::Over),
        };
        self.waits = matches!(wait, Some(Wait::For(_))) || (self.waits && wait.is_none());
        Sign { is_alive: is_new, wait }
    }
}

impl Sign {
    fn add(&mut self, other: Self) {
        self.is_alive |= other.is_alive;
        self.wait = other.wait.or(self.wait);
    }
}

/// A wait of so many seconds from now, as far as it is believed.
fn wait_of(seconds: f64) -> Option<Wait> {
    let believed = seconds.min(LONGEST_WAIT.as_secs_f64());
    let wait = Duration::try_from_secs_f64(believed).ok()?;
    (!wait.is_zero()).then_some(Wait::For(wait))
}

/// Words by which connectors announce that they wait, in lower case.
const WAITS: [&str; 8] =
    ["retrying", "retry", "waiting", "wait", "sleeping", "pausing", "backing off", "asking again"];

/// The wait that a sentence announces: one of these words, and after it a time, such as "Retrying
/// after 5s..." of 0.11's sources or "Rate limit: waiting for 2 minutes".
fn announced(sentence: &str) -> Option<Wait> {
    if sentence.len() > LONGEST_LINE {
        return None;
    }
    let lower = sentence.to_ascii_lowercase();
    let at = WAITS.iter().filter_map(|word| lower.find(word)).min()?;
    let rest = &lower[at..];
    let is_part = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    let mut from = rest.bytes().position(|byte| byte.is_ascii_digit());
    // the first number with a unit: "Retrying (attempt 2 of 3) in 10 seconds"
    while let Some(start) = from {
        let length = rest.as_bytes()[start..].iter().take_while(|byte| is_part(**byte)).count();
        let (number, after) = rest[start..].split_at(length);
        if let (Ok(number), Some(unit)) = (number.trim_end_matches('.').parse::<f64>(), unit_of(after)) {
            return wait_of(number * unit);
        }
        let next = start + length;
        from = rest.as_bytes()[next..].iter().position(u8::is_ascii_digit).map(|found| next + found);
    }
    None
}

/// The seconds of the unit with which a text begins.
fn unit_of(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let end = text.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(text.len());
    Some(match &text[..end] {
        "ms" | "msec" | "millisecond" | "milliseconds" => 0.001,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: f64 = 1_700_000_000_000.0;

    fn sign(life: &mut Life, text: &str) -> Sign {
        life.push(text.as_bytes(), NOW)
    }

    fn is_alive(life: &mut Life, text: &str) -> bool {
        sign(life, &format!("{text}\n")).is_alive
    }

    #[test]
    fn a_heartbeat_is_life_only_where_it_says_something_new() {
        let mut life = Life::default();
        let beat = |table: &str, phase: &str, rows: u32, at: u32| {
            format!(
                r#"{{"type":"isInProgress","at":"{at}","status":true,"progress":{{"table":"{table}","phase":"{phase}","rows":{rows},"elapsedMs":{at}}}}}"#
            )
        };
        for (text, alive) in [
            (beat("a", "reading", 0, 1), true),
            (beat("a", "reading", 0, 2), false),
            // tables that are loaded at the same time do not make each other new
            (beat("b", "reading", 5, 3), true),
            (beat("a", "reading", 0, 4), false),
            (beat("b", "reading", 5, 5) + &beat("a", "reading", 0, 6), false),
            (beat("b", "reading", 5, 7) + &beat("a", "reading", 1, 8), true),
            (beat("a", "saving", 1, 9), true),
            (beat("a", "saving", 1, 10), false),
            // its sentence, and the state of 0.11
            (r#"{"type":"log","message":"0 rows","progress":{"table":"a","rows":0}}"#.into(), true),
            (r#"{"type":"log","message":"still 0","progress":{"table":"a","rows":0}}"#.into(), false),
            (r#"{"type":"isInProgress","at":"x","status":"in_progress"}"#.into(), true),
            (r#"{"at":"y","type":"isInProgress","status":"in_progress"}"#.into(), false),
        ] {
            assert_eq!(is_alive(&mut life, &text), alive, "{text}");
        }
    }

    #[test]
    fn everything_else_is_life_also_in_parts() {
        let mut life = Life::default();
        let beat = r#"{"type":"isInProgress","status":1}"#;
        assert!(is_alive(&mut life, beat) && !is_alive(&mut life, beat));
        for text in
            ["plain", "", "{", r#"{"type":"log","message":"m"}"#, "{\"type\":\"isInProgress\",\"status\":1}x"]
        {
            assert!(is_alive(&mut life, text) && is_alive(&mut life, text), "{text}");
        }
        for (text, alive) in [
            ("par", true),
            ("t\n{\"type\":\"isIn", true), // the line that has ended
            ("Progress\",\"status\":1", false),
            ("}\n", false),
            ("{\"type\":\"isInProgress\",", false),
            ("\"status\":2}\n", true),
        ] {
            assert_eq!(sign(&mut life, text).is_alive, alive, "{text}");
        }
    }

    #[test]
    fn long_lines_and_many_heartbeats_take_little_memory() {
        let mut life = Life::default();
        let long = "{".to_owned() + &"x".repeat(LONGEST_LINE);
        assert!(sign(&mut life, &long).is_alive && sign(&mut life, &long).is_alive);
        assert!(life.line.is_empty() && sign(&mut life, "\n").is_alive);
        for table in 0..MOST_HEARTBEATS * 2 {
            is_alive(&mut life, &format!(r#"{{"type":"isInProgress","progress":{{"table":{table}}}}}"#));
        }
        assert_eq!(life.said.len(), MOST_HEARTBEATS);
        let deep = format!("{{\"progress\":{}1{}}}", "{\"a\":".repeat(1000), "}".repeat(1000));
        assert!(is_alive(&mut life, &deep));
    }

    #[test]
    fn a_wait_is_believed_until_it_is_over_and_for_a_day_at_most() {
        let mut life = Life::default();
        let mut wait = |text: &str| sign(&mut life, &format!("{text}\n")).wait;
        assert_eq!(wait(r#"{"type":"isInProgress","status":7}"#), None);
        let seconds = |seconds| Some(Wait::For(Duration::from_secs(seconds)));
        let until = |ms: f64| {
            format!(r#"{{"type":"isInProgress","status":true,"waiting":{{"untilMs":{ms},"reason":"busy"}}}}"#)
        };
        assert_eq!(wait(&until(NOW + 90_000.0)), seconds(90));
        assert_eq!(wait(&until(NOW + 90_000.0)), seconds(90));
        assert_eq!(wait(&until(NOW - 1.0)), None);
        assert_eq!(wait(&until(1e300)), Some(Wait::For(LONGEST_WAIT)));
        assert_eq!(wait(r#"{"type":"isInProgress","waiting":{"untilMs":"soon"}}"#), Some(Wait::Over));
        assert_eq!(wait(r#"{"type":"isInProgress","status":true}"#), None, "it was over");
        assert_eq!(wait(r#"{"type":"log","message":"still there"}"#), None);
    }

    #[test]
    fn the_sentences_of_older_connectors_announce_a_wait() {
        for (sentence, expected) in [
            ("Retrying after 5s...", Some(5.0)),
            ("Rate limit reached, waiting 90 seconds", Some(90.0)),
            ("429: sleeping for 1.5 min.", Some(90.0)),
            ("Asking again in 0.5 s. Server says 503", Some(0.5)),
            ("Retrying (attempt 2 of 3) in 2000ms", Some(2.0)),
            ("Quota: wait 400 hours", Some(LONGEST_WAIT.as_secs_f64())),
            ("Attempt 2: isValidToRetry = true", None),
            ("TikTok Marketing API rate limit exceeded. Retrying...", None),
            ("waiting for 3 stores and 4 mice", None),
            ("it took 5 s", None),
            ("wait 0 s", None),
            ("wait 99999999999999999999999999999999999999999 s ж", Some(LONGEST_WAIT.as_secs_f64())),
        ] {
            let expected = expected.map(|seconds| Wait::For(Duration::from_secs_f64(seconds)));
            assert_eq!(announced(sentence), expected, "{sentence}");
            let log = format!(r#"{{"type":"log","message":"{sentence}"}}"#);
            assert_eq!(sign(&mut Life::default(), &format!("{log}\n")).wait, expected, "{sentence}");
        }
    }
}
