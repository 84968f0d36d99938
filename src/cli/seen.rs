//! What a connector's messages tell a person of how far it is.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::foreign::cut;
use crate::output::Message;

/// What a message says to a person.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// A line of a log.
    Log(String),
    /// Something to look at, though the run goes on.
    Warning(String),
    /// Something that failed.
    Error(String),
    /// Nothing, or nothing but how far it is.
    Nothing,
}

/// `summary` of the reference package, one for each table that is saved.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Summary {
    /// Rows that this run saved.
    pub rows: Option<u64>,
    /// Rows that the table has now.
    pub total: Option<u64>,
    /// The table's name.
    pub table: Option<String>,
    /// The file or service that has it.
    pub location: Option<String>,
    /// The first day that was loaded.
    pub first_date: Option<String>,
    /// The last one.
    pub last_date: Option<String>,
    /// A command that shows it.
    pub look: Option<String>,
    /// Whether its state was believed, since the storage cannot tell whether the table has rows.
    pub is_unchecked: bool,
}

/// `progress` of the reference package's signs of life.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Progress {
    table: String,
    phase: Option<String>,
    rows: Option<u64>,
}

/// Tables that are counted and summed up apart.
const MOST_TABLES: usize = 1000;

/// Bytes that are kept of an error, and of what is said of a table, such as its name.
const ERROR_BYTES: usize = 16 * 1024;
const NAME_BYTES: usize = 1000;

/// What the connector is doing, by its own words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Doing {
    /// It has not said.
    #[default]
    Unsaid,
    /// Status 1, or a table that is being read.
    Importing,
    /// A table that is being saved.
    Saving,
    /// Status 2.
    CleaningUp,
    /// Statuses 3 and 4.
    Finishing,
    /// Status 5.
    Failing,
}

/// How far a run is, as far as its connector says.
#[derive(Debug, Default)]
pub struct Seen {
    /// What it is doing.
    pub doing: Doing,
    /// Summaries of tables.
    pub summaries: Vec<Summary>,
    /// The last error that it printed.
    pub error: Option<String>,
    /// How many warnings it printed.
    pub warnings: usize,
    /// The last day that was requested (YYYY-MM-DD).
    pub date: Option<String>,
    by_table: BTreeMap<String, u64>,
    by_verb: BTreeMap<&'static str, u64>,
}

/// What connectors say that they did to rows.
const VERBS: [&str; 9] =
    ["fetched", "imported", "inserted", "loaded", "processed", "received", "retrieved", "saved", "written"];

impl Seen {
    /// Rows so far; `None` where nothing was said of them. Connectors of 0.11 only write sentences,
    /// and each of these counts the same rows for each thing it does to them.
    pub fn rows(&self) -> Option<u64> {
        let saved: Vec<_> = self.summaries.iter().filter_map(|summary| summary.rows).collect();
        if !saved.is_empty() {
            return Some(saved.iter().fold(0, |sum: u64, rows| sum.saturating_add(*rows)));
        }
        if !self.by_table.is_empty() {
            return Some(self.by_table.values().fold(0, |sum: u64, rows| sum.saturating_add(*rows)));
        }
        self.by_verb.values().max().copied()
    }

    /// Takes a message.
    pub fn take(&mut self, message: &Message) -> Said {
        if let Some(progress) = parsed::<Progress>(message.progress) {
            self.doing = if progress.phase.as_deref() == Some("saving") { Doing::Saving } else { self.doing };
            let table = cut(progress.table, NAME_BYTES);
            let has_room = self.by_table.len() < MOST_TABLES || self.by_table.contains_key(&table);
            if let Some(rows) = progress.rows.filter(|_| has_room) {
                self.by_table.insert(table, rows);
            }
        }
        if let Some(summary) = parsed::<Summary>(message.summary) {
            self.sum_up(summary);
            return Said::Nothing; // shown at the end
        }
        match parsed::<String>(message.kind).as_deref() {
            Some("log") => match parsed::<String>(message.text) {
                Some(text) => {
                    self.count(&text);
                    Said::Log(text)
                }
                None => Said::Nothing,
            },
            Some("addWarningToCurrentStatus") => {
                self.warnings += 1;
                let text = parsed(message.warning).filter(|text: &String| !text.trim().is_empty());
                Said::Warning(text.unwrap_or_else(|| "the connector added a warning to its status".into()))
            }
            Some("error") => {
                let text = parsed::<String>(message.error)
                    .or_else(|| message.error.map(|raw| raw.get().to_owned()))
                    .unwrap_or_else(|| "the connector reported an error without a text".into());
                self.error = Some(cut(text.clone(), ERROR_BYTES));
                Said::Error(text)
            }
            Some("updateCurrentStatus") => {
                self.doing = match number(message.status) {
                    Some(1) => Doing::Importing,
                    Some(2) => Doing::CleaningUp,
                    Some(3 | 4) => Doing::Finishing,
                    Some(5) => Doing::Failing,
                    _ => self.doing,
                };
                Said::Nothing
            }
            Some("updateLastRequstedDate") => {
                let date = parsed::<String>(message.date);
                self.date = date.as_deref().and_then(super::incremental_date).map(ToOwned::to_owned);
                Said::Nothing
            }
            _ => Said::Nothing,
        }
    }

