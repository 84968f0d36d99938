//! What is remembered of a run for its report, while it goes on.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::bounded::{Ends, Thinned};
use crate::observer::{Batch, BatchKind, Phase, Step, StreamKind};
use crate::output::Message;
use crate::process::Sample;

/// Warnings, and errors, that are kept: the last ones.
const MOST_EVENTS: usize = 100;

/// Lines of the log that are kept: the first and the last ones.
const LOG_LINES: (usize, usize) = (40, 160);

/// Characters that are kept of a warning or an error, and of a line of the log.
const EVENT_CHARACTERS: usize = 2000;
const LINE_CHARACTERS: usize = 400;

/// Tables whose rows are counted apart; those of further ones count as one table's.
const MOST_TABLES: usize = 50;

/// Marks on the time line, and steps of the environment.
const MOST_MARKS: usize = 40;

/// Where a line is: in which stream, its number from 1, and when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The stream.
    pub stream: StreamKind,
    /// The line's number in it.
    pub line: u64,
    /// Since the run was called for.
    pub at: Duration,
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A line of the log, or plain text.
    Plain,
    /// A warning.
    Warning,
    /// An error.
    Error,
    /// Another message.
    Message,
}

/// A line, or a part of one that is a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub kind: Kind,
    /// What it says; its beginning where it is long.
    pub text: String,
    /// Characters that were left out at its end.
    pub cut: usize,
}

/// What is known of a run so far.
#[derive(Debug, Clone)]
pub struct Recording {
    /// When it was called for.
    pub called: SystemTime,
    /// How long it has taken.
    pub elapsed: Duration,
    /// When each phase began.
    pub phases: Vec<(Phase, Duration)>,
    /// What the environment took time for, and when that began.
    pub steps: Vec<(Step, Duration)>,
    /// When the connector's process had started.
    pub started: Option<Duration>,
    /// Memory and CPU time; times are since the process started.
    pub samples: Thinned<Sample>,
    /// Rows of all tables so far, by time.
    pub rows: Thinned<(Duration, u64)>,
    /// Lines of both streams so far, by time.
    pub output: Thinned<(Duration, u64)>,
    /// The dates of `updateLastRequstedDate`, in days since 1970, by time.
    pub dates: Thinned<(Duration, f64)>,
    /// Each `updateCurrentStatus`.
    pub statuses: Ends<(Duration, i64)>,
    /// Warnings.
    pub warnings: Ends<Entry>,
    /// Errors.
    pub errors: Ends<Entry>,
    /// The log.
    pub log: Ends<Entry>,
    /// Lines of stdout and of stderr.
    pub lines: (u64, u64),
    tables: Vec<(String, u64)>,
    begun: Instant,
}

/// Remembers a run. Clones are the same.
#[derive(Debug, Clone)]
pub struct Recorder(Arc<Mutex<Recording>>);

impl Default for Recorder {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Recording {
            called: SystemTime::now(),
            begun: Instant::now(),
            elapsed: Duration::ZERO,
            phases: Vec::new(),
            steps: Vec::new(),
            started: None,
            samples: Thinned::new(|one, other| Sample {
                rss_bytes: one.rss_bytes.max(other.rss_bytes),
                processes: one.processes.max(other.processes),
                ..other
            }),
            rows: Thinned::new(|_, later| later),
            output: Thinned::new(|_, later| later),
            dates: Thinned::new(|_, later| later),
            statuses: Ends::new(MOST_MARKS / 2, MOST_MARKS / 2),
            warnings: Ends::new(0, MOST_EVENTS),
            errors: Ends::new(0, MOST_EVENTS),
            log: Ends::new(LOG_LINES.0, LOG_LINES.1),
            lines: (0, 0),
            tables: Vec::new(),
        })))
    }
}

impl Recorder {
    fn recording(&self) -> MutexGuard<'_, Recording> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A phase begins.
    pub fn phase(&self, phase: Phase) {
        let mut recording = self.recording();
        let at = recording.begun.elapsed();
        if phase == Phase::Execution {
            recording.started = Some(at);
        }
        recording.phases.push((phase, at));
    }

    /// What is known now.
    pub fn recording_so_far(&self) -> Recording {
        let mut recording = self.recording();
        recording.elapsed = recording.begun.elapsed();
        recording.clone()
    }

    /// A sample of what the processes use.
    pub fn sample(&self, sample: Sample) {
        self.recording().samples.push(sample);
    }

