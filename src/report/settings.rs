//! The configuration as it may be shown: secret parameters are masked whatever their values are,
//! and known secrets wherever they stand.

use crate::output::redact::json::{Value, parse};
use crate::output::redact::{Marked, Redaction, Secrets, comparable, is_secret_name};

/// Settings that are shown; more are counted.
const MOST: usize = 300;

/// Characters of a value that are shown.
const CHARACTERS: usize = 1000;

/// One parameter.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name, after those of the parameters and choices that it is below.
    pub path: Vec<String>,
    /// What it is; none where that is secret.
    pub value: Option<String>,
}

/// The settings of a run.
#[derive(Debug, Default)]
pub struct Settings {
    /// Those that are shown.
    pub shown: Vec<Setting>,
    /// How many are not.
    pub left_out: usize,
}

/// Reads `OW_CONFIG`: the parameters of source and storage, in this order.
pub fn of_config(
    text: &str,
    marked: &Marked,
    redaction: &Redaction,
    secrets: Option<&Secrets>,
) -> (Settings, Settings) {
    let Some(config) = parse(text) else { return Default::default() };
    let read = |section: &str, marked: &[String]| {
        let mut reader = Reader::new(marked, redaction, secrets);
        if let Some(Value::Object(members, _)) =
            config.member(section).and_then(|found| found.member("config"))
        {
            reader.members(members, &mut Vec::new(), false);
        }
        reader.settings
    };
    (read("source", &marked.source), read("storage", &marked.storage))
}

/// The names of a configuration, its source and its storage.
pub fn names(text: &str) -> (String, String, String) {
    let config = parse(text);
    let name = |section: Option<&Value>| match section.and_then(|section| section.member("name")) {
        Some(Value::Text(name)) => name.chars().take(CHARACTERS).collect(),
        _ => String::new(),
    };
    let section = |name: &str| config.as_ref().and_then(|config| config.member(name));
    (name(config.as_ref()), name(section("source")), name(section("storage")))
}

/// Reads `OW_RUN_CONFIG`: the run's type, its data and its state.
pub fn of_run(text: &str, marked: &Marked, redaction: &Redaction, secrets: Option<&Secrets>) -> Settings {
    let all: Vec<String> = marked.source.iter().chain(&marked.storage).cloned().collect();
    let mut reader = Reader::new(&all, redaction, secrets);
    if let Some(Value::Object(members, _)) = parse(text) {
        for (name, value) in &members {
            match value {
                Value::Array(fields) if name == "data" => reader.fields(fields),
                _ => reader.setting(name, value, &mut Vec::new(), false),
            }
        }
    }
    reader.settings
}

struct Reader<'a> {
    settings: Settings,
    names: Vec<String>,
    secrets: Option<&'a Secrets>,
}

impl<'a> Reader<'a> {
    fn new(marked: &[String], redaction: &Redaction, secrets: Option<&'a Secrets>) -> Self {
        let names = marked.iter().chain(&redaction.names).map(|name| comparable(name)).collect();
        Self { settings: Settings::default(), names, secrets }
    }

    fn is_secret(&self, name: &str) -> bool {
        is_secret_name(name) || self.names.contains(&comparable(name))
    }

    fn add(&mut self, path: &[String], value: Option<&str>) {
        if self.settings.shown.len() == MOST {
            self.settings.left_out += 1;
            return;
        }
        let value = value.map(|text| {
            let text = self.secrets.map_or_else(|| text.to_owned(), |secrets| secrets.redact(text));
            match text.char_indices().nth(CHARACTERS) {
                Some((end, _)) => format!("{} …", &text[..end]),
                None => text,
            }
        });
        self.settings.shown.push(Setting { path: path.to_vec(), value });
    }

    fn members(&mut self, members: &[(String, Value)], path: &mut Vec<String>, is_secret: bool) {
        for (name, value) in members {
            self.setting(name, value, path, is_secret);
        }
    }

    /// One parameter, or what is below it. What is below a secret one is secret, but for the names
    /// of choices.
    fn setting(&mut self, name: &str, value: &Value, path: &mut Vec<String>, is_secret: bool) {
        let is_secret = is_secret || self.is_secret(name);
        path.push(name.to_owned());
        match (value, value.member("value"), value.member("items")) {
            (_, Some(Value::Text(choice)), Some(Value::Object(items, _))) => {
                self.add(path, Some(choice));
                path.push(choice.clone());
                self.members(items, path, is_secret);
                path.pop();
            }
            (Value::Object(members, _), Some(inner), None) if members.len() == 1 => {
                self.value(inner, path, is_secret);
            }
            _ => self.value(value, path, is_secret),
        }
        path.pop();
    }

