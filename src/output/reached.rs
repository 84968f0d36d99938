//! How far a run came, as its connector prints it.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::state::{State, TableState};

/// Tables of one message that are kept.
const MOST_TABLES: usize = 10_000;

impl State {
    /// What `updateLastRequstedDate` says: `date`, and `tables` where the connector has several. The
    /// date that hosts pass on is never later than that of any table. None where it says nothing.
    pub fn said(date: Option<&RawValue>, tables: Option<&RawValue>) -> Option<Self> {
        let date: Option<String> = date.and_then(|raw| serde_json::from_str(raw.get()).ok());
        let date = date.filter(|date| is_plain(date));
        let tables: Option<BTreeMap<String, TableState>> =
            tables.and_then(|raw| serde_json::from_str(raw.get()).ok());
        let mut tables = tables.filter(|tables| tables.len() <= MOST_TABLES).unwrap_or_default();
        tables.retain(|_, table| is_plain(&table.date));
        if date.is_none() && tables.is_empty() {
            return None;
        }
        Some(Self { date: earliest(date, &tables), tables, ..Self::default() })
    }

    /// The same of an object that holds both.
    pub fn said_whole(raw: &RawValue) -> Option<Self> {
        #[derive(serde::Deserialize)]
        struct Whole<'a> {
            #[serde(borrow)]
            date: Option<&'a RawValue>,
            #[serde(borrow)]
            tables: Option<&'a RawValue>,
        }
        let Whole { date, tables } = serde_json::from_str(raw.get()).ok()?;
        Self::said(date, tables)
    }
}

/// Whether a text could be a date. Its form is the connector's, but one that would act upon a
/// terminal is not kept for later runs to show.
fn is_plain(date: &str) -> bool {
    date.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

/// The date, or that of a table which is behind it. Texts are compared by their days, which sort as
/// they are written.
fn earliest(date: Option<String>, tables: &BTreeMap<String, TableState>) -> Option<String> {
    let date = date?;
    let day = |date: &str| date.get(..10).map(ToOwned::to_owned);
    let behind = tables.values().map(|table| &table.date).min_by_key(|date| day(date));
    Some(behind.filter(|behind| day(behind) < day(&date)).cloned().unwrap_or(date))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Option<String> {
        let raw: Box<RawValue> = serde_json::from_str(text).unwrap();
        State::said_whole(&raw).map(|state| serde_json::to_string(&state).unwrap())
    }

    #[test]
    fn what_is_said_is_kept_and_what_is_none_is_not() {
        let same = r#"{"date":"2026-01-02T00:00:00.000Z","tables":{"a":{"date":"2026-01-02T00:00:00.000Z","reachedAt":"2026-02-02"}}}"#;
        assert_eq!(said(same).as_deref(), Some(same));
        assert_eq!(said(r#"{"date":"2026-01-02","x":1}"#).as_deref(), Some(r#"{"date":"2026-01-02"}"#));
        let tables = r#"{"tables":{"a":{"date":"2026-01-02"}}}"#;
        assert_eq!(said(tables).as_deref(), Some(tables));
        for text in [r#"{"date":"2026-01-02\u001b]0;x\u0007"}"#, r#"{"tables":{"a":{"date":"\u202e"}}}"#] {
            assert_eq!(said(text), None, "{text}");
        }
        for text in ["{}", r#"{"date":7}"#, r#"{"tables":{}}"#, r#"{"tables":{"a":5}}"#, "[]", "7"] {
            assert_eq!(said(text), None, "{text}");
        }
        assert_eq!(said(r#"{"date":"x","tables":["a"]}"#).as_deref(), Some(r#"{"date":"x"}"#));
    }

    #[test]
    fn the_date_of_all_is_the_earliest() {
        let text =
            r#"{"date":"2026-06-01","tables":{"fast":{"date":"2026-06-01"},"late":{"date":"2026-05-01"}}}"#;
        assert_eq!(said(text), Some(text.replacen("2026-06-01", "2026-05-01", 1)));
    }
}
