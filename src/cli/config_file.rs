//! The configuration file: where it is malformed, which field it lacks, which of its parameters
//! are paths.

use serde::de::IgnoredAny;

use crate::connectors::{Catalog, parameters};

/// Why a text is not JSON, with line and column; `None` where it is.
pub fn explain(text: &str) -> Option<String> {
    let error = serde_json::from_str::<IgnoredAny>(text).err()?;
    let (line, column) = (error.line(), error.column());
    let full = error.to_string();
    // serde_json ends its messages with the place
    let reason = full.split(" at line ").next().unwrap_or(&full);
    let before = text_before(text, line, column);
    let hint = if before.trim_end().ends_with(',') { " (is there a comma too many?)" } else { "" };
    let source = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let before: String = source.chars().take(column.saturating_sub(1)).collect();
    let marker = " ".repeat(before.chars().count());
    Some(format!("line {line}, column {column}: {reason}{hint}\n  {source}\n  {marker}^"))
}

/// The text before a place.
fn text_before(text: &str, line: usize, column: usize) -> &str {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    text.get(..start + column.saturating_sub(1)).unwrap_or(text)
}

/// The path of the field that a message of the configuration rules is about.
pub fn missing_field(message: &str) -> Option<&'static str> {
    Some(match message {
        "Run configuration name is required" | "Invalid run configuration name" => "name",
        "Source configuration is required" => "source",
        "Storage configuration is required" => "storage",
        "Source name is required" => "source.name",
        "Storage name is required" => "storage.name",
        "Source config object is required" => "source.config",
        "Storage config object is required" => "storage.config",
        "Data mart ID is required" | "Invalid data mart ID" => "datamartId",
        _ => return None,
    })
}

/// The parameters of this source and storage that are paths: (`source` or `storage`, name).
pub fn path_parameters(catalog: &Catalog, source: &str, storage: &str) -> Vec<(&'static str, String)> {
    let of = |section, manifests, name| {
        let all = parameters(manifests, name).into_iter();
        all.filter(|(_, parameter)| parameter.format.as_deref() == Some("path"))
            .map(move |(name, _)| (section, name))
            .collect::<Vec<_>>()
    };
    let mut paths = of("source", &catalog.sources, source);
    paths.extend(of("storage", &catalog.storages, storage));
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_file_is_explained_by_line_and_column() {
        let explained = explain("{\n  \"name\": \"x\",\n  \"source\": }\n").unwrap();
        assert_eq!(explained, "line 3, column 13: expected value\n    \"source\": }\n              ^");
        assert!(
            explain("{\"a\": 1,}")
                .unwrap()
                .starts_with("line 1, column 9: key must be a string (is there a comma too many?)")
        );
        assert!(explain("").unwrap().starts_with("line 1, column 0: EOF"));
        assert_eq!(explain("{}"), None);
    }

    #[test]
    fn every_rule_message_names_its_field() {
        assert_eq!(missing_field("Source name is required"), Some("source.name"));
        assert_eq!(missing_field("Storage config object is required"), Some("storage.config"));
        assert_eq!(missing_field("something else"), None);
    }

    #[test]
    fn path_parameters_come_from_the_manifests() {
        let json = serde_json::json!({
            "sources": { "S": { "parameters": { "Path": { "format": "path" }, "Other": {} } } },
            "storages": { "T": { "parameters": { "File": { "format": "path" } } }, "U": null },
        });
        let catalog: Catalog = serde_json::from_str(&json.to_string()).unwrap();
        assert_eq!(
            path_parameters(&catalog, "S", "T"),
            [("source", "Path".into()), ("storage", "File".into())]
        );
        assert_eq!(path_parameters(&catalog, "X", "U"), []);
    }
}