    fn value(&mut self, value: &Value, path: &mut Vec<String>, is_secret: bool) {
        match value {
            Value::Object(members, _) if !members.is_empty() => self.members(members, path, is_secret),
            _ if is_secret && !matches!(value, Value::Other("null")) => self.add(path, None),
            Value::Text(text) => self.add(path, Some(text)),
            _ => {
                let text = self.json(value);
                self.add(path, Some(&text));
            }
        }
    }

    /// `data` of a run: parameters by name.
    fn fields(&mut self, fields: &[Value]) {
        for field in fields {
            let mut path = vec!["data".to_owned()];
            match (field.member("configField"), field.member("value")) {
                (Some(Value::Text(name)), Some(value)) => self.setting(name, value, &mut path, false),
                _ => self.value(field, &mut path, false),
            }
        }
    }

    /// Lists, as JSON.
    fn json(&self, value: &Value) -> String {
        let list = |parts: Vec<String>| parts.join(", ");
        match value {
            Value::Text(text) => serde_json::to_string(text).unwrap_or_default(),
            Value::Other(raw) => (*raw).to_owned(),
            Value::Deep(_) => "…".to_owned(),
            Value::Array(items) => format!("[{}]", list(items.iter().map(|item| self.json(item)).collect())),
            Value::Object(members, _) => {
                let member = |(name, value): &(String, Value)| {
                    let shown = if self.is_secret(name) { "***".to_owned() } else { self.json(value) };
                    format!("{}: {shown}", serde_json::to_string(name).unwrap_or_default())
                };
                format!("{{{}}}", list(members.iter().map(member).collect()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(settings: &Settings) -> Vec<String> {
        let line = |setting: &Setting| {
            format!("{} = {}", setting.path.join(" > "), setting.value.as_deref().unwrap_or("(secret)"))
        };
        settings.shown.iter().map(line).collect()
    }

    #[test]
    fn secret_parameters_are_masked_whatever_they_hold() {
        let config = r#"{"source":{"name":"S","config":{
            "AccessToken":{"value":"short"}, "Pin":{"value":1234}, "Fields":{"value":["a",{"api_key":"k","b":null}]},
            "AuthType":{"value":"oauth2","items":{"ClientId":{"value":"id"},"ClientSecret":{"value":""}}},
            "Empty":{"value":null}, "EmptyToken":{"value":null},
            "ServiceAccountKey":{"value":{"project":"p","n":1}}, "Plain":{"x":{"y":true}}}},
            "storage":{"name":"T","config":{"Path":{"value":"/data/known-secret/x"},"Asked":{"value":"v"}}}}"#;
        let marked = Marked { source: vec!["Pin".into()], storage: Vec::new() };
        let redaction = Redaction {
            names: vec!["asked".into()],
            values: vec!["known-secret".into()],
            ..Redaction::default()
        };
        let secrets = Secrets::find(&redaction, &[], &marked);
        let (source, storage) = of_config(config, &marked, &redaction, secrets.as_deref());
        assert_eq!(
            lines(&source),
            [
                "AccessToken = (secret)",
                "Pin = (secret)",
                r#"Fields = ["a", {"api_key": ***, "b": null}]"#,
                "AuthType = oauth2",
                "AuthType > oauth2 > ClientId = id",
                "AuthType > oauth2 > ClientSecret = (secret)",
                "Empty = null",
                "EmptyToken = null",
                "ServiceAccountKey > project = (secret)",
                "ServiceAccountKey > n = (secret)",
                "Plain > x > y = true",
            ]
        );
        assert_eq!(lines(&storage), ["Path = /data/***/x", "Asked = (secret)"]);
        let run = r#"{"type":"CUSTOM","data":[{"configField":"Token","value":"t"},{"configField":"D","value":"1"},7],"state":{"date":"x"}}"#;
        let settings = of_run(run, &marked, &redaction, None);
        assert_eq!(
            lines(&settings),
            ["type = CUSTOM", "data > Token = (secret)", "data > D = 1", "data = 7", "state > date = x"]
        );
    }

    #[test]
    fn much_is_cut_and_counted() {
        let many: Vec<String> =
            (0..MOST + 5).map(|number| format!(r#""P{number}":"{}""#, "ж".repeat(2000))).collect();
        let config = format!(r#"{{"source":{{"config":{{{}}}}}}}"#, many.join(","));
        let (source, storage) = of_config(&config, &Marked::default(), &Redaction::default(), None);
        assert_eq!((source.shown.len(), source.left_out, storage.shown.len()), (MOST, 5, 0));
        assert_eq!(source.shown[0].value.as_ref().unwrap().chars().count(), CHARACTERS + 2);
        assert!(of_config("no json", &Marked::default(), &Redaction::default(), None).0.shown.is_empty());
    }
}