    /// A step of the environment begins, or goes on.
    pub fn step(&self, step: &Step) {
        let mut recording = self.recording();
        let at = recording.begun.elapsed();
        let same = |known: &Step| std::mem::discriminant(known) == std::mem::discriminant(step);
        let is_new = recording.steps.last().is_none_or(|(known, _)| !same(known));
        if is_new && recording.steps.len() < MOST_MARKS {
            recording.steps.push((step.clone(), at));
        }
    }

    /// Looks at whole lines, from which secrets have been removed.
    pub fn lines(&self, stream: StreamKind, batches: &[Batch]) {
        if batches.is_empty() {
            return;
        }
        let mut recording = self.recording();
        let at = recording.begun.elapsed();
        for batch in batches {
            for line in batch.text.split_inclusive('\n') {
                let lines = &mut recording.lines;
                let number = if stream == StreamKind::Stdout { &mut lines.0 } else { &mut lines.1 };
                *number += 1;
                let place = Place { stream, line: *number, at };
                let line = line.trim_end_matches(['\n', '\r']);
                if batch.kind == BatchKind::Json && stream == StreamKind::Stdout {
                    recording.messages(place, line);
                } else {
                    recording.log.push(Entry::new(place, Kind::Plain, line, LINE_CHARACTERS));
                }
            }
        }
        let lines = recording.lines.0 + recording.lines.1;
        recording.output.push((at, lines));
    }
}

/// What `summary` and `progress` of the reference package say of a table.
#[derive(Deserialize)]
struct Rows<'a> {
    #[serde(borrow, default)]
    table: Option<Cow<'a, str>>,
    rows: u64,
}

/// A string's content; anything else as it is written.
fn shown(raw: Option<&RawValue>) -> Option<String> {
    let raw = raw?.get();
    Some(serde_json::from_str(raw).unwrap_or_else(|_| raw.to_owned()))
}

impl Recording {
    /// Takes one line of messages.
    fn messages(&mut self, place: Place, line: &str) {
        let mut parser = serde_json::Deserializer::from_str(line).into_iter::<Message>();
        let mut from = 0;
        while let Some(Ok(message)) = parser.next() {
            let until = parser.byte_offset();
            self.message(place, &message, line.get(from..until).unwrap_or_default().trim());
            from = until;
        }
    }

    fn message(&mut self, place: Place, message: &Message, whole: &str) {
        for raw in [message.summary, message.progress].into_iter().flatten() {
            if let Ok(rows) = serde_json::from_str::<Rows>(raw.get()) {
                self.count(place.at, &rows);
            }
        }
        let kind = shown(message.kind).unwrap_or_default();
        let (kind, text) = match kind.as_str() {
            "log" => (Kind::Plain, shown(message.text)),
            "addWarningToCurrentStatus" => (Kind::Warning, shown(message.warning)),
            "error" => (Kind::Error, shown(message.error)),
            "updateCurrentStatus" => {
                let status = shown(message.status).and_then(|status| status.trim().parse().ok());
                if let Some(status) = status {
                    self.statuses.push((place.at, status));
                }
                let kind = if status == Some(5) { Kind::Error } else { Kind::Message };
                (kind, status.map(|status| format!("status: {}", super::text::status(status))))
            }
            "updateLastRequstedDate" => {
                let date = shown(message.date);
                if let Some(day) = date.as_deref().and_then(super::text::days) {
                    self.dates.push((place.at, day));
                }
                (Kind::Message, date.map(|date| format!("state: {date}")))
            }
            _ => (Kind::Message, None),
        };
        let text = text.as_deref().unwrap_or(whole);
        match kind {
            Kind::Warning => self.warnings.push(Entry::new(place, kind, text, EVENT_CHARACTERS)),
            Kind::Error => self.errors.push(Entry::new(place, kind, text, EVENT_CHARACTERS)),
            Kind::Plain | Kind::Message => {}
        }
        self.log.push(Entry::new(place, kind, text, LINE_CHARACTERS));
    }

    /// Rows of one table so far.
    fn count(&mut self, at: Duration, Rows { table, rows }: &Rows) {
        let table = table.as_deref().unwrap_or_default();
        let known = self.tables.iter().position(|(name, _)| name == table);
        let index = match known {
            Some(index) => index,
            None if self.tables.len() < MOST_TABLES => {
                self.tables.push((table.chars().take(200).collect(), 0));
                self.tables.len() - 1
            }
            None => MOST_TABLES - 1,
        };
        self.tables[index].1 = *rows;
        let all = self.tables.iter().fold(0_u64, |all, (_, rows)| all.saturating_add(*rows));
        if all > 0 || !self.rows.points().is_empty() {
            self.rows.push((at, all));
        }
    }
}