    /// Keeps a summary. What are too many tables are counted as one.
    fn sum_up(&mut self, mut summary: Summary) {
        let texts = [&mut summary.table, &mut summary.location, &mut summary.first_date];
        for text in texts.into_iter().chain([&mut summary.last_date, &mut summary.look]) {
            *text = text.take().map(|text| cut(text, NAME_BYTES));
        }
        let is_full = self.summaries.len() == MOST_TABLES;
        match self.summaries.last_mut() {
            Some(last) if is_full => {
                let rows = last.rows.unwrap_or_default().saturating_add(summary.rows.unwrap_or_default());
                *last =
                    Summary { rows: Some(rows), table: Some("other tables".into()), ..Summary::default() };
            }
            _ => self.summaries.push(summary),
        }
    }

    /// Looks for "12 rows of … were fetched" in a sentence.
    fn count(&mut self, sentence: &str) {
        if !self.by_table.is_empty() {
            return;
        }
        let words: Vec<_> = sentence.split_whitespace().collect();
        let counted = words.windows(2).find_map(|pair| {
            let is_rows =
                ["row", "rows", "record", "records"].contains(&pair[1].trim_matches([',', '.', ':']));
            let digits = pair[0].trim_start_matches(['(', ':']).replace(',', "");
            if is_rows { digits.parse::<u64>().ok() } else { None }
        });
        let Some(rows) = counted else { return };
        let verb =
            VERBS.iter().find(|verb| words.iter().any(|word| word.trim_matches([',', '.', ':']) == **verb));
        if let Some(verb) = verb {
            let sum = self.by_verb.entry(verb).or_default();
            *sum = sum.saturating_add(rows);
        }
    }
}

fn parsed<T: for<'de> Deserialize<'de>>(raw: Option<&RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}

/// A number, or a text that holds one.
fn number(raw: Option<&RawValue>) -> Option<i64> {
    parsed::<i64>(raw).or_else(|| parsed::<String>(raw)?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(lines: &[&str]) -> (Seen, Vec<Said>) {
        let mut seen = Seen::default();
        let said = lines.iter().map(|line| seen.take(&serde_json::from_str(line).unwrap())).collect();
        (seen, said)
    }

    #[test]
    fn sentences_of_older_connectors_are_counted_once() {
        let (seen, _) = seen(&[
            r#"{"type":"log","message":"15 rows of ads were fetched for account 7 on 2026-01-01"}"#,
            r#"{"type":"log","message":"1,000 records were fetched."}"#,
            r#"{"type":"log","message":"1,015 records were saved"}"#,
            r#"{"type":"log","message":"no rows were fetched, 3 tries"}"#,
            r#"{"type":"log","message":"it has 99 rows"}"#,
        ]);
        assert_eq!(seen.rows(), Some(1015));
    }

    #[test]
    fn numbers_of_the_reference_package_count_more_than_sentences() {
        let (seen, said) = seen(&[
            r#"{"type":"log","message":"3 rows were fetched"}"#,
            r#"{"type":"isInProgress","status":true,"progress":{"table":"a","phase":"reading","rows":5}}"#,
            r#"{"type":"isInProgress","status":true,"progress":{"table":"b","phase":"saving","rows":2}}"#,
            r#"{"type":"isInProgress","status":true,"progress":{"table":"a","rows":7}}"#,
        ]);
        assert_eq!((seen.rows(), seen.doing), (Some(9), Doing::Saving));
        assert_eq!(said[1], Said::Nothing);
    }

    #[test]
    fn statuses_dates_warnings_and_errors() {
        let (seen, said) = seen(&[
            r#"{"type":"updateCurrentStatus","status":"1"}"#,
            r#"{"type":"updateLastRequstedDate","date":"2026-01-31T00:00:00.000Z"}"#,
            r#"{"type":"addWarningToCurrentStatus","status":1}"#,
            r#"{"type":"error","error":{"status":500}}"#,
            r#"{"type":["log"],"message":7}"#,
            r#"{"type":"updateCurrentStatus","status":9}"#,
        ]);
        assert_eq!((seen.doing, seen.date.as_deref()), (Doing::Importing, Some("2026-01-31")));
        assert_eq!((seen.warnings, seen.error.as_deref()), (1, Some("{\"status\":500}")));
        assert_eq!(said[2], Said::Warning("the connector added a warning to its status".into()));
        assert_eq!(said[4], Said::Nothing);
        assert_eq!(seen.rows(), None);
    }
}
