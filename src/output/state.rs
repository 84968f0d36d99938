//! The value of a state: the same in the file, in a run's result and in `runConfig.state`.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

/// State of a configuration (contract, section 11): `{ date, tables: { name: { date } } }`, and
/// what else whoever wrote it keeps there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// The last day that every table has, as the connector printed it.
    pub date: Option<String>,
    /// The same for each table.
    pub tables: BTreeMap<String, TableState>,
    /// Members that are not known here, also a `date` or `tables` of another shape.
    pub rest: Rest,
}

impl State {
    /// Whether another state is at least as far, in every date that this one has. Dates are ISO 8601
    /// and compare as texts.
    pub fn is_behind(&self, other: &Self) -> bool {
        self.date <= other.date
            && self
                .tables
                .iter()
                .all(|(name, table)| other.tables.get(name).is_none_or(|theirs| table.date <= theirs.date))
    }
}

impl State {
    /// Whether it says something of one of these tables; a date says something of all.
    pub fn has_any(&self, tables: &[String]) -> bool {
        if self.tables.is_empty() {
            return self.date.is_some();
        }
        tables.iter().any(|table| self.tables.contains_key(table))
    }

    /// Says nothing of these tables any more, nor of all of them together.
    pub fn forget(&mut self, tables: &[String]) {
        self.date = None;
        self.tables.retain(|name, _| !tables.contains(name));
    }
}

/// State of one table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableState {
    /// The last day that it has.
    pub date: String,
    /// Members that are not known here.
    pub rest: Rest,
}

/// Members of a JSON object in their order, each value as it was written: what is not ours to read
/// must not lose the digits of a number.
#[derive(Debug, Clone, Default)]
pub struct Rest(Vec<(String, Box<RawValue>)>);

impl Rest {
    /// The JSON of a member; the last one where its key stands twice.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().rfind(|(known, _)| known == key).map(|(_, value)| value.get())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes a member out.
    pub fn take(&mut self, key: &str) -> Option<Box<RawValue>> {
        let at = self.0.iter().rposition(|(known, _)| known == key)?;
        let (_, value) = self.0.remove(at);
        self.0.retain(|(known, _)| known != key);
        Some(value)
    }

    /// Sets a member, at the end.
    pub fn set<T: Serialize>(&mut self, key: &str, value: &T) {
        self.take(key);
        if let Ok(value) = serde_json::value::to_raw_value(value) {
            self.0.push((key.to_owned(), value));
        }
    }

    /// Takes a member out that can be read as such a value; one of another shape stays.
    pub fn take_as<T: for<'json> Deserialize<'json>>(&mut self, key: &str) -> Option<T> {
        let value = serde_json::from_str(self.get(key)?).ok()?;
        self.take(key);
        Some(value)
    }

    fn serialize_into<M: SerializeMap>(&self, map: &mut M, but: &[&str]) -> Result<(), M::Error> {
        let kept = self.0.iter().filter(|(key, _)| !but.contains(&key.as_str()));
        kept.into_iter().try_for_each(|(key, value)| map.serialize_entry(key, value))
    }
}

impl PartialEq for Rest {
    fn eq(&self, other: &Self) -> bool {
        let texts = |rest: &Self| {
            rest.0.iter().map(|(key, value)| (key.clone(), value.get().to_owned())).collect::<Vec<_>>()
        };
        texts(self) == texts(other)
    }
}

impl Serialize for Rest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.serialize_into(&mut map, &[])?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Rest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Rest;
            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Rest, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Rest(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut own = Vec::new();
        if let Some(date) = &self.date {
            map.serialize_entry("date", date)?;
            own.push("date");
        }
        if !self.tables.is_empty() {
            map.serialize_entry("tables", &self.tables)?;
            own.push("tables");
        }
        self.rest.serialize_into(&mut map, &own)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut rest = Rest::deserialize(deserializer)?;
        let date = rest.take_as("date");
        let tables = rest.take_as("tables").unwrap_or_default();
        Ok(Self { date, tables, rest })
    }
}

impl Serialize for TableState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("date", &self.date)?;
        self.rest.serialize_into(&mut map, &["date"])?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for TableState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut rest = Rest::deserialize(deserializer)?;
        let date = rest.take_as("date").ok_or_else(|| serde::de::Error::missing_field("date"))?;
        Ok(Self { date, rest })
    }
}

/// The day (YYYY-MM-DD) of a state's `date`, for connectors of 0.11, which read it only from the
/// parameter `LastRequestedDate`.
pub fn incremental_date(date: &str) -> Option<&str> {
    let day = date.get(..10)?;
    let is_day = day.bytes().enumerate().all(|(index, byte)| match index {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    let number = |range| day.get(range).and_then(|digits: &str| digits.parse::<u32>().ok());
    let (year, month) = (number(0..4)?, number(5..7)?);
    let longest = match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (is_day && (1..=longest).contains(&number(8..10)?)).then_some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(text: &str) -> String {
        serde_json::to_string(&serde_json::from_str::<State>(text).unwrap()).unwrap()
    }

    #[test]
    fn a_state_survives_the_way_byte_for_byte() {
        for text in [
            "{}",
            r#"{"date":"2026-01-02T00:00:00.000Z"}"#,
            r#"{"date":"2026-01-02","tables":{"a":{"date":"2026-01-02"},"b":{"date":"2026-02-01","cursor":7012345678901234567.10}}}"#,
            r#"{"cursor":70123456789012345678,"n":1.10,"e":1e400}"#,
            // of another shape: not ours, so not changed
            r#"{"date":5,"tables":["a"]}"#,
            r#"{"tables":{"a":{"day":"x"}}}"#,
        ] {
            assert_eq!(way(text), text);
        }
        assert_eq!(way(" { \"date\" : \"a\", \"x\" : [1, 2] } "), r#"{"date":"a","x":[1, 2]}"#);
        for text in ["", "[]", "7", "null", "{"] {
            assert!(serde_json::from_str::<State>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_set_replaces_a_member_of_another_shape() {
        let mut state: State = serde_json::from_str(r#"{"date":5,"x":1,"x":2}"#).unwrap();
        assert_eq!(
            (state.date.as_deref(), state.rest.get("date"), state.rest.get("x")),
            (None, Some("5"), Some("2"))
        );
        state.date = Some("2026-01-01".into());
        assert_eq!(serde_json::to_string(&state).unwrap(), r#"{"date":"2026-01-01","x":1,"x":2}"#);
    }

    #[test]
    fn only_a_date_becomes_a_day() {
        assert_eq!(incremental_date("2026-01-02T03:04:05.000Z"), Some("2026-01-02"));
        assert_eq!(incremental_date("2026-01-02"), Some("2026-01-02"));
        for text in ["", "yesterday!!", "2026-1-02", "20260102", "2026-13-01", "2026-02-29", "2026-01-00"] {
            assert_eq!(incremental_date(text), None, "{text}");
        }
    }
}