impl Entry {
    fn new(place: Place, kind: Kind, text: &str, most: usize) -> Self {
        let end = text.char_indices().nth(most).map_or(text.len(), |(index, _)| index);
        let cut = text[end..].chars().count();
        Self { place, kind, text: text[..end].to_owned(), cut }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(recorder: &Recorder, stream: StreamKind, kind: BatchKind, text: &str) {
        recorder.lines(stream, &[Batch { kind, text: text.to_owned() }]);
    }

    fn texts(entries: &Ends<Entry>) -> Vec<(u64, &str)> {
        entries.iter().map(|entry| (entry.place.line, entry.text.as_str())).collect()
    }

    #[test]
    fn lines_are_numbered_and_what_matters_is_found() {
        let recorder = Recorder::default();
        read(&recorder, StreamKind::Stdout, BatchKind::Text, "plain\n");
        let messages = concat!(
            "{\"type\":\"log\",\"message\":\"a\"}{\"type\":\"addWarningToCurrentStatus\",\"warning\":\"slow\"}\n",
            "{\"type\":\"error\",\"error\":{\"code\":7}}\n",
            "{\"type\":\"updateCurrentStatus\",\"status\":\"5\"}\n",
            "{\"type\":\"updateLastRequstedDate\",\"date\":\"1970-01-11T12:00:00.000Z\"}\n",
            "{\"type\":\"log\",\"progress\":{\"table\":\"a\",\"rows\":3}}\n",
            "{\"type\":\"log\",\"progress\":{\"table\":\"b\",\"rows\":4}}\n",
            "{\"type\":\"log\",\"summary\":{\"table\":\"a\",\"rows\":5,\"total\":9}}\n",
        );
        read(&recorder, StreamKind::Stdout, BatchKind::Json, messages);
        read(&recorder, StreamKind::Stderr, BatchKind::Json, "{\"type\":\"error\"}\n");
        let recording = recorder.recording_so_far();
        assert_eq!(recording.lines, (8, 1));
        assert_eq!(texts(&recording.warnings), [(2, "slow")]);
        assert_eq!(texts(&recording.errors), [(3, "{\"code\":7}"), (4, "status: error")]);
        assert_eq!(texts(&recording.log)[..3], [(1, "plain"), (2, "a"), (2, "slow")]);
        let rows: Vec<u64> = recording.rows.points().iter().map(|point| point.1).collect();
        assert_eq!(rows, [3, 7, 9]);
        let dates: Vec<f64> = recording.dates.points().iter().map(|point| point.1).collect();
        assert!(dates.len() == 1 && (dates[0] - 10.5).abs() < 1e-9, "{dates:?}");
        assert_eq!(recording.statuses.iter().map(|status| status.1).collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn a_huge_run_takes_little_memory() {
        let recorder = Recorder::default();
        let long = "ж".repeat(1_000_000);
        let warning = format!("{{\"type\":\"addWarningToCurrentStatus\",\"warning\":\"{long}\"}}\n");
        read(&recorder, StreamKind::Stdout, BatchKind::Json, &warning);
        let batch = "{\"type\":\"addWarningToCurrentStatus\",\"warning\":\"w\"}\n".repeat(1000);
        for number in 0..100 {
            read(&recorder, StreamKind::Stdout, BatchKind::Json, &batch);
            let table = format!("{{\"summary\":{{\"table\":\"{number}\",\"rows\":{}}}}}\n", u64::MAX);
            read(&recorder, StreamKind::Stdout, BatchKind::Json, &table);
        }
        let recording = recorder.recording_so_far();
        assert_eq!(recording.warnings.count(), 100_001);
        assert_eq!(recording.warnings.iter().count(), MOST_EVENTS);
        assert_eq!(recording.log.iter().count(), LOG_LINES.0 + LOG_LINES.1);
        let first = &recording.log.head()[0];
        assert_eq!((first.text.chars().count(), first.cut), (LINE_CHARACTERS, 1_000_000 - LINE_CHARACTERS));
        assert_eq!(recording.tables.len(), MOST_TABLES);
        assert_eq!(recording.rows.points().last().map(|point| point.1), Some(u64::MAX));
    }
}
