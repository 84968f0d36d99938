//! What became of each table of a run: the one source for whatever is said of a failed one.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Tables that are told of apart; further ones are left out.
const MOST_TABLES: usize = 1000;

/// Characters of a table's name that are kept.
const NAME_CHARACTERS: usize = 200;

/// What is known of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its name.
    pub table: String,
    /// Whether the run has saved rows there; null where it ended while it was saving them.
    pub committed: Option<bool>,
    /// How many it has saved; null where that is not known.
    pub rows: Option<u64>,
    /// How many it had read at least.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub read: Option<u64>,
}

/// The tables of one run, in the order in which they were named.
#[derive(Debug, Default, Clone)]
pub struct Tables(Vec<Table>);

/// `progress` and `summary` of messages.
#[derive(Deserialize)]
struct Said {
    table: Option<String>,
    phase: Option<String>,
    rows: Option<u64>,
}

impl Tables {
    /// Takes the names of all tables that the run is to load.
    pub fn named(&mut self, raw: &RawValue) {
        let names: Vec<String> = serde_json::from_str(raw.get()).unwrap_or_default();
        for name in names {
            self.of(&name);
        }
    }

    /// Takes a `progress`.
    pub fn progress(&mut self, raw: &RawValue) {
        let Ok(Said { table: Some(name), phase, rows }) = serde_json::from_str(raw.get()) else { return };
        let Some(table) = self.of(&name) else { return };
        table.read = rows.or(table.read);
        if table.committed == Some(true) {
            return; // what was saved before stays
        }
        (table.committed, table.rows) =
            if phase.as_deref() == Some("saving") { (None, None) } else { (Some(false), Some(0)) };
    }

    /// Takes a `summary`, which is said when rows have been saved.
    pub fn summary(&mut self, raw: &RawValue) {
        let Ok(Said { table, rows: Some(rows), .. }) = serde_json::from_str(raw.get()) else { return };
        let Some(table) = table.and_then(|name| self.of(&name)) else { return };
        let before = if table.committed == Some(true) { table.rows } else { None };
        (table.committed, table.rows) = (Some(true), Some(before.unwrap_or_default().saturating_add(rows)));
    }

    fn of(&mut self, name: &str) -> Option<&mut Table> {
        let name: String = name.chars().take(NAME_CHARACTERS).collect();
        let index = match self.0.iter().position(|known| known.table == name) {
            Some(index) => index,
            None if self.0.len() < MOST_TABLES => {
                self.0.push(Table { table: name, committed: Some(false), rows: Some(0), read: None });
                self.0.len() - 1
            }
            None => return None,
        };
        self.0.get_mut(index)
    }

    /// All of them.
    pub fn into_vec(self) -> Vec<Table> {
        self.0
    }
}

/// The rows that were saved in all of them; none where a table was being saved, or none is known.
pub fn saved_rows(tables: &[Table]) -> Option<u64> {
    if tables.is_empty() {
        return None;
    }
    tables.iter().try_fold(0_u64, |sum, table| Some(sum.saturating_add(table.rows?)))
}

impl Table {
    /// What became of it, for a person.
    pub fn sentence(&self) -> String {
        let counted = |rows: u64| crate::numbers::counted(rows, "row");
        match (self.committed, self.rows, self.read) {
            (Some(true), rows, _) => format!("{} saved", counted(rows.unwrap_or_default())),
            (None, ..) => "was being saved: look whether its rows are there".to_owned(),
            (Some(false), _, Some(read)) if read > 0 => format!("nothing saved, {} read", counted(read)),
            (Some(false), ..) => "nothing saved".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn each_table_is_saved_or_not_or_nobody_knows() {
        let mut tables = Tables::default();
        tables.named(&raw(r#"["a","b","c","d"]"#));
        tables.progress(&raw(r#"{"table":"a","phase":"saving","rows":3}"#));
        tables.summary(&raw(r#"{"table":"a","rows":3}"#));
        tables.summary(&raw(r#"{"table":"a","rows":1000}"#));
        tables.progress(&raw(r#"{"table":"a","phase":"reading","rows":9}"#));
        tables.progress(&raw(r#"{"table":"b","phase":"saving","rows":7}"#));
        tables.progress(&raw(r#"{"table":"c","phase":"reading","rows":1}"#));
        for odd in ["7", "[]", r#"{"table":7,"rows":1}"#, r#"{"table":"e","rows":-1}"#, r#"{"rows":5}"#] {
            tables.summary(&raw(odd));
            tables.progress(&raw(odd));
            tables.named(&raw(odd));
        }
        let tables = tables.into_vec();
        let said: Vec<_> =
            tables.iter().map(|table| format!("{}: {}", table.table, table.sentence())).collect();
        assert_eq!(
            said,
            [
                "a: 1,003 rows saved",
                "b: was being saved: look whether its rows are there",
                "c: nothing saved, 1 row read",
                "d: nothing saved",
            ]
        );
        assert_eq!((saved_rows(&tables), saved_rows(&tables[2..]), saved_rows(&[])), (None, Some(0), None));
        assert_eq!(saved_rows(&tables[..1]), Some(1003));
    }

    #[test]
    fn tables_and_their_names_are_bounded() {
        let mut tables = Tables::default();
        for number in 0..MOST_TABLES + 5 {
            tables.summary(&raw(&format!(r#"{{"table":"{number}{}","rows":1}}"#, "x".repeat(500))));
        }
        let tables = tables.into_vec();
        assert_eq!((tables.len(), tables[0].table.len()), (MOST_TABLES, NAME_CHARACTERS));
    }
}
